"""The frame: a map between model space (x, y, z in metres) and the sheet-like box (u, v, t) in which priors live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Extent = tuple[float, float, float, float, float, float]
Arrays = dict[str, tuple[tuple[str, ...], NDArray[np.float32]]]


def rotate(xy: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Rotate (N, 2) horizontal vectors anticlockwise, as seen from above, by `degrees`."""
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * xy[:, 0] - sin * xy[:, 1], sin * xy[:, 0] + cos * xy[:, 1]], axis=1)


@dataclass(frozen=True)
class Frame:
    """The frame of a plain box: u, v and t run from 0 to 1 along the box's own axes, t upwards.

    `extent` is (x0, x1, y0, y1, z0, z1) in metres *before* rotation; the box is then turned by `rotation` degrees
    anticlockwise about its lower-left corner (x0, y0). Frames that follow a folded or faulted unit share this interface, see
    `unit_frame`.
    """

    extent: Extent
    rotation: float = 0.0

    def to_box(self, xyz: ArrayLike) -> NDArray[np.float64]:
        """Model coordinates (N, 3) in metres to box coordinates (N, 3); outside the box they leave [0, 1]."""
        points = np.atleast_2d(np.asarray(xyz, dtype=np.float64))
        low, size = self._low(), self._size()
        local = points - low
        local[:, :2] = rotate(local[:, :2], -self.rotation)
        return np.asarray(local / size)

    def to_model(self, uvt: ArrayLike) -> NDArray[np.float64]:
        """Box coordinates (N, 3) to model coordinates (N, 3) in metres: the inverse of `to_box`."""
        local = np.atleast_2d(np.asarray(uvt, dtype=np.float64)) * self._size()
        local[:, :2] = rotate(local[:, :2], self.rotation)
        return local + self._low()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which, with `arrays`, `frame_from_dict` builds the frame again."""
        return {"kind": "box", "extent": list(self.extent), "rotation": self.rotation}

    def arrays(self) -> Arrays:
        """The frame's arrays by name, each with the names of its dimensions: a plain box has none."""
        return {}

    def _low(self) -> NDArray[np.float64]:
        return np.array(self.extent[0::2], dtype=np.float64)

    def _size(self) -> NDArray[np.float64]:
        return np.array(self.extent[1::2], dtype=np.float64) - self._low()
