"""Studies judged by wells that they do not see."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from gempy_gan_bench import wells
from gempy_gan_bench.cli import main

from gempy_gan import GempyGanError, diagnose, invert
from gempy_gan.study import load_study
from gempy_gan.testing import toy_las
from gempy_gan.workflow import constrain, prior_of

STUDY = """
n = 12

[grid]
extent = [0, 300, 0, 200, -50, 0]
resolution = [6, 4, 10]

[wells]
files = ["*.las"]
curve = "VSAND"
property = "sand"
std = 0.05
held_out = ["A-6"]

[prior]
name = "gaussian"
property = "sand"
ranges = [80.0, 80.0, 10.0]
mean = "wells"
std = "wells"

[strategy]
name = "latent"
steps = 80
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wells")
    for k, xy in enumerate([(25, 25), (125, 175), (275, 75), (175, 25), (25, 175), (225, 125)], start=1):
        toy_las(folder / f"A-{k}.las", name=f"A-{k}", xy=(float(xy[0]), float(xy[1])), seed=k)
    (folder / "study.toml").write_text(STUDY)
    return load_study(folder / "study.toml")


@pytest.fixture(scope="module")
def data(study):
    return constrain(study)


def test_each_well_is_judged_once_by_the_others(data):
    parts = wells.splits(*data, 3)
    judged = [set(part.judge.wells) for part in parts]
    assert judged == [{"A-1", "A-4"}, {"A-2", "A-5"}, {"A-3"}]
    for part in parts:
        assert not set(part.judge.wells) & set(part.known.wells)
        assert len(part.judge) + len(part.known) == len(data[0].hard[0])
    (last,) = wells.splits(*data, None)
    assert set(last.judge.wells) == {"A-6"}


def test_figures_are_those_of_a_diagnosis(study, data):
    """Two ways to the same: this table, and diagnose() with the well that the study holds out."""
    known, withheld = data
    parts = wells.splits(known, withheld, None)
    own = wells.row("own", study, parts, known, None, 3)
    _, layers = wells.baselines(parts, known.grid)
    ensemble = invert(prior_of(study, known), known, "latent", n=12, seed=3)
    told = diagnose(ensemble, known, withheld)
    assert own["n"] == 12
    assert own["crps"] == pytest.approx(told["held out: sand", "crps"].value, abs=0.01)  # 80 steps here, the default there
    for key in ("crps", "coverage80"):
        assert layers[key] == pytest.approx(told["held out: sand", key].layer_mean)
    assert 0.2 < own["chi2"] < 3


def test_a_prior_that_knows_nothing_of_its_wells_is_worse(study, data):
    parts = wells.splits(*data, 5)
    off = wells.changed(study, [("prior.mean", 2.0), ("prior.std", 0.05)])
    good, bad = (wells.row("", one, parts, data[0], 6, 0) for one in (study, off))
    assert good["cells"] == 50
    assert bad["crps"] > 2 * good["crps"]
    assert bad["coverage80"] < 0.2
    histogram, _ = wells.baselines(parts, data[0].grid)
    assert good["crps"] < 1.4 * histogram["crps"]


def test_settings_reach_into_tables(study):
    found = wells.changed(study, [("prior.labels.width", 200.0), ("prior.labels.mobility", 9.0), ("strategy.steps", 5)])
    assert found.prior["labels"] == {"width": 200.0, "mobility": 9.0}
    assert found.strategy["steps"] == 5
    assert "labels" not in study.prior
    with pytest.raises(GempyGanError, match=r"'grid\.resolution' is none of the study"):
        wells.changed(study, [("grid.resolution", 4)])


def test_a_matched_prior_is_sampled_once_for_all_splits(study, data, monkeypatch):
    from gempy_gan import matching

    asked = []
    monkeypatch.setattr(matching, "_sampled", lambda *given: asked.append(1) or matching.torch.linspace(0, 1, given[2]))
    examples = np.random.default_rng(0).random((3, 1, 6, 4, 10)).tolist()
    own = {"name": "empirical", "examples": examples, "properties": ["sand"], "quantiles": "wells"}
    matched = wells.replace(study, prior={**own, "cell_size": list(data[0].grid.cell_size)}, strategy={"name": "rejection"})
    wells.row("", matched, wells.splits(*data, 2), data[0], 2, 0)
    assert asked == [1]


@pytest.mark.parametrize("folds", [1, 6])
def test_folds_that_cannot_be_are_refused(data, folds):
    with pytest.raises(GempyGanError, match="Expected 2 to 5"):
        wells.splits(*data, folds)


def test_the_command_writes_its_table(study, tmp_path):
    options = ["--folds", "5", "-n", "3", "--set", "strategy.steps=20", "--vary", "prior.mean=0.1", "--json"]
    done = CliRunner().invoke(main, ["wells", str(study.folder / "study.toml"), *options, str(tmp_path / "rows.json")])
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    names = ["histogram of the wells", "mean of each layer", "study", "study prior.mean=0.1"]
    assert [row["study"] for row in rows] == names
    assert all(name in done.output for name in names)
    assert "Predicted: 50 cells of 5 wells" in done.output
