"""Detectors of checkerboards and collapse: how often they fire where they should, and where they should not."""

import numpy as np
import pytest
from channels import blurred, gaussian, shuffled, thresholded, volumes

import gempy_gan as gg
from gempy_gan import scores
from gempy_gan.diagnostics import diagnose
from gempy_gan.metrics import validate
from gempy_gan.metrics.checkerboard import UNSEEN, checkerboard, excess, power
from gempy_gan.metrics.validation import TARGETS

X, Y = np.indices((32, 32))
PATTERNS = {  # of unit standard deviation
    "checkerboard": (-1.0) ** (X + Y),
    "stripes": (-1.0) ** X,
    "waves of 4": np.sqrt(2) * np.cos(np.pi / 2 * Y + 0.7),
    "blocks of 2": 2.0 * ((X // 2 + Y // 2) % 2) - 1,
    "comb of 8": np.where(X % 8 == 0, np.sqrt(7), -1 / np.sqrt(7)),
}
REPEATS = 100


@pytest.fixture(scope="module")
def pool():
    return volumes(240, 5)


def rate(pool, spoil, n=20):
    """How often n spoilt volumes miss the target against others of the pool, which stand for real ones."""
    made, real = (power(values[:, 0]) for values in (spoil(pool), pool))
    orders = [np.random.default_rng(seed).permutation(len(pool)) for seed in range(REPEATS)]
    found = [excess(made[k[:n]].mean(axis=0), real[k[n:]].mean(axis=0)).max() for k in orders]
    return np.mean(np.array(found) > TARGETS["checkerboard"].high)


def patterned(values, pattern, amplitude, where=None):
    added = amplitude * pattern[None, :, :, None]
    found = values.copy()
    found[:, 0] = np.clip(values[:, 0] + (added if where is None else added * where(values[:, 0])), 0, 1)
    return found


@pytest.mark.parametrize("pattern", PATTERNS)
def test_faint_grids_are_found(pool, pattern):
    assert rate(pool, lambda v: patterned(v, PATTERNS[pattern], 0.03)) >= 0.95
    assert rate(pool, lambda v: patterned(v, PATTERNS[pattern], 0.08, lambda fraction: fraction > 0.5)) >= 0.95


@pytest.mark.parametrize("spoil", [lambda v: v, blurred, thresholded, shuffled, lambda v: 0.5 * v, lambda v: blurred(v, 3.0)])
def test_volumes_without_a_grid_pass(pool, spoil):
    assert rate(pool, spoil) <= 0.05


def test_noise_and_fields_with_the_same_spectrum_pass(pool):
    rng = np.random.default_rng(0)
    noisy = pool[:40].copy()
    noisy[:, 0] = np.clip(noisy[:, 0] + rng.normal(0, 0.1, noisy[:, 0].shape), 0, 1)
    for spoilt in (noisy, gaussian(pool[:40])):
        assert validate(spoilt, pool[40:], figures=("checkerboard",))["checkerboard"].met


def test_what_real_volumes_have_themselves_does_not_count(pool):
    grids = [patterned(part, PATTERNS["checkerboard"], 0.1) for part in (pool[:40], pool[40:160], pool[160:])]
    assert validate(grids[0], grids[1], figures=("checkerboard",))["checkerboard"].met
    assert not validate(grids[2], pool[:120], figures=("checkerboard",))["checkerboard"].met


def test_the_note_names_the_grid(pool):
    times = pool[:40].copy()
    times[:, 1] += 0.05 * PATTERNS["waves of 4"][None, :, :, None]
    figure = validate(times, pool[40:], figures=("checkerboard",))["checkerboard"]
    assert not figure.met
    assert figure.note == "time, along y, grid of 4 cells"
    assert not validate(times[:, :1], pool[40:, :1], figures=("checkerboard",))["checkerboard"].note.startswith("time")


def test_power_is_that_of_white_noise_and_of_a_wave():
    noise = np.random.default_rng(0).normal(0, 0.3, (4, 48, 40, 20))
    np.testing.assert_allclose(power(noise).mean(axis=0), 0.09, rtol=0.05)
    found = power(np.broadcast_to(np.cos(np.pi * np.arange(32.0))[:, None, None], (1, 32, 20, 2)) + 5.0)[0]
    assert found[5] == pytest.approx(32 * 2 / 3, rel=0.05)  # of the window: (sum w)^2 / sum w^2
    np.testing.assert_allclose(found[6:], 0, atol=1e-8)
    assert found[0] < 1e-4


def test_excess_is_what_stands_out_of_the_neighbours_in_units_of_real_power():
    real = np.full(12, 4.0)
    made = real.copy()
    made[5] = 10.0
    np.testing.assert_allclose(excess(made, real), [0, 0, 1.5, 0, 0, 0], atol=1e-5)
    np.testing.assert_allclose(excess(7 * real, real), 0, atol=1e-5)
    np.testing.assert_allclose(excess(np.zeros(12), real), 0, atol=1e-5)
    assert excess(real * UNSEEN**2 / 100, real * UNSEEN**2 / 1000).max() < 0.1


def test_a_property_of_any_unit_is_scaled_by_its_range(pool):
    board = patterned(pool[:40], PATTERNS["checkerboard"], 0.05)[:, 0]
    real = pool[40:, 0]
    assert checkerboard(3000 * board, 3000 * real) == pytest.approx(checkerboard(board, real), rel=1e-4)
    assert np.isnan(checkerboard(real[:, :8], real[:, :8]))
    assert np.isnan(checkerboard(real, np.ones_like(real)))


def test_boxes_too_small_for_a_spectrum_have_no_figure(pool):
    assert validate(pool[:4, :, :12], pool[4:20, :, :12], figures=("checkerboard", "histogram")).figures[0].key == "histogram"


# Collapse


@pytest.mark.parametrize("groups", [1, 3, 10])
def test_the_vendi_score_counts_equal_groups(groups):
    place = np.arange(30) % groups
    apart = np.abs(np.subtract.outer(place, place)).astype(float)
    assert scores.vendi_score(apart, 0.01) == pytest.approx(groups)


def test_weights_count_in_the_vendi_score():
    far = 9.0 * (1 - np.eye(4))
    assert scores.vendi_score(far, 1.0, [0.5, 0.5, 0, 0]) == pytest.approx(2)
    assert scores.vendi_score(np.zeros((5, 5)), 0.0) == pytest.approx(1)


def test_a_generator_of_ten_pictures_is_caught(pool):
    few = pool[:60].copy()
    few[10:] = np.tile(few[:10], (5, 1, 1, 1, 1))
    few[:, 0] = np.clip(few[:, 0] + np.random.default_rng(0).normal(0, 0.01, few[:, 0].shape), 0, 1)
    found = validate(few, pool[60:], figures=("collapse", "diversity"))
    assert found["effective_number"].value == pytest.approx(10 / 60, rel=0.2)
    assert not found["effective_number"].met
    assert found["diversity"].value > 0.85  # where ten pictures hardly show
    assert validate(pool[:60], pool[60:], figures=("collapse",))["effective_number"].met


# In the diagnosis of an ensemble

GRID = gg.Grid((0, 1600, 0, 1600, 0, 8), (32, 32, 8))


def an_ensemble(values):
    return gg.Ensemble.from_values(GRID, ["coarse_fraction"], values[:, :1])


def test_a_diagnosis_sees_the_grid_of_a_spoilt_decoder(pool):
    data = gg.Constraints(GRID, gg.HardData([[4, 4, 4]], [0.5], 0.1, "coarse_fraction"))
    baseline = an_ensemble(pool[40:])
    clean = diagnose(an_ensemble(pool[:40]), data, baseline=baseline)
    spoilt = diagnose(an_ensemble(patterned(pool[:40], PATTERNS["blocks of 2"], 0.1)), data, baseline=baseline)
    group = "spread: coarse_fraction"
    assert clean[group, "checkerboard"].value < 0.5 < 1 < spoilt[group, "checkerboard"].value
    assert not any("grid of cells" in verdict for verdict in clean.verdicts)
    assert any("spread: coarse_fraction: a grid of cells shows through" in verdict for verdict in spoilt.verdicts)


def test_a_diagnosis_counts_realizations_that_hardly_differ(pool):
    data = gg.Constraints(GRID, gg.HardData([[4, 4, 4]], [0.5], 0.1, "coarse_fraction"))
    baseline = an_ensemble(pool[40:])
    clean = diagnose(an_ensemble(pool[:40]), data, baseline=baseline)
    assert clean["sampling", "effective_number"].value == pytest.approx(40, rel=0.05)
    noise = np.random.default_rng(0).normal(0, 0.02, (40, 1, *GRID.resolution))
    same = diagnose(an_ensemble(pool[:1, :1] + noise), data, baseline=baseline)
    assert same["sampling", "distinct"].value == 40
    assert same["sampling", "effective_number"].value < 8
    assert any("hardly differ" in verdict for verdict in same.verdicts)
    assert not any("hardly differ" in verdict for verdict in clean.verdicts)
