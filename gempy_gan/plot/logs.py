"""Wells beside the realizations along them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from gempy_gan.constraints import Constraints, HardData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.plot import style
from gempy_gan.plot.positions import WellCells, heights, wells_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Array = NDArray[np.float64]
PANELS = 6  # wells in one figure
LINES = 30  # realizations drawn as lines


def log_comparison(
    ensemble: Ensemble,
    data: Constraints | HardData,
    well: str | None = None,
    property: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Data along a well, the realizations there, their P10-P90 range and median; for facies their probabilities.

    `data` may be what was conditioned to or what was held out. `well=None` draws the first six wells side by side. Bars are
    two standard deviations of the data on either side. Raises GempyGanError naming the wells there are.
    """
    prop = style.named(ensemble, property)
    wells = wells_of(data, prop.name)
    chosen = wells[:PANELS] if well is None else [w for w in wells if w.name == well]
    if not chosen:
        found = ", ".join(w.name for w in wells) or "none"
        raise GempyGanError(f"There are no data of {prop.name!r} in well {well!r}. Wells with such data: {found}.")
    if ax is not None and len(chosen) > 1:
        raise GempyGanError(f"One axes was given for {len(chosen)} wells. Name the well to be drawn.")
    if ax is not None:
        draw_log(ax, ensemble, chosen[0])
        ax.set_ylabel("height (m)")
        ax.legend(fontsize=7, loc="best", framealpha=0.8)
        return style.figure_of(ax)
    figure = style.figure(2.2 * len(chosen) + 1.2, 5.2)
    draw_logs(figure, ensemble, chosen)
    return figure


def draw_logs(figure: Figure | SubFigure, ensemble: Ensemble, wells: Sequence[WellCells]) -> None:
    """Wells side by side, with one scale and one legend."""
    panels = figure.subplots(1, len(wells), squeeze=False, sharey=True)[0]
    reach = []
    for ax, well in zip(panels, wells, strict=True):
        draw_log(ax, ensemble, well)
        reach.append(ax.get_ylim())
    panels[0].set(ylabel="height (m)", ylim=(min(low for low, _ in reach), max(high for _, high in reach)))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 2 * len(wells)), fontsize=8, frameon=False)


def draw_log(ax: Axes, ensemble: Ensemble, well: WellCells) -> None:
    """One well in one axes."""
    (_facies_log if ensemble.property(well.property).is_facies else _continuous_log)(ax, ensemble, well)


def _profiles(ensemble: Ensemble, well: WellCells) -> tuple[Array, Array, Array, Array, Array]:
    """Faces (k + 1,), realizations (n, k), data, std (k,) of the layers that the well runs through, and their weights.

    Layers without data are NaN; several cells in one layer, under a slanting well, are averaged (facies: the first counts).
    """
    low, high = int(well.cells[:, 2].min()), int(well.cells[:, 2].max())
    place = tuple(well.cells.T)
    values = ensemble.dataset[well.property].values[:, place[0], place[1], place[2]].astype(np.float64)
    drawn = np.full((len(ensemble), high - low + 1), np.nan)
    data, std = np.full(high - low + 1, np.nan), np.full(high - low + 1, np.nan)
    facies = ensemble.property(well.property).is_facies
    for k in np.unique(well.cells[:, 2]):
        mine = np.flatnonzero(well.cells[:, 2] == k)
        mine = mine[:1] if facies else mine
        drawn[:, k - low] = values[:, mine].mean(axis=1)
        data[k - low], std[k - low] = well.values[mine].mean(), well.std[mine].mean()
    faces = heights(ensemble.grid, well.cells[:1, :2])[0][low : high + 2]
    return faces, drawn, data, std, ensemble.weights


def _continuous_log(ax: Axes, ensemble: Ensemble, well: WellCells) -> None:
    faces, drawn, data, std, weights = _profiles(ensemble, well)
    steps = np.repeat(faces, 2)[1:-1]
    lines = np.repeat(drawn[:: math.ceil(len(drawn) / LINES)], 2, axis=1)
    gap = np.full((len(lines), 1), np.nan)  # one artist for all lines: many are slow
    x, y = np.hstack([lines, gap]), np.hstack([np.broadcast_to(steps, lines.shape), gap])
    ax.plot(x.ravel(), y.ravel(), color=style.GREY, lw=0.5, alpha=0.7, zorder=1.5, label="realizations")
    ranked = xr.DataArray(drawn, dims=("realization", "layer")).weighted(xr.DataArray(weights, dims="realization"))
    low, middle, high = ranked.quantile(list(style.PERCENTILES.values()), dim="realization").values
    ax.fill_betweenx(
        steps,
        np.repeat(low, 2),
        np.repeat(high, 2),
        color=style.OKABE_ITO[1],
        alpha=0.4,
        lw=0,
        label="P10-P90",
    )
    ax.stairs(middle, faces, orientation="horizontal", baseline=None, color=style.OKABE_ITO[4], lw=1.6, zorder=2.5, label="P50")
    ax.errorbar(
        data,
        (faces[1:] + faces[:-1]) / 2,
        xerr=2 * std,
        fmt="o",
        ms=3,
        color=style.ACCENT,
        elinewidth=0.8,
        label="data ± 2 std",
        zorder=3,
    )
    prop = ensemble.property(well.property)
    _, norm, _ = style.colours(ensemble, prop)
    margin = 0.05 * (norm.vmax - norm.vmin)
    limits = min(norm.vmin, np.nanmin(data)) - margin, max(norm.vmax, np.nanmax(data)) + margin
    ax.set(title=well.name, xlabel=style.label(prop), xlim=limits, ylim=(faces[0], faces[-1]))
    style.plain(ax)


def _facies_log(ax: Axes, ensemble: Ensemble, well: WellCells) -> None:
    """Stacked probabilities, and the data as a strip of colours to their left."""
    prop = ensemble.property(well.property)
    faces, drawn, data, _, weights = _profiles(ensemble, well)
    left = np.zeros(len(data))
    known = np.isfinite(data)
    thick, base = np.diff(faces)[known], faces[:-1][known]
    for (code, name), colour in zip(prop.facies.items(), style.facies_colours(prop), strict=True):
        share = weights @ (drawn == code)
        ax.barh(base, share[known], thick, left[known], align="edge", color=colour, label=name, lw=0)
        here = data[known] == code
        ax.barh(base[here], 0.2, thick[here], -0.3, align="edge", color=colour, lw=0)
        left += share
    ax.axvline(0, color=style.INK, lw=0.8)
    ax.set(title=well.name, xlim=(-0.33, 1), xticks=[-0.2, 0, 0.5, 1], xticklabels=["data", "0", "0.5", "1"])
    ax.set(xlabel="probability", ylim=(faces[0], faces[-1]))
    style.plain(ax, x=False)
