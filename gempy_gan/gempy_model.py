"""A GemPy model asked: where its grid lies, and what it says at any points (unit, scalar field, side of each fault)."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.frame import Extent
from gempy_gan.grid import Grid

EDGE_TOLERANCE = 1e-6  # of the model's size, by which an extent may leave it
PICK_NUGGET = 1e-8  # with GemPy's own, 2e-5, surfaces miss picks by a fifth of the unit where its thickness varies between wells

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fields:
    """What a model says at points (N,) about one of its units.

    `unit` tells the points inside it, and `group` those inside any unit of its structural group. `scalar` is the group's scalar
    field, which grows towards the younger side, and `base`, `top` its values at the unit's two surfaces; None where the unit has
    none of its own: the oldest unit has no base, the youngest of each group no top. `sides` (f, N) are the fields of the faults
    that offset the group, zero at the fault, called `faults`; `offsets` (f, f) tells which fault k an earlier fault j offsets.
    """

    unit: NDArray[np.bool_]
    group: NDArray[np.bool_]
    scalar: Floats
    base: float | None
    top: float | None
    sides: Floats
    faults: tuple[str, ...]
    offsets: NDArray[np.bool_]


def evaluate(geo_model: Any, element: str, points: ArrayLike) -> Fields:
    """What the model says about the unit `element` at points (N, 3) in the model's own axes (before its rotation).

    Computed on a copy: computing a model replaces its solution and reorders its elements. A custom grid is used because octree
    fields are those of coarse blocks; GemPy does not rotate it. Raises GempyGanError when the element is unknown or a fault, or
    GemPy cannot compute the model.
    """
    gp = gempy()
    where = np.atleast_2d(np.asarray(points, dtype=np.float64))
    grid = gp.data.Grid()
    # GemPy computes nothing without a regular grid: one of eight cells
    extent, smallest = np.asarray(regular_grid(geo_model).extent), np.array([2, 2, 2])
    grid.dense_grid = gp.data.grid.RegularGrid(extent, smallest, geo_model.grid.transform)
    grid.custom_grid = gp.data.grid.CustomGrid(where)
    grid.active_grids = grid.GridTypes.DENSE | grid.GridTypes.CUSTOM
    spared = {id(geo_model.grid): grid, id(geo_model.solutions): None, id(geo_model.taped_interpolation_input): None}
    model = copy.deepcopy(geo_model, spared)
    model.geophysics_input = None
    options = model.interpolation_options.evaluation_options
    options.mesh_extraction, options.number_octree_levels = False, 1
    _check_element(model, element)
    return _fields(model, element, _compute(model).octrees_output[0].outputs)


def _fields(model: Any, element: str, outputs: list[Any]) -> Fields:
    frame = model.structural_frame
    custom = outputs[0].grid.custom_grid_slice
    groups, names = frame.structural_groups, [e.name for e in frame.structural_elements]
    members = [[e.name for e in group.elements] for group in groups]
    if not any(names[-1] in found for found in members):
        members[-1].append(names[-1])  # the basement, which lies below the oldest surface
    mine = next(k for k, found in enumerate(members) if element in found)
    ids = np.rint(np.asarray(outputs[-1].block, dtype=np.float64).ravel()[custom]).astype(np.int64)
    levels = sorted(_at_surfaces(outputs[mine]), reverse=True)  # as GemPy sorts the elements of a group, young to old
    place = [name for name in names if name in members[mine]].index(element)
    relations = np.asarray(frame.fault_relations, dtype=np.bool_)
    faults = [k for k, group in enumerate(groups) if group.is_fault and relations[k, mine]]
    surfaces = [(k, level) for k in faults for level in _at_surfaces(outputs[k])]
    sides = [_scalar(outputs[k])[custom] - level for k, level in surfaces]
    return Fields(
        unit=ids == names.index(element) + 1,
        group=np.isin(ids, [names.index(name) + 1 for name in members[mine]]),
        scalar=_scalar(outputs[mine])[custom],
        base=levels[place] if place < len(levels) else None,
        top=levels[place - 1] if place > 0 else None,
        sides=np.array(sides).reshape(len(sides), len(ids)),
        faults=tuple(groups[k].name for k, _ in surfaces),
        offsets=np.array([[relations[j, k] for j, _ in surfaces] for k, _ in surfaces], dtype=np.bool_).reshape(
            2 * (len(sides),)
        ),
    )


def _scalar(output: Any) -> Floats:
    return np.asarray(output.exported_fields.scalar_field, dtype=np.float64)


def _at_surfaces(output: Any) -> list[float]:
    return [float(value) for value in np.asarray(output.exported_fields.scalar_field_at_surface_points)]


def regular_grid(geo_model: Any) -> Any:
    """The model's dense grid, or its octree grid, also while GemPy has them switched off."""
    grid = geo_model.grid.dense_grid or geo_model.grid.octree_grid
    if grid is None:
        raise GridError("The GemPy model has no regular grid. Give gempy.create_geomodel an extent and a resolution.")
    return grid


