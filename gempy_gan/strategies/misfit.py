"""The misfit of latents: whitened residuals of the data and their linearization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import LatentPrior
    from gempy_gan.strategy import LikelihoodLike


@dataclass(frozen=True)
class Misfit:
    """r(z) = (predict(decode(z)) - observed) / std - noise, for latents (n, *latent_shape); `noise` (n, d) perturbs the data."""

    prior: LatentPrior
    likelihood: LikelihoodLike
    noise: Tensor | None = None

    def __call__(self, z: Tensor) -> Tensor:
        """Whitened residuals (n, d), differentiable."""
        residual = self.likelihood.residual(self.prior.decode(z))
        return residual if self.noise is None else residual - self.noise

    def of_rows(self, rows: slice | Tensor) -> Misfit:
        """That of some of the realizations, with their noise."""
        return Misfit(self.prior, self.likelihood, None if self.noise is None else self.noise[rows])

    def linearize(self, z: Tensor) -> Linearization:
        """Residuals at z, and the products with their Jacobian A (one A per realization) and its transpose."""
        return linearize(self, z)


@dataclass(frozen=True)
class Linearization:
    """Residuals (n, d); `pull` maps (n, d) by the transposed Jacobian to latents, `push` latents by the Jacobian to (n, d)."""

    residual: Tensor
    pull: Callable[[Tensor], Tensor]
    push: Callable[[Tensor], Tensor]


def linearize(residual_at: Callable[[Tensor], Tensor], z: Tensor) -> Linearization:
    """Residuals (n, d) that a function gives at z, and the products with its Jacobian A and the transpose."""
    residual, backward = _vjp(residual_at, z)
    check_finite(residual)
    # A w is the transpose of v -> A' v: half the work of forward-mode differentiation, which repeats the forward run
    _, forward = _vjp(backward, torch.zeros_like(residual))
    return Linearization(residual.detach(), lambda v: backward(v).detach(), lambda w: forward(w).detach())


@dataclass(frozen=True)
class Minimum:
    """Where a minimisation ended: latents (n, ...), objective (n,), which ones converged (n,), steps taken."""

    z: Tensor
    objective: Tensor
    converged: Tensor
    steps: int


def check_finite(found: Tensor) -> None:
    """Raise GempyGanError when residuals, or what is computed from them, are not finite."""
    if not found.isfinite().all():
        raise GempyGanError("The data predicted from a realization are not finite. Expected numbers: check the forward operator.")


def objective(residual: Tensor, z: Tensor, anchor: Tensor, weight: float) -> Tensor:
    """|r|^2 / 2 + weight |z - anchor|^2 / 2, (n,): what latent optimization minimises."""
    return 0.5 * residual.square().sum(dim=1) + 0.5 * weight * (z - anchor).flatten(1).square().sum(dim=1)


def per_row(row: Tensor, like: Tensor) -> Tensor:
    """A vector (n,) shaped to broadcast over the rows of `like` (n, ...)."""
    return row.reshape(-1, *[1] * (like.ndim - 1))


def _vjp(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    value, backward, *_ = torch.func.vjp(function, at)
    return value, lambda v: backward(v)[0]
