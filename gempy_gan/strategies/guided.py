"""Guided denoising: what hard data imply the denoiser knows, towards all other data it is led."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan.denoising import STEPS, within
from gempy_gan.strategies.guidance import Guide, GuidedStrategy
from gempy_gan.strategies.pigdm import PseudoInverse, check_options

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import DiffusionPrior
    from gempy_gan.strategy import LikelihoodLike


@dataclass
class Guided(GuidedStrategy):
    """Denoise from pure noise, given the hard data as the denoiser's condition and guided to the rest.

    At each of `steps` noise levels the expected clean realization m(x) is moved by sigma^2 J' A' (r^2 A A' + I)^-1 (d - F(m)):
    pseudo-inverse guidance (Song et al. 2023, equation 7) with J the denoiser's Jacobian, A that of the whitened forward
    operator at m(x), linearized anew at every level, and r^2 = sigma^2 s^2 / (sigma^2 + s^2) the variance that the noise leaves
    to a cell of prior spread s. `spread` replaces the prior's own s. A prior whose denoiser takes no condition is guided to
    the hard data too; with one that does, no other data may pull a cell farther from its hard data than their errors allow.
    """

    steps: int = STEPS
    spread: float | None = None

    def __post_init__(self) -> None:
        check_options("Guided denoising", self.steps, self.spread)

    def guide(self, prior: DiffusionPrior, likelihood: LikelihoodLike) -> Guide:
        """Pseudo-inverse guidance to what the denoiser is not told."""
        return _Told(prior, likelihood, self.spread or prior.spread, masked=True)


class _Told(PseudoInverse):
    """Pseudo-inverse guidance of a denoiser that knows the hard data."""

    def variance(self, sigma: float, like: Tensor) -> Tensor:
        """Less is left to cells of hard data."""
        if self.condition is None:
            return super().variance(sigma, like)
        mask, _, std = self.condition
        precision = torch.where(mask, 1 / std.clamp(min=1e-6).square(), 0.0).to(like)
        return 1 / (1 / sigma**2 + 1 / self.spread**2 + precision)

    def led(self, moved: Tensor, x: Tensor, sigma: float) -> Tensor:
        """Within the errors of the hard data."""
        return within(moved, x, sigma, *self.condition) if self.condition else moved
