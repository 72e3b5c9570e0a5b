"""Preconditioned Crank-Nicolson Markov chains in latent space."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.convergence import effective_sample_size, split_rhat
from gempy_gan.strategies.misfit import Misfit
from gempy_gan.strategies.reference import Deviation, Reference, laplace_reference, prior_reference
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_STEPS = {"informed": (50, 50), "prior": (2000, 2000)}  # burn-in, and steps after it
ACCEPTANCE = 0.3  # aimed at during burn-in
MIXED = 1.1  # largest split R-hat of chains that count as mixed
MONITORED = 8  # latent directions whose mixing is watched, beside the log likelihood
BATCH = 2**23  # latents that are decoded at once


@dataclass
class PCN(Strategy):
    """Preconditioned Crank-Nicolson chains (Cotter, Roberts, Stuart & White 2013), whose limit is the exact posterior.

    A step proposes m + sqrt(1 - s^2) (z - m) + s xi with xi from a Gaussian reference centred at m, and accepts by the ratio
    of posterior and reference. `proposal` chooses the reference:

    - "informed" (the default): the Laplace approximation at the posterior mode (generalized pCN, Rudolf & Sprungk 2018).
      Where the posterior is near it, a few steps do; it needs a decoder and a forward operator that can be differentiated
      twice. Its cost is that of 3 `rank` gradients, where `rank` is the largest number of directions that the data may
      inform: with fewer than there are, steps shrink.
    - "prior": plain pCN. It needs no gradient, but with many or precise data its steps shrink and chains mix in 10^4 steps
      or more.

    Each of the n draws is the last state of a chain of its own; with `chains` fewer, each chain gives several, evenly spaced
    over its steps. `burn_in` and `steps` None mean 50 and 50 for informed proposals, 2000 and 2000 for plain ones.
    `step_size` s is adapted during burn-in only, for all chains together, towards an acceptance of 30 %. Chains start from
    the reference, or from the latents that another strategy draws (`start`).

    The trace has the acceptance, and split R-hat and effective sample size (of all chains) of the log likelihood and of eight
    latent directions; a GempyGanWarning says when R-hat is above 1.1. Chains that all sit in one mode do not notice another.
    """

    requires: ClassVar[type[Prior]] = LatentPrior  # type: ignore[type-abstract]

    proposal: Literal["informed", "prior"] = "informed"
    steps: int | None = None
    burn_in: int | None = None
    chains: int | None = None
    step_size: float | None = None
    rank: int = 2000
    start: Strategy | None = None

    def __post_init__(self) -> None:
        if self.proposal not in DEFAULT_STEPS:
            raise GempyGanError(f"PCN's proposal is {self.proposal!r}. Expected one of: {', '.join(DEFAULT_STEPS)}.")
        burn_in, steps = self._lengths()
        if burn_in < 0 or steps < 1 or self.rank < 1 or (self.chains is not None and self.chains < 1):
            raise GempyGanError(
                f"PCN's burn_in, steps, rank and chains are {burn_in}, {steps}, {self.rank} and {self.chains}. "
                "Expected positive numbers (burn_in may be 0)."
            )
        if self.step_size is not None and not 0 < self.step_size <= 1:
            raise GempyGanError(f"PCN's step_size is {self.step_size}. Expected 0 < step_size <= 1.")

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Run the chains and return n of their states."""
        self.check(prior)
        prior = cast("LatentPrior", prior)
        with torch.no_grad():
            reference = self._reference(Misfit(prior, likelihood), generator)
            number = min(n, self.chains or n)
            chains = _Chains(
                prior, likelihood, reference, self._start(prior, likelihood, reference, number, generator), generator
            )
            size = self.step_size or (1.0 if self.proposal == "informed" else 0.1)
            burn_in, steps = self._lengths()
            for k in progress.track(range(burn_in), "burn-in", burn_in):
                accepted = chains.step(size)
                size = min(1.0, size * math.exp((accepted - ACCEPTANCE) / math.sqrt(1 + k / 10)))
            kept = {steps - 1 - k * steps // -(-n // number) for k in range(-(-n // number))}
            monitor, states, acceptance = [], [], 0.0
            for k in progress.track(range(steps), "chains", steps):
                acceptance += chains.step(size) / steps
                monitor.append(chains.summaries())
                if k in kept:
                    states.append(chains.latents())
            z = torch.cat(states)[-n:]
            values = torch.cat([prior.decode(part) for part in _parts(z)])
        return Draws(values, z, trace=self._trace(torch.stack(monitor), acceptance, size))

    def _lengths(self) -> tuple[int, int]:
        burn_in, steps = DEFAULT_STEPS[self.proposal]
        return burn_in if self.burn_in is None else self.burn_in, steps if self.steps is None else self.steps

    def _reference(self, misfit: Misfit, generator: torch.Generator) -> Reference:
        if self.proposal == "informed":
            return laplace_reference(misfit, self.rank, generator)
        return prior_reference(math.prod(misfit.prior.latent_shape))

    def _start(
        self, prior: LatentPrior, likelihood: LikelihoodLike, reference: Reference, number: int, generator: torch.Generator
    ) -> Deviation:
        """Where the chains begin."""
        if self.start is None:
            return reference.sample(number, generator)
        latents = self.start.sample(prior, likelihood, number, generator).latents
        if latents is None:
            raise GempyGanError(f"PCN cannot start from {type(self.start).__name__}, which draws no latents. Take another start.")
        return reference.deviation(latents)

    def _trace(self, monitor: Tensor, acceptance: float, size: float) -> dict[str, Any]:
        rhat, effective = split_rhat(monitor), effective_sample_size(monitor)
        worst = float(rhat.max())
        if not worst <= MIXED:
            warnings.warn(
                f"The chains have not mixed: split R-hat is {worst:.2f}, and {MIXED} is the most that is trusted "
                f"(acceptance {acceptance:.0%}, step size {size:.2g}). Raise burn_in and steps, or take another strategy.",
                GempyGanWarning,
                stacklevel=3,
            )
        return {
            "acceptance": acceptance,
            "step_size": size,
            "rhat": worst if math.isfinite(worst) else None,
            "effective_sample_size": float(effective.min()),
        }


class _Chains:
    """The states of all chains, as deviations from the reference's mean, with their log likelihoods and weights."""

    def __init__(
        self, prior: LatentPrior, likelihood: LikelihoodLike, reference: Reference, start: Deviation, generator: torch.Generator
    ) -> None:
        self.prior, self.likelihood, self.reference, self.generator = prior, likelihood, reference, generator
        self.state = start
        self.log_likelihood, self.log_target = self._evaluate(start)
        k = start.whole.shape[1]
        self.watched = torch.linalg.qr(torch.randn((k, min(MONITORED, k)), generator=generator))[0]

    def step(self, size: float) -> float:
        """Move every chain once; returns the share of accepted moves."""
        n = len(self.log_target)
        proposed = self.state.mixed(math.sqrt(1 - size**2), self.reference.sample(n, self.generator), size)
        log_likelihood, log_target = self._evaluate(proposed)
        uniform = torch.rand(n, generator=self.generator, dtype=torch.float64)
        accepted = uniform.log() < log_target - self.log_target
        self.state = proposed.where(accepted, self.state)
        self.log_likelihood = torch.where(accepted, log_likelihood, self.log_likelihood)
        self.log_target = torch.where(accepted, log_target, self.log_target)
        return float(accepted.double().mean())

    def latents(self) -> Tensor:
        """The latents (chains, *latent_shape)."""
        return (self.reference.mean + self.state.whole).reshape(-1, *self.prior.latent_shape)

    def summaries(self) -> Tensor:
        """What is watched of each chain (chains, q): its log likelihood and some latent directions."""
        return torch.cat([self.log_likelihood[:, None], (self.state.whole @ self.watched).double()], dim=1)

    def _evaluate(self, state: Deviation) -> tuple[Tensor, Tensor]:
        """Log likelihood, and log of posterior over reference, of each chain's state."""
        z = (self.reference.mean + state.whole).reshape(-1, *self.prior.latent_shape)
        log = torch.cat([self.likelihood.log_prob(self.prior.decode(part)).double() for part in _parts(z)])
        if log.isnan().any():
            raise GempyGanError("The likelihood of a realization is not a number. Check the forward operator and the data.")
        return log, log + self.reference.log_weight(state).double()


def _parts(z: Tensor) -> tuple[Tensor, ...]:
    return torch.split(z, max(1, BATCH // z[0].numel()))
