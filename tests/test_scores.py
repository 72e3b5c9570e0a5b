import numpy as np
import pytest
from scipy import integrate, stats

from gempy_gan import scores


def mixture_crps(draws, weights, std, observed):
    """CRPS by its definition: the integral of (F(z) - 1{z >= y})^2 over z, of a weighted normal mixture."""

    def integrand(z):
        cdf = float(weights @ stats.norm.cdf(z, draws, std))
        return (cdf - (z >= observed)) ** 2

    low, high = min(*draws, observed) - 10 * std, max(*draws, observed) + 10 * std
    return integrate.quad(integrand, low, high, points=[*draws, observed], limit=500)[0]


def test_crps_of_normal_draws_is_the_closed_form():
    rng = np.random.default_rng(1)
    observed = np.array([-2.0, 0.0, 0.3, 4.0])
    draws = rng.normal(0.5, 1.5, (2000, 4))
    closed = scores.crps_normal(0.5, 1.5, observed)
    np.testing.assert_allclose(scores.crps(draws, observed), closed, atol=0.05)
    noisy = scores.crps_normal(0.5, np.hypot(1.5, 0.8), observed)
    np.testing.assert_allclose(scores.crps(draws, observed, std=0.8), noisy, atol=0.05)


def test_crps_normal_is_its_integral():
    for mean, sd, y in ((0.0, 1.0, 0.0), (1.0, 2.0, -3.0), (5.0, 0.1, 5.2)):
        integral = mixture_crps(np.array([mean]), np.ones(1), sd, y)
        assert scores.crps_normal(mean, sd, y) == pytest.approx(integral, rel=1e-6)
    assert scores.crps_normal(0.0, 1.0, 0.0) == pytest.approx((np.sqrt(2) - 1) / np.sqrt(np.pi))  # Gneiting & Raftery


def test_crps_differs_from_the_mixtures_by_the_fairness_term_alone():
    draws, weights, std, y = np.array([0.0, 1.0, 2.5]), np.array([0.5, 0.3, 0.2]), 0.4, 0.7
    self_pairs = float(weights @ weights) * 2 * std / np.sqrt(np.pi)  # E|e - e'| of a draw with itself
    distance = sum(
        weights[i] * weights[j] * scores._mean_absolute(draws[i] - draws[j], np.sqrt(2) * np.array(std))
        for i in range(3)
        for j in range(3)
        if i != j
    )
    unfair = mixture_crps(draws, weights, std, y)
    fair = unfair + 0.5 * (distance + self_pairs) - 0.5 * distance / (1 - float(weights @ weights))
    assert scores.crps(draws[:, None], [y], std, weights)[0] == pytest.approx(fair, rel=1e-6)


def test_crps_reference_values():
    # by hand: mean |x - y| - sum |xi - xj| / (2 n (n - 1))
    assert scores.crps([[1.0], [2.0], [4.0]], [2.0])[0] == pytest.approx(1.0 - 12 / 12)
    assert scores.crps([[1.0], [3.0]], [0.0])[0] == pytest.approx(2.0 - 4 / 4)
    assert scores.crps([[1.5]], [0.0])[0] == 1.5


def test_crps_is_fair_whatever_the_number_of_draws():
    rng = np.random.default_rng(2)
    exact = scores.crps_normal(0.0, 1.0, 0.7)
    few = scores.crps(rng.normal(size=(3, 40_000)), np.full(40_000, 0.7))
    assert few.mean() == pytest.approx(float(exact), abs=4 * few.std() / 200)


def test_weights_act_like_repeated_draws_in_pit_and_match():
    draws = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    weights, repeated = [1, 2, 1], draws[[0, 1, 1, 2]]
    y = np.array([0.9, 0.4])
    np.testing.assert_allclose(scores.pit(draws, y, 0.3, weights), scores.pit(repeated, y, 0.3))
    assert scores.balanced_match(draws, y, 0.3, weights) == pytest.approx(scores.balanced_match(repeated, y, 0.3))
    assert scores.chi2(draws, y, 0.3, weights) == pytest.approx(scores.chi2(repeated, y, 0.3))
    sharp = scores.crps([[0.0], [5.0], [9.0]], [0.2], weights=[1, 1, 0])
    assert sharp[0] == pytest.approx(scores.crps([[0.0], [5.0]], [0.2])[0])


