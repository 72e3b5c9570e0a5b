"""The ensemble: realizations of properties on a grid, as an xarray dataset with its provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.grid import Grid
from gempy_gan.labels import Label
from gempy_gan.properties import Property, as_property
from gempy_gan.unit_frame import UnitFrame

DIMS = ("realization", "x", "y", "z")
CONVENTION = "gempy_gan ensemble 1"
RESERVED = {*DIMS, "easting", "northing", "active", "log_weight"}
REALIZATION = {"standard_name": "realization", "long_name": "number of the realization", "units": "1"}
ACTIVE = {
    "standard_name": "status_flag",
    "long_name": "cell belongs to the unit",
    "flag_values": np.array([0, 1], dtype=np.int8),
    "flag_meanings": "inactive active",
}
LOG_WEIGHT = {"long_name": "normalised log weight of the realization", "units": "1"}
LABEL = "label_"  # what the variable of a label starts with
FRAME = "frame_"  # and what that of an array of the grid's frame starts with


class Ensemble:
    """Realizations on a grid.

    `dataset` has dimensions realization, x, y, z (z up) and one variable per property, float32 for continuous properties
    and int16 for facies; it may be lazy (opened from a store), and is read only when asked for. `x`, `y`, `z` are cell
    centres in metres before the grid's rotation; `easting` and `northing` (x, y) are map coordinates. A label, one number per
    realization, is a float64 variable `label_<name>` along `realization`, with its unit and meaning where they are known.

    >>> grid = Grid((0, 2, 0, 2, 0, 1), (2, 2, 1))
    >>> ensemble = Ensemble.from_values(grid, [Property("porosity")], np.full((3, 1, 2, 2, 1), 0.2))
    >>> len(ensemble), ensemble.values.shape
    (3, (3, 1, 2, 2, 1))
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        if dataset.attrs.get("gempy_gan_convention") != CONVENTION:
            raise FormatError(f"The dataset does not follow the convention {CONVENTION!r}. Build one with Ensemble.from_values.")
        self.dataset = dataset
        active = dataset["active"].values.astype(bool) if "active" in dataset else None
        self.grid = Grid.from_dict(json.loads(dataset.attrs["grid"]), active, frame_arrays(dataset))
        self.properties = tuple(Property.from_dict(p) for p in json.loads(dataset.attrs["properties"]))

    @classmethod
    def from_values(
        cls,
        grid: Grid,
        properties: Sequence[Property | str],
        values: ArrayLike,
        provenance: Mapping[str, Any] | None = None,
        log_weights: ArrayLike | None = None,
        labels: pd.DataFrame | Mapping[Any, ArrayLike] | None = None,
    ) -> Ensemble:
        """Build an ensemble from values (n, c, nx, ny, nz) in the properties' own units.

        `log_weights` (n,) are normalised log weights; None means equal weights. `labels` has a column (n,) for each label, named
        by a string or by a `Label`, of which unit and meaning are kept; its rows are those of `values`, whatever their index.
        Raises GridError when the shape does not fit the grid and the properties, GempyGanError when facies are not whole numbers
        of known codes, or labels are not n numbers.
        """
        props = tuple(as_property(p) for p in properties)
        columns = {} if labels is None else {_label_variable(key): (key, labels[key]) for key in labels}
        _check_names([p.name for p in props], list(columns))
        array = np.asarray(values)
        if array.ndim != 5 or array.shape[1:] != (len(props), *grid.resolution):
            raise GridError(f"The values have shape {array.shape}. Expected (n, {len(props)}, *{grid.resolution}).")
        variables = {p.name: (DIMS, storable(array[:, c], p), attributes(p)) for c, p in enumerate(props)}
        dataset = xr.Dataset(variables, coordinates(grid), describe(grid, props, provenance or {}))
        dataset = dataset.assign_coords(realization=("realization", np.arange(len(array)), dict(REALIZATION)))
        if grid.active is not None:
            dataset["active"] = (DIMS[1:], grid.active.astype(np.int8), dict(ACTIVE))
        dataset = dataset.assign(frame_variables(grid))
        if log_weights is not None:
            dataset["log_weight"] = ("realization", np.asarray(log_weights, dtype=np.float64), dict(LOG_WEIGHT))
        for variable, (label, column) in columns.items():
            dataset[variable] = ("realization", label_values(column, variable, len(array)), label_attributes(label))
        return cls(dataset)

    @property
    def values(self) -> NDArray[np.float32]:
        """All realizations, (n, c, nx, ny, nz) float32; reads a lazy dataset."""
        return np.stack([self.dataset[p.name].values.astype(np.float32) for p in self.properties], axis=1)

    @property
    def provenance(self) -> dict[str, Any]:
        """How the ensemble was made: prior, strategy, options, seed, versions, input hashes."""
        return dict(json.loads(self.dataset.attrs["provenance"]))

    @property
    def weights(self) -> NDArray[np.float64]:
        """Weight of each realization (n,), summing to one."""
        if "log_weight" not in self.dataset:
            return np.full(len(self), 1 / max(len(self), 1))
        weight = np.exp(self.dataset["log_weight"].values - self.dataset["log_weight"].values.max())
        return np.asarray(weight / weight.sum())

    @property
    def labels(self) -> pd.DataFrame:
        """The numbers that shaped each realization: a row for each, by its number, and a column for each label."""
        columns = {name[len(LABEL) :]: self.dataset[name].values for name in label_variables(self.dataset)}
        return pd.DataFrame(columns, index=pd.Index(self.numbers, name="realization"), dtype=np.float64)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Number of each realization: 0, 1, ... unless some were selected; files are named after it."""
        return tuple(int(label) for label in self.dataset["realization"].values)

    def __len__(self) -> int:
        return int(self.dataset.sizes["realization"])

    def __repr__(self) -> str:
        names = ", ".join(p.name for p in self.properties)
        return f"<Ensemble: {len(self)} realizations of {names} on {self.grid.resolution} cells>"

    def property(self, name: str) -> Property:
        """The property called `name`. Raises GempyGanError naming the properties there are."""
        for found in self.properties:
            if found.name == name:
                return found
        raise GempyGanError(f"The ensemble has no property {name!r}. It has: {', '.join(p.name for p in self.properties)}.")

    def realization(self, index: int) -> NDArray[np.float32]:
        """One realization (c, nx, ny, nz); reads only that one from a lazy dataset."""
        if not -len(self) <= index < len(self):
            raise GempyGanError(f"Realization {index} was asked for, and the ensemble holds {len(self)}. Count from 0.")
        return np.stack([self.dataset[p.name].isel(realization=index).values.astype(np.float32) for p in self.properties])

    def select(self, realizations: Iterable[int] | None) -> Ensemble:
        """The realizations with these numbers, in this order, keeping their numbers; None means all of them.

        A lazy dataset stays lazy. Raises GempyGanError for a number that the ensemble does not hold, or no number at all.
        """
        if realizations is None:
            return self
        position = {label: index for index, label in enumerate(self.numbers)}
        wanted = list(realizations)
        missing = [label for label in wanted if label not in position]
        if missing or not wanted:
            asked = f"Realization {missing[0]} was" if missing else "No realization was"
            raise GempyGanError(f"{asked} asked for, and the ensemble holds {_ranges(self.numbers)}.")
        return Ensemble(self.dataset.isel(realization=[position[label] for label in wanted]))

    def mean(self, name: str) -> xr.DataArray:
        """Weighted mean of a continuous property over the realizations, (x, y, z)."""
        self._continuous(name, "mean")
        weights = xr.DataArray(self.weights, dims="realization")
        return self.dataset[name].weighted(weights).mean("realization", keep_attrs=True)

    def std(self, name: str) -> xr.DataArray:
        """Weighted standard deviation of a continuous property over the realizations, (x, y, z)."""
        self._continuous(name, "standard deviation")
        weights = xr.DataArray(self.weights, dims="realization")
        return self.dataset[name].weighted(weights).std("realization", keep_attrs=True)

    def quantile(self, name: str, q: float | Sequence[float]) -> xr.DataArray:
        """Weighted quantiles of a continuous property, (x, y, z) or (quantile, x, y, z)."""
        self._continuous(name, "quantile")
        weights = xr.DataArray(self.weights, dims="realization")
        return self.dataset[name].weighted(weights).quantile(q, dim="realization", keep_attrs=True)

    def probability(self, name: str) -> xr.DataArray:
        """Probability of each facies code, (facies, x, y, z)."""
        facies = self.property(name).facies
        if not facies:
            raise GempyGanError(f"Property {name!r} has no facies codes, so no facies probability. Use mean() or quantile().")
        weights = xr.DataArray(self.weights, dims="realization")
        maps = [(self.dataset[name] == code).weighted(weights).mean("realization") for code in facies]
        return xr.concat(maps, "facies").assign_coords(facies=list(facies))

    def _continuous(self, name: str, what: str) -> None:
        if self.property(name).is_facies:
            raise GempyGanError(f"Property {name!r} holds facies codes: their {what} means nothing. Use probability().")


def coordinates(grid: Grid) -> dict[str, Any]:
    """Coordinates of a dataset on this grid: x, y, z before rotation, and easting, northing (x, y) on the map."""
    named = zip("xyz", ("along the first axis", "along the second axis", "height, upwards"), strict=True)
    coords: dict[str, Any] = {
        axis: (axis, grid.axis(k), {"units": "m", "long_name": long_name, "axis": axis.upper()})
        for k, (axis, long_name) in enumerate(named)
    }
    coords["z"][2]["positive"] = "up"
    if isinstance(grid.frame, UnitFrame):
        coords["z"][2]["long_name"] = "height above the unit's base, where the unit has its mean thickness"
    column = np.indices((*grid.resolution[:2], 1)).reshape(3, -1).T
    xy = grid.xyz(column)[:, :2].reshape(*grid.resolution[:2], 2)
    coords["easting"] = (("x", "y"), xy[..., 0], {"units": "m", "standard_name": "projection_x_coordinate"})
    coords["northing"] = (("x", "y"), xy[..., 1], {"units": "m", "standard_name": "projection_y_coordinate"})
    return coords


def frame_variables(grid: Grid) -> dict[str, tuple[tuple[str, ...], NDArray[np.float32]]]:
    """The variables of a dataset that hold the arrays of the grid's frame."""
    return {f"{FRAME}{name}": variable for name, variable in grid.frame.arrays().items()}


