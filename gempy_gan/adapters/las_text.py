"""The text of a LAS file, in whatever encoding it is."""

from __future__ import annotations

import codecs
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.health import Finding

MOST_BYTES = 2**30
"""Larger files are refused before they are read: text of that size is no well log, or takes ten times its size in memory."""


@contextlib.contextmanager
def naming(file: Path, found: Sequence[Finding] = ()) -> Iterator[None]:
    """Errors of the block name the file, and carry what had been noticed in it."""
    try:
        yield
    except GempyGanError as error:
        named = FormatError(f"{file.name}: {error}")
        named.health = tuple(replace(finding, file=file.name) for finding in found)
        raise named from error


def read_bytes(file: Path) -> bytes:
    """The whole file. Raises FormatError where it cannot be read, or is too large to be a log."""
    try:
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise FormatError(f"{file} is {size / 2**30:.3g} GiB long. Expected a LAS file of at most 1 GiB: split it.")
        return file.read_bytes()
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror or error}. Check the path.") from error


def text_of(raw: bytes, encoding: str | None, found: list[Finding]) -> str:
    """The text, by the given encoding, the mark at its start, UTF-8, or Windows-1252. Raises FormatError for what is no LAS."""
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    marked = next((name for mark, name in marks.items() if raw.startswith(mark)), None) or _wide(raw, found)
    try:
        text = raw.decode(encoding or marked or "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        if encoding or marked:
            raise FormatError(f"The text is not {encoding or marked}: {error}. Give its `encoding=`.") from error
        text = raw.decode("cp1252", errors="replace")
        found.append(
            Finding("note", "The text is not UTF-8", "It was read as Windows-1252; give `encoding=` if names look wrong.")
        )
    if "\0" in text or not any(line.lstrip().startswith("~") for line in text.splitlines()):
        raise FormatError("The file has no section that starts with '~'. Expected a LAS file (Log ASCII Standard).")
    return text


def _wide(raw: bytes, found: list[Finding]) -> str | None:
    """UTF-16 without a mark: every other byte of its plain letters is zero."""
    start = raw[:400]
    for name, zeros in (("utf-16-le", start[1::2]), ("utf-16-be", start[::2])):
        if len(start) >= 8 and zeros.count(0) > 0.9 * len(zeros) and start.count(0) < 0.6 * len(start):
            found.append(Finding("note", f"The text is {name.upper()} without a mark", "It was read as such."))
            return name
    return None
