"""Files that are whole or not there; and who may write where."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dying_simulator import Dying
from ensembles import POROSITY

import gempy_gan as gg
from gempy_gan import atomic
from gempy_gan.atomic import clear_away, replace_file, scratch_beside, staged
from gempy_gan.cli.describe import describe
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.locks import is_held, locked
from gempy_gan.training_sets import make_training_set

GRID = gg.Grid((0, 40, 0, 30, 0, 8), (4, 3, 2))
KNOWN = gg.Constraints(GRID, gg.HardData([[1, 1, 0]], [1.0], 0.05, "porosity"))


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def left_behind(folder, *moved):
    """What a process leaves that is killed while it moves the files a, b and c into place: `moved` are there already."""
    left = folder / ".writing-1"
    (left / "new").mkdir(parents=True)
    (left / atomic.LOCK).touch()
    (left / atomic.MOVING).write_text("e.roff")
    for name in "abc":
        (folder / name if name in moved else left / "new" / name).write_text(f"new {name}")
    return left


@pytest.mark.parametrize("moved", ["", "a", "ab", "abc"])
def test_what_a_killed_process_began_to_move_is_moved_by_the_next(tmp_path, moved):
    for name in "abc":
        (tmp_path / name).write_text(f"old {name}")
    left_behind(tmp_path, *moved)
    with pytest.raises(gg.FormatError, match="some of its files are old and some new"):
        gg.read(tmp_path / "e.roff")
    with staged(tmp_path / "other") as there:
        there.write_text("other")
    assert {name: (tmp_path / name).read_text() for name in "abc"} == {name: f"new {name}" for name in "abc"}
    assert listing(tmp_path) == ["a", "b", "c", "other"]


def test_what_was_not_finished_is_cleared_away(tmp_path):
    left = left_behind(tmp_path)
    (left / atomic.MOVING).unlink()
    replace_file(tmp_path / "mine", b"mine")
    assert left.is_dir()
    clear_away(tmp_path)
    assert listing(tmp_path) == ["mine"]


def test_what_others_are_writing_is_left_alone(tmp_path):
    with scratch_beside(tmp_path / "a") as first, scratch_beside(tmp_path / "b") as second:
        assert first.is_dir()
        assert second.is_dir()
        clear_away(tmp_path)
        assert first.is_dir()
        unlocked = tmp_path / ".writing-2"  # of a process that has not come to lock it
        unlocked.mkdir()
        clear_away(tmp_path)
        assert unlocked.is_dir()
        os.utime(unlocked, (0, 0))
        clear_away(tmp_path)
        assert not unlocked.exists()
    assert not list(tmp_path.iterdir())


def test_a_lock_is_held_by_one(tmp_path):
    with locked(tmp_path / "lock", "taken"):
        assert is_held(tmp_path / "lock")
        with pytest.raises(gg.GempyGanError, match="taken"), locked(tmp_path / "lock", "taken"):
            raise AssertionError
    assert not is_held(tmp_path / "lock")


HOLD = "import sys, time; from gempy_gan.locks import locked\nwith locked(__import__('pathlib').Path(sys.argv[1]), ''):\n"
HOLD += "    print('held', flush=True)\n    time.sleep(600)"


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    assert is_held(tmp_path / "lock")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not is_held(tmp_path / "lock")


def test_two_runs_on_one_store_are_refused(tmp_path):
    path = tmp_path / "e.zarr"
    gg.invert("gaussian", KNOWN, n=2, batch=1, store=path)
    before = gg.read(path).values
    with EnsembleStore.open(path).alone():
        complaint = r"Another run is writing into the store .*e\.zarr\. Wait for it to end, or choose another store"
        with pytest.raises(gg.GempyGanError, match=complaint):
            gg.invert("gaussian", KNOWN, n=2, batch=1, store=path, resume=True)
        with pytest.raises(gg.GempyGanError, match=complaint):
            EnsembleStore.open(path).append(np.zeros((1, 1, *GRID.resolution)))
        np.testing.assert_array_equal(gg.read(path).values, before)  # it may be read
    gg.invert("gaussian", KNOWN, n=2, batch=1, store=path, resume=True)


def test_a_run_that_is_refused_leaves_the_other_ones_empty_store(tmp_path):
    store = EnsembleStore.create(tmp_path / "e.zarr", GRID, [POROSITY], {})
    with store.alone():
        with pytest.raises(gg.GempyGanError):
            gg.invert("gaussian", KNOWN, n=2, store=store.path, resume=True)
        assert store.path.is_dir()


def test_samples_are_resumed_and_another_run_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("gempy_gan.inversion.BATCH_CELLS", GRID.size)
    whole = gg.sample("gaussian", GRID, n=4, seed=3, store=tmp_path / "whole.zarr")
    genuine, turns = EnsembleStore.append, iter(range(100))

    def append(*arguments):
        if next(turns) == 2:
            raise KeyboardInterrupt
        genuine(*arguments)

    monkeypatch.setattr(EnsembleStore, "append", append)
    with pytest.raises(KeyboardInterrupt):
        gg.sample("gaussian", GRID, n=4, seed=3, store=tmp_path / "e.zarr")
    assert next(describe(gg.read(tmp_path / "e.zarr"))) == "ensemble of 2 realizations, of a run of 4"
    with pytest.raises(gg.GempyGanError, match="differs in seed"):
        gg.sample("gaussian", GRID, n=4, seed=4, store=tmp_path / "e.zarr", resume=True)
    resumed = gg.sample("gaussian", GRID, n=4, seed=3, store=tmp_path / "e.zarr", resume=True)
    np.testing.assert_array_equal(resumed.values, whole.values)
    assert resumed.provenance == whole.provenance


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_lost_worker_costs_nothing_that_was_finished(tmp_path, monkeypatch):
    monkeypatch.setenv("DYING", str(tmp_path / "flag"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(gg.GempyGanError, match="A process that simulates has died"):
        make_training_set(Dying(), tmp_path / "e.zarr", 20, seed=3, jobs=1 + 1)
    if (tmp_path / "e.zarr").exists():
        held = gg.read(tmp_path / "e.zarr")
        np.testing.assert_array_equal(
            held.values, make_training_set(Dying(), tmp_path / "f.zarr", 20, seed=3).values[: len(held)]
        )
    resumed = make_training_set(Dying(), tmp_path / "e.zarr", 20, seed=3, jobs=2, resume=True)
    np.testing.assert_array_equal(resumed.values, make_training_set(Dying(), tmp_path / "g.zarr", 20, seed=3).values)
