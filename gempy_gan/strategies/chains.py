"""Markov chains in latent space: running, adapting and judging them, whatever their moves are."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.adaptation import DualAveraging
from gempy_gan.strategies.convergence import ENOUGH, RHAT, Convergence, convergence
from gempy_gan.strategies.gauss_newton import gauss_newton
from gempy_gan.strategies.misfit import Misfit
from gempy_gan.strategies.reference import Reference, laplace_reference, prior_reference
from gempy_gan.strategies.target import State, Target
from gempy_gan.strategies.tempering import Ladder
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

FEWEST = 4  # chains that are compared at least
FIRST = 50  # steps after which chains are judged for the first time, then whenever their number has doubled
MONITORED = 64  # latents, or directions of latents, whose mixing is watched beside the log likelihood
NEAR = 20  # Gauss-Newton steps from the likeliest start to its mode
LADDERS = (0.1, 0.25, 0.5)  # shares of the burn-in after which temperatures are adapted
SWAPS = 0.05  # acceptance of swaps below which replicas hardly exchange anything


@dataclass
class MarkovChains(Strategy):
    """What the strategies `pcn`, `mala` and `hmc` share; each adds its move. Their limit is the exact posterior.

    Moves are made relative to a Gaussian reference, `proposal`:

    - "informed" (the default): the Laplace approximation at a posterior mode, which Gauss-Newton finds from the centre of the
      prior, or from the likeliest `start`. Where the posterior is near it, a few steps do; it needs a decoder and a forward
      operator that can be differentiated twice. Its cost is that of 3 `rank` gradients, where `rank` is the largest number of
      directions that the data may inform: with fewer than there are, steps shrink.
    - "prior": the prior itself. With many or precise data steps shrink, and chains mix slowly.

    Each of the n draws is the last state of a chain of its own; with `chains` fewer, each chain gives several, evenly spaced
    over the later part of its steps. Chains start from draws of the reference, from draws of the prior (`from_prior`), or from
    the latents that another strategy draws (`start`). During `burn_in` steps, `step_size` is adapted towards a stated
    acceptance; then chains run until they have converged, at most `steps` steps.

    `temperatures` above 1 gives each chain that many replicas, whose likelihood is raised to 1 / T with T from 1 to `hottest`,
    and which swap states (replica exchange): chains then pass between modes that they would never leave. The ladder is
    geometric at first and adapted during burn-in. It costs as many times as much.

    Converged means: rank-normalised split R-hat (Vehtari et al. 2021) at most 1.01, and bulk and tail effective sample sizes of
    all chains together at least 400 and n, for the log likelihood and each latent (for 64 random directions of them, where there
    are more). Otherwise a GempyGanWarning is given and the trace says `converged: false`. The rule asks each chain to be long by
    itself, about 100 (tau - 1) steps at an autocorrelation time tau, although many short chains may be good before (Margossian
    et al. 2024): with fewer `chains` it is met at less cost. Chains that all sit in one mode do not notice another.
    """

    requires: ClassVar[type[Prior]] = LatentPrior  # type: ignore[type-abstract]
    lengths: ClassVar[dict[str, tuple[int, int]]]  # burn-in, and most steps after it, where not given
    sizes: ClassVar[dict[str, float]]  # first step size
    largest: ClassVar[float]  # step size
    acceptance: ClassVar[float]  # aimed at during burn-in
    slopes: ClassVar[bool]  # whether moves need gradients

    proposal: Literal["informed", "prior"] = "informed"
    steps: int | None = None
    burn_in: int | None = None
    chains: int | None = None
    step_size: float | None = None
    rank: int = 2000
    start: Strategy | None = None
    from_prior: bool = False
    temperatures: int = 1
    hottest: float = 100.0

    def __post_init__(self) -> None:
        who = type(self).__name__
        if self.proposal not in self.lengths:
            raise GempyGanError(f"{who}'s proposal is {self.proposal!r}. Expected one of: {', '.join(self.lengths)}.")
        burn_in, steps = self._lengths()
        if burn_in < 0 or min(steps, self.rank, self.temperatures) < 1:
            raise GempyGanError(
                f"{who}'s burn_in, steps, rank and temperatures are {burn_in}, {steps}, {self.rank} and {self.temperatures}. "
                "Expected positive numbers (burn_in may be 0)."
            )
        if self.chains is not None and self.chains < 2:
            raise GempyGanError(f"{who} was given {self.chains} chains. Expected 2 or more, which can be compared, or None.")
        if self.step_size is not None and not 0 < self.step_size <= self.largest:
            raise GempyGanError(f"{who}'s step_size is {self.step_size}. Expected 0 < step_size <= {self.largest:.4g}.")
        if not 1 < self.hottest < math.inf:
            raise GempyGanError(f"{who}'s hottest temperature is {self.hottest}. Expected a number above 1.")
        if not (self.start is None or isinstance(self.start, Strategy)) or (self.start is not None and self.from_prior):
            raise GempyGanError(
                f"{who}'s start is {self.start!r} and from_prior is {self.from_prior}. "
                "Expected a strategy that draws latents, or None; not both."
            )

    @abstractmethod
    def move(self, target: Target, state: State, size: Tensor, generator: torch.Generator) -> tuple[State, Tensor]:
        """A proposal for each row of the state, with steps of `size` (rows, 1), and the log of its acceptance ratio (rows,)."""

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Run the chains and return n of their states."""
        self.check(prior)
        prior = cast("LatentPrior", prior)
        number = max(n, FEWEST) if self.chains is None else self.chains
        burn_in, steps = self._lengths()
        with torch.no_grad():
            ladder = Ladder(self.temperatures, self.hottest, number)
            starts = self._starts(prior, likelihood, number, generator)
            reference = self._reference(Misfit(prior, likelihood), starts, generator)
            target = Target(prior, likelihood, reference, ladder.rows, self.slopes)
            where = target.reference.sample(len(ladder.rows), generator) if starts is None else reference.deviation(starts)
            run = _Run(self, target, target.at(where), ladder, generator)
            run.adapt(burn_in)
            found, z = run.collect(steps, n)
            values = target.decode(z)
        self._warn(run, found)
        return Draws(values, z, trace=run.trace(found))

    def _lengths(self) -> tuple[int, int]:
        burn_in, steps = self.lengths[self.proposal]
        return burn_in if self.burn_in is None else self.burn_in, steps if self.steps is None else self.steps

    def _starts(self, prior: LatentPrior, likelihood: LikelihoodLike, number: int, generator: torch.Generator) -> Tensor | None:
        """The latents where all chains and replicas begin; None where they begin with the reference."""
        if self.from_prior:
            return torch.randn((number * self.temperatures, *prior.latent_shape), generator=generator)
        if self.start is None:
            return None
        latents = self.start.sample(prior, likelihood, number, generator).latents
        if latents is None:
            who, start = type(self).__name__, type(self.start).__name__
            raise GempyGanError(f"{who} cannot start from {start}, which draws no latents. Take another start.")
        return torch.cat([latents] * self.temperatures)

    def _reference(self, misfit: Misfit, starts: Tensor | None, generator: torch.Generator) -> Reference:
        if self.proposal == "prior":
            return prior_reference(math.prod(misfit.prior.latent_shape))
        if starts is None or self.from_prior:
            return laplace_reference(misfit, self.rank, generator)
        target = Target(misfit.prior, misfit.likelihood, prior_reference(starts[0].numel()), torch.ones(len(starts)))
        best = target.log_density(target.at(target.untempered.deviation(starts))).argmax()
        mode = gauss_newton(misfit, torch.zeros_like(starts[:1]), starts[best][None], 1.0, NEAR, 0.1).z
        return laplace_reference(misfit, self.rank, generator, mode)

    def _warn(self, run: _Run, found: Convergence) -> None:
        if not found.reached:
            warnings.warn(
                f"The chains have not converged: R-hat is {found.rhat:.3g}, and {RHAT} is the most that is trusted; they are "
                f"worth {found.effective:.0f} independent draws, and {found.needed:.0f} are needed (acceptance "
                f"{float(run.accepted[0]):.0%}, step size {float(run.sizes[0]):.2g}). Raise burn_in and steps, or temperatures, "
                "or take another strategy.",
                GempyGanWarning,
                stacklevel=3,
            )
        if (run.ladder.acceptance < SWAPS).any():
            warnings.warn(
                f"Replicas hardly swap: the acceptance between temperatures falls to {float(run.ladder.acceptance.min()):.1%}. "
                "Expected 20 % or more: raise temperatures (there are "
                f"{self.temperatures}), or lower hottest ({self.hottest:g}).",
                GempyGanWarning,
                stacklevel=3,
            )


