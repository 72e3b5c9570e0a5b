"""The bridge to GemPy: a unit of a structural model as a Grid, and realizations as arrays on the model's own grid."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError, GempyGanError, GempyGanWarning, GridError
from gempy_gan.frame import Extent
from gempy_gan.frame_fit import fit_frame
from gempy_gan.gempy_model import as_extent, cells_of, evaluate, gempy, local_extent, map_extent, regular_grid, rotation
from gempy_gan.grid import OUTSIDE, Grid
from gempy_gan.limits import check_archive
from gempy_gan.unit_field import Mode, UnitField, nodes_of
from gempy_gan.unit_frame import UnitFrame

if TYPE_CHECKING:
    from gempy_gan.ensemble import Ensemble

MOST_BYTES = 2**31  # that a model's file may unpack to
SEARCH = 24  # cells per axis with which the unit's box is looked for, at least
LOST = 0.02  # share of the unit's nodes outside the frame, above which a warning says so
SAME = 1e-4  # of a unit's thickness, within which a cell's centre is found again


def from_gempy(
    geo_model: Any,
    element: str,
    resolution: tuple[int, int, int] | None = None,
    extent: Extent | None = None,
    frame: Mode | Literal["box"] | None = None,
    thickness: float | None = None,
) -> Grid:
    """The grid of one unit of a GemPy model: cells that follow its layers, and as `active` those inside the unit.

    Parameters
    ----------
    geo_model:
        A `gempy.data.GeoModel`, computed or not. It is not changed: a copy of it is computed.
    element:
        Name of the structural element whose *base* bounds the unit, as in `geo_model.structural_frame`.
    resolution:
        Cells (nx, ny, nz). None takes the cells of the model's own regular grid, a plain box (`extent` must then be None too).
    extent:
        (x0, x1, y0, y1, z0, z1) in metres, before the model's rotation about the corner (x0, y0), as in `Grid.extent`.
        None takes the unit's bounding box in the model's axes, found to within a 24th of its own size.
    frame:
        How cells lie in the unit, in columns that are vertical:

        - "scalar" (default with a resolution): layers follow GemPy's scalar field S, t = (S - S_base) / (S_top - S_base). Where
          the unit was eroded they go on above the cut, as they were deposited, and are not active there.
        - "column": layers in proportion between the unit's base and top in each column.
        - "distance": layers at equal distances above the unit's base, or below its top where it has no base (the oldest unit),
          over a `thickness` in metres.
        - "box": the plain box of the extent, with flat layers (default without a resolution).
    thickness:
        Of a unit without top or base, metres: for the frame "distance" only.

    A cell belongs to the unit when its centre does. Cells above the model's topography are not active, nor are those that a fault
    cut out of their column. Where S turns around inside the unit its column is proportional instead, and all of them where this
    happens in more than a tenth, with a GempyGanWarning. `grid.frame.quality` says how far to trust the frame: `monotone_share`,
    the share of columns in which S grows all the way up; `replaced_columns` and `pinched_columns` (thinner than a hundredth of
    the mean), their numbers; `thickness` [5 %, mean, 95 %] of the columns in metres; `layer_thickness_spread`, half the range of
    the middle two thirds of the layers' heights, relative to the mean of their column; `field_error`, how far in t the field is
    off between its nodes; `never_sampled`, the share of cells that no place in the model belongs to; `outside`, the share of the
    unit that lies outside the frame, because a column passes through it once more (or beyond the thickness of "distance"). Fault
    blocks are told by `grid.frame.blocks(xyz)`.

    Raises GempyGanError when the element is unknown, a fault, without the surfaces that its frame needs, or offset by a finite
    fault, or GemPy cannot compute the model; GridError when the unit has no cell, the extent leaves the model, or its grid is
    tilted.
    """
    mode = frame or ("box" if resolution is None else "scalar")
    if mode not in ("scalar", "column", "distance", "box"):
        raise GempyGanError(f"The frame is {frame!r}. Allowed: 'scalar', 'column', 'distance', 'box'.")
    local = local_extent(geo_model, extent)
    if resolution is None:
        if extent is not None or mode != "box":
            raise GridError(
                "An extent or a frame was given without a resolution. Give one, or none of them for the model's own grid, a box."
            )
        resolution = cells_of(regular_grid(geo_model))
    elif extent is None:
        local = _unit_box(geo_model, element, local)
    if mode != "box":
        return _framed(geo_model, element, local, Grid(local, resolution).resolution, mode, thickness, extent is None)
    grid = Grid(map_extent(geo_model, local), resolution, rotation(geo_model))
    return _with_active(grid, _inside(geo_model, element, local, grid.resolution), element)


def _with_active(grid: Grid, active: NDArray[np.bool_], element: str) -> Grid:
    if not active.any():
        raise GridError(
            f"No cell centre of {grid.resolution} cells over {grid.extent} lies in the unit {element!r}. "
            "Expected at least one: choose more cells, or another extent."
        )
    return grid.with_active(active)


def _framed(
    geo_model: Any, element: str, local: Extent, cells: tuple[int, int, int], mode: Mode, thickness: float | None, whole: bool
) -> Grid:
    """The grid in the unit's frame over a horizontal box; `whole` looks for the unit at all heights of the model."""
    heights = np.asarray(regular_grid(geo_model).extent, dtype=np.float64)[4:] if whole else np.asarray(local[4:])

    def asked(points: NDArray[np.float64]) -> Any:
        return evaluate(geo_model, element, points)

    fitted, field = fit_frame(asked, as_extent(np.array([*local[:4], *heights])), cells, mode, thickness, element)
    here = Grid(fitted.extent, cells, frame=fitted)
    centres = here.centres().reshape(-1, 3)
    sampled = np.abs(fitted.to_box(centres)[:, 2] - np.tile((np.arange(cells[2]) + 0.5) / cells[2], cells[0] * cells[1])) < SAME
    active = sampled & _in_unit(asked, centres, fitted, field) & _under_topography(geo_model, centres)
    where, turned = map_extent(geo_model, fitted.extent), rotation(geo_model)
    outside = _outside(fitted, field)
    quality = {"never_sampled": 1 - float(sampled.mean()), "outside": outside}
    if outside > LOST and mode != "distance":  # which leaves out what lies beyond the thickness
        warnings.warn(
            f"{outside:.0%} of the unit {element!r} lies outside its frame, which holds one passage of each column through the "
            'unit. Check the model there, or take frame="box".',
            GempyGanWarning,
            stacklevel=3,
        )
    frame = replace(fitted, extent=where, rotation=turned, quality={**fitted.quality, **quality})
    return _with_active(Grid(where, cells, turned, frame=frame), active.reshape(cells), element)


