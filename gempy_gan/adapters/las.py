"""LAS 1.2 and 2.0 files to WellLog and back, refusing what cannot be read with certainty."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gempy_gan.adapters import las_header
from gempy_gan.adapters.las_rows import Rows, read_rows
from gempy_gan.adapters.tables import read_survey
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.health import Finding
from gempy_gan.wells import WellLog

DEPTH_MNEMONICS = frozenset({"DEPT", "DEPTH", "DEP", "MD", "DMEA", "TDEP"})
"""Names under which the first curve is taken for measured depth without being told so."""

SUSPECT_NULLS = (-999.0, -999.25, -9999.0, -9999.25, -99999.0, -99999.25, 999.25, 9999.25, -32767.0, -32768.0)
"""Values that in practice mean "no value"; beside the header's NULL they are refused, not read as measurements."""

WATCHED = (9999.0, 99999.0, 32767.0)
"""Values that may mean "no value" but also occur as measurements: read, with a warning."""

_HUGE = 1e29  # 1e30 and 1.7e38 mean "no value" too
_NULL = -999.25


def read_las(
    path: str | os.PathLike[str],
    *,
    kb: float | Literal["header"] | None = None,
    xy: tuple[float, float] | Literal["header"] | None = None,
    survey: pd.DataFrame | str | os.PathLike[str] | None = None,
    depth_unit: str | None = None,
    depth: str | None = None,
    curves: Sequence[str] | None = None,
    null: float | str | Sequence[float | str] | None = None,
    wrap: bool | None = None,
    decimal: Literal[".", ","] = ".",
    name: str | None = None,
    encoding: str | None = None,
) -> WellLog:
    """Read a LAS file.

    Parameters
    ----------
    path:
        The file.
    kb:
        Elevation of the depth reference above the vertical datum, metres, or "header" to take it from the file.
    xy:
        Position of the head in map coordinates, metres, or "header".
    survey:
        Deviation survey, a table or the path of one (see `read_survey`); without it the well is vertical. A well without
        any position is allowed and can be placed later.
    depth_unit:
        "m" or "ft", where the file does not state the unit of its depths or states a wrong one.
    depth:
        Mnemonic of the measured-depth curve, where it is not the first or has an unusual name.
    curves:
        Read only these curves.
    null:
        What else means "no value" beside the header's NULL: a number, a text such as "****", or several. An empty tuple
        says that nothing else does: values such as -9999 are then measurements.
    wrap, decimal, encoding:
        Overrule the header's WRAP; decimal commas; the text encoding (else by its mark, UTF-8, or Windows-1252).
    name:
        The well's name, instead of the header's WELL or UWI.

    Conversions and assumptions are recorded as notes in `health`, contradictions in the header as warnings.

    Raises FormatError when the file cannot be right, or not be read with certainty: LAS 3, text among numbers, rows that do
    not match the curves, another NULL than the header's, depths that are missing, repeated or not monotone, no data.
    """
    file = Path(path)
    raw = _bytes(file)
    found: list[Finding] = []
    with _naming(file):
        head_lines, data_lines = _halves(_text(raw, encoding, found))
        header = las_header.parse(head_lines, found)
        rows = _rows(header, data_lines, len(head_lines) + 2, wrap, found)
        index = _depth_column(rows, depth)
        factor = las_header.depth_factor(header, header.curves[index], depth_unit, found)
        missing = _Missing.of(header, null, found)
        table = _table(rows, index, curves, missing, decimal, found)
        las_header.check_interval(header, table.index.to_numpy(), found)
        table = _ascending(table, rows, found)
        table.index *= factor
        position = {
            "xy": las_header.head(header, found) if xy == "header" else xy,
            "kb": las_header.elevation(header, found) if kb == "header" else kb,
            "survey": read_survey(survey) if isinstance(survey, (str, os.PathLike)) else survey,
        }
        units = {str(item.mnemonic): las_header.unit(item) for item in header.curves if item.mnemonic in table.columns}
        source = {"path": file.name, "sha256": hashlib.sha256(raw).hexdigest()}
        title = name or las_header.well_name(header, file.stem, found)
        well = WellLog(title, table, units, None, tuple(found), source)
        return well if all(part is None for part in position.values()) else well.placed(**position)  # type: ignore[arg-type]


