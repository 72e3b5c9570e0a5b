"""Priors with a generator: the contract, labels as latents, latents in place, and the game that trains them."""

import copy
import math

import pytest
import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.labels import Label
from gempy_gan.learning import SHAPES, Domain
from gempy_gan.networks.discriminators import PlainDiscriminator, ResNetDiscriminator
from gempy_gan.networks.resnet3d import ConditionalBatchNorm
from gempy_gan.priors.adversarial import Game
from gempy_gan.priors.gan import ABLATION, PRESETS, GanPrior
from gempy_gan.priors.stylegan import PRESETS as STYLE_PRESETS
from gempy_gan.priors.stylegan import StyleGanPrior
from gempy_gan.properties import Property
from gempy_gan.testing import check_prior
from gempy_gan.training.average import Average
from gempy_gan.weights import load_prior, save_prior

SHAPE = (16, 16, 4)
LABELS = (Label("width", 100.0, 300.0, "m"), Label("mobility", 4.0, 64.0, log=True))
PROPERTIES = (Property("coarse_fraction"), Property("deposition_time"))
SMALL = {
    GanPrior: {"latents": 8, "generator": (16, 16, 8), "discriminator": (8, 8, 16)},
    StyleGanPrior: {"style": 8, "generator": (8, 8, 16), "discriminator": (8, 8, 16), "maps": (1, 1, 2)},
}
BOTH = pytest.mark.parametrize("kind", [GanPrior, StyleGanPrior])
pytestmark = pytest.mark.usefixtures("seeded_torch")


def domain(shape=SHAPE, labels=LABELS):
    return Domain(PROPERTIES, shape, (50.0, 50.0, 1.0), labels)


def build(kind, of=None, **options):
    return kind.of(of or domain(), **SMALL[kind], **options)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@BOTH
def test_the_contract_of_a_prior(kind):
    check_prior(build(kind), n=16)
    check_prior(build(kind, labels={"width": 200.0}), n=16)
    check_prior(build(kind, domain(labels=()), ordered=False), n=16)


@BOTH
def test_labels_are_latents_and_uniform(kind):
    prior = build(kind)
    assert prior.latent_shape == (prior.noise + 2,)
    labels = prior.labels_of(torch.randn(4000, 2))
    assert labels.min() >= -1
    assert labels.max() <= 1
    assert torch.allclose(labels.mean(dim=0), torch.zeros(2), atol=0.04)
    assert torch.allclose(labels.std(dim=0), torch.full((2,), 1 / math.sqrt(3)), atol=0.02)
    z = torch.randn(1, *prior.latent_shape)
    moved = z.clone()
    moved[0, -1] += 1
    assert not torch.equal(prior.decode(z), prior.decode(moved))


@BOTH
def test_a_fixed_label_is_no_latent(kind):
    free = build(kind)
    fixed = kind.of(domain(), free.networks, **SMALL[kind], labels={"width": 300.0})
    assert fixed.latent_shape == (free.latent_shape[0] - 1,)
    z = torch.randn(2, *fixed.latent_shape)
    as_latent = torch.cat([z[:, :-1], torch.full((2, 1), 9.0), z[:, -1:]], dim=1)  # 2 Phi(9) - 1 = 1, the upper end
    assert torch.allclose(fixed.decode(z), free.decode(as_latent), atol=1e-6)
    with pytest.raises(GempyGanError, match=r"no label 'depth'. Expected one of: width, mobility"):
        build(kind, labels={"depth": 1.0})
    with pytest.raises(GempyGanError, match=r"'width' is 500.0. Expected 100.0 to 300.0 m"):
        build(kind, labels={"width": 500.0})


@BOTH
def test_superposition_holds_by_construction_and_is_left_open_in_the_plain_variant(kind):
    ordered, plain = build(kind), build(kind, ordered=False)
    for network in (*ordered.networks.values(), *plain.networks.values()):
        for parameter in network.parameters():
            parameter.data.mul_(2.0)
    assert (ordered.sample(8, seeded())[:, 1].diff(dim=-1) >= 0).all()
    assert float((plain.sample(8, seeded())[:, 1].diff(dim=-1) >= 0).float().mean()) < 0.95


