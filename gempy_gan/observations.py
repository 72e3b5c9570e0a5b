"""Constraints as a file: one NetCDF with a group per term, so that conditioning and inversion can be repeated apart."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from gempy_gan.atomic import staged
from gempy_gan.constraints import Constraints, HardData, SoftData, Term
from gempy_gan.ensemble import frame_arrays, frame_variables
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.formats.netcdf import check_claims
from gempy_gan.grid import Grid
from gempy_gan.plugins import registry

CONVENTION = "gempy_gan constraints 1"


def write_constraints(constraints: Constraints, path: str | os.PathLike[str]) -> Path:
    """Write constraints as NetCDF: group `hard_<k>` has cells, values, std and wells; `soft_<k>` has values, std and cells,
    and the state of its forward operator.

    Raises GempyGanError when a forward operator cannot be written down (it has no `state()`), FormatError when the disk refuses.
    """
    root = xr.Dataset(attrs={"gempy_gan_convention": CONVENTION, "grid": json.dumps(constraints.grid.to_dict())})
    if constraints.grid.active is not None:
        root["active"] = (("x", "y", "z"), constraints.grid.active.astype(np.int8))
    root = root.assign(frame_variables(constraints.grid))
    groups = {"/": root}
    groups |= {f"/hard_{k}": _hard_dataset(term) for k, term in enumerate(constraints.hard)}
    groups |= {f"/soft_{k}": _soft_dataset(term) for k, term in enumerate(constraints.soft)}
    with staged(Path(path)) as file:
        try:
            xr.DataTree.from_dict(groups).to_netcdf(file, engine="netcdf4")
        except (RuntimeError, PermissionError) as error:  # how the HDF5 library reports a disk that refuses, or is full at once
            raise OSError(f"{error} (is the disk full?)") from error
    return Path(path)


def holds_constraints(path: str | os.PathLike[str]) -> bool:
    """Whether a file is one that `write_constraints` wrote."""
    import netCDF4

    try:
        with netCDF4.Dataset(path) as file:
            return bool(getattr(file, "gempy_gan_convention", None) == CONVENTION)
    except OSError:
        return False


def read_constraints(path: str | os.PathLike[str]) -> Constraints:
    """Read what `write_constraints` wrote. Raises FormatError when the file is missing or something else."""
    file = Path(path)
    if file.is_dir():
        raise FormatError(f"{file} is a folder. Expected a file that 'gempy-gan constrain' wrote.")
    if not file.is_file():
        raise FormatError(f"{file} does not exist. Make it with: gempy-gan constrain STUDY.toml -o {file.name}")
    try:
        check_claims(file)
        tree = xr.load_datatree(file, engine="netcdf4")
    except (OSError, RuntimeError, ValueError) as error:
        raise FormatError(
            f"{file} cannot be read as NetCDF: {error}. Expected a file that 'gempy-gan constrain' wrote."
        ) from error
    if tree.attrs.get("gempy_gan_convention") != CONVENTION:
        raise FormatError(f"{file} holds no constraints ({CONVENTION!r}). Make them with: gempy-gan constrain STUDY.toml")
    active = np.asarray(tree["active"]).astype(bool) if "active" in tree else None
    grid = Grid.from_dict(json.loads(tree.attrs["grid"]), active, frame_arrays(tree.to_dataset()))
    terms: list[Term] = [_hard(tree[name].to_dataset()) for name in _groups(tree, "hard_")]
    terms += [_soft(tree[name].to_dataset(), grid) for name in _groups(tree, "soft_")]
    return Constraints(grid, *terms)


def _groups(tree: xr.DataTree, prefix: str) -> list[str]:
    return sorted((name for name in tree.children if name.startswith(prefix)), key=lambda name: int(name[len(prefix) :]))


def _hard_dataset(term: HardData) -> xr.Dataset:
    variables: dict[str, Any] = {
        "cells": (("datum", "axis"), term.cells),
        "values": ("datum", term.values),
        "std": ("datum", term.std),
    }
    if term.wells is not None:
        variables["wells"] = ("datum", term.wells.astype(object))
    return xr.Dataset(variables, attrs={"property": term.property, "report": json.dumps(term.report)})


def _soft_dataset(term: SoftData) -> xr.Dataset:
    shape = tuple(f"axis_{k}" for k in range(term.values.ndim))
    variables: dict[str, Any] = {"values": (shape, term.values), "std": (shape, term.std)}
    if term.cells is not None:
        variables["cells"] = (("datum", "axis"), term.cells)
    attrs = {"name": term.name, "report": json.dumps(term.report), "forward": json.dumps(_state(term))}
    return xr.Dataset(variables, attrs=attrs)


def _state(term: SoftData) -> dict[str, Any] | None:
    if term.forward is None:
        return None
    state = getattr(term.forward, "state", None)
    if state is None:
        raise GempyGanError(
            f"The forward operator of the {term.name} data, {term.forward!r}, cannot be written to a file. "
            "Expected one with state() that is registered as a forward operator."
        )
    found: dict[str, Any] = state()
    return found


def _hard(group: xr.Dataset) -> HardData:
    wells = group["wells"].values if "wells" in group else None
    report = json.loads(group.attrs["report"])
    return HardData(group["cells"].values, group["values"].values, group["std"].values, group.attrs["property"], wells, report)


def _soft(group: xr.Dataset, grid: Grid) -> SoftData:
    state = json.loads(group.attrs["forward"])
    forward = None if state is None else registry().get("forwards", state["forward"]).load().from_state(state, grid)
    cells = group["cells"].values if "cells" in group else None
    report = json.loads(group.attrs["report"])
    return SoftData(group["values"].values, group["std"].values, forward, cells, group.attrs["name"], report)
