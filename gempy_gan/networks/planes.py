"""Boxes as map planes: the layers of a box become channels, so that convolutions run over x and y alone."""

from __future__ import annotations

from torch import Tensor


def fold(boxes: Tensor) -> Tensor:
    """Boxes (n, c, nx, ny, nz) as planes (n, c * nz, nx, ny), all layers of the first channel first."""
    return boxes.permute(0, 1, 4, 2, 3).flatten(1, 2)


def unfold(planes: Tensor, nz: int) -> Tensor:
    """Planes (n, c * nz, nx, ny) as boxes (n, c, nx, ny, nz)."""
    n, layers, nx, ny = planes.shape
    return planes.reshape(n, layers // nz, nz, nx, ny).permute(0, 1, 3, 4, 2)
