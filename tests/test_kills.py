"""kill -9 at random moments: what was finished is there and whole, and what is resumed is what an unbroken run makes.

GEMPY_GAN_KILLS is how often processes are killed in all, 30 if it is not set.
"""

import itertools
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import trainings
from killable import PLUGINS, Kills, files, finish, kill_at_random
from safetensors.torch import load_file
from toy_study import PRIOR, write_study

import gempy_gan as gg
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.training.checkpoints import Checkpoints

KILLS = int(os.environ.get("GEMPY_GAN_KILLS", "30"))
N = 40
INVERT = ["invert", "c.nc", "-o", "x.zarr", "-n", str(N), "--batch", "2", *PRIOR, "--set", "steps=2", "--resume"]
CLOCK = rb"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"  # which ROFF files say
EXPORT = ["export", "e.zarr", "x.nc", "x.roff", "x.grdecl", "x.dat"]
TRAIN = [*PLUGINS, "train", "toy-learner", "--data", "set.zarr", "--out", "t", "--steps", "30", "--batch", "8"]
TRAIN += ["--precision", "32-true", "--save-minutes", "0", "--look-minutes", "0", "--shape", *map(str, trainings.BOX)]


@pytest.fixture(autouse=True)
def _in_the_fork_server(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """New folders with what a command needs, which is made once by `prepare`."""
    original, numbers = tmp_path / "original", itertools.count()
    original.mkdir()
    monkeypatch.chdir(original)

    def begin() -> Path:
        return Path(shutil.copytree(original, tmp_path / f"run-{next(numbers)}"))

    return original, begin


def timeless(folder):
    """Every file with its content, without the time of day."""
    return {name: re.sub(CLOCK, b"", content) for name, content in files(folder).items()}


def call(*arguments):
    finish([str(a) for a in arguments], Path.cwd())


def test_inversions(folders):
    original, begin = folders
    write_study(original)
    call("constrain", "study.toml", "-o", "c.nc", "--held-out", "h.nc")
    whole = begin()
    span = finish(INVERT, whole)
    expected, values = files(whole), gg.read(whole / "x.zarr").values
    held = []

    def survived(folder):
        if not (folder / "x.zarr").exists():
            return held.append(0)
        n = len(EnsembleStore.open(folder / "x.zarr"))
        assert n % 2 == 0
        np.testing.assert_array_equal(gg.read(folder / "x.zarr").values, values[:n])
        return held.append(n)

    kills = Kills(KILLS // 3)
    for folder in kill_at_random(INVERT, kills, begin, survived, seed=1, span=span / 3):
        assert files(folder) == expected
    print(f"\ninvert: {kills}; realizations held after a kill: {held}")
    assert kills.count == kills.wanted


def test_trainings(folders):
    original, begin = folders
    trainings.training_set(original / "set.zarr")
    whole = begin()
    span = finish(TRAIN, whole)
    expected, checkpoint = load_file(whole / "t" / "prior.safetensors"), Checkpoints(whole / "t" / "checkpoints").latest()
    steps = []

    def survived(folder):
        kept = Checkpoints(folder / "t" / "checkpoints")
        found = kept.latest()  # a damaged one would be a warning, which is an error here
        steps.append(0 if found is None else found.step)
        if (folder / "t" / "prior.safetensors").exists():
            assert load_file(folder / "t" / "prior.safetensors").keys() == expected.keys()

    kills = Kills(KILLS // 3)
    for folder in kill_at_random(TRAIN, kills, begin, survived, seed=2, span=span / 3):
        weights, found = load_file(folder / "t" / "prior.safetensors"), Checkpoints(folder / "t" / "checkpoints").latest()
        assert all(weights[key].equal(tensor) for key, tensor in expected.items())
        assert found.step == checkpoint.step
        assert all(found.tensors[key].equal(tensor) for key, tensor in checkpoint.tensors.items())
        assert {file.suffix for file in (folder / "t").rglob("*")} <= {"", ".safetensors", ".json", ".jsonl", ".md", ".lock"}
    print(f"\ntrain: {kills}; steps held after a kill: {steps}")
    assert kills.count == kills.wanted


def test_exports_over_earlier_ones(folders):
    original, begin = folders
    call("sample", "gaussian", "-o", "old.zarr", "-n", 2, "--extent", 0, 50, 0, 40, -10, 0, "--resolution", 5, 4, 10)
    call("export", "old.zarr", *EXPORT[2:])
    old = timeless(original)
    new = ["sample", "gaussian", "-o", "e.zarr", "-n", 3, "--seed", 1]
    call(*new, "--extent", 0, 50, 0, 40, -10, 0, "--resolution", 5, 4, 10)
    whole = begin()
    span = finish(EXPORT, whole)
    expected = timeless(whole)
    ensembles = [gg.read(original / "old.zarr").values, gg.read(original / "e.zarr").values]
    read = []

    def survived(folder):
        found = timeless(folder)
        for name in expected:
            assert found.get(name) in (old.get(name), expected[name]), name
        for name in EXPORT[2:]:
            read.append(which(folder / name))

    def which(path):
        """0 or 1: the old ensemble or the new one; None where the export says that it is neither."""
        try:
            values = gg.read(path).values
        except gg.FormatError as error:
            assert "is being replaced" in str(error)  # noqa: PT017
            return None
        (found,) = [k for k, each in enumerate(ensembles) if values.shape == each.shape and np.allclose(values, each, atol=1e-6)]
        return found

    kills = Kills(KILLS - 2 * (KILLS // 3))
    for folder in kill_at_random(EXPORT, kills, begin, survived, seed=3, span=span):
        assert timeless(folder) == expected
    print(f"\nexport: {kills}; after a kill old {read.count(0)}, new {read.count(1)}, refused {read.count(None)}")
    assert kills.count == kills.wanted
