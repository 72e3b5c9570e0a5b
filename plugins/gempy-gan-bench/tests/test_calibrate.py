"""The calibration of a sampler: posteriors that are known to be right or wrong, where truths come from, and what is written."""

import json
import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench.calibration import cases, page, running, sources, summary
from gempy_gan_bench.calibration.plan import Plan
from gempy_gan_bench.calibration.subject import POOL, subject
from gempy_gan_bench.cli import main
from gempy_gan_bench.contenders import Contender

import gempy_gan as gg


def rng(seed=0):
    return np.random.default_rng(seed)


# The command

GAUSSIAN = {"shape": [6, 6, 3], "cell_size": [50.0, 50.0, 1.0], "ranges": [300.0, 300.0, 3.0], "property": "coarse_fraction"}
STRATEGIES = """
from dataclasses import dataclass

import torch

import gempy_gan as gg


@gg.hookimpl
def gempy_gan_register_strategies(register):
    register("known", Known, "the exact posterior, made narrower, shifted or deaf on request")


@dataclass
class Known(gg.Strategy):
    spread: float = 1.0
    shift: float = 0.0
    deaf: bool = False
    proposals: int = 0
    fails: bool = False

    def sample(self, prior, likelihood, n, generator):
        from gempy_gan.priors.exact import gaussian_posterior

        if self.fails:
            raise gg.GempyGanError("This cannot be done.")
        if self.deaf:
            return gg.Draws(prior.sample(n, generator))
        if self.proposals:  # from too wide a distribution, with weights that mend it
            exact = gaussian_posterior(prior, likelihood)
            draws = exact.sample(n, generator)
            weights = torch.zeros(n, dtype=torch.float64)
            weights[: self.proposals] = 1.0
            return gg.Draws(draws.float(), log_weights=(weights / weights.sum()).log())
        exact = gaussian_posterior(prior, likelihood)
        draws = exact.sample(n, generator)
        mean, sd = (x.reshape(exact.shape) for x in (exact.mean, exact.std))
        return gg.Draws((mean + self.spread * (draws - mean) + self.shift * sd).float())
"""


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory):
    from gempy_gan.plugins import add_plugin_file

    file = tmp_path_factory.mktemp("plugin") / "known_posterior.py"
    file.write_text(STRATEGIES)
    add_plugin_file(file)
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all plans keep what they share: the prior's own draws."""
    return tmp_path_factory.mktemp("calibration")


def plan(prior_options=GAUSSIAN, others=None, **options):
    return Plan(
        Contender("gaussian", "known", prior_options, options, "known"),
        **{"wells": (1, 4), "noise": 0.3, "n": 31, **(others or {})},
    )


def figures_of(folder, count=50, **options):
    wanted = running.tasks(plan(**options), count, folder)
    assert running.run(wanted) == []
    return summary.summary(running.read(wanted))


