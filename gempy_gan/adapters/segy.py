"""SEG-Y to SeismicCube: nothing assumed that the file does not say, and no more in memory than is needed."""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.adapters.segy_headers import (
    PRESETS,
    Findings,
    Preset,
    TraceHeaders,
    check_counts,
    check_step,
    line_numbers,
    metres_per_unit,
    positions,
    start_of,
    step_of,
)
from gempy_gan.adapters.segy_layout import Layout
from gempy_gan.adapters.segy_samples import SAMPLE_FORMATS, WHOLE, Floats, contradiction, decode
from gempy_gan.adapters.segy_scan import scan_segy
from gempy_gan.adapters.segy_survey import Crop, Duplicates, Range, Survey, limits
from gempy_gan.adapters.segy_writer import write_segy
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.seismic import Binning, Domain, SeismicCube

__all__ = ["read_segy", "write_segy"]

DEAD_CODES = (2, 3)  # trace identification: dead, dummy
ABSURD = 1e30
IN_MEMORY = 2**29  # bytes of traces; more of them lie in a scratch file
PEEK = 64  # traces that the float format is judged by


def read_segy(
    path: str | Path,
    *,
    domain: Domain | None = None,
    dt: float | None = None,
    start: float | None = None,
    preset: str = "rev1",
    inline_byte: int | None = 0,
    crossline_byte: int | None = 0,
    x_byte: int = 0,
    y_byte: int = 0,
    coordinate_scalar: int | None = None,
    sample_format: Literal[1, 5] | None = None,
    unit: Literal["m", "ft"] | None = None,
    duplicates: Duplicates = "refuse",
    binning: Binning | None = None,
    inlines: Range | None = None,
    crosslines: Range | None = None,
    polygon: ArrayLike | None = None,
    window: Range | None = None,
) -> SeismicCube:
    """Read post-stack SEG-Y (revisions 0 to 2, both byte orders, every sample format) into a SeismicCube.

    Parameters
    ----------
    path:
        The file.
    domain:
        "time" or "depth". SEG-Y cannot tell them apart, so it must be said.
    dt, start:
        Sample interval and axis value of the first sample, in seconds (time) or metres (depth), in place of the headers'.
        Headers hold microseconds and milliseconds in time; in depth, by convention, thousandths of a unit and whole units.
    preset:
        Where the trace header keeps line numbers and map positions, by name: "rev1" (189, 193, 181, 185), "petrel" (5, 21, 73,
        77), "landmark" (9, 21, 73, 77), "source" (189, 193, 73, 77), "shotpoint" (17, 21, 73, 77) or "positions" (no line
        numbers, 181, 185). `scan_segy` proposes bytes for a file.
    inline_byte, crossline_byte, x_byte, y_byte:
        In place of the preset's (0 takes those), bytes counted from 1; None says that the file has no line numbers.
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
    inlines, crosslines, polygon, window:
        Read only a part: ranges of line numbers (first, last), the corners (x, y) of a polygon on the map in metres, and
        seconds or metres of the vertical axis (first, last). Ends belong to it; what lies outside is never decoded.

    Traces that are all zero or flagged dead become NaN. What was noticed on the way is in the cube's `health`. More than
    512 MiB of traces are kept in a scratch file (in the folder that TMPDIR names) that goes with the cube, not in memory.

    Raises FormatError when the file is truncated, is no SEG-Y or pre-stack, states no sample interval or a contradictory
    one, holds amplitudes of another encoding, or when a trace lies 0.5 bin or more from where its line numbers put it;
    GempyGanError when an option cannot be right.

    Source: SEG Technical Standards Committee, SEG-Y_r2.0 (2017), tables 2 and 3.
    """
    file = Path(path)
    if domain not in ("time", "depth"):
        raise GempyGanError(
            f"The domain of {file.name} is {domain!r}. SEG-Y cannot tell time from depth: say domain='time' or 'depth'."
        )
    check_step(dt, domain)
    at = chosen_bytes(preset, inline_byte, crossline_byte, x_byte, y_byte)
    layout = Layout.of(file)
    encoded = _checked_format(layout, sample_format)
    health = Findings()
    try:
        headers = TraceHeaders.of(layout, {byte for byte in (at.inline, at.crossline, at.x, at.y) if byte is not None})
        check_counts(headers, layout, health)
        step, first = step_of(headers, layout, domain, dt, health), start_of(headers, domain, start, health)
        metres = metres_per_unit(layout, unit, health)
        if domain == "depth":
            step, first = (step if dt else step * metres), (first if start is not None else first * metres)
        lines = line_numbers(headers, at)
        stated = positions(headers, at, coordinate_scalar, health)
        xy = stated * metres if binning is None else binning.xy(lines)
        index = Crop(inlines, crosslines, polygon).inside(lines, xy, file.name)
        samples = _window(first, step, layout.samples, window, file.name)
        traces, dead = _decoded(layout, encoded, index, samples, headers.field(29)[index], health)
    except OSError as error:
        raise FormatError(f"{file.name} cannot be read: {error.strerror or error}. Check the disk.") from error
    survey = Survey(traces, lines[index], xy[index], dead)
    try:
        if binning is None:
            survey.check_placed(file.name)
        survey = survey.unique(duplicates, file.name, health)
        numbered = at.inline is not None and at.crossline is not None
        fitted, survey = survey.binned(file.name, numbered, binning, health)
        if numbered and fitted is None and (others := _others(file, at)):
            health.add("note", "Line numbers do not place the traces.", others.strip())
    except FormatError as error:
        raise FormatError(f"{error}{_others(file, at)}") from None
    survey.note_gaps(fitted, health)
    source = {
        "file": file.name, "sha256": headers.sha256, "samples": SAMPLE_FORMATS[encoded][0], "byte_order": layout.endian,
    }  # fmt: skip
    found = tuple(replace(finding, file=file.name) for finding in health)
    start_here = first + samples.start * step
    return SeismicCube(survey.traces, survey.xy, survey.lines, start_here, step, domain, fitted, found, source)


