"""The samples of SEG-Y traces as floats, from every format of the standard, and whether their bits are what the header claims."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

SAMPLE_FORMATS = {
    1: ("IBM float", 4),
    2: ("32-bit integer", 4),
    3: ("16-bit integer", 2),
    4: ("fixed point with gain", 4),
    5: ("IEEE float", 4),
    6: ("IEEE double", 8),
    7: ("24-bit integer", 3),
    8: ("8-bit integer", 1),
    9: ("64-bit integer", 8),
    10: ("unsigned 32-bit integer", 4),
    11: ("unsigned 16-bit integer", 2),
    12: ("unsigned 64-bit integer", 8),
    15: ("unsigned 24-bit integer", 3),
    16: ("unsigned 8-bit integer", 1),
}
"""Sample format codes of SEG-Y rev 0 to 2.1: what they are called and their bytes."""

WHOLE = 2.0**24
"""Beyond it, whole numbers lose digits as 4-byte floats."""

_NUMPY = {2: "i4", 3: "i2", 5: "f4", 6: "f8", 8: "i1", 9: "i8", 10: "u4", 11: "u2", 12: "u8", 16: "u1"}

Order = Literal[">", "<"]
Floats = NDArray[np.float32] | NDArray[np.float64]


def decode(raw: NDArray[np.uint8], code: int, order: Order) -> Floats:
    """Samples (n, samples) of traces whose sample bytes are (n, samples * width); doubles where 4-byte floats lose digits.

    >>> decode(np.array([[0x42, 0x76, 0xA0, 0x00]], np.uint8), 1, ">").tolist()
    [[118.625]]
    """
    data = np.ascontiguousarray(raw)
    if code == 1:
        return _ibm(data.view(order + "u4"))
    if code == 4:
        return _gained(data, order)
    if code in (7, 15):
        return _three_bytes(data, order, signed=code == 7)
    values = data.view(order + _NUMPY[code])
    return values.astype(np.float32) if code in (3, 5, 8, 11, 16) else values.astype(np.float64)


def _ibm(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """IBM floats: a sign bit, seven bits of exponent to the base 16, 24 bits of fraction. What is too large becomes infinite."""
    own: NDArray[np.uint32] = words.astype(np.uint32)  # in this machine's byte order
    scale: NDArray[np.float32] = np.take(_SCALES, own >> np.uint32(24))
    own &= np.uint32(0xFFFFFF)
    with np.errstate(over="ignore"):
        scale *= own.astype(np.float32)
    return scale


def _scales() -> NDArray[np.float32]:
    """What the fraction is multiplied by, for each sign and exponent; a power of two, so that the product is exact."""
    top = np.arange(256)
    power = np.ldexp(1.0, 4 * ((top & 0x7F) - 64) - 24)
    largest = float(np.finfo(np.float32).max)
    return np.asarray(np.where(top >> 7, -1.0, 1.0) * np.minimum(power, largest), dtype=np.float32)


_SCALES = _scales()


def _gained(data: NDArray[np.uint8], order: Order) -> NDArray[np.float64]:
    """Obsolete format 4: two bytes of gain (the second counts powers of two), two bytes of whole number."""
    pairs = data.view(order + "i2").reshape(len(data), -1, 2)
    return np.asarray(np.ldexp(pairs[:, :, 1].astype(np.float64), pairs[:, :, 0].astype(np.int32) & 0xFF))


def _three_bytes(data: NDArray[np.uint8], order: Order, signed: bool) -> NDArray[np.float64]:
    parts = data.reshape(len(data), -1, 3).astype(np.int32)
    high, middle, low = (0, 1, 2) if order == ">" else (2, 1, 0)
    values = parts[:, :, high] << 16 | parts[:, :, middle] << 8 | parts[:, :, low]
    return np.asarray(np.where(values >= 2**23, values - 2**24, values) if signed else values, dtype=np.float64)


def contradiction(words: NDArray[np.uint32], claimed: int) -> int | None:
    """The format (1 IBM, 5 IEEE) that 4-byte words speak for, where they speak against the claimed one.

    A normalised IBM fraction has a leading hexadecimal digit other than zero. The same four bits of an IEEE float are the
    last bit of its exponent and the first three of its mantissa, which are all zero for one number in a dozen.
    """
    words = words[(words & 0x7FFFFFFF) != 0]
    zero_digit = ((words >> 20) & 0xF) == 0
    if claimed == 1 and len(words) >= 100 and zero_digit.mean() > 0.02:
        return 5
    if claimed == 5 and not zero_digit.any() and _spans_even_exponents(words):
        return 1
    return None


def _spans_even_exponents(words: NDArray[np.uint32]) -> bool:
    """Whether, were these IEEE floats, at least two even exponents would be well filled."""
    exponent = (words >> 23) & 0xFF
    _, count = np.unique(exponent[exponent % 2 == 0], return_counts=True)
    return bool((count >= 100).sum() >= 2 and len(np.unique(words)) >= 300)
