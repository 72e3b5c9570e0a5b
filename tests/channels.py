"""Volumes for the tests of metrics: winding channels that wander upwards, drawn in milliseconds, and ways to spoil them."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

SHAPE = (32, 32, 8)


def channel(shape=SHAPE[:2], width=5.0, wavelength=20.0, amplitude=5.0, centre=None, phase=0.0):
    """Distance (nx, ny) in cells from the middle of a sinusoidal channel along x, less half its width: negative inside."""
    x = np.arange(-10, shape[0] + 10, 0.1)
    y = (shape[1] / 2 if centre is None else centre) + amplitude * np.sin(2 * np.pi * x / wavelength + phase) - 0.5
    fine = np.ones((shape[0] * 4 + 80, shape[1] * 4), dtype=bool)
    row, column = np.round((x + 10) * 4).astype(int), np.round(y * 4).astype(int)
    inside = (row < fine.shape[0]) & (column >= 0) & (column < fine.shape[1])
    fine[row[inside], column[inside]] = False
    return ndimage.distance_transform_edt(fine)[40 : 40 + shape[0] * 4 : 4, ::4] / 4 - width / 2


def volumes(n, seed, shape=SHAPE):
    """Coarse fraction and time (n, 2, nx, ny, nz): two to four channels per volume that shift from layer to layer."""
    rng = np.random.default_rng([seed, 99])
    found = np.zeros((n, 2, *shape), dtype=np.float32)
    for volume in found:
        for _ in range(rng.integers(2, 5)):
            width, wavelength = rng.uniform(3, 6), rng.uniform(16, 28)
            centre, phase, drift = rng.uniform(3, shape[1] - 3), rng.uniform(0, 7), rng.normal(0, 0.4)
            base, top = sorted(rng.choice(shape[2] + 1, 2, replace=False))
            for k in range(base, top):
                inside = -channel(shape[:2], width, wavelength, 0.2 * wavelength, centre, phase + drift * (k - base))
                np.maximum(volume[0, :, :, k], np.clip(0.5 + 0.35 * inside, 0, 0.95), out=volume[0, :, :, k])
        step = rng.gamma(2.0, 1.0, (shape[0] // 4, shape[1] // 4, shape[2])).repeat(4, 0).repeat(4, 1)
        volume[1] = step.cumsum(axis=2) / step.sum(axis=2, keepdims=True)
    return found


def blurred(values, sigma=1.0):
    """The fraction smoothed."""
    found = values.copy()
    found[:, 0] = ndimage.gaussian_filter(values[:, 0], (0, sigma, sigma, 0))
    return found


def thresholded(values):
    """The fraction as two values."""
    found = values.copy()
    found[:, 0] = np.where(values[:, 0] > 0.5, 0.8, 0.05)
    return found


def shuffled(values, seed=0):
    """The layers of each volume in random order."""
    rng = np.random.default_rng(seed)
    return np.stack([volume[..., rng.permutation(values.shape[-1])] for volume in values])


def collapsed(values, seed=0):
    """One volume over and over, with a little noise."""
    found = np.repeat(values[:1], len(values), axis=0)
    found[:, 0] = np.clip(found[:, 0] + np.random.default_rng(seed).normal(0, 0.03, found[:, 0].shape), 0, 1)
    return found


def gaussian(values, seed=0, steps=10):
    """Random fields with each volume's own histogram and power spectrum, hence its variogram, and nothing else of it.

    Amplitude-adjusted surrogates (Schreiber & Schmitz 1996).
    """
    rng, found = np.random.default_rng(seed), values.copy()
    for volume in found:
        sorted_values, amplitude = np.sort(volume[0].ravel()), np.abs(fft.rfftn(volume[0]))
        field = rng.standard_normal(volume[0].shape)
        for _ in range(steps):
            spectrum = fft.rfftn(field)
            field = fft.irfftn(amplitude * spectrum / np.maximum(np.abs(spectrum), 1e-12), s=field.shape)
            field = sorted_values[np.argsort(np.argsort(field.ravel()))].reshape(field.shape)
        volume[0] = field
    return found
