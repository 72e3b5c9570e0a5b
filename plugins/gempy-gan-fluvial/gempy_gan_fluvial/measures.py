"""What is measured: the bends of a river, and the deposits that it left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gempy_gan_fluvial.centreline import curvature

Array = NDArray[np.float64]

NET = 0.5  # coarse fraction from which a cell counts as net
GENTLE = 0.05  # curvature, per width, below which a bend is none


def bends_of(x: Array, y: Array, width: float) -> tuple[float, float]:
    """Sinuosity of a centreline, and the mean straight wavelength of its bends in widths (nan without two bends).

    Sinuosity is length over the straight distance of the ends. A wavelength is twice the straight distance between two
    inflections (as Leopold & Wolman 1960 and Williams 1986 measure it).
    """
    length = np.hypot(np.diff(x), np.diff(y)).sum()
    sinuosity = float(length / np.hypot(x[-1] - x[0], y[-1] - y[0]))
    nodes = inflections(curvature(x, y) * width)
    if nodes.size < 3:
        return sinuosity, float("nan")
    apart = np.hypot(np.diff(x[nodes]), np.diff(y[nodes]))
    return sinuosity, float(2 * apart.mean() / width)


def inflections(bends: Array) -> NDArray[np.intp]:
    """Nodes at which the river turns from one side to the other; wiggles gentler than GENTLE do not count."""
    turned = np.flatnonzero(np.abs(bends) > GENTLE)
    sides = np.sign(bends[turned])
    change = np.flatnonzero(np.diff(sides))
    return (turned[change] + turned[change + 1]) // 2


def net_to_gross(coarse: Array) -> float:
    """Share of cells that are more coarse than fine."""
    return float((coarse > NET).mean())


def channel_width(coarse: Array, dy: float) -> float:
    """Mean width in metres, across the flow, of the coarse bodies (nx, ny, nz) in a layer; 0 without any."""
    net = (coarse > NET).astype(np.int8)
    edges = np.diff(net, axis=1, prepend=0, append=0)
    bodies = int((edges == 1).sum())
    return float(net.sum() / bodies * dy) if bodies else 0.0


def mean_bends(found: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean sinuosity and mean wavelength of several centrelines; 0 for the wavelength where none has bends."""
    sinuosity, wavelength = np.array(found).T
    known = wavelength[np.isfinite(wavelength)]
    return float(sinuosity.mean()), float(known.mean()) if known.size else 0.0
