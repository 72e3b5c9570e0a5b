"""The generative adversarial network of Rongier & Peeters (2025) as a prior, and the steps that lead to it from DCGAN.

Their ablation is eight trainings:

    for step in 0 1 2 3 4 5 6 7; do
        gempy-gan train gan --data set.zarr --labels '' --minutes 30 --set ablation=$step --out ablation/$step
        gempy-gan validate ablation/$step/prior.safetensors --against held-out.zarr
    done
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain, known
from gempy_gan.networks.discriminators import PlainDiscriminator, ResNetDiscriminator
from gempy_gan.networks.resnet3d import Change, PlainGenerator, ResNetGenerator, doublings, unchanged
from gempy_gan.priors.adversarial import RULES, AdversarialRecipe
from gempy_gan.priors.generator import GeneratorPrior, kept

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import LatentPrior

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"latents": 64, "generator": (192, 96, 48, 16), "discriminator": (32, 64, 128, 256), "batch": 32},
    "small": {"latents": 128, "generator": (512, 256, 96, 48, 16), "discriminator": (32, 64, 128, 256, 512), "batch": 32},
    "paper": {
        "latents": 128,
        "generator": (1024, 1024, 512, 256, 128, 64),
        "discriminator": (64, 128, 256, 512, 1024, 1024),
        "batch": 64,
    },
}
# What Rongier & Peeters (2025) added to DCGAN, in their order: step k has everything up to it.
ABLATION: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "DCGAN",
        {
            "residual": False,
            "leaky": False,
            "loss": "probability",
            "betas": (0.5, 0.999),
            "spectral": False,
            "normalise": True,
            "r1": 0.0,
        },
    ),
    ("leaky rectifiers in the generator", {"leaky": True}),
    ("cross entropy of logits", {"loss": "non-saturating"}),
    ("betas of Adam", {"betas": (0.0, 0.99)}),
    ("spectral normalisation", {"spectral": True}),
    ("residual blocks", {"residual": True}),
    ("no batch normalisation in the discriminator", {"normalise": False}),
    ("R1", {"r1": 10.0}),
)
NETWORK: dict[str, Any] = {
    "latents": 128,
    "generator": PRESETS["small"]["generator"],
    "discriminator": PRESETS["small"]["discriminator"],
    "residual": True,
    "leaky": True,
    "spectral": True,
    "normalise": False,
    "bigger": False,
    "ordered": True,
    "keep_discriminator": True,
}


class GanPrior(GeneratorPrior):
    """Realizations of a 3-D generator. Build one with `of`, from a file with `load_prior`, or train one."""

    recommended: ClassVar[str] = "space"

    def __init__(
        self,
        domain: Domain,
        networks: Mapping[str, nn.Module],
        options: Mapping[str, Any],
        labels: Mapping[str, float] | None = None,
    ) -> None:
        self.noise = int(options["latents"])
        super().__init__(domain, networks, options, labels)

    @classmethod
    def of(cls, domain: Domain, networks: Mapping[str, nn.Module] | None = None, **options: Any) -> GanPrior:
        """Build one.

        `options` of the networks: `latents`; `generator` and `discriminator`, their widths from the small box up and from the
        whole box down; `residual` blocks or DCGAN's layers with `leaky` or plain rectifiers; `spectral` normalisation;
        `normalise`, batch normalisation in the discriminator; `bigger`, twice the convolutions and blocks; `ordered` times;
        `keep_discriminator`. And `labels`, in their own units, that are fixed.
        """
        labels = options.pop("labels", None)
        plan = {**NETWORK, **known(options, [*NETWORK, "labels"], "GAN")}
        return cls(domain, kept(networks or _networks(domain, plan), plan), plan, labels)

    @classmethod
    def recipe(cls, domain: Domain, preset: str = "small", **options: Any) -> AdversarialRecipe:
        """How it is trained.

        `options` are those of `of` and `gempy_gan.priors.adversarial.Game`, and `ablation`, 0 to 7: what the authors had added
        to DCGAN by that step, see `ABLATION`.
        """
        if preset not in PRESETS:
            raise GempyGanError(f"A GAN has no preset {preset!r}. Expected one of: {', '.join(PRESETS)}.")
        step = options.pop("ablation", len(ABLATION) - 1)
        if step not in range(len(ABLATION)):
            raise GempyGanError(f"ablation = {step} was asked for. Expected 0 ({ABLATION[0][0]}) to {len(ABLATION) - 1}.")
        settings = dict(PRESETS[preset])
        for _, change in ABLATION[: step + 1]:
            settings |= change
        return AdversarialRecipe(domain, cls, {**settings, **known(options, [*NETWORK, *RULES, "ablation"], "GAN")})

    def raw(self, noise: Tensor, labels: Tensor, weights: Sequence[Tensor] | None = None, change: Change = unchanged) -> Tensor:
        """The generator's raw output; `change` is applied to the features of every level."""
        return self.generate((noise, labels, change), weights)

    def space(self, name: str, **options: Any) -> LatentPrior:
        """`features`: with free features at one level, see `gempy_gan.priors.spaces.FeatureSpace`."""
        from gempy_gan.priors.spaces import FeatureSpace

        if name != "features":
            raise GempyGanError(f"{type(self).__name__} has no latent space {name!r}. Expected 'features'.")
        return FeatureSpace(self, **known(options, ["free", "level"], "space of features"))


def _networks(domain: Domain, plan: Mapping[str, Any]) -> dict[str, nn.Module]:
    channels, labels = len(domain.properties), len(domain.labels)
    steps = len(doublings(domain.shape)[1])
    up, down = _widths("generator", plan, steps), _widths("discriminator", plan, steps)
    if plan["residual"]:
        shared = {"labels": labels, "bigger": plan["bigger"], "spectral": plan["spectral"]}
        return {
            "generator": ResNetGenerator(channels, domain.shape, plan["latents"], up, **shared),
            "discriminator": ResNetDiscriminator(channels, domain.shape, down, normalise=plan["normalise"], **shared),
        }
    if labels:
        raise GempyGanError("DCGAN's networks take no labels. Train them without (--labels ''), or with residual blocks.")
    slope = 0.2 if plan["leaky"] else 0.0
    return {
        "generator": PlainGenerator(channels, domain.shape, plan["latents"], up, slope, plan["spectral"]),
        "discriminator": PlainDiscriminator(channels, domain.shape, down, plan["spectral"], plan["normalise"]),
    }


def _widths(network: str, plan: Mapping[str, Any], steps: int) -> Sequence[int]:
    widths = tuple(int(width) for width in plan[network])
    if len(widths) != steps + 1 or min(widths) < 1:
        raise GempyGanError(
            f"The {network} has the widths {widths}. Expected {steps + 1} positive numbers: boxes of this shape are doubled "
            f"{steps} times."
        )
    return widths
