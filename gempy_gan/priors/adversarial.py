"""The game of a generator against a discriminator, as a recipe that the training engine drives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain, Recipe
from gempy_gan.networks.gan_losses import LOSSES, gradient_penalty, r1_penalty

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from gempy_gan.priors.generator import GeneratorPrior


@dataclass(frozen=True)
class Game:
    """The rules: `loss` is one of `LOSSES`; Adam with `rate` and `betas`; each step teaches both networks once.

    `r1` weighs the penalty on the discriminator's slope at real boxes every `lazy` steps, times `lazy` where it is
    `compensated` (Karras et al. 2020, appendix B), which Rongier & Peeters (2025) leave out; `slope` weighs that of WGAN-GP,
    each step. `average` is the half-life, in steps, of the generator's moving average.
    """

    loss: str = "non-saturating"
    rate: float = 2e-4
    rate_discriminator: float | None = None
    betas: tuple[float, float] = (0.0, 0.99)
    r1: float = 10.0
    lazy: int = 16
    compensated: bool = False
    slope: float = 0.0
    batch: int = 64
    average: float = 500.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise GempyGanError(f"The loss {self.loss!r} is unknown. Expected one of: {', '.join(LOSSES)}.")
        wrong = [name for name in ("rate", "lazy", "batch", "average") if getattr(self, name) <= 0]
        wrong += [name for name in ("r1", "slope") if getattr(self, name) < 0]
        if wrong:
            raise GempyGanError(f"{wrong[0]} = {getattr(self, wrong[0])} was asked for. Expected a positive number.")


RULES = tuple(rule.name for rule in fields(Game))


class AdversarialRecipe(Recipe):
    """One step each for the discriminator and the generator of a prior of class `kind`, whose `options` are mixed with the rules.

    The discriminator sees boxes as a user would, times decoded, scaled to [-1, 1]. Generated boxes get the labels of the real
    ones beside them.
    """

    averaged = ("generator",)

    def __init__(self, domain: Domain, kind: type[GeneratorPrior], options: Mapping[str, Any]) -> None:
        self.domain, self.kind = domain, kind
        self.game = game = Game(**{name: value for name, value in options.items() if name in RULES})
        self.options = {name: value for name, value in options.items() if name not in RULES}
        self.model = kind.of(domain, **{**self.options, "keep_discriminator": True})
        self.networks = self.model.networks
        self.batch, self.average = game.batch, game.average
        rates = {"generator": game.rate, "discriminator": game.rate_discriminator or game.rate}
        betas = (float(game.betas[0]), float(game.betas[1]))
        self.optimizers: Mapping[str, Optimizer] = {
            name: torch.optim.Adam(self.networks[name].parameters(), rate, betas) for name, rate in rates.items()
        }

    def step(self, values: Tensor, labels: Tensor, number: int) -> dict[str, Tensor]:
        """One step of the game; shows both losses, the mean logits, and the penalty where it was due."""
        for network in self.networks.values():
            network.train()
        real = self.model.channels.encode(values)
        fake = self._made(labels)
        shown = self._teach_discriminator(real, fake.detach(), labels, number)
        return {**shown, "generator": self._teach_generator(fake, labels)}

    def _made(self, labels: Tensor) -> Tensor:
        noise = torch.randn(len(labels), self.model.noise, device=labels.device)
        return self.model.channels.encode(self.model.channels.decode(self.model.raw(noise, labels)))

    def _teach_discriminator(self, real: Tensor, fake: Tensor, labels: Tensor, number: int) -> dict[str, Tensor]:
        discriminator = self.networks["discriminator"]
        on_real, on_fake = discriminator(real, labels).float(), discriminator(fake, labels).float()
        loss = LOSSES[self.game.loss].discriminator(on_real, on_fake)
        penalties = self._penalties(real, fake, labels, number)
        _take(self.optimizers["discriminator"], loss + sum(penalties.values()))
        shown = {"discriminator": loss, "on_real": on_real.mean(), "on_fake": on_fake.mean(), **penalties}
        return {name: value.detach() for name, value in shown.items()}

    def _penalties(self, real: Tensor, fake: Tensor, labels: Tensor, number: int) -> dict[str, Tensor]:
        game, found = self.game, {}

        def judge(boxes: Tensor) -> Tensor:
            logits: Tensor = self.networks["discriminator"](boxes, labels)
            return logits

        if game.r1 and number % game.lazy == game.lazy - 1:
            found["r1"] = game.r1 * (game.lazy if game.compensated else 1) * r1_penalty(judge, real)
        if game.slope:
            found["slope"] = game.slope * gradient_penalty(judge, real, fake)
        return found

    def _teach_generator(self, fake: Tensor, labels: Tensor) -> Tensor:
        discriminator = self.networks["discriminator"].requires_grad_(False)  # its slopes in the boxes are all that is needed
        loss = LOSSES[self.game.loss].generator(discriminator(fake, labels).float())
        _take(self.optimizers["generator"], loss)
        discriminator.requires_grad_(True)
        return loss.detach()

    def prior(self, networks: Mapping[str, nn.Module]) -> GeneratorPrior:
        """The prior of these networks."""
        return self.kind.of(self.domain, networks, **self.options)


def _take(optimizer: Optimizer, loss: Any) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
