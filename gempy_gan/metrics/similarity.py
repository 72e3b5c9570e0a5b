"""Multidimensional scaling: volumes as points whose distances are those of the volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gempy_gan import scores
from gempy_gan.errors import GridError
from gempy_gan.metrics.memorization import ratio
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.volumes import picks

CELLS = 2**15  # on which volumes are compared, picked at random


@dataclass(frozen=True)
class Similarity:
    """Points (n, dims) of generated and of real volumes, and the share of the distances' variance that the points explain.

    `nearest` (n,) is the real volume closest to each generated one, by all cells and not by the points, and `ratio` (n,) its
    distance over the mean of those to the next ones (see `memorization`): near 1 it is no closer than others, near 0 a copy.
    """

    generated: Array
    real: Array
    explained: float
    nearest: Array
    ratio: Array


def similarity(generated: ArrayLike, real: ArrayLike, dims: int = 2) -> Similarity:
    """Points for volumes (n, nx, ny, nz): classical scaling of their rms distances (on at most 32,768 cells).

    Clouds that lie on each other mean that the prior covers what is real; generated points in a clump, a prior that repeats
    itself; apart, one that is biased.
    """
    a, b = np.asarray(generated, dtype=np.float32), np.asarray(real, dtype=np.float32)
    if a.shape[1:] != b.shape[1:] or a.ndim != 4:
        raise GridError(f"The volumes have shapes {a.shape} and {b.shape}. Expected (n, nx, ny, nz), of equal size.")
    flat = np.concatenate([a, b]).reshape(len(a) + len(b), -1)
    distance = scores.pairwise_distance(flat[:, picks(flat.shape[1], CELLS, 0)])
    points, explained = classical_scaling(distance, dims)
    across = distance[: len(a), len(a) :]
    return Similarity(points[: len(a)], points[len(a) :], explained, across.argmin(axis=1), ratio(across))


def classical_scaling(distance: ArrayLike, dims: int = 2) -> tuple[Array, float]:
    """Points (n, dims) whose distances come closest to those given (n, n), and the share of variance they explain (Torgerson
    1952). Each axis points where its largest coordinate is positive, so that equal distances give equal points.

    >>> points, explained = classical_scaling([[0.0, 3.0, 4.0], [3.0, 0.0, 5.0], [4.0, 5.0, 0.0]])
    >>> round(float(np.linalg.norm(points[1] - points[2])), 6), round(explained, 6)
    (5.0, 1.0)
    """
    square = np.square(np.asarray(distance, dtype=np.float64))
    centred = -0.5 * (square - square.mean(axis=0) - square.mean(axis=1)[:, None] + square.mean())
    values, vectors = np.linalg.eigh(centred)
    largest = np.argsort(values)[::-1][:dims]
    points = vectors[:, largest] * np.sqrt(np.maximum(values[largest], 0.0))
    sign = np.sign(points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])])
    total = np.maximum(values, 0.0).sum()
    explained = float(np.maximum(values[largest], 0.0).sum() / total) if total > 0 else 1.0
    return points * np.where(sign == 0, 1.0, sign), explained
