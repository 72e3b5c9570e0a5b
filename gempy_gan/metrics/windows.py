"""Boxes cut from larger volumes, as training cuts them: anywhere in x and y, through the whole height."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GridError
from gempy_gan.grid import Grid

Shape = tuple[int, int, int]


def check_box(box: Sequence[int], whole: Sequence[int], what: str) -> Shape:
    """The box (nx, ny, nz), if it can be cut from volumes of `whole` cells.

    Raises GridError where it is larger, or of another height: time begins at the base of a volume and ends at its top, so that
    a part of the height is no volume.
    """
    if len(box) != 3 or min(box) < 1 or any(b > w for b, w in zip(box, whole, strict=True)) or box[2] != whole[2]:
        raise GridError(
            f"Boxes of {cells(box)} cells were to be compared, and the {what} have {cells(whole)}. "
            "Expected boxes no larger in x and y, and equal in z."
        )
    return int(box[0]), int(box[1]), int(box[2])


def corners(box: Sequence[int], whole: Sequence[int], count: int, seed: int = 0) -> NDArray[np.int64]:
    """The first cell (count, 2) in x and y of a random box in each of `count` volumes.

    One from each volume: boxes from one volume depend on each other, and would make figures look more certain than they are.
    """
    room = np.array([w - b + 1 for w, b in zip(whole[:2], box[:2], strict=True)])
    return np.random.default_rng([seed, count, 2]).integers(0, room, (count, 2))


def cut(values: NDArray[Any], corner: Sequence[int], box: Sequence[int]) -> NDArray[Any]:
    """The box (..., nx, ny, nz) that begins at a corner of a volume (..., NX, NY, nz), as a view."""
    x, y = (int(first) for first in corner)
    return values[..., x : x + box[0], y : y + box[1], :]


def mirrored(values: NDArray[Any], flips: Sequence[str], x: int = 0) -> list[NDArray[Any]]:
    """An array, and all its mirror images along the axes in `flips`, as views; axis `x` of the array is x, the next one y."""
    versions = [values]
    for axis in flips:
        versions += [np.flip(v, x + "xy".index(axis)) for v in versions]
    return versions


def box_grid(grid: Grid, box: Sequence[int]) -> Grid:
    """A grid of so many cells of the same size, its corner at the origin; the grid itself where it has as many."""
    if tuple(box) == grid.resolution:
        return grid
    dx, dy, dz = grid.cell_size
    nx, ny, nz = (int(n) for n in box)
    return Grid((0, nx * dx, 0, ny * dy, 0, nz * dz), (nx, ny, nz))


def cells(shape: Sequence[int]) -> str:
    """A shape as text.

    >>> cells((32, 32, 8))
    '32 x 32 x 8'
    """
    return " x ".join(str(n) for n in shape)
