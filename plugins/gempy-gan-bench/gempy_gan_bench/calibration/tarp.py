"""TARP: whether regions around random points hold truths as often as they hold draws (Lemos et al. 2023)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan_bench.calibration.ranks import position

Array = NDArray[np.float64]


def tarp_position(draws: ArrayLike, truth: ArrayLike, reference: ArrayLike, rng: np.random.Generator) -> float:
    """Share of draws (n, d) nearer to a reference point (d,) than the truth (d,), as a `position` between 0 and 1.

    These are the coverage values f of Lemos et al. (2023, arXiv:2302.03026), algorithm 2; `ranks.expected_coverage` of many
    is their expected coverage probability. A reference that depends on the data finds a sampler that ignores them, too; one
    that does not is content with it (their theorem 3).
    """
    point = np.asarray(reference, dtype=np.float64)
    near, true = (np.square(np.asarray(x, dtype=np.float64) - point).mean(axis=-1) for x in (draws, truth))
    return float(position(near, true, rng))
