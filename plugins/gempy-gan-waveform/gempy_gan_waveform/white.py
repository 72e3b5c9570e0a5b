"""Independent standard normal values: what the coefficients of a Gaussian field are, with everything known exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gempy_gan import DiffusionPrior, LatentPrior, Property


class WhitePrior(LatentPrior, DiffusionPrior):
    """N(0, 1) in every cell: a latent prior (its values are its latents) and a diffusion prior with its exact denoiser.

    As coefficients of `Modes` it is the Gaussian field itself, which has nothing to memorize: samplers that need a latent prior
    and those that need a denoiser can be compared on it.

    >>> WhitePrior((2, 1, 2)).denoise(torch.ones(1, 1, 2, 1, 2), 1.0).unique().item()
    0.5
    """

    recommended = "hmc"

    def __init__(
        self,
        shape: Sequence[int] = (10, 1, 10),
        cell_size: Sequence[float] = (1.0, 1.0, 1.0),
        property: str = "coefficient",
        sigma_max: float = 20.0,
    ) -> None:
        nx, ny, nz = (int(k) for k in shape)
        dx, dy, dz = (float(size) for size in cell_size)
        self.shape, self.cell_size, self.properties = (nx, ny, nz), (dx, dy, dz), (Property(property),)
        self.latent_shape, self.sigma_max = (1, nx, ny, nz), float(sigma_max)

    def decode(self, z: Tensor) -> Tensor:
        """The latents themselves."""
        return z.clone()

    def denoise(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """x / (1 + sigma^2)."""
        level = torch.as_tensor(sigma).to(x).reshape(-1, 1, 1, 1, 1)
        return x / (1 + level.square())

    def state(self) -> Mapping[str, Any]:
        """The options that build this prior again."""
        known = {"shape": list(self.shape), "cell_size": list(self.cell_size)}
        return {**known, "property": self.properties[0].name, "sigma_max": self.sigma_max}
