"""Checkerboards: the grid patterns that upsampling leaves (Odena et al. 2016), as peaks of the spectrum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gempy_gan.metrics.splits import Array, Splits
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes

FREQUENCIES = np.arange(3, 9) / 16  # cycles per cell: the peaks, each between two neighbours; 1/2 has 7/16 on either side
PEAKS = ((1, 0, 2), (3, 2, 4), (5, 4, 4))  # positions of a peak and its neighbours: 1/4, 3/8 and 1/2 cycles per cell
PERIODS = ("4", "8", "2")  # in cells, of the coarsest grid that has such a peak
LEAST = 16  # cells along an axis, below which its frequencies cannot be told apart
UNSEEN = 1e-3  # standard deviation of white noise below which a pattern is none


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """The strongest peak along x and y, in the fraction and, where both sides have one, in the time.

    A network that doubles a volume leaves grids of 2, 4, 8, ... cells, whose power lies at multiples of 1/8 of a cycle per
    cell. The figure is the power there in excess of the neighbouring frequencies', in units of the real volumes' power there;
    what real volumes have in excess themselves, for their edges lie on cells too, does not count. In fluvial deposits a
    checkerboard of 0.01 of the range is seen, a grid of 4 or 8 cells at 0.03, and twice that where it is in channels only.
    """
    fields = _fields(generated, real)
    if min(generated.shape[:2]) < LEAST:
        return
    g, r = (np.concatenate([power(side) for side in sides], axis=1) for sides in zip(*fields.values(), strict=True))
    found = excess(g.mean(axis=0), r.mean(axis=0))
    most = int(found.argmax())
    names = [f"{name}, along {axis}, grid of {period} cells" for name in fields for axis in "xy" for period in PERIODS]
    note = names[most] if found[most] > 0 else ""
    yield splits.distance_of_means("checkerboard", g, r, lambda a, b: excess(a, b).max(axis=-1), note)


def checkerboard(values: Array, real: Array) -> float:
    """That figure of a property (n, nx, ny, nz) against real or unconditional volumes of it, without a floor.

    The values are scaled by the range of the real ones. nan where the box has fewer than 16 cells along x or y, or the real
    volumes are constant.

    >>> real = np.random.default_rng(0).random((20, 16, 16, 4))
    >>> board = np.indices((16, 16, 4)).sum(axis=0) % 2
    >>> checkerboard(real[:10], real[10:]) < 0.5 < checkerboard(real[:10] + 0.4 * board, real[10:])
    True
    """
    span = float(np.ptp(real))
    if min(values.shape[1:3]) < LEAST or span == 0:
        return float("nan")
    g, r = (power(np.asarray(v) / span).mean(axis=0) for v in (values, real))
    return float(excess(g, r).max())


def power(values: Array) -> Array:
    """Mean power (n, 2 * 6) of the rows along x, then along y, of volumes (n, nx, ny, nz), at `FREQUENCIES`.

    The unit is that of white noise, whose power is its variance at each frequency.
    """
    found = []
    for axis in (1, 2):
        rows = np.moveaxis(values, axis, -1)
        cells = np.arange(rows.shape[-1])
        window = np.sin(np.pi * (cells + 0.5) / len(cells)) ** 2  # Hann's: the ends of a row leave nothing at these frequencies
        wave = np.exp(-2j * np.pi * np.outer(cells, FREQUENCIES)) * (window / np.linalg.norm(window))[:, None]
        wave = (wave - np.outer(window / window.sum(), wave.sum(axis=0))).astype(np.complex64)  # no mean, hence no leak of it
        found.append(np.square(np.abs(rows @ wave)).reshape(len(values), -1, len(FREQUENCIES)).mean(axis=1))
    return np.concatenate(found, axis=1)


def excess(generated: Array, real: Array) -> Array:
    """Excess power (..., k * 3) at the peaks of mean powers (..., k * 6), 0 where none.

    At each peak the power is compared with the geometric mean of its neighbours, or with the multiple of it that real volumes
    have. The unit is the real power there, or that of the neighbours where it is more: volumes may be rougher than real ones.
    """
    g, r = (_Peaks.of(power + UNSEEN**2) for power in (generated, real))
    expected = g.neighbours * r.height / r.neighbours
    found = np.maximum(g.height - expected, 0.0) / np.maximum(r.height, g.neighbours)
    return np.asarray(found.reshape(*found.shape[:-2], -1))


@dataclass(frozen=True, eq=False)
class _Peaks:
    """Powers at the peaks, and the geometric mean of those beside them, each (..., k, 3)."""

    height: Array
    neighbours: Array

    @classmethod
    def of(cls, power: Array) -> _Peaks:
        split = power.reshape(*power.shape[:-1], -1, len(FREQUENCIES))
        at, below, above = (split[..., list(position)] for position in zip(*PEAKS, strict=True))
        return cls(at, np.sqrt(below * above))


def _fields(generated: Volumes, real: Volumes) -> dict[str, tuple[Array, Array]]:
    found = {"fraction": (generated.fraction, real.fraction)}
    if generated.time is not None and real.time is not None:
        found["time"] = (generated.time, real.time)
    return found
