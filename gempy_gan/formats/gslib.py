"""GSLIB (GeoEAS) text: a column for each property, the realizations one below the other, x fastest and z upwards.

The title line carries the grid in GSLIB's words (nx, xmn, xsiz: cells, centre of the first one, cell size, ...) and the number
of realizations, nsim; inactive cells are a last column of 0 and 1. The metadata stand in `e.dat.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.formats.metadata import Metadata, describe, read_sidecar, rebuild, sidecar, write_sidecar
from gempy_gan.grid import Grid
from gempy_gan.limits import REMEDY
from gempy_gan.properties import Property

ACTIVE = "active"
ROWS = 2**18  # formatted at once


def write(ensemble: Ensemble, path: Path) -> list[Path]:
    """Write all realizations, one at a time; nine digits keep single precision exact, undefined values are nan."""
    grid, properties = ensemble.grid, ensemble.properties
    names = [f"{p.name} [{p.unit}]" if p.unit != "1" else p.name for p in properties]
    formats = ["%d" if p.is_facies else "%.9g" for p in properties]
    fixed = []
    if grid.active is not None:
        names, formats, fixed = [*names, ACTIVE], [*formats, "%d"], [grid.active.ravel(order="F")]
    with path.open("w", encoding="utf-8") as file:
        file.write("\n".join([_title(path.stem, grid, len(ensemble)), str(len(names)), *names]) + "\n")
        for index in range(len(ensemble)):
            slices = [ensemble.dataset[p.name].isel(realization=index).values for p in properties]
            _write_rows(file, [*(values.ravel(order="F") for values in slices), *fixed], " ".join(formats) + "\n")
    return [path, write_sidecar(path, describe(ensemble))]


def read(path: Path, grid: Grid | None = None) -> Ensemble:
    """Read a file, on the grid of its metadata, its title or, where it names none, the one given.

    Raises FormatError when the file is missing, no GSLIB file, has no grid, or its rows do not fill the grid.
    """
    if not path.is_file():
        raise FormatError(f"{path} does not exist. Check the path.")
    title, names = _header(path)
    metadata = read_sidecar(path)
    try:
        known = Grid.from_dict(metadata["grid"]) if metadata else _grid_in(title) or grid
    except (ValueError, OverflowError) as error:
        raise FormatError(f"The title of {path} names no grid: {error}. Expected nx=10 xmn=5.0 xsiz=10.0 and so on.") from None
    if known is None:
        raise FormatError(f"{path} does not say on which grid its values are. Give it: read(path, grid=Grid(...)).")
    active = names.index(ACTIVE) if ACTIVE in names else None
    columns = [c for c in range(len(names)) if c != active]
    tables = list(_tables(path, len(names), known.size))
    values = np.stack([table[:, columns].T.reshape(len(columns), *known.resolution, order="F") for table in tables])
    mask = None if active is None else tables[0][:, active].reshape(known.resolution, order="F") > 0
    if metadata is None:
        metadata = _found([names[c] for c in columns], known, len(values), path)
        mask = known.active if mask is None else mask
    if values.shape[:2] != (len(metadata["realizations"]), len(metadata["properties"])):
        raise FormatError(f"{sidecar(path)} describes another file than {path}. Remove it to read the file without it.")
    return rebuild(metadata, values, mask)


def _title(name: str, grid: Grid, n: int) -> str:
    """The grid in GSLIB's words; full digits, so that it is read back as it was.

    Of a grid that follows a unit, z is the height above the unit's base, where the unit has its mean thickness.
    """
    words = [name]
    for k, axis in enumerate("xyz"):
        size = grid.cell_size[k]
        words.append(f"n{axis}={grid.resolution[k]} {axis}mn={float(grid.axis(k)[0])!r} {axis}siz={size!r}")
    words.append(f"nsim={n} rotation={grid.rotation!r}")
    return " ".join(words)


def _grid_in(title: str) -> Grid | None:
    """The grid named by a title of ours, or None."""
    words = dict(re.findall(r"\b(\w+)=([-+.\deE]+)", title))
    if not {f"n{a}" for a in "xyz"} | {f"{a}mn" for a in "xyz"} | {f"{a}siz" for a in "xyz"} <= set(words):
        return None
    extent: list[float] = []
    for axis in "xyz":
        size = float(words[f"{axis}siz"])
        low = float(words[f"{axis}mn"]) - size / 2
        extent += [low, low + size * int(words[f"n{axis}"])]
    nx, ny, nz = (int(words[f"n{axis}"]) for axis in "xyz")
    return Grid(tuple(extent), (nx, ny, nz), float(words.get("rotation", 0)))  # type: ignore[arg-type]


def _write_rows(file: IO[str], columns: list[NDArray[Any]], row: str) -> None:
    for start in range(0, len(columns[0]), ROWS):
        table = np.stack([column[start : start + ROWS] for column in columns], axis=1, dtype=np.float64)
        file.write(row * len(table) % tuple(table.ravel().tolist()))


def _header(path: Path) -> tuple[str, list[str]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        title, count = file.readline().strip(), file.readline().split()
        if not count or not count[0].isdigit() or int(count[0]) < 1:
            raise FormatError(f"{path} is no GSLIB file: its second line is {' '.join(count)!r}. Expected the number of columns.")
        if int(count[0]) > path.stat().st_size:
            raise FormatError(f"{path} claims {count[0]} columns, and is smaller than their names. {REMEDY}")
        return title, [file.readline().strip() for _ in range(int(count[0]))]


def _tables(path: Path, columns: int, rows: int) -> Iterator[NDArray[np.float32]]:
    """The rows of each realization, (rows, columns)."""
    import pandas as pd

    options: dict[str, Any] = {"sep": r"\s+", "header": None, "skiprows": columns + 2, "chunksize": rows}
    try:
        with pd.read_csv(path, names=range(columns), dtype=np.float64, **options) as tables:
            for table in tables:
                if len(table) != rows:
                    raise FormatError(f"{path} ends with {len(table)} rows of a realization. Expected {rows}, one for each cell.")
                yield table.to_numpy().astype(np.float32)
    except ValueError as error:
        raise FormatError(f"{path} cannot be read as GSLIB: {error}. Expected {columns} numbers in each row.") from error


def _found(names: list[str], grid: Grid, n: int, path: Path) -> Metadata:
    """Metadata of a file that came without any: `porosity [1]` is a property and its unit."""
    matches = [re.fullmatch(r"(.*?)(?:\s*\[([^]]*)\])?", name) for name in names]
    pairs = [(re.sub(r"[^\w-]+", "_", m[1].strip()) or f"column_{c}", m[2] or "1") for c, m in enumerate(matches) if m]
    properties = [Property(name, unit).to_dict() for name, unit in pairs]
    return {"grid": grid.to_dict(), "properties": properties, "provenance": {"source": path.name}, "realizations": list(range(n))}
