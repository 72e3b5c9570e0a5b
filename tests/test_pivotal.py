"""Pivotal tuning: what it reaches, what it leaves alone, and the published way beside the corrected one."""

import dataclasses
import math

import pytest
import torch
from gans import a_gan, state_of, wells
from posteriors import few_data, seeded

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.gan import GanPrior
from gempy_gan.strategies import joint_tuning, tuning
from gempy_gan.strategies.elastic import wander
from gempy_gan.strategies.esmda import ESMDA
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategies.masked import MaskedLatent
from gempy_gan.strategies.perceptual import perceptual_distance
from gempy_gan.strategies.pivotal import Pivotal
from gempy_gan.strategies.rejection import Rejection
from gempy_gan.testing import check_strategy
from gempy_gan.testing.strategies import ToyPrior, exact_posterior, toy_constraints

misses = pytest.mark.filterwarnings("ignore:.*miss the data by more than their noise explains")
BRIEF = {"each": {}, "low-rank": {}, "joint": {"steps": 20}}
HOWS = pytest.mark.parametrize("how", list(BRIEF))


def toy():
    prior = ToyPrior()
    return prior, Likelihood.of(toy_constraints(), prior)


def image() -> SoftData:
    return SoftData([0.42, 0.55], 0.01, lambda m: m[:, 0].mean(dim=(2, 3))[:, [3, 9]], [[3.0, 8.0, 2.0], [9.0, 8.0, 2.0]])


# What it samples


def test_a_start_that_samples_the_posterior_is_left_alone():
    check_strategy(Pivotal(start=Latent()))
    prior, likelihood = toy()
    draws, start = (s.sample(prior, likelihood, 20, seeded(0)) for s in (Pivotal(start=Latent()), Latent()))
    assert torch.equal(draws.values, start.values)
    assert draws.trace["evaluations"] == [0] * 20
    assert draws.trace["drift"] == {"cells": None, "features": None}


@misses
@pytest.mark.parametrize("strategy", [Pivotal(start="prior"), Pivotal("low-rank", start="prior"), Pivotal("joint", steps=10)])
def test_other_starts_keep_the_contract_but_not_the_posterior(strategy):
    """Of 24 Gaussian cells: the mean within a posterior standard deviation and the spread within its double is all that holds."""
    check_strategy(strategy, n=64, tolerance=1.0)


def test_prior_draws_are_moved_no_farther_than_to_the_data():
    """Exact Gaussian, precise data: draws end where chi2 is 1, at the data. Weights of such a decoder know no neighbours, so that
    other cells keep the prior's spread, wider than the posterior's."""
    prior, _ = toy()
    hard = HardData([[0, 0, 0], [3, 2, 1], [1, 2, 0]], [1.0, -0.2, 0.9], 0.05, "porosity")
    likelihood = Likelihood.of(Constraints(Grid((0, 400, 0, 300, 0, 10), (4, 3, 2)), hard), prior)
    draws = Pivotal(start="prior").sample(prior, likelihood, 100, seeded(0))
    chi2 = likelihood.residual(draws.values).square().mean(dim=1)
    tuned = torch.tensor(draws.trace["evaluations"]) > 0
    assert tuned.float().mean() > 0.95
    assert (chi2[tuned] <= 1 + 1e-4).all()
    mean, std = exact_posterior(prior, likelihood)
    known = likelihood.known[0].flatten()
    values = draws.values.flatten(1)
    assert ((values.mean(dim=0) - mean)[known].abs() < std[known]).all()
    ratio = (values.std(dim=0) / std)[~known]
    assert 1 < ratio.mean() < 1.3
    assert float(values.std(dim=0)[~known].mean()) == pytest.approx(1, abs=0.15)


