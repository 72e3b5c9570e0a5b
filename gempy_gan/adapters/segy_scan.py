"""Which bytes of the trace headers of a SEG-Y file could hold line numbers and positions: they are tried, not guessed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gempy_gan.adapters.segy_headers import FIELDS, PRESETS, Preset, header_field
from gempy_gan.adapters.segy_layout import Layout
from gempy_gan.errors import GempyGanError
from gempy_gan.seismic import fit_binning

PLACES = ((181, 185), (73, 77), (81, 85))
"""Bytes of map positions: of the bin, the source and the receiver."""

_PLACED = {byte for place in PLACES for byte in place}
FITS = 0.1  # bins
MOST_TRACES = 4000
MOST_LINE = 10_000_000  # larger numbers count microseconds or centimetres, not lines


@dataclass(frozen=True)
class Proposal:
    """Bytes that agree with each other: line numbers that put every trace where its position is.

    `name` is that of the preset, where it is one; `extent` says which numbers occur; `residual` is in bins, NaN where there are
    no line numbers.
    """

    bytes: Preset
    name: str | None
    extent: str
    residual: float

    def __str__(self) -> str:
        called = f' (preset="{self.name}")' if self.name else ""
        fit = "" if np.isnan(self.residual) else f", {self.residual:.2g} bins off"
        return f"{self.bytes}{called}: {self.extent}{fit}"


def scan_segy(path: str | Path, most: int = 5) -> list[Proposal]:
    """Byte positions that fit a file, the likeliest first: numbers that tell traces apart, and map to positions linearly.

    Every pair of four-byte fields is tried as inline and crossline, with the positions of bins, sources and receivers. Among
    those that fit, the pair with the fewest different numbers comes first (counters of traces fit too, with more of them),
    the slower number as inline. Without line numbers that fit, positions alone are proposed; without positions, nothing.

    Raises FormatError for what is no SEG-Y file.
    """
    layout = Layout.of(Path(path))
    fields = _sampled(layout)
    found = [proposal for place in PLACES for proposal in _fitting(fields, place)]
    found.sort(key=lambda item: (item[0], item[1].name is None))
    proposals = [proposal for _, proposal in found[:most]]
    return proposals or [_without_lines(fields, place) for place in PLACES if _varies(fields, place)]


def _without_lines(fields: dict[int, NDArray[np.int64]], place: tuple[int, int]) -> Proposal:
    at = Preset(None, None, *place)
    extent = f"positions {_range(fields[place[0]])}, {_range(fields[place[1]])} before their scalar"
    return Proposal(at, _name(at), extent, float("nan"))


def _sampled(layout: Layout) -> dict[int, NDArray[np.int64]]:
    """All four-byte fields of up to 4000 traces, from the start of the file and from everywhere in it."""
    most = min(layout.traces, MOST_TRACES)
    index = np.unique([*range(most // 2), *np.linspace(0, layout.traces - 1, most).astype(np.int64)])
    wide = [byte for byte, width in FIELDS.items() if width == 4]
    parts: list[list[NDArray[np.int64]]] = [[] for _ in wide]
    for _, block in layout.chosen(index):
        for part, byte in zip(parts, wide, strict=True):
            part.append(header_field(block, byte, layout).astype(np.int64))
    return {byte: np.concatenate(part) for byte, part in zip(wide, parts, strict=True)}


def _varies(fields: dict[int, NDArray[np.int64]], place: tuple[int, int]) -> bool:
    return bool(any(np.ptp(fields[byte]) > 0 for byte in place) and any(fields[byte].any() for byte in place))


def _fitting(fields: dict[int, NDArray[np.int64]], place: tuple[int, int]) -> Iterator[tuple[float, Proposal]]:
    """Proposals with positions at this place, and how many different line numbers each needs (the fewer, the likelier)."""
    if not _varies(fields, place):
        return
    xy = np.stack([fields[byte] for byte in place], axis=1).astype(np.float64)
    here = xy.any(axis=1)  # padding stands at (0, 0)
    xy = xy[here]
    lines = {
        byte: values[here] for byte, values in fields.items() if byte not in _PLACED and np.abs(values).max(initial=0) < MOST_LINE
    }
    changes = {byte: int((np.diff(values) != 0).sum()) for byte, values in lines.items()}
    different = {byte: len(np.unique(values)) for byte, values in lines.items()}
    for inline, crossline in permutations(lines, 2):
        slower = (changes[inline], inline) < (changes[crossline], crossline)
        counts = different[inline], different[crossline]
        single = counts == (1, len(xy)) and any((inline, crossline) == (p.inline, p.crossline) for p in PRESETS.values())
        if not (slower and (min(counts) > 1 or single) and counts[0] * counts[1] >= len(xy)):
            continue
        pair = np.stack([lines[inline], lines[crossline]], axis=1)
        if len(np.unique(pair, axis=0)) < len(pair):
            continue
        residual = _residual(pair, xy, single)
        if residual < FITS:
            at = Preset(inline, crossline, *place)
            extent = f"inlines {_range(lines[inline])}, crosslines {_range(lines[crossline])}"
            yield float(sum(counts)), Proposal(at, _name(at), extent, residual)


def _residual(lines: NDArray[np.int64], xy: NDArray[np.float64], single: bool) -> float:
    try:
        fitted, _ = fit_binning(lines, xy)
    except GempyGanError:
        return float("inf")
    return fitted.residual if fitted.is_3d or single else float("inf")


def _range(values: NDArray[np.int64]) -> str:
    return f"{values.min()} to {values.max()}"


def _name(at: Preset) -> str | None:
    return next((name for name, preset in PRESETS.items() if preset == at), None)