def _in_unit(asked: Any, points: NDArray[np.float64], frame: UnitFrame, field: UnitField) -> NDArray[np.bool_]:
    """Which points (N, 3) of the frame lie in the unit: GemPy is asked where the nodes around do not agree on the group."""
    low, high = np.array(field.box[0::2]), np.array(field.box[1::2])
    share = (points - low) / (high - low) * (np.array(field.group.shape) - 1)
    corner = np.clip(np.floor(share).astype(np.int64), 0, np.array(field.group.shape) - 2)
    votes = np.zeros(len(points), dtype=np.int64)
    for dx, dy, dz in np.ndindex(2, 2, 2):
        votes += field.group[corner[:, 0] + dx, corner[:, 1] + dy, corner[:, 2] + dz]
    trusted = frame.mode == "scalar" and not frame.quality["replaced_columns"]
    known = ((share >= 0) & (share <= np.array(field.group.shape) - 1)).all(axis=1) & (votes == 8) & trusted
    inside = known.copy()  # in the group, and between the unit's base and top
    if not known.all():
        inside[~known] = asked(points[~known]).unit
    return np.asarray(inside)


def _outside(frame: UnitFrame, field: UnitField) -> float:
    """The share of the unit's nodes that the frame leaves outside."""
    mx, my, mz = field.unit.shape
    t = frame.to_box(nodes_of(field.box, (mx, my, mz))[field.unit.ravel()])[:, 2]
    slack = 0.01
    return float(((t < -slack) | (t > 1 + slack)).mean()) if len(t) else 0.0


def model_grid(geo_model: Any) -> Grid:
    """The regular grid of a GemPy model, all of its cells: where the units of a model meet (`regrid`)."""
    local = as_extent(np.asarray(regular_grid(geo_model).extent, dtype=np.float64))
    return Grid(map_extent(geo_model, local), cells_of(regular_grid(geo_model)), rotation(geo_model))


