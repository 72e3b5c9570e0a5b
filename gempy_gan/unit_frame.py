"""Frames that follow a folded, faulted or eroded unit: t is its stratigraphic coordinate, by vertical columns."""

from __future__ import annotations

import base64
import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GridError
from gempy_gan.frame import Arrays, Extent, Frame

MOST_BYTES = 2**31  # of a frame's array

Floats = NDArray[np.float64]
Lattice = NDArray[np.float32]

CHUNK = 2**15  # points whose columns are looked at together, to bound memory
NODES = ("frame_x", "frame_y", "frame_z")


@dataclass(frozen=True, eq=False)
class Faults:
    """Which fault block a point lies in.

    `sides` (f, mx, my, mz) are continuous fields on the frame's lattice: a point lies on the far side of fault k where field k,
    plus `jumps[k, j]` for each fault j on whose far side it lies, is positive. `jumps` (f, f) is zero unless a fault is itself
    offset by an earlier one. `codes` (b,) are the blocks that occur: the sum of 2^k over the faults on whose far side they lie.
    """

    sides: Lattice = field(repr=False)
    jumps: Floats
    codes: NDArray[np.int64]

    def far(self, nodes: Floats) -> NDArray[np.bool_]:
        """On the far side of which faults (f, N) points lie, given in steps of the lattice (3, N)."""
        found = np.zeros((len(self.sides), nodes.shape[1]), dtype=np.bool_)
        for k, side in enumerate(self.sides):
            found[k] = _extended(side, nodes) + self.jumps[k] @ found > 0
        return found

    def blocks(self, nodes: Floats) -> NDArray[np.int64]:
        """Index into `codes` of the block of each point (N,); for a block that did not occur, of the most similar one."""
        far = self.far(nodes)
        weight = 2 ** np.arange(len(far))
        known = (self.codes[:, None] // weight) % 2 == 1
        similar = np.array([(known == (code // weight % 2 == 1)).sum(axis=1).argmax() for code in range(2 ** len(far))])
        return np.asarray(similar[weight @ far])


@dataclass(frozen=True, eq=False)
class UnitFrame(Frame, ABC):
    """The frame of a unit: u and v run along the horizontal box of `extent`, t from the unit's base (0) to its top (1).

    Every column is vertical, and in each fault block t increases upwards through it: beyond base and top it goes on linearly.
    Where erosion cut the unit, t goes on above the cut. `thickness` is the mean distance from base to top in metres. `mode` says
    where t comes from; `quality` holds plain JSON values that say how far to trust it (see `from_gempy`). Where a fault repeats
    the unit in a column, the same t occurs twice, and `to_model` gives the higher place. A t that a fault cut out of a column is
    placed at the fault.
    """

    thickness: float = 1.0
    mode: str = "scalar"
    faults: Faults | None = None
    quality: Mapping[str, Any] = field(default_factory=dict)
    kind: ClassVar[str]

    def to_box(self, xyz: ArrayLike) -> Floats:
        """Model coordinates (N, 3) in metres to box coordinates (N, 3); outside the unit they leave [0, 1]."""
        uvw = super().to_box(xyz)
        finite = np.isfinite(uvw).all(axis=1)
        box = np.full(uvw.shape, np.nan)
        box[finite] = uvw[finite]
        box[finite, 2] = self._t(uvw[finite], self._block(uvw[finite]))
        return box

    def to_model(self, uvt: ArrayLike) -> Floats:
        """Box coordinates (N, 3) to model coordinates (N, 3) in metres: the inverse of `to_box`."""
        box = np.atleast_2d(np.asarray(uvt, dtype=np.float64))
        uvw = np.full(box.shape, np.nan)
        finite = np.flatnonzero(np.isfinite(box).all(axis=1))
        for start in range(0, len(finite), CHUNK):
            part = finite[start : start + CHUNK]
            uvw[part] = box[part]
            uvw[part, 2] = self._w(box[part])
        return super().to_model(uvw)

    def to_model_in(self, uvt: ArrayLike, block: int) -> Floats:
        """As `to_model`, as if all of each column (N, 3) lay in one fault block, named as `blocks` names it."""
        box = np.atleast_2d(np.asarray(uvt, dtype=np.float64))
        index = 0 if self.faults is None else int(np.flatnonzero(self.faults.codes == block)[0])
        return super().to_model(np.column_stack([box[:, :2], self._w_in(box, index)]))

    def blocks(self, xyz: ArrayLike) -> NDArray[np.int64]:
        """The fault block of each point (N, 3): the sum of 2^k over the faults k on whose far side it lies; 0 without faults."""
        uvw = super().to_box(xyz)
        return np.zeros(len(uvw), dtype=np.int64) if self.faults is None else self.faults.codes[self._block(uvw)]

    @property
    def faulted(self) -> bool:
        """Whether faults offset the unit."""
        return self.faults is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which, with `arrays`, `frame_from_dict` builds the frame again."""
        state = {"kind": self.kind, "extent": list(self.extent), "rotation": self.rotation, "thickness": self.thickness}
        state |= {"mode": self.mode, "quality": dict(self.quality)}
        if self.faults is not None:
            state["faults"] = {"jumps": self.faults.jumps.tolist(), "codes": self.faults.codes.tolist()}
        return state

    def arrays(self) -> Arrays:
        """The arrays by name, each with the names of its dimensions."""
        return {} if self.faults is None else {"sides": (("fault", *NODES), self.faults.sides)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnitFrame):
            return NotImplemented
        mine, theirs = self._state(), other._state()
        return mine == theirs and all(np.array_equal(a, other.arrays()[name][1]) for name, (_, a) in self.arrays().items())

    def __hash__(self) -> int:
        return hash((self.kind, self.extent, self.rotation, self.thickness))

    def _state(self) -> dict[str, Any]:
        return {"arrays": sorted(self.arrays()), **{key: value for key, value in self.to_dict().items() if key != "quality"}}

    @abstractmethod
    def _t(self, uvw: Floats, block: NDArray[np.int64]) -> Floats:
        """t (N,) of points of the plain box that lie in these blocks (indices into the faults' codes)."""

    @abstractmethod
    def _w_in(self, uvt: Floats, block: int) -> Floats:
        """Where t is found in a column, as a share (N,) of the plain box's height, if all of the column lay in one block."""

    @abstractmethod
    def _lattice(self) -> tuple[int, int, int]:
        """Nodes of the lattice along x, y and z."""

    def _w(self, uvt: Floats) -> Floats:
        """As `_w_in`, in the block in which each point turns out to lie."""
        if self.faults is None:
            return self._w_in(uvt, 0)
        best, distance = np.zeros(len(uvt)), np.full(len(uvt), np.inf)
        for block in range(len(self.faults.codes)):
            uvw = np.column_stack([uvt[:, :2], self._w_in(uvt, block)])
            found = self._block(uvw) == block
            # a block that does not hold its own answer is the better a guess, the nearer that lies to the fault
            off = np.where(found, -1e9 - uvw[:, 2], self._nearest_fault(uvw))
            best, distance = np.where(off < distance, uvw[:, 2], best), np.minimum(off, distance)
        return best

    def _nearest_fault(self, uvw: Floats) -> Floats:
        assert self.faults is not None  # noqa: S101  # for the type checker: only called where there are faults
        nodes = self._nodes(uvw)
        return np.asarray(np.min([np.abs(_linear(side, nodes)) / np.ptp(side) for side in self.faults.sides], axis=0))

    def _block(self, uvw: Floats) -> NDArray[np.int64]:
        if self.faults is None:
            return np.zeros(len(uvw), dtype=np.int64)
        return self.faults.blocks(self._nodes(uvw))

    def _nodes(self, uvw: Floats) -> Floats:
        """Positions (3, N) in steps of the lattice, whose outer nodes lie on the faces of the box."""
        return np.asarray(uvw.T * (np.array(self._lattice()) - 1)[: uvw.shape[1], None])


@dataclass(frozen=True, eq=False)
class ScalarFrame(UnitFrame):
    """t from a scalar field: `t` (mx, my, mz) on a lattice over the extent, never decreasing upwards, linear in between.

    `t` is that of the block with code 0; `offsets` (blocks,) is what each block adds to it: a fault moves the same continuous
    field up or down, so that nothing is interpolated across it.
    """

    t: Lattice = field(repr=False, default_factory=lambda: np.zeros((2, 2, 2), dtype=np.float32))
    offsets: Floats = field(default_factory=lambda: np.zeros(1))
    kind: ClassVar[str] = "scalar"

    def to_dict(self) -> dict[str, Any]:
        """As in UnitFrame."""
        return super().to_dict() | {"offsets": np.asarray(self.offsets).tolist()}

    def arrays(self) -> Arrays:
        """As in UnitFrame."""
        return {"t": (NODES, self.t), **super().arrays()}

    def _lattice(self) -> tuple[int, int, int]:
        mx, my, mz = self.t.shape
        return mx, my, mz

    def _t(self, uvw: Floats, block: NDArray[np.int64]) -> Floats:
        outside = uvw[:, 2] - np.clip(uvw[:, 2], 0, 1)
        return np.asarray(_linear(self.t, self._nodes(uvw)) + self.offsets[block] + outside / self._relative_thickness())

    def _w_in(self, uvt: Floats, block: int) -> Floats:
        profile, target = self._profiles(uvt), uvt[:, 2] - self.offsets[block]
        steps = profile.shape[1] - 1
        k = np.clip((profile <= target[:, None]).sum(axis=1) - 1, 0, steps - 1)
        low, high = (np.take_along_axis(profile, i[:, None], axis=1)[:, 0] for i in (k, k + 1))
        inside = np.clip((target - low) / np.where(high > low, high - low, 1.0), 0, 1)
        beyond = np.minimum(target - profile[:, 0], 0) + np.maximum(target - profile[:, -1], 0)
        return np.asarray((k + inside) / steps + beyond * self._relative_thickness())

    def _profiles(self, uvt: Floats) -> Floats:
        """The t of all nodes of the columns (N, mz)."""
        x, y = self._nodes(uvt[:, :2])
        mx, my, _ = self.t.shape
        x, y = np.clip(x, 0, mx - 1), np.clip(y, 0, my - 1)
        i, j = np.minimum(x.astype(np.int64), max(mx - 2, 0)), np.minimum(y.astype(np.int64), max(my - 2, 0))
        a, b = (x - i)[:, None], (y - j)[:, None]
        i1, j1 = np.minimum(i + 1, mx - 1), np.minimum(j + 1, my - 1)
        south = self.t[i, j] * (1 - a) + self.t[i1, j] * a
        north = self.t[i, j1] * (1 - a) + self.t[i1, j1] * a
        return np.asarray(south * (1 - b) + north * b)

    def _relative_thickness(self) -> float:
        return self.thickness / (self.extent[5] - self.extent[4])


@dataclass(frozen=True, eq=False)
class SurfaceFrame(UnitFrame):
    """t in proportion between two surfaces: heights `base` and `top` (blocks, mx, my) in metres, linear between their nodes.

    `levels` is the number of the lattice's nodes along z, on which the faults' fields lie.
    """

    base: Lattice = field(repr=False, default_factory=lambda: np.zeros((1, 2, 2), dtype=np.float32))
    top: Lattice = field(repr=False, default_factory=lambda: np.ones((1, 2, 2), dtype=np.float32))
    kind: ClassVar[str] = "surfaces"

    def arrays(self) -> Arrays:
        """As in UnitFrame."""
        dims = ("block", *NODES[:2])
        return {"base": (dims, self.base), "top": (dims, self.top), **super().arrays()}

    def _lattice(self) -> tuple[int, int, int]:
        _, mx, my = self.base.shape
        return mx, my, 2 if self.faults is None else self.faults.sides.shape[3]

    def _t(self, uvw: Floats, block: NDArray[np.int64]) -> Floats:
        low, high = self._surfaces(uvw, block)
        return np.asarray((uvw[:, 2] - low) / (high - low))

    def _w_in(self, uvt: Floats, block: int) -> Floats:
        low, high = self._surfaces(uvt, np.full(len(uvt), block))
        return np.asarray(low + uvt[:, 2] * (high - low))

    def _surfaces(self, uv: Floats, block: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Base and top (N,) as shares of the box's height."""
        nodes = np.vstack([block[None], self._nodes(uv[:, :2])])
        z0, z1 = self.extent[4:]
        low, high = ((_linear(surface, nodes) - z0) / (z1 - z0) for surface in (self.base, self.top))
        return low, high


def pack(array: Lattice) -> dict[str, Any]:
    """An array as plain JSON values, compressed."""
    little = np.ascontiguousarray(array, dtype="<f4")
    return {"shape": list(array.shape), "float32": base64.b64encode(zlib.compress(little.tobytes(), 6)).decode("ascii")}


def unpack(packed: Mapping[str, Any]) -> Lattice:
    """The array that `pack` packed. Raises GridError when it unpacks to more or less than its shape says."""
    shape = [int(n) for n in packed["shape"]]
    size = 4 * math.prod(shape)
    content = zlib.decompressobj().decompress(base64.b64decode(packed["float32"]), size + 1) if 0 < size <= MOST_BYTES else b""
    if len(content) != size or min(shape) < 1:
        raise GridError(f"An array of the grid's frame is not of the shape {shape} that it claims. Write the file again.")
    return np.frombuffer(content, dtype="<f4").astype(np.float32).reshape(shape)


def frame_from_dict(state: Mapping[str, Any], arrays: Mapping[str, ArrayLike] | None = None) -> Frame:
    """Build a frame from what its `to_dict` and `arrays` returned, or from its packed state (`Grid.to_dict(packed=True)`).

    Raises GridError when an array that it needs is missing.
    """
    if arrays is None:
        arrays = {name: unpack(array) for name, array in state.get("arrays", {}).items()}
    x0, x1, y0, y1, z0, z1 = (float(value) for value in state["extent"])
    extent: Extent = (x0, x1, y0, y1, z0, z1)
    if state.get("kind", "box") == "box":
        return Frame(extent, float(state["rotation"]))
    kinds: dict[str, tuple[type[UnitFrame], tuple[str, ...]]] = {
        "scalar": (ScalarFrame, ("t",)),
        "surfaces": (SurfaceFrame, ("base", "top")),
    }
    if state["kind"] not in kinds:
        raise GridError(f"The grid's frame is of the kind {state['kind']!r}. Known: box, {', '.join(kinds)}.")
    frame, needed = kinds[state["kind"]]
    needed = (*needed, "sides") if "faults" in state else needed
    given = {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}
    missing = [name for name in needed if name not in given]
    if missing:
        raise GridError(
            f"The grid's frame lacks its arrays {missing}. Expected them beside its description, as `arrays` gives them."
        )
    options: dict[str, Any] = {name: given[name] for name in needed if name != "sides"}
    if "offsets" in state:
        options["offsets"] = np.asarray(state["offsets"], dtype=np.float64)
    if "faults" in state:
        found = state["faults"]
        options["faults"] = Faults(given["sides"], np.asarray(found["jumps"], np.float64), np.asarray(found["codes"], np.int64))
    return frame(extent, float(state["rotation"]), float(state["thickness"]), state["mode"], quality=state["quality"], **options)


def _linear(lattice: Lattice, nodes: Floats) -> Floats:
    """Multilinear interpolation (N,) at positions (k, N) in steps of a lattice; beyond its edge the edge's values."""
    from scipy.ndimage import map_coordinates

    return np.asarray(map_coordinates(lattice, nodes, order=1, mode="nearest", output=np.float64))


def _extended(lattice: Lattice, nodes: Floats) -> Floats:
    """As `_linear`, but going on above and below the lattice as within its last step."""
    value, last = _linear(lattice, nodes), lattice.shape[2] - 1
    beyond = nodes[2] - np.clip(nodes[2], 0, last)
    out = np.flatnonzero(beyond)
    if len(out):
        inner = np.vstack([nodes[:2, out], np.where(beyond[out] > 0, last - 1, 1)[None]])
        value[out] += np.abs(beyond[out]) * (value[out] - _linear(lattice, inner))
    return value
