"""The published latent optimization: its mask, its loss, what it reaches and what it does not."""

import math
import warnings

import numpy as np
import pytest
import torch
from gans import a_gan, state_of, wells
from posteriors import CELL_SIZE, a_grid, few_data, seeded

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategies.masked import MaskedLatent, distance_mask
from gempy_gan.testing import check_strategy
from gempy_gan.testing.strategies import ToyPrior, toy_constraints

FEW_STEPS = {"steps": 150, "learning_rate": 0.05}
misses = pytest.mark.filterwarnings("ignore:.*miss the data by more than their noise explains")


def test_mask_of_two_columns_by_hand():
    prior = ToyPrior()  # 4 x 3 columns of two layers
    hard = HardData([[0, 0, 0], [3, 0, 0], [3, 2, 1]], [1.0, 2.0, 3.0], 0.1, "porosity")
    likelihood = Likelihood.of(Constraints(Grid((0, 400, 0, 300, 0, 10), (4, 3, 2)), hard), prior)
    mask, target, share = distance_mask(likelihood, 2.0)
    near, far = 1 / math.sqrt(2), 1 / math.sqrt(3)
    slanted = 1 / math.sqrt(math.sqrt(2) + 1)
    below = [[1, near, far], [near, slanted, 0], [near, slanted, 0], [1, near, far]]
    above = [[0, 0, 0], [0, 0, far], [0, slanted, near], [far, near, 1]]
    assert torch.allclose(mask[0, :, :, 0], torch.tensor(below, dtype=torch.float32))
    assert torch.allclose(mask[0, :, :, 1], torch.tensor(above, dtype=torch.float32))
    assert target[0, :, 0, 0].tolist() == [1, 1, 2, 2]
    assert (target[0, :, :, 1] == 3).all()
    assert share == pytest.approx(3 / (np.sum(below) + np.sum(above)))


