"""Bad input on the command line: one line that says what was found, what was expected, what to do; nothing half-written."""

import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from toy_study import PRIOR, STUDY, change, tree, write_study

import gempy_gan as gg
from gempy_gan import demo
from gempy_gan.cli import main
from gempy_gan.formats.zarr import EnsembleStore


def call(*arguments):
    done = CliRunner().invoke(main, [str(a) for a in arguments], prog_name="gempy-gan")
    return done.exit_code, done.stdout, done.stderr


def refused(*arguments, said, code=1):
    """The command ends with this code, one line that says all of `said`, and every file and folder as it was."""
    before = tree(Path())
    found = call(*arguments)
    assert found[:2] == (code, ""), found
    assert found[2].count("\n") == 1, found[2]
    for part in said:
        assert part in found[2]
    assert "bug in gempy-gan" not in found[2]
    assert "Traceback" not in found[2]
    assert tree(Path()) == before


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The toy study, its constraints, an ensemble and its baseline, made once."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study(folder)
        for command in (
            ["constrain", "study.toml", "-o", "c.nc", "--held-out", "h.nc"],
            ["invert", "c.nc", "-o", "e.zarr", "-n", 3, *PRIOR],
            ["sample", "gaussian", "-o", "elsewhere.nc", "-n", 2, "--extent", 0, 1, 0, 1, 0, 1, "--resolution", 2, 2, 2],
        ):
            assert call(*command)[0] == 0
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of it, in which the test stands."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


