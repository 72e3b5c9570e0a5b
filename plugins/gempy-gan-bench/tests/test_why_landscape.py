"""Landscapes whose shape is known: a bowl, a double well, a linear decoder, a Gaussian flow."""

import math

import numpy as np
import pytest
import torch
from gempy_gan_bench.protocol import Protocol
from gempy_gan_bench.why import landscape
from gempy_gan_bench.why.lipschitz import informed, secants, stretch
from gempy_gan_bench.why.minima import chao, minima_inside, optimize
from gempy_gan_bench.why.ode import OdeLatents
from gempy_gan_bench.why.problem import Problem, latent_prior

import gempy_gan as gg
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import LatentPrior
from gempy_gan.testing.strategies import SHAPE, SampledOnly, ToyPrior

GRID = gg.Grid((0, 400, 0, 300, 0, 10), SHAPE)


class Linear(LatentPrior):
    """A decoder with known singular values."""

    properties = (gg.Property("coarse_fraction"),)
    shape = SHAPE
    cell_size = (100.0, 100.0, 5.0)

    def __init__(self, scales):
        scales = torch.tensor(scales)
        self.latent_shape = (len(scales),)
        directions = torch.linalg.qr(torch.randn((24, len(scales)), generator=seeded(1)))[0]
        self.matrix = directions * scales

    def decode(self, z):
        return (z @ self.matrix.T).reshape(-1, 1, *SHAPE)


class Squared(LatentPrior):
    """m = z0^2 in all cells: data above zero have two modes."""

    properties = (gg.Property("coarse_fraction"),)
    shape = SHAPE
    cell_size = (100.0, 100.0, 5.0)
    latent_shape = (2,)

    def decode(self, z):
        return z[:, :1].square().reshape(-1, 1, 1, 1, 1).expand(-1, 1, *SHAPE)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def a_problem(prior, value=1.0, std=0.05):
    """One well through the first column."""
    wells = gg.HardData([[0, 0, 0], [0, 0, 1]], [value, value], std, "coarse_fraction")
    constraints = gg.Constraints(GRID, wells)
    return Problem(prior, np.full(SHAPE, value), wells, constraints, Likelihood.of(constraints, prior))


# Minima


@pytest.mark.parametrize(
    ("curve", "minima"),
    [
        (lambda t: t**2, 1),
        (lambda t: (t**2 - 1) ** 2, 2),
        (lambda t: t, 0),
        (lambda t: 0 * t, 0),
        (lambda t: np.cos(3 * np.pi * t), 6),
        (lambda t: t**2 + 1e-5 * np.cos(40 * t), 1),
    ],
)
def test_minima_of_curves_are_counted(curve, minima):
    assert minima_inside(curve(np.linspace(-2, 2, 201))) == minima


def test_minima_of_maps_are_counted():
    x, y = np.meshgrid(np.linspace(-2, 2, 41), np.linspace(-2, 2, 41))
    assert minima_inside(x**2 + 3 * y**2 + x * y) == 1
    assert minima_inside((x**2 - 1) ** 2 + (y**2 - 1) ** 2) == 4
    assert minima_inside((x**2 - 1) ** 2 + (y + 3) ** 2) == 0  # both lie outside


def test_chao_sees_nothing_more_where_all_kinds_were_found_often():
    place = np.arange(12) % 2
    apart = np.abs(np.subtract.outer(place, place)).astype(float)
    assert chao(apart, 0.1) == 2
    assert chao(9 * (1 - np.eye(12)), 0.1) == 12 + 12 * 11 / 2


def test_a_linear_decoder_has_one_minimum_and_straight_paths():
    ends = optimize(a_problem(Linear([2.0, 1.0, 0.5])), 6, 200, seeded(0))
    assert ends.arrived.all()
    assert ends.distinct == ends.at_least == 1
    assert (ends.travelled >= ends.straight - 1e-4).all()
    assert ends.travelled.max() < 10 * ends.straight.max()


def test_a_squared_latent_has_two_minima_with_a_barrier_between():
    problem = a_problem(Squared())
    ends = optimize(problem, 12, 200, seeded(0))
    assert ends.distinct == 2
    assert ends.well_error.max() < 0.01
    low, high = ends.z[ends.z[:, 0].argmin()], ends.z[ends.z[:, 0].argmax()]
    line = landscape.curve(problem, low, high - low, np.linspace(-0.5, 1.5, 81))
    assert minima_inside(line) == 2
    assert landscape.barrier(line) == pytest.approx(1.0, abs=0.02)  # at z0 = 0 nothing is left of the datum
    field = landscape.plane(problem, torch.zeros(2), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 2.0, 11)
    assert field.shape == (11, 11)
    np.testing.assert_allclose(field, field[::-1], atol=1e-6)


# Stretch


