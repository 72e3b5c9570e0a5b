"""Sequential Monte Carlo in latent space, from the prior to the posterior."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.chains import MarkovChains
from gempy_gan.strategies.mala import MALA
from gempy_gan.strategies.particles import Lineage, correlation, fitted_reference, informed
from gempy_gan.strategies.pcn import PCN
from gempy_gan.strategies.reference import Reference, prior_reference
from gempy_gan.strategies.rejection import systematic
from gempy_gan.strategies.target import State, Target
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

KERNELS: dict[str, type[MarkovChains]] = {"mala": MALA, "pcn": PCN}
FORGOTTEN = 0.3  # correlation with where they came from, below which particles need not move on
ADAPTATION = 2.0  # change of the log step size for each unit by which the acceptance is off
FOLDS = 4  # of the particles, each of which is moved relative to the Gaussian of the others
FEW = 0.25  # of the draws asked for, below which a warning says how many independent ones they are worth


@dataclass
class SMC(Strategy):
    """Sequential Monte Carlo with adaptive tempering (Del Moral, Doucet & Jasra 2006; Beskos, Jasra, Muzaffer & Stuart 2015).

    max(n, `particles`) draws of the prior move to the posterior through prior x likelihood^b, b rising from 0 to 1. The next b is
    the one at which the effective sample size of the weights is the share `ess` of the particles. These are resampled
    (systematically), and then moved by Markov steps that leave prior x likelihood^b as it is, until they have forgotten where
    they came from, at most `moves` times. The step size is adapted on the way.

    Steps are those of the strategy that `kernel` names. They are taken relative to a Gaussian that is fitted to particles: to
    three quarters of them for the last quarter, since particles that are moved relative to their own Gaussian collapse. It is
    fitted in all directions where the latents are fewer than the effective particles; else in those of the largest gradients
    ("mala"), or in none ("pcn", which needs no gradients: for decoders and forward operators that have none).

    The trace has the log evidence, `ancestors` (how many of the first particles have descendants) and `effective_sample_size`:
    the independent draws that all particles are worth, by who descends from whom and what moves left of the resemblance. A
    GempyGanWarning says when that is below n / 4. A mode that no particle met is not noticed.
    """

    requires: ClassVar[type[Prior]] = LatentPrior  # type: ignore[type-abstract]
    coupled: ClassVar[bool] = True

    particles: int = 400
    kernel: Literal["mala", "pcn"] = "mala"
    moves: int = 5
    ess: float = 0.5

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise GempyGanError(f"SMC's kernel is {self.kernel!r}. Expected one of: {', '.join(KERNELS)}.")
        if self.particles < FOLDS or self.moves < 1 or not 0 < self.ess < 1:
            raise GempyGanError(
                f"SMC's particles, moves and ess are {self.particles}, {self.moves} and {self.ess}. "
                f"Expected {FOLDS} or more particles, 1 or more moves, and a share 0 < ess < 1."
            )

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Move the particles from the prior to the posterior and return n of them."""
        self.check(prior)
        with torch.no_grad():
            cloud = _Cloud(self, cast("LatentPrior", prior), likelihood, max(n, self.particles), generator)
            while cloud.power < 1:
                cloud.move(cloud.temper())
            progress.report("tempering", 100, 100)
            z = cloud.z[torch.randperm(cloud.number, generator=generator)[:n]].reshape(n, *cloud.prior.latent_shape)
            values = Target(cloud.prior, likelihood, prior_reference(0), torch.ones(n)).decode(z)
        trace = cloud.trace()
        if trace["effective_sample_size"] < FEW * n:
            warnings.warn(
                f"{cloud.number} particles are worth {trace['effective_sample_size']:.1f} independent draws, and {n} were asked "
                f"for: they descend from {trace['ancestors']} and moved too little (acceptance {trace['acceptance']:.0%}, "
                f"step size {trace['step_size']:.2g}). Raise moves or particles, or take another kernel or strategy.",
                GempyGanWarning,
                stacklevel=2,
            )
        return Draws(values, z, trace=trace)


@dataclass
class _Group:
    """Particles that are moved relative to one reference: `parents` are their rows before resampling."""

    target: Target
    state: State
    parents: Tensor

    def summaries(self) -> Tensor:
        """What must be forgotten (n, q): the log likelihood and the directions of the Gaussian, or all where it has none."""
        deviation = self.state.deviation
        place = deviation.inside if deviation.inside.shape[1] else deviation.whole
        return torch.cat([self.state.log_likelihood[:, None], place.double()], dim=1)


