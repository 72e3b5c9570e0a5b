"""Regular grids recognized in the cell corners of a foreign file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError
from gempy_gan.grid import Grid

REGULAR = 0.01  # largest departure from a regular box, in cells
STRAIGHT = 0.01  # metres by which a rotation must move the far end of a grid to count as one

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axes:
    """How the axes of a file run: which of j and k must be reversed to get a right-handed grid with z up."""

    reverse_j: bool
    reverse_k: bool

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (ni, nj, nk) as in the file in our order, (nx, ny, nz)."""
        return values[:, :: -1 if self.reverse_j else 1, :: -1 if self.reverse_k else 1]


def regular_grid(corners: Floats, source: object) -> tuple[Grid, Axes]:
    """The Grid whose cells have these corners, and how the axes of the file run.

    `corners` (8, 3, ni, nj, nk) are in map coordinates with z up; corner 1, 2 and 4 lie one step along i, j and k from corner 0,
    the others follow as in binary. Raises FormatError when the cells are not equal boxes on horizontal layers, since a Grid
    holds no others.
    """
    shape = np.array(corners.shape[2:])
    first = corners[0, :, 0, 0, 0]
    far = (corners[1, :, -1, 0, 0], corners[2, :, 0, -1, 0], corners[4, :, 0, 0, -1])
    steps = np.stack([(end - first) / n for end, n in zip(far, shape, strict=True)])
    tolerance = REGULAR * np.linalg.norm(steps, axis=1).min() + 2 * float(np.spacing(np.float32(np.abs(corners).max())))
    if not (_upright(steps, tolerance) and _equal(corners, first, steps, tolerance)):
        raise FormatError(f"{source} is no regular grid: its cells are not equal boxes. Resample it onto one before reading.")
    return _grid(first, steps, shape, max(STRAIGHT, _precision(corners)))


def _precision(corners: Floats) -> float:
    """How far rounding may have moved a corner: coordinates that single precision holds were most likely rounded to it."""
    single = corners.astype(np.float32)
    return 2 * float(np.spacing(np.abs(single).max())) if np.array_equal(single, corners) else 0.0


def _grid(first: Floats, steps: Floats, shape: NDArray[np.int64], straight: float) -> tuple[Grid, Axes]:
    """The Grid from its first corner and its steps; it is not rotated if that moves no corner by more than `straight` metres."""
    i, j, k = steps
    axes = Axes(reverse_j=bool(i[0] * j[1] - i[1] * j[0] < 0), reverse_k=bool(k[2] < 0))
    x, y, z = first + (shape[1] * j if axes.reverse_j else 0) + (shape[2] * k if axes.reverse_k else 0)
    length, width, height = (float(n * np.linalg.norm(step)) for n, step in zip(shape, steps, strict=True))
    drift = abs(i[1]) / np.linalg.norm(i) * max(length, width)
    rotation = 0.0 if i[0] > 0 and drift <= straight else float(np.degrees(np.arctan2(i[1], i[0])))
    nx, ny, nz = (int(n) for n in shape)
    return Grid((x, x + length, y, y + width, z, z + height), (nx, ny, nz), rotation), axes


def _upright(steps: Floats, tolerance: float) -> bool:
    """Layers horizontal, pillars vertical, and a right angle between i and j."""
    i, j, k = steps
    return bool(max(abs(i[2]), abs(j[2]), abs(k[0]), abs(k[1]), abs(i @ j) / np.linalg.norm(i)) <= tolerance)


def _equal(corners: Floats, first: Floats, steps: Floats, tolerance: float) -> bool:
    """Every corner lies where equal steps lead to."""
    cells = np.indices(corners.shape[2:])
    for number, corner in enumerate(corners):
        offset = np.array([number & 1, number >> 1 & 1, number >> 2])[:, None, None, None]
        expected = first[:, None, None, None] + np.einsum("ac,aijk->cijk", steps, cells + offset)
        if np.abs(corner - expected).max() > tolerance:
            return False
    return True
