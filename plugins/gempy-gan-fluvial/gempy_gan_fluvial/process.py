"""The run of the process: a river that migrates, avulses, floods and aggrades, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gempy_gan_fluvial import deposition, river
from gempy_gan_fluvial.avulsion import Course, Courses
from gempy_gan_fluvial.measures import bends_of
from gempy_gan_fluvial.series import draw_series

Array = NDArray[np.float64]

STEP = 0.22  # migration rate, widths per step for a curvature of one per width
TYPICAL = 0.22  # mean of the curvature-driven rate along a mature river, so that a step moves it by STEP * TYPICAL widths
FEWEST = 250  # steps of a run
FLOODS = 40  # intervals, about, over which overbank deposition is summed up while the banks rise by one channel depth
BACKGROUND = 0.1  # part of the overbank rate that does not decay with distance
SCATTER = 0.25  # relative, of the overbank rate from place to place
FIRST = 2.0  # how much more mature than a later one the first course is
DRIFT = 0.02  # widths by which the inlet wanders in a step
LOOKS = 40  # times, about, that the bends are measured
BELOW, ABOVE = 1.5, 1.1  # channel depths of substrate below, and of deposits above, what is kept


class Plan(NamedTuple):
    """How long a run is: layers of substrate below what is kept, elevations in metres, steps and their migration rate.

    The banks rise by `rises` channel depths from `base` to `end`; what lies between `base` and `top` is kept.
    """

    skipped: int
    base: float
    top: float
    end: float
    depth: float
    rises: float
    steps: int
    rate: float


def plan(labels: Mapping[str, float], layers: int, dz: float) -> Plan:
    """So many steps that the river migrates as far as its mobility asks, while the banks rise past `layers` layers."""
    depth = labels["width"] / labels["width_to_depth"]
    skipped = ceil(BELOW * depth / dz)
    base = skipped * dz
    top = base + layers * dz
    rise = top + ABOVE * depth - base
    rises = rise / depth
    wanted = labels["mobility"] * rises / TYPICAL
    steps = max(int(wanted / STEP), FEWEST)
    return Plan(skipped, base, top, base + rise, depth, rises, steps, wanted / steps)


@dataclass
class Tally:
    """What is counted on the way; `bends` are sinuosities and wavelengths."""

    avulsions: int = 0
    cutoffs: int = 0
    migrated: float = 0.0
    bends: list[tuple[float, float]] = field(default_factory=list)


class Run:
    """One run, drawn from `rng`, that fills the `columns` of a box of this shape."""

    def __init__(
        self,
        rng: np.random.Generator,
        labels: Mapping[str, float],
        shape: tuple[int, int, int],
        cell_size: tuple[float, float, float],
        facies: bool,
    ) -> None:
        (nx, ny, nz), (dx, dy, dz) = shape, cell_size
        self.rng, self.labels, self.tally, self.plan = rng, labels, Tally(), plan(labels, nz, dz)
        self.size, self.width, depth = (nx * dx, ny * dy), labels["width"], self.plan.depth
        self.courses = Courses(rng, labels, self.size, (dx, dy))
        base, end = self.plan.base, self.plan.end
        self.columns = deposition.new_columns((nx, ny), cell_size, end + 0.5 * depth, base, facies)
        self.series = draw_series(rng, self.plan.steps, base, end, depth, labels["incision"])
        self.near = deposition.new_near((nx, ny))
        grain = labels["coarsest"], labels["finest"], labels["levee"]
        self.river = deposition.River(self.width, depth, *grain, labels["overbank_lambda"], labels["flood_height"])
        hardness = 1 - labels["plug_erodibility"]
        self.migration = river.Migration(self.plan.rate, self.courses.decay, *self.courses.chute, hardness)

    def run(self) -> None:
        """Take every step, then fill what is left open."""
        rng, labels, steps = self.rng, self.labels, self.plan.steps
        chance = self.plan.rises / steps
        avulses = rng.random(steps) < labels["avulsions"] * chance
        splays = rng.random(steps) < labels["splays"] * chance
        drift = rng.standard_normal(steps) * DRIFT * self.width * min(3 * self.plan.rate, 1)
        pause, look = max(1, int(steps / (FLOODS * self.plan.rises))), max(1, steps // LOOKS)
        self.course = self.courses.regional(self.columns.surface, FIRST)
        every = np.arange(steps)
        halts = (every % pause == 0) | splays | (every % look == 0) | np.append(avulses[1:], True)  # after these steps
        first = 0
        for step in np.flatnonzero(halts).tolist():
            if avulses[first]:
                self.avulse()
            self.march(first, step + 1, drift)
            if step % pause == 0:
                self.flood(step, pause)
            if splays[step]:
                self.splay(step)
            if step % look == 0:
                self.tally.bends.append(bends_of(self.course.x, self.course.y, self.width))
            first = step + 1
        deposition.fill(self.columns, self.plan.top, 1.0)

    def avulse(self) -> None:
        """Leave the course, far upstream of the box or near it."""
        self.tally.avulsions += 1
        if self.rng.random() < self.labels["local_avulsions"]:
            self.course = self.courses.local(self.course, self.columns.surface)
        else:
            self.course = self.courses.regional(self.columns.surface)

    def march(self, first: int, last: int, drift: Array) -> None:
        """Migrate, slower into banks of plug mud, cut loops off, erode and accrete, from step `first` to before `last`."""
        x, y, spacing, self.bends, self.tally.migrated, cut = river.march(
            *self.course, first, last, self.plan.steps, drift, self.series, self.migration,
            self.columns, self.near, self.river, self.tally.migrated,
        )  # fmt: skip
        self.course = Course(x, y, spacing)
        self.tally.cutoffs += cut

    def flood(self, step: int, pause: int) -> None:
        """Deposit overbank what the last `pause` steps have left."""
        nx, ny = self.columns.surface.shape
        noise = SCATTER * self.rng.standard_normal((nx // deposition.PATCH + 2, ny // deposition.PATCH + 2))
        filled = self.labels["overbank_mu"] * self.plan.rises * pause / self.plan.steps
        bank, rise = self.series.bank[step], self.series.discharge[step]
        deposition.flood(
            *self.course[:2], self.columns, self.near, self.river, bank, rise, filled, BACKGROUND, noise, step / self.plan.steps
        )

    def splay(self, step: int) -> None:
        """Breach the outer bank of a bend inside the box, rather a sharp one."""
        x, y, _ = self.course
        inside = np.flatnonzero((x > 0) & (x < self.size[0]) & (y > 0) & (y < self.size[1]))
        inside = inside[(inside > 0) & (inside < x.size - 1)]
        length, half_width, thickness = self.rng.uniform((2, 0.8, 0.08), (6, 2, 0.25))
        weights = self.rng.random(x.size)
        if not inside.size:
            return
        i = inside[np.argmax(np.abs(self.bends[inside]) * weights[inside])]
        tx, ty = x[i + 1] - x[i - 1], y[i + 1] - y[i - 1]
        outer = (1.0 if self.bends[i] > 0 else -1.0) / np.hypot(tx, ty)
        deposition.breach(
            x[i], y[i], outer * ty, -outer * tx, length * self.width, half_width * self.width, thickness * self.plan.depth,
            self.columns, self.near, self.river, step / self.plan.steps,
        )  # fmt: skip
