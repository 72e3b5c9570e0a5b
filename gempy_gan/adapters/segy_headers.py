"""What the trace headers of a SEG-Y file state: its vertical axis, line numbers and positions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.adapters.segy_layout import Layout
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.health import Finding, Level
from gempy_gan.seismic import Domain

FOOT = 0.3048

FIELDS: dict[int, Literal[2, 4]] = {
    **dict.fromkeys((1, 5, 9, 13, 17, 21, 25, 37, 41, 45, 49, 53, 57, 61, 65, 73, 77, 81, 85), 4),
    **dict.fromkeys((29, 31, 33, 35, 69, 71, *range(89, 181, 2), 201, 203, 209, 211, 213, 215, 217, 223, 229, 231), 2),
    **dict.fromkeys((181, 185, 189, 193, 197, 205, 219, 225, 233, 237), 4),
}
"""Where the fields of a trace header start (bytes counted from 1), and how long they are."""

STATED = (29, 71, 89, 109, 115, 117, 215)
"""Identification, coordinate scalar and unit, delay, samples, interval, time scalar: read from every trace."""


@dataclass(frozen=True)
class Preset:
    """Where the trace headers keep line numbers (None: nowhere) and map positions."""

    inline: int | None
    crossline: int | None
    x: int
    y: int

    def __str__(self) -> str:
        lines = "no line numbers" if self.inline is None else f"inline_byte={self.inline}, crossline_byte={self.crossline}"
        return f"{lines}, x_byte={self.x}, y_byte={self.y}"


PRESETS: Mapping[str, Preset] = {
    "rev1": Preset(189, 193, 181, 185),
    "petrel": Preset(5, 21, 73, 77),
    "landmark": Preset(9, 21, 73, 77),
    "source": Preset(189, 193, 73, 77),
    "shotpoint": Preset(17, 21, 73, 77),
    "positions": Preset(None, None, 181, 185),
}
"""Byte positions by the name of the convention: SEG-Y rev 1 and 2, and what other programs write or people use without them."""


class Findings(list[Finding]):
    """The findings of one file, as they come up."""

    def add(self, level: Level, message: str, action: str = "") -> None:
        """Append one."""
        self.append(Finding(level, message, action))


@dataclass(frozen=True)
class TraceHeaders:
    """Some fields of all trace headers, by the byte at which they start, and the hash of the file they were read from."""

    fields: Mapping[int, NDArray[Any]]
    name: str
    sha256: str

    @classmethod
    def of(cls, layout: Layout, bytes_: set[int]) -> TraceHeaders:
        """Read these fields, and those that everyone needs, in one pass through the file."""
        wanted = sorted({*STATED, *bytes_})
        for byte in wanted:
            if byte not in FIELDS:
                raise FormatError(
                    f"Trace-header byte {byte!r} is not where a field of SEG-Y starts. "
                    "Expected one of 1 to 237, as 189 for inline."
                )
        fields: dict[int, NDArray[Any]] = {
            byte: np.empty(layout.traces, np.int32 if FIELDS[byte] == 4 else np.int16) for byte in wanted
        }
        with layout.file.open("rb") as stream:
            digest = hashlib.sha256(stream.read(layout.first_trace))
        for first, block in layout.blocks():
            digest.update(block.data)
            for byte, values in fields.items():
                values[first : first + len(block)] = header_field(block, byte, layout)
        with layout.file.open("rb") as stream:
            stream.seek(layout.first_trace + layout.traces * layout.length)
            digest.update(stream.read())
        return cls(fields, layout.file.name, digest.hexdigest())

    def __len__(self) -> int:
        return len(self.fields[STATED[0]])

    def field(self, byte: int) -> NDArray[np.int64]:
        """One field of every trace, (n,)."""
        return self.fields[byte].astype(np.int64)

    def values(self, byte: int) -> set[int]:
        """The values that occur."""
        return set(np.unique(self.fields[byte]).tolist())


def header_field(block: NDArray[np.uint8], byte: int, layout: Layout) -> NDArray[np.signedinteger]:
    """One field (n,) of the traces in a block of bytes."""
    width = FIELDS[byte]
    return np.ascontiguousarray(block[:, byte - 1 : byte - 1 + width]).view(f"{layout.order}i{width}")[:, 0]


def check_step(dt: float | None, domain: Domain) -> None:
    """Raise GempyGanError for a given interval that cannot be in seconds (metres)."""
    if dt is not None and not (np.isfinite(dt) and dt > 0):
        raise GempyGanError(f"dt is {dt}. Expected a positive number of {'seconds' if domain == 'time' else 'metres'}.")
    if dt is not None and domain == "time" and dt > 0.1:
        raise GempyGanError(f"dt is {dt} seconds. Expected at most 0.1 s: 4 ms are dt=0.004.")


def check_counts(headers: TraceHeaders, layout: Layout, health: Findings) -> None:
    """Note trace headers whose sample count is not the binary header's, which fits the file's length."""
    stated = {value % 2**16 for value in headers.values(115)} - {0, layout.samples}
    if stated and layout.samples < 2**16:
        health.add(
            "note",
            f"Trace headers state {some(stated)} samples (byte 115), the binary header {layout.samples}.",
            f"{layout.samples} fit the file's length and were used.",
        )
    if layout.extensions:
        health.add("note", f"Each trace has {layout.extensions} more header(s) of revision 2.", "Only the first was read.")
    if layout.trailers:
        health.add("note", f"{layout.trailers} stanzas follow the last trace.", "They were not read.")


def step_of(headers: TraceHeaders, layout: Layout, domain: Domain, dt: float | None, health: Findings) -> float:
    """Sample interval, in seconds or in the file's length unit."""
    stated: set[float] = {float(value) for value in headers.values(117)}
    exact = layout.interval
    if exact != round(exact):  # the double of revision 2: what a trace header holds is rounded
        stated = {exact if abs(value - exact) < 1 else value for value in stated}
    found = {value for value in stated | {exact} if value > 0}
    where = f"the binary header states {exact:g} and the trace headers {some(stated)} (bytes 3217 and 117)"
    if dt is not None:
        if found != {round(dt * (1e6 if domain == "time" else 1e3))}:
            health.add("note", f"The sample interval was given as {dt:g}; {where}.", "The given one was used.")
        return float(dt)
    if len(found) != 1:
        said = "no sample interval" if not found else "more than one sample interval"
        raise FormatError(
            f"{headers.name} states {said}: {where}. Give the right one as dt= in seconds (time) or metres (depth)."
        )
    interval = found.pop()
    if exact < 0 or min(stated) < 0:
        health.add("warning", f"A sample interval is negative: {where}.", f"{interval:g} was used.")
    if domain == "depth":
        health.add("warning", f"The depth interval {interval:g} was read as thousandths of a unit.", "Give dt= if it is not.")
    return interval / (1e6 if domain == "time" else 1e3)


