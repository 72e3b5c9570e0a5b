"""Pillars: the corners of a grid's cells where its frame puts them, on straight lines, as corner-point formats want them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError, GempyGanWarning
from gempy_gan.frame import Frame
from gempy_gan.grid import Grid

STRAIGHT = 0.01  # metres by which a node may leave its pillar
CROSSED = 1e-6  # of a column's height, by which a layer may turn inside out before it is called crossed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pillars:
    """Corners of a grid's cells in model space.

    `nodes` (nx + 1, ny + 1, nz + 1, 3) are metres, z up, the last index but one running upwards along a pillar; `lines`
    (nx + 1, ny + 1, 2, 3) are the lower and the upper end of each pillar; `active` (nx, ny, nz) are the cells that have all
    their corners.
    """

    nodes: Floats
    lines: Floats
    active: NDArray[np.bool_]


def pillars(grid: Grid) -> Pillars:
    """The pillars of a grid: for a plain box its edges, for a frame that follows a unit vertical lines at the (u, v) corners.

    Where the frame knows no depth (NaN), pillars take those of the nearest column, and the cells around them are not active,
    with a GempyGanWarning when they were. Raises FormatError when the frame's columns are bent, or its layers cross in active
    cells.
    """
    nx, ny, nz = grid.resolution
    node = np.indices((nx + 1, ny + 1, nz + 1)).reshape(3, -1).T / np.array(grid.resolution)
    nodes = grid.frame.to_model(node).reshape(nx + 1, ny + 1, nz + 1, 3)
    active = grid.active_cells
    if type(grid.frame) is not Frame:
        defined: NDArray[np.bool_] = np.asarray(np.isfinite(nodes).all(axis=(2, 3)))
        nodes, active = _filled(nodes, defined, grid), _with_corners(active, defined)
        _check_straight(nodes)
        nodes = _uncrossed(nodes, active)
    return Pillars(nodes, _lines(nodes), active)


def _filled(nodes: Floats, defined: NDArray[np.bool_], grid: Grid) -> Floats:
    """The nodes with every undefined column in its place on the map, at the depths of the nearest defined one."""
    if defined.all():
        return nodes
    if not defined.any():
        raise FormatError("The grid's frame knows no depth in any column. Expected a frame that holds its unit.")
    from scipy.ndimage import distance_transform_edt

    nearest = distance_transform_edt(~defined, sampling=grid.cell_size[:2], return_distances=False, return_indices=True)
    filled = nodes[tuple(nearest)]
    corner = np.indices(defined.shape).reshape(2, -1).T / np.array(grid.resolution[:2])
    middle = np.full((len(corner), 1), 0.5)
    xy = Frame(grid.extent, grid.rotation).to_model(np.hstack([corner, middle]))[:, :2].reshape(*defined.shape, 1, 2)
    filled[..., :2] = np.where(defined[..., None, None], filled[..., :2], xy)
    return np.asarray(filled)


def _with_corners(active: NDArray[np.bool_], defined: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The active cells that have all their corners; says so where one has not."""
    cornered = (defined[1:, 1:] & defined[1:, :-1] & defined[:-1, 1:] & defined[:-1, :-1])[..., None]
    lost = int((active & ~cornered).sum())
    if lost:
        warnings.warn(
            f"{lost} of {int(active.sum())} active cells have a corner where the frame knows no depth: "
            "they are written inactive.",
            GempyGanWarning,
            stacklevel=2,
        )
    return np.asarray(active & cornered)


def _check_straight(nodes: Floats) -> None:
    share = np.linspace(0, 1, nodes.shape[2])[:, None] if np.ptp(nodes[..., 2]) == 0 else _along(nodes)
    off = np.abs(nodes[..., :2] - (nodes[:, :, :1, :2] * (1 - share) + nodes[:, :, -1:, :2] * share)).max()
    if off > STRAIGHT:
        raise FormatError(
            f"The frame's columns are bent: nodes lie up to {off:.3g} m off a straight pillar. Corner-point grids have straight "
            "pillars: write the box grid, or VTK (.vts)."
        )


def _along(nodes: Floats) -> Floats:
    """How far up its pillar each node stands, 0 to 1, (nx + 1, ny + 1, nz + 1, 1)."""
    low, high = nodes[:, :, :1, 2:], nodes[:, :, -1:, 2:]
    return np.asarray((nodes[..., 2:] - low) / np.where(high == low, 1.0, high - low))


def _uncrossed(nodes: Floats, active: NDArray[np.bool_]) -> Floats:
    """The nodes with layers that never turn inside out: refused in active cells, closed to nothing elsewhere."""
    thickness = np.diff(nodes[..., 2], axis=2)
    crossed = thickness < -CROSSED * np.ptp(nodes[..., 2], axis=2, keepdims=True)
    around = crossed[1:, 1:] | crossed[1:, :-1] | crossed[:-1, 1:] | crossed[:-1, :-1]
    wrong = int((around & active).sum())
    if wrong:
        raise FormatError(
            f"The frame's layers cross at a corner of {wrong} active cells. Expected heights that increase through every column: "
            "take a frame of another mode (column), or write the box grid."
        )
    closed = nodes.copy()
    closed[..., 2] = np.maximum.accumulate(nodes[..., 2], axis=2)
    return closed


def _lines(nodes: Floats) -> Floats:
    """Both ends of each pillar; a vertical one spans the whole grid, so that it keeps its direction where the unit wedges out."""
    ends = nodes[:, :, [0, -1]].copy()
    vertical = np.ptp(nodes[..., :2], axis=2).max(axis=-1) < STRAIGHT
    low, high = nodes[..., 2].min(), nodes[..., 2].max()
    ends[vertical, :, :2] = ends[vertical, :1, :2]
    ends[vertical, :, 2] = low, max(high, low + 1.0)
    return ends
