"""Realizations beside the training images that they are nearest to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.ensemble import Ensemble
from gempy_gan.metrics.lookup import Lookup, lookup, scaled_values
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.windows import mirrored
from gempy_gan.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROWS = ("realization", "nearest image", "difference")


def copies(
    ensemble: Ensemble,
    training: Ensemble,
    held_out: Ensemble | None = None,
    k: int = 4,
    flips: Sequence[str] = ("y",),
    found: Lookup | None = None,
) -> Figure:
    """Whether an ensemble repeats training images: its distance ratios beside those of the nulls, and the k realizations that
    are the most like copies above the nearest image of each, and their difference.

    Shown is the middle layer, on the scale by which `gempy_gan.metrics.lookup` compares; an image larger than the ensemble's box
    is cut where it fits best, and mirrored if that fits better. `found` is what `lookup` found, computed where it is not given.
    """
    found = lookup(ensemble, training, held_out, flips) if found is None else found
    mine, images = scaled_values(ensemble, training)
    closest = np.argsort(found.cells.generated, kind="stable")[:k]
    figure = style.figure(4.6 + 1.7 * len(closest), 5.2)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(4.4, 1.7 * len(closest)))[0]
    _ratios(left.subplots(), found)
    nx, ny, nz = mine.shape[1:]
    for column, i in zip(right.subplots(len(ROWS), len(closest), squeeze=False).T, closest, strict=True):
        nearest = int(found.cells.nearest[i])
        image = fitted(mine[i], images[nearest], flips)
        pair = (mine[i, :, :, nz // 2], image[:, :, nz // 2])
        for ax, values in zip(column, (*pair, pair[0] - pair[1]), strict=True):
            _map(ax, values, ny / nx, values is not pair[0] and values is not pair[1])
        column[0].set_title(f"{i}: ratio {found.cells.generated[i]:.2f}", fontsize=8)
        column[1].set_title(f"image {nearest}", fontsize=8)
    for ax, label in zip(right.axes[: len(ROWS) * len(closest) : len(closest)], ROWS, strict=True):
        ax.set_ylabel(label)
    return figure


def fitted(box: Array, image: Array, flips: Sequence[str] = ()) -> Array:
    """The part of an image (NX, NY, nz), mirrored or not, that differs least from a box (nx, ny, nz)."""
    from scipy.signal import fftconvolve

    best: tuple[float, Array] | None = None
    ones, reverse = np.ones_like(box), box[::-1, ::-1, ::-1]
    for version in mirrored(image, flips):
        square = fftconvolve(np.square(version), ones, "valid") - 2 * fftconvolve(version, reverse, "valid")
        x, y = (int(p) for p in np.unravel_index(square[:, :, 0].argmin(), square.shape[:2]))
        if best is None or square[x, y, 0] < best[0]:
            best = float(square[x, y, 0]), version[x : x + box.shape[0], y : y + box.shape[1]]
    assert best is not None  # noqa: S101  # there is always the image itself
    return best[1]


def _ratios(ax: Axes, found: Lookup) -> None:
    """Cumulative distributions of the ratios."""
    kinds = [
        ("ensemble", found.cells.generated, style.ACCENT),
        ("training images left out", found.cells.left_out, style.OKABE_ITO[4]),
        ("held-out images", found.cells.held_out, style.OKABE_ITO[2]),
    ]
    for name, values, colour in kinds:
        if len(values):
            ax.step(np.sort(values), np.arange(1, len(values) + 1) / len(values), where="post", color=colour, label=name)
    ax.set(xlim=(0, 1.02), ylim=(0, 1), xlabel="distance to the nearest image / to the next ones", ylabel="share below")
    ax.set_title(f"copies {found.copies:.0%}, p = {found.p_value:.2g}, nearest to {found.cells.modes:.1f} images", fontsize=9)
    ax.legend(frameon=False, loc="upper left")


def _map(ax: Axes, values: Array, aspect: float, difference: bool) -> Any:
    ax.set(xticks=[], yticks=[], box_aspect=aspect)
    cmap, least = (style.AMPLITUDE, -1) if difference else (style.VALUES, 0)
    return ax.imshow(values.T, origin="lower", aspect="auto", interpolation="nearest", cmap=cmap, vmin=least, vmax=1)
