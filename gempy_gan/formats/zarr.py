"""Zarr 3: all realizations of an ensemble in one store, which a running inversion can extend."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from gempy_gan.atomic import scratch_beside
from gempy_gan.ensemble import LABEL, Ensemble, label_attributes, label_values, label_variables, plain, storable
from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.formats.zarr_check import check_store
from gempy_gan.formats.zarr_layout import (
    LOG_WEIGHT_ARRAY,
    SHARD,
    Metadata,
    load,
    read_json,
    replace_json,
    shard_for,
    shard_of,
    write_empty,
    write_files,
)
from gempy_gan.grid import Grid
from gempy_gan.interrupts import ctrl_c_waits
from gempy_gan.labels import Label
from gempy_gan.locks import locked
from gempy_gan.properties import Property, as_property

BLOCK_BYTES = 2**26  # how much of a lazy ensemble is read, and compressed in parallel, at once
APPENDING = ".appending"
LOCK = "realization/lock"  # in the folder of an array, where no Zarr reader looks for more than chunks


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
    shard = shard_for(ensemble.grid) if len(ensemble) > SHARD else 1
    labels = {name[len(LABEL) :]: ensemble.dataset[name].attrs for name in label_variables(ensemble.dataset)}
    store = EnsembleStore.create(path, ensemble.grid, ensemble.properties, ensemble.provenance, labels, shard)
    block = shard * max(1, BLOCK_BYTES // (4 * ensemble.grid.size * len(ensemble.properties) * shard))
    for start in range(0, len(ensemble), block):
        part = ensemble.dataset.isel(realization=slice(start, start + block))
        weights = part["log_weight"].values if "log_weight" in part else None
        values = {p.name: part[p.name].values for p in store.properties}
        store.extend(values, part["realization"].values, weights, labels={name: part[LABEL + name].values for name in labels})


def read(path: Path) -> Ensemble:
    """Open a store; realizations are read when they are asked for. Raises FormatError when it is none of ours."""
    return EnsembleStore.open(path).ensemble()


class EnsembleStore:
    """A Zarr 3 group on disk that grows along `realization` and holds whole realizations at every moment.

    The chunks of new realizations are written inside each array's folder, under a name that no Zarr reader looks at, and
    renamed into place. Then the shapes in the arrays' metadata grow and last, in one atomic replacement, the group's
    consolidated metadata, which is what `xr.open_zarr` opens. A process that is killed in between leaves the store as it was
    before the call; what remains of the call is cleared away by the next one. One process may append at a time: a run
    keeps others out with `alone`.

    A realization is a chunk. In a sharded store a file holds `shard` of them (Zarr's sharding codec), so that thousands of small
    realizations are not thousands of files; any one of them is still read alone. Appending rewrites the last file unless it is
    full: append `shard` realizations at a time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = load(path)
        self._clean = self._alone = False
        attributes = self._root["attributes"]
        self._resolution = tuple(json.loads(attributes["grid"])["resolution"])
        self.properties = tuple(Property.from_dict(p) for p in json.loads(attributes["properties"]))
        self.shard = shard_of(self._growing()[self.properties[0].name])
        self.labels = tuple(name[len(LABEL) :] for name in self._growing() if name.startswith(LABEL) and self._rank(name) == 1)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        grid: Grid,
        properties: Sequence[Property | str],
        provenance: Mapping[str, Any],
        labels: Iterable[Label | str] | Mapping[str, Mapping[str, Any]] = (),
        shard: int = 1,
    ) -> EnsembleStore:
        """Make an empty store. A "trace" in the provenance, a list, is what `append` adds to.

        `labels` are those that every realization will have, each a `Label` or a name, or a mapping of names to attributes;
        `shard` is how many realizations of a property go into one file. Raises FormatError when the path exists, or the disk
        refuses.
        """
        described = labels if isinstance(labels, Mapping) else {_name(label): label_attributes(label) for label in labels}
        target = Path(path)
        if target.exists():
            raise FormatError(f"{target} exists already. Resume it, remove it, or choose another store.")
        with scratch_beside(target) as scratch:
            try:
                write_empty(scratch / "new", grid, [as_property(p) for p in properties], provenance, described, shard)
                (scratch / "new").rename(target)
            except OSError as error:
                raise FormatError(
                    f"The store {target} was not made: {error.strerror or error}. Choose another folder."
                ) from error
        return cls(target)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> EnsembleStore:
        """Open an existing store, finished or not. Raises FormatError when there is none, it is none of ours, or files of it are
        missing, lie elsewhere, or cannot hold what the store claims."""
        try:
            store = cls(Path(path))
            arrays = store._root["consolidated_metadata"]["metadata"].items()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"The metadata of the store {path} cannot be understood ({error!r:.80}). Restore them.") from None
        check_store(store.path, dict(arrays))
        return store

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from extending the store while the block runs. Raises GempyGanError when one does."""
        if self._alone:
            yield
            return
        complaint = f"Another run is writing into the store {self.path}. Wait for it to end, or choose another store."
        with locked(self.path / LOCK, complaint):
            self._alone = True
            try:
                yield
            finally:
                self._alone = False

    @property
    def provenance(self) -> dict[str, Any]:
        """How the realizations are made, as plain JSON values, without the traces."""
        return {key: value for key, value in self._provenance().items() if key != "trace"}

    def __len__(self) -> int:
        return min(int(meta["shape"][0]) for meta in self._growing().values())

    def ensemble(self) -> Ensemble:
        """What the store holds now, read when asked for; the traces stand in the provenance under "trace"."""
        return Ensemble(xr.open_zarr(self.path, chunks=None, consolidated=True))

    def append(
        self,
        values: ArrayLike,
        trace: Mapping[str, Any] | None = None,
        log_weights: ArrayLike | None = None,
        labels: pd.DataFrame | Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """Add realizations (k, c, nx, ny, nz), the trace of how they were drawn, their log weights (k,) and their labels, a
        column (k,) for each: all or nothing.

        Raises GridError when the shape does not fit, GempyGanError for facies of no known code, labels other than the store's,
        or while another process extends it, and FormatError when the disk refuses (the store then holds what it held) or another
        process has extended the store meanwhile.
        """
        array = np.asarray(values)
        expected = (len(self.properties), *self._resolution)
        if array.shape[1:] != expected:
            raise GridError(f"The realizations have shape {array.shape}. Expected (k, {', '.join(map(str, expected))}).")
        start = self._next_number()
        numbers = np.arange(start, start + len(array))
        self.extend({p.name: array[:, c] for c, p in enumerate(self.properties)}, numbers, log_weights, trace, labels)

    def extend(
        self,
        values: Mapping[str, NDArray[Any]],
        numbers: NDArray[np.int64],
        log_weights: ArrayLike | None = None,
        trace: Mapping[str, Any] | None = None,
        labels: pd.DataFrame | Mapping[str, ArrayLike] | None = None,
    ) -> None:
        """As `append`, with the values (k, nx, ny, nz) by property and the numbers of the realizations given."""
        new = {p.name: storable(values[p.name], p) for p in self.properties}
        if log_weights is not None and np.shape(log_weights) != numbers.shape:
            raise GridError(f"The log weights have shape {np.shape(log_weights)}. Expected {numbers.shape}, one per realization.")
        vectors = {"realization": numbers, **self._label_columns(labels, len(numbers))}
        if log_weights is not None:
            vectors["log_weight"] = np.asarray(log_weights, np.float64)
        length = len(self) + len(numbers)
        with self.alone(), self._all_or_nothing("extended"):
            self._check_extendable(log_weights)
            self._clear_remains()
            self._clean = False
            new = {name: np.concatenate([self._last_shard(name), array]) for name, array in new.items()}
            new |= {name: np.concatenate([self._vector(name), array]) for name, array in vectors.items()}
            arrays = {name: self._grown(name, length) for name in new}
            for name, array in new.items():
                _place(self.path / name, arrays[name], array)
            self._commit(arrays, trace)
            self._clean = True

    def amend(self, provenance: Mapping[str, Any]) -> None:
        """Replace what the provenance says, except for the traces, in one step. Raises FormatError when the disk refuses."""
        traces = {key: value for key, value in self._provenance().items() if key == "trace"}
        with self.alone(), self._all_or_nothing("amended"):
            self._replace_root({}, {**plain(dict(provenance)), **traces})

    def remove_if_empty(self) -> None:
        """Leave no store behind that holds nothing, which the next call would only find in its way."""
        if not len(EnsembleStore(self.path)):
            shutil.rmtree(self.path)

    @contextmanager
    def _all_or_nothing(self, done: str) -> Iterator[None]:
        """A disk that refuses in the block leaves the store as it was, and becomes a FormatError; Ctrl-C waits for its end."""
        with ctrl_c_waits():
            try:
                yield
            except OSError as error:
                with suppress(OSError):  # what cannot be cleared away now is cleared away by the next call
                    self._clear_remains()
                now = len(self)
                kept = f"It keeps its {now} realizations: make room, then resume" if now else "It holds none yet: make room"
                raise FormatError(f"The store {self.path} was not {done}: {error.strerror or error}. {kept}.") from error

    def _provenance(self) -> dict[str, Any]:
        return dict(json.loads(self._root["attributes"]["provenance"]))

    def _growing(self) -> dict[str, Metadata]:
        """Metadata of every array that runs along the realizations, as last committed."""
        arrays: dict[str, Metadata] = self._root["consolidated_metadata"]["metadata"]
        return {name: meta for name, meta in arrays.items() if "realization" in (meta.get("dimension_names") or ())}

    def _grown(self, name: str, length: int) -> Metadata:
        """The metadata an array will have at this length. Log weights come with the first realizations, or never."""
        meta = copy.deepcopy(self._growing().get(name) or {**self._growing()["realization"], **LOG_WEIGHT_ARRAY})
        meta["shape"][0] = length
        return meta

    def _rank(self, name: str) -> int:
        return len(self._growing()[name]["shape"])

    def _vector(self, name: str) -> NDArray[Any]:
        """The numbers per realization that an array holds now, (n,)."""
        return self._rows(name, 0) if len(self) else np.empty(0, dtype=np.int64)

    def _last_shard(self, name: str) -> NDArray[Any]:
        """The realizations of a property in the file that is not full yet."""
        return self._rows(name, len(self) // shard_of(self._growing()[name]) * shard_of(self._growing()[name]))

    def _rows(self, name: str, start: int) -> NDArray[Any]:
        import zarr

        array: Any = zarr.open_array(self.path / name, mode="r")
        return np.asarray(array[start : len(self)])

    def _label_columns(self, labels: pd.DataFrame | Mapping[str, ArrayLike] | None, n: int) -> dict[str, NDArray[Any]]:
        """New values of the label variables. Raises GempyGanError unless they are those of the store, n of each."""
        given: dict[Any, Any] = {} if labels is None else dict(labels.items())
        if set(given) != set(self.labels):
            has, got = (", ".join(sorted(map(str, names))) or "no labels" for names in (self.labels, given))
            raise GempyGanError(f"The store {self.path} has {has}, and {got} were given. Expected the same for all realizations.")
        return {LABEL + name: label_values(given[name], LABEL + name, n) for name in self.labels}

    def _next_number(self) -> int:
        return int(self._vector("realization")[-1]) + 1 if len(self) else 0

    def _check_extendable(self, log_weights: ArrayLike | None) -> None:
        if len(EnsembleStore(self.path)) != len(self):
            raise FormatError(f"Another process has extended the store {self.path}. Wait for it to end, then resume.")
        if not all(shard_of(self._growing()[p.name]) for p in self.properties):
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
            if read_json(self.path / name / "zarr.json") != meta:
                replace_json(self.path / name / "zarr.json", meta)
        for prop in self.properties:
            shard = shard_of(self._growing()[prop.name])
            for file in (self.path / prop.name / "c").glob("*"):
                if int(file.name) * shard >= len(self):
                    shutil.rmtree(file)

    def _commit(self, arrays: Mapping[str, Metadata], trace: Mapping[str, Any] | None) -> None:
        for name, meta in arrays.items():
            replace_json(self.path / name / "zarr.json", meta)
        provenance = self._provenance()
        if trace is not None:
            provenance["trace"] = [*provenance.get("trace", []), plain(trace)]
        self._replace_root(arrays, provenance)

    def _replace_root(self, arrays: Mapping[str, Metadata], provenance: Mapping[str, Any]) -> None:
        root = copy.deepcopy(self._root)
        root["attributes"]["provenance"] = json.dumps(provenance, sort_keys=True)
        root["consolidated_metadata"]["metadata"].update(arrays)
        replace_json(self.path / "zarr.json", root)
        self._root = root


def _name(label: Label | str) -> str:
    return label.name if isinstance(label, Label) else label


def _place(folder: Path, meta: Metadata, values: NDArray[Any]) -> None:
    """Write the last values of an array with this metadata out of sight, then rename their files into place."""
    import zarr
    from zarr.buffer.cpu import Buffer
    from zarr.storage import MemoryStore

    made: dict[str, Any] = {"zarr.json": Buffer.from_bytes(json.dumps(meta).encode())}
    array: Any = zarr.open_array(MemoryStore(made), mode="r+", config={"write_empty_chunks": True})
    array[meta["shape"][0] - len(values) :] = values
    del made["zarr.json"]
    staging = folder / APPENDING
    staging.mkdir(parents=True)
    write_files(staging, made)
    for name in sorted(made):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(place)
    shutil.rmtree(staging)
