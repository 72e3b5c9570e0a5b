"""Ensembles that repeat training images are told apart from those that share their geology."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy import ndimage, stats

import gempy_gan as gg
from gempy_gan.errors import GempyGanError
from gempy_gan.metrics import lookup, memorization
from gempy_gan.metrics.lookup import scaled_values

BOX = (16, 16, 4)
GRID = gg.Grid((0, 160, 0, 160, 0, 4), BOX)


def fields(n, seed, smooth=2.5):
    """Smooth fields (n, 1, 16, 16, 4) around 0.5, few of whose modes matter: the truth of all priors here."""
    noise = np.random.default_rng(seed).standard_normal((n, 1, *BOX))
    smoothed = ndimage.gaussian_filter(noise, (0, 0, smooth, smooth, 1.0), mode="wrap")
    return np.clip(0.5 + 0.2 * smoothed / smoothed.std(), 0, 1).astype(np.float32)


def ensemble(values, name="coarse_fraction", **more):
    return gg.Ensemble.from_values(GRID, [name], values, **more)


def noisy(images, level, seed):
    return np.clip(images + level * np.random.default_rng(seed).standard_normal(images.shape), 0, 1).astype(np.float32)


# A prior: independent draws


def test_the_published_rule_accuses_fresh_draws_and_the_test_does_not():
    """200 honest priors, N = 50: the paper's rule calls most of their draws memorized, the test accuses at its nominal rate."""
    ruled, accused, strongly = [], 0, 0
    for k in range(200):
        found = memorization(fields(30, 3 * k, 4.0), fields(50, 3 * k + 1, 4.0), fields(60, 3 * k + 2, 4.0), flips=())
        ruled.append(found.share_published)
        accused, strongly = accused + (found.p_value < 0.05), strongly + (found.p_value < 0.01)
    mine, null = np.mean(ruled, axis=0)
    assert mine > 0.5  # of draws that nobody can have memorized
    assert mine == pytest.approx(null, abs=0.02)
    assert stats.binomtest(accused, 200, 0.05, alternative="greater").pvalue > 0.01, accused
    assert stats.binomtest(strongly, 200, 0.01, alternative="greater").pvalue > 0.01, strongly


def test_honest_priors_are_accused_in_features_at_the_nominal_rate():
    accused = 0
    for k in range(30):
        found = memorization(fields(25, 3 * k), fields(50, 3 * k + 1), fields(50, 3 * k + 2), flips=(), space="features")
        accused += found.p_value < 0.05
    assert stats.binomtest(accused, 30, 0.05, alternative="greater").pvalue > 0.01, accused


@pytest.mark.parametrize("space", ["cells", "features"])
def test_a_prior_that_memorized_is_flagged(space):
    training = fields(50, 0)
    prior = gg.get_prior("mixture", examples=training, sigma=0.02, properties=["coarse_fraction"])
    drawn = np.clip(prior.sample(60, torch.Generator().manual_seed(0)).numpy(), 0, 1)
    found = memorization(drawn, training, fields(100, 1), flips=(), space=space)
    assert found.p_value < 1e-6
    assert found.share > (0.9 if space == "cells" else 0.5)
    alone = memorization(drawn, training, flips=(), space=space)
    assert alone.p_value < 1e-6
    assert alone.p_exchange == 1


def test_features_know_copies_that_were_shifted_and_mirrored():
    training, held_out = fields(60, 0, 1.2), fields(60, 1, 1.2)
    changed = np.roll(training[:40, :, :, ::-1], 5, axis=2)  # periodic fields: nothing leaves the box
    by_features = memorization(changed, training, held_out, space="features")
    assert by_features.p_value < 1e-4
    assert np.mean(by_features.nearest == np.arange(40)) > 0.6
    assert memorization(changed, training, held_out).p_value > 0.01


def test_whole_images_that_were_shifted_are_found_on_request():
    training, held_out = fields(60, 0), fields(40, 1)
    shifted = np.roll(training[:30], (1, -2), axis=(2, 3))
    found = memorization(shifted, training, held_out, shifts=True)
    assert found.p_value < 1e-6
    assert found.nearest.tolist() == list(range(30))


