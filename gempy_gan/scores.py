"""Scores of an ensemble: how well draws match and predict data, how sure and how different they are.

Every function takes plain arrays: `draws` (n, d) are n predictions of d data, `observed` (d,) and `std` (d,) or one number
are the data and their measurement errors, `weights` (n,) are those of the draws, None meaning equal ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]

WITHIN = 2.0  # standard deviations within which a continuous value counts as matched
VALUE_CLASSES = 3  # tertiles
LEVELS = (0.5, 0.8, 0.95)
ALIKE = 0.1  # of the usual distance between realizations: the scale at which the Vendi score takes them for similar


def chi2(draws: ArrayLike, observed: ArrayLike, std: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Mean of ((draw - datum) / std)^2 over draws and data.

    It is 1 on average for draws of the posterior when errors and prior are right: truth and draw are then exchangeable, and
    the datum lies as far from the one as from the other. Well above 1 the data are not honoured, well below overfitted.
    """
    residual = (_floats(draws) - _floats(observed)) / _floats(std)
    return float(_normalised(weights, len(residual)) @ np.square(residual).mean(axis=1))


def balanced_match(
    draws: ArrayLike, observed: ArrayLike, std: ArrayLike | None = None, weights: ArrayLike | None = None
) -> float:
    """Share of draws x data that match, averaged over classes of the datum so that a common value cannot flatter.

    Without `std` the data are facies codes: a match is the same code, and the classes are the codes. With `std` they are
    continuous: a match lies within 2 std of the datum, and the classes are the tertiles of the data.

    >>> balanced_match([[0, 0, 0, 0]], [0, 0, 0, 1])  # all mud: three cells of four, but only one facies of two
    0.5
    """
    values, data = np.asarray(draws), np.asarray(observed)
    hit = values == data if std is None else np.abs(values - data) <= WITHIN * np.asarray(std)
    share = _normalised(weights, len(values)) @ hit
    classes = data if std is None else value_classes(data)
    return float(np.mean([share[classes == c].mean() for c in np.unique(classes)]))


def value_classes(observed: ArrayLike, count: int = VALUE_CLASSES) -> NDArray[np.int64]:
    """Class (d,) of each datum by quantiles; equal data share a class, so a frequent value takes one and no more."""
    data = _floats(observed)
    return np.searchsorted(np.quantile(data, np.arange(1, count) / count), data, side="left").astype(np.int64)


def crps(draws: ArrayLike, observed: ArrayLike, std: ArrayLike = 0.0, weights: ArrayLike | None = None) -> Array:
    """Continuous ranked probability score of each datum (d,), in its own unit; smaller is better, 0 is perfect.

    E|X - y| - E|X - X'| / 2, where X is a draw plus measurement noise N(0, std^2) (exactly, not simulated: Grimit et al.
    2006, doi:10.1256/qj.05.235) and X' another one. Different draws only are paired, which makes the score *fair*: its mean
    does not depend on n (Ferro 2014, doi:10.1002/qj.2270). Takes n^2 d steps. A single draw scores its absolute error.
    """
    values, data = _floats(draws), _floats(observed)
    noise, w = np.broadcast_to(_floats(std), data.shape), _normalised(weights, len(values))
    error = w @ _mean_absolute(values - data, noise)
    distance, pairs = np.zeros_like(data), 0.0
    for lag in range(1, len(values)):
        both = w[lag:] * w[:-lag]
        distance += both @ _mean_absolute(values[lag:] - values[:-lag], np.sqrt(2) * noise)
        pairs += float(both.sum())
    return np.asarray(error - (0.5 * distance / pairs if pairs else 0.0))


def crps_normal(mean: ArrayLike, sd: ArrayLike, observed: ArrayLike) -> Array:
    """CRPS (d,) of normal predictions N(mean, sd^2) (Gneiting & Raftery 2007, doi:10.1198/016214506000001437, eq. 5)."""
    spread = _floats(sd)
    error = _floats(observed) - _floats(mean)
    return np.asarray(_mean_absolute(error, spread) - spread / np.sqrt(np.pi))


def pit(draws: ArrayLike, observed: ArrayLike, std: ArrayLike = 0.0, weights: ArrayLike | None = None) -> Array:
    """Predicted probability (d,) of a value below the datum: uniform on [0, 1] when the ensemble is calibrated.

    The prediction is a draw plus measurement noise N(0, std^2). Without noise, draws equal to the datum count half.
    """
    values, data = _floats(draws), _floats(observed)
    noise, w = np.broadcast_to(_floats(std), data.shape), _normalised(weights, len(values))
    below = np.empty_like(values)
    exact = noise == 0
    below[:, exact] = 0.5 + 0.5 * np.sign(data - values)[:, exact]
    below[:, ~exact] = ndtr(((data - values)[:, ~exact]) / noise[~exact])
    return np.asarray(w @ below)


def coverage(
    draws: ArrayLike,
    observed: ArrayLike,
    levels: Sequence[float] = LEVELS,
    std: ArrayLike = 0.0,
    weights: ArrayLike | None = None,
) -> dict[float, float]:
    """Share of the data inside the central interval of each level; a calibrated ensemble has the level itself.

    The interval is that of a draw plus measurement noise N(0, std^2), for the datum is a measurement. Fewer draws than
    2 / (1 - level) cannot reach a level: 40 for 95 %.
    """
    return covered(pit(draws, observed, std, weights), levels)