@misses
@HOWS
def test_random_pivots_come_nearer(how):
    """Even latents of the prior can be tuned to: to the noise but for the joint way, whose steps are few here."""
    prior = a_gan()
    likelihood = wells(prior)
    draws = Pivotal(how, start="prior", learning_rate=3e-3, **BRIEF[how]).sample(prior, likelihood, 4, seeded(1))
    before, after = (torch.tensor(t["mean_absolute_error"]) for t in (draws.trace["before"], draws.trace))
    assert (before > 0.03).all()
    assert (after < 0.01).all() if how != "joint" else after.mean() < 0.7 * before.mean()
    moved = (draws.values - prior.decode(draws.latents).detach()).abs().flatten(1).mean(dim=1)
    assert draws.trace["moved"] == pytest.approx(moved.tolist(), rel=1e-3)
    assert draws.trace["drift"]["cells"] > 0
    assert draws.trace["drift"]["features"] > 0


@HOWS
def test_soft_data_count_too(how):
    prior = a_gan()
    likelihood = wells(prior, (), (image(),))
    draws = Pivotal(how, start="prior", learning_rate=3e-3, **BRIEF[how]).sample(prior, likelihood, 4, seeded(1))
    assert sum(draws.trace["chi2"]) < 0.5 * sum(draws.trace["before"]["chi2"])


@misses
def test_the_start_is_any_strategy_that_draws_latents():
    prior, likelihood = toy()
    for start in (None, "prior", Latent(), MaskedLatent(steps=5), ESMDA(members=256)):
        draws = Pivotal(start=start).sample(prior, likelihood, 6, seeded(0))
        assert draws.latents.shape == (6, 24)
    assert Pivotal(start=ESMDA()).coupled
    assert Pivotal("low-rank").coupled
    assert not Pivotal().coupled
    with pytest.raises(GempyGanError, match="cannot start from Rejection, which draws no latents of this prior"):
        Pivotal(start=Rejection(50)).sample(prior, likelihood, 5, seeded(0))


# What it leaves alone


@misses
@pytest.mark.parametrize("strategy", [*(Pivotal(how, steps=3) for how in BRIEF), Pivotal("joint", steps=3, faithful=True)])
@pytest.mark.parametrize(
    "options", [{}, {"residual": False, "spectral": False, "normalise": True}], ids=["spectral", "batch-norm"]
)
def test_the_prior_is_left_as_it_was(strategy, options):
    prior = a_gan(**options)
    likelihood = wells(prior)
    before = state_of(prior)
    if strategy.faithful:
        strategy = dataclasses.replace(strategy, start=MaskedLatent(steps=2, faithful=True))
    strategy.sample(prior, likelihood, 2, seeded(0))
    after = state_of(prior)
    assert all(torch.equal(before[key], after[key]) for key in before)
    networks = prior.networks.values()
    assert all(p.requires_grad and p.grad is None for network in networks for p in network.parameters())


def test_steps_of_weights_are_the_inverse_of_what_they_do():
    prior = ToyPrior()
    (found,) = wander(prior, seeded(0))
    # cell i is the mean plus a sum of root[i, j] z_j: each weight of a column does alike, by the mean square of its latent
    assert torch.allclose(found, found[:1].expand(24, -1), rtol=1e-5)
    z = torch.randn((12, 24), generator=seeded(0))
    spread = prior.decode(z).std()
    f = z.square().mean(dim=0) / spread**2
    assert torch.allclose(found[0], (f + 0.1 * f.mean()).rsqrt(), rtol=1e-4)


def test_the_generator_moves_less_elsewhere_than_without_such_steps(monkeypatch):
    prior = a_gan()
    likelihood = wells(prior)
    elastic = Pivotal(start="prior").sample(prior, likelihood, 4, seeded(1)).trace["drift"]
    monkeypatch.setattr(tuning, "wander", lambda prior, generator: [torch.ones_like(w) for w in prior.parameters()])
    plain = Pivotal(start="prior").sample(prior, likelihood, 4, seeded(1)).trace["drift"]
    assert elastic["cells"] < 0.8 * plain["cells"]