def test_boxes_of_larger_images_are_described_alike_on_both_sides():
    """Training and held-out images have as many boxes each, so that chance gives fresh boxes either as the nearest one."""
    noise = np.random.default_rng(0).standard_normal((90, 1, 24, 24, 4))
    large = np.clip(0.5 + 1.5 * ndimage.gaussian_filter(noise, (0, 0, 1.5, 1.5, 1), mode="wrap"), 0, 1).astype(np.float32)
    found = memorization(large[60:, :, 4:20, 4:20], large[:30], large[30:60], space="features")
    assert 0.25 < found.share_trained < 0.75
    assert found.p_value > 0.01
    assert found.left_out.shape == (30,)


# An ensemble: draws that depend on each other


def posterior(n, truth, images):
    """Draws of the posterior of a prior that knows only these images, of data at 30 cells of a truth."""
    cells = np.random.default_rng(5).permutation(np.argwhere(np.ones(BOX, bool)))[:30]
    data = gg.HardData(cells, truth[0][tuple(cells.T)], 0.1, "coarse_fraction")
    prior = gg.get_prior("mixture", examples=images, sigma=0.01, properties=["coarse_fraction"], cell_size=GRID.cell_size)
    constraints = gg.Constraints(GRID, data)
    return gg.invert(prior, constraints, gg.get_strategy("exact"), n=n, seed=0), constraints


def test_an_ensemble_that_is_a_look_up_says_so():
    training = fields(60, 0)
    made, constraints = posterior(40, fields(1, 7)[0], training)
    made = ensemble(np.clip(made.values, 0, 1))
    for unseen in (None, ensemble(fields(80, 2))):
        found = gg.diagnose(made, constraints, training=ensemble(training), unseen=unseen)
        assert found["memorization", "copies"].value == 1
        assert found["memorization", "lookup_modes"].value < 10
        assert any("look-up of training images: 100%" in verdict for verdict in found.verdicts)
    assert found["memorization", "lookup_p"].value < 0.05
    assert "look-up" not in str(gg.diagnose(made, constraints).verdicts)


def test_an_ensemble_that_repeats_a_few_images_is_close_to_them():
    training, unseen = fields(60, 0), fields(60, 1)
    made = np.concatenate([noisy(training[:40], 0.02, 2), fields(60, 3)])
    found = lookup(ensemble(made), ensemble(training), ensemble(unseen))
    assert found.p_value < 0.02
    assert not found.is_lookup
    assert found.copies == pytest.approx(0.4, abs=0.06)
    constraints = gg.Constraints(GRID, gg.HardData([[3, 3, 1]], [0.5], 0.5, "coarse_fraction"))
    told = gg.diagnose(ensemble(made), constraints, training=ensemble(training), unseen=ensemble(unseen)).verdicts
    assert any("memorized in part" in verdict for verdict in told)


def test_honest_posteriors_are_seldom_called_look_ups():
    """Draws around fresh truths, as alike as those of strong data: each ensemble has one truth that training never saw."""
    called, small = 0, 0
    for k in range(30):
        truth, others = fields(1, 4 * k), fields(20, 4 * k + 1)
        draws = np.clip(0.5 + 0.95 * (truth - 0.5) + 0.31 * (others - 0.5), 0, 1)  # the truth's own mean and variance
        found = lookup(ensemble(draws), ensemble(fields(60, 4 * k + 2)), ensemble(fields(60, 4 * k + 3)))
        called, small = called + (found.is_lookup or found.p_value < 0.02), small + (found.p_value < 0.1)
    assert called <= 3  # 2 % nominal: more have a probability below 0.003
    assert stats.binomtest(small, 30, 0.1, alternative="greater").pvalue > 0.01, small


