"""Sinuous channels in a floodplain, placed at random: a Boolean (object-based) facies prior.

Channels are independent objects, scattered as a Poisson process (a Boolean model: Matheron 1975; Lantuéjoul 2002, chapter 13),
so every cell lies in a channel with probability `net_to_gross`, everywhere. Their centrelines are sine-generated curves
(Langbein & Leopold 1966) whose phase wanders (Ferguson 1976); their sections are parabolas, deeper at the outer bank of a bend.
Where channels meet, the one with the higher top, hence the younger, has eroded the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

from gempy_gan import GempyGanError, Prior, Property, hookimpl

if TYPE_CHECKING:  # 'gempy-gan plugins' imports this file: NumPy and torch wait until something is sampled
    import numpy as np
    import torch

    Array = np.ndarray[Any, np.dtype[Any]]

FLOODPLAIN, CHANNEL, LEVEE = 0, 1, 2
SKEW = 0.5  # how far a bend shifts the deepest point towards its outer bank
SECTION = 2 / 3  # section area over width times depth; the skew leaves it as it is
DEEPEST = 1.06  # greatest depth over depth in a skewed section
WANDER = 0.6  # radians by which the phase of the bends drifts in one wavelength (standard deviation)
LEVEE_DEPTH = 0.4  # of the channel's depth, beside the bank
MUD, SILT, NOISE = 0.08, 0.35, 0.03  # coarse fraction outside channels, in levees, and its scatter from cell to cell
FINEST, FINING = 0.6, 0.35  # coarse fraction at a channel's top, and how much coarser its floor is


@hookimpl
def gempy_gan_register_priors(register: Any) -> None:
    """Tell gempy_gan what this plugin adds."""
    register("boolean", BooleanPrior, "sinuous channels placed at random (Boolean model)")


@dataclass(eq=False)
class BooleanPrior(Prior):
    """Channels in a floodplain; lengths in metres.

    `width` and `depth` are a channel's means, `variation` spreads these and `wavelength` (11 widths unless given) by a
    uniform factor 1 +- variation. `sinuosity` is path length over straight length, up to 1.7. `azimuth` is the mean flow
    direction in degrees clockwise from the box's second axis (north, if the grid is not rotated), uniform within
    +- `azimuth_spread`. `levees` adds a third facies. `properties` chooses the channels of the output: "facies" and
    "coarse_fraction" (0 to 1; low outside, fining upwards inside a channel).

    Raises GempyGanError when an option is out of its range.
    """

    shape: tuple[int, int, int] = (64, 64, 16)
    cell_size: tuple[float, float, float] = (50.0, 50.0, 1.0)
    net_to_gross: float = 0.3
    width: float = 250.0
    depth: float = 4.0
    sinuosity: float = 1.35
    wavelength: float | None = None
    azimuth: float = 90.0
    azimuth_spread: float = 20.0
    variation: float = 0.3
    levees: bool = False
    properties: Any = ("facies", "coarse_fraction")

    def __post_init__(self) -> None:
        self.shape, self.cell_size = tuple(self.shape), tuple(self.cell_size)
        self.wavelength = self.wavelength or 11 * self.width
        half_cell = min(self.cell_size[:2]) / 2
        ranges = {
            "net_to_gross": (0, 0.95),
            "width": (half_cell, 1e6),
            "depth": (self.cell_size[2] / 2, 1e6),
            "sinuosity": (1, 1.7),
            "wavelength": (half_cell, 1e6),
            "variation": (0, 0.9),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise GempyGanError(f"BooleanPrior: {name} is {getattr(self, name)}. Expected {low:g} to {high:g}.")
        codes = {FLOODPLAIN: "floodplain", CHANNEL: "channel"} | ({LEVEE: "levee"} if self.levees else {})
        known = {"facies": Property("facies", codes=codes), "coarse_fraction": Property("coarse_fraction")}
        if not self.properties or not set(self.properties) <= set(known):
            raise GempyGanError(f"BooleanPrior: properties are {self.properties}. Expected some of {tuple(known)}.")
        self.properties = tuple(known[name] for name in self.properties)

    def state(self) -> Mapping[str, Any]:
        """The options, as `BooleanPrior(**state)` takes them."""
        options = {field.name: getattr(self, field.name) for field in fields(self)}
        return options | {"shape": [*self.shape], "cell_size": [*self.cell_size], "properties": [p.name for p in self.properties]}

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Draw n realizations (n, c, nx, ny, nz); the generator alone decides which."""
        import numpy as np
        import torch

        seeds = torch.randint(2**62, (n,), generator=generator).tolist()
        drawn = [self._realization(np.random.default_rng(seed)) for seed in seeds]
        return torch.as_tensor(np.stack([[one[p.name] for p in self.properties] for one in drawn]), dtype=torch.float32)

    def _realization(self, rng: np.random.Generator) -> dict[str, Array]:
        """Paint the channels into a box of mud, the oldest (lowest) first, so that the younger ones erode it."""
        import numpy as np

        nx, ny, nz = self.shape
        z = (np.arange(nz) + 0.5) * self.cell_size[2]
        facies, coarse = np.zeros((nx * ny, nz), dtype=np.float32), np.full((nx * ny, nz), MUD, dtype=np.float32)
        for columns, across, skew, depth, top in self._channels(rng):
            layers = np.flatnonzero((z <= top) & (z > top - DEEPEST * depth))
            below = top - z[layers]
            if self.levees:
                wing = LEVEE_DEPTH * depth * (2 - np.abs(across)) * (np.abs(across) >= 1)
                column, layer = np.nonzero((below < wing[:, None]) & (facies[np.ix_(columns, layers)] == FLOODPLAIN))
                facies[columns[column], layers[layer]] = LEVEE
                coarse[columns[column], layers[layer]] = SILT
            floor = depth * np.maximum(1 - across**2, 0) * (1 + skew * across)
            column, layer = np.nonzero(below < floor[:, None])
            facies[columns[column], layers[layer]] = CHANNEL
            coarse[columns[column], layers[layer]] = FINEST + FINING * below[layer] / floor[column]
        coarse = np.clip(coarse + NOISE * rng.standard_normal(coarse.shape, dtype=np.float32), 0, 1)
        return {"facies": facies.reshape(self.shape), "coarse_fraction": coarse.reshape(self.shape)}

    def _channels(self, rng: np.random.Generator) -> Iterator[tuple[Array, Array, Array, float, float]]:
        """For each channel, oldest first: the columns near it, their position across it (-1 and 1 are the banks), its skew
        there, its depth and its top.

        Channels fall into a window larger than the box, so that the box's edges are like its middle. Their expected number
        follows from net_to_gross = 1 - exp(-number * share of the window that one channel covers).
        """
        import numpy as np

        (dx, dy, dz), (nx, ny, nz) = self.cell_size, self.shape
        x, y = np.indices((nx, ny)).reshape(2, -1) * [[dx], [dy]] - [[dx * (nx - 1) / 2], [dy * (ny - 1) / 2]]
        steep = _steepness(self.sinuosity)
        reach = np.hypot(nx * dx, ny * dy)
        window = reach + 2 * (1 + self.variation) * self.width / np.cos(steep)
        height = nz * dz + DEEPEST * (1 + self.variation) * self.depth
        covered = SECTION * self.width * self.depth * _sinuosity(steep) / (window * height)
        number = rng.poisson(-np.log(1 - self.net_to_gross) / covered)
        widest = 2 if self.levees else 1  # half-widths
        means = np.array([self.width, self.depth, self.wavelength])
        for top in np.sort(rng.uniform(0, height, number)):
            width, depth, wavelength = means * (1 + self.variation * rng.uniform(-1, 1, 3))
            azimuth = np.deg2rad(self.azimuth + self.azimuth_spread * rng.uniform(-1, 1))
            along, left = x * np.sin(azimuth) + y * np.cos(azimuth), y * np.sin(azimuth) - x * np.cos(azimuth)
            at, offset, direction, bend = _centreline(rng, steep, wavelength, reach)
            shifted = left - np.interp(along, at, offset) + window * rng.uniform()
            aside = shifted - window * np.round(shifted / window)  # what leaves the window on one side enters on the other
            near = np.flatnonzero(np.abs(aside) < width / np.cos(steep))
            across = aside[near] * np.cos(np.interp(along[near], at, direction)) / (width / 2)
            near, across = near[np.abs(across) < widest], across[np.abs(across) < widest]
            yield near, across, -SKEW * np.interp(along[near], at, bend), depth, top