@pytest.mark.parametrize(("columns", "reach", "published"), [(4, 18, 0.0034), (8, 12, 0.0064), (20, 7, 0.015)])
def test_share_of_true_data_in_the_papers_box(columns, reach, published):
    """Wells so far apart in 128 x 128 columns that their discs neither meet nor leave the box give the paper's shares."""
    step = 128 // math.ceil(math.sqrt(columns))
    places = [(step // 2 + i * step, step // 2 + j * step) for i in range(128 // step) for j in range(128 // step)][:columns]
    prior = GaussianPrior((128, 128, 2), CELL_SIZE, "coarse_fraction")
    hard = HardData([(i, j, k) for i, j in places for k in range(2)], [0.5] * 2 * columns, 0.1, "coarse_fraction")
    likelihood = Likelihood.of(Constraints(a_grid(prior.shape), hard), prior)
    strategy = MaskedLatent()
    assert strategy._reach(likelihood) == reach
    assert distance_mask(likelihood, reach)[2] == pytest.approx(published, rel=0.05)


def test_without_reach_true_data_alone_have_weight():
    likelihood = wells(a_gan(), [(3, 4), (12, 9)])
    mask, target, share = distance_mask(likelihood, 0.0)
    known, values, _ = likelihood.known
    assert share == 1
    assert torch.equal(mask, known.float())
    assert torch.equal(target[known], values[known])
    assert (mask[1] == 0).all()  # nothing is known of the time


def test_the_loss_is_what_is_stated():
    prior = a_gan()
    soft = SoftData([0.4], 0.1, lambda m: m[:, 0].mean(dim=(1, 2, 3))[:, None], [[8.0, 8.0, 2.0]])
    likelihood = wells(prior, [(3, 4), (12, 9)], [soft])
    m = prior.sample(3, seeded(1))
    mask, target, _ = distance_mask(likelihood, 5.0)
    found = MaskedLatent(realism_weight=3.0, soft_weight=2.0)._loss(prior, likelihood, m, mask, target)
    masked = ((m - target).abs() * mask).sum(dim=(1, 2, 3, 4))
    cross = torch.nn.functional.binary_cross_entropy_with_logits(prior.realism(m), torch.ones(3), reduction="none")
    seismic = ((m[:, 0].mean(dim=(1, 2, 3)) - 0.4) / 0.1).square()
    assert torch.allclose(found, masked + 3 * cross + 2 * seismic, rtol=1e-5)


@misses
def test_it_keeps_the_contract_of_a_strategy_but_not_the_posterior():
    """On 24 Gaussian cells: no latent's prior and no noise in the loss, so the spread of the draws is not the posterior's."""
    check_strategy(MaskedLatent(reach=0, soft_weight=12, **FEW_STEPS), n=64, tolerance=1.0)
    with pytest.raises(AssertionError, match="must sample the posterior"):
        check_strategy(MaskedLatent(reach=0, soft_weight=12, **FEW_STEPS), n=64)


class Stiff(ToyPrior):
    """Six latents for 24 cells: what is extrapolated cannot all be matched."""

    latent_shape = (6,)

    def __init__(self):
        super().__init__()
        variance, directions = torch.linalg.eigh(self.covariance)
        self.root = (directions * variance.sqrt()).flip(1).float()

    def decode(self, z, weights=None):
        return super().decode(torch.nn.functional.pad(z, (0, 18)), weights)


@misses
def test_the_mask_keeps_draws_from_the_data():
    """What the paper's own loss costs: cells around wells, known only by extrapolation, outweigh the wells."""
    prior = Stiff()
    likelihood = Likelihood.of(toy_constraints(), prior)
    masked, true = (
        MaskedLatent(reach=reach, soft_weight=0, **FEW_STEPS).sample(prior, likelihood, 8, seeded(0)) for reach in (None, 0)
    )
    assert masked.trace["data_share"] < 0.3
    assert true.trace["data_share"] == 1
    assert max(true.trace["mean_absolute_error"]) < 0.05 < 0.08 < min(masked.trace["mean_absolute_error"])


def test_a_prior_without_a_discriminator_is_refused():
    known = few_data()
    with pytest.raises(GempyGanError, match="needs a TunablePrior, and GaussianPrior is none"):
        MaskedLatent().sample(known.prior, known.likelihood, 2, seeded(0))
    prior = a_gan(keep_discriminator=False)
    with pytest.raises(GempyGanError, match="without its discriminator"):
        MaskedLatent().sample(prior, wells(prior, [(3, 4)]), 2, seeded(0))


@misses
@pytest.mark.parametrize("normalise", [True, False])
def test_faithful_leaves_the_discriminator_in_training_mode_and_the_prior_alone(normalise):
    prior = a_gan(normalise=normalise)
    prior.networks["discriminator"](torch.rand(4, 2, *prior.shape))  # so that what it remembers of batches is not its start
    likelihood = wells(prior, [(3, 4), (12, 9)])
    before = state_of(prior)
    found = {
        faithful: MaskedLatent(steps=20, faithful=faithful).sample(prior, likelihood, 3, seeded(0)).values
        for faithful in (True, False)
    }
    after = state_of(prior)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not torch.equal(found[True], found[False])
    alone = MaskedLatent(steps=20, faithful=True).sample(prior, likelihood, 1, seeded(0)).values
    assert torch.equal(alone[0], found[True][0])  # whatever is drawn beside it


@misses
def test_equal_seeds_give_equal_bytes():
    prior = a_gan()
    likelihood = wells(prior, [(3, 4), (12, 9)])
    one, two, other = (MaskedLatent(steps=5).sample(prior, likelihood, 3, seeded(s)).values for s in (3, 3, 4))
    assert one.numpy().tobytes() == two.numpy().tobytes()
    assert not torch.equal(one, other)


def test_realizations_that_miss_the_data_are_counted():
    prior = a_gan()
    with pytest.warns(GempyGanWarning, match=r"3 of 3 latent optimizations miss the data by more than their noise explains"):
        MaskedLatent(steps=1).sample(prior, wells(prior, [(3, 4), (12, 9)], std=1e-4), 3, seeded(0))


def test_no_data_leave_the_prior():
    prior = a_gan()
    draws = MaskedLatent().sample(prior, Likelihood.of(Constraints(a_grid(prior.shape)), prior), 4, seeded(2))
    assert torch.equal(draws.latents, torch.randn((4, *prior.latent_shape), generator=seeded(2)))


@pytest.mark.parametrize("options", [{"steps": 0}, {"learning_rate": 0.0}, {"reach": -1.0}, {"realism_weight": -1.0}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(GempyGanError, match=f"{next(iter(options))}.*Expected"):
        MaskedLatent(**options)


def test_data_that_are_not_numbers_are_told():
    prior = ToyPrior()
    soft = SoftData([0.0], 0.1, lambda m: m.flatten(1).sum(dim=1, keepdim=True) * torch.nan, [[0.0, 0.0, 0.0]])
    likelihood = Likelihood.of(Constraints(Grid((0, 400, 0, 300, 0, 10), (4, 3, 2)), soft), prior)
    with pytest.raises(GempyGanError, match="not finite"), warnings.catch_warnings():
        MaskedLatent(steps=2).sample(prior, likelihood, 2, seeded(0))


def test_the_posterior_mode_is_elsewhere():
    """Latent (randomized maximum likelihood) is what to use for the posterior; this one has another aim."""
    prior = ToyPrior()
    likelihood = Likelihood.of(toy_constraints(), prior)
    right = Latent().sample(prior, likelihood, 200, seeded(0)).values.std(dim=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GempyGanWarning)
        found = MaskedLatent(reach=0, **FEW_STEPS).sample(prior, likelihood, 200, seeded(0)).values.std(dim=0)
    assert (found[0, 0, 0, 0] < 0.5 * right[0, 0, 0, 0]).all()  # at a well cell: the noise of the datum is not honoured
