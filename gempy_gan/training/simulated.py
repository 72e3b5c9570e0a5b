"""Boxes that are simulated while the training runs: data that never end, so that there is nothing to memorize."""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import progress
from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain
from gempy_gan.prior import Simulator
from gempy_gan.training.boxes import POLL, Boxes, Interrupted, scaled_labels, to_half
from gempy_gan.training.ring import Ring
from gempy_gan.training.workers import simulate_one, simulating_pool

SEEDS = 2**32  # training set `sample --seed` draws from the seeds below; these are the others


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
    is missing, and the processes rest when they are far enough ahead. Volume k has the seed 2^32 (1 + seed) + k. A training
    that goes on finds its volumes in the folder; those that are gone or damaged are simulated again.
    """

    def __init__(
        self, simulator: Simulator, domain: Domain, supply: Supply, folder: Path, jobs: int = 1, seed: int = 0, flips: str = ""
    ) -> None:
        self.simulator, self.domain, self.supply = simulator, domain, supply
        self.seed, self.flips, self.jobs = seed, flips, jobs
        self._ahead = max(64, 4 * jobs)
        slots = supply.keep + supply.keep // 8 + 2 * self._ahead
        self._ring = Ring(folder, slots, (len(domain.properties), *simulator.shape), len(domain.labels))
        self._stop = threading.Event()
        self._running: dict[Future[Any], int] = {}
        self._next, self._made, self._waited = 0, 0, 0.0
        self._pool: ProcessPoolExecutor | None = None
        self.smallest = min(supply.first, supply.keep)

    def choose(self, step: int, size: int) -> NDArray[np.int64]:
        """Volumes of the step's window, drawn without repetition; waits until all of them are there."""
        start, end = self.supply.window(step)
        self._provide(start, end)
        return start + np.random.default_rng([self.seed, step, 1]).choice(end - start, size, replace=False)

    def volume(self, number: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """One volume and its labels, from the folder."""
        return self._ring.read(number)

    def seek(self, step: int) -> None:
        """Look through the folder for the volumes of the step's window."""
        self._ring.open()
        self._next = self.supply.window(step)[0]

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
        """The state, and the seeds of the volumes up to a step."""
        end, base = self.supply.window(step)[1], SEEDS * (1 + self.seed)
        return {**self.state(), "volumes": end, "seeds": [base, base + end - 1]}

    def account(self) -> dict[str, Any]:
        """How many volumes were made by this process' workers, and how long the training waited for them."""
        return {"simulated": self._made, "waited_s": round(self._waited, 1)}

    def close(self) -> None:
        """End the workers; what they have not finished is lost."""
        self._ring.close()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def interrupt(self) -> None:
        """Wait for no more volumes."""
        self._stop.set()

    def _provide(self, start: int, end: int) -> None:
        """Have all volumes up to `end`, and some more under way. No slot of the window is ever written again."""
        self._next = max(self._next, start)
        self._submit(end + self._ahead)
        self._collect(block=False)
        missing = [n for n in self._running.values() if n < end]
        first = len(missing)
        while missing:
            if self._stop.is_set():
                raise Interrupted
            progress.report("volumes simulated", first - len(missing), first)
            self._collect(block=True)
            missing = [n for n in self._running.values() if n < end]
        if first:
            progress.report("volumes simulated", first, first)

    def _submit(self, limit: int) -> None:
        while self._next < limit:
            if not self._ring.holds(self._next):
                if self._pool is None:
                    self._pool = simulating_pool(self.simulator, self.jobs)
                self._running[self._pool.submit(simulate_one, SEEDS * (1 + self.seed) + self._next)] = self._next
            self._next += 1

    def _collect(self, block: bool) -> None:
        """Store what is finished."""
        began = time.monotonic()
        done, _ = wait(self._running, POLL if block else 0.0, FIRST_COMPLETED)
        self._waited += time.monotonic() - began if block else 0.0
        for future in done:
            number = self._running.pop(future)
            values, labels = _result(future, number)
            self._ring.write(number, to_half(values, f"The simulated volume {number}"), scaled_labels(self.domain, labels)[0])
            self._made += 1


def _result(future: Future[Any], number: int) -> Any:
    try:
        return future.result()
    except GempyGanError as error:
        raise GempyGanError(f"Volume {number} cannot be simulated: {error}") from None
    except BrokenProcessPool:
        raise GempyGanError(
            "A process that simulates has died, perhaps for want of memory. Repeat the command with fewer jobs."
        ) from None
