"""The inference network against exact posteriors, and what it must notice of itself."""

import math
import warnings

import numpy as np
import pytest
import torch
from posteriors import CELL_SIZE, Case, a_grid, chance, distance, few_data, mixture, seeded, wells_and_seismic

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import FormatError, GempyGanError, GempyGanWarning
from gempy_gan.likelihood import Likelihood
from gempy_gan.networks.conditional_mixture import ConditionalMixture
from gempy_gan.prior import LatentPrior
from gempy_gan.priors.exact import gaussian_posterior
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.properties import Property
from gempy_gan.strategies import amortized, amortized_files
from gempy_gan.strategies.amortized import Training, simulate, train
from gempy_gan.strategies.inference_network import InferenceNetwork
from gempy_gan.strategies.surrogate import Surrogate, SurrogatePosterior
from gempy_gan.testing import check_strategy

N = 400
CHANCE = chance(N)
SMALL = {"simulations": 2048, "steps": 10}


class Squares(LatentPrior):
    """Two cells that are the squares of two latents: a cell known leaves two modes of its latent."""

    shape = (2, 1, 1)
    cell_size = CELL_SIZE
    properties = (Property("porosity"),)
    latent_shape = (2,)

    def decode(self, z):
        return z.square().reshape(-1, 1, 2, 1, 1)


def squares(value: float = 1.0, std: float = 0.2) -> Case:
    prior = Squares()
    hard = HardData([[0, 0, 0]], [value], std, "porosity")
    return Case(prior, Likelihood.of(Constraints(a_grid(prior.shape), hard), prior), None)


def on_wells(prior: GaussianPrior, wells: list[tuple[int, int]], value: float = 0.25, std: float = 0.02) -> Likelihood:
    cells = [(i, j, k) for i, j in wells for k in range(prior.shape[2])]
    values = value + 0.03 * np.sin(np.arange(len(cells)))
    return Likelihood.of(Constraints(a_grid(prior.shape), HardData(cells, values, std, "porosity")), prior)


@pytest.fixture
def nothing_remembered():
    amortized_files._memory.clear()


# Exact posteriors


def test_contract():
    check_strategy(InferenceNetwork(simulations=1024, steps=20))


@pytest.mark.parametrize("options", [SMALL, {**SMALL, "refined": 30}, {**SMALL, "proposals": 3}], ids=str)
def test_few_data(options):
    known = few_data()
    draws = InferenceNetwork(**options).sample(known.prior, known.likelihood, N, seeded(1))
    assert distance(draws.values, known.posterior).within(*CHANCE)
    assert draws.trace["effective_sample_size"] > 0.98 * draws.trace["proposals"]


def test_wells_and_seismic():
    known = wells_and_seismic()
    draws = InferenceNetwork(steps=0).sample(known.prior, known.likelihood, N, seeded(1))
    assert distance(draws.values, known.posterior).within(*CHANCE)
    assert abs(draws.trace["spread"] - 1) < 0.1
    assert draws.trace["surprise"] < 1.5


def test_one_network_serves_other_wells(tmp_path):
    prior = few_data().prior
    path = InferenceNetwork(**SMALL).fit(prior, on_wells(prior, [(0, 0), (3, 2), (5, 4)]), tmp_path / "network.safetensors")
    for wells in ([(3, 2)], [(0, 0), (3, 2), (5, 4)], [(1, 3), (4, 0)]):
        likelihood = on_wells(prior, wells)
        draws = InferenceNetwork(network=path).sample(prior, likelihood, N, seeded(1))
        assert distance(draws.values, gaussian_posterior(prior, likelihood)).within(*CHANCE)


