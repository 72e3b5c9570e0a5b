"""Gaussian references for proposals: the prior, or its update by a linearization of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.gauss_newton import gauss_newton
from gempy_gan.strategies.misfit import Linearization, Misfit

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 2**22  # latents that are linearized at once
SMALLEST = 1e-2  # information, relative to the prior's, below which a direction is left to the prior


@dataclass(frozen=True)
class Reference:
    """N(mean, (I + V' diag(information) V)^-1) over flat latents (k,); the rows of V (r, k) are orthonormal."""

    mean: Tensor
    information: Tensor
    directions: Tensor

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n deviations from the mean, (n, k)."""
        noise = torch.randn((n, len(self.mean)), generator=generator)
        shrink = (1 + self.information).rsqrt() - 1
        return noise + ((noise @ self.directions.T) * shrink) @ self.directions

    def log_weight(self, deviation: Tensor) -> Tensor:
        """log of N(0, I) over the reference, (n,), up to a constant, at mean + deviation (n, k)."""
        inside = (deviation @ self.directions.T).square() @ self.information
        return 0.5 * inside - deviation @ self.mean


def prior_reference(latents: int) -> Reference:
    """The prior itself."""
    return Reference(torch.zeros(latents), torch.zeros(0), torch.zeros((0, latents)))


def laplace_reference(misfit: Misfit, rank: int, generator: torch.Generator) -> Reference:
    """The Laplace approximation at the posterior mode that Gauss-Newton finds from the centre of the prior.

    The directions in which the data inform most come from a randomized Nystrom approximation of A A' of this rank (Frangella,
    Tropp & Udell 2023, algorithm 2.1), exact when the rank reaches the number of data.
    """
    centre = torch.zeros((1, *misfit.prior.latent_shape))
    mode = gauss_newton(misfit, centre, centre, 1.0, 50, 0.01).z
    values, vectors = _leading(misfit, mode, rank, generator)
    keep = values > SMALLEST
    values, vectors = values[keep], vectors[:, keep]
    pulled = [_linear(misfit, mode, part).pull(part).flatten(1) for part in _parts(vectors.T.contiguous(), mode)]
    directions = torch.cat([torch.zeros((0, mode.numel())), *pulled]) / values.sqrt()[:, None]
    # proposals are reversible only if the directions are orthonormal to rounding, whatever the accuracy of the eigenvectors
    return Reference(mode.flatten(), values, torch.linalg.qr(directions.T)[0].T.contiguous())


def _leading(misfit: Misfit, z: Tensor, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Leading eigenvalues (r,) and eigenvectors (d, r) of A A' at the latent z (1, ...)."""
    d = len(misfit.likelihood.observed)
    probes = torch.eye(d)
    if rank < d:
        probes = torch.linalg.qr(torch.randn((d, rank), generator=generator))[0].T.contiguous()
    images = []
    for part in _parts(probes, z):
        at = _linear(misfit, z, part)
        images.append(at.push(at.pull(part)))
    image, probes = torch.cat(images).double(), probes.double()
    shift = float(torch.finfo(torch.float32).eps * image.norm())  # makes up for rounding; taken off the eigenvalues again
    image = image + shift * probes
    gram = probes @ image.T
    factor, failed = torch.linalg.cholesky_ex((gram + gram.T) / 2)
    if failed:
        raise GempyGanError("The data's sensitivities to the latents cannot be factored. Expected a smooth forward operator.")
    vectors, singular, _ = torch.linalg.svd(torch.linalg.solve_triangular(factor, image, upper=False).T, full_matrices=False)
    return (singular.square() - shift).clamp(min=0).float(), vectors.float()


def _linear(misfit: Misfit, z: Tensor, part: Tensor) -> Linearization:
    return misfit.linearize(z.expand(len(part), *z.shape[1:]).contiguous())


def _parts(rows: Tensor, z: Tensor) -> tuple[Tensor, ...]:
    return torch.split(rows, max(1, BATCH // z.numel()))
