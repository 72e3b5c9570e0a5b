"""A wide network that starts as a narrow one."""

from pathlib import Path

import pytest
import torch

import gempy_gan as gg
from gempy_gan.learning import Domain
from gempy_gan.networks.plane_unet import PlaneUNet
from gempy_gan.networks.widening import widen
from gempy_gan.priors.diffusion import LearnedDiffusion
from gempy_gan.properties import Property
from gempy_gan.training.engine import start_from

LABELS = torch.tensor([[0.1, float("nan"), 0.3], [0.2, 0.1, -1.0]])
NOISE = torch.tensor([0.3, -0.5])


@pytest.fixture
def narrow():
    torch.manual_seed(0)
    unet = PlaneUNet(12, 4, (8, 16, 24), 2, 3)
    for weights in unet.parameters():  # as if it had learned something
        torch.nn.init.normal_(weights, std=0.2)
    return unet


def planes():
    return [torch.randn(2, 12, 16 >> level, 16 >> level) for level in range(3)]


@pytest.mark.parametrize("widths", [(8, 16, 24), (12, 16, 24), (12, 20, 24)])
def test_it_computes_the_same_and_can_learn_everywhere(narrow, widths):
    wide = PlaneUNet(12, 4, widths, 2, 3)
    widen(wide, narrow)
    pyramid = planes()
    found, expected = wide(pyramid, NOISE, LABELS), narrow(pyramid, NOISE, LABELS)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)  # the norms' epsilon counts less among more channels
    found.square().mean().backward()
    for name, weights in wide.named_parameters():
        reached = weights.grad.flatten(1).abs().sum(1) if weights.ndim > 1 else weights.grad.abs()
        assert (reached > 0).any(), name
        assert "enter" not in name or (reached > 0).all(), name  # silent channels, too, hear what is wanted of them


def test_equal_widths_are_a_copy(narrow):
    same = PlaneUNet(12, 4, (8, 16, 24), 2, 3)
    widen(same, narrow)
    assert all(torch.equal(value, narrow.state_dict()[name]) for name, value in same.state_dict().items())


@pytest.mark.parametrize(
    "other", [(12, 4, (8, 12, 24), 2, 3), (12, 4, (8, 16, 32), 2, 3), (9, 4, (8, 16, 24), 2, 3), (12, 4, (16, 16, 24), 2, 3)]
)
def test_networks_without_room_are_refused(narrow, other):
    with pytest.raises(RuntimeError, match=r"widths \[8, 16, 24\] for widths"):
        widen(PlaneUNet(*other), narrow)


def test_a_recipe_starts_from_a_narrower_prior():
    domain = Domain((Property("coarse_fraction"), Property("deposition_time")), (16, 16, 4), (50.0, 50.0, 1.0))
    prior = LearnedDiffusion.of(domain, widths=(8, 16), blocks=1)
    recipe = LearnedDiffusion.recipe(domain, "tiny", widths=(12, 16))
    start_from(recipe, prior, Path("narrow.safetensors"))
    x = torch.rand(2, 2, 16, 16, 4)
    torch.testing.assert_close(recipe.prior(recipe.networks).denoise(x, 0.3), prior.denoise(x, 0.3), rtol=0, atol=1e-4)
    with pytest.raises(gg.GempyGanError, match="or a diffusion from a narrower one"):
        start_from(LearnedDiffusion.recipe(domain, "tiny", widths=(4, 16)), prior, Path("narrow.safetensors"))
