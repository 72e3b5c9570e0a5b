"""Markov chains in latent space: exact posteriors, modes that lie apart, and when chains may be called converged."""

from __future__ import annotations

import dataclasses
import math
import warnings

import pytest
import torch
from posteriors import CELL_SIZE, Case, a_grid, chance, distance, few_data, seeded, wells_and_seismic

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import LatentPrior
from gempy_gan.properties import Property
from gempy_gan.strategies.adaptation import DualAveraging
from gempy_gan.strategies.convergence import convergence
from gempy_gan.strategies.gauss_newton import gauss_newton
from gempy_gan.strategies.hmc import HMC, trajectory
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategies.mala import MALA
from gempy_gan.strategies.misfit import Misfit
from gempy_gan.strategies.pcn import PCN
from gempy_gan.strategies.reference import Deviation, laplace_reference, posterior_mode, prior_reference
from gempy_gan.strategies.rejection import Rejection
from gempy_gan.strategies.target import Target
from gempy_gan.strategies.tempering import Ladder
from gempy_gan.testing import check_strategy

N = 400
CHANCE = chance(N)
KERNELS = [PCN, MALA, HMC]

# Exact posteriors, beside those in test_posterior.py


def options(strategy) -> str:
    given = [f for f in dataclasses.fields(strategy) if getattr(strategy, f.name) != f.default]
    return f"{type(strategy).__name__}({', '.join(f'{f.name}={getattr(strategy, f.name)}' for f in given)})"


@pytest.mark.parametrize(
    ("case", "strategy"),
    [
        pytest.param(case, strategy, id=f"{case.__name__}-{options(strategy)}")
        for case, strategy in [
            (few_data, HMC("prior", chains=40, burn_in=20, leapfrogs=4)),
            (few_data, MALA(chains=10, temperatures=3, hottest=10)),
        ]
    ],
)
def test_gradient_chains_reach_the_exact_posterior(case, strategy):
    known: Case = case()
    draws = strategy.sample(known.prior, known.likelihood, N, seeded(1))
    assert draws.trace["converged"]
    found = distance(draws.values, known.posterior)
    assert found.within(*CHANCE), found


@pytest.mark.parametrize("kernel", [MALA, HMC])
def test_gradient_chains_keep_the_contract(kernel):
    check_strategy(kernel(chains=32))


class Folded(LatentPrior):
    """Three cells, the first of which is the square of a latent, with a steep and a gentle side."""

    shape = (3, 1, 1)
    cell_size = CELL_SIZE
    properties = (Property("porosity"),)
    latent_shape = (3,)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        side = z[:, :1] + 0.1
        first = side.square() * torch.where(side > 0, 1.0, 16.0)
        return torch.cat([first, z[:, 1:] + 0.5 * z[:, :1]], dim=1).reshape(-1, 1, 3, 1, 1)


def folded() -> tuple[Folded, Likelihood, float]:
    """Prior and data whose posterior has two modes, 12 units of log density deep, and the exact weight of the gentle one."""
    prior = Folded()
    hard = HardData([[0, 0, 0], [1, 0, 0]], [1.0, 0.3], [0.2, 0.5], "porosity")
    z = torch.linspace(-6, 6, 200_001).double()
    side = z + 0.1
    first = side.square() * torch.where(side > 0, 1.0, 16.0)
    # the second cell is 0.5 z plus a standard normal latent, which is integrated out
    log = -0.5 * (z.square() + ((first - 1) / 0.2).square() + (0.3 - 0.5 * z).square() / (1 + 0.5**2))
    weight = log.exp()
    return prior, Likelihood.of(Constraints(a_grid(prior.shape), hard), prior), float(weight[side > 0].sum() / weight.sum())


def share_of_gentle_mode(latents: torch.Tensor) -> float:
    return float((latents[:, 0] > -0.1).double().mean())


@pytest.mark.filterwarnings("ignore:The chains have not converged")  # long enough for the share, not for R-hat
@pytest.mark.parametrize(
    "strategy",
    [
        PCN("prior", chains=20, burn_in=50, steps=2000, temperatures=4, hottest=20),
        MALA(chains=20, steps=800, temperatures=4, hottest=20),
        HMC(chains=20, steps=400, temperatures=4, hottest=20),
    ],
    ids=options,
)
def test_tempered_chains_find_the_weights_of_modes(strategy):
    prior, likelihood, exact = folded()
    draws = strategy.sample(prior, likelihood, N, seeded(1))
    effective = min(N, draws.trace["effective_sample_size"])
    assert effective > 200
    # a share of so many independent draws has a standard error of at most 0.5 / root of their number, of which four are allowed
    assert abs(share_of_gentle_mode(draws.latents) - exact) < 4 * 0.5 / math.sqrt(effective)
    assert min(draws.trace["swap_acceptance"]) > 0.2
    assert draws.trace["temperatures"][0] == 1
    assert draws.trace["temperatures"][-1] == pytest.approx(20)


