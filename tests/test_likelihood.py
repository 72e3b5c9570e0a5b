"""The likelihood: constraints as tensors, in order, normalised and differentiable."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood, channel
from gempy_gan.prior import Prior
from gempy_gan.properties import Property

SHAPE = (4, 3, 2)
GRID = Grid((0, 400, 0, 300, -10, 0), SHAPE)


class TwoProperties(Prior):
    """Porosity and fraction on the cells of GRID."""

    properties = (Property("porosity"), Property("fraction"))
    shape = SHAPE
    cell_size = GRID.cell_size

    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return torch.rand((n, 2, *SHAPE), generator=generator)


PRIOR = TwoProperties()
M = PRIOR.sample(5, torch.Generator().manual_seed(0))


def column_means(m: torch.Tensor) -> torch.Tensor:
    return m.mean(dim=(1, 4)).flatten(1)


def test_each_hard_datum_is_the_cell_of_its_property():
    cells = [[0, 0, 0], [3, 2, 1], [1, 2, 0]]
    likelihood = Likelihood.of(Constraints(GRID, HardData(cells, [1, 2, 3], 0.1, "fraction")), PRIOR)
    expected = torch.stack([M[:, 1, i, j, k] for i, j, k in cells], dim=1)
    assert torch.equal(likelihood.predict(M), expected)
    assert likelihood.positions.tolist() == cells
    assert torch.allclose(likelihood.residual(M), (expected - torch.tensor([1.0, 2.0, 3.0])) / 0.1)


def test_hard_data_come_first_and_parts_say_where_each_term_is():
    soft = SoftData(np.zeros((4, 3)), 0.5, column_means, name="image")
    hard = [HardData([[0, 0, 0]], [7], 0.1, "porosity"), HardData([[0, 0, 0], [1, 1, 1]], [8, 9], 0.2, "fraction")]
    likelihood = Likelihood.of(Constraints(GRID, soft, *hard), PRIOR)
    assert [name for name, _ in likelihood.parts] == ["porosity", "fraction", "image"]
    assert [likelihood.observed[part].tolist()[:2] for _, part in likelihood.parts] == [[7], [8, 9], [0, 0]]
    assert likelihood.std.tolist() == pytest.approx([0.1, 0.2, 0.2, *[0.5] * 12])
    assert torch.equal(likelihood.predict(M)[:, 3:], column_means(M))
    assert likelihood.positions[3:].isnan().all()


@given(
    values=st.lists(st.floats(-3, 3), min_size=1, max_size=6),
    std=st.floats(0.01, 10),
    seed=st.integers(0, 100),
)
def test_log_prob_is_the_normalised_gaussian(values, std, seed):
    cells = np.array(np.unravel_index(np.arange(len(values)), SHAPE)).T
    likelihood = Likelihood.of(Constraints(GRID, HardData(cells, values, std, "porosity")), PRIOR, torch.float64)
    m = PRIOR.sample(2, torch.Generator().manual_seed(seed)).double()
    expected = [stats.norm(x[0].flatten()[: len(values)].numpy(), std).logpdf(values).sum() for x in m]
    assert likelihood.log_prob(m).tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_unobserved_soft_data_are_left_out_with_their_positions():
    values = np.arange(12.0).reshape(4, 3)
    values[1, 1] = values[3, 0] = np.nan
    places = np.column_stack([np.indices((4, 3)).reshape(2, -1).T, np.full(12, 0.5)])
    std = np.where(np.isnan(values), 9.0, 1.0)
    likelihood = Likelihood.of(Constraints(GRID, SoftData(values, std, column_means, places)), PRIOR)
    known = [k for k in range(12) if k not in (4, 9)]
    assert likelihood.observed.tolist() == known
    assert likelihood.std.tolist() == [1.0] * 10
    assert likelihood.positions.tolist() == places[known].tolist()
    assert torch.equal(likelihood.predict(M), column_means(M)[:, known])


def test_soft_data_without_a_forward_operator_are_the_cells_themselves():
    values = np.full((2, *SHAPE), np.nan)
    values[1, 2, 1, 0] = 0.3
    likelihood = Likelihood.of(Constraints(GRID, SoftData(values, 0.1)), PRIOR)
    assert torch.equal(likelihood.predict(M), M[:, 1, 2, 1, 0][:, None])


def test_a_forward_operator_is_given_the_property_that_it_names():
    class Image:
        property = "fraction"

        def __call__(self, m: torch.Tensor) -> torch.Tensor:
            assert m.shape[1] == 1
            return m.mean(dim=(1, 4)).flatten(1)

    image = Image()
    likelihood = Likelihood.of(Constraints(GRID, SoftData(np.zeros((4, 3)), 1.0, image)), PRIOR)
    assert torch.equal(likelihood.predict(M), M[:, 1].mean(dim=3).flatten(1))
    image.property = None
    with pytest.raises(GempyGanError, match=r"several properties \(porosity, fraction\): name the one"):
        Likelihood.of(Constraints(GRID, SoftData(np.zeros((4, 3)), 1.0, image)), PRIOR)


def test_gradients_reach_the_realizations():
    terms = HardData([[0, 0, 0]], [0.5], 0.1, "porosity"), SoftData(np.ones((4, 3)), 0.5, column_means)
    likelihood = Likelihood.of(Constraints(GRID, *terms), PRIOR, torch.float64)
    assert torch.autograd.gradcheck(likelihood.log_prob, (M[:2].double().requires_grad_(),))


def test_no_data_say_nothing():
    likelihood = Likelihood.of(Constraints(GRID), PRIOR)
    assert likelihood.predict(M).shape == (5, 0)
    assert likelihood.log_prob(M).tolist() == [0.0] * 5


def test_a_grid_that_is_not_the_priors_is_refused():
    with pytest.raises(GridError, match=r"box has \(4, 3, 2\) cells and the grid \(4, 3, 1\)"):
        Likelihood.of(Constraints(Grid((0, 400, 0, 300, -10, 0), (4, 3, 1))), PRIOR)
    with pytest.raises(GridError, match="measure"):
        Likelihood.of(Constraints(Grid((0, 401, 0, 300, -10, 0), SHAPE)), PRIOR)
    Likelihood.of(Constraints(Grid((0, 400.1, 0, 300, -10, 0), SHAPE)), PRIOR)  # within the tolerance of survey grids


def test_data_that_the_prior_cannot_predict_are_refused():
    with pytest.raises(GempyGanError, match="constrain 'velocity', and the prior has only: porosity, fraction"):
        Likelihood.of(Constraints(GRID, HardData([[0, 0, 0]], [1], 0.1, "velocity")), PRIOR)
    with pytest.raises(GridError, match="have 12 values and no forward operator"):
        Likelihood.of(Constraints(GRID, SoftData(np.zeros((4, 3)), 0.1)), PRIOR)
    wrong = Likelihood.of(Constraints(GRID, SoftData(np.zeros((4, 3)), 0.1, lambda m: m.flatten(1))), PRIOR)
    with pytest.raises(GempyGanError, match=r"returned shape \(5, 48\). Expected \(5, 12\)"):
        wrong.predict(M)
    assert channel(PRIOR.properties, "fraction") == 1


def test_hard_data_are_known_cell_by_cell():
    wells = HardData([[1, 2, 0], [0, 0, 1]], [0.2, 0.5], [0.1, 0.05], "fraction")
    core = HardData([[3, 0, 0]], [0.3], 0.02, "porosity")
    likelihood = Likelihood.of(Constraints(GRID, wells, core, SoftData(np.zeros(12), 1.0, column_means)), PRIOR)
    mask, values, std = likelihood.known
    assert likelihood.hard == 3
    assert mask.nonzero().tolist() == [[0, 3, 0, 0], [1, 0, 0, 1], [1, 1, 2, 0]]
    assert values[mask].tolist() == pytest.approx([0.3, 0.5, 0.2])
    assert std[mask].tolist() == pytest.approx([0.02, 0.05, 0.1])
    assert not values[~mask].any()
