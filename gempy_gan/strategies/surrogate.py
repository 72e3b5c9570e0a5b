"""A linear Gaussian surrogate of decoder and data, learned from simulated pairs: its posterior is known for any data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

DIRECTIONS = 512  # of the latents, at most, that data are taken to depend on
SMALLEST = 1e-10  # share of the data's variance, relative to the largest, below which a direction is none
FACTORS = 128  # that explain together what latents do not explain linearly
OVERSAMPLED = 20  # directions beyond those, while they are searched for


@dataclass(frozen=True)
class Surrogate:
    """Data y = mean + loadings (c, w) + e with standard normal coordinates c and factors w, and e ~ N(0, diag(unexplained)).

    Coordinates c = basis z are those of the latents z on which data depend; `basis` (coordinates, latents) is orthonormal.
    `mean` and `unexplained` have one number for each of the d data that there could be, `loadings` is (d, coordinates +
    factors). Those of c are the regression of simulated data on their latents, exact where decoder and data are linear; those
    of w are the principal components of what that leaves, which neighbouring cells share: without them, many data would be
    trusted far too much.
    """

    mean: Tensor
    loadings: Tensor
    unexplained: Tensor
    basis: Tensor

    @classmethod
    def fit(cls, z: Tensor, y: Tensor, generator: torch.Generator) -> Surrogate:
        """From simulated pairs of latents z (N, latents), N above latents, and data y (N, d)."""
        mean, centre = y.mean(dim=0), z.mean(dim=0)
        off = y - mean
        square = ((z - centre).T @ (z - centre)).double()
        slope = torch.linalg.solve(square, ((z - centre).T @ off).double()).T.to(y)
        basis = _basis(slope, off.square().mean(dim=0))
        loadings = slope @ basis.T
        off -= ((z - centre) @ basis.T) @ loadings.T
        factors = _principal(off, min(FACTORS, len(z) // 8, y.shape[1]), generator)
        unexplained = (off.square().mean(dim=0) - factors.square().sum(dim=1)).clamp(min=0)
        # Rows one after another, as files hold them: products of tensors laid out otherwise may be rounded otherwise.
        return cls(mean - loadings @ (basis @ centre), torch.cat([loadings, factors], dim=1), unexplained, basis.contiguous())

    def coordinates(self, z: Tensor) -> Tensor:
        """c (n, coordinates) of latents z (n, latents)."""
        return z @ self.basis.T

    def latents(self, c: Tensor, elsewhere: Tensor) -> Tensor:
        """Latents (n, latents) with the coordinates c, and like `elsewhere` (n, latents) in all directions beyond those."""
        return elsewhere + (c - self.coordinates(elsewhere)) @ self.basis

    @property
    def hidden(self) -> int:
        """How many coordinates and factors there are."""
        return self.loadings.shape[1]

    def information(self, rows: Tensor, std: Tensor) -> Information:
        """What data in these rows (k,) say, known to within std (k,)."""
        return Information(self.mean[rows], self.loadings[rows], 1 / (self.unexplained[rows].double() + std.double() ** 2))

    def tensors(self) -> Mapping[str, Tensor]:
        """What a file must hold."""
        return {"mean": self.mean, "loadings": self.loadings, "unexplained": self.unexplained, "basis": self.basis}


@dataclass(frozen=True)
class Information:
    """Linear data y (n, k) of `mean` (k,) and `loadings` (k, hidden) with independent errors of precision `weight` (k,)."""

    mean: Tensor
    loadings: Tensor
    weight: Tensor

    @cached_property
    def matrix(self) -> Tensor:
        """The precision (hidden, hidden) that they add to the hidden numbers', float64."""
        loadings = self.loadings.double()
        return loadings.T @ (self.weight[:, None] * loadings)

    def pull(self, y: Tensor) -> Tensor:
        """Precision times mean (n, hidden) that data y (n, k) add, float64."""
        return ((y - self.mean).double() * self.weight) @ self.loadings.double()


class SurrogatePosterior:
    """The Gaussian posterior of coordinates and factors given some data, for any values that they have.

    `root` is the symmetric root of the covariance of the coordinates: c = mean + root e.
    """

    def __init__(self, surrogate: Surrogate, given: Sequence[Information]) -> None:
        self.given, self.size = [part for part in given if len(part.mean)], len(surrogate.basis)
        precision = torch.eye(surrogate.hidden, dtype=torch.float64)
        for part in self.given:
            precision += part.matrix
        self.covariance = torch.cholesky_inverse(torch.linalg.cholesky(precision))
        values, vectors = torch.linalg.eigh(self.covariance[: self.size, : self.size])
        values = values.clamp(min=torch.finfo(torch.float64).eps)
        self.root = ((vectors * values.sqrt()) @ vectors.T).float()
        self.inverse_root = ((vectors / values.sqrt()) @ vectors.T).float()
        self.log_det = float(values.log().sum() / 2)  # of the root

    def hidden(self, data: Sequence[Tensor]) -> Tensor:
        """Mean (n, hidden) of coordinates and factors given data, one tensor (n, k) for each informative part."""
        return (self._pulled(data) @ self.covariance).float()

    def surprise(self, data: Sequence[Tensor]) -> Tensor:
        """How far data are from what the surrogate expects, squared and in its standard deviations, (n,), float64."""
        total = self._pulled(data)
        off = [((y - part.mean).double().square() * part.weight).sum(dim=1) for part, y in zip(self.given, data, strict=True)]
        return torch.stack(off).sum(dim=0) - ((total @ self.covariance) * total).sum(dim=1)

    def features(self, hidden: Tensor) -> Tensor:
        """What a network is told (n, 2 hidden): means, and how well each is known."""
        std = self.covariance.diagonal().sqrt().to(hidden)
        return torch.cat([hidden, std.expand(len(hidden), -1)], dim=1)

    def coordinates(self, hidden: Tensor, e: Tensor) -> Tensor:
        """c (n, coordinates) that lie e root standard deviations from the mean."""
        c: Tensor = hidden[:, : self.size] + e @ self.root
        return c

    def standardized(self, hidden: Tensor, c: Tensor) -> Tensor:
        """e (n, coordinates) of coordinates c."""
        e: Tensor = (c - hidden[:, : self.size]) @ self.inverse_root
        return e

    def _pulled(self, data: Sequence[Tensor]) -> Tensor:
        return torch.stack([part.pull(y) for part, y in zip(self.given, data, strict=True)]).sum(dim=0)


def _basis(slope: Tensor, variance: Tensor) -> Tensor:
    """Orthonormal directions (r, latents) of the latents that explain most of data of this variance (d,), each weighted alike."""
    scaled = (slope / variance.clamp(min=torch.finfo(torch.float32).tiny).sqrt()[:, None]).double()
    values, vectors = torch.linalg.eigh(scaled.T @ scaled)
    kept: Tensor = vectors[:, values > SMALLEST * values[-1]][:, -DIRECTIONS:]
    return kept.T.to(slope)


def _principal(off: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """The k leading principal components (d, k) of rows (N, d), scaled to their standard deviations (Halko et al. 2011)."""
    probes = torch.randn((len(off), min(k + OVERSAMPLED, *off.shape)), generator=generator)
    basis = torch.linalg.qr(off.T @ probes)[0]
    basis = torch.linalg.qr(off.T @ (off @ basis))[0]
    inside = off @ basis
    values, vectors = torch.linalg.eigh(inside.T @ inside / len(off))
    factors: Tensor = (basis @ vectors[:, -k:]) * values[-k:].clamp(min=0).sqrt()
    return factors
