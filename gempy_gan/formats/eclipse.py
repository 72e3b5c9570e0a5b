"""Eclipse: a corner-point grid as text (GRDECL) or binary (EGRID), and one GRDECL file for each property and realization.

`e.grdecl` or `e.egrid` is the grid, `e--<property>--<realization>.grdecl` are its values and `e.grdecl.json` its metadata.
GRDECL properties beside either grid are what Petrel, ResInsight and OPM open. Coordinates refer to MAPAXES (a local origin,
axes east and north), so that Eclipse's single precision is enough at UTM coordinates.
"""

from __future__ import annotations

import io
import math
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.formats import property_files
from gempy_gan.formats.corner_point import load_xtgeo, local_origin, to_xtgeo
from gempy_gan.formats.faulted import Offset, laid_out, split_metadata
from gempy_gan.formats.metadata import describe, read_sidecar, write_sidecar
from gempy_gan.formats.property_files import Load, PropertyFiles
from gempy_gan.frame import Frame
from gempy_gan.grid import Grid
from gempy_gan.limits import REMEDY, in_words
from gempy_gan.properties import Property

AXIS = 1024.0  # length of the MAPAXES axes in metres; any will do, and this one keeps single precision exact
GEOMETRY = {"SPECGRID", "COORD", "COORDSYS", "ZCORN", "ACTNUM", "MAPAXES", "MAPUNITS", "GRIDUNIT", "GDORIENT", "DIMENS"}
MOST_VALUES = 2**30  # of a text file, in which a few letters can stand for as many values as they like
RLE_SAFE = 2e-5  # xtgeo's run-length encoding merges depths that differ by less than half of this, relative to their size


def write(ensemble: Ensemble, path: Path, keywords: Mapping[str, str] | None = None, faults: Offset = "box") -> list[Path]:
    """Write the grid and every property of every realization.

    A unit that faults offset is written on a plain box around it, with its cells active; or, with `faults="split"`, which is
    experimental, as a grid that follows its layers, with pillars split at the faults.

    `keywords` gives properties an Eclipse name, {"porosity": "PORO"}; others get their own name in capitals, cut to 8 and
    made unique. Raises FormatError for a keyword that is none, and for undefined or infinite values in active cells, which
    Eclipse has no way to write (in inactive cells they become 0).
    """
    load_xtgeo()
    ensemble, figures = laid_out(ensemble, faults)
    names = _eclipse_names([p.name for p in ensemble.properties], dict(keywords or {}))
    write_grid = _write_egrid if _is_binary(path) else _write_grdecl
    write_grid(ensemble.grid, path, figures is not None)
    files = [path]
    for index, label in enumerate(ensemble.numbers):
        for prop in ensemble.properties:
            values = ensemble.dataset[prop.name].isel(realization=index).values
            files.append(property_files.value_file(path, prop.name, label, _value_suffix(path)))
            files[-1].write_text(f"-- {prop.name} [{prop.unit}], realization {label}\n", encoding="utf-8")
            _append_values(values, ensemble.grid, prop, names[prop.name], files[-1])
    return [*files, write_sidecar(path, {**describe(ensemble), "keywords": names, **split_metadata(figures)})]


def read(path: Path) -> Ensemble:
    """Read a grid and the property files beside it; from a foreign GRDECL file, also the properties that stand inside it.

    Raises FormatError when the grid is missing, no Eclipse grid or not regular, or when values are missing.
    """
    xtgeo = load_xtgeo()
    if not path.is_file():
        raise FormatError(f"{path} does not exist. Check the path.")
    property_files.check_whole(path)
    metadata = read_sidecar(path)
    if not _is_binary(path):
        _check_claims(path)
    geometry = _reading(path, lambda: xtgeo.grid_from_file(path, fformat="egrid" if _is_binary(path) else "grdecl"))
    values = property_files.value_files(path, _value_suffix(path))
    if metadata is None and not _is_binary(path):
        values = {(name, 0): path for name in _properties_in(path, geometry)} | values
    keywords = {} if metadata is None else metadata["keywords"]
    return property_files.assemble(path, metadata, PropertyFiles(path, values), geometry, _loader(geometry, keywords))


def _check_claims(file: Path) -> None:
    """Raise FormatError for a text file whose grid, or whose repeated values (`1000*0.5`), are too many for any memory."""
    text = file.read_text(encoding="utf-8", errors="replace")
    repeated = sum(int(count) for count in re.findall(r"(?<![\w.])(\d{6,})\*", text))
    grids = re.findall(r"^\s*SPECGRID\s+(\d+)\s+(\d+)\s+(\d+)", text, flags=re.MULTILINE)
    claimed = max([repeated, *(math.prod(map(int, grid)) for grid in grids)])
    if claimed > MOST_VALUES:
        raise FormatError(f"{file} claims {claimed:.1e} values in {in_words(len(text))} of text. {REMEDY}")


def _is_binary(path: Path) -> bool:
    return path.suffix.lower() == ".egrid"


def _value_suffix(path: Path) -> str:
    return ".GRDECL" if path.suffix.isupper() else ".grdecl"