def test_low_rank_changes_have_a_low_rank_and_keeping_keeps():
    prior = a_gan()
    likelihood = wells(prior)
    pivots = torch.randn((3, 16), generator=seeded(0))
    drift = []
    for keep in (0.0, 1e4):
        tuned = tuning.tune_low_rank(prior, likelihood, pivots, 25, 2, keep, seeded(0))
        (weights,) = tuned.weights
        changes = [w - p.detach() for w, p in zip(weights, prior.parameters(), strict=True)]
        assert all(torch.linalg.matrix_rank(c.flatten(1), rtol=1e-4) <= 2 for c in changes if c.ndim > 1)
        assert not any(c.any() for c in changes if c.ndim == 1)
        assert any(c.any() for c in changes)
        fresh = torch.randn((16, 16), generator=seeded(9))
        drift.append(float((prior.decode(fresh, weights) - prior.decode(fresh)).abs().mean().detach()))
    assert drift[1] < 0.8 * drift[0]


# As published


def test_perceptual_distance_by_hand_and_of_the_same_volume():
    prior = ToyPrior()  # whose features are its cells
    a, b = prior.sample(2, seeded(0)), prior.sample(2, seeded(1))
    assert torch.allclose(perceptual_distance(prior, a, b), (a - b).square().mean(dim=(1, 2, 3, 4)))
    gan = a_gan()
    a, b = gan.sample(2, seeded(0)), gan.sample(2, seeded(1))
    for faithful in (False, True):
        assert (perceptual_distance(gan, a, a, faithful) < 1e-6).all()
        assert (perceptual_distance(gan, a, b, faithful) > 1e-3).all()
    levels = zip(gan.features(a), gan.features(b), strict=True)
    by_hand = sum(((x - y) ** 2).sum(1).mean(dim=(1, 2, 3)) for x, y in levels)
    assert torch.allclose(perceptual_distance(gan, a, b), by_hand)


def test_features_are_made_from_scaled_ones_in_the_published_scripts_alone():
    prior = a_gan()
    m = prior.sample(2, seeded(0))
    right, published = prior.features(m), prior.features(m, faithful=True)
    assert prior.networks["discriminator"].training
    assert torch.allclose(right[0], published[0], atol=1e-3)  # but for a power iteration
    assert not torch.allclose(right[1], published[1], atol=1e-2)
    prior.features(m)
    assert not prior.networks["discriminator"].training


@pytest.mark.parametrize(("faithful", "radius"), [(True, 30.0), (False, math.sqrt(2 * 16))])
def test_the_published_flaws_are_in_the_published_way_alone(monkeypatch, faithful, radius):
    prior = a_gan()
    likelihood = wells(prior)
    pivots, seen = torch.randn((3, 16), generator=seeded(0)), []
    original = GanPrior.decode

    def decode(self, z, weights=None):
        seen.append((z, self is prior, weights is None, torch.is_grad_enabled()))
        return original(self, z, weights)

    monkeypatch.setattr(GanPrior, "decode", decode)
    judged = []
    features = GanPrior.features
    monkeypatch.setattr(GanPrior, "features", lambda self, m, f=False: judged.append((f, self is prior)) or features(self, m, f))
    joint_tuning.tune_jointly(prior, likelihood, pivots, 1, 3e-4, 0.1, faithful, seeded(1))
    near = next(z for z, _, by_original, _ in seen if by_original)
    assert torch.allclose((near - pivots).norm(dim=1), torch.full((3,), radius), rtol=1e-4)
    assert [with_slope for _, _, by_original, with_slope in seen if by_original] == [faithful]
    assert judged == [(faithful, not faithful)] * 2


