"""read() and write(): the adapter or format for a path, and nothing half-written."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.plugins import for_path, registry


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
        return entry.load()(file, **options)
    return entry.load().read(file, **options)


def write(ensemble: Ensemble, path: str | os.PathLike[str], **options: Any) -> list[Path]:
    """Write an ensemble in the format of the path's ending; returns the files written.

    Everything is first written into a temporary folder beside the target and then renamed, so a failure (a full disk, an
    interrupt) leaves nothing half-written. Raises FormatError when the format cannot hold the ensemble or the disk refuses.
    """
    target = Path(path)
    module = for_path("formats", target).load()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
    except OSError as error:
        raise FormatError(f"Nothing can be written beside {target}: {error.strerror or error}. Choose another folder.") from error
    try:
        written = module.write(ensemble, staging / target.name, **options)
        return [_move(file, target.parent / file.relative_to(staging)) for file in written]
    except OSError as error:
        raise FormatError(f"{target} was not written: {error.strerror or error}. Nothing was left half-written.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not source.is_dir():
        raise GempyGanError(f"{target} is a folder. Expected a file, or nothing: remove it or choose another name.")
    if target.is_dir():
        shutil.rmtree(target)
    return source.replace(target)
