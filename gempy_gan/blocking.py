"""Blocking: well samples averaged into the cells that the wells run through."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.constraints import HardData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.grid import OUTSIDE, Grid
from gempy_gan.properties import Property, as_property
from gempy_gan.wells import WellLog

Method = Literal["mean", "majority"]


def block(
    wells: WellLog | Sequence[WellLog],
    grid: Grid,
    curve: str,
    property: Property | str,
    std: float | None = None,
    method: Method | None = None,
    *,
    scatter: bool = True,
    resolution: float = 0.6,
    disagreement: float = 3.0,
) -> HardData:
    """Well samples to one value per cell, with an honest standard deviation.

    Every sample of `curve` falls into the cell that the well's trajectory runs through at its depth, and counts once.
    "mean" averages them; "majority" takes the commonest facies code (a tie goes to the lower code and is reported), and is
    the default for a facies property. Cells that are not active, samples without a value, and samples outside the grid are
    left out and counted in the report, well by well.

    The standard deviation of a mean is `sqrt(std^2 + s^2 / n)`. `std` is the measurement error, which averaging does not
    remove. `s` is the scatter of the samples within the cell, steadied by one sample's worth of the scatter pooled over all
    cells, so that two samples that happen to agree, or a single one, do not pass for certainty. `n` is the number of
    *independent* samples: a log averages over its vertical `resolution` (metres along the hole; about 0.6 for gamma ray,
    density, neutron and sonic), so finer samples say nothing new. One line through a wide cell also misses what varies
    sideways; that error cannot be seen in one well, and belongs into `std` when it matters. `scatter=False` leaves `std` as
    it is; a majority always does.

    Where several wells cross one cell they are weighted by 1/variance. If they differ by more than `disagreement` standard
    deviations, the cell is reported and its standard deviation scaled by the Birge ratio sqrt(chi2 / (wells - 1)).

    Returns HardData, its `report` plain JSON. Warns (GempyGanWarning) about a well that gives no cell. Raises GempyGanError
    when no well gives one, a well has no such curve or no position, codes are not the property's, or `std` is missing.

    >>> import pandas as pd
    >>> log = pd.DataFrame({"VSAND": [0.2, 0.4, 0.9]}, index=[1.0, 2.0, 6.0])
    >>> well = WellLog("A-1", log).placed(xy=(50.0, 50.0), kb=0.0)
    >>> grid = Grid(extent=(0, 100, 0, 100, -10, 0), resolution=(1, 1, 2))
    >>> data = block(well, grid, "VSAND", "coarse_fraction", std=0.05)
    >>> data.cells.tolist(), data.values.round(2).tolist(), data.std.round(3).tolist()
    ([[0, 0, 0], [0, 0, 1]], [0.9, 0.3], [0.15, 0.112])
    """
    kind, chosen = as_property(property), [wells] if isinstance(wells, WellLog) else list(wells)
    method = method or ("majority" if kind.is_facies else "mean")
    _check(chosen, std, method, scatter, resolution, disagreement)
    samples, rows = _samples(chosen, grid, curve)
    _check_coverage(chosen, rows, grid, curve)
    if method == "majority":
        each = _majority(samples, kind, float(std or 0.0))
        merged, odd = _vote(samples, kind, each)
    else:
        each = _mean(samples, float(std or 0.0), resolution if scatter else None)
        merged, odd = _weigh(each, disagreement)
    cells = np.stack(np.unravel_index(merged.cell, grid.resolution), axis=1)
    report = {
        "property": kind.name,
        "curve": curve,
        "method": method,
        "std": std,
        "resolution": resolution if scatter and method == "mean" else None,
        "wells": rows,
        "samples_per_cell": merged.count.tolist(),
        **_spread(merged, method),
        "disagreements": _disagreements(each, merged, odd, cells, chosen),
    }
    return HardData(cells, merged.value, merged.std, kind, _names(each, merged, chosen), report)


@dataclass(frozen=True)
class _Samples:
    """Samples inside active cells: which well, which cell (flat), value, and the hole length each stands for."""

    well: NDArray[np.int64]
    cell: NDArray[np.int64]
    value: NDArray[np.float64]
    length: NDArray[np.float64]


@dataclass(frozen=True)
class _Cells:
    """One entry per well and cell, or (merged) per cell. `squares` are squared deviations from the mean, or votes against."""

    well: NDArray[np.int64]
    cell: NDArray[np.int64]
    value: NDArray[np.float64]
    std: NDArray[np.float64]
    count: NDArray[np.int64]
    squares: NDArray[np.float64]
    tie: NDArray[np.bool_]


def _check(
    wells: list[WellLog], std: float | None, method: Method, scatter: bool, resolution: float, disagreement: float
) -> None:
    if not wells:
        raise GempyGanError("There are no wells to block. Give one WellLog or several.")
    if method not in ("mean", "majority"):
        raise GempyGanError(f"The blocking method is {method!r}. Allowed: 'mean' or 'majority'.")
    if std is None and (method == "majority" or not scatter):
        raise GempyGanError("`std` is not given. Expected the measurement error of the values, in the property's unit.")
    if std is not None and not (np.isfinite(std) and std > 0):
        raise GempyGanError(f"`std` is {std}. Expected a positive number, the measurement error in the property's unit.")
    if not (resolution > 0 and disagreement > 0):
        raise GempyGanError(f"`resolution` is {resolution} and `disagreement` {disagreement}. Expected positive numbers.")


def _samples(wells: list[WellLog], grid: Grid, curve: str) -> tuple[_Samples, list[dict[str, Any]]]:
    parts, rows = [], []
    for number, well in enumerate(wells):
        part, row = _one(well, number, grid, curve)
        parts.append(part)
        rows.append(row)
    joined = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _Samples(*joined), rows


def _one(well: WellLog, number: int, grid: Grid, curve: str) -> tuple[tuple[NDArray[Any], ...], dict[str, Any]]:
    value, md = well.curve(curve).to_numpy(dtype=np.float64), well.md
    length = np.gradient(md) if len(md) > 1 else np.zeros(len(md))
    known = np.isfinite(value)
    xyz = well.xyz(md[known])
    placed = np.isfinite(xyz.sum(axis=1))
    index = grid.cells(xyz[placed])
    inside = index[:, 0] != OUTSIDE
    flat = np.ravel_multi_index(tuple(index[inside].T), grid.resolution)
    active = np.ones(len(flat), dtype=np.bool_) if grid.active is None else grid.active.ravel()[flat]
    used = np.flatnonzero(known)[placed][inside][active]
    row = {
        "well": well.name,
        "samples": len(md),
        "missing": int((~known).sum()),
        "without_position": int((~placed).sum()),
        "outside": int((~inside).sum()),
        "inactive": int((~active).sum()),
        "used": len(used),
        "cells": len(np.unique(flat[active])),
        "extent": _extent(xyz[placed]),
        "source": dict(well.source),
    }
    return (np.full(len(used), number), flat[active], value[used], length[used]), row


def _extent(xyz: NDArray[np.float64]) -> list[float] | None:
    """[x0, x1, y0, y1, z0, z1] of positions (N, 3)."""
    if not len(xyz):
        return None
    return [float(bound) for axis in xyz.T for bound in (axis.min(), axis.max())]


def _check_coverage(wells: list[WellLog], rows: list[dict[str, Any]], grid: Grid, curve: str) -> None:
    empty = [row for row in rows if not row["used"]]
    if len(empty) == len(rows):
        known = np.array([row["extent"] for row in rows if row["extent"]]).reshape(-1, 6)
        span = [*known.min(axis=0)[0::2], *known.max(axis=0)[1::2]] if len(known) else []
        where = ", ".join(f"{a} {lo:.10g} to {hi:.10g}" for a, lo, hi in zip("xyz", span[:3], span[3:], strict=True))
        extent = ", ".join(f"{a} {grid.extent[2 * k]:.10g} to {grid.extent[2 * k + 1]:.10g}" for k, a in enumerate("xyz"))
        raise GempyGanError(
            f"None of {len(wells)} wells has a value of {curve} in an active cell: the samples lie at {where or 'no position'}, "
            f"the grid at {extent} m (rotation {grid.rotation:g}). Expected them to meet: check xy, kb, depth unit, z up."
        )
    for row in empty:
        counts = ", ".join(
            f"{row[key]} {key.replace('_', ' ')}" for key in ("missing", "without_position", "outside", "inactive")
        )
        message = f"Well {row['well']} gives no cell of {curve}: of {row['samples']} samples {counts}."
        warnings.warn(message, GempyGanWarning, stacklevel=3)


def _groups(well: NDArray[np.int64], cell: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Well and cell of each group, and the group of each sample."""
    size = int(cell.max()) + 1
    key, group = np.unique(well * size + cell, return_inverse=True)
    return key // size, key % size, group


