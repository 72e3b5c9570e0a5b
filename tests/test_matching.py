import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.inversion import describe_prior, invert, sample
from gempy_gan.likelihood import Likelihood
from gempy_gan.matching import MatchedPrior, Unmatched
from gempy_gan.plugins import get_prior, get_strategy
from gempy_gan.workflow import prior_from

GRID = Grid(extent=(0, 80, 0, 80, 0, 6), resolution=(8, 8, 6))
QUANTILES = [0.0, 0.05, 0.1, 0.4, 0.9, 1.0]
SCORE = {"property": "sand", "mean": 0.0, "std": 1.0, "ranges": (60.0, 60.0, 5.0), "covariance": "exponential"}


def field(**options):
    return get_prior("gaussian", shape=GRID.resolution, cell_size=GRID.cell_size, **{**SCORE, **options})


def wells():
    cells = [[1, 1, k] for k in range(6)] + [[6, 5, k] for k in range(6)]
    return HardData(np.array(cells), np.linspace(0.06, 0.85, 12), 0.03, "sand")


def test_realizations_have_the_wanted_histogram_and_the_order_of_the_prior():
    prior = MatchedPrior(field(), QUANTILES)
    drawn = prior.sample(60, torch.Generator().manual_seed(3))
    behind = prior.prior.sample(60, torch.Generator().manual_seed(3))
    found = np.quantile(drawn.numpy(), np.linspace(0, 1, 6))
    assert np.abs(found[1:-1] - QUANTILES[1:-1]).max() < 0.05
    assert drawn.min() >= 0
    assert drawn.max() <= 1.001  # apart, so that each value has one counterpart
    i, j = torch.randint(drawn.numel(), (2, 500), generator=torch.Generator().manual_seed(0))
    apart = behind.flatten()[i] - behind.flatten()[j]
    assert ((drawn.flatten()[i] - drawn.flatten()[j]) * apart >= 0).all()


def test_a_prior_is_built_again_from_its_state():
    prior = MatchedPrior(field(), QUANTILES, "sand")
    state = {**prior.state()}
    again = MatchedPrior(field(), **state)
    values = prior.prior.sample(2, torch.Generator().manual_seed(3))
    assert torch.allclose(again.matched(values), prior.matched(values), atol=2e-3)
    with pytest.raises(GempyGanError, match="6 quantiles to match, and 2 of the prior"):
        MatchedPrior(field(), QUANTILES, own=[0.0, 1.0])


def test_other_properties_stay_as_they_are():
    two = torch.rand(20, 2, 4, 4, 2, generator=torch.Generator().manual_seed(1))
    prior = get_prior("empirical", examples=two, properties=("mud", "sand"))
    drawn = MatchedPrior(prior, [5.0, 6.0], "sand").sample(4, torch.Generator().manual_seed(2))
    behind = prior.sample(4, torch.Generator().manual_seed(2))
    assert torch.equal(drawn[:, 0], behind[:, 0])
    assert (drawn[:, 1] >= 5).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=3, max_size=12), st.floats(0, 1))
def test_a_value_comes_back_from_its_counterpart(values, share):
    prior = MatchedPrior(field(), sorted(values))
    low, high = float(prior.wanted[0]), float(prior.wanted[-1])
    value = torch.tensor([low + share * (high - low)], dtype=torch.float64)
    there = prior.unmatched(value)
    back = prior.matched(there.reshape(1, 1, 1, 1, 1)).flatten()
    assert back.tolist() == pytest.approx(value.tolist(), abs=1e-6)
    assert float(prior.unmatched_std(value, torch.tensor([0.05]))) > 0


def test_the_posterior_is_that_of_normal_scores():
    """A Gaussian prior with quantiles is the same distribution, made otherwise: the two posteriors agree around the wells."""
    quantiles = np.quantile(np.random.default_rng(0).beta(0.6, 0.9, 20_000), np.linspace(0, 1, 41)).tolist()
    constraints = Constraints(GRID, wells())
    own = invert(field(quantiles=quantiles), constraints, "latent", n=150, seed=1).values[:, 0]
    matched = invert(MatchedPrior(field(), quantiles, "sand"), constraints, "latent", n=150, seed=2).values[:, 0]
    beside = np.array([[2, 1, 2], [1, 2, 4], [5, 5, 1], [6, 4, 4], [7, 5, 3], [4, 3, 3]])
    mine, theirs = (values[:, *beside.T] for values in (matched, own))
    assert np.abs(mine.mean(axis=0) - theirs.mean(axis=0)).max() < 0.09
    assert np.abs(mine.std(axis=0) - theirs.std(axis=0)).max() < 0.07
    data = matched[:, *constraints.hard[0].cells.T]
    assert 0.3 < np.mean(((data - wells().values) / 0.03) ** 2) < 3


