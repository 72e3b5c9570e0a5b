"""What learned priors with a generator have in common: latents in, realizations out, a discriminator that looks at them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain, LearnedPrior
from gempy_gan.networks.channels import Channels
from gempy_gan.prior import TunablePrior

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 2**21  # values that are decoded at once when nothing must be differentiated: more do not fit into caches


class GeneratorPrior(LearnedPrior, TunablePrior):
    """A generator's realizations of standard normal latents (`noise` of them, then one for each label that is left open).

    A latent u of a label stands for the label 2 Phi(u) - 1 on its scale from -1 to 1, which is uniform. `labels` fixes some of
    the labels, in their own units. The option `ordered` decodes times as sums that never decrease upwards.
    """

    noise: int

    @classmethod
    @abstractmethod
    def of(cls, domain: Domain, networks: Mapping[str, nn.Module] | None = None, **options: Any) -> GeneratorPrior:
        """As in LearnedPrior; every class has the options `ordered`, `keep_discriminator` and `labels`."""

    def __init__(
        self,
        domain: Domain,
        networks: Mapping[str, nn.Module],
        options: Mapping[str, Any],
        labels: Mapping[str, float] | None = None,
    ) -> None:
        self.domain, self.networks, self.options = domain, dict(networks), dict(options)
        self.properties, self.shape, self.cell_size = domain.properties, domain.shape, domain.cell_size
        self.channels = Channels(domain.properties, domain.shape[2], options["ordered"])
        self.labels = dict(labels or {})
        asked = domain.scaled(self.labels)
        self._asked = torch.tensor(asked)
        self._open = [k for k, label in enumerate(asked) if math.isnan(label)]
        self.latent_shape = (self.noise + len(self._open),)

    @abstractmethod
    def raw(self, noise: Tensor, labels: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """The generator's raw output of `noise` (n, noise) and labels (n, k) in [-1, 1], in the mode that it is in.

        `weights` are taken in place of its own; `generate` does that.
        """

    def generate(self, inputs: tuple[Any, ...], weights: Sequence[Tensor] | None = None) -> Tensor:
        """The generator's output of its inputs, with its own weights or the given ones, in the order of `parameters()`."""
        generator = self.networks["generator"]
        if weights is None:
            out: Tensor = generator(*inputs)
            return out
        names = [name for name, _ in generator.named_parameters()]
        return cast("Tensor", torch.func.functional_call(generator, dict(zip(names, weights, strict=True)), inputs))

    def decode(self, z: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """Latents (n, latents) to realizations (n, c, nx, ny, nz); batch statistics are the remembered ones."""
        device = z.device  # realizations come back to where the latents are, wherever the networks are
        z = self.entering(z)
        return self.realized(self.raw(z[:, : self.noise], self.labels_of(z[:, self.noise :]), weights)).to(device)

    def entering(self, z: Tensor) -> Tensor:
        """Latents as the generator takes them: where its weights are, in their precision."""
        return z.to(next(self.networks["generator"].eval().parameters()))

    def realized(self, raw: Tensor) -> Tensor:
        """Raw output as realizations."""
        return self.channels.decode(raw).clamp(max=1.0)  # a sum of steps may end after the last moment, which is 1

    def labels_of(self, latents: Tensor) -> Tensor:
        """All labels (n, k) scaled to [-1, 1], from the latents (n, open) of those left open."""
        asked = self._asked.to(latents).expand(len(latents), -1)
        return asked.index_copy(
            1, torch.tensor(self._open, dtype=torch.long, device=latents.device), torch.erf(latents / math.sqrt(2))
        )

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Decode n standard normal latents, a few at once."""
        z = torch.randn((n, *self.latent_shape), generator=generator)
        each = max(1, AT_ONCE // (len(self.properties) * math.prod(self.shape)))
        with torch.no_grad():
            return torch.cat([self.decode(part) for part in torch.split(z, each)])

    def parameters(self) -> Sequence[Tensor]:
        """The generator's weights."""
        return list(self.networks["generator"].parameters())

    def features(self, m: Tensor, faithful: bool = False) -> Sequence[Tensor]:
        """What each level of the discriminator sees, scaled to unit length at each place (LPIPS: Zhang et al. 2018).

        Raises GempyGanError where the discriminator was not kept.
        """
        discriminator: Any = self._discriminator(faithful)
        boxes = self._seen(m)
        levels = discriminator.features(boxes, _unit_length) if faithful else map(_unit_length, discriminator.features(boxes))
        return [level.to(m.device) for level in levels]

    def realism(self, m: Tensor, faithful: bool = False) -> Tensor:
        """The discriminator's logits (n,), whatever the labels; raises as `features` does."""
        logits: Tensor = self._discriminator(faithful)(self._seen(m))
        return logits.to(m.device)

    def _seen(self, m: Tensor) -> Tensor:
        """Realizations as the discriminator takes them."""
        return self.channels.encode(m).to(next(self.networks["discriminator"].parameters()).device)

    def _discriminator(self, training: bool) -> nn.Module:
        if "discriminator" not in self.networks:
            raise GempyGanError(
                "This prior was kept without its discriminator, which compares realizations. Train with keep_discriminator=true."
            )
        return self.networks["discriminator"].train(training)

    def state(self) -> Mapping[str, Any]:
        """The labels that are fixed; the file says the rest."""
        return {"labels": self.labels}


def _unit_length(level: Tensor) -> Tensor:
    return level / (level.square().sum(dim=1, keepdim=True) + 1e-10).sqrt()


def kept(networks: Mapping[str, nn.Module], options: Mapping[str, Any]) -> Mapping[str, nn.Module]:
    """The networks that the options want in the prior."""
    return networks if options["keep_discriminator"] else {"generator": networks["generator"]}