def covered(probabilities: ArrayLike, levels: Sequence[float] = LEVELS) -> dict[float, float]:
    """Share of `pit` values inside the central interval of each level."""
    distance = np.abs(_floats(probabilities) - 0.5)
    return {level: float(np.mean(distance <= level / 2 + 1e-12)) for level in levels}


def rank_histogram(probabilities: ArrayLike, bins: int = 10) -> NDArray[np.int64]:
    """Counts (bins,) of `pit` values: flat when calibrated, a U when too sure, a hill when not sure enough."""
    counts, _ = np.histogram(_floats(probabilities), bins=bins, range=(0.0, 1.0))
    return counts.astype(np.int64)


def correlation(predicted: ArrayLike, observed: ArrayLike) -> float | None:
    """Pearson correlation of two arrays; None where one of them does not vary."""
    a, b = _floats(predicted).ravel(), _floats(observed).ravel()
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else None


def brier(probability: ArrayLike, observed: ArrayLike, codes: Sequence[int], n: int | None = None) -> float:
    """Mean Brier score of facies probabilities (codes, d), 0 (perfect) to 2; `n` draws behind them make it fair.

    Sum over facies of (probability - occurred)^2, less p (1 - p) / (n - 1), the part that is due to few draws (Ferro 2014).
    """
    p = _floats(probability)
    occurred = np.asarray(codes)[:, None] == np.asarray(observed)
    excess = p * (1 - p) / (n - 1) if n is not None and n > 1 else np.zeros_like(p)
    return float((np.square(p - occurred) - excess).sum(axis=0).mean())


def effective_sample_size(weights: ArrayLike) -> float:
    """Number of equally weighted draws that are worth as much: (sum w)^2 / sum w^2 (Kish 1965)."""
    w = _floats(weights)
    return float(np.square(w.sum()) / np.square(w).sum())


def entropy(probability: ArrayLike) -> Array:
    """Entropy in nats over the first axis of facies probabilities (codes, ...); 0 log 0 is 0."""
    p = _floats(probability)
    return np.asarray(-(p * np.log(np.where(p > 0, p, 1.0))).sum(axis=0))


def pairwise_distance(values: ArrayLike, facies: bool = False) -> Array:
    """Distance (n, n) between realizations (n, ...): root mean square difference, or for facies the share of unequal cells.

    >>> pairwise_distance([[0.0, 0.0], [3.0, 3.0]]).tolist()
    [[0.0, 3.0], [3.0, 0.0]]
    """
    flat = np.asarray(values)
    flat = flat.reshape(len(flat), -1)
    if facies:
        equal = np.zeros((len(flat), len(flat)))
        for code in np.unique(flat):
            one = (flat == code).astype(np.float32)
            equal += one @ one.T
        return np.asarray(1 - equal / flat.shape[1])
    centred = flat - flat.mean(axis=0, dtype=np.float64)
    product = centred @ centred.T
    square = np.diag(product)[:, None] + np.diag(product) - 2 * product
    distance = np.sqrt(np.maximum(square, 0) / flat.shape[1])
    np.fill_diagonal(distance, 0.0)
    return np.asarray(distance)


def distinct(distance: ArrayLike, threshold: float) -> int:
    """Number of groups of realizations when those closer than `threshold` are the same, and so on from one to the next."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    close = csr_array(np.asarray(distance) <= threshold)
    return int(connected_components(close, directed=False)[0])


def vendi_score(distance: ArrayLike, scale: float, weights: ArrayLike | None = None) -> float:
    """Effective number of different realizations among n, from their distances (n, n) (Friedman & Dieng 2023, equation 1).

    It is the exponential of the entropy of the eigenvalues of K / n, with similarities K = exp(-(distance / scale)^2 / 2): n
    where all lie much farther apart than `scale`, 1 where all are the same, k for k equal groups.

    >>> round(vendi_score([[0, 0, 9], [0, 0, 9], [9, 9, 0]], 1.0), 2)  # two thirds and one third
    1.89
    """
    apart = _floats(distance)
    similarity = np.exp(-0.5 * np.square(apart / scale)) if scale > 0 else (apart == 0).astype(np.float64)
    root = np.sqrt(_normalised(weights, len(apart)))
    share = np.linalg.eigvalsh(similarity * np.outer(root, root)).clip(min=0.0)
    return float(np.exp(entropy(share / share.sum())))


def _floats(values: ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)


def _normalised(weights: ArrayLike | None, n: int) -> Array:
    w = np.ones(n) if weights is None else _floats(weights)
    return np.asarray(w / w.sum())


def _mean_absolute(centre: Array, spread: Array) -> Array:
    """E|N(centre, spread^2)|, which is |centre| where there is no spread."""
    safe = np.where(spread > 0, spread, 1.0)
    z = centre / safe
    folded = 2 * safe * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) + centre * (2 * ndtr(z) - 1)
    return np.asarray(np.where(spread > 0, folded, np.abs(centre)))
