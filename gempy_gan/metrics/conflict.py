"""Data that contradict the prior, or each other: what the diagnosis says of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gempy_gan.constraints import HardData, SoftData
from gempy_gan.diagnosis import Figure
from gempy_gan.metrics.prior_check import PriorCheck, prior_check

Array = NDArray[np.float64]

NEAR = 5.0  # standard deviations beyond which a realization does not honour a datum: one in a million by chance
MARGIN = 0.1  # of the range of the prior, by which a datum must lie outside besides
PICKED = 2000  # data of a term, evenly picked, that are compared with the prior together


class Predicted:
    """What realizations predict of the data of one term that are known, (d,), taken in batch by batch.

    Kept are the smallest and the largest prediction of each datum (d,), how near to it the nearest one comes in standard
    deviations, and all predictions of some `picked` data. Facies codes are honoured or not.
    """

    def __init__(self, term: HardData | SoftData, facies: bool = False) -> None:
        self.term, self.facies = term, facies
        self.known = np.flatnonzero(np.isfinite(term.values.ravel()))
        self.observed, self.std = term.values.ravel()[self.known], term.std.ravel()[self.known]
        d = len(self.known)
        self.picked = np.unique(np.linspace(0, d - 1, min(d, PICKED)).astype(np.int64))
        self.nearest, self.low, self.high = np.full(d, np.inf), np.full(d, np.inf), np.full(d, -np.inf)
        self._sample: list[Array] = []

    def add(self, part: Array) -> None:
        """Take in predictions (k, d) of the known data."""
        self.nearest = np.minimum(self.nearest, self.distance(part).min(axis=0))
        self.low, self.high = np.minimum(self.low, part.min(axis=0)), np.maximum(self.high, part.max(axis=0))
        self._sample.append(part[:, self.picked])

    def distance(self, part: Array) -> Array:
        """How far predictions (k, d) are from the data, in standard deviations."""
        if self.facies:
            return np.where(part == self.observed, 0.0, np.inf)
        return np.asarray(np.abs(part - self.observed) / self.std)

    def check(self) -> PriorCheck | None:
        """How the picked data compare with these predictions, if they are the prior's."""
        error = np.zeros(len(self.picked)) if self.facies else self.std[self.picked]
        return prior_check(np.concatenate(self._sample), self.observed[self.picked], error)

    def place(self, k: int) -> str:
        """Where the known datum k is, and its value."""
        index = int(self.known[k])
        value = f"{self.observed[k]:.3g}"
        if isinstance(self.term, HardData):
            well = "" if self.term.wells is None else f" of {self.term.wells[index]}"
            return f"cell {tuple(self.term.cells[index].tolist())}{well}: {value}"
        cells = self.term.cells
        if cells is None or not np.isfinite(cells[index]).all():
            return f"datum {index}: {value}"
        return f"cell ({', '.join(f'{c:.4g}' for c in cells[index])}): {value}"


def unreached(group: str, own: Predicted) -> Iterator[Figure]:
    """How many data no realization honours, if any."""
    missed = own.nearest > NEAR
    if missed.any():
        k = int(np.where(own.facies, missed, own.nearest).argmax())
        note = f"{own.place(k)}, realizations {_span(own.low[k], own.high[k])}"
        yield Figure(group, "unreached", float(missed.sum()), note=note)


def opposed(group: str, own: Predicted, draws: Array) -> Iterator[Figure]:
    """How many pairs of hard data in neighbouring cells contradict each other, if any; two of one well do not.

    No realization of `draws` (n, d) changes between the two cells even half as much as the data do; of facies, none honours both.
    """
    if not isinstance(own.term, HardData):
        return
    a, b = cKDTree(own.term.cells).query_pairs(1, p=np.inf, output_type="ndarray").T
    if own.term.wells is not None:
        other = own.term.wells[a] != own.term.wells[b]
        a, b = a[other], b[other]
    excess = _unmade(own, draws, a, b)
    if (excess > 0).any():
        k = int(excess.argmax())
        yield Figure(group, "opposed", float((excess > 0).sum()), note=f"{own.place(a[k])} and {own.place(b[k])}")


def _unmade(own: Predicted, draws: Array, a: NDArray[np.int64], b: NDArray[np.int64]) -> Array:
    """By how much (pairs,) the data a and b differ beyond twice what they differ by in any realization."""
    change = own.observed[a] - own.observed[b]
    if own.facies:
        honoured = own.distance(draws) == 0
        return np.where((change != 0) & ~(honoured[:, a] & honoured[:, b]).any(axis=0), 1.0, 0.0)
    made = ((draws[:, a] - draws[:, b]) * np.sign(change)).max(axis=0)
    return np.asarray(np.abs(change) - NEAR * np.hypot(own.std[a], own.std[b]) - 2 * np.maximum(made, 0.0))


def outside(group: str, own: Predicted, low: float, high: float, codes: NDArray[np.float64] | None = None) -> Iterator[Figure]:
    """How many data lie outside everything that the prior makes, from `low` to `high` or one of `codes`, if any."""
    if codes is not None:
        beyond = np.where(np.isin(own.observed, codes), 0.0, 1.0)
        made = ", ".join(f"{code:g}" for code in codes)
    else:
        slack = NEAR * own.std + MARGIN * (high - low)
        beyond = np.maximum(own.observed - high, low - own.observed) - slack
        made = _span(low, high)
    if (beyond > 0).any():
        yield Figure(group, "outside_prior", float((beyond > 0).sum()), note=f"{own.place(int(beyond.argmax()))}, prior {made}")


def beside_prior(group: str, prior: Predicted) -> Iterator[Figure]:
    """Whether the data look like the prior's; `note` says in which way they do not. Nothing where the draws are too few."""
    found = prior.check()
    if found is None:
        return
    where = [prior.place(int(prior.picked[k])) for k in found.data]
    if found.quiet:
        note = "they vary less than the prior's"
    elif found.correlation is not None:
        note = f"most of all {where[0]} beside {where[1]}, whose correlation is {found.correlation:.2f} in the prior"
    else:
        k = int(prior.picked[found.data[0]])
        note = f"most of all {where[0]}, prior {_span(prior.low[k], prior.high[k])}"
    yield Figure(group, "prior_p", found.p, note=note if found.conspicuous else "")


def silent(group: str, own: Predicted) -> Iterator[Figure]:
    """How many traces of soft data are zero throughout where realizations predict positive and negative amplitudes, if any.

    Traces run along the last axis of the values; values without axes are traces where their cells lie above each other.
    """
    if not isinstance(own.term, SoftData) or own.term.forward is None:
        return
    index = np.arange(own.term.values.size)
    if own.term.values.ndim > 1:
        trace = index // own.term.values.shape[-1]
    elif own.term.cells is not None:
        trace = np.unique(own.term.cells[:, :2], axis=0, return_inverse=True)[1].ravel()
    else:
        trace = np.zeros_like(index)
    trace = np.unique(trace[own.known], return_inverse=True)[1].ravel()
    loud = np.bincount(trace, own.observed != 0) > 0
    swings = (np.bincount(trace, own.low < 0) > 0) & (np.bincount(trace, own.high > 0) > 0) & (np.bincount(trace) > 1)
    dead = ~loud & swings
    if dead.any():
        yield Figure(group, "silent_traces", float(dead.sum()), note=f"of {len(dead)}")


def _span(low: float, high: float) -> str:
    return f"{low:.3g} to {high:.3g}"