def frame_arrays(dataset: Mapping[Any, Any]) -> dict[str, NDArray[np.float32]] | None:
    """The arrays of the frame by name, from the variables that `frame_variables` made; None where there are none."""
    found = {str(name)[len(FRAME) :]: np.asarray(dataset[name]) for name in dataset if str(name).startswith(FRAME)}
    return found or None


def attributes(prop: Property) -> dict[str, Any]:
    """CF attributes of one property's variable."""
    attrs: dict[str, Any] = {"units": prop.unit, "long_name": prop.name.replace("_", " ")}
    if prop.is_facies:
        attrs["flag_values"] = np.array(list(prop.facies), dtype=np.int16)
        attrs["flag_meanings"] = " ".join(_flag(label) for label in prop.facies.values())
    return attrs


def label_variables(dataset: xr.Dataset) -> list[str]:
    """Names of the dataset's variables that hold a label."""
    return [str(name) for name, array in dataset.data_vars.items() if str(name).startswith(LABEL) and array.dims == DIMS[:1]]


def label_attributes(label: Any) -> dict[str, str]:
    """CF attributes of the variable of a `Label`, or of a name, of which no unit is known."""
    if not isinstance(label, Label):
        return {"long_name": str(label).replace("_", " ")}
    return {"units": label.unit, "long_name": label.meaning or label.name.replace("_", " ")}


