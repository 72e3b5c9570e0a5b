"""Training sets: one seed, one set of bytes, whatever the number of processes and whatever interrupted them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from toy_simulator import ToySimulator

from gempy_gan import progress
from gempy_gan.cli import main
from gempy_gan.designs import random_design, sobol_design
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.grid import Grid
from gempy_gan.labels import Label
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.seeds import check_held_out, realization_seed
from gempy_gan.simulation import Simulation, simulate
from gempy_gan.training_sets import coverage_of, drawn_labels, make_training_set

TOY = ToySimulator()
SHARD = 64
PLUGIN = Path(__file__).parent / "toy_simulator.py"


def contents(folder):
    """Every file of a store with its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A set of 150 realizations that nothing interrupted."""
    path = tmp_path_factory.mktemp("sets") / "whole.zarr"
    return make_training_set(TOY, path, 150, seed=3), path


def test_realizations_come_from_seed_and_number(whole):
    made, _ = whole
    table = sobol_design(TOY.labels, 150, seed=3)
    assert made.numbers == tuple(range(150))
    assert list(made.labels.columns) == ["width", "wavelength", "amplitude", "net_to_gross"]
    for k in (0, 77, 149):
        values, labels = TOY.simulate(realization_seed(3, k), table.loc[k].to_dict())
        np.testing.assert_array_equal(made.realization(k), values)
        assert made.labels.loc[k].to_dict() == labels
    assert made.grid.resolution == TOY.shape
    assert made.grid.cell_size == TOY.cell_size
    assert made.dataset["label_width"].attrs == {"units": "m", "long_name": "width of the channel"}


def test_the_provenance_says_how_to_make_it_again(whole):
    record = whole[0].provenance
    assert (record["seed"], record["start"], record["n"], record["design"]) == (3, 0, 150, "sobol")
    assert record["prior"] == {"class": "toy_simulator:ToySimulator", "options": TOY.state()}
    assert tuple(Label.from_dict(state) for state in record["labels"]) == drawn_labels(whole[0]) == TOY.labels
    assert record["out_of_distribution"] == []
    assert record["coverage"]["discrepancy"] == coverage_of(whole[0]).discrepancy < record["coverage"]["discrepancy_random"] / 4
    assert set(record["versions"]) == {"gempy-gan", "numpy", "scipy"}


def test_many_realizations_are_a_handful_of_files(whole):
    files = [file for file in (whole[1] / "deposition_time" / "c").rglob("*") if file.is_file()]
    assert len(files) == 3


def test_the_bytes_do_not_depend_on_the_number_of_processes(whole, tmp_path):
    made = make_training_set(TOY, tmp_path / "e.zarr", 150, seed=3, jobs=2)
    assert contents(tmp_path / "e.zarr") == contents(whole[1])
    assert len(made) == 150


@pytest.mark.parametrize("stop", [1, 70, 129])
def test_an_interrupted_set_keeps_what_was_finished_and_resumes_to_the_same_bytes(whole, tmp_path, stop):
    def interrupt(_, done, total):
        assert total == 150
        if done == stop + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), progress.listening(interrupt):
        make_training_set(TOY, tmp_path / "e.zarr", 150, seed=3)
    assert len(EnsembleStore.open(tmp_path / "e.zarr")) == stop
    assert "coverage" not in EnsembleStore.open(tmp_path / "e.zarr").provenance
    make_training_set(TOY, tmp_path / "e.zarr", 150, seed=3, resume=True)
    assert contents(tmp_path / "e.zarr") == contents(whole[1])


def test_a_finished_set_grows_to_the_bytes_of_a_larger_one(whole, tmp_path):
    make_training_set(TOY, tmp_path / "e.zarr", 10, seed=3)
    make_training_set(TOY, tmp_path / "e.zarr", 150, seed=3, resume=True)
    assert contents(tmp_path / "e.zarr") == contents(whole[1])
    make_training_set(TOY, tmp_path / "e.zarr", 150, seed=3, resume=True)  # finished already
    assert contents(tmp_path / "e.zarr") == contents(whole[1])
    with pytest.raises(GempyGanError, match=r"holds 150 realizations\. Ask for as many or more"):
        make_training_set(TOY, tmp_path / "e.zarr", 149, seed=3, resume=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 4}, "differs in seed"),
        ({"start": 1}, "differs in start"),
        ({"design": "random"}, "differs in design"),
        ({"ranges": {"width": 30}}, "differs in fixed"),
        ({"simulator": ToySimulator(shape=(16, 16, 8))}, "differs in prior"),
    ],
)
def test_another_set_is_not_continued(tmp_path, changed, message):
    call = {"simulator": TOY, "out": tmp_path / "e.zarr", "n": 3, "seed": 3}
    make_training_set(**call)
    before = contents(tmp_path / "e.zarr")
    with pytest.raises(GempyGanError, match=message):
        make_training_set(**{**call, **changed}, resume=True)
    with pytest.raises(FormatError, match="exists already"):
        make_training_set(**call)
    assert contents(tmp_path / "e.zarr") == before


def test_the_dial_marks_a_set_as_out_of_distribution(tmp_path):
    ranges = {"width": (60, 90), "amplitude": 20.0, "wavelength": (70, 80)}
    made = make_training_set(TOY, tmp_path / "e.zarr", 20, design="random", ranges=ranges)
    record = made.provenance
    assert record["out_of_distribution"] == ["width"]
    assert record["fixed"] == {"amplitude": 20.0}
    assert [label.name for label in drawn_labels(made)] == ["width", "wavelength"]
    assert made.labels["width"].between(60, 90).all()
    assert made.labels["wavelength"].between(70, 80).all()
    assert set(made.labels["amplitude"]) == {20.0}
    expected = random_design(TOY.labels, 20, ranges=ranges)
    np.testing.assert_array_equal(made.labels[["width", "wavelength"]], expected[["width", "wavelength"]])


def test_a_later_start_is_held_out_and_the_tail_of_the_larger_set(whole, tmp_path):
    tail = make_training_set(TOY, tmp_path / "tail.zarr", 20, seed=3, start=130)
    assert tail.numbers == tuple(range(130, 150))
    np.testing.assert_array_equal(tail.values, whole[0].values[130:])
    assert check_held_out(tail, whole[0].select(range(130)))
    with pytest.raises(
        GempyGanError, match="shares 1 of its 20 realizations with the training set, the first of them number 130"
    ):
        check_held_out(tail, whole[0].select(range(131)))


def test_other_seeds_share_nothing_and_other_options_do_not_hide_shared_seeds(whole, tmp_path):
    other = make_training_set(TOY, tmp_path / "a.zarr", 5, seed=4)
    assert check_held_out(other, whole[0])
    larger = make_training_set(ToySimulator(shape=(32, 16, 4)), tmp_path / "b.zarr", 5, seed=3, design="random")
    with pytest.raises(GempyGanError, match=r"shares 5 of its 5 .* start it at 150 or later"):
        check_held_out(larger, whole[0])


def test_what_a_prior_was_trained_on_is_told_from_its_card(whole):
    stored = {"kind": "stored", "volumes": 149, "provenance": whole[0].provenance}
    simulated = {
        "kind": "simulated",
        "simulator": "toy_simulator:ToySimulator",
        "seed": 3,
        "numbered_from": 149,
        "volumes": 10**9,
    }
    for data, number in ((stored, 148), (simulated, 149)):
        with pytest.raises(GempyGanError, match=f"shares 1 of its 1 .* number {number}"):
            check_held_out(whole[0].select([number]), data)
        assert check_held_out(whole[0].select([297 - number]), data)
        assert check_held_out(whole[0], {**data, "seed": 4, "provenance": {**whole[0].provenance, "seed": 4}})


def test_volumes_that_were_trained_on_validate_nothing(whole):
    store = str(whole[1])
    ended = CliRunner().invoke(main, ["validate", store, "--against", store, "--training", store])
    assert ended.exit_code == 1
    assert "The held-out set shares 150 of its 150 realizations" in ended.stderr


def test_without_seeds_nobody_can_tell(whole):
    unknown = Ensemble.from_values(Grid((0, 1, 0, 1, 0, 1), (1, 1, 1)), ["porosity"], np.zeros((1, 1, 1, 1, 1)), {"seed": 3})
    for held_out, training in ((unknown, whole[0]), (whole[0], unknown), (whole[0], {"kind": "stored", "volumes": 3})):
        assert not check_held_out(held_out, training)


def test_seeds_of_realizations_do_not_repeat():
    seeds = {realization_seed(seed, k) for seed in range(4) for k in range(2000)}
    assert len(seeds) == 8000
    assert 0 <= min(seeds) <= max(seeds) < 2**63
    assert realization_seed(0, 0) == 7896617691693857887


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_failing_simulation_names_its_seed_and_keeps_what_came_before(tmp_path, jobs):
    broken = next(k for k in range(100) if realization_seed(0, k) % 40 == 0)
    assert broken > 0
    with pytest.raises(GempyGanError, match=rf"Simulation {broken} \(seed {realization_seed(0, broken)}, width = .*left the box"):
        make_training_set(ToySimulator(broken=40), tmp_path / "e.zarr", 100, jobs=jobs)
    assert len(EnsembleStore.open(tmp_path / "e.zarr")) == broken


def test_a_set_whose_first_simulation_fails_leaves_no_store(tmp_path):
    with pytest.raises(GempyGanError, match="Simulation 0"):
        make_training_set(ToySimulator(broken=1), tmp_path / "e.zarr", 100)
    assert not (tmp_path / "e.zarr").exists()


class Wrong(ToySimulator):
    """A simulator that breaks the contract in the way it is told to."""

    how = "shape"

    def simulate(self, seed, labels=None):
        values, found = super().simulate(seed, labels)
        if self.how == "error":
            raise ZeroDivisionError("division by zero")
        if self.how == "label":
            del found["net_to_gross"]
        values[0, 0, 0, 0] = np.nan if self.how == "nan" else 0
        return (values[:1] if self.how == "shape" else values), found


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("shape", r"has shape \(1, 16, 16, 4\). Expected finite values of shape \(2, 16, 16, 4\)"),
        ("nan", "values that are not finite"),
        ("label", "has no label 'net_to_gross'"),
        ("error", r"Simulation 5 \(seed 9, width = 20\) failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_simulator_gives_is_checked(how, message):
    simulator = Wrong()
    simulator.how = how
    with pytest.raises(GempyGanError, match=message):
        next(simulate(simulator, [Simulation(5, 9, {"width": 20.0})]))


def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path):
    for arguments, message in (
        ({"simulator": GaussianPrior((2, 2, 2))}, "GaussianPrior is no simulator"),
        ({"design": "halton"}, "design 'halton' is not known. Expected one of sobol, random"),
        ({"jobs": 0}, "jobs = 0 processes"),
        ({"n": 0}, "Expected at least 1"),
        ({"ranges": {"depth": 1}}, "no label 'depth'"),
    ):
        with pytest.raises(GempyGanError, match=message):
            make_training_set(**{"simulator": TOY, "out": tmp_path / "e.zarr", "n": 3, **arguments})
    assert not (tmp_path / "e.zarr").exists()


def command(*arguments):
    """The command line with the toy simulator, in a process group of its own."""
    line = [sys.executable, "-m", "gempy_gan", "--plugin", PLUGIN, "sample", "toy-simulator", *arguments]
    return subprocess.Popen([*map(str, line)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(store, n, process):
    while not (store / "zarr.json").exists() or len(EnsembleStore.open(store)) < n:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def run(*arguments):
    """The command line in this process."""
    return CliRunner().invoke(main, ["--plugin", str(PLUGIN), "sample", *map(str, arguments)])


def test_the_command_makes_the_same_set_and_reports_its_coverage(whole, tmp_path):
    ended = run("toy-simulator", "-n", 150, "--seed", 3, "-o", tmp_path / "e.zarr")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert "150 realizations of coarse_fraction, deposition_time, seed 3, numbers 0 to 149" in ended.stdout
    assert str(coverage_of(whole[0])) in ended.stdout
    assert contents(tmp_path / "e.zarr") == contents(whole[1])


def test_the_command_passes_its_options_on(tmp_path):
    options = ["--label", "width=1e2..120.5", "--label", "amplitude=-.5", "--design", "random", "--start", 7]
    ended = run("toy-simulator", "-n", 4, "-o", tmp_path / "e.zarr", "--set", "shape=[8, 16, 2]", *options)
    assert ended.exit_code == 0, ended.output
    assert "Out of distribution: width, amplitude, drawn from outside" in ended.stdout
    made = EnsembleStore.open(tmp_path / "e.zarr").ensemble()
    simulator = ToySimulator(shape=(8, 16, 2))
    ranges = {"width": (100.0, 120.5), "amplitude": -0.5}
    expected = make_training_set(simulator, tmp_path / "f.zarr", 4, start=7, design="random", ranges=ranges)
    assert made.provenance == expected.provenance
    np.testing.assert_array_equal(made.values, expected.values)
    assert run("toy-simulator", "-n", 4, "-o", tmp_path / "e.zarr", "--resume").exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toy-simulator", "-o", "x.nc"], "must end in .zarr"),
        (["toy-simulator", "-o", "x.zarr", "--label", "width"], "Expected name=low..high or name=number"),
        (["toy-simulator", "-o", "x.zarr", "--label", "width=3-4"], "Expected name=low..high or name=number"),
        (["gaussian", "-o", "x.zarr", "--jobs", 2], "--jobs is for training sets, which a simulator makes"),
        (["gaussian", "-o", "x.zarr", "--start", 0], "--start is for training sets"),
        (["gaussian", "-o", "x.zarr", "--label", "a=1"], "--label is for training sets"),
        (["gaussian", "-o", "x.nc", "--grid", "c.nc", "--resume"], "--resume continues a store, which ends in .zarr"),
    ],
)
def test_what_the_command_cannot_do_is_a_usage_error(arguments, message):
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert message in " ".join(ended.stderr.split())


def test_a_simulator_on_a_grid_is_sampled_as_any_prior(tmp_path):
    box = ["--extent", 0, 160, 0, 160, 0, 2, "--resolution", 16, 16, 4]
    assert run("toy-simulator", "-n", 2, "-o", tmp_path / "e.nc", *box).exit_code == 0
    assert (tmp_path / "e.nc").is_file()


def test_ctrl_c_ends_a_pool_with_one_line_and_says_how_to_go_on(tmp_path):
    process = command("-n", 10**6, "-o", tmp_path / "e.zarr", "--jobs", 2)
    wait_for(tmp_path / "e.zarr", SHARD, process)
    os.killpg(process.pid, signal.SIGINT)
    printed, errors = process.communicate(timeout=60)
    kept = len(EnsembleStore.open(tmp_path / "e.zarr"))
    assert process.returncode == 130
    assert printed == ""
    assert errors.splitlines() == [
        f"Interrupted. {kept} of 1000000 realizations are kept in {tmp_path / 'e.zarr'}; continue with --resume."
    ]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="asks Linux which processes a process has started")
def test_a_killed_set_leaves_no_process_behind_and_resumes_to_the_same_bytes(tmp_path):
    process = command("-n", 10**6, "--seed", 3, "-o", tmp_path / "e.zarr", "--jobs", 2)
    wait_for(tmp_path / "e.zarr", SHARD, process)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(workers) >= 2
    process.kill()
    process.communicate(timeout=60)
    patience = time.monotonic() + 30
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < patience
        time.sleep(0.05)
    n = len(EnsembleStore.open(tmp_path / "e.zarr")) + 30
    store = EnsembleStore.open(tmp_path / "e.zarr")
    store.amend({**store.provenance, "n": n})
    make_training_set(TOY, tmp_path / "e.zarr", n, seed=3, resume=True)
    make_training_set(TOY, tmp_path / "f.zarr", n, seed=3)
    assert contents(tmp_path / "e.zarr") == contents(tmp_path / "f.zarr")
