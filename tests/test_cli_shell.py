"""The command line's shell: how a command ends, what it shows meanwhile, and how options are understood."""

import contextlib
import errno
import os
import pty
import re
import signal
import subprocess
import sys
import warnings

import click
import pytest
from click.testing import CliRunner
from command_line import BOX, invoke, written_ensemble

import gempy_gan as gg
from gempy_gan.cli import bar
from gempy_gan.cli.export import Selection
from gempy_gan.cli.guard import GuardedGroup
from gempy_gan.cli.settings import Setting
from gempy_gan.progress import report, track
from gempy_gan.testing import toy_las, toy_segy


@pytest.fixture
def run():
    return invoke


@pytest.fixture
def ensemble(tmp_path):
    return written_ensemble(tmp_path / "e.nc")


def failing(error):
    """A guarded command that fails."""

    @click.group(cls=GuardedGroup)
    @click.option("--debug", is_flag=True)
    def group(debug): ...

    @group.command()
    def go():
        raise error

    return group


# How a command ends


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (gg.GridError("The grid is 3.\nExpected 4."), "The grid is 3. Expected 4."),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.las"), "a.las: No such file or directory."),
        (OSError(errno.ENOSPC, "No space left on device", "out/e.nc"), "out/e.nc: No space left on device."),
        (OSError("NetCDF: HDF error"), "NetCDF: HDF error"),
        (MemoryError("8 TiB"), "There is not enough memory (8 TiB). Ask for fewer realizations at once or a coarser grid."),
        (ValueError("odd"), "This is a bug in gempy-gan: ValueError: odd. Repeat the command with --debug"),
    ],
)
def test_an_error_is_one_line_without_traceback(error, message):
    done = CliRunner().invoke(failing(error), ["go"])
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_debug_lets_the_error_through():
    done = CliRunner().invoke(failing(gg.GridError("odd")), ["--debug", "go"])
    assert isinstance(done.exception, gg.GridError)
    shown = subprocess.run(
        [sys.executable, "-m", "gempy_gan", "--debug", "export", "missing.nc", "x.nc"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1
    assert "Traceback" in shown.stderr


def test_ctrl_c_is_one_line_and_130():
    done = CliRunner().invoke(failing(KeyboardInterrupt()), ["go"])
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_a_real_interrupt_ends_a_real_command():
    code = "import time\nfrom gempy_gan.cli import main\nfrom gempy_gan import plugins\n"
    code += "def wait(): print('ready', flush=True); time.sleep(30)\nplugins.registry = wait\nmain(['plugins'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)
    assert (process.returncode, stderr) == (130, "Interrupted.\n")


def test_a_closed_pipe_is_no_error():
    command = f"{sys.executable} -m gempy_gan plugins --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_warnings_are_one_line_each_and_those_of_others_are_for_debug():
    @click.group(cls=GuardedGroup)
    @click.option("--debug", is_flag=True)
    def group(debug): ...

    @group.command()
    def go():
        for _ in range(2):
            warnings.warn("The ensemble\nis weak.", gg.GempyGanWarning, stacklevel=1)
        warnings.warn("someone else's", DeprecationWarning, stacklevel=1)

    done = CliRunner().invoke(group, ["go"])
    assert (done.exit_code, done.stderr) == (0, "Warning: The ensemble is weak.\n")
    with pytest.warns(DeprecationWarning, match="else's"), pytest.warns(gg.GempyGanWarning):
        CliRunner().invoke(group, ["--debug", "go"], catch_exceptions=False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense"],
        ["run"],
        ["run", "study.toml", "--nonsense"],
        ["sample", "gaussian", "-o", "x.nc", "--extent", "0", "1"],
        ["export", "e.nc"],
        ["sample", "gaussian", "-o", "x.nc"],
        ["sample", "gaussian", "-o", "x.nc", "-n", "0"],
        ["sample", "gaussian", "-o", "x.nc", "--set", "std"],
        ["export", "e.nc", "x.nc", "--realizations", "1-x"],
    ],
)
def test_wrong_usage_exits_2(run, arguments):
    code, stdout, stderr = run(*arguments)
    command = arguments[0] if arguments[0] in ("run", "sample", "export") else ""
    assert (code, stdout) == (2, "")
    assert re.fullmatch(rf"[^\n]+[.?)] See '\S+{command and ' '}{command} --help'\.\n", stderr), stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "no.las"], "no.las does not exist"),
        (["inspect", "no.xyz"], "No format is known for 'no.xyz'. Known endings: "),
        (["inspect", "empty.las"], "empty.las"),
        (["inspect", "c.sgy", "--set", "domain=tme"], "say domain='time' or 'depth'"),
        (["inspect", "c.sgy", "--set", "dmain=time"], "no option 'dmain'. Its options: .* Did you mean 'domain'"),
        (["inspect", "w.las", "--set", "curves=['NPHI']"], "NPHI"),
        (["sample", "gausian", "-o", "x.nc", *BOX], "No prior is named 'gausian'. .* Did you mean 'gaussian'"),
        (["sample", "gaussian", "-o", "x.ncc", *BOX], "No format is known for 'x.ncc'"),
        (["sample", "gaussian", "-o", "x.nc", *BOX[:4], -30, *BOX[5:]], "y0 = 0.0 and y1 = -30.0"),
        (["sample", "gaussian", "-o", "x.nc", *BOX, "--set", "std=-1.0"], "std is -1.0. Expected a positive number"),
        (["sample", "gaussian", "-o", "x.nc", *BOX, "--set", "sdt=1.0"], "no option 'sdt'"),
        (["sample", "gaussian", "-o", "empty.las/x.nc", *BOX], "Nothing can be written beside empty.las/x.nc"),
        (["export", "no.nc", "x.nc"], "no.nc does not exist"),
        (["export", "w.las", "x.nc"], "w.las holds well logs, .* Expected an ensemble"),
        (["export", "e.nc", "x.nc", "--realizations", "0,5"], "Realization 5 was asked for, and the ensemble holds 0 to 4"),
        (["export", "e.nc", "x.foo"], "No format is known for 'x.foo'"),
        (["export", "e.nc", "x.zarr", "--surfaces", "x.xyz"], r"'x.xyz' is no name of one. Expected the ending \.irap"),
        (["logs", "e.nc", "w.las", "-o", "logs", "--set", "xy=[9e5, 0]"], "Well .* meets no active cell"),
        (["logs", "e.nc", "w.las", "-o", "."], "w.las is the well itself, which would be replaced"),
        (["logs", "e.nc", "c.sgy", "-o", "logs", "--set", "domain=time"], "no option 'kb'"),
        (["--plugin", "no.py", "plugins"], "no.py is no plugin"),
    ],
)
def test_bad_input_is_one_line_exit_1_and_nothing_written(run, ensemble, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    toy_las("w.las")
    toy_segy("c.sgy")
    (tmp_path / "empty.las").touch()
    before = sorted(tmp_path.rglob("*"))
    code, stdout, stderr = run(*arguments)
    assert (code, stdout) == (1, "")
    assert stderr.count("\n") == 1
    assert re.search(message, stderr)
    assert "bug in gempy-gan" not in stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_one_line_and_leaves_nothing(run, ensemble, tmp_path, monkeypatch):
    def full(ensemble, path):
        path.write_bytes(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gempy_gan.formats.netcdf.write", full)
    code, _, stderr = run("export", tmp_path / "e.nc", tmp_path / "x.nc")
    assert (code, stderr) == (
        1,
        f"{tmp_path / 'x.nc'} was not written: No space left on device. Nothing was left half-written.\n",
    )
    assert [file.name for file in tmp_path.iterdir()] == ["e.nc"]


# Options


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("n=3", 3),
        ("n = 3.0", 3.0),
        ("n=1e-3", 1e-3),
        ("n=true", True),
        ("n=[1, 2.5]", [1, 2.5]),
        ('n="a b"', "a b"),
        ("n='3'", "3"),
        ("n=spherical", "spherical"),
        ("n=../images/a.nc", "../images/a.nc"),
        ("n=gauss-newton", "gauss-newton"),
        ("n={a = 1}", {"a": 1}),
    ],
)
def test_a_setting_is_written_as_in_toml(text, expected):
    name, value = Setting().convert(text, None, None)
    assert (name, value, type(value)) == ("n", expected, type(expected))


