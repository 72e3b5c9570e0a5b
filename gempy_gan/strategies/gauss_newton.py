"""Gauss-Newton for many latents at once, each step solved in the space of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.strategies.misfit import Minimum, objective, per_row

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.misfit import Linearization, Misfit

HALVINGS = 12  # of a step that does not lower the objective, before its realization counts as stuck
SOLVER_STEPS = 300  # conjugate-gradient steps within one Gauss-Newton step


def gauss_newton(misfit: Misfit, anchor: Tensor, start: Tensor, weight: float, steps: int, tolerance: float) -> Minimum:
    """Minimise |r(z)|^2 / 2 + weight |z - anchor|^2 / 2 for each row of `start` (n, ...).

    A step goes to anchor + A' y / weight with (A A' / weight + I) y = A (z - anchor) - r, solved by conjugate gradients,
    and is halved while it does not lower the objective. A realization has converged when its distance to the minimum, in
    posterior standard deviations (RMS over the d data), is estimated below `tolerance`. Linear data take one step.
    """
    z, at = start, misfit.linearize(start)
    gap = tolerance**2 * at.residual.shape[1]
    dual, stuck = torch.zeros_like(at.residual), torch.zeros(len(z), dtype=torch.bool, device=z.device)
    value = objective(at.residual, z, anchor, weight)
    for step in range(steps + 1):
        progress.report("Gauss-Newton", step, steps)
        last = step == steps
        right = at.push(z - anchor) - at.residual
        solved, dual = _solve(at, right, dual, weight, gap / 4, 0 if last else SOLVER_STEPS)
        move = anchor + at.pull(dual) / weight - z
        arrived = solved & (weight * move.flatten(1).square().sum(dim=1) <= gap)
        if last or (arrived | stuck).all():
            break
        z, value, stuck = _descend(misfit, z, move, anchor, weight, value, arrived)
        at = misfit.linearize(z)
    progress.report("Gauss-Newton", steps, steps)
    return Minimum(z, value, arrived, step)


def _solve(at: Linearization, right: Tensor, start: Tensor, weight: float, gap: float, steps: int) -> tuple[Tensor, Tensor]:
    """Conjugate gradients on (A A' / weight + I) y = right, one system per row, from `start`.

    Returns which rows are solved, and y. The squared residual bounds the error in the energy norm, since no eigenvalue is
    below one; a solved row has it below `gap`.
    """
    y = start
    residual = right - _normal(at, y, weight)
    direction, energy = residual, residual.square().sum(dim=1)
    for _ in range(steps):
        if (energy <= gap).all():
            break
        image = _normal(at, direction, weight)
        length = _ratio(energy, (direction * image).sum(dim=1))
        y, residual = y + length * direction, residual - length * image
        previous, energy = energy, residual.square().sum(dim=1)
        direction = residual + _ratio(energy, previous) * direction
    return energy <= gap, y


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
