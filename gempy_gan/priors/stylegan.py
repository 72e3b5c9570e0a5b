"""StyleGAN as a prior: a style for the whole box, and latents that act where they lie."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain, known
from gempy_gan.networks.plane_discriminator import PlaneDiscriminator
from gempy_gan.networks.stylegan3d import StyleGenerator
from gempy_gan.priors.adversarial import RULES, AdversarialRecipe
from gempy_gan.priors.generator import GeneratorPrior, kept

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import LatentPrior

GAME: dict[str, Any] = {  # of several rates, penalties and losses, the best after 30,000 boxes of 16 x 16 x 8
    "loss": "hinge",
    "rate": 5e-4,
    "rate_discriminator": 1e-3,
    "r1": 1.0,
    "compensated": True,
    "batch": 32,
    "average": 1000.0,
}
PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"generator": (32, 64, 96, 128), "discriminator": (32, 64, 96, 128), "maps": (1, 1, 4, 16)},
    "small": {"generator": (32, 64, 128, 192, 256), "discriminator": (32, 64, 128, 192, 256), "maps": (1, 1, 2, 8, 32)},
    "paper": {
        "generator": (32, 64, 128, 256, 256, 256),
        "discriminator": (32, 64, 128, 256, 256, 256),
        "maps": (1, 1, 1, 4, 16, 32),
        "batch": 64,
    },
}
NETWORK: dict[str, Any] = {**PRESETS["small"], "style": 64, "ordered": True, "keep_discriminator": True}


class StyleGanPrior(GeneratorPrior):
    """Realizations of a style-based generator. Build one with `of`, from a file with `load_prior`, or train one.

    Latents are the style, then one map per level, finest first, each (channels, nx / 2**level, ny / 2**level), then the labels
    left open. The generator runs over x and y: boxes of another size there come from the same weights.
    """

    def __init__(
        self,
        domain: Domain,
        networks: Mapping[str, nn.Module],
        options: Mapping[str, Any],
        labels: Mapping[str, float] | None = None,
    ) -> None:
        self.style = int(options["style"])
        self.maps = _map_shapes(domain.shape, options["maps"])
        self.noise = self.style + sum(math.prod(shape) for shape in self.maps)
        super().__init__(domain, networks, options, labels)

    @classmethod
    def of(cls, domain: Domain, networks: Mapping[str, nn.Module] | None = None, **options: Any) -> StyleGanPrior:
        """Build one.

        `options` of the networks: `style` latents for the whole box; `generator`, `maps` and `discriminator`, the channels of
        the features and latent maps of each level, finest first; `ordered` times; `keep_discriminator`. And `labels`, in their
        own units, that are fixed.
        """
        labels = options.pop("labels", None)
        plan = {**NETWORK, **known(options, [*NETWORK, "labels"], "StyleGAN")}
        return cls(domain, kept(networks or _networks(domain, plan), plan), plan, labels)

    @classmethod
    def recipe(cls, domain: Domain, preset: str = "small", **options: Any) -> AdversarialRecipe:
        """How it is trained; `options` are those of `of` and `gempy_gan.priors.adversarial.Game`."""
        if preset not in PRESETS:
            raise GempyGanError(f"A StyleGAN has no preset {preset!r}. Expected one of: {', '.join(PRESETS)}.")
        given = known(options, [*NETWORK, *RULES], "StyleGAN")
        return AdversarialRecipe(domain, cls, {**GAME, **PRESETS[preset], **given})

    def raw(self, noise: Tensor, labels: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """The generator's raw output."""
        style, maps = noise[:, : self.style], noise[:, self.style :]
        return self.generate((torch.cat([style, labels], dim=1), self.unflat(maps)), weights)

    def unflat(self, latents: Tensor) -> list[Tensor]:
        """Latents of maps (n, latents) as the map of each level, finest first."""
        flat = torch.split(latents, [math.prod(shape) for shape in self.maps], dim=1)
        return [part.reshape(len(part), *shape) for part, shape in zip(flat, self.maps, strict=True)]

    def space(self, name: str, **options: Any) -> LatentPrior:
        """`w`: with the style behind the mapping; `w+`: with one such style for each level. See `gempy_gan.priors.spaces`."""
        from gempy_gan.priors.spaces import StyleSpace

        if name not in ("w", "w+"):
            raise GempyGanError(f"{type(self).__name__} has no latent space {name!r}. Expected 'w' or 'w+'.")
        known(options, [], "space of styles")
        return StyleSpace(self, len(self.maps) if name == "w+" else 1)

    @property
    def latent_positions(self) -> Tensor:
        """Fractional cell indices (latents, 3) of the latents of maps; NaN for the style and the labels, which act everywhere."""
        nowhere = torch.full((self.latent_shape[0], 3), torch.nan)
        parts = [_positions(shape, self.shape) for shape in self.maps]
        nowhere[self.style : self.noise] = torch.cat(parts)
        return nowhere


def _networks(domain: Domain, plan: Mapping[str, Any]) -> dict[str, nn.Module]:
    if len(plan["generator"]) != len(plan["maps"]):
        raise GempyGanError(
            f"The generator has {len(plan['generator'])} widths and {len(plan['maps'])} maps. Expected one of each per level."
        )
    channels, nz, labels = len(domain.properties), domain.shape[2], len(domain.labels)
    networks = {
        "generator": StyleGenerator(channels, nz, plan["generator"], plan["maps"], plan["style"], labels),
        "discriminator": PlaneDiscriminator(channels * nz, plan["discriminator"], labels),
    }
    return {name: network.to(memory_format=torch.channels_last) for name, network in networks.items()}  # type: ignore[call-overload]


def _map_shapes(shape: tuple[int, int, int], maps: Sequence[int]) -> list[tuple[int, int, int]]:
    nx, ny, _ = shape
    step = 2 ** (len(maps) - 1)
    if nx % step or ny % step:
        raise GempyGanError(
            f"The boxes have {nx} x {ny} columns. Expected multiples of {step}, since there are {len(maps)} levels."
        )
    return [(int(channels), nx // 2**level, ny // 2**level) for level, channels in enumerate(maps)]


def _positions(map_shape: tuple[int, int, int], shape: tuple[int, int, int]) -> Tensor:
    """Where the latents of one map lie, (latents, 3): their own cells' centres in x and y, the middle of the box in z."""
    channels, mx, my = map_shape
    x = (torch.arange(mx) + 0.5) * (shape[0] / mx) - 0.5
    y = (torch.arange(my) + 0.5) * (shape[1] / my) - 0.5
    z = torch.tensor((shape[2] - 1) / 2)
    return torch.stack([part.expand(channels, mx, my) for part in (x[:, None], y, z)], dim=-1).reshape(-1, 3)
