"""The river's centreline: how it migrates and cuts its necks off.

Migration follows Howard & Knutson (1984, Water Resources Research 20): a node moves across the flow by the local curvature and
an exponentially weighted mean of the curvature upstream, here as a recursive filter, in O(nodes). A centreline is two arrays,
`x` and `y` (nodes,), in metres, from upstream to downstream.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OMEGA, GAMMA = -1.0, 2.5  # weights of the local and the upstream curvature (Howard & Knutson 1984)
SINUOSITY_EXPONENT = -2 / 3  # migration slows down where the river is longer, hence flatter (Howard & Knutson 1984)
SPACING = 0.55  # of nodes, in widths
NECK = 1.35  # distance of two centrelines, in widths, at which the neck between them is cut off
LOOP = 7  # nodes, at least, that a cutoff leaves out
SMOOTHING = 0.1  # share of its neighbours in a node's new position
FASTEST = 0.35  # widths that a node moves at most in a step


def memory(wavelength: float) -> float:
    """Decay rate of the upstream influence, per width, at which bends of this wavelength (in widths) grow fastest.

    A sine of wavenumber k grows at the rate k^2 (OMEGA + GAMMA a^2 / (a^2 + k^2)), which is largest at
    k = a sqrt(sqrt(-GAMMA / OMEGA) - 1).

    >>> round(memory(10.0), 3)
    0.824
    """
    return float(2 * np.pi / (wavelength * np.sqrt(np.sqrt(-GAMMA / OMEGA) - 1)))


@njit(cache=True)
def resample(x, y, spacing):
    """The line with equidistant nodes, and their distance, which is `spacing` or a little more."""
    n = x.size
    along = np.zeros(n)
    for i in range(1, n):
        along[i] = along[i - 1] + np.hypot(x[i] - x[i - 1], y[i] - y[i - 1])
    parts = max(int(along[-1] / spacing), 8)
    step = along[-1] / parts
    new_x, new_y = np.empty(parts + 1), np.empty(parts + 1)
    j = 0
    for k in range(parts + 1):
        at = min(k * step, along[-1])
        while j < n - 2 and along[j + 1] < at:
            j += 1
        w = (at - along[j]) / max(along[j + 1] - along[j], 1e-9)
        new_x[k], new_y[k] = x[j] + w * (x[j + 1] - x[j]), y[j] + w * (y[j + 1] - y[j])
    return new_x, new_y, step


@njit(cache=True)
def curvature(x, y):
    """Curvature at the nodes, 1/m, positive where the river turns left; smoothed over five nodes."""
    n = x.size
    raw = np.zeros(n)
    for i in range(1, n - 1):
        dx, dy = (x[i + 1] - x[i - 1]) / 2, (y[i + 1] - y[i - 1]) / 2
        ddx, ddy = x[i + 1] - 2 * x[i] + x[i - 1], y[i + 1] - 2 * y[i] + y[i - 1]
        raw[i] = (dx * ddy - dy * ddx) / max((dx * dx + dy * dy) ** 1.5, 1e-9)
    raw[0], raw[-1] = raw[1], raw[-2]
    smooth = raw.copy()
    for i in range(2, n - 2):
        smooth[i] = (raw[i - 2] + 2 * raw[i - 1] + 3 * raw[i] + 2 * raw[i + 1] + raw[i + 2]) / 9
    return smooth


@njit(cache=True)
def migrate(x, y, spacing, width, rate, decay, hardness):
    """Move the line by one step; returns the new line and the mean distance that its nodes moved, in widths.

    `rate` is the step's length in widths for a curvature of one per width, `decay` the decay rate of the upstream influence
    per width, `hardness` (nodes, 2) by how much the left and the right bank slow the river down (0: not at all).
    """
    n = x.size
    bends = curvature(x, y) * width
    forget = np.exp(-decay * spacing / width)
    chord = np.hypot(x[-1] - x[0], y[-1] - y[0])
    slope = max((n - 1) * spacing / max(chord, 1.0), 1.0) ** SINUOSITY_EXPONENT
    moved_x, moved_y = x.copy(), y.copy()
    numerator, denominator, total = 0.0, 0.0, 0.0
    for i in range(n - 1):
        numerator = numerator * forget + bends[i]
        denominator = denominator * forget + 1.0
        # positive: to the right, the outer bank of a left-hand bend
        d = rate * slope * (OMEGA * bends[i] + GAMMA * numerator / denominator)
        d *= 1.0 - hardness[i, 1 if d > 0 else 0]
        d = min(max(d, -FASTEST), FASTEST) * min(i / 3.0, 1.0)
        total += abs(d)
        if i > 0:
            tx, ty = x[i + 1] - x[i - 1], y[i + 1] - y[i - 1]
            length = np.hypot(tx, ty) + 1e-9
            moved_x[i] += d * width * ty / length
            moved_y[i] -= d * width * tx / length
    new_x, new_y = moved_x.copy(), moved_y.copy()
    for i in range(1, n - 1):
        new_x[i] = (1 - SMOOTHING) * moved_x[i] + SMOOTHING / 2 * (moved_x[i - 1] + moved_x[i + 1])
        new_y[i] = (1 - SMOOTHING) * moved_y[i] + SMOOTHING / 2 * (moved_y[i - 1] + moved_y[i + 1])
    new_y[n - 1] += 0.5 * (new_y[n - 2] - new_y[n - 1]) * min(1.0, rate)  # the outlet follows its neighbour
    return new_x, new_y, total / n


@njit(cache=True)
def cut_off(x, y, spacing, width, reach, shortening):
    """The line without the loops that the river cuts off, and how many those were.

    A neck is cut where two limbs are nearer than NECK widths; a chute where they are nearer than `reach` widths and the way
    around is `shortening` times as long as the way across.
    """
    n = x.size
    keep = np.ones(n, np.bool_)
    cut, i = 0, 0
    while i < n:
        found, j = -1, n - 1
        while j > i + LOOP:
            across, way = np.hypot(x[j] - x[i], y[j] - y[i]), (j - i) * spacing
            if across < NECK * width or (across < reach * width and way > shortening * across):
                found = j
                break
            # from node to node j the way across shrinks by `spacing` at most, and the way around by `spacing`:
            # so far `across` may shrink before there can be a neck, or a chute
            no_neck = across - NECK * width
            no_chute = max(across - reach * width, (shortening * across - way) / max(shortening - 1, 1e-9))
            j -= max(1, int(min(no_neck, no_chute) / spacing))
        if found < 0:
            i += 1
        else:
            keep[i + 1 : found] = False
            cut += 1
            i = found
    return x[keep], y[keep], cut


@njit(cache=True)
def advance(x, y, spacing, width, rate, decay, reach, shortening, hardness):
    """One step of migration with cutoffs: line, node distance, mean movement in widths, number of cutoffs."""
    x, y, moved = migrate(x, y, spacing, width, rate, decay, hardness)
    x, y, spacing = resample(x, y, SPACING * width)
    x, y, cut = cut_off(x, y, spacing, width, reach, shortening)
    if cut > 0:
        x, y, spacing = resample(x, y, SPACING * width)
    return x, y, spacing, moved, cut


@njit(cache=True)
def grow(x, y, width, rate, decay, reach, shortening, steps):
    """A new course, after some steps of migration between banks that are all alike: line and node distance."""
    x, y, spacing = resample(x, y, SPACING * width)
    for _ in range(steps):
        x, y, spacing, _moved, _cut = advance(x, y, spacing, width, rate, decay, reach, shortening, np.zeros((x.size, 2)))
    return x, y, spacing
