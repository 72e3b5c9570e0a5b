"""The sections of a LAS file: header lines and data lines, for LAS 3 those of its one log."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gempy_gan.errors import FormatError
from gempy_gan.health import Finding

_VERSION = re.compile(r"\s*VERS\s*\.[^:]*?(\d+(?:\.\d+)?)", re.IGNORECASE)
_FORMAT = re.compile(r"\{\s*([^}]*?)\s*\}")
_NUMERIC = re.compile(r"A?[FEI]?[\d.+E-]*(;.*)?$|A$", re.IGNORECASE)


@dataclass(frozen=True)
class Sections:
    """Header lines (in their places in the file; those of other sections are blank), data lines, the 1-based line at which they
    start, the version, and which curves, by position, hold text according to LAS 3."""

    header: list[str]
    data: list[str]
    first: int
    version: float | None
    texts: frozenset[int] = frozenset()


def split(text: str, log: int | None, found: list[Finding]) -> Sections:
    """Split a file. Raises FormatError for a version that is not known, and where LAS 3 holds no log, or several and no `log`."""
    lines = [line.rstrip("\r") for line in text.split("\n")]  # not splitlines(), which also splits at form feeds
    version = _version(lines, found)
    if version is None or version < 3:
        if log is not None:
            raise FormatError(f"log is {log}, and the file is no LAS 3: it holds one log. Leave it out.")
        at = next((i for i, line in enumerate(lines) if line.lstrip().upper().startswith("~A")), len(lines))
        return Sections(lines[:at], lines[at + 1 :], at + 2, version)
    return _third(lines, version, log, found)


def _version(lines: Sequence[str], found: list[Finding]) -> float | None:
    stated = [match.group(1) for line in lines if (match := _VERSION.match(line))]
    if not stated:
        found.append(
            Finding("warning", "The header has no VERS", "It was read as LAS 2.0, the well's name taken from the file's name.")
        )
        return None
    if not 1 <= float(stated[0]) < 4:
        raise FormatError(f"The file is LAS {stated[0]}. Versions 1.2, 2.0 and 3.0 are read: export or convert it to LAS 2.0.")
    return float(stated[0])


@dataclass(frozen=True)
class _Section:
    title: str
    start: int
    end: int

    @property
    def kind(self) -> str:
        """The title without its number and what it belongs to, in capitals; LAS 2 names of sections as those of LAS 3."""
        name = re.split(r"[|\[\s]", self.title.strip().lstrip("~").strip(), maxsplit=1)[0].upper()
        for letter, full in (("V", "VERSION"), ("W", "WELL"), ("A", "LOG_DATA"), ("C", "LOG_DEFINITION"), ("P", "LOG_PARAMETER")):
            if name == letter or (name[:1] == letter and name in _LAS2[letter]):
                return full
        return name

    @property
    def belongs_to(self) -> str:
        """The definition that a data section names after a bar, in capitals, "" where it names none."""
        return self.title.partition("|")[2].strip().upper()

    @property
    def name(self) -> str:
        """The whole title before a bar, in capitals."""
        return self.title.strip().lstrip("~").partition("|")[0].strip().upper()


_LAS2 = {"V": ("VERSION",), "W": ("WELL",), "A": ("ASCII",), "C": ("CURVE", "CURVES"), "P": ("PARAMETER", "PARAMETERS")}


def _third(lines: list[str], version: float, log: int | None, found: list[Finding]) -> Sections:
    starts = [i for i, line in enumerate(lines) if line.lstrip().startswith("~")]
    sections = [_Section(lines[a], a, b) for a, b in zip(starts, [*starts[1:], len(lines)][: len(starts)], strict=True)]
    data = _log(sections, log)
    definition = _definition(sections, data)
    before = [section for section in sections if section.start < data.start and section.kind == "LOG_PARAMETER"]
    parameters = before if log is None else before[-1:]
    kept = {"VERSION": "~Version", "WELL": "~Well"}
    header = [""] * (max(definition.end, data.start) if sections else 0)
    for section in sections:
        if title := kept.get(section.kind) or (
            "~Curve" if section is definition else "~Parameter" if section in parameters else ""
        ):
            end = min(section.end, len(header))
            header[section.start : end] = [title, *lines[section.start + 1 : end]]
    header = ["VERS. 2.0 :" if _VERSION.match(line) else line for line in header]  # lasio repairs LAS 3 in ways of its own
    others = sorted({section.name for section in sections if section.kind.endswith("_DATA") and section is not data})
    if others:
        found.append(Finding("note", f"The file is LAS {version:g} with {', '.join(others)}", "Only the log was read."))
    rows = lines[data.start + 1 : data.end]
    return Sections(header, rows, data.start + 2, version, _texts(lines, definition, found))


def _log(sections: Sequence[_Section], log: int | None) -> _Section:
    logs = [section for section in sections if section.kind == "LOG_DATA"]
    listed = ", ".join(f"{i} in line {section.start + 1}" for i, section in enumerate(logs, 1))
    if not logs:
        titles = ", ".join(section.name for section in sections) or "none"
        raise FormatError(f"The file is LAS 3 without a log (~Log_Data or ~ASCII). Its sections: {titles}.")
    if log is None and len(logs) > 1:
        raise FormatError(f"The file is LAS 3 with {len(logs)} logs: {listed}. Say which one: give `log=`.")
    if log is not None and not 1 <= log <= len(logs):
        raise FormatError(f"log is {log}. The file has {listed}.")
    return logs[0 if log is None else log - 1]


def _definition(sections: Sequence[_Section], data: _Section) -> _Section:
    """The curves of a data section: those it names, else the last ones before it."""
    defined = [section for section in sections if section.kind == "LOG_DEFINITION"]
    named = [section for section in defined if data.belongs_to and section.name == data.belongs_to]
    before = [section for section in defined if section.start < data.start]
    if data.belongs_to and len(named) != 1:
        have = ", ".join(section.name for section in defined) or "none"
        raise FormatError(
            f"The log in line {data.start + 1} belongs to {data.belongs_to!r}. Expected one such section; there are {have}."
        )
    if not (named or before):
        raise FormatError(
            f"The log in line {data.start + 1} has no definition of its curves (~Log_Definition or ~Curve) before it."
        )
    return (named or before)[-1]


def _texts(lines: Sequence[str], definition: _Section, found: list[Finding]) -> frozenset[int]:
    """Curves that hold text or dates: those whose format, in braces, is not one of numbers."""
    items = [line for line in lines[definition.start + 1 : definition.end] if line.strip() and not line.lstrip().startswith("#")]
    formats = {i: match.group(1) for i, item in enumerate(items) if (match := _FORMAT.search(item))}
    texts = frozenset(i for i, text in formats.items() if text and not _NUMERIC.match(text))
    if texts:
        names = ", ".join(items[i].split(".")[0].strip() for i in sorted(texts))
        found.append(Finding("note", f"Curves of text or dates, by their format: {names}", "They were left out."))
    return texts
