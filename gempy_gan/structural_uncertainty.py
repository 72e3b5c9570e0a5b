"""Structural uncertainty: a GemPy model drawn anew, its surfaces moved within what is known of them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gempy_gan import progress
from gempy_gan.displacement import Displacements, Sites
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.gempy_model import evaluate, regular_grid
from gempy_gan.moving_surfaces import SAME_PLACE, Floats, Surface, heights_of, move, sites_of, sites_of_picks, surface_of

LATTICE = (13, 13, 33)  # nodes on which a drawn structure is checked
TURNING = 0.01  # share of columns that may turn around more than in the model itself
TRIES = 20  # structures drawn in a row before the standard deviations are called too large
STREAM = 0x5374  # keeps these random numbers apart from those of properties
PICKS = ("surface", "x", "y", "z")


@dataclass(frozen=True, eq=False)
class StructuralDraw:
    """One structure that may be the true one: its `number`, its GemPy `model`, not yet computed, and how it was made.

    `displaced` has a row for each surface point: surface, x, y, z as drawn, and by how much it moved in metres (up; of faults
    along their normal). `record` holds plain JSON values: the arguments, and how many structures were `redrawn` for this one
    because their surfaces crossed.
    """

    number: int
    model: Any
    displaced: pd.DataFrame
    record: Mapping[str, Any]


def vary_structure(
    geo_model: Any,
    std: Mapping[str, float],
    n: int = 1,
    seed: int = 0,
    *,
    range: float,
    correlation: float = 0.0,
    dip: float = 0.0,
    spacing: float | None = None,
    picks: pd.DataFrame | None = None,
) -> list[StructuralDraw]:
    """Draw n structures: copies of a GemPy model whose surface points and orientations are moved as far as they are uncertain.

    Parameters
    ----------
    geo_model:
        A `gempy.data.GeoModel`. It is not changed.
    std:
        Standard deviation in metres by surface, named after its element (the unit of which it is the base), or after a fault.
        Horizons move up and down, faults along their mean normal. Surfaces that are not named stay.
    n, seed:
        How many structures, and what decides them: structure k depends on the seed and k alone.
    range:
        Distance in metres along a surface within which displacements go together: their correlation is exp(-3 (d / range)^2).
        The orientations tilt with the surface that moves.
    correlation:
        Between the displacements of two horizons at a place: 0 independent, 1 all move as one (an error of the depth conversion).
    dip:
        Standard deviation in degrees of an error that each orientation of the named surfaces has of its own.
    spacing:
        Metres. A model's surface moves where it has points. With a spacing, points are put on the named horizons that far apart,
        which leave the model as it is and move with the field: the spread is then the same everywhere, also between wells.
    picks:
        A table with columns surface, x, y, z in metres on the map: where wells meet horizons, and `std` (metres) if they have
        errors. Every structure honours them: each becomes a surface point, in place of one that is less than 0.1 m away, and
        displacements are drawn given what it says (conditional simulation): around picks that the model misses it is moved to
        them. Surfaces that are not named take their picks, and stay elsewhere.

    In a structure whose surfaces cross, units overlap: it is drawn again, with a GempyGanWarning that says how many there were,
    because what is left spreads less than stated. All standard deviations zero and no picks give the model itself.

    Raises GempyGanError for surfaces that the model does not have, numbers that cannot be, picks outside the model, a model that
    GemPy cannot compute, and when twenty structures in a row cross.
    """
    options = {
        "seed": seed, "std": dict(std), "range": range, "correlation": correlation, "dip": dip, "spacing": spacing,
        "picks": 0 if picks is None else len(picks),
    }  # fmt: skip
    _check_numbers(n, std, range, correlation, dip, spacing)
    varied = _Varied.of(geo_model, std, range, correlation, dip, spacing, _checked_picks(picks))
    draws, redrawn = [], 0
    for number in progress.track(np.arange(n).tolist(), "structures", n):
        draw = _sound(varied, number, options)
        redrawn += draw.record["redrawn"]
        draws.append(draw)
    if redrawn:
        warnings.warn(
            f"{redrawn} of {n + redrawn} structures had surfaces that cross, and were drawn again: surfaces spread less than "
            "stated where they come close. Smaller standard deviations, or a correlation between surfaces, avoid it.",
            GempyGanWarning,
            stacklevel=2,
        )
    return draws


@dataclass(frozen=True, eq=False)
class _Varied:
    """A model, the surfaces of it that move, how they do, and how sound it is itself."""

    model: Any
    surfaces: list[Surface]
    picks: pd.DataFrame
    known: Floats
    displacements: Displacements
    soundness: Mapping[str, tuple[tuple[str, ...], int]]

    @classmethod
    def of(
        cls, model: Any, std: Mapping[str, float], reach: float, correlation: float, dip: float, spacing: float | None,
        picks: pd.DataFrame,
    ) -> _Varied:  # fmt: skip
        groups = model.structural_frame.structural_groups
        faults = {e.name for group in groups if group.is_fault for e in group.elements}
        _check_names(model, std, picks, faults)
        names = [name for name in _surfaces_of(model) if name in std or name in set(picks["surface"])]
        heights = {name: heights_of(model, name, _of(picks, name)[["x", "y"]].to_numpy()) for name in names if name not in faults}
        picks = pd.concat([_of(picks, name).assign(model=heights[name]) for name in heights] or [picks.assign(model=0.0)])
        _check_found(picks)
        surfaces = [
            surface_of(
                model, name, number, name in faults, float(std.get(name, 0.0)), dip if name in std else 0.0, spacing, picks
            )
            for number, name in enumerate(names)
        ]
        known = (picks["z"] - picks["model"]).to_numpy(dtype=np.float64)
        _check_movable(surfaces)
        displacements = Displacements.given(
            Sites.join(*(sites_of(surface) for surface in surfaces)),
            sites_of_picks(surfaces, picks),
            known,
            picks["std"].to_numpy(dtype=np.float64),
            reach,
            correlation,
        )
        return cls(model, surfaces, picks, known, displacements, _soundness(model))

    def draw(self, rng: np.random.Generator) -> tuple[Any, pd.DataFrame]:
        """A copy of the model with displaced surfaces, and the table of what moved."""
        at_sites, at_picks = self.displacements.draw(rng)
        exact = self.picks["std"].to_numpy() == 0
        picked = np.where(exact, self.picks["z"], self.picks["model"] + at_picks)
        model = copy.deepcopy(self.model, {id(self.model.solutions): None, id(self.model.taped_interpolation_input): None})
        start, rows = 0, []
        for surface in self.surfaces:
            size = len(sites_of(surface))
            moved, rows_of = move(surface, at_sites[start : start + size], picked, rng)
            element = model.structural_frame.get_element_by_name(surface.name)
            element.surface_points, element.orientations = moved
            rows.append(rows_of)
            start += size
        return model, pd.concat(rows, ignore_index=True)


def _sound(varied: _Varied, number: int, options: Mapping[str, Any]) -> StructuralDraw:
    """The structure of a number: the first one drawn for it whose surfaces do not cross."""
    why = ""
    for attempt in np.arange(TRIES).tolist():
        model, table = varied.draw(np.random.default_rng([options["seed"], STREAM, number, attempt]))
        why = _broken(model, varied.soundness)
        if not why:
            return StructuralDraw(number, model, table, {**options, "number": number, "redrawn": attempt})
    raise GempyGanError(
        f"Structure {number} was drawn {TRIES} times, and each time its surfaces crossed, the last time thus: {why} Expected "
        f"standard deviations that leave units their thickness: {dict(options['std'])} m are too much, unless the surfaces move "
        "together (correlation)."
    )


def _check_numbers(n: int, std: Mapping[str, float], reach: float, correlation: float, dip: float, spacing: float | None) -> None:
    if n < 1:
        raise GempyGanError(f"n = {n} structures were asked for. Expected at least 1.")
    for name, value in std.items():
        if not (np.isfinite(value) and value >= 0):
            raise GempyGanError(f"The surface {name!r} has the standard deviation {value}. Expected metres, zero or more.")
    for what, number, low, high in (
        ("range", reach, 0.0, np.inf), ("correlation", correlation, -1e-300, 1.0), ("dip", dip, -1e-300, 45.0),
        ("spacing", 1.0 if spacing is None else spacing, 0.0, np.inf),
    ):  # fmt: skip
        if not (np.isfinite(number) and low < number <= high):
            expected = {"correlation": "0 to 1", "dip": "0 to 45 degrees"}.get(what, "a positive number of metres")
            raise GempyGanError(f"The structure's {what} is {number}. Expected {expected}.")


def _checked_picks(picks: pd.DataFrame | None) -> pd.DataFrame:
    """Picks with all their columns, and a `std` of zero where none is given."""
    if picks is None:
        picks = pd.DataFrame({name: pd.Series(dtype=object if name == "surface" else float) for name in PICKS})
    missing = [name for name in PICKS if name not in picks.columns]
    if missing:
        raise GempyGanError(
            f"The picks lack the columns {missing}. Expected surface, x, y, z in metres, and std if they have one."
        )
    table = picks.assign(std=picks["std"].fillna(0.0) if "std" in picks.columns else 0.0).reset_index(drop=True)
    numbers = table[["x", "y", "z", "std"]].to_numpy(dtype=np.float64)
    if not np.isfinite(numbers).all() or (numbers[:, 3] < 0).any():
        raise GempyGanError(
            "The picks hold numbers that are not finite, or a negative std. Expected metres: leave those rows out."
        )
    for name, rows in table.groupby("surface"):
        close = np.linalg.norm(rows[["x", "y"]].to_numpy()[:, None] - rows[["x", "y"]].to_numpy(), axis=2) < SAME_PLACE
        if (np.triu(close, 1)).any():
            raise GempyGanError(f"Two picks of the surface {name!r} stand at one place. Expected each place once.")
    return table


def _surfaces_of(model: Any) -> list[str]:
    return [e.name for group in model.structural_frame.structural_groups for e in group.elements if len(e.surface_points)]


def _check_names(model: Any, std: Mapping[str, float], picks: pd.DataFrame, faults: set[str]) -> None:
    known = _surfaces_of(model)
    if not std and picks.empty:
        raise GempyGanError(f"No surface was named that is to vary. The model has: {', '.join(known)}.")
    for name in [*std, *picks["surface"]]:
        if name not in known:
            raise GempyGanError(f"The model has no surface {name!r} with points of its own. It has: {', '.join(known)}.")
    if picked := sorted(faults.intersection(picks["surface"])):
        raise GempyGanError(
            f"{picked[0]!r} is a fault, and has picks. Expected those of horizons: make them surface points of the model."
        )


def _check_found(picks: pd.DataFrame) -> None:
    lost = picks[~np.isfinite(picks["model"].to_numpy(dtype=np.float64))]
    if len(lost):
        row = lost.iloc[0]
        raise GempyGanError(
            f"{len(lost)} of {len(picks)} picks lie where the model has no such surface, first that of {row['surface']!r} at "
            f"({row['x']:.10g}, {row['y']:.10g}). Expected picks within the model: leave them out, or enlarge it."
        )


def _check_movable(surfaces: Sequence[Surface]) -> None:
    for surface in surfaces:
        if surface.std > 0 and (surface.pick >= 0).all():
            raise GempyGanError(
                f"All {len(surface.pick)} points of the surface {surface.name!r} are picks, which stay: it cannot vary. Give a "
                "spacing in metres, which puts points in between that move."
            )


def _of(picks: pd.DataFrame, name: str) -> pd.DataFrame:
    return picks[picks["surface"] == name]


def _soundness(model: Any) -> dict[str, tuple[tuple[str, ...], int]]:
    """By structural group: its surfaces, young to old, and in how many columns its scalar field turns around between them."""
    extent = np.asarray(regular_grid(model).extent, dtype=np.float64)
    axes = [np.linspace(extent[2 * k], extent[2 * k + 1], LATTICE[k]) for k in np.arange(3)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    found = {}
    for group in model.structural_frame.structural_groups:
        surfaces = [e for e in group.elements if len(e.surface_points)]
        if group.is_fault or not surfaces:
            continue
        at = [model.grid.transform.apply_with_cached_pivot(e.surface_points.xyz) for e in surfaces]
        scalar = evaluate(model, surfaces[0].name, np.concatenate([lattice, *at])).scalar
        if not np.isfinite(scalar).all():
            raise GempyGanError(f"GemPy finds no scalar field of the group {group.name!r}: its equations have no solution.")
        parts = np.split(scalar, np.cumsum([len(lattice), *map(len, at)])[:-1])
        levels = sorted(((float(np.median(part)), e.name) for part, e in zip(parts[1:], surfaces, strict=True)), reverse=True)
        below, above = parts[0].reshape(LATTICE)[..., :-1], parts[0].reshape(LATTICE)[..., 1:]
        low, high = levels[-1][0], levels[0][0]
        turning = (above <= below) & (np.maximum(above, below) > low) & (np.minimum(above, below) < high)
        found[group.name] = (tuple(name for _, name in levels), int(turning.any(axis=2).sum()))
    return found


def _broken(model: Any, expected: Mapping[str, tuple[tuple[str, ...], int]]) -> str:
    """What is wrong with a drawn structure, as a sentence; empty when nothing is."""
    try:
        found = _soundness(model)
    except GempyGanError as error:
        return str(error)
    allowed = TURNING * LATTICE[0] * LATTICE[1]
    for group, (order, turning) in found.items():
        if order != expected[group][0]:
            return f"the surfaces of {group!r} lie in the order {', '.join(order)} instead of {', '.join(expected[group][0])}."
        if turning > expected[group][1] + allowed:
            share = turning / LATTICE[0] / LATTICE[1]
            return f"the layers between {order[0]!r} and {order[-1]!r} turn around in {share:.0%} of the columns."
    return ""
