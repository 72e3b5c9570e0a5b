"""read() and write(): the adapter or format for a path, and nothing half-written."""

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
from gempy_gan.plugins import call, for_path, registry


def read(path: str | os.PathLike[str], **options: Any) -> Any:
    """Read a file: a WellLog from LAS, a SeismicCube from SEG-Y, a DataFrame from a table, an Ensemble from a grid format.

    The file's ending decides; `options` go to the adapter or format (`kb=`, `xy=` for LAS; `domain=` for SEG-Y).
    Raises FormatError when the file is missing, has no known ending, or cannot be what it claims to be.
    """
    file = Path(path)
    entry = registry().for_path("adapters", file) or for_path("formats", file)
    if entry.kind == "adapters":
        if not file.is_file():
            raise FormatError(f"{file} does not exist. Check the path.")
        return call(entry, entry.load(), file, **options)
    return call(entry, entry.load().read, file, **options)


def read_ensemble(path: str | os.PathLike[str], **options: Any) -> Ensemble:
    """Read a file that must hold an ensemble; errors as in `read`, and FormatError when it holds something else."""
    found = read(path, **options)
    if not isinstance(found, Ensemble):
        raise FormatError(f"{path} holds a {type(found).__name__}. Expected an ensemble, such as a .zarr store or a .nc file.")
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
    try:
        yield staging / target.name
        for file in sorted(staging.iterdir()):
            _move(file, target.parent / file.name)
    except OSError as error:
        raise FormatError(f"{target} was not written: {error.strerror or error}. Nothing was left half-written.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(source: Path, target: Path) -> None:
    """Replace a file, or a store (a folder of the same ending); merge into any other folder (layouts of many files)."""
    if not source.is_dir():
        if target.is_dir():
            raise FormatError(f"{target} is a folder. Expected a file, or nothing: remove it or choose another name.")
        source.replace(target)
    elif not target.is_dir():
        source.replace(target)
    elif source.suffix:
        shutil.rmtree(target)
        source.replace(target)
    else:
        for file in sorted(source.iterdir()):
            _move(file, target / file.name)
