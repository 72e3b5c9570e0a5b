"""SEG-Y to SeismicCube: read through segyio, with our own binning and nothing assumed that the file does not say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.adapters.segy_headers import (
    SAMPLE_FORMATS,
    BinaryHeader,
    Findings,
    TraceHeaders,
    check_counts,
    check_floats,
    check_step,
    line_numbers,
    metres_per_unit,
    positions,
    start_of,
    step_of,
)
from gempy_gan.adapters.segy_writer import write_segy
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.seismic import Binning, Domain, SeismicCube, fit_binning

__all__ = ["read_segy", "write_segy"]

DEAD_CODES = (2, 3)  # trace identification: dead, dummy
MOST_RESIDUAL = 0.5  # bins: beyond it a trace would land in its neighbour's bin
ABSURD = 1e30
BLOCK = 4096  # traces decoded at once

Duplicates = Literal["refuse", "first", "mean"]


def read_segy(
    path: str | Path,
    *,
    domain: Domain | None = None,
    dt: float | None = None,
    start: float | None = None,
    inline_byte: int | None = 189,
    crossline_byte: int | None = 193,
    x_byte: int = 181,
    y_byte: int = 185,
    coordinate_scalar: int | None = None,
    sample_format: Literal[1, 5] | None = None,
    unit: Literal["m", "ft"] | None = None,
    duplicates: Duplicates = "refuse",
    binning: Binning | None = None,
) -> SeismicCube:
    """Read post-stack SEG-Y (revisions 0 to 2, both byte orders) into a SeismicCube.

    Parameters
    ----------
    path:
        The file.
    domain:
        "time" or "depth". SEG-Y cannot tell them apart, so it must be said.
    dt, start:
        Sample interval and axis value of the first sample, in seconds (time) or metres (depth), in place of the headers'.
        Headers hold microseconds and milliseconds in time; in depth, by convention, thousandths of a unit and whole units.
    inline_byte, crossline_byte, x_byte, y_byte:
        Where the trace header (bytes counted from 1) keeps line numbers and map position; a line byte of None says that the
        file has no line numbers.
    coordinate_scalar:
        In place of bytes 71-72: negative divides, positive multiplies.
    sample_format:
        1 (IBM) or 5 (IEEE), for a file whose header claims the other one.
    unit:
        Length unit of the file, in place of the one in its binary header (feet are converted to metres).
    duplicates:
        What to do with traces of equal line numbers: refuse them, keep the first, or stack them to their mean.
    binning:
        Positions from line numbers, for a file without usable positions.

    Traces that are all zero or flagged dead become NaN. What was noticed on the way is in the cube's `health`.

    Raises FormatError when the file is truncated, is no SEG-Y or pre-stack, states no sample interval or a contradictory
    one, holds amplitudes of another encoding, or when a trace lies 0.5 bin or more from where its line numbers put it;
    GempyGanError when an option cannot be right.

    Source: SEG Technical Standards Committee, SEG-Y_r2.0 (2017), tables 2 and 3.
    """
    import segyio

    if domain not in ("time", "depth"):
        raise GempyGanError(
            f"The domain of {Path(path).name} is {domain!r}. SEG-Y cannot tell time from depth: say domain='time' or 'depth'."
        )
    check_step(dt, domain)
    file = Path(path)
    header = BinaryHeader.of(file)
    if sample_format is not None and (sample_format not in (1, 5) or header.width != 4):
        raise GempyGanError(f"sample_format is {sample_format}. Allowed: 1 (IBM) or 5 (IEEE), for a file of 4-byte samples.")
    health = Findings()
    check_floats(file, header, sample_format)
    try:
        with segyio.open(str(file), ignore_geometry=True, endian=header.endian) as stream:
            headers = TraceHeaders(stream, file.name)
            check_counts(headers, header, health)
            step = step_of(headers, header, domain, dt, health)
            first = start_of(headers, domain, start, health)
            metres = metres_per_unit(header, unit, health)
            lines = line_numbers(headers, inline_byte, crossline_byte)
            xy = positions(headers, x_byte, y_byte, coordinate_scalar, health) * metres
            source = _raw_blocks(file, header, sample_format) if sample_format else _blocks(stream)
            traces = _samples(source, (header.traces, header.samples), file.name)
            dead = _silence_dead(traces, headers.field(29), file.name, health)
    except (RuntimeError, OSError) as error:
        raise FormatError(f"{file.name} cannot be read as SEG-Y: {error}. Check that the file is complete.") from error
    if domain == "depth":
        step, first = (step if dt else step * metres), (first if start is not None else first * metres)
    survey = _Survey(traces, lines, xy, dead).placed(binning, file.name).unique(duplicates, file.name, health)
    fitted, survey = survey.binned(file.name, inline_byte is not None and crossline_byte is not None, binning, health)
    return SeismicCube(
        survey.traces, survey.xy, survey.lines, first, step, domain, fitted, tuple(health), _source(file, header, sample_format)
    )


def _blocks(stream: Any) -> Iterator[NDArray[Any]]:
    for first in range(0, stream.tracecount, BLOCK):
        yield stream.trace.raw[first : first + BLOCK]


def _raw_blocks(file: Path, header: BinaryHeader, sample_format: int) -> Iterator[NDArray[Any]]:
    raw = header.raw(file, "u4" if sample_format == 1 else "f4")
    for first in range(0, header.traces, BLOCK):
        yield _from_ibm(raw[first : first + BLOCK]) if sample_format == 1 else raw[first : first + BLOCK]


def _from_ibm(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """IBM floats: a sign bit, seven bits of exponent to the base 16, 24 bits of fraction."""
    sign = np.where(words >> 31, -1.0, 1.0)
    return np.asarray(sign * (words & 0xFFFFFF) / 2.0**24 * 16.0 ** (((words >> 24) & 0x7F).astype(np.float64) - 64))


def _samples(blocks: Iterator[NDArray[Any]], shape: tuple[int, int], name: str) -> NDArray[np.float32]:
    traces = np.empty(shape, dtype=np.float32)
    first = 0
    for block in blocks:
        if np.abs(block, where=np.isfinite(block), out=np.zeros(block.shape)).max(initial=0.0) > ABSURD or np.isinf(block).any():
            raise FormatError(
                f"{name} holds amplitudes beyond {ABSURD:g}. Its sample format or byte order is not what it claims."
            )
        traces[first : first + len(block)] = block
        first += len(block)
    return traces


def _silence_dead(traces: NDArray[np.float32], code: NDArray[np.int64], name: str, health: Findings) -> NDArray[np.bool_]:
    """Set dead traces to NaN, in place, and say which they are."""
    blocks = [slice(first, first + BLOCK) for first in range(0, len(traces), BLOCK)]  # copies stay small
    empty = np.concatenate([~np.nan_to_num(traces[block]).any(axis=1) for block in blocks])
    dead = empty | np.isin(code, DEAD_CODES)
    if dead.all():
        raise FormatError(f"All {len(dead)} traces of {name} are zero or flagged dead. Expected at least one live trace.")
    if dead.any():
        health.add(
            "note", f"{int(dead.sum())} of {len(dead)} traces are dead ({int(empty.sum())} all zero).", "They were set to NaN."
        )
    gaps = sum(int(np.isnan(traces[block][~dead[block]]).sum()) for block in blocks)
    if gaps:
        health.add("warning", f"{gaps} samples of live traces are NaN.", "They count as not observed.")
    traces[dead] = np.nan
    return np.asarray(dead)


@dataclass(frozen=True)
class _Survey:
    """Traces on their way to a cube: (n, samples), lines (n, 2), positions (n, 2), which are dead (n,)."""

    traces: NDArray[np.float32]
    lines: NDArray[np.int64]
    xy: NDArray[np.float64]
    dead: NDArray[np.bool_]

    def at(self, which: NDArray[Any]) -> _Survey:
        if len(which) == len(self.lines) and which.dtype == np.bool_ and which.all():
            return self
        return _Survey(self.traces[which], self.lines[which], self.xy[which], self.dead[which])

    @property
    def numbered(self) -> bool:
        """Whether line numbers tell any two traces apart."""
        return bool(np.ptp(self.lines, axis=0).any())

    def placed(self, binning: Binning | None, name: str) -> _Survey:
        """With positions from a given binning; without one, positions must be in the file."""
        if binning is not None:
            return _Survey(self.traces, self.lines, binning.xy(self.lines), self.dead)
        live = self.xy[~self.dead]
        if not live.any() or (len(live) > 1 and not np.ptp(live, axis=0).any()):
            raise FormatError(
                f"{name}: all traces stand at ({live[0, 0]:g}, {live[0, 1]:g}). Expected map positions: "
                "give x_byte= and y_byte= (73 and 77 hold source positions), or binning= to place traces by line numbers."
            )
        return self

    def unique(self, duplicates: Duplicates, name: str, health: Findings) -> _Survey:
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
        keep = np.sort(first)
        kept = self.at(keep)
        if duplicates == "mean":
            for position, index in enumerate(keep):
                same = (group == group[index]) & ~self.dead
                if same.any():
                    kept.traces[position] = self.traces[same].mean(axis=0)
                    kept.dead[position] = False
        return kept

    def binned(self, name: str, wanted: bool, binning: Binning | None, health: Findings) -> tuple[Binning | None, _Survey]:
        """The binning of the live traces, and the survey without dead traces that do not stand on it."""
        if binning is not None:
            return binning, self
        live = ~self.dead
        if len(self.lines) == 1 or not self.at(live).numbered:
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

    def _without_strays(self, fitted: Binning, health: Findings) -> _Survey:
        """Padding traces often carry no position; a dead trace that stands nowhere is left out."""
        step = np.linalg.norm(fitted.matrix[1:], axis=1)
        off = np.linalg.norm(self.xy - fitted.xy(self.lines), axis=1) > MOST_RESIDUAL * step[step > 0].min()
        stray = self.dead & off
        if stray.any():
            health.add(
                "warning", f"{int(stray.sum())} dead traces do not stand where their lines put them.", "They were left out."
            )
        return self.at(~stray)


def _source(file: Path, header: BinaryHeader, sample_format: int | None) -> dict[str, Any]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    name = SAMPLE_FORMATS[sample_format or header.format][0]
    return {"file": file.name, "sha256": digest, "samples": name, "byte_order": header.endian}
