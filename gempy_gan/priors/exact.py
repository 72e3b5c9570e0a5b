"""Exact posteriors: what every strategy is tested against, where prior and data are simple enough to know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.priors.mixture import MixturePrior

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from gempy_gan.prior import Prior

LARGEST = 20_000  # cells; a dense covariance of them takes 3.2 GB
NONLINEARITY = 1e-3  # in standard deviations of the data: what two realizations may differ from the linear prediction


@dataclass(frozen=True)
class GaussianPosterior:
    """N(mean (N,), covariance (N, N)) over all cells, in double precision; `shape` is (c, nx, ny, nz)."""

    mean: Tensor
    covariance: Tensor
    shape: tuple[int, ...]

    @property
    def std(self) -> Tensor:
        """Posterior standard deviation of each cell, (N,)."""
        variance: Tensor = self.covariance.diagonal().clamp(min=0)
        return variance.sqrt()

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n independent realizations (n, c, nx, ny, nz)."""
        values, vectors = torch.linalg.eigh(self.covariance)
        root: Tensor = vectors * values.clamp(min=0).sqrt()
        noise = torch.randn((n, len(self.mean)), generator=generator, dtype=torch.float64)
        draws: Tensor = self.mean + noise @ root.T
        return draws.reshape(n, *self.shape)

    def trace(self) -> Mapping[str, Any]:
        """Nothing: it has no parts."""
        return {}


