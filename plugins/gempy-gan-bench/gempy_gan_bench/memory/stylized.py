"""The stylized cases: five training images of one or two cells, whose posterior is known by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.constraints import Constraints, SoftData
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.exact import MixturePosterior, lookup_weights, mixture_posterior
from gempy_gan.priors.mixture import MixturePrior

if TYPE_CHECKING:
    from torch import Tensor

NOISE = 0.3  # standard deviation of the data
REACH = 6.0  # from the origin: where densities are integrated
POINTS = {1: 24_001, 2: 801}  # along each axis


@dataclass(frozen=True)
class Plan:
    """`sigmas` are the spreads of the prior around its images."""

    sigmas: Sequence[float] = (0.5, 0.3, 0.05)


PRESETS = {"quick": Plan(), "paper": Plan()}


@dataclass(frozen=True)
class Problem:
    """Training images (5, cells), the data (d,), and the operator from cells (n, cells) to data (n, d)."""

    images: Tensor
    observed: tuple[float, ...]
    operator: Callable[[Tensor], Tensor]

    @property
    def dim(self) -> int:
        """Cells of an image."""
        return int(self.images.shape[1])

    def prior(self, sigma: float) -> MixturePrior:
        """The mixture around the images."""
        return MixturePrior(self.images.reshape(-1, 1, self.dim, 1, 1), sigma)

    def likelihood(self, prior: MixturePrior) -> Likelihood:
        """The data, in double precision."""
        grid = Grid((0, self.dim, 0, 1, 0, 1), (self.dim, 1, 1))
        data = SoftData(self.observed, NOISE, lambda m: self.operator(m.flatten(1)))
        return Likelihood.of(Constraints(grid, data), prior, torch.float64)

    def places(self) -> Tensor:
        """All points of the quadrature (n, cells)."""
        line = torch.linspace(-REACH, REACH, POINTS[self.dim], dtype=torch.float64)
        return torch.cartesian_prod(*[line] * self.dim).reshape(-1, self.dim)

    @property
    def volume(self) -> float:
        """What one point of the quadrature stands for."""
        return float((2 * REACH / (POINTS[self.dim] - 1)) ** self.dim)


def line() -> Problem:
    """F(x) = x + 0.3 x^3, y = 0."""
    images = torch.tensor([-1.5, -0.4, 0.4, 1.2, 2.5], dtype=torch.float64)[:, None]
    return Problem(images, (0.0,), lambda x: x + 0.3 * x**3)


def pentagon() -> Problem:
    """F(x) = (x1 + 0.3 x1 x2, x2 + 0.2 x1^2), the data those of 0.7 times the first of five points of radius 2."""
    angle = 2 * math.pi * torch.arange(5, dtype=torch.float64) / 5
    images = 2 * torch.stack([angle.cos(), angle.sin()], dim=1)
    return Problem(images, tuple(_bent(0.7 * images[:1])[0].tolist()), _bent)


def run(plan: Plan, seed: int = 0, out: Path | None = None) -> dict[str, Any]:
    """Both problems at each sigma. Nothing is drawn, so that the seed does not matter, and nothing needs keeping."""
    del seed, out
    return {"rows": [_row(problem, sigma) for problem in (line(), pentagon()) for sigma in plan.sigmas]}


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each problem and sigma."""
    return list(record["rows"])


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table means."""
    largest = max(record["rows"], key=lambda row: row["tv_no_determinant"])
    meaning = (
        "exact sd: standard deviation of the exact posterior (two cells: root mean square of both); limit weight: the largest "
        "weight of an image as sigma goes to 0, where the posterior is a look-up."
    )
    error = (
        "tv: total variation between the linearized mixture posterior and the exact one, with the determinant in its weights "
        f"and without. At sigma {largest['sigma']:g} in {largest['dim']}-D the determinant brings it from "
        f"{largest['tv_no_determinant']:.3f} to {largest['tv']:.3f}."
    )
    return [meaning, error]


def pictures(record: Mapping[str, Any]) -> list[Any]:
    """The one-dimensional posteriors: exact, linearized, without the determinant, and the look-up."""
    from gempy_gan.plot.style import ACCENT, GREY, INK, figure

    problem, sigmas = line(), [row["sigma"] for row in record["rows"] if row["dim"] == 1]
    fig = figure(3.2 * len(sigmas), 2.8)
    places = problem.places()
    for ax, sigma in zip(fig.subplots(1, len(sigmas), squeeze=False)[0], sigmas, strict=True):
        prior = problem.prior(sigma)
        likelihood = problem.likelihood(prior)
        ax.plot(places, exact_density(problem, prior, likelihood), color=INK, label="exact")
        for determinant, colour, name in ((True, ACCENT, "linearized"), (False, GREY, "without determinant")):
            posterior = mixture_posterior(prior, likelihood, True, determinant)
            ax.plot(places, density(posterior, places), color=colour, ls="--", label=name)
        ax.vlines(problem.images, 0, lookup_weights(prior.examples, likelihood), color="#0072B2", lw=2, label="look-up (weight)")
        ax.set(xlim=(-2, 3), title=f"sigma {sigma:g}", xlabel="x")
    fig.axes[0].legend(frameon=False, fontsize=7)
    return [fig]


def exact_density(problem: Problem, prior: MixturePrior, likelihood: Likelihood) -> Tensor:
    """The posterior density at `problem.places()`, by quadrature."""
    m = problem.places().reshape(-1, 1, problem.dim, 1, 1)
    log = prior.log_density(m) + likelihood.log_prob(m)
    found = (log - log.max()).exp()
    return found / (found.sum() * problem.volume)


def density(posterior: MixturePosterior, places: Tensor) -> Tensor:
    """The density of a mixture posterior at places (n, cells)."""
    normal = torch.distributions.MultivariateNormal
    parts: list[Tensor] = [
        normal(mean, posterior.covariance(k)).log_prob(places)  # type: ignore[no-untyped-call]
        for k, mean in enumerate(posterior.means)
    ]
    found: Tensor = torch.stack(parts, dim=1).exp() @ posterior.weights
    return found


def _row(problem: Problem, sigma: float) -> dict[str, Any]:
    prior = problem.prior(sigma)
    likelihood = problem.likelihood(prior)
    places, exact = problem.places(), exact_density(problem, prior, likelihood)
    mean = problem.volume * (exact @ places)
    variance = problem.volume * (exact @ (places - mean).square())
    found = {"dim": problem.dim, "sigma": float(sigma), "exact_sd": float(variance.mean().sqrt())}
    for key, determinant in (("tv", True), ("tv_no_determinant", False)):
        approximate = density(mixture_posterior(prior, likelihood, True, determinant), places)
        found[key] = float(0.5 * problem.volume * (approximate - exact).abs().sum())
    weights = lookup_weights(prior.examples, likelihood)
    return {**found, "limit_weight": float(weights.max()), "limit_weights": weights.tolist()}


def _bent(x: Tensor) -> Tensor:
    return torch.stack([x[:, 0] + 0.3 * x[:, 0] * x[:, 1], x[:, 1] + 0.2 * x[:, 0].square()], dim=1)
