"""Exact draws from posteriors of Gaussian mixtures under weakly non-linear data, by importance sampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError
from gempy_gan.prior import Prior
from gempy_gan.strategies.rejection import systematic
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor


RELEVANT = 20.0  # below the largest log weight, down to which components are looked at more closely


@dataclass
class ExactMixture(Strategy):
    """The posterior of a mixture prior (`examples`, `sigma`), or of independent standard normal values.

    Each component is linearized about its own mean, as in Siahkoohi & Sabeddu (2026), equation 5, with the determinant; those
    that matter then about their posterior modes, by `iterations` of Gauss-Newton. Of these Gaussians `proposals` are drawn,
    weighted by what the linearization got wrong, and resampled: exact for ever more proposals. The trace has the effective
    sample size.
    """

    coupled = True

    iterations: int = 6
    proposals: int = 400

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations, independent where the effective sample size is large."""
        centres, sigma = _components(prior)
        fitted = _all_fitted(centres, sigma, likelihood, self.iterations)
        log_weights = torch.stack([part.log_weight for part in fitted])
        chosen = torch.multinomial(torch.softmax(log_weights, dim=0), self.proposals, replacement=True, generator=generator)
        noise = torch.randn((self.proposals, centres.shape[1]), generator=generator, dtype=torch.float64)
        values = torch.stack([fitted[k].at(z) for k, z in zip(chosen.tolist(), noise, strict=True)])
        shape = (len(prior.properties), *prior.shape)
        misfit = likelihood.residual(values.reshape(-1, *shape)).double().square().sum(dim=1)
        prior_log = -0.5 * (values - centres[chosen]).square().sum(dim=1) / sigma**2
        own_log = torch.stack([fitted[k].root_log for k in chosen.tolist()]) - 0.5 * noise.square().sum(dim=1)
        log = prior_log - 0.5 * misfit - own_log - log_weights[chosen]
        weights = torch.softmax(log, dim=0)
        kept = values[systematic(weights, n, generator)].reshape(-1, *shape)
        trace = {"effective_sample_size": float(1 / weights.square().sum()), "proposals": self.proposals}
        shares = torch.softmax(log_weights, dim=0)
        return Draws(kept.float(), trace={**trace, "effective_components": float(1 / shares.square().sum())})


@dataclass(frozen=True)
class _Gaussian:
    """N(mean, (root root')^-1), `root` (k, k) lower triangular; `log_weight` is that of its component, up to a constant."""

    mean: Tensor
    root: Tensor
    log_weight: Tensor

    @property
    def root_log(self) -> Tensor:
        """Half of the log determinant of the precision."""
        found: Tensor = self.root.diagonal().log().sum()
        return found

    def at(self, noise: Tensor) -> Tensor:
        """The draw (k,) of standard normal noise (k,)."""
        offset: Tensor = torch.linalg.solve_triangular(self.root.T, noise[:, None], upper=True)[:, 0]
        return self.mean + offset


def _all_fitted(centres: Tensor, sigma: float, likelihood: LikelihoodLike, iterations: int) -> list[_Gaussian]:
    """The components given the data, the relevant ones about their modes."""
    found = [_fitted(one, one, sigma, likelihood) for one in progress.track(centres, "examples", len(centres))]
    for _ in range(iterations - 1):
        largest = max(float(part.log_weight) for part in found)
        relevant = [k for k, part in enumerate(found) if float(part.log_weight) > largest - RELEVANT]
        for k in relevant:
            found[k] = _fitted(centres[k], found[k].mean, sigma, likelihood)
    return found


def _fitted(centre: Tensor, at: Tensor, sigma: float, likelihood: LikelihoodLike) -> _Gaussian:
    """A component N(centre, sigma^2 I) given data that are linearized about a place `at`."""
    residual, jacobian = _linearized(likelihood, at)
    offset = residual - jacobian @ (at - centre)  # of the linear data at the centre
    precision = jacobian.T @ jacobian + torch.eye(len(centre), dtype=torch.float64) / sigma**2
    root = torch.linalg.cholesky(precision)
    step = torch.cholesky_solve(-(jacobian.T @ offset)[:, None], root)[:, 0]
    left = offset + jacobian @ step
    log_weight = -0.5 * left.square().sum() - 0.5 * step.square().sum() / sigma**2 - root.diagonal().log().sum()
    return _Gaussian(centre + step, root, log_weight)


def _linearized(likelihood: LikelihoodLike, at: Tensor) -> tuple[Tensor, Tensor]:
    """Whitened residuals (d,) and their Jacobian (d, k) at a realization given as (k,)."""
    shape = likelihood.known[0].shape

    def residual(m: Tensor) -> Tensor:
        found: Tensor = likelihood.residual(m.reshape(1, *shape))[0].double()
        return found

    value, pulled, *_ = torch.func.vjp(residual, at)
    identity = torch.eye(len(value), dtype=torch.float64)
    return value.detach(), torch.func.vmap(pulled)(identity)[0].detach()


def _components(prior: Prior) -> tuple[Tensor, float]:
    """Means (N, k) and the standard deviation of a prior's components."""
    examples, sigma = getattr(prior, "examples", None), getattr(prior, "sigma", None)
    if examples is not None and sigma is not None:
        return examples.double().flatten(1), float(sigma)
    if type(prior).__name__ == "WhitePrior":
        return torch.zeros((1, prior.shape[0] * prior.shape[1] * prior.shape[2]), dtype=torch.float64), 1.0
    raise GempyGanError(f"The posterior of a {type(prior).__name__} is not known. Expected a mixture prior or a white one.")
