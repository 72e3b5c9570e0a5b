"""RESQML 2.0.1 (through resqpy): an IJK grid, and a property of it for each property and realization.

`e.epc` holds the XML and `e.h5` the arrays; both belong together. The grid has straight pillars and one layer for each of its
own, in a local coordinate system whose origin is near its corner. The system's axes are those of the map, and a rotated grid is
rotated in its points: readers disagree about rotated systems (fesapi 2.14 shears them). The realization index of a property is
the number of the realization, and facies have a string table. What RESQML cannot say stands in `e.epc.json`.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanWarning
from gempy_gan.formats.corner_point import local_origin
from gempy_gan.formats.faulted import laid_out
from gempy_gan.formats.metadata import Metadata, describe, read_sidecar, rebuild, sidecar, write_sidecar
from gempy_gan.formats.pillars import pillars
from gempy_gan.formats.regular import Axes, regular_grid
from gempy_gan.formats.resqml_check import check_resqml
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

CLOSE = 0.01  # metres between the corners of two descriptions of one grid
KINDS = {"porosity": "porosity", "poro": "porosity", "permeability": "permeability rock", "perm": "permeability rock"}
NUMBERLESS = "Euc"  # RESQML's word for a number without unit
UNWRITABLE = r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # in XML; the sidecar keeps the original
OURS = Axes(reverse_j=False, reverse_k=True)


def write(ensemble: Ensemble, path: Path, title: str | None = None, epsg: int | None = None) -> list[Path]:
    """Write the grid and every property of every realization.

    `title` is the grid's name, such as that of the unit; None takes the file's. `epsg` is the code of the map coordinates, if
    they have one. Units are RESQML's own where it has them (kg m-3 is kg/m3).

    A unit that faults offset is written on a plain box around it, with its cells active.
    A unit of measure that RESQML does not know is kept as metadata, with a GempyGanWarning. Raises FormatError where resqpy is
    missing.
    """
    new_model = load_resqpy("model").new_model
    ensemble, _ = laid_out(ensemble, "box")
    uoms = {p.name: _uom(p) for p in ensemble.properties}
    with _files_closed(new_model(str(path), quiet=True)) as model:
        collection = load_resqpy("property").GridPropertyCollection()
        collection.set_grid(_write_grid(model, ensemble.grid, title or path.stem, epsg))
        tables = {p.name: _write_table(model, p) for p in ensemble.properties if p.is_facies}
        for index, label in enumerate(ensemble.numbers):
            for prop in ensemble.properties:
                values = ensemble.dataset[prop.name].isel(realization=index).values
                _write_values(collection, values, prop, label, uoms[prop.name], tables.get(prop.name))
        model.store_epc(quiet=True)
    return [path, path.with_suffix(".h5"), write_sidecar(path, describe(ensemble))]


def read(path: Path, title: str | None = None) -> Ensemble:
    """Read the IJK grid of a RESQML file (the one of this `title`, where there are several) and the properties of its cells.

    Raises FormatError when the file or its arrays are missing, it has no such grid or no property, the grid of a foreign file
    is not regular, or the metadata describe another grid.
    """
    open_model = load_resqpy("model").Model
    if not path.is_file():
        raise FormatError(f"{path} does not exist. Check the path.")
    check_resqml(path)
    metadata = read_sidecar(path)
    try:
        with _files_closed(open_model(str(path), quiet=True)) as model:
            return _read(model, path, metadata, title)
    except FormatError:
        raise
    except Exception as error:  # a reader meets bad bytes in a dozen ways; the user needs one
        raise FormatError(f"{path} cannot be read as RESQML 2.0.1: {error}.") from error


def load_resqpy(part: str) -> ModuleType:
    """A module of the optional library, such as its `grid`. Raises FormatError saying how to install it."""
    try:
        return importlib.import_module(f"resqpy.{part}")
    except ImportError as error:
        raise FormatError('RESQML files need resqpy: pip install "gempy-gan[formats]".') from error


@contextmanager
def _files_closed(model: Any) -> Iterator[Any]:
    """The model, whose files are closed when the block ends."""
    try:
        yield model
    finally:
        model.h5_release()


def _write_grid(model: Any, grid: Grid, title: str, epsg: int | None) -> Any:
    x, y = local_origin(grid)
    code = None if epsg is None else str(epsg)
    crs = load_resqpy("crs").Crs(model, x_offset=x, y_offset=y, z_inc_down=True, title="local", epsg_code=code)
    crs.create_xml()
    corners = pillars(grid)
    made = load_resqpy("grid").Grid(model, title=title)
    made.grid_representation = "IjkGrid"
    made.ni, made.nj, made.nk = grid.resolution
    made.extent_kji = np.array(grid.resolution[::-1])
    made.k_direction_is_down, made.grid_is_right_handed, made.pillar_shape = True, False, "straight"
    made.has_split_coordinate_lines, made.k_gaps = False, None
    made.crs_uuid, made.crs = crs.uuid, crs
    local = (corners.nodes[:, :, ::-1] - [x, y, 0.0]) * [1.0, 1.0, -1.0]
    made.points_cached = np.ascontiguousarray(local.transpose(2, 1, 0, 3))
    made.geometry_defined_for_all_pillars_cached = made.geometry_defined_for_all_cells_cached = True
    made.array_cell_geometry_is_defined = None
    made.inactive = _down(~corners.active)
    made.write_hdf5()
    made.create_xml(write_active=not corners.active.all())
    return made


def _down(values: NDArray[Any]) -> NDArray[Any]:
    """Values (nx, ny, nz) of cells with z up in RESQML's order, (nk, nj, ni) with k down."""
    return np.ascontiguousarray(values[:, :, ::-1].transpose(2, 1, 0))


