"""Files that are whole or not there: what a run keeps."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import plain


def keep_json(file: Path, content: Any) -> None:
    """Write plain JSON values; numbers that are not finite, which JSON has none of, become null."""
    partial = _beside(file)
    partial.write_text(json.dumps(_finite(plain(content)), allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(file)


def keep_arrays(file: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays, to be read with `numpy.load`."""
    partial = _beside(file)
    with partial.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]  # names are free
    partial.replace(file)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _beside(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.with_name(f".{file.name}.{os.getpid()}")
