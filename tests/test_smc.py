"""Sequential Monte Carlo: exact posteriors, weights of modes, evidence, and degeneracy that is told."""

import math

import pytest
import torch
from posteriors import a_grid, chance, distance, few_data, seeded, wells_and_seismic

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import LatentPrior
from gempy_gan.priors.exact import linear_operator
from gempy_gan.properties import Property
from gempy_gan.strategies.particles import Lineage, correlation, fitted_reference, informed
from gempy_gan.strategies.reference import prior_reference
from gempy_gan.strategies.smc import SMC
from gempy_gan.testing import check_strategy

N = 400


class Cells(LatentPrior):
    """Cells that are their latents, standard normal; `decoded` counts them."""

    cell_size = (50.0, 50.0, 1.0)
    properties = (Property("x"),)

    def __init__(self, number: int) -> None:
        self.latent_shape, self.shape, self.decoded = (number,), (number, 1, 1), 0

    def decode(self, z):
        self.decoded += len(z)
        return z.reshape(-1, 1, *self.shape)


def observing(forward, data, std, cells):
    prior = Cells(cells)
    return prior, Likelihood.of(Constraints(a_grid(prior.shape), SoftData(data, std, lambda m: forward(m.flatten(1)))), prior)


def precise(cells=64, data=32, std=0.05):
    """Linear data that make half of the directions of the latents two hundred times narrower: operator, problem, posterior."""
    operator = torch.randn((data, cells), generator=seeded(0)) / math.sqrt(cells)
    observed = operator @ torch.randn(cells, generator=seeded(1)) + std * torch.randn(data, generator=seeded(2))
    prior, likelihood = observing(lambda m: m @ operator.T, observed.numpy(), std, cells)
    precision = torch.eye(cells).double() + (operator.T @ operator).double() / std**2
    covariance = torch.linalg.inv(precision)
    mean = covariance @ (operator.T @ observed).double() / std**2
    evidence = operator.double() @ operator.T.double() + std**2 * torch.eye(data).double()
    exact = torch.distributions.MultivariateNormal(torch.zeros(data).double(), evidence).log_prob(observed.double())
    return prior, likelihood, mean, torch.linalg.cholesky(covariance), float(exact)


@pytest.mark.parametrize("kernel", ["mala", "pcn"])
def test_it_keeps_the_contract(kernel):
    check_strategy(SMC(kernel=kernel))


@pytest.mark.parametrize("strategy", [SMC(), SMC(kernel="pcn")], ids=["mala", "pcn"])
def test_it_reaches_the_posterior_of_few_data_and_their_evidence(strategy):
    known = few_data()
    draws = strategy.sample(known.prior, known.likelihood, N, seeded(1))
    assert distance(draws.values, known.posterior).within(*chance(N))
    matrix, offset = linear_operator(known.prior, known.likelihood)
    covariance = matrix @ known.prior.covariance_matrix() @ matrix.T + known.likelihood.std.double().square().diag()
    centre = offset + matrix @ torch.full((120,), 0.2).double()
    exact = torch.distributions.MultivariateNormal(centre, covariance).log_prob(known.likelihood.observed.double())
    # three temperatures, at each of which the weights of 400 particles have a coefficient of variation of 1 at most
    assert draws.trace["log_evidence"] == pytest.approx(float(exact), abs=4 * math.sqrt(3 / N))


def test_particles_do_not_collapse_on_precise_data():
    """With a Gaussian fitted to the very particles that it moves, their variance falls to 0.7 of what it should be."""
    prior, likelihood, mean, root, exact = precise()
    found = [SMC(particles=200, moves=8).sample(prior, likelihood, 200, seeded(seed)) for seed in range(2)]
    for draws in found:
        white = torch.linalg.solve_triangular(root, (draws.latents.double() - mean).T, upper=False).T
        # 64 directions: 200 draws that are worth half as many have a mean square error of the mean of 0.01, within a fifth of it
        assert white.mean(dim=0).square().mean() < 3 / draws.trace["effective_sample_size"]
        assert white.var(dim=0).mean().item() == pytest.approx(1.0, abs=0.1)
        assert draws.trace["effective_sample_size"] > 50
    assert sum(draws.trace["log_evidence"] for draws in found) / 2 == pytest.approx(exact, abs=1.5)


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")  # too few moves for such data: not what is tested
@pytest.mark.parametrize("std", [1e-3, 1e-6])
def test_data_of_absurd_precision_are_survived(std):
    prior, likelihood = observing(lambda m: m[:, :4], [0.3, -0.2, 1.1, 0.4], std, 8)
    draws = SMC(particles=40, moves=2).sample(prior, likelihood, 4, seeded(0))
    assert draws.values.isfinite().all()
    assert draws.trace["steps"] > 10