def chosen_bytes(preset: str, inline: int | None, crossline: int | None, x: int, y: int) -> Preset:
    """The preset's byte positions, and those that were given in place of them."""
    if preset not in PRESETS:
        known = "; ".join(f"{name}: {bytes_}" for name, bytes_ in PRESETS.items())
        raise GempyGanError(f"preset is {preset!r}. Allowed are {known}.")
    taken = PRESETS[preset]
    return Preset(
        taken.inline if inline == 0 else inline, taken.crossline if crossline == 0 else crossline, x or taken.x, y or taken.y
    )


def _others(file: Path, at: Preset) -> str:
    """Other bytes that would fit, as a sentence."""
    others = [proposal for proposal in scan_segy(file, most=2) if proposal.bytes != at]
    return f" These bytes fit: {'; or '.join(map(str, others))}." if others else ""


def _checked_format(layout: Layout, given: int | None) -> int:
    """The format in which samples are to be decoded. Raises FormatError when their bits say that it is another one."""
    if given is not None and (given not in (1, 5) or layout.width != 4):
        raise GempyGanError(f"sample_format is {given}. Allowed: 1 (IBM) or 5 (IEEE), for a file of 4-byte samples.")
    claimed = given or layout.format
    if claimed not in (1, 5):
        return claimed
    few = np.unique(np.linspace(0, layout.traces - 1, PEEK).astype(np.int64))
    most = 2**16  # samples of a trace are enough to judge by
    blocks = [block[:, layout.headers : layout.headers + 4 * most] for _, block in layout.chosen(few)]
    words = np.concatenate([np.ascontiguousarray(block).view(layout.order + "u4").ravel() for block in blocks])
    other = contradiction(words.astype(np.uint32), claimed)
    if other is not None:
        found = "IBM" if claimed == 1 else "IEEE"
        raise FormatError(
            f"{layout.file.name} says that its samples are {found} floats, and their bits say {SAMPLE_FORMATS[other][0]}. "
            f"Give sample_format={other} to read them as such, or sample_format={claimed} through a corrected header."
        )
    return claimed


def _window(first: float, step: float, samples: int, window: Range | None, name: str) -> slice:
    """The samples whose times (depths) lie in the window, both ends included."""
    if window is None:
        return slice(0, samples)
    low, high = limits(window, "window")
    begin = max(0, int(np.ceil((low - first) / step - 1e-6)))
    end = min(samples, int(np.floor((high - first) / step + 1e-6)) + 1)
    if begin >= end:
        raise FormatError(
            f"{name}: no sample lies from {low:g} to {high:g}. The axis runs {first:g} to {first + (samples - 1) * step:g}."
        )
    return slice(begin, end)


