"""What the headers of a SEG-Y file state: its layout, sample format, vertical axis and positions."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.health import Finding, Level
from gempy_gan.seismic import Domain

SAMPLE_FORMATS = {
    1: ("IBM float", 4),
    2: ("32-bit integer", 4),
    3: ("16-bit integer", 2),
    5: ("IEEE float", 4),
    6: ("IEEE double", 8),
    8: ("8-bit integer", 1),
    10: ("unsigned 32-bit integer", 4),
    11: ("unsigned 16-bit integer", 2),
    16: ("unsigned 8-bit integer", 1),
}
FOOT = 0.3048


class Findings(list[Finding]):
    """The findings of one file, as they come up."""

    def add(self, level: Level, message: str, action: str = "") -> None:
        """Append one."""
        self.append(Finding(level, message, action))


@dataclass(frozen=True)
class BinaryHeader:
    """What the 400-byte binary header says about the layout; read before segyio, whose open() only says that it failed."""

    endian: Literal["big", "little"]
    format: int
    samples: int
    interval: int
    feet: bool
    first_trace: int
    traces: int

    @property
    def width(self) -> int:
        """Bytes per sample."""
        return SAMPLE_FORMATS[self.format][1]

    @property
    def order(self) -> str:
        """Byte order as NumPy writes it."""
        return ">" if self.endian == "big" else "<"

    @classmethod
    def of(cls, file: Path) -> BinaryHeader:
        """Read and check it; raises FormatError for what segyio could not read, or would read wrongly."""
        try:
            size = file.stat().st_size
            with file.open("rb") as stream:
                stream.seek(3200)
                block = stream.read(400)
        except OSError as error:
            raise FormatError(f"{file} cannot be read: {error.strerror or error}. Check the path.") from error
        if len(block) < 400:
            raise FormatError(f"{file.name} is {size} bytes long. Expected at least 3600 bytes of SEG-Y headers: no SEG-Y file.")
        endian: Literal["big", "little"] = "big"
        if not 1 <= struct.unpack_from(">h", block, 24)[0] <= 16:
            endian = "little"

        def field(byte: int) -> int:
            return int(struct.unpack_from(">h" if endian == "big" else "<h", block, byte - 3201)[0])

        code, samples, texts = field(3225), field(3221), field(3505)
        if code not in SAMPLE_FORMATS:
            known = ", ".join(f"{number} ({name})" for number, (name, _) in SAMPLE_FORMATS.items())
            raise FormatError(f"{file.name} has sample format {code}. Readable are {known}; is it a SEG-Y file?")
        revision = block[300 if endian == "big" else 301]
        extra = field(3507) if revision == 2 else 0
        if extra > 0 or texts < 0:
            found = f"{extra} trace header extensions" if extra > 0 else "an unstated number of extended text headers"
            raise FormatError(f"{file.name} has {found}, which cannot be read. Export it as SEG-Y revision 1.")
        if samples <= 0:
            raise FormatError(f"{file.name} states {samples} samples per trace. Expected a positive number in bytes 3221-3222.")
        offset = 3600 + 3200 * texts
        length = 240 + samples * SAMPLE_FORMATS[code][1]
        whole, rest = divmod(size - offset, length)
        if rest or whole < 1:
            raise FormatError(
                f"{file.name} is {size} bytes long: {max(whole, 0)} whole traces of {samples} samples and {rest} bytes more. "
                "Expected whole traces: the file is truncated, or its traces differ in length."
            )
        return cls(endian, code, samples, field(3217), field(3255) == 2, offset, whole)

    def raw(self, file: Path, sample: str) -> Any:
        """The samples (traces, samples) as they stand in the file, memory-mapped as this NumPy type."""
        layout = np.dtype([("header", "V240"), ("samples", self.order + sample, (self.samples,))])
        return np.memmap(file, layout, "r", self.first_trace, (self.traces,))["samples"]


@dataclass(frozen=True)
class TraceHeaders:
    """The trace headers of an open file."""

    stream: Any
    name: str

    def field(self, byte: int) -> NDArray[np.int64]:
        """One trace-header field of every trace, (n,)."""
        try:
            return np.asarray(self.stream.attributes(byte)[:], dtype=np.int64)
        except (KeyError, IndexError, ValueError, TypeError, RuntimeError):
            raise FormatError(
                f"Trace-header byte {byte!r} is not where a field of SEG-Y starts. Expected one of 1 to 240, as 189 for inline."
            ) from None


def check_step(dt: float | None, domain: Domain) -> None:
    """Raise GempyGanError for a given interval that cannot be in seconds (metres)."""
    if dt is not None and not (np.isfinite(dt) and dt > 0):
        raise GempyGanError(f"dt is {dt}. Expected a positive number of {'seconds' if domain == 'time' else 'metres'}.")
    if dt is not None and domain == "time" and dt > 0.1:
        raise GempyGanError(f"dt is {dt} seconds. Expected at most 0.1 s: 4 ms are dt=0.004.")


def check_counts(headers: TraceHeaders, header: BinaryHeader, health: Findings) -> None:
    """Note trace headers whose sample count is not the binary header's, which fits the file's length."""
    stated = set(np.unique(headers.field(115)).tolist()) - {0, header.samples}
    if stated:
        health.add(
            "note",
            f"Trace headers state {some(stated)} samples (byte 115), the binary header {header.samples}.",
            f"{header.samples} fit the file's length and were used.",
        )


def step_of(headers: TraceHeaders, header: BinaryHeader, domain: Domain, dt: float | None, health: Findings) -> float:
    """Sample interval, in seconds or in the file's length unit."""
    stated = {int(value) for value in np.unique(headers.field(117))}
    found = {value for value in stated | {header.interval} if value > 0}
    where = f"the binary header states {header.interval} and the trace headers {some(stated)} (bytes 3217 and 117)"
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
    if header.interval < 0 or min(stated) < 0:
        health.add("warning", f"A sample interval is negative: {where}.", f"{interval} was used.")
    if domain == "depth":
        health.add("warning", f"The depth interval {interval} was read as thousandths of a unit.", "Give dt= if it is not.")
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


