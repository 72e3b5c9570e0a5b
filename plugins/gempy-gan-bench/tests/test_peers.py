"""Peers: what is right scores as real deposits do, what is not is told apart, and a tool that is missing is named."""

import shutil
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from gempy_gan_bench import exact, other_tools, peers
from gempy_gan_bench.cli import main

from gempy_gan import GempyGanError


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
    assert wrong["patterns"] > 2 * right["patterns"]
    assert right["cpu_s"] == pytest.approx(1 / 3)


def test_sand_that_connects_below_only_is_told_by_its_layers(small):
    walls = np.zeros((2, 32, 32, 8), dtype=bool)
    walls[:, :, ::2], walls[..., 0] = True, True
    row = peers.row("walls", [(site, walls, 1.0) for site in small])
    assert row["layer_connectivity"] > 3 * row["layer_connectivity_floor"]
    assert row["layer_connectivity"] > 2 * row["connectivity"]


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


def test_a_missing_tool_and_an_unknown_one_are_named(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "geone", None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GempyGanError, match="needs geone"):
        other_tools.PEERS["SIS"](small[0], 2, 0)
    with pytest.raises(GempyGanError, match="'mps_genesim', which is not on the PATH"):
        other_tools.PEERS["MPSlib"](small[0], 2, 0)
    assert other_tools.installed() == ()
    found = CliRunner().invoke(main, ["peers", "--peer", "MPSlib"])
    assert found.exit_code == 1
    assert "needs MPSlib" in found.output
    found = CliRunner().invoke(main, ["peers", "--peer", "snesim"])
    assert found.exit_code == 2
    assert "Expected one of: DeeSse, DeeSse-long, SIS, MPSlib" in found.output


ERRORS = [f"{key}{of}{end}" for of in ("", peers.OF_MEAN) for end in ("", "_floor") for key in peers.ERRORS]
KEYS = ("truths", "n", "cpu_s", "balanced_match", "sand", "sand_truth", *ERRORS)
PROGRAM = """#!/bin/sh
[ -f genesim.txt ] && [ -f ti.dat ] && [ -f wells.dat ] || exit 3
{body}
"""


def _program(tmp_path, monkeypatch, body):
    """A stand-in for MPSlib's program: what is asked of the real one, and what is made of its answer."""
    file = tmp_path / "mps_genesim"
    file.write_text(PROGRAM.format(body=body))
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_what_mpslib_writes_is_read_x_fastest(small, tmp_path, monkeypatch):
    wanted = np.stack([small[0].sand, ~small[0].sand])
    for number, sand in enumerate(wanted):
        cells = " ".join(str(int(value)) for value in sand.ravel(order="F"))
        (tmp_path / f"ti.dat_sg_{number}.gslib").write_text(f"32 32 8\n1\nv\n{cells} ")
    _program(tmp_path, monkeypatch, f"cp {tmp_path}/*.gslib .")
    assert (other_tools.PEERS["MPSlib"](small[0], 2, 0) == wanted).all()


def test_a_program_that_leaves_nothing_is_told_with_what_it_said(small, tmp_path, monkeypatch):
    _program(tmp_path, monkeypatch, "echo no training image; exit 1")
    with pytest.raises(GempyGanError, match=r"no realizations \(exit status 1\): no training image"):
        other_tools.PEERS["MPSlib"](small[0], 2, 0)


def test_without_names_the_installed_peers_are_compared_and_the_others_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "geone", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(
        peers, "rows", lambda contenders, *_: [dict.fromkeys(KEYS, 0.0) | {"contender": name} for name in contenders]
    )
    found = CliRunner().invoke(main, ["peers"])
    assert found.exit_code == 0
    assert "left out: DeeSse, DeeSse-long, SIS, MPSlib." in found.output
    assert "fluvial-diffusion" in found.output


@pytest.mark.skipif(shutil.which(other_tools.GENESIM) is None, reason="MPSlib's mps_genesim is not on the PATH")
def test_mpslib_honours_the_wells_and_its_seed_decides(small):
    search = other_tools.Search(nodes=9, threshold=0.1, share=0.005)
    first, again = (other_tools.genesim(small[0], 2, 0, search) for _ in range(2))
    assert peers.row("MPSlib", [(small[0], first, 1.0)])["balanced_match"] == 1.0
    assert 0.1 < first.mean() < 0.9
    assert (first == again).all()
    assert (first != other_tools.genesim(small[0], 2, 5, search)).any()


def test_geone_honours_the_wells(small):
    pytest.importorskip("geone", reason="geone is not installed")
    search = other_tools.Search(nodes=9, threshold=0.1, share=0.005)
    for sand in (other_tools.deesse(small[0], 2, 0, search), other_tools.indicator_simulation(small[0], 2, 0)):
        assert peers.row("geone", [(small[0], sand, 1.0)])["balanced_match"] == 1.0
        assert sand.shape == (2, 32, 32, 8)


def test_the_table_shows_every_error_and_its_floor(small):
    row = peers.row("real", [(site, site.real[:3], 1.0) for site in small])
    each, over_all = (part.splitlines() for part in peers.text([row]).split("\n\n"))
    assert over_all[0].startswith("of the mean over 2 truths")
    for (head, line, floors), of in ((each, ""), (over_all, peers.OF_MEAN)):
        assert head.endswith("variogram  connectivity  layer connectivity  patterns")
        assert [float(value) for value in line.split()[-4:]] == [round(row[f"{key}{of}"], 4) for key in peers.ERRORS]
        assert [float(value) for value in floors.split()[-4:]] == [round(row[f"{key}{of}_floor"], 4) for key in peers.ERRORS]
        assert len(head) == len(line) == len(floors)


def test_over_all_truths_what_errs_the_same_way_stands_out_and_chance_averages_out(small):
    right = peers.row("real", [(site, site.real[:3], 1.0) for site in small])
    less = peers.row("less", [(site, site.real[:3] & (np.arange(8) > 1), 1.0) for site in small])  # two layers of mud in each
    assert right["variogram_of_mean_floor"] < right["variogram_floor"]
    assert less["variogram_of_mean"] / less["variogram_of_mean_floor"] > less["variogram"] / less["variogram_floor"] > 1


def test_means_over_seeds_keep_what_cannot_be_done():
    row = {"case": "W", "strategy": "a", "modes": 4.0, "tv_floor": 0.1, "tv": 0.2, "variance_ratio": 1.0, "cpu_s": 1.0}
    first, second = exact.means([row, {**row, "tv": 0.4}, {**row, "strategy": "b"}, {**row, "strategy": "b", "tv": None}])
    assert first["tv"] == pytest.approx(0.3)
    assert second["tv"] is None
    assert "0.300" in exact.text([first, second])