def exact_of_squares(value: float, std: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The posterior of the first latent on a fine line."""
    line = torch.linspace(-3, 3, 1201).double()
    log = -0.5 * line.square() - 0.5 * ((line.square() - value) / std).square()
    return line, (log - log.logsumexp(0)).exp()


def test_both_modes_are_drawn():
    known = squares()
    strategy = InferenceNetwork(simulations=2048, components=4)
    draws = strategy.sample(known.prior, known.likelihood, 4000, seeded(0))
    edges = torch.linspace(-3, 3, 25).double()
    line, weight = exact_of_squares(1.0, 0.2)
    exact = torch.zeros(24).double().index_add(0, torch.bucketize(line, edges[1:-1]), weight)
    found = torch.bincount(torch.bucketize(draws.latents[:, 0].double(), edges[1:-1]), minlength=24) / 4000
    # total variation: chance alone gives 0.02 with 4,000 draws, a single mode 0.5, the prior 0.66
    assert 0.5 * (found - exact).abs().sum() < 0.15
    assert draws.trace["held_out"][-1] < draws.trace["held_out"][0] - 0.5
    corrected = InferenceNetwork(simulations=2048, components=4, proposals=20)
    z = corrected.sample(known.prior, known.likelihood, 4000, seeded(0)).latents[:, 0].double()
    better = torch.bincount(torch.bucketize(z, edges[1:-1]), minlength=24) / 4000
    assert 0.5 * (better - exact).abs().sum() < 0.05


# What it notices of itself


def test_reconstruction_collapses_and_says_so():
    known = few_data()
    strategy = InferenceNetwork("reconstruction", simulations=2048, steps=100)
    with pytest.warns(GempyGanWarning, match=r"has collapsed: for simulated data .* draws spread 0\.\d+ of what they err"):
        draws = strategy.sample(known.prior, known.likelihood, 50, seeded(0))
    assert draws.trace["spread"] < 0.5
    with pytest.raises(GempyGanError, match="no density that weights could correct"):
        InferenceNetwork("reconstruction", simulations=2048, steps=100, proposals=2).sample(
            known.prior, known.likelihood, 50, seeded(0)
        )


def test_data_unlike_all_simulated_ones_are_reported():
    known = few_data()
    farther = "times farther from what the prior expects than any of 64 simulated data sets"
    with pytest.warns(GempyGanWarning, match=farther), pytest.warns(GempyGanWarning, match="20 of 20 draws .* miss the data"):
        InferenceNetwork(**SMALL).sample(known.prior, on_wells(known.prior, [(3, 2)], value=1.5), 20, seeded(0))


def test_draws_that_miss_the_data_are_reported_and_refined():
    prior = GaussianPrior((6, 5, 4), CELL_SIZE, "porosity", ranges=(200, 100, 2), quantiles=[0, 0.1, 0.3, 0.5, 0.7, 0.95, 1])
    likelihood = on_wells(prior, [(0, 0), (3, 2), (5, 4)], value=0.6, std=0.01)
    options = {**SMALL, "steps": 0}
    with pytest.warns(GempyGanWarning, match="draws of the inference network miss the data"):
        draws = InferenceNetwork(**options).sample(prior, likelihood, 20, seeded(0))
    refined = InferenceNetwork(**options, refined=100).sample(prior, likelihood, 20, seeded(0))
    assert np.median(refined.trace["chi2"]) < 1.5 < np.median(draws.trace["chi2"])
    assert refined.trace["chi2_before"] == draws.trace["chi2"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        InferenceNetwork(**options, proposals=2).sample(prior, likelihood, 20, seeded(0))
    assert any("40 proposals of the inference network are worth" in str(w.message) for w in caught)


def test_training_stops_when_nothing_is_gained():
    known = few_data()
    trained = train(known.prior, known.likelihood, Training(simulations=2048, steps=50))
    assert len(trained.log["held_out"]) < 11  # linear data: the surrogate is the posterior, and every step is overfitting


# Remembered networks, and those in files


@pytest.mark.usefixtures("nothing_remembered")
def test_a_remembered_network_changes_nothing(monkeypatch, tmp_path):
    known, trainings = few_data(), []
    monkeypatch.setattr(amortized_files, "train", lambda *given: trainings.append(given) or train(*given))
    strategy = InferenceNetwork(simulations=2048, steps=5)
    first, again = (strategy.sample(known.prior, known.likelihood, 6, seeded(3)) for _ in range(2))
    assert len(trainings) == 1
    amortized_files._memory.clear()
    fresh = strategy.sample(known.prior, known.likelihood, 6, seeded(3))
    assert len(trainings) == 2
    path = strategy.fit(known.prior, known.likelihood, tmp_path / "network.safetensors")
    kept = InferenceNetwork(network=path).sample(known.prior, known.likelihood, 6, seeded(3))
    for other in (again, fresh, kept):
        assert first.values.numpy().tobytes() == other.values.numpy().tobytes()
        assert first.trace == other.trace


@pytest.mark.usefixtures("nothing_remembered")
def test_what_is_remembered_is_told_apart(monkeypatch):
    known, trainings = few_data(), []
    monkeypatch.setattr(amortized_files, "train", lambda *given: trainings.append(given) or train(*given))
    other_prior = GaussianPrior((6, 5, 4), CELL_SIZE, "porosity", 0.2, 0.06, "exponential", (200, 100, 2), azimuth=30)
    calls = [
        (InferenceNetwork(simulations=2048, steps=0), known.prior, known.likelihood),
        (InferenceNetwork(simulations=2000, steps=0), known.prior, known.likelihood),
        (InferenceNetwork(simulations=2048, steps=0), other_prior, known.likelihood),
        (InferenceNetwork(simulations=2048, steps=0), known.prior, on_wells(known.prior, [(3, 2)])),
        (InferenceNetwork(simulations=2048, steps=0), known.prior, with_mean(known.prior, 1.0)),
        (InferenceNetwork(simulations=2048, steps=0), known.prior, with_mean(known.prior, 2.0)),
    ]
    for k, (strategy, prior, likelihood) in enumerate(calls, start=1):
        strategy.sample(prior, likelihood, 2, seeded(0))
        assert len(trainings) == k
    assert len(amortized_files._memory) == amortized_files.REMEMBERED


def with_mean(prior, factor: float) -> Likelihood:
    soft = SoftData([0.2 * factor], 0.02, lambda m: factor * m.mean(dim=(1, 2, 3, 4))[:, None])
    return Likelihood.of(Constraints(a_grid(prior.shape), soft), prior)


def test_a_file_that_does_not_fit_is_refused(tmp_path):
    known = few_data()
    path = InferenceNetwork(simulations=2048, steps=0).fit(known.prior, known.likelihood, tmp_path / "network.safetensors")
    strategy = InferenceNetwork(network=path)
    with pytest.raises(GempyGanError, match="trained for hard data of the properties porosity and 0 soft data, and there are"):
        strategy.sample(known.prior, with_mean(known.prior, 1.0), 2, seeded(0))
    other = GaussianPrior((6, 5, 4), CELL_SIZE, "porosity", 0.2, 0.06, "exponential", (200, 100, 2), azimuth=30)
    with pytest.raises(GempyGanError, match="was trained for another prior"):
        strategy.sample(other, known.likelihood, 2, seeded(0))
    with pytest.warns(GempyGanWarning, match=r"errors of the porosity are 0\.005 to 0\.005, and the network in .* with 0\.03 to"):
        strategy.sample(known.prior, on_wells(known.prior, [(3, 2)], 0.2, 0.005), 2, seeded(0))
    with pytest.raises(FormatError, match="does not exist"):
        InferenceNetwork(network=tmp_path / "none.safetensors").sample(known.prior, known.likelihood, 2, seeded(0))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match="damaged or no safetensors file"):
        strategy.sample(known.prior, known.likelihood, 2, seeded(0))
    with pytest.raises(FormatError, match=r"ends in '\.pt'"):
        InferenceNetwork(simulations=2048, steps=0).fit(known.prior, known.likelihood, tmp_path / "network.pt")


# Its parts, and what it refuses


def test_no_data_leave_the_prior():
    prior = few_data().prior
    draws = InferenceNetwork().sample(prior, Likelihood.of(Constraints(a_grid(prior.shape)), prior), 200, seeded(2))
    assert (draws.values.mean(0) - 0.2).square().mean().sqrt() < 2 * 0.05 / math.sqrt(200)
    assert abs(float(draws.values.std(0).mean()) / 0.05 - 1) < 0.2


def test_impossible_requests_are_refused(monkeypatch):
    known = few_data()
    for options in ({"simulations": 0}, {"steps": -1}, {"components": 0}, {"proposals": 0}, {"refined": -1}):
        with pytest.raises(GempyGanError, match="Expected positive numbers"):
            InferenceNetwork(**options)
    with pytest.raises(GempyGanError, match=r"'misfit'\. Expected one of: posterior, reconstruction"):
        InferenceNetwork("misfit")
    with pytest.raises(GempyGanError, match=r"latents was to learn from 100 simulations\. Expected at least"):
        InferenceNetwork(simulations=100).sample(known.prior, known.likelihood, 2, seeded(0))
    no_data = Likelihood.of(Constraints(a_grid(known.prior.shape)), known.prior)
    with pytest.raises(GempyGanError, match=r"was to be trained without data\. Expected which cells"):
        InferenceNetwork().fit(known.prior, no_data, "network.safetensors")
    with pytest.raises(GempyGanError, match="needs a LatentPrior"):
        InferenceNetwork().sample(mixture().prior, mixture().likelihood, 2, seeded(0))
    soft = SoftData([1.0], 0.1, lambda m: (m - 9).mean(dim=(1, 2, 3, 4))[:, None].sqrt())
    with pytest.raises(GempyGanError, match="not finite"):
        likelihood = Likelihood.of(Constraints(a_grid(known.prior.shape), soft), known.prior)
        InferenceNetwork(simulations=2048).sample(known.prior, likelihood, 2, seeded(0))
    monkeypatch.setattr(amortized, "LARGEST", 120 * 3000)
    with pytest.raises(GempyGanError, match=r"4096 simulations of 120 cells and data are too many .* at most 3000 simulations"):
        InferenceNetwork().sample(known.prior, known.likelihood, 2, seeded(0))


def test_conditional_mixture_draws_from_its_density():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        density = ConditionalMixture(3, 2, 3, 1)
        torch.nn.init.normal_(density.out.bias, std=0.7)
        noise, uniform = torch.randn(20_000, 2), torch.rand(20_000)
    with torch.no_grad():
        features = torch.ones(1, 3)
        e = density.draw(features, noise, uniform)
        line = torch.linspace(-8, 8, 401)
        square = torch.cartesian_prod(line, line)
        weight = density(features, square).double().exp() * 0.04**2
        mean = weight @ square.double()
        spread = (weight[:, None] * (square - mean)).T @ (square - mean)
    assert abs(float(weight.sum()) - 1) < 0.01
    assert torch.allclose(e.mean(0).double(), mean, atol=0.05)
    assert torch.allclose(torch.cov(e.T).double(), spread, atol=0.1)


def test_surrogate_of_a_curved_prior_knows_how_far_to_trust_many_data():
    prior = GaussianPrior((6, 5, 4), CELL_SIZE, "porosity", ranges=(200, 100, 2), quantiles=[0, 0.1, 0.3, 0.5, 0.7, 0.95, 1])
    likelihood = on_wells(prior, [(0, 0), (3, 2), (5, 4), (2, 0), (0, 4)], std=0.005)
    with torch.no_grad():
        z, y = simulate(prior, likelihood, [0], 4096, seeded(0))
        surrogate = Surrogate.fit(z[:3840], y[:3840], seeded(1))
        observed = amortized.observed_of(likelihood, [0])
        posterior = SurrogatePosterior(surrogate, [surrogate.information(observed.rows, observed.std)])
        data = y[3840:, observed.rows] + 0.005 * torch.randn((256, len(observed.rows)), generator=seeded(2))
        e = posterior.standardized(posterior.hidden([data]), surrogate.coordinates(z[3840:]))
    assert 0.9 < float(e.square().mean()) < 1.15
