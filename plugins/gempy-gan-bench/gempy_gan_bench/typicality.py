"""Typicality: how far a truth lies from deposits like those that priors learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gempy_gan.metrics import Volumes, descriptors
from gempy_gan.metrics.variograms import lags, variograms
from gempy_gan_bench import truths
from gempy_gan_bench.protocol import Protocol
from gempy_gan_bench.real import deposits

Array = NDArray[np.float64]

STEPS = (1, 2, 4, 8)  # cells: lags of the variogram along each axis
LEAST = 1e-3  # share of the largest variance below which a direction of the features is left out


@dataclass(frozen=True)
class Typicality:
    """Distance of a truth to the nearest of the real deposits, the 99 % quantile of the same for each real one among the others,
    and the share of real ones that are closer to their nearest."""

    distance: float
    quantile: float
    share: float


def typicality(protocol: Protocol, cache: Path, count: int) -> list[Typicality]:
    """For each truth, against `count` simulations with labels from the ranges that priors learn from.

    Distances are Euclidean in whitened `features`.
    """
    known = features(deposits(protocol, cache, count))
    scale = _Scale.of(known)
    own = scale.distances(known, known)
    np.fill_diagonal(own, np.inf)
    mine = features(np.stack([truth.fraction for truth in truths.of(protocol)]))
    nearest, found = own.min(axis=1), scale.distances(mine, known).min(axis=1)
    return [Typicality(float(d), float(np.quantile(nearest, 0.99)), float(np.mean(nearest < d))) for d in found]


def features(values: Array) -> Array:
    """Numbers (n, k) that describe coarse fractions (n, nx, ny, nz): proportions, steps between cells, variograms, bodies."""
    table = descriptors(Volumes.of(values[:, None])).fillna(0.0)
    steps = [np.abs(np.diff(values, axis=axis)).mean(axis=(1, 2, 3)) for axis in (1, 2, 3)]
    counts = [lags(size) for size in values.shape[1:]]
    starts = np.cumsum([0, *counts[:-1]])
    picked = [start + step - 1 for start, count in zip(starts, counts, strict=True) for step in STEPS if step <= count]
    roots = np.sqrt(variograms(values)[:, picked])
    return np.column_stack([values.std(axis=(1, 2, 3)), *steps, roots, np.log1p(table.to_numpy())])


@dataclass(frozen=True, eq=False)
class _Scale:
    """What whitens features: their mean, and the directions (k, r) in which they vary, over the standard deviation there."""

    mean: Array
    spread: Array
    directions: Array

    @classmethod
    def of(cls, real: Array) -> _Scale:
        mean, spread = real.mean(axis=0), np.where(real.std(axis=0) > 0, real.std(axis=0), 1.0)
        values, vectors = np.linalg.eigh(np.cov((real - mean) / spread, rowvar=False))
        kept = values > LEAST * values[-1]
        return cls(mean, spread, vectors[:, kept] / np.sqrt(values[kept]))

    def distances(self, a: Array, b: Array) -> Array:
        """Distances (n, m)."""
        from scipy.spatial.distance import cdist

        return np.asarray(cdist(*(((x - self.mean) / self.spread) @ self.directions for x in (a, b))))
