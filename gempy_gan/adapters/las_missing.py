"""What means "no value" in a LAS file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.adapters import las_header
from gempy_gan.errors import FormatError
from gempy_gan.health import Finding

SUSPECT_NULLS = (-999.0, -999.25, -9999.0, -9999.25, -99999.0, -99999.25, 999.25, 9999.25, -32767.0, -32768.0)
"""Values that in practice mean "no value"; beside the header's NULL they are refused, not read as measurements."""

WATCHED = (9999.0, 99999.0, 32767.0)
"""Values that may mean "no value" but also occur as measurements: read, with a warning."""

_HUGE = 1e29  # 1e30 and 1.7e38 mean "no value" too


@dataclass(frozen=True)
class Missing:
    """What means "no value": the header's NULL and the caller's numbers and texts."""

    numbers: tuple[float, ...]
    texts: Collection[str]
    strict: bool

    @classmethod
    def of(cls, header: Any, null: float | str | Sequence[float | str] | None, found: list[Finding]) -> Missing:
        """The header's NULL, and what the caller gives."""
        given = () if null is None else (null,) if isinstance(null, (int, float, str)) else tuple(null)
        stated = las_header.number(las_header.value(header, "Well", "NULL"))
        if not np.isfinite(stated):
            text = las_header.value(header, "Well", "NULL")
            found.append(Finding("warning", f"NULL is {text!r}, which is no number" if text else "The header has no NULL"))
        numbers = [float(item) for item in (stated, *given) if not isinstance(item, str) and np.isfinite(item)]
        return cls(tuple(numbers), frozenset(item for item in given if isinstance(item, str)), strict=null is None or bool(given))

    def blank(self, values: NDArray[np.float64], curve: str, found: list[Finding]) -> NDArray[np.float64]:
        """NaN for missing values. Raises FormatError when others remain that look like one."""
        values = np.where(np.isin(values, self.numbers), np.nan, values)
        suspect = np.isin(values, SUSPECT_NULLS) | (np.abs(values) > _HUGE)
        if self.strict and suspect.any():
            what = float(values[suspect][0])
            raise FormatError(
                f"Curve {curve} holds {what:g} {int((values == what).sum())} times, and NULL is {self.numbers or 'not given'}. "
                f"If it means 'no value', give `null={what:g}`; if all such values are measurements, give `null=()`."
            )
        watched = np.isin(values, WATCHED)
        if self.strict and watched.any():
            held = f"{curve} holds {values[watched][0]:g}, {int(watched.sum())} such values"
            found.append(Finding("warning", held, "They were read as measurements; give `null=` if they mean 'no value'."))
        return values