@pytest.mark.parametrize("kernel", KERNELS)
def test_chains_that_are_not_tempered_stay_in_their_modes_and_say_so(kernel):
    prior, likelihood, _ = folded()
    strategy = kernel("prior", from_prior=True, chains=20, burn_in=20, steps=20)
    with pytest.warns(GempyGanWarning, match="have not converged: R-hat is"):
        draws = strategy.sample(prior, likelihood, 100, seeded(1))
    assert not draws.trace["converged"]
    assert draws.trace["rhat"] > 1.2


@pytest.mark.parametrize("kernel", KERNELS)
def test_chains_that_all_start_in_one_mode_miss_the_other(kernel):
    prior, likelihood, exact = folded()
    draws = kernel(chains=20).sample(prior, likelihood, N, seeded(1))
    assert share_of_gentle_mode(draws.latents) == 1 > exact + 0.2


# When chains have converged


def test_convergence_of_known_chains():
    noise = torch.randn((2000, 4, 2), generator=seeded(0)).double()
    assert convergence(noise).reached
    drifting = noise + torch.linspace(0, 3, 2000).double()[:, None, None]
    assert convergence(drifting).rhat > 1.2
    apart = noise + torch.arange(4).double()[:, None]
    assert convergence(apart).rhat > 1.5
    wide = noise * torch.tensor([1.0, 1, 1, 5])[:, None]  # equal means: only folded ranks tell
    assert convergence(wide).rhat > 1.1
    chains = torch.zeros(2000, 4, 2).double()
    for k in range(1, 2000):
        chains[k] = 0.8 * chains[k - 1] + 0.6 * noise[k]
    # an autoregression of 0.8 makes 8,000 steps worth 8000 * 0.2 / 1.8 = 889 draws, of the bulk, and more of the tails
    assert convergence(chains).effective == pytest.approx(889, rel=0.2)
    assert convergence(noise).effective == pytest.approx(8000, rel=0.15)
    assert not convergence(noise, needed=20_000).reached


def test_what_is_too_little_to_tell_is_not_converged():
    for steps, chains in ((3, 8), (200, 1)):
        found = convergence(torch.randn((steps, chains, 2), generator=seeded(0)))
        assert math.isnan(found.rhat)
        assert not found.reached


def test_chains_that_never_move_have_not_converged():
    still = torch.randn((1, 6, 3), generator=seeded(0)).expand(200, 6, 3)
    assert convergence(still).rhat > 100
    assert convergence(torch.ones(100, 4, 1)).reached  # all the same number: nothing to disagree about


@pytest.mark.parametrize("kernel", KERNELS)
def test_chains_that_do_not_mix_are_reported(kernel):
    known = wells_and_seismic()
    with pytest.warns(GempyGanWarning, match="The chains have not converged: R-hat is"):
        draws = kernel("prior", burn_in=5, steps=8).sample(known.prior, known.likelihood, 10, seeded(0))
    assert draws.trace["converged"] is False
    assert draws.trace["rhat"] > 1.1


def test_too_few_steps_are_reported():
    known = few_data()
    with pytest.warns(GempyGanWarning, match="have not converged"):
        draws = PCN(burn_in=1, steps=2).sample(known.prior, known.likelihood, 5, seeded(0))
    assert draws.trace["converged"] is False
    assert draws.trace["rhat"] is None


# Chains, starts and replicas


def test_fewer_chains_give_several_draws_each():
    known = few_data()
    draws = PCN(chains=3).sample(known.prior, known.likelihood, 10, seeded(0))
    assert len(draws.values) == 10
    assert len(draws.values.flatten(1).unique(dim=0)) == 10
    assert torch.allclose(known.prior.decode(draws.latents), draws.values)


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")  # two steps
def test_as_many_steps_are_taken_as_the_draws_need():
    known = few_data()
    draws = PCN(chains=2, burn_in=0, steps=1).sample(known.prior, known.likelihood, 9, seeded(0))
    assert draws.trace["steps"] == 5
    assert len(draws.values.flatten(1).unique(dim=0)) == 9


def test_one_draw_is_compared_with_other_chains():
    known = few_data()
    draws = MALA().sample(known.prior, known.likelihood, 1, seeded(0))
    assert len(draws.values) == 1
    assert draws.trace["converged"]


