"""Designs: which labels the realizations of a training set get, and how well a set covers their ranges."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gempy_gan.errors import GempyGanError
from gempy_gan.labels import Label

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ranges = Mapping[str, float | Sequence[float]]

SLICES = 20  # equal parts of a label's range in which realizations are counted
SIDE = 16  # of the squares in which realizations are counted for two labels at once
MOST = 4096  # rows of which the discrepancy is computed: it takes the square of their number


def sobol_design(labels: Sequence[Label], n: int, seed: int = 0, start: int = 0, ranges: Ranges | None = None) -> pd.DataFrame:
    """Labels for the realizations start, ..., start + n - 1: a scrambled Sobol sequence (Owen 1998), evener than random.

    A row for each realization, a column for each label. A row depends on the seed and its number alone, so that a set can grow.
    `ranges` replaces the range of single labels, (low, high), or fixes them at one number; inside or outside the label's own.
    Raises GempyGanError for an unknown label, or a range that it cannot have.

    >>> sobol_design([Label("width", 100, 400), Label("depth", 2, 8)], 2, ranges={"depth": 5.0})["depth"].tolist()
    [5.0, 5.0]
    """
    from scipy.stats import qmc

    def points(d: int) -> NDArray[np.float64]:
        sequence = qmc.Sobol(d, rng=np.random.default_rng([seed, d]))
        if start:
            sequence.fast_forward(start)
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # any number is better than a random one
            return np.asarray(sequence.random(n))

    return _spread(labels, n, start, ranges or {}, points)


def random_design(labels: Sequence[Label], n: int, seed: int = 0, start: int = 0, ranges: Ranges | None = None) -> pd.DataFrame:
    """As `sobol_design`, with labels drawn independently."""

    def points(d: int) -> NDArray[np.float64]:
        return np.random.default_rng([seed, d]).random((start + n, d))[start:]

    return _spread(labels, n, start, ranges or {}, points)


def with_ranges(labels: Sequence[Label], ranges: Ranges) -> tuple[Label, ...]:
    """The labels with the ranges they are drawn from; those fixed at one number keep their own.

    A position whose range has not 0 in its middle loses its `along`, for what is mirrored lies outside that range. Raises
    GempyGanError for an unknown label, or a range that it cannot have.
    """
    _check_ranges(labels, ranges)
    return tuple(_ranged(x, *_ends(x.name, ranges[x.name])) if _is_range(ranges.get(x.name)) else x for x in labels)


def mirrors_left(labels: Sequence[Label], ranges: Ranges, mirrors: str) -> str:
    """The axes among `mirrors` along which a mirrored realization is as likely as the realization itself, with these ranges.

    >>> offset = Label("offset", -0.2, 0.2, along="y")
    >>> mirrors_left([offset], {"offset": (-0.1, 0.1)}, "xy"), mirrors_left([offset], {"offset": 0.1}, "xy")
    ('xy', 'x')
    """
    ends = [(label.along, *_ends(label.name, ranges[label.name])) for label in labels if label.name in ranges]
    return "".join(axis for axis in mirrors if all(low == -high for along, low, high in ends if along == axis))


def out_of_range(labels: Sequence[Label], ranges: Ranges) -> tuple[str, ...]:
    """Names of the labels that `ranges` takes out of their own range: what makes a set out of distribution."""
    _check_ranges(labels, ranges)
    ends = {name: _ends(name, to) for name, to in ranges.items()}
    return tuple(x.name for x in labels if x.name in ends and not (x.low <= ends[x.name][0] and ends[x.name][1] <= x.high))


def fixed_labels(ranges: Ranges) -> dict[str, float]:
    """The labels that `ranges` fixes at one number."""
    return {name: _ends(name, to)[0] for name, to in ranges.items() if _fixed(to)}


@dataclass(frozen=True)
class Coverage:
    """How well `n` realizations cover the ranges of their labels; each figure beside what independent draws would give.

    `discrepancy` is the centred L2 discrepancy (Hickernell 1998), `filled` the share of equal slices of each range that hold a
    realization, `gap` the longest stretch of it without one, as a share; `empty` is the share of squares without one over the
    two labels `pair`, which are the worst. `measured` are the 5, 50 and 95 % quantiles of the other columns.
    """

    n: int
    slices: int
    discrepancy: float
    discrepancy_random: float
    filled: Mapping[str, float]
    filled_random: float
    gap: Mapping[str, float]
    gap_random: float
    pair: tuple[str, str] | None
    empty: float
    empty_random: float
    measured: Mapping[str, tuple[float, float, float]]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for provenance."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join([*self._design(), *self._measurements()])

    def _design(self) -> list[str]:
        if not self.filled:
            return [f"{self.n} realizations, of which no label was drawn."]
        ratio = math.sqrt(self.discrepancy_random / self.discrepancy)
        worst = max(self.gap, key=lambda name: self.gap[name])
        lines = [
            f"{self.n} realizations over {len(self.filled)} labels, {_times(ratio)} evenly spread as independent draws.",
            f"The longest stretch without one: {self.gap[worst]:.2%} of {worst} (independent draws: {self.gap_random:.2%}).",
        ]
        if self.pair is not None:
            pair = " and ".join(self.pair)
            lines.append(
                f"The emptiest pair: {pair}, {self.empty:.1%} of the squares (independent draws: {self.empty_random:.1%})."
            )
        poor = {name: share for name, share in self.filled.items() if share < 1}
        missing = ", ".join(f"{round((1 - share) * self.slices)} of {name}" for name, share in poor.items())
        return [*lines, f"Of {self.slices} equal slices of each range, {missing or 'none'} {'are' if poor else 'is'} empty."]

    def _measurements(self) -> list[str]:
        if not self.measured:
            return []
        lines = [f"  {name:<24}{low:>10.4g}{middle:>10.4g}{high:>10.4g}" for name, (low, middle, high) in self.measured.items()]
        return [f"  {'measured':<24}{'5 %':>10}{'50 %':>10}{'95 %':>10}", *lines]


def coverage(labels: Sequence[Label], table: pd.DataFrame) -> Coverage:
    """How well the rows of a table cover the ranges of these labels, which may be some of its columns.

    Raises GempyGanError for a table without rows, without one of the labels, or with values outside their ranges.
    """
    unit = _unit(labels, table)
    n, d = unit.shape
    slices, side = min(SLICES, n), max(1, min(SIDE, math.isqrt(n // 4)))
    counted = min(n, MOST)
    pair, empty = _emptiest(unit, [x.name for x in labels], side)
    others = table.drop(columns=[x.name for x in labels])
    return Coverage(
        n=n,
        slices=slices,
        discrepancy=_discrepancy(unit[:counted]) if d else 0.0,
        discrepancy_random=((5 / 4) ** d - (13 / 12) ** d) / counted,  # the expectation of independent points
        filled={x.name: _filled(unit[:, k], slices) for k, x in enumerate(labels)},
        filled_random=1 - (1 - 1 / slices) ** n,
        gap={x.name: float(np.diff(np.sort(unit[:, k]), prepend=0.0, append=1.0).max()) for k, x in enumerate(labels)},
        gap_random=float((1 / np.arange(1, n + 2)).sum() / (n + 1)),  # the expected longest of n + 1 spacings (Whitworth 1897)
        pair=pair,
        empty=empty,
        empty_random=(1 - 1 / side**2) ** n,
        measured={str(name): _quantiles(others[name]) for name in others if others[name].notna().any()},
    )


def _spread(
    labels: Sequence[Label], n: int, start: int, ranges: Ranges, points: Callable[[int], NDArray[np.float64]]
) -> pd.DataFrame:
    """Points (n, d) of the unit cube as labels. A fixed label keeps its axis, so that the others are what they are without it."""
    if n < 1 or start < 0:
        raise GempyGanError(f"{n} realizations from number {start} on were asked for. Expected at least 1, from 0 or later on.")
    drawn = with_ranges(labels, ranges)
    unit = points(len(drawn)) if drawn else np.empty((n, 0))
    columns = {label.name: label.from_scaled(2 * unit[:, k] - 1) for k, label in enumerate(drawn)}
    fixed = {name: np.full(n, value) for name, value in fixed_labels(ranges).items()}
    return pd.DataFrame(columns | fixed, index=pd.RangeIndex(start, start + n, name="realization"))


def _check_ranges(labels: Sequence[Label], ranges: Ranges) -> None:
    by_name = {label.name: label for label in labels}
    for name, to in ranges.items():
        if name not in by_name:
            raise GempyGanError(f"There is no label {name!r} to draw. The labels: {', '.join(by_name) or 'none'}.")
        low, high = _ends(name, to)
        _ranged(by_name[name], low, low + max(1.0, abs(low)) if _fixed(to) else high)  # raises where it cannot be


def _fixed(to: float | Sequence[float]) -> bool:
    return not isinstance(to, Sequence)


def _is_range(to: float | Sequence[float] | None) -> bool:
    return to is not None and not _fixed(to)


def _ranged(label: Label, low: float, high: float) -> Label:
    return replace(label, low=low, high=high, along=label.along if low == -high else "")


def _ends(name: str, to: float | Sequence[float]) -> tuple[float, float]:
    """Where a range begins and ends; both are the same for a label that is fixed."""
    try:
        low, high = to if isinstance(to, Sequence) else (to, to)
        return float(low), float(high)
    except (TypeError, ValueError):
        raise GempyGanError(f"Label {name!r} was given {to!r}. Expected a number, or a range (low, high).") from None


def _unit(labels: Sequence[Label], table: pd.DataFrame) -> NDArray[np.float64]:
    """The labels as points (n, d) of the unit cube."""
    missing = [label.name for label in labels if label.name not in table]
    if missing or not len(table):
        what = f"no label {missing[0]!r}" if missing else "no realizations"
        raise GempyGanError(f"The table has {what}. Expected a column for each label, and at least one row.")
    unit = np.stack([(x.to_scaled(table[x.name]) + 1) / 2 for x in labels], axis=1) if labels else np.empty((len(table), 0))
    outside = ~((unit >= -1e-9) & (unit <= 1 + 1e-9))
    if outside.any():
        row, k = np.argwhere(outside)[0]
        label, value = labels[k], table[labels[k].name].iloc[row]
        raise GempyGanError(f"Label {label.name!r} is {value:g} in row {row}. Expected {label.low:g} to {label.high:g}.")
    return np.clip(unit, 0, 1)


def _discrepancy(unit: NDArray[np.float64]) -> float:
    from scipy.stats import qmc

    return float(qmc.discrepancy(unit, method="CD"))


def _filled(column: NDArray[np.float64], slices: int) -> float:
    return float((np.histogram(column, slices, (0, 1))[0] > 0).mean())


def _emptiest(unit: NDArray[np.float64], names: Sequence[str], side: int) -> tuple[tuple[str, str] | None, float]:
    """The two labels over which the largest share of side x side squares is empty, and that share."""
    cells = np.minimum((unit * side).astype(int), side - 1)
    pairs = {(i, j): len(np.unique(cells[:, i] * side + cells[:, j])) for i, j in combinations(range(len(names)), 2)}
    if not pairs:
        return None, 0.0
    i, j = min(pairs, key=lambda pair: pairs[pair])
    return (names[i], names[j]), 1 - pairs[i, j] / side**2


def _quantiles(column: pd.Series) -> tuple[float, float, float]:
    low, middle, high = np.nanquantile(column, [0.05, 0.5, 0.95])
    return float(low), float(middle), float(high)


def _times(ratio: float) -> str:
    return "as" if 0.95 < ratio < 1.05 else f"{ratio:.1f} times as"
