"""Frames between explicit surfaces: a test knows every depth and volume of them without computing a model."""

from dataclasses import dataclass

import numpy as np

from gempy_gan.ensemble import Ensemble
from gempy_gan.frame import Frame
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
from gempy_gan.unit_frame import frame_from_dict

SIZE = (1000.0, 600.0)  # metres along u and v
CORNER = (463552.3, 6369871.8)
FACIES = Property("facies", codes={0: "mud", 1: "fine sand", 7: "Übergang"})


@dataclass(frozen=True)
class Fold(Frame):
    """A unit between two folded surfaces, thickest on the crest; columns are vertical, t runs from base to top.

    With `hole`, the unit is not known in the corner u, v < 0.3.
    """

    amplitude: float = 60.0
    wedge: float = 15.0
    hole: bool = False

    def to_dict(self):
        return {**super().to_dict(), "kind": "fold", "amplitude": self.amplitude, "wedge": self.wedge, "hole": self.hole}

    def base(self, uv):
        """Height of the base, metres, at (u, v)."""
        height = -2000 + self.amplitude * np.sin(3 * np.pi * uv[:, 0] + 0.4) + 20 * uv[:, 1]
        return np.where(self.hole & (uv[:, 0] < 0.3) & (uv[:, 1] < 0.3), np.nan, height)

    def thickness(self, uv):
        """Vertical thickness, metres."""
        return 40 + self.wedge * np.sin(3 * np.pi * uv[:, 0] + 0.4)

    def volume(self):
        """Cubic metres between base and top, by integration of the thickness."""
        phase = 3 * np.pi + 0.4
        return SIZE[0] * SIZE[1] * (40 + self.wedge * (np.cos(0.4) - np.cos(phase)) / (3 * np.pi))

    def to_model(self, uvt):
        uvt = np.atleast_2d(np.asarray(uvt, dtype=np.float64))
        xyz = super().to_model(uvt)
        xyz[:, 2] = self.base(uvt[:, :2]) + uvt[:, 2] * self.thickness(uvt[:, :2])
        return xyz

    def to_box(self, xyz):
        uvt = super().to_box(xyz)
        uvt[:, 2] = (np.atleast_2d(xyz)[:, 2] - self.base(uvt[:, :2])) / self.thickness(uvt[:, :2])
        return uvt


def fold_from_dict(state, *arrays):
    """What `frame_from_dict` does, which does not know the frames of the tests."""
    if state["kind"] != "fold":
        return frame_from_dict(state, *arrays)
    return Fold(tuple(state["extent"]), state["rotation"], **{key: state[key] for key in ("amplitude", "wedge", "hole")})


def folded_grid(resolution=(40, 12, 8), rotation=30.0, active=None, **options):
    """A grid that follows a fold, at UTM coordinates."""
    extent = (CORNER[0], CORNER[0] + SIZE[0], CORNER[1], CORNER[1] + SIZE[1], 0.0, 40.0)
    return Grid(extent, resolution, rotation, active, Fold(extent, rotation, **options))


def folded_ensemble(n=2, **options):
    """Porosity and facies on a folded grid; every cell differs."""
    grid = folded_grid(**options)
    r, i, j, k = np.indices((n, *grid.resolution))
    porosity = 0.05 + 0.1 * r + 0.25 * (i + 100 * j + 10000 * k) / 1e5
    facies = np.array([0, 1, 7])[(r + i + 2 * j + k) % 3]
    return Ensemble.from_values(grid, [Property("porosity"), FACIES], np.stack([porosity, facies], axis=1), {"seed": 3})