def test_soft_data_see_matched_realizations():
    """The mean of the box, as a forward operator of the wanted values."""

    def mean(m):
        return m.mean(dim=(1, 2, 3, 4))[:, None]

    soft = SoftData(np.array([0.5]), 0.02, mean, name="mean")
    prior = MatchedPrior(field(), QUANTILES)
    likelihood = Unmatched(Likelihood.of(Constraints(GRID, wells(), soft), prior), prior)
    m = prior.prior.sample(3, torch.Generator().manual_seed(5))
    cells = wells().cells
    predicted = likelihood.predict(m)
    assert torch.allclose(predicted[:, :12], m[:, 0, *torch.as_tensor(cells.T)])
    assert torch.allclose(predicted[:, 12:], mean(prior.matched(m)))
    mask, values, std = likelihood.known
    place = (0, *torch.as_tensor(cells.T))
    assert torch.allclose(values[place], likelihood.observed[:12])
    assert torch.allclose(std[place], likelihood.std[:12])
    assert int(mask.sum()) == likelihood.hard == 12
    ensemble = invert(prior, Constraints(GRID, wells(), soft), get_strategy("latent", steps=300), n=6, seed=0)
    assert ensemble.values.mean(axis=(1, 2, 3, 4)) == pytest.approx(np.full(6, 0.5), abs=0.08)


def test_a_diffusion_prior_is_matched_and_honours_its_wells():
    """Two examples, of which one fits: the ensemble is that one, in wanted values."""
    layers = torch.arange(6.0) / 5
    examples = torch.stack([layers.expand(8, 8, 6), (1 - layers).expand(8, 8, 6)])[:, None]
    prior = get_prior("mixture", examples=examples, sigma=0.02, properties=("sand",), cell_size=GRID.cell_size)
    matched = MatchedPrior(prior, [10.0, 12.0, 20.0], "sand")
    target = matched.matched(examples[:1])[0, 0, 3, 3].numpy()
    data = HardData(np.array([[3, 3, k] for k in range(6)]), target, 0.3, "sand")
    drawn = invert(matched, Constraints(GRID, data), n=5, seed=0)
    assert np.abs(drawn.values[:, 0].mean(axis=(0, 1, 2)) - target).max() < 0.6
    assert drawn.provenance["strategy"]["class"].endswith("Matched")
    assert drawn.provenance["prior"]["prior"]["class"].endswith("MixturePrior")


def test_a_study_asks_for_the_histogram_of_its_wells():
    constraints = Constraints(GRID, wells())
    prior = prior_from(
        "empirical", constraints, quantiles="wells", examples=field().sample(3), properties=("sand",), cell_size=GRID.cell_size
    )
    assert isinstance(prior, MatchedPrior)
    assert prior.wanted[[0, -1]].tolist() == pytest.approx([0.06, 0.85], abs=1e-3)
    assert len(sample(prior, GRID, 2)) == 2
    assert describe_prior(prior)["options"]["property"] == "sand"
    assert not isinstance(prior_from("gaussian", constraints, quantiles="wells"), MatchedPrior)


@pytest.mark.parametrize("quantiles", [[1.0], [2.0, 1.0], [0.0, float("nan")], ["a", "b"], [[0.0, 1.0]]])
def test_quantiles_that_are_none_are_refused(quantiles):
    with pytest.raises(GempyGanError, match="two or more finite numbers that never fall"):
        MatchedPrior(field(), quantiles)


def test_a_strategy_that_the_prior_behind_cannot_serve_is_refused():
    with pytest.raises(GempyGanError, match="needs a DiffusionPrior, and GaussianPrior is none"):
        invert(MatchedPrior(field(), QUANTILES), Constraints(GRID, wells()), "guided", n=1)
