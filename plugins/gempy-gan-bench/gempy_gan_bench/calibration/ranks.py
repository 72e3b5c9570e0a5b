"""Ranks of truths among draws, which are uniform where the draws come from the posterior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

SIMULATED = 4000  # exact samplers, from which the band of all of them is found


def position(draws: ArrayLike, truth: ArrayLike, rng: np.random.Generator) -> Array:
    """Where the truth (...) lies among draws (n, ...), between 0 and 1.

    It is (rank + V) / (n + 1) with V uniform, and the rank among draws that equal the truth drawn at random: exactly uniform
    on [0, 1] where truth and draws come from the same distribution, whatever n is, and however discrete they are.

    >>> float(position([[1.0], [2.0]], [3.0], np.random.default_rng(0))[0]) > 2 / 3
    True
    """
    values, known = np.asarray(draws), np.asarray(truth)
    below, equal = (values < known).sum(axis=0), (values == known).sum(axis=0)
    rank = below + rng.integers(0, equal + 1)
    return np.asarray((rank + rng.random(known.shape)) / (len(values) + 1))


def uniform_p(positions: ArrayLike) -> float:
    """P-value of the Kolmogorov-Smirnov test that positions (t,) are uniform on [0, 1]."""
    from scipy.stats import kstest

    return float(kstest(np.asarray(positions, dtype=np.float64), "uniform").pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for there being several (Holm 1979): the chance that any test fails by bad luck stays what it says.

    >>> holm([0.01, 0.5, 0.03])
    [0.03, 0.5, 0.06]
    """
    found, most = [0.0] * len(p_values), 0.0
    for rank, k in enumerate(np.argsort(p_values, kind="stable")):
        most = max(most, min(1.0, (len(p_values) - rank) * p_values[k]))
        found[k] = most
    return found


def expected_coverage(positions: ArrayLike, levels: ArrayLike) -> Array:
    """Share of positions (t,) up to each level: the levels themselves, but for chance, where positions are uniform."""
    return np.asarray((np.asarray(positions)[:, None] <= np.asarray(levels)).mean(axis=0))


def band(count: int, levels: ArrayLike, share: float = 0.95, seed: int = 0) -> tuple[Array, Array]:
    """Lower and upper bound of `expected_coverage` at all levels at once, for a `share` of exact samplers with `count` truths.

    Bounds of single levels are binomial quantiles; how far out they must lie to hold at all levels together is found from
    simulated exact samplers (Saeilynoja, Buerkner & Vehtari 2022, doi:10.1007/s11222-022-10090-6).
    """
    from scipy.stats import binom

    at = np.asarray(levels, dtype=np.float64)
    rng = np.random.default_rng(seed)
    edges = np.concatenate([[0.0], at, [1.0]])
    counts = rng.multinomial(count, np.diff(edges).clip(min=0), SIMULATED).cumsum(axis=1)[:, :-1]
    tail = np.minimum(binom.cdf(counts, count, at), binom.sf(counts - 1, count, at))
    out = float(np.quantile(tail.min(axis=1), 1 - share))
    return binom.ppf(out, count, at) / count, binom.isf(out, count, at) / count


def outside(curve: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Share of the levels at which a curve leaves its band."""
    values = np.asarray(curve)
    return float(np.mean((values < np.asarray(low) - 1e-12) | (values > np.asarray(high) + 1e-12)))


def standard_error(values: Sequence[float]) -> float:
    """Standard error of the mean of independent values; NaN for fewer than two."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
