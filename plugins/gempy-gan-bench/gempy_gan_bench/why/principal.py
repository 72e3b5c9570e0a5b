"""Principal components as a prior: the cheapest latent space that learns from training images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from gempy_gan import GempyGanError, Property
from gempy_gan.prior import LatentPrior

RANK = 1e-6  # of the largest variance, below which there is nothing but rounding


class PrincipalPrior(LatentPrior):
    """N(mean, covariance) of training images (N, c, nx, ny, nz), in their leading `components` (all where None).

    decode(z) = mean + sum_k z_k sqrt(variance_k) component_k: linear, trained in a second, and without a shape that two-point
    statistics do not have. It shows what training images a linear latent space needs, where a GAN would take hours.

    Raises GempyGanError for fewer than two images.
    """

    def __init__(
        self,
        images: Tensor,
        properties: Sequence[Property | str],
        cell_size: Sequence[float],
        components: int | None = None,
    ) -> None:
        if len(images) < 2:
            raise GempyGanError(f"{len(images)} training images were given. Expected at least 2.")
        self.properties = tuple(p if isinstance(p, Property) else Property(p) for p in properties)
        nx, ny, nz = images.shape[2:]
        self.shape = (nx, ny, nz)
        dx, dy, dz = cell_size
        self.cell_size = (float(dx), float(dy), float(dz))
        flat = images.flatten(1).float()
        self.mean = flat.mean(dim=0)
        off = flat - self.mean
        values, vectors = torch.linalg.eigh((off @ off.T).double())  # of the images' products: fewer than there are cells
        rank = int((values > RANK * values[-1]).sum())
        kept = rank if components is None else min(components, rank)
        self.basis = vectors[:, -kept:].flip(1).float().T @ off / (len(images) - 1) ** 0.5
        self.latent_shape = (kept,)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (n, k) to realizations."""
        m: Tensor = self.mean.to(z) + z @ self.basis.to(z)
        return m.reshape(len(z), len(self.properties), *self.shape)

    def state(self) -> Mapping[str, Any]:
        """How many components were kept."""
        return {"components": self.latent_shape[0]}
