"""Where overlapping tiles lie on a grid, and how much each of them counts in a cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise, product
from typing import TYPE_CHECKING, NamedTuple

import torch

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

Shape = tuple[int, int, int]


class Place(NamedTuple):
    """A tile's cells, as an index into (nx, ny, nz), and its share (tx, ty, tz) of each; the shares of a cell sum to one."""

    cells: tuple[slice, slice, slice]
    share: Tensor


def places(shape: Sequence[int], tile: Shape, overlap: float) -> list[Place]:
    """Tiles that cover a grid of `shape` (nx, ny, nz), z fastest; neighbours have `overlap` of a tile, in whole
    cells, or more in common.

    Raises GempyGanError for a grid smaller than a tile, or an overlap that is no share below one.

    >>> [place.cells[0] for place in places((64, 8, 4), (32, 8, 4), 1 / 3)]
    [slice(0, 32, None), slice(16, 48, None), slice(32, 64, None)]
    """
    if len(shape) != 3 or any(int(n) != n or n < t for n, t in zip(shape, tile, strict=False)):
        raise GempyGanError(f"Boxes of {tile} cells were to cover a grid of {tuple(shape)}. Expected as many cells or more.")
    if not 0 <= overlap < 1:
        raise GempyGanError(f"Neighbouring tiles were to share {overlap} of a tile. Expected 0 or more, and less than 1.")
    found = []
    for corner in product(*(_along(n, t, overlap) for n, t in zip(shape, tile, strict=True))):
        (x, in_x), (y, in_y), (z, in_z) = corner
        share = in_x[:, None, None] * in_y[:, None] * in_z
        found.append(Place((slice(x, x + tile[0]), slice(y, y + tile[1]), slice(z, z + tile[2])), share))
    return found


def mean_start(length: int, tile: int, overlap: float) -> Tensor:
    """Mean of the first cells of the tiles that meet in each cell of an axis, by their shares, (length,)."""
    mean = torch.zeros(length)
    for start, share in _along(length, tile, overlap):
        mean[start : start + tile] += start * share
    return mean


def _along(length: int, tile: int, overlap: float) -> list[tuple[int, Tensor]]:
    """First cells and shares (tile,) of the tiles along an axis: as few as the overlap allows, evenly spread.

    The weight of a tile rises as sin^4 from its border (sin^2 leaves twice the seam), over what it has in common with
    the next one, or up to its middle.
    """
    step = math.ceil(tile * (1 - overlap) - 1e-9)
    count = math.ceil((length - tile) / step) + 1
    first = [round(k * (length - tile) / max(1, count - 1)) for k in range(count)]
    ramp = max(0.5, min(tile / 2, tile - max((b - a for a, b in pairwise(first)), default=tile)))
    depth = torch.minimum(torch.arange(tile), torch.arange(tile).flip(0)).double() + 0.5
    weight = torch.sin((depth / ramp).clamp(max=1.0) * math.pi / 2).pow(4)
    total = torch.zeros(length, dtype=torch.float64)
    for start in first:
        total[start : start + tile] += weight
    return [(start, (weight / total[start : start + tile]).float()) for start in first]
