"""Superposition: what lies above was deposited later (Steno 1669)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gempy_gan.metrics.histograms import area, cumulative
from gempy_gan.metrics.splits import Array, Splits, mean
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """The share of vertical neighbours in order, and two figures that a time without meaning does not pass.

    Random times have half of the pairs in order, a constant one all of them: `rising_time` and `time_steps` tell it from real
    ones. Nothing is yielded where one side has no time.
    """
    if generated.time is None or real.time is None or real.shape[2] < 2:
        return
    g, r = np.diff(generated.time, axis=3), np.diff(real.time, axis=3)
    share, true = in_order(g), in_order(r)
    yield Figure("superposition", float(share.mean()), float(true.mean()), note="real ones beside it")
    yield splits.ratio("rising_time", in_order(g, strictly=True), in_order(r, strictly=True), mean)
    low, high = float(min(g.min(), r.min())), float(max(g.max(), r.max()))
    if high > low:
        steps = [cumulative(step, low, high, 2048) for step in (g, r)]
        yield splits.distance_of_means("time_steps", steps[0], steps[1], area)


def in_order(steps: Array, strictly: bool = False) -> Array:
    """Share (n,) of vertical neighbours with a step of time (n, nx, ny, nz - 1) that is not negative, or positive."""
    return np.asarray((steps > 0 if strictly else steps >= 0).mean(axis=(1, 2, 3)))