def test_modes_get_their_weights():
    """z^2 + z / 2 = 1.5 within 0.2 at z = 1 and z = -1.5: by quadrature the first has 67 % of the probability."""
    prior, likelihood = observing(lambda m: m[:, :1].square() + m[:, :1] / 2, [1.5], 0.2, 2)
    z = torch.linspace(-5, 5, 20_001).double()
    density = torch.exp(-0.5 * z.square() - 0.5 * ((z.square() + z / 2 - 1.5) / 0.2) ** 2)
    exact = float(density[z > -0.25].sum() / density.sum())
    evidence = float(torch.trapezoid(density, z)) / (2 * math.pi * 0.2)
    assert 0.6 < exact < 0.8
    for kernel in ("mala", "pcn"):
        draws = [SMC(particles=1000, kernel=kernel).sample(prior, likelihood, 1000, seeded(seed)) for seed in range(4)]
        share = sum(float((d.latents[:, 0] > -0.25).double().mean()) for d in draws) / 4
        # the modes part early: 4,000 particles at 5 temperatures, each with a resampling that leaves half of their worth
        assert share == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) * 5 / 4000))
        mean = sum(math.exp(d.trace["log_evidence"]) for d in draws) / 4
        assert mean == pytest.approx(evidence, rel=4 * math.sqrt(5 / 4000))


def test_temperatures_follow_the_data():
    known = few_data()
    few = SMC().sample(known.prior, known.likelihood, 4, seeded(0)).trace["steps"]
    prior, likelihood, *_ = precise()
    many = SMC(particles=100, moves=1).sample(prior, likelihood, 4, seeded(0)).trace["steps"]
    more = SMC(particles=100, moves=1, ess=0.8).sample(prior, likelihood, 4, seeded(0)).trace["steps"]
    assert few < 6 < many < more


def test_what_is_decoded_is_counted_and_no_more():
    prior, likelihood = observing(lambda m: m[:, :1], [0.5], 0.5, 2)
    draws = SMC(particles=100, moves=2).sample(prior, likelihood, 7, seeded(0))
    assert draws.trace["evaluations"] + 7 == prior.decoded
    assert draws.trace["evaluations"] <= 100 * (1 + 2 * draws.trace["steps"])
    assert draws.values.shape == (7, 1, 2, 1, 1)


def test_degeneracy_is_told():
    known = wells_and_seismic()
    with pytest.warns(
        GempyGanWarning, match=r"40 particles are worth \d+\.\d independent draws, and 40 were asked for: they desc"
    ):
        draws = SMC(particles=40, kernel="pcn", moves=1).sample(known.prior, known.likelihood, 40, seeded(0))
    assert draws.trace["ancestors"] < 5
    assert draws.trace["effective_sample_size"] < 10


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")  # few particles: not what is tested
@pytest.mark.parametrize("kernel", ["mala", "pcn"])
def test_equal_seeds_give_equal_bytes(kernel):
    known = few_data()
    strategy = SMC(particles=40, kernel=kernel)
    one, two, other = (strategy.sample(known.prior, known.likelihood, 6, seeded(s)).values for s in (3, 3, 4))
    assert one.numpy().tobytes() == two.numpy().tobytes()
    assert not torch.equal(one, other)


def test_no_data_leave_the_prior():
    prior = few_data().prior
    draws = SMC().sample(prior, Likelihood.of(Constraints(a_grid(prior.shape)), prior), 200, seeded(2))
    # as for all strategies: 200 draws of 120 correlated cells
    assert (draws.values.mean(0) - 0.2).square().mean().sqrt() < 2 * 0.05 / math.sqrt(200)
    assert abs(float(draws.values.std(0).mean()) / 0.05 - 1) < 0.2
    assert draws.trace["log_evidence"] == pytest.approx(0.0, abs=1e-9)


