"""Training sets: many simulated realizations in one store, made from one seed, which can be interrupted, resumed and extended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gempy_gan import progress
from gempy_gan.designs import (
    Coverage,
    Ranges,
    coverage,
    fixed_labels,
    mirrors_left,
    out_of_range,
    random_design,
    sobol_design,
    with_ranges,
)
from gempy_gan.ensemble import Ensemble, plain
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.inversion import describe_prior
from gempy_gan.labels import Label
from gempy_gan.plugins import get_prior
from gempy_gan.prior import Simulator
from gempy_gan.seeds import realization_seed
from gempy_gan.simulation import Simulation, label_names, simulate

if TYPE_CHECKING:
    from gempy_gan.formats.zarr import EnsembleStore

DESIGNS = {"sobol": sobol_design, "random": random_design}


def make_training_set(
    simulator: Simulator | str,
    out: str | os.PathLike[str],
    n: int,
    seed: int = 0,
    jobs: int = 1,
    start: int = 0,
    design: str = "sobol",
    ranges: Ranges | None = None,
    resume: bool = False,
) -> Ensemble:
    """Simulate realizations start, ..., start + n - 1 of a seed into a sharded Zarr store, with their labels.

    Seed and number alone decide a realization: its labels are a row of the `design` ("sobol" or "random"), the rest follows from
    `realization_seed`. `ranges` widens, shifts or fixes single labels (see `sobol_design`); where one leaves its own range, the
    provenance says "out_of_distribution". The store's bytes do not depend on `jobs`, the number of processes (a script that
    asks for more than one must be guarded by `if __name__ == "__main__":`), nor on interruptions: it grows by whole files of 64
    realizations, and `resume=True` continues it after whatever ended the earlier call, or extends it where n is larger than it
    was. Its coverage stands in the provenance once it is finished. For a held-out set take another seed, or a later `start`.

    Raises GempyGanError when a simulation fails (naming it; what is finished is kept), when the prior is no simulator, or the
    store belongs to another set; FormatError when the store exists and is not to be resumed, or the disk refuses.
    """
    made = _simulator(simulator)
    if design not in DESIGNS:
        raise GempyGanError(f"The design {design!r} is not known. Expected one of {', '.join(DESIGNS)}.")
    table = DESIGNS[design](made.labels, n, seed, start, ranges)
    record = _record(made, n, seed, start, design, ranges or {})
    store = _open(Path(out), resume, made, record)
    with store.alone():
        store.amend(record)
        try:
            _fill(store, made, table, seed, jobs)
        finally:
            store.remove_if_empty()
        store.amend({**record, "coverage": coverage_of(store.ensemble()).to_dict()})
    return store.ensemble()


def drawn_labels(ensemble: Ensemble) -> tuple[Label, ...]:
    """The labels of a training set that were drawn, with the ranges they were drawn from; not the fixed and measured ones."""
    record = ensemble.provenance
    fixed = record.get("fixed", {})
    return tuple(Label.from_dict(state) for state in record.get("labels", []) if state["name"] not in fixed)


def coverage_of(ensemble: Ensemble) -> Coverage:
    """How well a training set covers the ranges that its labels were drawn from."""
    return coverage(drawn_labels(ensemble), ensemble.labels)


def _simulator(simulator: Simulator | str) -> Simulator:
    made = get_prior(simulator) if isinstance(simulator, str) else simulator
    if not isinstance(made, Simulator):
        name = repr(simulator) if isinstance(simulator, str) else type(made).__name__
        raise GempyGanError(f"The prior {name} is no simulator, so its realizations have no seeds of their own. Use sample().")
    return made


def _record(simulator: Simulator, n: int, seed: int, start: int, design: str, ranges: Ranges) -> dict[str, Any]:
    """What makes a set repeatable, as plain JSON values."""
    record = {
        "prior": describe_prior(simulator),
        "labels": [label.to_dict() for label in with_ranges(simulator.labels, ranges)],
        "fixed": fixed_labels(ranges),
        "out_of_distribution": out_of_range(simulator.labels, ranges),
        "mirrors": mirrors_left(simulator.labels, ranges, simulator.mirrors),
        "design": design,
        "seed": seed,
        "start": start,
        "n": n,
        "versions": _versions(simulator),
    }
    return dict(plain(record))


def _versions(simulator: Simulator) -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    names = {"gempy-gan", "numpy", "scipy", *_distributions(type(simulator).__module__.partition(".")[0])}
    return {name: version(name) for name in sorted(names)}


@lru_cache
def _distributions(package: str) -> list[str]:
    return packages_distributions().get(package, [])  # looks through everything that is installed


def _open(path: Path, resume: bool, simulator: Simulator, record: Mapping[str, Any]) -> EnsembleStore:
    """The store to fill: a new one, or on resume the one that an equal call left, with n as it is now."""
    from gempy_gan.formats.zarr import EnsembleStore
    from gempy_gan.formats.zarr_layout import shard_for

    if not (resume and path.exists()):
        measured = label_names(simulator)[len(simulator.labels) :]
        grid = _grid(simulator)
        return EnsembleStore.create(path, grid, simulator.properties, record, [*simulator.labels, *measured], shard_for(grid))
    store = EnsembleStore.open(path)
    differing = [key for key in record if key != "n" and store.provenance.get(key) != record[key]]
    if differing:
        raise GempyGanError(
            f"The store {path} belongs to another set: it differs in {', '.join(differing)}. "
            "Repeat the call that made it, or choose another store."
        )
    if len(store) > record["n"]:
        raise GempyGanError(
            f"The store {path} holds {len(store)} realizations. Ask for as many or more, or choose another store."
        )
    return store


def _grid(simulator: Simulator) -> Grid:
    """The simulator's box, its corner at the origin."""
    x, y, z = (cells * size for cells, size in zip(simulator.shape, simulator.cell_size, strict=True))
    return Grid((0, x, 0, y, 0, z), simulator.shape)


def _fill(store: EnsembleStore, simulator: Simulator, table: pd.DataFrame, seed: int, jobs: int) -> None:
    """Simulate what the store lacks, and append it as soon as a file is full."""
    n, held = len(table), len(store)
    simulations = _simulations(table.iloc[held:], seed)
    with closing(simulate(simulator, simulations, jobs)) as results:
        reported = _reported(results, held, n)
        while len(store) < n:
            batch: list[Any] = []
            try:
                for result in islice(reported, store.shard - len(store) % store.shard):
                    batch.append(result)
            finally:  # an interrupt or a failure costs nothing that was finished
                if batch:
                    _keep(store, batch, table.index[len(store) :])


def _keep(store: EnsembleStore, batch: Sequence[Any], numbers: pd.Index) -> None:
    """Append simulated values and labels; they have the first of the numbers."""
    values = np.stack([values for values, _ in batch], axis=1)
    by_property = {p.name: values[c] for c, p in enumerate(store.properties)}
    store.extend(by_property, numbers[: len(batch)].to_numpy(), labels=pd.DataFrame([labels for _, labels in batch]))


def _simulations(table: pd.DataFrame, seed: int) -> Iterator[Simulation]:
    for number in table.index:
        labels = {str(name): float(value) for name, value in table.loc[number].items()}
        yield Simulation(int(number), realization_seed(seed, int(number)), labels)


def _reported(results: Iterator[Any], done: int, total: int) -> Iterator[Any]:
    """The results, each told to whoever listens."""
    progress.report("simulations", done, total)
    for count, result in enumerate(results, start=done + 1):
        progress.report("simulations", count, total)
        yield result
