"""Densities and maps over latents that depend on features of data, by a small network."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

HIDDEN = 256
APART = 0.1  # length of the untrained components' means and directions: equal ones stay equal, zero ones zero


class Trunk(nn.Module):
    """Features (n, k) to hidden values (n, HIDDEN)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.enter = nn.Linear(features, HIDDEN)
        self.block = nn.Sequential(nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN))

    def forward(self, features: Tensor) -> Tensor:
        """Hidden values (n, HIDDEN)."""
        x = self.enter(features)
        return functional.silu(x + self.block(x))


class ConditionalMixture(nn.Module):
    """A mixture of Gaussians over `latents` numbers whose parameters depend on `features` (Bishop 1994).

    Untrained it is the standard normal, nearly. Component k is e = m_k + (diag(a_k) + B_k B_k')^-1 u with u standard normal and
    B_k of `rank` columns: each full covariance that differs from a diagonal one in few directions.
    """

    def __init__(self, features: int, latents: int, components: int, rank: int) -> None:
        super().__init__()
        self.latents, self.components, self.rank = latents, components, min(rank, latents)
        self.trunk = Trunk(features)
        self.out = nn.Linear(HIDDEN, components * (1 + latents * (2 + self.rank)))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            start = self.out.bias[components:].view(components, latents * (2 + self.rank))
            start[:, 2 * latents :] = APART / math.sqrt(latents) * torch.randn(start[:, 2 * latents :].shape)
            if components > 1:
                start[:, :latents] = APART / math.sqrt(latents) * torch.randn(components, latents)

    def forward(self, features: Tensor, e: Tensor) -> Tensor:
        """Log density (n,) of e (n, latents) given features (n, k)."""
        log_weight, mean, diagonal, low = self._parts(features)
        off = e[:, None] - mean
        u = diagonal * off + (low @ (low.mT @ off[..., None]))[..., 0]
        log = log_weight + _log_det(diagonal, low) - 0.5 * u.square().sum(dim=-1)
        return log.logsumexp(dim=1) - 0.5 * self.latents * math.log(2 * math.pi)

    def draw(self, features: Tensor, noise: Tensor, uniform: Tensor) -> Tensor:
        """e (n, latents) from standard normal noise (n, latents) and, for the component, uniform numbers (n,)."""
        log_weight, mean, diagonal, low = self._parts(features)
        edges = log_weight.double().exp().cumsum(dim=1)
        chosen = (uniform[:, None] * edges[:, -1:] > edges).sum(dim=1).clamp(max=self.components - 1)
        row = torch.arange(len(noise))
        mean, diagonal, low = (part.expand(len(noise), *part.shape[1:])[row, chosen] for part in (mean, diagonal, low))
        shrunk = noise / diagonal
        spread = low / diagonal[..., None]
        inner: Tensor = torch.linalg.solve(_capacitance(diagonal, low), low.mT @ shrunk[..., None])
        return mean + shrunk - (spread @ inner)[..., 0]

    def _parts(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Log weights (n, c), means and diagonals (n, c, latents), directions (n, c, latents, rank)."""
        out, c, k = self.out(self.trunk(features)), self.components, self.latents
        each = out[:, c:].reshape(len(out), c, k * (2 + self.rank))
        low = each[..., 2 * k :].reshape(len(out), c, k, self.rank)
        return out[:, :c].log_softmax(dim=1), each[..., :k], each[..., k : 2 * k].exp(), low


class NoisyMap(nn.Module):
    """Features (n, k) and noise (n, latents) to latents: what a network that minimises misfit alone has."""

    def __init__(self, features: int, latents: int) -> None:
        super().__init__()
        self.trunk = Trunk(features + latents)
        self.out = nn.Linear(HIDDEN, latents)

    def draw(self, features: Tensor, noise: Tensor, uniform: Tensor) -> Tensor:
        """Latents (n, latents); `uniform` is not needed."""
        found: Tensor = self.out(self.trunk(torch.cat([features.expand(len(noise), -1), noise], dim=1)))
        return found


def _capacitance(diagonal: Tensor, low: Tensor) -> Tensor:
    return torch.eye(low.shape[-1]).to(low) + low.mT @ (low / diagonal[..., None])


def _log_det(diagonal: Tensor, low: Tensor) -> Tensor:
    """Of diag + low low'."""
    factor: Tensor = torch.linalg.cholesky(_capacitance(diagonal, low))
    return diagonal.log().sum(dim=-1) + 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
