"""The protocol: its cases, its truths, and the wells and seismic that are drawn from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gempy_gan_bench import observations, protocol, truths
from gempy_gan_bench.protocol import Protocol

import gempy_gan as gg

from .small_bench import TINY

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
