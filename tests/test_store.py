"""The Zarr store: whole realizations at every moment, whatever kills the writer."""

import multiprocessing
import signal
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import zarr
from endless_run import BATCH, GRID, PROPERTIES, realizations, run
from ensembles import POROSITY, assert_same, block, ensembles
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.formats import zarr as zarr_format
from gempy_gan.formats import zarr_layout
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.labels import Label


def test_appended_realizations_are_read_back_with_traces_and_weights(tmp_path):
    provenance = {"shape": (2, 3), "seed": 1}
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, provenance)
    assert len(store) == 0
    assert len(store.ensemble()) == 0
    store.append(realizations(0), trace={"accepted": np.float32(0.25)}, log_weights=[-1, -2, -3])
    store.append(realizations(1, size=1), trace={"accepted": 0.5}, log_weights=[-4])
    reopened = EnsembleStore.open(tmp_path / "e.zarr")
    assert len(store) == len(reopened) == 4
    assert reopened.provenance == {"shape": [2, 3], "seed": 1}
    ensemble = reopened.ensemble()
    assert ensemble.provenance["trace"] == [{"accepted": 0.25}, {"accepted": 0.5}]
    np.testing.assert_array_equal(ensemble.values, np.concatenate([realizations(0), realizations(1, size=1)]))
    np.testing.assert_array_equal(ensemble.dataset["log_weight"], [-1, -2, -3, -4])


def test_foreign_readers_see_the_same(tmp_path):
    store = EnsembleStore.create(tmp_path / "e.zarr", block().grid, block().properties, {})
    store.append(block(n=3).values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for consolidated in (True, False):
            dataset = xr.open_zarr(tmp_path / "e.zarr", chunks=None, consolidated=consolidated)
            assert dataset["facies"].dtype == np.int16
            np.testing.assert_array_equal(dataset["porosity"], block(n=3).values[:, 0])
            assert {"easting", "northing"} <= set(dataset["porosity"].coords)
        array = zarr.open_group(tmp_path / "e.zarr", mode="r")["facies"]
        assert array.chunks == (1, 2, 3, 4)
        np.testing.assert_array_equal(array[:], block(n=3).values[:, 1])


def test_a_large_realization_is_cut_along_x(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_layout, "CHUNK_BYTES", 10 * 30 * 16 * 4)
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {})
    store.append(realizations(0))
    assert zarr.open_array(tmp_path / "e.zarr" / "porosity", mode="r").chunks == (1, 10, 30, 16)
    np.testing.assert_array_equal(store.ensemble().values, realizations(0))


@settings(max_examples=12, deadline=None)
@given(ensembles(), st.integers(1, 3))
def test_a_written_ensemble_is_read_back(tmp_path_factory, ensemble, per_block):
    path = tmp_path_factory.mktemp("store") / "e.zarr"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zarr_format, "BLOCK_BYTES", per_block * 4 * ensemble.grid.size * len(ensemble.properties))
        assert zarr_format.write(ensemble, path) == [path]
    assert_same(zarr_format.read(path), ensemble)


def test_a_sharded_store_keeps_many_realizations_in_a_file(tmp_path):
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {}, shard=4)
    for k in range(5):
        store.append(realizations(k))
    expected = np.concatenate([realizations(k) for k in range(5)])
    np.testing.assert_array_equal(store.ensemble().values, expected)
    np.testing.assert_array_equal(store.ensemble().realization(7), expected[7])
    files = [file for file in (tmp_path / "e.zarr" / "porosity" / "c").rglob("*") if file.is_file()]
    assert len(files) == 4
    array = zarr.open_array(tmp_path / "e.zarr" / "facies", mode="r")
    assert (array.shards, array.chunks) == ((4, *GRID.resolution), (1, *GRID.resolution))
    np.testing.assert_array_equal(array[:], expected[:, 1])


