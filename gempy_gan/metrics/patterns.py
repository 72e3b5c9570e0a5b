"""Multi-point histograms: how often each pattern of coarse and fine cells occurs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from gempy_gan.metrics.splits import Array, Splits
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes

Template = tuple[tuple[int, int, int], int]
TEMPLATES: dict[str, Template] = {  # cells along x, y and z, and how far apart they are in x and y
    "patterns_2x2x2": ((2, 2, 2), 1),
    "patterns_4x4": ((4, 4, 1), 1),
    "patterns_3x3_wide": ((3, 3, 1), 4),
}


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """Distances of the histograms of each template that fits into the box."""
    for key, (cells, step) in TEMPLATES.items():
        if all(n > (c - 1) * s for n, c, s in zip(real.shape, cells, (step, step, 1), strict=True)):
            g, r = (histograms(volumes.coarse, cells, step) for volumes in (generated, real))
            yield splits.distance_of_means(key, g, r, jensen_shannon)


def histograms(coarse: Array, cells: tuple[int, int, int], step: int = 1) -> Array:
    """Share (n, 2^cells) of each pattern in each volume (n, nx, ny, nz) of booleans; `step` cells apart in x and y."""
    offsets = list(product(*(range(0, c * s, s) for c, s in zip(cells, (step, step, 1), strict=True))))
    extent = [(c - 1) * s for c, s in zip(cells, (step, step, 1), strict=True)]
    nx, ny, nz = (n - e for n, e in zip(coarse.shape[1:], extent, strict=True))
    found = np.empty((len(coarse), 2 ** len(offsets)), dtype=np.float32)
    for volume, out in zip(coarse, found, strict=True):
        code = np.zeros((nx, ny, nz), dtype=np.uint16)
        for bit, (i, j, k) in enumerate(offsets):
            code |= volume[i : i + nx, j : j + ny, k : k + nz].astype(np.uint16) << bit
        out[:] = np.bincount(code.ravel(), minlength=len(out)) / code.size
    return found


def jensen_shannon(p: Array, q: Array) -> Array:
    """Jensen-Shannon distance (s,) of distributions (s, k): the root of the divergence in bits, 0 (equal) to 1 (disjoint).

    >>> jensen_shannon(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).tolist()
    [1.0]
    """
    return np.array([_distance(a, b) for a, b in zip(p, q, strict=True)])


def _distance(p: Array, q: Array) -> float:
    seen = (p + q) > 0
    p, q = p[seen].astype(np.float64), q[seen].astype(np.float64)
    entropy = [-float((x * np.log2(np.where(x > 0, x, 1.0))).sum()) for x in ((p + q) / 2, p, q)]
    return float(np.sqrt(max(entropy[0] - (entropy[1] + entropy[2]) / 2, 0.0)))
