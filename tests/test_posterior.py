"""Strategies against exact posteriors, and the exact posteriors against each other ways of computing them.

A new strategy adds its rows to REACHES: the cases it can do, with the bounds that it claims. `CHANCE` is what independent
exact draws stay within; anything wider is a stated shortcoming.
"""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest
import torch
from posteriors import (
    CELL_SIZE,
    Case,
    a_grid,
    another_space,
    chance,
    distance,
    few_data,
    mixture,
    real_size,
    seeded,
    wells_and_seismic,
)

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood
from gempy_gan.plugins import registry
from gempy_gan.priors.empirical import EmpiricalPrior
from gempy_gan.priors.exact import gaussian_posterior, linear_operator, lookup_weights, mixture_posterior
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.priors.mixture import MixturePrior
from gempy_gan.strategies.esmda import ESMDA
from gempy_gan.strategies.exact import Exact
from gempy_gan.strategies.flow import Flow
from gempy_gan.strategies.guided import Guided
from gempy_gan.strategies.hmc import HMC
from gempy_gan.strategies.in_space import InSpace
from gempy_gan.strategies.inference_network import InferenceNetwork
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategies.localization import gaspari_cohn
from gempy_gan.strategies.mala import MALA
from gempy_gan.strategies.mmps import MMPS
from gempy_gan.strategies.pcn import PCN
from gempy_gan.strategies.pigdm import PiGDM
from gempy_gan.strategies.rejection import Rejection, systematic
from gempy_gan.strategies.robust import Robust
from gempy_gan.strategies.smc import SMC
from gempy_gan.strategies.twisted import Twisted
from gempy_gan.strategy import Strategy
from gempy_gan.testing import check_strategy

N = 400
CHANCE = chance(N)  # mean within 0.1, spread within 0.14

REACHES = [
    ("exact", few_data, Exact(), CHANCE),
    ("exact", wells_and_seismic, Exact(), CHANCE),
    ("exact", mixture, Exact(), CHANCE),
    ("rejection", few_data, Rejection(8000), CHANCE),
    ("rejection", mixture, Rejection(8000), CHANCE),
    ("latent", few_data, Latent(), CHANCE),
    ("latent", few_data, Latent("adam", steps=100, tolerance=0.3, learning_rate=0.1), CHANCE),
    ("latent", wells_and_seismic, Latent(), CHANCE),
    ("latent", few_data, Latent("lbfgs"), CHANCE),
    ("latent", real_size, Latent(), CHANCE),
    ("pcn", few_data, PCN(), CHANCE),
    ("pcn", few_data, PCN("prior", chains=20, burn_in=50, start=Latent()), CHANCE),
    ("pcn", wells_and_seismic, PCN(chains=40), CHANCE),
    ("pcn", real_size, PCN(chains=100, burn_in=10), CHANCE),
    ("space", another_space, InSpace(), CHANCE),
    ("mala", few_data, MALA(chains=40), CHANCE),
    ("mala", wells_and_seismic, MALA(chains=20), CHANCE),
    ("hmc", few_data, HMC(chains=10, from_prior=True), CHANCE),
    ("hmc", wells_and_seismic, HMC(chains=20), CHANCE),
    ("smc", few_data, SMC(), CHANCE),
    ("smc", few_data, SMC(kernel="pcn"), CHANCE),
    ("pigdm", mixture, PiGDM(), (3 * CHANCE[0], 2 * CHANCE[1])),
    ("mmps", mixture, MMPS(), (3 * CHANCE[0], 2 * CHANCE[1])),
    ("twisted", mixture, Twisted(particles=1000), (3 * CHANCE[0], 2 * CHANCE[1])),
    ("robust", wells_and_seismic, Robust(Latent()), CHANCE),
    ("flow", few_data, Flow(), CHANCE),
    ("flow", wells_and_seismic, Flow(), CHANCE),
    ("inference-network", wells_and_seismic, InferenceNetwork(steps=0), CHANCE),
    ("guided", mixture, Guided(), CHANCE),
    ("esmda", few_data, ESMDA(members=1000), CHANCE),
    # sampling error of a small ensemble, and the bias of its taper: four to six times what chance allows the mean
    ("esmda", wells_and_seismic, ESMDA(localization=(400, 400, 8)), (0.35, 0.14)),
    ("esmda", wells_and_seismic, ESMDA(members=2000, localization=(600, 600, 12)), (0.22, 0.14)),
    ("esmda", real_size, ESMDA(localization=(400, 400, 8)), (0.3, 0.14)),
]


