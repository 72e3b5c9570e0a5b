"""The empirical prior: one of a set of training images, all equally likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.prior import ExactPrior, FinitePrior
from gempy_gan.priors.examples import load_examples

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.priors.exact import LookupPosterior
    from gempy_gan.properties import Property


class EmpiricalPrior(FinitePrior, ExactPrior):
    """One of N training images, all equally likely; its posterior is a weighted look-up (see `lookup_weights`).

    `examples` is an Ensemble, the path of one, a folder of grid files, or an array (N, c, nx, ny, nz) whose channels
    `properties` names and whose cells measure `cell_size` metres. `sha256`, where given, must be the digest of the values.

    Raises FormatError, GridError or GempyGanError when the images cannot be read or do not fit together.

    >>> prior = EmpiricalPrior(torch.arange(3.0).reshape(3, 1, 1, 1, 1), ["porosity"])
    >>> sorted(set(prior.sample(50, torch.Generator().manual_seed(0)).flatten().tolist()))
    [0.0, 1.0, 2.0]
    """

    def __init__(
        self,
        examples: Any,
        properties: Sequence[Property | str] | None = None,
        cell_size: Sequence[float] | None = None,
        sha256: str | None = None,
    ) -> None:
        self._loaded = load_examples(examples, properties, cell_size, sha256)
        self.examples = self._loaded.values
        self.properties, self.shape, self.cell_size = self._loaded.properties, self._loaded.shape, self._loaded.cell_size

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n images, with replacement."""
        return self.examples[torch.randint(len(self.examples), (n,), generator=generator)]

    def posterior(self, likelihood: Any, linearize: bool = False, determinant: bool = True) -> LookupPosterior:
        """The images weighted by their likelihoods: exact for any data, with no use for either option."""
        from gempy_gan.priors.exact import lookup_posterior

        del linearize, determinant
        return lookup_posterior(self.examples, likelihood)

    def state(self) -> Mapping[str, Any]:
        """The options that build this prior again (`examples` is None for images that came from memory)."""
        return self._loaded.state()
