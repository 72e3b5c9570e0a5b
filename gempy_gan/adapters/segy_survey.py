"""The traces of a survey: one per bin, each where its line numbers put it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.adapters.segy_headers import Findings
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.seismic import Binning, fit_binning

MOST_RESIDUAL = 0.5  # bins: beyond it a trace would land in its neighbour's bin
ROWS = 4096  # traces moved at once

Duplicates = Literal["refuse", "first", "mean"]
Range = tuple[float, float]


@dataclass(frozen=True)
class Crop:
    """Which part of a survey is wanted: ranges of line numbers (both ends included), and a polygon on the map."""

    inlines: Range | None = None
    crosslines: Range | None = None
    polygon: ArrayLike | None = None

    def inside(self, lines: NDArray[np.int64], xy: NDArray[np.float64], name: str) -> NDArray[np.int64]:
        """The indices of the traces inside. Raises FormatError when there are none."""
        wanted = np.ones(len(lines), dtype=bool)
        for column, (what, range_) in enumerate((("inlines", self.inlines), ("crosslines", self.crosslines))):
            if range_ is not None:
                low, high = limits(range_, what)
                wanted &= (lines[:, column] >= low) & (lines[:, column] <= high)
        if self.polygon is not None:
            wanted &= within(xy, self.polygon)
        if not wanted.any():
            (il0, xl0), (il1, xl1) = lines.min(axis=0), lines.max(axis=0)
            (x0, y0), (x1, y1) = xy.min(axis=0), xy.max(axis=0)
            raise FormatError(
                f"{name}: no trace lies in the part that was asked for. The file has inlines {il0} to {il1}, crosslines {xl0} to "
                f"{xl1}, x {x0:.1f} to {x1:.1f} and y {y0:.1f} to {y1:.1f} m."
            )
        return np.flatnonzero(wanted)


def limits(range_: Sequence[float], what: str) -> Range:
    """A range as two numbers, the lower first. Raises GempyGanError when it is none."""
    try:
        low, high = (float(value) for value in range_)
    except (TypeError, ValueError):
        raise GempyGanError(f"{what} is {range_!r}. Expected two numbers, the first and the last.") from None
    if not low <= high:
        raise GempyGanError(f"{what} is {range_!r}. Expected the lower number first.")
    return low, high


def within(xy: NDArray[np.float64], polygon: ArrayLike) -> NDArray[np.bool_]:
    """Which positions (n, 2) lie in a polygon (k, 2), its edge included.

    >>> within(np.array([[1.0, 1.0], [3.0, 1.0], [2.0, 2.0]]), [(0, 0), (2, 0), (2, 2), (0, 2)]).tolist()
    [True, False, True]
    """
    try:
        corners = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError):
        raise GempyGanError(f"polygon is {str(polygon)[:60]!r}. Expected three or more corners (x, y).") from None
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise GempyGanError(f"polygon has shape {corners.shape}. Expected three or more corners (x, y) in map coordinates.")
    inside, on_edge = np.zeros((2, len(xy)), dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        across = (x1 - x0) * (xy[:, 1] - y0) - (y1 - y0) * (xy[:, 0] - x0)  # its sign is the side of the edge
        straddles = (xy[:, 1] >= y0) != (xy[:, 1] >= y1)
        inside ^= straddles & ((across > 0) == (y1 > y0))
        along = (xy[:, 0] - x0) * (xy[:, 0] - x1) + (xy[:, 1] - y0) * (xy[:, 1] - y1)
        on_edge |= (np.abs(across) <= 1e-9 * max(1.0, abs(x1 - x0) + abs(y1 - y0))) & (along <= 0)
    return np.asarray(inside | on_edge)


@dataclass(frozen=True)
class Survey:
    """Traces on their way to a cube: (n, samples), lines (n, 2), positions (n, 2), which are dead (n,)."""

    traces: NDArray[np.float32]
    lines: NDArray[np.int64]
    xy: NDArray[np.float64]
    dead: NDArray[np.bool_]

    def at(self, which: NDArray[np.int64]) -> Survey:
        """These traces, by ascending index; they are moved within the array, so that a large one needs no second."""
        if len(which) == len(self.lines):
            return self
        for first in range(0, len(which), ROWS):
            rows = which[first : first + ROWS]
            self.traces[first : first + len(rows)] = self.traces[rows]
        return Survey(self.traces[: len(which)], self.lines[which], self.xy[which], self.dead[which])

    @property
    def numbered(self) -> bool:
        """Whether line numbers tell any two traces apart."""
        return bool(np.ptp(self.lines, axis=0).any())

    def check_placed(self, name: str) -> None:
        """Raise FormatError when the live traces all stand at one place."""
        live = self.xy[~self.dead]
        if not live.any() or (len(live) > 1 and not np.ptp(live, axis=0).any()):
            raise FormatError(
                f"{name}: all traces stand at ({live[0, 0]:g}, {live[0, 1]:g}). Expected map positions: "
                "give x_byte= and y_byte= (73 and 77 hold source positions), or binning= to place traces by line numbers."
            )

    def unique(self, duplicates: Duplicates, name: str, health: Findings) -> Survey:
        """One trace per inline and crossline (per position, where there are no line numbers)."""
        if duplicates not in ("refuse", "first", "mean"):
            raise GempyGanError(f"duplicates is {duplicates!r}. Allowed: 'refuse', 'first' or 'mean'.")
        key = self.lines if self.numbered else self.xy
        _, first, group, count = np.unique(key, axis=0, return_index=True, return_inverse=True, return_counts=True)
        group = group.ravel()
        if len(first) == len(key):
            return self
        what = "inline and crossline" if self.numbered else "position"
        apart = np.linalg.norm(self.xy - self.xy[first][group], axis=1) > 1.0
        found = (
            f"{len(key)} traces share {len(first)} pairs of {what}, up to {count.max()} each"
            if self.numbered
            else (f"{len(key)} traces share {len(first)} positions, up to {count.max()} each")
        )
        if self.numbered and apart.any():
            raise FormatError(
                f"{name}: {found}, at different positions. Give the right inline_byte= and crossline_byte=, or None."
            )
        if duplicates == "refuse":
            raise FormatError(
                f"{name}: {found}. Expected post-stack data: stack the gathers first, or say duplicates='first' or 'mean'."
            )
        health.add("warning", f"{found}.", "The first was kept." if duplicates == "first" else "They were stacked to their mean.")
        if duplicates == "mean":
            self._stack(group, first[count > 1])
        return self.at(np.sort(first))

    def _stack(self, group: NDArray[np.int64], repeated: NDArray[np.int64]) -> None:
        """Put the mean of a group's live traces where its first one stands."""
        order = np.argsort(group, kind="stable")
        starts = np.searchsorted(group[order], group[repeated])
        ends = np.searchsorted(group[order], group[repeated], side="right")
        for index, start, end in zip(repeated, starts, ends, strict=True):
            members = order[start:end]
            live = members[~self.dead[members]]
            if len(live):
                self.traces[index] = self.traces[live].mean(axis=0)
                self.dead[index] = False

    def binned(self, name: str, wanted: bool, binning: Binning | None, health: Findings) -> tuple[Binning | None, Survey]:
        """The binning of the live traces, and the survey without dead traces that do not stand on it."""
        if binning is not None:
            return binning, self
        live = ~self.dead
        if len(self.lines) == 1 or not np.ptp(self.lines[live], axis=0).any():
            if wanted and len(self.lines) > 1:
                health.add(
                    "warning",
                    f"All traces carry inline {self.lines[0, 0]} and crossline {self.lines[0, 1]}.",
                    "Traces are placed by their positions alone. Do other bytes hold them (inline_byte=, crossline_byte=)?",
                )
            return None, self
        try:
            fitted, distance = fit_binning(self.lines[live], self.xy[live])
        except GempyGanError as error:
            raise FormatError(f"{name}: {error}") from None
        if fitted.residual < MOST_RESIDUAL:
            return fitted, self._without_strays(fitted, health)
        if not fitted.is_3d:
            health.add(
                "note",
                f"The line is not straight or its traces are unevenly spaced (up to {fitted.residual:.3g} bins).",
                "Traces are placed by their positions alone.",
            )
            return None, self
        worst = np.flatnonzero(live)[int(distance.argmax())]
        (inline, crossline), (x, y) = self.lines[worst], self.xy[worst]
        raise FormatError(
            f"{name}: trace {worst + 1} (inline {inline}, crossline {crossline}) stands at ({x:.1f}, {y:.1f}), "
            f"{fitted.residual:.3g} bins from where the line numbers put it. Expected less than {MOST_RESIDUAL}: "
            "check the byte positions and the coordinate scalar, or give inline_byte=None to go without line numbers."
        )

    def _without_strays(self, fitted: Binning, health: Findings) -> Survey:
        """Padding traces often carry no position; a dead trace that stands nowhere is left out."""
        step = np.linalg.norm(fitted.matrix[1:], axis=1)
        off = np.linalg.norm(self.xy - fitted.xy(self.lines), axis=1) > MOST_RESIDUAL * step[step > 0].min()
        stray = self.dead & off
        if stray.any():
            health.add(
                "warning", f"{int(stray.sum())} dead traces do not stand where their lines put them.", "They were left out."
            )
        return self.at(np.flatnonzero(~stray))

    def note_gaps(self, fitted: Binning | None, health: Findings) -> None:
        """Say how many bins within the ranges of a 3-D survey's lines hold no trace."""
        if fitted is None or not fitted.is_3d:
            return
        sizes = [int(np.ptp(column) // max(1, np.gcd.reduce(np.diff(np.unique(column)))) + 1) for column in self.lines.T]
        missing = sizes[0] * sizes[1] - len(self.lines)
        if missing > 0:
            health.add("note", f"{missing} of {sizes[0]} x {sizes[1]} bins hold no trace.", "They stay empty.")
