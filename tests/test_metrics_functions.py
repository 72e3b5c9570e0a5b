"""Each metric against cases whose answer is known."""

import numpy as np
import pytest
from channels import blurred, channel, volumes
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from gempy_gan.errors import GempyGanError
from gempy_gan.metrics import Volumes, ms_swd, swd
from gempy_gan.metrics.bodies import counts, shapes
from gempy_gan.metrics.connectivity import connectivity
from gempy_gan.metrics.histograms import area, cumulative
from gempy_gan.metrics.patterns import histograms, jensen_shannon
from gempy_gan.metrics.superposition import in_order
from gempy_gan.metrics.variograms import axis_of, error, variograms

BOXES = hnp.arrays(np.float32, (2, 6, 5, 4), elements=st.floats(0, 1, width=32))


def pairs(values, axis, lag):
    """Both cells of every pair at a lag along an axis of a volume."""
    moved = np.moveaxis(values, axis, 0)
    return moved[lag:], moved[:-lag]


# Variograms


@settings(max_examples=25, deadline=None)
@given(BOXES)
def test_the_variogram_is_half_the_mean_squared_difference_of_all_pairs(values):
    lags = [(axis, lag) for axis, size in enumerate(values.shape[1:]) for lag in range(1, size // 2 + 1)]
    expected = [[0.5 * np.square(np.subtract(*pairs(v.astype(float), *at))).mean() for at in lags] for v in values]
    np.testing.assert_allclose(variograms(values), expected, atol=2e-7)


def test_volumes_stay_as_they_are():
    found = Volumes.of(volumes(2, 0))
    before = found.fraction.copy()
    variograms(found.fraction)
    assert (found.fraction == before).all()
    with pytest.raises(ValueError, match="read-only"):
        found.fraction[0] = 0


def test_the_variogram_of_a_ramp_grows_with_the_square_of_the_lag():
    ramp = np.broadcast_to(np.arange(10.0)[:, None, None], (1, 10, 6, 4))
    found = variograms(ramp)[0]
    np.testing.assert_allclose(found[:5], 0.5 * np.arange(1, 6) ** 2, rtol=1e-6)
    np.testing.assert_allclose(found[5:], 0, atol=1e-6)


def test_the_variogram_of_moving_averages_is_the_one_derived_for_them():
    noise = np.random.default_rng(0).standard_normal((4, 130, 60, 60))
    field = noise[:, 2:] + noise[:, 1:-1] + noise[:, :-2]  # variance 3, covariance 2 and 1 at lags 1 and 2
    np.testing.assert_allclose(variograms(field).mean(axis=0)[:5], [1, 2, 3, 3, 3], rtol=0.01)


def test_the_error_weighs_axes_alike_however_many_lags_they_have():
    axes = axis_of((8, 4, 2))
    assert axes.tolist() == [0, 0, 0, 0, 1, 1, 2]
    assert error(np.zeros((1, 7)), np.array([[0, 0, 0, 0, 0, 0, 3.0]]), axes).tolist() == [1.0]


# Connectivity


def test_stripes_connect_along_themselves_and_not_across():
    coarse = np.zeros((1, 12, 10, 4), dtype=np.float32)
    coarse[:, [0, 1, 4, 5, 8, 9]] = 1  # stripes along y of two cells, two cells apart
    found = connectivity(Volumes(coarse).bodies)[0]
    np.testing.assert_array_equal(found[:6], [1, np.nan, 0, 0, 0, np.nan])
    np.testing.assert_array_equal(found[6:], 1)


def test_a_handful_of_pairs_is_left_out():
    coarse = np.zeros((1, 12, 10, 4), dtype=np.float32)
    coarse[:, 0:2, 0] = 1  # 4 pairs of neighbours
    assert np.isnan(connectivity(Volumes(coarse).bodies)).all()
    assert connectivity(Volumes(coarse).bodies, least=4)[0, 0] == 1


@settings(max_examples=25, deadline=None)
@given(BOXES)
def test_connectivity_is_the_share_of_coarse_pairs_in_one_body(values):
    bodies = Volumes(values).bodies
    for labels, found in zip(bodies, connectivity(bodies, least=1), strict=True):
        places = [(axis, lag) for axis, size in enumerate(labels.shape) for lag in range(1, size // 2 + 1)]
        for at, share in zip(places, found, strict=True):
            a, b = pairs(labels, *at)
            both = (a > 0) & (b > 0)
            expected = (a == b)[both].mean() if both.any() else np.nan
            np.testing.assert_allclose(share, expected)


# Histograms and patterns


def test_the_area_between_distribution_functions_is_scipys_wasserstein_distance():
    rng = np.random.default_rng(0)
    a, b = rng.beta(2, 3, 4000), rng.beta(3, 2, 4000)
    found = area(cumulative(a[None]), cumulative(b[None])).item()
    assert found == pytest.approx(wasserstein_distance(a, b), abs=1 / 256 / 10)


def test_patterns_of_a_checkerboard_are_two():
    board = np.indices((8, 8, 4)).sum(axis=0)[None] % 2 == 0
    for cells in ((2, 2, 2), (4, 4, 1)):
        found = histograms(board, cells)[0]
        assert np.count_nonzero(found) == 2
        assert found.sum() == pytest.approx(1)
        assert found.max() - found.min() <= 0.5 + 0.02
    wide = histograms(board, (2, 2, 1), step=2)[0]  # every second cell of a checkerboard has one colour
    assert np.flatnonzero(wide).tolist() == [0, 15]


@given(hnp.arrays(float, (2, 8), elements=st.floats(0, 1, allow_subnormal=False)).filter(lambda a: (a.sum(axis=1) > 0.1).all()))
def test_jensen_shannon_is_scipys(weights):
    p, q = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(jensen_shannon(p[None], q[None]), jensenshannon(p, q, base=2), atol=1e-7)


# Bodies


def test_boxes_are_counted_and_measured():
    coarse = np.zeros((2, 20, 20, 8), dtype=np.float32)
    coarse[0, 1:4, 1:4, 1:4] = 1  # 27 cells
    coarse[0, 6:9, 6:9, 1:2] = 1  # 9 cells, touching the next only at an edge
    coarse[0, 9:12, 9:12, 1:2] = 1
    assert counts(Volumes(coarse).bodies)[0].tolist() == [3, 1, 27 / 45]
    assert counts(Volumes(coarse).bodies)[1, :2].tolist() == [0, 0]
    assert np.isnan(shapes(Volumes(coarse).layer_bodies)[1]).all()


def drawn(**options):
    shape = options.pop("shape", (160, 64))
    return np.repeat((channel(shape, **options) < 0)[None, :, :, None], 2, axis=3).astype(np.float32)


@pytest.mark.parametrize("width", [3.0, 5.0, 8.0, 12.0])
@pytest.mark.parametrize("amplitude", [0.0, 6.0, 12.0])
def test_width_is_that_of_drawn_channels(width, amplitude):
    found = shapes(Volumes(drawn(width=width, wavelength=80.0, amplitude=amplitude, centre=32.3)).layer_bodies)[0, 0]
    assert found == pytest.approx(width, rel=0.1, abs=0.5)


@pytest.mark.parametrize("amplitude", [0.0, 8.0, 12.0, 18.0])
def test_sinuosity_is_that_of_drawn_channels(amplitude):
    x = np.linspace(0, 160, 10_001)
    length = np.hypot(np.diff(x), np.diff(amplitude * np.sin(2 * np.pi * x / 40))).sum()
    found = shapes(Volumes(drawn(width=4.0, wavelength=40.0, amplitude=amplitude)).layer_bodies)[0, 1]
    assert found == pytest.approx(length / 160, rel=0.1)


def test_a_turned_channel_is_as_wide_and_winding():
    straight = drawn(shape=(96, 96), width=6.0, wavelength=48.0, amplitude=6.0)
    turned = np.stack([ndimage.rotate(v, 30, reshape=False, order=1) > 0.5 for v in straight[..., 0]])[..., None]
    a, b = (shapes(Volumes(v.astype(np.float32)).layer_bodies)[0] for v in (straight, turned))
    np.testing.assert_allclose(a, b, rtol=0.1)


def test_a_layer_without_edges_is_as_wide_as_the_box():
    width, _ = shapes(Volumes(np.ones((1, 24, 16, 2), dtype=np.float32)).layer_bodies)[0]
    assert width == pytest.approx(24)


def test_order_of_times():
    time = np.array([[[[0.0, 1.0, 1.0, 0.5]]]])
    assert in_order(np.diff(time, axis=3)).tolist() == [2 / 3]
    assert in_order(np.diff(time, axis=3), strictly=True).tolist() == [1 / 3]


# Sliced Wasserstein distance


def test_a_pyramid_adds_up_to_the_volume_it_came_from():
    values = volumes(2, 0)
    levels = swd.pyramid(values)
    assert [level.shape[2:] for level in levels] == [(32, 32, 8), (16, 16, 4), (8, 8, 4)]  # 2 layers would hold no patch
    assert [level.shape[2:] for level in swd.pyramid(np.zeros((1, 1, 64, 64, 16)))] == [(64, 64, 16), (32, 32, 8), (16, 16, 4)]
    flat = swd.pyramid(np.full((1, 1, 32, 32, 16), 0.3))
    assert np.abs(flat[0]).max() < 1e-6
    np.testing.assert_allclose(flat[2], 0.3, atol=1e-6)


def test_swd_is_zero_for_the_same_and_grows_with_blur():
    a = volumes(8, 1)
    assert ms_swd(a, a.copy(), repeats=1) < ms_swd(a, volumes(8, 2), repeats=1)
    blur = [ms_swd(a, blurred(a, sigma), repeats=1) for sigma in (0.5, 1.0, 2.0)]
    assert sorted(blur) == blur
    assert blur[0] > ms_swd(a, a.copy(), repeats=1)
    assert ms_swd(a, blurred(a), seed=3, repeats=1) == ms_swd(a, blurred(a), seed=3, repeats=1)


def test_swd_does_not_see_contrast():
    a, b = volumes(4, 1), volumes(4, 2)
    assert ms_swd(a, b, repeats=1) == pytest.approx(ms_swd(a, 0.1 + 0.5 * b, repeats=1), rel=1e-3)


def test_swd_of_sets_that_do_not_fit():
    with pytest.raises(GempyGanError, match="Expected twice the same"):
        ms_swd(volumes(2, 0), volumes(3, 0))


def test_boxes_smaller_than_a_patch():
    a, b = (np.random.default_rng(k).random((2, 1, 5, 4, 2)) for k in range(2))
    assert 0 < ms_swd(a, b, repeats=1) < 1