def options(strategy: Strategy) -> str:
    """The strategy as it was written: its name and the options that are not the default."""
    given = [f for f in dataclasses.fields(strategy) if getattr(strategy, f.name) != f.default]
    return f"{type(strategy).__name__}({', '.join(f'{f.name}={getattr(strategy, f.name)}' for f in given if f.name != 'start')})"


@pytest.mark.parametrize(
    ("case", "strategy", "bounds"),
    [pytest.param(case, strategy, bounds, id=f"{case.__name__}-{options(strategy)}") for _, case, strategy, bounds in REACHES],
)
def test_strategy_reaches_the_exact_posterior(case, strategy: Strategy, bounds):
    known: Case = case()
    draws = strategy.sample(known.prior, known.likelihood, N, seeded(1))
    found = distance(draws.values, known.posterior)
    assert found.within(*bounds), f"{found}, claimed: {bounds}"


NO_SAMPLERS = {
    "dps",
    "latent-masked",
    "look-up",
    "pivotal",
    "repaint",
}  # as their docstrings say; their own tests tell what does hold


def test_every_built_in_strategy_is_measured():
    built_in = {entry.name for entry in registry().of("strategies") if entry.owner == "gempy_gan"}
    assert built_in == {name for name, *_ in REACHES} | NO_SAMPLERS


@pytest.mark.parametrize("case", [few_data, wells_and_seismic, mixture])
def test_bounds_let_exact_draws_pass(case):
    known = case()
    for seed in range(20):
        assert distance(known.posterior.sample(N, seeded(seed)), known.posterior).within(*CHANCE)


@pytest.mark.parametrize("case", [few_data, wells_and_seismic, mixture])
def test_bounds_catch_draws_of_the_prior(case):
    known = case()
    assert not distance(known.prior.sample(N, seeded(1)), known.posterior).within(*CHANCE)


def test_bounds_catch_a_wrong_weight_of_the_prior_and_missing_noise():
    known = wells_and_seismic()
    heavy = Latent(prior_weight=3.0).sample(known.prior, known.likelihood, N, seeded(1))
    assert not distance(heavy.values, known.posterior).within(*CHANCE)
    mean = known.posterior.mean.reshape(1, *known.posterior.shape)
    shrunk = mean + 0.7 * (known.posterior.sample(N, seeded(1)) - mean)
    assert not distance(shrunk, known.posterior).within(*CHANCE)


# The contract that all strategies share


@pytest.mark.parametrize("strategy", [Latent("lbfgs"), PCN(chains=64), ESMDA(8, ratio=0.5, members=512)], ids=options)
def test_options_keep_the_contract_too(strategy):
    check_strategy(strategy)


ALL = [Rejection(500), Latent(), Latent("lbfgs"), PCN(burn_in=5, steps=10), ESMDA(), ESMDA(localization=(150, 150, 3))]


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")  # few proposals and short chains: not what is tested
@pytest.mark.parametrize("strategy", ALL, ids=options)
def test_equal_seeds_give_equal_bytes(strategy):
    known = few_data()
    one, two, other = (strategy.sample(known.prior, known.likelihood, 6, seeded(s)).values for s in (3, 3, 4))
    assert one.numpy().tobytes() == two.numpy().tobytes()
    assert not torch.equal(one, other)


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")
@pytest.mark.parametrize("strategy", ALL, ids=options)
def test_no_data_leave_the_prior(strategy):
    prior = few_data().prior
    draws = strategy.sample(prior, Likelihood.of(Constraints(a_grid(prior.shape)), prior), 200, seeded(2))
    # 200 draws of 120 correlated cells: RMS of the mean's error 0.05 / sqrt(200), twice that allowed; spread within 4 / sqrt(400)
    assert (draws.values.mean(0) - 0.2).square().mean().sqrt() < 2 * 0.05 / math.sqrt(200)
    assert abs(float(draws.values.std(0).mean()) / 0.05 - 1) < 0.2


