"""The simulator as a prior: options in, coarse fraction and deposition time out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import GempyGanError, Property
from gempy_gan.prior import Simulator
from gempy_gan_fluvial.deposition import COARSE, FACIES, TIME
from gempy_gan_fluvial.labels import LABELS, draw, with_ranges
from gempy_gan_fluvial.measures import channel_width, mean_bends, net_to_gross
from gempy_gan_fluvial.process import Run

VERSION = "2"  # of the physics: another one gives other deposits from the same seed
MEASURED = (
    "sinuosity",
    "wavelength_measured",
    "mobility_measured",
    "avulsion_count",
    "cutoff_count",
    "net_to_gross",
    "coarse_mean",
    "body_width",
)


@dataclass(eq=False)
class FluvialSimulator(Simulator):
    """Deposits of a meandering river that flows along the first axis.

    Channels are `coarse_fraction` and `deposition_time` (both 0 to 1; time runs from the oldest to the youngest cell of the
    box and never decreases upwards), with `facies` a third one. `labels` replaces ranges that numbers are drawn from, as
    name: (low, high). `version` is that of the physics; another one than this is refused, because its deposits would differ.

    >>> FluvialSimulator(shape=(32, 32, 8), labels={"width": (200, 220)}).labels[0].low
    200.0
    """

    shape: tuple[int, int, int] = (64, 64, 16)
    cell_size: tuple[float, float, float] = (50.0, 50.0, 1.0)
    facies: bool = False
    labels: Any = None
    version: str = VERSION

    def __post_init__(self) -> None:
        self.shape, self.cell_size = _three(self.shape, "shape", int), _three(self.cell_size, "cell_size", float)
        if self.version != VERSION:
            raise GempyGanError(
                f"FluvialSimulator: version {self.version!r} of the physics was asked for. Installed is {VERSION!r}, "
                "whose deposits differ: install the version of gempy-gan-fluvial that the data came from."
            )
        self.labels = with_ranges(LABELS, self.labels or {})
        self._check_width(self.labels[0].low)
        self.measured = MEASURED
        self.mirrors = "y" if self.labels[-1].along else ""  # a belt off to one side has another prior as its mirror image
        known = [Property("coarse_fraction"), Property("deposition_time")]
        self.properties = (*known, Property("facies", codes=FACIES)) if self.facies else tuple(known)

    def _check_width(self, width: float) -> None:
        """Raise GempyGanError when channels would slip between the cells."""
        if width < 0.5 * max(self.cell_size[:2]):
            raise GempyGanError(
                f"FluvialSimulator: channels are {width:g} m wide in cells of {self.cell_size[0]:g} x {self.cell_size[1]:g} m. "
                "Take cells of at most two channel widths, or wider channels: labels={'width': (low, high)}."
            )

    def state(self) -> Mapping[str, Any]:
        """The options, as `FluvialSimulator(**state)` takes them."""
        changed = {new.name: [new.low, new.high] for new, old in zip(self.labels, LABELS, strict=True) if new != old}
        options = {"shape": [*self.shape], "cell_size": [*self.cell_size], "facies": self.facies}
        return options | {"labels": changed, "version": self.version}

    def simulate(self, seed: int, labels: Mapping[str, float] | None = None) -> tuple[NDArray[Any], dict[str, float]]:
        """Deposits (c, nx, ny, nz) float32 of a seed, and its labels: drawn ones first, then measured ones.

        Labels that are given replace the drawn ones, and may lie outside their ranges. Raises GempyGanError for an unknown
        label, one that is not a positive number where it must be, a width below half a cell, and for a seed that is no whole
        number from zero.
        """
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise GempyGanError(f"FluvialSimulator: the seed is {seed!r}. Expected a whole number, zero or more.")
        for_labels, for_process = np.random.SeedSequence(seed).spawn(2)
        drawn = draw(self.labels, np.random.default_rng(for_labels), labels or {})
        self._check_width(drawn["width"])
        run = Run(np.random.default_rng(for_process), drawn, self.shape, self.cell_size, self.facies)
        run.run()
        values = self._channels(run)
        return values, drawn | self._measure(run, values[0])

    def _channels(self, run: Run) -> NDArray[np.float32]:
        kept = slice(run.plan.skipped, run.plan.skipped + self.shape[2])
        time = run.columns.cells[..., kept, TIME]
        span = time.max() - time.min()
        channels = [run.columns.cells[..., kept, COARSE], (time - time.min()) / (span if span > 0 else 1.0)]
        if self.facies:
            channels.append(run.columns.facies[..., kept, :].argmax(axis=-1))
        return np.stack(channels).astype(np.float32, order="C")

    def _measure(self, run: Run, coarse: NDArray[Any]) -> dict[str, float]:
        sinuosity, wavelength = mean_bends(run.tally.bends)
        migrated = run.tally.migrated / run.plan.rises
        counts = float(run.tally.avulsions), float(run.tally.cutoffs)
        deposits = net_to_gross(coarse), float(coarse.mean()), channel_width(coarse, self.cell_size[1])
        return dict(zip(MEASURED, (sinuosity, wavelength, migrated, *counts, *deposits), strict=True))


def _three(values: Any, name: str, kind: type) -> Any:
    """Three positive numbers as a tuple."""
    try:
        found = tuple(kind(value) for value in values)
        fits = len(found) == 3 and all(np.isfinite(found)) and min(found) > 0 and found == tuple(values)
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        whole = "whole " if kind is int else ""
        raise GempyGanError(f"FluvialSimulator: {name} is {values!r}. Expected three positive {whole}numbers.")
    return found
