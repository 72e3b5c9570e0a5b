"""Diversity: how much volumes differ from each other."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gempy_gan import scores
from gempy_gan.metrics.splits import Array, Splits, quotient, ratio
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes, picks

CELLS = 2**15  # on which volumes are compared, picked at random


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """Ratio of the mean distance between two volumes."""
    g, r = (on_cells(volumes) for volumes in (generated, real))
    apart = scores.pairwise_distance(r)
    mine, true = mean_distance(scores.pairwise_distance(g)), mean_distance(apart)
    halves = zip(splits.first, splits.second, strict=True)
    floors = [quotient(mean_distance(apart[np.ix_(a, a)]), mean_distance(apart[np.ix_(b, b)])) for a, b in halves]
    yield ratio("diversity", mine, true, floors)


def mean_distance(distance: Array) -> float:
    """Mean distance between two different ones, from all distances (n, n)."""
    n = len(distance)
    return float(distance.sum() / (n * (n - 1)))


def on_cells(volumes: Volumes) -> Array:
    """Fractions (n, k) on cells that are the same for all sets of volumes."""
    flat = volumes.fraction.reshape(len(volumes), -1)
    return flat[:, picks(flat.shape[1], CELLS, 0)]
