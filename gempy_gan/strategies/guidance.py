"""How denoising is led to data: what all guided strategies share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch

from gempy_gan import progress
from gempy_gan.denoising import ROUNDS, denoised
from gempy_gan.prior import DiffusionPrior, Prior
from gempy_gan.strategies.misfit import Linearization, linearize
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

PLAUSIBLE = 3.0  # standard deviations of a cell behind the noise, by which data may move what is expected of it


@dataclass(frozen=True)
class Lead:
    """What is expected behind noisy realizations: `clean` (n, c, nx, ny, nz) without the data that one is led to, `led` with
    them. `log_data` (n,) is the log density of these data given the noisy realizations, as approximated, up to a constant."""

    clean: Tensor
    led: Tensor
    log_data: Tensor


class Guide:
    """Leads the denoiser of a prior to data: clean + sigma^2 J' A' y, with J the denoiser's Jacobian, A the whitened data's.

    J' A' y is the gradient of the log density of N(d; F(clean), C), whatever C is taken for the covariance of whitened data:
    y = C^-1 (d - F(clean)) is what kinds of guidance differ in, and their `dual` gives. A `masked` guide gives hard data to
    denoisers that take them as a condition, and leads to the rest.

    Above the noise level `sigma_slope` of the prior, J is that of independent cells, `variance` / sigma^2: sigma^2 times the
    Jacobian of a network is mostly error there. A guide that is not `cautious` takes the denoiser's all the same.
    """

    cautious: ClassVar[bool] = True

    def __init__(self, prior: DiffusionPrior, likelihood: LikelihoodLike, masked: bool = False) -> None:
        self.prior, self.likelihood = prior, likelihood
        known = masked and prior.conditional
        self.condition = likelihood.known if known and likelihood.hard else None
        self.first = likelihood.hard if known else 0  # of the data to be led to

    @abstractmethod
    def dual(self, at: Linearization, sigma: float, transposed: Callable[[Tensor], Tensor]) -> Tensor:
        """y (n, d); `transposed` multiplies cells (n, c, nx, ny, nz) by J'."""

    def variance(self, sigma: float, like: Tensor) -> Tensor:
        """The variance that noise leaves to independent cells, broadcast against them."""
        return like.new_tensor(left_variance(sigma, self.prior.spread))

    def plausible(self, move: Tensor, sigma: float) -> Tensor:
        """A move of what is expected, no larger in any cell than data can want.

        A learned denoiser's Jacobian has errors, which sigma^2 blows up: unbounded, fractions are led to -140 and 150.
        """
        most = PLAUSIBLE * left_variance(sigma, self.prior.spread) ** 0.5
        return move.clamp(-most, most)

    def led(self, moved: Tensor, x: Tensor, sigma: float) -> Tensor:
        """What the moved expectation is taken for in the end."""
        return moved

    def __call__(self, x: Tensor, sigma: float) -> Lead:
        """What is expected behind x (n, c, nx, ny, nz), noisy at sigma."""
        if self.first == len(self.likelihood.observed):
            clean = self.prior.denoise(x, sigma, self.condition)
            return Lead(clean, clean, x.new_zeros(len(x)))
        alone = self.cautious and sigma > self.prior.sigma_slope
        with torch.set_grad_enabled(not alone):
            x = x.detach().requires_grad_(not alone)
            clean = self.prior.denoise(x, sigma, self.condition)
            at = linearize(self.residual, clean.detach())

            def transposed(v: Tensor) -> Tensor:
                if alone:
                    return self.variance(sigma, v) / sigma**2 * v
                return torch.autograd.grad(clean, x, v, retain_graph=True)[0]

            dual = self.dual(at, sigma, transposed)
            moved = clean.detach() + self.plausible(sigma**2 * transposed(at.pull(dual)), sigma)
        log_data = 0.5 * (at.residual.double() * dual).sum(dim=1)
        return Lead(clean.detach(), self.led(moved, x.detach(), sigma), log_data)

    def residual(self, m: Tensor) -> Tensor:
        """Whitened residuals (n, d) of the data to be led to."""
        return self.likelihood.residual(m)[:, self.first :]


def left_variance(sigma: float, spread: float) -> float:
    """The variance that noise at sigma leaves to a cell of this spread: r^2 of Song et al. (2023)."""
    return 1 / (1 / sigma**2 + 1 / spread**2)


class GuidedStrategy(Strategy):
    """A strategy that denoises with a diffusion prior, led by a guide, at `steps` noise levels, one evaluation at each."""

    requires = DiffusionPrior

    steps: int

    @abstractmethod
    def guide(self, prior: DiffusionPrior, likelihood: LikelihoodLike) -> Guide:
        """What leads the denoiser of this prior to these data."""

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations."""
        self.check(prior)
        known = cast("DiffusionPrior", prior)
        guide = self.guide(known, likelihood)
        denoise = counted(lambda x, sigma: guide(x, sigma).led, ROUNDS + self.steps)
        with torch.no_grad():
            values = denoised(denoise, known, n, generator, self.steps, guide.condition)
        return Draws(values, trace=fit(likelihood, values))


def counted(denoise: Callable[[Tensor, float], Tensor], total: int) -> Callable[[Tensor, float], Tensor]:
    """The same, telling at each of `total` calls how far it is."""
    asked = 0

    def telling(x: Tensor, sigma: float) -> Tensor:
        nonlocal asked
        progress.report("noise levels", asked, total)
        asked += 1
        return denoise(x, sigma)

    return telling


def fit(likelihood: LikelihoodLike, values: Tensor) -> dict[str, Any]:
    """How well realizations fit the data, for the trace: chi2 of each, 1 where noise is all that is left."""
    chi2 = likelihood.residual(values).square().mean(dim=1) if len(likelihood.observed) else values.new_zeros(len(values))
    return {"chi2": chi2.tolist()}