def test_chains_start_where_another_strategy_ends():
    known = wells_and_seismic()
    start = Latent().sample(known.prior, known.likelihood, 5, seeded(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GempyGanWarning)
        frozen = PCN("prior", burn_in=0, steps=1, step_size=1e-9, start=Latent()).sample(
            known.prior, known.likelihood, 5, seeded(0)
        )
    assert torch.allclose(frozen.values, start.values, atol=1e-5)
    with pytest.raises(GempyGanError, match="HMC cannot start from Rejection, which draws no latents"):
        HMC(start=Rejection(500)).sample(known.prior, one_vague_datum(known), 5, seeded(0))


def one_vague_datum(known: Case) -> Likelihood:
    hard = HardData([[0, 0, 0]], [0.5], 0.5, "porosity")
    return Likelihood.of(Constraints(a_grid(known.prior.shape), hard), known.prior)


def test_swaps_happen_as_often_as_they_must():
    ladder = Ladder(3, 4.0, chains=50_000)
    log = torch.tensor([-2.0, -1.0, 0.5]).double().repeat_interleave(50_000)
    order = ladder.swap(log, seeded(0)).reshape(3, -1)
    swapped = (order[0] >= 50_000).double().mean()
    assert float(swapped) == 1.0  # the hotter state is likelier: always taken
    assert torch.equal(order[2], torch.arange(100_000, 150_000))  # not its turn
    back = log.flip(0)
    order = ladder.swap(back, seeded(0)).reshape(3, -1)
    assert torch.equal(order[0], torch.arange(50_000))
    share = float((order[1] >= 100_000).double().mean())
    exact = math.exp((0.5 - 0.25) * (-2.0 + 1.0))
    assert share == pytest.approx(exact, abs=4.5 * 0.5 / math.sqrt(50_000))
    assert ladder.acceptance.tolist() == pytest.approx([1.0, exact])


def test_temperatures_are_adapted_to_equal_swaps():
    ladder = Ladder(5, 1000.0, chains=4000)
    generator = seeded(0)
    for _ in range(4):
        for _ in range(6):  # 20 data under a flat prior: chi2 of 20 degrees of freedom, scaled by the temperature
            chi2 = (
                torch.distributions.Chi2(20.0).sample((5, 4000))
                if False
                else torch.randn((5, 4000, 20), generator=generator).square().sum(dim=2)
            )
            ladder.swap((-0.5 * chi2.double() / ladder.powers[:, None]).flatten(), generator)
        before = ladder.acceptance
        ladder.adapt()
    # here the ladder is geometric: each pair's swaps depend on the ratio of its temperatures alone
    assert (before - before.mean()).abs().max() < 0.02
    assert ladder.powers.log().diff().tolist() == pytest.approx([-math.log(1000) / 4] * 4, rel=0.05)


def test_replicas_that_hardly_swap_are_reported():
    known = wells_and_seismic()
    with pytest.warns(GempyGanWarning) as caught:
        PCN(chains=4, burn_in=5, steps=20, temperatures=2, hottest=1e6).sample(known.prior, known.likelihood, 2, seeded(0))
    assert any("Replicas hardly swap" in str(w.message) and "raise temperatures (there are 2)" in str(w.message) for w in caught)


# Moves


def test_a_trajectory_keeps_the_energy():
    known = few_data()
    latents = math.prod(known.prior.latent_shape)
    reference = laplace_reference(Misfit(known.prior, known.likelihood), 10, seeded(0))
    for chosen, exact in ((prior_reference(latents), False), (reference, True)):
        target = Target(known.prior, known.likelihood, chosen, torch.ones(5).double(), slopes=True)
        state = target.at(chosen.sample(5, seeded(1)))
        changes = []
        for angle in (0.2, 0.1):
            with torch.no_grad():
                _, ratio = trajectory(target, state, torch.full((5, 1), angle), 1, seeded(2))
            changes.append(float(ratio.abs().max()))
        if exact:
            assert max(changes) < 1e-3  # the reference is the posterior
        else:
            assert changes[1] < changes[0] / 6  # the error of one step falls with the cube of its length


class Wavy(Folded):
    """Two cells that rise with their latents, along steep waves."""

    shape = (2, 1, 1)
    latent_shape = (2,)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return (z + 0.5 * torch.sin(4 * z)).reshape(-1, 1, 2, 1, 1)


def test_a_mode_that_fits_badly_is_looked_for_again():
    prior = Wavy()
    likelihood = Likelihood.of(
        Constraints(a_grid(prior.shape), HardData([[0, 0, 0], [1, 0, 0]], [2.0, -1.5], 0.02, "porosity")), prior
    )
    misfit, centre = Misfit(prior, likelihood), torch.zeros(1, 2)
    trapped = gauss_newton(misfit, centre, centre, 1.0, 50, 0.01)
    assert trapped.objective > 500
    assert misfit(posterior_mode(misfit)).abs().max() < 1


class Smooth(Folded):
    """Thirty cells, each another sum of two latents."""

    shape = (30, 1, 1)
    latent_shape = (2,)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        x = torch.linspace(0, 1, 30)
        return (z[:, :1] * (1 + x) + z[:, 1:] * torch.cos(9 * x)).reshape(-1, 1, 30, 1, 1)


def test_data_that_are_many_and_precise_inform_no_more_directions_than_there_are_latents():
    prior = Smooth()
    hard = HardData([[k, 0, 0] for k in range(30)], [0.0] * 30, 1e-4, "porosity")
    likelihood = Likelihood.of(Constraints(a_grid(prior.shape), hard), prior)
    found = laplace_reference(Misfit(prior, likelihood), 30, seeded(0))
    x = torch.linspace(0, 1, 30)
    slopes = torch.stack([1 + x, torch.cos(9 * x)], dim=1) / 1e-4
    expected = torch.linalg.eigvalsh(slopes.T @ slopes)
    assert found.directions.shape == (2, 2)
    torch.testing.assert_close(found.information, expected, rtol=1e-3, atol=0.0)


def test_forces_are_gradients_of_the_weight():
    known = few_data()
    reference = laplace_reference(Misfit(known.prior, known.likelihood), 10, seeded(0))
    powers = torch.tensor([1.0, 0.5, 0.1]).double()
    target = Target(known.prior, known.likelihood, reference, powers, slopes=True)
    deviation = reference.sample(3, seeded(1))
    force, direction = target.force(target.at(deviation)), reference.sample(3, seeded(2)).whole
    moved = [reference.deviation(target.latents(deviation).flatten(1) + h * direction) for h in (-0.05, 0.05)]
    slope = (target.log_weight(target.at(moved[1])) - target.log_weight(target.at(moved[0]))) / 0.1
    # force is covariance times gradient, so that gradient . direction = force' precision direction
    both = Deviation(direction, direction @ reference.directions.T)
    found = (force.whole * both.whole).sum(dim=1) + (force.inside * target.reference.information * both.inside).sum(dim=1)
    assert torch.allclose(found.double(), slope, rtol=0.02, atol=0.02)


def test_dual_averaging_finds_the_size_of_an_acceptance():
    generator = seeded(0)
    adaptation = DualAveraging(torch.tensor([1.0, 1e-3]).double(), 0.6, 10.0)
    for _ in range(300):
        adaptation.update((torch.exp(-adaptation.size) + 0.1 * torch.randn(2, generator=generator)).clamp(0, 1))
    assert adaptation.average.tolist() == pytest.approx([-math.log(0.6)] * 2, rel=0.15)


# What no option may break


ALL = [*(kernel(burn_in=5, steps=10) for kernel in KERNELS), HMC(burn_in=5, steps=5, temperatures=3)]


@pytest.mark.filterwarnings("ignore::gempy_gan.errors.GempyGanWarning")  # short chains: not what is tested
@pytest.mark.parametrize("strategy", ALL, ids=options)
def test_equal_seeds_give_equal_bytes(strategy):
    known = few_data()
    one, two, other = (strategy.sample(known.prior, known.likelihood, 6, seeded(s)).values for s in (3, 3, 4))
    assert one.numpy().tobytes() == two.numpy().tobytes()
    assert not torch.equal(one, other)


@pytest.mark.parametrize("strategy", [kernel(chains=20) for kernel in KERNELS], ids=options)
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
    with pytest.raises(GempyGanError, match=r"not finite|not a number"):
        strategy.sample(prior, likelihood, 3, seeded(0))


@pytest.mark.parametrize(
    ("kernel", "options", "message"),
    [
        (PCN, {"proposal": "langevin"}, "PCN's proposal is 'langevin'. Expected one of: informed, prior"),
        (MALA, {"steps": 0}, "Expected positive numbers"),
        (HMC, {"burn_in": -1}, "Expected positive numbers"),
        (PCN, {"step_size": 1.5}, "Expected 0 < step_size <= 1"),
        (MALA, {"step_size": 2.0}, "Expected 0 < step_size <= 1.571"),
        (HMC, {"chains": 1}, "Expected 2 or more"),
        (HMC, {"temperatures": 0}, "Expected positive numbers"),
        (HMC, {"hottest": 1.0}, "Expected a number above 1"),
        (HMC, {"start": "posterior"}, "Expected a strategy that draws latents"),
        (HMC, {"start": Latent(), "from_prior": True}, "not both"),
        (HMC, {"leapfrogs": 0}, "Expected a positive length and 1 or more"),
        (HMC, {"path": math.nan}, "Expected a positive length and 1 or more"),
    ],
)
def test_impossible_options_are_refused(kernel, options, message):
    with pytest.raises(GempyGanError, match=message):
        kernel(**options)
