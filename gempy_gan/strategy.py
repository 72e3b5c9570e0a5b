"""How a posterior is sampled: the interface of every strategy, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gempy_gan.errors import GempyGanError
from gempy_gan.prior import Prior

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class LikelihoodLike(Protocol):
    """All a strategy sees of the data: Gaussian observations of a forward operator."""

    @property
    def observed(self) -> Tensor:
        """The data, (d,)."""

    @property
    def std(self) -> Tensor:
        """Their standard deviations, (d,)."""

    @property
    def positions(self) -> Tensor:
        """Fractional cell indices (d, 3), NaN where a datum has no place."""

    @property
    def known(self) -> tuple[Tensor, Tensor, Tensor]:
        """What hard data say of the cells: mask, values, standard deviations, each (c, nx, ny, nz)."""

    @property
    def hard(self) -> int:
        """How many of the data, the first ones, are the hard data of `known`."""

    def predict(self, m: Tensor) -> Tensor:
        """Noise-free data (n, d) of realizations (n, c, nx, ny, nz)."""

    def residual(self, m: Tensor) -> Tensor:
        """(predicted - observed) / std, (n, d)."""

    def log_prob(self, m: Tensor) -> Tensor:
        """log p(d | m), (n,)."""


@dataclass
class Draws:
    """What a strategy returns.

    `values` (n, c, nx, ny, nz) are posterior realizations of equal weight unless `log_weights` (n,) says otherwise
    (normalised: they sum to one after exp). `latents` (n, ...) are what was decoded, where there is such a thing.
    `trace` holds plain JSON values for the diagnosis: acceptance rates, effective sample size, misfit per step.
    """

    values: Tensor
    latents: Tensor | None = None
    log_weights: Tensor | None = None
    trace: Mapping[str, Any] = field(default_factory=dict)


class Strategy(ABC):
    """A way to sample p(m | data). Subclasses are dataclasses of plain options.

    `requires` is the kind of prior it works on. `coupled` says that the n draws of one call depend on each other (an
    ensemble method, a resampled set), so that `invert` must not split them into batches.
    """

    requires: ClassVar[type[Prior]] = Prior  # type: ignore[type-abstract]  # used for isinstance only
    coupled: ClassVar[bool] = False

    @abstractmethod
    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations from the posterior; the generator alone decides which."""

    def check(self, prior: Prior) -> None:
        """Raise GempyGanError, before anything is computed, when this prior cannot do what the strategy needs."""
        if not isinstance(prior, self.requires):
            raise GempyGanError(
                f"{type(self).__name__} needs a {self.requires.__name__}, and {type(prior).__name__} is none. "
                f"Recommended for it: '{prior.recommended}'."
            )
