"""What a prior can do: be simulated, be sampled, decode a latent, denoise, be tuned."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gempy_gan.errors import GempyGanError
from gempy_gan.labels import Label
from gempy_gan.properties import Property

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

    from gempy_gan.ensemble import Ensemble


class Prior(ABC):
    """A distribution over realizations of a box of cells.

    `properties` names the channels in order, `shape` is (nx, ny, nz), `cell_size` is (dx, dy, dz) in metres.
    `recommended` is the strategy that `invert` takes when none is named.
    """

    properties: tuple[Property, ...]
    shape: tuple[int, int, int]
    cell_size: tuple[float, float, float]
    recommended: ClassVar[str] = "rejection"

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n independent realizations (n, c, nx, ny, nz) in the properties' own units; the generator alone decides which."""

    def fit(self, images: Ensemble) -> None:  # noqa: B027  # optional: exact priors have nothing to learn
        """Learn from training images; a prior that has nothing to learn ignores them."""

    def state(self) -> Mapping[str, Any]:
        """The options that rebuild this prior, as plain JSON values: what provenance records."""
        return {}


class Simulator(Prior):
    """A prior that runs a process: one seed, one realization, with the labels that it was given.

    `labels` are the numbers that shape a realization, with the ranges they are drawn from; `measured` names those that are
    measured on the result. `mirrors` names the axes ("x", "y" or "xy") along which a mirrored realization is as likely as the
    realization itself. A simulator is built again in worker processes from its class and its `state()`.
    """

    labels: tuple[Label, ...]
    measured: tuple[str, ...] = ()
    mirrors: str = ""

    @abstractmethod
    def simulate(self, seed: int, labels: Mapping[str, float] | None = None) -> tuple[NDArray[Any], dict[str, float]]:
        """Realization (c, nx, ny, nz) float32 of a seed, and its labels, drawn ones first, then measured ones.

        The seed alone decides everything; `labels` given are taken instead of drawn.
        """

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Simulate n seeds drawn from the generator."""
        import numpy as np
        import torch

        seeds = torch.randint(2**31, (n,), generator=generator).tolist()
        return torch.from_numpy(np.stack([self.simulate(seed)[0] for seed in seeds]))


class FinitePrior(Prior):
    """A prior of finitely many realizations, all equally likely: `examples` (N, c, nx, ny, nz) can be enumerated."""

    examples: Tensor


class ExactPosterior(Protocol):
    """A posterior that is known in closed form."""

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n independent realizations (n, c, nx, ny, nz)."""

    def trace(self) -> Mapping[str, Any]:
        """What the diagnosis should know of it, as plain JSON values."""


class ExactPrior(Prior):
    """A prior that knows its posterior in closed form, where the data allow one."""

    @abstractmethod
    def posterior(self, likelihood: Any, linearize: bool = False, determinant: bool = True) -> ExactPosterior:
        """The posterior under a likelihood (see `gempy_gan.strategy.LikelihoodLike`).

        `linearize` takes data that are not linear as linear around each of the prior's components, where it has some; without
        the `determinant` in the weights of these, it is the approximation that was published (see `Exact`).

        Raises GempyGanError where the data have no such posterior.
        """


class LatentPrior(Prior):
    """A prior whose realizations are `decode(z)` of independent standard normal latents z."""

    latent_shape: tuple[int, ...]
    recommended: ClassVar[str] = "latent"

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Latents (n, *latent_shape) to realizations (n, c, nx, ny, nz), differentiably."""

    @property
    def latent_positions(self) -> Tensor | None:
        """Around which fractional cell indices (latents, 3) each latent acts; None where latents have no place."""
        return None

    def space(self, name: str, **options: Any) -> LatentPrior:
        """The same prior with other latents, standard normal as well: a wider set of realizations, or an easier one to search.

        `options` are those of the space. Raises GempyGanError naming the spaces there are; a prior has none unless it says so.
        """
        raise GempyGanError(f"{type(self).__name__} has no other latent space than its own, and {name!r} was asked for.")

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Decode n standard normal latents."""
        import torch

        with torch.no_grad():
            return self.decode(torch.randn((n, *self.latent_shape), generator=generator))


class DiffusionPrior(Prior):
    """A prior that knows the expected clean realization behind a noisy one.

    `sigma_max` is the noise level at which nothing of the realization is left, in the unit of m; `centre` is about the mean
    of the prior, around which noise is drawn at that level, `spread` about the standard deviation of a cell. Sampling ends at
    `sigma_min`, below which the denoiser has nothing to add: the noise of any log, or what a network has learned. Up to
    `sigma_slope` the gradient of the denoiser can be trusted; above, guidance takes cells for independent.
    `conditional` says that `denoise` takes a condition.
    """

    sigma_max: float
    sigma_min: float = 0.002
    sigma_slope: float = math.inf
    centre: float = 0.0
    spread: float = 1.0
    conditional: ClassVar[bool] = False
    recommended: ClassVar[str] = "guided"

    @abstractmethod
    def denoise(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """E[m | m + sigma * noise = x] for x (n, c, nx, ny, nz); sigma is one number or (n,), in the unit of m.

        `condition`, for priors that take one, is a tuple (mask, values) or (mask, values, std), each (c, nx, ny, nz), or
        (n, c, nx, ny, nz) where it differs between rows: cells where `mask` is true are known to be `values`, within `std` (0
        where not given).
        """

    def finish(self, x: Tensor) -> Tensor:
        """What a sampler ends with, x (n, c, nx, ny, nz), as a realization: back in bounds that it left a little."""
        return x


class TunablePrior(LatentPrior):
    """A latent prior whose decoder can be tuned, on a copy, and that can judge realizations.

    `faithful` judges as the published scripts of Rongier & Peeters (2025) do: networks in training mode, which changes what
    they remember of their batches, and each level of features made from the scaled features of the level before.
    """

    @abstractmethod
    def decode(self, z: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """As in LatentPrior; `weights` are taken in place of `parameters()`, differentiably."""

    @abstractmethod
    def parameters(self) -> Sequence[Tensor]:
        """The decoder's trainable tensors."""

    @abstractmethod
    def features(self, m: Tensor, faithful: bool = False) -> Sequence[Tensor]:
        """Perceptual features of realizations (n, c, nx, ny, nz), one tensor (n, features, ...) per level."""

    @abstractmethod
    def realism(self, m: Tensor, faithful: bool = False) -> Tensor:
        """Log odds (n,) that realizations (n, c, nx, ny, nz) are real rather than generated, differentiably."""
