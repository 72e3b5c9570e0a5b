"""Variograms along x, y and z."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gempy_gan.metrics.splits import Array, Splits
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """Errors of the mean variogram of the fraction and of the indicator of coarse cells."""
    axes = axis_of(real.shape)
    for key, part in (("variogram", "fraction"), ("indicator_variogram", "coarse")):
        g, r = (variograms(getattr(volumes, part)) for volumes in (generated, real))
        yield splits.distance_of_means(key, g, r, lambda a, b: error(a, b, axes))


def lags(size: int) -> int:
    """How many lags, from 1, are looked at along an axis of `size` cells: up to half of it."""
    return size // 2


def axis_of(shape: tuple[int, ...]) -> Array:
    """Axis (k,) that each lag belongs to, in the order of `variograms`."""
    return np.repeat(np.arange(len(shape)), [lags(size) for size in shape])


def variograms(values: Array) -> Array:
    """Variogram (n, k) of each volume (n, nx, ny, nz): half the mean squared difference of cells at lags 1 to half the box,
    along x, then y, then z.

    From the Fourier transform of the zero-padded lines of cells (Wiener-Khinchin), so all lags cost as much as a few.
    """
    return np.concatenate([np.stack([_along(v, axis) for v in values]) for axis in range(3)], axis=1)


def error(a: Array, b: Array, axes: Array) -> Array:
    """Mean absolute difference (s,) of curves (s, k) over the lags of each axis, then over the axes, in the curves' own unit."""
    apart = np.abs(a - b)
    return np.asarray(np.mean([apart[..., axes == axis].mean(axis=-1) for axis in np.unique(axes)], axis=0))


def _along(volume: Array, axis: int) -> Array:
    """Variogram at lags 1, 2, ... along one axis of a volume."""
    from scipy import fft

    lines = np.ascontiguousarray(np.moveaxis(volume, axis, -1), dtype=np.float32).reshape(-1, volume.shape[axis])
    lines = lines - lines.mean()  # the variogram is the same, and rounding smaller
    size, count = lines.shape[1], lags(lines.shape[1])
    spectrum = fft.rfft(lines, n=fft.next_fast_len(size + count, real=True), axis=1)
    power = np.einsum("ij,ij->j", spectrum.real, spectrum.real) + np.einsum("ij,ij->j", spectrum.imag, spectrum.imag)
    product = fft.irfft(power.astype(np.float64), n=fft.next_fast_len(size + count, real=True))[1 : count + 1]
    square = np.einsum("ij,ij->j", lines, lines).astype(np.float64).cumsum()
    lag = np.arange(1, count + 1)
    ends = square[size - 1 - lag] + square[-1] - square[lag - 1]  # of all cells that have a partner ahead, or behind
    return np.asarray(np.maximum(ends / 2 - product, 0) / ((size - lag) * len(lines)))
