"""Pseudo-inverse guidance: denoising led to all data, as if cells were independent given the noisy ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.gauss_newton import solve
from gempy_gan.strategies.guidance import Guide, GuidedStrategy, left_variance
from gempy_gan.strategies.misfit import Linearization

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import DiffusionPrior
    from gempy_gan.strategy import LikelihoodLike

ACCURACY = 1e-2  # relative residual at which the linear solver stops
SOLVER_STEPS = 40


@dataclass
class PiGDM(GuidedStrategy):
    """Pseudo-inverse guided diffusion (Song, Vahdat, Mardani & Kautz 2023), for data with noise and without.

    At each of `steps` noise levels the expected clean realization m(x) is moved by sigma^2 J' A' (r^2 A A' + I)^-1 (d - F(m)):
    their equation 7, with J the denoiser's Jacobian, A that of the whitened forward operator at m(x), linearized anew at every
    level, and r^2 = sigma^2 s^2 / (sigma^2 + s^2) the variance that the noise leaves to a cell of prior spread s. `spread`
    replaces the prior's own s. Their sampler is replaced by one of second order. All data are led to, hard ones too, whatever the
    denoiser could be told: `guided` is the same with a denoiser that knows them.

    Right for a Gaussian prior of independent cells; elsewhere it errs where the noise decides between modes.
    """

    steps: int = 50
    spread: float | None = None

    def __post_init__(self) -> None:
        check_options(type(self).__name__, self.steps, self.spread)

    def guide(self, prior: DiffusionPrior, likelihood: LikelihoodLike) -> Guide:
        """Pseudo-inverse guidance to all data."""
        return PseudoInverse(prior, likelihood, self.spread or prior.spread)


class PseudoInverse(Guide):
    """y = (A V A' + I)^-1 (d - F(m)), where V is diagonal: `variance` says it."""

    def __init__(self, prior: DiffusionPrior, likelihood: LikelihoodLike, spread: float, masked: bool = False) -> None:
        super().__init__(prior, likelihood, masked)
        self.spread = spread

    def variance(self, sigma: float, like: Tensor) -> Tensor:
        """The variance that is left to the cells, broadcast against them."""
        return like.new_tensor(left_variance(sigma, self.spread))

    def dual(self, at: Linearization, sigma: float, transposed: Callable[[Tensor], Tensor]) -> Tensor:
        """y (n, d), by conjugate gradients."""
        scale = self.variance(sigma, at.residual).sqrt()
        return conjugate_gradients(Linearization(at.residual, lambda v: scale * at.pull(v), lambda w: at.push(scale * w)))


def conjugate_gradients(at: Linearization, accuracy: float = ACCURACY, steps: int = SOLVER_STEPS) -> Tensor:
    """-(A B + I)^-1 r (n, d), where B is the `pull` of the linearization and A its `push`."""
    right = -at.residual
    forcing = right.new_full((len(right),), accuracy)
    return solve(at, right, torch.zeros_like(right), 1.0, accuracy**2 * right.shape[1], forcing, steps)[0]


def check_options(name: str, steps: int, spread: float | None = None) -> None:
    """Raise GempyGanError for fewer than two steps, or a spread that is not positive."""
    if steps < 2 or (spread is not None and not spread > 0):
        raise GempyGanError(f"{name} got {steps} steps and spread {spread}. Expected 2 or more steps, a spread above 0.")
