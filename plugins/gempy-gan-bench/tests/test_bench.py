"""The fluvial protocol on boxes of 8 x 8 x 4 cells, with strategies whose figures are known."""

import copy
import html.parser
import json
import math
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench import figures, observations, page, protocol, real, reference, running, tables, truths
from gempy_gan_bench.cli import main
from gempy_gan_bench.contenders import Contender
from gempy_gan_bench.counting import counted
from gempy_gan_bench.protocol import Protocol

import gempy_gan as gg
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.exact import gaussian_posterior
from gempy_gan.strategies.misfit import linearize
from gempy_gan.testing.strategies import ToyPrior

TINY = Protocol((8, 8, 4), (24, 24), n=4, wells=(2, 3, 5), held_out=3, real=6)
GAUSSIAN = {"mean": 0.4, "std": 0.3, "ranges": [600, 600, 8]}
STRATEGIES = """
from dataclasses import dataclass

import torch

import gempy_gan as gg


@gg.hookimpl
def gempy_gan_register_strategies(register):
    register("oracle", Oracle, "knows the truth, but for an offset")
    register("ignorant", Ignorant, "draws from the prior, whatever the data")
    register("failing", Failing, "cannot do it")


@dataclass
class Oracle(gg.Strategy):
    truth: int = 1
    offset: float = 0.0

    def sample(self, prior, likelihood, n, generator):
        from gempy_gan_bench import truths
        from gempy_gan_bench.protocol import Protocol

        shape = prior.shape
        known = truths.of(Protocol(shape, (24, 24), wells=(2, 3, 5), held_out=3))[self.truth - 1].fraction
        return gg.Draws(torch.as_tensor(known + self.offset).expand(n, 1, *shape).clone())


@dataclass
class Ignorant(gg.Strategy):
    def sample(self, prior, likelihood, n, generator):
        return gg.Draws(prior.sample(n, generator))


@dataclass
class Failing(gg.Strategy):
    def sample(self, prior, likelihood, n, generator):
        raise gg.GempyGanError("This cannot be done.")
"""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """Strategies with known figures, registered as a user would register them."""
    from gempy_gan.plugins import add_plugin_file

    file = tmp_path_factory.mktemp("plugin") / "known.py"
    file.write_text(STRATEGIES)
    add_plugin_file(file)
    return file


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setitem(protocol.PRESETS, "quick", TINY)


def contender(strategy, label="", **options):
    return Contender("gaussian", strategy, GAUSSIAN, options, label or strategy)


def run(folder, cache, *contenders, cases="t1", draws=0, settings=TINY):
    wanted = [task for c in contenders for task in running.tasks(c, settings, protocol.choose(settings, cases), draws)]
    failed = running.run(wanted, folder, cache)
    return failed, tables.read([folder], [task.file(folder) for task in wanted]) if not failed else []


