"""Seismic traces to the columns of a grid, as data for an inversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.constraints import SoftData
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import OUTSIDE, Grid
from gempy_gan.seismic import Domain, SeismicCube
from gempy_gan.unit_frame import UnitFrame

if TYPE_CHECKING:
    from torch import Tensor

WITHIN = 0.499  # of a cell, by which a trace may stand off the centre of the column whose cells predict it


class BoundForward(Protocol):
    """An operator that predicts samples at grid columns, and knows where in the grid each of them looks."""

    def __call__(self, m: Tensor) -> Tensor:
        """Data (n, columns * samples) of realizations (n, c, nx, ny, nz)."""

    def positions(self) -> NDArray[np.float64]:
        """Fractional cell indices (columns * samples, 3), NaN for a sample outside the grid."""

    def near_edges(self) -> NDArray[np.bool_]:
        """Which samples (columns * samples,) also see what lies above or below the grid."""


class TraceForward(Protocol):
    """What predicts traces once it is bound, such as `forward.Convolution`."""

    def bind(self, grid: Grid, columns: ArrayLike, axis: ArrayLike, domain: Domain) -> BoundForward:
        """The operator for these columns (k, 2), which may be fractional (see `resample`), and axis values (s,)."""


def resample(
    cube: SeismicCube,
    grid: Grid,
    *,
    forward: TraceForward,
    std: ArrayLike,
    columns: Literal["nearest", "mean"] = "nearest",
    within: float | None = None,
    window: tuple[float, float] | None = None,
    name: str = "seismic",
) -> SoftData:
    """Traces on grid columns as SoftData with values (columns, samples); only columns that a live trace reaches.

    Amplitudes are kept as they are: each column takes whole traces, and samples stay at the cube's own times (depths), cut to
    those that fall between the top and base of the column's active cells. Samples within half a wavelet of top or base also see
    reflectors outside, which the forward does not know; `report["samples_near_edges"]` counts them, and `window` leaves them out.

    In the frame of a unit the height of a layer changes within a column of cells: there a trace ("nearest") is predicted where it
    stands itself, as a fractional column, from the cells of the column around it.

    Parameters
    ----------
    cube, grid:
        The traces and the grid, in the same map coordinates.
    forward:
        What predicts the traces, not yet bound to the grid: `forward.Convolution(...)`.
    std:
        Standard deviation of an amplitude, including what the forward cannot explain (`WellTie.residual_std`): one number, or
        an array that broadcasts to (columns, samples).
    columns:
        "nearest" takes the live trace nearest to a column's centre, each trace at most once; "mean" averages the live traces
        inside the column.
    within:
        For "nearest", the farthest that a trace may stand from the column's centre, metres; None takes half the diagonal of a
        column.
    window:
        (first, last) seconds or metres of the cube's axis, to use less than the grid's height.
    name:
        Of the data, in messages and diagnosis.

    `report` counts traces used, dead, outside and unused, columns without a trace, and the samples left out.

    Raises GempyGanError when grid and survey do not overlap on the map or along the axis, when `forward` belongs to the other
    domain or knows no time-depth relation, or an option cannot be right.
    """
    if not hasattr(forward, "bind"):
        raise GempyGanError(
            f"forward is {forward!r}. Expected an unbound operator such as forward.Convolution(wavelet, rock, ...)."
        )
    if columns not in ("nearest", "mean"):
        raise GempyGanError(f"columns is {columns!r}. Allowed: 'nearest' or 'mean'.")
    live = np.flatnonzero(~cube.dead)
    home = _columns_of(cube.xy[live], grid)
    if columns == "nearest":
        index, traces, used, distance = _nearest(cube, grid, live, within)
    else:
        index, traces, used, distance = _mean(cube, grid, live, home)
    if not len(index):
        raise GempyGanError(_apart(cube, grid))
    operator, samples, known = _bind(forward, cube, grid, index, window)
    values = np.where(known, traces[:, samples], np.nan)
    report = {
        "source": dict(cube.source),
        "domain": cube.domain,
        "traces": len(cube.traces),
        "traces_dead": int(cube.dead.sum()),
        "traces_outside": int((home == OUTSIDE).sum()),
        "traces_used": used,
        "columns": len(index),
        "columns_without_trace": int(_reachable(grid).sum()) - len(index),
        "largest_distance": distance,
        "axis": [float(cube.axis[samples][0]), float(cube.axis[samples][-1])],
        "samples": int(np.isfinite(values).sum()),
        "samples_left_out": int((~samples).sum()) * len(index) + int((~known).sum()),
        "samples_near_edges": int((operator.near_edges().reshape(known.shape) & known).sum()),
    }
    return SoftData(values, std, operator, operator.positions(), name, report)


def _columns_of(xy: NDArray[np.float64], grid: Grid) -> NDArray[np.int64]:
    """Flat column index ix * ny + iy of map positions (n, 2), -1 outside."""
    position, (nx, ny) = _fractional(xy, grid) + 0.5, grid.resolution[:2]
    inside = np.asarray(((position >= 0) & (position <= [nx, ny])).all(axis=1))
    ix, iy = np.minimum(np.floor(np.where(inside[:, None], position, 0)), [nx - 1, ny - 1]).astype(np.int64).T
    return np.where(inside, ix * ny + iy, OUTSIDE)


def _fractional(xy: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Fractional columns (n, 2) of map positions (n, 2); whole numbers are the columns' centres."""
    points = np.hstack([xy, np.full((len(xy), 1), grid.extent[4])])
    return np.asarray(grid.frame.to_box(points)[:, :2] * grid.resolution[:2] - 0.5)


