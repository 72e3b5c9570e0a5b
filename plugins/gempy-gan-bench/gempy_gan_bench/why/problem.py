"""One inverse problem of the protocol: a prior, a truth, its first wells, and the likelihood they make."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan import Constraints, GempyGanError, HardData, Prior
from gempy_gan.likelihood import Likelihood, channel
from gempy_gan.prior import DiffusionPrior, LatentPrior
from gempy_gan_bench import observations
from gempy_gan_bench.protocol import PROPERTY, Protocol
from gempy_gan_bench.truths import Truth
from gempy_gan_bench.why.ode import OdeLatents

AT_ONCE = 2**21  # values that are decoded at once


@dataclass(frozen=True, eq=False)
class Problem:
    """`truth` (nx, ny, nz) is the coarse fraction, `wells` are its data."""

    prior: Prior
    truth: NDArray[np.float64]
    wells: HardData
    constraints: Constraints
    likelihood: Likelihood

    @classmethod
    def of(cls, prior: Prior, protocol: Protocol, truth: Truth, wells: int) -> Problem:
        """The truth's first `wells` wells, as the protocol observes them."""
        data = observations.wells(protocol, truth, wells)
        constraints = Constraints(observations.grid_of(protocol, prior.cell_size), data)
        return cls(prior, truth.fraction, data, constraints, Likelihood.of(constraints, prior))

    def fractions(self, m: Tensor) -> NDArray[np.float64]:
        """The coarse fraction (n, nx, ny, nz) of realizations (n, c, nx, ny, nz)."""
        found: NDArray[np.float64] = m[:, channel(self.prior.properties, PROPERTY)].detach().double().numpy()
        return found

    def well_error(self, m: Tensor) -> NDArray[np.float64]:
        """Mean absolute error at the wells (n,): the inversion error."""
        return np.asarray(np.abs(self.fractions(m)[:, *self.wells.cells.T] - self.wells.values).mean(axis=1))

    def general_error(self, m: Tensor) -> NDArray[np.float64]:
        """Mean absolute difference (n,) to the truth in the cells that no well goes through: the generalization error."""
        unknown = np.ones(self.truth.shape, dtype=bool)
        unknown[tuple(self.wells.cells.T)] = False
        return np.asarray(np.abs(self.fractions(m) - self.truth)[:, unknown].mean(axis=1))


def latent_prior(prior: Prior, steps: int) -> LatentPrior:
    """The prior itself where it has latents, else a diffusion prior's own latents in so many steps of its flow.

    Raises GempyGanError for a prior that has neither.
    """
    if isinstance(prior, LatentPrior):
        return prior
    if isinstance(prior, DiffusionPrior):
        return OdeLatents(prior, steps)
    raise GempyGanError(f"{type(prior).__name__} has no latents. Expected a LatentPrior or a DiffusionPrior.")


def decoded(prior: LatentPrior, z: Tensor) -> Tensor:
    """Realizations of many latents, a few at a time, without gradients."""
    each = max(1, AT_ONCE // (len(prior.properties) * int(np.prod(prior.shape))))
    with torch.no_grad():
        return torch.cat([prior.decode(part) for part in torch.split(z, each)])
