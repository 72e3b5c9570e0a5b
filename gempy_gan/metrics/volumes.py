"""Volumes to be compared: the coarse fraction, the time of deposition, and the bodies in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.windows import check_box, corners, cut

Array = NDArray[Any]
Source = Ensemble | ArrayLike

COARSE = 0.5  # the coarse fraction above which a cell counts as coarse, in every figure
FRACTION, TIME = "coarse_fraction", "deposition_time"
AT_ONCE = 64  # volumes that are read at once, where not all of them need to be kept
SLACK = 1e-3  # by which a fraction may leave [0, 1]: half precision does


@dataclass(frozen=True, eq=False)
class Volumes:
    """n boxes of cells: `fraction` (n, nx, ny, nz) between 0 and 1, and `time` of the same shape, or None.

    `digests` tell whether two boxes come from the same volume: see `digest`.

    >>> volumes = Volumes.of(np.full((3, 1, 8, 8, 4), 0.7))
    >>> len(volumes), volumes.shape, int(volumes.bodies.max())
    (3, (8, 8, 4), 1)
    """

    fraction: Array
    time: Array | None = None
    digests: tuple[bytes, ...] = ()

    @classmethod
    def of(
        cls,
        source: Source,
        most: int | None = None,
        seed: int = 0,
        what: str = "volumes",
        box: Sequence[int] | None = None,
        timed: bool = True,
    ) -> Volumes:
        """Volumes from an ensemble, or from an array (n, c, nx, ny, nz) whose first channel is the fraction, the second the time.

        An ensemble's fraction is its property `coarse_fraction`, or else its only continuous one; its time is
        `deposition_time`, read where `timed`. `most` volumes are picked at random by the seed where there are more; only those
        are read.

        With a `box` (nx, ny, nz), one box of that size is cut from each volume, at random by the seed (`windows.corners`).

        Raises GempyGanError for inactive cells, weights, values that are not finite, or fractions outside [0, 1]; GridError for
        a box that cannot be cut.
        """
        total, whole = count(source, what), shape_of(source, what)
        shape = whole if box is None else check_box(box, whole, what)
        index = picks(total, most, seed)
        fraction, times = np.empty((len(index), *shape), np.float32), np.empty((len(index), *shape), np.float32)
        digests, corner, has_time = [], corners(shape, whole, total, seed)[index], False
        for start in range(0, len(index), AT_ONCE):
            values, time = _read(source, index[start : start + AT_ONCE], what, timed)
            has_time = time is not None
            for k, volume in enumerate(values):
                digests.append(digest(volume))
                fraction[start + k] = cut(volume, corner[start + k], shape)
                if time is not None:
                    times[start + k] = cut(time[k], corner[start + k], shape)
        for array in (fraction, times):
            array.setflags(write=False)  # every figure looks at the same values
        return cls(fraction, times if has_time else None, tuple(digests))

    def __len__(self) -> int:
        return len(self.fraction)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells along x, y and z."""
        nx, ny, nz = self.fraction.shape[1:]
        return nx, ny, nz

    @cached_property
    def coarse(self) -> NDArray[np.bool_]:
        """Where the fraction is above `COARSE`, (n, nx, ny, nz)."""
        return np.asarray(self.fraction > COARSE)

    @cached_property
    def bodies(self) -> NDArray[np.int32]:
        """Number of the body that each cell belongs to, from 1 in each volume, 0 for fine cells. Bodies connect through faces."""
        return self._labelled(np.ones(3, dtype=bool))

    @cached_property
    def layer_bodies(self) -> NDArray[np.int32]:
        """As `bodies`, each layer by itself: what a map of the layer shows as one body."""
        return self._labelled(np.array([False, True, False]))

    def _labelled(self, vertical: NDArray[np.bool_]) -> NDArray[np.int32]:
        from scipy import ndimage

        structure = ndimage.generate_binary_structure(3, 1)
        structure[1, 1] = vertical
        found = np.empty(self.coarse.shape, dtype=np.int32)
        for volume, out in zip(self.coarse, found, strict=True):
            ndimage.label(volume, structure, output=out)
        return found


def picks(count: int, most: int | None, seed: int) -> NDArray[np.int64]:
    """Positions of at most `most` of `count` things, in order, drawn by the seed."""
    if most is None or most >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng([seed, count]).choice(count, most, replace=False))


def digest(fraction: Array) -> bytes:
    """What tells a volume from all others; nothing for one of a single value, which others may be by chance."""
    if fraction.min() == fraction.max():
        return b""
    return hashlib.blake2b(np.ascontiguousarray(fraction, np.float32).data, digest_size=16).digest()


