"""The bridge to GemPy: a unit of a structural model as a Grid, and realizations as arrays on the model's own grid."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.frame import Extent
from gempy_gan.grid import OUTSIDE, Grid

if TYPE_CHECKING:
    from gempy_gan.ensemble import Ensemble

SEARCH = 24  # cells per axis with which the unit's box is looked for, at least
EDGE_TOLERANCE = 1e-6  # of the model's size, by which an extent may leave it


def from_gempy(
    geo_model: Any,
    element: str,
    resolution: tuple[int, int, int] | None = None,
    extent: Extent | None = None,
) -> Grid:
    """The grid of one unit of a GemPy model: its cells, the model's rotation, and as `active` the cells inside the unit.

    Parameters
    ----------
    geo_model:
        A `gempy.data.GeoModel`, computed or not. It is not changed: a copy of it is computed.
    element:
        Name of the structural element whose *base* bounds the unit, as in `geo_model.structural_frame`.
    resolution:
        Cells (nx, ny, nz). None takes the cells of the model's own regular grid (`extent` must then be None too).
    extent:
        (x0, x1, y0, y1, z0, z1) in metres, before the model's rotation about the corner (x0, y0), as in `Grid.extent`.
        None takes the unit's bounding box in the model's axes, found to within a 24th of its own size.

    A cell belongs to the unit when its centre does. Cells above the model's topography are not active.

    Raises GempyGanError when the element is unknown, a fault, or GemPy cannot compute the model; GridError when the unit
    has no cell, the extent leaves the model, or the model's grid is tilted.
    """
    local = _local_extent(geo_model, extent)
    if resolution is None:
        if extent is not None:
            raise GridError("An extent was given without a resolution. Give both, or neither for the model's own grid.")
        resolution = _cells_of(_regular_grid(geo_model))
    elif extent is None:
        local = _unit_box(geo_model, element, local)
    grid = Grid(_map_extent(geo_model, local), resolution, _rotation(geo_model))
    active = _inside(geo_model, element, local, grid.resolution)
    if not active.any():
        raise GridError(
            f"No cell centre of {grid.resolution} cells over {grid.extent} lies in the unit {element!r}. "
            "Expected at least one: choose more cells, or another extent."
        )
    return grid.with_active(active)


def to_gempy(ensemble: Ensemble, geo_model: Any, realization: int = 0, property: str | None = None) -> NDArray[np.float64]:
    """One realization of a property on the regular grid of a GemPy model, (nx, ny, nz), NaN outside the ensemble's unit.

    Each cell of the model takes the value of the ensemble's cell that holds its centre; where that cell is not active, or
    there is none, the array is NaN, which plots draw as nothing. `property=None` takes the first one. The array fits
    `gempy_viewer.plot_2d(geo_model, override_regular_grid=...)`; give its `kwargs_lithology=` a `cmap` and a `norm` too,
    for the viewer's own are those of the structural units.

    A GeoModel takes no new attributes, so the array is returned and the model is not changed. Raises GempyGanError for an
    unknown property or realization, GridError when the model has no regular grid or does not meet the ensemble's grid.
    """
    name = ensemble.properties[0].name if property is None else ensemble.property(property).name
    if not -len(ensemble) <= realization < len(ensemble):
        raise GempyGanError(f"Realization {realization} was asked for, and the ensemble holds {len(ensemble)}. Count from 0.")
    target = _regular_grid(geo_model)
    cells = ensemble.grid.cells(target.values)
    inside = cells[:, 0] != OUTSIDE
    inside[inside] = ensemble.grid.active_cells[tuple(cells[inside].T)]
    if not inside.any():
        raise GridError(
            f"No cell of the model's grid over {tuple(float(v) for v in target.extent)} has its centre in an active cell of the "
            f"ensemble's grid over {ensemble.grid.extent}. Expected them to overlap, in the same coordinates."
        )
    values = ensemble.dataset[name].isel(realization=realization).values
    block = np.full(len(cells), np.nan)
    block[inside] = values[tuple(cells[inside].T)]
    return block.reshape(_cells_of(target))


def _regular_grid(geo_model: Any) -> Any:
    """The model's dense grid, or its octree grid, also while GemPy has them switched off."""
    grid = geo_model.grid.dense_grid or geo_model.grid.octree_grid
    if grid is None:
        raise GridError("The GemPy model has no regular grid. Give gempy.create_geomodel an extent and a resolution.")
    return grid


