"""gempy-gan train: from a training set or a simulator to a prior file, in plain lines where nobody watches."""

import os
import signal
import subprocess
import sys

import pytest
import trainings
from click.testing import CliRunner

import gempy_gan as gg
from gempy_gan.cli import main
from gempy_gan.cli.live import Table, watching

BOX = ("--shape", "12", "12", "4")
BARE = (*BOX, "--batch", "8", "--precision", "32-true", "--look-minutes", "0")


@pytest.fixture(autouse=True)
def _registered():
    trainings.register()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return trainings.training_set(tmp_path_factory.mktemp("set") / "set.zarr")


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_a_prior_is_trained_sampled_and_trained_on(data, tmp_path):
    train = ("train", "toy-learner", "--data", data, "--out", tmp_path / "out", *BARE, "--set", "latents=3")
    first = run(*train, "--steps", 5)
    assert first.exit_code == 0, first.output
    lines = first.output.splitlines()
    assert lines[0].startswith("step 1  boxes 8  minutes ")
    assert " loss " in lines[1]
    assert lines[-1] == str(tmp_path / "out" / "prior.safetensors")
    box = ("--extent", 0, 120, 0, 120, 0, 2, "--resolution", 12, 12, 4)
    sampled = run("sample", lines[-1], "-n", 2, "-o", tmp_path / "samples.nc", *box)
    assert sampled.exit_code == 0, sampled.output
    assert len(gg.read(tmp_path / "samples.nc")) == 2
    assert "step 8 " in run(*train, "--steps", 8).output
    assert run(*train, "--steps", 8).output.splitlines() == lines[-1:]  # nothing is left to do
    other = run(*train, "--steps", 9, "--seed", 1)
    assert other.exit_code == 1
    assert other.output == (
        f"The folder {tmp_path / 'out'} holds another training: it differs in seed. "
        "Repeat the command that began it, or choose another folder.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("gaussian", "--steps", 1), 1, "Prior 'gaussian' does not learn from training images this way."),
        (("toy-lerner", "--steps", 1), 1, "Did you mean 'toy-learner'?"),
        (("toy-learner",), 2, "How long? Give --minutes M or --steps N."),
        (("toy-learner", "--steps", 0), 2, "Invalid value for '--steps'"),
        (("toy-learner", "--steps", 1, "--flips", "z"), 2, "Invalid value for '--flips'"),
        (("toy-learner", "--steps", 1, "--precision", "int8"), 1, "The precision 'int8' is unknown"),
        (("toy-learner", "--steps", 1, *BARE[:4], "--labels", "depth"), 1, "The data have no label 'depth'"),
        (("toy-learner", "--steps", 1), 1, "say another shape or preset"),
    ],
)
def test_what_cannot_be_meant_costs_one_line(data, tmp_path, arguments, code, message):
    done = run("train", *arguments, "--data", data, "--out", tmp_path / "out")
    assert done.exit_code == code
    assert message in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "out" / "prior.safetensors").exists()


def test_labels_can_be_left_out(data, tmp_path):
    done = run("train", "toy-learner", "--data", data, "--out", tmp_path, *BARE, "--steps", 1, "--labels", "")
    assert done.exit_code == 0, done.output
    assert gg.load_prior(tmp_path / "prior.safetensors").domain.labels == ()


def test_ctrl_c_says_how_to_go_on(data, tmp_path):
    command = [sys.executable, "-m", "gempy_gan", f"--plugin={trainings.FILES[0]}", "train", "toy-learner"]
    command += ["--data", str(data), "--out", str(tmp_path), *BARE, "--minutes", "5"]
    process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    trainings.wait_for((tmp_path / "log.jsonl").exists, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.decode() == f"Interrupted. What was learned is kept in {tmp_path}; repeat the command to go on.\n"
    assert gg.load_prior(tmp_path / "prior.safetensors").card["steps"] >= 1


def test_the_table_shows_the_last_numbers_beside_those_before_and_the_floor():
    from rich.console import Console

    table = Table("toy-learner")
    table.add({"step": 1, "boxes": 8, "minutes": 0.1, "loss": 0.5})
    table.add({"step": 9, "boxes": 72, "minutes": 0.2, "loss": 0.25, "variogram": 0.04, "floors": {"variogram": 0.01}})
    console = Console(width=100, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    console.print(table.drawn())
    console.file.close()
    text = console.export_text()
    assert "step 9  boxes 72  minutes 0.2" in text
    rows = {
        line.split("│")[1].strip(): [cell.strip() for cell in line.split("│")[2:5]] for line in text.splitlines() if "│" in line
    }
    assert rows["loss"] == ["0.25", "0.5", ""]
    assert rows["variogram"] == ["0.04", "", "0.01"]


def test_lines_are_plain_without_a_terminal(capsys):
    with watching("toy") as watch:
        watch({"step": 3, "loss": 0.123456, "floors": {"loss": 1.0}})
    assert capsys.readouterr().out == "step 3  loss 0.1235\n"
