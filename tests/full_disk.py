"""Commands on a file system that is full, run by `test_full_disk` in a mount namespace of its own: FOLDER is a tmpfs.

Each command is started with some room, ends with one line when that is used up, and is repeated with enough room. What is
printed is one JSON object: how often each command was refused.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import trainings
from click.testing import CliRunner
from killable import PLUGINS, files
from safetensors.torch import load_file
from toy_study import PRIOR, write_study

import gempy_gan as gg
from gempy_gan.cli import main
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.training.checkpoints import Checkpoints

INVERT = ["invert", "c.nc", "-o", "x.zarr", "-n", "6", "--batch", "2", *PRIOR, "--set", "steps=2", "--resume"]
SAMPLE = ["sample", "gaussian", "-o", "x.zarr", "-n", "3", "--grid", "c.nc", "--resume"]
EXPORT = ["export", "e.zarr", "x.nc", "x.roff", "x.grdecl", "x.dat"]
TRAIN = [*PLUGINS, "train", "toy-learner", "--data", "set.zarr", "--out", "t", "--steps", "8", "--batch", "8"]
TRAIN += ["--precision", "32-true", "--save-minutes", "0", "--look-minutes", "0", "--shape", *map(str, trainings.BOX)]
ENOUGH = 2**26
CLOCK = rb"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d"  # which ROFF files say
PAGE = 4096


def call(arguments):
    done = CliRunner().invoke(main, [str(a) for a in arguments], prog_name="gempy-gan")
    return done.exit_code, done.stderr


def room(folder, size):
    """Leave so many bytes free."""
    disk = os.statvfs(folder)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used + size}", folder], check=True)


def empty(folder, original):
    """The folder with what the command needs, and nothing else."""
    room(folder, ENOUGH)
    for place in folder.iterdir():
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    shutil.copytree(original, folder, dirs_exist_ok=True)


def contents(folder):
    return {name: re.sub(CLOCK, b"", content) for name, content in files(folder).items()}


def refusals(folder, original, command, rooms, kept, same):
    """How often the command was refused; each time what it kept is looked at, and what comes of it with enough room."""
    count = 0
    for size in rooms:
        empty(folder, original)
        room(folder, size)
        code, stderr = call(command)
        if code:
            assert code == 1, stderr
            assert "No space left" in stderr or "is the disk full?" in stderr, stderr
            assert "bug in gempy-gan" not in stderr, stderr
            count += 1
            assert not list(folder.glob(".writing-*"))
            kept()
        room(folder, ENOUGH)
        again, stderr = call(command)
        assert again == 0, (size, code, stderr)
        same()
    return count


def main_(folder, original):
    os.chdir(original)
    torch.set_num_threads(1)
    write_study(original)
    trainings.training_set(original / "set.zarr")
    assert call(["constrain", "study.toml", "-o", "c.nc", "--held-out", "h.nc"])[0] == 0
    assert call([*SAMPLE[:2], "-o", "old.zarr", *SAMPLE[4:-1]])[0] == 0
    assert call(["export", "old.zarr", *EXPORT[2:]])[0] == 0
    assert call([*SAMPLE[:2], "-o", "e.zarr", *SAMPLE[4:-1], "--seed", 1])[0] == 0
    before = contents(original)
    os.chdir(folder)
    expected = {}
    for name, command in (("invert", INVERT), ("sample", SAMPLE), ("export", EXPORT), ("train", TRAIN)):
        empty(folder, original)
        assert call(command)[0] == 0
        expected[name] = contents(folder)
        if name == "invert":
            values = gg.read("x.zarr").values
        if name == "train":
            weights = load_file("t/prior.safetensors")
    found = {}

    def whole_realizations():
        if Path("x.zarr").exists():
            np.testing.assert_array_equal(gg.read("x.zarr").values, values[: len(EnsembleStore.open("x.zarr"))])

    def the_old_files():
        assert contents(folder) == before

    def whole_checkpoints():
        Checkpoints(Path("t/checkpoints")).latest()

    def the_weights():
        new = load_file("t/prior.safetensors")
        assert all(new[key].equal(tensor) for key, tensor in weights.items())

    def same_as(name):
        def same():
            assert contents(folder) == expected[name]

        return same

    steps = [PAGE * k for k in (0, 4, 8, 12, 16, 20)]
    found["invert"] = refusals(folder, original, INVERT, steps, whole_realizations, same_as("invert"))
    found["sample"] = refusals(folder, original, SAMPLE, steps[:3], lambda: None, same_as("sample"))
    found["export"] = refusals(folder, original, EXPORT, [PAGE * k for k in (0, 1, 2, 4)], the_old_files, same_as("export"))
    found["train"] = refusals(folder, original, TRAIN, [PAGE * k for k in (0, 5, 20, 60)], whole_checkpoints, the_weights)
    print(json.dumps(found))


if __name__ == "__main__":
    main_(Path(sys.argv[1]), Path(sys.argv[2]))
