"""The contract of a grid format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.grid import Grid
from gempy_gan.plugins import registry
from gempy_gan.properties import Property
from gempy_gan.testing.contract import hold

RESOLUTION = (2, 3, 4)  # no two axes alike, so that an exchanged axis shows
POSITION = 0.05  # metres


@dataclass(frozen=True)
class Case:
    """An ensemble that a format should give back; when it cannot hold it, `write` must refuse."""

    name: str
    ensemble: Ensemble
    refusable: bool = True


def check_format(format: Any, tmp_path: Path, suffix: str | None = None) -> None:
    """Raise AssertionError, saying what the contract is, when a format breaks it.

    `format` is a registered name, or an object with `write(ensemble, path)` and `read(path)` (then give its `suffix`).
    It writes into `tmp_path`, for every file ending of the format: a small block whose cells all differ, alone and as several
    realizations, continuous and facies, then rotated at map coordinates and with inactive cells. Each must be read back cell
    by cell. Only the plain block of one continuous property is asked of every format: what a format cannot hold beyond it,
    `write` must refuse with FormatError instead of losing it.
    """
    if isinstance(format, str):
        entry = registry().get("formats", format)
        format, suffixes = entry.load(), entry.suffixes
    else:
        suffixes = (suffix,) if suffix else ()
    hold(suffixes, "A format must answer to a file ending: register it with suffixes, or give check_format a suffix.")
    for verb in ("read", "write"):
        hold(callable(getattr(format, verb, None)), f"A format must have a function {verb}().")
    for ending in suffixes:
        for case in cases():
            folder = Path(tmp_path) / f"{ending[1:]}-{case.name.replace(' ', '-')}"
            folder.mkdir(parents=True)
            _check_round_trip(format, case, folder / f"block{ending}")


def cases() -> Iterator[Case]:
    """The ensembles that are written, from what every format must hold to what some cannot."""
    local, porosity = Grid((0, 100, 0, 120, -2000, -1960), RESOLUTION), Property("porosity")
    facies = Property("facies", codes={0: "mud", 1: "sand", 7: "gravel"})
    rotated = Grid((432_100.0, 432_200.0, 6_471_000.0, 6_471_120.0, -2000.0, -1960.0), RESOLUTION, rotation=30.0)
    yield Case("one realization", _ensemble(local, (porosity,), 1), refusable=False)
    yield Case("several realizations", _ensemble(local, (porosity,), 3))
    yield Case("facies", _ensemble(local, (porosity, facies), 2))
    yield Case("rotated at map coordinates", _ensemble(rotated, (porosity,), 1))
    active = np.ones(RESOLUTION, dtype=bool)
    active[0, 1, :2] = active[1, 2, 3] = False
    yield Case("inactive cells", _ensemble(local.with_active(active), (porosity, facies), 1))


def _ensemble(grid: Grid, properties: tuple[Property, ...], n: int) -> Ensemble:
    ix, iy, iz = np.indices(RESOLUTION)
    values = np.empty((n, len(properties), *RESOLUTION))
    for r in range(n):
        values[r, 0] = 0.25 + 100 * ix + 10 * iy + iz + 1000 * r
        values[r, 1:] = np.choose((ix + 2 * iy + iz + r) % 3, (0, 1, 7))
    return Ensemble.from_values(grid, properties, values, {"seed": 0})


def _check_round_trip(format: Any, case: Case, path: Path) -> None:
    what = f"{path.suffix}, {case.name}"
    kept = case.ensemble.values.copy()
    try:
        written = format.write(case.ensemble, path)
    except FormatError as error:
        hold(case.refusable, f"{what}: every format must hold a plain block, and write() refused it: {error}")
        hold(not any(path.parent.iterdir()), f"{what}: write() refused, and left files behind.")
        return
    hold((case.ensemble.values == kept).all(), f"{what}: write() must leave the ensemble as it was.")
    listed = isinstance(written, list) and written and all(isinstance(file, Path) and file.exists() for file in written)
    hold(listed, f"{what}: write() must return the list of the files it wrote, and returned {written!r}.")
    hold(all(path.parent in file.parents for file in written), f"{what}: write() must stay in the folder of its path: {written}.")
    _check_same(case.ensemble, format.read(path), what)


def _check_same(expected: Ensemble, found: Any, what: str) -> None:
    hold(isinstance(found, Ensemble), f"{what}: read() must return an Ensemble, and returned a {type(found).__name__}.")
    hold(found.grid.resolution == RESOLUTION, f"{what}: {RESOLUTION} cells were written, and {found.grid.resolution} read.")
    hold(len(found) == len(expected), f"{what}: {len(expected)} realizations were written, and {len(found)} read.")
    names = [p.name for p in expected.properties]
    hold(sorted(p.name for p in found.properties) == sorted(names), f"{what}: {names} were written, and {found.properties} read.")
    off = float(np.abs(found.grid.centres() - expected.grid.centres()).max())
    hold(off <= POSITION, f"{what}: cell centres must come back within {POSITION} m, and are up to {off:g} m off.")
    active = expected.grid.active_cells
    hold((found.grid.active_cells == active).all(), f"{what}: the active cells must come back as they were.")
    for prop in expected.properties:
        hold(found.property(prop.name).facies == prop.facies, f"{what}: facies codes and names must come back, {prop.facies}.")
        one, other = (e.dataset[prop.name].transpose("realization", "x", "y", "z").values[:, active] for e in (expected, found))
        differing = int((~np.isclose(one, other, rtol=1e-6)).sum())
        hold(
            differing == 0,
            f"{what}: {differing} of {one.size} cells of {prop.name!r} came back with another value (axis order?).",
        )
