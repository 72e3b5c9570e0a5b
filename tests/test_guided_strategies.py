"""Strategies that lead diffusion priors: their contract, exact posteriors, and where they are known to fail."""

from __future__ import annotations

import math

import pytest
import torch
from posteriors import CELL_SIZE, a_grid, chance, distance, mixture, seeded

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.empirical import EmpiricalPrior
from gempy_gan.priors.exact import mixture_posterior
from gempy_gan.priors.mixture import MixturePrior
from gempy_gan.strategies.dps import DPS
from gempy_gan.strategies.guided import Guided
from gempy_gan.strategies.mmps import MMPS
from gempy_gan.strategies.pigdm import PiGDM
from gempy_gan.strategies.repaint import RePaint
from gempy_gan.strategies.twisted import Twisted
from gempy_gan.testing import check_strategy
from gempy_gan.testing.strategies import ToyPrior, toy_constraints

ALL = [PiGDM(12), MMPS(12), DPS(20), DPS(20, noise="honoured"), RePaint(20, 5, 2), Twisted(PiGDM(), 8, 1)]


def name(strategy) -> str:
    return f"{type(strategy).__name__}-{getattr(strategy, 'noise', '')}".rstrip("-")


def one_well(std: float = 0.02) -> tuple[MixturePrior, Likelihood]:
    """Six images of 4 x 4 x 4 cells and a well through one column of them."""
    prior = MixturePrior(torch.rand((6, 1, 4, 4, 4), generator=seeded(4)), 0.1, ["porosity"], CELL_SIZE)
    cells = [[1, 2, k] for k in range(4)]
    values = prior.examples[0, 0, 1, 2].numpy() + 0.05
    return prior, Likelihood.of(Constraints(a_grid(prior.shape), HardData(cells, values, std, "porosity")), prior)


@pytest.mark.parametrize("strategy", [PiGDM(24), MMPS(24), DPS(60, noise="honoured")], ids=name)
def test_they_keep_the_contract(strategy):
    check_strategy(strategy, tolerance=0.05)


def test_published_dps_keeps_the_contract_but_for_its_mean_and_spread():
    check_strategy(DPS(60), tolerance=0.9)
    with pytest.raises(AssertionError, match="must sample the posterior"):
        check_strategy(DPS(60), n=64, tolerance=0.2)


@pytest.mark.parametrize("strategy", ALL, ids=name)
def test_equal_seeds_give_equal_draws(strategy):
    prior, likelihood = one_well()
    one, two, other = (strategy.sample(prior, likelihood, 4, seeded(s)).values for s in (3, 3, 4))
    assert torch.allclose(one, two, atol=1e-5)
    assert not torch.allclose(one, other, atol=1e-2)


@pytest.mark.parametrize("strategy", ALL, ids=name)
def test_no_data_leave_the_prior(strategy):
    prior, _ = one_well()
    draws = strategy.sample(prior, Likelihood.of(Constraints(a_grid(prior.shape)), prior), 200, seeded(2))
    shares = torch.bincount(prior.component_weights(draws.values, 0.0).argmax(dim=1), minlength=6) / 200
    assert (shares - 1 / 6).abs().max() < 4.5 * math.sqrt(5 / 36 / 200)  # binomial standard errors
    assert draws.trace["chi2"] == [0.0] * 200


def seismic_excess(strategy: Guided) -> float:
    """By how much the chi2 of precise traces exceeds that of exact draws, in the mean."""
    prior = MixturePrior(torch.rand((6, 1, 8, 8, 8), generator=seeded(3)), 0.05, ["porosity"], CELL_SIZE)
    clean = traces(prior.sample(1, seeded(5)))[0]
    soft = SoftData(clean + 0.1 * torch.randn(len(clean), generator=seeded(6)), 0.1, traces)
    likelihood = Likelihood.of(Constraints(a_grid(prior.shape), soft), prior)
    exact = mixture_posterior(prior, likelihood).sample(16, seeded(1)).float()
    drawn = strategy.sample(prior, likelihood, 16, seeded(1)).values
    return float(likelihood.residual(drawn).square().mean() - likelihood.residual(exact).square().mean())


def traces(m: torch.Tensor) -> torch.Tensor:
    return m.diff(dim=-1).flatten(1)


def test_traces_are_fitted_as_exact_draws_fit_them_by_the_covariance_of_the_denoiser():
    assert abs(seismic_excess(Guided())) < 0.01
    assert seismic_excess(Guided(solver_steps=0)) > 0.05  # cells taken for independent, and for less certain than they are