def _mean(samples: _Samples, std: float, resolution: float | None) -> _Cells:
    well, cell, group = _groups(samples.well, samples.cell)
    count = np.bincount(group)
    mean = np.bincount(group, samples.value) / count
    squares = np.asarray(np.bincount(group, (samples.value - mean[group]) ** 2), dtype=np.float64)
    freedom = int((count - 1).sum())
    pooled = float(np.sqrt(squares.sum() / freedom)) if freedom else None
    variance = np.full(len(count), std**2)
    if resolution is not None:
        independent = np.clip(np.bincount(group, samples.length) / resolution, 1.0, count)
        variance += (squares + (pooled or 0.0) ** 2) / count / independent
    if (variance <= 0).any():
        raise GempyGanError(
            "The samples in a cell show no scatter, and `std` is not given. Expected the measurement error as `std`."
        )
    return _Cells(well, cell, mean, np.sqrt(variance), count, squares, np.zeros(len(count), dtype=np.bool_))


def _majority(samples: _Samples, kind: Property, std: float) -> _Cells:
    allowed = np.array(sorted(kind.facies), dtype=np.float64)
    wrong = ~np.isin(samples.value, allowed) if kind.is_facies else samples.value != np.floor(samples.value)
    if wrong.any():
        expected = f"one of {kind.facies}" if kind.is_facies else "whole numbers"
        raise GempyGanError(
            f"{int(wrong.sum())} samples hold codes such as {samples.value[wrong][0]:g}. Expected {expected} for {kind.name!r}."
        )
    well, cell, group = _groups(samples.well, samples.cell)
    codes, code = np.unique(samples.value, return_inverse=True)
    votes = np.bincount(group * len(codes) + code, minlength=len(cell) * len(codes)).reshape(len(cell), len(codes))
    winner = votes.argmax(axis=1)
    ties = (votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1
    against = (votes.sum(axis=1) - votes.max(axis=1)).astype(np.float64)
    return _Cells(well, cell, codes[winner], np.full(len(cell), std), votes.sum(axis=1), against, ties)


def _vote(samples: _Samples, kind: Property, each: _Cells) -> tuple[_Cells, NDArray[np.bool_]]:
    """All wells' samples of a cell vote together; odd are the cells where the wells' own majorities differ."""
    together = _majority(replace(samples, well=np.zeros_like(samples.well)), kind, float(each.std[0]))
    _, group = np.unique(each.cell, return_inverse=True)
    low, high = np.full(len(together.cell), np.inf), np.full(len(together.cell), -np.inf)
    np.minimum.at(low, group, each.value)
    np.maximum.at(high, group, each.value)
    return together, low != high


def _weigh(each: _Cells, disagreement: float) -> tuple[_Cells, NDArray[np.bool_]]:
    """The wells' means of a cell, weighted by 1/variance; odd are the cells where they differ by more than their errors."""
    cell, group = np.unique(each.cell, return_inverse=True)
    weight = 1 / each.std**2
    total = np.bincount(group, weight)
    value = np.bincount(group, weight * each.value) / total
    chi2 = np.bincount(group, weight * (each.value - value[group]) ** 2)
    birge = chi2 / np.maximum(np.bincount(group) - 1, 1)
    odd = birge > disagreement**2
    std = np.sqrt(np.where(odd, birge, 1.0) / total)
    count = np.bincount(group, each.count).astype(np.int64)
    return _Cells(
        each.well, cell, value, std, count, np.asarray(np.bincount(group, each.squares), dtype=np.float64), odd & False
    ), odd


def _spread(merged: _Cells, method: Method) -> dict[str, Any]:
    if method == "majority":
        return {"minority": (merged.squares / merged.count).tolist(), "ties": int(merged.tie.sum())}
    freedom = merged.count - 1
    scatter = np.sqrt(merged.squares / np.maximum(freedom, 1))
    pooled = float(np.sqrt(merged.squares.sum() / freedom.sum())) if freedom.sum() else None
    return {"scatter": [float(s) if n else None for s, n in zip(scatter, freedom, strict=True)], "pooled_scatter": pooled}


def _names(each: _Cells, merged: _Cells, wells: list[WellLog]) -> list[str]:
    """The well of each merged cell; several are joined by "+"."""
    names: list[list[str]] = [[] for _ in merged.cell]
    for at, well in zip(np.searchsorted(merged.cell, each.cell), each.well, strict=True):
        names[at].append(wells[well].name)
    return ["+".join(several) for several in names]


def _disagreements(
    each: _Cells, merged: _Cells, odd: NDArray[np.bool_], cells: NDArray[np.int64], wells: list[WellLog]
) -> list[dict[str, Any]]:
    rows = []
    for at in np.flatnonzero(odd):
        members = np.flatnonzero(each.cell == merged.cell[at])
        values = [[wells[each.well[i]].name, float(each.value[i]), float(each.std[i])] for i in members]
        rows.append({"cell": cells[at].tolist(), "wells": values, "value": float(merged.value[at]), "std": float(merged.std[at])})
    return rows
