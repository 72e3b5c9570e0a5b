"""The Zarr store: whole realizations at every moment, whatever kills the writer."""

import multiprocessing
import signal
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from endless_run import BATCH, GRID, PROPERTIES, realizations, run
from ensembles import POROSITY, assert_same, block, ensembles
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.formats import zarr as zarr_format
from gempy_gan.formats.zarr import EnsembleStore


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
    monkeypatch.setattr(zarr_format, "CHUNK_BYTES", 10 * 30 * 16 * 4)
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
    arrays = {file.parent.name: zarr_format._json(file) for file in root.parent.glob("*/zarr.json")}
    zarr_format._replace_json(root, {**zarr_format._json(root), "consolidated_metadata": {"kind": "inline", "metadata": arrays}})
    store = EnsembleStore.open(tmp_path / "e.zarr")
    with pytest.raises(FormatError, match="mixes realizations"):
        store.append(block().values)
    assert_same(store.ensemble(), block(n=3))


@pytest.mark.parametrize("step", ["_place", "_replace_json"])
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


def test_an_interrupt_at_any_step_leaves_whole_realizations(tmp_path):
    """Every renaming and removal of one `append` is interrupted in turn; each time the run resumes from what is there."""
    path = tmp_path / "e.zarr"
    EnsembleStore.create(path, GRID, PROPERTIES, {})
    steps = 0
    while len(EnsembleStore.open(path)) < 6:
        held, steps = len(EnsembleStore.open(path)), steps + 1
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            interrupt_at(patch, steps)
            EnsembleStore.open(path).append(realizations(held // BATCH), trace={"k": held // BATCH})
        assert_prefix_of_the_run(path)
    assert steps > 20


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
    EnsembleStore.create(path, GRID, PROPERTIES, {})
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["endless_run"])
    for _ in range(8):
        writer = context.Process(target=run, args=(path,))
        writer.start()
        while len(EnsembleStore.open(path)) <= reached[-1]:
            assert writer.is_alive()
        time.sleep(moments.uniform(0.0, 0.06))  # an append takes about half as long
        writer.kill()
        writer.join()
        assert writer.exitcode == -signal.SIGKILL
        reached.append(assert_prefix_of_the_run(path))
    assert reached == sorted(set(reached))
    EnsembleStore.open(path).append(realizations(reached[-1] // BATCH), trace={"k": reached[-1] // BATCH})
    assert assert_prefix_of_the_run(path) == reached[-1] + BATCH
    assert not list(path.rglob(zarr_format.APPENDING))
