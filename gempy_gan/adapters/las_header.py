"""What the header of a LAS file says: version, units, position, and whether it agrees with itself."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError
from gempy_gan.health import Finding

METRES = {
    **dict.fromkeys(("M", "METER", "METERS", "METRE", "METRES", "MTR"), 1.0),
    **dict.fromkeys(("F", "FT", "FEET", "FOOT"), 0.3048),
    **dict.fromkeys(("USFT", "FTUS", "FT-US", "FT_US"), 1200 / 3937),
    **dict.fromkeys(("CM", "CENTIMETER", "CENTIMETRE"), 0.01),
    **dict.fromkeys((".1IN", "0.1IN", ".1INCH", "0.1INCH", "0.1 IN", ".1 IN", "1/10IN", "1/10 IN"), 0.00254),
    **dict.fromkeys(("IN", "INCH", "INCHES"), 0.0254),
    "MM": 0.001,
}
"""Metres per unit of length, by the unit's name in capitals."""

ELEVATIONS = ("EREF", "KB", "EKB", "KBE", "RKB", "ERKB", "KB_ELEVATION", "KBELEV", "ELEV_KB")
"""Header names of the elevation of the depth reference."""

HEADS = (("X", "Y"), ("XCOORD", "YCOORD"), ("X_COORD", "Y_COORD"), ("XWELL", "YWELL"), ("EASTING", "NORTHING"))
"""Header names of the head's map coordinates."""

_IN_LOCATION = re.compile(r"\bX\s*=\s*(-?[\d.]+)\D+?\bY\s*=\s*(-?[\d.]+)", re.IGNORECASE)
_TENTHS = re.compile(r"(?<=\S)\.(?=\.1 ?IN)", re.IGNORECASE)  # "DEPT..1IN": lasio takes the second point for the end of the name
_SAME = 0.01  # metres within which two statements of one position agree


def parse(lines: Sequence[str], found: list[Finding]) -> Any:
    """The header as lasio reads it, mnemonics as in the file; unreadable lines are reported and left out.

    Raises FormatError for what is no LAS file.
    """
    header = _parse(lines, found)
    for letter, section in (("~V", "Version"), ("~W", "Well")):
        if not any(line.lstrip().upper().startswith(letter) for line in lines):
            header.sections[section].clear()  # lasio fills a missing section with values of its own
    return header


def _parse(lines: Sequence[str], found: list[Finding]) -> Any:
    import lasio

    text = "\n".join(_TENTHS.sub(".0", line, count=1) for line in lines) + "\n~A\n"
    options: dict[str, Any] = {"ignore_data": True, "mnemonic_case": "preserve"}
    with _quiet():
        try:
            return lasio.read(io.StringIO(text), **options)
        except lasio.exceptions.LASHeaderError as error:
            found.append(Finding("warning", f"lasio cannot read a header line: {error}", "Such lines were left out."))
        except Exception as error:  # lasio raises whatever its parser meets
            raise FormatError(f"lasio cannot read the header: {error}. Correct the file.") from error
        try:
            return lasio.read(io.StringIO(text), ignore_header_errors=True, **options)
        except Exception as error:
            raise FormatError(f"lasio cannot read the header: {error}. Correct the file.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence lasio's logging: what matters is found here and recorded in `health`."""
    logger = logging.getLogger("lasio")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)


def value(header: Any, section: str, mnemonic: str) -> str:
    """One header value as stripped text, "" where it is absent or equal to NULL."""
    return next((str(item.value).strip() for item in header.sections[section] if item.original_mnemonic.upper() == mnemonic), "")


def unit(item: Any) -> str:
    """The unit of a curve as in the file: lasio strips the outer brackets even of "(m/s)*(kg/m3)"."""
    text, depth = str(item.unit).strip(), 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if depth < 0:
            return f"({text})"
    return text


