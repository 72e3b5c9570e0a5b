"""The river between two events: it migrates, cuts loops off, erodes and accretes, step by step.

All these steps are one compiled call, because several calls from Python per step would cost half as much again as the physics.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from gempy_gan_fluvial import centreline, deposition
from gempy_gan_fluvial.centreline import advance, curvature
from gempy_gan_fluvial.deposition import MARGIN, bank_plugs, flow, locate

SOURCES = centreline, deposition  # all modules that `march` is compiled from


class Migration(NamedTuple):
    """How the river migrates, see `centreline.advance`: `rate` at the mean discharge, `hardness` of a bank all of plug mud."""

    rate: float
    decay: float
    reach: float
    shortening: float
    hardness: float


def _digest() -> str:
    """Of the text of SOURCES."""
    return sha256(b"".join(Path(module.__file__ or "").read_bytes() for module in SOURCES)).hexdigest()


def _compiled(sources: str) -> Any:
    """`march`, compiled from `sources`.

    Numba's cache on disk does not notice when a function of another module changes, but it does when a value in a closure does.
    """

    @njit(cache=True)
    def march(x, y, spacing, first, last, steps, drift, series, migration, columns, near, river, migrated):
        """Take the steps from `first` to before `last` of `steps`; the inlet wanders by `drift` (steps,) in metres.

        Returns the line, its node distance, its curvature per width, `migrated` plus the widths moved, and the cutoffs.
        """
        sources  # noqa: B018 - makes it part of the closure
        rate, decay, reach, shortening, hardness = migration
        bends, cutoffs = np.empty(0), 0
        for step in range(first, last):
            y[0] += drift[step]
            bank, at_rate = series.bank[step], rate * series.discharge[step]
            hard = bank_plugs(x, y, columns, river, bank) * hardness
            x, y, spacing, moved, cut = advance(x, y, spacing, river.width, at_rate, decay, reach, shortening, hard)
            migrated += moved
            cutoffs += cut
            bends = curvature(x, y) * river.width
            # the channel needs no column beyond its margin; what may come after the last step, floods and splays, does
            near_enough = river.width if step == last - 1 else 0.5 * MARGIN * river.width
            locate(x, y, bends, near_enough, columns, near)
            flow(columns, near, river, bank, series.energy[step], step / steps)
        return x, y, spacing, bends, migrated, cutoffs

    return march


march = _compiled(_digest())
