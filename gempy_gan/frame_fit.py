"""A frame fitted to a unit's field: every column is checked, and replaced where the field does not increase through the unit."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GempyGanWarning, GridError
from gempy_gan.frame import Extent
from gempy_gan.unit_field import Evaluate, Mode, Shape, UnitField, unit_field
from gempy_gan.unit_frame import Faults, ScalarFrame, SurfaceFrame, UnitFrame

Floats = NDArray[np.float64]

FINE = 48  # steps of the frame's lattice along x and y, at least
LEVELS = (33, 129)  # its nodes along z, at least and at most
MOST_BAD = 0.1  # share of the unit's columns whose field turns around, above which none of it is taken
THIN = 1e-3  # of the mean thickness: what base and top are kept apart


def fit_frame(
    evaluate: Evaluate, box: Extent, cells: Shape, mode: Mode, thickness: float | None, unit: str
) -> tuple[UnitFrame, UnitField]:
    """The frame of a unit for `cells` over the horizontal box of an extent, and the field that it was made of.

    The extent's heights are those in which the unit is looked for; coordinates are the model's own. Warns (GempyGanWarning) where
    columns, or the mode, had to be replaced. Errors are those of `unit_field`.
    """
    field = unit_field(evaluate, box, mode, thickness, unit)
    columns = _columns(field, cells)
    bad = float(columns.bad[columns.present].mean())
    quality: dict[str, Any] = {
        "asked": mode,
        "columns": int(columns.present.sum()),
        "monotone_share": 1 - bad,
        "field_error": field.error,
        "fault_blocks": field.codes.tolist(),
    }
    if mode == "scalar" and bad > MOST_BAD:
        warnings.warn(
            f"The scalar field of the unit {unit!r} turns around in {bad:.0%} of its columns (more than {MOST_BAD:.0%}), so its "
            'frame is "column" instead: proportional between base and top. Orientations on both surfaces may mend the field.',
            GempyGanWarning,
            stacklevel=3,
        )
        mode = "column"
    if mode == "scalar":
        return _scalar_frame(field, columns, quality, unit), field
    return _surface_frame(field, columns, mode, thickness, quality), field


@dataclass(frozen=True)
class _Columns:
    """A field by columns on the frame's lattice: `values` (mx, my, mz), `sides`, and the heights `z` (mz,) of the nodes.

    `bad` columns have a field that does not increase all the way through the unit; `present` ones hold some of the unit.
    """

    values: Floats
    sides: Floats
    z: Floats
    bad: NDArray[np.bool_]
    present: NDArray[np.bool_]
    low: float
    high: float


def _columns(field: UnitField, cells: Shape) -> _Columns:
    box = field.box
    steps = [n * -(-FINE // n) for n in cells[:2]]  # the cells' corners are nodes
    bounds = (0.0, 1.0) if field.surface is None else (field.surface, field.surface)
    low, high = float((bounds[0] - field.offsets).min()), float((bounds[1] - field.offsets).max())
    coarse = np.median(np.diff(field.values, axis=2)) * (field.values.shape[2] - 1)  # by how much t grows over the box's height
    levels = int(np.clip(np.ceil(2 * cells[2] * max(coarse, 0)) + 1, *LEVELS))
    shape = (steps[0] + 1, steps[1] + 1, levels)
    values, sides = field.on(shape)
    below, above = values[..., :-1], values[..., 1:]
    turning = (above <= below) & (np.maximum(above, below) > low) & (np.minimum(above, below) < high)
    nearest = [np.rint(np.linspace(0, n - 1, m)).astype(int) for n, m in zip(field.unit.shape, shape[:2], strict=False)]
    present = np.asarray(field.unit.any(axis=2))[np.ix_(*nearest)]
    bad = np.asarray(turning.any(axis=2))
    return _Columns(values, sides, np.linspace(box[4], box[5], levels), bad, present, low, high)


def _scalar_frame(field: UnitField, columns: _Columns, quality: dict[str, Any], unit: str) -> ScalarFrame:
    values = np.maximum.accumulate(columns.values, axis=2)  # where it turned around, it did so outside the unit
    if columns.bad.any():
        base, top = _surfaces(columns, columns.low, columns.high)
        share = (columns.z - base[columns.bad, None]) / (top - base)[columns.bad, None]
        values[columns.bad] = columns.low + share * (columns.high - columns.low)
        warnings.warn(
            f"The scalar field of the unit {unit!r} turns around in {int(columns.bad.sum())} of {columns.bad.size} columns: "
            "there the frame is proportional between base and top.",
            GempyGanWarning,
            stacklevel=4,
        )
    columns = replace(columns, values=values)
    each = (_level(columns, columns.high) - _level(columns, columns.low)) / (columns.high - columns.low)
    thickness = float(each[columns.present].mean())
    return ScalarFrame(
        field.box,
        thickness=thickness,
        mode="scalar",
        faults=_faults(field, columns),
        quality=quality | _thickness(each, columns, thickness) | {"replaced_columns": int(columns.bad.sum())},
        t=values.astype(np.float32),
        offsets=field.offsets,
    )


def _surface_frame(
    field: UnitField, columns: _Columns, mode: Mode, thickness: float | None, quality: dict[str, Any]
) -> SurfaceFrame:
    if field.surface is None:
        pairs = [_surfaces(columns, -float(offset), 1 - float(offset)) for offset in field.offsets]
    else:
        below, above = field.surface * float(thickness or 0), (1 - field.surface) * float(thickness or 0)
        levels = [_level(columns, field.surface - float(offset)) for offset in field.offsets]
        pairs = [(level - below, level + above) for level in levels]
    base, top = (np.stack(surfaces) for surfaces in zip(*pairs, strict=True))
    each = (top - base)[0]
    mean = float(each[columns.present].mean())
    top = np.maximum(top, base + THIN * mean)
    return SurfaceFrame(
        field.box,
        thickness=mean,
        mode=mode,
        faults=_faults(field, columns),
        quality=quality | _thickness(each, columns, mean) | {"layer_thickness_spread": 0.0, "replaced_columns": 0},
        base=base.astype(np.float32),
        top=top.astype(np.float32),
    )


def _faults(field: UnitField, columns: _Columns) -> Faults | None:
    return Faults(columns.sides.astype(np.float32), field.jumps, field.codes) if len(field.sides) else None


def _thickness(each: Floats, columns: _Columns, mean: float) -> dict[str, Any]:
    """How thick the unit is by columns, and how much thicker than others its layers are within a column."""
    slope = np.diff(columns.values, axis=2) / np.diff(columns.z)
    inside = (columns.values[..., :-1] >= 0) & (columns.values[..., 1:] <= 1) & columns.present[..., None] & (slope > 0)
    layers = 1 / (slope * each[..., None])[inside]
    spread = np.ptp(np.quantile(layers, [0.16, 0.84])) / 2 if len(layers) else 0.0
    low, high = np.quantile(each[columns.present], [0.05, 0.95])
    return {
        "thickness": [float(low), mean, float(high)],
        "pinched_columns": int((each[columns.present] < 0.01 * mean).sum()),
        "layer_thickness_spread": float(spread),
    }


def _surfaces(columns: _Columns, low: float, high: float) -> tuple[Floats, Floats]:
    """The heights (mx, my) at which columns pass `low` and `high` on their way up.

    A column that passes more than once counts where the way is longest, one that does not takes those of the nearest column.
    """
    base, top = _level(columns, low), _level(columns, high)
    for i, j in np.argwhere(columns.bad):
        base[i, j], top[i, j] = _longest(columns.values[i, j], columns.z, low, high)
    unknown = ~(top > base)
    if unknown.all():
        raise GridError(
            "The unit's base lies above its top in every column. Check the model's orientations, or take frame='box'."
        )
    if unknown.any():
        from scipy.ndimage import distance_transform_edt

        nearest = tuple(distance_transform_edt(unknown, return_distances=False, return_indices=True))
        base, top = base[nearest], top[nearest]
    return base, top


def _level(columns: _Columns, level: float) -> Floats:
    """The highest height (mx, my) at which each column passes a level on its way up; linear beyond the lattice."""
    below, above = columns.values[..., :-1], columns.values[..., 1:]
    passes = (below < level) & (above >= level)
    k = passes.shape[2] - 1 - passes[..., ::-1].argmax(axis=2)[..., None]
    low, high = (np.take_along_axis(side, k, axis=2)[..., 0] for side in (below, above))
    step = columns.z[1] - columns.z[0]
    z = columns.z[k[..., 0]] + step * (level - low) / np.where(high > low, high - low, 1.0)
    slope = float(np.median(np.diff(columns.values, axis=2))) / step
    first, last = columns.values[..., 0], columns.values[..., -1]
    beyond = np.where(first >= level, columns.z[0] + (level - first) / slope, columns.z[-1] + (level - last) / slope)
    return np.asarray(np.where(passes.any(axis=2), z, beyond))


def _longest(profile: Floats, z: Floats, low: float, high: float) -> tuple[float, float]:
    """The longest way up from one level to another in a column; NaN where there is none."""
    ups = [_ups(profile, z, level) for level in (low, high)]
    ways = [(float(ups[0][ups[0] < top][-1]), float(top)) for top in ups[1] if (ups[0] < top).any()]
    return max(ways, key=lambda way: way[1] - way[0], default=(np.nan, np.nan))


def _ups(profile: Floats, z: Floats, level: float) -> Floats:
    """Every height at which a profile passes a level on its way up."""
    k = np.flatnonzero((profile[:-1] < level) & (profile[1:] >= level))
    return np.asarray(z[k] + (z[1] - z[0]) * (level - profile[k]) / (profile[k + 1] - profile[k]))
