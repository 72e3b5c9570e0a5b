"""What guesses of a value lack in the mean: a measured curve for each noise level."""

import math
from itertools import cycle

import pytest
import torch

from gempy_gan.learning import Domain
from gempy_gan.networks.tones import TONES, Tones
from gempy_gan.networks.wavelengths import LEVELS, SILENT
from gempy_gan.priors.diffusion import DiffusionRecipe, denoise
from gempy_gan.progress import listening
from gempy_gan.properties import Property

SHAPE = (8, 8, 4)
DOMAIN = Domain((Property("coarse_fraction"), Property("deposition_time")), SHAPE, (50.0, 50.0, 1.0))
LEVEL = 5
pytestmark = pytest.mark.usefixtures("seeded_torch")


def curved():
    """Of the first of two properties, what is missing of v is v^2 / 10; of the second, nothing."""
    found = Tones(2)
    found.missing[:-1, 0] = TONES.square() / 10
    return found


def test_what_is_missing_is_linear_between_tones_and_constant_beyond_them():
    values = torch.tensor([-3.0, -1.1, 0.0, 0.5, 0.525, 1.1, 3.0])
    guess = values.expand(2, 7)[None, :, None, None, :]
    missing = curved()(guess, torch.tensor([0.3]))
    expected = torch.tensor([0.121, 0.121, 0.0, 0.025, (0.025 + 0.55**2 / 10) / 2, 0.121, 0.121])
    torch.testing.assert_close(missing[0, 0].flatten(), expected, rtol=1e-4, atol=1e-6)
    assert not missing[0, 1].any()


def test_between_levels_it_is_linear_in_the_logarithm_of_noise_and_nothing_where_no_box_tells_anything():
    guess = torch.ones(4, 2, *SHAPE)
    sigma = torch.tensor([0.001, LEVELS[-1], math.sqrt(LEVELS[-1] * SILENT), 2 * SILENT])
    missing = curved()(guess, sigma)[:, 0].mean(dim=(1, 2, 3))
    torch.testing.assert_close(missing, torch.tensor([0.1, 0.1, 0.05, 0.0]))


def test_its_slope_is_that_of_the_curve():
    guess = (2 * torch.rand(2, 2, *SHAPE, dtype=torch.float64) - 1).requires_grad_()
    curve = curved().double()
    assert torch.autograd.gradcheck(lambda g: curve(g, torch.tensor([0.2, 0.9], dtype=torch.float64)), guess)


def test_what_is_measured_is_what_was_missing():
    tones = Tones(2)
    for _ in range(20):
        guess = 2 * torch.rand(16, 2, *SHAPE) - 1
        clean = guess + torch.stack([0.2 * guess[:, 0].abs(), torch.zeros(16, *SHAPE)], dim=1)
        tones.measure(LEVEL, clean + 0.1 * torch.randn_like(clean), torch.zeros_like(clean), guess)
    tones.settle()
    guess = 2 * torch.rand(4, 2, *SHAPE) - 1
    missing = tones(guess, torch.full((4,), LEVELS[LEVEL]))
    assert float((missing[:, 0] - 0.2 * guess[:, 0].abs()).abs().max()) < 0.03
    assert float(missing[:, 1].abs().max()) < 0.03
    assert not tones.missing[LEVEL - 1].any()


def test_a_few_cells_tell_little():
    tones = Tones(1)
    at = torch.full((1, 1, 1, 1, 1), float(TONES[30]))
    tones.measure(LEVEL, at + 0.5, at, at)
    tones.settle()
    assert 0 < float(tones.missing[LEVEL, 0, 30]) < 0.02


def boxes(n):
    """Cells of 0.6 or 0.8, and times that rise."""
    values = 0.6 + 0.2 * (torch.rand(n, 1, *SHAPE) < 0.5)
    return torch.cat([values, ((torch.arange(4) + 0.5) / 4).expand(n, 1, *SHAPE)], dim=1)


def test_a_network_that_never_learned_knows_the_mean_of_what_lies_behind_its_guesses():
    recipe = DiffusionRecipe(DOMAIN, (8, 16), measured=32)
    networks = {name: network.eval() for name, network in recipe.networks.items()}
    shown = []
    with listening(lambda *step: shown.append(step)):
        recipe.measure(networks, ((boxes(16), torch.zeros(16, 0)) for _ in cycle([0])))
    named = [f"boxes measured at each noise level for {name}" for name in ("tones", "wavelengths")]
    assert list(dict.fromkeys(shown)) == [(label, done, 32) for label in named for done in (0, 16, 32)]
    clean, sigma = recipe.channels.encode(boxes(64)), torch.full((64,), 4.0)
    x = clean + 4.0 * torch.randn_like(clean)
    with torch.no_grad():
        mended, before = (
            denoise({name: networks[name] for name in used}, recipe.channels, x, sigma, torch.zeros(64, 0), None)[:, 0].mean()
            for used in (("unet", "tones"), ("unet",))
        )
    assert float(before) == pytest.approx(0.0, abs=0.05)  # a fraction of a half, whatever stands there
    assert float(mended) == pytest.approx(0.4, abs=0.05)  # guesses scatter a little, and rare ones tell little
