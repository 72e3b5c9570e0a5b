"""Diffusion posterior sampling: denoising with steps down the gradient of the misfit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, cast

import torch

from gempy_gan import progress
from gempy_gan.denoising import drowned, noise_levels, step
from gempy_gan.errors import GempyGanError
from gempy_gan.prior import DiffusionPrior, Prior
from gempy_gan.strategies.guidance import Guide, GuidedStrategy, fit
from gempy_gan.strategies.misfit import Linearization, linearize
from gempy_gan.strategies.pigdm import PseudoInverse, check_options
from gempy_gan.strategy import Draws, LikelihoodLike

if TYPE_CHECKING:
    from torch import Tensor

POWER_STEPS = 20  # of the power iteration for the norm of the data's operator
KINDS = ("published", "honoured")


@dataclass
class DPS(GuidedStrategy):
    """Diffusion posterior sampling (Chung, Kim, Mccann, Klasky & Ye 2023), by ancestral sampling in `steps` steps.

    With noise="published" each step ends with x - rate grad_x |d - F(m(x))|, their algorithm 1: how much the noise of the data
    is does not enter, and `rate` (their zeta') decides how well the data are fitted. It is theirs for values scaled to a
    spread of one, variance-preserving noise, and a forward operator of norm one: values are scaled by the prior's spread, and
    residuals, in standard deviations of the data, by the norm of their operator.

    With noise="honoured" the noise of the data decides instead of a rate: the expected clean realization is moved as in
    `pigdm`, by the covariance that the data have given x, and what is left of DPS is its sampling. A number in place of that
    covariance leaves the misfit at twice the noise, whatever the number of steps.
    """

    steps: int = 200
    noise: Literal["published", "honoured"] = "published"
    rate: float = 1.0

    def __post_init__(self) -> None:
        check_options("DPS", self.steps)
        if self.noise not in KINDS or not self.rate > 0:
            raise GempyGanError(
                f"DPS got noise {self.noise!r} and rate {self.rate}. Expected one of {', '.join(KINDS)}, and a rate above 0."
            )

    def guide(self, prior: DiffusionPrior, likelihood: LikelihoodLike) -> Guide:
        """Guidance down the norm of the residual, or by the covariance of the data."""
        return Norm(prior, likelihood) if self.noise == "published" else PseudoInverse(prior, likelihood, prior.spread)

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations."""
        self.check(prior)
        known = cast("DiffusionPrior", prior)
        guide, x = self.guide(known, likelihood), drowned(known, n, generator)
        levels = noise_levels(known, self.steps).tolist()
        for k, (sigma, following) in enumerate(pairwise(levels)):
            progress.report("noise levels", k, self.steps)
            lead = guide(x, sigma)
            if self.noise == "honoured":
                x = step(lead.led, x, sigma, following, generator)
                continue
            slope = (lead.led - lead.clean) / sigma**2
            x = step(lead.clean, x, sigma, following, generator) + self.rate * self._stride(known, sigma, following) * slope
        values = known.finish(x)
        return Draws(values, trace=fit(likelihood, values))

    @staticmethod
    def _stride(prior: DiffusionPrior, sigma: float, following: float) -> float:
        """What a step of one in variance-preserving noise is here: spread sqrt((1 + sigma^2) (1 + following^2)) in spreads."""
        return prior.spread * math.hypot(1, sigma / prior.spread) * math.hypot(1, following / prior.spread)


class Norm(Guide):
    """y = -r / (|r| |A|): a move of clean - sigma^2 times the gradient of the residual's norm, in units of the cells."""

    cautious = False  # as published

    def __init__(self, prior: DiffusionPrior, likelihood: LikelihoodLike) -> None:
        super().__init__(prior, likelihood)
        centre = torch.full((1, len(prior.properties), *prior.shape), prior.centre)
        self.size = _norm(linearize(self.residual, centre), centre) if len(likelihood.observed) else 1.0

    def dual(self, at: Linearization, sigma: float, transposed: Callable[[Tensor], Tensor]) -> Tensor:
        """y (n, d)."""
        size: Tensor = self.size * at.residual.norm(dim=1, keepdim=True)
        return -at.residual / size.clamp(min=1e-12)

    def plausible(self, move: Tensor, sigma: float) -> Tensor:
        """As published: a direction, of any length."""
        return move


def _norm(at: Linearization, like: Tensor) -> float:
    """The largest singular value of A, by power iteration."""
    v = at.pull(torch.ones_like(at.residual)) + 1e-3 * torch.linspace(-1, 1, like.numel()).to(like).reshape(like.shape)
    size = 1.0
    for _ in range(POWER_STEPS):
        v = at.pull(at.push(v / v.norm().clamp(min=1e-30)))
        size = float(v.norm().sqrt())
    return size or 1.0
