"""The stylized cases of memorization, and the command that runs cases."""

import json

import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench.cli import main
from gempy_gan_bench.memory import case, plan_of, stylized

from gempy_gan import GempyGanError

PUBLISHED = {0.5: (0.265, 0.119, 0.236), 0.3: (0.274, 0.038, 0.064), 0.05: (0.390, 0.0018, 0.0018)}


@pytest.fixture(scope="module")
def record():
    return stylized.run(stylized.Plan())


def test_one_cell_to_three_digits(record):
    for row in [row for row in stylized.rows(record) if row["dim"] == 1]:
        sd, tv, without = PUBLISHED[row["sigma"]]
        assert row["exact_sd"] == pytest.approx(sd, abs=5.1e-4)
        for found, expected in ((row["tv"], tv), (row["tv_no_determinant"], without)):
            assert found == pytest.approx(expected, abs=5.1e-4 if expected > 0.01 else 5.1e-5)
        assert row["limit_weights"] == pytest.approx([0, 0.5, 0.5, 1e-7, 0], abs=6e-8)


def test_two_cells_collapse_onto_the_first_image(record):
    assert stylized.pentagon().observed == pytest.approx((1.40, 0.392), abs=1e-12)
    two = [row for row in stylized.rows(record) if row["dim"] == 2]
    assert all(row["limit_weight"] == pytest.approx(0.99999, abs=5e-6) for row in two)
    assert all(row["limit_weights"][0] == row["limit_weight"] for row in two)
    assert all(row["tv"] <= row["tv_no_determinant"] + 1e-9 for row in two)
    assert two[-1]["tv"] < 0.02  # sigma 0.05


def test_quadrature_holds_all_of_the_density():
    problem = stylized.pentagon()
    prior = problem.prior(0.3)
    assert float(prior.log_density(problem.places().reshape(-1, 1, 2, 1, 1)).exp().sum()) * problem.volume == pytest.approx(1)
    one = stylized.line()
    posterior = stylized.mixture_posterior(one.prior(0.3), one.likelihood(one.prior(0.3)), True)
    assert float(stylized.density(posterior, one.places()).sum()) * one.volume == pytest.approx(1, abs=1e-6)


def test_the_command_writes_rows_and_a_page(tmp_path):
    arguments = ["memory", "--case", "stylized", "--set", "sigmas=[0.3]"]
    files = ["--json", str(tmp_path / "rows.json"), "--html", str(tmp_path / "page.html")]
    found = CliRunner().invoke(main, [*arguments, *files])
    assert found.exit_code == 0, found.output
    assert "tv no determinant" in found.output
    written = json.loads((tmp_path / "rows.json").read_text())
    assert [row["dim"] for row in written["rows"]] == [1, 2]
    assert {"dim", "sigma", "exact_sd", "tv", "tv_no_determinant"} <= written["rows"][0].keys()
    assert written["plan"] == {"sigmas": [0.3]}
    assert "data:image/png" in (tmp_path / "page.html").read_text()


def test_what_is_no_preset_or_option():
    with pytest.raises(GempyGanError, match=r"no preset 'huge'.*quick, paper"):
        plan_of(case("stylized"), "huge", {})
    with pytest.raises(GempyGanError, match=r"no option 'sigma'\. It has: sigmas"):
        plan_of(case("stylized"), "quick", {"sigma": 1.0})
    assert CliRunner().invoke(main, ["memory", "--case", "other"]).exit_code == 2


def test_the_posterior_of_one_cell_is_integrated_finely_enough(monkeypatch):
    rough = stylized.run(stylized.Plan((0.05,)))["rows"][0]
    monkeypatch.setitem(stylized.POINTS, 1, 6001)
    assert stylized.run(stylized.Plan((0.05,)))["rows"][0]["tv"] == pytest.approx(rough["tv"], rel=1e-4)
    assert torch.get_default_dtype() == torch.float32
