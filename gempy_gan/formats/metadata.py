"""What a grid file cannot say about its ensemble, as plain JSON values kept inside the file or in a sidecar beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gempy_gan.ensemble import CONVENTION, Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

Metadata = dict[str, Any]


def describe(ensemble: Ensemble) -> Metadata:
    """Grid, properties, provenance, numbers, weights and labels of the realizations; not the values, not the active cells."""
    described = {
        "gempy_gan_convention": CONVENTION,
        "grid": ensemble.grid.to_dict(packed=True),
        "properties": [p.to_dict() for p in ensemble.properties],
        "provenance": ensemble.provenance,
        "realizations": list(ensemble.numbers),
    }
    if "log_weight" in ensemble.dataset:
        described["log_weights"] = ensemble.dataset["log_weight"].values.tolist()
    if not ensemble.labels.empty:
        described["labels"] = {name: _without_nan(column) for name, column in ensemble.labels.items()}
    return described


def rebuild(metadata: Metadata, values: ArrayLike, active: ArrayLike | None) -> Ensemble:
    """The ensemble that was described, with its values (n, c, nx, ny, nz) and its active cells."""
    if active is not None and np.all(active):
        active = None
    grid = Grid.from_dict(metadata["grid"], active)
    properties = [Property.from_dict(p) for p in metadata["properties"]]
    weights, labels = metadata.get("log_weights"), metadata.get("labels")
    ensemble = Ensemble.from_values(grid, properties, values, metadata["provenance"], weights, labels)
    return Ensemble(ensemble.dataset.assign_coords(realization=metadata["realizations"]))


def _without_nan(column: Iterable[float]) -> list[float | None]:
    """The numbers as JSON has them, which knows no nan."""
    return [None if math.isnan(value) else float(value) for value in column]


def sidecar(path: Path) -> Path:
    """Where the metadata of a file stand: `e.roff.json` for `e.roff`."""
    return path.with_name(f"{path.name}.json")


def write_sidecar(path: Path, metadata: Metadata) -> Path:
    """Write the metadata of `path` beside it; returns the file."""
    file = sidecar(path)
    file.write_text(json.dumps(metadata, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return file


def read_sidecar(path: Path) -> Metadata | None:
    """The metadata beside `path`, or None where there are none. Raises FormatError when they are not ours."""
    file = sidecar(path)
    if not file.is_file():
        return None
    try:
        return check(json.loads(file.read_text(encoding="utf-8")), file)
    except (OSError, ValueError, RecursionError) as error:
        raise FormatError(f"{file} cannot be read: {error}. Remove it to read the grid without it.") from error


def check(metadata: Any, source: Path) -> Metadata:
    """The metadata themselves. Raises FormatError when they follow another convention."""
    found = metadata.get("gempy_gan_convention") if isinstance(metadata, dict) else None
    if found != CONVENTION:
        raise FormatError(f"{source} follows the convention {found!r}. Expected {CONVENTION!r}.")
    return dict(metadata)
