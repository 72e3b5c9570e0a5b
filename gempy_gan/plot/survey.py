"""Surveys and wells on the map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gempy_gan.seismic import SeismicCube
    from gempy_gan.wells import WellLog

MOST_DOTS = 4000  # traces that are drawn one by one; of more, every so many
NAMED_WELLS = 60
LABELLED = 0.15  # of all surveys' width, below which the corners of one have no room for labels


def survey_map(surveys: Mapping[str, SeismicCube], wells: Mapping[str, WellLog] | None = None, ax: Axes | None = None) -> Figure:
    """The outlines of surveys and the paths of wells, in map coordinates, each by its name.

    Corners of a 3-D survey are labelled by their inline and crossline, a line by its ends. Live traces are dots, so that holes
    show. Wells are drawn where they start, with the path of those that deviate. Raises GempyGanError when there is neither.
    """
    placed = {name: well for name, well in (wells or {}).items() if well.trajectory is not None}
    if not surveys and not placed:
        raise GempyGanError("There is nothing to draw. Expected a survey, or a well with a position.")
    ax = style.axes(ax, 7, 6)
    for (name, cube), colour in zip(surveys.items(), cycle((style.OKABE_ITO[4], style.OKABE_ITO[2], style.OKABE_ITO[6]))):
        _survey(ax, name, cube, colour, _width([*surveys.values()]))
    for name, well in placed.items():
        _well(ax, name, well, len(placed) <= NAMED_WELLS)
    ax.margins(0.12)
    ax.set(xlabel="easting (m)", ylabel="northing (m)")
    ax.set_aspect("equal", adjustable="datalim")  # a single line keeps room around it
    ax.ticklabel_format(style="plain", useOffset=False)
    ax.tick_params(axis="x", rotation=30)
    if surveys:
        ax.legend(loc="best", fontsize=8)
    style.plain(ax)
    return style.figure_of(ax)


def _width(surveys: Sequence[SeismicCube]) -> float:
    return float(np.ptp(np.vstack([cube.xy for cube in surveys]), axis=0).max())


def _survey(ax: Axes, name: str, cube: SeismicCube, colour: str, width: float) -> None:
    live = cube.xy[~cube.dead]
    every = max(1, len(live) // MOST_DOTS)
    ax.plot(*live[::every].T, ".", color=colour, markersize=2 if len(live) > 200 else 4, alpha=0.35, zorder=1)
    outline = _outline(cube)
    ax.plot(*outline.T, color=colour, linewidth=1.4, label=f"{name}, {len(live)} live traces", zorder=2)
    large = np.ptp(cube.xy, axis=0).max() > LABELLED * width
    for index in _corners(cube) if large else []:
        inline, crossline = cube.lines[index]
        ax.annotate(f"{inline}/{crossline}", cube.xy[index], fontsize=7, color=colour, textcoords="offset points", xytext=(3, 3))


def _outline(cube: SeismicCube) -> NDArray[np.float64]:
    """The hull of the traces, closed; a line as it runs."""
    if len(cube.xy) < 3 or (cube.binning is not None and not cube.binning.is_3d):
        return cube.xy[np.lexsort(cube.lines.T)]
    from scipy.spatial import ConvexHull, QhullError

    try:
        ring = ConvexHull(cube.xy - cube.xy[0]).vertices
    except QhullError:  # all on one line
        return cube.xy
    return cube.xy[[*ring, ring[0]]]


def _corners(cube: SeismicCube) -> list[int]:
    """Traces at the corners of the line numbers, or at the ends of a line; none where there are no numbers."""
    if cube.binning is None:
        return []
    spread = np.maximum(np.ptp(cube.lines, axis=0), 1)
    scaled = (cube.lines - cube.lines.min(axis=0)) / spread
    wanted = [(0, 0), (0, 1), (1, 0), (1, 1)] if cube.binning.is_3d else [(0, 0), (1, 1)]
    return sorted({int(np.argmin(np.linalg.norm(scaled - corner, axis=1))) for corner in wanted})


def _well(ax: Axes, name: str, well: WellLog, named: bool) -> None:
    x, y = (well.stations[axis].to_numpy() for axis in "xy")
    ax.plot(x, y, color=style.INK, linewidth=1, zorder=3)
    ax.plot(x[0], y[0], "o", color=style.ACCENT, markeredgecolor=style.INK, markersize=6, zorder=4)
    if named:
        ax.annotate(name, (x[0], y[0]), fontsize=8, textcoords="offset points", xytext=(5, -9), zorder=5)