@pytest.mark.parametrize("strategy", ALL, ids=options)
def test_predictions_that_are_no_numbers_are_refused(strategy):
    prior = few_data().prior
    soft = SoftData([1.0], 0.1, lambda m: (m - 9).mean(dim=(1, 2, 3, 4))[:, None].sqrt())
    likelihood = Likelihood.of(Constraints(a_grid(prior.shape), soft), prior)
    with pytest.raises(GempyGanError, match=r"not finite|not a number|no numbers"):
        strategy.sample(prior, likelihood, 3, seeded(0))


@pytest.mark.parametrize(
    ("strategy", "options", "message"),
    [
        (Rejection, {"proposals": 0}, "0 proposals. Expected at least 1"),
        (Latent, {"optimizer": "sgd"}, "'sgd'. Expected one of: gauss-newton, lbfgs, adam"),
        (Latent, {"tolerance": 0.0}, "Expected positive"),
        (Latent, {"starts": 0}, "Expected positive"),
        (ESMDA, {"assimilations": 0}, "0 assimilations"),
        (ESMDA, {"ratio": -1.0}, "positive ratio"),
        (ESMDA, {"localization": "wide"}, "'wide'. Expected None, 'adaptive' or three lengths"),
        (PCN, {"proposal": "langevin"}, "'langevin'. Expected one of: informed, prior"),
        (PCN, {"steps": 0}, "Expected positive numbers"),
        (PCN, {"step_size": 1.5}, "Expected 0 < step_size <= 1"),
    ],
)
def test_impossible_options_are_refused(strategy, options, message):
    with pytest.raises(GempyGanError, match=message):
        strategy(**options)


# Exact posteriors


def test_gaussian_posterior_agrees_with_its_precision_form():
    known = few_data()
    matrix, offset = linear_operator(known.prior, known.likelihood)
    weight = known.likelihood.std.double() ** -2
    precision = torch.linalg.inv(known.prior.covariance_matrix()) + matrix.T @ (weight[:, None] * matrix)
    covariance = torch.linalg.inv(precision)
    misfit = known.likelihood.observed.double() - offset - matrix @ torch.full((120,), 0.2).double()
    assert torch.allclose(known.posterior.covariance, covariance, atol=1e-10)
    assert torch.allclose(known.posterior.mean, 0.2 + covariance @ (matrix.T @ (weight * misfit)))


def test_exact_draws_have_the_exact_covariance():
    known = few_data()
    found = torch.cov(known.posterior.sample(20_000, seeded(0)).flatten(1).T)
    scale = torch.outer(known.posterior.std, known.posterior.std)
    # the standard error of a covariance of 20,000 draws is at most sqrt(2 / 20000) = 0.01 of the scale; six of them allowed
    assert ((found - known.posterior.covariance) / scale).abs().max() < 0.06


CURVE = torch.linspace(-6, 6, 4001).double()
IMAGES = [-1.5, -0.4, 0.4, 1.2, 2.5]


def stylized(sigma: float, forward=lambda m: (m + 0.3 * m**3).flatten(1)) -> tuple[MixturePrior, Likelihood]:
    """The one-dimensional example of Siahkoohi & Sabeddu (2026): F(x) = x + 0.3 x^3, y = 0, gamma = 0.3."""
    prior = MixturePrior(torch.tensor(IMAGES).reshape(5, 1, 1, 1, 1), sigma)
    return prior, Likelihood.of(Constraints(Grid((0, 1, 0, 1, 0, 1), (1, 1, 1)), SoftData([0.0], 0.3, forward)), prior)


def by_quadrature(prior: MixturePrior, likelihood: Likelihood) -> torch.Tensor:
    m = CURVE.reshape(-1, 1, 1, 1, 1)
    density = (prior.log_density(m) + likelihood.log_prob(m)).exp()
    return density / torch.trapezoid(density, CURVE)


