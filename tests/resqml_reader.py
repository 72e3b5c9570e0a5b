"""What fesapi, an independent reader, finds in a RESQML file that holds one grid: `python resqml_reader.py IN.epc OUT.npz`.

It runs in a process of its own: fesapi brings another HDF5 than the rest, and can crash when its objects are collected.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Found:
    """The grid's `title`, its points (nx + 1, ny + 1, nz + 1, 3) on the map, z up, the coordinate system, and the properties by
    title and realization index: each a mapping with `values` (nx, ny, nz), `unit`, `kind`, `table`."""

    title: str
    nodes: np.ndarray[Any, Any]
    crs: dict[str, Any]
    properties: dict[tuple[str, int | None], dict[str, Any]]


def found_by_fesapi(path: Path) -> Found:
    """Read a file in another process."""
    target = path.with_suffix(".npz")
    done = subprocess.run([sys.executable, __file__, str(path), str(target)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(target) as arrays:
        about = json.loads(str(arrays["about"]))
        parts = [{**part, "values": arrays[f"values{n}"]} for n, part in enumerate(about["properties"])]
        properties = {(part["title"], part["index"]): part for part in parts}
        assert len(properties) == len(parts)
        return Found(about["title"], arrays["nodes"], about["crs"], properties)


def main(path: str, target: str) -> None:
    """Read, and leave without a farewell."""
    import fesapi

    repository = fesapi.DataObjectRepository()
    file = fesapi.EpcDocument(path)
    file.deserializeInto(repository)
    assert repository.getIjkGridRepresentationCount() == 1
    grid = repository.getIjkGridRepresentation(0)
    shape = (grid.getKCellCount(), grid.getJCellCount(), grid.getICellCount())
    found = [grid.getValuesProperty(n) for n in range(grid.getValuesPropertyCount())]
    crs = grid.getLocalCrs(0)
    about = {
        "title": grid.getTitle(),
        "crs": {
            "epsg": crs.getProjectedCrsEpsgCode() if crs.isProjectedCrsDefinedWithEpsg() else None,
            "origin": [crs.getOriginOrdinal1(), crs.getOriginOrdinal2()],
            "rotation": crs.getArealRotation(),
            "down": crs.isDepthOriented(),
        },
        "properties": [_about(prop) for prop in found],
    }
    values = {f"values{n}": _values(fesapi, prop, shape) for n, prop in enumerate(found)}
    np.savez(target, about=json.dumps(about), nodes=_nodes(fesapi, grid, shape), **values)
    os._exit(0)


def _about(prop: Any) -> dict[str, Any]:
    table = prop.getStringLookup() if prop.getXmlTag() == "CategoricalProperty" else None
    keys = range(table.getItemCount()) if table else ()
    return {
        "title": prop.getTitle(),
        "index": prop.getRealizationIndices()[0] if prop.hasRealizationIndices() else None,
        "unit": prop.getUomAsString() if prop.getXmlTag() == "ContinuousProperty" else None,
        "kind": prop.getPropertyKindAsString(),
        "table": {str(table.getKeyAtIndex(n)): table.getStringValueAtIndex(n) for n in keys},
    }


def _nodes(fesapi: Any, grid: Any, shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    count = grid.getXyzPointCountOfAllPatches()
    points = fesapi.DoubleArray(3 * count)
    grid.getXyzPointsOfAllPatchesInGlobalCrs(points.cast())
    nk, nj, ni = shape
    array = np.array([points.getitem(n) for n in range(3 * count)]).reshape(nk + 1, nj + 1, ni + 1, 3)
    return np.asarray(array.transpose(2, 1, 0, 3)[:, :, ::-1] * [1, 1, -1])


def _values(fesapi: Any, prop: Any, shape: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    count = int(np.prod(shape))
    whole = prop.getXmlTag() != "ContinuousProperty"
    values = fesapi.Int32Array(count) if whole else fesapi.FloatArray(count)
    (prop.getInt32ValuesOfPatch if whole else prop.getFloatValuesOfPatch)(0, values.cast())
    array = np.array([values.getitem(n) for n in range(count)], dtype=np.int32 if whole else np.float32)
    return array.reshape(shape).transpose(2, 1, 0)[:, :, ::-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
