"""Checks of calibration: exact samplers pass, and those that are too narrow, biased, or deaf to their data do not."""

import numpy as np
import pytest
import torch
from gempy_gan_bench.calibration import ranks, reliability, scalars, tarp

import gempy_gan as gg

LEVELS = np.arange(1, 20) / 20
T, L = 200, 63


def rng(seed=0):
    return np.random.default_rng(seed)


# Ranks


def test_positions_of_draws_like_the_truth_are_uniform_even_where_they_tie():
    random = rng()
    for values in (random.random((6000, 8)), random.integers(0, 2, (6000, 8)), np.zeros((6000, 8))):
        found = [ranks.position(row[1:], row[0], random) for row in values]
        assert ranks.uniform_p(found) > 0.001


def test_positions_tell_where_the_truth_lies():
    draws = np.arange(9.0)
    assert 0.5 < ranks.position(draws, 4.5, rng()) < 0.6
    assert ranks.position(draws, -1, rng()) < 0.1
    assert ranks.position(draws, 10, rng()) > 0.9
    many = ranks.position(np.zeros((9, 5000)), np.zeros(5000), rng())
    assert abs(many.mean() - 0.5) < 0.02
    assert abs(many.std() - 12**-0.5) < 0.01


def test_holm_corrects_the_smallest_most_and_keeps_the_order():
    assert ranks.holm([0.2, 0.001, 0.9, 0.02]) == [0.4, 0.004, 0.9, 0.06]
    assert ranks.holm([0.04, 0.03]) == [0.06, 0.06]
    assert ranks.holm([]) == []


def test_the_band_holds_the_whole_curve_of_most_exact_samplers():
    low, high = ranks.band(T, LEVELS)
    random = rng(5)
    inside = [ranks.outside(ranks.expected_coverage(random.random(T), LEVELS), low, high) == 0 for _ in range(1000)]
    assert 0.93 < np.mean(inside) < 0.99
    narrower = ranks.band(T, LEVELS, 0.5)
    assert (narrower[1] - narrower[0] < high - low).all()


def gaussian(shift=0.0, spread=1.0, deaf=False, truths=T, d=6, seed=0):
    """Positions, TARP positions and intervals of truths and draws of a normal posterior N(data, 1), prior N(0, 3^2)."""
    random = rng(seed)
    found = []
    for _ in range(truths):
        truth = 3 * random.standard_normal(d)
        data = truth + random.standard_normal(d)
        mean, sd = data * 0.9, 0.9**0.5
        draws = mean + sd * (shift + spread * random.standard_normal((L, d)))
        draws = 3 * random.standard_normal((L, d)) if deaf else draws
        reference = data + random.standard_normal(d)
        where = ranks.position(draws, truth, random)
        found.append((where[0], tarp.tarp_position(draws, truth, reference, random), np.mean(np.abs(where - 0.5) <= 0.4)))
    return np.array(found).T


def verdict(ranked, around, inside):
    low, high = ranks.band(T, LEVELS)
    covered = abs(np.mean(inside) - 0.8) <= 0.04
    return ranks.uniform_p(ranked) > 0.01, ranks.outside(ranks.expected_coverage(around, LEVELS), low, high) == 0, covered


def test_an_exact_sampler_passes_and_wrong_ones_fail():
    assert verdict(*gaussian()) == (True, True, True)
    assert verdict(*gaussian(spread=0.6)) == (False, False, False)
    assert verdict(*gaussian(spread=1.8)) == (False, False, False)
    assert verdict(*gaussian(shift=0.7)) == (False, False, False)


def test_a_sampler_that_ignores_its_data_is_found_by_tarp_alone():
    assert verdict(*gaussian(deaf=True)) == (True, False, True)


def test_sbi_finds_the_same():
    """Ranks and coverage of another implementation, which asks a posterior for its draws."""
    import sbi.diagnostics as sbi

    random, n = rng(1), 128
    truth, draws, point = random.standard_normal((120, 3)), random.standard_normal((120, n, 3)), random.random((120, 3))

    class Stored:
        def sample_batched(self, shape, x, **_):
            return torch.as_tensor(draws).swapaxes(0, 1)

    given = torch.as_tensor(truth), torch.zeros(120, 1), Stored()
    theirs, _ = sbi.run_sbc(*given, n, show_progress_bar=False)
    ours = np.array([ranks.position(d, t, random) for d, t in zip(draws, truth, strict=True)])
    assert np.array_equal(np.floor(ours * (n + 1)), theirs.numpy())
    curve, levels = sbi.run_tarp(*given, torch.as_tensor(point), n, show_progress_bar=False, z_score_theta=False)
    around = [tarp.tarp_position(d, t, p, random) for d, t, p in zip(draws, truth, point, strict=True)]
    shares = np.floor(np.array(around) * (n + 1)) / n
    below = [(shares < level - 1e-6).mean() for level in levels[1:-1].tolist()]  # their bins are open above, but for the last
    assert np.allclose(curve[1:-1], below, atol=1e-6)