@dataclass(frozen=True)
class _Traces:
    """An array of traces in memory, or in a scratch file that nobody else sees and that goes with it."""

    values: NDArray[np.float32]
    scratch: mmap.mmap | None = None

    @classmethod
    def empty(cls, n: int, samples: int, name: str) -> _Traces:
        size = 4 * n * samples
        if size <= IN_MEMORY:
            return cls(np.empty((n, samples), np.float32))
        with tempfile.TemporaryFile(prefix="gempy-gan-") as file:
            try:
                file.truncate(size)
                if hasattr(os, "posix_fallocate"):  # a full disk is found now, not by a crash later
                    os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                raise FormatError(
                    f"{name} holds {size / 2**30:.3g} GiB of traces, and {tempfile.gettempdir()} has no room for them "
                    f"({error.strerror}). Read a part (inlines=, crosslines=, polygon=, window=), or set TMPDIR to another disk."
                ) from error
            scratch = mmap.mmap(file.fileno(), size)
        return cls(np.frombuffer(scratch, np.float32).reshape(n, samples), scratch)

    def release(self) -> None:
        """Let go of the memory of what was written; the scratch file keeps it."""
        if self.scratch is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.scratch.madvise(mmap.MADV_DONTNEED)


def _decoded(
    layout: Layout, code: int, index: NDArray[np.int64], samples: slice, identity: NDArray[np.int64], health: Findings
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The chosen traces and samples as floats, dead traces NaN, and which are dead."""
    wide = slice(layout.headers + samples.start * layout.width, layout.headers + samples.stop * layout.width)
    store = _Traces.empty(len(index), samples.stop - samples.start, layout.file.name)
    empty = np.zeros(len(index), dtype=bool)
    dead = np.isin(identity, DEAD_CODES)
    largest, gaps = 0.0, 0
    for place, block in layout.chosen(index):
        values = decode(block[:, wide], code, layout.order)
        rows = slice(place, place + len(values))
        largest = max(largest, _largest(values, layout.file.name))
        empty[rows] = _silent(values)
        dead[rows] |= empty[rows]
        holes = np.isnan(values).sum(axis=1) if values.dtype.kind == "f" and np.isnan(values.sum()) else None
        gaps += 0 if holes is None else int(holes[~dead[rows]].sum())
        store.values[rows] = values
        store.values[rows][dead[rows]] = np.nan
        store.release()
    _note(layout, code, largest, dead, empty, gaps, health)
    return store.values, dead


def _largest(values: Floats, name: str) -> float:
    """The largest amplitude. Raises FormatError where it cannot be one."""
    with np.errstate(invalid="ignore"):
        high, low = np.fmax.reduce(values, axis=None), np.fmin.reduce(values, axis=None)
    largest = float(np.nan_to_num(max(high, -low), nan=0.0, posinf=np.inf))
    if largest > ABSURD:
        raise FormatError(f"{name} holds amplitudes beyond {ABSURD:g}. Its sample format or byte order is not what it claims.")
    return largest


def _silent(values: Floats) -> NDArray[np.bool_]:
    """Which traces hold nothing but zero and NaN."""
    silent: NDArray[np.bool_] = np.asarray(np.nan_to_num(values[:, 0]) == 0)
    silent[silent] = ~np.nan_to_num(values[silent]).any(axis=1)
    return silent


def _note(
    layout: Layout, code: int, largest: float, dead: NDArray[np.bool_], empty: NDArray[np.bool_], gaps: int, health: Findings
) -> None:
    if dead.all():
        raise FormatError(
            f"All {len(dead)} traces of {layout.file.name} are zero or flagged dead. Expected at least one live trace."
        )
    if dead.any():
        health.add(
            "note", f"{int(dead.sum())} of {len(dead)} traces are dead ({int(empty.sum())} all zero).", "They were set to NaN."
        )
    if gaps:
        health.add("warning", f"{gaps} samples of live traces are NaN.", "They count as not observed.")
    if code not in (1, 5) and largest > WHOLE:
        health.add("warning", f"Amplitudes reach {largest:g}, in {SAMPLE_FORMATS[code][0]}s.", "They were rounded to 24 bits.")
    if code == 6:
        health.add("note", "Samples are doubles.", "They were rounded to 24 bits.")
