"""Fields in coefficients: what the basis shows, and waves of coefficients."""

import numpy as np
import pytest
import torch
from gempy_gan_waveform.helmholtz import Helmholtz
from gempy_gan_waveform.modal import ModalHelmholtz
from gempy_gan_waveform.modes import Modes

import gempy_gan as gg
from gempy_gan import GempyGanError
from gempy_gan.strategies.misfit import linearize

GRID = gg.Grid((0, 1200, 0, 100, -1200, 0), (12, 1, 12))
MODES = Modes.on(GRID, count=(4, 3), ranges=(600.0, 900.0))
WAVES = Helmholtz([3.0, 4.0], [[150.0, -150.0], [950.0, -90.0]], [[130.0, -1100.0], [600.0, -1080.0], [1100.0, -900.0]],
                  "squared_slowness", pml=4)  # fmt: skip


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def coefficients(n=2, seed=0):
    return torch.randn((n, 1, *MODES.coefficient_grid.resolution), generator=seeded(seed), dtype=torch.float64)


def test_coefficients_come_back_from_their_fields():
    c = coefficients()
    assert torch.allclose(MODES.coefficients(MODES.fields(c)), c)
    assert MODES.residual(MODES.fields(c)) < 1e-12


def test_the_basis_leaves_of_a_field_what_it_says():
    fields = MODES.whole_fields(2000, seeded())
    assert fields.std() == pytest.approx(MODES.std, rel=0.03)
    assert MODES.residual(fields) == pytest.approx(MODES.left_out, rel=0.03)
    assert 0.03 < MODES.left_out < 0.4
    assert Modes.on(GRID, count=(12, 12)).left_out == 0.0


def test_coefficients_of_a_whole_field_are_independent_and_of_unit_variance():
    """What makes the cosines the Karhunen-Loeve modes of the field."""
    c = MODES.coefficients(MODES.whole_fields(4000, seeded())).flatten(1)
    covariance = torch.cov(c.T)
    assert (covariance - torch.eye(12)).abs().max() < 5 * (2 / 4000) ** 0.5


def test_correlation_falls_to_a_seventh_within_the_range():
    """Far from the edges: sqrt(8 smoothness) / kappa is where a Matern correlation is about 0.14 (Lindgren et al. 2011)."""
    modes = Modes((120, 120), (25.0, 25.0), ranges=(500.0, 250.0), smoothness=1.0)
    (along_x, along_z), at = modes.cosines, 60

    def covariance(i, k, j, m):
        return (along_x[i] * along_x[j]) @ modes.variances @ (along_z[k] * along_z[m])

    for i, k in ((at + 20, at), (at, at + 10)):
        assert covariance(at, at, i, k) / covariance(at, at, at, at) == pytest.approx(0.14, abs=0.02)


def test_fields_of_an_ensemble():
    grid = MODES.coefficient_grid
    ensemble = gg.sample("white", grid, n=3, seed=1)
    fields = MODES.section(ensemble, GRID)
    assert fields.properties[0].name == "squared_slowness"
    assert fields.provenance["modes"] == MODES.state()
    assert np.allclose(fields.values, MODES.fields(torch.as_tensor(ensemble.values).double()).numpy(), rtol=1e-5)
    assert Modes(**MODES.state()) == MODES


def test_waves_of_coefficients_are_those_of_their_fields_and_their_jacobian_is_the_whole_one():
    operator, c = ModalHelmholtz(WAVES, MODES, GRID), coefficients()
    section = WAVES.bind(GRID)
    data, jacobian = operator.jacobian(c)
    assert torch.allclose(data, section(MODES.fields(c)), rtol=1e-12)
    assert torch.allclose(operator(c), data)
    assert torch.allclose(operator.data(c), data, rtol=1e-12)
    whole = torch.autograd.functional.jacobian(lambda one: section(MODES.fields(one))[0], c[:1]).flatten(1)
    assert torch.allclose(jacobian[0], whole, rtol=1e-9, atol=1e-14)
    by_vmap = torch.func.jacrev(lambda one: operator(one[None])[0])(c[0]).flatten(1)
    assert torch.allclose(by_vmap, jacobian[0])


def test_gradients_of_waves_of_coefficients():
    operator, c = ModalHelmholtz(WAVES, MODES, GRID), coefficients(1)
    assert torch.autograd.gradcheck(operator, (c.clone().requires_grad_(),), eps=1e-4, atol=1e-7)
    at = linearize(operator, c)
    v, w = torch.randn_like(c), torch.randn_like(at.residual)
    assert torch.allclose((at.push(v) * w).sum(), (at.pull(w) * v).sum(), rtol=1e-10)


def test_second_derivatives_are_refused_not_wrong():
    operator, c = ModalHelmholtz(WAVES, MODES, GRID), coefficients(1).requires_grad_()
    (slope,) = torch.autograd.grad(operator(c).square().sum(), c, create_graph=True)
    with pytest.raises(GempyGanError, match="Second derivatives"):
        torch.autograd.grad(slope.sum(), c)


def test_waves_of_coefficients_are_kept_in_a_file(tmp_path):
    from gempy_gan.observations import read_constraints, write_constraints

    operator, c = ModalHelmholtz(WAVES, MODES, GRID), coefficients(1)
    data = operator(c)[0].numpy()
    write_constraints(gg.Constraints(MODES.coefficient_grid, gg.SoftData(data, 0.01, operator)), tmp_path / "observed.nc")
    assert torch.equal(read_constraints(tmp_path / "observed.nc").soft[0].forward(c), operator(c))


@pytest.mark.parametrize("options", [{"count": (13, 3)}, {"std": -1.0}, {"ranges": (0.0, 10.0)}])
def test_impossible_options_are_refused(options):
    with pytest.raises(GempyGanError):
        Modes.on(GRID, **options)


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(GempyGanError, match="Expected squared_slowness on the same cells"):
        ModalHelmholtz(Helmholtz([3.0], [[150.0, -150.0]], [[150.0, -950.0]]), MODES, GRID)
    with pytest.raises(GempyGanError, match="one for each coefficient"):
        ModalHelmholtz.from_state(ModalHelmholtz(WAVES, MODES, GRID).state(), gg.Grid((0, 5, 0, 1, 0, 5), (5, 1, 5)))
    with pytest.raises(GempyGanError, match="vertical section"):
        Modes.on(gg.Grid((0, 1, 0, 1, 0, 1), (4, 4, 4)))
    with pytest.raises(GempyGanError, match="Values of shape"):
        MODES.fields(torch.zeros(1, 1, 3, 1, 4))
