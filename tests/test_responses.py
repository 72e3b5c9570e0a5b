"""The sparse responses of reflectors against the dense table of the wavelet, and their derivatives."""

import numpy as np
import pytest
import torch

from gempy_gan import forward
from gempy_gan.responses import Responses

RICKER = forward.ricker(40.0)
AXIS = 0.004 * np.arange(60)


@pytest.fixture
def made():
    """Responses of four reflectors in each of five columns, some of them off the axis; the same as a table, and coefficients."""
    faces = np.sort(np.random.default_rng(0).uniform(-0.05, 0.3, (5, 4)), axis=1)
    table = torch.as_tensor(RICKER.at(AXIS[None, :, None] - faces[:, None, :]))
    c = torch.rand((2, 5, 4), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return Responses.of(RICKER, AXIS, faces), table, c


def test_traces_are_those_of_the_table(made):
    responses, table, c = made
    torch.testing.assert_close(responses(c), torch.einsum("nkj,ksj->nks", c, table), rtol=0, atol=1e-12)
    single = responses(c.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), responses(c), rtol=0, atol=1e-6)


def test_most_of_the_table_is_left_out(made):
    responses, table, _ = made
    held = responses.matrix.nnz
    assert held < 0.4 * table.numel()
    assert held <= Responses.size(RICKER, AXIS, np.zeros((5, 4)))


def test_products_with_the_jacobian_and_its_transpose(made):
    responses, table, c = made
    traces, pull = torch.func.vjp(responses, c)
    _, push = torch.func.vjp(lambda v: pull(v)[0], torch.zeros_like(traces))
    torch.testing.assert_close(push(c)[0], torch.einsum("nkj,ksj->nks", c, table))
    y = torch.rand_like(traces)
    torch.testing.assert_close((traces * y).sum(), (c * pull(y)[0]).sum())
    assert torch.autograd.gradgradcheck(lambda x: responses(x).square(), c.requires_grad_())


def test_they_may_be_asked_inside_a_transform_first():
    """As guided denoising does: torch makes no sparse tensor inside torch.func."""
    faces = np.sort(np.random.default_rng(1).uniform(0.0, 0.1, (3, 4)), axis=1)
    c = torch.rand(2, 3, 4, dtype=torch.float64)
    traces, pull = torch.func.vjp(Responses.of(RICKER, AXIS, faces), c)
    again = Responses.of(RICKER, AXIS, faces)
    assert torch.allclose(traces, again(c))
    weight = torch.rand_like(traces)
    assert torch.allclose((pull(weight)[0] * c).sum(), (weight * traces).sum())