def fractions(source: Source | Volumes, most: int | None = None, seed: int = 0, what: str = "volumes") -> Iterator[Array]:
    """The coarse fractions of the same volumes as `Volumes.of` picks, whole, some (k, nx, ny, nz) at a time."""
    index = picks(len(source) if isinstance(source, Volumes) else count(source, what), most, seed)
    for start in range(0, len(index), AT_ONCE):
        part = index[start : start + AT_ONCE]
        yield source.fraction[part] if isinstance(source, Volumes) else _read(source, part, what, timed=False)[0]


def shape_of(source: Source | Volumes, what: str = "volumes") -> tuple[int, int, int]:
    """Cells of each volume along x, y and z; errors as in `count`."""
    if isinstance(source, Volumes):
        return source.shape
    if isinstance(source, Ensemble):
        return source.grid.resolution
    count(source, what)
    nx, ny, nz = np.shape(source)[2:]
    return nx, ny, nz


def count(source: Source, what: str = "volumes") -> int:
    """How many volumes there are. Raises GempyGanError for an array of the wrong shape, or none."""
    if isinstance(source, Ensemble):
        if not len(source):
            raise GempyGanError(f"There are no {what}. Expected at least one.")
        return len(source)
    shape = np.shape(source)
    if len(shape) != 5 or 0 in shape:
        raise GempyGanError(f"The {what} have shape {shape}. Expected (n, c, nx, ny, nz), the coarse fraction first.")
    return int(shape[0])


def _read(source: Source, index: NDArray[np.int64], what: str, timed: bool = True) -> tuple[Array, Array | None]:
    """Fraction, between 0 and 1, and time of the volumes at these positions, in memory of their own."""
    read = _of_ensemble if isinstance(source, Ensemble) else _of_array
    fraction, time = read(source, index, timed)
    _check(fraction, what, 0.0, 1.0)
    if time is not None:
        _check(time, f"deposition times of the {what}")
    return np.clip(fraction, 0.0, 1.0, out=fraction), time


def _of_array(source: Any, index: NDArray[np.int64], timed: bool) -> tuple[Array, Array | None]:
    array = np.asarray(source)
    parts = [array[index, channel].astype(np.float32) for channel in range(min(array.shape[1], 2 if timed else 1))]
    return parts[0], parts[1] if len(parts) > 1 else None


def _of_ensemble(ensemble: Any, index: NDArray[np.int64], timed: bool) -> tuple[Array, Array | None]:
    if not ensemble.grid.active_cells.all():
        raise GempyGanError("The ensemble has inactive cells. Expected whole boxes, as priors make them.")
    if np.ptp(ensemble.weights) > 1e-9:
        raise GempyGanError("The ensemble is weighted. Expected equally likely realizations: resample them first.")
    timed = timed and TIME in (p.name for p in ensemble.properties)
    fraction = _stretches(ensemble.dataset[fraction_of(ensemble)], index)
    return fraction, _stretches(ensemble.dataset[TIME], index) if timed else None


def _stretches(values: Any, index: NDArray[np.int64]) -> Array:
    """The realizations at these positions. Those that follow one another are read at once: a list of positions takes a store
    several times the time and the memory."""
    found = np.empty((len(index), *values.shape[1:]), np.float32)
    for part in np.split(np.arange(len(index)), np.flatnonzero(np.diff(index) != 1) + 1):
        found[part[0] : part[-1] + 1] = values.isel(realization=slice(index[part[0]], index[part[-1]] + 1)).values
    return found


def fraction_of(ensemble: Ensemble) -> str:
    """Name of the property that holds the coarse fraction. Raises GempyGanError where that is not clear."""
    continuous = [p.name for p in ensemble.properties if not p.is_facies and p.name != TIME]
    if FRACTION in continuous:
        return FRACTION
    if len(continuous) != 1:
        held = ", ".join(p.name for p in ensemble.properties)
        raise GempyGanError(f"The ensemble holds {held}. Expected a property {FRACTION!r}, or one continuous property.")
    return continuous[0]


def _check(values: Array, what: str, low: float = -np.inf, high: float = np.inf) -> None:
    for part in values:
        least, most = float(part.min()), float(part.max())
        if not (np.isfinite(least) and np.isfinite(most)):
            raise GempyGanError(f"The {what} hold values that are not finite. Expected a number in every cell.")
        if least < low - SLACK or most > high + SLACK:
            raise GempyGanError(
                f"The {what} reach from {least:.4g} to {most:.4g}. Expected coarse fractions between {low:g} and {high:g}."
            )
