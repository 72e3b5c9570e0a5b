"""Draws from a posterior that is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gempy_gan.prior import ExactPrior, Prior
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class Exact(Strategy):
    """Independent draws from the posterior of a prior that knows it: Gaussian, mixture, empirical.

    Data must be linear in the realizations, but for the empirical prior. `linearize` lets a mixture prior take others as linear
    around each of its images (Siahkoohi & Sabeddu 2026, equation 5), which is as good as the images' spread is small;
    `determinant=False` leaves the determinant out of the images' weights, as the published code of theirs does.

    The trace of a mixture tells of how many components the posterior is effectively made: 1 / sum(w^2).
    """

    requires: ClassVar[type[Prior]] = ExactPrior  # type: ignore[type-abstract]  # used for isinstance only

    linearize: bool = False
    determinant: bool = True

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n independent realizations."""
        self.check(prior)
        assert isinstance(prior, ExactPrior)  # noqa: S101  # for the type checker
        posterior = prior.posterior(likelihood, self.linearize, self.determinant)
        return Draws(posterior.sample(n, generator).float(), trace=posterior.trace())
