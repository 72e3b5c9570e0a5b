"""The Helmholtz case of memorization, on a section small enough for a test; its samplers against what is known."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench.cli import main
from gempy_gan_bench.memory import case, helmholtz, plan_of, stylized
from gempy_gan_bench.memory.helmholtz import running, tables
from gempy_gan_bench.memory.helmholtz.exact import ExactMixture
from gempy_gan_bench.memory.helmholtz.plan import Plan
from gempy_gan_bench.memory.helmholtz.problem import Problem
from gempy_gan_bench.memory.helmholtz.published import PublishedDPS
from gempy_gan_waveform.white import WhitePrior

from gempy_gan import Constraints, GempyGanError, Grid, Likelihood, SoftData

SMALL = {
    "cells": 10,
    "pml": 4,
    "frequencies": ((2.0,), (2.0, 3.0)),
    "sources": 2,
    "receivers": 4,
    "modes": 4,
    "sizes": (6, 12),
    "training_steps": 20,
    "seeds": 1,
    "draws": 4,
    "published_steps": 4,
    "dps_steps": 4,
    "pigdm_steps": 3,
    "proposals": 20,
    "nulls": 40,
    "sbc_truths": 3,
    "sbc_draws": 3,
    "sbc_size": 5,
}
KEYS = {"n", "truth", "sampler", "share_memorized", "null_share", "p_value", "chi2"}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("helmholtz")
    return out, helmholtz.run(Plan(**SMALL), 0, out)


def test_rows_hold_what_the_paper_tabulates_beside_its_nulls(finished):
    rows = helmholtz.rows(finished[1])
    assert rows[0].keys() >= KEYS
    assert all(row.keys() == rows[0].keys() for row in rows)
    posteriors = [row for row in rows if row["chi2_truth"] is not None]
    priors = [row for row in rows if row["sampler"] == "unconditional"]
    assert {(row["prior"], row["n"]) for row in priors} == {(kind, n) for kind in ("network", "memorized") for n in (6, 12)}
    assert all(row["chi2"] is None and 0 < row["p_value"] <= 1 for row in priors)
    assert {row["truth"] for row in posteriors} == {"held-out 1", "paper"}
    assert {row["n"] for row in posteriors} == {6, 12}
    assert {row["frequencies"] for row in posteriors} == {"2", "2 3"}
    assert {row["sampler"] for row in posteriors if row["prior"] == "network"} == {"dps-published", "dps", "pigdm"}
    assert all(0 <= row["share_memorized"] <= 1 and 0 < row["p_value"] <= 1 and row["chi2"] > 0 for row in posteriors)
    assert {(row["prior"], row["sampler"]) for row in rows if row["sbc_p"] is not None} == {
        (prior, name) for prior in ("true", "memorized") for name in ("exact", "dps", "pigdm")
    }


def test_what_is_finished_is_not_computed_again(finished, monkeypatch):
    out, record = finished
    for name in ("_posterior", "_ranks"):
        monkeypatch.setattr(running, name, lambda *_: pytest.fail("computed again"))
    assert helmholtz.run(Plan(**SMALL), 0, out) == record


def test_sentences_tell_what_the_table_means(finished):
    lines = helmholtz.sentences(finished[1])
    assert any("n = 12: the published rule calls memorized" in line for line in lines)
    assert any("noise floor" in line or "overfits" in line for line in lines)
    assert any("memorized prior, pigdm: p = " in line for line in lines)


def test_the_same_seed_gives_the_same_figures_and_another_one_others(finished, tmp_path):
    first = finished[1]["pieces"][0]
    problem = Problem(Plan(**SMALL), 0)
    again = running._posterior(running.Piece(0, "held-out 1", (2.0,), "network", 6, "dps-published"), problem, tmp_path)
    assert np.allclose(again["draws"], first["draws"], atol=1e-4)
    assert not torch.equal(problem.training_set(3), Problem(Plan(**SMALL), 1).training_set(3))


def test_training_sets_are_nested_and_truths_what_they_are_called():
    problem = Problem(Plan(**SMALL))
    assert torch.equal(problem.training_set(6), problem.training_set(12)[:6])
    assert torch.equal(problem.truth("paper")[0], problem.training_set(3).mean(dim=0))
    distances = torch.cdist(problem.truth("held-out 1").flatten(1), problem.training_set(12).flatten(1))
    assert distances.min() > 0.1


def test_data_have_the_noise_that_is_said():
    problem = Problem(Plan(**{**SMALL, "sources": 8, "receivers": 8}))
    truth = problem.truth("held-out 1")
    data = problem.data(truth, (2.0, 3.0))
    term = data.constraints.soft[0]
    clean = term.forward.data(truth)[0].numpy()
    assert np.square((term.values - clean) / term.std).mean() == pytest.approx(data.chi2, rel=1e-6)
    assert data.chi2 == pytest.approx(1, abs=0.4)
    amplitude = np.abs(clean.reshape(-1, 2) @ [1, 1j]).max()
    assert term.std[0] == pytest.approx(0.055 * amplitude / np.sqrt(2))


def test_exact_draws_of_one_cell_are_those_of_quadrature():
    """The paper's non-linear case, at the spread where its linearization is worst: importance sampling mends it."""
    problem = stylized.line()
    prior = problem.prior(0.5)
    likelihood = problem.likelihood(prior)
    density = stylized.exact_density(problem, prior, likelihood)
    x = problem.places()[:, 0]
    mean = float((density * x).sum() / density.sum())
    sd = float(((density * (x - mean) ** 2).sum() / density.sum()).sqrt())
    draws = ExactMixture(1, 20_000).sample(prior, likelihood, 20_000, seeded())
    assert float(draws.values.mean()) == pytest.approx(mean, abs=0.01)
    assert float(draws.values.std()) == pytest.approx(sd, abs=0.01)
    assert draws.trace["effective_sample_size"] > 1000