@pytest.mark.parametrize("strategy", [PiGDM(), MMPS(), DPS(), RePaint(100, 10, 3)], ids=name)
def test_wells_are_matched(strategy):
    prior, likelihood = one_well()
    draws = strategy.sample(prior, likelihood, 50, seeded(1))
    error = likelihood.residual(draws.values) * likelihood.std
    assert error.abs().median() < 3 * 0.02


def wrong(strategy, n: int = 300) -> float:
    """The total variation of its draws' modes, from the exact ones, given a vague well. Exact draws have 0.03, at most 0.08."""
    prior, likelihood = one_well(0.3)
    draws = strategy.sample(prior, likelihood, n, seeded(1))
    shares = prior.component_weights(draws.values, 0.0).mean(dim=0)
    return 0.5 * float((shares - mixture_posterior(prior, likelihood).weights).abs().sum())


@pytest.mark.parametrize(
    ("strategy", "least", "most"), [(Guided(), 0, 0.08), (PiGDM(24), 0.1, 0.5), (RePaint(100, 10, 3), 0.25, 1)]
)
def test_matched_wells_do_not_mean_the_right_geology(strategy, least, most):
    assert least <= wrong(strategy) <= most


def test_weights_correct_a_proposal_that_errs():
    assert wrong(Twisted(PiGDM(), 24, 1000)) <= 0.08


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")  # descent is a cautious measure: cells forget it later
def test_weighted_particles_keep_the_contract():
    check_strategy(Twisted(PiGDM(), 24, 800), tolerance=0.15)


def test_particles_that_descend_from_few_are_reported():
    prior, likelihood = one_well(0.02)
    with pytest.warns(GempyGanWarning, match=r"50 particles are worth [\d.]+ independent draws, and 50 were asked for"):
        draws = Twisted(PiGDM(), 12, 50).sample(prior, likelihood, 50, seeded(0))
    assert draws.trace["effective_sample_size"] <= draws.trace["ancestors"] < 25


def test_particles_of_what_the_denoiser_knows_are_all_alike():
    prior, likelihood = one_well(0.3)
    draws = Twisted(None, 12, 30).sample(prior, likelihood, 20, seeded(0))
    assert draws.trace["effective_sample_size"] == pytest.approx(30)


def test_moments_of_correlated_cells_are_matched_exactly():
    prior = ToyPrior()
    soft = SoftData([0.0], 0.01, lambda m: m.mean(dim=(1, 2, 3, 4))[:, None])
    likelihood = Likelihood.of(Constraints(toy_constraints().grid, soft), prior)
    mean = MMPS(50).sample(prior, likelihood, 400, seeded(0)).values.mean(dim=(1, 2, 3, 4))
    # the prior's mean of all cells varies fifty times more than the data allow
    assert abs(float(mean.std()) / 0.01 - 1) < 4 / math.sqrt(800)
    assert abs(float(mean.mean())) < 4 * 0.01 / math.sqrt(400)


def test_the_covariance_of_the_data_decides_where_noise_is_honoured():
    prior = ToyPrior()
    likelihood = Likelihood.of(toy_constraints(), prior)
    guide, x = DPS(noise="honoured").guide(prior, likelihood), torch.randn((1, 1, 4, 3, 2), generator=seeded(0))
    lead = guide(x, 0.5)
    operator = likelihood.predict(torch.eye(24).reshape(24, 1, 4, 3, 2)).T / likelihood.std[:, None]
    gram, left = operator @ operator.T, 1 / (1 / 0.25 + 1)
    covariance = torch.eye(len(gram)) + left * gram
    values, vectors = torch.linalg.eigh(prior.covariance.float())
    jacobian = (vectors * values / (values + 0.25)) @ vectors.T
    pull = jacobian @ operator.T @ torch.linalg.solve(covariance, -likelihood.residual(lead.clean)[0])
    assert torch.allclose((lead.led - lead.clean).flatten(), 0.25 * pull, atol=0.02 * float(pull.abs().max()))


