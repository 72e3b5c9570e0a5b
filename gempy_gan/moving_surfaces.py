"""Surfaces of a GemPy model that move: their points and orientations, those that are put on them, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gempy_gan.displacement import Sites, slopes_at, values_at
from gempy_gan.gempy_model import PICK_NUGGET, evaluate, regular_grid

Floats = NDArray[np.float64]

LEVELS = 61  # nodes of a column in which a surface is looked for
SAME_PLACE = 0.1  # metres on the map between a pick and the surface point that it stands for


@dataclass(frozen=True, eq=False)
class Surface:
    """One surface of the model, with its orientations and its points, among them those that are put on it.

    `std` (metres) and `dip` (degrees) say how uncertain it is, `normal` (3,) in which direction it moves. `pick` (points,)
    numbers the pick that a point stands for, or is -1.
    """

    name: str
    number: int
    fault: bool
    std: float
    dip: float
    normal: Floats
    points: Any
    orientations: Any
    pick: NDArray[np.int64]

    def along(self, xyz: Floats) -> Floats:
        """Positions (N, 3) on the surface, without what lies in the direction of its motion."""
        return xyz - (xyz @ self.normal)[:, None] * self.normal

    @property
    def kind(self) -> int:
        """Horizons are of one kind, each fault is of its own."""
        return self.number + 1 if self.fault else 0


def surface_of(
    model: Any, name: str, number: int, fault: bool, std: float, dip: float, spacing: float | None, picks: pd.DataFrame
) -> Surface:
    """A surface with the points that it gets: those of picks, and those that are put in between."""
    element = model.structural_frame.get_element_by_name(name)
    points, orientations = element.surface_points.data, element.orientations.data
    poles = np.column_stack([orientations[axis] for axis in ("G_x", "G_y", "G_z")])
    normal = _unit(poles.sum(axis=0)) if fault and len(poles) else np.array([0.0, 0.0, 1.0])
    mine = np.flatnonzero(picks["surface"].to_numpy() == name)
    pick = np.full(len(points), -1, dtype=np.int64)
    fresh = []
    for row in mine:
        x, y = float(picks["x"].iloc[row]), float(picks["y"].iloc[row])
        near = np.flatnonzero(np.hypot(points["X"] - x, points["Y"] - y) < SAME_PLACE)
        pick[near[:1]] = row
        fresh += [] if len(near) else [(x, y, float(picks["z"].iloc[row]), int(row))]
    if spacing is not None and std > 0 and not fault:
        taken = np.concatenate([np.column_stack([points["X"], points["Y"]]), picks[["x", "y"]].to_numpy()[mine]])
        fresh += [(*place, -1) for place in _between(model, name, spacing, taken)]
    added = np.repeat(points[:1], len(fresh))
    for axis, values in zip("XYZ", np.array([row[:3] for row in fresh]).reshape(-1, 3).T, strict=True):
        added[axis] = values
    rows = np.array([row[3] for row in fresh], dtype=np.int64)
    return Surface(
        name, number, fault, std, dip, normal, np.concatenate([points, added]), orientations, np.concatenate([pick, rows])
    )


def heights_of(model: Any, name: str, xy: Floats) -> Floats:
    """Heights (N,) of a horizon above places (N, 2) on the map; NaN where the model's column does not meet it."""
    if not len(xy):
        return np.zeros(0)
    extent = np.asarray(regular_grid(model).extent, dtype=np.float64)
    levels = np.linspace(extent[4], extent[5], LEVELS)
    local = model.grid.transform.apply_with_cached_pivot(np.column_stack([xy, np.zeros(len(xy))]))[:, :2]
    columns = np.column_stack([np.repeat(local, LEVELS, axis=0), np.tile(levels, len(xy))])
    fields = evaluate(model, name, columns)
    over = fields.scalar.reshape(-1, LEVELS) - float(fields.base if fields.base is not None else np.nan)
    passes = (over[:, :-1] < 0) & (over[:, 1:] >= 0)
    k = passes.shape[1] - 1 - passes[:, ::-1].argmax(axis=1)  # the highest
    rows = np.arange(len(xy))
    slope = (over[rows, k + 1] - over[rows, k]) / (levels[1] - levels[0])
    z = levels[k] - over[rows, k] / np.where(passes.any(axis=1), slope, 1.0)
    inside = ((local >= extent[0:4:2] - 1e-6) & (local <= extent[1:4:2] + 1e-6)).all(axis=1) & passes.any(axis=1)
    if inside.any():  # one step of Newton's from there
        near = evaluate(model, name, np.column_stack([local[inside], z[inside]]))
        z[inside] -= (near.scalar - float(near.base if near.base is not None else np.nan)) / slope[inside]
    return np.asarray(np.where(inside, z, np.nan))


