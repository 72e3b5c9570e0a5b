"""What drives the river from outside, as series over the time of the run: the elevation of its banks, and its discharge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FASTEST_RISE = 0.8  # channel depths per unit of time
DEEPEST_INCISION = 0.3  # channel depths below the start
TEXTURE_MEMORY, TEXTURE_STD = 0.9, 0.05  # of the grain size from step to step: ridges and swales of a point bar


class Series(NamedTuple):
    """Values at each step: bank elevation in metres, discharge over its mean, coarse fraction over its mean."""

    bank: NDArray[np.float64]
    discharge: NDArray[np.float64]
    energy: NDArray[np.float64]


def draw_series(rng: np.random.Generator, steps: int, base: float, top: float, depth: float, incision: float) -> Series:
    """Banks that rise, and now and then fall, from `base` to `top` (metres) in `steps` steps; discharge that comes and goes."""
    at = np.arange(steps) / steps
    times, levels = _bank_knots(rng, base, top, depth, incision)
    knots = max(int(rng.integers(4, 12)), 2)
    discharge = np.interp(at, np.linspace(0, 1, knots), rng.uniform(0.6, 1.4, knots))
    return Series(np.interp(at, times, levels), discharge, 0.15 * (discharge - 1) + _texture(rng, steps))


def _bank_knots(
    rng: np.random.Generator, base: float, top: float, depth: float, incision: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times from 0 to 1 and elevations between which the banks move linearly."""
    times, levels = [0.0], [base]
    while levels[-1] < top:
        length, speed = rng.uniform(0.3, 3.0), rng.uniform(-incision, 1.0)
        level = levels[-1] + FASTEST_RISE * depth * speed * length
        if level > base - DEEPEST_INCISION * depth:
            times.append(times[-1] + length)
            levels.append(min(level, top))
    return np.array(times) / times[-1], np.array(levels)


def _texture(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """Correlated scatter around 1."""
    noise = rng.standard_normal(steps) * TEXTURE_STD
    out, value = np.empty(steps), 1.0
    for k in range(steps):
        value = 1 + TEXTURE_MEMORY * (value - 1) + noise[k]
        out[k] = value
    return np.clip(out, 0.6, 1.25)