def of_components(posterior) -> torch.Tensor:
    parts = [
        weight * torch.distributions.Normal(posterior.means[k, 0], posterior.covariance(k)[0, 0].sqrt()).log_prob(CURVE).exp()
        for k, weight in enumerate(posterior.weights)
    ]
    return torch.stack(parts).sum(dim=0)


@pytest.mark.parametrize("sigma", [0.5, 0.1])
def test_mixture_posterior_of_linear_data_agrees_with_quadrature(sigma):
    prior, likelihood = stylized(sigma, lambda m: (0.4 + 2 * m).flatten(1))
    posterior = mixture_posterior(prior, likelihood)
    exact = by_quadrature(prior, likelihood)
    assert torch.trapezoid((of_components(posterior) - exact).abs(), CURVE) < 1e-6
    assert posterior.mean.item() == pytest.approx(float(torch.trapezoid(CURVE * exact, CURVE)), abs=1e-6)
    second = float(torch.trapezoid((CURVE - posterior.mean) ** 2 * exact, CURVE))
    assert posterior.std.item() == pytest.approx(math.sqrt(second), abs=1e-6)


@pytest.mark.parametrize(("sigma", "spread", "variation"), [(0.5, 0.265, 0.119), (0.3, 0.274, 0.038), (0.05, 0.390, 0.0018)])
def test_linearized_posterior_errs_as_much_as_is_known(sigma, spread, variation):
    prior, likelihood = stylized(sigma)
    exact = by_quadrature(prior, likelihood)
    mean = torch.trapezoid(CURVE * exact, CURVE)
    assert torch.trapezoid((CURVE - mean) ** 2 * exact, CURVE).sqrt().item() == pytest.approx(spread, abs=6e-4)
    with pytest.raises(GempyGanError, match="not linear in the realizations"):
        mixture_posterior(prior, likelihood)
    found = of_components(mixture_posterior(prior, likelihood, linearize=True))
    assert 0.5 * torch.trapezoid((found - exact).abs(), CURVE).item() == pytest.approx(variation, rel=0.03)


def test_lookup_weights_of_the_stylized_example():
    prior, likelihood = stylized(0.1)
    weights = lookup_weights(prior.examples, likelihood)
    assert weights.tolist() == pytest.approx([0, 0.5, 0.5, 1e-7, 0], abs=6e-8)


def test_mixture_draws_have_the_exact_weights():
    known = mixture()
    _, component = known.posterior.sample_components(20_000, seeded(0))
    share = torch.bincount(component, minlength=6) / 20_000
    assert (share - known.posterior.weights).abs().max() < 4.5 * math.sqrt(0.25 / 20_000)  # binomial standard errors


def test_what_has_no_exact_posterior_is_refused(monkeypatch):
    prior = GaussianPrior((6, 5, 4), CELL_SIZE, "porosity", quantiles=[0, 0.5, 1])
    with pytest.raises(GempyGanError, match="quantiles has no exact posterior"):
        gaussian_posterior(prior, few_data().likelihood)
    monkeypatch.setattr("gempy_gan.priors.exact.LARGEST", 100)
    with pytest.raises(GempyGanError, match=r"120 values was asked for\. Expected at most 100"):
        gaussian_posterior(few_data().prior, few_data().likelihood)


# Rejection


def test_weights_are_likelihood_ratios_and_every_component_gets_its_share(monkeypatch):
    known, seen = mixture(), {}
    sample = MixturePrior.sample

    def drawn(self, n, generator):
        seen["proposals"] = sample(self, n, generator)
        return seen["proposals"]

    def resampled(weights, n, generator):
        seen["weights"] = weights
        return systematic(weights, n, generator)

    monkeypatch.setattr(MixturePrior, "sample", drawn)
    monkeypatch.setattr("gempy_gan.strategies.rejection.systematic", resampled)
    draws = Rejection(proposals=20_000).sample(known.prior, known.likelihood, 5000, seeded(0))
    likelihood = known.likelihood.log_prob(seen["proposals"]).double().exp()
    assert torch.allclose(seen["weights"], likelihood / likelihood.sum(), rtol=1e-12, atol=0)
    share = known.prior.component_weights(draws.values, 0.0).mean(dim=0)
    # 20,000 proposals are worth 10,000: a share has a standard error of at most 0.5 / 100, of which 4.5 are allowed
    assert (share - known.posterior.weights).abs().max() < 4.5 * 0.5 / 100


