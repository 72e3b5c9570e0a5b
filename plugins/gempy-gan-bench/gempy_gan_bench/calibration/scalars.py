"""What is ranked: single numbers that a geomodeller asks of a realization, and how well it fits its data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gempy_gan import GempyGanError, Property

Array = NDArray[np.float64]

FRACTION_LIMIT = 0.5  # of a fraction, above which a cell counts as sand

FIT = "fit"
SCALARS = {
    "sand_fraction": "share of the cells that are sand",
    "connected_volume": "share of the cells in the largest connected body of sand",
    "thickness": "thickness of sand in a column without data, in cells",
    "component_1": "first principal component of unconditional realizations",
    "component_2": "second principal component",
    FIT: "log likelihood of the data, by which a sampler that ignores or overfits them is told (Modrak et al. 2023)",
}


@dataclass(frozen=True)
class Sand:
    """Which cells are sand: those of one facies code, or those above a limit; `name` says it in words."""

    name: str
    code: int | None = None
    limit: float = 0.0

    @classmethod
    def of(cls, prop: Property, pool: Array, facies: str | None = None, limit: float | None = None) -> Sand:
        """Of a property, with unconditional realizations `pool`, where neither facies nor limit is asked for: of facies the
        last one, of a fraction what is above one half, of other properties what is above the median.

        Raises GempyGanError for a facies that there is none of.
        """
        if prop.is_facies:
            names = {label: code for code, label in prop.facies.items()}
            chosen = facies or list(names)[-1]
            if chosen not in names:
                raise GempyGanError(f"{prop.name!r} has no facies {chosen!r}. Expected one of: {', '.join(names)}.")
            return cls(chosen, names[chosen])
        if facies is not None:
            raise GempyGanError(f"{prop.name!r} has no facies, and {facies!r} was asked for. Give a limit instead.")
        if limit is None:
            fraction = prop.unit == "1" and "fraction" in prop.name
            limit = FRACTION_LIMIT if fraction else float(np.median(pool))
        return cls(f"{prop.name} above {limit:.4g}", limit=float(limit))

    def __call__(self, values: Array) -> NDArray[np.bool_]:
        """Whether each cell is sand."""
        return np.asarray(values > self.limit if self.code is None else values == self.code)


@dataclass(frozen=True, eq=False)
class Components:
    """The first principal components of unconditional realizations: their mean (cells,), and directions (cells, 2)."""

    mean: Array
    directions: Array

    @classmethod
    def of(cls, pool: Array) -> Components:
        """Of realizations (n, nx, ny, nz)."""
        flat = pool.reshape(len(pool), -1)
        mean = flat.mean(axis=0)
        _, _, rows = np.linalg.svd(flat - mean, full_matrices=False)
        return cls(mean, rows[:2].T)

    def __call__(self, values: Array) -> Array:
        """Coordinates (n, 2) of realizations (n, nx, ny, nz)."""
        return np.asarray((values.reshape(len(values), -1) - self.mean) @ self.directions)


def scalars(
    values: Array, sand: Sand, components: Components, column: tuple[int, int], fit: Array, connected: Array | None = None
) -> dict[str, Array]:
    """The numbers `SCALARS`, each (n,), of realizations (n, nx, ny, nz) whose log likelihood is `fit` (n,); `connected` is the
    connected volume, where it is known already."""
    found = sand(values)
    along = components(values)
    return {
        "sand_fraction": found.mean(axis=(1, 2, 3)),
        "connected_volume": connected_volume(found) if connected is None else connected,
        "thickness": found[:, column[0], column[1]].sum(axis=1).astype(np.float64),
        "component_1": along[:, 0],
        "component_2": along[:, 1],
        FIT: np.asarray(fit, dtype=np.float64),
    }


def connected_volume(sand: NDArray[np.bool_]) -> Array:
    """Share (n,) of the cells of each box (n, nx, ny, nz) in its largest body of sand, connected through faces; 0: no sand."""
    from scipy import ndimage

    faces = ndimage.generate_binary_structure(3, 1)
    sizes = (np.bincount(ndimage.label(each, faces)[0].ravel())[1:] for each in sand)
    return np.asarray([size.max(initial=0) / sand[0].size for size in sizes], dtype=np.float64)
