"""The scalar field of a unit of a GemPy model on a lattice, without its jumps at faults, so that splines may interpolate it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.frame import Extent
from gempy_gan.gempy_model import Fields, as_extent

Floats = NDArray[np.float64]
Shape = tuple[int, int, int]
Mode = Literal["scalar", "column", "distance"]
Evaluate = Callable[[Floats], Fields]

PROBE = (9, 9, 41)  # nodes of the lattice on which the unit's heights are looked for
COARSE = (25, 25, 25)  # nodes of the lattice on which the model is asked
FINER = (41, 41, 33)  # and where splines over that are not accurate
ACCURATE = 0.002  # of the unit's thickness
CHECKS = 250  # points at which accuracy is measured
ON_FAULT = 1e-4  # of the range of a fault's field: nodes this near to zero lie on the fault
EDGES = 40  # places at which a fault's offset is measured
NEAR = 0.02  # of a lattice step, at which a fault is looked at from both sides
CONSTANT = 0.02  # of the unit's thickness, by which its offset at a fault may differ from place to place


@dataclass(frozen=True)
class UnitField:
    """A unit's field in units in which it reaches from 0 to 1. `surface` is 0 or 1 where its base or top alone counts, else None.

    `values` (mx, my, mz) lie on nodes that span `box`, and are those of fault block 0; `offsets` (blocks,) is what each of the
    blocks `codes` adds. `sides`, `jumps` and `codes` are as in `unit_frame.Faults`. `unit` and `group` (mx, my, mz) tell the
    nodes inside the unit, and inside its structural group. `error` is how far splines between the nodes are off, but for the
    worst point in a hundred.
    """

    box: Extent
    values: Floats
    unit: NDArray[np.bool_]
    group: NDArray[np.bool_]
    offsets: Floats
    sides: Floats
    jumps: Floats
    codes: NDArray[np.int64]
    surface: float | None = None
    error: float = np.nan

    def on(self, shape: Shape) -> tuple[Floats, Floats]:
        """Values and sides on another lattice over the same box."""
        return _splines(self.values, shape), np.array([_splines(side, shape) for side in self.sides]).reshape(-1, *shape)


def unit_field(evaluate: Evaluate, box: Extent, mode: Mode, thickness: float | None, unit: str) -> UnitField:
    """The field of a unit over the horizontal box of an extent, whose heights are those in which the unit is looked for.

    Coordinates are the model's own. Raises GempyGanError when the unit has no surface that the mode needs, or its offset at a
    fault varies along the fault; GridError when the unit is not there.
    """
    around, zero, rate, surface = _probe(evaluate, box, mode, thickness, unit)
    coarse = _sampled(evaluate, around, COARSE, zero, rate)
    found = coarse if coarse.error <= ACCURATE else _sampled(evaluate, around, FINER, zero, rate)
    return replace(found, surface=surface)


def nodes_of(box: Extent, shape: Shape) -> Floats:
    """Positions (N, 3) of the nodes of a lattice whose outer nodes lie on the faces of a box."""
    axes = (np.linspace(box[2 * k], box[2 * k + 1], shape[k]) for k in range(3))
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _probe(
    evaluate: Evaluate, box: Extent, mode: Mode, thickness: float | None, unit: str
) -> tuple[Extent, float, float, float | None]:
    """The box with heights that hold the whole unit, as it was before erosion; and what turns the scalar field into t."""
    fields = evaluate(nodes_of(box, PROBE))
    zero, width = _levels(fields, mode, thickness, unit)
    step = (box[5] - box[4]) / (PROBE[2] - 1)
    t = (fields.scalar - zero).reshape(PROBE)
    if width is not None:
        level = _filled_levels(((t >= 0) & (t <= width)) | fields.unit.reshape(PROBE), box, unit)
        low, high = max(box[4] + (level[0] - 1.5) * step, box[4]), min(box[4] + (level[1] + 1.5) * step, box[5])
        return as_extent(np.array([*box[:4], low, high])), zero, 1 / width, None
    crossed, high_of_unit = (t[..., 1:] > 0) & (t[..., :-1] <= 0), float(thickness or 0)
    level = _filled_levels(crossed, box, unit)
    width = float(np.median(np.diff(t, axis=2)[crossed])) / step * high_of_unit
    low, high = box[4] + (level[0] - 1) * step, box[4] + (level[1] + 2) * step
    if fields.base is not None:
        return as_extent(np.array([*box[:4], low, high + high_of_unit])), zero, 1 / width, 0.0
    return as_extent(np.array([*box[:4], low - high_of_unit, high])), zero - width, 1 / width, 1.0


def _filled_levels(inside: NDArray[np.bool_], box: Extent, unit: str) -> tuple[int, int]:
    """The lowest and the highest level (last axis) that is inside somewhere."""
    level = np.flatnonzero(inside.any(axis=(0, 1)))
    if not len(level):
        raise GridError(f"No cell centre within {box} lies in the unit {unit!r}. Expected at least one: choose another extent.")
    return int(level[0]), int(level[-1])


def _levels(fields: Fields, mode: Mode, thickness: float | None, unit: str) -> tuple[float, float | None]:
    """The scalar field where t is 0, and by how much it grows from there to t = 1; None where a thickness says it."""
    base, top = fields.base, fields.top
    if mode == "distance":
        if thickness is None or not (np.isfinite(thickness) and thickness > 0):
            raise GempyGanError(f'The frame "distance" needs a thickness in metres, and it is {thickness}. Give thickness=.')
        if base is None and top is None:
            raise GempyGanError(f'The unit {unit!r} has neither base nor top. Take frame="box".')
        return float(top if base is None else base), None  # type: ignore[arg-type]  # one of them is given
    if thickness is not None:
        raise GempyGanError(f'A thickness of {thickness} m was given for the frame "{mode}". It belongs to the frame "distance".')
    if base is None or top is None:
        raise GempyGanError(
            f"The unit {unit!r} has no {'base' if base is None else 'top'} among the surfaces of its structural group, hence no "
            'stratigraphic coordinate. Give frame="distance" with its thickness= in metres, or frame="box".'
        )
    return base, top - base


def _sampled(evaluate: Evaluate, box: Extent, shape: Shape, zero: float, rate: float) -> UnitField:
    fields = _off_the_faults(evaluate, box, shape)
    far, count = fields.sides > 0, len(fields.sides)
    steps = _jumps(evaluate, fields, box, shape, rate)
    weight = 2 ** np.arange(count)
    codes = np.unique(weight @ far) if count else np.zeros(1, dtype=np.int64)
    values = (fields.scalar - zero - steps[-1] @ far) * rate
    field = UnitField(
        box=box,
        values=values.reshape(shape),
        unit=fields.unit.reshape(shape),
        group=fields.group.reshape(shape),
        offsets=(codes[:, None] // weight % 2) @ steps[-1] * rate,
        sides=(fields.sides - steps[:-1] @ far).reshape(-1, *shape),
        jumps=steps[:-1],
        codes=codes.astype(np.int64),
    )
    return replace(field, error=_error(field, evaluate, zero, rate))


def _off_the_faults(evaluate: Evaluate, box: Extent, shape: Shape) -> Fields:
    """What the model says at the nodes; a little beside them where a fault runs through, for there the field is half offset."""
    nodes = nodes_of(box, shape)
    fields = evaluate(nodes)
    on = (np.abs(fields.sides) < ON_FAULT * np.ptp(fields.sides, axis=1, keepdims=True)).any(axis=0) if len(fields.sides) else []
    if np.any(on):
        step = (np.array(box[1::2]) - np.array(box[0::2])) / (np.array(shape) - 1)
        beside = evaluate(nodes[on] + 20 * ON_FAULT * step * [1.0, 0.7, 0.3])
        fields.scalar[on], fields.sides[:, on] = beside.scalar, beside.sides
    return fields


def _error(field: UnitField, evaluate: Evaluate, zero: float, rate: float) -> float:
    """How far the splines are off, where the field is between -0.1 and 1.1 in block 0, but for the worst point in a hundred."""
    generator = np.random.default_rng(0)
    share = generator.random((8 * CHECKS, 3))
    expected = _at(field.values, share)
    chosen = share[(expected > -0.1) & (expected < 1.1)][:CHECKS]
    chosen = chosen if len(chosen) else share[:CHECKS]
    low, high = np.array(field.box[0::2]), np.array(field.box[1::2])
    fields = evaluate(low + chosen * (high - low))
    code = 2 ** np.arange(len(fields.sides)) @ (fields.sides > 0) if len(fields.sides) else np.zeros(len(chosen))
    offsets = dict(zip(field.codes.tolist(), field.offsets, strict=True))
    offset = np.array([offsets.get(int(one), np.nan) for one in code])
    off = np.abs(_at(field.values, chosen) + offset - (fields.scalar - zero) * rate)
    return float(np.nanquantile(off, 0.99))


def _jumps(evaluate: Evaluate, fields: Fields, box: Extent, shape: Shape, rate: float) -> Floats:
    """By how much each fault's field, and last the scalar field, jump up to the far side of each fault (f + 1, f).

    GemPy adds a constant on one side of a fault to a field that is continuous across it. It is measured at two points on either
    side, between neighbouring nodes that no other fault parts.
    """
    count = len(fields.sides)
    steps = np.zeros((count + 1, count))
    for k in range(count):
        near, past = _edges(fields.sides, k, shape)
        if not len(near):
            continue
        nodes = nodes_of(box, shape)
        at = _crossing(evaluate, nodes[near], nodes[past], k, fields.sides[k, near], fields.sides[k, past])
        across = np.array([-3, -1, 1, 3]) * NEAR
        share = at[:, None] + across
        points = nodes[near, None] + share[..., None] * (nodes[past] - nodes[near])[:, None]
        found = evaluate(points.reshape(-1, 3))
        sides = found.sides.reshape(count, -1, 4)
        apart = (sides[k, :, :2] <= 0).all(axis=1) & (sides[k, :, 2:] > 0).all(axis=1)
        for row in range(count + 1):
            offset = row < count and fields.offsets[row, k]
            if row == count or (offset and row > k):
                value = found.scalar.reshape(-1, 4) if row == count else sides[row]
                jump = _gap(value[apart])
                _check_constant(jump * (rate if row == count else 0.0), fields.faults[k])
                steps[row, k] = float(np.median(jump)) if len(jump) else 0.0
    return steps


def _gap(value: Floats) -> Floats:
    """The jump in the middle of four evenly spaced values (N, 4), less what the slopes on both sides explain."""
    slope = ((value[:, 1] - value[:, 0]) + (value[:, 3] - value[:, 2])) / 2
    return np.asarray(value[:, 2] - value[:, 1] - slope)


def _check_constant(jump: Floats, fault: str) -> None:
    if len(jump) and np.quantile(jump, 0.9) - np.quantile(jump, 0.1) > CONSTANT:
        raise GempyGanError(
            f"The unit's offset at the fault {fault!r} varies by {np.quantile(jump, 0.9) - np.quantile(jump, 0.1):.2g} of its "
            'thickness along the fault: it is a finite fault. Frames know constant offsets only: take frame="box".'
        )


def _edges(sides: Floats, k: int, shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Neighbouring nodes, on the near and on the far side of fault k and in one block otherwise; spread over the lattice."""
    far = (sides > 0).reshape(-1, *shape)
    index = np.arange(int(np.prod(shape))).reshape(shape)
    pairs = []
    for axis in range(3):
        low, high = (np.take(index, np.arange(part, shape[axis] - 1 + part), axis).ravel() for part in (0, 1))
        flat = far.reshape(len(far), -1)
        differs = flat[:, low] != flat[:, high]
        alone = differs[k] & (differs.sum(axis=0) == 1)
        swap = flat[k, low[alone]]
        pairs.append(np.where(swap, [high[alone], low[alone]], [low[alone], high[alone]]))
    near, past = np.concatenate(pairs, axis=1)
    chosen = np.unique(np.linspace(0, len(near) - 1, EDGES).astype(np.int64)) if len(near) else np.zeros(0, dtype=np.int64)
    return near[chosen], past[chosen]


