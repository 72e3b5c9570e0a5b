"""How an ensemble is laid out in a Zarr 3 group: which realizations share a file, and the metadata that say so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gempy_gan.atomic import flush, replace_file
from gempy_gan.ensemble import CONVENTION, LABEL, LOG_WEIGHT, Ensemble, label_variables
from gempy_gan.errors import FormatError
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

CHUNK_BYTES = 2**26  # a realization is one chunk, cut along x where it is larger than this
SHARD = 64  # realizations in one file of a sharded store, which is what many small realizations are written to
SHARD_BYTES = 2**28  # a shard is not larger than this
VECTOR_CHUNK = 4096  # chunk of the short arrays that have one number per realization
ZSTD_LEVEL = 1  # of facies, which shrink 18-fold at no cost in time; numbers shrink by 0 to 7 % and take half as long again

Metadata = dict[str, Any]
LOG_WEIGHT_ARRAY: Metadata = {"data_type": "float64", "fill_value": 0.0, "attributes": dict(LOG_WEIGHT)}


def shard_for(grid: Grid) -> int:
    """How many realizations of a property a sharded store keeps in one file: `SHARD`, or fewer where they are large."""
    return max(1, min(SHARD, SHARD_BYTES // (4 * grid.size)))


def write_empty(
    path: Path,
    grid: Grid,
    properties: Sequence[Property],
    provenance: Mapping[str, Any],
    labels: Mapping[str, Mapping[str, Any]],
    shard: int,
) -> None:
    """A store without realizations, laid out by xarray, so that xarray reads it as it would read its own."""
    from zarr.storage import MemoryStore

    values = np.empty((0, len(properties), *grid.resolution), np.float32)
    dataset = Ensemble.from_values(grid, properties, values, provenance, labels=dict.fromkeys(labels, ())).dataset
    for name, attributes in labels.items():
        dataset[LABEL + name].attrs.update(attributes)
    vectors = {name: {"chunks": (VECTOR_CHUNK,)} for name in ("realization", *label_variables(dataset))}
    encoding = {**vectors, **{p.name: _encoding(grid, dataset[p.name].dtype, shard) for p in properties}}
    made: dict[str, Any] = {}
    dataset.to_zarr(MemoryStore(made), zarr_format=3, consolidated=False, encoding=encoding)
    write_files(path, made)
    arrays = {str(name): read_json(path / str(name) / "zarr.json") for name in dataset.variables}  # in the order of the labels
    consolidated = {"kind": "inline", "must_understand": False, "metadata": arrays}
    replace_json(path / "zarr.json", {**read_json(path / "zarr.json"), "consolidated_metadata": consolidated})


def write_files(folder: Path, made: Mapping[str, Any]) -> None:
    """Write what Zarr made in memory, a buffer for each file, and wait until it has reached the disk. Raises OSError when it does
    not.

    Zarr itself writes files side by side and, where the disk refuses one, raises while others are on their way: they came to lie
    in folders that had been cleared away by then.
    """
    for name, buffer in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(buffer.as_numpy_array())
    flush(folder)


def _encoding(grid: Grid, dtype: np.dtype[Any], shard: int) -> dict[str, Any]:
    from zarr.codecs import Crc32cCodec, ZstdCodec

    nx, ny, nz = grid.resolution
    slab = min(nx, max(1, CHUNK_BYTES // (ny * nz * dtype.itemsize)))
    compressors = (ZstdCodec(level=ZSTD_LEVEL), Crc32cCodec()) if dtype.kind == "i" else (Crc32cCodec(),)
    encoding = {"chunks": (1, slab, ny, nz), "compressors": compressors}
    return encoding if shard == 1 else {**encoding, "shards": (shard, -(-nx // slab) * slab, ny, nz)}


def shard_of(meta: Metadata) -> int:
    """How many realizations an array with this metadata keeps in one file; 0 where it mixes several in one chunk."""
    rows, codec = int(meta["chunk_grid"]["configuration"]["chunk_shape"][0]), meta["codecs"][0]
    sharded = codec["name"] == "sharding_indexed" and codec["configuration"]["chunk_shape"][0] == 1
    return rows if sharded or rows == 1 else 0


def load(path: Path) -> Metadata:
    """The group's metadata. Raises FormatError when it is not that of an ensemble store."""
    try:
        root = read_json(path / "zarr.json")
    except (FileNotFoundError, NotADirectoryError):
        if not path.exists():
            raise FormatError(f"{path} does not exist. Check the path.") from None
        raise FormatError(f"{path} is no Zarr 3 store (it has no zarr.json). Check the path.") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"{path / 'zarr.json'} cannot be read: {error}. Expected the metadata of a Zarr 3 group.") from error
    attributes = root.get("attributes")
    found = attributes.get("gempy_gan_convention") if isinstance(attributes, dict) else None
    if found != CONVENTION or "consolidated_metadata" not in root:
        raise FormatError(f"{path} follows the convention {found!r}. Expected {CONVENTION!r}, consolidated, as written here.")
    return root


def read_json(file: Path) -> Metadata:
    """The content of a file of metadata."""
    return dict(json.loads(file.read_text(encoding="utf-8")))


def replace_json(file: Path, content: Metadata) -> None:
    """Write a file so that readers find either the old content or the new."""
    replace_file(file, json.dumps(content, indent=1).encode())
