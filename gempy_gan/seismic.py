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
        return np.asarray(np.isnan(self.traces).all(axis=1))