def _uom(prop: Property) -> str:
    """RESQML's word for a unit as UDUNITS write it; warns where it has none."""
    uom = resqml_unit(prop.unit)
    if uom not in load_resqpy("weights_and_measures").valid_uoms():
        warnings.warn(
            f"RESQML has no unit {prop.unit!r}, that of {prop.name}: the values are written as numbers without unit, and the "
            "unit as metadata beside them.",
            GempyGanWarning,
            stacklevel=4,
        )
    return uom


def resqml_unit(unit: str) -> str:
    """A unit written with exponents as RESQML writes it, with a slash.

    >>> resqml_unit("kg m-3"), resqml_unit("m s-1"), resqml_unit("mD"), resqml_unit("1")
    ('kg/m3', 'm/s', 'mD', 'Euc')
    """
    if unit in ("", "1"):
        return NUMBERLESS
    parts = [re.fullmatch(r"([A-Za-z%]+)(-?\d+)?", part) for part in unit.split()]
    if not all(parts):
        return unit
    powers = [(match[1], int(match[2] or 1)) for match in parts if match]
    above, below = ([f"{name}{abs(n) if abs(n) > 1 else ''}" for name, n in powers if n * sign > 0] for sign in (1, -1))
    under = ".".join(below) if len(below) < 2 else f"({'.'.join(below)})"
    return "/".join([".".join(above) or "1", under] if below else [".".join(above)])


def _write_table(model: Any, prop: Property) -> Any:
    names = {code: re.sub(UNWRITABLE, "?", name) for code, name in prop.facies.items()}
    table = load_resqpy("property").StringLookup(model, int_to_str_dict=names, title=prop.name)
    table.create_xml(reuse=False)
    return table.uuid


def _write_values(collection: Any, values: NDArray[Any], prop: Property, label: int, uom: str, table: Any) -> None:
    """One property of one realization: its array into the HDF5 file, its XML into the model, and nothing kept in memory."""
    kind = KINDS.get(prop.name.lower(), prop.name.replace("_", " "))  # a name that is no kind of RESQML's becomes a local kind
    array = _down(values).astype(np.int32 if prop.is_facies else np.float32, copy=False)
    collection.add_cached_array_to_imported_list(
        array, "gempy_gan", prop.name, discrete=prop.is_facies, uom=uom, property_kind=kind, realization=label,
        indexable_element="cells", string_lookup_uuid=table,
    )  # fmt: skip
    collection.write_hdf5_for_imported_list()
    for uuid in collection.create_xml_for_imported_list_and_add_parts_to_model():
        collection.uncache_part_array(collection.model.part_for_uuid(uuid))


