"""What an ensemble predicts where data are measured: logs along wells, traces of a survey."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from gempy_gan.adapters.las import write_las
from gempy_gan.atomic import staged
from gempy_gan.ensemble import DIMS, Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import OUTSIDE, Grid
from gempy_gan.properties import Property
from gempy_gan.resampling import WITHIN, TraceForward
from gempy_gan.seismic import SeismicCube
from gempy_gan.unit_frame import UnitFrame
from gempy_gan.wells import WellLog

Curve = tuple[str, str, NDArray[np.float64]]
QUANTILES = (0.1, 0.5, 0.9)
TRACES = 4096  # predicted at once
VERTICAL = 1e-6  # metres by which a vertical well may leave its line


def log_along(
    ensemble: Ensemble,
    well: WellLog,
    step: float | None = None,
    quantiles: Sequence[float] = QUANTILES,
    realizations: Sequence[int] = (),
) -> WellLog:
    """What the ensemble says along a well: curves at the well's depths, NaN where it leaves the active cells.

    A continuous property `porosity` gives POROSITY_MEAN and, for each of `quantiles`, POROSITY_Q10 (0.1: a tenth of the
    realizations are lower); a facies property gives FACIES_P7, the probability of code 7, for each of its codes, and
    FACIES_MODE, the likeliest code. Realizations weigh as much as they do in the ensemble. `realizations` are numbers of those
    that are wanted themselves, as POROSITY_R3. Each depth takes the value of the cell it lies in.

    `step` metres along the hole replaces the well's own depths. Raises GempyGanError when the well has no position or meets no
    active cell, the ensemble has no such realization, a quantile is none, or a step is not positive.
    """
    _check(quantiles, step)
    md = well.md if step is None else _depths(well, ensemble.grid, step)
    cells = ensemble.grid.cells(well.xyz(md))
    inside = cells[:, 0] != OUTSIDE
    inside[inside] = ensemble.grid.active_cells[tuple(cells[inside].T)]
    if not inside.any():
        raise GempyGanError(
            f"Well {well.name} meets no active cell of the ensemble's grid over {ensemble.grid.extent} m. "
            "Expected it to: check xy, kb, the sign of z (upwards)."
        )
    found, rows = np.unique(cells[inside], axis=0, return_inverse=True)
    at = {axis: xr.DataArray(found[:, k], dims="cell") for k, axis in enumerate(DIMS[1:])}
    curves: dict[str, NDArray[np.float64]] = {}
    units: dict[str, str] = {}
    for prop in ensemble.properties:
        along = ensemble.dataset[prop.name].isel(at).load()
        for mnemonic, unit, values in (*_summary(along, prop, ensemble.weights, quantiles), *_drawn(along, prop, realizations)):
            if mnemonic in curves:
                raise GempyGanError(f"Two curves would be called {mnemonic}. Rename a property, or ask for other realizations.")
            curves[mnemonic] = np.full(len(md), np.nan)
            curves[mnemonic][inside] = values.reshape(-1)[rows.ravel()]
            units[mnemonic] = unit
    return WellLog(well.name, pd.DataFrame(curves, index=pd.Index(md, name="DEPT")), units, well.stations)


def write_log(log: WellLog, path: str | os.PathLike[str]) -> list[Path]:
    """Write a log as LAS, and the trajectory of a deviated well, which LAS cannot hold, as `<name>.csv` beside it.

    `read_las(path, survey="<name>.csv")` puts both together again. Raises FormatError when the disk refuses.
    """
    file = Path(path)
    stations = log.stations
    if np.ptp(np.column_stack([stations["x"], stations["y"], stations["z"] + stations["md"]]), axis=0).max() <= VERTICAL:
        return [write_las(log, file)]
    survey = file.with_suffix(".csv")
    written = write_las(replace(log, trajectory=None), file)
    with staged(survey) as place:
        stations[["md", "x", "y", "z"]].to_csv(place, index=False)
    return [written, survey]


def synthetic(ensemble: Ensemble, cube: SeismicCube, forward: TraceForward, realization: int = 0) -> SeismicCube:
    """The traces of one realization (counted from 0) at the positions of a survey, on its axis.

    Each trace is that of the grid column it stands in; in the frame of a unit, with the column's layers as high as they are
    where it stands. Traces outside the grid or its active cells, and those that are dead in the survey, are dead (NaN).
    `forward` is what the inversion used, not bound: `forward.Convolution(...)`.

    Raises GempyGanError when no live trace stands over an active cell, the realization or the property is missing, and what
    binding `forward` to this axis raises.
    """
    import torch

    places = _places(ensemble.grid, cube)
    live = np.flatnonzero(np.isfinite(places[:, 0]) & ~cube.dead)
    if not len(live):
        raise GempyGanError("No live trace of the survey stands over an active cell of the ensemble's grid. Check coordinates.")
    traces = np.full(cube.traces.shape, np.nan, np.float32)
    values: torch.Tensor | None = None
    for part in np.array_split(live, -(-len(live) // TRACES)):
        bound = forward.bind(ensemble.grid, places[part], cube.axis, cube.domain)
        if values is None:
            name = getattr(bound, "property", None) or _only(ensemble.properties).name
            index = ensemble.properties.index(ensemble.property(name))
            values = torch.as_tensor(np.ascontiguousarray(ensemble.realization(realization)[None, [index]]))
        traces[part] = bound(values).detach().numpy().reshape(len(part), -1)
    return replace(cube, traces=traces, health=())


def _check(quantiles: Sequence[float], step: float | None) -> None:
    wrong = [q for q in quantiles if not 0 <= q <= 1]
    if wrong:
        raise GempyGanError(f"A quantile is {wrong[0]}. Expected numbers from 0 to 1.")
    if step is not None and not (np.isfinite(step) and step > 0):
        raise GempyGanError(f"The step along the hole is {step}. Expected a positive number of metres.")


def _depths(well: WellLog, grid: Grid, step: float) -> NDArray[np.float64]:
    """Multiples of `step` from where the well enters the grid to where it leaves it; all of the well where it does not."""
    stations = well.stations["md"].to_numpy(dtype=np.float64)
    md = step * np.arange(np.ceil(stations[0] / step), np.floor(stations[-1] / step) + 1)
    within = np.flatnonzero(grid.cells(well.xyz(md))[:, 0] != OUTSIDE)
    return np.asarray(md[within[0] : within[-1] + 1] if len(within) else md, dtype=np.float64)


def _summary(along: xr.DataArray, prop: Property, weights: NDArray[np.float64], quantiles: Sequence[float]) -> Iterator[Curve]:
    """Curves (mnemonic, unit, values at the cells) of all realizations together."""
    stem, weighed = prop.name.upper(), xr.DataArray(weights, dims="realization")
    if not prop.is_facies:
        yield f"{stem}_MEAN", prop.unit, along.weighted(weighed).mean("realization").values
        for q in quantiles:
            values = along.weighted(weighed).quantile(q, dim="realization").values
            yield f"{stem}_Q{100 * q:g}".replace(".", "_"), prop.unit, values
        return
    shares = [(along == code).weighted(weighed).mean("realization").values for code in prop.facies]
    for code, share in zip(prop.facies, shares, strict=True):
        yield f"{stem}_P{code}", "1", share
    yield f"{stem}_MODE", prop.unit, np.array(list(prop.facies), dtype=np.float64)[np.argmax(shares, axis=0)]


def _drawn(along: xr.DataArray, prop: Property, realizations: Sequence[int]) -> Iterator[Curve]:
    """Curves of single realizations."""
    numbers = along["realization"].values.tolist()
    for number in realizations:
        if number not in numbers:
            raise GempyGanError(f"Realization {number} was asked for. The ensemble holds {numbers[0]} to {numbers[-1]}.")
        yield f"{prop.name.upper()}_R{number}", prop.unit, along.values[numbers.index(number)].astype(np.float64)


def _places(grid: Grid, cube: SeismicCube) -> NDArray[np.float64]:
    """The column (n, 2) that each trace stands in, NaN where it is outside or the column has no active cell.

    Fractional in the frame of a unit, as `resample` binds traces there.
    """
    shape = np.array(grid.resolution[:2])
    position = grid.frame.to_box(np.hstack([cube.xy, np.full((len(cube.xy), 1), grid.extent[4])]))[:, :2] * shape
    over = np.flatnonzero(((position >= 0) & (position <= shape)).all(axis=1))
    column = np.minimum(np.floor(position[over]).astype(np.int64), shape - 1)
    active = np.asarray(grid.active_cells.any(axis=2))[tuple(column.T)]
    over, column = over[active], column[active]
    places = np.full(position.shape, np.nan)
    places[over] = column
    if isinstance(grid.frame, UnitFrame):
        places[over] = np.clip(position[over] - 0.5, column - WITHIN, column + WITHIN)
    return places


def _only(properties: Sequence[Property]) -> Property:
    if len(properties) > 1:
        names = ", ".join(p.name for p in properties)
        raise GempyGanError(f"The ensemble has the properties {names}. Name the one that reflects as Convolution(property=...).")
    return properties[0]