def test_one_step_of_joint_tuning_descends_along_what_is_stated():
    prior = a_gan()
    likelihood = wells(prior, soft=(image(),))
    pivots = torch.randn((3, 16), generator=seeded(0))
    tuned = joint_tuning.tune_jointly(prior, likelihood, pivots, 1, 1e-3, 0.0, False, seeded(1))
    weights = [w.detach().clone().requires_grad_() for w in prior.parameters()]
    m = prior.decode(pivots, weights)
    mask, known, std = likelihood.known
    hard = (m[:, mask] - known[mask]).square().mean()
    soft = likelihood.residual(m)[:, likelihood.hard :].square().mean()
    slopes = torch.autograd.grad(hard + std[mask].square().mean() * soft, weights)
    for w, slope, (after, old) in zip(weights, slopes, zip(tuned.weights[0], prior.parameters(), strict=True), strict=True):
        strong = slope.abs() > 1e-5
        assert torch.allclose((after - old)[strong], -1e-3 * slope[strong].sign(), atol=2e-5), w.shape  # Adam's first step


# Details


@misses
@pytest.mark.parametrize("how", [*BRIEF, "faithful"])
def test_equal_seeds_give_equal_bytes(how):
    prior = a_gan()
    likelihood = wells(prior)
    faithful = how == "faithful"
    strategy = Pivotal("joint" if faithful else how, start="prior", steps=2, faithful=faithful)
    one, two, other = (strategy.sample(prior, likelihood, 3, seeded(s)).values for s in (3, 3, 4))
    assert one.numpy().tobytes() == two.numpy().tobytes()
    assert not torch.equal(one, other)


def test_what_still_does_not_fit_is_counted():
    prior = a_gan()
    with pytest.warns(GempyGanWarning, match=r"3 of 3 tuned realizations \(each\) miss the data.*nearer to the data"):
        Pivotal(start="prior", steps=1).sample(prior, wells(prior, std=1e-3), 3, seeded(0))


@misses
def test_a_generator_without_discriminator_can_be_tuned_but_not_compared():
    prior = a_gan(keep_discriminator=False)
    draws = Pivotal(steps=3).sample(prior, wells(prior), 2, seeded(0))
    assert draws.trace["drift"]["features"] is None
    with pytest.raises(GempyGanError, match="without its discriminator"):
        Pivotal("low-rank", start="prior", steps=3).sample(prior, wells(prior), 2, seeded(0))


def test_no_data_leave_the_prior():
    prior, _ = toy()
    draws = Pivotal().sample(prior, Likelihood.of(Constraints(Grid((0, 400, 0, 300, 0, 10), (4, 3, 2))), prior), 4, seeded(2))
    assert torch.equal(draws.latents, torch.randn((4, 24), generator=seeded(2)))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"how": "all"}, "how is 'all'. Expected one of: each, low-rank, joint"),
        ({"start": "latent"}, "start is 'latent'. Expected a strategy, 'prior' or None"),
        ({"steps": 0}, "Expected positive numbers"),
        ({"rank": 0}, "Expected positive numbers"),
        ({"faithful": True}, "which was never published"),
    ],
)
def test_options_that_cannot_be_are_refused(options, told):
    with pytest.raises(GempyGanError, match=told):
        Pivotal(**options)


def test_priors_and_data_that_cannot_be_are_refused():
    known = few_data()
    with pytest.raises(GempyGanError, match="needs a TunablePrior, and GaussianPrior is none"):
        Pivotal().sample(known.prior, known.likelihood, 2, seeded(0))
    prior, _ = toy()
    soft = SoftData([0.0], 0.1, lambda m: m.flatten(1).sum(dim=1, keepdim=True) * torch.nan, [[0.0, 0.0, 0.0]])
    likelihood = Likelihood.of(Constraints(Grid((0, 400, 0, 300, 0, 10), (4, 3, 2)), soft), prior)
    for how in BRIEF:
        with pytest.raises(GempyGanError, match="not finite"):
            Pivotal(how, start="prior").sample(prior, likelihood, 2, seeded(0))
