"""Multi-scale sliced Wasserstein distance of patches (Karras et al. 2018; in three dimensions by Rongier & Peeters 2025)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.splits import Array, Splits, distance, weights
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes

LEVELS = 3
PATCH = (7, 7, 3)  # cells along x, y and z
PATCHES = 512  # per volume and level
REPEATS, PROJECTIONS = 12, 128
REPEATS_ALIKE = 2  # where it is not the papers' figure
BINS = 256  # of a projection's histogram, where splits are to be cheap
KERNEL = np.array([1, 4, 6, 4, 1], dtype=np.float32) / 16  # Burt & Adelson (1983)


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """The distance, with the time as a second channel where both sides have one; and again with contrast.

    In the first, each side is standardised by itself, as Rongier & Peeters do, which hides a lack of contrast and with it most
    of a blur; in the second, both sides as the real one. Each projection's values are counted in fine bins per volume, so that
    the distribution of any set of volumes is a sum, and 50 splits cost as much as one. The sets are standardised as a whole,
    not split by split.
    """
    both = generated.time is not None and real.time is not None
    rng = np.random.default_rng([splits.seed, 1])
    levels = zip(*(_levels(_channels(volumes, both), rng) for volumes in (generated, real)), strict=True)
    own, alike = [], []
    for mine, true in levels:
        scaled = standardised(true)
        own.append(_split(standardised(mine), scaled, splits, REPEATS, rng))
        alike.append(_split(standardised(mine, like=true), scaled, splits, REPEATS_ALIKE, rng))
    for key, found in (("ms_swd", own), ("ms_swd_contrast", alike)):
        value, floors = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
        yield distance(key, value.mean(), floors)


def ms_swd(a: ArrayLike, b: ArrayLike, seed: int = 0, repeats: int = REPEATS) -> float:
    """Distance of two sets of equally many volumes (n, c, nx, ny, nz), exactly as Rongier & Peeters define it, but seeded.

    A Laplacian pyramid of three levels; 512 random patches of 3 x 7 x 7 (z, y, x) cells per volume and level; each channel of
    either set's patches standardised by its own mean and standard deviation; the mean difference of the sorted projections on
    12 x 128 random directions; the mean over levels. Contrast and level therefore do not count, only shape does.

    Where a box is small, an axis is halved only while it still holds a patch, and a patch is no larger than the box.
    """
    x, y = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    if x.shape != y.shape or x.ndim != 5:
        raise GempyGanError(f"The volumes have shapes {x.shape} and {y.shape}. Expected twice the same (n, c, nx, ny, nz).")
    rng = np.random.default_rng([seed, 1])
    found = []
    for pair in zip(_levels(x, rng), _levels(y, rng), strict=True):
        u, v = (standardised(patches).reshape(-1, patches[0, 0].size) for patches in pair)
        for _ in range(repeats):
            directions = _directions(u.shape[1], rng)
            found.append(np.abs(np.sort(u @ directions, axis=0) - np.sort(v @ directions, axis=0)).mean())
    return float(np.mean(found))


def pyramid(values: Array, levels: int = LEVELS) -> list[Array]:
    """Laplacian pyramid of volumes (n, c, nx, ny, nz): the detail lost at each halving, then what is left."""
    found, rest = [], np.asarray(values, dtype=np.float32)
    for _ in range(levels - 1):
        halved = [axis for axis, cells in zip((2, 3, 4), PATCH, strict=True) if (rest.shape[axis] + 1) // 2 >= cells]
        smooth = rest
        for axis in halved:
            smooth = np.moveaxis(np.moveaxis(_filtered(smooth, axis), axis, 0)[::2], 0, axis)
        back = smooth
        for axis in halved:
            back = _filtered(_spread_out(back, axis, rest.shape[axis]), axis)
        found.append(rest - back if halved else np.zeros_like(rest))
        rest = smooth
    return [*found, rest]


def standardised(patches: Array, like: Array | None = None) -> Array:
    """Patches (n, p, c, cells) with mean 0 and standard deviation 1 in each channel, as (n, p, c * cells).

    With other patches to be `like`, these are changed in the way that makes those so.
    """
    scaled = np.empty_like(patches)
    for channel in range(patches.shape[2]):
        values = (patches if like is None else like)[:, :, channel]
        scaled[:, :, channel] = (patches[:, :, channel] - values.mean()) / (values.std() or 1.0)
    return scaled.reshape(len(patches), patches.shape[1], -1)


def _channels(volumes: Volumes, with_time: bool) -> Array:
    parts = [volumes.fraction, volumes.time] if with_time and volumes.time is not None else [volumes.fraction]
    return np.stack(parts, axis=1)


def _levels(values: Array, rng: np.random.Generator) -> Iterator[Array]:
    """Random patches (n, p, c, cells) of each level of the volumes' pyramids."""
    for level in pyramid(values):
        yield _patches(level, rng)


