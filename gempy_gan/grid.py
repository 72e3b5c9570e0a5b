"""The grid: a regular box of cells in map coordinates, metres, z up, with its cell arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GridError
from gempy_gan.frame import Extent, Frame
from gempy_gan.unit_frame import UnitFrame, frame_from_dict, pack

OUTSIDE = -1
MOST_CELLS = 2**32  # a realization of so many fills 16 GiB: what claims more is no grid


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of cells, indexed [ix, iy, iz] with z up, as in GemPy.

    Parameters
    ----------
    extent:
        (x0, x1, y0, y1, z0, z1) in metres, before rotation.
    resolution:
        Number of cells (nx, ny, nz).
    rotation:
        Degrees anticlockwise, seen from above, about the corner (x0, y0).
    active:
        Boolean (nx, ny, nz): the cells that belong to the unit. None means all of them.
    frame:
        How model space maps to the box in which priors live. None means the plain box of the extent. With the frame of a unit
        (`from_gempy`) the cells are as high as the unit's layers are where they lie, and `extent` is the box around it.

    Raises GridError when the extent is empty or reversed, the resolution is not positive, or `active` has another shape.

    >>> grid = Grid(extent=(0, 100, 0, 50, -20, 0), resolution=(10, 5, 4))
    >>> grid.cell_size
    (10.0, 10.0, 5.0)
    >>> grid.cells([[5.0, 5.0, -19.0], [500.0, 0.0, 0.0]]).tolist()
    [[0, 0, 0], [-1, -1, -1]]
    """

    extent: Extent
    resolution: tuple[int, int, int]
    rotation: float = 0.0
    active: NDArray[np.bool_] | None = field(default=None, repr=False)
    frame: Frame = None  # type: ignore[assignment]  # never None once built

    def __post_init__(self) -> None:
        extent = _extent(self.extent)
        resolution = _resolution(self.resolution)
        if not np.isfinite(self.rotation):
            raise GridError(f"The grid's rotation is {self.rotation}. Give finite degrees.")
        object.__setattr__(self, "extent", extent)
        object.__setattr__(self, "resolution", resolution)
        object.__setattr__(self, "rotation", float(self.rotation))
        if self.active is not None:
            object.__setattr__(self, "active", _active(self.active, resolution))
        if self.frame is None:
            object.__setattr__(self, "frame", Frame(extent, self.rotation))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        same_box = (self.extent, self.resolution, self.rotation, self.frame) == (
            other.extent,
            other.resolution,
            other.rotation,
            other.frame,
        )
        return same_box and np.array_equal(self.active_cells, other.active_cells)

    def __hash__(self) -> int:
        return hash((self.extent, self.resolution, self.rotation))

    @property
    def cell_size(self) -> tuple[float, float, float]:
        """Edge lengths (dx, dy, dz) of one cell in metres; with the frame of a unit dz is the mean height of a layer."""
        dx, dy, dz = ((self.extent[2 * k + 1] - self.extent[2 * k]) / self.resolution[k] for k in range(3))
        return dx, dy, self.frame.thickness / self.resolution[2] if isinstance(self.frame, UnitFrame) else dz

    @property
    def size(self) -> int:
        """Number of cells, active or not."""
        return int(np.prod(self.resolution))

    @property
    def active_cells(self) -> NDArray[np.bool_]:
        """Boolean (nx, ny, nz), all True where no `active` was given."""
        return np.ones(self.resolution, dtype=np.bool_) if self.active is None else self.active

    def axis(self, k: int) -> NDArray[np.float64]:
        """Cell-centre coordinates along axis k (0 = x, 1 = y, 2 = z) before rotation, metres.

        With the frame of a unit, z is the height above the unit's base where it has its mean thickness (`centres` has heights).
        """
        low, step = self.extent[2 * k], self.cell_size[k]
        if k == 2 and isinstance(self.frame, UnitFrame):
            low = 0.0
        return np.asarray(low + (np.arange(self.resolution[k]) + 0.5) * step)

    def centres(self) -> NDArray[np.float64]:
        """Cell centres in model space, (nx, ny, nz, 3), metres."""
        return self.xyz(np.indices(self.resolution).reshape(3, -1).T).reshape(*self.resolution, 3)

    def xyz(self, cells: ArrayLike) -> NDArray[np.float64]:
        """Model coordinates (N, 3) of the centres of the cells (N, 3); fractional indices are allowed."""
        index = np.atleast_2d(np.asarray(cells, dtype=np.float64))
        return self.frame.to_model((index + 0.5) / np.array(self.resolution))

    def cells(self, xyz: ArrayLike) -> NDArray[np.int64]:
        """Cell indices (N, 3) of model coordinates (N, 3); a point outside the grid (or not finite) gets -1, -1, -1.

        Cells are half-open, so a point on a shared face belongs to the upper cell; the outer faces belong to the grid.
        """
        position = self.frame.to_box(xyz) * np.array(self.resolution)
        with np.errstate(invalid="ignore"):
            inside = ((position >= 0) & (position <= np.array(self.resolution))).all(axis=1)
        index = np.full(position.shape, OUTSIDE, dtype=np.int64)
        index[inside] = np.minimum(np.floor(position[inside]), np.array(self.resolution) - 1).astype(np.int64)
        return index

    def check_cells(self, cells: NDArray[np.int64]) -> None:
        """Raise GridError when a cell index lies outside the grid."""
        outside = ((cells < 0) | (cells >= np.array(self.resolution))).any(axis=1)
        if outside.any():
            found = tuple(int(i) for i in cells[outside][0])
            raise GridError(
                f"{int(outside.sum())} of {len(cells)} cell indices lie outside the grid, first {found}. "
                f"Allowed are 0 <= index < {self.resolution}: drop them, or enlarge the grid."
            )

    def with_active(self, active: ArrayLike | None) -> Grid:
        """The same grid with other active cells."""
        return replace(self, active=None if active is None else np.asarray(active, dtype=np.bool_))

    def to_dict(self, packed: bool = False) -> dict[str, Any]:
        """Plain JSON values, without active cells, and without the frame's arrays (`frame.arrays()`) unless they are `packed`."""
        arrays = {name: pack(array) for name, (_, array) in self.frame.arrays().items()} if packed else {}
        return {
            "extent": list(self.extent),
            "resolution": list(self.resolution),
            "rotation": self.rotation,
            "frame": self.frame.to_dict() | ({"arrays": arrays} if arrays else {}),
        }

    @classmethod
    def from_dict(
        cls, state: Mapping[str, Any], active: ArrayLike | None = None, arrays: Mapping[str, ArrayLike] | None = None
    ) -> Grid:
        """Build a grid from what `to_dict` returned, its active cells, and the arrays of its frame by name unless packed."""
        frame = frame_from_dict(state["frame"], arrays) if "frame" in state else None
        mask = None if active is None else np.asarray(active, dtype=np.bool_)
        return cls(tuple(state["extent"]), tuple(state["resolution"]), state.get("rotation", 0.0), mask, frame)  # type: ignore[arg-type]


