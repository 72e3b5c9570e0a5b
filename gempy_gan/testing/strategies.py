"""The contract of an inversion strategy."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.ensemble import plain
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import DiffusionPrior, ExactPrior, Prior, TunablePrior
from gempy_gan.properties import Property
from gempy_gan.strategy import Draws, Strategy
from gempy_gan.testing.contract import check_json, check_randomness, check_values, hold, seeded

SHAPE, CELL_SIZE = (4, 3, 2), (100.0, 100.0, 5.0)
SIGMAS = 2.5  # how many standard errors a figure of the draws may be off, beyond the tolerance


def check_strategy(strategy: Strategy, n: int = 256, seed: int = 0, tolerance: float = 0.1) -> None:
    """Raise AssertionError, saying what the contract is, when `strategy` breaks it.

    It is run on 24 correlated Gaussian cells with three hard data and twelve column means, whose exact posterior is Gaussian.
    Checked are the shapes and weights of the draws, that the generator alone decides them, that prior and data are left as
    they were, that a prior without what the strategy needs is refused, that options and trace are plain JSON values, and the
    posterior: mean (RMS over cells, in posterior standard deviations) and spread (mean ratio) within `tolerance` plus the
    error that n draws have. Give an approximate strategy the tolerance that it claims.
    """
    hold(isinstance(strategy, Strategy), f"A strategy must be a gempy_gan.Strategy, and {type(strategy).__name__} is none.")
    hold(dataclasses.is_dataclass(strategy), f"{type(strategy).__name__} must be a dataclass: provenance records its fields.")
    _check_requirement(strategy)
    prior = ToyPrior()
    likelihood = Likelihood.of(toy_constraints(), prior)
    _check_left_alone(strategy, prior, likelihood, seed)
    draws = strategy.sample(prior, likelihood, n, seeded(seed))
    _check_draws(strategy, draws, n)
    sizes = 16 if strategy.coupled else 4
    what = f"The draws of {type(strategy).__name__}"
    check_randomness(lambda generator: strategy.sample(prior, likelihood, sizes, generator).values, what, seed)
    _check_posterior(type(strategy).__name__, draws, *exact_posterior(prior, likelihood), tolerance)


class ToyPrior(TunablePrior, DiffusionPrior, ExactPrior):
    """24 correlated Gaussian cells that can do everything a prior can do: m = mean + root z."""

    shape = SHAPE
    cell_size = CELL_SIZE
    properties = (Property("porosity"),)
    latent_shape = (24,)
    sigma_max = 100.0

    def __init__(self) -> None:
        cells = torch.as_tensor(np.indices(SHAPE).reshape(3, -1).T.copy(), dtype=torch.float64)
        self.mean = 0.5 + 0.2 * cells[:, 2]
        self.covariance = torch.exp(-torch.cdist(cells, cells) / 1.5)
        self.root = torch.linalg.cholesky(self.covariance).float()

    def decode(self, z: Tensor, weights: Sequence[Tensor] | None = None) -> Tensor:
        """Latents (n, 24) to realizations (n, 1, 4, 3, 2)."""
        root = self.root if weights is None else weights[0]
        m: Tensor = self.mean.to(z) + z @ root.to(z).T
        return m.reshape(-1, 1, *SHAPE)

    def denoise(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """The exact conditional mean, in the covariance's eigenvectors."""
        values, vectors = torch.linalg.eigh(self.covariance)
        variance = torch.as_tensor(sigma, dtype=torch.float64).reshape(-1, 1) ** 2
        score = ((x.flatten(1).double() - self.mean) @ vectors) * values / (values + variance)
        m: Tensor = self.mean + score @ vectors.T
        return m.to(x).reshape(x.shape)

    def posterior(self, likelihood: Any, linearize: bool = False, determinant: bool = True) -> ToyPosterior:
        """Gaussian, for linear data are all that it is asked about."""
        return ToyPosterior(*_gaussian_posterior(self, likelihood))

    def parameters(self) -> Sequence[Tensor]:
        """The root of the covariance."""
        return [self.root]

    def features(self, m: Tensor, faithful: bool = False) -> Sequence[Tensor]:
        """The cells themselves."""
        return [m]

    def realism(self, m: Tensor, faithful: bool = False) -> Tensor:
        """Even odds: its draws are the real thing."""
        return 0 * m.flatten(1).sum(dim=1)

    def state(self) -> Mapping[str, Any]:
        """No options."""
        return {}


@dataclass(frozen=True)
class ToyPosterior:
    """N(mean (24,), covariance (24, 24))."""

    mean: Tensor
    covariance: Tensor

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n realizations (n, 1, 4, 3, 2)."""
        noise = torch.randn((n, 24), generator=generator, dtype=torch.float64)
        m: Tensor = self.mean + noise @ torch.linalg.cholesky(self.covariance).T
        return m.reshape(n, 1, *SHAPE)

    def trace(self) -> Mapping[str, Any]:
        """Nothing to tell."""
        return {}


@dataclass(eq=False)
class SampledOnly(Prior):
    """A prior that can do no more than be sampled."""

    shape = SHAPE
    cell_size = CELL_SIZE
    properties = (Property("porosity"),)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent standard normal cells."""
        return torch.randn((n, 1, *SHAPE), generator=generator)


