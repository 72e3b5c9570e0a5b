"""Binary ROFF: a corner-point grid, and one file for each property and realization, beside it or in the FMU layout.

`e.roff` stands for `e_grid.roff`, `e--<property>--<realization>.roff` and the metadata `e.roff.json`. In the FMU layout they are
`realization-<r>/iter-0/share/results/grids/e.roff` and `e--<property>.roff`, which webviz and ResInsight look for.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.formats import property_files
from gempy_gan.formats.corner_point import load_xtgeo, local_origin, to_xtgeo
from gempy_gan.formats.faulted import Offset, laid_out, split_metadata
from gempy_gan.formats.metadata import describe, read_sidecar, write_sidecar
from gempy_gan.formats.property_files import PropertyFiles
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

UNDEFINED = -999.0
TAKEN = 0.1  # values this close to it are read as undefined by programs that compare with a tolerance
FMU = "realization-{}/iter-0/share/results/grids"


def write(ensemble: Ensemble, path: Path, layout: Literal["flat", "fmu"] = "flat", faults: Offset = "box") -> list[Path]:
    """Write the grid and every property of every realization; undefined (NaN) values become ROFF's -999.

    A unit that faults offset is written on a plain box around it, with its cells active; or, with `faults="split"`, which is
    experimental, as a grid that follows its layers, with pillars split at the faults.

    Raises FormatError for another layout, or for values that ROFF would take as undefined.
    """
    load_xtgeo()
    if layout not in ("flat", "fmu"):
        raise FormatError(f"The layout is {layout!r}. Expected 'flat' or 'fmu'.")
    ensemble, figures = laid_out(ensemble, faults)
    grid = _grid_bytes(ensemble.grid, figures is not None)
    files = [path.with_name(f"{path.stem}_grid{path.suffix}")] if layout == "flat" else []
    for file in files:
        file.write_bytes(grid)
    for index, label in enumerate(ensemble.numbers):
        if layout == "fmu":
            folder = path.parent / FMU.format(label)
            folder.mkdir(parents=True)
            files.append(folder / path.name)
            files[-1].write_bytes(grid)
        for prop in ensemble.properties:
            values = ensemble.dataset[prop.name].isel(realization=index).values
            flat = property_files.value_file(path, prop.name, label, path.suffix)
            file = flat if layout == "flat" else folder / f"{path.stem}--{prop.name}{path.suffix}"
            _write_values(values, prop, file)
            files.append(file)
    return [*files, write_sidecar(path, {**describe(ensemble), "layout": layout, **split_metadata(figures)})]


def read(path: Path) -> Ensemble:
    """Read the files that `e.roff` stands for, in either layout; also a foreign grid `e.roff` with its `e--<property>.roff`.

    Raises FormatError when they are missing, incomplete or no ROFF, or the grid is not regular.
    """
    xtgeo = load_xtgeo()
    property_files.check_whole(path)
    metadata = read_sidecar(path)
    files = _find(path, None if metadata is None else metadata.get("layout"))
    geometry = _reading(xtgeo.grid_from_file, files.grid)
    return property_files.assemble(path, metadata, files, geometry, _load_values)


def _grid_bytes(grid: Grid, split: bool) -> bytes:
    """The grid's file. xtgeo writes it without an offset; ours is put in, so that single precision suffices."""
    import roffio

    local, moved = io.BytesIO(), io.BytesIO()
    to_xtgeo(grid, split).to_file(local, fformat="roff")
    local.seek(0)
    content = roffio.read(local)
    x, y = local_origin(grid)
    content["translate"].update(xoffset=np.float32(x), yoffset=np.float32(y))
    tags = {tag: keys for tag, keys in content.items() if tag not in ("version", "eof")}  # roffio writes its own
    tags["filedata"] = {"filetype": "grid"}
    roffio.write(moved, tags)
    return moved.getvalue()


def _write_values(values: NDArray[Any], prop: Property, file: Path) -> None:
    taken = np.abs(values - UNDEFINED) < TAKEN
    if taken.any():
        raise FormatError(f"{prop.name} holds {values[taken][0]}, which ROFF reads as undefined. Rescale it before writing.")
    nx, ny, nz = values.shape
    codes = {"discrete": True, "codes": {code: _ascii(name) for code, name in prop.facies.items()}} if prop.is_facies else {}
    masked = np.ma.masked_invalid(values[:, :, ::-1], copy=False) if not prop.is_facies else values[:, :, ::-1].astype(np.int32)
    written = load_xtgeo().GridProperty(ncol=nx, nrow=ny, nlay=nz, name=_ascii(prop.name), values=masked, **codes)
    written.to_file(file, fformat="roff")


def _load_values(file: Path, name: str) -> tuple[NDArray[Any], Property]:
    """Values (ni, nj, nk) as in the file, NaN where undefined, and what the file says of the property."""
    found = _reading(load_xtgeo().gridproperty_from_file, file)
    if not found.isdiscrete:
        return np.ma.filled(found.values, np.nan), Property(name)
    known = {int(code): str(label) for code, label in found.codes.items()}
    present = {int(code): str(code) for code in np.unique(found.values.compressed())}
    codes = {**present, **known} or {0: "0"}
    return np.ma.filled(found.values, min(codes)), Property(name, codes=codes)


def _reading(load: Any, file: Path) -> Any:
    try:
        return load(io.BytesIO(file.read_bytes()), fformat="roff")  # given a path, roffio leaves a bad file open
    except Exception as error:  # a reader meets bad bytes in a dozen ways; the user needs one
        raise FormatError(f"{file} cannot be read as binary ROFF: {error}.") from error


def _find(path: Path, layout: str | None) -> PropertyFiles:
    flat = path.with_name(f"{path.stem}_grid{path.suffix}")
    for grid in (flat, path):
        if layout != "fmu" and grid.is_file():
            return PropertyFiles(grid, property_files.value_files(path, path.suffix))
    grids = sorted(path.parent.glob(f"{FMU.format('*')}/{path.name}"))
    if not grids:
        raise FormatError(f"There is neither {flat.name} nor {path.name} nor {FMU.format(0)}/{path.name} in {path.parent}.")
    values = {}
    for grid in grids:
        label = int(re.fullmatch(r"realization-(\d+)", grid.parents[4].name)[1])  # type: ignore[index]
        values.update({(name, label): file for (name, _), file in property_files.value_files(grid, path.suffix).items()})
    return PropertyFiles(grids[0], values)


def _ascii(text: str) -> str:
    """Text as ROFF can hold it, printable ASCII; the sidecar keeps the original."""
    return re.sub(r"[^ -~]", "?", text)