def _patches(level: Array, rng: np.random.Generator) -> Array:
    n, channels, *shape = level.shape
    size = np.minimum(PATCH, shape)
    strides = np.array([shape[1] * shape[2], shape[2], 1])
    inside = np.indices(tuple(size.tolist())).reshape(3, -1).T @ strides
    found = np.empty((n, PATCHES, channels, len(inside)), dtype=np.float32)
    for volume, out in zip(level, found, strict=True):
        corner = rng.integers(0, np.array(shape) - size + 1, (PATCHES, 3)) @ strides
        place = corner[:, None] + inside
        for channel in range(channels):
            out[:, channel] = volume[channel].ravel()[place]
    return found


def _directions(size: int, rng: np.random.Generator) -> Array:
    """Random unit vectors (size, projections)."""
    found = rng.standard_normal((size, PROJECTIONS), dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=0))


def _split(generated: Array, real: Array, splits: Splits, repeats: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Distance (splits,) of generated to real patches (n, p, size), and of the halves of the real ones to each other."""
    places = ((splits.generated, generated), (splits.first, real), (splits.second, real))
    g, a, b = (weights(index, len(patches)) / splits.size for index, patches in places)
    values, floors = np.zeros(len(g)), np.zeros(len(g))
    for _ in range(repeats):
        mine, true, width = _histograms(generated, real, rng)
        share, first, second = g @ mine, a @ true, b @ true
        values += (_area(share - first, width) + _area(share - second, width)) / 2
        floors += _area(first - second, width)
    return values / repeats, floors / repeats


def _histograms(a: Array, b: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Shares (n, projections * bins) of both sets' patches in the bins of random projections, and the bins' widths."""
    directions = _directions(a.shape[2], rng)
    projected = [patches @ directions for patches in (a, b)]
    low = np.minimum(*(p.min(axis=(0, 1)) for p in projected))
    high = np.maximum(*(p.max(axis=(0, 1)) for p in projected))
    width = np.where(high > low, high - low, 1.0) / (BINS - 1)
    first, second = (_counted((p - low) / width) for p in projected)
    return first, second, width


def _counted(place: Array) -> Array:
    n, count, projections = place.shape
    found = np.empty((n, projections * BINS), dtype=np.float32)
    offset = np.arange(projections) * BINS
    for volume, out in zip(place, found, strict=True):
        out[:] = np.bincount((volume.astype(np.int32) + offset).ravel(), minlength=projections * BINS)
    return np.asarray(found / count)


def _area(difference: Array, width: Array) -> Array:
    """Wasserstein-1 distance (s,), mean over projections, from differences (s, projections * bins) of summed shares."""
    parts = np.abs(difference.reshape(len(difference), len(width), -1).cumsum(axis=2)).sum(axis=2) * width
    return np.asarray(parts.mean(axis=1))


def _filtered(values: Array, axis: int) -> Array:
    from scipy import ndimage

    return np.asarray(ndimage.convolve1d(values, KERNEL, axis=axis, mode="mirror"))


def _spread_out(values: Array, axis: int, size: int) -> Array:
    """Twice the values at every second cell of a longer axis, zeros between them."""
    moved = np.moveaxis(values, axis, 0)
    found = np.zeros((size, *moved.shape[1:]), dtype=values.dtype)
    found[::2] = 2 * moved
    return np.moveaxis(found, 0, axis)
