"""Structural models through the tops of wells: picks become the surfaces that GemPy interpolates."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.frame import Extent, rotate
from gempy_gan.gempy_model import PICK_NUGGET, as_extent, gempy
from gempy_gan.wells import WellLog

if TYPE_CHECKING:
    import pandas as pd

MARGIN = 0.5  # of the height between the lowest and the highest pick, left below and above them
AROUND = 0.1  # of the larger width that wells span, left around them where no extent is given
COLOURS = ("#999999", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def placed_tops(well: WellLog, depths: Mapping[str, float]) -> pd.DataFrame:
    """Where the trajectory of a well meets tops at measured depths (metres): columns `well`, `top`, `x`, `y`, `z`.

    Raises GempyGanError when a top lies off the trajectory.
    """
    import pandas as pd

    md = np.array([*depths.values()], dtype=np.float64)
    xyz = well.xyz(md).reshape(-1, 3)
    off = ~np.isfinite(xyz).all(axis=1)
    if off.any():
        name = [*depths][int(np.argmax(off))]
        raise GempyGanError(f"Well {well.name}: the top {name!r} at {depths[name]:g} m lies off its trajectory. Check its unit.")
    return pd.DataFrame({"well": well.name, "top": [*depths], "x": xyz[:, 0], "y": xyz[:, 1], "z": xyz[:, 2]})


def model_from_tops(
    tops: pd.DataFrame,
    surfaces: Sequence[str],
    extent: Sequence[float] | None = None,
    resolution: tuple[int, int, int] = (24, 24, 24),
    rotation: float = 0.0,
    name: str = "tops",
) -> Any:
    """A `gempy.data.GeoModel`, not yet computed, whose surfaces pass through picks.

    `tops` has columns `well`, `top`, `x`, `y`, `z` (metres, z up; see `placed_tops`). `surfaces` names the tops to take, young to
    old; a well may lack some. Each unit is called like the top that it lies below, down to the next one; what lies above the
    first is "above ...", what lies below the last is GemPy's "basement". All surfaces belong to one structural group, so layers
    between them follow both. Each has one orientation: the plane through its picks, where they tell one.

    `extent` is (x0, x1, y0, y1), with z0, z1 if not the picks' own heights and half as much around; None is all picks with a
    margin. The model's grid is turned by `rotation` degrees anticlockwise about (x0, y0), as in `Grid`: rivers of a prior flow
    along its x axis. Raises GempyGanError for a surface without picks, a well that has one twice or in another order, and an
    impossible extent.
    """
    _check(tops, surfaces)
    gp = gempy()
    elements = []
    for k, surface in enumerate(surfaces):
        unit = f"above {surface}" if k == 0 else surfaces[k - 1]
        elements.append(_element(gp, unit, COLOURS[k % len(COLOURS)], _xyz(tops[tops["top"] == surface])))
    group = gp.data.StructuralGroup("Strata", elements, gp.data.StackRelationType.ERODE)
    frame = gp.data.StructuralFrame(structural_groups=[group], color_gen=gp.data.ColorsGenerator())
    box = extent_of(tops[tops["top"].isin(surfaces)], extent)
    with contextlib.redirect_stdout(io.StringIO()):  # GemPy prints
        model = gp.create_geomodel(project_name=name, extent=list(box), resolution=list(resolution), structural_frame=frame)
    if rotation:
        model.grid = gp.data.Grid()
        model.grid.dense_grid = _turned(gp, box, resolution, rotation)
    return model


def extent_of(tops: pd.DataFrame, extent: Sequence[float] | None = None) -> Extent:
    """The extent of a model of picks: four numbers get heights, none gets all. Raises GempyGanError for an impossible one."""
    given = None if extent is None else np.asarray(extent, dtype=np.float64)
    if given is not None and (given.shape not in ((4,), (6,)) or not (np.diff(given)[::2] > 0).all()):
        raise GempyGanError(
            f"The extent of a model of tops is {given.tolist()}. Expected (x0, x1, y0, y1) or (x0, x1, y0, y1, z0, z1), rising."
        )
    low, high = (bound(_xyz(tops), axis=0) for bound in (np.min, np.max))
    around = AROUND * float((high - low)[:2].max()) or 1.0
    room = np.array([around, around, MARGIN * float(high[2] - low[2]) or 1.0])
    box = np.stack([low - room, high + room], axis=1).ravel()
    if given is not None:
        box[: len(given)] = given
    return as_extent(box)


def _turned(gp: Any, box: Extent, resolution: tuple[int, int, int], rotation: float) -> Any:
    """A regular grid of GemPy's over a box that is turned about its corner."""
    corner = np.array([box[0], box[2]])
    along = corner + rotate(np.array([[box[1] - box[0], 0.0]]), rotation)[0]
    cells = np.array(resolution)
    return gp.data.grid.RegularGrid.from_corners_box(
        tuple(corner), tuple(along), box[3] - box[2], box[4], box[5], cells, plot=False
    )


def _element(gp: Any, name: str, colour: str, places: NDArray[np.float64]) -> Any:
    """A structural element whose base passes through places (N, 3)."""
    x, y, z = places.T
    centre = places.mean(axis=0)
    dip = np.linalg.lstsq(places[:, :2] - centre[:2], z - centre[2], rcond=None)[0]  # flat where picks tell none
    pole = np.array([-dip[0], -dip[1], 1.0]) / np.sqrt(1 + dip @ dip)
    at = (np.array([value]) for value in (*centre, *pole))
    return gp.data.StructuralElement(
        name=name,
        color=colour,
        surface_points=gp.data.SurfacePointsTable.from_arrays(x, y, z, names=name, nugget=np.full(len(x), PICK_NUGGET)),
        orientations=gp.data.OrientationsTable.from_arrays(*at, names=name),
    )


def _check(tops: pd.DataFrame, surfaces: Sequence[str]) -> None:
    if not surfaces or len(set(surfaces)) < len(surfaces):
        raise GempyGanError(f"The surfaces are {[*surfaces]}. Expected names of tops, young to old, each once.")
    there = set(tops["top"])
    missing = [surface for surface in surfaces if surface not in there]
    if missing:
        raise GempyGanError(f"No well has a top {missing[0]!r}. There are: {', '.join(sorted(there)) or 'none'}.")
    order = {surface: k for k, surface in enumerate(surfaces)}
    for well, own in tops[tops["top"].isin(surfaces)].groupby("well", sort=False):
        picked = own.assign(order=own["top"].map(order)).sort_values("order")
        if picked["top"].duplicated().any():
            raise GempyGanError(f"Well {well} has the top {picked['top'][picked['top'].duplicated()].iloc[0]!r} more than once.")
        rising = np.diff(picked["z"].to_numpy()) >= 0
        if rising.any():
            k = int(np.argmax(rising))
            upper, lower = picked.iloc[k], picked.iloc[k + 1]
            raise GempyGanError(
                f"Well {well} has {upper['top']!r} at {upper['z']:g} m and {lower['top']!r} at {lower['z']:g} m elevation. "
                "Expected surfaces named young to old, each below the one before: check their order and the picks."
            )


def _xyz(tops: pd.DataFrame) -> NDArray[np.float64]:
    return tops[["x", "y", "z"]].to_numpy(dtype=np.float64)
