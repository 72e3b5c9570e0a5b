"""What a noisy box tells of its large-scale contrasts: measured shares of the surprise, by wavelength and noise."""

import math
from itertools import cycle, islice

import pytest
import torch

from gempy_gan import load_prior
from gempy_gan.learning import Domain
from gempy_gan.networks.wavelengths import LEVELS, SILENT, Wavelengths
from gempy_gan.priors.diffusion import DiffusionRecipe, LearnedDiffusion, denoise
from gempy_gan.properties import Property
from gempy_gan.weights import save_prior

SHAPE = (8, 8, 4)
DOMAIN = Domain((Property("coarse_fraction"), Property("deposition_time")), SHAPE, (50.0, 50.0, 1.0))
PLAN = {"widths": (8, 16), "measured": 16}
pytestmark = pytest.mark.usefixtures("seeded_torch")


def believing(share, shape=SHAPE):
    found = Wavelengths(1, shape)
    found.share[:-1] = share
    return found


def test_all_of_a_surprise_is_believed_or_nothing_or_less_the_more_noise_there_is():
    surprise, sigma = torch.randn(4, 1, *SHAPE), torch.tensor([0.001, 0.3, 2.0, 5.0])
    torch.testing.assert_close(believing(1.0)(surprise, sigma), surprise)
    assert not Wavelengths(1, SHAPE)(surprise, sigma).any()
    between = torch.full((4,), math.sqrt(LEVELS[-1] * SILENT))
    torch.testing.assert_close(believing(1.0)(surprise, between), surprise / 2)
    assert not believing(1.0)(surprise, torch.full((4,), 2 * SILENT)).any()


def test_it_is_linear_and_its_own_adjoint():
    waves = believing(torch.rand(len(LEVELS), 1, 7, 7, 4))
    one, other, sigma = torch.randn(2, 1, *SHAPE), torch.randn(2, 1, *SHAPE), torch.tensor([0.1, 1.3])
    left, right = (waves(one, sigma) * other).sum(), (one * waves(other, sigma)).sum()
    assert float(left) == pytest.approx(float(right), rel=1e-4)


@pytest.mark.parametrize("columns", [8, 16])
def test_waves_of_equal_length_are_believed_alike_in_smaller_boxes(columns):
    waves = believing(0.0, (16, 16, 4))
    waves.share[:-1, :, 2, 0, 0] = 1.0  # two half waves across 16 cells
    x = torch.arange(columns) + 0.5
    wave = torch.cos(math.pi * x / 8)[:, None, None].expand(1, 1, columns, columns, 4)
    other = torch.cos(math.pi * x / 4)[:, None, None].expand(1, 1, columns, columns, 4)
    torch.testing.assert_close(waves(wave, torch.tensor([0.5])), wave, rtol=1e-4, atol=1e-5)
    assert waves(other, torch.tensor([0.5])).abs().max() < 1e-5


def test_what_is_believed_is_what_least_squares_says():
    waves, level = Wavelengths(1, SHAPE), 5
    for _ in range(40):  # a guess that does not know the mean of the box, and all the rest
        error = 0.1 * torch.randn(64, 1, 1, 1, 1).expand(64, 1, *SHAPE)
        waves.measure(level, error, error + LEVELS[level] * torch.randn(64, 1, *SHAPE), torch.zeros(64, 1, *SHAPE))
    waves.settle()
    variance = 0.1**2 * math.prod(SHAPE)
    assert float(waves.share[level, 0, 0, 0, 0]) == pytest.approx(variance / (variance + LEVELS[level] ** 2), abs=0.03)
    rest = waves.share[level].clone()
    rest[0, 0, 0, 0] = 0.0
    assert rest.abs().max() < 0.08
    assert not waves.share[level - 1].any()


def boxes(n):
    """Boxes without any contrast, each with a fraction of its own; times rise."""
    fraction = torch.rand(n, 1, 1, 1, 1).expand(n, 1, *SHAPE)
    return torch.cat([fraction, ((torch.arange(4) + 0.5) / 4).expand(n, 1, *SHAPE)], dim=1)


def measured():
    """A prior whose network was never trained, which expects a fraction of a half in any box, and its shares."""
    recipe = DiffusionRecipe(DOMAIN, **PLAN)
    networks = {name: network.eval() for name, network in recipe.networks.items()}
    recipe.measure(networks, ((boxes(16), torch.zeros(16, 0)) for _ in cycle([0])))
    return recipe.prior(networks)


def test_a_guess_that_is_off_everywhere_is_mended_by_the_box_as_a_whole():
    found, sigma = measured(), torch.full((32,), 0.4)
    clean = found.channels.encode(boxes(32))
    x = clean + 0.4 * torch.randn_like(clean)
    alone = {"unet": found.networks["unet"]}
    with torch.no_grad():
        off, before = (
            (denoise(networks, found.channels, x, sigma, torch.zeros(32, 0), None) - clean)[:, 0].mean(dim=(1, 2, 3))
            for networks in (found.networks, alone)
        )
    assert float(before.square().mean().sqrt()) > 0.5
    assert float(off.square().mean().sqrt()) < 0.04  # the noise of the mean of 256 cells is 0.025


def test_times_stay_in_order():
    found = measured()
    found.networks["wavelengths"].share[:-1] = 1.0
    x = torch.randn(3, 2, *SHAPE)
    times = denoise(found.networks, found.channels, x, torch.tensor([0.05, 0.5, 5.0]), torch.zeros(3, 0), None)[:, 1]
    assert (times.diff(dim=-1) >= 0).all()


def test_too_few_boxes_tell_nothing():
    recipe = DiffusionRecipe(DOMAIN, **PLAN)
    recipe.measure(recipe.networks, islice(((boxes(16), torch.zeros(16, 0)) for _ in cycle([0])), len(LEVELS) - 1))
    assert not recipe.networks["wavelengths"].share.any()


def test_shares_stand_in_the_file_and_older_files_have_none(tmp_path):
    for found in (measured(), LearnedDiffusion.of(DOMAIN, widths=(8, 16))):
        save_prior(found, tmp_path / "prior.safetensors", dtype="float32")
        loaded = load_prior(tmp_path / "prior.safetensors")
        assert loaded.networks.keys() == found.networks.keys()
        first, second = (p.sample(2, torch.Generator().manual_seed(0)) for p in (found, loaded))
        torch.testing.assert_close(first, second)
