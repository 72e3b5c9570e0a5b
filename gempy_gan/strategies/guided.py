"""Guided denoising: what hard data imply the denoiser knows, towards all other data it is led."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan.denoising import STEPS, within
from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.guidance import Guide, GuidedStrategy
from gempy_gan.strategies.misfit import Linearization
from gempy_gan.strategies.pigdm import PseudoInverse, check_options

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import DiffusionPrior
    from gempy_gan.strategy import LikelihoodLike

UNDECIDED = 2.0  # noise, over the prior's spread of a cell, above which it may hide a choice between modes


@dataclass
class Guided(GuidedStrategy):
    """Denoise from pure noise, given the hard data as the denoiser's condition and guided to the rest.

    At each of `steps` noise levels the expected clean realization m(x) is moved by sigma^2 J' A' (r^2 A A' + I)^-1 (d - F(m)):
    pseudo-inverse guidance (Song et al. 2023, equation 7) with J the denoiser's Jacobian, A that of the whitened forward
    operator at m(x), linearized anew at every level, and r^2 = sigma^2 s^2 / (sigma^2 + s^2) the variance that the noise leaves
    to a cell of prior spread s. `spread` replaces the prior's own s. A prior whose denoiser takes no condition is guided to
    the hard data too; with one that does, no other data may pull a cell farther from its hard data than their errors allow.

    Cells are not independent, and noise leaves less to most of them than r^2: data would be fitted worse than the truth fits
    them. Where the noise hides no choice between modes, below `UNDECIDED` spreads, the covariance is therefore the denoiser's
    own, sigma^2 A J' A' + I (Rozet et al. 2024), with the matrix above as preconditioner of `solver_steps` conjugate-gradient
    steps, each of which differentiates the denoiser once more; 0 leaves it at the matrix above. Where modes are still open,
    p(m | x) is no Gaussian, and its covariance misleads.
    """

    steps: int = STEPS
    spread: float | None = None
    solver_steps: int = 3

    def __post_init__(self) -> None:
        check_options("Guided denoising", self.steps, self.spread)
        if self.solver_steps < 0:
            raise GempyGanError(f"Guided denoising got {self.solver_steps} solver steps. Expected 0 or more.")

    def guide(self, prior: DiffusionPrior, likelihood: LikelihoodLike) -> Guide:
        """Pseudo-inverse guidance to what the denoiser is not told."""
        return _Told(prior, likelihood, self.spread or prior.spread, self.solver_steps)


class _Told(PseudoInverse):
    """Pseudo-inverse guidance of a denoiser that knows the hard data."""

    def __init__(self, prior: DiffusionPrior, likelihood: LikelihoodLike, spread: float, solver_steps: int) -> None:
        super().__init__(prior, likelihood, spread, masked=True)
        self.solver_steps = solver_steps

    def dual(self, at: Linearization, sigma: float, transposed: Callable[[Tensor], Tensor]) -> Tensor:
        """y (n, d), with the covariance that the denoiser implies, where modes are decided."""
        if not self.solver_steps or sigma > UNDECIDED * self.prior.spread:
            return super().dual(at, sigma, transposed)

        def independent(right: Tensor) -> Tensor:
            return super(_Told, self).dual(Linearization(-right, at.pull, at.push), sigma, transposed)

        def implied(y: Tensor) -> Tensor:
            return y + at.push(sigma**2 * transposed(at.pull(y)))

        return preconditioned(implied, independent, -at.residual, self.solver_steps)

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


def preconditioned(times: Callable[[Tensor], Tensor], inverse: Callable[[Tensor], Tensor], right: Tensor, steps: int) -> Tensor:
    """y (n, d) after so many conjugate-gradient steps on C y = right, row by row; `times` multiplies by C, `inverse` by about
    C^-1. A row ends where C, of a network that is no true expectation, is not positive along its direction."""
    y, left, going = torch.zeros_like(right), right, torch.ones_like(right[:, :1], dtype=torch.bool)
    direction, energy = torch.zeros_like(right), torch.ones_like(right[:, :1])
    for _ in range(steps):
        towards = inverse(left)
        before, energy = energy, (left * towards).sum(dim=1, keepdim=True)
        direction = towards + torch.where(going, energy / before, torch.zeros_like(energy)) * direction
        image = times(direction)
        curvature = (direction * image).sum(dim=1, keepdim=True)
        going = going & (curvature > 0) & (energy > 0)
        length = torch.where(going, energy / curvature, torch.zeros_like(energy))
        y, left = y + length * direction, left - length * image
    return y