def _map_axes(grid: Grid) -> NDArray[np.float32]:
    """A point on the y axis, the origin, a point on the x axis."""
    x, y = local_origin(grid)
    return np.array([x, y + AXIS, x, y, x + AXIS, y], dtype=np.float32)


def _write_grdecl(grid: Grid, path: Path, split: bool) -> None:
    depth = max(abs(grid.extent[4]), abs(grid.extent[5]))
    body = path.with_name(f"{path.name}.body")
    flat = type(grid.frame) is Frame and grid.cell_size[2] > RLE_SAFE * depth  # else neighbouring depths may be nearly equal
    to_xtgeo(grid, split).to_file(body, fformat="grdecl", rle=bool(flat))
    with path.open("w", encoding="utf-8") as file, body.open(encoding="utf-8") as rest:
        axes = " ".join(f"{value:.0f}" for value in _map_axes(grid))
        file.write(f"MAPUNITS\n METRES /\n\nMAPAXES\n {axes} /\n\nGRIDUNIT\n METRES /\n\n")
        shutil.copyfileobj(rest, file)
    body.unlink()


def _write_egrid(grid: Grid, path: Path, split: bool) -> None:
    import resfo

    local = io.BytesIO()
    to_xtgeo(grid, split).to_file(local, fformat="egrid")
    local.seek(0)
    head, *rest = resfo.read(local)
    map_units = ("MAPUNITS", np.array([b"METRES  "]))
    resfo.write(path, [head, map_units, ("MAPAXES ", _map_axes(grid)), *rest])


def _append_values(values: NDArray[Any], grid: Grid, prop: Property, keyword: str, file: Path) -> None:
    finite = np.isfinite(values)
    if (~finite & grid.active_cells).any():
        raise FormatError(f"{prop.name} has undefined values in active cells, which Eclipse cannot hold. Make them inactive.")
    down = np.where(finite, values, 0)[:, :, ::-1]
    nx, ny, nz = down.shape
    kind = {"discrete": True, "codes": prop.facies} if prop.is_facies else {}
    down = down.astype(np.int32 if prop.is_facies else np.float32, copy=False)
    written = load_xtgeo().GridProperty(ncol=nx, nrow=ny, nlay=nz, name=keyword, values=down, **kind)
    if prop.is_facies:  # runs of codes are merged exactly; runs of numbers would be merged within a tolerance
        written.to_file(file, fformat="grdecl", append=True, rle=True)
    else:
        written.to_file(file, fformat="grdecl", append=True, fmt="%.9g")  # nine digits keep single precision exact


def _eclipse_names(names: Sequence[str], given: dict[str, str]) -> dict[str, str]:
    """A keyword for each property: what was given, else its own name in capitals, 8 at most, made unique."""
    wrong = [f"{name}={word}" for name, word in given.items() if not _is_keyword(word) or name not in names]
    if wrong or len(set(given.values())) < len(given):
        raise FormatError(f"The keywords are {given}. Expected, for {', '.join(names)}, different words of up to 8 capitals.")
    chosen = dict(given)
    for name in names:
        plain = re.sub("[^A-Z0-9_]", "", name.upper())
        plain = (plain if plain[:1].isalpha() else f"P{plain}")[:8]
        candidates = (plain if n == 0 else f"{plain[: 8 - len(str(n))]}{n}" for n in range(len(names) + len(GEOMETRY) + 1))
        if name not in chosen:
            chosen[name] = next(word for word in candidates if _is_keyword(word) and word not in chosen.values())
    return {name: chosen[name] for name in names}


def _is_keyword(word: str) -> bool:
    return re.fullmatch("[A-Z][A-Z0-9_]{0,7}", word) is not None and word not in GEOMETRY


def _loader(geometry: Any, keywords: Mapping[str, str]) -> Load:
    def load(file: Path, name: str) -> tuple[NDArray[Any], Property]:
        inside = [] if name in keywords else _properties_in(file, geometry)
        keyword = keywords.get(name) or (name if name in inside else next(iter(inside), name))
        options = {"fformat": "grdecl", "name": keyword, "grid": geometry}
        found = _reading(file, lambda: load_xtgeo().gridproperty_from_file(file, **options))
        return np.ma.getdata(found.values), Property(name)

    return load


def _properties_in(file: Path, geometry: Any) -> list[str]:
    """The keywords in a GRDECL file that have a value for every cell."""
    cells = int(np.prod(geometry.dimensions))
    return [word for word, count in _reading(file, lambda: list(_blocks(file))) if count == cells and _is_keyword(word)]


def _blocks(file: Path) -> Iterator[tuple[str, int]]:
    """Keyword and number of values of each record of a GRDECL file; geometry is not counted."""
    text = re.sub(r"--.*", "", file.read_text(encoding="utf-8", errors="replace"))
    for match in re.finditer(r"^([A-Z][A-Z0-9_]{0,7})\s+((?:[-+.\d][-+.*\deEdD]*\s+)*)/", text, flags=re.MULTILINE):
        tokens = [] if match[1] in GEOMETRY else match[2].split()
        yield match[1], sum(int(token.split("*")[0]) if "*" in token else 1 for token in tokens)


def _reading(file: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:  # a reader meets bad bytes in a dozen ways; the user needs one
        raise FormatError(f"{file} cannot be read as an Eclipse file: {error}.") from error