def write_las(well: WellLog, path: str | os.PathLike[str]) -> Path:
    """Write a well as LAS 2.0, with its position (X, Y, KB in metres) where it has one; nothing is left half-written.

    `read_las(path, kb="header", xy="header")` gives the same well back, values to the last digit. Raises FormatError when
    the file cannot be written or cannot hold the well: a deviated trajectory (write the well without it, and the
    trajectory as a table), text, infinite values, or the value -999.25 that marks missing ones.
    """
    file = Path(path)
    staged = file.with_name(f".writing-{file.name}")
    with _naming(file):
        las = _to_lasio(well)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with staged.open("w", encoding="utf-8", newline="\n") as stream:
                las.write(stream, version=2, fmt="%s", len_numeric_field=18)  # %s: the shortest text that reads back exactly
            return staged.replace(file)
        except OSError as error:
            raise FormatError(f"The file was not written: {error.strerror or error}. Choose another folder.") from error
        finally:
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    try:
        yield
    except GempyGanError as error:
        raise FormatError(f"{file.name}: {error}") from error


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror or error}. Check the path.") from error


def _text(raw: bytes, encoding: str | None, found: list[Finding]) -> str:
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    marked = next((name for mark, name in marks.items() if raw.startswith(mark)), None)
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


def _halves(text: str) -> tuple[list[str], list[str]]:
    """The lines before and after the one that starts with ~A."""
    lines = text.split("\n")  # not splitlines(), which also splits at form feeds and would shift the line numbers
    at = next((i for i, line in enumerate(lines) if line.lstrip().upper().startswith("~A")), len(lines))
    return lines[:at], lines[at + 1 :]


def _rows(header: Any, lines: list[str], first: int, wrap: bool | None, found: list[Finding]) -> Rows:
    names = [str(item.mnemonic) for item in header.curves]
    if not names:
        raise FormatError("The header names no curves. Expected a ~Curve section with one line per column.")
    twice = [name for name, count in Counter(str(item.original_mnemonic) for item in header.curves).items() if count > 1]
    if twice:
        found.append(
            Finding("warning", f"Curve names occur more than once: {', '.join(twice)}", "They were numbered :1, :2, ...")
        )
    if any(not str(item.original_mnemonic).strip() for item in header.curves):
        found.append(Finding("warning", "A curve has no name", "It was called UNKNOWN."))
    stated = las_header.value(header, "Version", "WRAP").upper()
    if not stated:
        found.append(Finding("warning", "The header has no WRAP", "One line per depth was expected."))
    wrapped = stated == "YES" if wrap is None else wrap
    rows = read_rows(lines, first, names, wrapped, las_header.value(header, "Version", "DLM"))
    if not len(rows):
        raise FormatError("The file has no data after its header. Expected rows after ~A.")
    return rows


def _depth_column(rows: Rows, depth: str | None) -> int:
    if depth is not None and depth in rows.columns:
        return list(rows.columns).index(depth)
    if depth is not None or rows.columns[0].upper() not in DEPTH_MNEMONICS:
        what = (
            f"There is no curve {depth!r}"
            if depth is not None
            else f"The first curve {rows.columns[0]!r} is no known name of depth"
        )
        raise FormatError(f"{what}. Name the measured depth with `depth=`; the file has: {', '.join(rows.columns)}.")
    return 0


@dataclass(frozen=True)
class _Missing:
    """What means "no value": the header's NULL and the caller's numbers and texts."""

    numbers: tuple[float, ...]
    texts: Collection[str]
    strict: bool

    @classmethod
    def of(cls, header: Any, null: float | str | Sequence[float | str] | None, found: list[Finding]) -> _Missing:
        given = () if null is None else (null,) if isinstance(null, (int, float, str)) else tuple(null)
        stated = las_header.number(las_header.value(header, "Well", "NULL"))
        if not np.isfinite(stated):
            found.append(Finding("warning", "The header has no NULL"))
        numbers = [float(item) for item in (stated, *given) if not isinstance(item, str) and np.isfinite(item)]
        return cls(tuple(numbers), frozenset(item for item in given if isinstance(item, str)), strict=null is None or bool(given))

    def blank(self, values: NDArray[np.float64], curve: str, found: list[Finding]) -> NDArray[np.float64]:
        """NaN for missing values. Raises FormatError when others remain that look like one."""
        values = np.where(np.isin(values, self.numbers), np.nan, values)
        suspect = np.isin(values, SUSPECT_NULLS) | (np.abs(values) > _HUGE)
        if self.strict and suspect.any():
            what = float(values[suspect][0])
            raise FormatError(
                f"Curve {curve} holds {what:g} {int((values == what).sum())} times, and NULL is {self.numbers or 'not given'}. "
                f"If it means 'no value', give `null={what:g}`; if all such values are measurements, give `null=()`."
            )
        watched = np.isin(values, WATCHED)
        if self.strict and watched.any():
            held = f"{curve} holds {values[watched][0]:g}, {int(watched.sum())} such values"
            found.append(Finding("warning", held, "They were read as measurements; give `null=` if they mean 'no value'."))
        return values


