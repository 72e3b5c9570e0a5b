"""DPS as Siahkoohi & Sabeddu (2026) published it, with steps of a fixed length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from gempy_gan import progress
from gempy_gan.prior import DiffusionPrior, Prior
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

STEPS, FIRST, LAST = 200, 1e-4, 0.02  # of their schedule, at whose end alpha_bar is 0.13


@dataclass
class PublishedDPS(Strategy):
    """200 DDPM steps, each followed by a step of length `rate` down the misfit's gradient at the expected clean realization.

    The gradient does not pass through the denoiser ("frozen score") and is scaled to unit length, so that the noise of the data
    has no say; sampling starts at N(0, I), though their schedule ends at alpha_bar = 0.13. Both as in their code. Fewer `steps`
    are taken evenly from theirs, and each is as many times as long. Values have a spread of one.
    """

    requires = DiffusionPrior

    steps: int = STEPS
    rate: float = 0.07

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations."""
        self.check(prior)
        known = cast("DiffusionPrior", prior)
        kept = schedule(self.steps)
        x = torch.randn((n, len(prior.properties), *prior.shape), generator=generator)
        trace = []
        for k in range(self.steps - 1, -1, -1):
            progress.report("noise levels", self.steps - 1 - k, self.steps)
            alpha, before = kept[k], kept[k - 1] if k else 1.0
            with torch.no_grad():
                clean = known.denoise(x / alpha**0.5, ((1 - alpha) / alpha) ** 0.5)
            slope, misfit = _slope(likelihood, clean)
            trace.append(misfit)
            x = _posterior(x, clean, alpha, before, generator) - self.rate * STEPS / self.steps * slope
        chi2 = likelihood.residual(x).square().mean(dim=1)
        return Draws(x, trace={"chi2": chi2.tolist(), "misfit": trace})


def schedule(steps: int) -> list[float]:
    """alpha_bar after each of so many steps, taken evenly from theirs.

    >>> round(schedule(200)[-1], 2)
    0.13
    """
    theirs = (1 - torch.linspace(FIRST, LAST, STEPS, dtype=torch.float64)).cumprod(0)
    return [float(theirs[round(k * STEPS / steps) - 1]) for k in range(1, steps + 1)]


def _slope(likelihood: LikelihoodLike, clean: Tensor) -> tuple[Tensor, float]:
    """The gradient of |d - F(m)|^2 at m, of unit length for each realization, and the mean chi2 there."""
    with torch.enable_grad():
        m = clean.detach().requires_grad_()
        squares = likelihood.residual(m).square()
        (slope,) = torch.autograd.grad(squares.sum(), m)
    length = slope.flatten(1).norm(dim=1).clamp(min=1e-30)
    return slope / length.reshape(-1, 1, 1, 1, 1), float(squares.detach().mean())


def _posterior(x: Tensor, clean: Tensor, alpha: float, before: float, generator: torch.Generator) -> Tensor:
    """x one DDPM step earlier, drawn given x and the clean realization (Ho et al. 2020, equation 7)."""
    beta = 1 - alpha / before
    mean = (before**0.5 * beta * clean + (alpha / before) ** 0.5 * (1 - before) * x) / (1 - alpha)
    std = ((1 - before) / (1 - alpha) * beta) ** 0.5
    found: Tensor = mean + std * torch.randn(x.shape, generator=generator).to(x)
    return found
