import numpy as np
import pytest
from gempy_gan_fluvial.centreline import (
    GAMMA,
    LOOP,
    NECK,
    OMEGA,
    SPACING,
    advance,
    curvature,
    cut_off,
    grow,
    memory,
    migrate,
    resample,
)
from gempy_gan_fluvial.measures import bends_of, inflections

WIDTH = 200.0
NO_CHUTES = (0.0, 1e9)


def wave(length: float, amplitude: float, wavelengths: int = 6, spacing: float = 100.0) -> tuple[np.ndarray, np.ndarray, float]:
    x = np.linspace(0, wavelengths * length, 5000)
    return resample(x, amplitude * np.sin(2 * np.pi * x / length), spacing)


def soft(x: np.ndarray) -> np.ndarray:
    return np.zeros((x.size, 2))


def test_resampling_keeps_the_ends_and_spaces_nodes_evenly():
    x, y, spacing = wave(2000.0, 300.0)
    assert (x[0], x[-1], y[0]) == (0.0, 12000.0, 0.0)
    np.testing.assert_allclose(np.hypot(np.diff(x), np.diff(y)), spacing, rtol=0.01)


def test_the_curvature_of_a_circle_to_the_left_is_one_over_its_radius():
    angle = np.linspace(0, np.pi, 200)
    bends = curvature(500 * np.cos(angle), 500 * np.sin(angle))
    np.testing.assert_allclose(bends[3:-3], 1 / 500, rtol=1e-3)


def test_migration_is_the_weighted_upstream_curvature_of_howard_and_knutson():
    x, y, spacing = wave(2000.0, 300.0, wavelengths=3, spacing=10.0)
    decay, rate = memory(10.0), 0.05
    bends = curvature(x, y) * WIDTH
    upstream = [np.exp(-decay * spacing / WIDTH * np.arange(i + 1))[::-1] for i in range(x.size)]
    expected = [OMEGA * bends[i] + GAMMA * np.average(bends[: i + 1], weights=w) for i, w in enumerate(upstream)]
    length = spacing * (x.size - 1) / np.hypot(x[-1] - x[0], y[-1] - y[0])
    expected = rate * length ** (-2 / 3) * np.array(expected)
    moved = migrate(x, y, spacing, WIDTH, rate, decay, soft(x))
    inner = slice(4, -4)
    tangent = np.stack([x[2:] - x[:-2], y[2:] - y[:-2]])
    tangent /= np.linalg.norm(tangent, axis=0)
    to_the_right = (moved[0] - x)[1:-1] * tangent[1] - (moved[1] - y)[1:-1] * tangent[0]
    np.testing.assert_allclose(to_the_right[inner] / WIDTH, expected[1:-1][inner], atol=2e-4)  # nodes are smoothed a little
    assert moved[2] == pytest.approx(np.abs(expected[:-1]).mean(), rel=0.02)


def test_a_straight_river_stays_where_it_is():
    x, y, spacing = resample(np.array([0.0, 9000.0]), np.array([0.0, 0.0]), SPACING * WIDTH)
    new_x, new_y, moved = migrate(x, y, spacing, WIDTH, 0.2, memory(10.0), soft(x))
    assert moved == 0
    np.testing.assert_allclose(new_x, x)
    assert not new_y.any()


