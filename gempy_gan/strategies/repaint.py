"""RePaint: hard data pasted, noisy as the rest, at every level of denoising."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch

from gempy_gan import progress
from gempy_gan.denoising import drowned, noise_levels, noise_like, step
from gempy_gan.errors import GempyGanError
from gempy_gan.prior import DiffusionPrior, Prior
from gempy_gan.strategies.guidance import fit
from gempy_gan.strategies.pigdm import check_options
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class RePaint(Strategy):
    """RePaint (Lugmayr et al. 2022): ancestral sampling that replaces the known cells by their noisy values at every level.

    Since the other cells do not listen, `jump` levels are made noisy again and denoised once more, `resamples` times in all
    (their appendix B; 250, 10 and 10 there). A value with an error is itself noisy: cells are replaced down to the noise level
    that equals it, and denoised from there.

    Wells are matched and the geology around them hardly knows of them: a few cells in a hundred carry no likelihood where the
    noise decides what the box will show. It is here to be compared with. It knows hard data only; others raise GempyGanError.
    """

    requires = DiffusionPrior

    steps: int = 250
    jump: int = 10
    resamples: int = 10

    def __post_init__(self) -> None:
        check_options("RePaint", self.steps)
        if not 1 <= self.jump < self.steps or self.resamples < 1:
            raise GempyGanError(
                f"RePaint got jump {self.jump} and {self.resamples} resamples for {self.steps} steps. "
                "Expected a jump from 1 to below the steps, and 1 resample or more."
            )

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations."""
        self.check(prior)
        if likelihood.hard < len(likelihood.observed):
            raise GempyGanError(
                f"RePaint got {len(likelihood.observed) - likelihood.hard} data that are not values of single cells. "
                "Expected hard data alone: take 'guided' for seismic."
            )
        known = cast("DiffusionPrior", prior)
        levels, x = noise_levels(known, self.steps).tolist(), drowned(known, n, generator)
        moves = list(self.moves())
        with torch.no_grad():
            for before, after in progress.track(moves, "noise levels", len(moves)):
                sigma, following = levels[before], levels[after]
                if after < before:
                    x = x + (following**2 - sigma**2) ** 0.5 * noise_like(x, generator)
                    continue
                x = step(known.denoise(x, sigma), x, sigma, following, generator)
                x = _pasted(x, following, likelihood, generator)
            values = known.finish(x)
        return Draws(values, trace=fit(likelihood, values))

    def moves(self) -> Iterator[tuple[int, int]]:
        """From which noise level to which, one after the other; level 0 is the noisiest, level `steps` has no noise."""
        left = dict.fromkeys(range(self.jump, self.steps, self.jump), self.resamples - 1)
        level = 0
        while level < self.steps:
            yield level, level + 1
            level += 1
            if left.get(level, 0):
                left[level] -= 1
                yield level, level - self.jump
                level -= self.jump


def _pasted(x: Tensor, sigma: float, likelihood: LikelihoodLike, generator: torch.Generator) -> Tensor:
    """x with known cells as they would be at noise sigma, where that is more than their errors."""
    mask, values, std = (part.to(x.device) for part in likelihood.known)
    more = (sigma**2 - std.square()).clamp(min=0).sqrt()
    return torch.where(mask & ((sigma >= std) | (sigma == 0) & (std == 0)), values + more * noise_like(x, generator), x)
