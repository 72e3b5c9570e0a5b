"""Faulted units in formats of unbroken layers: on a plain box around the unit or, experimentally, with split pillars."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gempy_gan.ensemble import DIMS, Ensemble
from gempy_gan.errors import FormatError, GempyGanWarning
from gempy_gan.grid import OUTSIDE, Grid
from gempy_gan.unit_frame import UnitFrame

Offset = Literal["box", "split"]
MOST_LAYERS = 500  # of the box: a unit of thin layers that faults or folds spread over a great height would need any number
PROBES, LEVELS, COLUMNS = 5, 100, 1000  # places along each side of a cell, levels and columns at which split pillars are checked

Floats = NDArray[np.float64]


def laid_out(ensemble: Ensemble, faults: Offset) -> tuple[Ensemble, dict[str, float] | None]:
    """The ensemble as it can be written, and the figures of `check_split` where it is to have split pillars.

    A unit that no fault offsets stays as it is. With "box", one that is offset goes onto a plain box (`on_box`). Warns
    (GempyGanWarning) about split pillars; raises FormatError for another word.
    """
    if faults not in ("box", "split"):
        raise FormatError(f"faults is {faults!r}. Expected 'box' or 'split'.")
    if not is_faulted(ensemble.grid):
        return ensemble, None
    if faults == "box":
        return on_box(ensemble), None
    figures = check_split(ensemble.grid)
    warnings.warn(
        f"Split pillars are experimental: {figures['gap']:.2%} of the unit lies in no cell, and {figures['overlap']:.2%} of the "
        f"cells lies outside of the unit; layers are {figures['layer_error']:.2f} cells off, at the faults above all.",
        GempyGanWarning,
        stacklevel=4,
    )
    return ensemble, figures


def is_faulted(grid: Grid) -> bool:
    """Whether faults offset the unit that the grid follows."""
    return isinstance(grid.frame, UnitFrame) and grid.frame.faulted


def on_box(ensemble: Ensemble) -> Ensemble:
    """The ensemble on a plain box around its unit: each cell takes the value at its centre, and is active in the unit only.

    Columns are those of the grid, layers as high as the unit's mean layer (of more than 500, higher).
    """
    grid = ensemble.grid
    height = grid.extent[5] - grid.extent[4]
    layers = min(MOST_LAYERS, int(np.ceil(height / grid.cell_size[2] - 1e-6)))
    box = Grid(grid.extent, (*grid.resolution[:2], layers), grid.rotation)
    cells = grid.cells(box.centres().reshape(-1, 3))
    inside = cells[:, 0] != OUTSIDE
    inside[inside] = grid.active_cells[tuple(cells[inside].T)]
    mask = inside.reshape(box.resolution)
    at = {
        axis: xr.DataArray(np.where(mask, cells[:, k].reshape(box.resolution), 0), dims=DIMS[1:]) for k, axis in enumerate("xyz")
    }
    values = [
        ensemble.dataset[p.name].drop_vars(DIMS[1:]).isel(at).where(mask, min(p.facies) if p.is_facies else np.nan)
        for p in ensemble.properties
    ]
    note = {"box": "Faults offset the unit, so it was written on a plain box; this grid's cells are not those of the inversion."}
    moved = Ensemble.from_values(
        box.with_active(mask), ensemble.properties, np.stack(values, axis=1), {**ensemble.provenance, **note},
        ensemble.dataset["log_weight"].values if "log_weight" in ensemble.dataset else None,
        None if ensemble.labels.empty else ensemble.labels,
    )  # fmt: skip
    return Ensemble(moved.dataset.assign_coords(realization=ensemble.dataset["realization"].values))


def split_heights(grid: Grid) -> Floats:
    """Heights (nx, ny, 2, 2, nz + 1) of the corners of each column of cells, all of it in the block that most of it lies in.

    The third and fourth index step along x and y, the last one upwards.
    """
    frame = _frame(grid)
    nx, ny, nz = grid.resolution
    ends = np.stack(np.meshgrid(*(np.arange(n) for n in (nx, ny, 2, 2, nz + 1)), indexing="ij"), axis=-1).reshape(-1, 5)
    uvt = np.column_stack([ends[:, 0] + ends[:, 2], ends[:, 1] + ends[:, 3], ends[:, 4]]) / np.array(grid.resolution)
    blocks = np.repeat(column_blocks(grid).ravel(), 4 * (nz + 1))
    heights = np.empty(len(uvt))
    for block in np.unique(blocks):
        heights[blocks == block] = frame.to_model_in(uvt[blocks == block], int(block))[:, 2]
    return heights.reshape(nx, ny, 2, 2, nz + 1)


def column_blocks(grid: Grid) -> NDArray[np.int64]:
    """The fault block (nx, ny) that most active cells of each column lie in (most cells, where none is active)."""
    blocks = _frame(grid).blocks(grid.centres().reshape(-1, 3)).reshape(grid.resolution)
    weight = np.where(grid.active_cells, grid.resolution[2] + 1, 1)
    codes = np.unique(blocks)
    votes = np.stack([((blocks == code) * weight).sum(axis=2) for code in codes])
    return np.asarray(codes[votes.argmax(axis=0)])


def node_depths(heights: Floats) -> NDArray[np.float32]:
    """The corners of `split_heights` as xtgeo keeps them: (nx + 1, ny + 1, nz + 1, 4), downwards, for the cells south-west,
    south-east, north-west and north-east of a node."""
    nx, ny, _, _, levels = heights.shape
    depths = np.full((nx + 1, ny + 1, levels, 4), np.nan, dtype=np.float32)
    for a, b in np.ndindex(2, 2):
        depths[a : nx + a, b : ny + b, :, 3 - a - 2 * b] = -heights[:, :, a, b, ::-1]
    for _ in range(2):  # beyond the edges there are no cells, and the corners are those of the neighbours
        for swapped in ((1, 0, 3, 2), (2, 3, 0, 1)):
            depths = np.where(np.isnan(depths), depths[..., swapped], depths)
    return depths


def check_split(grid: Grid) -> dict[str, float]:
    """How far split pillars are from the frame, of points in and around the unit.

    `gap` is the share of the unit that lies in none of the cells, `overlap` the share of the cells that lies outside of the
    unit, and `layer_error` by how many layers points of both are off on average. Up to 1000 columns with an
    active cell are looked at, over the full height of the unit, eroded or not.
    """
    heights = split_heights(grid)
    offset = (np.arange(PROBES) + 0.5) / PROBES
    z0, z1 = float(heights.min()), float(heights.max())
    z = z0 + (z1 - z0) * (np.arange(LEVELS) + 0.5) / LEVELS
    totals = np.zeros(5)
    columns = np.random.default_rng(0).permutation(np.argwhere(grid.active_cells.any(axis=2)))
    for i, j in columns[:COLUMNS]:
        a, b = (part.ravel() for part in np.meshgrid(offset, offset, indexing="ij"))
        weights = np.stack([(1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b])
        layers = weights.T @ heights[i, j].reshape(4, -1)
        totals += _compare(grid, np.column_stack([i + a, j + b]), layers, z)
    unit, cells, gap, overlap, error = totals.tolist()
    return {"gap": gap / unit, "overlap": overlap / cells, "layer_error": error / max(unit - gap, 1.0)}


def _compare(grid: Grid, column: Floats, layers: Floats, z: Floats) -> Floats:
    """Points in the unit, in cells, in the unit only, in cells only, and the sum of what layers are off where in both.

    `column` (p, 2) are places in steps of cells, `layers` (p, nz + 1) the heights of the cells' faces there."""
    nz = grid.resolution[2]
    xy = grid.xyz(np.column_stack([column - 0.5, np.full(len(column), nz / 2)]))[:, :2]
    points = np.column_stack([np.repeat(xy, len(z), axis=0), np.tile(z, len(xy))])
    t = _frame(grid).to_box(points)[:, 2].reshape(len(xy), len(z)) * nz
    k = np.stack([np.interp(z, row, np.arange(nz + 1), left=-1, right=-1) for row in layers])
    unit, cells = (t >= 0) & (t <= nz), k >= 0
    both = unit & cells
    return np.array(
        [unit.sum(), cells.sum(), (unit & ~cells).sum(), (cells & ~unit).sum(), np.abs(t - k)[both].sum()], dtype=float
    )


def _frame(grid: Grid) -> UnitFrame:
    assert isinstance(grid.frame, UnitFrame)  # noqa: S101  # for the type checker: asked of faulted units only
    return grid.frame


def split_metadata(figures: dict[str, float] | None) -> dict[str, Any]:
    """What the sidecar of a grid with split pillars says about them."""
    return {} if figures is None else {"split_pillars": figures}