def _reachable(grid: Grid) -> NDArray[np.bool_]:
    """Which columns (nx, ny) hold an active cell."""
    return np.asarray(grid.active_cells.any(axis=2))


def _centres(grid: Grid, index: NDArray[np.int64]) -> NDArray[np.float64]:
    middle = np.full((len(index), 1), 0.5 * (grid.resolution[2] - 1))
    return grid.xyz(np.hstack([index, middle]))[:, :2]


Assigned = tuple[NDArray[Any], NDArray[np.float32], int, float]


def _nearest(cube: SeismicCube, grid: Grid, live: NDArray[np.int64], within: float | None) -> Assigned:
    """Columns (k, 2), their traces (k, samples), the number of traces used and the largest distance to a centre.

    In the frame of a unit the columns are fractional: the places of the traces, within half a cell of the columns' centres.
    """
    from scipy.spatial import cKDTree

    limit = 0.5 * float(np.hypot(*grid.cell_size[:2])) if within is None else float(within)
    if not limit > 0:
        raise GempyGanError(f"within is {within}. Expected a positive distance in metres.")
    index = np.argwhere(_reachable(grid))
    if not len(live):
        return index[:0], cube.traces[:0], 0, 0.0
    found = cKDTree(cube.xy[live]).query(_centres(grid, index), distance_upper_bound=limit * (1 + 1e-9))
    distance, trace = np.asarray(found[0]), np.asarray(found[1])
    order = np.argsort(distance, kind="stable")
    order = order[np.isfinite(distance[order])]
    _, first = np.unique(trace[order], return_index=True)  # a trace goes to the closest of the columns that want it
    keep = np.sort(order[first])
    chosen, places = live[trace[keep]], index[keep]
    if isinstance(grid.frame, UnitFrame):
        places = np.clip(_fractional(cube.xy[chosen], grid), places - WITHIN, places + WITHIN)
    return places, cube.traces[chosen], len(keep), float(distance[keep].max(initial=0.0))


def _mean(cube: SeismicCube, grid: Grid, live: NDArray[np.int64], home: NDArray[np.int64]) -> Assigned:
    """As `_nearest`, with the mean of the traces inside each column."""
    reachable = np.asarray(_reachable(grid).ravel())
    inside = np.flatnonzero((home != OUTSIDE) & reachable[home])
    flat, group, count = np.unique(home[inside], return_inverse=True, return_counts=True)
    index = np.stack(np.unravel_index(flat, grid.resolution[:2]), axis=1)
    if not len(flat):
        return index, cube.traces[:0], 0, 0.0
    total = np.zeros((len(flat), cube.traces.shape[1]))
    np.add.at(total, group, cube.traces[live[inside]])
    distance = np.linalg.norm(cube.xy[live[inside]] - _centres(grid, index)[group], axis=1)
    return index, (total / count[:, None]).astype(np.float32), len(inside), float(distance.max())


def _bind(
    forward: TraceForward, cube: SeismicCube, grid: Grid, index: NDArray[Any], window: tuple[float, float] | None
) -> tuple[BoundForward, NDArray[np.bool_], NDArray[np.bool_]]:
    """The operator for the samples within grid and window, which samples (s,) those are, and which data (k, s) are known."""
    low, high = window or (-np.inf, np.inf)
    if not low < high:
        raise GempyGanError(f"The window is {window}. Expected (first, last) with first < last, downwards.")
    wanted = (cube.axis >= low) & (cube.axis <= high)
    shape = (len(index), len(cube.axis))
    inside = np.isfinite(forward.bind(grid, index, cube.axis, cube.domain).positions()[:, 2]).reshape(shape)
    samples = wanted & inside.any(axis=0)
    if not samples.any():
        raise GempyGanError(
            f"No sample of the seismic, {_range(cube)}, falls into the grid, z = {grid.extent[4]:g} to {grid.extent[5]:g} m"
            + (f", and the window {low:g} to {high:g}" if window else "")
            + ". Check the time-depth relation, the sign of z (upwards) and the cube's domain."
        )
    return forward.bind(grid, index, cube.axis[samples], cube.domain), samples, inside[:, samples]


def _range(cube: SeismicCube) -> str:
    unit = "s" if cube.domain == "time" else "m"
    return f"{cube.axis[0]:g} to {cube.axis[-1]:g} {unit} in {cube.domain}"


def _apart(cube: SeismicCube, grid: Grid) -> str:
    corners = grid.xyz([[ix, iy, 0] for ix in (-0.5, grid.resolution[0] - 0.5) for iy in (-0.5, grid.resolution[1] - 0.5)])
    live = cube.xy[~cube.dead] if (~cube.dead).any() else cube.xy

    def box(xy: NDArray[np.float64]) -> str:
        (x0, y0), (x1, y1) = xy.min(axis=0), xy.max(axis=0)
        return f"x {x0:.0f} to {x1:.0f}, y {y0:.0f} to {y1:.0f}"

    return (
        f"No live trace reaches a column of the grid: the grid covers {box(corners[:, :2])} and the live traces {box(live)}. "
        "Check that both are in the same coordinates, and within=."
    )
