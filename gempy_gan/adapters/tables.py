"""Tables of text to DataFrames: well heads, tops, deviation surveys, checkshots. Columns and units are always stated."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from gempy_gan.errors import FormatError
from gempy_gan.health import Finding

Columns = Mapping[str, str | int]
"""What each wanted column is called in the file: its name, or its position from 0 in a file without a header."""

_METRES = {"m": 1.0, "ft": 0.3048}
_SECONDS = {"s": 1.0, "ms": 1e-3}
_SLOWEST, _FASTEST = 300.0, 9000.0  # m/s; average velocities outside betray a wrong unit or one-way time


def read_table(
    path: str | os.PathLike[str],
    columns: Columns | None = None,
    *,
    header: bool = True,
    delimiter: str | None = None,
    decimal: Literal[".", ","] = ".",
    comment: str | None = "#",
    encoding: str = "utf-8-sig",
) -> pd.DataFrame:
    """Read a table of text.

    `columns` maps the names you want to those in the file (or to positions from 0); without it all columns are kept.
    `header=False` says that the first line is data already. `delimiter` is "," for .csv and any run of blanks
    otherwise, unless given. The file's name and sha256 stand in `frame.attrs["source"]`.

    Raises FormatError when the file is missing, empty or ragged, or a wanted column is not there.
    """
    return _read(path, columns, None, header, delimiter, decimal, comment, encoding)


def _read(
    path: str | os.PathLike[str],
    columns: Columns | None,
    dtype: type | None,
    header: bool = True,
    delimiter: str | None = None,
    decimal: str = ".",
    comment: str | None = "#",
    encoding: str = "utf-8-sig",
) -> pd.DataFrame:
    file = Path(path)
    try:
        raw = file.read_bytes()
        text = raw.decode(encoding)
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror or error}. Check the path.") from error
    except (UnicodeDecodeError, LookupError) as error:
        raise FormatError(f"{file.name}: the text is not {encoding} ({error}). Give its `encoding=`.") from error
    options: dict[str, Any] = {
        "sep": delimiter or ("," if file.suffix.lower() == ".csv" else r"\s+"),
        "header": 0 if header else None,
        "decimal": decimal,
        "comment": comment,
        "skipinitialspace": True,
        "keep_default_na": dtype is None,
    }
    try:
        frame = pd.read_csv(io.StringIO(text), dtype=dtype, **options)
    except ValueError as error:  # pandas' parser errors are ValueErrors
        raise FormatError(f"{file.name}: {str(error).strip()}. Expected a table: check `delimiter=` and `header=`.") from error
    if frame.empty:
        raise FormatError(f"{file.name}: the table has no rows. Check `header=` and the file.")
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes surplus columns for an index
        raise FormatError(f"{file.name}: rows have more fields than the first line. Check `delimiter=` and `header=`.")
    frame = frame if columns is None else _chosen(frame, columns, file.name)
    frame.attrs["source"] = {"path": file.name, "sha256": hashlib.sha256(raw).hexdigest()}
    return frame


def read_heads(path: str | os.PathLike[str], columns: Columns, *, unit: str = "m", **options: Any) -> pd.DataFrame:
    """Well heads: columns `well`, `x`, `y` and `kb` (elevation of the depth reference above the vertical datum), metres.

    `columns` maps these four names to the file's; `unit` is that of `kb` ("m" or "ft"); x and y are metres on the map.
    `options` go to `read_table`. Raises FormatError when a well occurs twice or a number is missing.
    """
    frame = _typed(path, columns, ("well", "x", "y", "kb"), options, text=("well",))
    frame["kb"] *= _factor(unit, _METRES, "unit")
    twice = frame["well"][frame["well"].duplicated()]
    if len(twice):
        raise FormatError(f"{Path(path).name}: well {twice.iloc[0]!r} occurs more than once. Expected one head per well.")
    return frame


def read_tops(
    path: str | os.PathLike[str],
    columns: Columns,
    *,
    well: str | None = None,
    tops: Columns | None = None,
    depth_unit: str = "m",
    **options: Any,
) -> pd.DataFrame:
    """Tops: columns `well`, `top` (its name) and `md` in metres.

    A long table has one row per top: `columns` maps `well`, `top`, `md` (or give the one well's name as `well`). A wide table
    has one row per well and one column of depths per top: `columns` maps `well`, and `tops` each top to its column. Picks
    that are blank are left out and counted in `frame.attrs["health"]`.
    """
    if tops is None:
        wanted = ("top", "md") if well is not None else ("well", "top", "md")
        frame = _typed(path, columns, wanted, options, text=("well", "top"), blank=("md",))
    else:
        wide = _typed(path, {**columns, **tops}, (*columns, *tops), options, text=("well",), blank=tuple(tops))
        frame = wide.melt(id_vars="well", value_vars=list(tops), var_name="top", value_name="md")
        frame.attrs = wide.attrs
    if well is not None:
        frame.insert(0, "well", well)
    frame["md"] *= _factor(depth_unit, _METRES, "depth_unit")
    blank = int(frame["md"].isna().sum())
    attrs = {
        **frame.attrs,
        "health": (Finding("note", f"{blank} of {len(frame)} picks are blank", "They were left out."),) * bool(blank),
    }
    frame = frame.dropna(subset=["md"]).reset_index(drop=True)
    frame.attrs = attrs
    return frame


def read_survey(
    path: str | os.PathLike[str],
    columns: Columns | None = None,
    *,
    angle_unit: Literal["deg", "rad"] = "deg",
    depth_unit: str = "m",
    **options: Any,
) -> pd.DataFrame:
    """A deviation survey, for `read_las(survey=)` and `WellLog.placed(survey=)`.

    `columns` maps either `md`, `inclination` (from vertical) and `azimuth` (clockwise from the map's north), or `md`, `x`, `y`
    with `z` (elevation, upwards) or `tvdss` (depth below the vertical datum). The default is the angles, or md, x, y, z where
    the table has columns of these names and no angles (as `predictions.write_log` writes them). Angles come out in
    degrees, lengths in metres; `depth_unit` is that of md, z and tvdss. Raises FormatError when depths do not increase or
    angles cannot be in `angle_unit`.
    """
    given = columns or {name: name for name in _named_survey(read_table(path, **options))}
    if "tvdss" in given:
        wanted: tuple[str, ...] = ("md", "x", "y", "tvdss")
    else:
        wanted = ("md", "x", "y", "z") if "z" in given else ("md", "inclination", "azimuth")
    frame = _typed(path, given, wanted, options)
    lengths = [name for name in ("md", "z", "tvdss") if name in frame]
    frame[lengths] *= _factor(depth_unit, _METRES, "depth_unit")
    if "tvdss" in frame:
        frame["z"] = -frame.pop("tvdss")
    if "inclination" in frame:
        _to_degrees(frame, angle_unit, Path(path).name)
    if (np.diff(frame["md"]) <= 0).any():
        raise FormatError(
            f"{Path(path).name}: the survey's measured depths do not increase. Sort the stations, drop repeated ones."
        )
    return frame


def _named_survey(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns by which a table that names them describes a survey."""
    positions = ("md", "x", "y", "z")
    return positions if set(positions) <= set(table.columns) and "inclination" not in table else ("md", "inclination", "azimuth")


def read_checkshot(
    path: str | os.PathLike[str],
    columns: Columns,
    *,
    time_unit: str,
    twt: bool,
    depth_unit: str = "m",
    **options: Any,
) -> pd.DataFrame:
    """A checkshot or time-depth table: columns `md` (metres) and `twt` (two-way seconds), both strictly increasing.

    `columns` maps `md` and `twt`; `time_unit` is "s" or "ms"; `twt=False` says that the file holds one-way times, which
    are doubled. Repeated rows are dropped and rows out of order are sorted; both are recorded in `attrs["health"]`.

    Raises FormatError when one depth has two times, time does not increase with depth, or the average velocity cannot be
    that of rock (300-9000 m/s), which betrays a wrong unit.
    """
    name = Path(path).name
    frame = _typed(path, columns, ("md", "twt"), options)
    frame["md"] *= _factor(depth_unit, _METRES, "depth_unit")
    frame["twt"] *= _factor(time_unit, _SECONDS, "time_unit") * (1.0 if twt else 2.0)
    found = []
    unique = frame.drop_duplicates()
    if len(unique) < len(frame):
        found.append(Finding("note", f"{len(frame) - len(unique)} rows are repeated", "They were dropped."))
    ordered = unique.sort_values(["md", "twt"], ignore_index=True)
    if not unique["md"].is_monotonic_increasing:
        at = int(unique.index[1:][np.diff(unique["md"]) < 0][0])
        found.append(
            Finding("warning", f"Depth decreases at row {at + 1} ({frame['md'][at]:g} m)", "The rows were sorted by depth.")
        )
    if len(ordered) < 2:
        raise FormatError(f"{name}: the checkshot has {len(ordered)} distinct rows. Expected two or more.")
    found += _check_velocity(ordered, name)
    ordered.attrs = {**frame.attrs, "health": tuple(found)}
    return ordered


def _check_velocity(table: pd.DataFrame, name: str) -> list[Finding]:
    md, twt = table["md"].to_numpy(), table["twt"].to_numpy()
    wrong = (np.diff(md) <= 0) | (np.diff(twt) <= 0)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise FormatError(
            f"{name}: {md[at]:g} m has {twt[at]:g} s, and {md[at + 1]:g} m has {twt[at + 1]:g} s. "
            "Expected times that increase with depth: correct or remove one of the two."
        )
    velocity = 2 * np.diff(md) / np.diff(twt)
    average = 2 * (md[-1] - md[0]) / (twt[-1] - twt[0])
    if not _SLOWEST <= average <= _FASTEST:
        raise FormatError(
            f"{name}: the average velocity is {average:.4g} m/s. "
            f"Expected {_SLOWEST:g} to {_FASTEST:g}: check `time_unit=`, `depth_unit=`, `twt=`."
        )
    odd = (velocity < _SLOWEST) | (velocity > _FASTEST)
    if not odd.any():
        return []
    at = int(np.argmax(odd))
    return [
        Finding(
            "warning",
            f"The interval velocity is {velocity[at]:.4g} m/s from {md[at]:g} to {md[at + 1]:g} m ({int(odd.sum())} such)",
        )
    ]


def _to_degrees(frame: pd.DataFrame, unit: str, name: str) -> None:
    angles = frame[["inclination", "azimuth"]]
    low, full = angles.to_numpy().min(), {"deg": 360.0, "rad": 2 * np.pi}.get(unit)
    if full is None:
        raise FormatError(f"angle_unit is {unit!r}. Allowed: 'deg' or 'rad'.")
    if frame["inclination"].max() > full / 2 or frame["azimuth"].max() > full + 1e-6 or low < 0:
        raise FormatError(
            f"{name}: inclinations reach {frame['inclination'].max():g} and azimuths {frame['azimuth'].max():g}, lowest {low:g}. "
            f"Expected 0 to {full / 2:g} and 0 to {full:g} {unit}: check `angle_unit=` and the columns."
        )
    frame[["inclination", "azimuth"]] = angles * (360.0 / full)


def _typed(
    path: str | os.PathLike[str],
    columns: Columns,
    wanted: Sequence[str],
    options: dict[str, Any],
    text: Sequence[str] = (),
    blank: Sequence[str] = (),
) -> pd.DataFrame:
    """The wanted columns, numbers as floats, the rest as text. Raises FormatError at anything else; `blank` may have gaps."""
    name = Path(path).name
    missing = [column for column in wanted if column not in columns]
    if missing:
        raise FormatError(f"{name}: `columns` names {', '.join(columns) or 'nothing'}. Expected also {', '.join(missing)}.")
    whole = _read(path, {column: columns[column] for column in wanted}, str, **options)
    decimal = str(options.get("decimal", "."))
    read = {
        column: _words(whole[column], column, name)
        if column in text
        else _numbers(whole[column], column, name, decimal, may_be_blank=column in blank)
        for column in wanted
    }
    frame = pd.DataFrame(read)
    frame.attrs = {**whole.attrs, "health": ()}
    return frame


def _words(cells: pd.Series[str], column: str, name: str) -> pd.Series[str]:
    words = cells.fillna("").str.strip()
    if (words == "").any():
        raise FormatError(f"{name}: column {column} is blank in data row {int((words == '').argmax()) + 1}. Expected a name.")
    return words


def _numbers(cells: pd.Series[str], column: str, name: str, decimal: str, may_be_blank: bool) -> pd.Series[float]:
    words = cells.fillna("").str.strip()
    values = pd.to_numeric(words.str.replace(decimal, ".", regex=False), errors="coerce").astype(np.float64)
    bad = ~np.isfinite(values) & ~((words == "") & may_be_blank)
    if bad.any():
        at = int(np.argmax(bad))
        raise FormatError(f"{name}: column {column} has {words.iloc[at]!r} in data row {at + 1}. Expected a number.")
    return values


def _chosen(frame: pd.DataFrame, columns: Columns, name: str) -> pd.DataFrame:
    found = {str(column).strip(): column for column in frame.columns}
    missing = [column for column in columns.values() if str(column) not in found]
    if missing:
        raise FormatError(f"{name}: there is no column {missing[0]!r}. The table has: {', '.join(found)}.")
    return pd.DataFrame({wanted: frame[found[str(column)]] for wanted, column in columns.items()})


def _factor(unit: str, table: Mapping[str, float], what: str) -> float:
    if unit not in table:
        raise FormatError(f"{what} is {unit!r}. Allowed: {', '.join(table)}.")
    return table[unit]
