"""Calibration: exact samplers pass, and those that are too narrow, biased, or deaf to their data do not."""

import json
import re

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench.calibration import cases, page, ranks, reliability, running, scalars, sources, summary, tarp
from gempy_gan_bench.calibration.plan import Plan
from gempy_gan_bench.calibration.subject import POOL, subject
from gempy_gan_bench.cli import main
from gempy_gan_bench.contenders import Contender

import gempy_gan as gg

LEVELS = np.arange(1, 20) / 20
T, L = 200, 63


def rng(seed=0):
    return np.random.default_rng(seed)


# Ranks


def test_positions_of_draws_like_the_truth_are_uniform_even_where_they_tie():
    random = rng()
    for values in (random.random((6000, 8)), random.integers(0, 2, (6000, 8)), np.zeros((6000, 8))):
        found = [ranks.position(row[1:], row[0], random) for row in values]
        assert ranks.uniform_p(found) > 0.001


def test_positions_tell_where_the_truth_lies():
    draws = np.arange(9.0)
    assert 0.5 < ranks.position(draws, 4.5, rng()) < 0.6
    assert ranks.position(draws, -1, rng()) < 0.1
    assert ranks.position(draws, 10, rng()) > 0.9
    many = ranks.position(np.zeros((9, 5000)), np.zeros(5000), rng())
    assert abs(many.mean() - 0.5) < 0.02
    assert abs(many.std() - 12**-0.5) < 0.01


def test_holm_corrects_the_smallest_most_and_keeps_the_order():
    assert ranks.holm([0.2, 0.001, 0.9, 0.02]) == [0.4, 0.004, 0.9, 0.06]
    assert ranks.holm([0.04, 0.03]) == [0.06, 0.06]
    assert ranks.holm([]) == []


def test_the_band_holds_the_whole_curve_of_most_exact_samplers():
    low, high = ranks.band(T, LEVELS)
    random = rng(5)
    inside = [ranks.outside(ranks.expected_coverage(random.random(T), LEVELS), low, high) == 0 for _ in range(1000)]
    assert 0.93 < np.mean(inside) < 0.99
    narrower = ranks.band(T, LEVELS, 0.5)
    assert (narrower[1] - narrower[0] < high - low).all()


def gaussian(shift=0.0, spread=1.0, deaf=False, truths=T, d=6, seed=0):
    """Positions, TARP positions and intervals of truths and draws of a normal posterior N(data, 1), prior N(0, 3^2)."""
    random = rng(seed)
    found = []
    for _ in range(truths):
        truth = 3 * random.standard_normal(d)
        data = truth + random.standard_normal(d)
        mean, sd = data * 0.9, 0.9**0.5
        draws = mean + sd * (shift + spread * random.standard_normal((L, d)))
        draws = 3 * random.standard_normal((L, d)) if deaf else draws
        reference = data + random.standard_normal(d)
        where = ranks.position(draws, truth, random)
        found.append((where[0], tarp.tarp_position(draws, truth, reference, random), np.mean(np.abs(where - 0.5) <= 0.4)))
    return np.array(found).T


def verdict(ranked, around, inside):
    low, high = ranks.band(T, LEVELS)
    covered = abs(np.mean(inside) - 0.8) <= 0.04
    return ranks.uniform_p(ranked) > 0.01, ranks.outside(ranks.expected_coverage(around, LEVELS), low, high) == 0, covered


def test_an_exact_sampler_passes_and_wrong_ones_fail():
    assert verdict(*gaussian()) == (True, True, True)
    assert verdict(*gaussian(spread=0.6)) == (False, False, False)
    assert verdict(*gaussian(spread=1.8)) == (False, False, False)
    assert verdict(*gaussian(shift=0.7)) == (False, False, False)


def test_a_sampler_that_ignores_its_data_is_found_by_tarp_alone():
    assert verdict(*gaussian(deaf=True)) == (True, False, True)


def test_sbi_finds_the_same():
    """Ranks and coverage of another implementation, which asks a posterior for its draws."""
    import sbi.diagnostics as sbi

    random, n = rng(1), 128
    truth, draws, point = random.standard_normal((120, 3)), random.standard_normal((120, n, 3)), random.random((120, 3))

    class Stored:
        def sample_batched(self, shape, x, **_):
            return torch.as_tensor(draws).swapaxes(0, 1)

    given = torch.as_tensor(truth), torch.zeros(120, 1), Stored()
    theirs, _ = sbi.run_sbc(*given, n, show_progress_bar=False)
    ours = np.array([ranks.position(d, t, random) for d, t in zip(draws, truth, strict=True)])
    assert np.array_equal(np.floor(ours * (n + 1)), theirs.numpy())
    curve, levels = sbi.run_tarp(*given, torch.as_tensor(point), n, show_progress_bar=False, z_score_theta=False)
    around = [tarp.tarp_position(d, t, p, random) for d, t, p in zip(draws, truth, point, strict=True)]
    shares = np.floor(np.array(around) * (n + 1)) / n
    below = [(shares < level - 1e-6).mean() for level in levels[1:-1].tolist()]  # their bins are open above, but for the last
    assert np.allclose(curve[1:-1], below, atol=1e-6)


