"""The trained priors that come with the plugin."""

import pytest
import torch
from gempy_gan_fluvial.trained import installed

import gempy_gan as gg

FILES = installed("fluvial-diffusion")


def test_both_sizes_are_there_and_small_enough_to_ship():
    assert {("tiny", 0), ("small", 0)} <= FILES.keys()
    assert max(file.stat().st_size for file in FILES.values()) <= 15e6


@pytest.mark.parametrize(("size", "member"), FILES)
def test_a_trained_prior_draws_deposits(size, member):
    prior = gg.get_prior("fluvial-diffusion", size=size, member=member, steps=6)
    draws = prior.sample(2, torch.Generator().manual_seed(0))
    assert draws.shape == (2, 2, *prior.shape)
    assert (torch.diff(draws[:, 1], dim=-1) >= 0).all()  # superposition
    assert draws.min() >= 0
    assert draws.max() <= 1
    assert draws[:, 0].std() > 0.1  # sand and mud, not their mean


def test_it_knows_what_a_well_says_of_its_neighbours():
    prior = gg.get_prior("fluvial-diffusion", size="tiny")
    mask = torch.zeros(2, *prior.shape, dtype=torch.bool)
    mask[0, 16, 16] = True
    noise = 0.5 + prior.sigma_max * torch.randn((8, 2, *prior.shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        sand, mud = (
            prior.denoise(noise, prior.sigma_max, (mask, torch.full(mask.shape, v)))[:, 0].mean(dim=0) for v in (0.8, 0.05)
        )
    difference = sand - mud
    near, far = difference[15:18, 15:18].mean(), difference[:4, :4].mean()
    assert near > 0.1
    assert near > 2 * abs(far)


def test_any_number_of_columns_and_other_cells():
    prior = gg.get_prior("fluvial-diffusion", size="tiny", shape=(48, 24, 8), rescaled_to=(25.0, 25.0, 0.5), steps=2)
    assert prior.sample(1, torch.Generator().manual_seed(0)).shape == (1, 2, 48, 24, 8)
    assert prior.cell_size == (25.0, 25.0, 0.5)


def test_what_was_not_trained_is_named():
    with pytest.raises(gg.GempyGanError, match=r"of size .huge., member 0 .* There are: size .small., member 0"):
        gg.get_prior("fluvial-diffusion", size="huge")


def test_the_card_says_what_it_learned_from():
    for file in FILES.values():
        card = gg.load_prior(file).card
        assert card["data"]
        assert card["domain"]["properties"][0]["name"] == "coarse_fraction"
