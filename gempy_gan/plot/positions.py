"""Where things lie in a picture: faces of cells on the map and along a line, and wells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.constraints import Constraints, HardData
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.grid import Grid

Array = NDArray[np.float64]


@dataclass(frozen=True)
class WellCells:
    """The data of one property in one well: its cells (N, 3) from top to bottom, their values and standard deviations."""

    name: str
    cells: NDArray[np.int64]
    values: Array
    std: Array
    property: str

    def part(self, mask: NDArray[np.bool_]) -> WellCells:
        """Some of its data."""
        return replace(self, cells=self.cells[mask], values=self.values[mask], std=self.std[mask])

    def xy(self, grid: Grid) -> Array:
        """Where the well meets the middle of its data on the map (2,), metres."""
        return np.asarray(grid.xyz(self.cells[len(self.cells) // 2])[0, :2])


def wells_of(data: Constraints | HardData | None, property: str | None = None) -> list[WellCells]:
    """The wells of the data, in order of their names; data without names count as one well per column of cells."""
    terms = data.hard if isinstance(data, Constraints) else () if data is None else (data,)
    found = []
    for term in terms:
        if property is not None and term.property != property:
            continue
        columns = np.array([f"column {i}, {j}" for i, j in term.cells[:, :2]], dtype=np.str_)
        names = columns if term.wells is None else term.wells
        for name in dict.fromkeys(sorted(names)):
            mine = np.flatnonzero(names == name)
            mine = mine[np.argsort(-term.cells[mine, 2], kind="stable")]
            found.append(WellCells(str(name), term.cells[mine], term.values[mine], term.std[mine], term.property))
    return found


def map_faces(grid: Grid, layer: int) -> tuple[Array, Array]:
    """Map coordinates of the cells' corners in a layer, (nx + 1, ny + 1) each, metres."""
    nx, ny, _ = grid.resolution
    i, j = np.meshgrid(np.arange(nx + 1) - 0.5, np.arange(ny + 1) - 0.5, indexing="ij")
    corners = grid.xyz(np.column_stack([i.ravel(), j.ravel(), np.full(i.size, layer)]))
    return corners[:, 0].reshape(i.shape), corners[:, 1].reshape(i.shape)


def heights(grid: Grid, columns: ArrayLike) -> Array:
    """Heights (k, nz + 1) of the cell faces in columns (k, 2), which may be fractional, metres."""
    where, nz = np.asarray(columns, dtype=np.float64), grid.resolution[2]
    index = np.concatenate([np.repeat(where, nz + 1, axis=0), np.tile(np.arange(nz + 1) - 0.5, len(where))[:, None]], axis=1)
    return grid.xyz(index)[:, 2].reshape(len(where), nz + 1)


def line_through(grid: Grid, points: ArrayLike) -> tuple[Array, NDArray[np.int64], Array]:
    """Walk a polyline through map points (k, 2): distance (m + 1,), cell columns between them (m, 2), distance of each point.

    Steps are at most half a cell long. Columns outside the grid are -1. Raises GridError when less than two points are given
    or the line misses the grid.
    """
    corners = np.asarray(points, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 2:
        raise GridError(f"The line's points have shape {corners.shape}. Expected at least two map positions, (k, 2) in metres.")
    length = np.hypot(*np.diff(corners, axis=0).T)
    at = np.concatenate([[0.0], np.cumsum(length)])
    step = min(grid.cell_size[:2]) / 2
    pieces = [np.linspace(a, b, max(2, int(np.ceil((b - a) / step)) + 1)) for a, b in pairwise(at)]
    distance = np.unique(np.concatenate(pieces))
    middle = (distance[1:] + distance[:-1]) / 2
    xy = np.stack([np.interp(middle, at, corners[:, k]) for k in range(2)], axis=1)
    z = grid.xyz([[n / 2 - 0.5 for n in grid.resolution]])[0, 2]
    columns = _columns(grid, np.column_stack([xy, np.full(len(xy), z)]))
    if (columns < 0).all():
        raise GridError(f"The line through {corners.tolist()} misses the grid over {grid.extent}. Check the coordinates.")
    return distance, columns, at


def _columns(grid: Grid, xyz: Array) -> NDArray[np.int64]:
    """Cell columns (N, 2) of positions (N, 3), -1 outside, whatever their height: a unit need not be there at any one height."""
    count = np.array(grid.resolution[:2])
    position = grid.frame.to_box(xyz)[:, :2] * count
    inside = ((position >= 0) & (position <= count)).all(axis=1, keepdims=True)
    return np.where(inside, np.minimum(np.floor(position).astype(np.int64), count - 1), -1)


def ordered(wells: Sequence[WellCells], grid: Grid) -> list[WellCells]:
    """Wells in the order of a walk from one end of the field to the other: along the line of their largest spread."""
    if len(wells) < 2:
        raise GempyGanError(f"A fence runs through at least two wells, and there are {len(wells)}. Give points (k, 2) instead.")
    xy = np.array([well.xy(grid) for well in wells])
    _, _, axes = np.linalg.svd(xy - xy.mean(axis=0))
    along = (xy - xy.mean(axis=0)) @ (axes[0] * (1 if axes[0, np.abs(axes[0]).argmax()] > 0 else -1))
    return [wells[k] for k in np.argsort(along, kind="stable")]
