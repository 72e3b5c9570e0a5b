"""Connectivity of coarse cells: how likely two of them belong to one body, by direction and lag."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gempy_gan.metrics.splits import Array, Splits
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.variograms import axis_of, error, lags
from gempy_gan.metrics.volumes import Volumes


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """Errors of the mean connectivity function, in three dimensions and layer by layer."""
    axes = axis_of(real.shape)
    g, r = (connectivity(volumes.bodies) for volumes in (generated, real))
    yield splits.distance_of_means("connectivity", g, r, lambda a, b: error(a, b, axes))
    flat = axes[axes < 2]
    g, r = (connectivity(volumes.layer_bodies, 2) for volumes in (generated, real))
    yield splits.distance_of_means("layer_connectivity", g, r, lambda a, b: error(a, b, flat))


PAIRS = 50  # of coarse cells, below which a share of them is left out


def connectivity(bodies: Array, directions: int = 3, least: int = PAIRS) -> Array:
    """Connectivity function (n, k) of labelled bodies (n, nx, ny, nz): P(both cells in one body | both coarse), at lags 1 to
    half the box, along x, then y, then z (Pardo-Iguzquiza & Dowd 2003, doi:10.1016/S0098-3004(03)00028-8).

    It is nan where a volume has fewer than `least` pairs of coarse cells so far apart: a handful of them would count for as much
    in a mean over volumes as thousands.

    >>> stripes = np.zeros((1, 8, 4, 2), dtype=int)
    >>> stripes[0, 0:2], stripes[0, 4:6] = 1, 2
    >>> connectivity(stripes, least=1)[0, :4].tolist()  # along x; further apart are other stripes
    [1.0, nan, 0.0, 0.0]
    """
    most = int(bodies.max(initial=0))
    small = bodies.astype(np.uint16) if most < 2**16 else bodies
    return np.stack([np.concatenate([_along(volume, axis, least) for axis in range(directions)]) for volume in small])


def _along(bodies: Array, axis: int, least: int) -> Array:
    lines = np.ascontiguousarray(np.moveaxis(bodies, axis, 0)).reshape(bodies.shape[axis], -1)
    coarse = lines > 0
    found = np.full(lags(len(lines)), np.nan)
    for lag in range(1, len(found) + 1):
        both = coarse[lag:] & coarse[:-lag]
        count = np.count_nonzero(both)
        if count >= max(least, 1):
            found[lag - 1] = np.count_nonzero(both & (lines[lag:] == lines[:-lag])) / count
    return found
