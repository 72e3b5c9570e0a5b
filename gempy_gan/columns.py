"""The columns of a grid that traces see: how high their faces lie, and which of their cells belong to the unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan.grid import Grid


@dataclass(frozen=True, eq=False)
class UnitColumns:
    """Which cells of columns (k, nz), counted from the top, are active: those from `first` to `last` (k,), but for gaps.

    `source` (k, nz) is the active cell that each cell takes its values from: itself, or the nearest above it, or the first one;
    None where all cells are active. `flat` (k,) numbers the columns on the map.
    """

    flat: Tensor
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    source: Tensor | None

    @classmethod
    def of(cls, grid: Grid, columns: NDArray[np.float64]) -> UnitColumns:
        """The columns of a grid around places (k, 2); one without any active cell counts as if all of it were."""
        ix, iy = np.clip(np.rint(columns).astype(np.int64), 0, np.array(grid.resolution[:2]) - 1).T
        flat, active = torch.as_tensor(ix * grid.resolution[1] + iy), grid.active_cells[ix, iy, ::-1]
        active = active | ~active.any(axis=1, keepdims=True)
        first, last = active.argmax(axis=1), active.shape[1] - 1 - active[:, ::-1].argmax(axis=1)
        if active.all():
            return cls(flat, first, last, None)
        source = np.maximum.accumulate(np.where(active, np.arange(active.shape[1]), 0), axis=1)
        return cls(flat, first, last, torch.as_tensor(np.maximum(source, first[:, None])))

    def filled(self, cells: Tensor) -> Tensor:
        """Values (n, k, nz) of the active cells, which go on into the others."""
        if self.source is None:
            return cells
        return cells.gather(-1, self.source.to(cells.device).expand(len(cells), *self.source.shape))

    def enclosed(self, impedance: Tensor, over: float | None, under: float | None) -> Tensor:
        """Impedance (n, k, nz) with what is known of the rock above and below the active cells."""
        if self.source is None:
            return impedance
        cell = torch.arange(impedance.shape[-1], device=impedance.device)
        for value, outside in ((over, cell < self._like(self.first, cell)), (under, cell > self._like(self.last, cell))):
            if value is not None:
                impedance = impedance.masked_fill(outside, value)
        return impedance

    @staticmethod
    def _like(bound: NDArray[np.int64], cell: Tensor) -> Tensor:
        return torch.as_tensor(bound, device=cell.device)[:, None]


def column_faces(grid: Grid, columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights z (k, nz + 1) in metres of the cell faces of grid columns (k, 2), from top to bottom."""
    nz = grid.resolution[2]
    iz = np.arange(nz, -1, -1) - 0.5
    index = np.column_stack([np.repeat(columns, nz + 1, axis=0), np.tile(iz, len(columns))])
    return grid.xyz(index)[:, 2].reshape(len(columns), nz + 1)


def at(faces: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """One face of each column (k, 1)."""
    return np.take_along_axis(faces, index[:, None], axis=1)