def test_exact_draws_of_linear_data_need_no_weights():
    prior, operator = WhitePrior((2, 1, 2)), torch.tensor([[1.0, 0.5, 0.0, 0.0], [0.0, 1.0, -1.0, 0.0]], dtype=torch.float64)
    data = SoftData([0.7, -0.4], 0.3, lambda m: m.flatten(1) @ operator.T.to(m))
    likelihood = Likelihood.of(Constraints(Grid((0, 2, 0, 1, 0, 2), (2, 1, 2)), data), prior, torch.float64)
    draws = ExactMixture(1, 4000).sample(prior, likelihood, 4000, seeded())
    covariance = torch.linalg.inv(torch.eye(4, dtype=torch.float64) + operator.T @ operator / 0.09)
    mean = covariance @ operator.T @ torch.tensor([0.7, -0.4], dtype=torch.float64) / 0.09
    assert draws.trace["effective_sample_size"] == pytest.approx(4000, rel=1e-6)
    assert torch.allclose(draws.values.flatten(1).double().mean(dim=0), mean, atol=0.06)
    assert torch.allclose(torch.cov(draws.values.flatten(1).double().T), covariance, atol=0.06)


def test_exact_draws_of_a_prior_that_is_no_mixture_are_refused():
    from gempy_gan import get_prior

    prior = get_prior("gaussian", shape=(2, 1, 2), cell_size=(1.0, 1.0, 1.0))
    data = SoftData([0.7], 0.3, lambda m: m.flatten(1)[:, :1])
    likelihood = Likelihood.of(Constraints(Grid((0, 2, 0, 1, 0, 2), (2, 1, 2)), data), prior)
    with pytest.raises(GempyGanError, match="Expected a mixture prior or a white one"):
        ExactMixture().sample(prior, likelihood, 2, seeded())


def test_the_published_sampler_does_not_listen_to_the_noise_and_ours_do():
    prior, grid = WhitePrior((2, 1, 2)), Grid((0, 2, 0, 1, 0, 2), (2, 1, 2))

    def drawn(std):
        data = SoftData([2.0], std, lambda m: m.flatten(1)[:, :1])
        return PublishedDPS(20).sample(prior, Likelihood.of(Constraints(grid, data), prior), 50, seeded()).values

    sharp, blunt = drawn(0.1), drawn(10.0)
    assert torch.allclose(sharp, blunt, atol=1e-5)
    assert float(blunt[:, 0, 0, 0, 0].mean()) > 1  # data of std 10 move nothing, in a posterior


def test_the_published_sampler_keeps_the_prior_where_it_is_not_led_but_for_its_start():
    """Its schedule ends at alpha_bar 0.13, where values have a variance of one only because the prior has."""
    prior, grid = WhitePrior((2, 1, 2)), Grid((0, 2, 0, 1, 0, 2), (2, 1, 2))
    data = SoftData([0.0], 1.0, lambda m: 0 * m.flatten(1)[:, :1])
    values = PublishedDPS(100).sample(prior, Likelihood.of(Constraints(grid, data), prior), 2000, seeded()).values
    assert float(values.std()) == pytest.approx(1.0, abs=0.05)


def test_copies_are_flagged_and_fresh_draws_are_not_though_the_published_rule_flags_them():
    problem = Problem(Plan(**{**SMALL, "modes": 6, "sizes": (50,), "nulls": 200}))
    copies = problem.training_set(20) + 0.01 * torch.randn((20, 1, 6, 1, 6), generator=seeded(), dtype=torch.float64)
    found = tables.compared(copies, 50, problem)
    assert found.p_dependent < 0.01
    assert found.share_published[0] == 1.0
    fresh = tables.compared(problem.fresh(60, 99), 50, problem)
    assert fresh.p_dependent > 0.05
    assert fresh.share_published[0] > 0.2


def test_the_command_finds_the_case_and_its_presets(finished, tmp_path, monkeypatch):
    found = case("helmholtz")
    assert plan_of(found, "paper", {}).cells == 200
    assert {
        k: v for k, v in vars(plan_of(found, "paper", {})).items() if k in ("modes", "sizes", "draws", "published_steps")
    } == {
        "modes": 10,
        "sizes": (50, 200, 1000),
        "draws": 256,
        "published_steps": 200,
    }
    monkeypatch.setitem(helmholtz.PRESETS, "quick", Plan(**SMALL))
    arguments = ["memory", "--case", "helmholtz", "--out", str(finished[0]), "--json", str(tmp_path / "rows.json")]
    shown = CliRunner().invoke(main, [*arguments, "--html", str(tmp_path / "page.html")])
    assert shown.exit_code == 0, shown.output
    assert json.loads((tmp_path / "rows.json").read_text())["rows"][0].keys() >= KEYS
    assert (tmp_path / "page.html").read_text().count("data:image/png") == 5
