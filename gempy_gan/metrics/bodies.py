"""Bodies of coarse cells: how many, how large, how wide, how winding."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gempy_gan.metrics.splits import Array, Splits, mean
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes

LARGE = 20  # cells from which a body is more than a speck
DIRECTIONS = 18  # in which a body's extent on the map is measured


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """Ratios of the number of bodies, the share of the largest, and the shape of bodies on the map."""
    g, r = (counts(volumes.bodies) for volumes in (generated, real))
    for column, key in enumerate(("body_count", "large_body_count", "largest_body")):
        yield splits.ratio(key, g[:, column], r[:, column], mean)
    g, r = (shapes(volumes.layer_bodies) for volumes in (generated, real))
    yield splits.ratio("width", g[:, 0], r[:, 0], mean, " cells")
    yield splits.ratio("sinuosity", g[:, 1], r[:, 1], mean)


def counts(bodies: Array) -> Array:
    """Number of bodies, number of those with at least `LARGE` cells, and the share of coarse cells in the largest one, (n, 3).

    The share is nan for a volume without coarse cells.
    """
    found = np.empty((len(bodies), 3))
    for volume, out in zip(bodies, found, strict=True):
        size = np.bincount(volume.ravel())[1:]
        out[:] = len(size), (size >= LARGE).sum(), size.max() / size.sum() if len(size) else np.nan
    return found


def shapes(layer_bodies: Array) -> Array:
    """Mean width in cells and mean sinuosity (n, 2) of the bodies of at least `LARGE` cells in the layers of each volume.

    The mean distance of a strip's cells to its edge is a quarter of its width, so the *width* of a body is four times that
    distance, whatever its course. Its area over its width is its length, and that over its largest extent in any direction its
    *sinuosity*: that of a channel which crosses the box, and a measure of how elongated a body is for all others (a disc: 1.2).
    Both are means over cells, so large bodies count for more. The edge of the box is no edge of a body. Both are nan for a
    volume without such bodies, and the width of a layer without fine cells is the box's.
    """
    return np.array([_shape(volume) for volume in layer_bodies])


def _shape(bodies: Array) -> tuple[float, float]:
    x, y, z = np.nonzero(bodies)
    if not len(x):
        return np.nan, np.nan
    order = np.argsort(bodies[x, y, z], kind="stable")
    x, y, z = x[order], y[order], z[order]
    start = np.flatnonzero(np.diff(bodies[x, y, z], prepend=0))
    area = np.diff(start, append=len(x))
    edge = np.add.reduceat(_distance_to_edge(bodies > 0)[x, y, z], start) / area
    width = 4 * edge
    sinuosity = area / width / _extent(x, y, start)
    large = area >= LARGE
    if not large.any():
        return np.nan, np.nan
    share = area[large] / area[large].sum()
    return float(share @ width[large]), float(share @ sinuosity[large])


def _distance_to_edge(coarse: Array) -> Array:
    """Distance in cells of each coarse cell's centre to the next fine cell's face in its layer."""
    from scipy import ndimage

    widest = max(coarse.shape[:2])
    found = ndimage.distance_transform_edt(coarse, sampling=(1, 1, 4 * widest))
    found[:, :, coarse.all(axis=(0, 1))] = widest / 4 + 0.5
    return np.asarray(found - 0.5)


def _extent(x: Array, y: Array, start: Array) -> Array:
    """Largest extent (bodies,) of the cells between consecutive starts, over directions on the map."""
    found = np.zeros(len(start))
    for angle in np.arange(DIRECTIONS) * (np.pi / DIRECTIONS):
        along = np.cos(angle) * x + np.sin(angle) * y
        np.maximum(found, np.maximum.reduceat(along, start) - np.minimum.reduceat(along, start), out=found)
    return found + 1
