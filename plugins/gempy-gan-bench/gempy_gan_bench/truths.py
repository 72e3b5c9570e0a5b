"""The truths: simulated deposits that no prior has seen, the third one unlike those that priors learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import GempyGanError, get_prior
from gempy_gan.learning import LearnedPrior
from gempy_gan.metrics.windows import cut
from gempy_gan.seeds import Origin, realization_seed
from gempy_gan_bench.protocol import CELL_SIZE, PROPERTY, Protocol

SEED = 31_415  # of the set that truths are realizations of; training and held-out sets have 0, 1, 900000, 900001
SIMULATOR = "fluvial-simulator"
SANE = (0.3, 0.7)  # net-to-gross within which wells see both facies
COARSE = 0.5
OFF_CENTRE: Mapping[str, float] = {  # outside the ranges that priors learn from (in brackets)
    "width": 450.0,  # m (140 to 300)
    "shortening": 1.1,  # (2 to 7): chutes keep the channel straight
    "maturity": 4.0,  # (20 to 160)
    "avulsions": 10.0,  # (0.3 to 5)
}
MOST_TRIED = 200


@dataclass(frozen=True, eq=False)
class Truth:
    """A box of deposits: `values` (c, nx, ny, nz) of `properties`, the number of the realization it was cut from, its labels."""

    number: int
    values: NDArray[np.float32]
    properties: tuple[str, ...]
    labels: Mapping[str, float]
    seed: int

    @property
    def fraction(self) -> NDArray[np.float64]:
        """The coarse fraction (nx, ny, nz)."""
        return self.values[self.properties.index(PROPERTY)].astype(np.float64)

    def record(self) -> dict[str, Any]:
        """Where it comes from, as plain JSON values."""
        sand = float((self.fraction > COARSE).mean())
        labels = {name: round(float(value), 4) for name, value in self.labels.items()}
        return {"set": SEED, "number": self.number, "seed": self.seed, "net_to_gross": round(sand, 4), "labels": labels}


@cache
def truths(shape: tuple[int, int, int], columns: tuple[int, int]) -> tuple[Truth, Truth, Truth]:
    """The three truths of a box.

    The first two are the first realizations of the set whose box has a net-to-gross in `SANE`; the third is the first such one
    with the labels `OFF_CENTRE`. The box is cut from the volume at a corner drawn by the realization's seed.
    """
    volume = (max(columns[0], shape[0]), max(columns[1], shape[1]), shape[2])
    first = _next(volume, shape, 0, {})
    second = _next(volume, shape, first.number + 1, {})
    return first, second, _next(volume, shape, second.number + 1, OFF_CENTRE)


def of(protocol: Protocol) -> tuple[Truth, Truth, Truth]:
    """The truths of a protocol."""
    return truths(protocol.shape, protocol.columns)


def physics() -> str:
    """The version of the simulator's physics: another one gives other truths."""
    return str(get_prior(SIMULATOR).state()["version"])


def box_of(number: int, volume: tuple[int, int, int], shape: tuple[int, int, int], labels: Mapping[str, float]) -> Truth:
    """The box that is cut from one realization of the set."""
    simulator: Any = get_prior(SIMULATOR, shape=volume, cell_size=CELL_SIZE)
    seed = realization_seed(SEED, number)
    values, found = simulator.simulate(seed, labels or None)
    room = [v - s + 1 for v, s in zip(volume[:2], shape[:2], strict=True)]
    corner = np.random.default_rng([seed, 2]).integers(0, room)
    return Truth(number, cut(values, corner, shape).copy(), tuple(p.name for p in simulator.properties), found, seed)


def check_unseen(prior: Any) -> None:
    """Raise GempyGanError where a prior learned from the set of realizations that truths are taken from."""
    if not isinstance(prior, LearnedPrior):
        return
    origin = Origin.of(prior.card.get("data", {}))
    if origin is not None and origin.seed == SEED:
        raise GempyGanError(
            f"This prior learned from the simulations of seed {SEED}, which truths are taken from. Train it on others."
        )


def _next(volume: tuple[int, int, int], shape: tuple[int, int, int], start: int, labels: Mapping[str, float]) -> Truth:
    for number in count(start):
        found = box_of(number, volume, shape, labels)
        if SANE[0] <= float((found.fraction > COARSE).mean()) <= SANE[1]:
            return found
        if number - start == MOST_TRIED:
            raise GempyGanError(f"None of {MOST_TRIED} simulations has a box of {shape} cells with a net-to-gross in {SANE}.")
    raise AssertionError
