"""The look-up: what a posterior becomes whose prior knows nothing but its training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.plugins import get_prior
from gempy_gan.prior import Prior
from gempy_gan.strategies.rejection import systematic
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

BATCH_CELLS = 2**22  # cells of the images that are weighed at once


@dataclass
class LookUp(Strategy):
    """Training images, drawn by their likelihoods: the posterior of a prior that has memorized (Siahkoohi & Sabeddu 2026, eq. 2).

    Of a prior that holds its images (empirical, mixture) or, with `examples`, of the training images in that file or folder,
    whatever the prior makes of them: the answer to compare a learned prior's posterior with. Exact for the empirical prior,
    the limit of no spread for the mixture, and for all others what they must not be.

    Resampling is systematic. The trace has the number of images, and of how many the posterior is effectively made.
    """

    coupled: ClassVar[bool] = True

    examples: str | None = None

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n images."""
        self.check(prior)
        images = self._images(prior)
        size = max(1, BATCH_CELLS // images[0].numel())
        with torch.no_grad():
            log = torch.cat([likelihood.log_prob(part.double()) for part in torch.split(images, size)])
        if log.isnan().any():
            raise GempyGanError("The likelihood of a training image is not a number. Check the forward operator and the data.")
        weights = torch.softmax(log, dim=0)
        chosen = systematic(weights, n, generator)
        effective = float(1 / weights.square().sum())
        return Draws(images[chosen].float(), trace={"components": len(images), "effective_components": effective})

    def check(self, prior: Prior) -> None:
        """Raise GempyGanError when there are no images to look up."""
        super().check(prior)
        if self.examples is None and not hasattr(prior, "examples"):
            raise GempyGanError(
                f"{type(self).__name__} needs training images, and {type(prior).__name__} does not hold any. "
                "Give examples, the path of its training set."
            )

    def _images(self, prior: Prior) -> Tensor:
        """Images (N, c, nx, ny, nz) with the prior's box and properties."""
        if self.examples is None:
            held: Tensor = prior.examples  # type: ignore[attr-defined]  # `check` has looked
            return held
        source = get_prior("empirical", examples=self.examples, properties=[p.name for p in prior.properties])
        if tuple(source.shape) != tuple(prior.shape):
            raise GridError(
                f"The training images of {self.examples} have {tuple(source.shape)} cells and the prior {tuple(prior.shape)}. "
                "Expected the same: look up in images of the prior's own box."
            )
        found: Tensor = source.examples  # type: ignore[attr-defined]  # every empirical prior has them
        return found
