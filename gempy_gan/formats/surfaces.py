"""IRAP classic grids: top and base of a grid as regular maps, which every modelling program reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gempy_gan.errors import FormatError
from gempy_gan.formats.corner_point import load_xtgeo
from gempy_gan.formats.pillars import STRAIGHT, pillars
from gempy_gan.grid import Grid

ENDINGS = (".irap", ".irapasc", ".fgr")  # by which other programs know IRAP classic grids in ASCII


def check_ending(path: Path) -> None:
    """Raise FormatError for the name of a file that would not be taken for what it is."""
    if path.suffix.lower() not in ENDINGS:
        raise FormatError(
            f"The maps are IRAP classic grids (ASCII), and {path.name!r} is no name of one. Expected the ending "
            f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, such as unit.irap."
        )


def write_irap(grid: Grid, path: Path, depth: bool) -> list[Path]:
    """Write `e--top.irap` and `e--base.irap` for `e.irap`, as heights or as depths."""
    xtgeo = load_xtgeo()
    corners = pillars(grid)
    if np.ptp(corners.nodes[..., :2], axis=2).max() > STRAIGHT:
        raise FormatError("The grid's columns are not vertical. Expected vertical ones: a map has one height at each place.")
    dx, dy, _ = grid.cell_size
    column = np.pad(corners.active.any(axis=2), 1)
    beside = column[1:, 1:] | column[1:, :-1] | column[:-1, 1:] | column[:-1, :-1]
    files = []
    for name, k in (("top", -1), ("base", 0)):
        heights = np.ma.masked_array(corners.nodes[:, :, k, 2] * (-1 if depth else 1), mask=~beside)
        surface = xtgeo.RegularSurface(
            ncol=heights.shape[0], nrow=heights.shape[1], xinc=dx, yinc=dy, xori=grid.extent[0], yori=grid.extent[2],
            rotation=grid.rotation % 360, values=heights,
        )  # fmt: skip
        files.append(path.with_name(f"{path.stem}--{name}{path.suffix}"))
        surface.to_file(files[-1], fformat="irap_ascii")
    return files
