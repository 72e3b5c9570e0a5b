"""Files that are whole or not there: what a run keeps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import plain


def keep_json(file: Path, content: Any) -> None:
    """Write plain JSON values."""
    partial = _beside(file)
    partial.write_text(json.dumps(plain(content), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(file)


def keep_arrays(file: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays, to be read with `numpy.load`."""
    partial = _beside(file)
    with partial.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]  # names are free
    partial.replace(file)


def _beside(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.with_name(f".{file.name}.{os.getpid()}")
