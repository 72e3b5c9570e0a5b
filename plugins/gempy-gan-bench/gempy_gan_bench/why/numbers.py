"""Numbers with their uncertainty, as every analysis states them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def mean_with_error(values: ArrayLike | Sequence[float]) -> dict[str, float | None]:
    """Mean and its standard error; None for the error of a single value, and for both without any.

    >>> mean_with_error([1.0, 3.0])
    {'mean': 2.0, 'error': 1.0}
    """
    known = np.asarray(values, dtype=np.float64).ravel()
    known = known[np.isfinite(known)]
    if not len(known):
        return {"mean": None, "error": None}
    error = float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else None
    return {"mean": float(known.mean()), "error": error}


def text(value: object, form: str = ".3g") -> str:
    """A number, or a mean with its standard error, for a table; empty for None.

    >>> text({"mean": 0.1234, "error": 0.01}), text(3), text(None)
    ('0.123 ± 0.01', '3', '')
    """
    if isinstance(value, dict):
        mean, error = value["mean"], value["error"]
        return "" if mean is None else format(mean, form) + ("" if error is None else f" ± {error:.1g}")
    if value is None:
        return ""
    return format(value, form) if isinstance(value, float) else str(value)
