"""What a cloud of weighted particles says: the Gaussian it resembles, and how many independent draws it is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from gempy_gan.strategies.reference import SMALLEST, Reference

if TYPE_CHECKING:
    from torch import Tensor

PER_PARTICLE = 1  # directions for each effective particle
TINY = 1e-300
THINNEST = 1e-10  # variance below which particles are copies of each other


def informed(weights: Tensor, slope: Tensor, k: int) -> Tensor:
    """Orthonormal directions (r, k) of the latents that data inform.

    Those are all directions where the particles are many enough to tell; else the leading ones of the gradients (n, k) of the
    tempered log likelihood, `slope` (Zahm et al. 2022); none where there are no gradients (n, 0).
    """
    most = int(PER_PARTICLE / float(weights.square().sum()))
    if k <= most:
        return torch.eye(k)
    if not slope.shape[1]:
        return torch.zeros((0, k))
    _, size, directions = torch.linalg.svd(weights.sqrt().to(slope)[:, None] * slope, full_matrices=False)
    leading: Tensor = directions[:most][size[:most] ** 2 > SMALLEST]
    return leading


def fitted_reference(z: Tensor, weights: Tensor, directions: Tensor, before: Reference) -> Reference:
    """Mean and covariance of particles z (n, k) of weights (n,) along directions (r, k), and the prior across them.

    The covariance is shrunk towards a multiple of the covariance of `before` (oracle approximating shrinkage, Chen, Wiesel, Eldar
    & Hero 2010, equation 23), which it resembles where `before` is the Gaussian of the temperature before.
    """
    share = weights / weights.sum().clamp(min=TINY)
    left = 1 - float(share.square().sum())
    if left < 1 / 2 or not len(directions):  # hardly more than one particle, or nothing to fit
        return before
    inside = (z @ directions.T).double()
    mean = share @ inside
    values, vectors = torch.linalg.eigh(before.spread(directions).whole.double() @ directions.T.double())
    root = vectors * values.clamp(min=THINNEST).sqrt()  # single precision leaves narrow directions hardly positive
    white = (vectors / values.clamp(min=THINNEST).sqrt()).T @ (share.sqrt()[:, None] * (inside - mean)).T
    spread = root @ _shrunk(white @ white.T / left, 1 / (1 - left)) @ root.T
    variance, rotation = torch.linalg.eigh(spread)
    rotated = torch.linalg.qr(directions.T @ rotation.float())[0].T.contiguous()  # orthonormal to rounding: moves are reversible
    return Reference(mean.float() @ directions, (1 / variance.clamp(min=THINNEST) - 1).float(), rotated)


def _shrunk(covariance: Tensor, n: float) -> Tensor:
    """A covariance (r, r) of n particles, shrunk towards a multiple of the identity."""
    r = len(covariance)
    squares, trace = covariance.square().sum(), covariance.trace()
    apart = (n + 1 - 2 / r) * (squares - trace**2 / r)
    share = (((1 - 2 / r) * squares + trace**2) / apart.clamp(min=TINY)).clamp(0, 1)
    return (1 - share) * covariance + share * trace / r * torch.eye(r).to(covariance)


@dataclass
class Lineage:
    """Which of n particles descend from which, resampling after resampling, and what they remember of it."""

    parents: list[Tensor] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def add(self, parents: Tensor, memory: float) -> None:
        """Each particle came from the parent (n,), and was left with this correlation to it by its moves."""
        self.parents.append(parents)
        self.memory.append(memory)

    def summary(self) -> tuple[int, float]:
        """How many of the first particles have descendants, and how many independent draws the last ones are worth.

        Two particles whose common ancestor lies some generations back are correlated by the product of the squared memories since
        then: they moved independently of each other. n draws are worth n^2 over the sum of all their correlations.
        """
        n = len(self.parents[0])
        ancestor, together, shared, correlated = torch.arange(n), float(n), 1.0, float(n)
        for parents, memory in zip(reversed(self.parents), reversed(self.memory), strict=True):
            ancestor, shared = parents[ancestor], shared * memory**2
            pairs = float(torch.bincount(ancestor).double().square().sum())
            correlated += (pairs - together) * shared
            together = pairs
        return len(set(ancestor.tolist())), n**2 / correlated


def correlation(before: Tensor, after: Tensor) -> Tensor:
    """Correlation (q,) over particles of summaries (n, q) before and after they moved; 1 where a summary does not vary."""
    a, b = before - before.mean(dim=0), after - after.mean(dim=0)
    scale = (a.square().sum(dim=0) * b.square().sum(dim=0)).sqrt()
    return torch.where(scale > 0, (a * b).sum(dim=0) / scale, 1.0)