def test_where_slopes_cannot_be_trusted_cells_count_as_independent():
    prior = ToyPrior()
    prior.sigma_slope = 0.4
    likelihood = Likelihood.of(toy_constraints(), prior)
    x, operator = torch.randn((1, 1, 4, 3, 2), generator=seeded(0)), likelihood.predict(torch.eye(24).reshape(24, 1, 4, 3, 2)).T
    guide, operator = PiGDM().guide(prior, likelihood), operator / likelihood.std[:, None]
    for sigma, alone in ((0.5, True), (0.3, False)):
        lead, left = guide(x, sigma), 1 / (1 / sigma**2 + 1)
        dual = torch.linalg.solve(torch.eye(len(operator)) + left * operator @ operator.T, -likelihood.residual(lead.clean)[0])
        independent = (left * operator.T @ dual).reshape(x.shape)
        assert torch.allclose(lead.led - lead.clean, independent, atol=0.02 * float(independent.abs().max())) == alone


def test_published_dps_does_not_ask_for_units():
    prior, likelihood = one_well()
    scaled = Likelihood.of(
        Constraints(a_grid(prior.shape), SoftData(1e4 * likelihood.observed.numpy(), 200, lambda m: 1e4 * m[:, 0, 1, 2])), prior
    )
    one, other = (DPS(40).sample(prior, data, 5, seeded(0)).values for data in (likelihood, scaled))
    assert (one - other).abs().mean() < 1e-3  # steps that are not damped by the noise blow rounding up


def test_mixture_with_soft_data_is_reached_by_what_claims_to():
    known = mixture()
    for strategy in (PiGDM(), MMPS()):
        found = distance(strategy.sample(known.prior, known.likelihood, 400, seeded(1)).values, known.posterior)
        assert found.within(3 * chance(400)[0], 2 * chance(400)[1]), f"{strategy}: {found}"


def test_repaint_goes_back_as_often_as_it_is_told():
    moves = list(RePaint(6, jump=2, resamples=2).moves())
    assert moves == [(0, 1), (1, 2), (2, 0), (0, 1), (1, 2), (2, 3), (3, 4), (4, 2), (2, 3), (3, 4), (4, 5), (5, 6)]


def test_repaint_refuses_seismic():
    known = mixture()
    with pytest.raises(GempyGanError, match=r"RePaint got 1 data that are not values of single cells.*'guided'"):
        RePaint(20, 5, 2).sample(known.prior, known.likelihood, 2, seeded(0))


@pytest.mark.parametrize("strategy", [*ALL, Guided()], ids=name)
def test_priors_that_cannot_denoise_are_refused(strategy):
    prior, likelihood = one_well()
    with pytest.raises(GempyGanError, match="needs a DiffusionPrior, and EmpiricalPrior is none"):
        strategy.sample(EmpiricalPrior(prior.examples, ["porosity"], CELL_SIZE), likelihood, 2, seeded(0))


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        (Guided, {"steps": 1}, "Guided denoising got 1 steps"),
        (PiGDM, {"spread": 0.0}, "a spread above 0"),
        (MMPS, {"solver_steps": 0}, "0 solver steps"),
        (DPS, {"noise": "ignored"}, "noise 'ignored'.*published, honoured"),
        (DPS, {"rate": 0.0}, "a rate above 0"),
        (RePaint, {"jump": 250}, "jump 250"),
        (RePaint, {"resamples": 0}, "0 resamples"),
        (Twisted, {"proposal": RePaint()}, "a RePaint as its proposal"),
        (Twisted, {"proposal": DPS()}, "noise='honoured'"),
        (Twisted, {"particles": 0}, "0 particles"),
    ],
)
def test_impossible_options_are_refused(strategy, options, message):
    with pytest.raises(GempyGanError, match=message):
        strategy(**options)


class Wrong(MixturePrior):
    """A denoiser that errs as learned ones do: a little in value, but in its slope as well."""

    def denoise(self, x, sigma, condition=None):
        return super().denoise(x, sigma, condition) + 0.05 * torch.sin(x)


@pytest.mark.parametrize(
    ("strategy", "bounded"), [(PiGDM(), True), (Guided(), True), (DPS(), False)], ids=["PiGDM", "Guided", "DPS"]
)
def test_errors_of_a_denoisers_slope_lead_nowhere(strategy, bounded):
    _, likelihood = one_well()
    prior = Wrong(torch.rand((6, 1, 4, 4, 4), generator=seeded(4)), 0.1, ["porosity"], CELL_SIZE, sigma_max=30.0)
    prior.conditional = False
    x = prior.centre + 30 * torch.randn((8, 1, 4, 4, 4), generator=seeded(0))
    lead = strategy.guide(prior, likelihood)(x, 30.0)
    largest = float((lead.led - lead.clean).abs().max())
    assert (largest <= 3 * prior.spread + 1e-6) is bounded
