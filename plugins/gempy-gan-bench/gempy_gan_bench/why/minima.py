"""Minima of the misfit in latent space: where optimizations end, how far they go, and how many different ends there are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gempy_gan import scores
from gempy_gan.strategies.descent import lbfgs
from gempy_gan.strategies.misfit import Misfit, objective, per_row
from gempy_gan_bench.why.problem import Problem

Array = NDArray[np.float64]

SAME = 0.05  # of the usual distance between two prior latents, within which two ends are one minimum
TOLERANCE = 0.02  # posterior standard deviations from its minimum at which an optimization has arrived
DIP = 1e-3  # of a slice's range: a dip that is less deep is none


@dataclass(frozen=True, eq=False)
class Ends:
    """Where `starts` optimizations ended: latents (n, ...), objective and inversion error (n,), and which arrived.

    `straight` is |end - start|, `travelled` the length of the path, both (n,).
    """

    z: Tensor
    objective: Array
    well_error: Array
    arrived: NDArray[np.bool_]
    straight: Array
    travelled: Array
    steps: int

    @property
    def distinct(self) -> int:
        """Number of different minima among the ends."""
        flat = self.z.flatten(1)
        usual = (2 * flat.shape[1]) ** 0.5
        return scores.distinct(torch.cdist(flat, flat).double().numpy(), SAME * usual)

    @property
    def at_least(self) -> float:
        """How many minima there are at least, judged from those that were found once and twice (Chao 1984, bias-corrected)."""
        flat = self.z.flatten(1)
        return chao(torch.cdist(flat, flat).double().numpy(), SAME * (2 * flat.shape[1]) ** 0.5)


def optimize(problem: Problem, starts: int, steps: int, generator: torch.Generator) -> Ends:
    """Minimise |r(z)|^2 / 2 + |z|^2 / 2, whose minima are the modes of the posterior, from latents of the prior by L-BFGS."""
    misfit = _Followed(problem.prior, problem.likelihood)  # type: ignore[arg-type]
    start = torch.randn((starts, *problem.prior.latent_shape), generator=generator)  # type: ignore[attr-defined]
    found = lbfgs(misfit, torch.zeros_like(start), start, 1.0, steps, TOLERANCE)
    with torch.no_grad():
        values = problem.prior.decode(found.z)  # type: ignore[attr-defined]
    return Ends(
        found.z,
        found.objective.double().numpy(),
        problem.well_error(values),
        found.converged.numpy(),
        (found.z - start).flatten(1).norm(dim=1).double().numpy(),
        misfit.travelled.double().numpy(),
        found.steps,
    )


@dataclass(frozen=True)
class _Followed(Misfit):
    """A misfit that measures the path of what it is asked for: a point counts where its objective is the lowest so far.

    `rows` are the realizations it is asked about; `path` holds the last point that counted, its objective and the length so far.
    """

    path: dict[str, Tensor] = field(default_factory=dict)
    rows: slice | Tensor = field(default_factory=lambda: slice(None))

    def __call__(self, z: Tensor) -> Tensor:
        residual = super().__call__(z)
        with torch.no_grad():
            self._follow(z.detach(), objective(residual, z, torch.zeros_like(z), 1.0))
        return residual

    def of_rows(self, rows: slice | Tensor) -> Misfit:
        return replace(self, rows=rows)

    @property
    def travelled(self) -> Tensor:
        return self.path["length"]

    def _follow(self, z: Tensor, value: Tensor) -> None:
        if not self.path:
            self.path.update(z=z.clone(), value=value.clone(), length=torch.zeros(len(z)))
            return
        lower = value < self.path["value"][self.rows]
        step = (z - self.path["z"][self.rows]).flatten(1).norm(dim=1)
        self.path["length"][self.rows] += torch.where(lower, step, torch.zeros_like(step))
        self.path["z"][self.rows] = torch.where(per_row(lower, z), z, self.path["z"][self.rows])
        self.path["value"][self.rows] = torch.where(lower, value, self.path["value"][self.rows])


def chao(distance: ArrayLike, threshold: float) -> float:
    """Lower bound on the number of kinds, from how many of n draws (n, n distances) are alone of their kind, and in pairs.

    S + f1 (f1 - 1) / (2 (f2 + 1)), where S kinds were seen, f1 of them once and f2 twice (Chao 1984).

    >>> chao([[0, 9, 9], [9, 0, 0], [9, 0, 0]], 1.0), chao([[0, 9, 9], [9, 0, 9], [9, 9, 0]], 1.0)
    (2.0, 6.0)
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, kind = connected_components(csr_array(np.asarray(distance) <= threshold), directed=False)
    seen = np.bincount(kind)
    once, twice = (seen == 1).sum(), (seen == 2).sum()
    return float(len(seen) + once * (once - 1) / (2 * (twice + 1)))


def minima_inside(values: ArrayLike) -> int:
    """Local minima inside a curve or map of any number of axes that lie `DIP` of its range or more below the nearest pass.

    That is the persistence of its sublevel sets (Edelsbrunner et al. 2002); those whose lowest point is on the edge do not count.

    >>> x, y = np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 41))
    >>> minima_inside(x[0] ** 2), minima_inside((x[0] ** 2 - 1) ** 2), minima_inside((x**2 - 1) ** 2 + y**2)
    (1, 2, 2)
    """
    field = np.asarray(values, dtype=np.float64)
    least = DIP * float(np.ptp(field))
    basin: dict[tuple[int, ...], tuple[int, ...]] = {}
    found = []
    for flat in np.argsort(field, axis=None, kind="stable"):
        cell = tuple(int(i) for i in np.unravel_index(flat, field.shape))
        basin[cell] = cell
        met = {_root(basin, other) for other in _neighbours(cell) if other in basin} - {cell}
        lowest, *others = sorted(met | {cell}, key=lambda at: field[at])
        for other in others:
            basin[other] = lowest
            if other != cell and field[cell] - field[other] >= least:
                found.append(other)
    found.append(_root(basin, cell))
    return sum(all(0 < i < n - 1 for i, n in zip(at, field.shape, strict=True)) for at in found) if least > 0 else 0


def _root(basin: dict[tuple[int, ...], tuple[int, ...]], cell: tuple[int, ...]) -> tuple[int, ...]:
    while basin[cell] != cell:
        basin[cell] = basin[basin[cell]]
        cell = basin[cell]
    return cell


def _neighbours(cell: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [tuple(i + d for i, d in zip(cell, step, strict=True)) for step in product((-1, 0, 1), repeat=len(cell)) if any(step)]
