"""Plans, sections, fences and facies probabilities of an ensemble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from gempy_gan.constraints import Constraints, HardData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.plot import style
from gempy_gan.plot.positions import WellCells, heights, line_through, map_faces, ordered, wells_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED_WELLS = 40  # more names than that hide the map


def plan(
    ensemble: Ensemble,
    property: str | None = None,
    show: int | str = 0,
    layer: int | None = None,
    data: Constraints | HardData | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A layer on the map, in map coordinates also where the grid is rotated.

    `show` is a realization's position or a statistic: "mean", "std", "p10", "p50", "p90"; for facies "entropy" or the name
    of one, for its probability. `layer` counts from the base; None is the middle one. Wells of `data` are drawn as dots,
    in the colour of their value where they have one in this layer.
    """
    drawn, layer = style.picture(ensemble, property, show), _index(layer, ensemble.grid.resolution[2], "layer")
    ax = style.axes(ax, 7, 5.6)
    x, y = map_faces(ensemble.grid, layer)
    mesh = ax.pcolormesh(x, y, drawn.values[:, :, layer], cmap=drawn.cmap, norm=drawn.norm, shading="flat", rasterized=True)
    drawn.colorbar(mesh, ax)
    _dots(ax, ensemble, wells_of(data, style.named(ensemble, property).name), layer, drawn, show)
    z = ensemble.grid.axis(2)[layer]
    ax.set(
        title=f"{drawn.title}\nlayer {layer} (0-{ensemble.grid.resolution[2] - 1} from the base), z = {z:.1f} m", aspect="equal"
    )
    ax.set(xlabel="easting (m)", ylabel="northing (m)")
    style.plain(ax)
    return style.figure_of(ax)


