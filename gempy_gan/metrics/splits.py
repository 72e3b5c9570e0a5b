"""Real volumes against real volumes: the floor that stands beside every figure, at equal count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.validation import Figure

Array = NDArray[Any]

SPLITS = 50


@dataclass(frozen=True)
class Splits:
    """Repeated draws of `size` generated and twice `size` real volumes, the real ones never in both halves.

    `generated`, `first` and `second` (splits, size) are positions of volumes. A distance of generated to real volumes is the
    mean over splits of that between `generated` and each half; its floor is that between the halves. So both sides of a
    comparison have equal counts, and a finite sample costs both the same. `seed` is for figures that draw random numbers too.
    """

    generated: NDArray[np.int64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    seed: int = 0

    @classmethod
    def draw(cls, generated: int, real: int, size: int | None = None, count: int = SPLITS, seed: int = 0) -> Splits:
        """Draw splits of so many generated and real volumes; `size` None is the most that there are.

        Raises GempyGanError for fewer than 2 volumes a side, or fewer than 4 real ones.
        """
        most = min(generated, real // 2)
        size = most if size is None else min(size, most)
        if size < 2 or count < 1:
            raise GempyGanError(
                f"There are {generated} generated and {real} real volumes. Expected at least 2 generated and 4 real ones, "
                "for real volumes are compared in two halves."
            )
        rng = np.random.default_rng([seed, size])
        halves = np.stack([rng.permutation(real)[: 2 * size] for _ in range(count)])
        drawn = np.stack([rng.permutation(generated)[:size] for _ in range(count)])
        return cls(drawn, halves[:, :size], halves[:, size:], seed)

    @property
    def size(self) -> int:
        """How many volumes stand on each side."""
        return int(self.first.shape[1])

    def distance_of_means(
        self, key: str, generated: Array, real: Array, between: Callable[[Array, Array], Array], note: str = ""
    ) -> Figure:
        """Statistics (n, k) per volume are averaged; `between` maps the means (splits, k) of two sets to distances (splits,)."""
        g, a, b = means(generated, self.generated), means(real, self.first), means(real, self.second)
        return distance(key, np.mean([between(g, a), between(g, b)]), between(a, b), note)

    def distance_of_samples(self, key: str, generated: Array, real: Array, between: Callable[[Array, Array], float]) -> Figure:
        """`between` maps the statistics (size, ...) of two sets of volumes to their distance."""
        values, floors = [], []
        for g, a, b in zip(self.generated, self.first, self.second, strict=True):
            values += [between(generated[g], real[a]), between(generated[g], real[b])]
            floors.append(between(real[a], real[b]))
        return distance(key, np.mean(values), np.array(floors))

    def ratio(self, key: str, generated: Array, real: Array, measure: Callable[[Array], float], unit: str = "") -> Figure:
        """The ratio generated / real of `measure`, a number about a set of volumes.

        It is that of all volumes, for such a number does not depend on their count; the splits give its range.
        """
        floors = [quotient(measure(real[a]), measure(real[b])) for a, b in zip(self.first, self.second, strict=True)]
        return ratio(key, measure(generated), measure(real), floors, unit)


def distance(key: str, value: float | np.floating[Any], floors: Array, note: str = "") -> Figure:
    """The figure of a distance beside its floors (splits,)."""
    low, high = np.quantile(floors, (0.05, 0.95))
    return Figure(key, float(value), float(floors.mean()), float(low), float(high), note)


def ratio(key: str, generated: float, real: float, floors: Sequence[float], unit: str = "") -> Figure:
    """The figure of a ratio generated / real beside the ratios of one half of the real volumes to the other (splits,)."""
    known = np.array(floors)[np.isfinite(floors)]
    low, high = (float(q) for q in np.quantile(known, (0.05, 0.95))) if len(known) else (None, None)
    value = quotient(generated, real)
    note = f"{generated:.3g} against {real:.3g}{unit}"
    return Figure(key, value if np.isfinite(value) else None, 1.0, low, high, note)


def weights(index: NDArray[np.int64], count: int) -> Array:
    """Matrix (s, count) whose product with statistics of `count` volumes is their sum over sets of volumes (s, size)."""
    found = np.zeros((len(index), count), dtype=np.float32)
    np.put_along_axis(found, index, 1.0, axis=1)
    return found


def means(statistics: Array, index: NDArray[np.int64]) -> Array:
    """Mean statistics (s, k) of sets of volumes (s, size), leaving out those that are nan."""
    chosen = weights(index, len(statistics))
    known = np.isfinite(statistics)
    if known.all():
        return np.asarray(chosen @ statistics / index.shape[1])
    count = chosen @ known
    total = chosen @ np.where(known, statistics, 0.0)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))


def mean(values: Array) -> float:
    """Mean over volumes, leaving out those that are nan; nan where none is left."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def spread(values: Array) -> float:
    """Standard deviation over volumes."""
    return float(np.std(values, ddof=1))


def quotient(value: float, reference: float) -> float:
    """Their ratio; nan where there is none, so that nothing passes for a good one."""
    return value / reference if reference else float("nan")
