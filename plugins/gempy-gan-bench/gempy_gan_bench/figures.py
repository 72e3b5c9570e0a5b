"""The figures of a case: how realizations fit their data, and how they predict what they were not given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan import Ensemble, HardData, SoftData, scores
from gempy_gan_bench.protocol import PROPERTY
from gempy_gan_bench.truths import COARSE

THRESHOLD = 0.01  # mean absolute error at the wells up to which a realization passes
Z95 = 1.959963984540054

Array = NDArray[np.float64]


def data_figures(ensemble: Ensemble, wells: HardData, held_out: HardData, fraction: Array) -> dict[str, Any]:
    """Figures at wells, at wells held out, and away from data. Realizations are taken as they are, whatever their range."""
    values, weights = fractions(ensemble), ensemble.weights
    facies = fraction[tuple(wells.cells.T)] > COARSE  # the truth's: noise would move data that lie at the limit
    error = np.abs(at(values, wells) - wells.values).mean(axis=1)
    return {
        "inversion_error": float(weights @ error),
        **pass_figures(error, weights),
        **generalization(values, weights, fraction, wells),
        "balanced_match": scores.balanced_match(at(values, wells) > COARSE, facies, weights=weights),
        "well_chi2": scores.chi2(at(values, wells), wells.values, wells.std, weights),
        "crps_heldout": float(scores.crps(at(values, held_out), held_out.values, held_out.std, weights).mean()),
        "coverage80": scores.coverage(at(values, held_out), held_out.values, (0.8,), held_out.std, weights)[0.8],
        "spread": spread(values, weights),
        **superposition(ensemble),
    }


def pass_figures(error: Array, weights: Array) -> dict[str, Any]:
    """Share of realizations whose error (n,) is at most `THRESHOLD`, with Wilson's 95 % interval."""
    share = round(float(weights @ (error <= THRESHOLD)), 12)  # 19 times 1/20 is 0.95, whatever floats add up to
    low, high = wilson(share, scores.effective_sample_size(weights))
    return {"pass_rate": share, "pass_low": low, "pass_high": high}


def wilson(share: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval (1927) of a share that was found in n trials.

    >>> [round(end, 4) for end in wilson(0.9, 10)]
    [0.5958, 0.9821]
    """
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def generalization(values: Array, weights: Array, fraction: Array, wells: HardData) -> dict[str, Any]:
    """Mean absolute difference to the truth, over the cells that no well goes through, and over all cells as in the paper."""
    apart = np.tensordot(weights, np.abs(values - fraction), 1)
    unknown = np.ones(fraction.shape, dtype=bool)
    unknown[tuple(wells.cells.T)] = False
    return {"generalization_error": float(apart[unknown].mean()), "generalization_error_all": float(apart.mean())}


def spread(values: Array, weights: ArrayLike | None = None) -> float:
    """Root mean square difference between two realizations (n, ...), over all pairs and cells; its square is unbiased.

    >>> spread(np.array([[0.0], [1.0]]))
    1.0
    """
    w = np.full(len(values), 1 / len(values)) if weights is None else np.asarray(weights)
    mean = np.tensordot(w, values, 1)
    variance = np.tensordot(w, np.square(values - mean), 1).mean()
    pairs = 1 - float(np.square(w).sum())
    return math.sqrt(2 * variance / pairs) if pairs > 0 else 0.0


def spread_error(values: Array, weights: ArrayLike | None = None) -> float:
    """Standard error of `spread` by leaving out one realization after the other (jackknife)."""
    n = len(values)
    w = np.full(n, 1 / n) if weights is None else np.asarray(weights)
    if n < 3:
        return math.nan
    left = [spread(np.delete(values, k, axis=0), np.delete(w, k) / (1 - w[k])) for k in range(n) if w[k] < 1]
    return math.sqrt((n - 1) * float(np.var(left)))


def superposition(ensemble: Ensemble) -> dict[str, Any]:
    """Share of vertical neighbours of which the upper one is not older, and of which it is younger; None without times."""
    name = "deposition_time"
    if name not in [p.name for p in ensemble.properties]:
        return {"superposition": None, "rising_time": None}
    steps = np.diff(ensemble.dataset[name].values.astype(np.float64), axis=3)
    shares = [(steps >= 0).mean(axis=(1, 2, 3)), (steps > 0).mean(axis=(1, 2, 3))]
    in_order, rising = (float(ensemble.weights @ share) for share in shares)
    return {"superposition": in_order, "rising_time": rising}


def seismic_chi2(ensemble: Ensemble, data: SoftData) -> float:
    """Mean of ((predicted - observed) / std)^2 over realizations and samples, about 1 where the noise is honoured."""
    import torch

    assert data.forward is not None  # noqa: S101  # seismic has one
    values = torch.as_tensor(fractions(ensemble))[:, None]
    predicted = np.concatenate([data.forward(part).numpy() for part in torch.split(values, 16)])
    return scores.chi2(predicted, data.values.ravel(), data.std.ravel(), ensemble.weights)


def fractions(ensemble: Ensemble) -> Array:
    """The coarse fraction (n, nx, ny, nz)."""
    ensemble.property(PROPERTY)
    return ensemble.dataset[PROPERTY].values.astype(np.float64)


def at(values: Array, data: HardData) -> Array:
    """Values (n, N) at the cells of data."""
    return values[:, *data.cells.T]
