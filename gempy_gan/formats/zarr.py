"""Zarr 3: all realizations of an ensemble in one store, which a running inversion can extend."""

from __future__ import annotations

import copy
import json
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from gempy_gan.ensemble import CONVENTION, LOG_WEIGHT, Ensemble, plain, storable
from gempy_gan.errors import FormatError, GridError
from gempy_gan.grid import Grid
from gempy_gan.properties import Property, as_property

CHUNK_BYTES = 2**26  # a realization is one chunk, cut along x where it is larger than this
BLOCK_BYTES = 2**26  # how much of a lazy ensemble is read, and compressed in parallel, at once
VECTOR_CHUNK = 4096  # chunk of the short arrays that have one number per realization
ZSTD_LEVEL = 1  # of facies, which shrink 18-fold at no cost in time; numbers shrink by 0 to 7 % and take half as long again
APPENDING = ".appending"

_Metadata = dict[str, Any]
_LOG_WEIGHT: _Metadata = {"data_type": "float64", "fill_value": 0.0, "attributes": dict(LOG_WEIGHT)}


def write(ensemble: Ensemble, path: Path) -> list[Path]:
    """Write all realizations into a new store, a block of them at a time. Raises FormatError when the path exists, OSError
    when the disk refuses."""
    try:
        _write(ensemble, path)
    except FormatError as error:
        if isinstance(error.__cause__, OSError):  # here no unfinished store is kept, so that its message would mislead
            raise OSError(*error.__cause__.args) from error
        raise
    return [path]