def cells_of(regular_grid: Any) -> tuple[int, int, int]:
    """The cells of one of GemPy's regular grids."""
    nx, ny, nz = (int(n) for n in regular_grid.resolution)
    return nx, ny, nz


def rotation(geo_model: Any) -> float:
    """Degrees anticlockwise of the model's grid. GemPy keeps the inverse: from the map to the grid's own axes."""
    transform = geo_model.grid.transform
    tilt, scale, shift = transform.rotation[:2], transform.scale, transform.position
    if not (np.allclose(tilt, 0) and np.allclose(scale, 1) and np.allclose(shift, 0)):
        raise GridError(
            f"The GemPy model's grid is rotated by {transform.rotation.tolist()} degrees about x, y, z, scaled by "
            f"{scale.tolist()} and shifted by {shift.tolist()}. Expected a rotation about z only."
        )
    return 0.0 - float(transform.rotation[2])  # 0.0 - 0.0 is 0.0, where -0.0 would be printed


def local_extent(geo_model: Any, extent: Extent | None) -> Extent:
    """An extent as in `Grid.extent` in the model's own axes, in which GemPy computes; None means the whole model."""
    rotation(geo_model)
    whole = np.asarray(regular_grid(geo_model).extent, dtype=np.float64)
    if extent is None:
        return as_extent(whole)
    box = np.asarray(Grid(extent, (1, 1, 1)).extent)  # checks it
    corner = geo_model.grid.transform.apply_with_cached_pivot(box[None, 0::2])[0]
    local = np.stack([corner, corner + box[1::2] - box[0::2]])
    slack = EDGE_TOLERANCE * (whole[1::2] - whole[0::2])
    if (local[0] < whole[0::2] - slack).any() or (local[1] > whole[1::2] + slack).any():
        raise GridError(
            f"The extent {tuple(extent)} leaves the model, which covers {map_extent(geo_model, as_extent(whole))}. "
            "Expected a part of the model: GemPy knows nothing outside it."
        )
    return as_extent(local.T.ravel())


def map_extent(geo_model: Any, local: Extent) -> Extent:
    """An extent in the model's own axes as in `Grid.extent`: the corner where it lies on the map, the sizes unchanged."""
    box = np.asarray(local)
    corner = geo_model.grid.transform.apply_inverse_with_cached_pivot(box[None, 0::2])[0]
    return as_extent(np.stack([corner, corner + box[1::2] - box[0::2]], axis=1).ravel())


def as_extent(values: NDArray[np.float64]) -> Extent:
    """Six numbers as an extent."""
    x0, x1, y0, y1, z0, z1 = (float(value) for value in values)
    return x0, x1, y0, y1, z0, z1


def _check_element(model: Any, element: str) -> None:
    groups = model.structural_frame.structural_groups
    faults = [e.name for group in groups if group.is_fault for e in group.elements]
    units = [e.name for e in model.structural_frame.structural_elements if e.name not in faults]
    if element in faults:
        raise GempyGanError(f"{element!r} is a fault of the model, which fills no volume. Its units are: {', '.join(units)}.")
    if element not in units:
        raise GempyGanError(f"The model has no element {element!r}. Its units are: {', '.join(units)}.")


def _compute(model: Any) -> Any:
    gp = gempy()
    with _numpy_engine(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "overflow encountered", RuntimeWarning)  # lith_block's, which is not used
        try:
            return gp.compute_model(model)
        except Exception as error:  # the engine raises whatever its linear algebra does
            raise GempyGanError(
                f"GemPy cannot compute the model: {error}. Expected one that gempy.compute_model accepts: "
                "every unit needs surface points, every group an orientation."
            ) from error


@contextlib.contextmanager
def _numpy_engine() -> Iterator[None]:
    """GemPy's engine is one global setting; whatever it was before is set again afterwards."""
    from gempy_engine.core.backend_tensor import BackendTensor

    before = BackendTensor.engine_backend, BackendTensor.use_gpu, BackendTensor.dtype, BackendTensor.COMPUTE_GRADS
    try:
        yield
    finally:
        if (BackendTensor.engine_backend, BackendTensor.dtype) != (before[0], before[2]):
            import torch

            gradients = torch.is_grad_enabled()
            with contextlib.redirect_stdout(io.StringIO()):
                BackendTensor.change_backend_gempy(*before)
            torch.set_grad_enabled(gradients)  # GemPy's torch engine switches them off for the whole process


def gempy() -> Any:
    """The package gempy, imported when first needed (it takes seconds), without its greeting and its dependencies' warnings."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", DeprecationWarning)
        import gempy as package
    return package
