"""Copies of training images are found, and fresh draws are not accused."""

import numpy as np
import pytest
from scipy import ndimage, stats

import gempy_gan as gg
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.metrics import Volumes, memorization
from gempy_gan.metrics.memorization import ratio


def fields(n, rng, smooth=1.0):
    """Smooth random fields (n, 1, 8, 8, 4), the truth that training images and held-out volumes are drawn from."""
    noise = rng.standard_normal((n, 1, 8, 8, 4))
    return 0.5 + 0.1 * ndimage.gaussian_filter(noise, (0, 0, smooth, smooth, 0.5), mode="wrap").astype(np.float32)


LARGE, BOX = (72, 72, 4), (24, 24, 4)


def large(n, rng):
    """Larger volumes (n, 1, 72, 72, 4), as boxes to learn from are cut out of."""
    noise = rng.standard_normal((n, 1, *LARGE), dtype=np.float32)
    return 0.5 + 0.5 * ndimage.gaussian_filter(noise, (0, 0, 2, 2, 0.5), mode="wrap")


def boxes(volumes, seed):
    """A box (n, 1, 24, 24, 4) from anywhere in each volume."""
    return Volumes.of(volumes, seed=seed, box=BOX).fraction[:, None]


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
    with pytest.raises(GridError, match="held-out volumes 4 x 8 x 4"):
        memorization(fields(4, rng), fields(5, rng), fields(4, rng)[:, :, :4])


# Boxes cut out of larger training images


def test_copies_from_anywhere_in_a_training_image_are_found(rng):
    training, held_out = large(60, rng), large(40, rng)
    found = memorization(noisy(boxes(training[:30], seed=5), rng), training, held_out)
    assert found.p_value < 1e-6
    assert found.share == 1
    assert found.p_exchange == 0.001
    assert found.nearest.tolist() == list(range(30))
    mirrored = memorization(boxes(training[:30], seed=5)[:, :, :, ::-1], training, held_out)
    assert mirrored.nearest.tolist() == list(range(30))
    few = np.concatenate([boxes(training[:10], seed=5), boxes(large(90, rng), seed=6)])
    assert memorization(few, training, large(100, rng)).p_value < 0.05


def test_boxes_from_volumes_that_were_not_trained_on_are_accused_in_at_most_one_case_of_twenty(rng):
    close, exchanged = 0, 0
    for _ in range(40):
        training, held_out, fresh = large(20, rng), large(15, rng), boxes(large(15, rng), seed=5)
        found = memorization(fresh, training, held_out)
        close, exchanged = close + (found.p_value < 0.05), exchanged + (found.p_exchange < 0.05)
    for accused in (close, exchanged):
        assert stats.binomtest(accused, 40, 0.05, alternative="greater").pvalue > 0.01, accused


def test_a_training_image_is_not_its_own_neighbour(rng):
    training = large(20, rng)
    found = memorization(boxes(large(15, rng), seed=5), training, large(15, rng))
    assert found.images == 20
    assert len(found.left_out) == 20
    assert found.left_out.min() > 0.5


def test_held_out_volumes_that_were_trained_on_are_known_whatever_box_is_cut(rng):
    training, fresh = large(6, rng), boxes(large(4, rng), seed=5)
    with pytest.raises(GempyGanError, match="2 of the 4 held-out volumes are training images"):
        memorization(fresh, training, np.concatenate([large(2, rng), training[:2]]))
    with pytest.raises(GridError, match="found the more easily the larger"):
        memorization(fresh, training, boxes(large(4, rng), seed=6))
    with pytest.raises(GridError, match="equal in z"):
        memorization(fresh[..., :3], training, large(4, rng))
