"""Reliability: of the cells that are said to be sand with 70 %, how many are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10

Array = NDArray[np.float64]


def binned(probability: ArrayLike, occurred: ArrayLike, bins: int = BINS) -> Array:
    """Number of cells, sum of their probabilities and number of them where it occurred (3, bins), by probability.

    Bins are equally wide and shut above; tables of several truths add up.

    >>> binned([0.05, 0.95, 1.0], [False, True, True], 2).tolist()
    [[1.0, 2.0], [0.05, 1.95], [0.0, 2.0]]
    """
    p, y = np.asarray(probability, dtype=np.float64).ravel(), np.asarray(occurred, dtype=np.float64).ravel()
    place = np.clip(np.ceil(p * bins - 1e-9).astype(np.int64) - 1, 0, bins - 1)
    return np.stack([np.bincount(place, weights, bins) for weights in (np.ones_like(p), p, y)])


def curve(tables: Sequence[Array]) -> list[dict[str, Any]]:
    """One line for each bin that holds cells: their number, mean probability, frequency, and its standard error.

    Cells of one truth depend on each other, so the error is that between truths (ratio estimator); None for a single one.
    """
    stacked = np.stack(tables)
    total, lines = stacked.sum(axis=0), []
    for k in np.flatnonzero(total[0]):
        count, probability, happened = total[:, k]
        frequency = happened / count
        residual = stacked[:, 2, k] - frequency * stacked[:, 0, k]
        truths = int(np.count_nonzero(stacked[:, 0, k]))
        error = float(np.sqrt(np.square(residual).sum() * truths / (truths - 1)) / count) if truths > 1 else None
        lines.append({"cells": int(count), "probability": probability / count, "frequency": frequency, "error": error})
    return lines


def expected_error(lines: Sequence[dict[str, Any]]) -> float:
    """Mean difference of probability and frequency over all cells: the expected calibration error."""
    cells = np.array([line["cells"] for line in lines], dtype=np.float64)
    apart = np.array([abs(line["probability"] - line["frequency"]) for line in lines])
    return float(cells @ apart / cells.sum())