def sites_of(surface: Surface) -> Sites:
    """What is asked of a surface's displacement: at its points, at its orientations, and its slopes there."""
    points, orientations = (surface.along(_xyz(table)) for table in (surface.points, surface.orientations))
    where = surface.number, surface.kind, surface.std
    axes = np.eye(3) - np.outer(surface.normal, surface.normal)
    return Sites.join(values_at(points, *where), values_at(orientations, *where), slopes_at(orientations, *where, axes))


def sites_of_picks(surfaces: Sequence[Surface], picks: pd.DataFrame) -> Sites:
    """The displacement at each pick, in the order of the picks."""
    sites = [values_at(np.zeros((0, 3)), 0, 0, 0.0)]
    for surface in surfaces:
        at = picks[picks["surface"] == surface.name][["x", "y"]].to_numpy(dtype=np.float64)
        sites.append(values_at(np.column_stack([at, np.zeros(len(at))]), surface.number, surface.kind, surface.std))
    return Sites.join(*sites)


def move(surface: Surface, drawn: Floats, picked: Floats, rng: np.random.Generator) -> tuple[tuple[Any, Any], pd.DataFrame]:
    """GemPy's tables of a surface's points and orientations after a displacement, and what moved."""
    from gempy.core.data.orientations import OrientationsTable
    from gempy.core.data.surface_points import SurfacePointsTable

    count, dips = len(surface.points), len(surface.orientations)
    points, orientations = surface.points.copy(), surface.orientations.copy()
    _shift(points, drawn[:count], surface.normal)
    at_pick = surface.pick >= 0
    points["Z"][at_pick] = picked[surface.pick[at_pick]]
    points["nugget"][at_pick] = np.minimum(points["nugget"][at_pick], PICK_NUGGET)
    _shift(orientations, drawn[count : count + dips], surface.normal)
    _tilt(orientations, drawn[count + dips :].reshape(dips, 3), surface.normal, surface.dip, rng)
    names = {surface.name: int(points["id"][0])}
    table = pd.DataFrame({"surface": surface.name, **{axis.lower(): points[axis] for axis in "XYZ"}})
    table["displacement"] = (_xyz(points) - _xyz(surface.points)) @ surface.normal
    return (SurfacePointsTable(points, dict(names)), OrientationsTable(orientations, dict(names))), table


def _between(model: Any, name: str, spacing: float, taken: Floats) -> list[tuple[float, float, float]]:
    """Points of a horizon on a lattice over the model, but for those near to points that it has."""
    extent = np.asarray(regular_grid(model).extent, dtype=np.float64)
    axes = [np.linspace(low, high, max(2, 1 + round((high - low) / spacing))) for low, high in (extent[:2], extent[2:4])]
    local = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    xy = model.grid.transform.apply_inverse_with_cached_pivot(np.column_stack([local, np.zeros(len(local))]))[:, :2]
    far = np.linalg.norm(xy[:, None] - taken[None], axis=2).min(axis=1) > spacing / 2
    z = heights_of(model, name, xy[far])
    return [(float(x), float(y), float(h)) for (x, y), h in zip(xy[far], z, strict=True) if np.isfinite(h)]


def _shift(table: Any, by: Floats, normal: Floats) -> None:
    for axis, share in zip("XYZ", normal, strict=True):
        if share:
            table[axis] += share * by


def _tilt(orientations: Any, slopes: Floats, normal: Floats, dip: float, rng: np.random.Generator) -> None:
    """Turn poles with the slope (N, 3) of the displacement, and by errors of their own."""
    names = ("G_x", "G_y", "G_z")
    old = np.column_stack([orientations[axis] for axis in names])
    poles = old - (old @ normal)[:, None] * slopes
    if dip > 0:
        noise = np.tan(np.deg2rad(dip)) * rng.standard_normal(old.shape)
        poles = poles + noise - (noise * _unit(old)).sum(axis=1, keepdims=True) * _unit(old)
    changed = (poles != old).any(axis=1)
    poles = np.where(changed[:, None], _unit(poles), old)
    for axis, values in zip(names, poles.T, strict=True):
        orientations[axis] = values


def _xyz(table: Any) -> Floats:
    return np.column_stack([table[axis] for axis in "XYZ"]).astype(np.float64)


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))
