"""Where a river goes when it leaves its course: to the lowest of several routes that it could take (compensation)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gempy_gan_fluvial.centreline import SPACING, grow, memory, resample

Array = NDArray[np.float64]
Line = tuple[Array, Array]

ROUTES = 12  # that are compared
BELT = 0.47  # of the box's width: how far from the belt's axis a route ends at most
APPROACH, RUNOUT = 8.0, 8.0  # widths that the river runs before and behind the box
LOCAL = -2.0, 0.6  # widths before the box, and share of its length, between which a local avulsion happens
SPREAD = 0.4  # half-range of the maturity of single courses around its mean
RATE = 0.45  # of migration while a course grows
CHUTE_REACH = 0.9  # wavelengths that a chute crosses at most


class Course(NamedTuple):
    """A centreline: nodes from upstream to downstream, in metres, and their distance along it."""

    x: Array
    y: Array
    spacing: float


class Courses:
    """Draws courses through a box of `size` (x, y) metres in cells of `cell` metres, for a river with these labels.

    `decay` and `chute` are what its centreline migrates by, see `centreline.advance`.
    """

    def __init__(
        self, rng: np.random.Generator, labels: Mapping[str, float], size: tuple[float, float], cell: tuple[float, float]
    ) -> None:
        self.rng, self.labels, self.size, self.cell = rng, labels, size, cell
        self.width = labels["width"]
        self.decay = memory(labels["wavelength"])
        self.chute = CHUTE_REACH * labels["wavelength"], labels["shortening"]

    def regional(self, surface: Array, older: float = 1.0) -> Course:
        """A course that leaves the old one far upstream; `older` times as mature as others."""
        growth = int(older * self._growth())
        start = -APPROACH * self.width * self.rng.uniform(0.75, 1.25)
        return self._course((start, float(self.rng.uniform(*self._ends()))), growth, surface)

    def local(self, old: Course, surface: Array) -> Course:
        """A course that leaves the old one just before the box, or in its upstream part."""
        inside = np.flatnonzero((old.x > LOCAL[0] * self.width) & (old.x < LOCAL[1] * self.size[0]))
        i = int(self.rng.choice(inside)) if inside.size else 0
        new = self._course((float(old.x[i]), float(old.y[i])), int(self._growth() * self.rng.random()), surface)
        return Course(*resample(np.append(old.x[:i], new.x), np.append(old.y[:i], new.y), SPACING * self.width))

    def _course(self, start: tuple[float, float], growth: int, surface: Array) -> Course:
        end = max(self.size[0] + RUNOUT * self.width, start[0] + 5 * self.width)
        ends = self._ends()
        routes = [_route(self.rng, start, end, float(self.rng.uniform(*ends)), self.width) for _ in range(ROUTES)]
        x, y = min(routes, key=lambda route: _height(route, surface, self.cell))
        return Course(*grow(x, y, self.width, RATE, self.decay, *self.chute, growth))

    def _growth(self) -> int:
        """Growth steps of a new course; long bends grow slower, with the square of their wavelength."""
        slowness = (self.labels["wavelength"] / 10) ** 2
        return max(int(self.labels["maturity"] * slowness * self.rng.uniform(1 - SPREAD, 1 + SPREAD)), 1)

    def _ends(self) -> tuple[float, float]:
        """Between which y a route starts and ends."""
        axis = (0.5 + self.labels["offset"]) * self.size[1]
        return axis - BELT * self.size[1], axis + BELT * self.size[1]


def _route(rng: np.random.Generator, start: tuple[float, float], end: float, to: float, width: float) -> Line:
    """A smooth step from `start` to (`end`, `to`) with a gentle wave and a random walk on it."""
    x = np.arange(start[0], end + width, 0.75 * width)
    u = (x - start[0]) / (end - start[0])
    walk = np.cumsum(rng.standard_normal(x.size))
    walk -= np.linspace(walk[0], walk[-1], x.size)
    wave = np.sin(2 * np.pi * (x / (11 * width) + rng.random())) * np.minimum(1, 5 * u)
    return x, start[1] + (to - start[1]) * (3 * u**2 - 2 * u**3) + width * (0.1 * walk + 0.35 * wave)


def _height(route: Line, surface: Array, cell: tuple[float, float]) -> float:
    """Mean elevation of the surface along a route; that of the whole box where the route does not cross it."""
    x, y = route
    i, j = (x // cell[0]).astype(int), (y // cell[1]).astype(int)
    inside = (i >= 0) & (i < surface.shape[0]) & (j >= 0) & (j < surface.shape[1])
    return float(surface[i[inside], j[inside]].mean()) if inside.any() else float(np.median(surface))