def test_examples_of_a_finite_prior_are_weighted_exactly():
    known = mixture()
    prior = EmpiricalPrior(known.prior.examples, ["porosity"], CELL_SIZE)
    draws = Rejection().sample(prior, known.likelihood, 1000, seeded(0))
    exact = lookup_weights(prior.examples, known.likelihood)
    drawn = (draws.values[:, None] == prior.examples[None]).flatten(2).all(dim=2).sum(dim=0)
    assert (drawn - 1000 * exact).abs().max() < 1 + 1e-3
    assert draws.trace["proposals"] == 6


@pytest.mark.parametrize("seed", range(3))
def test_systematic_resampling_draws_each_to_within_one(seed):
    weights = torch.softmax(3 * torch.randn(50, generator=seeded(seed)).double(), dim=0)
    index = systematic(weights, 30, seeded(seed))
    assert (torch.bincount(index, minlength=50) - 30 * weights).abs().max() < 1
    assert (index.diff() < 0).any()  # in random order


def test_proposals_are_drawn_in_batches_and_again_when_chosen(monkeypatch):
    known, sizes = few_data(), []
    original = GaussianPrior.sample
    monkeypatch.setattr("gempy_gan.strategies.rejection.BATCH_CELLS", 120 * 64)
    monkeypatch.setattr(GaussianPrior, "sample", lambda self, n, g: sizes.append(n) or original(self, n, g))
    draws = Rejection(1000).sample(known.prior, known.likelihood, 50, seeded(0))
    assert max(sizes) == 64
    evidence = draws.trace["log_evidence"]
    matrix, offset = linear_operator(known.prior, known.likelihood)
    covariance = matrix @ known.prior.covariance_matrix() @ matrix.T + known.likelihood.std.double().square().diag()
    centre = offset + matrix @ torch.full((120,), 0.2).double()
    exact = torch.distributions.MultivariateNormal(centre, covariance).log_prob(known.likelihood.observed.double())
    # standard error of the log evidence: the weights' coefficient of variation, sqrt(1000 / ess - 1), over sqrt(1000)
    error = math.sqrt((1000 / draws.trace["effective_sample_size"] - 1) / 1000)
    assert abs(evidence - float(exact)) < 4.5 * error


def test_collapse_of_the_weights_is_reported():
    known = wells_and_seismic()
    with pytest.warns(GempyGanWarning, match=r"200 proposals are worth 1\.0 independent draws, and 50 were asked for"):
        draws = Rejection(200).sample(known.prior, known.likelihood, 50, seeded(0))
    assert draws.trace["distinct"] == 1


# Latent optimization


def test_draws_fit_the_data_as_well_as_their_noise_demands():
    prior = GaussianPrior((32, 32, 16), CELL_SIZE, "porosity", 0.5, 0.25, "exponential", (400, 400, 4))
    truth = prior.sample(1, seeded(0))[0, 0].numpy()
    cells = np.array([(i, j, k) for i, j in [(3, 4), (27, 9), (14, 15), (8, 28), (25, 25)] for k in range(16)])
    noise = 0.02 * np.random.default_rng(0).standard_normal(80)
    hard = HardData(cells, truth[tuple(cells.T)] + noise, 0.02, "porosity")
    likelihood = Likelihood.of(Constraints(a_grid(prior.shape), hard), prior)
    draws = Latent().sample(prior, likelihood, 20, seeded(1))
    assert draws.trace["unconverged"] == 0
    assert 0.85 < float(likelihood.residual(draws.values).square().mean()) < 1.15


def bounded_case() -> tuple[GaussianPrior, Likelihood]:
    """A fraction between 0 and 1 known in a few cells: a decoder that is not linear."""
    prior = GaussianPrior((6, 5, 4), CELL_SIZE, "fraction", ranges=(200, 100, 2), quantiles=[0, 0.1, 0.3, 0.5, 0.7, 0.95, 1])
    hard = HardData([[0, 0, 0], [3, 2, 1], [3, 2, 2], [5, 4, 3]], [0.9, 0.2, 0.3, 0.05], 0.03, "fraction")
    return prior, Likelihood.of(Constraints(a_grid(prior.shape), hard), prior)