def test_coverage_of_a_calibrated_toy_is_the_level():
    rng = np.random.default_rng(3)
    data, n = 20_000, 199
    centre = rng.normal(0, 5, data)
    draws, truth = centre + rng.normal(size=(n, data)), centre + rng.normal(size=data)
    observed = truth + rng.normal(0, 0.7, data)
    found = scores.coverage(draws, observed, std=0.7)
    assert found == {level: pytest.approx(level, abs=0.01) for level in (0.5, 0.8, 0.95)}
    assert scores.coverage(draws, truth) == {level: pytest.approx(level, abs=0.012) for level in (0.5, 0.8, 0.95)}
    assert scores.coverage(draws, observed)[0.8] < 0.75  # without its noise a measurement lies outside too often
    counts = scores.rank_histogram(scores.pit(draws, observed, 0.7))
    assert counts.sum() == data
    assert np.abs(counts / data - 0.1).max() < 0.01


def test_pit_counts_ties_half():
    np.testing.assert_allclose(scores.pit([[0.0], [1.0], [1.0], [2.0]], [1.0]), [0.5])
    np.testing.assert_allclose(scores.pit([[0.0], [1.0]], [5.0]), [1.0])


def test_too_sure_ensembles_give_a_u_and_low_coverage():
    rng = np.random.default_rng(4)
    observed = rng.normal(size=5000)
    probabilities = scores.pit(0.3 * rng.normal(size=(100, 5000)), observed)
    counts = scores.rank_histogram(probabilities)
    assert counts[0] > 3 * counts[5]
    assert counts[-1] > 3 * counts[5]
    assert scores.covered(probabilities)[0.8] < 0.4


def test_chi2_is_one_for_exact_posterior_draws():
    rng = np.random.default_rng(5)
    prior_sd, std, data = 2.0, 0.9, 20_000
    truth = prior_sd * rng.normal(size=data)
    observed = truth + std * rng.normal(size=data)
    gain = prior_sd**2 / (prior_sd**2 + std**2)
    draws = gain * observed + prior_sd * np.sqrt(1 - gain) * rng.normal(size=(50, data))
    assert scores.chi2(draws, observed, std) == pytest.approx(1.0, abs=0.02)


def test_balanced_match_does_not_reward_the_majority():
    observed = np.array([0] * 90 + [1] * 10)
    assert scores.balanced_match(np.zeros((5, 100)), observed) == 0.5
    assert scores.balanced_match(observed[None], observed) == 1.0
    half = np.where(np.arange(100) < 45, 0, 1)[None]
    assert scores.balanced_match(half, observed) == pytest.approx((0.5 + 1.0) / 2)


def test_continuous_match_is_balanced_over_tertiles():
    observed = np.concatenate([np.zeros(80), np.linspace(0.2, 1.0, 20)])
    share = scores.balanced_match(np.zeros((3, 100)), observed, 0.01)
    assert share == 0.5  # all zeros: four cells of five, but one class of two
    np.testing.assert_array_equal(np.unique(scores.value_classes(observed)), [0, 2])
    np.testing.assert_array_equal(np.bincount(scores.value_classes(np.arange(9.0))), [3, 3, 3])


def test_fair_brier_has_the_mean_of_the_true_probability():
    rng = np.random.default_rng(6)
    p, cells = 0.3, 40_000
    observed = (rng.random(cells) < p).astype(int)
    drawn = rng.random((4, cells)) < p
    share = np.stack([1 - drawn.mean(axis=0), drawn.mean(axis=0)])
    exact = 2 * p * (1 - p)
    assert scores.brier(share, observed, (0, 1), n=4) == pytest.approx(exact, abs=0.01)
    assert scores.brier(share, observed, (0, 1)) > exact + 0.05


def test_effective_sample_size():
    assert scores.effective_sample_size(np.full(7, 3.0)) == pytest.approx(7)
    assert scores.effective_sample_size([1, 0, 0]) == 1
    assert scores.effective_sample_size([2, 1, 1]) == pytest.approx(16 / 6)


def test_pairwise_distance_is_the_direct_one():
    rng = np.random.default_rng(7)
    values = 1e4 + rng.normal(size=(5, 3, 4, 2))
    direct = [[np.sqrt(np.mean((a - b) ** 2)) for b in values] for a in values]
    np.testing.assert_allclose(scores.pairwise_distance(values), direct, atol=1e-9)
    codes = rng.integers(0, 3, (5, 3, 4, 2))
    unequal = [[np.mean(a != b) for b in codes] for a in codes]
    np.testing.assert_allclose(scores.pairwise_distance(codes, facies=True), unequal, atol=1e-12)


def test_distinct_counts_groups():
    values = np.array([[0.0], [1e-9], [1.0], [1.0], [7.0]])
    assert scores.distinct(scores.pairwise_distance(values), 1e-6) == 3
    assert scores.distinct(scores.pairwise_distance(values), 2.0) == 2


def test_entropy_and_correlation_at_their_ends():
    np.testing.assert_allclose(scores.entropy([[0.5, 1.0], [0.5, 0.0]]), [np.log(2), 0.0])
    assert scores.correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert scores.correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert scores.correlation([1, 1, 1], [3, 2, 1]) is None
