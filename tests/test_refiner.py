"""The refiner of the learned diffusion prior: what planes blur, it tells from the neighbours of a cell."""

import pytest
import torch
from torch.nn import functional

from gempy_gan import load_prior
from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain
from gempy_gan.priors.diffusion import REFINED, DiffusionRecipe, LearnedDiffusion, denoise
from gempy_gan.properties import Property
from gempy_gan.training.engine import start_from
from gempy_gan.weights import save_prior

SHAPE = (8, 8, 4)
WIDTHS = (8, 16)
DOMAIN = Domain((Property("coarse_fraction"), Property("deposition_time")), SHAPE, (50.0, 50.0, 1.0))
pytestmark = pytest.mark.usefixtures("seeded_torch")


def prior(refiner, loud=0.0):
    """A prior with the same network on planes, whatever the refiner; `loud` is the spread of the refiner's last weights."""
    torch.manual_seed(1)
    found = LearnedDiffusion.of(DOMAIN, widths=WIDTHS, refiner=refiner)
    torch.manual_seed(2)
    for parameter in found.networks["unet"].parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    if refiner and loud:
        torch.nn.init.normal_(found.networks["refiner"].leave.weight, std=loud)
    return found


def expected(found, x, sigma, known=None):
    return denoise(found.networks, found.channels, x, sigma, torch.zeros(len(x), 0), known)


def boxes(n):
    """Fractions that change slowly, 8 cells a box at a time, and times that rise."""
    values = functional.avg_pool3d(torch.rand(n, 1, 14, 14, 10), 7, stride=1) * 4 - 1.5
    times = torch.rand(n, 1, *SHAPE).cumsum(dim=-1) / SHAPE[2]
    return torch.cat([values.clamp(0, 1), times], dim=1)


