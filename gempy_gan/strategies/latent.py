"""Latent optimization as randomized maximum likelihood."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, cast

import torch

from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.descent import adam, lbfgs
from gempy_gan.strategies.gauss_newton import gauss_newton
from gempy_gan.strategies.misfit import Minimum, Misfit, per_row
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_STEPS = {"gauss-newton": 30, "lbfgs": 200, "adam": 1000}
REMEMBERED = 2**20  # latents that are optimized at once: past steps are kept beside each


@dataclass
class Latent(Strategy):
    """Latent optimization as randomized maximum likelihood (Oliver, He & Reynolds 1996; Kitanidis 1995).

    Each draw starts from its own prior latent z0 and its own noise e ~ N(0, std^2), and minimises
    |(F(decode(z)) - d - e) / std|^2 / 2 + prior_weight |z - z0|^2 / 2. Where decode and F are linear the draws are exact
    and independent; where they are not they are an approximation whose error nobody bounds: compare with `pcn`.

    `optimizer` is "gauss-newton" (few steps; needs a decoder and a forward operator that can be differentiated twice),
    "lbfgs" or "adam" (first derivatives only; `learning_rate` is Adam's). `steps` None means 30, 200 or 1000.
    `tolerance` is how far from its minimum a draw may end, in posterior standard deviations (RMS over the data). Draws that
    end farther off, and draws that fit the data much worse than the others do, are counted in the trace ("unconverged",
    "trapped") and a GempyGanWarning says so. `starts` > 1 starts each draw from that many latents, its own z0 first, and
    keeps the lowest minimum. `annealing` are factors by which the variance of the data is inflated at first, one after the
    other, so that vague data lead the way to precise ones; `steps` are then shared by all passes, the last one having half.
    `enough` ends L-BFGS for draws that are within so many standard deviations (RMS) of their perturbed data: 0.5 saves most of
    the steps, and what it leaves out adds a quarter to chi2.
    `prior_weight` other than 1 samples no posterior any more.
    """

    requires: ClassVar[type[Prior]] = LatentPrior  # type: ignore[type-abstract]

    optimizer: Literal["gauss-newton", "lbfgs", "adam"] = "gauss-newton"
    steps: int | None = None
    tolerance: float = 0.01
    starts: int = 1
    prior_weight: float = 1.0
    learning_rate: float = 0.05
    annealing: Sequence[float] = ()
    enough: float = 0.0

    def __post_init__(self) -> None:
        if self.optimizer not in DEFAULT_STEPS:
            raise GempyGanError(f"Latent's optimizer is {self.optimizer!r}. Expected one of: {', '.join(DEFAULT_STEPS)}.")
        if min(self.tolerance, self.prior_weight, self.learning_rate) <= 0 or self.starts < 1 or (self.steps or 1) < 1:
            raise GempyGanError(
                f"Latent's tolerance, prior_weight, learning_rate, starts and steps are {self.tolerance}, {self.prior_weight}, "
                f"{self.learning_rate}, {self.starts} and {self.steps}. Expected positive numbers."
            )
        if not self.enough >= 0 or (self.enough and self.optimizer != "lbfgs"):
            raise GempyGanError(
                f"Latent's enough is {self.enough} with {self.optimizer!r}. Expected 0, or a positive number with 'lbfgs'."
            )
        if not all(factor >= 1 for factor in self.annealing):
            raise GempyGanError(f"Latent's annealing is {list(self.annealing)}. Expected factors of the variance, 1 or more.")

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations, each the minimum for its own perturbed data and its own prior latent."""
        self.check(prior)
        prior = cast("LatentPrior", prior)
        anchor = torch.randn((n, *prior.latent_shape), generator=generator)
        if not len(likelihood.observed):
            with torch.no_grad():
                return Draws(prior.decode(anchor), anchor)
        noise = torch.randn((n, len(likelihood.observed)), generator=generator)
        misfit = Misfit(prior, likelihood, noise)
        with torch.no_grad():
            found = self._minimise(misfit, anchor, anchor)
            for _ in range(self.starts - 1):
                other = torch.randn(anchor.shape, generator=generator)
                found = _lower(found, self._minimise(misfit, anchor, other))
            values = prior.decode(found.z)
            chi2 = likelihood.residual(values).square().mean(dim=1)
        unconverged, trapped = int((~found.converged).sum()), _trapped(chi2, noise.shape[1])
        _warn(n, unconverged, trapped, found.steps)
        trace = {
            "steps": found.steps,
            "unconverged": unconverged,
            "trapped": trapped,
            "chi2": [round(float(c), 4) for c in chi2],
        }
        return Draws(values, found.z, trace=trace)

    def _minimise(self, misfit: Misfit, anchor: Tensor, start: Tensor) -> Minimum:
        """The minima of all rows, as many at once as the optimizer's memory of past steps allows."""
        rows = max(1, REMEMBERED // start[0].numel())
        found = [
            self._annealed(misfit.of_rows(part), anchor[part], start[part])
            for part in (slice(first, first + rows) for first in range(0, len(start), rows))
        ]
        return Minimum(
            torch.cat([f.z for f in found]),
            torch.cat([f.objective for f in found]),
            torch.cat([f.converged for f in found]),
            max(f.steps for f in found),
        )

    def _annealed(self, misfit: Misfit, anchor: Tensor, start: Tensor) -> Minimum:
        steps, passes = self.steps or DEFAULT_STEPS[self.optimizer], len(self.annealing)
        early = -(-steps // (2 * passes)) if passes else 0
        for factor in self.annealing:
            start = self._pass(misfit, anchor, start, factor, early).z
        return self._pass(misfit, anchor, start, 1.0, max(1, steps - early * passes))

    def _pass(self, misfit: Misfit, anchor: Tensor, start: Tensor, inflation: float, steps: int) -> Minimum:
        """The minimum for data of inflated variance: that for a heavier prior is the same."""
        weight = self.prior_weight * inflation
        if self.optimizer == "adam":
            return adam(misfit, anchor, start, weight, steps, self.tolerance, self.learning_rate)
        if self.optimizer == "lbfgs":
            return lbfgs(misfit, anchor, start, weight, steps, self.tolerance, self.enough * inflation**0.5)
        return gauss_newton(misfit, anchor, start, weight, steps, self.tolerance)


def _lower(a: Minimum, b: Minimum) -> Minimum:
    """The lower of two minima, draw by draw."""
    better = b.objective < a.objective
    return Minimum(
        torch.where(per_row(better, a.z), b.z, a.z),
        torch.minimum(a.objective, b.objective),
        torch.where(better, b.converged, a.converged),
        max(a.steps, b.steps),
    )


def _trapped(chi2: Tensor, data: int) -> int:
    """How many draws fit the data much worse than the median draw does.

    That is by six standard deviations of the cube root of a mean of `data` squares, which is nearly normal (Wilson & Hilferty).
    """
    return int((chi2 > chi2.median() * (1 + 6 * (2 / (9 * data)) ** 0.5) ** 3).sum())


def _warn(n: int, unconverged: int, trapped: int, steps: int) -> None:
    if unconverged:
        warnings.warn(
            f"{unconverged} of {n} latent optimizations did not converge within {steps} steps. "
            "Expected all: raise steps, or tolerance, or try another optimizer.",
            GempyGanWarning,
            stacklevel=3,
        )
    if trapped:
        warnings.warn(
            f"{trapped} of {n} latent optimizations ended in local minima that fit the data much worse than the others do. "
            "Raise starts, or look at chi2 in the trace and leave them out.",
            GempyGanWarning,
            stacklevel=3,
        )
