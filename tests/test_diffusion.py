"""The learned diffusion prior: what its parts compute, that it learns, and that it knows what wells say."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from gempy_gan.denoising import REACH, draw, heun, multistep, noise_levels, scattered, within
from gempy_gan.errors import GempyGanError
from gempy_gan.labels import Label
from gempy_gan.learning import Domain
from gempy_gan.networks.plane_unet import PlaneUNet
from gempy_gan.networks.well_masks import MOST, random_wells
from gempy_gan.priors.diffusion import (
    BLUR,
    SPREAD,
    DiffusionRecipe,
    LearnedDiffusion,
    _pyramid,
    random_condition,
    trusted,
)
from gempy_gan.priors.mixture import MixturePrior
from gempy_gan.properties import Property

SHAPE = (8, 12, 4)
WIDTHS = (16, 24)
LABELS = (Label("width", 100.0, 300.0, "m"), Label("mobility", 4.0, 64.0, log=True))
DOMAIN = Domain((Property("coarse_fraction"), Property("deposition_time")), SHAPE, (50.0, 50.0, 1.0), LABELS)
pytestmark = pytest.mark.usefixtures("seeded_torch")


def untrained(**options):
    """A network that does something: its last layer would start at zero."""
    torch.manual_seed(0)
    prior = LearnedDiffusion.of(DOMAIN, widths=WIDTHS, **options)
    for parameter in prior.networks["unet"].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return prior


def between(sigma_max, sigma_min=0.002):
    return SimpleNamespace(sigma_max=sigma_max, sigma_min=sigma_min)


def test_noise_levels_are_those_of_karras():
    levels = noise_levels(between(80.0, 0.002), 18)
    i = np.arange(18)
    expected = (80.0 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80.0 ** (1 / 7))) ** 7
    np.testing.assert_allclose(levels[:-1], expected, rtol=1e-9)
    assert levels[-1] == 0


def test_heun_is_exact_for_a_gaussian():
    # For m ~ N(0, s^2), the flow scales x by sqrt((s^2 + sigma^2) / (s^2 + sigma0^2)), whatever the path.
    spread, x = 0.7, torch.linspace(-60, 60, 11, dtype=torch.float64)
    exact = x * spread / math.sqrt(spread**2 + 20.0**2)
    error = []
    for steps in (10, 20, 40):
        found = heun(lambda x, sigma: x * spread**2 / (spread**2 + sigma**2), x, noise_levels(between(20.0), steps))
        error.append(float((found - exact).abs().max()))
    assert error[2] < 0.02
    assert error[0] / error[1] > 3  # second order
    assert error[1] / error[2] > 3


def test_multistep_draws_from_a_gaussian_with_errors_of_second_order():
    spread, error = 0.7, []
    for steps in (20, 40, 80):
        start, generator = torch.linspace(-40, 40, 20_000, dtype=torch.float64)[:, None], torch.Generator().manual_seed(0)
        denoised = lambda x, sigma: x * spread**2 / (spread**2 + sigma**2)  # noqa: E731
        found = multistep(denoised, start, noise_levels(between(20.0), steps), generator)
        error.append(abs(float(found.std()) / spread - 1))
        assert abs(float(found.mean())) < 0.03
    assert error[0] / error[1] > 2.5
    assert error[2] < 0.02


def test_drawing_from_the_exact_mixture_gives_the_mixture():
    examples = torch.stack([torch.full((1, 2, 2, 2), v) for v in (-1.0, 0.5, 2.0)])
    prior = MixturePrior(examples, sigma=0.05, sigma_max=20.0)
    draws = draw(prior, 900, torch.Generator().manual_seed(1), steps=24)
    nearest = (draws[:, None] - examples).abs().mean(dim=(2, 3, 4, 5)).argmin(dim=1)
    assert torch.allclose(torch.bincount(nearest, minlength=3) / 900, torch.full((3,), 1 / 3), atol=0.06)
    assert float((draws - examples[nearest]).std()) == pytest.approx(0.05, rel=0.1)


def test_drawing_under_a_condition_follows_it():
    examples = torch.tensor([[0.0, 0.0], [1.0, 0.4], [1.0, 1.0]]).reshape(3, 1, 2, 1, 1)
    prior = MixturePrior(examples, sigma=0.05, sigma_max=20.0)
    mask = torch.tensor([True, False]).reshape(1, 2, 1, 1)
    draws = draw(prior, 600, torch.Generator().manual_seed(1), (mask, torch.ones(1, 2, 1, 1)), steps=24).flatten(1)
    assert (draws[:, 0] - 1).abs().max() < 0.3
    assert float((draws[:, 1] < 0.7).float().mean()) == pytest.approx(0.5, abs=0.07)
    assert not (draws[:, 1] < 0.2).any()


def pyramid(planes):
    return [functional.avg_pool2d(planes, 2**level) for level in range(len(WIDTHS))]


def test_the_unet_takes_any_size_it_can_halve():
    net = PlaneUNet(6, 3, WIDTHS, blocks=2, labels=2)
    for size in ((8, 8), (4, 20)):
        assert net(pyramid(torch.randn(2, 6, *size)), torch.zeros(2), torch.zeros(2, 2)).shape == (2, 3, *size)
    with pytest.raises(GempyGanError, match="multiples of 4"):
        LearnedDiffusion.of(Domain(DOMAIN.properties, (8, 9, 4), (50.0, 50.0, 1.0)), widths=WIDTHS)


def test_every_weight_learns():
    recipe = DiffusionRecipe(DOMAIN, WIDTHS, warm_up=1)
    for number in range(3):  # some weights see a gradient only when others have left zero
        recipe.step(torch.rand(8, 2, *SHAPE), torch.rand(8, 2) * 2 - 1, number)
    still = [name for name, p in recipe.networks["unet"].named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert not still


def test_every_level_hears_of_a_well_as_loudly_as_its_own_cells():
    trust, values = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    trust[..., 2, 5], values[..., 2, 5], values[..., 7, 7] = 1.0, 0.8, -1.0  # nobody trusts the last one
    for level, planes in enumerate(_pyramid(torch.zeros(1, 1, 8, 8), trust, values, torch.ones(1), 4)):
        place = (0, slice(1, None), 2 >> level, 5 >> level)
        assert planes[place].tolist() == pytest.approx([1.0, 0.8])
        assert planes[0, 1].sum() == 1


def test_every_level_sees_noisy_planes_at_a_spread_of_one():
    sigma, clean = torch.tensor([30.0]), SPREAD * torch.randn(1, 1, 1, 1).expand(1, 16, 64, 64)
    x = clean + sigma * torch.randn(1, 16, 64, 64)
    for planes in _pyramid(x, torch.zeros_like(x), torch.zeros_like(x), sigma, 3):
        assert float(planes[:, :16].std()) == pytest.approx(1, abs=0.1)


def test_an_unknown_label_is_not_a_zero():
    net = untrained().networks["unet"]
    x, noise = torch.randn(1, 96, 4, 6), torch.zeros(1)
    outs = [net(pyramid(x), noise, torch.tensor([[value, 0.5]])) for value in (torch.nan, 0.0, 1.0)]
    assert all((a - b).abs().max() > 1e-4 for a, b in ((outs[0], outs[1]), (outs[1], outs[2]), (outs[0], outs[2])))


def test_labels_are_given_in_their_own_units():
    prior = untrained(labels={"width": 300.0, "mobility": 16.0})
    assert torch.allclose(prior._asked, torch.tensor([[1.0, 0.0]]), atol=1e-6)
    assert torch.isnan(untrained(labels={"width": 300.0})._asked[0, 1])
    assert (prior.sample(1, torch.Generator().manual_seed(0)) != untrained().sample(1, torch.Generator().manual_seed(0))).any()
    with pytest.raises(GempyGanError, match=r"no label 'depth'. Expected one of: width, mobility"):
        untrained(labels={"depth": 3.0})
    with pytest.raises(GempyGanError, match=r"'width' is 301.0. Expected 100.0 to 300.0 m, which was learned from"):
        untrained(labels={"width": 301.0})


def test_unknown_options_and_presets_are_named():
    with pytest.raises(GempyGanError, match=r"no option 'depth'. Expected: widths"):
        LearnedDiffusion.of(DOMAIN, depth=3)
    with pytest.raises(GempyGanError, match=r"no preset 'huge'. Expected one of tiny, small, paper"):
        LearnedDiffusion.recipe(DOMAIN, "huge")


def test_random_wells():
    mask = random_wells(4000, (32, 32, 8))
    columns = mask.any(dim=-1).flatten(1).sum(dim=1)
    assert float((columns == 0).float().mean()) == pytest.approx(0.25, abs=0.04)  # a partial well may miss every layer
    assert columns.max() > MOST  # deviated wells pass through several columns
    layers = mask.float().mean(dim=(0, 1, 2))
    assert layers.min() > 0.75 * layers.max()
    places = mask.any(dim=-1).float().mean(dim=0)
    assert places.min() > 0  # also at the rim
    single = mask[columns == 1]
    assert float(single.flatten(1).sum(dim=1).eq(8).float().mean()) > 0.7


def test_logs_have_the_errors_they_are_said_to_have():
    clean = torch.zeros(3000, 2, *SHAPE)
    trust, values = random_condition(clean)
    known = trust[:, 0] > 0
    exact = known & (trust[:, 0] == 1)
    assert (values[:, 0][exact] == 0).all()
    half = known & ((trust[:, 0] - trusted(torch.tensor(0.05))).abs() < 0.05)
    assert float(values[:, 0][half].std() / 2) == pytest.approx(0.05, rel=0.15)
    logged = (trust.flatten(2) > 0).any(dim=2)
    share = logged[:, 1].float().sum() / logged[:, 0].float().sum()
    assert float(share) == pytest.approx(0.2, abs=0.04)


def test_every_guess_is_in_order():
    guess = untrained().denoise(torch.randn(4, 2, *SHAPE), 0.5)
    assert (torch.diff(guess[:, 1], dim=-1) >= 0).all()
    assert (torch.diff(guess[:, 0], dim=-1) < 0).any()


def test_cells_known_exactly_are_exact_and_others_free():
    prior = untrained()
    mask = torch.zeros(2, *SHAPE, dtype=torch.bool)
    mask[0, 3, 4] = True
    values = torch.full((2, *SHAPE), 0.25)
    given = prior.denoise(torch.randn(2, 2, *SHAPE), 5.0, (mask, values))
    assert torch.allclose(given[:, 0, 3, 4], torch.tensor(0.25))
    free = prior.denoise(torch.randn(2, 2, *SHAPE), 5.0, (mask, values, torch.full((2, *SHAPE), 0.1)))
    assert not torch.allclose(free[:, 0, 3, 4], torch.tensor(0.25))


def test_a_guess_stays_within_what_is_known_of_a_cell():
    # Noise 0.3 and an error of 0.1 make one measurement: 0.9 parts of the value, 0.1 of the noisy box.
    x, values = torch.tensor([0.4, 0.4, 0.4, 0.4]), torch.tensor([0.0, 0.0, 0.0, 0.7])
    mask, errors = torch.tensor([True, True, False, True]), torch.tensor([0.1, 0.1, 0.1, 0.0])
    led = within(torch.tensor([0.06, 5.0, 5.0, 5.0]), x, 0.3, mask, values, errors)
    std = (1 / 0.1**2 + 1 / 0.3**2) ** -0.5
    assert float(led[0]) == pytest.approx(0.06, abs=0.2 * std)  # a plausible guess is left alone
    assert float(led[1]) == pytest.approx(0.04 + REACH * std, abs=1e-4)
    assert led[2:].tolist() == pytest.approx([5.0, 0.7])  # nothing is known, all is known


def test_known_cells_are_drawn_within_their_errors():
    # Errors far below the noise leave a draw of the value, errors far above it what is expected, but for the last noise.
    expected, mask = torch.full((4000, 4), 0.3), torch.tensor([True, True, True, False])
    values, std = torch.full((4,), 0.7), torch.tensor([0.0, 0.005, 2.0, 0.005])
    found = scattered(expected, 0.03, torch.Generator().manual_seed(0), mask, values, std)
    assert (found[:, 0] == values[0]).all()
    assert float(found[:, 1].mean()) == pytest.approx(0.7, abs=0.02)
    assert float(found[:, 1].std()) == pytest.approx(0.005, rel=0.05)
    assert float(found[:, 2].mean()) == pytest.approx(0.3, abs=0.003)
    assert float(found[:, 2].std()) < 0.05  # no more than the noise that was
    assert (found[:, 3] == expected[:, 3]).all()
    assert (scattered(expected, 0.03, None, mask, values)[:, :3] == values[0]).all()


def test_realizations_keep_to_wells_within_their_errors():
    # This network never learned anything and leads away from the wells at every noise level.
    prior, mask = untrained(), torch.zeros(2, *SHAPE, dtype=torch.bool)
    mask[0, 3, 4] = True
    values, std = torch.full((2, *SHAPE), 0.25), torch.full((2, *SHAPE), 0.05)
    drawn = draw(prior, 8, torch.Generator().manual_seed(0), (mask, values, std))
    free = draw(prior, 8, torch.Generator().manual_seed(0))
    led, left = (float(((d[:, 0, 3, 4] - 0.25) / 0.05).square().mean()) for d in (drawn, free))
    assert led < 9 < 16 < left


def test_the_denoiser_can_be_differentiated():
    prior = untrained()
    x = torch.randn(1, 2, *SHAPE, requires_grad=True)
    (gradient,) = torch.autograd.grad(prior.denoise(x, 1.0).square().sum(), x)
    assert gradient.abs().min() > 0


def test_a_realization_obeys_superposition_and_its_bounds():
    draws = untrained().sample(3, torch.Generator().manual_seed(0))
    assert draws.shape == (3, 2, *SHAPE)
    assert draws.min() >= 0
    assert draws.max() <= 1
    assert (torch.diff(draws[:, 1], dim=-1) >= 0).all()
    again = untrained().sample(3, torch.Generator().manual_seed(0))
    assert torch.equal(draws, again)


def test_it_learns_what_a_well_implies_elsewhere():
    # Every box has one value throughout: a well tells all of it.
    domain = Domain((Property("coarse_fraction"),), (8, 8, 2), (50.0, 50.0, 1.0))
    recipe = DiffusionRecipe(domain, (16, 16), batch=32, warm_up=20, noise_mean=1.5, noise_spread=2.0)
    for k in range(600):
        recipe.rate = 1e-3 if k < 400 else 1e-4  # at the end the steps grow small, in place of an average of the weights
        boxes = torch.rand(32, 1, 1, 1, 1).expand(32, 1, *domain.shape).contiguous()
        recipe.step(boxes, torch.zeros(32, 0), k)
    prior = recipe.prior(recipe.networks)
    mask = torch.zeros(1, *domain.shape, dtype=torch.bool)
    mask[0, 4, 4] = True
    told = torch.linspace(0.1, 0.9, 9)
    drawn = [
        draw(prior, 4, torch.Generator().manual_seed(0), (mask, torch.full(mask.shape, float(v))), steps=8).mean() for v in told
    ]
    assert np.corrcoef(told, drawn)[0, 1] > 0.85
    free = draw(prior, 64, torch.Generator().manual_seed(0), steps=8).mean(dim=(1, 2, 3, 4))
    assert float(free.std()) == pytest.approx(0.29, abs=0.1)


def test_a_network_that_knows_nothing_guesses_the_middle_and_an_even_rise():
    # The last layer starts at zero: fraction 1/2, time rising as height does, whatever it is shown.
    prior = LearnedDiffusion.of(DOMAIN, widths=WIDTHS)
    for layer in (prior.networks["unet"].leave[0][-1], prior.networks["unet"].leave[1]):
        torch.nn.init.zeros_(layer.bias)
    x = torch.rand(2, 2, *SHAPE)
    found = prior.denoise(x, prior.sigma_max)
    assert torch.allclose(found[:, 0], torch.tensor(0.5))
    assert torch.allclose(found[:, 1], torch.tensor([0.25, 0.5, 0.75, 1.0]).expand(2, 8, 12, 4), atol=1e-5)
    fine = prior.denoise(x, BLUR / 2)  # noise as fine as the blur: both are as good; but times keep order
    assert torch.allclose(fine[:, 0], (x[:, 0] + 0.5) / 2, atol=1e-6)
    assert torch.allclose(fine[:, 1], found[:, 1], atol=1e-5)
