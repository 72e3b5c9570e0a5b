"""Reading and writing: the adapter or format for a path, and nothing half-written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gempy_gan.atomic import check_in_place, staged
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.grid import Grid
from gempy_gan.plugins import call, for_path


def read(path: str | os.PathLike[str], **options: Any) -> Any:
    """Read a file: a WellLog from LAS, a SeismicCube from SEG-Y, a DataFrame from a table, an Ensemble from a grid format.

    The file's ending decides; `options` go to the adapter or format (`kb=`, `xy=` for LAS; `domain=` for SEG-Y).
    Raises FormatError when the file is missing, has no known ending, or cannot be what it claims to be.
    """
    file = Path(path)
    entry = for_path(("adapters", "formats"), file)
    if entry.kind == "adapters":
        if not file.is_file():
            raise FormatError(f"{file} does not exist. Check the path.")
        return call(entry, entry.load(), file, **options)
    check_in_place(file)
    return call(entry, entry.load().read, file, **options)


def read_ensemble(path: str | os.PathLike[str], **options: Any) -> Ensemble:
    """Read a file that must hold an ensemble; errors as in `read`, and FormatError when it holds something else."""
    entry = for_path(("adapters", "formats"), path)
    found = read(path, **options) if entry.kind == "formats" else None
    if not isinstance(found, Ensemble):
        held = entry.summary if found is None else f"a {type(found).__name__}"
        raise FormatError(f"{path} holds {held}. Expected an ensemble, such as a .zarr store or a .nc file.")
    return found


def write(ensemble: Ensemble, path: str | os.PathLike[str], **options: Any) -> list[Path]:
    """Write an ensemble in the format of the path's ending; returns the files written.

    Everything is first written into a temporary folder beside the target and then renamed, so a failure (a full disk, an
    interrupt) leaves nothing half-written. Raises FormatError when the format cannot hold the ensemble or the disk refuses.
    """
    target = Path(path)
    entry = for_path("formats", target)
    with staged(target) as path_there:
        written = call(entry, entry.load().write, ensemble, path_there, **options)
    return [target.parent / file.relative_to(path_there.parent) for file in written]


def write_surfaces(grid: Grid, path: str | os.PathLike[str], depth: bool = False) -> list[Path]:
    """Write top and base of a grid, or of the unit that its frame follows, as IRAP classic grids (ASCII); returns the files.

    `unit.irap` stands for `unit--top.irap` and `unit--base.irap`, regular maps with nodes at the corners of the grid's columns.
    Values are heights in metres, z up, or with `depth` depths, positive downwards. Nodes beside no active cell are undefined.

    Raises FormatError for another ending than .irap, .irapasc or .fgr, when xtgeo is missing, the grid's columns are bent, or the
    disk refuses.
    """
    from gempy_gan.formats.surfaces import check_ending, write_irap

    target = Path(path)
    check_ending(target)
    with staged(target) as path_there:
        written = write_irap(grid, path_there, depth)
    return [target.parent / file.name for file in written]