# Reliability


def test_probabilities_are_reliable_where_they_are_kept():
    random = rng()
    p = random.random((50, 400))
    exact = [reliability.binned(row, row) for row in p]
    honest = reliability.curve([reliability.binned(row, random.random(400) < row) for row in p], exact)
    sure = reliability.curve([reliability.binned(np.round(row), random.random(400) < row) for row in p], exact)
    assert len(honest) == 10
    assert sum(line["cells"] for line in honest) == p.size
    assert all(abs(line["probability"] - line["frequency"]) < 4 * line["error"] for line in honest)
    assert reliability.expected_error(honest) < 0.02
    assert reliability.expected_error(sure) > 0.15


def test_errors_of_reliability_count_truths_not_cells():
    random = rng()
    alike = [reliability.binned(np.full(400, 0.55), np.full(400, random.random() < 0.55)) for _ in range(50)]
    (line,) = reliability.curve(alike, alike)
    assert line["error"] == pytest.approx((0.55 * 0.45 / 50) ** 0.5, rel=0.1)
    assert reliability.curve(alike[:1], alike[:1])[0]["error"] is None


def test_few_draws_look_unreliable_just_as_an_exact_sampler_does():
    random = rng()
    found, ideals = [], []
    for _ in range(300):
        draws = random.random((9, 200)) < 0.5  # they scatter around one half, and the truth does not care
        truth, ideal = reliability.tables(draws, random.random(200) < 0.5)
        assert truth[0].sum() == pytest.approx(200)
        found.append(truth)
        ideals.append(ideal)
    lines = reliability.curve(found, ideals)
    assert max(abs(line["probability"] - line["frequency"]) for line in lines) > 0.3
    assert all(abs(line["exact"] - line["frequency"]) < 0.05 for line in lines if line["cells"] > 500)
    assert reliability.expected_error(lines) < 0.01


# Scalars


def test_scalars_of_a_known_box():
    values = np.zeros((1, 6, 5, 4))
    values[0, :2, 0, :2] = 0.9
    values[0, 5, 4, 3] = 0.8
    pool = rng().random((12, 6, 5, 4))
    found = scalars.scalars(values, scalars.Sand("sand", limit=0.5), scalars.Components.of(pool), (1, 0), np.array([-3.0]))
    assert list(found) == list(scalars.SCALARS)
    assert found["sand_fraction"][0] == 5 / 120
    assert found["connected_volume"][0] == 4 / 120
    assert found["thickness"][0] == 2
    assert found["fit"][0] == -3
    assert scalars.connected_volume(np.zeros((2, 3, 3, 3), dtype=bool)).tolist() == [0, 0]


def test_components_are_the_directions_in_which_realizations_vary_most():
    random = rng()
    pool = 1.0 + 5 * random.standard_normal((80, 1)) * np.repeat([1.0, 0.0], 12) + 0.1 * random.standard_normal((80, 24))
    along = scalars.Components.of(pool.reshape(80, 4, 3, 2))(pool.reshape(80, 4, 3, 2))
    assert np.abs(along.mean(axis=0)).max() < 1e-9
    assert along[:, 0].std() == pytest.approx(pool[:, :12].mean(axis=1).std() * 12**0.5, rel=0.01)
    assert along[:, 1].std() < 1


def test_what_counts_as_sand():
    pool = rng().random((5, 2, 2, 2))
    facies = gg.Property("facies", codes={0: "mud", 1: "sand", 2: "levee"})
    assert scalars.Sand.of(facies, pool).code == 2
    assert scalars.Sand.of(facies, pool, "sand")(np.array([0, 1, 2])).tolist() == [False, True, False]
    assert scalars.Sand.of(gg.Property("coarse_fraction"), pool).limit == 0.5
    assert scalars.Sand.of(gg.Property("porosity"), pool).limit == np.median(pool)
    assert scalars.Sand.of(gg.Property("porosity"), pool, limit=0.2).limit == 0.2
    with pytest.raises(gg.GempyGanError, match=r"no facies 'reef'\. Expected one of: mud, sand, levee"):
        scalars.Sand.of(facies, pool, "reef")
    with pytest.raises(gg.GempyGanError, match=r"'porosity' has no facies, and 'sand' was asked for"):
        scalars.Sand.of(gg.Property("porosity"), pool, "sand")