def _read(model: Any, path: Path, metadata: Metadata | None, title: str | None) -> Ensemble:
    found = _grid_of(model, path, title)
    properties = load_resqpy("property").PropertyCollection(support=found)
    names = _parts(properties)
    if metadata is None:
        grid, axes = regular_grid(_corners(model, found), path)
        metadata = _found(properties, names, grid, path)
    else:
        axes = OURS
        if not _describes(Grid.from_dict(metadata["grid"]), model, found):
            raise FormatError(f"{sidecar(path)} describes another grid than {path}. Remove it to read the grid without it.")
    shape = tuple(metadata["grid"]["resolution"])
    values = np.empty((len(metadata["realizations"]), len(metadata["properties"]), *shape), np.float32)
    for index, label in enumerate(metadata["realizations"]):
        for c, prop in enumerate(metadata["properties"]):
            if (prop["name"], label) not in names:
                raise FormatError(f"{prop['name']} of realization {label} is missing in {path}. Expected every property in each.")
            part = names[prop["name"], label]
            values[index, c] = axes.apply(properties.cached_part_array_ref(part).transpose(2, 1, 0))
            properties.uncache_part_array(part)
    active = np.ones(shape, np.bool_) if found.inactive is None else axes.apply(~found.inactive.transpose(2, 1, 0))
    return rebuild(metadata, values, active)


def _grid_of(model: Any, path: Path, title: str | None) -> Any:
    uuids = model.uuids(obj_type="IjkGridRepresentation", title=title)
    if len(uuids) != 1:
        titles = ", ".join(map(repr, model.titles(obj_type="IjkGridRepresentation"))) or "none"
        raise FormatError(f"{path} has the IJK grids {titles}. Expected one: name it with title=.")
    return load_resqpy("grid").any_grid(model, uuid=uuids[0], find_properties=False)


def _points(model: Any, grid: Any, local: NDArray[np.float64]) -> NDArray[np.float64]:
    """Local coordinates (..., 3) on the map, metres, z up."""
    crs = load_resqpy("crs").Crs(model, uuid=grid.crs_uuid)
    if crs.xy_units != "m" or crs.z_units != "m":
        raise FormatError(f"The grid's coordinates are in {crs.xy_units} and {crs.z_units}. Expected metres: convert the file.")
    points = np.array(local, dtype=np.float64)
    crs.local_to_global_array(points, global_z_inc_down=False)
    return points


def _corners(model: Any, grid: Any) -> NDArray[np.float64]:
    """Corners (8, 3, ni, nj, nk) on the map, numbered as `regular_grid` wants them."""
    points = _points(model, grid, grid.corner_points())
    return points.transpose(3, 4, 5, 6, 2, 1, 0).reshape(8, 3, grid.ni, grid.nj, grid.nk)


def _describes(grid: Grid, model: Any, found: Any) -> bool:
    """Whether the file's grid has the corners of `grid`, within a centimetre."""
    if (found.ni, found.nj, found.nk) != grid.resolution:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GempyGanWarning)  # it was said when the grid was written
        expected = pillars(grid).nodes
    points = _points(model, found, found.points_ref(masked=False))
    if points.size != expected.size:
        return False
    there = points.reshape(grid.resolution[2] + 1, *expected.shape[1::-1], 3).transpose(2, 1, 0, 3)[:, :, ::-1]
    return bool(np.abs(there - expected).max() < CLOSE)


def _parts(properties: Any) -> dict[tuple[str, int], str]:
    """The properties of the grid's cells by name and realization."""
    found = {}
    for part in properties.parts():
        cells = properties.indexable_for_part(part) == "cells" and properties.count_for_part(part) == 1
        if cells and properties.property_kind_for_part(part) != "active":
            name = re.sub(r"[^\w-]", "_", properties.citation_title_for_part(part))
            found[name, properties.realization_for_part(part) or 0] = part
    return found


def _found(properties: Any, names: dict[tuple[str, int], str], grid: Grid, path: Path) -> Metadata:
    """Metadata of a file that came without any."""
    if not names:
        raise FormatError(f"{path} has no property of the grid's cells. Expected at least one.")
    first = {name: part for (name, _), part in reversed(names.items())}
    return {
        "grid": grid.to_dict(),
        "properties": [_property(properties, name, part).to_dict() for name, part in sorted(first.items())],
        "provenance": {"source": path.name},
        "realizations": sorted({label for _, label in names}),
    }


def _property(properties: Any, name: str, part: str) -> Property:
    uuid, uom = properties.string_lookup_uuid_for_part(part), properties.uom_for_part(part)
    if uuid is None:
        return Property(name, unit=uom if uom not in (None, NUMBERLESS) else "1")
    table = load_resqpy("property").StringLookup(properties.model, uuid=uuid).as_dict()
    return Property(name, codes={code: text or str(code) for code, text in table.items()})
