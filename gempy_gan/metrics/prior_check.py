"""Do data look like those that the prior makes? A prior predictive check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

FEWEST = 19  # draws that a p-value of 5 % needs
PARTNERS = 4  # data beside which each datum is looked at: those with which it hangs together most
HANGING = 0.3  # correlation over the draws from which two data are looked at together
UPPER = 0.9  # quantile of a discrepancy over all draws, whose distance from the median is its unit
LEVEL = 0.01  # p-value from which data are conspicuous
MARGIN = 10.0  # over n: by which data must be odder than the oddest of n draws, where n are too few for such a p-value
SMALLEST = 1e-12


@dataclass(frozen=True)
class PriorCheck:
    """How data compare with what draws of the prior predict of them, errors included.

    `p` is the probability that data of the prior are at least as odd, (r + 1) / (n + 1) for `draws` n of which r are as odd or
    odder: uniform, in steps of 1 / (n + 1), where the data come from the prior. `excess` is how odd they are relative to the
    oddest draw. `data` are the indices of the datum that is odd most, or of two that are odd together; `correlation` is that of
    the two over the draws. `quiet` says that the data are odd because they vary too little.
    """

    p: float
    excess: float
    draws: int
    data: tuple[int, ...]
    correlation: float | None = None
    quiet: bool = False

    @property
    def conspicuous(self) -> bool:
        """Whether only about 1 % of the data that the prior makes would be as odd.

        Where draws are too few for such a p, the data must be odder than each of them by a margin.
        """
        return self.p <= LEVEL or self.excess >= 1 + MARGIN / self.draws


def prior_check(predicted: ArrayLike, observed: ArrayLike, std: ArrayLike, seed: int = 0) -> PriorCheck | None:
    """Where data (d,) stand among what n draws of the prior predict of them (n, d), once errors of `std` (d,) are added.

    Five discrepancies are looked at: mean square and largest square of all data, standardised over draws and data; the same of
    what is left of a datum once a datum is known with which it hangs together; and a mean square that is too small. Each is
    measured from its median in units of its upper spread, and the largest decides. Draws and data enter alike, so that p holds
    whatever the prior is (Box 1980; Monte Carlo test of Barnard 1963). None for fewer than 19 draws, or no data.

    >>> rng = np.random.default_rng(1)
    >>> draws = rng.normal(size=(99, 1)) + 0.1 * rng.normal(size=(99, 8))  # eight data that are about the same
    >>> prior_check(draws, np.full(8, 0.7), 0.1).conspicuous
    False
    >>> prior_check(draws, [0.7, 0.7, 0.7, -0.7, 0.7, 0.7, 0.7, 0.7], 0.1).p
    0.01
    """
    draws, data = np.asarray(predicted, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    if len(draws) < FEWEST or not len(data):
        return None
    noise = np.random.default_rng(seed).standard_normal(draws.shape) * np.asarray(std, dtype=np.float64)
    z = _standardised(np.vstack([data, draws + noise]))
    first, second, correlation = _partners(z)
    single, double = np.square(z), np.square(_standardised(z[:, first] - correlation * z[:, second]))
    loud = [
        _oddness(kind) for squares in (single, double) if squares.shape[1] for kind in (_log_mean(squares), squares.max(axis=1))
    ]
    odd = np.array([*loud, _oddness(-_log_mean(single))])
    worst, kind = odd.max(axis=0), int(odd[:, 0].argmax())
    p, excess = float(np.mean(worst >= worst[0])), float(worst[0] / max(worst[1:].max(), SMALLEST))
    if kind in (2, 3) and kind < len(loud):
        k = int(double[0].argmax())
        return PriorCheck(p, excess, len(draws), (int(first[k]), int(second[k])), float(correlation[k]))
    return PriorCheck(p, excess, len(draws), (int(single[0].argmax()),), quiet=kind == len(loud))


def _standardised(values: Array) -> Array:
    """Columns with mean 0 and mean square 1; those that do not vary are 0."""
    centred = values - values.mean(axis=0)
    scale = np.sqrt(np.square(centred).mean(axis=0))
    varies = scale > SMALLEST * np.abs(values).max(axis=0)
    return np.asarray(np.where(varies, centred / np.where(varies, scale, 1.0), 0.0))


def _log_mean(squares: Array) -> Array:
    return np.asarray(np.log(squares.mean(axis=1) + SMALLEST))


def _oddness(discrepancy: Array) -> Array:
    """A discrepancy of data and draws (n + 1,), from its median in units of its upper spread."""
    middle, upper = np.quantile(discrepancy, [0.5, UPPER])
    return np.asarray((discrepancy - middle) / max(upper - middle, SMALLEST))


def _partners(z: Array) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Pairs of data that hang together: first, second, and their correlation over data and draws (n + 1, d)."""
    together = z.T @ z / len(z)
    np.fill_diagonal(together, 0.0)
    number = min(PARTNERS, len(together) - 1)
    second = np.argsort(-np.abs(together), axis=1, kind="stable")[:, :number].ravel()
    first = np.repeat(np.arange(len(together)), number)
    correlation = together[first, second]
    kept = np.abs(correlation) >= HANGING
    return first[kept], second[kept], correlation[kept]
