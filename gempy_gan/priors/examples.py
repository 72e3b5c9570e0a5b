"""Training images as tensors: from an ensemble, a file, a folder of files, or an array."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.plugins import for_path, registry
from gempy_gan.properties import Property, as_property

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Examples:
    """Training images (N, c, nx, ny, nz) with their properties and cell size; `source` is their path, where they have one."""

    values: Tensor
    properties: tuple[Property, ...]
    cell_size: tuple[float, float, float]
    source: str | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells (nx, ny, nz)."""
        nx, ny, nz = self.values.shape[2:]
        return nx, ny, nz

    def sha256(self) -> str:
        """Digest of the values."""
        return hashlib.sha256(np.ascontiguousarray(self.values.numpy()).tobytes()).hexdigest()

    def state(self) -> dict[str, Any]:
        """Plain JSON values: options that load these images again where they came from a path, and their digest."""
        return {
            "examples": self.source,
            "properties": [p.to_dict() for p in self.properties],
            "cell_size": list(self.cell_size),
            "sha256": self.sha256(),
        }


def load_examples(
    source: Any, properties: Sequence[Property | str] | None, cell_size: Sequence[float] | None, sha256: str | None
) -> Examples:
    """Training images from an Ensemble, the path of one, a folder of files, or an array (N, c, nx, ny, nz).

    `properties` names the channels and `cell_size` (metres) the cells of an array, by default "value" and 1 m; an ensemble
    brings its own, which must agree with what is given. Raises FormatError when nothing readable is found, GridError when
    images differ in shape or cell size, GempyGanError when values are not finite or the digest is not `sha256`.
    """
    if isinstance(source, (str, os.PathLike)):
        ensembles = [_read(path) for path in _files(Path(source))]
    else:
        ensembles = [source] if isinstance(source, Ensemble) else []
    if ensembles:
        found = _joined(ensembles, None if isinstance(source, Ensemble) else str(source))
        _check_agreement(found, properties, cell_size)
    else:
        found = _from_array(source, properties or ("value",), cell_size or (1.0, 1.0, 1.0))
    bad = int((~found.values.isfinite()).sum())
    if bad:
        raise GempyGanError(f"{bad} cells of the training images are not finite. Expected a number in every cell.")
    if sha256 is not None and sha256 != found.sha256():
        raise GempyGanError("The training images are not those of the digest (sha256). Use the original ones, or leave it out.")
    return found


def _files(path: Path) -> list[Path]:
    """The path itself where a format answers to it, else the readable files of the folder, sorted by name."""
    if path.is_dir() and registry().for_path("formats", path) is None:
        files = [file for file in sorted(path.iterdir()) if registry().for_path("formats", file) is not None]
        if not files:
            raise FormatError(f"The folder {path} holds no file of a known grid format. Give a folder of training images.")
        return files
    return [path]


def _read(path: Path) -> Ensemble:
    module = for_path("formats", path).load()
    if not path.exists():
        raise FormatError(f"The training images {path} do not exist. Check the path.")
    ensemble: Ensemble = module.read(path)
    return ensemble


def _joined(ensembles: Sequence[Ensemble], source: str | None) -> Examples:
    first = ensembles[0]
    for other in ensembles[1:]:
        same = other.grid.resolution == first.grid.resolution and np.allclose(other.grid.cell_size, first.grid.cell_size)
        if not same or other.properties != first.properties:
            raise GridError(
                f"Training images of {other.grid.resolution} cells with {[p.name for p in other.properties]} stand beside some "
                f"of {first.grid.resolution} with {[p.name for p in first.properties]}. Expected the same grid and properties."
            )
    values = torch.from_numpy(np.concatenate([ensemble.values for ensemble in ensembles]))
    return Examples(values, first.properties, first.grid.cell_size, source)


def _from_array(array: Any, properties: Sequence[Property | str], cell_size: Sequence[float]) -> Examples:
    values = torch.as_tensor(array)
    values = values if values.is_floating_point() else values.float()
    named = tuple(as_property(p) for p in properties)
    if values.ndim != 5 or values.shape[1] != len(named) or not values.numel():
        raise GridError(f"The training images have shape {tuple(values.shape)}. Expected (N, {len(named)}, nx, ny, nz).")
    dx, dy, dz = (float(edge) for edge in cell_size)
    return Examples(values.detach().cpu(), named, (dx, dy, dz))


def _check_agreement(found: Examples, properties: Sequence[Property | str] | None, cell_size: Sequence[float] | None) -> None:
    if cell_size is not None and not np.allclose(cell_size, found.cell_size, rtol=1e-3):
        raise GridError(f"The training images have cells of {found.cell_size} m, not {tuple(cell_size)} m. Resample them first.")
    if properties is not None and tuple(as_property(p).name for p in properties) != tuple(p.name for p in found.properties):
        raise GempyGanError(
            f"The training images hold {[p.name for p in found.properties]}, not {list(properties)}. Rename them."
        )