@BOTH
def test_sampling_in_parts_draws_the_same(kind, monkeypatch):
    prior = build(kind)
    whole = prior.sample(5, seeded())
    monkeypatch.setattr("gempy_gan.priors.generator.AT_ONCE", 2 * 2 * math.prod(SHAPE))
    assert torch.allclose(prior.sample(5, seeded()), whole, atol=1e-5)


@BOTH
def test_features_have_unit_length_and_need_the_discriminator(kind):
    prior = build(kind)
    levels = prior.features(torch.rand(3, 2, *SHAPE))
    assert len(levels) >= 2
    for level in levels:
        assert torch.allclose(level.square().sum(dim=1), torch.ones_like(level[:, 0]), atol=1e-4)
    bare = build(kind, keep_discriminator=False)
    assert set(bare.networks) == {"generator"}
    with pytest.raises(GempyGanError, match="kept without its discriminator"):
        bare.features(torch.rand(1, 2, *SHAPE))


@BOTH
@pytest.mark.parametrize("keep", [True, False])
def test_a_file_keeps_the_prior(kind, keep, tmp_path):
    recipe = kind.recipe(domain(), "tiny", **SMALL[kind], keep_discriminator=keep)
    for number in range(2):
        recipe.step(torch.rand(4, 2, *SHAPE), torch.rand(4, 2) * 2 - 1, number)
    prior = recipe.prior(copy.deepcopy(recipe.networks))
    assert ("discriminator" in prior.networks) is keep
    loaded = load_prior(save_prior(prior, tmp_path / "p.safetensors", dtype="float32"))
    assert type(loaded) is kind
    assert torch.equal(loaded.sample(3, seeded()), prior.sample(3, seeded()))
    half = load_prior(save_prior(prior, tmp_path / "h.safetensors"), labels={"width": 150.0})
    assert half.latent_shape == (prior.latent_shape[0] - 1,)


def test_a_style_generator_makes_larger_boxes_from_the_same_file(tmp_path):
    file = save_prior(build(StyleGanPrior), tmp_path / "p.safetensors")
    wide = load_prior(file, shape=(40, 16, 4))
    assert wide.sample(2, seeded()).shape == (2, 2, 40, 16, 4)
    assert wide.latent_positions[8 : wide.noise, 0].max() == pytest.approx(39.0)
    with pytest.raises(GempyGanError, match=r"42 x 16 columns. Expected multiples of 4"):
        load_prior(file, shape=(42, 16, 4))