def to_gempy(
    ensemble: Ensemble | Sequence[Ensemble], geo_model: Any, realization: int = 0, property: str | None = None
) -> NDArray[np.float64]:
    """One realization of a property on the regular grid of a GemPy model, (nx, ny, nz), NaN outside the ensemble's unit.

    Each cell of the model takes the value of the ensemble's cell that holds its centre; where that cell is not active, or
    there is none, the array is NaN, which plots draw as nothing. `property=None` takes the first one. Of several ensembles, one
    for each unit, each fills its own cells. The array fits `gempy_viewer.plot_2d(geo_model, override_regular_grid=...)`; give its
    `kwargs_lithology=` a `cmap` and a `norm` too, for the viewer's own are those of the structural units.

    A GeoModel takes no new attributes, so the array is returned and the model is not changed. Raises GempyGanError for an
    unknown property or realization, GridError when the model has no regular grid or does not meet an ensemble's grid.
    """
    target = regular_grid(geo_model)
    array = np.full(len(target.values), np.nan)
    for one in ensemble if isinstance(ensemble, Sequence) else [ensemble]:
        where, values = _at_centres(one, target, realization, property)
        array[where] = values
    return array.reshape(cells_of(target))


def _at_centres(
    ensemble: Ensemble, target: Any, realization: int, property: str | None
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which cells of one of GemPy's grids have their centres in active cells of the ensemble, and the values there."""
    name = ensemble.properties[0].name if property is None else ensemble.property(property).name
    if not -len(ensemble) <= realization < len(ensemble):
        raise GempyGanError(f"Realization {realization} was asked for, and the ensemble holds {len(ensemble)}. Count from 0.")
    cells = ensemble.grid.cells(target.values)
    inside = np.asarray(cells[:, 0] != OUTSIDE)
    inside[inside] = ensemble.grid.active_cells[tuple(cells[inside].T)]
    if not inside.any():
        raise GridError(
            f"No cell of the model's grid over {tuple(float(v) for v in target.extent)} has its centre in an active cell of the "
            f"ensemble's grid over {ensemble.grid.extent}. Expected them to overlap, in the same coordinates."
        )
    values = ensemble.dataset[name].isel(realization=realization).values
    return inside, values[tuple(cells[inside].T)].astype(np.float64)


def _unit_box(geo_model: Any, element: str, whole: Extent) -> Extent:
    """The unit's bounding box within the model, in the model's axes: found on coarse cells, then once more around them."""
    cells = SEARCH, SEARCH, max(SEARCH, cells_of(regular_grid(geo_model))[2])  # a thin unit must not slip through
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
    return as_extent(np.array(bounds))


def _inside(geo_model: Any, element: str, local: Extent, resolution: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Which cells of a box in the model's axes belong to the unit, (nx, ny, nz)."""
    centres = Grid(local, resolution).centres().reshape(-1, 3)
    inside = evaluate(geo_model, element, centres).unit & _under_topography(geo_model, centres)
    return np.asarray(inside.reshape(resolution))


def _under_topography(geo_model: Any, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points (N, 3) in the model's axes lie below the topography; all of them where the model has none."""
    topography = geo_model.grid.topography
    if topography is None or geo_model.grid.GridTypes.TOPOGRAPHY not in geo_model.grid.active_grids:
        return np.ones(len(points), dtype=np.bool_)
    from scipy.interpolate import griddata

    known = np.asarray(topography.values, dtype=np.float64)
    xy, back = np.unique(points[:, :2], axis=0, return_inverse=True)
    height = griddata(known[:, :2], known[:, 2], xy, method="linear")
    nearest = griddata(known[:, :2], known[:, 2], xy, method="nearest")
    return np.asarray(points[:, 2] < np.where(np.isfinite(height), height, nearest)[back.ravel()])


def load_gempy(path: str | os.PathLike[str]) -> Any:
    """A `gempy.data.GeoModel` that `gempy.save_model` wrote (.gempy), not yet computed.

    Raises FormatError when the file is missing or no such model.
    """
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"The GemPy model {file} does not exist. Save one with gempy.save_model(model, path).")
    check_archive(file, MOST_BYTES, "GemPy model")
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
