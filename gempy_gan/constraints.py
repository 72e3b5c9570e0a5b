"""What is known about a grid: values at cells (wells), data predicted from all cells (seismic), and how well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

if TYPE_CHECKING:
    from torch import Tensor

    Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class HardData:
    """Values of one property at cells, each with a Gaussian standard deviation.

    `cells` (N, 3) indices [ix, iy, iz], each cell once; `values` (N,) in the property's unit; `std` (N,) or one number,
    positive. `wells` (N,) names the well each value comes from, where known. `report` says how the values were made
    (samples per cell, what fell outside). Raises GempyGanError when shapes differ, a value is not finite, a standard
    deviation is not positive, or a cell occurs twice.
    """

    cells: NDArray[np.int64]
    values: NDArray[np.float64]
    std: NDArray[np.float64]
    property: str
    wells: NDArray[np.str_] | None = None
    report: Mapping[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        cells: ArrayLike,
        values: ArrayLike,
        std: ArrayLike,
        property: Property | str,
        wells: ArrayLike | None = None,
        report: Mapping[str, Any] | None = None,
    ) -> None:
        index, number = _cell_indices(cells), np.asarray(values, dtype=np.float64).ravel()
        name = property.name if isinstance(property, Property) else property
        if len(index) != len(number):
            raise GempyGanError(
                f"Hard data of {name!r}: {len(index)} cells and {len(number)} values. Expected one value per cell."
            )
        object.__setattr__(self, "cells", index)
        object.__setattr__(self, "values", _finite(number, name))
        object.__setattr__(self, "std", _positive_std(std, number.shape, f"hard data of {name!r}"))
        object.__setattr__(self, "property", name)
        object.__setattr__(self, "wells", None if wells is None else np.asarray(wells, dtype=np.str_).ravel())
        object.__setattr__(self, "report", dict(report or {}))
        if self.wells is not None and len(self.wells) != len(number):
            raise GempyGanError(
                f"Hard data of {name!r}: {len(self.wells)} well names for {len(number)} values. Expected one each."
            )

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, eq=False)
class SoftData:
    """Data that a forward operator predicts from whole realizations, such as seismic amplitudes.

    `values` has any shape, NaN where nothing was observed; `std` broadcasts to it and is positive. `forward` maps
    realizations (n, c, nx, ny, nz), a torch tensor in the properties' own units, to (n, values.size), differentiably;
    None means that the values are the realization's own cells (c, nx, ny, nz). `cells` (..., 3), where given, places each
    value in (fractional) cell indices, which lets a strategy localize its updates.
    """

    values: NDArray[np.float64]
    std: NDArray[np.float64]
    forward: Forward | None = None
    cells: NDArray[np.float64] | None = None
    name: str = "seismic"
    report: Mapping[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        values: ArrayLike,
        std: ArrayLike,
        forward: Forward | None = None,
        cells: ArrayLike | None = None,
        name: str = "seismic",
        report: Mapping[str, Any] | None = None,
    ) -> None:
        number = np.asarray(values, dtype=np.float64)
        if np.isinf(number).any() or not np.isfinite(number).any():
            raise GempyGanError(
                f"The {name} data hold infinite or no values. Expected numbers, with NaN where nothing was observed."
            )
        if forward is not None and not callable(forward):
            raise GempyGanError(
                f"The forward operator of the {name} data is {forward!r}. Expected a callable or None (identity)."
            )
        position = None if cells is None else np.asarray(cells, dtype=np.float64).reshape(-1, 3)
        if position is not None and len(position) != number.size:
            raise GempyGanError(f"The {name} data have {number.size} values and {len(position)} positions. Expected one each.")
        object.__setattr__(self, "values", number)
        object.__setattr__(self, "std", _positive_std(std, number.shape, f"{name} data"))
        object.__setattr__(self, "forward", forward)
        object.__setattr__(self, "cells", position)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "report", dict(report or {}))

    def __len__(self) -> int:
        return int(np.isfinite(self.values).sum())


Term = HardData | SoftData


@dataclass(frozen=True, eq=False)
class Constraints:
    """Everything known about one grid. Raises GridError when a hard datum lies outside it, GempyGanError when two hard data
    claim one cell of one property, or nothing is given that this class understands."""

    grid: Grid
    terms: tuple[Term, ...]

    def __init__(self, grid: Grid, *terms: Term) -> None:
        for term in terms:
            if not isinstance(term, (HardData, SoftData)):
                raise GempyGanError(
                    f"A constraint is a {type(term).__name__}. Expected HardData (see block) or SoftData (see resample)."
                )
        object.__setattr__(self, "grid", grid)
        object.__setattr__(self, "terms", tuple(terms))
        for term in self.hard:
            grid.check_cells(term.cells)
        for name in {term.property for term in self.hard}:
            _check_once(np.concatenate([term.cells for term in self.hard if term.property == name]), name)

    @property
    def hard(self) -> tuple[HardData, ...]:
        """The hard data, in the order given."""
        return tuple(term for term in self.terms if isinstance(term, HardData))

    @property
    def soft(self) -> tuple[SoftData, ...]:
        """The soft data, in the order given."""
        return tuple(term for term in self.terms if isinstance(term, SoftData))


def _cell_indices(cells: ArrayLike) -> NDArray[np.int64]:
    index = np.asarray(cells)
    if index.size == 0:
        return np.zeros((0, 3), dtype=np.int64)
    if index.ndim != 2 or index.shape[1] != 3 or (index != np.floor(index)).any():
        raise GempyGanError(f"Hard data cells have shape {index.shape}. Expected whole-number indices of shape (N, 3).")
    return index.astype(np.int64)


def _finite(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    bad = ~np.isfinite(values)
    if bad.any():
        raise GempyGanError(
            f"Hard data of {name!r}: {int(bad.sum())} of {len(values)} values are not finite. Leave those cells out."
        )
    return values


def _positive_std(std: ArrayLike, shape: tuple[int, ...], where: str) -> NDArray[np.float64]:
    number = np.asarray(std, dtype=np.float64)
    try:
        full = np.broadcast_to(number, shape).astype(np.float64)
    except ValueError:
        raise GempyGanError(f"The std of the {where} has shape {number.shape}. Expected one number or shape {shape}.") from None
    if not (np.isfinite(full) & (full > 0)).all():
        raise GempyGanError(
            f"The std of the {where} is {float(np.nanmin(full)):g} at its smallest. Expected finite, positive numbers."
        )
    return full


def _check_once(cells: NDArray[np.int64], name: str) -> None:
    unique, count = np.unique(cells, axis=0, return_counts=True)
    if (count > 1).any():
        cell = tuple(int(i) for i in unique[count > 1][0])
        raise GempyGanError(
            f"Hard data of {name!r} claim {int((count > 1).sum())} cells more than once, first {cell}. "
            "Expected each cell once: block the wells together, block() merges them."
        )
