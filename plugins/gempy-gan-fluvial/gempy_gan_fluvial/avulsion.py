"""Where a river goes when it leaves its course: to the lowest of several routes that it could take (compensation)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Line = tuple[Array, Array]

ROUTES = 12  # that are compared
BELT = 0.47  # of the box's width: how far from the belt's axis a route ends at most
APPROACH, RUNOUT = 8.0, 8.0  # widths that the river runs before and behind the box


def lowest_route(
    rng: np.random.Generator, start: tuple[float, float], end: float, ends: tuple[float, float], width: float, surface: Array,
    cell: tuple[float, float],
) -> Line:  # fmt: skip
    """The lowest, on average, of some gently winding routes from `start` to x = `end` and somewhere between `ends` in y."""
    routes = [_route(rng, start, end, float(rng.uniform(*ends)), width) for _ in range(ROUTES)]
    return min(routes, key=lambda route: _height(*route, surface, cell))


def _route(rng: np.random.Generator, start: tuple[float, float], end: float, to: float, width: float) -> Line:
    """A smooth step from `start` to (`end`, `to`) with a gentle wave and a random walk on it."""
    x = np.arange(start[0], end + width, 0.75 * width)
    u = (x - start[0]) / (end - start[0])
    walk = np.cumsum(rng.standard_normal(x.size))
    walk -= np.linspace(walk[0], walk[-1], x.size)
    wave = np.sin(2 * np.pi * (x / (11 * width) + rng.random())) * np.minimum(1, 5 * u)
    return x, start[1] + (to - start[1]) * (3 * u**2 - 2 * u**3) + width * (0.1 * walk + 0.35 * wave)


def _height(x: Array, y: Array, surface: Array, cell: tuple[float, float]) -> float:
    """Mean elevation of the surface along a route; that of the whole box where the route does not cross it."""
    i, j = (x // cell[0]).astype(int), (y // cell[1]).astype(int)
    inside = (i >= 0) & (i < surface.shape[0]) & (j >= 0) & (j < surface.shape[1])
    return float(surface[i[inside], j[inside]].mean()) if inside.any() else float(np.median(surface))