def label_values(values: ArrayLike, name: str, n: int) -> NDArray[np.float64]:
    """Values of one label as they are stored. Raises GempyGanError unless they are n numbers (nan where there is none)."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise GempyGanError(f"{name} holds {values!r:.60}. Expected {n} numbers, one per realization.") from None
    if array.shape != (n,):
        raise GempyGanError(f"{name} has shape {array.shape}. Expected ({n},), one number per realization.")
    return array


def describe(grid: Grid, properties: Sequence[Property], provenance: Mapping[str, Any]) -> dict[str, str]:
    """Dataset attributes from which grid, properties and provenance are read back."""
    return {
        "Conventions": "CF-1.11",
        "gempy_gan_convention": CONVENTION,
        "grid": json.dumps(grid.to_dict()),
        "properties": json.dumps([p.to_dict() for p in properties]),
        "provenance": json.dumps(plain(dict(provenance)), sort_keys=True),
    }


def plain(value: Any) -> Any:
    """The value as JSON keeps it: mappings, lists, strings, numbers, None; tuples and arrays become lists.

    >>> plain({"shape": (2, 3), "std": np.float32(0.5)})
    {'shape': [2, 3], 'std': 0.5}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


def storable(values: ArrayLike, prop: Property) -> NDArray[Any]:
    """Values of one property in the type they are stored in. Raises GempyGanError for facies that are no known code."""
    array = np.asarray(values)
    if not prop.is_facies:
        return array.astype(np.float32, copy=False)
    known = np.zeros(array.shape, dtype=np.bool_)
    for code in prop.facies:  # several times faster than np.isin for a handful of codes
        known |= array == code
    if not known.all():
        raise GempyGanError(
            f"Facies {prop.name!r} hold {array[~known].flat[0]:g} (and {int((~known).sum()) - 1} more cells). "
            f"Expected one of the codes {list(prop.facies)}."
        )
    return array.astype(np.int16)


def _check_names(names: Sequence[str], taken: Iterable[str] = ()) -> None:
    """Raise GempyGanError for no property, a property given twice, or one named like another variable of the dataset."""
    reserved = RESERVED.union(taken)
    wrong = [name for name in names if name in reserved or name.startswith(FRAME) or names.count(name) > 1]
    if wrong or not names:
        raise GempyGanError(
            f"The properties are named {list(names)}. Expected at least one, each once, none of {', '.join(sorted(reserved))}, "
            f"none that starts with {FRAME!r}."
        )


def _label_variable(label: Any) -> str:
    """The variable of a label. Raises GempyGanError for a name that is no word."""
    name = label.name if isinstance(label, Label) else label
    if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum():
        raise GempyGanError(f"A label is named {name!r}. Expected letters, digits, '_' and '-'.")
    return f"{LABEL}{name}"


def _flag(label: str) -> str:
    """A facies name as one word of CF's flag_meanings."""
    return re.sub(r"[^A-Za-z0-9_.+@-]", "_", label) or "_"


def _ranges(labels: Sequence[int]) -> str:
    """'0 to 99' for a run of numbers, else all of them."""
    if len(labels) > 2 and list(labels) == list(range(labels[0], labels[-1] + 1)):
        return f"{labels[0]} to {labels[-1]}"
    return ", ".join(map(str, labels)) or "none"