@pytest.mark.parametrize("wavelength", [8.0, 12.0])
def test_bends_of_the_wavelength_that_is_asked_for_grow_fastest(wavelength):
    def growth(widths: float) -> float:
        x, y, spacing = wave(widths * WIDTH, 0.001 * WIDTH, wavelengths=9, spacing=0.04 * WIDTH)
        middle = slice(x.size // 3, -x.size // 3)
        moved = migrate(x, y, spacing, WIDTH, 0.1, memory(wavelength), soft(x))[1]
        return float(np.std(moved[middle]) / np.std(y[middle]))

    tried = wavelength * np.array([0.6, 0.8, 1.0, 1.3, 1.8])
    assert max(tried, key=growth) == wavelength


def test_a_hard_bank_slows_the_river_down():
    x, y, spacing = wave(2000.0, 300.0)
    free = migrate(x, y, spacing, WIDTH, 0.1, memory(10.0), soft(x))[2]
    held = migrate(x, y, spacing, WIDTH, 0.1, memory(10.0), soft(x) + 0.75)[2]
    assert held == pytest.approx(free / 4)


def loop(neck: float) -> tuple[np.ndarray, np.ndarray, float]:
    """A river that runs east, north, around a circle and back south, its parallel limbs `neck` widths apart."""
    radius, half = 6 * WIDTH, neck * WIDTH / 2
    angle = np.arcsin(half / radius)
    turn = np.linspace(-np.pi + angle, np.pi - angle, 400)
    x = np.r_[-9000, -half, radius * np.sin(turn), half, 9000]
    y = np.r_[0, 0, radius * np.cos(turn) + 10 * WIDTH, 0, 0]
    return resample(x, y, SPACING * WIDTH)


@pytest.mark.parametrize(("neck", "expected"), [(0.8 * NECK, 1), (1.2 * NECK, 0)])
def test_a_neck_is_cut_off_when_its_limbs_meet(neck, expected):
    x, y, spacing = loop(neck)
    new_x, new_y, cut = cut_off(x, y, spacing, WIDTH, *NO_CHUTES)
    assert cut == expected
    assert (bends_of(new_x, new_y, WIDTH)[0] < 1.2) == bool(expected)


@pytest.mark.parametrize(("reach", "shortening", "cuts"), [(4.0, 6.0, True), (4.0, 20.0, False), (2.5, 6.0, False)])
def test_a_chute_cuts_off_what_shortens_the_way_enough(reach, shortening, cuts):
    x, y, spacing = loop(3.0)
    new_x, _, cut = cut_off(x, y, spacing, WIDTH, reach, shortening)
    assert (cut > 0) == cuts
    assert (new_x.size < x.size) == cuts


def first_pair(x, y, spacing, reach, shortening):
    """The nodes between which the river is cut off first, by looking at all pairs."""
    for i in range(x.size):
        for j in range(x.size - 1, i + LOOP, -1):
            across = np.hypot(x[j] - x[i], y[j] - y[i])
            if across < NECK * WIDTH or (across < reach * WIDTH and (j - i) * spacing > shortening * across):
                return i, j
    return None


@pytest.mark.parametrize("shortening", [0.8, 1.0, 1.1, 2.0, 5.0, 1e9])
def test_no_cutoff_is_jumped_over(shortening):
    rng = np.random.default_rng(3)
    for amplitude in np.linspace(0.2, 2.3, 30):  # sine-generated curves, from gentle bends to necks
        angle = amplitude * np.sin(np.arange(150) / 5 + rng.random()) + rng.normal(0, 0.1, 150)
        x, y, spacing = resample(np.cumsum(np.cos(angle)) * 110, np.cumsum(np.sin(angle)) * 110, SPACING * WIDTH)
        expected = first_pair(x, y, spacing, 8.0, shortening)
        kept, _, cut = cut_off(x, y, spacing, WIDTH, 8.0, shortening)
        assert (cut > 0) == (expected is not None)
        if expected:
            i, j = expected
            assert (kept[: i + 2] == [*x[: i + 1], x[j]]).all()
    assert expected


def test_growing_makes_a_course_more_sinuous_until_chutes_stop_it():
    rng = np.random.default_rng(0)
    x = np.arange(0, 12000.0, 150.0)
    y = rng.normal(0, 20, x.size)
    free, stopped = (
        [bends_of(*grow(x, y, WIDTH, 0.45, memory(9.0), *chute, steps)[:2], WIDTH)[0] for steps in (1, 40, 120)]
        for chute in ((0.0, 1e9), (8.0, 2.0))
    )
    assert free[0] < 1.1 < free[1] < free[2]
    assert stopped[2] < 1.7 < free[2]


def test_a_step_leaves_no_crossing_and_keeps_the_spacing():
    x, y, spacing = loop(1.6)
    for _ in range(30):
        x, y, spacing, _, _ = advance(x, y, spacing, WIDTH, 0.3, memory(9.0), *NO_CHUTES, soft(x))
    i, j = np.triu_indices(x.size, 12)
    assert np.hypot(x[i] - x[j], y[i] - y[j]).min() > 0.9 * NECK * WIDTH
    assert SPACING * WIDTH <= spacing < 1.1 * SPACING * WIDTH


def test_bends_are_measured_as_on_a_map():
    x, y, _ = wave(2200.0, 500.0, wavelengths=9)
    sinuosity, wavelength = bends_of(x, y, WIDTH)
    assert wavelength == pytest.approx(11.0, rel=0.03)
    assert sinuosity == pytest.approx(np.hypot(np.diff(x), np.diff(y)).sum() / 9 / 2200, rel=1e-3)
    assert inflections(curvature(x, y) * WIDTH).size == 17
    assert np.isnan(bends_of(np.array([0.0, 100, 200]), np.zeros(3), WIDTH)[1])
