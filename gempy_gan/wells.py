"""Well logs: curves along a trajectory in map coordinates, before they meet a grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.health import Health


@dataclass(frozen=True, eq=False)
class WellLog:
    """The curves of one well and where it runs.

    `curves` is indexed by measured depth in metres, increasing, NaN where a curve has no value; `units` names the unit of
    each curve. `trajectory` has columns `md`, `x`, `y`, `z` in metres (z up, above the vertical datum), or is None while the
    position of the well is unknown. `health` lists what reading found; `source` names the file and its hash.
    """

    name: str
    curves: pd.DataFrame
    units: Mapping[str, str] = field(default_factory=dict)
    trajectory: pd.DataFrame | None = None
    health: Health = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    def curve(self, mnemonic: str) -> pd.Series[float]:
        """One curve, indexed by measured depth in metres. Raises GempyGanError naming the curves there are."""
        if mnemonic not in self.curves.columns:
            found = ", ".join(map(str, self.curves.columns)) or "none"
            raise GempyGanError(f"Well {self.name} has no curve {mnemonic!r}. It has: {found}.")
        return self.curves[mnemonic]

    def xyz(self, md: ArrayLike) -> NDArray[np.float64]:
        """Positions (N, 3) at measured depths (N,), metres; NaN above the first and below the last trajectory station."""
        if self.trajectory is None:
            raise GempyGanError(
                f"Well {self.name} has no position. Give read() its head (`xy=`, `kb=`) or a deviation survey (`survey=`)."
            )
        depth = np.asarray(md, dtype=np.float64)
        stations = self.trajectory["md"].to_numpy()
        axes = [np.interp(depth, stations, self.trajectory[a], left=np.nan, right=np.nan) for a in "xyz"]
        return np.stack(axes, axis=-1)

    def with_curve(self, mnemonic: str, values: ArrayLike, unit: str) -> WellLog:
        """The same well with one more curve (or a replaced one) on the same depths."""
        curves = self.curves.assign(**{mnemonic: np.asarray(values)})
        return replace(self, curves=curves, units={**self.units, mnemonic: unit})
