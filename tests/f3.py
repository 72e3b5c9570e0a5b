"""The F3 block, prepared for a study: well F02-1 on seismic inline 362, its tie, and an impedance prior from other wells.

The well's times are integrated from its sonic log and hung at its shallowest checkshot. The checkshot table itself pairs
horizon picks with markers: it departs from the sonic by up to 39 ms, back and forth, and does not tie.

    python tests/f3.py FOLDER-WITH-pilot
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gempy_gan.adapters.las import read_las
from gempy_gan.adapters.segy import read_segy
from gempy_gan.adapters.tables import read_checkshot
from gempy_gan.seismic import SeismicCube
from gempy_gan.well_tie import WellTie, well_tie
from gempy_gan.wells import WellLog

LOGGED = (553.6, 1285.0)
"""Measured depths (m) of F02-1 between which sonic and density are used: its shallowest checkshot and the Mid-Miocene."""

HEADS = {"F02-1": 30.0, "F03-2": 30.0, "F03-4": 30.0, "F06-1": 28.64}
"""Kelly bushing above sea level, metres, where the tracks and checkshots start."""


@dataclass(frozen=True)
class Tied:
    """A well's log within `LOGGED`: measured depth, impedance, its own two-way times, and checkshot times (n,) each."""

    md: NDArray[np.float64]
    impedance: NDArray[np.float64]
    sonic_times: NDArray[np.float64]
    checkshot_times: NDArray[np.float64]


def section(folder: Path) -> SeismicCube:
    """Inline 362."""
    return read_segy(folder / "pilot" / "f3" / "F3_inline362_derived.sgy", domain="time")


def well(folder: Path, name: str = "F02-1") -> WellLog:
    """A well at its place; `LNAI` is the natural logarithm of its acoustic impedance."""
    found = read_las(folder / "pilot" / "f3" / "las" / f"{name}_logs.las", xy="header", kb=HEADS[name])
    return found.with_curve("LNAI", np.log(found.curve("AI").to_numpy()), "1")


def logs(folder: Path) -> Tied:
    """F02-1 in time: by its sonic log, and by its checkshots."""
    log = well(folder)
    md = log.curves.index.to_numpy()
    checkshot = read_checkshot(
        folder / "pilot" / "f3" / "checkshot" / "F02-1_TD.txt", {"md": 0, "twt": 1}, time_unit="s", twt=True, header=False
    )
    picked = np.interp(md, checkshot["md"], checkshot["twt"])
    keep = (md >= LOGGED[0]) & (md <= LOGGED[1])
    slowness = 1e-6 * log.curve("DT").to_numpy()[keep]
    travel = np.diff(md[keep]) * (slowness[1:] + slowness[:-1])
    sonic = picked[keep][0] + np.concatenate([[0.0], np.cumsum(travel)])
    return Tied(md[keep], log.curve("AI").to_numpy()[keep], sonic, picked[keep])


def nearest(cube: SeismicCube, log: WellLog) -> int:
    """The trace nearest to a well's head."""
    xy = log.xyz(log.curves.index[:1])[0, :2]
    return int(np.linalg.norm(cube.xy - xy, axis=1).argmin())


def tie(folder: Path, checkshot: bool = False, trace: int | None = None, lag_step: float = 0.001) -> WellTie:
    """F02-1 tied to the nearest (or any other) trace, by its sonic or its checkshot times."""
    cube, tied = section(folder), logs(folder)
    index = nearest(cube, well(folder)) if trace is None else trace
    options = {"length": 0.08, "max_lag": 0.03, "lag_step": lag_step}
    if checkshot:
        return well_tie(tied.checkshot_times, tied.impedance, cube.traces[index], cube.axis, **options)
    return well_tie(tied.sonic_times, tied.impedance, cube.traces[index], cube.axis, max_stretch=0.05, **options)


if __name__ == "__main__":
    home = Path(sys.argv[1])
    print("sonic times:    ", tie(home))
    print("checkshot times:", tie(home, checkshot=True))