def test_a_sharded_store_is_the_same_however_it_was_appended_to(tmp_path):
    expected = np.concatenate([realizations(k) for k in range(4)])
    for name, steps in (("a", [12]), ("b", [4, 4, 4]), ("c", [1, 6, 2, 3])):
        store = EnsembleStore.create(tmp_path / name, GRID, PROPERTIES, {}, ["width"], shard=4)
        for stop, size in zip(np.cumsum(steps), steps, strict=True):
            store.append(expected[stop - size : stop], labels={"width": np.arange(stop - size, stop)})
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")


def contents(folder):
    """Every file of a store with its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_many_realizations_are_written_sharded(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_format, "SHARD", 4)
    monkeypatch.setattr(zarr_layout, "SHARD", 4)
    many = block(n=9)
    zarr_format.write(many, tmp_path / "e.zarr")
    assert zarr.open_array(tmp_path / "e.zarr" / "facies", mode="r").shards == (4, 2, 3, 4)
    assert_same(zarr_format.read(tmp_path / "e.zarr"), many)


def test_labels_come_with_every_realization(tmp_path):
    width = Label("width", 100, 400, "m", meaning="width of the channel")
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {}, [width, "sinuosity"])
    assert store.ensemble().labels.shape == (0, 2)
    store.append(realizations(0), labels={"width": [1, 2, 3], "sinuosity": [1.5, np.nan, 1]})
    store.append(realizations(1), labels=pd.DataFrame({"sinuosity": [4, 5, 6], "width": [7, 8, 9]}))
    found = EnsembleStore.open(tmp_path / "e.zarr").ensemble()
    assert found.labels["width"].tolist() == [1, 2, 3, 7, 8, 9]
    np.testing.assert_array_equal(found.labels["sinuosity"], [1.5, np.nan, 1, 4, 5, 6])
    assert found.dataset["label_width"].attrs == {"units": "m", "long_name": "width of the channel"}
    zarr_format.write(found.select([4, 1]), tmp_path / "f.zarr")
    assert_same(zarr_format.read(tmp_path / "f.zarr"), found.select([4, 1]))
    assert zarr_format.read(tmp_path / "f.zarr").dataset["label_width"].attrs == found.dataset["label_width"].attrs


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "has width, and no labels were given"),
        ({"width": [1, 2, 3], "depth": [1, 2, 3]}, "has width, and depth, width were given"),
        ({"width": [1, 2]}, r"label_width has shape \(2,\). Expected \(3,\)"),
    ],
)
def test_labels_other_than_the_stores_are_refused(tmp_path, labels, message):
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {}, ["width"])
    with pytest.raises(GempyGanError, match=message):
        store.append(realizations(0), labels=labels)
    assert len(EnsembleStore.open(tmp_path / "e.zarr")) == 0


def test_the_provenance_is_amended_in_one_step_and_keeps_its_traces(tmp_path, monkeypatch):
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {"n": 3, "seed": 1})
    store.append(realizations(0), trace={"k": 0})
    store.amend({"n": 6, "shape": (1, 2)})
    assert EnsembleStore.open(tmp_path / "e.zarr").provenance == store.provenance == {"n": 6, "shape": [1, 2]}
    assert store.ensemble().provenance["trace"] == [{"k": 0}]
    refuse_at(monkeypatch, "replace_json", 1)
    with pytest.raises(FormatError, match="was not amended: No space left"):
        store.amend({"n": 9})
    assert EnsembleStore.open(tmp_path / "e.zarr").provenance["n"] == store.provenance["n"] == 6


def test_reading_is_lazy(tmp_path):
    zarr_format.write(block(n=3), tmp_path / "e.zarr")
    ensemble = zarr_format.read(tmp_path / "e.zarr")
    (tmp_path / "e.zarr" / "porosity" / "c" / "2" / "0" / "0" / "0").write_bytes(b"broken")
    np.testing.assert_array_equal(ensemble.realization(1), block(n=3).values[1])
    with pytest.raises(Exception, match=r".*"):
        ensemble.realization(2)


def test_an_existing_path_is_not_overwritten(tmp_path):
    EnsembleStore.create(tmp_path / "e.zarr", GRID, [POROSITY], {})
    with pytest.raises(FormatError, match="exists already"):
        EnsembleStore.create(tmp_path / "e.zarr", GRID, [POROSITY], {})


@pytest.mark.parametrize("made", ["nothing", "file", "folder", "group", "damaged"])
def test_what_is_no_store_of_ours_is_refused(tmp_path, made):
    path = tmp_path / "e.zarr"
    if made == "file":
        path.write_text("zarr?")
    elif made == "folder":
        path.mkdir()
    elif made == "group":
        zarr.create_group(path)
    elif made == "damaged":
        EnsembleStore.create(path, GRID, [POROSITY], {})
        (path / "zarr.json").write_text('{"attributes": {')
    with pytest.raises(FormatError, match=r"e\.zarr"):
        EnsembleStore.open(path)


def test_realizations_that_do_not_fit_are_refused_and_change_nothing(tmp_path):
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {})
    store.append(realizations(0))
    with pytest.raises(GridError, match="Expected"):
        store.append(realizations(1)[:, :1])
    with pytest.raises(GempyGanError, match="codes"):
        store.append(realizations(1) + 0.5)
    with pytest.raises(FormatError, match="has no log weights, and some were given"):
        store.append(realizations(1), log_weights=[0, 0, 0])
    with pytest.raises(GridError, match=r"log weights have shape \(2,\). Expected \(3,\)"):
        store.append(realizations(1), log_weights=[0, 0])
    np.testing.assert_array_equal(EnsembleStore.open(tmp_path / "e.zarr").ensemble().values, realizations(0))


def test_two_writers_are_noticed(tmp_path):
    first = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {})
    second = EnsembleStore.open(tmp_path / "e.zarr")
    first.append(realizations(0))
    with pytest.raises(FormatError, match="Another process"):
        second.append(realizations(1))


def test_a_store_whose_chunks_hold_several_realizations_is_not_extended(tmp_path):
    block(n=3).dataset.to_zarr(
        tmp_path / "e.zarr", zarr_format=3, encoding={"porosity": {"chunks": (3, 2, 3, 4)}}, consolidated=False
    )
    root = tmp_path / "e.zarr" / "zarr.json"
    arrays = {file.parent.name: zarr_layout.read_json(file) for file in root.parent.glob("*/zarr.json")}
    zarr_layout.replace_json(
        root, {**zarr_layout.read_json(root), "consolidated_metadata": {"kind": "inline", "metadata": arrays}}
    )
    store = EnsembleStore.open(tmp_path / "e.zarr")
    with pytest.raises(FormatError, match="mixes realizations"):
        store.append(block().values)
    assert_same(store.ensemble(), block(n=3))


@pytest.mark.parametrize("step", ["_place", "replace_json"])
@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_full_disk_leaves_the_store_as_it_was(tmp_path, monkeypatch, step, call):
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, PROPERTIES, {})
    store.append(realizations(0))
    refuse_at(monkeypatch, step, call)
    if (step, call) == ("_place", 4):
        store.append(realizations(1))  # there are three arrays: nothing is refused
        return
    with pytest.raises(FormatError, match=r"No space left on device. It keeps its 3 realizations"):
        store.append(realizations(1))
    monkeypatch.undo()
    np.testing.assert_array_equal(EnsembleStore.open(tmp_path / "e.zarr").ensemble().values, realizations(0))
    store.append(realizations(2))
    expected = np.concatenate([realizations(0), realizations(2)])
    np.testing.assert_array_equal(EnsembleStore.open(tmp_path / "e.zarr").ensemble().values, expected)
    assert not list(tmp_path.rglob(zarr_format.APPENDING))


def refuse_at(monkeypatch, step, call):
    """Make the call-th call of a step of the store fail as on a full disk."""
    original, calls = getattr(zarr_format, step), iter(range(1, 1000))

    def refusing(*args):
        if next(calls) == call:
            raise OSError(28, "No space left on device")
        return original(*args)

    monkeypatch.setattr(zarr_format, step, refusing)


@pytest.mark.parametrize("shard", [1, 4])
def test_an_interrupt_at_any_step_leaves_whole_realizations(tmp_path, shard):
    """Every renaming and removal of one `append` is interrupted in turn; each time the run resumes from what is there."""
    path = tmp_path / "e.zarr"
    EnsembleStore.create(path, GRID, PROPERTIES, {}, shard=shard)
    steps = 0
    while len(EnsembleStore.open(path)) < 6:
        held, steps = len(EnsembleStore.open(path)), steps + 1
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            interrupt_at(patch, steps)
            EnsembleStore.open(path).append(realizations(held // BATCH), trace={"k": held // BATCH})
        assert_prefix_of_the_run(path)
    assert steps > 15


def interrupt_at(patch, step):
    """Interrupt the process at the step-th renaming or removal by the store itself (Zarr's own are in other threads)."""
    calls = iter(range(1, 10000))

    def interrupting(original):
        def interrupt(*args, **kwargs):
            if threading.current_thread() is threading.main_thread() and next(calls) == step:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return interrupt

    patch.setattr(Path, "replace", interrupting(Path.replace))
    patch.setattr(zarr_format.shutil, "rmtree", interrupting(zarr_format.shutil.rmtree))


def assert_prefix_of_the_run(path):
    """The store holds the first batches of the run, whole, for us and for a foreign reader; returns how many realizations."""
    dataset = xr.open_zarr(path, chunks=None)
    n = dataset.sizes["realization"]
    assert n % BATCH == 0
    assert len(EnsembleStore.open(path)) == n
    expected = np.concatenate([realizations(k) for k in range(n // BATCH)]) if n else np.empty((0, 2, *GRID.resolution))
    np.testing.assert_array_equal(dataset["porosity"], expected[:, 0])
    np.testing.assert_array_equal(dataset["facies"], expected[:, 1])
    np.testing.assert_array_equal(dataset["realization"], np.arange(n))
    assert EnsembleStore.open(path).ensemble().provenance.get("trace", []) == [{"k": k} for k in range(n // BATCH)]
    return n


def test_a_writer_killed_at_any_moment_leaves_whole_realizations(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    path, moments, reached = tmp_path / "e.zarr", np.random.default_rng(0), [0]
    EnsembleStore.create(path, GRID, PROPERTIES, {}, shard=4)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["endless_run"])
    for _ in range(8):
        writer = context.Process(target=run, args=(path,))
        writer.start()
        while len(EnsembleStore.open(path)) <= reached[-1]:
            assert writer.is_alive()
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.06))  # an append takes about half as long
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        reached.append(assert_prefix_of_the_run(path))
    assert reached == sorted(set(reached))
    EnsembleStore.open(path).append(realizations(reached[-1] // BATCH), trace={"k": reached[-1] // BATCH})
    assert assert_prefix_of_the_run(path) == reached[-1] + BATCH
    assert not list(path.rglob(zarr_format.APPENDING))


def test_a_store_is_opened_while_a_writer_clears_away_what_a_killed_one_left(tmp_path, monkeypatch):
    """Files vanish between being listed and being looked at."""
    import os

    from gempy_gan.formats import zarr_check

    path = tmp_path / "e.zarr"
    EnsembleStore.create(path, GRID, PROPERTIES, {}, shard=4).append(realizations(0))
    left = path / PROPERTIES[0].name / "c" / "9" / "0"
    left.mkdir(parents=True)
    listed = os.scandir

    def vanishing(folder):
        found = list(listed(folder))
        if Path(folder).name == "c" and left.exists():
            for gone in (left, left.parent):
                gone.rmdir()
        return found

    monkeypatch.setattr(zarr_check.os, "scandir", vanishing)
    assert len(EnsembleStore.open(path)) == BATCH
    assert not left.exists()