def _cells_of(regular_grid: Any) -> tuple[int, int, int]:
    nx, ny, nz = (int(n) for n in regular_grid.resolution)
    return nx, ny, nz


def _rotation(geo_model: Any) -> float:
    """Degrees anticlockwise of the model's grid. GemPy keeps the inverse: from the map to the grid's own axes."""
    transform = geo_model.grid.transform
    tilt, scale, shift = transform.rotation[:2], transform.scale, transform.position
    if not (np.allclose(tilt, 0) and np.allclose(scale, 1) and np.allclose(shift, 0)):
        raise GridError(
            f"The GemPy model's grid is rotated by {transform.rotation.tolist()} degrees about x, y, z, scaled by "
            f"{scale.tolist()} and shifted by {shift.tolist()}. Expected a rotation about z only."
        )
    return 0.0 - float(transform.rotation[2])  # 0.0 - 0.0 is 0.0, where -0.0 would be printed


def _local_extent(geo_model: Any, extent: Extent | None) -> Extent:
    """An extent as in `Grid.extent` in the model's own axes, in which GemPy computes; None means the whole model."""
    _rotation(geo_model)
    whole = np.asarray(_regular_grid(geo_model).extent, dtype=np.float64)
    if extent is None:
        return _as_extent(whole)
    box = np.asarray(Grid(extent, (1, 1, 1)).extent)  # checks it
    corner = geo_model.grid.transform.apply_with_cached_pivot(box[None, 0::2])[0]
    local = np.stack([corner, corner + box[1::2] - box[0::2]])
    slack = EDGE_TOLERANCE * (whole[1::2] - whole[0::2])
    if (local[0] < whole[0::2] - slack).any() or (local[1] > whole[1::2] + slack).any():
        raise GridError(
            f"The extent {tuple(extent)} leaves the model, which covers {_map_extent(geo_model, _as_extent(whole))}. "
            "Expected a part of the model: GemPy knows nothing outside it."
        )
    return _as_extent(local.T.ravel())


def _map_extent(geo_model: Any, local: Extent) -> Extent:
    """An extent in the model's own axes as in `Grid.extent`: the corner where it lies on the map, the sizes unchanged."""
    box = np.asarray(local)
    corner = geo_model.grid.transform.apply_inverse_with_cached_pivot(box[None, 0::2])[0]
    return _as_extent(np.stack([corner, corner + box[1::2] - box[0::2]], axis=1).ravel())


def _as_extent(values: NDArray[np.float64]) -> Extent:
    x0, x1, y0, y1, z0, z1 = (float(value) for value in values)
    return x0, x1, y0, y1, z0, z1


def _unit_box(geo_model: Any, element: str, whole: Extent) -> Extent:
    """The unit's bounding box within the model, in the model's axes: found on coarse cells, then once more around them."""
    cells = SEARCH, SEARCH, max(SEARCH, _cells_of(_regular_grid(geo_model))[2])  # a thin unit must not slip through
    around = _box_of(_inside(geo_model, element, whole, cells), whole, pad=1)
    if around is None:
        raise GridError(
            f"The unit {element!r} has no cell within the model (looked for with {cells} cells). "
            "Expected a unit that is present: check its surface points, or give the extent where it should be."
        )
    found = _box_of(_inside(geo_model, element, around, cells), around, pad=0)
    return around if found is None else found


