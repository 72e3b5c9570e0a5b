"""The trained priors that come with the plugin."""

import pytest
import torch
from gempy_gan_fluvial.trained import installed

import gempy_gan as gg

MEMBERS = {("tiny", 0), ("tiny", 1), ("tiny", 2)}  # trained independently
NAMES = {"fluvial-diffusion": {*MEMBERS, ("small", 0)}, "fluvial-gan": {*MEMBERS, ("small", 0)}}
FILES = [(name, *key, file) for name in NAMES for key, file in installed(name).items()]


@pytest.mark.parametrize("name", NAMES)
def test_all_members_are_there_and_small_enough_to_ship(name):
    found = installed(name)
    assert found.keys() == NAMES[name]
    assert max(file.stat().st_size for file in found.values()) <= 15e6
    assert len({file.read_bytes() for file in found.values()}) == len(found)


@pytest.mark.parametrize(("name", "size", "member", "file"), FILES)
def test_a_trained_prior_draws_deposits(name, size, member, file):
    prior = gg.get_prior(name, size=size, member=member)
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


def test_a_gan_makes_boxes_of_one_size():
    with pytest.raises(gg.GempyGanError, match="Leave shape and options as they were trained"):
        gg.get_prior("fluvial-gan", shape=(48, 24, 8))


def test_any_number_of_columns_and_other_cells():
    prior = gg.get_prior("fluvial-diffusion", size="tiny", shape=(48, 24, 8), rescaled_to=(25.0, 25.0, 0.5), steps=2)
    assert prior.sample(1, torch.Generator().manual_seed(0)).shape == (1, 2, 48, 24, 8)
    assert prior.cell_size == (25.0, 25.0, 0.5)


@pytest.mark.parametrize("name", NAMES)
def test_what_was_not_trained_is_named(name):
    with pytest.raises(gg.GempyGanError, match=rf"No {name} of size .huge., member 0 .* There are: size "):
        gg.get_prior(name, size="huge")


@pytest.mark.parametrize(("name", "size", "member", "file"), FILES)
def test_the_card_says_what_it_learned_from_and_how_it_compares(name, size, member, file):
    card = gg.load_prior(file).card
    assert card["data"]["volumes"] >= 256
    assert card["domain"]["properties"][0]["name"] == "coarse_fraction"
    assert card["metrics"]["variogram"]["floor"] > 0
    assert card["metrics"]["memorization"]["value"] >= 0.05


@pytest.mark.parametrize(
    "use",
    [
        lambda prior: prior.decode(torch.randn(2, *prior.latent_shape)),
        lambda prior: prior.decode(torch.randn(2, *prior.latent_shape), [w.detach() for w in prior.parameters()]),
        lambda prior: prior.space("features").decode(torch.randn(2, *prior.space("features").latent_shape)),
        lambda prior: prior.features(torch.rand(2, 2, *prior.shape)),
    ],
)
def test_a_generator_computes_where_its_networks_are(use, monkeypatch):
    """The device "meta" computes shapes, refuses what lies elsewhere, and has nothing to bring back in the end."""
    prior = gg.get_prior("fluvial-gan")
    here = prior.space("features")
    elsewhere = gg.get_prior("fluvial-gan", device="meta")
    here.prior = elsewhere
    monkeypatch.setattr(elsewhere, "space", lambda name: here)
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        use(elsewhere)


def test_a_denoiser_computes_where_its_network_is(monkeypatch):
    monkeypatch.setattr("torch.fx.experimental._config.meta_nonzero_assume_all_nonzero", True)  # "meta" does not know which cells
    prior = gg.get_prior("fluvial-diffusion", size="tiny", device="meta")
    x = torch.rand(2, 2, *prior.shape)
    for condition in (None, (x[0] > 0.9, x[0], torch.full_like(x[0], 0.1))):
        with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
            prior.denoise(x, 1.0, condition)


@pytest.mark.parametrize("device", ["gpu-of-my-dreams", "cuda:99"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(gg.GempyGanError, match=f"The device '{device}' cannot be had: .* Expected one that torch finds"):
        gg.get_prior("fluvial-gan", device=device)
