"""The likelihood: constraints as tensors, the only thing an inversion strategy sees of the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.prior import DiffusionPrior

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.grid import Grid
    from gempy_gan.prior import Prior
    from gempy_gan.properties import Property

CELL_SIZE_TOLERANCE = 1e-3  # relative; survey grids are often given to the centimetre


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Independent Gaussian errors around what a realization predicts: p(d | m) = N(d; predict(m), diag(std^2)).

    Hard data come first, then each soft term, in the order of the constraints; unobserved (NaN) soft data are left out.

    `observed` (d,), `std` (d,); `positions` (d, 3) are fractional cell indices, NaN where a datum has no place;
    `parts` names each term and the slice of the data it fills. `known` is what the hard data say cell by cell: mask, values and
    standard deviations, each (c, nx, ny, nz); they are the first `hard` data.
    """

    observed: Tensor
    std: Tensor
    positions: Tensor
    parts: tuple[tuple[str, slice], ...]
    predictors: tuple[Callable[[Tensor], Tensor], ...]
    known: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def of(cls, constraints: Constraints, prior: Prior, dtype: torch.dtype = torch.float32) -> Likelihood:
        """The likelihood of the constraints for realizations of this prior.

        Raises GridError when prior and grid differ in shape or cell size, GempyGanError when a constrained property is
        not one of the prior's.
        """
        check_grid(prior, constraints.grid)
        terms = [_hard(t, prior, constraints.grid) for t in constraints.hard]
        terms += [_soft(t, prior) for t in constraints.soft]
        parts, start = [], 0
        for term in terms:
            parts.append((term.name, slice(start, start + len(term.observed))))
            start += len(term.observed)
        return cls(
            torch.as_tensor(np.concatenate([t.observed for t in terms] or [np.zeros(0)]), dtype=dtype),
            torch.as_tensor(np.concatenate([t.std for t in terms] or [np.zeros(0)]), dtype=dtype),
            torch.as_tensor(np.concatenate([t.positions for t in terms] or [np.zeros((0, 3))]), dtype=dtype),
            tuple(parts),
            tuple(t.predict for t in terms),
            _known(constraints.hard, prior, dtype),
        )

    @property
    def hard(self) -> int:
        """How many of the data, the first ones, are hard: one for each known cell."""
        return int(self.known[0].sum())

    def predict(self, m: Tensor) -> Tensor:
        """Data (n, d) that realizations (n, c, nx, ny, nz) predict, without noise."""
        if not self.predictors:
            return m.new_zeros((len(m), 0))
        return torch.cat([predict(m) for predict in self.predictors], dim=1)

    def residual(self, m: Tensor) -> Tensor:
        """(predicted - observed) / std, (n, d)."""
        return (self.predict(m) - self.observed.to(m)) / self.std.to(m)

    def log_prob(self, m: Tensor) -> Tensor:
        """log p(d | m) of realizations (n, c, nx, ny, nz), normalised, (n,)."""
        normaliser = self.std.double().log().sum() + 0.5 * np.log(2 * np.pi) * len(self.std)
        return -0.5 * self.residual(m).square().sum(dim=1) - float(normaliser)


@dataclass(frozen=True, eq=False)
class _Term:
    name: str
    observed: np.ndarray[tuple[int], np.dtype[np.float64]]
    std: np.ndarray[tuple[int], np.dtype[np.float64]]
    positions: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    predict: Callable[[Tensor], Tensor]


def check_grid(prior: Prior, grid: Grid) -> None:
    """Raise GridError when the prior's box is not the grid's."""
    if tuple(prior.shape) != grid.resolution:
        larger = all(n >= k for n, k in zip(grid.resolution, prior.shape, strict=True)) and isinstance(prior, DiffusionPrior)
        remedy = (
            f"or make it of several, gempy_gan.priors.tiled.TiledDiffusion(prior, {grid.resolution})"
            if larger
            else "or a prior of another shape"
        )
        raise GridError(
            f"The prior's box has {tuple(prior.shape)} cells and the grid {grid.resolution}. "
            f"Expected the same: choose the grid's resolution after the prior, {remedy}."
        )
    ratio = np.array(prior.cell_size) / np.array(grid.cell_size)
    if np.abs(ratio - 1).max() > CELL_SIZE_TOLERANCE:
        raise GridError(
            f"The prior's cells measure {tuple(prior.cell_size)} m and the grid's {grid.cell_size} m. "
            "Expected the same: change the grid's extent, or state the prior's cell_size anew."
        )


def channel(properties: tuple[Property, ...], name: str) -> int:
    """The channel of the property called `name`. Raises GempyGanError naming the properties there are."""
    names = [p.name for p in properties]
    if name not in names:
        raise GempyGanError(f"The data constrain {name!r}, and the prior has only: {', '.join(names)}. Rename one of them.")
    return names.index(name)


def seen(term: SoftData, properties: tuple[Property, ...]) -> slice:
    """The channels that the forward operator is given: the one it names as its `property`, or all where it names none.

    Raises GempyGanError where the operator wants one property, there are several, and it does not say which.
    """
    name = getattr(term.forward, "property", ...)
    if name is ...:
        return slice(None)
    if name is None and len(properties) > 1:
        found = ", ".join(p.name for p in properties)
        raise GempyGanError(
            f"The prior has several properties ({found}): name the one that the {term.name} data see (property=)."
        )
    index = 0 if name is None else channel(properties, name)
    return slice(index, index + 1)


def _hard(term: HardData, prior: Prior, grid: Grid) -> _Term:
    cell = np.ravel_multi_index(tuple(term.cells.T), grid.resolution)
    index = torch.as_tensor(channel(prior.properties, term.property) * grid.size + cell)
    return _Term(
        term.property, term.values, term.std, term.cells.astype(np.float64), lambda m: m.flatten(1)[:, index.to(m.device)]
    )


def _known(terms: Sequence[HardData], prior: Prior, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Hard data on the cells, each of which has one at most."""
    shape = (len(prior.properties), *prior.shape)
    mask, values, std = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype)
    for term in terms:
        c = channel(prior.properties, term.property)
        i, j, k = torch.as_tensor(term.cells.T)
        mask[c, i, j, k] = True
        values[c, i, j, k] = torch.as_tensor(term.values, dtype=dtype)
        std[c, i, j, k] = torch.as_tensor(term.std, dtype=dtype)
    return mask, values, std


def _soft(term: SoftData, prior: Prior) -> _Term:
    shape = (len(prior.properties), *prior.shape)
    values, known = term.values.ravel(), np.isfinite(term.values.ravel())
    if term.forward is None and values.size != int(np.prod(shape)):
        raise GridError(
            f"The {term.name} data have {values.size} values and no forward operator. "
            f"Expected one value per property and cell, {shape}, or a forward operator that predicts them."
        )
    keep = torch.as_tensor(np.flatnonzero(known))
    forward = term.forward or (lambda m: m.flatten(1))
    channels = seen(term, prior.properties)

    def predict(m: Tensor) -> Tensor:
        data = forward(m[:, channels])
        if tuple(data.shape) != (len(m), values.size):
            raise GempyGanError(
                f"The forward operator of the {term.name} data returned shape {tuple(data.shape)}. "
                f"Expected {(len(m), values.size)}, one value per datum and realization."
            )
        return data[:, keep.to(m.device)]

    cells = np.full((values.size, 3), np.nan) if term.cells is None else term.cells
    return _Term(term.name, values[known], term.std.ravel()[known], cells[known], predict)