def _extent(extent: Any) -> Extent:
    values = tuple(float(value) for value in extent)
    if len(values) != 6 or not np.isfinite(values).all():
        raise GridError(f"The grid's extent is {values}. Expected six finite numbers (x0, x1, y0, y1, z0, z1) in metres.")
    for k, name in enumerate("xyz"):
        if values[2 * k + 1] <= values[2 * k]:
            raise GridError(
                f"The grid's extent has {name}0 = {values[2 * k]} and {name}1 = {values[2 * k + 1]}. "
                f"Expected {name}0 < {name}1 (z points up)."
            )
    return values


def _resolution(resolution: Any) -> tuple[int, int, int]:
    numbers = tuple(resolution)
    if len(numbers) != 3 or any(int(n) != n or n < 1 for n in numbers):
        raise GridError(f"The grid's resolution is {numbers}. Expected three positive whole numbers (nx, ny, nz).")
    nx, ny, nz = (int(n) for n in numbers)
    if nx * ny * nz > MOST_CELLS:
        raise GridError(f"The grid's resolution is {numbers}, {nx * ny * nz:.1e} cells. Expected at most {MOST_CELLS:.1e}.")
    return nx, ny, nz


def _active(active: Any, resolution: tuple[int, int, int]) -> NDArray[np.bool_]:
    mask = np.array(active, dtype=np.bool_)
    if mask.shape != resolution:
        raise GridError(f"The active cells have shape {mask.shape}. Expected the grid's resolution {resolution}.")
    if not mask.any():
        raise GridError("The grid has no active cell. Expected at least one: check the unit's name and the grid's extent.")
    mask.setflags(write=False)
    return mask