# Studies


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"wells/*.las"', '"wells/B*.las"', ["No file matches 'wells/B*.las'", "Check the files of [wells]"]),
        ('"cube.sgy"', '"none.sgy"', ["none.sgy does not exist. Check the path"]),
        ('"cube.sgy"', '"wells"', ["wells is a folder. Expected a file in it"]),
        ('"wells/*.las"', '"cube.sgy"', ["cube.sgy, in [wells]", "no option 'kb'"]),
        ('"VSAND"', '"VSND"', ["Well A-1 has no curve 'VSND'. It has: GR, VSAND"]),
        ('"time"', '"tme"', ["domain = 'tme'", 'Expected "time" or "depth"']),
        ('"time"', '"depth"', ["cube.sgy", "in depth and the wavelet in time", "Correct the data's domain"]),
        ("[0, 125, 0,", "[9000, 9125, 0,", ["None of 2 wells", "x 30 to 80", "the grid at x 9000 to 9125", "check xy"]),
        ("-50, 0]", "0, -50]", ["z0 = 0.0 and z1 = -50.0", "Expected z0 < z1"]),
        ("-50, 0]", "-50]", ["extent is (0.0, 125.0, 0.0, 100.0, -50.0)", "Expected six"]),
        ("[0, 125, 0, 100, -50, 0]", '"large"', ["[grid] has extent = 'large'", "Expected a list"]),
        ("resolution = [5, 4, 10]", "resolution = 5", ["resolution = 5", "Expected a list, such as [1, 2]"]),
        ("std = 0.05", "std = -0.05", ["[wells] has std = -0.05", "Expected a positive number"]),
        ("std = 0.05", "std = 0.0", ["std = 0.0", "Expected a positive number"]),
        ("std = 0.05", "std = nan", ["std = nan", "Expected a positive number"]),
        ("std = 0.3", "std = -0.3", ["[seismic] has std = -0.3", "Expected a positive number"]),
        ("std = 0.3", 'std = "low"', ["std = 'low'", "Expected a number"]),
        ('["A-3"]', '["A-9"]', ["holds out 'A-9'", "Wells: A-1, A-2, A-3"]),
        ('["A-3"]', '"A-3"', ["held_out = 'A-3'", 'Expected a list, such as ["a", "b"]']),
        ("held_out", 'surveys = { A-9 = "s.csv" }\nheld_out', ["a survey of 'A-9'", "Wells: A-1"]),
        ("held_out", 'surveys = { A-1 = "none.csv" }\nheld_out', ["none.csv cannot be read", "Check the path"]),
        ("held_out", 'heads = { file = "h.csv" }\nheld_out', ["[wells.heads] says nothing about 'columns'"]),
        (
            "held_out",
            'heads = { file = "h.csv", columns = {}, delimeter = ";" }\nheld_out',
            ["[wells.heads]", "'delimeter'", "Did you mean 'delimiter'"],
        ),
        ("held_out", 'block = { metod = "mean" }\nheld_out', ["[wells.block]", "'metod'", "Did you mean 'method'"]),
        ("held_out", 'block = { resolution = "fine" }\nheld_out', ["[wells.block] cannot be used", "Check the kinds"]),
        ("held_out", 'read = { kb = "rig" }\nheld_out', ["kb='rig'", "Expected numbers in metres"]),
        ("held_out", "gamma = {}\nheld_out", ["has a curve 'VSAND' already", "Leave gamma out"]),
        ('"ricker"', '"riker"', ["The wavelet's kind is 'riker'. Expected 'ricker'"]),
        ("frequency = 40.0", "frequency = -40.0", ["frequency is -40.0. Expected a positive number"]),
        ("velocity = 2000.0", 'velocity = "fast"', ["velocity is 'fast'. Expected a positive number"]),
        ('"convolution"', '"convolutoin"', ["No forward operator is named 'convolutoin'", "Did you mean 'convolution'"]),
        ('"gaussian"', '"gausian"', ["No prior is named 'gausian'", "Did you mean 'gaussian'"]),
        ("n = 4", "n = 4\nstrategy = { name = 'mcmc' }", ["No strategy is named 'mcmc'. Installed: ", "latent"]),
        ("n = 4", "n = true", ["n = True. Expected a whole number, 1 or more"]),
        ("n = 4", "n = 4\nseed = -1", ["seed = -1. Expected a whole number, 0 or more"]),
        ("n = 4", "n = 4\nbatch = 0", ["batch = 0. Expected a whole number, 1 or more"]),
        ("n = 4", "n = ", ["study.toml is no TOML"]),
        ("[seismic.forward]", "[seismic.froward]", ["unknown entry 'froward'. Did you mean 'forward'"]),
        ("pictures = false", 'pictures = "no"', ["pictures = 'no'. Expected true or false"]),
        ("pictures = false", "realizations = 0", ["realizations = 0. Expected a whole number, 1 or more"]),
        ("pictures = false", 'formats = ["rof"]', ["No format is known for 'ensemble.rof'. Known endings: "]),
    ],
)
def test_a_study_that_cannot_be_right(old, new, said):
    change(Path(), old, new)
    refused("constrain", "study.toml", "-o", "x.nc", "--held-out", "xh.nc", said=said)
    refused("run", "study.toml", said=said)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ranges = [100.0", "ranges = [-100.0", ["ranges is (-100.0, 100.0, 10.0). Expected three positive numbers"]),
        ("ranges = [100.0, 100.0, 10.0]", "ranges = 3", ["'gaussian' cannot be built", "ranges=3", "Check the kinds"]),
        ("ranges", "rangs", ["no option 'rangs'", "Did you mean 'ranges'"]),
        ('std = "wells"', "std = -1.0", ["std is -1.0. Expected a positive number"]),
        ('std = "wells"', 'std = "layers"', ["std is 'layers'", 'Expected "wells", or numbers']),
        ('mean = "wells"', 'mean = "layer"', ["mean is 'layer'", 'Expected "wells" or "layers", or numbers']),
        ('property = "sand"\nranges', 'property = "clay"\nranges', ["statistics of 'clay'", "constrain: sand", "state numbers"]),
        ('"gaussian"', '"empirical"', ["no option 'property'", "Its options: examples"]),
        ("n = 4", "n = 4\nstrategy = { name = 'esmda', asimilations = 3 }", ["Did you mean 'assimilations'"]),
        ("n = 4", "n = 4\nstrategy = { name = 'esmda', assimilations = 'many' }", ["assimilations='many'", "Check the kinds"]),
        ("n = 4", "n = 4\nbatch = 2\nstrategy = { name = 'esmda' }", ["batch = 2", "Expected at least 4"]),
    ],
)
def test_a_run_that_cannot_be_right(old, new, said):
    change(Path(), old, new)
    refused("run", "study.toml", said=said)


def test_a_second_run_keeps_the_first(here):
    assert call("run", "study.toml")[0] == 0
    remedies = ["--resume", "--out", "remove"]
    refused("run", "study.toml", said=["ensemble.zarr exists already", *remedies])
    change(here, "std = 0.05", "std = 0.06")
    refused("run", "study.toml", "--resume", said=["belongs to another run: it differs in ", "constraints", "another store"])
    change(here)
    before = tree(here)
    assert call("run", "study.toml", "--resume")[0] == 0
    assert tree(here) == before