# Reliability


def test_probabilities_are_reliable_where_they_are_kept():
    random = rng()
    p = random.random((50, 400))
    exact = [reliability.binned(row, row) for row in p]
    honest = reliability.curve([reliability.binned(row, random.random(400) < row) for row in p], exact)
    sure = reliability.curve([reliability.binned(np.round(row), random.random(400) < row) for row in p], exact)
    assert len(honest) == 10
    assert sum(line["cells"] for line in honest) == p.size
    assert all(abs(line["probability"] - line["frequency"]) < 4 * line["error"] for line in honest)
    assert reliability.expected_error(honest) < 0.02
    assert reliability.expected_error(sure) > 0.15


def test_errors_of_reliability_count_truths_not_cells():
    random = rng()
    alike = [reliability.binned(np.full(400, 0.55), np.full(400, random.random() < 0.55)) for _ in range(50)]
    (line,) = reliability.curve(alike, alike)
    assert line["error"] == pytest.approx((0.55 * 0.45 / 50) ** 0.5, rel=0.1)
    assert reliability.curve(alike[:1], alike[:1])[0]["error"] is None


def test_few_draws_look_unreliable_just_as_an_exact_sampler_does():
    random = rng()
    found, ideals = [], []
    for _ in range(300):
        draws = random.random((9, 200)) < 0.5  # they scatter around one half, and the truth does not care
        truth, ideal = reliability.tables(draws, random.random(200) < 0.5)
        assert truth[0].sum() == pytest.approx(200)
        found.append(truth)
        ideals.append(ideal)
    lines = reliability.curve(found, ideals)
    assert max(abs(line["probability"] - line["frequency"]) for line in lines) > 0.3
    assert all(abs(line["exact"] - line["frequency"]) < 0.05 for line in lines if line["cells"] > 500)
    assert reliability.expected_error(lines) < 0.01


# Scalars


def test_scalars_of_a_known_box():
    values = np.zeros((1, 6, 5, 4))
    values[0, :2, 0, :2] = 0.9
    values[0, 5, 4, 3] = 0.8
    pool = rng().random((12, 6, 5, 4))
    found = scalars.scalars(values, scalars.Sand("sand", limit=0.5), scalars.Components.of(pool), (1, 0), np.array([-3.0]))
    assert list(found) == list(scalars.SCALARS)
    assert found["sand_fraction"][0] == 5 / 120
    assert found["connected_volume"][0] == 4 / 120
    assert found["thickness"][0] == 2
    assert found["fit"][0] == -3
    assert scalars.connected_volume(np.zeros((2, 3, 3, 3), dtype=bool)).tolist() == [0, 0]


def test_components_are_the_directions_in_which_realizations_vary_most():
    random = rng()
    pool = 1.0 + 5 * random.standard_normal((80, 1)) * np.repeat([1.0, 0.0], 12) + 0.1 * random.standard_normal((80, 24))
    along = scalars.Components.of(pool.reshape(80, 4, 3, 2))(pool.reshape(80, 4, 3, 2))
    assert np.abs(along.mean(axis=0)).max() < 1e-9
    assert along[:, 0].std() == pytest.approx(pool[:, :12].mean(axis=1).std() * 12**0.5, rel=0.01)
    assert along[:, 1].std() < 1


def test_what_counts_as_sand():
    pool = rng().random((5, 2, 2, 2))
    facies = gg.Property("facies", codes={0: "mud", 1: "sand", 2: "levee"})
    assert scalars.Sand.of(facies, pool).code == 2
    assert scalars.Sand.of(facies, pool, "sand")(np.array([0, 1, 2])).tolist() == [False, True, False]
    assert scalars.Sand.of(gg.Property("coarse_fraction"), pool).limit == 0.5
    assert scalars.Sand.of(gg.Property("porosity"), pool).limit == np.median(pool)
    assert scalars.Sand.of(gg.Property("porosity"), pool, limit=0.2).limit == 0.2
    with pytest.raises(gg.GempyGanError, match=r"no facies 'reef'\. Expected one of: mud, sand, levee"):
        scalars.Sand.of(facies, pool, "reef")
    with pytest.raises(gg.GempyGanError, match=r"'porosity' has no facies, and 'sand' was asked for"):
        scalars.Sand.of(gg.Property("porosity"), pool, "sand")


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