def _box_of(inside: NDArray[np.bool_], extent: Extent, pad: int) -> Extent | None:
    """The extent of the cells that are inside, grown by `pad` cells but not beyond `extent`; None when there are none."""
    if not inside.any():
        return None
    bounds = []
    for k in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != k)))
        faces = np.linspace(extent[2 * k], extent[2 * k + 1], inside.shape[k] + 1)
        bounds += [faces[max(hit[0] - pad, 0)], faces[min(hit[-1] + pad, inside.shape[k] - 1) + 1]]
    return _as_extent(np.array(bounds))


def _inside(geo_model: Any, element: str, local: Extent, resolution: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Which cells of a box in the model's axes belong to the unit, (nx, ny, nz)."""
    names, ids = _lithology(geo_model, element, local, resolution)
    inside: NDArray[np.bool_] = ids == names.index(element) + 1
    return inside & _below_topography(geo_model, local, inside.shape)


def _lithology(
    geo_model: Any, element: str, local: Extent, resolution: tuple[int, int, int]
) -> tuple[list[str], NDArray[np.int64]]:
    """Names of the elements, and for each cell of a box 1 + the position of its element in them.

    Computed on a copy: computing a model replaces its solution and reorders its elements. A dense grid is used because
    octree ids are those of coarse blocks, and `dense_ids` because `lith_block` is int8, which 127 units exhaust.
    """
    gp = gempy()
    grid = gp.data.Grid()
    grid.dense_grid = gp.data.grid.RegularGrid(np.asarray(local), np.asarray(resolution), geo_model.grid.transform)
    spared = {id(geo_model.grid): grid, id(geo_model.solutions): None, id(geo_model.taped_interpolation_input): None}
    model = copy.deepcopy(geo_model, spared)
    model.geophysics_input = None
    evaluation = model.interpolation_options.evaluation_options
    evaluation.mesh_extraction, evaluation.number_octree_levels = False, 1
    _check_element(model, element)
    solutions = _compute(model)
    return [e.name for e in model.structural_frame.structural_elements], np.asarray(solutions.raw_arrays.dense_ids, np.int64)


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


def _below_topography(geo_model: Any, local: Extent, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which cell centres of a box in the model's axes lie below the topography; all of them where the model has none."""
    topography = geo_model.grid.topography
    if topography is None or geo_model.grid.GridTypes.TOPOGRAPHY not in geo_model.grid.active_grids:
        return np.ones(shape, dtype=np.bool_)
    from scipy.interpolate import griddata

    box = Grid(local, (shape[0], shape[1], shape[2]))
    x, y = np.meshgrid(box.axis(0), box.axis(1), indexing="ij")
    known = np.asarray(topography.values, dtype=np.float64)
    height = griddata(known[:, :2], known[:, 2], (x, y), method="linear")
    nearest = griddata(known[:, :2], known[:, 2], (x, y), method="nearest")
    height = np.where(np.isfinite(height), height, nearest)
    return np.asarray(box.axis(2) < height[..., None])


def load_gempy(path: str | os.PathLike[str]) -> Any:
    """A `gempy.data.GeoModel` that `gempy.save_model` wrote (.gempy), not yet computed.

    Raises FormatError when the file is missing or no such model.
    """
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"The GemPy model {file} does not exist. Save one with gempy.save_model(model, path).")
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # GemPy calls its own format a preview
        try:
            return gempy().load_model(str(file))
        except Exception as error:  # whatever GemPy's parsers raise, the file is what is wrong
            raise FormatError(f"{file} is no GemPy model: {error}. Expected what gempy.save_model wrote (.gempy).") from error


def save_gempy(geo_model: Any, path: str | os.PathLike[str]) -> Path:
    """Write a GemPy model, without its solutions, to a .gempy file."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        gempy().save_model(geo_model, str(path), validate_serialization=False)
    return Path(path)


def gempy() -> Any:
    """The package gempy, imported when first needed (it takes seconds), without its greeting and its dependencies' warnings."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", DeprecationWarning)
        import gempy as package
    return package
