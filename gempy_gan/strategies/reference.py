"""Gaussian references for proposals: the prior, or its update by a linearization of the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.gauss_newton import gauss_newton
from gempy_gan.strategies.misfit import Linearization, Misfit

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 2**22  # latents, and
CELLS = 2**21  # values of realizations, that are linearized at once
LARGEST = 2**28  # numbers in the directions of a reference
OVERSAMPLED = 10  # directions beyond the latents, which round off what is lost in single precision
BAD = 2.0  # half the mean square residual of a mode above which another one is looked for
INFLATIONS = (1e4, 3e3, 1e3, 300, 100, 30, 10, 3)  # of the variance of the data, on the way to that one
SMALLEST = 1e-2  # information, relative to the prior's, below which a direction is left to the prior


@dataclass(frozen=True)
class Deviation:
    """Deviations (n, k) from the mean of a reference, with their components (n, r) along its directions."""

    whole: Tensor
    inside: Tensor

    def mixed(self, share: Tensor | float, other: Deviation, rest: Tensor | float) -> Deviation:
        """share * self + rest * other, with numbers or columns (n, 1)."""
        return Deviation(share * self.whole + rest * other.whole, share * self.inside + rest * other.inside)

    def where(self, chosen: Tensor, other: Deviation) -> Deviation:
        """The rows of self where `chosen` (n,), else those of `other`."""
        column = chosen[:, None]
        return Deviation(torch.where(column, self.whole, other.whole), torch.where(column, self.inside, other.inside))

    def rows(self, index: Tensor) -> Deviation:
        """The rows of this index (m,)."""
        return Deviation(self.whole[index], self.inside[index])


@dataclass(frozen=True)
class Reference:
    """N(mean, (I + V' diag(information) V)^-1) over flat latents (k,); the rows of V (r, k) are orthonormal.

    `information` is (r,), or (n, r) where each of n deviations has its own.
    """

    mean: Tensor
    information: Tensor
    directions: Tensor

    def sample(self, n: int, generator: torch.Generator) -> Deviation:
        """Draw n deviations from the mean."""
        noise = torch.randn((n, len(self.mean)), generator=generator)
        inside, shrink = noise @ self.directions.T, (1 + self.information).rsqrt()
        return Deviation(noise + (inside * (shrink - 1)) @ self.directions, inside * shrink)

    def deviation(self, z: Tensor) -> Deviation:
        """Latents (n, ...) as deviations from the mean."""
        whole = z.flatten(1) - self.mean
        return Deviation(whole, whole @ self.directions.T)

    def log_weight(self, deviation: Deviation) -> Tensor:
        """log of N(0, I) over the reference, (n,), up to a constant."""
        return 0.5 * (deviation.inside.square() * self.information).sum(dim=1) - deviation.whole @ self.mean

    def tempered(self, powers: Tensor) -> Reference:
        """What the reference is where the likelihood is raised to `powers` (n,), one for each of n deviations."""
        return replace(self, information=powers.to(self.information)[:, None] * self.information)

    def spread(self, force: Tensor) -> Deviation:
        """Covariance times vectors (n, k)."""
        inside = force @ self.directions.T
        shrink = 1 / (1 + self.information)
        return Deviation(force + (inside * (shrink - 1)) @ self.directions, inside * shrink)

    def energy(self, deviation: Deviation) -> Tensor:
        """x' covariance^-1 x / 2 of deviations x, (n,), in double precision."""
        informed = (deviation.inside.double().square() * self.information.double()).sum(dim=1)
        return 0.5 * (deviation.whole.double().square().sum(dim=1) + informed)


def prior_reference(latents: int) -> Reference:
    """The prior itself."""
    return Reference(torch.zeros(latents), torch.zeros(0), torch.zeros((0, latents)))


def laplace_reference(misfit: Misfit, rank: int, generator: torch.Generator, mode: Tensor | None = None) -> Reference:
    """The Laplace approximation at the latent `mode` (1, ...), or at the `posterior_mode`.

    The directions in which the data inform most come from a randomized Nystrom approximation of A A' of this rank (Frangella,
    Tropp & Udell 2023, algorithm 2.1), exact when the rank reaches the number of data or of
    latents; they never fill more than 1 GiB.
    """
    latents = math.prod(misfit.prior.latent_shape)
    rank = max(1, min(rank, latents + OVERSAMPLED, LARGEST // latents))
    mode = posterior_mode(misfit) if mode is None else mode
    values, vectors = _leading(misfit, mode, rank, generator)
    keep = values > SMALLEST
    values, vectors = values[keep][-latents:], vectors[:, keep][:, -latents:]  # what rounding adds to them informs nothing
    parts = _parts(vectors.T.contiguous(), misfit)
    pulled = [_linear(misfit, mode, part).pull(part).flatten(1) for part in parts if len(part)]
    directions = torch.cat([torch.zeros((0, mode.numel())), *pulled]) / values.sqrt()[:, None]
    # proposals are reversible only if the directions are orthonormal to rounding, whatever the accuracy of the eigenvectors
    return Reference(mode.flatten(), values, torch.linalg.qr(directions.T)[0].T.contiguous())


def posterior_mode(misfit: Misfit) -> Tensor:
    """The latent (1, ...) where Gauss-Newton ends from the centre of the prior.

    Where that fits the data badly, it tries again with the variance of the data inflated at first, and takes the better end.
    """
    centre = torch.zeros((1, *misfit.prior.latent_shape))
    found = gauss_newton(misfit, centre, centre, 1.0, 50, 0.01)
    if not found.objective > BAD * len(misfit.likelihood.observed):
        return found.z
    z = centre
    for inflation in INFLATIONS:
        z = gauss_newton(misfit, centre, z, inflation, 3, 0.1).z
    again = gauss_newton(misfit, centre, z, 1.0, 50, 0.01)
    return again.z if again.objective < found.objective else found.z


def _leading(misfit: Misfit, z: Tensor, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Leading eigenvalues (r,) and eigenvectors (d, r) of A A' at the latent z (1, ...), rising."""
    d = len(misfit.likelihood.observed)
    if not d:
        return torch.zeros(0), torch.zeros((0, 0))
    probes = torch.eye(d)
    if rank < d:
        probes = torch.linalg.qr(torch.randn((d, rank), generator=generator))[0].T.contiguous()
    images = []
    for part in _parts(probes, misfit):
        at = _linear(misfit, z, part)
        images.append(at.push(at.pull(part)))
    image, probes = torch.cat(images).double(), probes.double()
    shift = float(torch.finfo(torch.float32).eps * image.norm())  # makes up for rounding; taken off the eigenvalues again
    image = image + shift * probes
    gram = probes @ image.T
    factor, failed = torch.linalg.cholesky_ex((gram + gram.T) / 2)
    if failed:
        raise GempyGanError("The data's sensitivities to the latents cannot be factored. Expected a smooth forward operator.")
    solved = torch.linalg.solve_triangular(factor, image, upper=False)
    values, rotation = torch.linalg.eigh(solved @ solved.T)
    vectors = solved.T @ rotation / values.clamp(min=shift).sqrt()
    return (values - shift).clamp(min=0).float(), vectors.float()


def _linear(misfit: Misfit, z: Tensor, part: Tensor) -> Linearization:
    return misfit.linearize(z.expand(len(part), *z.shape[1:]).contiguous())


def _parts(rows: Tensor, misfit: Misfit) -> tuple[Tensor, ...]:
    """Rows that are linearized together: as many as the memory of a decoder's activations allows."""
    prior = misfit.prior
    values = len(prior.properties) * math.prod(prior.shape)
    return torch.split(rows, max(1, min(BATCH // math.prod(prior.latent_shape), CELLS // values)))
