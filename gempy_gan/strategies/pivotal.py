"""Pivotal tuning: the generator gives way where its latents cannot."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import torch

from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import Prior, TunablePrior
from gempy_gan.strategies.joint_tuning import tune_jointly
from gempy_gan.strategies.masked import MaskedLatent
from gempy_gan.strategies.match import Match
from gempy_gan.strategies.perceptual import perceptual_distance
from gempy_gan.strategies.tuning import Tuned, at_once, tune_each, tune_low_rank
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

STEPS = {"each": 300, "low-rank": 300, "joint": 1000}
KEEP = {"each": 0.0, "low-rank": 100.0, "joint": 0.1}
LOOKED_AT = 8  # prior latents at which the drift is measured


@dataclass
class Pivotal(Strategy):
    """Pivotal tuning (Roich et al. 2021; Rongier & Peeters 2025): latents that nearly fit are held, the generator is tuned.

    The latents, the pivots, come from another strategy (`start`): any one that draws latents; "prior" draws them from the
    prior; None is a short latent optimization. `how` says what is tuned, always on a copy:

    - "each" (the default): a generator for each realization that does not fit the data yet, by L-BFGS, until chi2 is 1. Its
      weights move in the steps of `gempy_gan.strategies.elastic.wander`, which change least what other latents make.
    - "low-rank": one generator for all, its matrices changed by products of `rank`, by L-BFGS, until every chi2 is 1; cells and
      features at fresh latents of the prior are kept, weighted by `keep`.
    - "joint": as published. One generator for all, all weights, `steps` of Adam at `learning_rate`; see
      `gempy_gan.strategies.joint_tuning.tune_jointly`. `faithful` repeats the flaws of the published scripts, also in the
      start where that is None.

    `steps` None means 300, 300 and 1000; `keep` None means 100 for "low-rank" and 0.1 for "joint".

    Tuning samples no posterior: draws that fit already are left alone by "each", the others get the nearest weights that fit.
    Where the start samples the posterior of the prior, so does what it draws; where it does not, spread and realism are for you
    to check. The trace has the match before and after of each realization, how far cells moved ("moved") and how far the
    generator moved at fresh latents of the prior ("drift": mean absolute difference of cells, and LPIPS_D). A
    GempyGanWarning counts realizations that still do not fit. Latents returned are the pivots.
    """

    requires: ClassVar[type[Prior]] = TunablePrior  # type: ignore[type-abstract]

    how: Literal["each", "low-rank", "joint"] = "each"
    start: Strategy | Literal["prior"] | None = None
    steps: int | None = None
    rank: int = 8
    keep: float | None = None
    learning_rate: float = 3e-4
    faithful: bool = False

    def __post_init__(self) -> None:
        if self.how not in STEPS:
            raise GempyGanError(f"Pivotal's how is {self.how!r}. Expected one of: {', '.join(STEPS)}.")
        if not (self.start is None or self.start == "prior" or isinstance(self.start, Strategy)):
            raise GempyGanError(f"Pivotal's start is {self.start!r}. Expected a strategy, 'prior' or None.")
        if (self.steps is not None and self.steps < 1) or self.rank < 1 or (self.keep or 0.0) < 0 or self.learning_rate <= 0:
            raise GempyGanError(
                f"Pivotal's steps, rank, keep and learning_rate are {self.steps}, {self.rank}, {self.keep} and "
                f"{self.learning_rate}. Expected positive numbers (keep may be 0)."
            )
        if self.faithful and self.how != "joint":
            raise GempyGanError(f"Pivotal's how is {self.how!r}, which was never published. Expected 'joint' with faithful=True.")

    @property
    def coupled(self) -> bool:  # type: ignore[override]
        """Whether one generator is tuned for all, or the start draws all together."""
        return self.how != "each" or (isinstance(self.start, Strategy) and self.start.coupled)

    def check(self, prior: Prior) -> None:
        """As for every strategy; and the start must be able to work on the prior."""
        super().check(prior)
        if isinstance(self.start, Strategy):
            self.start.check(prior)

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n pivots and tune to them."""
        self.check(prior)
        prior = cast("TunablePrior", prior)
        start = self._pivots(prior, likelihood, n, generator)
        assert start.latents is not None  # noqa: S101  # _pivots has seen to that
        pivots = start.latents
        if not len(likelihood.observed):
            return start
        with torch.no_grad():
            before = torch.cat([prior.decode(part) for part in torch.split(pivots, at_once(likelihood))])
            match = Match.of(before, likelihood)
        tuned = self._tune(prior, likelihood, pivots, before, ~match.fits, generator)
        after = Match.of(tuned.values, likelihood)
        after.warn(f"tuned realizations ({self.how})", "raise steps, or start nearer to the data")
        moved = (tuned.values - before).abs().flatten(1).mean(dim=1)
        trace = {
            "before": match.trace(),
            **after.trace(),
            "moved": [float(f"{v:.4g}") for v in moved.tolist()],
            "drift": _drift(prior, tuned, generator),
            "evaluations": list(tuned.evaluations),
            "start": dict(start.trace),
        }
        return Draws(tuned.values, pivots, start.log_weights, trace)

    def _pivots(self, prior: TunablePrior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """What the start draws, with latents of the prior. That it misses the data is no news, and not warned of."""
        if self.start == "prior" or not len(likelihood.observed):
            z = torch.randn((n, *prior.latent_shape), generator=generator)
            with torch.no_grad():
                return Draws(torch.cat([prior.decode(part) for part in torch.split(z, at_once(likelihood))]), z)
        quick = MaskedLatent(steps=150, learning_rate=0.05, reach=0.0, realism_weight=0.0)
        start = self.start or (MaskedLatent(faithful=True) if self.faithful else quick)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GempyGanWarning)
            draws = start.sample(prior, likelihood, n, generator)
        if draws.latents is None or draws.latents.shape[1:] != prior.latent_shape:
            raise GempyGanError(
                f"Pivotal cannot start from {type(start).__name__}, which draws no latents of this prior. Take another start."
            )
        return draws

    def _tune(
        self,
        prior: TunablePrior,
        likelihood: LikelihoodLike,
        pivots: Tensor,
        untuned: Tensor,
        unfit: Tensor,
        generator: torch.Generator,
    ) -> Tuned:
        steps, keep = self.steps or STEPS[self.how], KEEP[self.how] if self.keep is None else self.keep
        if self.how == "each":
            return tune_each(prior, likelihood, pivots, untuned, unfit, steps, generator)
        if self.how == "low-rank":
            return tune_low_rank(prior, likelihood, pivots, steps, self.rank, keep, generator)
        return tune_jointly(prior, likelihood, pivots, steps, self.learning_rate, keep, self.faithful, generator)


def _drift(prior: TunablePrior, tuned: Tuned, generator: torch.Generator) -> dict[str, Any]:
    """What tuning did to other latents: mean over some of the tuned generators; None where there are none."""
    fresh = torch.randn((LOOKED_AT, *prior.latent_shape), generator=generator)
    with torch.no_grad():
        before = prior.decode(fresh)
        after = [prior.decode(fresh, weights) for weights in tuned.weights]
        cells = [float((m - before).abs().mean()) for m in after]
        try:
            looks = [float(perceptual_distance(prior, m, before).mean()) for m in after]
        except GempyGanError:  # a prior kept without its discriminator compares by cells alone
            looks = []
    found = {"cells": cells, "features": looks}
    return {name: float(f"{sum(v) / len(v):.4g}") if v else None for name, v in found.items()}
