"""Variational inference: a density over latents is fitted to a posterior, by either Kullback-Leibler divergence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import LatentPrior
    from gempy_gan.strategies.transport import Transport
    from gempy_gan.strategy import LikelihoodLike

AT_ONCE = 2**21  # cells, or latents, that are decoded at once
CLIP = 2.0  # largest gradient, in medians of those before
RECENT = 50  # gradients that count for it
SETTLED = 10  # steps whose mean decides that q has arrived
DEFENCE = 0.1  # share of the prior in what importance samples are drawn from (Hesterberg 1995)
ROUNDS_KEPT = 5  # of importance samples
PASSES = 20  # steps on each round of them
SHARE = 0.1  # of importance samples that must be effective, else the likelihood is tempered


@dataclass(frozen=True)
class Posterior:
    """p(d | decode(z)) N(z; 0, I), not normalised, over flat latents."""

    prior: LatentPrior
    likelihood: LikelihoodLike

    def log_likelihood(self, z: Tensor) -> Tensor:
        """log p(d | z), (n,), float64, of flat latents (n, k). Raises GempyGanError where it is not a number."""
        log = self.likelihood.log_prob(self.decode(z)).double()
        if not log.isfinite().all():
            raise GempyGanError("The likelihood of a realization is not a number. Check the forward operator and the data.")
        return log

    def log_prior(self, z: Tensor) -> Tensor:
        """log N(z; 0, I), (n,), float64."""
        return -0.5 * z.double().square().sum(dim=1) - 0.5 * z.shape[1] * math.log(2 * math.pi)

    def decode(self, z: Tensor) -> Tensor:
        """Realizations of flat latents."""
        return self.prior.decode(z.reshape(-1, *self.prior.latent_shape))

    def parts(self, rows: Tensor) -> tuple[Tensor, ...]:
        """Rows (n, ...) in as many parts as memory asks for."""
        cells = len(self.prior.properties) * math.prod(self.prior.shape)
        return torch.split(rows, max(1, AT_ONCE // max(cells, math.prod(self.prior.latent_shape))))


def log_ratio(q: Transport, posterior: Posterior, z: Tensor) -> tuple[Tensor, Tensor]:
    """log of posterior over q, and log likelihood, each (n,), of flat latents z (n, k)."""
    with torch.no_grad():
        likelihood = torch.cat([posterior.log_likelihood(part) for part in posterior.parts(z)])
        return likelihood + posterior.log_prior(z) - q(z), likelihood


def reverse(
    q: Transport,
    posterior: Posterior,
    steps: int,
    batch: int,
    rate: float,
    power: float,
    tolerance: float,
    generator: torch.Generator,
) -> list[float]:
    """Minimise KL(q || posterior) by Adam; returns the evidence lower bound of each step.

    The gradient is the path derivative (Roeder, Wu & Duvenaud 2017): it has no variance where q is the posterior. The
    likelihood is raised to a power that rises from `power` to one, geometrically, over the first half of the steps. It ends
    early when KL(q || posterior), as half the variance of log q / p, is below `tolerance`.
    """
    optimizer = torch.optim.Adam(q.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    bounds: list[float] = []
    divergences: list[float] = []
    norms: list[float] = []
    for step in progress.track(range(steps), "variational inference", steps):
        optimizer.zero_grad()
        log = _path_gradient(
            q, posterior, torch.randn((batch, q.latents), generator=generator), power ** max(0.0, 1 - 2 * step / steps)
        )
        bounds.append(float(log.mean()))
        divergences.append(float(log.var()) / 2)
        recent = divergences[-SETTLED:]
        if (power == 1 or 2 * step >= steps) and sum(recent) < tolerance * len(recent):
            break
        _clip(q, norms)
        optimizer.step()
        schedule.step()
    return bounds


def _path_gradient(q: Transport, posterior: Posterior, noise: Tensor, power: float) -> Tensor:
    """Leave the gradient of KL(q || posterior) in the parameters; returns log of posterior over q, (n,)."""
    frozen = {name: parameter.detach() for name, parameter in q.named_parameters()}
    found = []
    with torch.enable_grad():
        for part in posterior.parts(noise):
            z = q.draw(part)
            log_q = torch.func.functional_call(q, frozen, (z,))
            likelihood, prior = posterior.log_likelihood(z), posterior.log_prior(z)
            ((log_q - power * likelihood - prior).sum() / len(noise)).backward()
            found.append((likelihood + prior - log_q).detach())
    return torch.cat(found)


def _clip(q: Transport, norms: list[float]) -> None:
    """Hold the gradient to a multiple of what is usual: a draw off a narrow ridge has a slope that would undo many steps."""
    usual = sorted(norms[-RECENT:])[len(norms[-RECENT:]) // 2] if norms else math.inf
    norms.append(float(torch.nn.utils.clip_grad_norm_(q.parameters(), CLIP * usual)))


def forward(
    q: Transport, posterior: Posterior, rounds: int, size: int, rate: float, tolerance: float, generator: torch.Generator
) -> list[float]:
    """Minimise KL(posterior || q) by adaptive importance sampling (Cappe et al. 2008); returns the power of each round.

    A round draws `size` latents from 0.9 q + 0.1 prior, weights those of the last five rounds by posterior over what they were
    drawn from, and fits q to them by maximum likelihood. Where fewer than a tenth of them are effective, the likelihood is
    tempered as far as it takes; its power is what is returned. It ends early when the weights of all five rounds are as even
    as they are where q is the posterior. No gradient of decoder or data is needed.
    """
    optimizer = torch.optim.Adam(q.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=rounds)
    even = (1 - DEFENCE) * (1 - 2 * tolerance)
    pool: list[tuple[Tensor, Tensor, Tensor]] = []
    powers: list[float] = []
    for _ in progress.track(range(rounds), "importance sampling", rounds):
        pool = [*pool, _defensive(q, posterior, size, generator)][-ROUNDS_KEPT:]
        z, likelihood, rest = (torch.cat(kept) for kept in zip(*pool, strict=True))
        power, effective = _tempered(likelihood, rest)
        powers.append(power)
        if effective < even * len(z):
            _maximise(q, optimizer, z, torch.softmax(power * likelihood + rest, dim=0), generator)
            schedule.step()
        elif len(pool) == ROUNDS_KEPT:
            break
    return powers


def _defensive(q: Transport, posterior: Posterior, size: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draws z of 0.9 q + 0.1 prior, their log likelihoods, and log of prior over what they were drawn from."""
    noise = torch.randn((size, q.latents), generator=generator)
    of_prior = round(DEFENCE * size)
    with torch.no_grad():
        z = torch.cat([noise[:of_prior], q.draw(noise[of_prior:])])
        likelihood = torch.cat([posterior.log_likelihood(part) for part in posterior.parts(z)])
        prior = posterior.log_prior(z)
        drawn = torch.logaddexp(prior + math.log(DEFENCE), q(z) + math.log(1 - DEFENCE))
    return z, likelihood, prior - drawn


def _tempered(likelihood: Tensor, rest: Tensor) -> tuple[float, float]:
    """The largest power of the likelihood at which a tenth of the draws are effective, and how many then are."""

    def effective(power: float) -> float:
        return float(1 / torch.softmax(power * likelihood + rest, dim=0).square().sum())

    low, high = 0.0, 1.0
    if effective(1.0) >= SHARE * len(rest):
        return 1.0, effective(1.0)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= SHARE * len(rest) else (low, middle)
    return low, effective(low)


def _maximise(q: Transport, optimizer: torch.optim.Optimizer, z: Tensor, weights: Tensor, generator: torch.Generator) -> None:
    """Fit q to weighted draws."""
    for _ in range(PASSES):
        chosen = torch.multinomial(weights, len(z) // ROUNDS_KEPT + 1, replacement=True, generator=generator)
        with torch.enable_grad():
            optimizer.zero_grad()
            (-q(z[chosen]).mean()).backward()
        torch.nn.utils.clip_grad_norm_(q.parameters(), 10.0)
        optimizer.step()