# The other commands


INVERT = ["invert", "c.nc", "-o", "x.zarr", "-n", 2]
GAUSSIAN = [*INVERT, "--prior", "gaussian"]
BOX = ["--extent", 0, 40, 0, 30, -10, 0, "--resolution", 4, 3, 2]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "none.toml"], ["none.toml does not exist. Check the path"]),
        (["constrain", "none.toml", "-o", "x.nc"], ["none.toml does not exist. Check the path"]),
        (["constrain", "study.toml", "-o", "cube.sgy/x.nc", "--held-out", "h.nc"], ["cube.sgy/x.nc", "Choose another folder"]),
        ([*INVERT, "--prior", "gausian"], ["No prior is named 'gausian'", "Did you mean 'gaussian'"]),
        ([*GAUSSIAN, "--strategy", "mcmc"], ["No strategy is named 'mcmc'. Installed: "]),
        ([*GAUSSIAN, "--set", "std=-1.0"], ["std is -1.0. Expected a positive number"]),
        ([*GAUSSIAN, "--set", "std=small"], ["std is 'small'", 'Expected "wells", or numbers']),
        ([*GAUSSIAN, "--set", "property=clay"], ["constrain 'sand', and the prior has only: clay", "Rename"]),
        ([*GAUSSIAN, "--set", "steps=few"], ["steps='few'", "Check the kinds"]),
        ([*GAUSSIAN, "--set", "prior.mena=1"], ["no option 'mena'", "Did you mean 'mean'"]),
        ([*GAUSSIAN, "--strategy", "esmda", "--batch", 1], ["batch = 1", "Expected at least 2"]),
        ([*INVERT, "--prior", "boolean", "--strategy", "latent"], ["Latent needs a LatentPrior", "Recommended for it"]),
        (["invert", "none.nc", *GAUSSIAN[2:]], ["none.nc does not exist", "gempy-gan constrain"]),
        (["invert", "e.zarr", *GAUSSIAN[2:]], ["e.zarr is a folder", "Expected a file that 'gempy-gan constrain' wrote"]),
        (["invert", "cube.sgy", *GAUSSIAN[2:]], ["cube.sgy cannot be read as NetCDF", "Expected a file that"]),
        (["invert", "elsewhere.nc", *GAUSSIAN[2:]], ["elsewhere.nc holds no constraints", "gempy-gan constrain"]),
        (["invert", "c.nc", "-o", "e.zarr", "--prior", "gaussian"], ["e.zarr exists already", "--resume", "another --out"]),
        (["invert", "c.nc", "-o", "e.zarr", "--prior", "gaussian", "--resume"], ["differs in prior, n", "another store"]),
        (["invert", "c.nc", "-o", "cube.sgy/x.zarr", "--prior", "gaussian"], ["beside cube.sgy/x.zarr", "another folder"]),
        (["sample", "gaussian", "-o", "e.zarr", *BOX], ["e.zarr exists already", "choose another name"]),
        (["sample", "gaussian", "-o", "x.nc", "--grid", "none.nc"], ["none.nc does not exist"]),
        (["sample", "gaussian", "-o", "x.nc", "--grid", "cube.sgy"], ["cube.sgy holds seismic", "Expected an ensemble"]),
        (["sample", "gaussian", "-o", "x.nc", "--grid", "c.nc", "--set", "shape=[2, 2, 2]"], ["(2, 2, 2) cells", "(5, 4, 10)"]),
        (["diagnose", "c.nc", "e.zarr"], ["c.nc holds constraints. Expected an ensemble"]),
        (["diagnose", "e.zarr", "elsewhere.nc"], ["elsewhere.nc holds no constraints"]),
        (["diagnose", "none.zarr", "c.nc"], ["none.zarr", "Check the path"]),
        (["diagnose", "elsewhere.nc", "c.nc"], ["(5, 4, 10)", "(2, 2, 2)", "Expected the same grid"]),
        (["diagnose", "e.zarr", "c.nc", "--baseline", "elsewhere.nc"], ["(2, 2, 2)", "Expected the same grid"]),
        (["diagnose", "e.zarr", "c.nc", "--held-out", "none.nc"], ["none.nc does not exist"]),
        (["export", "c.nc", "x.nc"], ["c.nc holds constraints. Expected an ensemble"]),
        (["export", "e.zarr", "e.zarr"], ["e.zarr exists already"]),
        (["export", "e.zarr", "x.nc", "x.foo"], ["No format is known for 'x.foo'. Known endings: "]),
        (["export", "e.zarr", "x.nc", "--set", "sqeeze=1"], ["no option 'sqeeze'", "Its options: compression"]),
        (["export", "e.zarr", "x.nc", "--realizations", "9"], ["Realization 9 was asked for", "holds 0 to 2"]),
        (["inspect", "wells"], ["wells is a folder. Expected a file in it"]),
        (["inspect", "study.toml"], ["No format is known for 'study.toml'", ".las", ".sgy", ".zarr"]),
        (["inspect", "wells/A-1.las", "--set", "xy=header"], ["A-1", "kb=None", "Expected both"]),
        (["demo", "--out", "."], ["holds other files", "choose another --out"]),
        (["demo", "--out", ".", "--overwrite"], ["holds other files", "choose another --out"]),
        (["demo", "--out", "cube.sgy"], ["cannot write into cube.sgy", "Choose another --out"]),
    ],
)
def test_a_command_that_cannot_be_right(arguments, said):
    refused(*arguments, said=said)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["constrain", "study.toml", "-o", "x.nc"], "The study holds wells out. Say where their data go: --held-out FILE."),
        (["invert", "c.nc", "-o", "x.nc", "--prior", "gaussian"], "must end in .zarr; 'gempy-gan export' writes the other"),
        ([*GAUSSIAN, "--set", "sdt=1"], "none of them takes it. Options: prior: azimuth"),
        ([*GAUSSIAN, "--batch", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage(arguments, said):
    before = tree(Path())
    code, stdout, stderr = call(*arguments)
    assert (code, stdout) == (2, "")
    assert said in stderr.splitlines()[-1]
    assert tree(Path()) == before


@pytest.mark.parametrize("other", ["two.nc", "held.nc"])
def test_damaged_constraints(here, other):
    whole = (here / "c.nc").read_bytes()
    (here / other).write_bytes(whole[: len(whole) // 2])
    refused("invert", other, *GAUSSIAN[2:], said=[f"{other} cannot be read as NetCDF", "gempy-gan constrain"])


def test_the_demo_replaces_an_earlier_one_when_told(tmp_path, monkeypatch):
    def stop(_):
        raise gg.GempyGanError("stopped")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "_structural_model", stop)
    assert call("demo", "--out", "d")[2] == "stopped\n"
    (tmp_path / "d" / "result").touch()
    refused("demo", "--out", "d", said=["d holds an earlier demo", "--overwrite", "another --out"])
    assert call("demo", "--out", "d", "--overwrite")[2] == "stopped\n"
    assert [file.name for file in (tmp_path / "d").iterdir()] == ["README.txt"]


# A full disk


@contextmanager
def files_of_at_most(size):
    """Writing beyond this many bytes fails in every library, as on a full disk, though with another error number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "arguments",
    [
        ["constrain", "study.toml", "-o", "x.nc", "--held-out", "xh.nc"],
        [*INVERT, *PRIOR],
        ["sample", "gaussian", "-o", "x.nc", "--grid", "c.nc", "-n", 3],
        *(["export", "e.zarr", f"x.{kind}"] for kind in ("nc", "roff", "grdecl", "egrid", "vti", "vts", "gslib", "zarr")),
    ],
    ids=lambda arguments: "-".join(str(a) for a in arguments[:3]),
)
def test_a_full_disk_is_one_line_and_leaves_nothing(arguments):
    with files_of_at_most(600):
        refused(*arguments, said=["x"])
    assert call(*arguments)[0] == 0


def test_a_disk_that_fills_up_on_the_way_keeps_whole_realizations_and_the_run_goes_on(here, monkeypatch):
    """The store's own writes begin to fail at some batch; when there is room again, the run resumes to the same bytes."""
    command = ["invert", "c.nc", "-o", "x.zarr", "-n", 6, "--batch", 1, *PRIOR]
    genuine, calls = EnsembleStore.append, iter(range(100))

    def append(*arguments, **options):
        with files_of_at_most(600 if next(calls) >= 4 else 2**30):
            return genuine(*arguments, **options)

    monkeypatch.setattr(EnsembleStore, "append", append)
    code, _, stderr = call(*command)
    assert (code, stderr.count("\n")) == (1, 1)
    assert "It keeps its 4 realizations: make room, then resume." in stderr
    assert not [name for name in tree(here) if "/." in name or name.startswith(".")]
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert call(*command, "--resume")[0] == 0
    assert call("invert", "c.nc", "-o", "y.zarr", *command[4:])[0] == 0
    assert tree(here / "x.zarr") == tree(here / "y.zarr")


def test_a_disk_that_is_full_at_the_pictures_keeps_what_was_finished(here):
    change(here, "pictures = false", 'pictures = true\nformats = ["nc"]')
    largest = 2**15  # bytes: data, store and export are smaller, some picture is larger
    with files_of_at_most(largest):
        code, stdout, stderr = call("run", "study.toml")
    assert (code, stdout, stderr.count("\n")) == (1, "", 1), stderr
    assert ".png was not written" in stderr
    assert "Nothing was left half-written" in stderr
    left = tree(here / "out")
    assert not [name for name in left if "/." in name or name.startswith(".")]
    assert all(content.endswith(b"IEND\xaeB`\x82") for name, content in left.items() if name.endswith(".png"))
    assert len(gg.read(here / "out" / "nc" / "ensemble.nc")) == 4
    assert call("run", "study.toml", "--resume")[0] == 0
    assert len(list((here / "out" / "pictures").glob("*.png"))) > 5


# Ctrl-C


def interrupted(arguments, store, batch):
    """Run a command in a process of its own, press Ctrl-C when the store has this batch, and return what it says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gempy_gan", *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (store / "sand" / "c" / str(batch)).exists() and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr.count("\n")) == (130, "", 1), stderr
    return stderr


def test_invert_is_interrupted_and_resumes_to_the_same_bytes(here):
    command = ["invert", "c.nc", "-o", "x.zarr", "-n", 25, "--batch", 1, *PRIOR]
    line = interrupted(command, here / "x.zarr", batch=2)
    kept = len(EnsembleStore.open("x.zarr"))
    assert 2 <= kept < 25
    assert line == f"Interrupted. {kept} of 25 realizations are kept in x.zarr; continue with --resume.\n"
    assert np.isfinite(gg.read("x.zarr").values).all()
    assert call(*command, "--resume")[:2] == (0, "x.zarr: 25 realizations of sand\n")
    assert call("invert", "c.nc", "-o", "y.zarr", *command[4:])[0] == 0
    assert tree(here / "x.zarr") == tree(here / "y.zarr")


def test_run_is_interrupted_and_resumes_to_the_same_bytes(here):
    change(here, "n = 4", "n = 25\nbatch = 1")
    line = interrupted(["run", "study.toml", "--out", "x"], here / "x" / "ensemble.zarr", batch=2)
    kept = len(EnsembleStore.open("x/ensemble.zarr"))
    assert 2 <= kept < 25
    assert line == f"Interrupted. {kept} of 25 realizations are kept in x/ensemble.zarr; continue with --resume.\n"
    assert call("run", "study.toml", "--out", "x", "--resume")[0] == 0
    assert call("run", "study.toml", "--out", "y")[0] == 0
    assert tree(here / "x") == tree(here / "y")


def test_interrupted_before_anything_is_finished_nothing_is_left(here, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("gempy_gan.strategies.latent.Latent.sample", press)
    before = tree(here)
    assert call(*GAUSSIAN) == (130, "", "Interrupted. No realization was finished, so there is nothing to resume.\n")
    assert tree(here) == before


def test_ctrl_c_waits_for_the_import_of_torch():
    """An import of torch that is interrupted aborts the whole process."""
    code = (
        "import os, signal, sys\n"
        "class Press:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Press())\n"
        "from gempy_gan.cli.guard import import_torch\n"
        "try: import_torch()\n"
        "except KeyboardInterrupt: print('interrupted', hasattr(sys.modules['torch'], 'Tensor'))\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "interrupted True\nTrue\n"


def test_the_toy_study_is_right(here):
    """What the tests above change one thing in."""
    assert "std = 0.05" in STUDY
    assert call("run", "study.toml")[0] == 0
    assert len(gg.read(here / "out" / "ensemble.zarr")) == 4