def test_latents_of_maps_act_where_their_positions_say():
    prior = build(StyleGanPrior, domain((32, 32, 4)))
    positions = prior.latent_positions
    assert positions.shape == (*prior.latent_shape, 3)
    assert positions[: prior.style].isnan().all()
    assert positions[prior.noise :].isnan().all()
    z = torch.zeros(1, *prior.latent_shape)
    columns = torch.stack(torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij"), dim=-1)
    for latent in (prior.style + 20 * 32 + 9, prior.style + 32 * 32 + 5 * 16 + 11, prior.noise - 64 + 4 * 8 + 3):
        unit = z.clone()
        unit[0, latent] = 0.1
        effect = (prior.decode(unit) - prior.decode(z)).abs().sum(dim=(0, 1, 4)).detach()
        centre = (effect[..., None] * columns).sum(dim=(0, 1)) / effect.sum()
        assert (centre - positions[latent, :2]).abs().max() < 2.5
        assert effect[(columns - positions[latent, :2]).abs().amax(dim=-1) > 28].sum() == 0


@BOTH
def test_a_step_is_decided_by_the_global_generator(kind):
    recipe = kind.recipe(domain(), "tiny", **SMALL[kind], r1=1.0, lazy=1)
    values, labels = torch.rand(4, 2, *SHAPE), torch.rand(4, 2) * 2 - 1
    twin = copy.deepcopy(recipe)
    for each in (recipe, twin):
        torch.manual_seed(7)
        shown = each.step(values, labels, 0)
        assert all(value.ndim == 0 and value.isfinite() and not value.requires_grad for value in shown.values())
    for name, network in recipe.networks.items():
        for (key, one), other in zip(network.state_dict().items(), twin.networks[name].state_dict().values(), strict=True):
            assert torch.equal(one, other), key


@BOTH
def test_a_step_teaches_both_networks_alone(kind):
    recipe = kind.recipe(domain(), "tiny", **SMALL[kind])
    before = {name: copy.deepcopy(network) for name, network in recipe.networks.items()}
    recipe.step(torch.rand(4, 2, *SHAPE), torch.rand(4, 2) * 2 - 1, 0)
    for name, network in recipe.networks.items():
        pairs = list(zip(network.named_parameters(), before[name].parameters(), strict=True))
        moved = sum(not torch.equal(one, other) for (_, one), other in pairs)
        assert moved > 0.9 * len(pairs)
        assert all(parameter.requires_grad for parameter in network.parameters())


@BOTH
def test_the_lazy_penalty_comes_when_due(kind):
    values, labels = torch.rand(4, 2, *SHAPE), torch.zeros(4, 2)
    found = {}
    for compensated in (False, True):
        torch.manual_seed(0)
        recipe = kind.recipe(domain(), "tiny", **SMALL[kind], lazy=3, compensated=compensated)
        assert "r1" not in recipe.step(values, labels, 0)
        found[compensated] = float(recipe.step(values, labels, 2)["r1"])
    assert found[True] == pytest.approx(3 * found[False], rel=1e-3)
    assert "slope" in kind.recipe(domain(), "tiny", **SMALL[kind], loss="wasserstein", r1=0.0, slope=10.0).step(values, labels, 0)


@BOTH
def test_a_step_in_mixed_precision_judges_in_single_precision(kind):
    recipe = kind.recipe(domain(), "tiny", **SMALL[kind], lazy=1)
    with torch.autocast("cpu", torch.bfloat16):
        for number in range(2):
            shown = recipe.step(torch.rand(4, 2, *SHAPE), torch.rand(4, 2) * 2 - 1, number)
        assert recipe.model.decode(torch.randn(2, *recipe.model.latent_shape)).dtype == torch.float32
    assert all(value.dtype == torch.float32 and value.isfinite() for value in shown.values())
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in recipe.model.parameters())


def test_the_recipe_of_the_paper():
    with torch.device("meta"):
        recipe = GanPrior.recipe(domain(SHAPES["paper"], ()), "paper", spectral=False)
    assert sum(p.numel() for p in recipe.networks["generator"].parameters()) == 13_180_032
    assert sum(p.numel() for p in recipe.networks["discriminator"].parameters()) == 1_946_753
    assert recipe.game == Game("non-saturating", 2e-4, None, (0.0, 0.99), 10.0, 16, False, 0.0, 64)
    settings = recipe.optimizers["generator"].param_groups[0]
    assert (settings["lr"], settings["betas"]) == (2e-4, (0.0, 0.99))
    assert recipe.averaged == ("generator",)


@pytest.mark.parametrize(("kind", "presets"), [(GanPrior, PRESETS), (StyleGanPrior, STYLE_PRESETS)])
def test_presets_are_small_enough_to_ship(kind, presets):
    sizes = {}
    for name in presets:
        with torch.device("meta"):
            recipe = kind.recipe(domain(SHAPES[name]), name, **({"spectral": False} if kind is GanPrior else {}))
        sizes[name] = sum(p.numel() for network in recipe.networks.values() for p in network.parameters())
    assert sizes["tiny"] < 1_500_000
    assert 2 * sizes["small"] < 15e6  # bytes in half precision


