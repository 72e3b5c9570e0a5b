"""Runs of the fluvial protocol with strategies whose figures are known: their tables, page and command line."""

import copy
import html.parser
import json
import math
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from gempy_gan_bench import figures, observations, page, protocol, reference, running, tables, truths
from gempy_gan_bench.cli import main

import gempy_gan as gg
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.exact import gaussian_posterior

from .small_bench import TINY, contender

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


def run(folder, cache, *contenders, cases="t1", draws=0, settings=TINY):
    wanted = [task for c in contenders for task in running.tasks(c, settings, protocol.choose(settings, cases), draws)]
    failed = running.run(wanted, folder, cache)
    return failed, tables.read([folder], [task.file(folder) for task in wanted]) if not failed else []


def bench(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


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
    beside = tmp_path / "side.md"
    merged = bench("table", tmp_path / "out", "--markdown", tmp_path / "rows.md", "--side-by-side", beside)
    assert merged.exit_code == 0, merged.output
    assert merged.output == done.output
    assert len((tmp_path / "rows.md").read_text().splitlines()) == 2 + 4
    head, _, ignorant, oracle = ([cell.strip() for cell in line.split("|")[1:-1]] for line in beside.read_text().splitlines())
    found = dict(zip(head, oracle, strict=True))
    assert (found["strategy"], found["n"], found["95% pass"]) == ("`oracle`", "3", "2 of 2")
    assert found["error, wells"] == format(rows[2]["inversion_error"], ".3f")
    assert found["error, with seismic"] == format(rows[3]["inversion_error"], ".3f")
    assert found["cover 80"] == f"{rows[2]['coverage80']:.2f}, {rows[3]['coverage80']:.2f}"
    assert dict(zip(head, ignorant, strict=True))["95% pass"] == "0 of 2"


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