def _write(ensemble: Ensemble, path: Path) -> None:
    store = EnsembleStore.create(path, ensemble.grid, ensemble.properties, ensemble.provenance)
    block = max(1, BLOCK_BYTES // (4 * ensemble.grid.size * len(ensemble.properties)))
    for start in range(0, len(ensemble), block):
        part = ensemble.dataset.isel(realization=slice(start, start + block))
        weights = part["log_weight"].values if "log_weight" in part else None
        store.extend({p.name: part[p.name].values for p in store.properties}, part["realization"].values, weights)


def read(path: Path) -> Ensemble:
    """Open a store; realizations are read when they are asked for. Raises FormatError when it is none of ours."""
    return EnsembleStore.open(path).ensemble()


class EnsembleStore:
    """A Zarr 3 group on disk that grows along `realization` and holds whole realizations at every moment.

    The chunks of new realizations are written inside each array's folder, under a name that no Zarr reader looks at, and
    renamed into place. Then the shapes in the arrays' metadata grow and last, in one atomic replacement, the group's
    consolidated metadata, which is what `xr.open_zarr` opens. A process that is killed in between leaves the store as it was
    before the call; what remains of the call is cleared away by the next one. One process may append at a time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = _load(path)
        self._clean = False
        attributes = self._root["attributes"]
        self._resolution = tuple(json.loads(attributes["grid"])["resolution"])
        self.properties = tuple(Property.from_dict(p) for p in json.loads(attributes["properties"]))

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], grid: Grid, properties: Sequence[Property | str], provenance: Mapping[str, Any]
    ) -> EnsembleStore:
        """Make an empty store. A "trace" in the provenance, a list, is what `append` adds to.

        Raises FormatError when the path exists, or the disk refuses.
        """
        target = Path(path)
        if target.exists():
            raise FormatError(f"{target} exists already. Resume it, remove it, or choose another store.")
        staging = target.with_name(f".creating-{uuid.uuid4().hex}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_empty(staging, grid, [as_property(p) for p in properties], provenance)
            staging.rename(target)
        except OSError as error:
            raise FormatError(f"The store {target} was not made: {error.strerror or error}. Choose another folder.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return cls(target)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> EnsembleStore:
        """Open an existing store, finished or not. Raises FormatError when there is none, or it is none of ours."""
        return cls(Path(path))

    @property
    def provenance(self) -> dict[str, Any]:
        """How the realizations are made, as plain JSON values, without the traces."""
        return {key: value for key, value in self._provenance().items() if key != "trace"}

    def __len__(self) -> int:
        return min(int(meta["shape"][0]) for meta in self._growing().values())

    def ensemble(self) -> Ensemble:
        """What the store holds now, read when asked for; the traces stand in the provenance under "trace"."""
        return Ensemble(xr.open_zarr(self.path, chunks=None, consolidated=True))

    def append(self, values: ArrayLike, trace: Mapping[str, Any] | None = None, log_weights: ArrayLike | None = None) -> None:
        """Add realizations (k, c, nx, ny, nz), the trace of how they were drawn, and their log weights (k,): all or nothing.

        Raises GridError when the shape does not fit, GempyGanError for facies of no known code, and FormatError when the
        disk refuses (the store then holds what it held) or another process has extended the store meanwhile.
        """
        array = np.asarray(values)
        expected = (len(self.properties), *self._resolution)
        if array.shape[1:] != expected:
            raise GridError(f"The realizations have shape {array.shape}. Expected (k, {', '.join(map(str, expected))}).")
        start = self._next_label()
        labels = np.arange(start, start + len(array))
        self.extend({p.name: array[:, c] for c, p in enumerate(self.properties)}, labels, log_weights, trace)

    def extend(
        self,
        values: Mapping[str, NDArray[Any]],
        labels: NDArray[np.int64],
        log_weights: ArrayLike | None = None,
        trace: Mapping[str, Any] | None = None,
    ) -> None:
        """As `append`, with the values (k, nx, ny, nz) by property and the numbers of the realizations given."""
        new = {p.name: storable(values[p.name], p) for p in self.properties}
        if log_weights is not None and np.shape(log_weights) != labels.shape:
            raise GridError(f"The log weights have shape {np.shape(log_weights)}. Expected {labels.shape}, one per realization.")
        self._check_extendable(log_weights)
        length = len(self) + len(labels)
        try:
            self._clear_remains()
            self._clean = False
            new["realization"] = np.concatenate([self._vector("realization"), labels])
            if log_weights is not None:
                new["log_weight"] = np.concatenate([self._vector("log_weight"), np.asarray(log_weights, np.float64)])
            arrays = {name: self._grown(name, length) for name in new}
            for name, array in new.items():
                _place(self.path / name, arrays[name], array)
            self._commit(arrays, trace)
            self._clean = True
        except OSError as error:
            with suppress(OSError):  # what cannot be cleared away now is cleared away by the next call
                self._clear_remains()
            kept = (
                f"It keeps its {len(self)} realizations: make room, then resume" if len(self) else "It holds none yet: make room"
            )
            raise FormatError(f"The store {self.path} was not extended: {error.strerror or error}. {kept}.") from error

    def _provenance(self) -> dict[str, Any]:
        return dict(json.loads(self._root["attributes"]["provenance"]))

    def _growing(self) -> dict[str, _Metadata]:
        """Metadata of every array that runs along the realizations, as last committed."""
        arrays: dict[str, _Metadata] = self._root["consolidated_metadata"]["metadata"]
        return {name: meta for name, meta in arrays.items() if "realization" in (meta.get("dimension_names") or ())}

    def _grown(self, name: str, length: int) -> _Metadata:
        """The metadata an array will have at this length. Log weights come with the first realizations, or never."""
        meta = copy.deepcopy(self._growing().get(name) or {**self._growing()["realization"], **_LOG_WEIGHT})
        meta["shape"][0] = length
        return meta

    def _vector(self, name: str) -> NDArray[Any]:
        """The numbers per realization that an array holds now, (n,)."""
        import zarr

        if not len(self):
            return np.empty(0, dtype=np.int64)
        array: Any = zarr.open_array(self.path / name, mode="r")
        return np.asarray(array[: len(self)])

    def _next_label(self) -> int:
        return int(self._vector("realization")[-1]) + 1 if len(self) else 0

    def _check_extendable(self, log_weights: ArrayLike | None) -> None:
        if len(EnsembleStore(self.path)) != len(self):
            raise FormatError(f"Another process has extended the store {self.path}. Wait for it to end, then resume.")
        if any(self._growing()[p.name]["chunk_grid"]["configuration"]["chunk_shape"][0] != 1 for p in self.properties):
            raise FormatError(f"The store {self.path} mixes realizations in one chunk: it cannot be extended. Write a new one.")
        if len(self) and (log_weights is not None) != ("log_weight" in self._growing()):
            has, given = ("has", "none were") if log_weights is None else ("has no", "some were")
            raise FormatError(f"The store {self.path} {has} log weights, and {given} given. Expected all realizations alike.")

    def _clear_remains(self) -> None:
        """Undo what a killed or refused call left behind, first in the metadata, so that no array claims what it lacks."""
        if self._clean:
            return
        for staging in self.path.glob(f"*/{APPENDING}"):
            shutil.rmtree(staging)
        for name, meta in self._growing().items():
            if _json(self.path / name / "zarr.json") != meta:
                _replace_json(self.path / name / "zarr.json", meta)
        for prop in self.properties:
            for chunk in (self.path / prop.name / "c").glob("*"):
                if int(chunk.name) >= len(self):
                    shutil.rmtree(chunk)

    def _commit(self, arrays: Mapping[str, _Metadata], trace: Mapping[str, Any] | None) -> None:
        for name, meta in arrays.items():
            _replace_json(self.path / name / "zarr.json", meta)
        provenance = self._provenance()
        if trace is not None:
            provenance["trace"] = [*provenance.get("trace", []), plain(trace)]
        root = copy.deepcopy(self._root)
        root["attributes"]["provenance"] = json.dumps(provenance, sort_keys=True)
        root["consolidated_metadata"]["metadata"].update(arrays)
        _replace_json(self.path / "zarr.json", root)
        self._root = root


def _write_empty(path: Path, grid: Grid, properties: Sequence[Property], provenance: Mapping[str, Any]) -> None:
    """A store without realizations, laid out by xarray, so that xarray reads it as it would read its own."""
    values = np.empty((0, len(properties), *grid.resolution), np.float32)
    dataset = Ensemble.from_values(grid, properties, values, provenance).dataset
    encoding = {p.name: _encoding(grid, dataset[p.name].dtype) for p in properties}
    dataset.to_zarr(path, zarr_format=3, consolidated=False, encoding={"realization": {"chunks": (VECTOR_CHUNK,)}, **encoding})
    arrays = {file.parent.name: _json(file) for file in sorted(path.glob("*/zarr.json"))}
    consolidated = {"kind": "inline", "must_understand": False, "metadata": arrays}
    _replace_json(path / "zarr.json", {**_json(path / "zarr.json"), "consolidated_metadata": consolidated})


def _encoding(grid: Grid, dtype: np.dtype[Any]) -> dict[str, Any]:
    from zarr.codecs import ZstdCodec

    nx, ny, nz = grid.resolution
    slab = min(nx, max(1, CHUNK_BYTES // (ny * nz * dtype.itemsize)))
    compressors = (ZstdCodec(level=ZSTD_LEVEL),) if dtype.kind == "i" else ()
    return {"chunks": (1, slab, ny, nz), "compressors": compressors}


def _place(folder: Path, meta: _Metadata, values: NDArray[Any]) -> None:
    """Write the last values of an array with this metadata out of sight, then rename their chunks into place."""
    import zarr

    staging = folder / APPENDING
    staging.mkdir(parents=True)
    _replace_json(staging / "zarr.json", meta)
    array: Any = zarr.open_array(staging, mode="r+", config={"write_empty_chunks": True})
    array[meta["shape"][0] - len(values) :] = values
    (folder / "c").mkdir(exist_ok=True)
    for chunk in (staging / "c").glob("*"):
        chunk.replace(folder / "c" / chunk.name)
    shutil.rmtree(staging)


def _load(path: Path) -> _Metadata:
    """The group's metadata. Raises FormatError when it is not that of an ensemble store."""
    try:
        root = _json(path / "zarr.json")
    except (FileNotFoundError, NotADirectoryError):
        raise FormatError(f"{path} is no Zarr 3 store (it has no zarr.json). Check the path.") from None
    except (OSError, ValueError) as error:
        raise FormatError(f"{path / 'zarr.json'} cannot be read: {error}. Expected the metadata of a Zarr 3 group.") from error
    found = root.get("attributes", {}).get("gempy_gan_convention")
    if found != CONVENTION or "consolidated_metadata" not in root:
        raise FormatError(f"{path} follows the convention {found!r}. Expected {CONVENTION!r}, consolidated, as written here.")
    return root


def _json(file: Path) -> _Metadata:
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _replace_json(file: Path, content: _Metadata) -> None:
    """Write a file so that readers find either the old content or the new."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(json.dumps(content, indent=1), encoding="utf-8")
    new.replace(file)
