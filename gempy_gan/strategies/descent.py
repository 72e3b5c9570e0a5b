"""Gradient descent for many latents at once: L-BFGS with a line search per realization, or Adam."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.strategies.misfit import Minimum, check_finite, objective, per_row

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.misfit import Misfit

MEMORY = 30  # pairs of steps and gradient changes that L-BFGS remembers
HALVINGS = 20  # of a stride, before its realization counts as stuck
ARMIJO = 1e-4  # share of the promised decrease that a stride must deliver
ROUNDING = 10  # units in the last place by which objectives may differ through rounding alone


def lbfgs(
    misfit: Misfit, anchor: Tensor, start: Tensor, weight: float, steps: int, tolerance: float, enough: float = 0.0
) -> Minimum:
    """Minimise |r(z)|^2 / 2 + weight |z - anchor|^2 / 2 for each row of `start` (n, ...) by limited-memory BFGS.

    Realizations are independent: each has its own history and stride. Converged means what it means for `adam`, or that the
    RMS of r is below `enough`.
    """
    slope = _slope(misfit, anchor, weight)
    z = start
    value, gradient = slope(z, torch.arange(len(z), device=z.device))
    check_finite(value)
    data = len(misfit.likelihood.observed)
    target, close = weight * tolerance**2 * data, enough**2 * data
    history: list[tuple[Tensor, Tensor]] = []
    stuck = torch.zeros(len(z), dtype=torch.bool, device=z.device)
    for step in range(steps + 1):
        progress.report("L-BFGS", step, steps)
        arrived = (_square(gradient) <= target) | (_square_of_data(value, z, anchor, weight) <= close)
        if (arrived | stuck).all() or step == steps:
            break
        move = -_two_loops(gradient, history)
        uphill = (move * gradient).flatten(1).sum(dim=1) >= 0
        move = torch.where(per_row(uphill, z), -gradient, move)
        before = z, gradient
        z, value, gradient, stuck = _line_search(slope, z, move, value, gradient, arrived)
        history = [*history, (z - before[0], gradient - before[1])][-MEMORY:]
    progress.report("L-BFGS", steps, steps)
    return Minimum(z, value, arrived, step)


def adam(misfit: Misfit, anchor: Tensor, start: Tensor, weight: float, steps: int, tolerance: float, rate: float) -> Minimum:
    """The same by Adam, at a learning rate that falls to zero along a cosine over all steps.

    Converged means |gradient|^2 <= weight tolerance^2 d, a bound on the distance to the minimum, in posterior standard
    deviations (RMS over the d data), where the objective is convex.
    """
    slope = _slope(misfit, anchor, weight)
    z, every = start.clone(), torch.arange(len(start), device=start.device)
    optimizer = torch.optim.Adam([z], lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(steps, 1))
    for _ in progress.track(range(steps), "Adam", steps):
        z.grad = slope(z, every)[1]
        optimizer.step()
        schedule.step()
    value, gradient = slope(z, every)
    check_finite(value)
    return Minimum(z, value, _square(gradient) <= weight * tolerance**2 * len(misfit.likelihood.observed), steps)


Slope = Callable[["Tensor", "Tensor"], "tuple[Tensor, Tensor]"]


def _slope(misfit: Misfit, anchor: Tensor, weight: float) -> Slope:
    """Objective (k,) and its gradient (k, ...) as a function of latents (k, ...) and of the realizations (k,) they belong to."""

    def slope(z: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            leaf = z.detach().requires_grad_()
            value = objective(misfit.of_rows(rows)(leaf), leaf, anchor[rows], weight)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient

    return slope


def _square(v: Tensor) -> Tensor:
    return v.flatten(1).square().sum(dim=1)


def _square_of_data(value: Tensor, z: Tensor, anchor: Tensor, weight: float) -> Tensor:
    """|r|^2 (n,), from the objective."""
    return 2 * value - weight * _square(z - anchor)


def _two_loops(gradient: Tensor, history: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The L-BFGS approximation of H^-1 gradient, row by row; pairs without positive curvature are passed over."""
    if not history:
        return gradient / per_row(_square(gradient).sqrt().clamp(min=1.0), gradient)
    q, kept = gradient, []
    for s, y in reversed(history):
        curvature = (s * y).flatten(1).sum(dim=1)
        rho = torch.where(curvature > 1e-10 * _square(y), 1 / curvature, torch.zeros_like(curvature))
        alpha = rho * (s * q).flatten(1).sum(dim=1)
        q = q - per_row(alpha, y) * y
        kept.append((s, y, rho, alpha))
    s, y = history[-1]
    scale = (s * y).flatten(1).sum(dim=1) / _square(y)
    q = per_row(torch.where((scale > 0) & scale.isfinite(), scale, torch.ones_like(scale)), q) * q
    for s, y, rho, alpha in reversed(kept):
        q = q + per_row(alpha - rho * (y * q).flatten(1).sum(dim=1), s) * s
    return q


def _line_search(
    slope: Slope, z: Tensor, move: Tensor, value: Tensor, gradient: Tensor, arrived: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Halve the stride of each realization until its objective has fallen enough; those where it never does are stuck.

    Only realizations that wait for a shorter stride are computed again. Near a minimum rounding hides the decrease of the
    objective, but not that of its slope along the move, which is asked for there instead (Hager & Zhang 2005, eq. 4.1).
    """
    promised = (move * gradient).flatten(1).sum(dim=1)
    unsure = ROUNDING * torch.finfo(value.dtype).eps * value.abs()
    z, value, gradient = z.clone(), value.clone(), gradient.clone()
    waiting = (~arrived).nonzero()[:, 0]
    for halving in range(HALVINGS):
        stride = 0.5**halving
        trial = z[waiting] + stride * move[waiting]
        found, tilt = slope(trial, waiting)
        along = (tilt * move[waiting]).flatten(1).sum(dim=1)
        flat = (found <= value[waiting] + unsure[waiting]) & (along <= (2 * ARMIJO - 1) * promised[waiting])
        better = (found <= value[waiting] + ARMIJO * stride * promised[waiting]) | flat
        moved = waiting[better]
        z[moved], value[moved], gradient[moved] = trial[better], found[better], tilt[better]
        waiting = waiting[~better]
        if not len(waiting):
            break
    stuck = torch.zeros_like(arrived)
    stuck[waiting] = True
    return z, value, gradient, stuck
