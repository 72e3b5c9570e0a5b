"""What a file claims, held against what it can hold: what cannot be is refused before any memory is asked for."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from gempy_gan.errors import FormatError

RATIO = 1032  # the largest factor by which deflate, the compression of most formats, makes anything smaller
UNPROVEN = 2**26  # bytes that a file may claim whatever its size
REMEDY = "It is damaged, or was made to exhaust memory: get it again from where it comes from."


def check_claim(file: Path, claimed: int, held: int | None = None, what: str = "values") -> None:
    """Raise FormatError when a file claims more bytes than `held`, its size if not given, can be unpacked to.

    >>> check_claim(Path("small.nc"), 8 * 10**12, held=300)
    Traceback (most recent call last):
    ...
    gempy_gan.errors.FormatError: small.nc claims 8.0 TB of values, and has 300 bytes. It is damaged, or was made to exhaust \
memory: get it again from where it comes from.
    """
    size = file.stat().st_size if held is None else held
    if claimed > UNPROVEN + RATIO * size:
        raise FormatError(f"{file} claims {in_words(claimed)} of {what}, and has {in_words(size)}. {REMEDY}")


def check_archive(file: Path, limit: int, what: str = "archive") -> None:
    """Raise FormatError when a file is no zip archive, a name in it leaves its folder, or it unpacks to more than `limit` bytes.

    `what` is what such archives are called: "GemPy model".
    """
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError) as error:
        raise FormatError(f"{file} is no {what}: {error}.") from error
    for part in parts:
        name = part.filename
        if name.startswith(("/", "\\")) or ":" in name or ".." in re.split(r"[/\\]", name):
            raise FormatError(f"{file} has a part {name!r:.80}, which leaves its folder. {REMEDY}")
    if (total := sum(part.file_size for part in parts)) > limit:
        raise FormatError(f"{file} unpacks to {in_words(total)}. Expected at most {in_words(limit)}. {REMEDY}")


def in_words(size: int) -> str:
    """A number of bytes, short.

    >>> in_words(300), in_words(8 * 10**12)
    ('300 bytes', '8.0 TB')
    """
    for factor, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
