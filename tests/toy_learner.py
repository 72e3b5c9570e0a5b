"""A learned prior for the tests: principal components by gradient descent, a fraction of a millisecond a step.

Also a plugin file (`gempy-gan --plugin tests/toy_learner.py`) that registers it as `toy-learner`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gempy_gan.errors import GempyGanError
from gempy_gan.hookspecs import hookimpl
from gempy_gan.learning import Domain, LearnedPrior, Recipe
from gempy_gan.prior import LatentPrior


@hookimpl
def gempy_gan_register_priors(register: Any) -> None:
    register("toy-learner", "toy_learner:ToyLearner", "linear decoder, for tests")


class ToyLearner(LearnedPrior, LatentPrior):
    """m = decoder(z) between 0 and 1, to which labels that are fixed add some of their scaled values."""

    def __init__(
        self,
        domain: Domain,
        networks: Mapping[str, nn.Module] | None,
        latents: int,
        labels: Mapping[str, float] | None = None,
    ) -> None:
        self.domain, self.options = domain, {"latents": latents}
        self.shift = 0.2 * sum(label for label in domain.scaled(labels or {}) if not math.isnan(label))
        self.properties, self.shape, self.cell_size = domain.properties, domain.shape, domain.cell_size
        self.latent_shape = (latents,)
        self.networks = {"decoder": (networks or _networks(domain, latents))["decoder"]}

    @classmethod
    def of(
        cls,
        domain: Domain,
        networks: Mapping[str, nn.Module] | None = None,
        latents: int = 4,
        labels: Mapping[str, float] | None = None,
    ) -> ToyLearner:
        return cls(domain, networks, latents, labels)

    @classmethod
    def recipe(cls, domain: Domain, preset: str = "small", **options: Any) -> ToyRecipe:
        return ToyRecipe(domain, **options)

    def decode(self, z: Tensor) -> Tensor:
        m: Tensor = self.networks["decoder"](z)
        return (m.reshape(len(z), len(self.properties), *self.shape) + self.shift).clamp(0, 1)

    def state(self) -> Mapping[str, Any]:
        return dict(self.options)


class ToyRecipe(Recipe):
    """Autoencoder on noisy codes. `nan_at` makes the loss of that step infinite, `pause` makes each step take that long."""

    averaged = ("decoder",)
    batch = 8
    average = 20.0

    def __init__(
        self, domain: Domain, latents: int = 4, rate: float = 1e-2, nan_at: int | None = None, pause: float = 0.0
    ) -> None:
        self.domain, self.latents, self.nan_at, self.pause = domain, latents, nan_at, pause
        if latents < 1:
            raise GempyGanError(f"latents = {latents} was asked for. Expected at least 1.")
        self.networks = _networks(domain, latents)
        self.optimizers = {name: torch.optim.Adam(net.parameters(), rate) for name, net in self.networks.items()}

    def step(self, values: Tensor, labels: Tensor, number: int) -> dict[str, Tensor]:
        time.sleep(self.pause)
        flat = values.flatten(1)
        code = self.networks["encoder"](torch.cat([flat, labels], dim=1))
        code = code + 0.1 * torch.randn_like(code)
        loss = (self.networks["decoder"](code) - flat).square().mean()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {"loss": loss.detach() * (math.inf if number == self.nan_at else 1.0)}

    def prior(self, networks: Mapping[str, nn.Module]) -> ToyLearner:
        return ToyLearner(self.domain, networks, self.latents)


def _networks(domain: Domain, latents: int) -> dict[str, nn.Module]:
    cells = len(domain.properties) * math.prod(domain.shape)
    return {
        "encoder": nn.Linear(cells + len(domain.labels), latents),
        "decoder": nn.Sequential(nn.Linear(latents, cells), nn.BatchNorm1d(cells)),
    }