def test_weights_facies_and_values_of_any_unit_count():
    images = fields(40, 0)
    grades = ensemble(100 + 30 * images, "porosity")
    weights = np.log(np.full(20, 1e-12))
    weights[3] = np.log(1 - 19e-12)
    mixed = np.concatenate([images[:10], fields(10, 1)])
    found = lookup(ensemble(100 + 30 * mixed, "porosity", log_weights=weights), grades)
    assert found.copies == 1
    assert found.cells.nearest.tolist() == [3] * 20
    facies = gg.Property("facies", codes={0: "mud", 1: "levee", 4: "sand"})
    coded = np.array([0, 1, 4])[np.digitize(images, [0.45, 0.6])].astype(np.float32)
    drawn = gg.Ensemble.from_values(GRID, [facies], coded[:10])
    assert lookup(drawn, gg.Ensemble.from_values(GRID, [facies], coded)).copies == 1
    with pytest.raises(GempyGanError, match=r"The training images hold porosity, and the ensemble 'facies'\. Expected"):
        lookup(drawn, grades)
    with pytest.raises(GempyGanError, match=r"by their 'colour'\. Expected one of: cells, features"):
        memorization(images, images, space="colour")


def test_realizations_count_by_their_weights_and_stay_in_order():
    images, weights = fields(5, 0), np.array([0.45, 0.05, 0.3, 0.0, 0.2])
    with np.errstate(divide="ignore"):
        weighted = ensemble(images, log_weights=np.log(weights))
    drawn, training = scaled_values(weighted, ensemble(images))
    source = np.array([int(np.flatnonzero((training == one).all(axis=(1, 2, 3)))[0]) for one in drawn])
    assert (np.abs(np.bincount(source, minlength=5) - 5 * weights) < 1).all()
    assert (np.diff(source) >= 0).all()
    alike, _ = scaled_values(ensemble(images), ensemble(images))
    np.testing.assert_array_equal(alike, training)


# Pictures


def test_the_picture_shows_the_image_that_was_copied():
    from gempy_gan import plot
    from gempy_gan.plot.copies import fitted

    large = np.random.default_rng(0).random((24, 30, 4)).astype(np.float32)
    box = large[5:17, ::-1][:, 7:23]
    np.testing.assert_array_equal(fitted(box, large, ("x", "y")), box)
    images = fields(20, 0)
    made = ensemble(np.concatenate([fields(3, 1), noisy(images[4:6], 0.02, 2)]))
    figure = plot.copies(made, ensemble(images), ensemble(fields(20, 3)), k=2)
    titles = [ax.get_title() for panel in figure.subfigs for ax in panel.axes]
    assert {"image 4", "image 5"} <= set(titles)
    assert sum(title.startswith(("3: ratio 0.", "4: ratio 0.")) for title in titles) == 2


# The command


def test_the_command_finds_the_images_and_warns(tmp_path):
    from gempy_gan.cli import main
    from gempy_gan.observations import write_constraints

    gg.write(ensemble(fields(50, 0)), tmp_path / "images.nc")
    prior = gg.get_prior("empirical", examples=str(tmp_path / "images.nc"))
    constraints = gg.Constraints(GRID, gg.HardData([[3, 3, 1]], [0.5], 0.05, "coarse_fraction"))
    made = gg.invert(prior, constraints, "look-up", n=10, seed=0)
    gg.write(made, tmp_path / "made.nc")
    write_constraints(constraints, tmp_path / "data.nc")
    files = [str(tmp_path / "made.nc"), str(tmp_path / "data.nc")]
    for option in (["--memorization"], ["--memorization", str(tmp_path / "images.nc")]):
        found = CliRunner().invoke(
            main, ["diagnose", *files, *option, "--json"] if len(option) > 1 else ["diagnose", *files, "--json", *option]
        )
        assert found.exit_code == 0, found.output
        record = json.loads(found.output)
        assert record["groups"]["memorization"]["copies"]["value"] == 1
        assert any(verdict.startswith("The posterior is a look-up") for verdict in record["verdicts"])
    (tmp_path / "images.nc").unlink()
    gone = CliRunner().invoke(main, ["diagnose", *files, "--memorization"])
    assert gone.exit_code == 1
    assert "which is not here" in gone.output
    assert CliRunner().invoke(main, ["diagnose", *files, "--unseen", "x.nc"]).exit_code == 2