def start_of(headers: TraceHeaders, domain: Domain, start: float | None, health: Findings) -> float:
    """Axis value of the first sample, in seconds or in the file's length unit."""
    if start is not None:
        return float(start)
    scalar = headers.field(215).astype(np.float64)
    delay = headers.field(109) * np.where(
        scalar < 0, 1 / np.where(scalar == 0, 1, np.abs(scalar)), np.where(scalar == 0, 1, scalar)
    )
    if np.ptp(delay) > 0:
        raise FormatError(
            f"{headers.name}: traces start at different times, {delay.min():g} to {delay.max():g} ms (byte 109). "
            "Expected one common start: shift the traces, or give start= if the headers are wrong."
        )
    if delay[0] != 0:
        health.add("note", f"The first sample stands at {delay[0]:g} {'ms' if domain == 'time' else 'length units'} (byte 109).")
    return float(delay[0]) / (1e3 if domain == "time" else 1.0)


def metres_per_unit(layout: Layout, unit: str | None, health: Findings) -> float:
    """Factor from the file's length unit to metres."""
    if unit not in (None, "m", "ft"):
        raise GempyGanError(f"unit is {unit!r}. Allowed: 'm' or 'ft'.")
    feet = layout.feet if unit is None else unit == "ft"
    if feet:
        health.add("warning" if unit is None else "note", "Lengths are in feet.", "They were converted to metres.")
    return FOOT if feet else 1.0


def line_numbers(headers: TraceHeaders, at: Preset) -> NDArray[np.int64]:
    """Inline and crossline numbers (n, 2); zero where there is no such byte."""
    none = np.zeros(len(headers), dtype=np.int64)
    return np.stack([none if byte is None else headers.field(byte) for byte in (at.inline, at.crossline)], axis=1)


def positions(headers: TraceHeaders, at: Preset, scalar: int | None, health: Findings) -> NDArray[np.float64]:
    """Map positions (n, 2) in the file's length unit."""
    if scalar == 0:
        raise GempyGanError("coordinate_scalar is 0. Expected a whole number such as -100 (divide by 100) or 1.")
    raw = np.stack([headers.field(at.x), headers.field(at.y)], axis=1).astype(np.float64)
    kind = headers.values(89) & {2, 3, 4}
    if kind:
        raise FormatError(
            f"{headers.name} holds geographic coordinates (byte 89 is {kind.pop()}). "
            "Expected map coordinates in metres or feet: project them, or point x_byte= and y_byte= to such."
        )
    factor = headers.field(71) if scalar is None else np.full(len(raw), scalar)
    usual = {0, 1} | {sign * 10**power for sign in (1, -1) for power in range(1, 5)} | {-1}
    odd = {float(value) for value in np.unique(factor)} - usual
    if odd:
        health.add(
            "warning", f"The coordinate scalar is {some(odd)}; SEG-Y allows powers of ten.", "It was applied as it stands."
        )
    if (factor == 0).any() and raw.any():
        health.add("note", "The coordinate scalar is 0, which SEG-Y leaves undefined.", "It was taken as 1.")
    factor = np.where(factor == 0, 1, factor)[:, None]
    return np.where(factor < 0, raw / np.abs(factor), raw * factor)


def some(values: set[int] | set[float], most: int = 4) -> str:
    """The first few of many values, as text."""
    listed = [f"{value:g}" for value in sorted(values)]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
