"""The baseline of every comparison: realizations of the prior that know nothing of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from gempy_gan import GempyGanError, Strategy, get_strategy
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategy import Draws, LikelihoodLike
from gempy_gan_bench.protocol import BASELINE
from gempy_gan_bench.why.problem import decoded


@dataclass
class Unconditional(Strategy):
    """Realizations of the prior, whatever the data are: what a strategy has to beat, and the worst start of pivotal tuning."""

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations, with their latents where the prior has any."""
        del likelihood
        if not isinstance(prior, LatentPrior):
            return Draws(prior.sample(n, generator))
        z = torch.randn((n, *prior.latent_shape), generator=generator)
        return Draws(decoded(prior, z), z)


def strategy_of(name: str, options: Mapping[str, Any]) -> Strategy:
    """The strategy of that name, this one included. Raises PluginError and GempyGanError as `gempy_gan.get_strategy`."""
    if name != BASELINE:
        return get_strategy(name, **options)
    if options:
        raise GempyGanError(f"'{BASELINE}' got the options {', '.join(options)}. Expected none: it has no options.")
    return Unconditional()