class _Cloud:
    """All particles, on their way: latents (n, k), log likelihoods (n,) and their gradients."""

    def __init__(
        self, strategy: SMC, prior: LatentPrior, likelihood: LikelihoodLike, number: int, generator: torch.Generator
    ) -> None:
        self.strategy, self.prior, self.likelihood, self.number, self.generator = strategy, prior, likelihood, number, generator
        self.kernel, self.lineage = KERNELS[strategy.kernel](), Lineage()
        self.power, self.evidence, self.size, self.acceptance = 0.0, 0.0, self.kernel.largest, 1.0
        self.steps, self.evaluations = 0, number
        reference = prior_reference(math.prod(prior.latent_shape))
        self.folds, self.references = torch.arange(number) * FOLDS // number, [reference] * FOLDS
        target = self._target(reference, number)
        self._take([_Group(target, target.at(reference.sample(number, generator)), torch.arange(number))])

    def temper(self) -> list[_Group]:
        """Raise the power of the likelihood and resample; each fold of the particles gets the Gaussian of the others."""
        rise = _rise(self.log, 1 - self.power, self.strategy.ess)
        self._report(rise)
        weights = torch.softmax(rise * self.log, dim=0)
        self.evidence += float(torch.logsumexp(rise * self.log, dim=0)) - math.log(self.number)
        self.power = self.power + rise if rise < 1 - self.power else 1.0
        parents = systematic(weights, self.number, self.generator)
        parents = parents[torch.argsort(self.folds[parents], stable=True)]  # families stay in their fold, but at its ends
        directions = informed(weights, self.power * self.slope, self.z.shape[1])
        for fold, before in enumerate(self.references):
            self.references[fold] = fitted_reference(self.z, weights * (self.folds != fold), directions, before)
        return [self._group(self.references[fold], parents[self.folds == fold]) for fold in range(FOLDS)]

    def move(self, groups: list[_Group]) -> None:
        """Move particles until they have forgotten where they came from, or `moves` times."""
        starts, memory, accepted = [group.summaries() for group in groups], 1.0, list[float]()
        while len(accepted) < self.strategy.moves and memory > FORGOTTEN:
            accepted.append(sum(self._step(group) for group in groups) / self.number)
            self.size = min(self.kernel.largest, self.size * math.exp(ADAPTATION * (accepted[-1] - self.kernel.acceptance)))
            memory = self._memory(groups, starts)
        self.lineage.add(torch.cat([group.parents for group in groups]), memory)
        self.acceptance = sum(accepted) / len(accepted)
        self.evaluations += sum(group.target.evaluations for group in groups)
        self._take(groups)

    def trace(self) -> dict[str, Any]:
        """What the diagnosis wants to know; acceptance and step size are those at the posterior."""
        ancestors, effective = self.lineage.summary()
        return {
            "effective_sample_size": effective,
            "ancestors": ancestors,
            "log_evidence": self.evidence,
            "acceptance": self.acceptance,
            "step_size": self.size,
            "steps": self.steps,
            "evaluations": self.evaluations,
        }

    def _take(self, groups: list[_Group]) -> None:
        self.z = torch.cat([group.target.latents(group.state.deviation).flatten(1) for group in groups])
        self.log = torch.cat([group.state.log_likelihood for group in groups])
        self.slope = torch.cat([group.state.slope for group in groups])

    def _group(self, reference: Reference, rows: Tensor) -> _Group:
        state = State(reference.deviation(self.z[rows]), self.log[rows], self.slope[rows])
        return _Group(self._target(reference, len(rows)), state, rows)

    def _target(self, reference: Reference, number: int) -> Target:
        powers = torch.full((number,), self.power, dtype=torch.float64)
        target = Target(self.prior, self.likelihood, reference, powers, self.kernel.slopes)
        target.reference = reference  # which belongs to this power, and is not to be tempered
        return target

    def _step(self, group: _Group) -> float:
        """Move a group once; how many moves were accepted, on average over what chance decides."""
        number = len(group.parents)
        proposed, ratio = self.kernel.move(group.target, group.state, torch.full((number, 1), self.size), self.generator)
        probability = ratio.clamp(max=0).exp().nan_to_num(0)
        chosen = torch.rand(number, generator=self.generator, dtype=torch.float64) < probability
        group.state = proposed.where(chosen, group.state)
        return float(probability.sum())

    def _memory(self, groups: list[_Group], starts: list[Tensor]) -> float:
        """Correlation of the particles with where they started, in the direction in which it is largest."""
        each = [len(start) * correlation(start, group.summaries()) for group, start in zip(groups, starts, strict=True)]
        return min(1.0, max(0.0, float(torch.stack(each).sum(dim=0).max()) / self.number))

    def _report(self, rise: float) -> None:
        """Tell how far the log of the power has come, from the first one on."""
        self.steps += 1
        if self.steps == 1:
            self.first = rise
        done = 1.0 if self.first >= 1 else 1 - math.log(max(self.power, self.first)) / math.log(self.first)
        progress.report("tempering", min(99, int(100 * done)), 100)


def _rise(log: Tensor, most: float, share: float) -> float:
    """By how much the power of the likelihood may rise, at most `most`, for weights of an effective size of this share of n.

    Raises GempyGanError where no particle has any likelihood.
    """
    if not log.isfinite().any():
        raise GempyGanError("No realization of the prior has any likelihood. Check the units of the data and their errors.")

    def enough(rise: float) -> bool:
        return 1 / float(torch.softmax(rise * log, dim=0).square().sum()) >= share * len(log)

    if enough(most):
        return most
    low, high = -700.0, math.log(most)  # from 1e-304 on
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if enough(math.exp(middle)) else (low, middle)
    return math.exp(high)
