"""How a training went, and what lies between two latents of what it learned."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.plot import style
from gempy_gan.training.curves import draw_curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gempy_gan.prior import LatentPrior


def training_curves(training: str | os.PathLike[str] | Sequence[Mapping[str, Any]]) -> Figure:
    """Each number that a training logged over the boxes it has seen: losses, figures beside their floors, speed.

    `training` is the folder of a training, its log.jsonl, or the records of it; `draw_curves` says what the lines are. Raises
    FormatError where there is no log.
    """
    records = _records(training)
    figure = style.figure()
    draw_curves(figure, records)
    if not figure.axes:
        raise FormatError(
            "The log of the training holds no numbers. Expected records such as {'step': 1, 'boxes': 16, 'loss': 2.5}."
        )
    for ax in figure.axes:
        style.plain(ax, y=False)
    return figure


def _records(training: str | os.PathLike[str] | Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    if not isinstance(training, (str, os.PathLike)):
        return training
    file = Path(training) / "log.jsonl" if Path(training).is_dir() else Path(training)
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{file} is no log of a training ({error}). Give the folder that 'gempy-gan train' writes to."
        ) from None


def latent_walk(
    prior: LatentPrior, steps: int = 7, seed: int = 0, property: str | None = None, layer: int | None = None
) -> Figure:
    """Realizations on the way from one latent of a prior to another: their layer on the map, and a section of each.

    Both ends are drawn by the seed; the way between is the great circle, on which latents keep the length that normal ones have
    (a straight line would pass through shorter ones, which the prior hardly ever draws). Geology that changes gradually and stays
    plausible says that the latent space can be searched; sudden jumps between known pictures are a sign of memorization.
    """
    import torch

    if steps < 2:
        raise GempyGanError(f"A walk of {steps} steps was asked for. Expected at least 2, for its two ends.")
    names = [p.name for p in prior.properties]
    if property is not None and property not in names:
        raise GempyGanError(f"The prior has no property {property!r}. It has: {', '.join(names)}.")
    channel = 0 if property is None else names.index(property)
    first, last = torch.randn((2, *prior.latent_shape), generator=torch.Generator().manual_seed(seed))
    way = torch.stack([_between(first, last, share) for share in np.linspace(0, 1, steps)])
    with torch.no_grad():
        walk = np.concatenate([prior.decode(z[None])[:, channel].numpy() for z in way]).astype(np.float64)
    return _walked(walk, prior, style.label(prior.properties[channel]), layer)


def _between(first: Any, last: Any, share: float) -> Any:
    """A point of the great circle between two latents."""
    angle = float((first * last).sum() / (first.norm() * last.norm()))
    theta = math.acos(max(-1.0, min(1.0, angle)))
    if math.sin(theta) < 1e-6:
        return (1 - share) * first + share * last
    return (math.sin((1 - share) * theta) * first + math.sin(share * theta) * last) / math.sin(theta)


def _walked(walk: NDArray[np.float64], prior: LatentPrior, label: str, layer: int | None) -> Figure:
    nx, ny, nz = walk.shape[1:]
    length, breadth, height = (n * size for n, size in zip((nx, ny, nz), prior.cell_size, strict=True))
    k = nz // 2 if layer is None else layer
    ve = style.exaggeration(length, height)
    low, high = np.quantile(walk, (0.01, 0.99))
    look: dict[str, Any] = {"origin": "lower", "cmap": style.VALUES, "vmin": low, "vmax": high, "interpolation": "nearest"}
    figure = style.figure(1.9 * len(walk) + 1.2, 3.6, "compressed")
    panels = figure.subplots(2, len(walk), squeeze=False, sharex=True, sharey="row")
    for share, volume, (above, below) in zip(np.linspace(0, 1, len(walk)), walk, panels.T, strict=True):
        mesh = above.imshow(volume[:, :, k].T, extent=(0, length, 0, breadth), **look)
        below.imshow(volume[:, ny // 2].T, extent=(0, length, 0, height), aspect=ve, **look)
        above.set_title(f"{share:.0%} of the way", fontsize=9)
        below.set_xlabel("x (m)", fontsize=8)
        for ax in (above, below):
            ax.tick_params(labelsize=7)
            style.plain(ax)
    panels[0, 0].set_ylabel("y (m)")
    panels[1, 0].set_ylabel("height (m)")
    figure.colorbar(mesh, ax=panels, label=label, shrink=0.7, aspect=30, pad=0.01)
    figure.suptitle(f"Latent walk: layer {k} above, section below (vertical exaggeration {ve:g})", fontsize=11)
    return figure
