"""SEG-Y files byte by byte, without any library: what the tests of the reader are written with."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

WIDTHS = {1: 4, 2: 4, 3: 2, 4: 4, 5: 4, 6: 8, 7: 3, 8: 1, 9: 8, 10: 4, 11: 2, 12: 8, 15: 3, 16: 1}
LONG = {*range(1, 26, 4), 37, *range(41, 66, 4), *range(73, 86, 4), *range(181, 198, 4), 205, 219, 225, 233, 237}


def ibm(value: float) -> int:
    """One IBM float as a 32-bit word, by its definition: sign, base-16 exponent in excess 64, 24-bit fraction."""
    if value == 0:
        return 0
    sign, fraction, exponent = (value < 0) << 31, abs(value), 64
    while fraction >= 1:
        fraction, exponent = fraction / 16, exponent + 1
    while fraction < 1 / 16:
        fraction, exponent = fraction * 16, exponent - 1
    return sign | exponent << 24 | int(fraction * 2**24)


def sample(value: float, code: int, order: str = ">") -> bytes:
    """One sample as bytes."""
    if code == 1:
        return struct.pack(f"{order}I", ibm(value))
    if code == 4:
        gain = max(0, int(abs(value)).bit_length() - 15)
        return struct.pack(f"{order}hh", gain, int(value) >> gain)
    if code in (7, 15):
        return int(value).to_bytes(3, "big" if order == ">" else "little", signed=code == 7)
    kind = {2: "i", 3: "h", 5: "f", 6: "d", 8: "b", 9: "q", 10: "I", 11: "H", 12: "Q", 16: "B"}[code]
    return struct.pack(order + kind, value if code in (5, 6) else int(value))


def segy(
    traces: Sequence[Sequence[float]],
    headers: Sequence[Mapping[int, int]],
    code: int = 5,
    order: str = ">",
    binary: Mapping[int, tuple[str, float]] | None = None,
    dt: int = 4000,
    texts: Sequence[bytes] = (),
    extensions: int = 0,
    trailer: bytes = b"",
) -> bytes:
    """A whole file. `headers` are the trace headers' fields by byte (from 1); `binary` fields of the binary header, with their
    struct format; `texts` extended textual headers; `extensions` empty extra headers of each trace."""
    block = bytearray(3600)
    block[:3200] = ("C 1 WRITTEN BY A TEST".ljust(3200)).encode("cp037")
    stated = {3217: ("h", dt), 3221: ("H", len(traces[0])), 3225: ("h", code), 3505: ("h", len(texts)), **(binary or {})}
    for byte, (kind, value) in stated.items():
        struct.pack_into(order + kind, block, byte - 1, value)
    parts = [bytes(block), *(text.ljust(3200) for text in texts)]
    for trace, header in zip(traces, headers, strict=True):
        head = bytearray(240 * (1 + extensions))
        for byte, value in {115: len(trace) % 2**15, 117: dt, 71: 1, **header}.items():
            struct.pack_into(order + ("i" if byte in LONG else "h"), head, byte - 1, value)
        parts.append(bytes(head) + b"".join(sample(value, code, order) for value in trace))
    return b"".join([*parts, trailer])


def grid(inlines: Sequence[int], crosslines: Sequence[int], at: tuple[int, int, int, int] = (189, 193, 181, 185)) -> list[dict]:
    """Trace headers of a survey turned by 30 degrees, bins of 12 by 25 metres."""
    il, xl, x, y = at
    pairs = [(i, j) for i in inlines for j in crosslines]
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    return [
        {
            il: i,
            xl: j,
            x: round(500_000 + 25 * i * cos - 12 * j * sin),
            y: round(6_000_000 + 25 * i * sin + 12 * j * cos),
        }
        for i, j in pairs
    ]


def noise(n: int, samples: int = 12, low: int = -100, high: int = 100, seed: int = 0) -> np.ndarray:
    """Whole numbers that every format holds."""
    return np.random.default_rng(seed).integers(low, high, (n, samples))