def test_it_changes_nothing_until_it_has_learned():
    x, sigma = torch.randn(3, 2, *SHAPE), torch.tensor([0.05, 0.5, 5.0])
    with_it, without = expected(prior(4), x, sigma), expected(prior(0), x, sigma)
    torch.testing.assert_close(with_it[:, 0], without[:, 0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(with_it[:, 1], without[:, 1], rtol=1e-5, atol=1e-6)


def test_it_refines_boxes_of_little_noise_alone_and_leaves_times_in_order():
    x, sigma = torch.randn(4, 2, *SHAPE), torch.tensor([0.05, 2 * REFINED, 0.9 * REFINED, 10.0])
    with_it, without = expected(prior(4, loud=1.0), x, sigma), expected(prior(0), x, sigma)
    moved = (with_it - without).abs().amax(dim=(1, 2, 3, 4))
    assert (moved > 0.01).tolist() == [True, False, True, False]
    assert (with_it[:, 1].diff(dim=-1) >= 0).all()


def test_a_box_is_refined_alike_in_any_batch():
    found, x, sigma = prior(4, loud=1.0), torch.randn(3, 2, *SHAPE), torch.tensor([0.1, 3.0, 0.4])
    together = expected(found, x, sigma)
    alone = torch.cat([expected(found, x[k : k + 1], sigma[k : k + 1]) for k in range(3)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_its_jacobian_is_that_of_what_it_computes():
    found, x, sigma = prior(4, loud=0.3), torch.randn(1, 2, *SHAPE, requires_grad=True), torch.tensor([0.3])
    way, pull = torch.randn_like(x), torch.zeros_like(x)
    pull[:, 0] = torch.randn(SHAPE)  # times have kinks where they are put in order
    slope = (torch.autograd.grad(expected(found, x, sigma), x, pull)[0] * way).sum()
    with torch.no_grad():
        difference = (expected(found, x + 0.003 * way, sigma) - expected(found, x - 0.003 * way, sigma)) / 0.006
    assert float(slope) == pytest.approx(float((difference * pull).sum()), rel=0.01)


def test_it_learns_what_neighbours_tell_of_a_cell():
    recipe = DiffusionRecipe(DOMAIN, WIDTHS, refiner=8, rate=3e-3, warm_up=1, noise_mean=-2.0, noise_spread=0.3)
    for number in range(150):
        recipe.step(boxes(16), torch.zeros(16, 0), number)
    learned = recipe.prior(recipe.networks)
    blind = LearnedDiffusion.of(DOMAIN, {"unet": recipe.networks["unet"]}, widths=WIDTHS)
    clean = 2 * boxes(64) - 1
    sigma = torch.full((64,), 0.13)
    x = clean + 0.13 * torch.randn_like(clean)
    with torch.no_grad():
        error, before = ((expected(p, x, sigma) - clean)[:, 0].square().mean().sqrt() for p in (learned, blind))
    assert float(error) < 0.08  # the noise is 0.13
    assert float(error) < 0.8 * float(before)


def test_every_weight_learns():
    recipe = DiffusionRecipe(DOMAIN, WIDTHS, refiner=4, warm_up=1, noise_mean=-2.0, noise_spread=0.3)
    for number in range(4):
        recipe.step(torch.rand(8, 2, *SHAPE), torch.zeros(8, 0), number)
    weights = recipe.networks["refiner"].named_parameters()
    assert not [name for name, p in weights if p.grad is None or not p.grad.abs().max() > 0]


def told_prior(share):
    plain = prior(4, loud=1.0)
    return LearnedDiffusion.of(DOMAIN, plain.networks, widths=WIDTHS, refiner=4, told=share)


def test_a_network_may_be_told_of_less_noise_where_no_refiner_deals_with_it():
    x, least = torch.rand(3, 2, *SHAPE), REFINED / 2  # fractions lie in [0, 1], levels of noise in [-1, 1]
    plain, less = told_prior(1.0), told_prior(0.8)
    torch.testing.assert_close(less.denoise(x, 0.9 * least), plain.denoise(x, 0.9 * least))
    noisy = x + 4 * torch.randn_like(x)
    torch.testing.assert_close(less.denoise(noisy, 4.0), plain.denoise(noisy, 0.8 * 4.0), rtol=1e-3, atol=1e-3)
    assert (less.denoise(noisy, 4.0) - plain.denoise(noisy, 4.0)).abs().max() > 0.01
    rows = torch.tensor([0.9 * least, 4.0, 4.0])
    torch.testing.assert_close(less.denoise(noisy, rows)[1:], less.denoise(noisy, 4.0)[1:])


def test_what_is_told_stands_in_the_file_and_in_the_record_of_an_ensemble(tmp_path):
    save_prior(told_prior(0.8), tmp_path / "told.safetensors", dtype="float32")
    loaded = load_prior(tmp_path / "told.safetensors")
    assert loaded.state()["told"] == 0.8
    assert load_prior(tmp_path / "told.safetensors", told=0.9).state()["told"] == 0.9
    trained = DiffusionRecipe(DOMAIN, WIDTHS, told=0.7)
    assert trained.prior(trained.networks).state()["told"] == 0.7


@pytest.mark.parametrize("share", [0.3, 1.1, float("nan")])
def test_a_network_is_told_of_some_noise_and_not_of_too_much(share):
    with pytest.raises(GempyGanError, match=r"share of the noise .* is .*\. Expected 0\.5 to 1"):
        told_prior(share)


def test_it_stands_in_the_file_and_older_files_have_none(tmp_path):
    for refiner in (4, 0):
        found = prior(refiner, loud=0.5)
        save_prior(found, tmp_path / f"{refiner}.safetensors", dtype="float32")
        loaded = load_prior(tmp_path / f"{refiner}.safetensors")
        assert set(loaded.networks) == ({"unet", "refiner"} if refiner else {"unet"})
        first, second = (p.sample(2, torch.Generator().manual_seed(0)) for p in (found, loaded))
        torch.testing.assert_close(first, second)


def test_a_training_with_a_refiner_starts_from_a_prior_without(tmp_path):
    old = prior(0)
    recipe = DiffusionRecipe(DOMAIN, WIDTHS, refiner=4)
    start_from(recipe, old, tmp_path / "old.safetensors")
    x, sigma = torch.randn(2, 2, *SHAPE), torch.tensor([0.1, 2.0])
    torch.testing.assert_close(expected(recipe.prior(recipe.networks), x, sigma), expected(old, x, sigma), rtol=1e-5, atol=1e-5)
