"""The twisted diffusion sampler: guided particles, weighted and resampled until they are right."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, cast

import torch

from gempy_gan import progress
from gempy_gan.denoising import heun, noise_levels, noise_like, settled
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import DiffusionPrior, Prior
from gempy_gan.strategies.dps import DPS
from gempy_gan.strategies.guidance import Guide, GuidedStrategy, Lead, fit
from gempy_gan.strategies.guided import Guided
from gempy_gan.strategies.pigdm import check_options
from gempy_gan.strategies.rejection import systematic
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

EVEN = 0.5  # effective share of the particles below which they are resampled
FEW = 0.25  # of the draws asked for, below which a warning says how many independent ones they are worth


@dataclass
class Twisted(Strategy):
    """Twisted diffusion sampler (Wu, Trippe, Naesseth, Blei & Cunningham 2023), around any guided `proposal`.

    max(n, `particles`) particles are denoised in `steps` steps, each followed by fresh noise. A step is led by the proposal
    (None is `guided`) and weighted by p(x' | x) psi(x') / (q(x' | x) psi(x)), where p is the step without data, q the step that
    was taken, and psi the proposal's own approximation to p(d | x), which in the end is the likelihood itself (their equations 9
    to 12). So the guidance may be wrong: with ever more particles and steps the draws are posterior ones. What the denoiser is
    told as its condition, hard data with `guided`, counts as prior. Particles are resampled (systematically) where their weights
    become uneven.

    Steps follow the probability flow by Heun's method to less noise than the next level has, and add the rest; that keeps the
    marginals of the prior with far fewer steps than theirs.

    The trace has `ancestors`, how many of the first particles have descendants, and `effective_sample_size`, 1 / sum(share^2)
    over the shares of the particles that descend from each: how many draws they are worth, for what is decided early, such as
    the mode. A GempyGanWarning says when that is below n / 4: with thousands of data a guidance a little wrong is enough.
    """

    requires: ClassVar[type[Prior]] = DiffusionPrior  # type: ignore[type-abstract]
    coupled: ClassVar[bool] = True

    proposal: Strategy | None = None
    steps: int = 48
    particles: int = 400

    def __post_init__(self) -> None:
        check_options("Twisted", self.steps)
        published = isinstance(self.led_by, DPS) and self.led_by.noise == "published"  # no expectation, only a direction
        if self.particles < 1 or published or not isinstance(self.led_by, GuidedStrategy):
            raise GempyGanError(
                f"Twisted got {self.particles} particles and a {type(self.led_by).__name__} as its proposal. "
                "Expected 1 particle or more, and a strategy that guides: guided, pigdm, mmps or dps with noise='honoured'."
            )

    @property
    def led_by(self) -> Strategy:
        """The strategy that proposes."""
        return self.proposal or Guided()

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations."""
        self.check(prior)
        known = cast("DiffusionPrior", prior)
        guide = cast("GuidedStrategy", self.led_by).guide(known, likelihood)
        with torch.no_grad():
            cloud = _Cloud(guide, known, max(n, self.particles), generator)
            levels = noise_levels(known, self.steps)[:-1].tolist()
            for k, (sigma, following) in enumerate(pairwise(levels)):
                progress.report("noise levels", k, self.steps)
                cloud.step(sigma, following)
            values = cloud.finished()
            values = values[systematic(cloud.log.softmax(dim=0), n, generator)]
        self._complain(cloud, n)
        trace = {"effective_sample_size": cloud.worth(), "ancestors": len(set(cloud.ancestor.tolist()))}
        return Draws(values, trace={**trace, **fit(likelihood, values)})

    def _complain(self, cloud: _Cloud, n: int) -> None:
        worth, first = cloud.worth(), len(set(cloud.ancestor.tolist()))
        if worth < FEW * n:
            warnings.warn(
                f"{len(cloud.log)} particles are worth {worth:.1f} independent draws, and {n} were asked for: they descend from "
                f"{first} of the first ones. Raise particles or steps, or take another proposal.",
                GempyGanWarning,
                stacklevel=3,
            )


class _Cloud:
    """Particles `x`, noisy at one level, their log weights `log` and what leads them on."""

    def __init__(self, guide: Guide, prior: DiffusionPrior, number: int, generator: torch.Generator) -> None:
        self.guide, self.generator = guide, generator
        self.x = settled(self._expected, prior, number, generator)
        self.lead = guide(self.x, prior.sigma_max)
        self.ancestor = torch.arange(number)
        self.log = self.lead.log_data.double()
        self._resample()

    def step(self, sigma: float, following: float) -> None:
        """Go from the noise level sigma to the following one."""
        down = following**2 / sigma
        std = following * math.sqrt(1 - down / sigma)
        by_prior = heun(self._expected, self.x, torch.tensor([sigma, down]))
        by_data = by_prior + (1 - down / sigma) * (self.lead.led - self.lead.clean)
        noise = noise_like(self.x, self.generator)
        self.x = by_data + std * noise
        ratio = 0.5 * (noise.square() - ((self.x - by_prior) / std).square()).double().flatten(1).sum(dim=1)
        before, self.lead = self.lead, self.guide(self.x, following)
        self.log = self.log + ratio + self.lead.log_data - before.log_data
        self._resample()

    def finished(self) -> Tensor:
        """The clean realizations, weighted by the likelihood itself."""
        values = self.guide.prior.finish(self.lead.clean)
        exact = -0.5 * self.guide.residual(values).double().square().sum(dim=1)
        self.log = self.log + exact - self.lead.log_data
        self._check()
        return values

    def worth(self) -> float:
        """How many independent draws the particles are worth, by their descent and their weights."""
        shares = torch.zeros_like(self.log).index_add_(0, self.ancestor, self.log.softmax(dim=0))
        return float(1 / shares.square().sum())

    def _expected(self, x: Tensor, sigma: float) -> Tensor:
        return self.guide.prior.denoise(x, sigma, self.guide.condition)

    def _check(self) -> None:
        if self.log.isnan().any():
            raise GempyGanError("The weight of a particle is not a number. Check the forward operator and the data.")

    def _resample(self) -> None:
        self._check()
        weights = self.log.softmax(dim=0)
        if float(1 / weights.square().sum()) >= EVEN * len(weights):
            return
        parents = systematic(weights, len(weights), self.generator)
        self.x, self.ancestor, self.log = self.x[parents], self.ancestor[parents], torch.zeros_like(self.log)
        self.lead = Lead(self.lead.clean[parents], self.lead.led[parents], self.lead.log_data[parents])
