"""Any strategy in another latent space of the prior."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, cast

from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    import torch


@dataclass
class InSpace(Strategy):
    """Search another latent space of the prior than its own, with any strategy.

    A generator of few latents cannot honour dense wells: they are more data than it has latents. `space` names a wider one:
    for `gan` "features", with `options` `free` and `level`; for `stylegan` "w" and "w+". See `gempy_gan.priors.spaces` for
    what they are. `strategy` searches it; None is latent optimization by L-BFGS, annealed, until the data are fitted to
    half their noise. The posterior is that of the wider prior.
    """

    requires: ClassVar[type[Prior]] = LatentPrior  # type: ignore[type-abstract]

    space: str = "features"
    options: Mapping[str, Any] = field(default_factory=dict)
    strategy: Strategy | None = None

    @property
    def coupled(self) -> bool:  # type: ignore[override]
        """As the strategy is."""
        return self.inner.coupled

    @property
    def inner(self) -> Strategy:
        """The strategy that searches the space."""
        return self.strategy or Latent("lbfgs", steps=240, annealing=(16, 4), enough=0.5)

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations; their latents are those of the space, which no other strategy could start from."""
        self.check(prior)
        draws = self.inner.sample(self._other(prior), likelihood, n, generator)
        return Draws(draws.values, log_weights=draws.log_weights, trace={**draws.trace, "space": self.space})

    def check(self, prior: Prior) -> None:
        """As for every strategy; and the strategy within must be able to work in the space."""
        super().check(prior)
        self.inner.check(self._other(prior))

    def _other(self, prior: Prior) -> LatentPrior:
        return cast("LatentPrior", prior).space(self.space, **self.options)