def test_a_linear_decoder_stretches_as_its_singular_values_say():
    found = stretch(Linear([3.0, 2.0, 1.0]), torch.zeros(1, 3), 8, seeded(0))
    assert found.largest == pytest.approx(3.0, rel=1e-5)
    assert found.mean == pytest.approx(math.sqrt(14 / 3), rel=1e-5)
    assert found.effective == pytest.approx(14**2 / (81 + 16 + 1), rel=1e-5)


def test_many_latents_are_probed_at_random(monkeypatch):
    monkeypatch.setattr("gempy_gan_bench.why.lipschitz.FEW", 0)
    scales = [5.0, *[0.1] * 19]
    found = stretch(Linear(scales), torch.zeros(1, 20), 4, seeded(0))
    assert found.largest == pytest.approx(5.0, rel=1e-3)
    assert found.effective is None
    means = [stretch(Linear(scales), torch.zeros(1, 20), 4, seeded(k)).mean for k in range(40)]
    assert np.mean(np.square(means)) == pytest.approx((25 + 19 * 0.01) / 20, rel=0.25)


def test_large_steps_of_a_linear_decoder_stretch_no_more_than_small_ones():
    far = secants(Linear([3.0, 2.0, 1.0]), 200, seeded(0))
    assert far.max() <= 3.0 + 1e-5
    assert far.min() >= 1.0 - 1e-5


def test_directions_that_data_inform_are_counted():
    problem = a_problem(Linear([2.0, 1.0, 0.5]), std=0.05)
    gain = informed(problem.prior, torch.zeros(1, 3), problem.likelihood.predict, problem.likelihood.std)
    rows = problem.prior.matrix[[0, 1]] / 0.05  # the cells of the well
    np.testing.assert_allclose(gain, torch.linalg.svdvals(rows), rtol=1e-4)


# The latents of a diffusion prior


def test_the_flow_of_a_gaussian_is_linear_and_makes_its_spread():
    prior = OdeLatents(ToyPrior(), 30)
    z = torch.randn((4000, 1, *SHAPE), generator=seeded(0))
    values = prior.decode(z)
    mean = ToyPrior().mean
    np.testing.assert_allclose(values.flatten(1).mean(dim=0), mean, atol=0.08)
    found = torch.cov(values.flatten(1).T)
    assert (found - ToyPrior().covariance).abs().max() < 0.12
    middle = prior.decode((z[:5] + z[5:10]) / 2)
    np.testing.assert_allclose(middle, (values[:5] + values[5:10]) / 2, atol=1e-4)


def test_the_flow_can_be_differentiated_and_latents_have_places():
    prior = OdeLatents(ToyPrior(), 4)
    z = torch.zeros((1, 1, *SHAPE), requires_grad=True)
    prior.decode(z).sum().backward()
    assert z.grad.abs().min() > 0
    assert prior.latent_positions.shape == (24, 3)
    assert prior.latent_positions[-1].tolist() == [3, 2, 1]
    assert prior.state()["steps"] == 4
    with pytest.raises(gg.GempyGanError, match="in 1 steps"):
        OdeLatents(ToyPrior(), 1)


def test_priors_without_latents_are_refused():
    assert isinstance(latent_prior(ToyPrior(), 5), ToyPrior)
    with pytest.raises(gg.GempyGanError, match="SampledOnly has no latents"):
        latent_prior(SampledOnly(), 5)


# All of it


class Fields(Linear):
    """Smooth fields of the protocol's size."""

    cell_size = (50.0, 50.0, 1.0)

    def __init__(self, shape):
        self.shape = shape
        self.latent_shape = (6,)
        x, y = np.meshgrid(*(np.linspace(0, 1, n) for n in shape[:2]), indexing="ij")
        waves = [np.cos(np.pi * (i * x + j * y)) for i, j in ((0, 1), (1, 0), (1, 1), (2, 0), (0, 2), (2, 1))]
        self.matrix = torch.tensor(np.stack(waves), dtype=torch.float32)

    def decode(self, z):
        layer = 0.5 + 0.1 * torch.einsum("nk,kxy->nxy", z, self.matrix)
        return layer[:, None, :, :, None].expand(-1, 1, *self.shape)


def test_the_record_says_what_is_missing_and_repeats_itself():
    protocol = Protocol(shape=(16, 16, 4), columns=(32, 32), held_out=2)
    plan = landscape.Plan(wells=(2, 8), starts=4, steps=60, slices=2, side=9)
    record = landscape.landscape(Fields((16, 16, 4)), protocol, plan)
    assert [row["wells"] for row in record["wells"]] == [2, 8]
    many = record["wells"][1]
    assert (many["data"], many["distinct"], many["minima_random"]["mean"]) == (32, 1, 1.0)  # linear: one minimum
    assert many["passed"] == 0  # six waves are no deposits
    assert any(
        "8 wells: no optimization ends within 0.01, and all end about equally far off: missing" in line
        for line in landscape.sentences(record)
    )
    assert record == landscape.landscape(Fields((16, 16, 4)), protocol, plan)
    assert landscape.picture(record).axes
    assert [row["wells"] for row in landscape.rows(record)] == [2, 8]