def section(
    ensemble: Ensemble,
    property: str | None = None,
    show: int | str = 0,
    axis: Literal["x", "y"] = "y",
    index: int | None = None,
    data: Constraints | HardData | None = None,
    ve: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A vertical section of the cells with one `index` along `axis`; None is the middle. `ve` is the vertical exaggeration.

    Data of wells that run in the section are drawn as bars in the colours of their values. `show` is as in `plan`.
    """
    if axis not in ("x", "y"):
        raise GempyGanError(f"A section across {axis!r} was asked for. Allowed: 'x' or 'y'; for a layer see plan.")
    across = "xy".index(axis)
    grid, along = ensemble.grid, 1 - across
    drawn, index = style.picture(ensemble, property, show), _index(index, grid.resolution[across], f"index along {axis}")
    count = grid.resolution[along]
    columns = np.full((count, 2), index)
    columns[:, along] = np.arange(count)
    distance = np.linspace(grid.extent[2 * along], grid.extent[2 * along + 1], count + 1)
    turned = grid.rotation % 360 != 0
    if turned:
        distance = distance - distance[0]
    ax = _upright(ax, ensemble, drawn, distance, columns, ve)
    for well in wells_of(data, style.named(ensemble, property).name):
        mine = well.cells[:, across] == index
        if mine.any():
            left, right = distance[well.cells[mine, along]], distance[well.cells[mine, along] + 1]
            sides = np.stack([left + (right - left) / 3, right - (right - left) / 3], axis=1)
            _bars(ax, ensemble, well.part(mine), sides, drawn, show)
    names = ("easting (m)", "northing (m)")
    ax.set_xlabel(f"distance along the grid's {'xy'[along]} axis (m)" if turned else names[along])
    where = f"{axis} index {index}" if turned else f"{names[across][:-4]} {grid.axis(across)[index]:.8g} m"
    ax.set_title(f"{drawn.title}\n{where}, {ax.get_title()}")
    return style.figure_of(ax)


def fence(
    ensemble: Ensemble,
    through: Constraints | HardData | ArrayLike,
    property: str | None = None,
    show: int | str = 0,
    ve: float | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A vertical section along the line through wells, or through map points (k, 2) in metres.

    Wells are joined in the order of a walk along their largest spread; give points for another order. `show` is as in `plan`.
    """
    drawn, grid = style.picture(ensemble, property, show), ensemble.grid
    wells: list[WellCells] = []
    if isinstance(through, (Constraints, HardData)):
        wells = ordered(wells_of(through, style.named(ensemble, property).name), grid)
        through = np.array([well.xy(grid) for well in wells])
    distance, columns, corners = line_through(grid, through)
    ax = _upright(ax, ensemble, drawn, distance, columns, ve)
    half = max(0.5 * min(grid.cell_size[:2]), 0.008 * distance[-1])
    for at in corners[1:-1]:
        ax.axvline(at, color=style.INK, lw=0.6, ls=":")
    for well, at in zip(wells, corners, strict=False):
        middle = float(np.clip(at, half, distance[-1] - half))
        _bars(ax, ensemble, well, np.tile([middle - half, middle + half], (len(well.cells), 1)), drawn, show)
    if wells:
        names = ax.secondary_xaxis("top")
        names.set_xticks(corners, labels=[well.name for well in wells], fontsize=7, rotation=25, ha="left")
    ax.set_xlabel("distance along the fence (m)")
    ax.set_title(f"{drawn.title}\nfence through {len(corners)} {'wells' if wells else 'points'}, {ax.get_title()}")
    return style.figure_of(ax)


def probability(ensemble: Ensemble, property: str | None = None, layer: int | None = None) -> Figure:
    """The probability of each facies and their entropy in one layer, side by side on the map."""
    facies = next((p.name for p in ensemble.properties if p.is_facies), None) if property is None else property
    if facies is None or not ensemble.property(facies).is_facies:
        raise GempyGanError("Only facies have probabilities, and the ensemble holds none. For continuous properties see plan.")
    shows = [*ensemble.property(facies).facies.values(), "entropy"]
    figure = style.figure(4.6 * len(shows), 4.4, "compressed")
    panels = figure.subplots(1, len(shows), squeeze=False, sharey=True)[0]
    for ax, show in zip(panels, shows, strict=True):
        plan(ensemble, facies, show, layer, ax=ax)
        ax.label_outer()
    return figure


def _upright(ax: Axes | None, ensemble: Ensemble, drawn: style.Picture, distance: Any, columns: Any, ve: float | None) -> Axes:
    """Draw columns of cells side by side; leaves the exaggeration in the title."""
    grid = ensemble.grid
    inside = (columns >= 0).all(axis=1)
    values = np.full((len(columns), grid.resolution[2]), np.nan)
    values[inside] = drawn.values[columns[inside, 0], columns[inside, 1]]
    z = heights(grid, np.maximum(columns, 0))
    factor = style.exaggeration(float(np.ptp(distance)), float(np.ptp(z))) if ve is None else ve
    ax = style.axes(ax, 9, 4)
    edges = np.repeat(np.repeat(distance, 2)[1:-1, None], grid.resolution[2] + 1, axis=1)
    cells = np.full((2 * len(columns) - 1, grid.resolution[2]), np.nan)  # columns do not join: between two is a gap of no width
    cells[::2] = values
    mesh = ax.pcolormesh(edges, np.repeat(z, 2, axis=0), cells, cmap=drawn.cmap, norm=drawn.norm, shading="flat", rasterized=True)
    drawn.colorbar(mesh, ax)
    ax.set(xlim=(distance[0], distance[-1]), ylim=(float(z.min()), float(z.max())), ylabel="height (m)", aspect=factor)
    ax.set_title(f"vertical exaggeration {factor:g}")
    style.plain(ax)
    return ax


def _bars(ax: Axes, ensemble: Ensemble, well: WellCells, sides: Any, drawn: style.Picture, show: int | str) -> None:
    """The data of a well, one bar per cell between its two `sides` (k, 2), filled where the picture shows the same quantity."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    z = heights(ensemble.grid, well.cells[:, :2])
    low, high = (np.take_along_axis(z, well.cells[:, 2:] + step, axis=1)[:, 0] for step in (0, 1))
    if _same_quantity(show):
        boxes = [Rectangle((x0, a), x1 - x0, b - a) for (x0, x1), a, b in zip(sides, low, high, strict=True)]
        ax.add_collection(PatchCollection(boxes, array=well.values, cmap=drawn.cmap, norm=drawn.norm, lw=0))
    frame = ax.vlines(np.ravel(sides), np.repeat(low, 2), np.repeat(high, 2), colors="white", lw=0.7)
    frame.set_path_effects([withStroke(linewidth=1.8, foreground=style.INK)])


def _dots(ax: Axes, ensemble: Ensemble, wells: list[WellCells], layer: int, drawn: style.Picture, show: int | str) -> None:
    for well in wells:
        here = well.cells[:, 2] == layer
        place = well.cells[here] if here.any() else well.cells[[len(well.cells) // 2]]
        x, y = ensemble.grid.xyz(place)[0, :2]
        filled = here.any() and _same_quantity(show)
        colour: Any = {"c": [well.values[here][0]], "cmap": drawn.cmap, "norm": drawn.norm} if filled else {"c": style.INK}
        ax.scatter([x], [y], s=52, c=style.INK, lw=0, zorder=3)
        ax.scatter([x], [y], s=26, edgecolors="white", linewidths=1.0, zorder=4, **colour)
        if len(wells) <= NAMED_WELLS:
            halo = {"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.7}
            ax.annotate(well.name, (x, y), (5, 5), textcoords="offset points", fontsize=7, zorder=5, bbox=halo)


def _same_quantity(show: int | str) -> bool:
    """Whether a picture shows values of the property itself, so that data have a colour in it."""
    return not isinstance(show, str) or show in ("mean", *style.PERCENTILES)


def _index(index: int | None, count: int, name: str) -> int:
    if index is None:
        return count // 2
    if not -count <= index < count:
        raise GridError(f"The {name} is {index}, and the grid has {count}. Expected {-count} <= {name} < {count}.")
    return index % count