def metres_per_unit(header: BinaryHeader, unit: str | None, health: Findings) -> float:
    """Factor from the file's length unit to metres."""
    if unit not in (None, "m", "ft"):
        raise GempyGanError(f"unit is {unit!r}. Allowed: 'm' or 'ft'.")
    feet = header.feet if unit is None else unit == "ft"
    if feet:
        health.add("warning" if unit is None else "note", "Lengths are in feet.", "They were converted to metres.")
    return FOOT if feet else 1.0


def line_numbers(headers: TraceHeaders, inline_byte: int | None, crossline_byte: int | None) -> NDArray[np.int64]:
    """Inline and crossline numbers (n, 2); zero where there is no such byte."""
    none = np.zeros(headers.stream.tracecount, dtype=np.int64)
    return np.stack([none if byte is None else headers.field(byte) for byte in (inline_byte, crossline_byte)], axis=1)


def positions(headers: TraceHeaders, x_byte: int, y_byte: int, scalar: int | None, health: Findings) -> NDArray[np.float64]:
    """Map positions (n, 2) in the file's length unit."""
    if scalar == 0:
        raise GempyGanError("coordinate_scalar is 0. Expected a whole number such as -100 (divide by 100) or 1.")
    raw = np.stack([headers.field(x_byte), headers.field(y_byte)], axis=1).astype(np.float64)
    kind = set(np.unique(headers.field(89)).tolist()) & {2, 3, 4}
    if kind:
        raise FormatError(
            f"{headers.name} holds geographic coordinates (byte 89 is {kind.pop()}). "
            "Expected map coordinates in metres or feet: project them, or point x_byte= and y_byte= to such."
        )
    factor = headers.field(71) if scalar is None else np.full(len(raw), scalar)
    usual = {0, 1} | {sign * 10**power for sign in (1, -1) for power in range(1, 5)} | {-1}
    odd = set(np.unique(factor).tolist()) - usual
    if odd:
        health.add(
            "warning", f"The coordinate scalar is {some(odd)}; SEG-Y allows powers of ten.", "It was applied as it stands."
        )
    if (factor == 0).any() and raw.any():
        health.add("note", "The coordinate scalar is 0, which SEG-Y leaves undefined.", "It was taken as 1.")
    factor = np.where(factor == 0, 1, factor)[:, None]
    return np.where(factor < 0, raw / np.abs(factor), raw * factor)


def check_floats(file: Path, header: BinaryHeader, sample_format: int | None) -> None:
    """Refuse IEEE floats flagged as IBM and the reverse.

    A normalised IBM fraction has a leading hexadecimal digit other than zero. The same four bits of an IEEE float are the
    last bit of its exponent and the first three of its mantissa, which are all zero for one number in a dozen.
    """
    claimed = sample_format or header.format
    if claimed not in (1, 5):
        return
    raw = header.raw(file, "u4")
    words = np.asarray(raw[:: max(1, header.traces // 64)][:64]).astype(np.uint32).ravel()
    words = words[(words & 0x7FFFFFFF) != 0]
    zero_digit = ((words >> 20) & 0xF) == 0
    if claimed == 1 and len(words) >= 100 and zero_digit.mean() > 0.02:
        found, other = "IBM", 5
    elif claimed == 5 and not zero_digit.any() and _spans_even_exponents(words):
        found, other = "IEEE", 1
    else:
        return
    raise FormatError(
        f"{file.name} says that its samples are {found} floats, and their bits say {SAMPLE_FORMATS[other][0]}. "
        f"Give sample_format={other} to read them as such, or sample_format={claimed} through a corrected header."
    )


def _spans_even_exponents(words: NDArray[np.uint32]) -> bool:
    """Whether, were these IEEE floats, at least two even exponents would be well filled."""
    exponent = (words >> 23) & 0xFF
    _, count = np.unique(exponent[exponent % 2 == 0], return_counts=True)
    return bool((count >= 100).sum() >= 2 and len(np.unique(words)) >= 300)


def some(values: set[int], most: int = 4) -> str:
    """The first few of many values, as text."""
    listed = [str(value) for value in sorted(values)]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
