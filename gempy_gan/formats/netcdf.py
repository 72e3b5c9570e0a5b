"""NetCDF 4 with CF conventions: all realizations of an ensemble in one file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gempy_gan.ensemble import CONVENTION, Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.grid import Grid
from gempy_gan.limits import check_claim
from gempy_gan.properties import Property

REGULAR = 1e-5  # largest departure from an even spacing, in cells


def write(ensemble: Ensemble, path: Path, compression: int = 0) -> list[Path]:
    """Write all realizations, one at a time; `compression` is zlib's level, 0 (fast, none) to 9 (small).

    Raises FormatError when the level is none, OSError when the disk refuses.
    """
    import netCDF4

    if not 0 <= compression <= 9:
        raise FormatError(f"The compression is {compression}. Expected a level from 0 (none) to 9 (smallest file).")
    try:
        _write_frame(ensemble, path, compression)
        with netCDF4.Dataset(path, "r+") as file:
            growing = [str(name) for name, variable in ensemble.dataset.variables.items() if "realization" in variable.dims]
            for index in range(len(ensemble)):
                for name in growing:
                    file[name][index] = ensemble.dataset[name].isel(realization=index).values
    except (RuntimeError, PermissionError) as error:  # how the HDF5 library reports a disk that refuses, or is full at once
        raise OSError(f"{error} (is the disk full?)") from error
    return [path]


def read(path: Path) -> Ensemble:
    """Open a file; realizations are read when they are asked for.

    A file from elsewhere is read when it has variables on evenly spaced coordinates x, y, z (and realization, if there are
    several). Raises FormatError when the file is no NetCDF file, or holds no such variables.
    """
    if not path.is_file():
        raise FormatError(f"{path} does not exist. Check the path.")
    try:
        check_claims(path)
        dataset = xr.open_dataset(path, engine="netcdf4")
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as NetCDF: {error}.") from error
    return Ensemble(dataset) if dataset.attrs.get("gempy_gan_convention") == CONVENTION else _foreign(dataset, path)


def check_claims(path: Path) -> None:
    """Raise FormatError when the variables of a NetCDF file, of all its groups, claim more than the file can hold."""
    import netCDF4

    with netCDF4.Dataset(path) as file:
        check_claim(path, sum(_claimed(group) for group in _groups(file)))


def _groups(group: Any) -> Iterator[Any]:
    yield group
    for each in group.groups.values():
        yield from _groups(each)


def _claimed(group: Any) -> int:
    """Bytes of all variables of fixed size; strings are as long as what the file holds of them."""
    return sum(math.prod(map(int, v.shape)) * getattr(v.dtype, "itemsize", 8) for v in group.variables.values())


def _write_frame(ensemble: Ensemble, path: Path, compression: int) -> None:
    """Everything but the realizations."""
    properties = [p.name for p in ensemble.properties]
    packed = {"zlib": True, "complevel": compression, "shuffle": True} if compression else {}
    encoding: dict[str, dict[str, Any]] = {str(name): {"_FillValue": None} for name in ensemble.dataset.variables}
    encoding.update({name: {"chunksizes": (1, *ensemble.grid.resolution), **packed} for name in properties})
    empty = ensemble.dataset.isel(realization=slice(0, 0)).drop_encoding()
    empty.to_netcdf(path, engine="netcdf4", unlimited_dims=["realization"], encoding=encoding)


def _foreign(dataset: xr.Dataset, path: Path) -> Ensemble:
    names = [str(name) for name, variable in dataset.data_vars.items() if set(variable.dims) - {"realization"} == set("xyz")]
    if not names or not set("xyz") <= set(dataset.coords):
        raise FormatError(
            f"{path} has no variable on coordinates x, y, z: it holds {', '.join(map(str, dataset.variables)) or 'nothing'}. "
            "Rename its dimensions to x, y, z (and realization)."
        )
    dataset = dataset.sortby(list("xyz"))
    bounds = [bound for axis in "xyz" for bound in _bounds(dataset[axis].values, axis, path)]
    if dataset["z"].attrs.get("positive") == "down":
        dataset, bounds[4:] = dataset.isel(z=slice(None, None, -1)), [-bounds[5], -bounds[4]]
    stacked = dataset[names] if "realization" in dataset.dims else dataset[names].expand_dims("realization")
    stacked = stacked.transpose("realization", "x", "y", "z")
    properties = [Property(name, str(dataset[name].attrs.get("units", "1"))) for name in names]
    values = np.stack([stacked[name].values for name in names], axis=1)
    return Ensemble.from_values(Grid(tuple(bounds), values.shape[2:]), properties, values, {"source": path.name})  # type: ignore[arg-type]


def _bounds(centres: NDArray[Any], axis: str, path: Path) -> tuple[float, float]:
    """Outer faces of evenly spaced cells with these centres."""
    step = float(np.mean(np.diff(centres))) if len(centres) > 1 else 0.0
    even = centres[0] + step * np.arange(len(centres))
    if step <= 0 or np.abs(centres - even).max() > REGULAR * step:
        raise FormatError(f"The coordinate {axis} of {path} is not evenly spaced. Expected at least two cells of one size.")
    return float(centres[0] - step / 2), float(centres[-1] + step / 2)
