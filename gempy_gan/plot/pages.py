"""Pictures put together: one page about an ensemble, and all pictures of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gempy_gan.constraints import Constraints
from gempy_gan.ensemble import Ensemble
from gempy_gan.plot import style
from gempy_gan.plot.fit import misfit
from gempy_gan.plot.logs import PANELS, draw_logs, log_comparison
from gempy_gan.plot.maps import fence, plan, probability, section
from gempy_gan.plot.positions import WellCells, wells_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150


def summary(ensemble: Ensemble, constraints: Constraints, property: str | None = None) -> Figure:
    """One page: what is expected and how sure it is on the map, two realizations in section, and wells beside the ensemble."""
    prop, grid = style.named(ensemble, property), ensemble.grid
    wells = [w for w in wells_of(constraints, prop.name) if len(w.cells) > 1]
    central, width = (list(prop.facies.values())[-1], "entropy") if prop.is_facies else ("mean", "std")
    heights = (1.15, 0.75, 1.1) if wells else (1.15, 0.75)
    figure = style.figure(13, 3.2 * sum(heights))
    parts = figure.subfigures(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    shows: tuple[int | str, ...] = (0, central, width)
    layer = _telling_layer(wells, grid.resolution[2])
    for ax, show in zip(parts[0].subplots(1, 3), shows, strict=True):
        plan(ensemble, prop.name, show, layer, constraints, ax)
    index = int(wells[0].cells[0, 1]) if wells else None
    ve = style.exaggeration(grid.extent[1] - grid.extent[0], grid.extent[5] - grid.extent[4], 0.25)
    for ax, position in zip(parts[1].subplots(1, 2), (0, min(1, len(ensemble) - 1)), strict=True):
        section(ensemble, prop.name, position, index=index, data=constraints, ve=ve, ax=ax)
    if wells:
        draw_logs(parts[2], ensemble, wells[:PANELS])
    figure.suptitle(f"{len(ensemble)} realizations of {style.label(prop)}", fontsize=13)
    return figure


def _telling_layer(wells: Sequence[WellCells], count: int) -> int:
    """The layer in which the wells differ most from each other; the middle one where fewer than two wells reach."""
    values: dict[int, list[float]] = {}
    for well in wells:
        for layer, value in zip(well.cells[:, 2], well.values, strict=True):
            values.setdefault(int(layer), []).append(float(value))
    spread = {layer: float(np.std(found)) for layer, found in values.items() if len(found) > 1}
    return max(sorted(spread), key=lambda layer: spread[layer]) if spread else count // 2


def pictures(ensemble: Ensemble, constraints: Constraints, held_out: Constraints | None = None) -> Iterator[tuple[str, Figure]]:
    """The pictures that an ensemble and its data allow, each with a name for its file, drawn as they are asked for."""
    for prop in ensemble.properties:
        yield f"summary_{prop.name}", summary(ensemble, constraints, prop.name)
        shows: list[int | str] = [0, "entropy"] if prop.is_facies else [0, "mean", "std"]
        for show in shows:
            name = show if isinstance(show, str) else "realization"
            yield f"plan_{prop.name}_{name}", plan(ensemble, prop.name, show, data=constraints)
            yield f"section_{prop.name}_{name}", section(ensemble, prop.name, show, data=constraints)
        if prop.is_facies:
            yield f"probability_{prop.name}", probability(ensemble, prop.name)
        if len(wells_of(constraints, prop.name)) > 1:
            yield f"fence_{prop.name}", fence(ensemble, constraints, prop.name)
        for name, data in (("wells", constraints), ("held_out", held_out)):
            if wells_of(data, prop.name) and data is not None:
                yield f"logs_{prop.name}_{name}", log_comparison(ensemble, data, property=prop.name)
    if constraints.soft or any(not ensemble.property(term.property).is_facies for term in constraints.hard):
        yield "misfit", misfit(ensemble, constraints)


def save(figure: Figure, path: str | os.PathLike[str], dpi: int = DPI) -> Path:
    """Write a figure to a file; the ending (.png, .pdf, .svg) decides the format. Equal figures give equal PNG files."""
    file = Path(path)
    metadata = {"Software": None} if file.suffix.lower() == ".png" else None
    figure.savefig(file, dpi=dpi, metadata=metadata)
    return file
