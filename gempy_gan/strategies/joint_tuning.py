"""Pivotal tuning as Rongier & Peeters (2025) published it."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.perceptual import perceptual_distance
from gempy_gan.strategies.tuning import Tuned, at_once

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import TunablePrior
    from gempy_gan.strategy import LikelihoodLike

PASSES = 5  # of networks per step and pivot: a pivot, a latent near it by both generators, a look at both of these
RADIUS = 30.0  # at which the published scripts hold the generator in place, whatever its latents


def tune_jointly(
    prior: TunablePrior,
    likelihood: LikelihoodLike,
    pivots: Tensor,
    steps: int,
    learning_rate: float,
    keep: float,
    faithful: bool,
    generator: torch.Generator,
) -> Tuned:
    """One generator for all pivots (n, ...), all its weights tuned by `steps` of Adam.

    Minimised is the mean square at hard data, and `keep` times LPIPS_D plus the mean squared difference between tuned and
    original at a latent z_r = p + radius (z - p) / |z - p| for each pivot p, z from the prior. The radius is the typical
    |z - p| = sqrt(2 latents). Soft data join by chi2, times the mean variance of the hard ones, which then count as much.

    `faithful` repeats what the published scripts do: a radius of 30, networks in training mode, features made from scaled
    features, and gradients in all networks, which change nothing but the cost.
    """
    original = copy.deepcopy(prior) if faithful else prior
    weights = [w.detach().clone().requires_grad_() for w in prior.parameters()]
    optimizer = torch.optim.Adam(weights, lr=learning_rate)
    radius = RADIUS if faithful else math.sqrt(2 * pivots[0].numel())
    size = at_once(likelihood)
    for _ in progress.track(range(steps), "tuning", steps):
        optimizer.zero_grad()
        near = _near(pivots, radius, generator)
        for p, z in zip(torch.split(pivots, size), torch.split(near, size), strict=True):
            with torch.enable_grad():
                loss = data_loss(likelihood, prior.decode(p, weights)).sum()
                loss = loss + keep * _change(original, prior.decode(z, weights), z, faithful).sum()
                _add_slope(loss / len(pivots), weights, faithful)
        optimizer.step()
    with torch.no_grad():
        values = torch.cat([prior.decode(part, weights) for part in torch.split(pivots, size)])
    return Tuned(values, [[w.detach() for w in weights]], [PASSES * steps] * len(pivots))


def data_loss(likelihood: LikelihoodLike, m: Tensor) -> Tensor:
    """Mean square (n,) of hard data, and chi2 of soft data times the hard ones' mean variance (times 1 without hard data)."""
    weighted = likelihood.residual(m).square()
    hard, soft = weighted[:, : likelihood.hard], weighted[:, likelihood.hard :]
    variance = likelihood.std.to(m)[: likelihood.hard].square()
    loss = (hard * variance).mean(dim=1) if hard.shape[1] else hard.sum(dim=1)
    if soft.shape[1]:
        loss = loss + (variance.mean() if hard.shape[1] else 1.0) * soft.mean(dim=1)
    return loss


def _near(pivots: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    """Latents at a distance from the pivots, towards draws of the prior."""
    away = torch.randn(pivots.shape, generator=generator) - pivots
    length = away.flatten(1).norm(dim=1).reshape(-1, *[1] * (pivots.ndim - 1))
    near: Tensor = pivots + radius * away / length
    return near


def _change(original: TunablePrior, after: Tensor, z: Tensor, faithful: bool) -> Tensor:
    """How far (n,) realizations `after` are from those that the original generator makes of the same latents."""
    with torch.set_grad_enabled(faithful):
        before = original.decode(z)
    return perceptual_distance(original, after, before, faithful) + (after - before).square().flatten(1).mean(dim=1)


def _add_slope(loss: Tensor, weights: Sequence[Tensor], everywhere: bool) -> None:
    """Add the gradient to that of the weights; `everywhere`, to that of all other networks as well, which nobody looks at."""
    if not loss.isfinite():
        raise GempyGanError("The loss of a realization is not finite. Check the data and the forward operator.")
    if everywhere:
        loss.backward()  # type: ignore[no-untyped-call]
        return
    for weight, gradient in zip(
        weights, torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True), strict=True
    ):
        weight.grad = gradient if weight.grad is None else weight.grad + gradient
