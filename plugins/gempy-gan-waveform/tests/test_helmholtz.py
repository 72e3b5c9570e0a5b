"""Waves against what is known of them: Hankel's function, nothing coming back, derivatives, reciprocity."""

import copy

import numpy as np
import pytest
import torch
from gempy_gan_waveform.helmholtz import Helmholtz
from gempy_gan_waveform.stencils import dissected
from scipy.special import hankel1

import gempy_gan as gg
from gempy_gan import GempyGanError
from gempy_gan.strategies.misfit import linearize

VELOCITY, SIDE = 2000.0, 1000.0
SOURCE = [[525.0, -525.0]]
RECEIVERS = [[75.0, -225.0], [325.0, -175.0], [725.0, -925.0], [925.0, -525.0]]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def square(cells, side=SIDE):
    return gg.Grid((0, side, 0, side / cells, -side, 0), (cells, 1, cells))


def small(frequencies=(4.0, 6.0), cells=9, **options):
    """Two sources, three receivers, none of them at the centre of a cell."""
    sources, receivers = [[190.0, -120.0], [610.0, -170.0]], [[120.0, -850.0], [430.0, -905.0], [830.0, -790.0]]
    return Helmholtz(frequencies, sources, receivers, **{"quantity": "squared_slowness", "pml": 4, **options}).bind(square(cells))


def slowness(n=1, cells=9, seed=0):
    return 0.25 + 0.02 * torch.randn((n, 1, cells, 1, cells), generator=seeded(seed), dtype=torch.float64)


def error_in_a_constant_medium(scheme, cells, frequency=4.0, pml=None):
    operator = Helmholtz([frequency], SOURCE, RECEIVERS, scheme=scheme, pml=pml or cells // 2).bind(square(cells))
    seen = operator(torch.full((1, 1, cells, 1, cells), VELOCITY, dtype=torch.float64))
    u = torch.view_as_complex(seen.reshape(operator.shape)).numpy()[0, 0]
    exact = 0.25j * hankel1(0, 2 * np.pi * frequency / VELOCITY * np.hypot(*(np.array(RECEIVERS) - SOURCE).T))
    return np.linalg.norm(u - exact) / np.linalg.norm(exact)


@pytest.mark.parametrize(("scheme", "order", "error"), [("5-point", 2, 0.01), ("9-point", 4, 1e-4)])
def test_waves_converge_to_hankels_function(scheme, order, error):
    """At 20 and 60 cells, sources and receivers lie at centres of cells: nothing is interpolated."""
    coarse, fine = (error_in_a_constant_medium(scheme, cells) for cells in (20, 60))
    assert np.log(coarse / fine) / np.log(3) == pytest.approx(order, abs=0.15)
    assert fine < error


def test_interpolated_positions_lose_no_order():
    """At 40 cells, sources and receivers lie at corners of cells."""
    assert error_in_a_constant_medium("9-point", 40) < error_in_a_constant_medium("9-point", 20) / 5


@pytest.mark.parametrize(("pml", "most"), [(6, 2e-2), (10, 2e-3), (20, 2e-4)])
def test_absorbing_layers_reflect_little(pml, most):
    """Beside a section so wide that nothing can come back from its sides within the accuracy looked at."""
    cells, around = 20, 30
    size = SIDE / cells
    wide = gg.Grid((-around * size, SIDE + around * size, 0, size, -SIDE - around * size, around * size), (80, 1, 80))
    seen = []
    for grid, layers in ((square(cells), pml), (wide, 30)):
        operator = Helmholtz([4.0], SOURCE, RECEIVERS, pml=layers).bind(grid)
        model = torch.full((1, 1, *grid.resolution), VELOCITY, dtype=torch.float64)
        seen.append(operator(model))
    assert float((seen[0] - seen[1]).norm() / seen[1].norm()) < most


@pytest.mark.parametrize("scheme", ["5-point", "9-point"])
@pytest.mark.parametrize("quantity", ["squared_slowness", "velocity"])
def test_gradients_are_those_of_finite_differences(scheme, quantity):
    operator = small(scheme=scheme, quantity=quantity)
    m = slowness() if quantity == "squared_slowness" else 1000 * slowness().rsqrt()
    scale = 1.0 if quantity == "squared_slowness" else 1e4
    weight = torch.randn(operator(m).shape, generator=seeded(1), dtype=torch.float64)
    direction = torch.randn(m.shape, generator=seeded(2), dtype=torch.float64) * scale
    start = m.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((operator(start) * weight).sum(), start)
    step = 1e-5
    numeric = ((operator(m + step * direction) - operator(m - step * direction)) * weight).sum() / (2 * step)
    assert float((gradient * direction).sum()) == pytest.approx(float(numeric), rel=1e-5)


def test_gradcheck_and_second_derivatives():
    operator, m = small(), slowness()
    directions = 0.01 * torch.randn((2, *m.shape[1:]), generator=seeded(3), dtype=torch.float64)

    def along(s):
        return operator(m + (s[:, None, None, None, None] * directions).sum(dim=0, keepdim=True))[0, :6]

    start = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(along, (start,), eps=1e-4, atol=1e-7)
    assert torch.autograd.gradgradcheck(along, (start,), eps=1e-4, atol=1e-6)


def test_adjoint_is_the_transpose_and_realizations_do_not_mix():
    operator, m = small(), slowness(3)
    at = linearize(operator, m)
    v = torch.randn(m.shape, generator=seeded(4), dtype=torch.float64)
    w = torch.randn(at.residual.shape, generator=seeded(5), dtype=torch.float64)
    one, other = (at.push(v) * w).sum(dim=1), (at.pull(w) * v).flatten(1).sum(dim=1)
    assert torch.allclose(one, other, rtol=1e-10, atol=0)
    assert torch.allclose(operator(m[1:2]), operator(m)[1:2], rtol=1e-12)


def test_jacobian_by_vmap_is_that_of_products():
    operator, m = small(cells=6), slowness(cells=6)
    jacobian = torch.func.jacrev(lambda one: operator(one[None])[0])(m[0]).flatten(1)
    v = torch.randn(m.shape, generator=seeded(6), dtype=torch.float64)
    assert torch.allclose(jacobian @ v.flatten(), linearize(operator, m).push(v)[0], rtol=1e-9)


def test_waves_are_reciprocal():
    """Source and receiver changed places. The scheme is symmetric where m is constant about them; W is not, elsewhere."""
    m = slowness(cells=12)
    there, here = [[208.0, -125.0]], [[791.0, -875.0]]
    seen = [
        Helmholtz([4.0], a, b, "squared_slowness", scheme="5-point").bind(square(12))(m)
        for a, b in ((there, here), (here, there))
    ]
    assert torch.allclose(*seen, rtol=1e-8)


def test_a_model_is_factorized_once_for_all_sources_and_the_gradient():
    operator, m = small(), slowness(2).requires_grad_()
    operator(m).square().sum().backward()
    assert [system.factorizations for system in operator.systems] == [2, 2]
    operator(m.detach() + 0.01)
    assert [system.factorizations for system in operator.systems] == [4, 4]


def test_dropped_factors_are_made_again(monkeypatch):
    operator, m = small(), slowness(3).requires_grad_()
    (kept,) = torch.autograd.grad(operator(m).square().sum(), m)
    monkeypatch.setattr("gempy_gan_waveform.solving.KEPT", 1)
    operator = small()
    (again,) = torch.autograd.grad(operator(m).square().sum(), m)
    assert torch.equal(kept, again)
    assert operator.systems[0].factorizations > 3


def test_threads_change_nothing(monkeypatch):
    m = slowness(4)
    alone = small()(m)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    operator = small()
    assert torch.equal(operator(m), alone)
    assert [system.factorizations for system in operator.systems] == [4, 4]


def test_it_survives_a_copy():
    operator, m = small(), slowness()
    known = operator(m)
    assert torch.equal(copy.deepcopy(operator)(m), known)


def test_single_precision_in_single_precision_out():
    operator, m = small(), slowness()
    found = operator(m.float())
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), operator(m), rtol=1e-3, atol=1e-5)


