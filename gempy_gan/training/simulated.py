"""Boxes that are simulated while the training runs: data that never end, so that there is nothing to memorize."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import progress
from gempy_gan.learning import Domain
from gempy_gan.prior import Simulator
from gempy_gan.seeds import realization_seed
from gempy_gan.simulation import Simulation, simulate
from gempy_gan.training.boxes import Boxes, Interrupted, scaled_labels, to_half
from gempy_gan.training.ring import Ring

NUMBERS = 2**32  # where these realizations of a seed are numbered from: no training set of the same seed reaches so far
SPARE = 64  # slots beside those of the volumes that are learned from


@dataclass(frozen=True)
class Supply:
    """How many volumes there are at each step: `first`, then `fresh` more a step, of which the last `keep` are learned from.

    >>> Supply(first=256, fresh=0.5, keep=300).window(200)
    (56, 356)
    """

    first: int
    fresh: float
    keep: int

    def window(self, step: int) -> tuple[int, int]:
        """The first volume that a step may learn from, and the one after the last."""
        end = self.first + math.floor(self.fresh * step)
        return max(0, end - self.keep), end


class SimulatedBoxes(Boxes):
    """Volumes of a simulator, made by `jobs` processes and kept in `folder`.

    Which volumes a step learns from depends on the step alone, never on how fast they are made: the training waits for what
    is missing, and the processes rest when they are far enough ahead. Volume k is realization 2^32 + k of the seed. A training
    that goes on finds its volumes in the folder; those that are gone or damaged are simulated again.
    """

    def __init__(
        self, simulator: Simulator, domain: Domain, supply: Supply, folder: Path, jobs: int = 1, seed: int = 0, flips: str = ""
    ) -> None:
        self.simulator, self.domain, self.supply = simulator, domain, supply
        self.seed, self.flips, self.jobs = seed, flips, jobs
        self.smallest = min(supply.first, supply.keep)
        slots = supply.keep + supply.keep // 8 + SPARE  # what was overwritten since the last checkpoint is simulated again
        self._ring = Ring(folder, slots, (len(domain.properties), *simulator.shape), len(domain.labels))
        self._stop = threading.Event()
        self._next = 0  # all volumes of the window before this one are there
        self._made, self._waited = 0, 0.0
        self._asked: list[int] = []  # numbers of the volumes under way, in order
        self._results: Generator[Any, None, None] | None = None

    def choose(self, step: int, size: int) -> NDArray[np.int64]:
        """Volumes of the step's window, drawn without repetition; waits until all of them are there."""
        start, end = self.supply.window(step)
        if self._next < end:
            with self._waiting():
                self._provide(end)
        return start + np.random.default_rng([self.seed, step, 1]).choice(end - start, size, replace=False)

    def volume(self, number: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """One volume and its labels, from the folder."""
        return self._ring.read(number)

    def seek(self, step: int) -> None:
        """Look through the folder for the volumes of the step's window, and have the missing ones made."""
        self._next = self.supply.window(step)[0]
        self._ring.open(self._next)
        self._results = simulate(self.simulator, self._missing(self._next), self.jobs, apart=True)

    def state(self) -> dict[str, Any]:
        """The simulator, its options, and how many volumes there are at each step."""
        return {
            "kind": "simulated",
            "simulator": f"{type(self.simulator).__module__}:{type(self.simulator).__qualname__}",
            "options": dict(self.simulator.state()),
            "first": self.supply.first,
            "fresh": self.supply.fresh,
            "keep": self.supply.keep,
            "flips": self.flips,
        }

    def describe(self, step: int) -> dict[str, Any]:
        """The state, and how many volumes were made up to a step, of which seed."""
        return {**self.state(), "volumes": self.supply.window(step)[1], "seed": self.seed, "numbered_from": NUMBERS}

    def account(self) -> dict[str, Any]:
        """How many volumes were made since the training began or went on, and how long it waited for them."""
        return {"simulated": self._made, "waited_s": round(self._waited, 1)}

    def interrupt(self) -> None:
        """Wait for no more volumes."""
        self._stop.set()

    def close(self) -> None:
        """End the workers; what they have not finished is lost."""
        if self._results is not None:
            self._results.close()
            self._results = None
        self._ring.close()

    def _provide(self, end: int) -> None:
        """Go on until all volumes before `end` are there."""
        first = self._next
        while self._next < end:
            if self._stop.is_set():
                raise Interrupted
            if end - first > 1:
                progress.report("volumes simulated", self._next - first, end - first)
            if not self._ring.holds(self._next):
                self._take()
            self._next += 1
        if end - first > 1:
            progress.report("volumes simulated", end - first, end - first)

    def _take(self) -> None:
        """Store the next volume that the processes make."""
        assert self._results is not None, "seek() comes first"  # noqa: S101
        values, labels = next(self._results)
        number = self._asked.pop(0)
        self._ring.write(number, to_half(values, f"The simulated volume {number}"), scaled_labels(self.domain, labels)[0])
        self._made += 1

    def _missing(self, number: int) -> Iterator[Simulation]:
        """The volumes from `number` on that are not there, endlessly; told as they are asked for, a little ahead of `_take`."""
        while True:
            if not self._ring.holds(number):
                self._asked.append(number)
                yield Simulation(NUMBERS + number, realization_seed(self.seed, NUMBERS + number))
            number += 1

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - began
