"""Cases whose posterior is known exactly, and how far draws are from it: what every strategy is tested against."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import Prior
from gempy_gan.priors.exact import GaussianPosterior, MixturePosterior, gaussian_posterior, mixture_posterior
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.priors.mixture import MixturePrior

CELL_SIZE = (50.0, 50.0, 1.0)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@dataclass(frozen=True)
class Case:
    """A prior, data, and the posterior that both have."""

    prior: Prior
    likelihood: Likelihood
    posterior: GaussianPosterior | MixturePosterior


@dataclass(frozen=True)
class Distance:
    """How far draws are from an exact posterior: error of the mean (RMS over cells, in posterior standard deviations) and
    ratio of the spreads (mean over cells)."""

    mean: float
    spread: float

    def within(self, mean: float, spread: float) -> bool:
        return self.mean <= mean and abs(self.spread - 1) <= spread


def distance(values: Tensor, posterior: GaussianPosterior | MixturePosterior) -> Distance:
    """The distance of draws (n, c, nx, ny, nz)."""
    flat = values.double().flatten(1)
    mean = ((flat.mean(dim=0) - posterior.mean) / posterior.std).square().mean().sqrt()
    return Distance(float(mean), float((flat.std(dim=0) / posterior.std).mean()))


def chance(n: int) -> tuple[float, float]:
    """What n independent exact draws stay below, as bounds for `Distance.within`.

    The squared error of the mean has expectation 1 / n and, over k effectively independent cells, standard deviation
    sqrt(2 / k) / n: 2 / sqrt(n) is more than four of them above for the k >= 8 of the cases here. The spread of one cell has
    a relative standard error of 1 / sqrt(2 n), that of the mean over cells is smaller: four of them are allowed.
    """
    return 2 / math.sqrt(n), 4 / math.sqrt(2 * n)


def seismic(m: Tensor) -> Tensor:
    """A linear toy of seismic: half the vertical difference convolved with a Ricker wavelet, (n, nx * ny * (nz - 1))."""
    lag = math.pi * 0.25 * torch.arange(-4, 5).to(m)
    wavelet = (1 - 2 * lag**2) * torch.exp(-(lag**2))
    contrast = m[:, 0].diff(dim=-1) / 2
    traces = torch.nn.functional.conv1d(contrast.reshape(-1, 1, contrast.shape[-1]), wavelet[None, None], padding=4)
    return traces.reshape(len(m), -1)


def a_grid(shape: tuple[int, int, int]) -> Grid:
    nx, ny, nz = shape
    return Grid((0, nx * CELL_SIZE[0], 0, ny * CELL_SIZE[1], 0, nz * CELL_SIZE[2]), shape)


def observe(prior: GaussianPrior, wells: list[tuple[int, int]], well_std: float, noise: float) -> Likelihood:
    """Vertical wells through every layer, and seismic of every column, of a realization of the prior."""
    truth = prior.sample(1, seeded(0))
    nx, ny, nz = prior.shape
    rng = np.random.default_rng(0)
    cells = np.array([(i, j, k) for i, j in wells for k in range(nz)])
    values = truth[0, 0].numpy()[tuple(cells.T)] + well_std * rng.standard_normal(len(cells))
    traces = seismic(truth)[0].numpy()
    places = np.indices((nx, ny, nz - 1)).reshape(3, -1).T + np.array([0, 0, 0.5])
    soft = SoftData(traces + noise * rng.standard_normal(len(traces)), noise, seismic, places)
    hard = HardData(cells, values, well_std, prior.properties[0])
    return Likelihood.of(Constraints(a_grid(prior.shape), hard, soft), prior)


@cache
def few_data() -> Case:
    """A Gaussian field and three vague hard data: little enough for importance sampling."""
    prior = GaussianPrior((6, 5, 4), CELL_SIZE, "porosity", 0.2, 0.05, "exponential", (200, 100, 2), azimuth=30)
    hard = HardData([[0, 0, 0], [3, 2, 1], [5, 4, 3]], [0.22, 0.27, 0.15], 0.03, "porosity")
    likelihood = Likelihood.of(Constraints(a_grid(prior.shape), hard), prior)
    return Case(prior, likelihood, gaussian_posterior(prior, likelihood))


class OtherSpace(GaussianPrior):
    """A Gaussian field that has its own latents as another space as well."""

    def space(self, name: str, **options: object) -> GaussianPrior:
        return self


@cache
def another_space() -> Case:
    """As `few_data`."""
    prior = OtherSpace((6, 5, 4), CELL_SIZE, "porosity", 0.2, 0.05, "exponential", (200, 100, 2), azimuth=30)
    return Case(prior, few_data().likelihood, few_data().posterior)


@cache
def wells_and_seismic() -> Case:
    """A Gaussian field of 512 cells, two precise wells and the seismic of every column: 464 data."""
    prior = GaussianPrior((8, 8, 8), CELL_SIZE, "porosity", 0.5, 0.25, "spherical", (200, 200, 4))
    likelihood = observe(prior, [(1, 2), (6, 5)], 0.02, 0.1)
    return Case(prior, likelihood, gaussian_posterior(prior, likelihood))


@cache
def real_size() -> Case:
    """The same on 16 x 16 x 8 cells with three wells: 1,816 data that inform some 700 directions."""
    prior = GaussianPrior((16, 16, 8), CELL_SIZE, "porosity", 0.5, 0.25, "spherical", (300, 300, 4))
    likelihood = observe(prior, [(3, 4), (12, 5), (8, 12)], 0.02, 0.1)
    return Case(prior, likelihood, gaussian_posterior(prior, likelihood))


@cache
def mixture() -> Case:
    """Six images of 4 x 4 x 2 cells, one vague well and a column mean: several components stay likely."""
    prior = MixturePrior(torch.rand((6, 1, 4, 4, 2), generator=seeded(4)), 0.15, ["porosity"], CELL_SIZE)
    hard = HardData([[1, 2, 0], [1, 2, 1]], [0.5, 0.4], 0.3, "porosity")
    soft = SoftData([0.5], 0.1, lambda m: m[:, 0, 2, 2].mean(dim=1, keepdim=True), [[2, 2, 0.5]])
    likelihood = Likelihood.of(Constraints(a_grid(prior.shape), hard, soft), prior)
    return Case(prior, likelihood, mixture_posterior(prior, likelihood))
