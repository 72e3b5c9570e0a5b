"""Reading and writing: the adapter or format for a path, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

    Raises FormatError when xtgeo is missing, the grid's columns are bent, or the disk refuses.
    """
    from gempy_gan.formats.surfaces import write_irap

    target = Path(path)
    with staged(target) as path_there:
        written = write_irap(grid, path_there, depth)
    return [target.parent / file.name for file in written]


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A path of the target's name in a temporary folder beside it; what the block writes there is moved over when it ends.

    An error inside the block moves nothing. Raises FormatError when the disk refuses.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
    except OSError as error:
        raise FormatError(f"Nothing can be written beside {target}: {error.strerror or error}. Choose another folder.") from error
    new, old = staging / "new", staging / "old"
    try:
        new.mkdir()
        yield new / target.name
        _move(new, target.parent, old)
    except OSError as error:
        raise FormatError(f"{target} was not written: {error.strerror or error}. Nothing was left half-written.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(new: Path, folder: Path, old: Path) -> None:
    """Move everything in `new` into `folder`; when that fails on the way, put back what stood there, kept in `old`."""
    moved: list[Path] = []
    try:
        for source in _units(new):
            place = source.relative_to(new)
            target = folder / place
            if target.is_dir() and not source.is_dir():
                raise FormatError(f"{target} is a folder. Expected a file, or nothing: remove it or choose another name.")
            _keep(target, old / place)
            moved.append(place)
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
    except BaseException:
        for place in moved:
            _put_back(old / place, folder / place)
        raise


def _units(folder: Path) -> Iterator[Path]:
    """What is replaced as a whole: files, and stores (folders with an ending); other folders are merged (FMU layouts)."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.suffix:
            yield from _units(path)
        else:
            yield path


def _keep(target: Path, kept: Path) -> None:
    """Keep what is about to be replaced; a file stays in its place too, so that its replacement is one step."""
    if not target.exists():
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(target, kept)
    except OSError:  # a folder, or a file system without hard links
        target.replace(kept)


def _put_back(kept: Path, target: Path) -> None:
    """Undo one move: what was kept takes its place again; where there was nothing, there is nothing."""
    if target.is_dir():
        shutil.rmtree(target)
    if kept.exists():
        kept.replace(target)
    else:
        target.unlink(missing_ok=True)
