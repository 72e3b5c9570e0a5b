"""Formats with one file for the grid and one for each property and realization: how the files are named and put together."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.formats.corner_point import OURS, describes, from_xtgeo
from gempy_gan.formats.metadata import Metadata, rebuild, sidecar
from gempy_gan.formats.regular import Axes
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

Load = Callable[[Path, str], tuple[NDArray[Any], Property]]


@dataclass(frozen=True)
class PropertyFiles:
    """What belongs together: the grid's file, and the file of each property and realization."""

    grid: Path
    values: Mapping[tuple[str, int], Path]


def value_file(path: Path, name: str, label: int, suffix: str) -> Path:
    """`e--porosity--7.roff`: the values of one property in one realization of `e`."""
    return path.with_name(f"{path.stem}--{name}--{label}{suffix}")


def value_files(path: Path, suffix: str) -> dict[tuple[str, int], Path]:
    """The files beside `path` that are named as its values: `e--porosity--7.roff`, or `e--porosity.roff` for a single one."""
    pattern = re.compile(rf"{re.escape(path.stem)}--(?P<name>.+?)(?:--(?P<label>\d+))?{re.escape(suffix)}")
    found = [(pattern.fullmatch(file.name), file) for file in sorted(path.parent.iterdir())]
    return {(match["name"], int(match["label"] or 0)): file for match, file in found if match}


def check_whole(path: Path) -> None:
    """Raise FormatError for one of the files that an ensemble was written to, such as `e--porosity--7.roff` of `e.roff`."""
    whole = path.stem.partition("--")[0].removesuffix("_grid")
    if whole == path.stem or sidecar(path).is_file():
        return
    for suffix in (path.suffix, ".egrid", ".EGRID"):  # values of an .egrid stand in .grdecl
        if sidecar(whole_path := path.with_name(whole + suffix)).is_file():
            raise FormatError(f"{path} is a part of an ensemble. Read {whole_path}, which stands for all of its files.")


def assemble(path: Path, metadata: Metadata | None, files: PropertyFiles, geometry: Any, load: Load) -> Ensemble:
    """The ensemble of these files; `load` reads one of them, as (ni, nj, nk) with k as in the file, and its property.

    The metadata decide which realizations and properties there are; without them, all that were found. Raises FormatError
    when a file is missing, or the metadata describe another grid.
    """
    if metadata is None:
        grid, axes = from_xtgeo(geometry, files.grid)
        metadata = _found(files, grid, load)
        active = grid.active
    else:
        axes = OURS
        active = axes.apply(np.asarray(geometry.get_actnum().values.filled(0)) > 0)
        if not describes(Grid.from_dict(metadata["grid"]), geometry, "split_pillars" in metadata):
            raise FormatError(f"{sidecar(path)} describes another grid than {files.grid}. Remove it to read the grid without it.")
    return rebuild(metadata, _values(metadata, files, axes, load), active)


def _found(files: PropertyFiles, grid: Grid, load: Load) -> Metadata:
    """Metadata of files that came without any."""
    if not files.values:
        raise FormatError(f"There are no property files beside {files.grid}, such as {files.grid.stem}--porosity--0. Add one.")
    first: dict[str, Path] = {}
    for (name, _), file in files.values.items():
        first.setdefault(name, file)
    properties = [load(file, name)[1] for name, file in sorted(first.items())]
    return {
        "grid": grid.to_dict(),
        "properties": [p.to_dict() for p in properties],
        "provenance": {"source": files.grid.name},
        "realizations": sorted({label for _, label in files.values}),
    }


def _values(metadata: Metadata, files: PropertyFiles, axes: Axes, load: Load) -> NDArray[np.float32]:
    names, labels = [p["name"] for p in metadata["properties"]], metadata["realizations"]
    for name, label in itertools.product(names, labels):
        if (name, label) not in files.values:
            raise FormatError(f"{name} of realization {label} is missing beside {files.grid}. Expected a file of each.")
    values = np.empty((len(labels), len(names), *metadata["grid"]["resolution"]), np.float32)
    for index, label in enumerate(labels):
        for c, name in enumerate(names):
            values[index, c] = _fitting(axes.apply(load(files.values[name, label], name)[0]), values.shape[2:], files.grid)
    return values


def _fitting(values: NDArray[Any], shape: tuple[int, ...], grid: Path) -> NDArray[Any]:
    if values.shape != shape:
        raise FormatError(f"A property beside {grid} has {values.shape} cells. Expected {shape}, as the grid.")
    return values
