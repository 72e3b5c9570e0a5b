"""LAS 1.2, 2.0 and 3.0 files to WellLog, refusing what cannot be read with certainty."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gempy_gan.adapters import las_curves, las_header, las_sections
from gempy_gan.adapters.las_depths import Duplicates, ascending, check_other_depths, depth_column, unique
from gempy_gan.adapters.las_missing import Missing
from gempy_gan.adapters.las_rows import Rows, read_rows
from gempy_gan.adapters.las_text import naming, read_bytes, text_of
from gempy_gan.adapters.las_writer import write_las
from gempy_gan.adapters.tables import read_survey
from gempy_gan.errors import FormatError
from gempy_gan.health import Finding
from gempy_gan.wells import WellLog

__all__ = ["read_las", "write_las"]


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
    aliases: Mapping[str, Sequence[str]] | None = None,
    units: Mapping[str, str] | None = None,
    file_units: Mapping[str, str] | None = None,
    duplicates: Duplicates = "refuse",
    log: int | None = None,
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
        "m", "ft" or "0.1in", where the file does not state the unit of its depths or states a wrong one.
    depth:
        Mnemonic of the measured-depth curve, where it is not the first or has an unusual name.
    curves:
        Read only these curves, by mnemonic or property ("GR", "density").
    null:
        What else means "no value" beside the header's NULL: a number, a text such as "****", or several. An empty tuple
        says that nothing else does: values such as -9999 are then measurements.
    wrap, decimal, encoding:
        Overrule the header's WRAP; decimal commas; the text encoding (else by its mark, UTF-8, or Windows-1252).
    name:
        The well's name, instead of the header's WELL or UWI.
    aliases:
        Mnemonics of properties beside the built-in table (`gempy_gan.mnemonics`), or of properties of your own:
        `{"gamma_ray": ["XGR"]}`. A curve is then found by its property, `well.curve("gamma_ray")`.
    units:
        Units that curves are converted to, by mnemonic or property, `{"density": "kg/m3"}`. Without it curves keep the
        units that the file states; nothing is converted whose unit is not stated, or whose values are those of another unit.
    file_units:
        Units that the file should have stated.
    duplicates:
        What to do with rows of equal depth that follow each other: refuse them, keep the first, or take their mean.
    log:
        Which log of a LAS 3 file that holds several, from 1.

    Conversions and assumptions are recorded as notes in `health`, contradictions in the header as warnings.

    Values that no rock has (`gempy_gan.mnemonics.QUANTITIES`) are kept, with a warning.

    Raises FormatError when the file cannot be right, or not be read with certainty: LAS 3 without a log or with
    several, text among numbers, rows that do not match the curves, another NULL than the header's, depths that are missing,
    repeated or not monotone, no data.
    """
    file = Path(path)
    raw = read_bytes(file)
    found: list[Finding] = []
    with naming(file, found):
        parts = las_sections.split(text_of(raw, encoding, found), log, found)
        header = las_header.parse(parts.header, found)
        stated = las_header.lines_of(parts.header)
        rows = _rows(header, parts, wrap, found, stated)
        index = depth_column(rows, depth, header)
        factor = las_header.depth_factor(header, header.curves[index], depth_unit, found)
        missing = Missing.of(header, null, found)
        numeric = [name for i, name in enumerate(rows.columns) if i not in parts.texts]
        wanted = las_curves.chosen(curves, rows.columns, aliases)
        table = _table(rows, index, numeric if wanted is None else wanted, missing, decimal, found)
        check_other_depths(rows, index, header, missing, decimal, factor, depth, found)
        las_header.check_interval(header, table.index.to_numpy(), found, stated)
        table, lines = ascending(unique(table, rows, duplicates, found), found)
        table.index *= factor
        curve_units = {str(item.mnemonic): las_header.unit(item) for item in header.curves if item.mnemonic in table.columns}
        properties = las_curves.properties_of(list(table.columns), aliases)
        las_curves.restated(table, curve_units, properties, file_units, found)
        las_curves.check_ranges(table, curve_units, properties, lines, found)
        las_curves.converted(table, curve_units, properties, units, found)
        position = {
            "xy": las_header.head(header, found) if xy == "header" else xy,
            "kb": las_header.elevation(header, found) if kb == "header" else kb,
            "survey": read_survey(survey) if isinstance(survey, (str, os.PathLike)) else survey,
        }
        source = {"path": file.name, "sha256": hashlib.sha256(raw).hexdigest()}
        title = name or las_header.well_name(header, file.stem, found)
        health = tuple(replace(finding, file=file.name) for finding in found)
        well = WellLog(title, table, curve_units, None, health, source, properties)
        return well if all(part is None for part in position.values()) else well.placed(**position)  # type: ignore[arg-type]


def _rows(header: Any, parts: las_sections.Sections, wrap: bool | None, found: list[Finding], stated: Mapping[str, int]) -> Rows:
    names = [str(item.mnemonic) for item in header.curves]
    if not names:
        raise FormatError("The header names no curves. Expected a ~Curve section with one line per column.")
    twice = [name for name, count in Counter(str(item.original_mnemonic) for item in header.curves).items() if count > 1]
    if twice:
        found.append(
            Finding(
                "warning",
                f"Curve names occur more than once: {', '.join(twice)}",
                "They were numbered :1, :2, ...",
                stated.get(twice[0].upper()),
            )
        )
    if len(set(names)) < len(names):
        raise FormatError("Two curves have the same name, even after repeated ones were numbered. Rename them in the header.")
    if any(not str(item.original_mnemonic).strip() for item in header.curves):
        found.append(Finding("warning", "A curve has no name", "It was called UNKNOWN."))
    header_wrap = las_header.value(header, "Version", "WRAP").upper()
    if not header_wrap:
        found.append(Finding("warning", "The header has no WRAP", "One line per depth was expected."))
    wrapped = header_wrap == "YES" if wrap is None else wrap
    third = parts.version is not None and parts.version >= 3
    if third and wrapped:
        raise FormatError("The file is LAS 3 and wrapped, which LAS 3 does not allow. Expected WRAP NO: give `wrap=False`.")
    delimiter = las_header.value(header, "Version", "DLM")
    rows = read_rows(parts.data, parts.first, names, wrapped, delimiter, quoted=third)
    if not len(rows):
        raise FormatError("The file has no data after its header. Expected rows after ~A.")
    return rows


def _table(rows: Rows, index: int, names: Sequence[str], missing: Missing, decimal: str, found: list[Finding]) -> pd.DataFrame:
    """The curves over depth, in the file's order and unit of depth."""
    chosen = [i for i, name in enumerate(rows.columns) if i != index and name in names]
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
