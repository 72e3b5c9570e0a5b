"""Generated volumes beside real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.connectivity import connectivity
from gempy_gan.metrics.similarity import similarity
from gempy_gan.metrics.splits import Array, Splits, means
from gempy_gan.metrics.variograms import axis_of, variograms
from gempy_gan.metrics.volumes import Source, Volumes
from gempy_gan.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GENERATED, REAL = style.ACCENT, style.OKABE_ITO[4]
CURVES = (("variogram", "fraction"), ("indicator variogram", "coarse"), ("connectivity", "bodies"))
ROWS_IN_VIEW = 3  # layers of each volume that are shown from above


def samples(generated: Source, real: Source, k: int = 4, seed: int = 0) -> Figure:
    """The coarse fraction of k generated and k real volumes, picked by the seed: three layers and a section of each.

    All share one colour scale, and columns of both kinds stand side by side in the same layers. Sections run along x in the
    middle of the box, and are stretched to be seen.
    """
    pair = [Volumes.of(source, k, seed) for source in (generated, real)]
    nx, ny, nz = pair[0].shape
    layers = np.unique(np.linspace(0, nz - 1, ROWS_IN_VIEW + 2).astype(int)[1:-1])[::-1]
    count = sum(len(volumes) for volumes in pair)
    figure = style.figure(1.7 * count + 0.6, 1.7 * (len(layers) * ny / nx + 0.5) + 0.6, "compressed")
    panels = figure.subplots(
        len(layers) + 1, count, squeeze=False, gridspec_kw={"height_ratios": [*(ny / nx for _ in layers), 0.5]}
    )
    shown = [(name, volume) for name, volumes in zip(("generated", "real"), pair, strict=True) for volume in volumes.fraction]
    for column, (name, volume) in zip(panels.T, shown, strict=True):
        for ax, layer in zip(column, layers, strict=False):
            mesh = _image(ax, volume[:, :, layer], ny / nx)
        _image(column[-1], volume[:, ny // 2], 0.5)
        column[0].set_title(name, color=GENERATED if name == "generated" else REAL)
    for ax, label in zip(panels[:, 0], [*(f"layer {layer}" for layer in layers), "section"], strict=True):
        ax.set_ylabel(label)
    figure.colorbar(mesh, ax=panels, label="coarse fraction", shrink=0.5, aspect=30, pad=0.01)
    return figure


def curves(generated: Source, real: Source, splits: int = 200, seed: int = 0) -> Figure:
    """Variograms and connectivity of generated and of real volumes by direction and lag.

    Bands hold 90 % of the means over as many real volumes as there are generated ones, at most half of the real ones.
    """
    mine, true = Volumes.of(generated, seed=seed), Volumes.of(real, seed=seed)
    halves = Splits.draw(len(mine), len(true), count=splits, seed=seed).first
    figure = style.figure(10, 8)
    axes = axis_of(true.shape)
    for row, (name, part) in zip(figure.subplots(len(CURVES), 3, sharey="row"), CURVES, strict=True):
        measure = connectivity if part == "bodies" else variograms
        g, r = (measure(getattr(volumes, part)) for volumes in (mine, true))
        ours, band = means(g, np.arange(len(g))[None])[0], means(r, halves)
        for k, ax in enumerate(row):
            _curve(ax, ours[axes == k], means(r, np.arange(len(r))[None])[0][axes == k], band[:, axes == k])
            ax.set_title("along " + "xyz"[k] if name == CURVES[0][0] else "")
            ax.set_xlabel("lag (cells)" if name == CURVES[-1][0] else "")
        row[0].set_ylabel(name)
    figure.axes[0].legend(frameon=False)
    return figure


def neighbours(generated: Source, real: Source, k: int = 4, seed: int = 0) -> Figure:
    """Every volume as a point, close to others that are like it; and beside their nearest real one, the k generated ones that
    are the most like copies.

    Distances are root mean square differences of the coarse fraction, drawn by classical scaling. The most like a copy is what
    is much closer to one real volume than to the next ones (the ratio in the title, near 0 for a copy, near 1 for fresh draws);
    to look for copies, give the training images as the real ones.
    """
    mine, true = Volumes.of(generated, seed=seed), Volumes.of(real, seed=seed)
    found = similarity(mine.fraction, true.fraction)
    closest = np.argsort(found.ratio)[:k]
    figure = style.figure(5 + 1.8 * len(closest), 4.6)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(4.4, 1.8 * len(closest)))[0]
    _points(left.subplots(), found)
    panels = right.subplots(2, len(closest), squeeze=False)
    layer = true.shape[2] // 2
    for (above, below), i in zip(panels.T, closest, strict=True):
        _image(above, mine.fraction[i, :, :, layer], true.shape[1] / true.shape[0])
        _image(below, true.fraction[found.nearest[i], :, :, layer], true.shape[1] / true.shape[0])
        above.set_title(f"{i}: ratio {found.ratio[i]:.2f}", fontsize=8)
    panels[0, 0].set_ylabel("generated")
    panels[1, 0].set_ylabel("nearest real")
    return figure


def _image(ax: Axes, values: Array, aspect: float) -> Any:
    """A slice (along, across) filling a panel of this height over width; its axes are cells and carry no numbers."""
    ax.set(xticks=[], yticks=[], box_aspect=aspect)
    return ax.imshow(values.T, origin="lower", cmap=style.VALUES, vmin=0, vmax=1, aspect="auto", interpolation="nearest")


def _curve(ax: Axes, mine: Array, true: Array, band: Array) -> None:
    if not len(mine):
        raise GempyGanError("The volumes have a single cell along one axis. Expected at least two, for a lag.")
    lag = np.arange(1, len(mine) + 1)
    known = np.isfinite(band).all(axis=0)
    low, high = np.quantile(band[:, known], (0.05, 0.95), axis=0)
    ax.fill_between(lag[known], low, high, color=REAL, alpha=0.25, lw=0)
    ax.plot(lag, true, color=REAL, label="real")
    ax.plot(lag, mine, color=GENERATED, label="generated")


def _points(ax: Axes, found: Any) -> None:
    for points, colour, name in ((found.real, REAL, "real"), (found.generated, GENERATED, "generated")):
        ax.scatter(points[:, 0], points[:, 1], s=14, color=colour, alpha=0.7, lw=0, label=f"{len(points)} {name}")
    ax.set(xticks=[], yticks=[], aspect="equal", title=f"distances between volumes ({found.explained:.0%} of variance)")
    ax.legend(frameon=False)
