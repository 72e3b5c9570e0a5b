"""Well trajectories: from a head or a deviation survey to positions along measured depth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError

CHORD = 5.0
"""Longest piece between two stations of a curved trajectory, metres: 0.02 m off the arc at 10 degrees per 30 m."""

_POSITIONED = ("md", "x", "y", "z")
_SURVEYED = ("md", "inclination", "azimuth")


def vertical(md: ArrayLike, xy: tuple[float, float], kb: float) -> pd.DataFrame:
    """The trajectory of a vertical well, from its head (or the shallowest `md`) to the deepest `md`.

    `xy` is the head in map coordinates, `kb` the elevation of the depth reference above the vertical datum, all metres.

    >>> vertical([1000.0, 1010.0], xy=(500.0, 800.0), kb=30.0)
           md      x      y      z
    0     0.0  500.0  800.0   30.0
    1  1010.0  500.0  800.0 -980.0
    """
    x, y, elevation = _head(xy, kb)
    depth = np.asarray(md, dtype=np.float64)
    ends = np.array([min(0.0, float(depth.min())), float(depth.max())])
    return pd.DataFrame({"md": ends, "x": x, "y": y, "z": elevation - ends})


def from_survey(survey: pd.DataFrame, xy: tuple[float, float] | None = None, kb: float | None = None) -> pd.DataFrame:
    """The trajectory of a surveyed well: columns md, x, y, z, metres.

    A survey with columns `md, x, y, z` holds the positions already. One with `md, inclination, azimuth` (degrees; azimuth
    clockwise from the map's north) is integrated by minimum curvature (wellpathpy) from the head `xy` and the elevation
    `kb` of the depth reference; a survey that starts below md 0 is tied to the head by a station with inclination 0.
    Raises GempyGanError when columns are missing, values are not finite, or depths do not increase.
    """
    if set(_POSITIONED) <= set(survey.columns):
        return _checked(survey, _POSITIONED)
    if not set(_SURVEYED) <= set(survey.columns):
        found = ", ".join(map(str, survey.columns))
        raise GempyGanError(
            f"The survey has columns {found}. Expected md, inclination, azimuth (degrees) or md, x, y, z (metres)."
        )
    if xy is None or kb is None:
        raise GempyGanError("A survey of angles starts at the well's head: give `xy=` and `kb=` (metres) with it.")
    return _integrate(_checked(survey, _SURVEYED), _head(xy, kb))


def _integrate(survey: pd.DataFrame, head: tuple[float, float, float]) -> pd.DataFrame:
    import wellpathpy

    md, inclination, azimuth = (survey[name].to_numpy() for name in _SURVEYED)
    if md[0] < 0 or (inclination < 0).any() or (inclination >= 180).any():
        raise GempyGanError(
            "The survey has a depth below 0 or an inclination outside 0 to 180 degrees. Check its columns and units."
        )
    if md[0] > 0:
        md, inclination, azimuth = np.r_[0.0, md], np.r_[0.0, inclination], np.r_[azimuth[0], azimuth]
    log = wellpathpy.deviation(*_densify(md, inclination, azimuth % 360.0)).minimum_curvature()
    x, y, elevation = head
    return pd.DataFrame({"md": log.source.md, "x": x + log.easting, "y": y + log.northing, "z": elevation - log.depth})


def _densify(
    md: NDArray[np.float64], inclination: NDArray[np.float64], azimuth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Stations at most CHORD apart. Between two stations the direction turns along a great circle, as minimum curvature
    assumes, so the denser survey describes the same arcs and only the chords between stations get shorter."""
    count = np.maximum(np.ceil(np.diff(md) / CHORD).astype(np.int64), 1)
    piece = np.repeat(np.arange(len(count)), count)
    fraction = (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)) / count[piece]
    direction = _directions(inclination, azimuth)
    turn = np.arccos(np.clip((direction[:-1] * direction[1:]).sum(axis=1), -1.0, 1.0))[piece]
    sine = np.where(turn > 1e-9, np.sin(turn), 1.0)
    start = np.where(turn > 1e-9, np.sin((1 - fraction) * turn) / sine, 1 - fraction)
    end = np.where(turn > 1e-9, np.sin(fraction * turn) / sine, fraction)
    vector = start[:, None] * direction[piece] + end[:, None] * direction[piece + 1]
    tilt = np.rad2deg(np.arctan2(np.hypot(vector[:, 0], vector[:, 1]), vector[:, 2]))
    bearing = np.rad2deg(np.arctan2(vector[:, 1], vector[:, 0])) % 360.0
    depth = md[piece] + fraction * np.diff(md)[piece]
    return np.r_[depth, md[-1]], np.r_[tilt, inclination[-1]], np.r_[bearing % 360.0, azimuth[-1]]


def _directions(inclination: NDArray[np.float64], azimuth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors (N, 3): north, east, down."""
    tilt, bearing = np.deg2rad(inclination), np.deg2rad(azimuth)
    return np.stack([np.sin(tilt) * np.cos(bearing), np.sin(tilt) * np.sin(bearing), np.cos(tilt)], axis=1)


def _checked(survey: pd.DataFrame, columns: tuple[str, ...]) -> pd.DataFrame:
    table = survey[list(columns)].astype(np.float64).reset_index(drop=True)
    if len(table) < 2 or not np.isfinite(table.to_numpy()).all():
        raise GempyGanError(
            f"The survey has {len(table)} stations, or values that are not finite. Expected two or more finite ones."
        )
    if (np.diff(table["md"]) <= 0).any():
        row = int(np.argmax(np.diff(table["md"]) <= 0))
        raise GempyGanError(
            f"The survey's measured depth goes from {table['md'][row]} to {table['md'][row + 1]} m at station {row + 2}. "
            "Expected increasing depths: sort the stations and drop repeated ones."
        )
    return table


def _head(xy: tuple[float, float], kb: float) -> tuple[float, float, float]:
    values = (*tuple(xy), kb)
    if len(values) != 3 or not np.isfinite(np.asarray(values, dtype=np.float64)).all():
        raise GempyGanError(
            f"The well's head is xy={xy}, kb={kb}. Expected finite (x, y) and the elevation of the depth reference, metres."
        )
    return float(values[0]), float(values[1]), float(values[2])
