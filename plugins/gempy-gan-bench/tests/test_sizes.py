"""Large grids: seams that are there are found, those that are not are not, and costs are told."""

import numpy as np
import pytest
from click.testing import CliRunner
from gempy_gan_bench import sizes
from gempy_gan_bench.cli import main

from gempy_gan import get_prior

EDGES = ([16, 32, 48], [16, 32, 48])


def smooth(rng, n=2, side=64):
    return rng.standard_normal((n, side + 4, side, 4)).cumsum(axis=1)[:, 4:] / 4


def test_a_seam_is_found_and_its_absence_too():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((4, 64, 64, 8))
    fair = sizes.seam_figures(values, EDGES)
    assert abs(fair["gamma_ratio"] - 1) < 3 * fair["gamma_error"] < 0.1
    for edge in EDGES[0]:
        values[:, edge:] += 1.0
    spoilt = sizes.seam_figures(values, EDGES)
    assert spoilt["gamma_ratio"] > 1.1 + 3 * fair["gamma_error"]
    assert spoilt["jumps_ratio"] > 1


def test_borders_are_those_of_the_boxes():
    prior = get_prior("fluvial-diffusion", size="tiny", shape=(64, 32, 8))
    x, y = sizes.borders(prior)
    assert x == sorted({t.place.cells[0].start for t in prior.tiles} | {t.place.cells[0].stop for t in prior.tiles} - {64})[1:]
    assert y == []


def test_the_command_tells_costs_and_seams():
    asked = ["sizes", "--shape", "64x64x8", "--wells", "4", "--prior-set", 'size="tiny"']
    found = CliRunner().invoke(main, asked)
    assert found.exit_code == 0, found.output
    assert "64 x 64 x 8" in found.output
    assert "+-" in found.output


def test_a_shape_that_is_none_is_refused():
    with pytest.raises(sizes.GempyGanError, match="256x256x64"):
        sizes.shape_of("64x64")


def test_wells_carry_the_deposits_that_were_simulated():
    hard = sizes.logs((64, 64, 8), 5)
    assert len(hard.values) == 40
    assert 0.1 < hard.values.std() < 0.6