def toy_constraints() -> Constraints:
    """Three wells' worth of hard data and a blurred image of every column pair, on the toy prior's grid."""
    grid = Grid((0, 400, 0, 300, 0, 10), SHAPE)
    hard = HardData([[0, 0, 0], [3, 2, 1], [1, 2, 0]], [1.0, -0.2, 0.9], 0.5, "porosity")
    columns = np.indices((4, 3)).reshape(2, -1).T
    image = 0.6 + 0.5 * np.sin(columns[:, 0] + 2 * columns[:, 1])
    soft = SoftData(image, 0.6, lambda m: m.mean(dim=-1).flatten(1), np.column_stack([columns, np.full(12, 0.5)]))
    return Constraints(grid, hard, soft)


def exact_posterior(prior: ToyPrior, likelihood: Likelihood) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (24,) of the Gaussian posterior of linear data."""
    mean, covariance = _gaussian_posterior(prior, likelihood)
    return mean, covariance.diagonal().sqrt()


def _gaussian_posterior(prior: ToyPrior, likelihood: Likelihood) -> tuple[Tensor, Tensor]:
    """Mean (24,) and covariance (24, 24) of the posterior of linear data (Tarantola 2005, equations 3.37 and 3.38)."""
    identity = torch.eye(24, dtype=torch.float64)
    operator = likelihood.predict(identity.reshape(24, 1, *SHAPE)).T
    cross = prior.covariance @ operator.T
    gain = torch.linalg.solve(operator @ cross + torch.diag(likelihood.std.double() ** 2), cross.T).T
    mean = prior.mean + gain @ (likelihood.observed.double() - operator @ prior.mean)
    return mean, prior.covariance - gain @ cross.T


def _check_requirement(strategy: Strategy) -> None:
    who = type(strategy).__name__
    needed = strategy.requires
    hold(isinstance(needed, type) and issubclass(needed, Prior), f"{who}.requires must be a kind of Prior, and is {needed!r}.")
    hold(
        issubclass(ToyPrior, needed),
        f"{who} needs a {needed.__name__}, and check_strategy has only Prior, LatentPrior, DiffusionPrior and TunablePrior.",
    )
    strategy.check(ToyPrior())
    if needed is not Prior:
        try:
            strategy.check(SampledOnly())
        except GempyGanError:
            return
        raise AssertionError(f"{who}.check must raise GempyGanError for a prior that is no {needed.__name__}.")


def _check_left_alone(strategy: Strategy, prior: ToyPrior, likelihood: Likelihood, seed: int) -> None:
    who = type(strategy).__name__
    options = repr(strategy)
    check_json(plain({f.name: getattr(strategy, f.name) for f in dataclasses.fields(strategy)}), f"The options of {who}")  # type: ignore[arg-type]
    before = [tensor.clone() for tensor in (prior.root, prior.mean, prior.covariance, likelihood.observed, likelihood.std)]
    strategy.sample(prior, likelihood, 16, seeded(seed))
    after = (prior.root, prior.mean, prior.covariance, likelihood.observed, likelihood.std)
    names = ("prior", "prior", "prior", "data", "data")
    for name, old, new in zip(names, before, after, strict=True):
        hold(torch.equal(old, new), f"{who}.sample must leave the {name} as it was: work on a copy.")
    hold(repr(strategy) == options, f"{who}.sample must leave the strategy's own options as they were.")


def _check_draws(strategy: Strategy, draws: Any, n: int) -> None:
    who = type(strategy).__name__
    hold(isinstance(draws, Draws), f"{who}.sample must return gempy_gan.Draws, and returned a {type(draws).__name__}.")
    check_values(draws.values, n, (1, *SHAPE), f"The draws of {who}")
    if draws.latents is not None:
        hold(len(draws.latents) == n, f"{who} must give one latent per draw, {n}, and gave {len(draws.latents)}.")
    check_json(dict(draws.trace), f"The trace of {who}")
    if draws.log_weights is not None:
        hold(strategy.coupled, f"{who} weights its draws, so they depend on each other: say so with coupled = True.")
        hold(tuple(draws.log_weights.shape) == (n,), f"{who} must give one log weight per draw, {n}.")
        total = float(draws.log_weights.double().exp().sum())
        hold(abs(total - 1) < 1e-4, f"The weights of {who} must sum to one, and sum to {total:g}.")


def _check_posterior(who: str, draws: Draws, mean: Tensor, std: Tensor, tolerance: float) -> None:
    values = draws.values.double().flatten(1)
    weight = (
        torch.full((len(values),), 1 / len(values)).double() if draws.log_weights is None else draws.log_weights.double().exp()
    )
    effective = 1 / float(weight.square().sum())
    found = weight @ values
    spread = (weight @ (values - found).square() * effective / max(effective - 1, 1)).sqrt()
    off = float(((found - mean) / std).square().mean().sqrt())
    hold(
        off <= tolerance + SIGMAS / effective**0.5,
        f"{who} must sample the posterior: its mean is off by {off:.2f} posterior standard deviations "
        f"(allowed: {tolerance:g} and {SIGMAS / effective**0.5:.2f} for {effective:.0f} effective draws).",
    )
    ratio = float((spread / std).mean())
    hold(
        abs(ratio - 1) <= tolerance + SIGMAS / (2 * effective) ** 0.5,
        f"{who} must sample the posterior: its spread is {ratio:.2f} of the exact one "
        f"(allowed: 1 +- {tolerance:g} +- {SIGMAS / (2 * effective) ** 0.5:.2f} for {effective:.0f} effective draws).",
    )
