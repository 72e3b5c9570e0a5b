"""Variational inference with a normalizing flow over the latents."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import torch

from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.descent import lbfgs
from gempy_gan.strategies.gauss_newton import gauss_newton
from gempy_gan.strategies.importance import TRUSTED, Importance, pareto_smoothed
from gempy_gan.strategies.misfit import Misfit
from gempy_gan.strategies.reference import Reference, laplace_reference, prior_reference
from gempy_gan.strategies.rejection import systematic
from gempy_gan.strategies.transport import Transport
from gempy_gan.strategies.variational import Posterior, forward, log_ratio, reverse
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

DIVERGENCES = ("reverse", "forward", "both")
STARTS = ("laplace", "prior")
SEARCH = 40  # L-BFGS steps from each start,
CLIMB = 100  # more from the best,
POLISH = 3  # and Gauss-Newton steps at last, of which linear data need one
RANK = 2000  # directions that the data may inform
WIDTHS = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01)  # of the untrained density, in prior standard deviations
INFORMED = 1.0  # information, relative to the prior's, above which a direction is the data's rather than free
COLLAPSED = 0.5  # spread in the free directions, relative to the prior's, below which draws are too alike
COMPARABLE = math.log(100)  # in log density: modes that are lower than the highest by more do not count
RISING = 1.0  # gain of the evidence lower bound, in nats over the last quarter, that asks for more steps


@dataclass
class Flow(Strategy):
    """Variational inference: a normalizing flow over the latents is fitted to the posterior of one data set, then drawn from.

    The fit is paid once, after it draws cost a decode each. `divergence` is what it minimises:

    - "reverse": KL(q || posterior), by gradients through decoder and data. Draws honour the data, but q shrinks to the part of
      the posterior that it can follow: it covers one mode of several, and a stretch of a curved ridge.
    - "forward": KL(posterior || q), by importance sampling, without gradients. It covers all modes that its draws meet, and
      works as long as a few of a thousand draws fit the data, or do so for a tempered likelihood: for vague or few data.
    - "both": the one, then the other.

    `start` is what q is before: the Laplace approximation at the best mode found from `starts` points, its spread narrowed
    where that raises the evidence lower bound, or the prior (the likelihood is then annealed). The flow, of `layers` layers
    and networks `width` wide, bends q along the `directions` that the data inform most, given all the others, in which q is
    Gaussian; `start="prior"` needs no more latents than that. `steps` (each on `batch` draws) are those of the reverse fit,
    `rounds` (each of `proposals` draws) of the forward one; `tolerance` is the divergence, in nats, at which either stops.

    q is a density that can be evaluated, so `proposals` draws are weighted by posterior over q. The trace has what they are
    worth (`khat`, `effective_sample_size`) and `log_evidence`; with `corrected`, the draws are resampled by these weights,
    Pareto-smoothed. A GempyGanWarning is given where k-hat is above 0.7: draws are then approximate, and weights are no help.

    Collapse is looked for in three ways, each with a GempyGanWarning: spread in the directions on which the data are silent
    (`free_spread`, 1 for the prior and for a Gaussian posterior), copies among corrected draws, and modes among the starts, as
    likely as the best, that q leaves out (`missed_modes`). Weights cannot see those: a mode that q never draws has none.
    """

    requires: ClassVar[type[Prior]] = LatentPrior  # type: ignore[type-abstract]
    coupled: ClassVar[bool] = True

    divergence: Literal["reverse", "forward", "both"] = "reverse"
    start: Literal["laplace", "prior"] = "laplace"
    corrected: bool = False
    steps: int = 100
    rounds: int = 30
    batch: int = 16
    proposals: int = 256
    starts: int = 6
    directions: int = 128
    layers: int = 4
    width: int = 64
    learning_rate: float = 0.01
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if self.divergence not in DIVERGENCES or self.start not in STARTS:
            raise GempyGanError(
                f"Flow's divergence and start are {self.divergence!r} and {self.start!r}. "
                f"Expected one of {', '.join(DIVERGENCES)}, and one of {', '.join(STARTS)}."
            )
        counts = {name: getattr(self, name) for name in ("steps", "rounds", "starts", "directions", "layers", "width")}
        if min(*counts.values(), self.learning_rate, self.tolerance) <= 0:
            raise GempyGanError(
                f"Flow has {counts}, learning_rate {self.learning_rate}, tolerance {self.tolerance}. Expected positive."
            )
        if self.batch < 2 or self.proposals < 50:
            raise GempyGanError(
                f"Flow has a batch of {self.batch} and {self.proposals} proposals. Expected at least 2 and 50: they are compared."
            )

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Fit the flow, weigh its draws, and return n of them."""
        self.check(prior)
        prior = cast("LatentPrior", prior)
        if not len(likelihood.observed):
            z = torch.randn((n, *prior.latent_shape), generator=generator)
            with torch.no_grad():
                return Draws(prior.decode(z), z)
        posterior = Posterior(prior, likelihood)
        latents = math.prod(prior.latent_shape)
        self._check_directions(latents)
        with torch.no_grad():
            modes, laplace = self._modes(Misfit(prior, likelihood), generator)
        with torch.random.fork_rng(devices=[]):  # networks are initialised from torch's own numbers
            torch.manual_seed(int(torch.randint(2**62, (), generator=generator)))
            start = laplace if self.start == "laplace" else prior_reference(latents)
            q = Transport(start, self.directions, self.layers, self.width)
        fitted = self._fit(q, posterior, generator)
        q.requires_grad_(requires_grad=False)
        with torch.no_grad():
            z = q.draw(torch.randn((max(n, self.proposals), latents), generator=generator))
            log, log_likelihood = log_ratio(q, posterior, z)
            importance = pareto_smoothed(log)
            chosen = systematic(importance.log_weights.exp(), n, generator) if self.corrected else torch.arange(n)
            trace = {**fitted, **_worth(importance, len(z)), **_spread(q, laplace, z)}
            trace["missed_modes"] = _missed(q, posterior, modes, z, log_likelihood)
            if self.corrected:
                trace["distinct"] = len(chosen.unique())  # type: ignore[no-untyped-call]
            values = torch.cat([posterior.decode(part) for part in posterior.parts(z[chosen])])
            trace["chi2"] = float(likelihood.residual(values).square().mean())
        self._warn(trace, n)
        return Draws(values, z[chosen].reshape(n, *prior.latent_shape), trace=trace)

    def _check_directions(self, latents: int) -> None:
        if self.start == "prior" and latents > self.directions:
            raise GempyGanError(
                f"Flow starts from the prior, which has {latents} latents, with {self.directions} directions. "
                "Expected as many: raise directions, or start from 'laplace', which finds those that the data inform."
            )

    def _modes(self, misfit: Misfit, generator: torch.Generator) -> tuple[Tensor, Reference]:
        """Where descents from the centre and from draws of the prior end (starts, k), the best one first, and its Laplace."""
        shape = misfit.prior.latent_shape
        points = torch.randn((self.starts, *shape), generator=generator)
        points[0] = 0
        found = lbfgs(misfit, torch.zeros_like(points), points, 1.0, SEARCH, 0.01)
        order = found.objective.argsort()
        centre = torch.zeros((1, *shape))
        best = lbfgs(misfit, centre, found.z[order[:1]], 1.0, CLIMB, 0.01).z
        best = gauss_newton(misfit, centre, best, 1.0, POLISH, 0.01).z
        laplace = laplace_reference(misfit, min(RANK, centre.numel()), generator, best)
        return torch.cat([best, found.z[order[1:]]]).flatten(1), laplace

    def _fit(self, q: Transport, posterior: Posterior, generator: torch.Generator) -> dict[str, Any]:
        trace: dict[str, Any] = {}
        if self.start == "laplace":
            trace["width"] = _narrow(q, posterior, self.batch, generator)
        if self.divergence != "forward":
            power = 1.0 if self.start == "laplace" else _first_power(posterior, q.latents, self.batch, generator)
            bounds = reverse(q, posterior, self.steps, self.batch, self.learning_rate, power, self.tolerance, generator)
            quarter = [_mean(part) for part in _split(bounds, 4)]
            trace |= {
                "steps": len(bounds),
                "elbo": [round(_mean(part), 2) for part in _split(bounds, 10)],
                "elbo_gain": quarter[-1] - quarter[-2] if len(bounds) == self.steps and len(quarter) > 1 else 0.0,
            }
        if self.divergence != "reverse":
            powers = forward(q, posterior, self.rounds, self.proposals, self.learning_rate, self.tolerance, generator)
            trace |= {"rounds": len(powers), "power": powers[-1]}
        return trace

    def _warn(self, trace: dict[str, Any], n: int) -> None:
        found = []
        if not trace["khat"] <= TRUSTED:
            gain = trace.get("elbo_gain", 0.0)
            more = f"Its evidence lower bound still rose by {gain:.1f} nats: raise steps. " if gain > RISING else ""
            tempered = (
                "Even a tempered likelihood was all that importance sampling could reach. " if trace.get("power", 1.0) < 1 else ""
            )
            found.append(
                f"The flow is not the posterior: Pareto k-hat is {trace['khat']:.2f}, and {TRUSTED} is the most that is trusted "
                f"({trace['proposals']} draws are worth {trace['effective_sample_size']:.1f}, chi2 is {trace['chi2']:.3g}). "
                f"{more}{tempered}Compare with Markov chains that start from it."
            )
        if trace["free_spread"] is not None and trace["free_spread"] < COLLAPSED:
            found.append(
                f"The flow has collapsed: in {trace['free_directions']} directions on which the data are silent its draws spread "
                f"{trace['free_spread']:.2f} of what the prior does. They are too alike: raise steps, or take another strategy."
            )
        if trace["missed_modes"]:
            found.append(
                f"The flow covers one mode and misses others: {trace['missed_modes']} of {self.starts} descents ended where it "
                "draws nothing and the posterior is as high. Take divergence='forward' with start='prior', or another strategy."
            )
        if trace.get("distinct", n) < n / 2:
            found.append(
                f"Only {trace['distinct']} of {n} corrected draws differ, for {trace['proposals']} proposals. Raise proposals, "
                "or take the draws uncorrected."
            )
        for message in found:
            warnings.warn(message, GempyGanWarning, stacklevel=3)