def _centreline(rng: np.random.Generator, steep: float, wavelength: float, reach: float) -> tuple[Array, Array, Array, Array]:
    """Position along the azimuth (increasing), offset to the left, direction (radians) and bend (-1 right to 1 left)."""
    import numpy as np

    step = wavelength / 40
    path = np.arange(0, 1.2 * reach * _sinuosity(steep) + 2 * wavelength, step)
    wander = WANDER * np.cumsum(rng.standard_normal(len(path))) * np.sqrt(step / wavelength)
    phase = 2 * np.pi * (path / wavelength + rng.uniform()) + wander
    direction = steep * np.sin(phase)
    along, offset = np.cumsum(np.cos(direction)) * step, np.cumsum(np.sin(direction)) * step
    return along - along[-1] / 2, offset - offset[len(path) // 2], direction, np.cos(phase)


@lru_cache
def _steepness(sinuosity: float) -> float:
    """The largest angle (radians) between azimuth and a sine-generated curve of this sinuosity."""
    return next(angle / 100 for angle in range(200) if _sinuosity(angle / 100) >= sinuosity)


@lru_cache
def _sinuosity(steep: float) -> float:
    """Path length over straight length of a sine-generated curve whose direction swings by +-steep: 1 / mean(cos(angle))."""
    return 100 / sum(cos(steep * sin(2 * pi * k / 100)) for k in range(100))
