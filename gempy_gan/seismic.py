"""A seismic cube: traces at map positions, in time or in depth, before they meet a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.health import Health

Domain = Literal["time", "depth"]


@dataclass(frozen=True)
class Binning:
    """The affine map from line numbers to map coordinates, fitted to the traces.

    `matrix` (3, 2) gives `[x, y] = [1, inline, crossline] @ matrix` in metres. `residual` is the largest distance between a
    trace and its fitted position, in bins. A single line is mapped along its one direction; then `is_3d` is False.
    """

    matrix: NDArray[np.float64]
    residual: float
    is_3d: bool

    def xy(self, lines: ArrayLike) -> NDArray[np.float64]:
        """Map coordinates (N, 2) of inline, crossline numbers (N, 2)."""
        numbers = np.atleast_2d(np.asarray(lines, dtype=np.float64))
        return np.asarray(np.column_stack([np.ones(len(numbers)), numbers]) @ self.matrix)

    def lines(self, xy: ArrayLike) -> NDArray[np.float64]:
        """Fractional inline, crossline (N, 2) of map coordinates (N, 2). Raises GempyGanError for a single line."""
        if not self.is_3d:
            raise GempyGanError("This survey is a single line: a map position has no inline and crossline number on it.")
        offset = np.atleast_2d(np.asarray(xy, dtype=np.float64)) - self.matrix[0]
        return np.asarray(np.linalg.solve(self.matrix[1:].T, offset.T).T)


def fit_binning(lines: ArrayLike, xy: ArrayLike) -> tuple[Binning, NDArray[np.float64]]:
    """Least-squares binning of traces with inline, crossline numbers (n, 2) at map coordinates (n, 2).

    Also returns the distance (n,) of each trace from its fitted position in bins, the bin being the shortest step from one
    trace to the next along inline or crossline. Raises GempyGanError when all traces carry the same line numbers, or when
    line numbers span an area and the positions do not.

    >>> binning, distance = fit_binning([[1, 1], [1, 2], [2, 1], [2, 2]], [[0, 0], [0, 10], [20, 0], [20, 10]])
    >>> binning.lines([[10.0, 5.0]]).round(6).tolist()
    [[1.5, 1.5]]
    """
    number, position = np.asarray(lines, dtype=np.float64), np.asarray(xy, dtype=np.float64)
    centre, middle = number.mean(axis=0), position.mean(axis=0)
    slope, _, rank, _ = np.linalg.lstsq(number - centre, position - middle, rcond=1e-9)
    if rank == 0:
        raise GempyGanError("All traces carry the same inline and crossline number. Expected numbers that tell traces apart.")
    step = min(_steps(number, slope), default=0.0)
    if step == 0 or (rank == 2 and np.linalg.cond(slope * _spread(number)[:, None]) > 1e6):
        raise GempyGanError("The traces' positions span no area and no line, though their line numbers do: check the positions.")
    distance = np.linalg.norm(position - middle - (number - centre) @ slope, axis=1) / step
    matrix = np.vstack([middle - centre @ slope, slope])
    return Binning(matrix, float(distance.max()), is_3d=bool(rank == 2)), distance


def _spread(lines: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(np.ptp(lines, axis=0), 1.0))


def _steps(lines: NDArray[np.float64], slope: NDArray[np.float64]) -> list[float]:
    """Distances on the map from one number in use to the next, for inline and crossline."""
    gaps = [np.diff(np.unique(column)) for column in lines.T]
    return [float(gap.min() * np.linalg.norm(slope[k])) for k, gap in enumerate(gaps) if len(gap)]


@dataclass(frozen=True, eq=False)
class SeismicCube:
    """Traces with positions.

    `traces` (n, samples) float32, NaN for dead traces; `xy` (n, 2) metres; `lines` (n, 2) inline and crossline numbers;
    `start` and `step` of the vertical axis, downwards: seconds of two-way time below the seismic datum when `domain` is
    "time", metres below the vertical datum when it is "depth". `binning` is None where line numbers are useless.
    """

    traces: NDArray[np.float32]
    xy: NDArray[np.float64]
    lines: NDArray[np.int64]
    start: float
    step: float
    domain: Domain
    binning: Binning | None = None
    health: Health = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.domain not in ("time", "depth"):
            raise GempyGanError(f"The seismic domain is {self.domain!r}. Allowed: 'time' (two-way, seconds) or 'depth' (metres).")
        n = len(self.traces)
        if self.traces.ndim != 2 or self.xy.shape != (n, 2) or self.lines.shape != (n, 2):
            raise GempyGanError(
                f"Traces {self.traces.shape}, positions {self.xy.shape} and lines {self.lines.shape} do not belong together. "
                "Expected (n, samples), (n, 2) and (n, 2)."
            )
        if not self.step > 0:
            raise GempyGanError(f"The sample step is {self.step}. Expected a positive number of seconds or metres.")

    @property
    def axis(self) -> NDArray[np.float64]:
        """Time (s) or depth (m) of each sample, downwards."""
        return np.asarray(self.start + self.step * np.arange(self.traces.shape[1]))

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Which traces (n,) carry no value at all."""
        dead = np.asarray(np.isnan(self.traces[:, :1]).all(axis=1))  # few are, so that the rest need not be looked at
        dead[dead] = np.isnan(self.traces[dead]).all(axis=1)
        return dead