def number(text: str) -> float:
    """A header value as a number, NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def well_name(header: Any, stem: str, found: list[Finding]) -> str:
    """WELL, else UWI, else the file's name. Without a version the order of value and description is unknown: the file's name."""
    if not value(header, "Version", "VERS"):
        return stem
    name = value(header, "Well", "WELL") or value(header, "Well", "UWI")
    if not name:
        found.append(Finding("warning", "The header names no well", f"The file's name {stem!r} was taken."))
    return name or stem


def depth_factor(header: Any, curve: Any, given: str | None, found: list[Finding]) -> float:
    """Metres per unit of depth. Raises FormatError when no, an unknown, or several units are stated and none is given."""
    strt = [item for item in header.well if item.original_mnemonic.upper() in ("STRT", "STOP", "STEP")]
    stated = sorted({str(item.unit).strip() for item in [curve, *strt]} - {""})
    factors = {METRES.get(unit.upper()) for unit in stated}
    if given is not None:
        factor = METRES.get(given.upper())
        if factor is None:
            raise FormatError(f"depth_unit is {given!r}. Allowed: 'm', 'ft', '0.1in' and other names of lengths.")
        if factors - {factor}:
            found.append(
                Finding("warning", f"The header states depths in {', '.join(stated)}", f"They were read in {given}, as told.")
            )
    elif len(factors) != 1 or None in factors:
        what = f"in {' and '.join(repr(unit) for unit in stated)}" if stated else "without a unit"
        raise FormatError(f"The header states depths {what}. Expected one of m, ft, 0.1in: give `depth_unit='m'` or 'ft'.")
    else:
        (only,) = factors
        factor = only or 1.0
    if factor != 1.0:
        found.append(
            Finding("note", f"Depths are in {given or ', '.join(stated)}", f"They were multiplied by {factor:.6g} to metres.")
        )
    return factor


def lines_of(header: Sequence[str]) -> dict[str, int]:
    """The 1-based line on which each mnemonic of the header first stands."""
    found: dict[str, int] = {}
    for number_, line in enumerate(header, 1):
        if not line.lstrip().startswith(("#", "~")):
            found.setdefault(line.split(".")[0].strip().upper(), number_)
    return found


def check_interval(header: Any, depth: NDArray[np.float64], found: list[Finding], lines: Mapping[str, int]) -> None:
    """Record where STRT, STOP and STEP contradict the depths (in the file's order and unit)."""
    steps = np.diff(depth)
    step = float(np.median(steps)) if len(steps) else 0.0
    for mnemonic, actual, slack in (
        ("STRT", depth[0], abs(step) / 2),
        ("STOP", depth[-1], abs(step) / 2),
        ("STEP", step, abs(step) / 100),
    ):
        text = value(header, "Well", mnemonic)
        stated = number(text)
        irregular = mnemonic == "STEP" and stated == 0
        if not irregular and not abs(stated - actual) <= slack + 1e-6:
            found.append(
                Finding(
                    "warning",
                    f"{mnemonic} is {text or 'missing'}, the data say {actual:g}",
                    "The data were followed.",
                    lines.get(mnemonic),
                )
            )
    if len(steps) and np.ptp(steps) > 0.01 * abs(step) + 1e-6:
        found.append(Finding("note", f"The depth step varies from {steps.min():g} to {steps.max():g}"))


def elevation(header: Any, found: list[Finding]) -> float:
    """The header's elevation of the depth reference, metres. Raises FormatError when absent, contradictory or unitless."""
    stated = [(item, _metres(item)) for item in _items(header, ELEVATIONS)]
    values = {round(metres, 3) for _, metres in stated}
    listed = ", ".join(f"{item.original_mnemonic} {item.value} {item.unit}".strip() for item, _ in stated) or "none"
    datum = [item for item in _items(header, ("EPD",)) if number(str(item.value)) != 0]
    if not stated or max(values) - min(values) > _SAME or not np.isfinite(list(values)).all():
        raise FormatError(
            f"The elevation of the depth reference in the header is {listed}. Expected one, with its unit: give `kb=` in metres."
        )
    if datum:
        raise FormatError(
            f"The header has {listed} above a permanent datum that lies at EPD {datum[0].value}, itself above another datum. "
            "Expected one vertical datum: give `kb=` in metres above it."
        )
    if 0.0 in values:
        found.append(
            Finding("warning", f"The depth reference lies at the datum ({listed})", "Check that this is no placeholder.")
        )
    found.append(Finding("note", f"kb = {stated[0][1]:g} m was taken from the header ({listed})"))
    return stated[0][1]


def head(header: Any, found: list[Finding]) -> tuple[float, float]:
    """The head's map coordinates in metres, from the header. Raises FormatError when absent, contradictory or not in metres."""
    stated: dict[str, tuple[float, float]] = {}
    for pair in HEADS:
        for x, y in zip(_items(header, pair[:1]), _items(header, pair[1:]), strict=False):
            stated["/".join(pair)] = (_coordinate(x), _coordinate(y))
    for item in _items(header, ("LOC",), numeric=False):
        if match := _IN_LOCATION.search(f"{item.unit} {item.value} {item.descr}"):
            stated["LOC"] = (number(match.group(1)), number(match.group(2)))
    places = np.array(list(stated.values())).reshape(-1, 2)
    listed = ", ".join(f"{name} {x:.10g} {y:.10g}" for name, (x, y) in stated.items()) or "none"
    if not len(places) or not np.isfinite(places).all() or np.ptp(places, axis=0).max() > _SAME:
        raise FormatError(f"The well's position in the header is {listed}. Expected one, in metres: give `xy=(x, y)`.")
    found.append(Finding("note", f"xy was taken from the header ({listed}), metres"))
    return float(places[0, 0]), float(places[0, 1])


def _items(header: Any, mnemonics: Sequence[str], numeric: bool = True) -> list[Any]:
    """Header items of these names in all sections but the curves; numeric ones must hold a number other than NULL."""
    null = number(value(header, "Well", "NULL"))
    sections = [
        items for name, items in header.sections.items() if name not in ("Version", "Curves") and not isinstance(items, str)
    ]
    items = [item for section in sections for item in section if item.original_mnemonic.upper() in mnemonics]
    if not numeric:
        return items
    return [item for item in items if np.isfinite(number(str(item.value))) and number(str(item.value)) != null]


def _metres(item: Any) -> float:
    return number(str(item.value)) * METRES.get(unit(item).upper(), float("nan"))


def _coordinate(item: Any) -> float:
    """Map coordinates are never converted: a position in feet belongs to another coordinate system."""
    metric = unit(item) == "" or METRES.get(unit(item).upper()) == 1.0
    return number(str(item.value)) if metric else float("nan")
