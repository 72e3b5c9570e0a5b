"""The protocol: which truths, wells, seismic and numbers of realizations make up a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from gempy_gan import GempyGanError

VERSION = "1"  # of the protocol: figures of different versions do not belong into one table
COLUMNS = (128, 128)  # cells in x and y of the volumes that boxes are cut from, as those that priors learned from
CELL_SIZE = (50.0, 50.0, 1.0)  # metres
PROPERTY = "coarse_fraction"
BASELINE = "unconditional"  # the name by which a run asks for realizations of the prior that know no data


@dataclass(frozen=True)
class Protocol:
    """What a run computes.

    Boxes of `shape` cells are cut from simulated volumes of `columns` in x and y. `wells` are nested; `well_std` is the noise of
    a well's coarse fraction; the seismic's is `seismic_noise` times the signal's RMS. `held_out` wells are never given.
    `members` are the independently trained priors of size `size`, each asked for `n` realizations of every case.
    `weak_cells` cells with noise `weak_std` make up the problem whose posterior a reference knows. Textures are compared with
    `real` other deposits.
    """

    shape: tuple[int, int, int] = (32, 32, 8)
    columns: tuple[int, int] = COLUMNS
    size: str = "tiny"
    members: tuple[int, ...] = (0,)
    n: int = 20
    wells: tuple[int, ...] = (4, 8, 20)
    held_out: int = 8
    well_std: float = 0.005
    seismic_noise: float = 0.25
    weak_cells: int = 3
    weak_std: float = 0.1
    real: int = 40
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 2:
            raise GempyGanError(f"n = {self.n} realizations of each case were asked for. Expected 2 or more: one has no spread.")
        if self.shape[0] * self.shape[1] < max(self.wells) + self.held_out:
            raise GempyGanError(
                f"A box of {self.shape} cells has too few columns for {max(self.wells)} wells and {self.held_out}."
            )

    def cases(self) -> tuple[Case, ...]:
        """Every truth with every number of wells, without and with seismic."""
        return tuple(Case(truth, wells, seismic) for truth in (1, 2, 3) for wells in self.wells for seismic in (False, True))

    def data(self) -> dict[str, Any]:
        """What decides the data and not the run: equal in everything that may stand in one table."""
        kept = asdict(self)
        for name in ("members", "n", "seed", "size"):
            del kept[name]
        return {"version": VERSION, **kept}


@dataclass(frozen=True, order=True)
class Case:
    """A truth (1, 2, 3), how many wells it is known from, and whether from seismic, too."""

    truth: int
    wells: int
    seismic: bool

    @property
    def name(self) -> str:
        """Short, for files and tables.

        >>> Case(3, 20, True).name
        't3-w20-s'
        """
        return f"t{self.truth}-w{self.wells}" + ("-s" if self.seismic else "")


PRESETS: Mapping[str, Protocol] = {
    "quick": Protocol(),
    "standard": Protocol((64, 64, 16), size="small", members=(0, 1, 2), n=50),
    "paper": Protocol((128, 128, 16), size="paper", members=(0, 1, 2), n=300),
}


def preset(name: str, n: int | None = None, seed: int = 0) -> Protocol:
    """A preset, with another number of realizations where it is given. Raises GempyGanError naming the presets there are."""
    if name not in PRESETS:
        raise GempyGanError(f"No preset is named {name!r}. Expected one of: {', '.join(PRESETS)}.")
    found = PRESETS[name]
    return replace(found, n=found.n if n is None else n, seed=seed)


def choose(protocol: Protocol, patterns: str | None) -> tuple[Case, ...]:
    """The cases that comma-separated names, or beginnings of names, mean; all for None.

    Raises GempyGanError for one that means none.

    >>> [case.name for case in choose(Protocol(), "t1-w4,t3-w20-s")]
    ['t1-w4', 't3-w20-s']
    >>> len(choose(Protocol(), "t1"))
    6
    """
    cases = protocol.cases()
    if patterns is None:
        return cases
    names = [case.name for case in cases]
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    for pattern in wanted:
        if pattern not in names and not any(name.startswith(f"{pattern}-") for name in names):
            raise GempyGanError(f"No case is named {pattern!r}. Expected some of: {', '.join(names)}.")
    whole = [pattern for pattern in wanted if pattern not in names]
    return tuple(case for case in cases if case.name in wanted or any(case.name.startswith(f"{p}-") for p in whole))


def key(*parts: Any) -> str:
    """A short name for plain JSON values: equal ones have the same."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
