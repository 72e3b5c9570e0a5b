"""Moment-matching posterior sampling: denoising led to data with the covariance that the denoiser itself implies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gempy_gan.denoising import STEPS
from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.guidance import Guide, GuidedStrategy
from gempy_gan.strategies.misfit import Linearization
from gempy_gan.strategies.pigdm import ACCURACY, check_options, conjugate_gradients

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import DiffusionPrior
    from gempy_gan.strategy import LikelihoodLike


@dataclass
class MMPS(GuidedStrategy):
    """Moment-matching posterior sampling (Rozet, Andry, Lanusse & Louppe 2024), led to all data.

    At each of `steps` noise levels the expected clean realization m(x) is moved by V A' (A V A' + I)^-1 (d - F(m)), where
    V = sigma^2 J is the covariance of m given x by Tweedie's formula, J the denoiser's Jacobian, and A that of the whitened
    forward operator at m(x) (their equation 15). The system is solved by at most `solver_steps` conjugate-gradient steps, each
    of which differentiates the denoiser once; few are enough for a handful of data and too few for seismic.

    V is exact wherever the denoiser is, between modes as well: only the shape of p(m | x) is taken for a Gaussian.
    """

    steps: int = STEPS
    solver_steps: int = 5

    def __post_init__(self) -> None:
        check_options(type(self).__name__, self.steps)
        if self.solver_steps < 1:
            raise GempyGanError(f"MMPS got {self.solver_steps} solver steps. Expected 1 or more.")

    def guide(self, prior: DiffusionPrior, likelihood: LikelihoodLike) -> Guide:
        """Moment matching to all data."""
        return _Moments(prior, likelihood, self.solver_steps)


class _Moments(Guide):
    """y = (A V A' + I)^-1 (d - F(m)), where V = sigma^2 J'."""

    def __init__(self, prior: DiffusionPrior, likelihood: LikelihoodLike, solver_steps: int) -> None:
        super().__init__(prior, likelihood)
        self.solver_steps = solver_steps

    def dual(self, at: Linearization, sigma: float, transposed: Callable[[Tensor], Tensor]) -> Tensor:
        """y (n, d); J' stands for J, which is symmetric where the denoiser is a true expectation."""
        implied = Linearization(at.residual, lambda v: sigma**2 * transposed(at.pull(v)), at.push)
        return conjugate_gradients(implied, ACCURACY, self.solver_steps)
