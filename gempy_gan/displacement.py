"""Displacements of surfaces: smooth Gaussian fields with their slopes, correlated between surfaces, known at picks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

AT_RANGE = 3.0  # -log of the correlation that is left at the practical range, as in the Gaussian prior
JITTER = 1e-8  # of the variance, which keeps the covariance of a smooth field positive
SURE = 1e-3  # metres: the error of a pick that is said to have none, in the equations


@dataclass(frozen=True)
class Sites:
    """What is asked of the displacements at N places: a value, or a slope.

    `surface` (N,) numbers the field; those with the same `kind` (N,) are correlated with each other. `at` (N, 3) is the position
    on the surface, metres. `value` (N,) is 1 for a value and 0 for a slope, which is taken along `along` (N, 3), zero for a
    value. `std` (N,) is the field's standard deviation in metres.
    """

    surface: NDArray[np.int64]
    kind: NDArray[np.int64]
    at: Floats
    value: Floats
    along: Floats
    std: Floats

    @classmethod
    def join(cls, *parts: Sites) -> Sites:
        """Sites one after the other."""
        names = ("surface", "kind", "at", "value", "along", "std")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def __len__(self) -> int:
        return len(self.surface)


def values_at(at: Floats, surface: int, kind: int, std: float) -> Sites:
    """The displacement itself at places (N, 3)."""
    n = len(at)
    return Sites(np.full(n, surface), np.full(n, kind), at, np.ones(n), np.zeros((n, 3)), np.full(n, std))


def slopes_at(at: Floats, surface: int, kind: int, std: float, axes: Floats) -> Sites:
    """Its slopes at places (N, 3) along each of the axes (k, 3): N * k sites, place by place."""
    n, k = len(at), len(axes)
    return Sites(
        np.full(n * k, surface), np.full(n * k, kind), np.repeat(at, k, axis=0), np.zeros(n * k), np.tile(axes, (n, 1)),
        np.full(n * k, std),
    )  # fmt: skip


def covariance(a: Sites, b: Sites, reach: float, correlation: float) -> Floats:
    """Covariance (N, M) of Gaussian fields with practical range `reach` (metres), and of their slopes.

    A site is L = v + p . grad; with C = exp(-s d^2), s = 3 / reach^2 and d = x - y, cov(L f(x), L' f(y)) =
    [v v' + 2s (v p'.d - v' p.d) + 2s p.p' - 4 s^2 (p.d)(p'.d)] C.
    """
    s = AT_RANGE / reach**2
    d = a.at[:, None] - b.at[None]
    first, second = np.einsum("ik,ijk->ij", a.along, d), np.einsum("jk,ijk->ij", b.along, d)
    v, w = a.value[:, None], b.value[None]
    shape = v * w + 2 * s * (v * second - w * first) + 2 * s * (a.along @ b.along.T) - 4 * s**2 * first * second
    alike = np.where(a.surface[:, None] == b.surface[None], 1.0, np.where(a.kind[:, None] == b.kind[None], correlation, 0.0))
    return np.asarray(alike * a.std[:, None] * b.std[None] * shape * np.exp(-s * np.square(d).sum(axis=2)))


@dataclass(frozen=True)
class Displacements:
    """The distribution of what is asked at `sites`, given displacements `known` (k,) with errors `error` (k,) at `picks`."""

    factor: Floats
    weights: Floats
    known: Floats
    error: Floats
    count: int

    @classmethod
    def given(cls, sites: Sites, picks: Sites, known: Floats, error: Floats, reach: float, correlation: float) -> Displacements:
        """The distribution for fields of a practical range, metres, and a correlation between surfaces of a kind."""
        everything = Sites.join(sites, picks)
        prior = covariance(everything, everything, reach, correlation)
        scale = np.sqrt(np.diag(prior))
        safe = np.where(scale > 0, scale, 1.0)
        unit = prior / np.outer(safe, safe) + np.diag(np.where(scale > 0, JITTER, 1.0))
        factor = np.asarray(scale[:, None] * np.linalg.cholesky(unit), dtype=np.float64)
        n = len(sites)
        noise = np.diag(error**2 + np.maximum(SURE**2, JITTER * picks.std**2))
        weights = np.asarray(np.linalg.solve(prior[n:, n:] + noise, prior[n:, :]).T, dtype=np.float64)
        return cls(factor, weights, known, error, n)

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """One draw at the sites (n,) and at the picks (k,): an unconditional one, moved by the kriged misfit at the picks."""
        drawn = self.factor @ rng.standard_normal(len(self.factor))
        noise = self.error * rng.standard_normal(len(self.error))
        if len(self.known):
            drawn = drawn + self.weights @ (self.known - drawn[self.count :] - noise)
        return drawn[: self.count], drawn[self.count :]
