"""A RESQML file from a stranger: an archive of XML, and the HDF5 file that it names; what leaves its folder is refused."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gempy_gan.errors import FormatError
from gempy_gan.limits import REMEDY, check_archive, check_claim

XML_LIMIT = 2**28  # bytes of all parts of an archive, which hold no values
EXTERNAL = re.compile(rb"""<Relationship\b[^>]*\bTarget\s*=\s*["']([^"']*)["'][^>]*>""")


def check_resqml(path: Path) -> None:
    """Raise FormatError when the archive is none, its names leave it, its parts are bombs, or its arrays claim too much."""
    check_archive(path, XML_LIMIT, "RESQML package")
    try:
        with zipfile.ZipFile(path) as archive:
            targets = [target for name in archive.namelist() for target in _external(path, name, archive.read(name))]
    except (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, RuntimeError, EOFError) as error:
        raise FormatError(f"{path} cannot be read as RESQML: {error}.") from error
    for target in targets:
        if Path(target).name != target or "\\" in target:
            raise FormatError(f"{path} keeps its arrays in {target!r:.80}. Expected a file beside it. {REMEDY}")
    for file in {path.parent / target for target in targets} | {path.with_suffix(".h5")}:
        if file.is_file():
            _check_arrays(file)


def _external(path: Path, name: str, content: bytes) -> Iterator[str]:
    """The files outside the archive that a part of relationships names."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise FormatError(f"{path} has a part {name!r:.80} with definitions of its own, which RESQML has not. {REMEDY}")
    if name.endswith(".rels"):
        for match in EXTERNAL.finditer(content):
            if re.search(rb"""TargetMode\s*=\s*["']External["']""", match[0]):
                yield match[1].decode("utf-8", errors="replace")


def _check_arrays(file: Path) -> None:
    """Raise FormatError when an HDF5 file links to others, or its arrays claim more than it holds."""
    import h5py

    claimed = 0

    def visit(name: str, item: Any) -> None:
        nonlocal claimed
        if isinstance(item, h5py.Dataset):
            claimed += math.prod(map(int, item.shape or ())) * item.dtype.itemsize
            if item.external:
                raise FormatError(f"{file} keeps {name!r:.80} in another file. Expected its own arrays. {REMEDY}")

    try:
        with h5py.File(file, "r") as opened:
            opened.visititems(visit)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise FormatError(f"{file} cannot be read as HDF5: {error}.") from error
    check_claim(file, claimed)