@pytest.mark.parametrize(
    "text", ["n", "=3", "n=", "n=True", "n=None", "n=a b", "n=[1", "a b=1", "n=1\nm=2", "3=4", "n=0,5", "n.=1"]
)
def test_a_setting_that_could_mean_something_else_is_refused(text):
    with pytest.raises(click.BadParameter, match=r"Expected (name=value|1, 1\.5, true)"):
        Setting().convert(text, None, None)


def test_a_setting_may_say_whose_option_it_is():
    assert Setting().convert("prior.std=2", None, None) == ("prior.std", 2)


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "1,,2", "1-2-3"])
def test_a_selection_that_is_none_is_refused(text):
    with pytest.raises(click.BadParameter, match="Expected numbers from 0"):
        Selection().convert(text, None, None)


# The progress bar


def test_the_bar_is_silent_where_stderr_is_no_terminal(capsys):
    with bar.progress_bar():
        report("sampling", 1, 2)
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_stage_count_and_time_left_on_a_terminal():
    terminal, process_side = pty.openpty()
    code = (
        "import time\nfrom gempy_gan.cli.bar import progress_bar\nfrom gempy_gan.progress import track\n"
        "with progress_bar():\n for _ in range(2):\n  for _ in track(range(4), 'sampling', 4): time.sleep(0.15)\nprint('done')"
    )
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=process_side, text=True, env=environment, check=True
    )
    os.close(process_side)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that its other side is closed
        while chunk := os.read(terminal, 65536):
            shown += chunk
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert done.stdout == "done\n"
    assert re.search(r"sampling .*[1-3]/4 0:00:0\d 0:00:0\d", text)
    assert "4/4" in text


def test_track_reports_to_nobody_without_harm():
    assert list(track([1, 2], "x", 2)) == [1, 2]