def bench(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


# The protocol


def test_eighteen_cases():
    cases = Protocol().cases()
    assert len(cases) == len({case.name for case in cases}) == 18
    assert {case.wells for case in cases} == {4, 8, 20}


def test_cases_by_name():
    assert [c.name for c in protocol.choose(TINY, "t2-w3, t3-w5-s")] == ["t2-w3", "t3-w5-s"]
    assert len(protocol.choose(TINY, "t3")) == 6
    with pytest.raises(gg.GempyGanError, match=r"No case is named 't4'\. Expected some of: t1-w2, "):
        protocol.choose(TINY, "t4")


def test_impossible_protocols():
    with pytest.raises(gg.GempyGanError, match="n = 1 realizations"):
        Protocol(n=1)
    with pytest.raises(gg.GempyGanError, match="too few columns for 20 wells"):
        Protocol((5, 5, 4))
    with pytest.raises(gg.GempyGanError, match="No preset is named 'big'"):
        protocol.preset("big")


# Truths and data


def test_truths_are_new_and_the_third_is_off_the_ranges():
    first, second, third = truths.of(TINY)
    assert len({truth.number for truth in (first, second, third)}) == 3
    assert all(truths.SANE[0] <= truth.net_to_gross <= truths.SANE[1] for truth in (first, second, third))
    ranges = {label.name: (label.low, label.high) for label in gg.get_prior("fluvial-simulator").labels}
    outside = {name for name, value in third.labels.items() if name in ranges and not ranges[name][0] <= value <= ranges[name][1]}
    assert outside == set(truths.OFF_CENTRE)
    for truth in (first, second):
        assert all(low <= truth.labels[name] <= high for name, (low, high) in ranges.items())


def test_truths_are_boxes_of_larger_volumes():
    truth = truths.of(TINY)[0]
    volume, _ = gg.get_prior("fluvial-simulator", shape=(24, 24, 4)).simulate(truth.seed)
    places = [(i, j) for i in range(17) for j in range(17) if np.array_equal(volume[:, i : i + 8, j : j + 8], truth.values)]
    assert len(places) == 1


def test_a_prior_that_saw_the_truths_is_refused():
    prior = gg.get_prior("fluvial-gan")
    truths.check_unseen(prior)
    prior.card = {"data": {"simulator": "x", "seed": truths.SEED, "numbered_from": 0, "volumes": 9}}
    with pytest.raises(gg.GempyGanError, match=f"learned from simulations of seed {truths.SEED}"):
        truths.check_unseen(prior)


def test_wells_are_nested_and_held_out_ones_are_others():
    truth = truths.of(TINY)[0]
    few, many, others = observations.wells(TINY, truth, 2), observations.wells(TINY, truth, 5), observations.held_out(TINY, truth)
    assert np.array_equal(few.values, many.values[: len(few)])
    assert np.array_equal(few.cells, many.cells[: len(few)])
    assert len(many) == 5 * 4
    assert len(others) == 3 * 4
    assert not {tuple(cell) for cell in many.cells} & {tuple(cell) for cell in others.cells}
    assert set(few.wells) == {"W-1", "W-2"}


def test_columns_fill_the_box():
    for count, gap in ((4, 14.0), (8, 12.5), (20, 7.5)):
        columns = observations.columns_of((32, 32, 8), count)
        cells = np.indices((32, 32)).reshape(2, 1, -1)
        nearest = np.sqrt(np.square(cells - columns.T[:, :, None]).sum(axis=0)).min(axis=0)
        assert len({tuple(column) for column in columns}) == count
        assert nearest.max() < gap


def test_noise_is_as_stated():
    big = replace(TINY, shape=(32, 32, 8), columns=(32, 32), wells=(4, 8, 20), held_out=8)
    truth = truths.of(big)[0]
    wells = observations.wells(big, truth, 20)
    noise = wells.values - truth.fraction[tuple(wells.cells.T)]
    assert noise.std() == pytest.approx(0.005, rel=0.2)
    grid = observations.grid_of(big, (50.0, 50.0, 1.0))
    seismic = observations.seismic(big, truth, grid)
    signal = seismic.forward(torch.as_tensor(truth.fraction)[None, None]).numpy().ravel()
    noise = seismic.values.ravel() - signal
    assert noise.std() == pytest.approx(0.25 * np.sqrt(np.mean(signal**2)), rel=0.05)
    assert noise.std() == pytest.approx(seismic.std.flat[0], rel=0.05)


def test_seismic_sees_how_much_is_coarse_and_is_placed_in_the_box():
    truth = truths.of(TINY)[0]
    grid = observations.grid_of(TINY, (50.0, 50.0, 1.0))
    seismic = observations.seismic(TINY, truth, grid)
    fine, coarse = (seismic.forward(torch.full((1, 1, *TINY.shape), value)) for value in (0.0, 1.0))
    assert float(fine.abs().max()) < 1e-6  # within fine rock, fine rock does not reflect
    assert float(coarse.abs().max()) > 0.05
    layers = seismic.cells[:, 2]
    assert layers.min() < 0 < TINY.shape[2] - 1 < layers.max()


# Figures


def test_wilson_interval():
    assert figures.wilson(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)  # Wilson 1927; Newcombe 1998
    assert figures.wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert figures.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I


def test_spread_is_the_rms_difference_of_pairs():
    values = np.random.default_rng(0).standard_normal((5, 3, 2))
    pairs = [np.square(a - b).mean() for a, b in combinations(values, 2)]
    assert figures.spread(values) == pytest.approx(math.sqrt(np.mean(pairs)))
    weights = np.array([0.1, 0.2, 0.3, 0.25, 0.15])
    both = np.array([weights[i] * weights[j] for i, j in combinations(range(5), 2)])
    assert figures.spread(values, weights) == pytest.approx(math.sqrt(both @ pairs / both.sum()))


def test_spread_error_is_that_of_repetitions():
    rng = np.random.default_rng(1)
    repeated = [figures.spread(rng.standard_normal((20, 10))) for _ in range(400)]
    estimated = [figures.spread_error(rng.standard_normal((20, 10))) for _ in range(40)]
    assert np.mean(estimated) == pytest.approx(np.std(repeated), rel=0.2)


def test_figures_by_hand():
    grid = gg.Grid((0, 100, 0, 50, 0, 2), (2, 1, 2))
    fraction = np.array([[[0.2, 0.8]], [[0.0, 1.0]]])
    values = np.stack([fraction, fraction + 0.1])[:, None].astype(np.float32)
    times = np.array([[[[[0.0, 1.0]], [[0.5, 0.5]]]], [[[[1.0, 0.0]], [[0.0, 1.0]]]]])
    ensemble = gg.Ensemble.from_values(grid, ["coarse_fraction", "deposition_time"], np.concatenate([values, times], axis=1))
    wells = gg.HardData([[0, 0, 0], [0, 0, 1]], [0.2, 0.8], 0.1, "coarse_fraction")
    others = gg.HardData([[1, 0, 0]], [0.0], 0.1, "coarse_fraction")
    found = figures.data_figures(ensemble, wells, others, fraction)
    assert found["inversion_error"] == pytest.approx(0.05)
    assert found["pass_rate"] == 0.5
    assert found["generalization_error"] == pytest.approx(0.05)
    assert found["generalization_error_all"] == pytest.approx(0.05)
    assert found["balanced_match"] == 1.0
    assert found["well_chi2"] == pytest.approx(0.5)
    assert found["spread"] == pytest.approx(0.1)
    assert found["superposition"] == pytest.approx(0.75)
    assert found["rising_time"] == pytest.approx(0.5)
    assert found["coverage80"] == 1.0
    assert found["crps_heldout"] < 0.05


def test_generalization_leaves_data_cells_out():
    fraction, wells = np.zeros((2, 1, 1)), gg.HardData([[0, 0, 0]], [0.0], 0.1, "coarse_fraction")
    found = figures.generalization(np.array([[[[0.0]], [[0.4]]]]), np.ones(1), fraction, wells)
    assert found == {"generalization_error": pytest.approx(0.4), "generalization_error_all": pytest.approx(0.2)}


def test_texture_knows_the_truth_from_others_and_sees_grids():
    rng = np.random.default_rng(2)
    smooth = torch.nn.functional.avg_pool3d(torch.as_tensor(rng.random((12, 1, 20, 20, 6))), 3, stride=1, padding=1)[:, 0].numpy()
    rough = rng.random((1, 20, 20, 6))[0]
    even = np.full(6, 1 / 6)
    assert real.texture(rough[None], np.ones(1), rough, smooth)["variogram_error"] == pytest.approx(0.0)
    assert real.texture(smooth[:6], even, rough, smooth)["variogram_error"] == pytest.approx(1.0, abs=0.05)
    board = np.indices((20, 20, 6)).sum(axis=0) % 2
    found = [real.texture(smooth[:6] + size * board, even, rough, smooth[6:]) for size in (0.0, 0.1)]
    seen = [each["checkerboard"] for each in found]
    assert seen[0] < 0.5 < seen[1]


# Counting


def test_evaluations_are_counted_on_copies_and_once():
    prior = ToyPrior()
    with counted() as found:
        copy.deepcopy(prior).decode(torch.zeros(3, 24))
        prior.sample(5)  # decodes
        prior.denoise(torch.zeros(2, 1, *prior.shape), 1.0)
    assert (found.forward, found.backward) == (10, 0)
    prior.decode(torch.zeros(3, 24))
    assert found.forward == 10  # no longer counted


def test_gradients_are_counted_to_latents_and_weights():
    prior = ToyPrior()
    z = torch.zeros((3, 24), requires_grad=True)
    with counted() as found:
        prior.decode(z).sum().backward()
        assert (found.forward, found.backward) == (3, 3)
        prior.root.requires_grad_()
        prior.decode(torch.ones(4, 24)).sum().backward()
        assert (found.forward, found.backward) == (7, 7)
        with torch.no_grad():
            at = linearize(lambda z: prior.decode(z).flatten(1), torch.ones(2, 24))
            pulled, pushed = at.pull(torch.ones(2, 24)), at.push(torch.ones(2, 24))
    assert found.forward == 9
    assert found.backward > 9
    root = prior.root.detach()
    assert torch.allclose(pushed, torch.ones(2, 24) @ root.T, atol=1e-5)  # what is computed is the same
    assert torch.allclose(pulled, torch.ones(2, 24) @ root, atol=1e-5)


def test_priors_defined_while_counting_are_counted():
    with counted() as found:

        class Late(ToyPrior):
            def decode(self, z):
                return super().decode(z) + 1

        Late().decode(torch.zeros(2, 24))
    assert found.forward == 2
    Late().decode(torch.zeros(2, 24))
    assert found.forward == 2


# The reference


def test_reference_is_the_exact_posterior(tmp_path):
    prior = contender("latent").built_prior(TINY, 0)
    grid = observations.grid_of(TINY, prior.cell_size)
    problems = [observations.weak(TINY, truth, grid) for truth in truths.of(TINY)]
    found = reference.reference(prior, problems, 30_000, tmp_path / "sums.npz")
    for each, problem in zip(found, problems, strict=True):
        exact = gaussian_posterior(prior, Likelihood.of(problem, prior)).std.square().mean()
        assert each["spread"] == pytest.approx(math.sqrt(2 * exact), rel=0.04)
        assert each["effective"] > 300


def test_an_interrupted_reference_goes_on(tmp_path):
    prior = contender("latent").built_prior(TINY, 0)
    grid = observations.grid_of(TINY, prior.cell_size)
    problem = [observations.weak(TINY, truths.of(TINY)[0], grid)]
    whole = reference.reference(prior, problem, 4000, tmp_path / "whole.npz")
    reference.reference(prior, problem, 2000, tmp_path / "parts.npz")
    assert reference.reference(prior, problem, 4000, tmp_path / "parts.npz") == whole
    assert not reference.usable(whole[0])  # too few draws


# Runs


@pytest.mark.usefixtures("plugin")
def test_who_knows_the_truth_errs_by_the_noise(tmp_path, cache):
    _, files = run(tmp_path, cache, contender("oracle"), cases="t1-w5,t1-w5-s")
    wells_only, seismic = tables.rows(files)
    truth = truths.of(TINY)[0]
    data = observations.wells(TINY, truth, 5)
    noise = np.abs(data.values - truth.fraction[tuple(data.cells.T)]).mean()
    assert wells_only["inversion_error"] == pytest.approx(noise, abs=1e-6)
    assert wells_only["generalization_error"] == pytest.approx(0.0, abs=1e-6)
    assert (wells_only["pass_rate"], wells_only["spread"]) == (1.0, 0.0)
    assert wells_only["balanced_match"] == 1.0
    assert wells_only["superposition"] is None  # no time of deposition
    assert wells_only["chi2"] is None
    assert wells_only["variogram_error"] == pytest.approx(0.0, abs=1e-6)
    assert seismic["chi2"] == pytest.approx(1.0, abs=0.25)
    assert wells_only["forward_evaluations"] == 0
    assert wells_only["n"] == 4


@pytest.mark.usefixtures("plugin")
def test_an_offset_is_an_error(tmp_path, cache):
    _, files = run(tmp_path, cache, contender("oracle", offset=0.3), cases="t1-w2")
    (row,) = tables.rows(files)
    assert row["inversion_error"] == pytest.approx(0.3, abs=0.01)
    assert row["generalization_error"] == pytest.approx(0.3, abs=1e-6)
    assert (row["pass_rate"], row["options"]["offset"]) == (0.0, 0.3)
    assert row["pass_high"] == pytest.approx(figures.wilson(0, 4)[1])


@pytest.mark.usefixtures("plugin")
def test_diversity_of_the_posterior_is_one_and_of_the_prior_more(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(reference, "ENOUGH_DRAWS", 20_000)
    many = replace(TINY, n=60)
    exact = contender("rejection", proposals=10_000)
    _, files = run(tmp_path, cache, exact, contender("ignorant"), cases="t1-w2", draws=20_000, settings=many)
    prior, posterior = tables.rows(files)
    assert (posterior["label"], prior["label"]) == ("rejection", "ignorant")
    assert posterior["diversity_ratio"] == pytest.approx(1.0, abs=3 * posterior["diversity_error"])
    assert 0 < posterior["diversity_error"] < 0.1
    built = contender("latent").built_prior(TINY, 0)
    weak = observations.weak(TINY, truths.of(TINY)[0], observations.grid_of(TINY, built.cell_size))
    ratio = 0.3 / math.sqrt(gaussian_posterior(built, Likelihood.of(weak, built)).std.square().mean())
    assert ratio > 1.05
    assert prior["diversity_ratio"] == pytest.approx(ratio, abs=3 * prior["diversity_error"] + 0.02)
    assert posterior["reference_draws"] == 20_000


@pytest.mark.usefixtures("plugin")
def test_too_small_a_reference_gives_no_ratio(tmp_path, cache):
    _, files = run(tmp_path, cache / "few", contender("ignorant"), cases="t1-w2", draws=1000)
    (row,) = tables.rows(files)
    assert row["diversity_ratio"] is None
    assert row["reference_draws"] == 1000


@pytest.mark.usefixtures("plugin")
def test_nothing_is_computed_twice(tmp_path, cache, monkeypatch):
    first = run(tmp_path, cache, contender("ignorant"), cases="t1-w2")
    monkeypatch.setattr(running, "compute", lambda *_: pytest.fail("computed again"))
    again = run(tmp_path, cache, contender("ignorant", label="prior"), cases="t1-w2")
    assert again[1][0]["label"] == "prior"  # a new name is no new run
    assert {**again[1][0], "label": "ignorant"} == first[1][0]
    for other in (replace(TINY, n=5), replace(TINY, seed=1), replace(TINY, well_std=0.01)):
        with pytest.raises(pytest.fail.Exception, match="computed again"):
            run(tmp_path, cache, contender("ignorant"), cases="t1-w2", settings=other)


@pytest.mark.usefixtures("plugin")
def test_equal_seeds_equal_figures(tmp_path, cache):
    found = [run(tmp_path / name, cache, contender("ignorant"), cases="t1-w2-s")[1][0] for name in "ab"]
    assert found[0]["figures"] == found[1]["figures"]
    assert found[0]["pictures"] == found[1]["pictures"]
    other = run(tmp_path, cache, contender("ignorant"), cases="t1-w2-s", settings=replace(TINY, seed=3))[1][0]
    assert other["figures"]["inversion_error"] != found[0]["figures"]["inversion_error"]


@pytest.mark.usefixtures("plugin")
def test_a_failed_case_leaves_the_others(tmp_path, cache):
    wanted = [contender("failing"), contender("ignorant")]
    failed, _ = run(tmp_path, cache, *wanted, cases="t1-w2")
    assert failed == ["failing, t1-w2, member 0: This cannot be done."]
    assert [file["label"] for file in tables.read([tmp_path])] == ["ignorant"]


def test_a_strategy_that_cannot_work_on_the_prior_is_refused(tmp_path, cache):
    with pytest.raises(gg.GempyGanError, match="needs a DiffusionPrior"):
        run(tmp_path, cache, contender("guided"))


# Tables


def a_file(label="a", member=0, weights="x", truth=1, seismic=False, **changed):
    case = {"truth": truth, "wells": 4, "seismic": seismic}
    found = dict.fromkeys(tables.FROM_CASES, 0.5) | {"pass_rate": 0.5, "pass_low": 0.1, "pass_high": 0.9} | changed
    record = {"task": "t1-w4", "data": {"shape": [8, 8, 4]}, "n": 10, "seed": 0}
    record |= {"prior": {"class": "P", "options": {}, "weights": weights}, "strategy": {"class": "S", "options": {}}}
    cost = {"cpu_s": 1.0, "forward": 2.0, "backward": 3.0}
    about = {"label": label, "prior": "p", "strategy": "s", "record": record, "member": member, "n": 10, "versions": {}}
    return {**about, "case": case, "figures": found, "cost": cost, "warnings": []}


def test_members_are_pooled():
    files = [a_file(member=0, pass_rate=1.0), a_file(member=1, weights="y", pass_rate=0.5, inversion_error=0.1)]
    (row,) = tables.rows(files)
    assert (row["n"], row["members"], row["pass_rate"]) == (20, [0, 1], 0.75)
    assert row["inversion_error"] == pytest.approx(0.3)
    assert (row["pass_low"], row["pass_high"]) == pytest.approx(figures.wilson(0.75, 20))


def test_a_label_stands_for_one_contender():
    other = copy.deepcopy(a_file(truth=2))
    other["record"]["strategy"]["options"] = {"steps": 3}
    for files in ([a_file(), other], [a_file(), a_file(weights="y", seismic=True)]):
        with pytest.raises(gg.GempyGanError, match="The label 'a' stands for runs of p that differ"):
            tables.rows(files)


def test_summary():
    files = [
        a_file(pass_rate=0.96, generalization_error=0.3),
        a_file(seismic=True, pass_rate=0.94, generalization_error=0.2),
        a_file(truth=2, pass_rate=1.0, generalization_error=0.1),
        a_file(truth=2, seismic=True, pass_rate=1.0, generalization_error=0.2),
    ]
    (line,) = tables.summary(tables.rows(files))
    assert (line["cases"], line["cases_passed"], line["worst_pass_rate"]) == (4, 3, 0.94)
    assert line["seismic_helps"] == [1, 2]
    assert line["diversity_ratio"] is None


def test_folders_that_do_not_belong_together(tmp_path):
    for name, shape in (("a", [8, 8, 4]), ("b", [9, 9, 4])):
        file = a_file(name)
        file["record"]["data"]["shape"] = shape
        (tmp_path / name).mkdir()
        (tmp_path / name / "t1-w4-0.json").write_text(json.dumps(file))
    with pytest.raises(gg.GempyGanError, match="different boxes or protocols"):
        tables.read([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "a" / "other.json").write_text("{}")
    with pytest.raises(gg.GempyGanError, match=r"other\.json is no file of gempy-gan-bench"):
        tables.read([tmp_path / "a"])
    with pytest.raises(gg.GempyGanError, match="holds no finished case"):
        tables.read([tmp_path / "c"])


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.images, self.cells = [], 0, 0

    def handle_starttag(self, tag, attributes):
        self.images += tag == "img" and dict(attributes)["src"].startswith("data:image/png;base64,")
        self.cells += tag == "td"
        if tag not in ("img", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.usefixtures("plugin")
def test_page_is_whole_and_escapes(tmp_path, cache):
    _, files = run(tmp_path, cache, contender("ignorant", label="<b>&"), cases="t1-w2,t3-w2-s")
    found = tables.rows(files)
    text = page.page(found, files)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.images == 2 + 4  # truths, and two realizations of two cases
    assert "<b>" not in text
    assert "&lt;b&gt;&amp;" in text
    assert "http" not in text.replace("http-equiv", "")  # nothing is loaded from elsewhere


# The command line


@pytest.mark.usefixtures("plugin")
def test_fluvial_writes_rows(tmp_path, cache):
    arguments = ["fluvial", "--prior", "gaussian", "--prior-set", "mean=0.4", "--prior-set", "std=0.3", "--out", tmp_path / "out"]
    arguments += ["--strategy", "oracle", "--strategy", "ignorant", "--set", "oracle.truth=1", "--cases", "t1-w2,t1-w2-s"]
    arguments += ["--cache", cache, "--reference-draws", "0", "--json", tmp_path / "rows.json", "--html", tmp_path / "page.html"]
    done = bench(*arguments, "-n", "3")
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert [(r["label"], r["truth"], r["wells"], r["seismic"], r["n"]) for r in rows] == [
        ("ignorant", 1, 2, False, 3),
        ("ignorant", 1, 2, True, 3),
        ("oracle", 1, 2, False, 3),
        ("oracle", 1, 2, True, 3),
    ]
    promised = {"inversion_error", "pass_rate", "generalization_error", "balanced_match", "crps_heldout", "coverage80"}
    assert promised | {"diversity_ratio", "chi2", "cpu_s"} <= rows[0].keys()
    assert "oracle, gaussian: 2 of 2 cases have 95% of the realizations within 0.01" in done.output
    merged = bench("table", tmp_path / "out", "--markdown", tmp_path / "rows.md")
    assert merged.exit_code == 0, merged.output
    assert merged.output == done.output
    assert len((tmp_path / "rows.md").read_text().splitlines()) == 2 + 4


def test_what_makes_a_reference_good_enough():
    assert reference.usable({"draws": 100_000, "effective": 100.0})
    assert not reference.usable({"draws": 99_000, "effective": 500.0})
    assert not reference.usable({"draws": 100_000, "effective": 99.0})
    assert not reference.usable(None)


def test_jobs_and_plugin_files(tmp_path, cache, plugin):
    """Processes of their own find the same, but for the rounding of fewer threads."""
    arguments = ["fluvial", "--prior", "gaussian", "--strategy", "ignorant", "--cases", "t1-w2,t2-w2", "--cache", cache]
    arguments += ["--reference-draws", "0", "--out"]
    for jobs in (1, 2):
        done = bench("--plugin", plugin, *arguments, tmp_path / str(jobs), "--jobs", jobs)
        assert done.exit_code == 0, done.output
    one, two = (tables.read([tmp_path / jobs]) for jobs in "12")
    for first, second in zip(one, two, strict=True):
        assert first["figures"].keys() == second["figures"].keys()
        for name, figure in first["figures"].items():
            other = second["figures"][name]
            assert other is None if figure is None else other == pytest.approx(figure, rel=1e-5), name


def test_the_baseline_knows_nothing_of_the_data(tmp_path, cache):
    arguments = ["--prior", "gaussian", "--strategy", "unconditional", "--cases", "t1-w2,t1-w2-s", "--cache", cache]
    done = bench("fluvial", *arguments, "--reference-draws", "0", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    without, seismic = (file["figures"] for file in tables.read([tmp_path]))
    assert without["generalization_error"] == seismic["generalization_error"] > 0.1
    assert without["pass_rate"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prior", "nothing"], "No prior is named 'nothing'."),
        (["--prior", "gaussian", "--strategy", "latnt"], "No strategy is named 'latnt'."),
        (["--prior", "gaussian", "--strategy", "unconditional", "--set", "steps=3"], "'unconditional' got the options steps."),
        (["--prior", "gaussian", "--cases", "t9"], "No case is named 't9'."),
        (["--prior", "gaussian", "--set", "stepps=3", "--strategy", "latent"], "it has no option 'stepps'"),
        (["--prior", "gaussian", "--prior-set", "meen=3"], "it has no option 'meen'"),
        (["--prior", "fluvial-gan", "--prior-set", "member=7"], "No fluvial-gan of size 'tiny', member 7"),
    ],
)
def test_errors_are_one_line(tmp_path, arguments, message):
    done = bench("fluvial", *arguments, "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert message in done.output
    assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--members", "a"], "--members a: expected numbers"),
        (["--strategy", "latent", "--strategy", "pcn", "--as", "x"], "--as names one strategy"),
        (["--strategy", "latent", "--strategy", "pcn", "--set", "steps=1"], "Expected STRATEGY.NAME=VALUE"),
        (["--json", "/nowhere/rows.json"], "its folder does not exist"),
        (["--strategy", "latent", "--strategy", "latent"], "--strategy latent is given twice"),
    ],
)
def test_usage_errors(tmp_path, arguments, message):
    done = bench("fluvial", "--prior", "gaussian", *arguments, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / "out").exists()


def test_help_imports_nothing_heavy():
    code = "import sys; from gempy_gan_bench.cli import main; main(['fluvial', '--help'], standalone_mode=False); "
    code += "print(sorted({'torch', 'numpy', 'matplotlib', 'xarray'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.splitlines()[-1] == "[]"