@dataclass(frozen=True)
class LookupPosterior:
    """sum_k weights[k] delta(m - examples[k]): training images (N, c, nx, ny, nz) with weights (N,)."""

    weights: Tensor
    examples: Tensor

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n independent realizations (n, c, nx, ny, nz), all of them copies of training images."""
        return self.examples[torch.multinomial(self.weights, n, replacement=True, generator=generator)]

    def trace(self) -> Mapping[str, Any]:
        """How many images there are, and how many the posterior is effectively made of."""
        return {"components": len(self.weights), "effective_components": float(1 / self.weights.square().sum())}


@dataclass(frozen=True)
class MixturePosterior:
    """sum_k weights[k] N(means[k], covariances[k]) over all cells, in double precision; `shape` is (c, nx, ny, nz).

    `weights` (K,), `means` (K, N). The covariances are sigma^2 (I - gains[k] jacobians[k]), with `gains` (K, N, d) and
    `jacobians` (K, d, N): linear data have one of each for all components. `data_std` (d,) is the data's.
    """

    weights: Tensor
    means: Tensor
    gains: Tensor
    jacobians: Tensor
    sigma: float
    data_std: Tensor
    shape: tuple[int, ...]

    def covariance(self, k: int) -> Tensor:
        """Covariance (N, N) of component k."""
        gain, jacobian = self.gains[k % len(self.gains)], self.jacobians[k % len(self.jacobians)]
        return self.sigma**2 * (torch.eye(len(gain), dtype=torch.float64) - gain @ jacobian)

    @property
    def mean(self) -> Tensor:
        """Posterior mean (N,)."""
        return self.weights @ self.means

    @property
    def std(self) -> Tensor:
        """Posterior standard deviation of each cell, (N,)."""
        within = self.sigma**2 * (1 - torch.einsum("kij,kji->ki", self.gains, self.jacobians))
        variance: Tensor = self.weights @ (within + (self.means - self.mean).square())
        return variance.sqrt()

    def sample_components(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw n independent realizations (n, c, nx, ny, nz), and the component (n,) of each."""
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        prior = self.sigma * torch.randn((n, self.means.shape[1]), generator=generator, dtype=torch.float64)
        noise = self.data_std * torch.randn((n, len(self.data_std)), generator=generator, dtype=torch.float64)
        which = k % len(self.gains)
        misfit = noise - torch.einsum("nij,nj->ni", self.jacobians[which], prior)
        update = torch.einsum("nij,nj->ni", self.gains[which], misfit)
        return (self.means[k] + prior + update).reshape(n, *self.shape), k

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n independent realizations (n, c, nx, ny, nz)."""
        return self.sample_components(n, generator)[0]

    def trace(self) -> Mapping[str, Any]:
        """How many components there are, and how many the posterior is effectively made of."""
        return {"components": len(self.weights), "effective_components": float(1 / self.weights.square().sum())}


def gaussian_posterior(prior: GaussianPrior, likelihood: Likelihood) -> GaussianPosterior:
    """The posterior of a Gaussian field under linear data (Tarantola 2005, equations 3.37 and 3.38).

    Dense: for grids of up to 20,000 cells. Raises GempyGanError when the grid is larger, the data are not linear, or the
    prior's values are a transform of a Gaussian (`quantiles`).
    """
    if prior.quantiles is not None:
        raise GempyGanError("A Gaussian prior with quantiles has no exact posterior. Leave quantiles out, or sample it.")
    jacobian, offset = linear_operator(prior, likelihood)
    covariance = prior.covariance_matrix()
    mean = prior.mean.expand(prior.shape).reshape(-1)
    cross = covariance @ jacobian.T
    evidence = jacobian @ cross + likelihood.std.double().square().diag()
    gain = torch.linalg.solve(evidence, cross.T).T
    updated = covariance - gain @ cross.T
    misfit = likelihood.observed.double() - offset - jacobian @ mean
    return GaussianPosterior(mean + gain @ misfit, (updated + updated.T) / 2, (1, *prior.shape))


def mixture_posterior(
    prior: MixturePrior, likelihood: Likelihood, linearize: bool = False, determinant: bool = True
) -> MixturePosterior:
    """The posterior of a Gaussian mixture, with the determinant in its weights (Siahkoohi & Sabeddu 2026, equation 5).

    Exact for linear data; others are refused with GempyGanError unless `linearize` asks for the approximation that takes the
    data as linear around each training image. Without the `determinant` of the data's covariance given an image, which their
    public code leaves out, images whose data change fast weigh too much; for linear data it is the same for all images.
    """
    images, variance = prior.examples.double(), likelihood.std.double().square()
    flat = images.flatten(1)
    if linearize:
        jacobians = torch.stack([_jacobian(likelihood, image) for image in images])
        predicted = likelihood.predict(images).detach()
    else:
        jacobian, offset = linear_operator(prior, likelihood)
        jacobians, predicted = jacobian[None], offset + flat @ jacobian.T
    misfit = likelihood.observed.double() - predicted
    evidence = prior.sigma**2 * jacobians @ jacobians.mT + variance.diag()
    factor = torch.linalg.cholesky(evidence)
    whitened = torch.linalg.solve_triangular(factor, misfit[..., None], upper=False)[..., 0]
    log_determinant = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1) if determinant else 0.0
    weights = torch.softmax(-0.5 * whitened.square().sum(dim=1) - 0.5 * log_determinant, dim=0)
    gains = prior.sigma**2 * torch.cholesky_solve(jacobians, factor).mT
    means = flat + (gains @ misfit[..., None])[..., 0]
    return MixturePosterior(weights, means, gains, jacobians, prior.sigma, variance.sqrt(), tuple(images.shape[1:]))


def lookup_posterior(examples: Tensor, likelihood: Likelihood) -> LookupPosterior:
    """The posterior of equally likely training images (N, c, nx, ny, nz), for any data: a weighted look-up (equation 2)."""
    return LookupPosterior(lookup_weights(examples, likelihood), examples)


def lookup_weights(examples: Tensor, likelihood: Likelihood) -> Tensor:
    """Posterior weights (N,) of equally likely training images (N, c, nx, ny, nz), for any data (equation 2)."""
    return torch.softmax(likelihood.log_prob(examples.double()), dim=0)


def linear_operator(prior: Prior, likelihood: Likelihood) -> tuple[Tensor, Tensor]:
    """The matrix (d, N) and offset (d,) by which `likelihood.predict` maps realizations, in double precision.

    Raises GempyGanError when it is not linear over the prior's realizations, or the grid has more than 20,000 values.
    """
    two = prior.sample(2, torch.Generator().manual_seed(0)).double()
    here, there, n = two[:1], two[1:], two[0].numel()
    if n > LARGEST:
        raise GempyGanError(f"An exact posterior over {n} values was asked for. Expected at most {LARGEST}: use a smaller grid.")
    start = likelihood.predict(here)
    columns = [
        likelihood.predict(here + unit.reshape(-1, *here.shape[1:])) - start
        for unit in torch.split(torch.eye(n, dtype=torch.float64), max(1, 2**22 // n))
    ]
    matrix = torch.cat(columns).detach().T
    error = (likelihood.predict(there) - start - (there - here).flatten(1) @ matrix.T) / likelihood.std.double()
    if error.numel() and not float(error.abs().max()) <= NONLINEARITY:
        raise GempyGanError(
            f"The data are not linear in the realizations: two of them differ from the linear prediction by up to "
            f"{float(error.abs().max()):.3g} standard deviations of the data. An exact posterior needs a linear forward operator."
        )
    return matrix, (start - here.flatten(1) @ matrix.T)[0].detach()


def _jacobian(likelihood: Likelihood, image: Tensor) -> Tensor:
    found: Tensor = torch.func.jacrev(lambda m: likelihood.predict(m[None])[0])(image)
    return found.detach().flatten(1)