@pytest.mark.parametrize("step", range(len(ABLATION)))
def test_each_step_of_the_ablation_trains(step):
    recipe = GanPrior.recipe(domain(labels=()), "tiny", **SMALL[GanPrior], ablation=step)
    for number in (0, 15):
        shown = recipe.step(torch.rand(4, 2, *SHAPE), torch.zeros(4, 0), number)
        assert all(value.isfinite() for value in shown.values())
    discriminator = recipe.networks["discriminator"]
    assert isinstance(discriminator, PlainDiscriminator if step < 5 else ResNetDiscriminator)
    normal = any(isinstance(module, torch.nn.BatchNorm3d) for module in discriminator.modules())
    assert normal is (step < 6)
    assert ("r1" in shown) is (step == 7)
    assert hasattr(discriminator.judge, "parametrizations") is (step >= 4)
    assert recipe.game.betas[0] == (0.5 if step < 3 else 0.0)
    assert recipe.game.loss == ("probability" if step < 2 else "non-saturating")
    assert recipe.prior(recipe.networks).sample(1, seeded()).isfinite().all()


def test_what_a_recipe_cannot_do_is_said():
    with pytest.raises(GempyGanError, match=r"GAN has no option 'latent'. Expected: latents"):
        GanPrior.recipe(domain(), "tiny", latent=3)
    with pytest.raises(GempyGanError, match="StyleGAN has no option 'bigger'"):
        StyleGanPrior.of(domain(), bigger=True)
    with pytest.raises(GempyGanError, match="no preset 'huge'"):
        GanPrior.recipe(domain(), "huge")
    with pytest.raises(GempyGanError, match="no preset 'huge'"):
        StyleGanPrior.recipe(domain(), "huge")
    with pytest.raises(GempyGanError, match=r"ablation = 8 was asked for. Expected 0 \(DCGAN\) to 7"):
        GanPrior.recipe(domain(), "tiny", ablation=8)
    with pytest.raises(GempyGanError, match="take no labels"):
        GanPrior.recipe(domain(), "tiny", **SMALL[GanPrior], ablation=0)
    with pytest.raises(GempyGanError, match=r"widths \(16, 8\). Expected 3 positive numbers"):
        GanPrior.of(domain(), latents=8, generator=(16, 8))
    with pytest.raises(GempyGanError, match="2 widths and 3 maps"):
        StyleGanPrior.of(domain(), generator=(16, 8), maps=(1, 1, 1))
    with pytest.raises(GempyGanError, match=r"loss 'mse' is unknown. Expected one of: non-saturating"):
        Game(loss="mse")
    with pytest.raises(GempyGanError, match="lazy = 0"):
        Game(lazy=0)


def test_conditional_normalisation_starts_near_the_plain_one():
    x, labels = torch.randn(6, 4, 3, 3, 3), torch.rand(6, 2) * 2 - 1
    found = ConditionalBatchNorm(4, 2)(x, labels)
    assert torch.allclose(found, torch.nn.BatchNorm3d(4)(x), atol=0.4)


@BOTH
def test_the_game_is_learned(kind):
    """Real boxes are coarse in one half and fine in the other, and differ in how coarse: so do samples, after some steps."""
    of = Domain(PROPERTIES[:1], (8, 8, 2), (50.0, 50.0, 1.0))
    small = {GanPrior: {"latents": 4, "generator": (16, 16), "discriminator": (8, 16)}, StyleGanPrior: SMALL[StyleGanPrior]}
    recipe = kind.recipe(of, "tiny", **small[kind], rate=3e-3, average=20.0)
    average = Average(recipe.networks, recipe.averaged, recipe.average)
    before = contrast(recipe.prior(copy.deepcopy(recipe.networks)).sample(64, seeded()))
    for number in range(100):
        real = torch.full((16, 1, 8, 8, 2), 0.1)
        real[:, :, 4:] = 0.6 + 0.3 * torch.rand(16, 1, 1, 1, 1)
        recipe.step(real, torch.zeros(16, 0), number)
        average.update(recipe.networks, number)
    after = contrast(recipe.prior({**recipe.networks, **average.networks}).sample(64, seeded()))
    assert abs(float(before.mean())) < 0.2
    assert 0.3 < float(after.mean()) < 1.0
    assert float(after.std()) > 0.02


def contrast(boxes):
    return boxes[:, :, 4:].mean(dim=(1, 2, 3, 4)) - boxes[:, :, :4].mean(dim=(1, 2, 3, 4))
