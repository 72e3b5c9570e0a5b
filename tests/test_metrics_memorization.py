"""Copies of training images are found, and fresh draws are not accused."""

import numpy as np
import pytest
from scipy import ndimage, stats

import gempy_gan as gg
from gempy_gan.errors import GempyGanError
from gempy_gan.metrics import memorization
from gempy_gan.metrics.memorization import ratio


def fields(n, rng, smooth=1.0):
    """Smooth random fields (n, 1, 8, 8, 4), the truth that training images and held-out volumes are drawn from."""
    noise = rng.standard_normal((n, 1, 8, 8, 4))
    return 0.5 + 0.1 * ndimage.gaussian_filter(noise, (0, 0, smooth, smooth, 0.5), mode="wrap").astype(np.float32)


def noisy(images, rng, level=0.1):
    return images + level * images.std() * rng.standard_normal(images.shape).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_fresh_draws_are_accused_in_at_most_one_case_of_twenty(rng):
    accused = 0
    for _ in range(200):
        training, held_out, fresh = fields(60, rng), fields(40, rng), fields(30, rng)
        accused += memorization(fresh, training, held_out).p_value < 0.05
    assert stats.binomtest(accused, 200, 0.05, alternative="greater").pvalue > 0.01, accused


def test_copies_are_found(rng):
    training = fields(60, rng)
    found = memorization(noisy(training[:30], rng), training, fields(40, rng))
    assert found.p_value < 1e-6
    assert found.share == 1
    assert found.share_trained == 1
    assert found.p_exchange == 0.001
    assert found.nearest.tolist() == list(range(30))


def test_a_few_copies_among_fresh_draws_are_found(rng):
    training = fields(60, rng)
    mixed = np.concatenate([noisy(training[:10], rng), fields(90, rng)])
    found = memorization(mixed, training, fields(100, rng))
    assert found.p_value < 0.05
    assert 0.08 < found.share < 0.25


def test_blends_of_two_images_are_found(rng):
    training = fields(60, rng)
    blends = 0.85 * training[:30] + 0.15 * training[30:]
    assert memorization(blends, training, fields(40, rng)).p_value < 1e-6


def test_blurred_draws_are_not_mistaken_for_copies(rng):
    training, held_out = fields(80, rng), fields(80, rng)
    blurred = ndimage.gaussian_filter(fields(60, rng), (0, 0, 1, 1, 0))
    found = memorization(blurred, training, held_out)
    assert found.p_value < 0.05  # smooth volumes have small ratios
    assert found.p_exchange > 0.05  # but training images are no closer to them than others
    assert memorization(0.7 * training[:60] + 0.3 * blurred, training, held_out).p_exchange < 0.01


def test_the_exchange_test_accuses_one_fresh_blurred_prior_of_twenty(rng):
    accused = 0
    for _ in range(100):
        training, held_out = fields(40, rng), fields(30, rng)
        accused += memorization(fields(30, rng, smooth=1.5), training, held_out).p_exchange < 0.05
    assert stats.binomtest(accused, 100, 0.05, alternative="greater").pvalue > 0.01, accused


@pytest.mark.parametrize("axis", ["x", "y"])
def test_mirrored_copies_are_found_where_mirrors_are_stated(rng, axis):
    training, held_out = fields(60, rng), fields(40, rng)
    mirrored = np.flip(noisy(training[:30], rng), "xy".index(axis) + 2)
    assert memorization(mirrored, training, held_out, flips=(axis,)).p_value < 1e-6
    assert memorization(mirrored, training, held_out, flips=("x", "y")).p_value < 1e-6
    found = memorization(mirrored, training, held_out, flips=())
    assert found.share < 0.5
    assert found.nearest.tolist() != list(range(30))


def test_the_nulls_agree_where_nothing_was_trained(rng):
    found = memorization(fields(60, rng), fields(60, rng), fields(60, rng))
    medians = [np.median(r) for r in (found.generated, found.held_out, found.left_out)]
    assert np.ptp(medians) < 0.05
    p_value, share, neighbours = found.figures()
    assert p_value.met
    assert neighbours.met
    assert share.met is None
    assert "training left out" in p_value.meaning


def test_a_training_set_of_one_image_over_and_over_has_no_ratio_below_one():
    assert ratio(np.zeros((2, 5))).tolist() == [1, 1]


def test_ensembles_are_read_a_few_at_a_time_and_give_the_same(rng, monkeypatch):
    volumes = [fields(n, rng) for n in (12, 150, 20)]
    grid = gg.Grid((0, 8, 0, 8, 0, 4), (8, 8, 4))
    ensembles = [gg.Ensemble.from_values(grid, ["coarse_fraction"], v) for v in volumes]
    found, expected = memorization(*ensembles), memorization(*volumes)
    np.testing.assert_array_equal(found.generated, expected.generated)
    np.testing.assert_array_equal(found.neighbours, expected.neighbours)
    distance = np.sqrt(np.square(volumes[0][:, None] - volumes[1]).mean(axis=(2, 3, 4, 5)))
    flipped = np.sqrt(np.square(volumes[0][:, None, :, :, ::-1] - volumes[1]).mean(axis=(2, 3, 4, 5)))
    np.testing.assert_allclose(expected.generated, ratio(np.minimum(distance, flipped)), rtol=1e-4)  # all cells of a small box


def test_volumes_that_do_not_fit(rng):
    training = fields(5, rng)
    with pytest.raises(GempyGanError, match="2 of the 4 held-out volumes are training images"):
        memorization(fields(4, rng), training, np.concatenate([fields(2, rng), training[:2]]))
    with pytest.raises(GempyGanError, match="Expected at least 3"):
        memorization(fields(4, rng), fields(2, rng), fields(4, rng))
    with pytest.raises(GempyGanError, match=r"held-out volumes have \(4, 8, 4\) cells"):
        memorization(fields(4, rng), fields(5, rng), fields(4, rng)[:, :, :4])
