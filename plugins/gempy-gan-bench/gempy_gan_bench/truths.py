"""The truths: simulated deposits that no prior has seen, the third one unlike those that priors learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import GempyGanError, Prior, get_prior
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

Shape = tuple[int, int, int]


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
        return np.asarray(self.values[self.properties.index(PROPERTY)], dtype=np.float64)

    @property
    def net_to_gross(self) -> float:
        """Share of the box's cells that are coarse."""
        return float((self.fraction > COARSE).mean())

    def record(self) -> dict[str, Any]:
        """Where it comes from, as plain JSON values."""
        labels = {name: round(float(value), 4) for name, value in self.labels.items()}
        return {"set": SEED, "number": self.number, "net_to_gross": round(self.net_to_gross, 4), "labels": labels}


def of(protocol: Protocol) -> tuple[Truth, Truth, Truth]:
    """The truths of a protocol.

    The first two are the first realizations of the set whose box has a net-to-gross in `SANE`; the third is the next such one
    with the labels `OFF_CENTRE`. The box is cut from the volume at a corner drawn by the realization's seed.
    """
    return _truths(protocol.shape, protocol.columns)


def box_of(protocol: Protocol, number: int, labels: Mapping[str, float] | None = None) -> Truth:
    """The box that is cut from one realization of the set, with the labels that are given instead of drawn."""
    return _cut(protocol.shape, protocol.columns, number, labels)


def physics() -> str:
    """The version of the simulator's physics: another one gives other truths."""
    return str(get_prior(SIMULATOR).state()["version"])


def check_unseen(prior: Prior) -> None:
    """Raise GempyGanError where a prior learned from the set of realizations that truths are taken from."""
    if not isinstance(prior, LearnedPrior):
        return
    origin = Origin.of(prior.card.get("data", {}))
    if origin is not None and origin.seed == SEED:
        raise GempyGanError(
            f"This prior learned from simulations of seed {SEED}, which truths are taken from. Expected another: train it anew."
        )


@cache
def _truths(shape: Shape, columns: tuple[int, int]) -> tuple[Truth, Truth, Truth]:
    first = first_from(shape, columns, 0)
    second = first_from(shape, columns, first.number + 1)
    return first, second, first_from(shape, columns, second.number + 1, OFF_CENTRE)


def first_from(shape: Shape, columns: tuple[int, int], start: int, labels: Mapping[str, float] | None = None) -> Truth:
    """The first realization, from a number on, in which wells see both facies."""
    for number in range(start, start + MOST_TRIED):
        found = _cut(shape, columns, number, labels)
        if SANE[0] <= found.net_to_gross <= SANE[1]:
            return found
    raise GempyGanError(f"None of {MOST_TRIED} simulations has a box of {shape} cells with a net-to-gross in {SANE}.")


def _cut(shape: Shape, columns: tuple[int, int], number: int, labels: Mapping[str, float] | None) -> Truth:
    volume = (max(columns[0], shape[0]), max(columns[1], shape[1]), shape[2])
    simulator: Any = get_prior(SIMULATOR, shape=volume, cell_size=CELL_SIZE)
    seed = realization_seed(SEED, number)
    values, found = simulator.simulate(seed, labels)
    room = [v - s + 1 for v, s in zip(volume[:2], shape[:2], strict=True)]
    corner = np.random.default_rng([seed, 2]).integers(0, room).tolist()
    return Truth(number, cut(values, corner, shape).copy(), tuple(p.name for p in simulator.properties), found, seed)
