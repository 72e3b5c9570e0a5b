"""WellLog to LAS 2.0."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gempy_gan.adapters.las_text import naming
from gempy_gan.errors import FormatError
from gempy_gan.wells import WellLog

_NULL = -999.25


def write_las(well: WellLog, path: str | os.PathLike[str]) -> Path:
    """Write a well as LAS 2.0, with its position (X, Y, KB in metres) where it has one; nothing is left half-written.

    `read_las(path, kb="header", xy="header")` gives the same well back, values to the last digit. Raises FormatError when
    the file cannot be written or cannot hold the well: a deviated trajectory (write the well without it, and the
    trajectory as a table), text, infinite values, or the value -999.25 that marks missing ones.
    """
    file = Path(path)
    staged = file.with_name(f".writing-{file.name}")
    with naming(file):
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
