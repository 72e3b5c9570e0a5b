"""Figures of a run against ones worked out by hand, evaluations that are counted, and the exact posterior as reference."""

import copy
import math
from itertools import combinations

import numpy as np
import pytest
import torch
from gempy_gan_bench import figures, observations, real, reference, truths
from gempy_gan_bench.counting import counted

import gempy_gan as gg
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.exact import gaussian_posterior
from gempy_gan.strategies.misfit import linearize
from gempy_gan.testing.strategies import ToyPrior

from .small_bench import TINY, contender

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


def test_what_makes_a_reference_good_enough():
    assert reference.usable({"draws": 100_000, "effective": 100.0})
    assert not reference.usable({"draws": 99_000, "effective": 500.0})
    assert not reference.usable({"draws": 100_000, "effective": 99.0})
    assert not reference.usable(None)