class _Run:
    """The states of all chains and replicas, on their way."""

    def __init__(self, kernel: MarkovChains, target: Target, state: State, ladder: Ladder, generator: torch.Generator) -> None:
        self.kernel, self.target, self.state, self.ladder, self.generator = kernel, target, state, ladder, generator
        size = kernel.step_size or kernel.sizes[kernel.proposal]
        self.sizes = torch.full_like(ladder.powers, size)
        self.accepted, self.steps = torch.zeros_like(ladder.powers), 0
        k = state.deviation.whole.shape[1]
        few = k <= MONITORED
        self.watched = torch.eye(k) if few else torch.linalg.qr(torch.randn((k, MONITORED), generator=generator))[0]

    def step(self) -> Tensor:
        """Move every chain once, then let replicas swap; returns the mean acceptance at each temperature."""
        size = self.sizes.repeat_interleave(self.ladder.chains)[:, None].float()
        proposed, log_ratio = self.kernel.move(self.target, self.state, size, self.generator)
        probability = log_ratio.clamp(max=0).exp().nan_to_num(0)
        chosen = torch.rand(len(probability), generator=self.generator, dtype=torch.float64) < probability
        self.state = proposed.where(chosen, self.state)
        if len(self.ladder.powers) > 1:
            self.state = self.state.rows(self.ladder.swap(self.state.log_likelihood, self.generator))
        return probability.reshape(len(self.sizes), -1).mean(dim=1)

    def adapt(self, steps: int) -> None:
        """Burn in: find step sizes, and temperatures."""
        sizes = DualAveraging(self.sizes, self.kernel.acceptance, self.kernel.largest)
        at = {int(share * steps) for share in LADDERS}
        for k in progress.track(range(steps), "burn-in", steps):
            accepted = self.step()
            if self.kernel.step_size is None:
                sizes.update(accepted)
                self.sizes = sizes.size
            if k in at:
                self.ladder.adapt()
                self.target.temper(self.ladder.rows)
        if self.kernel.step_size is None:
            self.sizes = sizes.average
        self.ladder.forget()

    def collect(self, steps: int, n: int) -> tuple[Convergence, Tensor]:
        """Run until the chains have converged, at most `steps` steps; their convergence, and n of their latents."""
        number = self.ladder.chains
        each = -(-n // number)
        steps, check, stride = max(steps, each), max(FIRST, each), 1
        watched: list[Tensor] = []
        kept: list[Tensor] = []
        for k in progress.track(range(1, steps + 1), "chains", steps):
            self.accepted += (self.step() - self.accepted) / k
            watched.append(self._summaries())
            if k % stride == 0:
                kept.append(self.state.deviation.whole[:number])
            if len(kept) == 2 * each:
                kept, stride = kept[1::2], 2 * stride
            if k in (check, steps):
                check = 2 * check
                found = convergence(torch.stack(watched), max(ENOUGH, n))
                if found.reached:
                    break
        progress.report("chains", steps, steps)
        self.steps = k
        return found, torch.cat([self.target.reference.mean + part for part in kept])[-n:].reshape(
            n, *self.target.prior.latent_shape
        )

    def trace(self, found: Convergence) -> dict[str, Any]:
        """What the diagnosis wants to know, of the chains at temperature 1."""
        trace: dict[str, Any] = {
            "converged": found.reached,
            "rhat": found.rhat if math.isfinite(found.rhat) else None,
            "effective_sample_size": found.effective if math.isfinite(found.effective) else None,
            "acceptance": float(self.accepted[0]),
            "step_size": float(self.sizes[0]),
            "steps": self.steps,
            "evaluations": self.target.evaluations,
        }
        if len(self.ladder.powers) > 1:
            trace["temperatures"] = [float(1 / power) for power in self.ladder.powers]
            trace["swap_acceptance"] = [float(share) if math.isfinite(share) else None for share in self.ladder.acceptance]
        return trace

    def _summaries(self) -> Tensor:
        """What is watched of each chain (chains, q): its log likelihood and latents, or directions of them."""
        whole = self.state.deviation.whole[: self.ladder.chains]
        return torch.cat([self.state.log_likelihood[: self.ladder.chains, None], (whole @ self.watched).double()], dim=1)