def _crossing(evaluate: Evaluate, near: Floats, past: Floats, k: int, low: Floats, high: Floats) -> Floats:
    """Where on the way (N,) from near to past the field of fault k, low and high at its ends, is zero: by the secant, twice."""
    at = low / (low - high)
    side = evaluate(near + at[:, None] * (past - near)).sides[k]
    slope = np.where(side > 0, (side - low) / np.maximum(at, 1e-6), (high - side) / np.maximum(1 - at, 1e-6))
    return np.asarray(np.clip(at - side / slope, 0, 1))


def _splines(values: Floats, shape: Shape) -> Floats:
    """Values on a lattice by cubic splines between those of another over the same box."""
    from scipy.interpolate import make_interp_spline

    for axis, count in enumerate(shape):
        known = np.linspace(0, 1, values.shape[axis])
        values = make_interp_spline(known, values, k=3, axis=axis)(np.linspace(0, 1, count))
    return np.asarray(values, dtype=np.float64)


def _at(values: Floats, share: Floats) -> Floats:
    """Values of the splines at points (N, 3), given in shares of the box."""
    from scipy.interpolate import NdBSpline, make_interp_spline

    coefficients, knots = values, []
    for axis, count in enumerate(values.shape):
        spline = make_interp_spline(np.linspace(0, 1, count), coefficients, k=3, axis=axis)
        knots.append(spline.t)
        coefficients = np.moveaxis(spline.c, 0, axis)
    return np.asarray(NdBSpline(tuple(knots), coefficients, 3)(share))