def _narrow(q: Transport, posterior: Posterior, batch: int, generator: torch.Generator) -> float:
    """Narrow q, untrained, to the width with the highest evidence lower bound: beyond it curved ridges are left."""
    noise = torch.randn((batch, q.latents), generator=generator)
    bounds = {}
    for width in WIDTHS:
        trial = copy.deepcopy(q)
        trial.narrow(width)
        with torch.no_grad():
            bounds[width] = float(log_ratio(trial, posterior, trial.draw(noise))[0].mean())
    best = max(bounds, key=lambda width: bounds[width])
    q.narrow(best)
    return best


def _first_power(posterior: Posterior, latents: int, batch: int, generator: torch.Generator) -> float:
    """The power of the likelihood at which prior draws fit the data: the one that makes chi2 1."""
    with torch.no_grad():
        m = posterior.decode(torch.randn((batch, latents), generator=generator))
        return min(1.0, 1 / float(posterior.likelihood.residual(m).square().mean()))


def _worth(importance: Importance, proposals: int) -> dict[str, Any]:
    return {
        "proposals": proposals,
        "khat": importance.khat,
        "effective_sample_size": importance.effective,
        "log_evidence": importance.log_evidence,
    }


def _spread(q: Transport, laplace: Reference, z: Tensor) -> dict[str, Any]:
    """Spread of draws z (n, k), relative to the prior's: in all latents, and where the data are silent at the best mode."""
    deviation = z - z.mean(dim=0)
    informed = laplace.directions[laplace.information > INFORMED]
    every = deviation.square().sum() / (len(z) - 1)
    free = every - (deviation @ informed.T).square().sum() / (len(z) - 1)
    silent = z.shape[1] - len(informed)
    return {
        "spread": float((every / z.shape[1]).sqrt()),
        "free_directions": silent,
        "free_spread": float((free.clamp(min=0) / silent).sqrt()) if silent else None,
    }


def _missed(q: Transport, posterior: Posterior, modes: Tensor, z: Tensor, log_likelihood: Tensor) -> int:
    """How many of the modes (m, k) are about as high as the highest point known, and where q has no mass."""
    heights = posterior.log_likelihood(modes) + posterior.log_prior(modes)
    highest = max(heights.max(), (log_likelihood + posterior.log_prior(z)).max())
    return int(((heights > highest - COMPARABLE) & (q(modes) < q(z).min())).sum())


def _split(values: list[float], parts: int) -> list[list[float]]:
    """Values in so many runs of about equal length, fewer where there are fewer values."""
    edges = [k * len(values) // parts for k in range(parts + 1)]
    return [values[a:b] for a, b in itertools.pairwise(edges) if b > a]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
