"""The log of a training as curves: losses, figures beside their floors, speed, over the boxes it has seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOT_DRAWN = {"step", "boxes", "minutes", "floors", "simulated"}
UNITS = {"boxes_per_s": "boxes per second", "waited_s": "seconds waited for boxes"}
COLUMNS = 3
WIDTH, HEIGHT = 3.9, 2.5  # inches of a panel
BLUE, VERMILLION = "#0072B2", "#D55E00"
SMOOTH = 0.05  # of the run, over which losses are averaged for the thick line


def draw_curves(figure: Figure, records: Sequence[Mapping[str, Any]]) -> None:
    """Draw each number of the log into an empty figure, and give it its size; nothing where there are no numbers.

    Losses are thin, their moving median over a twentieth of the run thick; figures of samples are points, the dashed line what
    real boxes show against each other.
    """
    names = [name for name in dict.fromkeys(key for record in records for key in record) if name not in NOT_DRAWN]
    if not names:
        return
    floors: Mapping[str, float] = next((record["floors"] for record in reversed(records) if "floors" in record), {})
    rows, columns = math.ceil(len(names) / COLUMNS), min(COLUMNS, len(names))
    figure.set_size_inches(WIDTH * columns, HEIGHT * rows + 0.3)
    over = "boxes" if "boxes" in records[0] else "step"
    for k, name in enumerate(names):
        ax = figure.add_subplot(rows, columns, k + 1)
        at, values = np.array([(record[over], record[name]) for record in records if name in record], dtype=float).T
        _curve(ax, at, values, floors.get(name))
        ax.set(title=name.replace("_", " "), ylabel=UNITS.get(name, "" if name in floors else "loss"), xlabel=f"{over} seen")


def _curve(ax: Any, at: NDArray[np.float64], values: NDArray[np.float64], floor: float | None) -> None:
    if floor is not None:
        ax.plot(at, values, color=BLUE, lw=1, marker=".")
        ax.axhline(floor, color=VERMILLION, lw=1, ls="--", label="real against real")
        ax.legend(fontsize=7, frameon=False)
        return
    width = max(1, round(SMOOTH * len(values)))
    ax.plot(at, values, color=BLUE, lw=0.5, alpha=0.4 if width > 1 else 1.0)
    if width > 1:
        windows = np.lib.stride_tricks.sliding_window_view(values, width)
        ax.plot(at[width // 2 : width // 2 + len(windows)], np.median(windows, axis=1), color=BLUE, lw=1.6)
        low, high = np.nanquantile(values, (0.0, 0.98))
        if high > low:  # a first step far above all others would flatten the rest
            ax.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
