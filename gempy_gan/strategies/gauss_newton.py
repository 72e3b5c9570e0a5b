"""Gauss-Newton for many latents at once, each step solved in the space of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.strategies.misfit import Minimum, objective, per_row

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.misfit import Linearization, Misfit

HALVINGS = 12  # of a step that does not lower the objective, before its realization counts as stuck
FORCING = 0.1  # relative residual at which the linear solver stops while the linearization is poor
SOLVER_STEPS = 300  # conjugate-gradient steps within one Gauss-Newton step
DIRECT = 30  # data per realization up to which a matrix that all realizations share costs less than conjugate gradients
SAME = 1e-4  # relative difference below which two products with a Jacobian are the same


def gauss_newton(misfit: Misfit, anchor: Tensor, start: Tensor, weight: float, steps: int, tolerance: float) -> Minimum:
    """Minimise |r(z)|^2 / 2 + weight |z - anchor|^2 / 2 for each row of `start` (n, ...).

    A step goes to anchor + A' y / weight with (A A' / weight + I) y = A (z - anchor) - r, solved by conjugate gradients as
    well as the last linearization deserved, and is halved while it does not lower the objective. Where all realizations have
    the same A, as with linear data, and the data are few, the matrix is built once and solved directly. A realization has
    converged when its distance to the minimum, in posterior standard deviations (RMS over the d data), is estimated below
    `tolerance`.
    """
    z, at = start, misfit.linearize(start)
    gap = tolerance**2 * at.residual.shape[1]
    dual, stuck = torch.zeros_like(at.residual), torch.zeros(len(z), dtype=torch.bool, device=z.device)
    value, forcing = objective(at.residual, z, anchor, weight), at.residual.new_full((len(z),), FORCING)
    shared = _Shared.of(at, weight)
    for step in range(steps + 1):
        progress.report("Gauss-Newton", step, steps)
        last = step == steps
        right = at.push(z - anchor) - at.residual
        if shared is not None and shared.holds(at):
            dual = shared.solve(right)
            left = right - _normal(at, dual, weight)
        else:
            dual, left = solve(at, right, dual, weight, gap / 4, forcing, 0 if last else SOLVER_STEPS)
        move = anchor + at.pull(dual) / weight - z
        arrived = (left.square().sum(dim=1) <= gap / 4) & (weight * move.flatten(1).square().sum(dim=1) <= gap)
        if last or (arrived | stuck).all():
            break
        z, value, stuck = _descend(misfit, z, move, anchor, weight, value, arrived)
        at = misfit.linearize(z)
        error = (at.residual + dual + left).norm(dim=1) / at.residual.norm(dim=1)  # the linear model promised -(dual + left)
        forcing = error.clamp(max=FORCING)
    progress.report("Gauss-Newton", steps, steps)
    return Minimum(z, value, arrived, step)


@dataclass(frozen=True)
class _Shared:
    """The factor of A A' / weight + I (d, d) that all realizations share, and what recognises the A it belongs to."""

    factor: Tensor
    probe: Tensor
    image: Tensor

    @classmethod
    def of(cls, at: Linearization, weight: float) -> _Shared | None:
        """None where realizations differ in A, the data are too many for the matrix to pay, or so precise that the identity
        is lost in its rounding."""
        n, d = at.residual.shape
        if not 0 < d <= DIRECT * n:
            return None
        probe = torch.linspace(-1, 1, d).to(at.residual).cos().expand(n, d)
        image = at.push(at.pull(probe))
        if _differs(image, image[:1]):
            return None
        identity = torch.eye(d, dtype=at.residual.dtype, device=at.residual.device)
        padded = torch.cat([identity, identity.new_zeros((-d % n, d))])
        rows = torch.cat(
            [at.push(at.pull(some)) for some in progress.track(torch.split(padded, n), "matrix of the data", -(-d // n))]
        )
        matrix = rows[:d].double() / weight
        factor, failed = torch.linalg.cholesky_ex((matrix + matrix.T) / 2 + identity.double())
        return None if failed else cls(factor, probe, image)

    def holds(self, at: Linearization) -> bool:
        """Whether this linearization has the same A."""
        return not _differs(at.push(at.pull(self.probe)), self.image)

    def solve(self, right: Tensor) -> Tensor:
        """y (n, d) with (A A' / weight + I) y = right, row by row."""
        return torch.cholesky_solve(right.double().T, self.factor).T.to(right)


def _differs(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() > SAME * b.abs().max())


def solve(
    at: Linearization, right: Tensor, start: Tensor, weight: float, gap: float, forcing: Tensor, steps: int
) -> tuple[Tensor, Tensor]:
    """Conjugate gradients on (A A' / weight + I) y = right, one system per row, from `start`: y and what is left of `right`.

    No eigenvalue is below one, so the squared residual bounds the error in the energy norm. A row is solved when it is below
    `gap`, or below `forcing` (n,) squared times what it was.
    """
    y = start
    residual = right - _normal(at, y, weight)
    direction, energy = residual, residual.square().sum(dim=1)
    enough = (forcing.square() * energy).clamp(min=gap)
    for _ in range(steps):
        if (energy <= enough).all():
            break
        image = _normal(at, direction, weight)
        length = _ratio(energy, (direction * image).sum(dim=1))
        y, residual = y + length * direction, residual - length * image
        previous, energy = energy, residual.square().sum(dim=1)
        direction = residual + _ratio(energy, previous) * direction
    return y, residual


def _normal(at: Linearization, y: Tensor, weight: float) -> Tensor:
    return at.push(at.pull(y)) / weight + y


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """above / below as a column, zero where a row is solved to the last bit."""
    return torch.where(below > 0, above / below, torch.zeros_like(above))[:, None]


def _descend(
    misfit: Misfit, z: Tensor, move: Tensor, anchor: Tensor, weight: float, value: Tensor, arrived: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Walk along `move`, halving the stride of each realization until its objective falls; those that never do are stuck."""
    waiting = ~arrived
    for halving in range(HALVINGS):
        trial = z + 0.5**halving * per_row(waiting, move) * move
        found = objective(misfit(trial).detach(), trial, anchor, weight)
        better = waiting & (found <= value)
        z, value = torch.where(per_row(better, z), trial, z), torch.where(better, found, value)
        waiting = waiting & ~better
        if not waiting.any():
            break
    return z, value, waiting
