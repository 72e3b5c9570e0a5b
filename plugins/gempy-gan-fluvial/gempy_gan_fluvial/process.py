"""The run of the process: a river that migrates, avulses, floods and aggrades, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from numpy.typing import NDArray

from gempy_gan_fluvial import centreline, deposition
from gempy_gan_fluvial.avulsion import APPROACH, BELT, RUNOUT, lowest_route
from gempy_gan_fluvial.measures import bends_of
from gempy_gan_fluvial.series import draw_series

Array = NDArray[np.float64]

STEP = 0.22  # migration rate, widths per step for a curvature of one per width
TYPICAL = 0.22  # mean of the curvature-driven rate along a mature river, so that a step moves it by STEP * TYPICAL widths
FEWEST = 250  # steps of a run
FLOODS = 40  # intervals, about, over which overbank deposition is summed up while the banks rise by one channel depth
BACKGROUND = 0.1  # part of the overbank rate that does not decay with distance
FIRST = 2  # how much longer than a later one the first course grows
RATE = 0.45  # of growth
CHUTE_REACH = 0.9  # wavelengths that a chute crosses at most
BELOW, ABOVE = 1.5, 1.1  # channel depths of substrate below, and of deposits above, what is kept


@dataclass
class Tally:
    """What is counted on the way."""

    avulsions: int = 0
    cutoffs: int = 0
    migrated: float = 0.0
    bends: list[tuple[float, float]] = field(default_factory=list)


class Run:
    """One run; `columns` is the box that it fills, `base` the elevation in it above which deposits are kept."""

    def __init__(
        self, rng: np.random.Generator, labels: Mapping[str, float], shape: tuple[int, int, int],
        cell_size: tuple[float, float, float], facies: bool,
    ) -> None:  # fmt: skip
        self.rng, self.labels, self.tally = rng, labels, Tally()
        self.width, self.depth = labels["width"], labels["width"] / labels["width_to_depth"]
        self.decay = centreline.memory(labels["wavelength"])
        self.chute = CHUTE_REACH * labels["wavelength"], labels["shortening"]
        self.size = (shape[0] * cell_size[0], shape[1] * cell_size[1])
        self.cell = cell_size[:2]
        self.skipped = ceil(BELOW * self.depth / cell_size[2])
        self.base = self.skipped * cell_size[2]
        self.top = self.base + shape[2] * cell_size[2]
        rise = self.top + ABOVE * self.depth - self.base
        self.columns = deposition.new_columns(shape[:2], cell_size, self.base + rise + 0.5 * self.depth, self.base, facies)
        self.columns.surface[:] = self.base
        self.rises = rise / self.depth
        wanted = labels["mobility"] * self.rises / TYPICAL
        self.steps = max(int(wanted / STEP), FEWEST)
        self.rate = wanted / self.steps
        self.series = draw_series(rng, self.steps, self.base, self.base + rise, self.depth, labels["incision"])
        self.near = deposition.new_near(shape[:2])
        self.river = deposition.River(
            self.width, self.depth, labels["coarsest"], labels["finest"], labels["levee"], labels["overbank_lambda"],
            labels["flood_height"],
        )  # fmt: skip

    def run(self) -> None:
        """Take every step, then fill what is left open."""
        rng, labels, steps = self.rng, self.labels, self.steps
        chance = self.rises / steps
        avulses = rng.random(steps) < labels["avulsions"] * chance
        splays = rng.random(steps) < labels["splays"] * chance
        drift = rng.standard_normal(steps) * 0.02 * self.width * min(3 * self.rate, 1)
        pause, look = max(1, int(steps / (FLOODS * self.rises))), max(1, steps // 40)
        self.course = self._regional(FIRST * self._growth())
        for step in range(steps):
            if avulses[step]:
                self.avulse()
            self.move(step, float(drift[step]))
            self.deposit(step)
            if step % pause == 0:
                self.flood(step, pause)
            if splays[step]:
                self.splay(step)
            if step % look == 0:
                self.tally.bends.append(bends_of(*self.course[:2], self.width))
        deposition.fill(self.columns, self.top + self.depth, 1.0)

    def move(self, step: int, drift: float) -> None:
        """Migrate, slower into banks of plug mud, and cut necks off."""
        x, y, spacing = self.course
        y[0] += drift
        plugs = deposition.bank_plugs(x, y, self.columns, self.river, self.series.bank[step])
        plugs *= 1 - self.labels["plug_erodibility"]
        rate = self.rate * self.series.discharge[step]
        x, y, spacing, moved, cut = centreline.advance(x, y, spacing, self.width, rate, self.decay, *self.chute, plugs)
        self.course = x, y, spacing
        self.tally.cutoffs += cut
        self.tally.migrated += moved

    def deposit(self, step: int) -> None:
        """Erode and accrete in the channel."""
        x, y, _ = self.course
        self.bends = centreline.curvature(x, y) * self.width
        deposition.locate(x, y, self.bends, self.width, self.columns, self.near)
        bank, energy = self.series.bank[step], self.series.energy[step]
        deposition.flow(self.columns, self.near, self.river, bank, energy, step / self.steps)

    def flood(self, step: int, pause: int) -> None:
        """Deposit overbank what the last `pause` steps have left."""
        nx, ny = self.columns.surface.shape
        noise = 0.25 * self.rng.standard_normal((nx // 8 + 2, ny // 8 + 2))
        filled = self.labels["overbank_mu"] * self.rises * pause / self.steps
        bank, rise = self.series.bank[step], self.series.discharge[step]
        deposition.flood(
            *self.course[:2], self.columns, self.near, self.river, bank, rise, filled, BACKGROUND, noise, step / self.steps
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
            x[i], y[i], outer * ty, -outer * tx, length * self.width, half_width * self.width, thickness * self.depth,
            self.columns, self.near, self.river, step / self.steps,
        )  # fmt: skip

    def avulse(self) -> None:
        """Leave the course, upstream of the box or inside it."""
        self.tally.avulsions += 1
        if self.rng.random() < self.labels["local_avulsions"]:
            self.course = self._local()
        else:
            self.course = self._regional(self._growth())

    def _growth(self) -> int:
        """Growth steps of a new course; long bends grow slower, with the square of their wavelength."""
        return max(int(self.labels["maturity"] * (self.labels["wavelength"] / 10) ** 2 * self.rng.uniform(0.6, 1.4)), 1)

    def _ends(self) -> tuple[float, float]:
        axis = (0.5 + self.labels["offset"]) * self.size[1]
        return axis - BELT * self.size[1], axis + BELT * self.size[1]

    def _regional(self, growth: int) -> tuple[Array, Array, float]:
        start = (-APPROACH * self.width * self.rng.uniform(0.75, 1.25), float(self.rng.uniform(*self._ends())))
        return self._course(start, growth)

    def _local(self) -> tuple[Array, Array, float]:
        """Keep the course down to a node in the box's upstream part, or just before it."""
        x, y, _ = self.course
        inside = np.flatnonzero((x > -2 * self.width) & (x < 0.6 * self.size[0]))
        i = int(self.rng.choice(inside)) if inside.size else 0
        new_x, new_y, _ = self._course((float(x[i]), float(y[i])), int(self._growth() * self.rng.random()))
        return centreline.resample(np.append(x[:i], new_x), np.append(y[:i], new_y), centreline.SPACING * self.width)

    def _course(self, start: tuple[float, float], growth: int) -> tuple[Array, Array, float]:
        end = max(self.size[0] + RUNOUT * self.width, start[0] + 5 * self.width)
        x, y = lowest_route(self.rng, start, end, self._ends(), self.width, self.columns.surface, self.cell)
        return centreline.grow(x, y, self.width, RATE, self.decay, *self.chute, growth)
