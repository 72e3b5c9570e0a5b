"""Corner-point geometry: a Grid as xtgeo holds it, with k downwards, and back.

A grid whose frame follows a unit becomes a conformal grid: one layer for each layer of the box, between vertical pillars.

xtgeo, ROFF and Eclipse count k from the top and measure depth downwards; i and j run along our x and y. Reversing k together
with the sign of z keeps every cell right side out. Their files hold single-precision coordinates, 0.25 to 0.5 m apart at UTM
northings, so geometry is written relative to a local origin that single precision holds exactly.
"""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np

from gempy_gan.errors import FormatError, GempyGanWarning
from gempy_gan.formats.faulted import node_depths, split_heights
from gempy_gan.formats.pillars import pillars
from gempy_gan.formats.regular import Axes, regular_grid
from gempy_gan.grid import Grid

ORIGIN_STEP = 64.0  # metres; its multiples are exact in single precision up to 10^9 m
CLOSE = 0.01  # metres between the cell centres of two descriptions of one grid


def load_xtgeo() -> ModuleType:
    """The optional library. Raises FormatError saying how to install it."""
    try:
        import xtgeo
    except ImportError as error:
        raise FormatError('Corner-point files need xtgeo: pip install "gempy-gan[formats]".') from error
    module: ModuleType = xtgeo
    return module


def local_origin(grid: Grid) -> tuple[float, float]:
    """Easting and northing near the grid's corner to which written coordinates refer."""
    return round(grid.extent[0] / ORIGIN_STEP) * ORIGIN_STEP, round(grid.extent[2] / ORIGIN_STEP) * ORIGIN_STEP


def to_xtgeo(grid: Grid, split: bool = False) -> Any:
    """The grid as an xtgeo.Grid, in coordinates relative to `local_origin`; one layer for each of its own.

    `split` gives each fault block its own depths on the pillars that it shares (see `faulted`).
    """
    corners = pillars(grid)
    lines = (corners.lines[:, :, ::-1] - [*local_origin(grid), 0.0]) * [1.0, 1.0, -1.0]
    if split:
        depths = node_depths(split_heights(grid))
    else:
        depths = np.repeat(-corners.nodes[:, :, ::-1, 2:].astype(np.float32), 4, axis=-1)  # one for the four cells around a node
    active = np.ascontiguousarray(corners.active[:, :, ::-1], dtype=np.int32)
    coords = np.ascontiguousarray(lines.reshape(*lines.shape[:2], 6))
    return load_xtgeo().Grid(coordsv=coords, zcornsv=np.ascontiguousarray(depths), actnumsv=active)


def describes(grid: Grid, geometry: Any, split: bool = False) -> bool:
    """Whether an xtgeo.Grid in map coordinates has the cells of `grid`, within a centimetre."""
    if tuple(geometry.dimensions) != grid.resolution:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GempyGanWarning)  # it was said when the grid was written
        expected = _means(to_xtgeo(grid, split)) + np.array([*local_origin(grid), 0.0])
    return bool(np.abs(_means(geometry) - expected).max() < CLOSE)


def _means(geometry: Any) -> Any:
    """The mean of each cell's eight corners, (ni, nj, nk, 3), which xtgeo calls its centre."""
    return np.stack([np.asarray(c.values) for c in geometry.get_xyz(asmasked=False)], axis=-1)


OURS = Axes(reverse_j=False, reverse_k=True)


def from_xtgeo(geometry: Any, source: object) -> tuple[Grid, Axes]:
    """The Grid of an xtgeo.Grid in map coordinates, and how its axes run. Raises FormatError when it is not regular."""
    values = np.stack([np.asarray(c.values) for c in geometry.get_xyz_corners()])
    corners = values.reshape(8, 3, *values.shape[1:])
    corners[:, 2] *= -1
    grid, axes = regular_grid(corners, source)
    active = axes.apply(np.asarray(geometry.get_actnum().values.filled(0)) > 0)
    return (grid if active.all() else grid.with_active(active)), axes