def test_a_decoder_that_is_not_linear_is_optimized_too():
    prior, likelihood = bounded_case()
    draws = Latent(starts=3).sample(prior, likelihood, 20, seeded(0))
    chi2 = likelihood.residual(draws.values).square().mean(dim=1)
    assert draws.trace["unconverged"] == 0
    assert chi2.median() < 1.5
    alternative = Latent("lbfgs", starts=3, tolerance=0.05).sample(prior, likelihood, 20, seeded(0))
    same = (draws.values - alternative.values).abs().flatten(1).amax(dim=1) < 0.05
    assert same.float().mean() > 0.7  # the others found another minimum


def test_draws_that_do_not_converge_are_reported():
    known = wells_and_seismic()
    with pytest.warns(GempyGanWarning, match="5 of 5 latent optimizations did not converge within 2 steps"):
        draws = Latent("lbfgs", steps=2).sample(known.prior, known.likelihood, 5, seeded(0))
    assert draws.trace["unconverged"] == 5


# Ensemble smoother


def test_inflations_use_the_data_once():
    for smoother in (ESMDA(), ESMDA(7, ratio=0.6)):
        assert sum(1 / alpha for alpha in smoother.inflations) == pytest.approx(1)
    assert ESMDA(3, ratio=0.5).inflations == pytest.approx([7, 3.5, 1.75])


def test_an_ensemble_that_is_too_small_is_reported():
    known = wells_and_seismic()
    with pytest.warns(GempyGanWarning, match="ensemble has 50 members: without localization its spread comes out too small"):
        draws = ESMDA().sample(known.prior, known.likelihood, 50, seeded(0))
    assert distance(draws.values, known.posterior).spread < 0.8


def test_adaptive_localization_keeps_more_spread_than_none():
    known = wells_and_seismic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GempyGanWarning)
        none, adaptive = (
            distance(ESMDA(localization=how).sample(known.prior, known.likelihood, 100, seeded(0)).values, known.posterior)
            for how in (None, "adaptive")
        )
    assert none.spread < adaptive.spread < 1


def test_a_prior_without_latents_is_updated_in_its_values():
    known = few_data()
    prior = EmpiricalPrior(known.prior.sample(1000, seeded(5)), ["porosity"], CELL_SIZE)
    draws = ESMDA(members=2000).sample(prior, known.likelihood, N, seeded(1))
    assert draws.latents is None
    # the images are themselves a sample: 1,000 draws add their own error of the mean to that of the 400
    assert distance(draws.values, known.posterior).within(CHANCE[0] + 2 / math.sqrt(1000), CHANCE[1])


def test_localization_that_cannot_be_is_refused(monkeypatch):
    known = few_data()
    with pytest.raises(GempyGanError, match="three positive numbers in metres"):
        ESMDA(localization=(100, 100)).sample(known.prior, known.likelihood, 10, seeded(0))
    monkeypatch.setattr(GaussianPrior, "latent_positions", None)
    with pytest.raises(GempyGanError, match="the latents of GaussianPrior have no place"):
        ESMDA(localization=(100, 100, 1)).sample(known.prior, known.likelihood, 10, seeded(0))
    with pytest.raises(GempyGanError, match=r"ensemble of 1\. Expected at least 2"):
        ESMDA().sample(known.prior, known.likelihood, 1, seeded(0))


def test_taper_falls_smoothly_from_one_to_zero():
    taper = gaspari_cohn(torch.linspace(0, 1.2, 1201).double())
    assert taper[0] == 1
    assert (taper.diff() <= 1e-12).all()
    assert (taper[1000:].abs() < 1e-12).all()
    assert taper.diff().diff().abs().max() < 1e-4  # twice differentiable, also where its two pieces meet
    points = torch.rand((60, 3), generator=seeded(0)).double()
    assert torch.linalg.eigvalsh(gaspari_cohn(torch.cdist(points, points))).min() > -1e-9  # a correlation function in 3-D
