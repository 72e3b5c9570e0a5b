"""Real deposits to compare with: boxes of simulations like those that priors learn from, made once and kept."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gempy_gan import progress
from gempy_gan.metrics import checkerboard
from gempy_gan.metrics.variograms import axis_of, error, variograms
from gempy_gan_bench import truths
from gempy_gan_bench.files import keep_arrays
from gempy_gan_bench.protocol import Protocol, key

Array = NDArray[np.float64]

FIRST = 10_000  # number, in the truths' set, of the first of them; truths come before
SAVED_EVERY = 20


def deposits(protocol: Protocol, cache: Path, count: int | None = None) -> Array:
    """Coarse fractions (count, nx, ny, nz), with labels from the ranges that priors learn from; None: as many as are compared."""
    count = protocol.real if count is None else count
    about = {
        "shape": protocol.shape,
        "columns": protocol.columns,
        "physics": truths.physics(),
        "set": truths.SEED,
        "first": FIRST,
    }
    file = cache / f"real-{key(about)}.npz"
    kept = _kept(file)
    while len(kept) < count:
        progress.report("real deposits", len(kept), count)
        numbers = range(FIRST + len(kept), FIRST + min(count, len(kept) + SAVED_EVERY))
        made = np.stack([truths.box_of(protocol, number).fraction for number in numbers])
        kept = np.concatenate([kept, made]) if len(kept) else made
        keep_arrays(file, fractions=kept.astype(np.float32))
    progress.report("real deposits", count, count)
    return kept[:count].astype(np.float32).astype(np.float64)  # the same whether just made or kept


def texture(values: Array, weights: Array, truth: Array, real: Array) -> dict[str, float]:
    """How the texture of realizations (n, nx, ny, nz) compares.

    `variogram_error` is the error of their mean variogram against that of the truth (nx, ny, nz), over the median of the same for
    single real deposits (m, nx, ny, nz): 1 is no closer than any deposit. `checkerboard` is the strongest grid pattern that they
    have and real deposits do not (`gempy_gan.metrics.checkerboard`), nan where the box is too small to tell.
    """
    axes = axis_of(truth.shape)
    own, theirs = variograms(truth[None]), variograms(real)
    apart = error(weights[None] @ variograms(values), own, axes)[0]
    return {
        "variogram_error": float(apart / np.median(error(theirs, own, axes))),
        "checkerboard": _checkerboard(values, weights, real),
    }


def _checkerboard(values: Array, weights: Array, real: Array) -> float:
    if min(real.shape[1:3]) < checkerboard.LEAST:
        return math.nan
    mine, theirs = weights @ checkerboard.power(values), checkerboard.power(real).mean(axis=0)
    return float(checkerboard.excess(mine, theirs).max())


def _kept(file: Path) -> Array:
    if not file.is_file():
        return np.empty((0, 0, 0, 0))
    with np.load(file) as held:
        return np.asarray(held["fractions"], dtype=np.float64)
