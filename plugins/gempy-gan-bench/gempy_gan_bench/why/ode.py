"""The latents of a diffusion prior: the noise that its deterministic flow starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gempy_gan import GempyGanError
from gempy_gan.denoising import heun, noise_levels
from gempy_gan.prior import DiffusionPrior, LatentPrior


class OdeLatents(LatentPrior):
    """A diffusion prior as a decoder of its own noise: one latent for each value, followed down the probability flow.

    decode(z) starts from centre + sigma_max z and takes `steps` steps of Heun's method (Karras et al. 2022, algorithm 1), which
    ends in a realization and can be differentiated: 2 `steps` - 1 evaluations of the network.

    Raises GempyGanError for fewer than 2 steps.
    """

    def __init__(self, prior: DiffusionPrior, steps: int = 12) -> None:
        if steps < 2:
            raise GempyGanError(f"The flow of a diffusion prior was to be followed in {steps} steps. Expected at least 2.")
        self.of, self.steps = prior, steps
        self.properties, self.shape, self.cell_size = prior.properties, prior.shape, prior.cell_size
        self.latent_shape = (len(prior.properties), *prior.shape)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (n, c, nx, ny, nz) to realizations of the same shape."""
        start = self.of.centre + self.of.sigma_max * z
        return self.of.finish(heun(self.of.denoise, start, noise_levels(self.of, self.steps)))

    @property
    def latent_positions(self) -> Tensor:
        """Each latent acts around its own cell."""
        cells = torch.cartesian_prod(*(torch.arange(float(n)) for n in self.shape))
        return cells.repeat(len(self.properties), 1)

    def state(self) -> Mapping[str, Any]:
        """The options of the prior, and the steps."""
        return {"prior": type(self.of).__name__, "options": dict(self.of.state()), "steps": self.steps}