def test_impossible_data_are_refused():
    prior = few_data().prior
    no_number = SoftData([1.0], 0.1, lambda m: (m - 9).mean(dim=(1, 2, 3, 4))[:, None].sqrt())
    with pytest.raises(GempyGanError, match="not a number"):
        SMC().sample(prior, Likelihood.of(Constraints(a_grid(prior.shape), no_number), prior), 3, seeded(0))
    far = HardData([[0, 0, 0]], [1e30], 1e-9, "porosity")
    with pytest.raises(GempyGanError, match=r"No realization of the prior has any likelihood\. Check the units"):
        SMC().sample(prior, Likelihood.of(Constraints(a_grid(prior.shape), far), prior), 3, seeded(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel": "gibbs"}, "SMC's kernel is 'gibbs'. Expected one of: mala, pcn"),
        ({"particles": 3}, "Expected 4 or more particles"),
        ({"moves": 0}, "1 or more moves"),
        ({"ess": 1.0}, "0 < ess < 1"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(GempyGanError, match=message):
        SMC(**options)


# The cloud


def test_lineages_tell_what_particles_are_worth():
    lineage = Lineage()
    lineage.add(torch.tensor([0, 0, 1, 1]), 1.0)
    assert lineage.summary() == (2, pytest.approx(2.0))  # two pairs of copies
    lineage.add(torch.tensor([0, 1, 2, 3]), 0.5)
    assert lineage.summary() == (2, pytest.approx(16 / (4 + 4 * 0.25)))  # each half forgot its copy: a correlation of 1/4
    lineage.add(torch.tensor([0, 0, 2, 3]), 0.0)
    assert lineage.summary() == (2, pytest.approx(4.0))
    alone = Lineage()
    alone.add(torch.tensor([2, 2, 2, 2]), 0.6)
    assert alone.summary() == (1, pytest.approx(16 / (4 + 12 * 0.36)))


def test_summaries_that_do_not_vary_are_not_forgotten():
    start = torch.tensor([[0.0, 1.0, 5.0], [1.0, 2.0, 5.0], [2.0, 3.0, 5.0]])
    assert correlation(start, torch.tensor([[0.0, 3.0, 5.0], [2.0, 2.0, 5.0], [4.0, 1.0, 5.0]])).tolist() == pytest.approx(
        [1, -1, 1]
    )


def test_a_gaussian_is_fitted_in_the_directions_that_data_inform():
    root = torch.tensor([[0.1, 0.0], [0.3, 0.5]])
    z = torch.randn((4000, 2), generator=seeded(0)) @ root.T + torch.tensor([1.0, -2.0])
    even = torch.full((4000,), 1 / 4000).double()
    full = fitted_reference(z, even, torch.eye(2), prior_reference(2))
    covariance = full.spread(torch.eye(2)).whole
    assert full.mean.tolist() == pytest.approx([1, -2], abs=0.04)
    assert torch.allclose(covariance, root @ root.T, rtol=0.15, atol=0.005)
    along = torch.tensor([[0.0, 1.0]])
    half = fitted_reference(z, even, along, prior_reference(2))
    assert half.mean.tolist() == pytest.approx([0, -2], abs=0.04)
    assert half.spread(torch.eye(2)).whole.diag().tolist() == pytest.approx([1.0, 0.34], rel=0.1)
    few = z[:3], torch.full((3,), 1 / 3).double()
    near = fitted_reference(*few, torch.eye(2), full).spread(torch.eye(2)).whole
    # three particles say little against the Gaussian before: correlations stay
    assert near[0, 1] / (near[0, 0] * near[1, 1]).sqrt() == pytest.approx(
        float(covariance[0, 1] / covariance.diag().prod().sqrt()), abs=0.3
    )


def test_informed_directions():
    even = torch.full((100,), 0.01).double()
    assert torch.equal(informed(even, torch.zeros((100, 0)), 50), torch.eye(50))
    assert informed(even, torch.zeros((100, 0)), 500).shape == (0, 500)
    gradients = torch.randn((100, 2), generator=seeded(0)) @ torch.eye(2, 500)
    found = informed(even, gradients, 500)
    assert found.shape == (2, 500)
    assert torch.allclose(found[:, 2:], torch.zeros((2, 498)), atol=1e-5)
