"""How a SEG-Y file is laid out: byte order, sample format, where its traces start and how long they are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.adapters.segy_samples import SAMPLE_FORMATS
from gempy_gan.errors import FormatError

HEADERS = 3600  # bytes of the textual and the binary header
STANZA = 3200  # bytes of an extended textual header, or of a trailer
BLOCK = 2**24  # bytes read at once

Endian = Literal["big", "little"]
Blocks = Iterator[tuple[int, NDArray[np.uint8]]]


@dataclass(frozen=True)
class Layout:
    """What the binary header says, checked against the length of the file before anything is allocated.

    `interval` is in microseconds (thousandths of a unit in depth), `texts` counts extended textual headers and `extensions` the
    additional 240-byte headers of each trace (revision 2), `trailers` the stanzas after the last trace.
    """

    file: Path
    endian: Endian
    format: int
    samples: int
    interval: float
    feet: bool
    revision: int
    first_trace: int
    traces: int
    extensions: int
    trailers: int

    @property
    def width(self) -> int:
        """Bytes per sample."""
        return SAMPLE_FORMATS[self.format][1]

    @property
    def order(self) -> Literal[">", "<"]:
        """Byte order as NumPy writes it."""
        return ">" if self.endian == "big" else "<"

    @property
    def headers(self) -> int:
        """Bytes before the samples of a trace."""
        return 240 * (1 + self.extensions)

    @property
    def length(self) -> int:
        """Bytes of one trace, headers and samples."""
        return self.headers + self.samples * self.width

    @classmethod
    def of(cls, file: Path) -> Layout:
        """Read and check it. Raises FormatError for what is no SEG-Y, or does not fit the length of the file."""
        try:
            size = file.stat().st_size
            with file.open("rb") as stream:
                stream.seek(STANZA)
                block = stream.read(HEADERS - STANZA)
        except OSError as error:
            raise FormatError(f"{file} cannot be read: {error.strerror or error}. Check the path.") from error
        if len(block) < HEADERS - STANZA:
            raise FormatError(
                f"{file.name} is {size} bytes long. Expected at least {HEADERS} bytes of SEG-Y headers: no SEG-Y file."
            )
        binary = _Binary(block, file, size)
        start = binary.first_trace()
        samples, traces = binary.fitting(start)
        return cls(
            file, binary.endian, binary.format, samples, binary.interval(), binary.field(3255) == 2, binary.revision, start,
            traces, binary.extensions, binary.trailers,
        )  # fmt: skip

    def blocks(self) -> Blocks:
        """All traces, whole, in blocks: the index of the first, and bytes (n, length)."""
        at_once = max(1, BLOCK // self.length)
        with self.file.open("rb") as stream:
            stream.seek(self.first_trace)
            for first in range(0, self.traces, at_once):
                count = min(at_once, self.traces - first)
                yield first, self._read(stream, count)

    def chosen(self, index: NDArray[np.int64]) -> Blocks:
        """These traces (ascending) in blocks: the place in `index` of the first, and bytes (n, length)."""
        runs = np.split(index, np.flatnonzero(np.diff(index) != 1) + 1) if len(index) else []
        at_once, place = max(1, BLOCK // self.length), 0
        with self.file.open("rb") as stream:
            for run in runs:
                stream.seek(self.first_trace + int(run[0]) * self.length)
                for first in range(0, len(run), at_once):
                    block = self._read(stream, min(at_once, len(run) - first))
                    yield place, block
                    place += len(block)

    def _read(self, stream: Any, count: int) -> NDArray[np.uint8]:
        raw = np.fromfile(stream, np.uint8, count * self.length)
        if raw.size < count * self.length:
            raise FormatError(f"{self.file.name} became shorter while it was read. Read it when nothing writes to it.")
        return raw.reshape(count, self.length)


@dataclass(frozen=True)
class _Binary:
    """The 400 bytes of the binary header of a file of this size."""

    block: bytes
    file: Path
    size: int

    @property
    def endian(self) -> Endian:
        """Little where the sample format would be out of range otherwise."""
        return "big" if 1 <= struct.unpack_from(">h", self.block, 24)[0] <= 16 else "little"

    def field(self, byte: int, kind: str = "h") -> int:
        """A whole number of the header; bytes are counted from the start of the file."""
        return int(struct.unpack_from((">" if self.endian == "big" else "<") + kind, self.block, byte - 3201)[0])

    @property
    def revision(self) -> int:
        """0, 1 or 2; the major number stands in the first of two bytes, or in the second where they are swapped."""
        major = max(self.block[300], self.block[301] if self.endian == "little" else 0)
        return major if major in (1, 2) else 0

    @property
    def format(self) -> int:
        """Sample format code."""
        code = self.field(3225)
        if code not in SAMPLE_FORMATS:
            known = ", ".join(f"{number} ({name})" for number, (name, _) in SAMPLE_FORMATS.items())
            raise FormatError(f"{self.file.name} has sample format {code}. Readable are {known}; is it a SEG-Y file?")
        return code

    @property
    def extensions(self) -> int:
        """Additional 240-byte headers of each trace."""
        return max(self.field(3507), 0) if self.revision == 2 else 0

    @property
    def trailers(self) -> int:
        """Stanzas after the last trace."""
        count = self.field(3529, "i") if self.revision == 2 else 0
        if count < 0:
            raise FormatError(f"{self.file.name} has an unstated number of trailing stanzas. Export it as SEG-Y revision 1.")
        return count

    def interval(self) -> float:
        """The sample interval as it stands; revision 2 may state it as a double."""
        if self.revision == 2:
            (extended,) = struct.unpack_from((">" if self.endian == "big" else "<") + "d", self.block, 3273 - 3201)
            if np.isfinite(extended) and extended > 0:
                return float(extended)
        return float(self.field(3217))

    def first_trace(self) -> int:
        """Offset of the first trace, behind the extended textual headers."""
        stated = self.field(3521, "q") if self.revision == 2 else 0
        if stated and not HEADERS <= stated < self.size:
            raise FormatError(f"{self.file.name} says that its traces start at byte {stated}. It has {self.size} bytes.")
        texts = self.field(3505)
        return stated or HEADERS + STANZA * (texts if texts >= 0 else self._stanzas())

    def _stanzas(self) -> int:
        """Extended textual headers up to the one that says that it is the last."""
        with self.file.open("rb") as stream:
            stream.seek(HEADERS)
            count = 0
            while len(stanza := stream.read(STANZA)) == STANZA:
                count += 1
                start = {stanza[:32].decode(code, "replace").replace(" ", "").upper()[:14] for code in ("ascii", "cp037")}
                if "((SEG:ENDTEXT)" in start:
                    return count
        raise FormatError(
            f"{self.file.name} has an unstated number of extended text headers, and none of them is ((SEG: EndText)). "
            "Export it as SEG-Y revision 1."
        )

    def fitting(self, start: int) -> tuple[int, int]:
        """Samples per trace and number of traces that together fill the file."""
        stated = self.field(3221)
        extended = self.field(3269, "i") if self.revision == 2 else 0
        room = self.size - start - STANZA * self.trailers
        for samples in (extended,) if extended > 0 else (stated, self.field(3221, "H")):  # 40,000 samples are -25,536
            length = 240 * (1 + self.extensions) + max(samples, 0) * SAMPLE_FORMATS[self.format][1]
            if samples > 0 and room >= length and room % length == 0:
                return samples, self._counted(room // length)
        samples = extended if extended > 0 else stated
        if samples <= 0:
            raise FormatError(
                f"{self.file.name} states {samples} samples per trace. Expected a positive number in bytes 3221-3222."
            )
        length = 240 * (1 + self.extensions) + samples * SAMPLE_FORMATS[self.format][1]
        whole, rest = divmod(room, length)
        raise FormatError(
            f"{self.file.name} is {self.size} bytes long: {max(whole, 0)} whole traces of {samples} samples and {rest} bytes "
            "more. Expected whole traces: the file is truncated, or its traces differ in length."
        )

    def _counted(self, traces: int) -> int:
        stated = self.field(3513, "Q") if self.revision == 2 else 0
        if stated not in (0, traces):
            raise FormatError(f"{self.file.name} says that it has {stated} traces, and holds {traces}. Is it truncated?")
        return traces
