"""Signatures: numbers by which a geologist would know a volume again, wherever it is shifted and however it is mirrored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gempy_gan.metrics.bodies import counts, shapes
from gempy_gan.metrics.connectivity import connectivity
from gempy_gan.metrics.patterns import histograms
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.volumes import Volumes
from gempy_gan.metrics.windows import mirrored

TEMPLATES = (((2, 2, 2), 1), ((3, 3, 1), 1), ((3, 3, 1), 4))  # cells, and how far apart they are in x and y
QUANTILES = np.linspace(0.05, 0.95, 10)
MOST, PER_FEATURE = 20, 5  # features that are kept, and images that each of them takes
SMALLEST = 1e-6  # share of the variance that a feature must have


@dataclass(frozen=True)
class Signatures:
    """Independent features of unit variance among the images that they were found in (`of`): what `describe` is told to keep."""

    mean: Array
    scale: Array
    directions: Array

    @classmethod
    def of(cls, described: Array) -> Signatures:
        """The leading principal components of descriptions (n, k), whitened: as many as n images can tell, 20 at most."""
        mean, scale = described.mean(axis=0), described.std(axis=0)
        scale = np.where(scale > 0, scale, np.inf)
        _, values, vectors = np.linalg.svd((described - mean) / scale, full_matrices=False)
        share = values**2 / max(float((values**2).sum()), 1e-300)
        kept = min(MOST, max(2, len(described) // PER_FEATURE), int((share > SMALLEST).sum()))
        return cls(mean, scale, vectors[:kept].T * np.sqrt(len(described)) / values[:kept])

    def __call__(self, described: Array) -> Array:
        """Features (n, kept) of descriptions (n, k)."""
        return np.asarray(((described - self.mean) / self.scale) @ self.directions)


def describe(volumes: Volumes, flips: Sequence[str] = ()) -> Array:
    """Multi-point histograms, connectivity, shares of coarse cells, values, and bodies of volumes (n, k).

    None of them knows where something lies in x and y, apart from what leaves the box. Mirrored along the axes in `flips`, a
    volume has the same ones.
    """
    coarse = volumes.coarse
    versions = mirrored(coarse, flips, x=1)
    parts = [coarse.mean(axis=(1, 2)), np.quantile(volumes.fraction.reshape(len(coarse), -1), QUANTILES, axis=1).T]
    for cells, step in TEMPLATES:
        if all(n > (c - 1) * s for n, c, s in zip(volumes.shape, cells, (step, step, 1), strict=True)):
            shares = [histograms(version, cells, step) for version in versions]
            parts.append(np.sqrt(np.mean(shares, axis=0)))  # distances of roots are those of Hellinger
    parts += [connectivity(volumes.bodies), connectivity(volumes.layer_bodies, 2)]
    parts += [np.log1p(counts(volumes.bodies)), shapes(volumes.layer_bodies)]
    return np.nan_to_num(np.concatenate(parts, axis=1, dtype=np.float64))  # nan: too few coarse cells to say
