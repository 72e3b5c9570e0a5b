"""Guided denoising: what hard data imply the denoiser knows, towards all other data it is led."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.denoising import follow, within
from gempy_gan.errors import GempyGanError
from gempy_gan.prior import DiffusionPrior
from gempy_gan.strategies.gauss_newton import solve
from gempy_gan.strategies.misfit import Linearization, linearize
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import Prior

ACCURACY = 1e-2  # relative residual at which the linear solver stops
SOLVER_STEPS = 40


@dataclass
class Guided(Strategy):
    """Denoise from pure noise, given the hard data as the denoiser's condition and guided to the rest.

    At each of `steps` noise levels the expected clean realization m(x) is moved by sigma^2 J' A' (r^2 A A' + I)^-1 (d - F(m)):
    pseudo-inverse guidance (Song et al. 2023, equation 7) with J the denoiser's Jacobian, A that of the whitened forward
    operator at m(x), linearized anew at every level, and r^2 = sigma^2 s^2 / (sigma^2 + s^2) the variance that the noise leaves
    to a cell of prior spread s. `spread` replaces the prior's own s. A prior whose denoiser takes no condition is guided to
    the hard data too; with one that does, no other data may pull a cell farther from its hard data than their errors allow.
    """

    requires = DiffusionPrior

    steps: int = 24
    spread: float | None = None

    def __post_init__(self) -> None:
        if self.steps < 2 or (self.spread is not None and not self.spread > 0):
            raise GempyGanError(
                f"Guided denoising got {self.steps} steps and spread {self.spread}. Expected 2 or more steps, a spread above 0."
            )

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations."""
        assert isinstance(prior, DiffusionPrior)  # noqa: S101  # `check` has said so to the user
        guide = _Guide(prior, likelihood, self.spread or prior.spread, 2 * self.steps - 1)
        values = follow(prior, guide, n, generator, self.steps)
        misfit = likelihood.residual(values).square().mean(dim=1) if len(likelihood.observed) else values.new_zeros(n)
        return Draws(values, trace={"chi2": misfit.tolist()})


class _Guide:
    """The expected clean realization given noise level and data, as `heun` asks for it."""

    def __init__(self, prior: DiffusionPrior, likelihood: LikelihoodLike, spread: float, total: int) -> None:
        self.prior, self.likelihood, self.spread, self.total = prior, likelihood, spread, total
        mask, values, std = likelihood.known
        self.condition = (mask, values, std) if prior.conditional and likelihood.hard else None
        self.first = likelihood.hard if prior.conditional else 0  # of the data that must be guided to
        self.precision = torch.where(mask, 1 / std.clamp(min=1e-6).square(), 0.0) if self.condition else torch.zeros(())
        self.asked = 0

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        progress.report("noise levels", self.asked, self.total)
        self.asked += 1
        if self.first == len(self.likelihood.observed):
            return self.prior.denoise(x, sigma, self.condition)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            clean = self.prior.denoise(x, sigma, self.condition)
            pull = self._towards_data(clean.detach(), sigma)
            (move,) = torch.autograd.grad(clean, x, pull)
        moved, x = (clean + sigma**2 * move).detach(), x.detach()
        return within(moved, x, sigma, *self.condition) if self.condition else moved

    def _towards_data(self, clean: Tensor, sigma: float) -> Tensor:
        """A' (r^2 A A' + I)^-1 (d - F(m)) / std at m = clean."""
        variance = 1 / (1 / sigma**2 + 1 / self.spread**2 + self.precision.to(clean))
        at = linearize(lambda m: self.likelihood.residual(m)[:, self.first :], clean)
        scale = variance.sqrt()
        scaled = Linearization(at.residual, lambda v: scale * at.pull(v), lambda w: at.push(scale * w))
        right = -at.residual
        gap = ACCURACY**2 * right.shape[1]
        dual, _ = solve(scaled, right, torch.zeros_like(right), 1.0, gap, right.new_full((len(right),), ACCURACY), SOLVER_STEPS)
        return at.pull(dual)
