"""The subject of a calibration: prior and strategy, built, and what unconditional realizations say of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gempy_gan import GempyGanError, Grid, Prior, Property, Strategy
from gempy_gan.ensemble import plain
from gempy_gan.inversion import describe_prior, sample
from gempy_gan.likelihood import channel
from gempy_gan_bench import observations
from gempy_gan_bench.calibration.plan import Plan, built_prior
from gempy_gan_bench.calibration.scalars import Components, Sand, connected_volume
from gempy_gan_bench.files import keep_arrays
from gempy_gan_bench.protocol import PROPERTY, Protocol, key

POOL = 128  # unconditional realizations
POOL_SEED = 271_828  # apart from those of truths
FACIES_NOISE = 0.1  # of codes, which are whole numbers
RELATIVE_NOISE = 0.02  # of a property's standard deviation

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Subject:
    """Prior, strategy, the property asked about and its channel; `pool` (n, nx, ny, nz) are its values in realizations without
    data."""

    plan: Plan
    prior: Prior
    strategy: Strategy
    prop: Property
    channel: int
    grid: Grid
    pool: Array
    sand: Sand
    components: Components

    @property
    def noise(self) -> float:
        """Standard deviation of a well's values: the plan's; or that of the fluvial protocol for its coarse fraction, a tenth of
        a code for facies, and for other properties 2 % of their own standard deviation."""
        if self.plan.noise is not None:
            return self.plan.noise
        if self.prop.is_facies:
            return FACIES_NOISE
        if self.prop.name == PROPERTY:
            return Protocol().well_std
        return RELATIVE_NOISE * float(self.pool.std())

    @cached_property
    def connected(self) -> Array:
        """Connected volume (n,) of the pool's realizations."""
        return connected_volume(self.sand(self.pool))


def subject(plan: Plan, folder: Path) -> Subject:
    """The subject of a plan; its pool is kept in the folder, for it takes time.

    Raises PluginError or GempyGanError where prior, strategy and plan do not go together.
    """
    return _subject(plan.text(), folder)


@lru_cache(maxsize=2)
def _subject(text: str, folder: Path) -> Subject:
    plan = Plan.of(text)
    prior = built_prior(plan.contender)
    strategy = plan.contender.built_strategy(prior)
    index = 0 if plan.property is None else channel(prior.properties, plan.property)
    prop, grid = prior.properties[index], observations.box(prior.shape, prior.cell_size)
    check(plan, prop, grid)
    pool = _pool(prior, grid, prop, plan.seed, folder)
    sand = Sand.of(prop, pool, plan.facies, plan.limit)
    return Subject(plan, prior, strategy, prop, index, grid, pool, sand, Components.of(pool))


def check(plan: Plan, prop: Property, grid: Grid) -> None:
    """Raise GempyGanError where the box is too small for the wells, or the property has no seismic."""
    nx, ny, _ = grid.resolution
    if plan.wells[1] >= nx * ny:
        raise GempyGanError(f"A box of {nx} x {ny} columns has no room for {plan.wells[1]} wells. Ask for fewer.")
    if plan.seismic and prop.name != PROPERTY:
        raise GempyGanError(f"The seismic is one of {PROPERTY!r}, and the property is {prop.name!r}. Leave it out.")


def _pool(prior: Prior, grid: Grid, prop: Property, seed: int, folder: Path) -> Array:
    """Unconditional realizations (n, nx, ny, nz): those that the folder keeps, or new ones."""
    about = {"prior": describe_prior(prior), "property": prop.name, "n": POOL, "seed": [seed, POOL_SEED]}
    file = folder / f"prior-{key(plain(about))}.npz"
    if not file.is_file():
        drawn = sample(prior, grid, POOL, seed_of(seed, POOL_SEED))
        keep_arrays(file, values=drawn.dataset[prop.name].values)
    with np.load(file) as held:
        return np.asarray(held["values"], dtype=np.float64)


def seed_of(*parts: int) -> int:
    """A seed (31 bits) that belongs to these numbers.

    >>> seed_of(0, 7) == seed_of(0, 7) != seed_of(7, 0)
    True
    """
    return int(np.random.SeedSequence(parts).generate_state(1)[0] >> 1)