def test_it_stands_in_constraints_is_inverted_and_kept_in_a_file(tmp_path):
    from gempy_gan.observations import read_constraints, write_constraints

    operator, m = small((4.0,)), slowness()
    data = operator(m)[0].numpy()
    constraints = gg.Constraints(operator.grid, gg.SoftData(data, 0.01 * np.abs(data).max(), operator, name="waves"))
    file = tmp_path / "observed.nc"
    write_constraints(constraints, file)
    term = read_constraints(file).soft[0]
    assert torch.equal(term.forward(m), operator(m))
    assert term.forward.state() == operator.state()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frequencies": (0.0,)}, "positive frequencies"),
        ({"frequencies": ()}, "positive frequencies"),
        ({"pml": 1}, "2 cells or more"),
        ({"scheme": "7-point"}, "5-point, 9-point"),
        ({"quantity": "slowness"}, "squared_slowness"),
        ({"sources": [1.0, 2.0]}, r"\(k, 2\)"),
        ({"receivers": [[0.0, -500.0]]}, "centres of the section's outermost cells"),
    ],
)
def test_what_cannot_be_right_is_refused(options, message):
    known = {"frequencies": (4.0,), "sources": SOURCE, "receivers": RECEIVERS}
    with pytest.raises(GempyGanError, match=message):
        Helmholtz(**{**known, **options}).bind(square(20))


def test_models_that_cannot_be_right_are_refused():
    operator = Helmholtz([4.0], SOURCE, RECEIVERS).bind(square(20))
    with pytest.raises(GempyGanError, match="positive ones"):
        operator(torch.full((1, 1, 20, 1, 20), -2000.0))
    with pytest.raises(GempyGanError, match=r"Expected \(n, 1, \*\(20, 1, 20\)\)"):
        operator(torch.ones(1, 1, 20, 20))
    with pytest.raises(GempyGanError, match="vertical section"):
        Helmholtz([4.0], SOURCE, RECEIVERS).bind(gg.Grid((0, 1000, 0, 1000, -1000, 0), (20, 20, 20)))
    assert operator.cells_per_wavelength(torch.full((1, 1, 20, 1, 20), VELOCITY)) == pytest.approx(10)


@pytest.mark.parametrize("shape", [(1, 1), (7, 13), (30, 30)])
def test_an_order_of_cells_has_each_of_them_once(shape):
    assert sorted(dissected(shape)) == list(range(shape[0] * shape[1]))
