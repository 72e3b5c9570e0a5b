"""Well logs: curves along a trajectory in map coordinates, before they meet a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.health import Finding, Health
from gempy_gan.trajectory import from_survey, vertical


@dataclass(frozen=True, eq=False)
class WellLog:
    """The curves of one well and where it runs.

    `curves` is indexed by measured depth in metres, strictly increasing, NaN where a curve has no value; `units` names the
    unit of each curve. `trajectory` has columns `md`, `x`, `y`, `z` in metres (z up, above the vertical datum), or is None
    while the position of the well is unknown. `properties` says which property a curve measures (see `mnemonics`), where that is
    known. `health` lists what reading found; `source` names the file and its hash.
    Raises GempyGanError when depths or stations do not increase.

    >>> well = WellLog("A-1", pd.DataFrame({"GR": [20.0, 90.0]}, index=[100.0, 100.5])).placed(xy=(0.0, 0.0), kb=30.0)
    >>> well.xyz([100.5])
    array([[  0. ,   0. , -70.5]])
    """

    name: str
    curves: pd.DataFrame
    units: Mapping[str, str] = field(default_factory=dict)
    trajectory: pd.DataFrame | None = None
    health: Health = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_increasing(self.md, f"Well {self.name}: the depths of the curves")
        if self.trajectory is not None:
            missing = [column for column in ("md", "x", "y", "z") if column not in self.trajectory.columns]
            if missing:
                raise GempyGanError(f"Well {self.name}: the trajectory lacks {missing}. Expected columns md, x, y, z in metres.")
            _check_increasing(self.trajectory["md"].to_numpy(), f"Well {self.name}: the depths of the trajectory")

    @property
    def md(self) -> NDArray[np.float64]:
        """Measured depths (N,) of the samples, metres."""
        return self.curves.index.to_numpy(dtype=np.float64)

    @property
    def stations(self) -> pd.DataFrame:
        """The trajectory. Raises GempyGanError while the well has no position."""
        if self.trajectory is None:
            raise GempyGanError(
                f"Well {self.name} has no position. Give read() its head (`xy=`, `kb=`) or a deviation survey (`survey=`), "
                "or place it with `well.placed(...)`."
            )
        return self.trajectory

    def curve(self, name: str) -> pd.Series[float]:
        """One curve, by its mnemonic or its property, indexed by measured depth in metres; errors as in `mnemonic`."""
        return self.curves[self.mnemonic(name)]

    def mnemonic(self, name: str) -> str:
        """The mnemonic of a curve that is given by it or by its property ("GR", "gamma_ray").

        Raises GempyGanError when there is none, naming the curves there are, or more than one of that property.
        """
        if name in self.curves.columns:
            return name
        named = [str(curve) for curve in self.curves.columns if self.properties.get(str(curve)) == name]
        if len(named) > 1:
            raise GempyGanError(f"Well {self.name} has {len(named)} curves of {name}: {', '.join(named)}. Name one of them.")
        if not named:
            found = ", ".join(map(str, self.curves.columns)) or "none"
            raise GempyGanError(f"Well {self.name} has no curve {name!r}. It has: {found}.")
        return named[0]

    def xyz(self, md: ArrayLike) -> NDArray[np.float64]:
        """Positions (N, 3) at measured depths (N,), metres; NaN above the first and below the last trajectory station."""
        stations = self.stations
        depth = np.asarray(md, dtype=np.float64)
        axes = [np.interp(depth, stations["md"], stations[a], left=np.nan, right=np.nan) for a in "xyz"]
        return np.stack(axes, axis=-1)

    def placed(
        self, xy: tuple[float, float] | None = None, kb: float | None = None, survey: pd.DataFrame | None = None
    ) -> WellLog:
        """The same well at a position: vertical below its head, or along a survey (see `gempy_gan.trajectory`).

        `xy` is the head in map coordinates and `kb` the elevation of the depth reference above the vertical datum, metres.
        Samples deeper than the survey get no position, which is recorded as a warning. Raises GempyGanError when the position
        is incomplete, or no numbers.
        """
        try:
            np.array([*(xy or ()), kb or 0.0], dtype=np.float64)
        except (TypeError, ValueError):
            raise GempyGanError(f"Well {self.name} is placed by xy={xy!r} and kb={kb!r}. Expected numbers in metres.") from None
        if survey is None:
            if xy is None or kb is None:
                raise GempyGanError(f"Well {self.name} is placed by xy={xy} and kb={kb}. Expected both, or a survey.")
            return replace(self, trajectory=vertical(self.md, xy, kb))
        stations = from_survey(survey, xy, kb)
        beyond = int(((self.md < stations["md"].iloc[0]) | (self.md > stations["md"].iloc[-1])).sum())
        found = () if not beyond else (Finding("warning", f"{beyond} samples lie beyond the survey", "They have no position."),)
        return replace(self, trajectory=stations, health=(*self.health, *found))

    def with_curve(self, mnemonic: str, values: ArrayLike, unit: str) -> WellLog:
        """The same well with one more curve (or a replaced one) on the same depths."""
        curves = self.curves.assign(**{mnemonic: np.asarray(values)})
        return replace(self, curves=curves, units={**self.units, mnemonic: unit})

    def noting(self, *findings: Finding) -> WellLog:
        """The same well with more findings in its `health`."""
        return replace(self, health=(*self.health, *findings))


def gamma_to_fraction(
    well: WellLog,
    curve: str = "GR",
    clean: float = 5.0,
    shale: float = 95.0,
    interval: tuple[float, float] | None = None,
    mnemonic: str = "VSAND",
) -> WellLog:
    """The coarse fraction (1 = clean sand, 0 = shale) from gamma ray, as one more curve `mnemonic` of unit "1".

    It is the linear gamma-ray index, clipped to [0, 1], between this well's own `clean` and `shale` percentiles, because
    gamma-ray baselines differ from well to well. The percentiles are taken over `interval` (top, base in measured depth,
    metres) or the whole log, and are recorded as a note. Young, radioactive sands need another transform.

    Raises GempyGanError when the percentiles are out of order, or the log is constant or empty there.
    """
    if not 0 <= clean < shale <= 100:
        raise GempyGanError(f"The percentiles are clean={clean} and shale={shale}. Expected 0 <= clean < shale <= 100.")
    curve = well.mnemonic(curve)
    gamma = well.curve(curve)
    top, base = (-np.inf, np.inf) if interval is None else interval
    inside = gamma[(well.md >= top) & (well.md <= base)].dropna()
    if inside.empty:
        raise GempyGanError(f"Well {well.name} has no {curve} value between {top:g} and {base:g} m. Check the interval.")
    low, high = np.percentile(inside, [clean, shale])
    if not high > low:
        raise GempyGanError(
            f"Well {well.name}: {curve} is constant ({low:g}) from percentile {clean:g} to {shale:g}. Expected sand and shale in "
            "the interval: choose a longer one, or other percentiles."
        )
    fraction = np.clip((high - gamma.to_numpy()) / (high - low), 0.0, 1.0)
    note = Finding(
        "note",
        f"{mnemonic} is the linear {curve} index of {len(inside)} samples, clean {low:g} (percentile {clean:g}), "
        f"shale {high:g} (percentile {shale:g}) {well.units.get(curve, '')}".strip(),
    )
    return well.with_curve(mnemonic, fraction, "1").noting(note)


def flatten(well: WellLog, top: float, base: float | None = None, thickness: float | None = None) -> WellLog:
    """The well in stratigraphic height: z is 0 at the unit's top and negative below it.

    `top` and `base` are measured depths in metres. With `base` and `thickness`, heights are stretched in proportion so
    that the unit spans [-thickness, 0]; above and below the unit the same stretch goes on. x and y stay. This is what a
    grid that is a plain box needs; it knows nothing of folds or faults between wells.

    Raises GempyGanError when a depth lies off the trajectory, the base is not below the top, or only one of `base` and
    `thickness` is given.
    """
    if (base is None) != (thickness is None):
        raise GempyGanError(f"Flattening got base={base} and thickness={thickness}. Give both (proportional) or neither.")
    z_top = _elevation(well, top, "top")
    stretch, text = 1.0, ""
    if base is not None and thickness is not None:
        span = z_top - _elevation(well, base, "base")
        if not (span > 0 and thickness > 0):
            raise GempyGanError(
                f"Well {well.name}: the unit is {span:g} m thick from {top:g} to {base:g} m, to become {thickness:g} m. "
                "Expected a base below the top and a positive thickness."
            )
        stretch, text = thickness / span, f", stretched from {span:g} to {thickness:g} m"
    trajectory = well.stations.assign(z=(well.stations["z"] - z_top) * stretch)
    note = Finding("note", f"z is the height above the unit's top at {top:g} m measured depth (elevation {z_top:g} m){text}")
    return replace(well, trajectory=trajectory).noting(note)


def _elevation(well: WellLog, md: float, what: str) -> float:
    z = float(well.xyz([md])[0, 2])
    if not np.isfinite(z):
        raise GempyGanError(
            f"Well {well.name}: the unit's {what} at {md:g} m measured depth lies off the trajectory. Check its unit."
        )
    return z


def _check_increasing(depth: NDArray[Any], what: str) -> None:
    if not np.isfinite(depth).all() or (np.diff(depth) <= 0).any():
        raise GempyGanError(f"{what} are not finite and strictly increasing. Sort them and drop repeated ones.")
