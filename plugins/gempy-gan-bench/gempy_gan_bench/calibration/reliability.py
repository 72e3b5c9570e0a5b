"""Reliability: of the cells that are said to be sand with 70 %, how many are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10

Array = NDArray[np.float64]


def binned(probability: ArrayLike, occurred: ArrayLike, bins: int = BINS, weights: ArrayLike = 1.0) -> Array:
    """Number of cells, sum of their probabilities and number of them where it occurred (3, bins), by probability.

    Bins are equally wide and shut above; tables of several truths add up. `weights` are what each cell counts for.

    >>> binned([0.05, 0.95, 1.0], [False, True, True], 2).tolist()
    [[1.0, 2.0], [0.05, 1.95], [0.0, 2.0]]
    """
    p, y = np.asarray(probability, dtype=np.float64).ravel(), np.asarray(occurred, dtype=np.float64).ravel()
    w = np.broadcast_to(np.asarray(weights, dtype=np.float64), p.shape)
    place = np.clip(np.ceil(p * bins - 1e-9).astype(np.int64) - 1, 0, bins - 1)
    return np.stack([np.bincount(place, w * each, bins) for each in (np.ones_like(p), p, y)])


def tables(draws: NDArray[np.bool_], occurred: NDArray[np.bool_], bins: int = BINS) -> tuple[Array, Array]:
    """What `binned` finds of the truth (cells,), and of draws (n, cells) in its place.

    The probability is the share of all draws but one, and each in turn is left out. Where few draws stand for a probability,
    chance alone makes large ones too large and small ones too small; the draw that is left out, taken for the truth, shows how
    much: an exact sampler has the same frequencies for both.
    """
    n, count = len(draws), draws.sum(axis=0)
    with_it, without = (
        (count - 1).clip(min=0) / (n - 1),
        count.clip(max=n - 1) / (n - 1),
    )  # a draw is left out that has it, or not
    share = count / n
    truth = binned(with_it, occurred, bins, share) + binned(without, occurred, bins, 1 - share)
    yes, no = np.ones(count.shape), np.zeros(count.shape)
    return truth, binned(with_it, yes, bins, share) + binned(without, no, bins, 1 - share)


def curve(found: Sequence[Array], ideals: Sequence[Array]) -> list[dict[str, Any]]:
    """One line for each bin that holds cells: their number, mean probability, frequency, its standard error, and the frequency
    that an exact sampler with as many draws would have (the other of `tables`).

    Cells of one truth depend on each other, so the error is that between truths (ratio estimator); None for a single one.
    """
    stacked, ideal = np.stack(found), np.sum(ideals, axis=0)
    total, lines = stacked.sum(axis=0), []
    for k in np.flatnonzero(total[0]):
        count, probability, happened = total[:, k]
        frequency = happened / count
        residual = stacked[:, 2, k] - frequency * stacked[:, 0, k]
        truths = int(np.count_nonzero(stacked[:, 0, k]))
        error = float(np.sqrt(np.square(residual).sum() * truths / (truths - 1)) / count) if truths > 1 else None
        expected = float(ideal[2, k] / ideal[0, k]) if ideal[0, k] > 0 else None
        lines.append(
            {
                "cells": float(count),
                "probability": float(probability / count),
                "frequency": float(frequency),
                "error": error,
                "exact": expected,
            }
        )
    return lines


def expected_error(lines: Sequence[dict[str, Any]]) -> float:
    """Mean difference of the frequency from an exact sampler's, over all cells: the expected calibration error."""
    known = [line for line in lines if line["exact"] is not None]
    cells = np.array([line["cells"] for line in known], dtype=np.float64)
    apart = np.array([abs(line["exact"] - line["frequency"]) for line in known])
    return float(cells @ apart / cells.sum())
