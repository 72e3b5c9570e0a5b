"""Data whose noise or amplitude is not what is stated."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from posteriors import CELL_SIZE, a_grid, seeded, seismic

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.empirical import EmpiricalPrior
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategies.robust import Rescaled, Robust
from gempy_gan.testing import check_strategy

PRIOR = GaussianPrior((8, 8, 8), CELL_SIZE, "porosity", 0.5, 0.25, "spherical", (200, 200, 4))


def observed(seed: int, noise: float = 0.1, scale: float = 1.0, stated: float = 0.1):
    """A truth, and the likelihood that takes its seismic for that of `seismic` with noise `stated`."""
    truth, rng = PRIOR.sample(1, seeded(seed)), np.random.default_rng(seed)
    cells = np.array([(i, j, k) for i, j in [(1, 2), (6, 5)] for k in range(8)])
    hard = HardData(cells, truth[0, 0].numpy()[tuple(cells.T)] + 0.02 * rng.standard_normal(16), 0.02, "porosity")
    data = scale * seismic(truth)[0].numpy()
    soft = SoftData(data + noise * rng.standard_normal(len(data)), stated, seismic)
    return truth, Likelihood.of(Constraints(a_grid(PRIOR.shape), hard, soft), PRIOR)


def covered(strategy, **wrong) -> float:
    """Share of the cells of three truths within the central 80 % of 60 draws."""
    inside = []
    for seed in range(3):
        truth, likelihood = observed(seed, **wrong)
        values = strategy.sample(PRIOR, likelihood, 60, seeded(1)).values
        inside.append(((truth >= values.quantile(0.1, 0)) & (truth <= values.quantile(0.9, 0))).float().mean())
    return float(torch.stack(inside).mean())


def test_it_keeps_the_contract():
    check_strategy(Robust(Latent(), rounds=2), tolerance=0.2)


def test_right_noise_is_left_alone():
    _, likelihood = observed(0)
    trace = Robust(Latent()).sample(PRIOR, likelihood, 4, seeded(0)).trace
    assert 1 <= trace["noise_scale"] < 1.15
    assert trace["amplitude"] == trace["hard_noise_scale"] == 1


def test_noise_that_is_stated_too_small_is_found():
    _, likelihood = observed(0, noise=0.25)
    trace = Robust(Latent(), rounds=8).sample(PRIOR, likelihood, 4, seeded(0)).trace
    assert trace["noise_scale"] == pytest.approx(2.5, rel=0.12)


def test_amplitudes_of_another_scale_are_found():
    _, likelihood = observed(0, scale=1.5)
    trace = Robust(Latent(), amplitude=0.5, rounds=8).sample(PRIOR, likelihood, 4, seeded(0)).trace
    assert trace["amplitude"] == pytest.approx(1.5, rel=0.15)


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")  # that the noise had to be trebled is true
def test_noise_of_three_times_what_is_stated_is_still_covered():
    # draws of a right likelihood cover 0.76 here: 60 of them no 0.8
    assert covered(Latent(), noise=0.3) <= 0.65
    assert covered(Robust(Latent()), noise=0.3) >= 0.70


def test_noise_of_wells_is_estimated_on_request():
    truth, _ = observed(0)
    cells = np.array([(i, j, k) for i in range(0, 8, 2) for j in range(0, 8, 2) for k in range(8)])
    values = truth[0, 0].numpy()[tuple(cells.T)] + 0.15 * np.random.default_rng(0).standard_normal(len(cells))
    likelihood = Likelihood.of(Constraints(a_grid(PRIOR.shape), HardData(cells, values, 0.05, "porosity")), PRIOR)
    trace = Robust(Latent(), hard=True, rounds=10).sample(PRIOR, likelihood, 4, seeded(0)).trace
    assert trace["hard_noise_scale"] == pytest.approx(3, rel=0.35)
    assert Robust(Latent()).sample(PRIOR, likelihood, 4, seeded(0)).trace["hard_noise_scale"] == 1


def test_an_error_of_the_operator_is_reported():
    _, likelihood = observed(0, scale=-3.0)
    with pytest.warns(GempyGanWarning, match="Check wavelet, velocity, rock physics and units"):
        Robust(Latent()).sample(PRIOR, likelihood, 4, seeded(0))


def test_a_rescaled_likelihood_is_the_likelihood_of_rescaled_data():
    _, likelihood = observed(0, stated=0.3)
    _, plain = observed(0, stated=0.1)
    m = PRIOR.sample(3, seeded(2))
    scaled = Rescaled(plain, 3.0)
    assert torch.allclose(scaled.log_prob(m), likelihood.log_prob(m), rtol=1e-5)
    assert torch.allclose(scaled.residual(m), likelihood.residual(m), rtol=1e-4, atol=1e-5)
    loud = Rescaled(plain, 1.0, 2.0, 1.5)
    assert torch.equal(loud.predict(m)[:, :16], plain.predict(m)[:, :16])
    assert torch.allclose(loud.predict(m)[:, 16:], 1.5 * plain.predict(m)[:, 16:])
    assert torch.equal(loud.known[2], 2 * plain.known[2])


def test_equal_seeds_give_equal_draws():
    _, likelihood = observed(0)
    one, two = (Robust(Latent(), rounds=1).sample(PRIOR, likelihood, 3, seeded(5)).values for _ in range(2))
    assert torch.allclose(one, two, atol=1e-5)


def test_no_data_leave_the_prior():
    draws = Robust(Latent()).sample(PRIOR, Likelihood.of(Constraints(a_grid(PRIOR.shape)), PRIOR), 100, seeded(0))
    assert abs(float(draws.values.std(0).mean()) / 0.25 - 1) < 0.2


def test_it_needs_what_its_strategy_needs():
    prior = EmpiricalPrior(PRIOR.sample(3, seeded(0)), ["porosity"], CELL_SIZE)
    with pytest.raises(GempyGanError, match="Guided needs a DiffusionPrior"):
        Robust().check(prior)


@pytest.mark.parametrize("options", [{"amplitude": -0.1}, {"pilot": 1}, {"rounds": 0}], ids=["amplitude", "pilot", "rounds"])
def test_impossible_options_are_refused(options):
    with pytest.raises(GempyGanError, match="Robust got amplitude"):
        Robust(**options)
