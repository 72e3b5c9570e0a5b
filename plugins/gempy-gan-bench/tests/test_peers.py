"""Peers: what is right scores as real deposits do, what is not is told apart, and a tool that is missing is named."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner
from gempy_gan_bench import exact, peers
from gempy_gan_bench.cli import main


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peers, "SHAPE", (32, 32, 8))
        patch.setattr(peers, "IMAGE", (48, 48, 8))
        patch.setattr(peers, "REAL", 6)
        yield list(peers.sites())


def test_other_deposits_of_the_river_score_as_their_floor_and_noise_does_not(small):
    noise = np.random.default_rng(0)
    right = peers.row("real", [(site, site.real[:3], 1.0) for site in small])
    wrong = peers.row("noise", [(site, noise.random(site.real[:3].shape) < site.sand.mean(), 1.0) for site in small])
    assert right["variogram"] < 1.5 * right["variogram_floor"]
    assert wrong["variogram"] > 2 * right["variogram"]
    assert wrong["connectivity"] > 2 * right["connectivity"]
    assert right["cpu_s"] == pytest.approx(1 / 3)


def test_match_is_balanced_over_the_facies(small):
    site = small[0]
    truth = np.stack([site.sand, site.sand])
    assert peers.row("truth", [(site, truth, 1.0)])["balanced_match"] == pytest.approx(1)
    mud = np.zeros((2, *site.sand.shape), dtype=bool)
    assert peers.row("mud", [(site, mud, 1.0)])["balanced_match"] == pytest.approx(0.5)


def test_wells_are_those_of_the_truth_with_noise(small):
    site = small[0]
    (hard,) = site.constraints().hard
    assert len(hard.values) == peers.WELLS * site.sand.shape[2]
    assert np.abs(hard.values - site.truth.fraction[tuple(hard.cells.T)]).max() < 6 * peers.STD


def test_a_prior_is_compared_and_told_the_labels_it_learned(small):
    sand = peers.learned(small[0], 2, 0, "gaussian", None, {"mean": 0.5, "std": 0.3, "ranges": [300.0, 300.0, 4.0]})
    again = peers.learned(small[0], 2, 0, "gaussian", None, {"mean": 0.5, "std": 0.3, "ranges": [300.0, 300.0, 4.0]})
    assert sand.shape == (2, 32, 32, 8)
    assert (sand == again).all()


def test_a_missing_tool_and_an_unknown_one_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "geone", None)
    with pytest.raises(peers.GempyGanError, match="needs geone"):
        peers._geone("deesseinterface")
    found = CliRunner().invoke(main, ["peers", "--peer", "snesim"])
    assert found.exit_code == 2
    assert "Expected one of: DeeSse, SIS" in found.output


def test_means_over_seeds_keep_what_cannot_be_done():
    row = {"case": "W", "strategy": "a", "modes": 4.0, "tv_floor": 0.1, "tv": 0.2, "variance_ratio": 1.0, "cpu_s": 1.0}
    first, second = exact.means([row, {**row, "tv": 0.4}, {**row, "strategy": "b"}, {**row, "strategy": "b", "tv": None}])
    assert first["tv"] == pytest.approx(0.3)
    assert second["tv"] is None
    assert "0.300" in exact.text([first, second])