def _table(
    rows: Rows, index: int, curves: Sequence[str] | None, missing: _Missing, decimal: str, found: list[Finding]
) -> pd.DataFrame:
    """The curves over depth, in the file's order and unit of depth."""
    absent = [name for name in curves or () if name not in rows.columns]
    if absent:
        raise FormatError(f"The file has no curve {', '.join(absent)}. It has: {', '.join(rows.columns)}.")
    chosen = [i for i, name in enumerate(rows.columns) if i != index and (curves is None or name in curves)]
    depth, *values = (missing.blank(rows.numbers(i, missing.texts, decimal), rows.columns[i], found) for i in (index, *chosen))
    if np.isnan(depth).any():
        raise FormatError(
            f"The depth in line {rows.lines[int(np.argmax(np.isnan(depth)))]} is missing. Expected a depth in every row."
        )
    empty = [rows.columns[i] for i, column in zip(chosen, values, strict=True) if np.isnan(column).all()]
    if empty:
        found.append(Finding("warning", f"Curves without any value: {', '.join(empty)}"))
    data = {rows.columns[i]: column for i, column in zip(chosen, values, strict=True)}
    return pd.DataFrame(data, index=pd.Index(depth, name="md"))


def _ascending(table: pd.DataFrame, rows: Rows, found: list[Finding]) -> pd.DataFrame:
    steps = np.diff(table.index.to_numpy())
    if (steps > 0).all():
        return table
    if (steps < 0).all():
        found.append(Finding("note", "Depths run upwards in the file", "They were sorted downwards."))
        return table.iloc[::-1]
    down = np.median(steps) > 0
    at = int(np.argmax(steps <= 0 if down else steps >= 0))
    raise FormatError(
        f"The depth goes from {table.index[at]:g} to {table.index[at + 1]:g} in line {rows.lines[at + 1]}. "
        "Expected depths that only increase or only decrease: split the file into its runs, or drop the repeated rows."
    )


def _to_lasio(well: WellLog) -> Any:
    import lasio

    las = lasio.LASFile()
    las.well["NULL"].value = _NULL
    las.well["WELL"].value = well.name
    las.well["UWI"].value = well.name
    if well.trajectory is not None:
        x, y, kb = _vertical_head(well)
        las.well["X"] = lasio.HeaderItem("X", "M", x, "EASTING OF THE HEAD")
        las.well["Y"] = lasio.HeaderItem("Y", "M", y, "NORTHING OF THE HEAD")
        las.well["KB"] = lasio.HeaderItem("KB", "M", kb, "ELEVATION OF THE DEPTH REFERENCE")
    las.append_curve("DEPT", well.md, unit="M", descr="MEASURED DEPTH")
    for name in well.curves:
        las.append_curve(str(name), _writable(well.curves[name], str(name)), unit=well.units.get(str(name), ""))
    return las


def _vertical_head(well: WellLog) -> tuple[float, float, float]:
    stations = well.stations
    kb = stations["z"] + stations["md"]
    if any(np.ptp(axis) > 1e-6 for axis in (stations["x"], stations["y"], kb)):
        raise FormatError(
            "The well is deviated (or flattened), and LAS 2.0 has no place for its trajectory. Write it without "
            "(`dataclasses.replace(well, trajectory=None)`), and the trajectory as a table."
        )
    head = float(stations["x"].iloc[0]), float(stations["y"].iloc[0]), float(kb.iloc[0])
    if _NULL in head:
        raise FormatError(f"The head {head} holds {_NULL}, which marks missing values. Write the well without its position.")
    return head


def _writable(curve: pd.Series[Any], name: str) -> NDArray[np.float64]:
    try:
        values = curve.to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise FormatError(f"Curve {name} holds text. LAS 2.0 holds numbers: leave it out.") from None
    if np.isinf(values).any() or (values == _NULL).any():
        raise FormatError(
            f"Curve {name} holds infinite values, or {_NULL} that marks missing ones. Expected finite numbers or NaN."
        )
    return values
