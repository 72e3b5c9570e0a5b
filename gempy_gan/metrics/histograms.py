"""Histograms of the coarse fraction, cell by cell and volume by volume."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gempy_gan.metrics.splits import Array, Splits, mean, spread
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes

BINS = 256


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """Distances of histograms, and the ratios of mean and spread of net-to-gross."""
    g, r = (cumulative(volumes.fraction) for volumes in (generated, real))
    yield splits.distance_of_means("histogram", g, r, area)
    g, r = net_to_gross(generated), net_to_gross(real)
    yield splits.distance_of_samples("net_to_gross_histogram", g, r, wasserstein)
    yield splits.ratio("net_to_gross", g, r, mean)
    yield splits.ratio("net_to_gross_spread", g, r, spread)


def cumulative(values: Array, low: float = 0.0, high: float = 1.0, bins: int = BINS) -> Array:
    """Distribution function (n, bins) of the cells of each volume, times the width of a bin.

    The mean over volumes is that of all their cells together; `area` between two of them is a Wasserstein-1 distance.
    """
    width = (high - low) / bins
    found = np.empty((len(values), bins))
    for volume, out in zip(values, found, strict=True):
        place = np.clip((volume.ravel() - low) * (1 / width), 0, bins - 1).astype(np.int64)
        out[:] = np.bincount(place, minlength=bins).cumsum() * (width / volume.size)
    return found


def area(a: Array, b: Array) -> Array:
    """Wasserstein-1 distances (s,) between distribution functions (s, bins) from `cumulative`."""
    return np.asarray(np.abs(a - b).sum(axis=-1))


def wasserstein(a: Array, b: Array) -> float:
    """Wasserstein-1 distance of two samples of equal size (m,): the mean difference of the sorted values.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([3.0, 1.0]))
    1.5
    """
    return float(np.abs(np.sort(a) - np.sort(b)).mean())


def net_to_gross(volumes: Volumes) -> Array:
    """Share of coarse cells of each volume (n,)."""
    return np.asarray(volumes.coarse.mean(axis=(1, 2, 3)))
