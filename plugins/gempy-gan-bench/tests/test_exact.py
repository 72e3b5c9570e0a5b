"""The table of strategies against posteriors that are known."""

import json
import math

import pytest
import torch
from click.testing import CliRunner
from gempy_gan_bench import exact
from gempy_gan_bench.cli import main

from gempy_gan import GempyGanError
from gempy_gan.strategies.guided import Guided
from gempy_gan.strategies.repaint import RePaint


@pytest.fixture(scope="module")
def cases():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            exact, "tiles", lambda number: 0.4 * torch.rand((number, 1, 8, 8, 8), generator=torch.Generator().manual_seed(1))
        )
        return {case.name: case for case in exact.cases(8)}


def test_weak_data_leave_modes_and_strong_ones_leave_one(cases):
    assert list(cases) == ["W, weak, 8 tiles", "WS, weak, 8 tiles", "W, strong, 8 tiles", "WS, strong, 8 tiles"]
    modes = [case.modes for case in cases.values()]
    assert min(modes[:2]) >= exact.EFFECTIVE
    assert max(modes[2:]) < 1.01


def test_exact_draws_score_as_the_floor_says(cases):
    case = cases["WS, weak, 8 tiles"]
    scores = [exact.score(case, case.posterior.sample(100, torch.Generator().manual_seed(seed))) for seed in range(20)]
    assert sum(s.tv for s in scores) / 20 == pytest.approx(exact.floor(case, 100), rel=0.3)
    # 100 draws of 512 nearly independent cells: standard error sqrt(2 / 51200) of the ratio
    assert all(abs(s.variance_ratio - 1) < 4.5 * math.sqrt(2 / 51200) for s in scores)


def test_wrong_modes_and_wrong_spreads_show(cases):
    case = cases["WS, weak, 8 tiles"]
    draws, mode = case.posterior.sample_components(200, torch.Generator().manual_seed(0))
    means = case.posterior.means[mode].reshape(draws.shape)
    assert exact.score(case, means + 0.5 * (draws - means)).variance_ratio == pytest.approx(0.25, rel=0.05)
    likeliest = int(case.posterior.weights.argmax())
    alone = exact.score(case, case.posterior.means[likeliest].reshape(1, 1, 8, 8, 8).expand(10, -1, -1, -1, -1))
    assert alone.tv == pytest.approx(1 - float(case.posterior.weights[likeliest]), abs=1e-6)
    weights = torch.full((10,), -math.inf).index_fill(0, torch.tensor([0]), 0.0)
    assert exact.score(case, means[:10], weights).tv >= 1 - float(case.posterior.weights.max()) - 1e-6


def test_rows_tell_what_a_strategy_cannot_do(cases):
    strategies = {"guided": Guided(12), "repaint": RePaint(20, 5, 2)}
    guided, repaint = exact.rows(cases["WS, weak, 8 tiles"], strategies, 20)
    assert 0 <= guided["tv"] <= 1
    assert repaint["tv"] is None
    assert "not values of single cells" in repaint["warnings"][0]
    table = exact.text([guided, repaint]).splitlines()
    assert len(table) == 3
    assert table[2].split()[-4:] == ["-", f"{repaint['tv_floor']:.3f}", "-", "-"]


def test_guided_reaches_the_floor(cases):
    for row in (
        *exact.rows(cases["W, weak, 8 tiles"], {"g": Guided()}, 200),
        *exact.rows(cases["WS, weak, 8 tiles"], {"g": Guided()}, 200),
    ):
        assert row["tv"] < row["tv_floor"] + 0.05
        assert 0.9 < row["variance_ratio"] < 1.3


def test_tiles_hold_both_rocks_and_are_the_same_again():
    found = exact.tiles(5)
    assert found.shape == (5, 1, 8, 8, 8)
    assert torch.equal(found, exact.tiles(5))
    means = found.mean(dim=(1, 2, 3, 4))
    assert exact.MIXED[0] < float(means.min()) <= float(means.max()) < exact.MIXED[1]


def test_truths_that_leave_one_mode_are_not_taken_for_weak_data(monkeypatch):
    monkeypatch.setattr(exact, "NOISE", {"weak": exact.Noise(0.01, 0.01)})
    monkeypatch.setattr(exact, "TRIED", 2)
    with pytest.raises(GempyGanError, match=r"None of 2 truths leaves 3 modes open"):
        list(exact.cases(4))


def test_the_command_prints_a_table_and_writes_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(exact, "EFFECTIVE", 1.0)
    target = tmp_path / "rows.json"
    result = CliRunner().invoke(main, ["exact", "--tiles", "6", "-n", "10", "--strategy", "guided", "--json", str(target)])
    assert result.exit_code == 0, result.output
    rows = json.loads(target.read_text())["rows"]
    assert [row["case"] for row in rows] == [f"{data}, {how}, 6 tiles" for how in ("weak", "strong") for data in ("W", "WS")]
    assert result.output.count("guided") == 4