def bench(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def calibrate(folder, *arguments, number=4):
    prior = [f"--prior-set={key}={json.dumps(value)}" for key, value in GAUSSIAN.items()]
    common = ("--prior", "gaussian", *prior, "--strategy", "known", "--wells", 1, 4, "-n", 9, "--number", number, "--out", folder)
    return bench("calibrate", *common, *arguments)


def test_the_exact_posterior_is_calibrated(folder):
    found = figures_of(folder, 100, others={"seed": 2})  # one of twenty fails by luck, such as that of seed 0
    assert found["passes"] == {"sbc": True, "fit": True, "tarp": True, "coverage": True}
    for level in ("50", "80", "95"):
        each = found["coverage"][level]
        assert abs(each["value"] - int(level) / 100) < 4 * each["error"] < 0.1
    assert found["crps"] < 0.95 * found["crps_prior"]
    assert found["brier"] < 0.95 * found["brier_prior"]
    assert found["reliability_error"] < 0.04
    assert found["wells"] == [1, 4]
    assert "Ranks of all 5 scalars are uniform" in summary.text(found)


@pytest.mark.parametrize(("options", "how"), [({"spread": 0.5}, "too sure"), ({"spread": 2.0}, "not sure enough")])
def test_a_wrong_spread_is_found_by_every_check(folder, options, how):
    found = figures_of(folder, **options)
    assert found["passes"] == {"sbc": False, "fit": False, "tarp": False, "coverage": False}
    assert f"component_1: {how}" in summary.text(found)
    assert (found["coverage"]["80"]["value"] < 0.7) == (how == "too sure")


def test_a_bias_is_found_by_every_check(folder):
    found = figures_of(folder, shift=1.0)
    assert found["passes"] == {"sbc": False, "fit": False, "tarp": False, "coverage": False}
    assert "sand_fraction: draws are too high" in summary.text(found)


def test_a_sampler_that_ignores_the_data_is_found_though_its_intervals_hold_what_they_should(folder):
    found = figures_of(folder, deaf=True)
    assert found["passes"] == {"sbc": True, "fit": False, "tarp": False, "coverage": True}
    assert "Draws fit their data worse than the truth does" in summary.text(found)
    assert found["crps"] > 0.97 * found["crps_prior"]


def test_weighted_draws_are_resampled_by_their_weights(folder):
    exact, few = figures_of(folder, 20), figures_of(folder, 20, proposals=3)
    assert few["effective"] == {"least": pytest.approx(3), "median": pytest.approx(3)}
    assert few["coverage"]["80"]["value"] < 0.65 < exact["coverage"]["80"]["value"]
    assert "worth fewer than 3 of 31 draws" in summary.text(few)


def test_the_same_command_goes_on_and_adds_truths(tmp_path, monkeypatch):
    first = calibrate(tmp_path / "out", number=3)
    assert first.exit_code == 0, first.output
    files = {file: file.read_bytes() for file in (tmp_path / "out").glob("truth-*.json")}
    assert len(files) == 3
    made = []
    compute = cases.computed
    monkeypatch.setattr(cases, "computed", lambda built, number: made.append(number) or compute(built, number))
    assert calibrate(tmp_path / "out", number=5).exit_code == 0
    assert made == [3, 4]
    assert all(file.read_bytes() == content for file, content in files.items())
    calibrate(tmp_path / "out", "--seed", 1, number=3)
    assert made == [3, 4, 0, 1, 2]


def test_equal_seeds_give_equal_figures_and_others_do_not(folder, tmp_path):
    one, again, other = (
        running.read(running.tasks(plan(others={"seed": seed}), 2, where))
        for seed, where in ((7, folder), (7, tmp_path), (8, tmp_path))
        if not running.run(running.tasks(plan(others={"seed": seed}), 2, where))
    )
    for a, b in zip(one, again, strict=True):
        assert {k: v for k, v in a.items() if k != "cost"} == {k: v for k, v in b.items() if k != "cost"}
    assert one[0]["truth"] != other[0]["truth"]
    assert one[0]["truth"] != one[1]["truth"]


def test_jobs_find_the_same(tmp_path, folder):
    prior = [f"--prior-set={key}={json.dumps(value)}" for key, value in GAUSSIAN.items()]
    arguments = ("calibrate", "--prior", "gaussian", *prior, "--strategy", "latent", "-n", 9, "--number", 2, "--wells", 1, 2)
    for name, jobs in (("a", 1), ("b", 2)):
        found = bench(*arguments, "--out", folder / name, "--json", tmp_path / f"{name}.json", "--jobs", jobs)
        assert found.exit_code == 0, found.output
    a, b = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    for name in a["sbc"]:
        assert np.allclose(a["sbc"][name]["positions"], b["sbc"][name]["positions"], atol=1e-5)


def test_failed_truths_are_told_and_the_others_kept(tmp_path):
    found = calibrate(tmp_path, "--set", "fails=true", number=2)
    assert found.exit_code == 1
    assert "2 of 2 truths failed and are tried again by the same command. Truth 0: This cannot be done." in found.output


# Truths and their data


def test_data_are_drawn_anew_for_each_truth_and_wells_are_whole_columns(folder):
    built = subject(plan(), folder)
    values = np.arange(108.0).reshape(6, 6, 3)
    found = [cases.observed(built, number, values) for number in range(40)]
    assert {len(case.wells) for case in found} == {1, 2, 3, 4}
    assert len({case.wells.tobytes() for case in found}) > 30
    for case in found:
        (term,) = case.constraints.hard
        assert len(term) == 3 * len(case.wells)
        assert list(case.column) not in case.wells.tolist()
    noise = np.concatenate([case.constraints.hard[0].values - values[tuple(case.constraints.hard[0].cells.T)] for case in found])
    assert noise.std() == pytest.approx(0.3, rel=0.2)
    assert built.noise == 0.3
    assert subject(plan(others={"noise": None}), folder).noise == 0.005
    porosity = {**GAUSSIAN, "property": "porosity", "std": 0.1}
    assert subject(plan(porosity, {"noise": None}), folder).noise == pytest.approx(0.002, rel=0.1)


def test_seismic_has_the_noise_that_it_says(folder):
    built = subject(plan(others={"seismic": True, "wells": (0, 1)}), folder)
    case = cases.observed(built, 0, sources.truth(built, 0)[0].astype(float))
    (term,) = case.constraints.soft
    with torch.no_grad():
        clean = term.forward(torch.as_tensor(case.truth)[None, None]).numpy().reshape(term.values.shape)
    assert (term.values - clean).std() == pytest.approx(term.std.flat[0], rel=0.1)
    assert cases.observed(built, 1, case.truth + 1).constraints.soft[0].std.flat[0] == term.std.flat[0]
    found = figures_of(folder, 2, others={"seismic": True}, deaf=True)
    assert "and the seismic of every column" in page.about(found)


def test_truths_of_a_held_out_ensemble(folder, tmp_path):
    grid = gg.Grid((0, 400, 0, 400, 0, 3), (8, 8, 3))
    volumes = np.arange(3 * 192, dtype=np.float32).reshape(3, 1, 8, 8, 3)
    file = tmp_path / "held_out.zarr"
    gg.write(gg.Ensemble.from_values(grid, ["coarse_fraction"], volumes), file)
    built = subject(plan(others={"truths": str(file)}), folder)
    found = sources.truth(built, 2)
    assert found.shape == (1, 6, 6, 3)
    start = found[0, 0, 0, 0]
    i, j, k = np.argwhere(volumes[2, 0] == start)[0]
    assert k == 0
    assert np.array_equal(found[0], volumes[2, 0, i : i + 6, j : j + 6])
    sources.check(built.plan, built, 3)
    with pytest.raises(gg.GempyGanError, match="holds 3 volumes, and 4 truths were asked for"):
        sources.check(built.plan, built, 4)
    assert sources.described(built.plan)["sha256"] != sources.described(plan())
    assert built.plan.data()["truths"] == "held_out.zarr"


def test_truths_of_another_prior(folder):
    wide = figures_of(folder, 3, others={"truths": "fluvial-simulator"})
    assert wide["record"]["truths"]["kind"] == "fluvial-simulator"
    assert "from fluvial-simulator: prior and sampler are tested together" in page.about(wide)
    with pytest.raises(gg.GempyGanError, match="No prior is named 'simulater'"):
        running.tasks(plan(others={"truths": "simulater"}), 2, folder)


def test_impossible_plans(folder):
    with pytest.raises(gg.GempyGanError, match="n = 4 draws"):
        plan(others={"n": 4})
    with pytest.raises(gg.GempyGanError, match="5 to 2 wells"):
        plan(others={"wells": (5, 2)})
    with pytest.raises(gg.GempyGanError, match="0 wells and no seismic"):
        plan(others={"wells": (0, 2)})
    with pytest.raises(gg.GempyGanError, match=r"noise of wells is -1"):
        plan(others={"noise": -1})
    with pytest.raises(gg.GempyGanError, match="6 x 6 columns has no room for 36 wells"):
        subject(plan(others={"wells": (1, 36)}), folder)
    with pytest.raises(gg.GempyGanError, match="seismic is one of 'coarse_fraction', and the property is 'porosity'"):
        subject(plan({**GAUSSIAN, "property": "porosity"}, {"seismic": True}), folder)


def test_unconditional_realizations_are_drawn_once(folder, monkeypatch):
    built = subject(plan(), folder)
    assert built.pool.shape == (POOL, 6, 6, 3)
    monkeypatch.setattr("gempy_gan_bench.calibration.subject.sample", lambda *_: pytest.fail("drawn again"))
    assert np.array_equal(subject(plan(spread=0.9), folder).pool, built.pool)


# What is written, and quoted


def test_the_page_and_json(folder, tmp_path):
    found = calibrate(tmp_path / "out", "--json", tmp_path / "a.json", "--html", tmp_path / "a.html")
    assert found.exit_code == 0, found.output
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["truths"] == 4
    text = (tmp_path / "a.html").read_text()
    assert text.count("data:image/png;base64,") == 3
    assert "4 truths of 6 x 6 x 3 cells (coarse_fraction), drawn from the prior itself" in text
    for sentence in summary.sentences(record):
        assert sentence in text.replace("&#x27;", "'").replace("&gt;", ">")
    assert not re.search("https?://", text)
    missing = calibrate(tmp_path / "out", "--html", tmp_path / "none" / "a.html")
    assert missing.exit_code == 2
    assert "its folder does not exist" in missing.output


def test_a_diagnosis_quotes_the_calibration_of_its_prior_and_strategy(tmp_path, folder):
    kept = tmp_path / "calibrations.json"
    assert calibrate(tmp_path / "out", "--card", kept).exit_code == 0
    assert calibrate(tmp_path / "out", "--card", kept, "--set", "spread=0.5", number=5).exit_code == 0
    assert calibrate(tmp_path / "out", "--card", kept, "--set", "spread=0.5", number=6).exit_code == 0
    from gempy_gan.diagnosis import read_calibrations

    entries = read_calibrations(kept)
    assert [entry["cases"] for entry in entries] == [4, 6]
    built = subject(plan(), folder)
    data = cases.observed(built, 0, sources.truth(built, 0)[0].astype(float)).constraints
    ensemble = gg.invert(built.prior, data, gg.get_strategy("known", spread=0.5), 12)
    found = gg.diagnose(ensemble, data, calibrations=entries)
    (remark,) = found.remarks
    assert re.match(r"This prior with 'known': 80 % intervals held \d+ % of the truth in 6 simulated cases with wells\.", remark)
    assert remark in str(found)
    assert found.to_dict()["remarks"] == [remark]
    assert found["calibration: truths of prior", "calibrated80"].value == entries[1]["coverage"]["80"]
    other = gg.invert(built.prior, data, "latent", 12)
    assert gg.diagnose(other, data, calibrations=entries).remarks == ()


def test_a_trained_prior_carries_its_calibration(tmp_path, folder):
    from gempy_gan_bench.calibration.cards import add_calibration, check_card

    from gempy_gan.inversion import describe_prior, describe_strategy
    from gempy_gan.learning import Domain
    from gempy_gan.priors.diffusion import LearnedDiffusion

    torch.manual_seed(0)
    domain = Domain((gg.Property("coarse_fraction"),), (8, 8, 4), (50.0, 50.0, 1.0))
    prior = LearnedDiffusion.of(domain, widths=(8, 8), blocks=1)
    file = gg.save_prior(prior, tmp_path / "mine.safetensors", {"data": {}}, dtype="float32")
    about = summary.entry(figures_of(folder, 2))
    strategy = gg.get_strategy("guided", steps=3)
    entry = {
        **about,
        "prior": describe_prior(prior),
        "strategy": describe_strategy(strategy),
        "label": "guided",
        "box": [8, 8, 4],
    }
    check_card(file)
    add_calibration(file, entry)
    add_calibration(file, {**entry, "cases": 3})
    data = gg.Constraints(gg.Grid((0, 400, 0, 400, 0, 4), (8, 8, 4)), gg.HardData([[1, 1, 1]], [0.5], 0.1, "coarse_fraction"))
    store = tmp_path / "e.zarr"
    loaded = gg.load_prior(file)
    (remark,) = gg.diagnose(gg.invert(loaded, data, strategy, 2, store=store), data).remarks
    assert "'guided'" in remark
    assert "in 3 simulated cases" in remark
    assert "another box" not in remark
    other_box = {**entry, "cases": 9, "box": [16, 16, 4]}
    remarks = gg.diagnose(gg.Ensemble(gg.read(store).dataset), data, calibrations=[other_box]).remarks
    assert len(remarks) == 2
    assert "on 16 x 16 x 4 cells, another box than this one" in remarks[1]
    add_calibration(file, {**entry, "cases": 4})
    again = gg.invert(gg.load_prior(file), data, strategy, 2, store=store, resume=True)  # a new calibration is no other run
    assert len(again) == 2
    assert gg.diagnose(gg.invert(loaded, data, gg.get_strategy("guided", steps=4), 2), data).remarks == ()
    with pytest.raises(gg.GempyGanError, match="other weights than those that were calibrated"):
        add_calibration(file, about)
    with pytest.raises(gg.GempyGanError, match="has no card"):
        check_card(tmp_path / "calibration.txt")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(gg.GempyGanError, match="other JSON than calibrations"):
        check_card(tmp_path / "other.json")


def test_the_card_of_a_training_tells_its_calibration(tmp_path):
    from gempy_gan_bench.calibration.cards import add_calibration

    from gempy_gan.inversion import describe_prior

    grid = gg.Grid((0, 400, 0, 400, 0, 4), (8, 8, 4))
    images = gg.Ensemble.from_values(grid, ["coarse_fraction"], rng().random((8, 1, 8, 8, 4)))
    gg.write(images, tmp_path / "images.zarr")
    few = {"steps": 1, "batch": 2, "shape": (8, 8, 4), "options": {"widths": [8, 8], "blocks": 1}, "look_minutes": 0.0}
    gg.train(gg.TrainingPlan("diffusion", str(tmp_path / "images.zarr"), tmp_path / "trained", **few))
    prior = gg.load_prior(tmp_path / "trained" / "prior.safetensors")
    about = {"label": "guided", "box": [8, 8, 4], "cases": 7, "coverage": {"80": 0.5}, "passes": {"coverage": False}}
    data = {"truths": "fluvial-simulator", "seismic": True}
    add_calibration(tmp_path / "trained", {**about, "prior": describe_prior(prior), "strategy": {}, "data": data})
    told = (
        "80 % intervals held 50 % of the truth in 7 cases of fluvial-simulator with wells and seismic. Not calibrated: 80 % inter"
    )
    assert told in (tmp_path / "trained" / "card.md").read_text()
    assert gg.load_prior(tmp_path / "trained" / "prior.safetensors").card["calibration"][0]["cases"] == 7
