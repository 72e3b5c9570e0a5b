"""Ensembles of several units, and of several structures, as one ensemble on a grid that holds them all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import OUTSIDE, Grid
from gempy_gan.properties import Property

UNIT = "unit"  # the property that says which unit a cell lies in
NONE, ELSEWHERE = 0, -1  # codes of cells in none of the units: of that property, and of facies
KEPT = ("prior", "strategy", "n", "seed", "constraints", "structure", "versions")  # what is said of how each part was made


def regrid(
    units: Mapping[str, Ensemble | Sequence[Ensemble]], grid: Grid, store: str | os.PathLike[str] | None = None
) -> Ensemble:
    """All realizations of one or several units on one grid, such as that of the model (`model_grid`).

    `units` has for each unit its ensemble, or its ensembles by structure: as many for all units, and of each structure as many
    realizations. Realization k of one unit stands beside realization k of the others, which were drawn without knowing it.

    A cell takes the values of that unit's cell which holds its centre. The first property, "unit", says which unit that is in
    each realization, so that `probability("unit")` is the probability of each; its code 0 is none of them. Elsewhere continuous
    properties are NaN, and mean, std and quantiles are those of the realizations in which the cell lies in the unit; facies are
    -1. Structures count alike, whatever the weights within them. With `store`, a path that ends in .zarr, memory holds one
    structure at a time.

    Raises GempyGanError when numbers of structures or realizations differ, or units mean different things by one property;
    GridError when none of them meets the grid.
    """
    parts = {name: [given] if isinstance(given, Ensemble) else list(given) for name, given in units.items()}
    _check(parts)
    properties = _properties(parts)
    structures = [dict(zip(parts, members, strict=True)) for members in zip(*parts.values(), strict=True)]
    weighted = any("log_weight" in part.dataset for part in chain(*parts.values()))
    record = {"units": {name: [_origin(part) for part in members] for name, members in parts.items()}}
    made = ((_on(grid, members, properties), _log_weights(members, len(structures))) for members in structures)
    if store is not None:
        return _stored(Path(store), grid, properties, record, made, weighted)
    values, weights = zip(*made, strict=True)
    log_weights = np.concatenate(weights) if weighted else None
    return Ensemble.from_values(grid, properties, np.concatenate(values), record, log_weights)


def _stored(
    path: Path, grid: Grid, properties: Sequence[Property], record: Mapping[str, Any],
    made: Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]], weighted: bool,
) -> Ensemble:  # fmt: skip
    from gempy_gan.formats.zarr import EnsembleStore

    kept = EnsembleStore.create(path, grid, properties, record)
    for values, weights in made:
        kept.append(values, log_weights=weights if weighted else None)
    return kept.ensemble()


def _check(parts: Mapping[str, Sequence[Ensemble]]) -> None:
    if not parts or not all(parts.values()):
        raise GempyGanError("There is no ensemble to put on the grid. Give each unit one, or one for each structure.")
    for found, what in (
        ({name: len(members) for name, members in parts.items()}, "ensembles, one for each structure"),
        *(({name: len(m[k]) for name, m in parts.items()}, "realizations") for k in range(min(map(len, parts.values())))),
    ):
        if len(set(found.values())) > 1:
            counts = ", ".join(f"{name!r} {count}" for name, count in found.items())
            raise GempyGanError(f"The units have different numbers of {what}: {counts}. Expected the same of each unit.")


def _properties(parts: Mapping[str, Sequence[Ensemble]]) -> list[Property]:
    """The property that names the units, and those of all units; facies with a code for elsewhere."""
    found: dict[str, Property] = {UNIT: Property(UNIT, codes={NONE: "elsewhere", **dict(enumerate(parts, start=NONE + 1))})}
    for unit, members in parts.items():
        for prop in members[0].properties:
            own = Property(prop.name, prop.unit, {ELSEWHERE: "elsewhere", **prop.facies}) if prop.is_facies else prop
            if found.setdefault(prop.name, own) != own:
                raise GempyGanError(
                    f"The unit {unit!r} means something else by the property {prop.name!r} than others do (its unit or codes "
                    "differ, or the name is taken). Rename it."
                )
    return list(found.values())


def _on(grid: Grid, members: Mapping[str, Ensemble], properties: Sequence[Property]) -> NDArray[np.float32]:
    """The realizations (k, c, nx, ny, nz) of the units of one structure on the grid."""
    n = len(next(iter(members.values())))
    values = np.stack([np.full((n, grid.size), _nothing(p), dtype=np.float32) for p in properties], axis=1)
    centres, free = grid.centres().reshape(-1, 3), grid.active_cells.ravel().copy()
    for code, part in enumerate(members.values(), start=NONE + 1):
        cells = part.grid.cells(centres)
        inside = free & (cells[:, 0] != OUTSIDE)
        inside[inside] = part.grid.active_cells[tuple(cells[inside].T)]
        values[:, 0, inside], free = code, free & ~inside
        own = part.values[(..., *cells[inside].T)]
        for channel, prop in enumerate(part.properties):
            row = [p.name for p in properties].index(prop.name)
            values[:, row, inside] = own[:, channel]
    if free.sum() == grid.active_cells.sum():
        from gempy_gan.errors import GridError

        raise GridError(f"No cell of the grid over {grid.extent} has its centre in one of the units. Expected them to overlap.")
    return values.reshape(n, len(properties), *grid.resolution)


def _nothing(prop: Property) -> float:
    """What stands where the property does not exist."""
    if prop.name == UNIT:
        return NONE
    return ELSEWHERE if prop.is_facies else np.nan


def _log_weights(members: Mapping[str, Ensemble], structures: int) -> NDArray[np.float64]:
    """Log weights (k,) of realizations that stand side by side; those of a structure add up to its share."""
    with np.errstate(divide="ignore"):
        joint = np.sum([np.log(part.weights) for part in members.values()], axis=0)
    return np.asarray(joint - np.logaddexp.reduce(joint) - np.log(structures))


def _origin(part: Ensemble) -> dict[str, Any]:
    return {key: value for key, value in part.provenance.items() if key in KEPT}
