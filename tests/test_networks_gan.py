"""Networks and losses of GANs against their papers' numbers and formulas."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gempy_gan.networks.channels import Channels
from gempy_gan.networks.discriminators import PlainDiscriminator, ResNetDiscriminator
from gempy_gan.networks.gan_losses import LOSSES, gradient_penalty, r1_penalty
from gempy_gan.networks.plane_discriminator import PlaneDiscriminator, spread
from gempy_gan.networks.planes import fold, unfold
from gempy_gan.networks.resnet3d import PlainGenerator, ResNetGenerator, doublings
from gempy_gan.networks.stylegan3d import ModulatedConv, StyleGenerator
from gempy_gan.properties import Property

PAPER = (128, 128, 16)
UP, DOWN = (1024, 1024, 512, 256, 128, 64), (64, 128, 256, 512, 1024, 1024)
SHAPE = (16, 16, 8)
pytestmark = pytest.mark.usefixtures("seeded_torch")


def weights(network):
    return sum(parameter.numel() for parameter in network.parameters())


def small_generator(**options):
    return ResNetGenerator(2, SHAPE, 8, (16, 16, 8), **options)


def small_discriminator(**options):
    return ResNetDiscriminator(2, SHAPE, (8, 16, 16), **options)


def style_generator(labels=0):
    return StyleGenerator(2, 4, (8, 8, 16), (1, 2, 4), style=8, labels=labels)


def style_inputs(n=2, nx=16, ny=16):
    maps = [torch.randn(n, k, nx // 2**level, ny // 2**level) for level, k in enumerate((1, 2, 4))]
    return torch.randn(n, 8), maps


@pytest.mark.parametrize(
    ("latents", "bigger", "generator", "discriminator"),
    [(128, False, 13_180_032, 1_946_753), (512, False, 38_345_856, 1_946_753), (128, True, 22_139_744, 6_906_753)],
)
def test_the_paper_networks_have_the_paper_number_of_weights(latents, bigger, generator, discriminator):
    with torch.device("meta"):  # counts need no memory
        assert weights(ResNetGenerator(2, PAPER, latents, UP, bigger=bigger, spectral=False)) == generator
        assert weights(ResNetDiscriminator(2, PAPER, DOWN, bigger=bigger, spectral=False)) == discriminator


def test_spectral_normalisation_adds_no_weights():
    assert weights(small_generator()) == weights(small_generator(spectral=False))
    assert weights(small_discriminator()) == weights(small_discriminator(spectral=False))


@pytest.mark.parametrize(
    ("shape", "small", "steps"), [((32, 32, 8), (4, 4, 4), 3), ((48, 40, 6), (6, 5, 6), 3), ((7, 16, 1), (7, 4, 1), 2)]
)
def test_boxes_are_doubled_from_a_small_one(shape, small, steps):
    start, factors = doublings(shape)
    assert (start, len(factors)) == (small, steps)
    assert tuple(s * math.prod(step[axis] for step in factors) for axis, s in enumerate(start)) == shape


@pytest.mark.parametrize("options", [{}, {"bigger": True}, {"labels": 3}, {"spectral": False}])
def test_generators_and_discriminators_meet(options):
    labels = torch.rand(3, options.get("labels", 0))
    boxes = small_generator(**options)(torch.randn(3, 8), labels)
    assert boxes.shape == (3, 2, *SHAPE)
    assert small_discriminator(**options)(boxes, labels).shape == (3,)


def test_dcgan_networks_meet():
    boxes = PlainGenerator(2, SHAPE, 8, (16, 8, 4))(torch.randn(3, 8), torch.zeros(3, 0))
    assert boxes.shape == (3, 2, *SHAPE)
    assert PlainDiscriminator(2, SHAPE, (4, 8, 16), spectral=True)(boxes).shape == (3,)


def largest_singular_value(conv):
    weight = conv.weight.detach()
    outputs_first = weight.transpose(0, 1) if isinstance(conv, nn.ConvTranspose3d) else weight
    return float(torch.linalg.matrix_norm(outputs_first.flatten(1), 2))


@pytest.mark.parametrize("build", [small_generator, small_discriminator])
def test_spectral_normalisation_makes_the_largest_singular_value_one(build):
    network = build()
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.Linear):
            module.parametrizations.weight.original.data.mul_(7.0)
    inputs = (torch.randn(2, 8), torch.zeros(2, 0)) if build is small_generator else (torch.randn(2, 2, *SHAPE),)
    for _ in range(50):  # each forward pass is one step of the power iteration
        network(*inputs)
    layers = [module for module in network.eval().modules() if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.Linear)]
    assert len(layers) >= 8
    assert all(largest_singular_value(layer) == pytest.approx(1.0, abs=0.02) for layer in layers)


@pytest.mark.parametrize("labels", [0, 2])
def test_gradients_reach_every_weight(labels):
    marks = torch.rand(4, labels)
    pairs = [
        (
            small_generator(labels=labels, bigger=True),
            (torch.randn(4, 8), marks),
            small_discriminator(labels=labels, bigger=True),
        ),
        (style_generator(labels), (torch.randn(4, 8 + labels), style_inputs(4)[1]), PlaneDiscriminator(8, (8, 8, 16), labels)),
    ]
    for generator, inputs, discriminator in pairs:
        logits = discriminator(torch.tanh(generator(*inputs)), marks)
        (logits * torch.randn(4)).sum().backward()
        for network in (generator, discriminator):
            dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
            assert not dead


def test_labels_change_what_is_made_and_what_is_believed():
    generator, discriminator = small_generator(labels=2).eval(), small_discriminator(labels=2)
    z, low, high = torch.randn(1, 8), torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    norms = [m for m in generator.modules() if hasattr(m, "embed")]
    assert len(norms) == 6
    generator.start.parametrizations.weight.original.data[8:] = 0  # so that labels can only act through the normalisations
    assert not torch.allclose(generator(z, low), generator(z, high))
    boxes = torch.randn(1, 2, *SHAPE)
    assert not torch.allclose(discriminator(boxes, low), discriminator(boxes, high))
    for norm in norms:
        nn.init.zeros_(norm.embed.weight)
    assert torch.allclose(generator(z, low), generator(z, high), atol=1e-6)


def test_a_box_in_a_batch_is_decoded_as_alone():
    generator = small_generator().eval()
    z, none = torch.randn(3, 8), torch.zeros(3, 0)
    assert torch.allclose(generator(z, none)[1:2], generator(z[1:2], none[1:2]), atol=1e-5)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_folding_is_undone(n, c, nx, ny, nz):
    boxes = torch.arange(n * c * nx * ny * nz).reshape(n, c, nx, ny, nz)
    assert torch.equal(unfold(fold(boxes), nz), boxes)
    assert torch.equal(fold(boxes)[:, nz * (c - 1)], boxes[:, c - 1, :, :, 0])


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulated_convolutions_follow_equations_1_to_3(demodulate):
    conv = ModulatedConv(3, 5, 3, style=4, demodulate=demodulate)
    x, w = torch.randn(2, 3, 6, 7), torch.randn(2, 4)
    for one, style, found in zip(x, w, conv(x, w), strict=True):
        weight = conv.style(style)[None, :, None, None] * conv.weight
        if demodulate:
            weight = weight / weight.square().sum(dim=(1, 2, 3), keepdim=True).add(1e-8).sqrt()
        assert torch.allclose(found, nn.functional.conv2d(one[None], weight, padding=1)[0], atol=1e-5)


@pytest.mark.parametrize(("nx", "ny"), [(16, 16), (4, 36)])
def test_style_generators_make_any_size(nx, ny):
    assert style_generator()(*style_inputs(3, nx, ny)).shape == (3, 2, nx, ny, 4)
    assert PlaneDiscriminator(8, (4, 8, 8))(torch.randn(3, 2, nx, ny, 4)).shape == (3,)


def test_map_latents_act_where_they_lie_and_the_style_everywhere():
    generator = style_generator().eval()
    style, maps = style_inputs(1, 64, 64)
    plain = generator(style, maps)
    finest = [maps[0].clone(), *maps[1:]]
    finest[0][0, 0, 20, 40] += 1
    changed = (generator(style, finest) - plain).abs().amax(dim=(0, 1, 4)) > 1e-7
    assert changed[20, 40]
    assert changed.nonzero().sub(torch.tensor([20, 40])).abs().max() <= 1  # one 3 x 3 convolution comes after
    coarsest = [*maps[:-1], maps[-1].clone()]
    coarsest[-1][0, 0, 4, 12] += 1
    reach = (generator(style, coarsest) - plain).abs().amax(dim=(0, 1, 4)) > 1e-7
    assert reach[18, 50]
    assert reach.nonzero().float().sub(torch.tensor([18.0, 50.0])).abs().max() < 28
    everywhere = (generator(style + 1, maps) - plain).abs().amax(dim=(0, 1, 4))
    assert everywhere.min() > 1e-6


def test_the_shown_spread_is_that_of_the_group():
    x = torch.randn(8, 3, 2, 2)
    planes = spread(x)
    expected = [x[start::2].var(dim=0, unbiased=False).add(1e-8).sqrt().mean() for start in range(2)]
    assert torch.allclose(planes[:, 0, 0, 0], torch.stack(expected * 4))
    assert spread(x[:1].expand(8, -1, -1, -1)).max() < 1e-3
    assert spread(x[:3]).shape == (3, 1, 2, 2)


def test_losses_follow_their_formulas():
    real, fake = torch.tensor([2.0, -0.5]), torch.tensor([0.3, -4.0])
    sigmoid = [[1 / (1 + math.exp(-float(v))) for v in values] for values in (real, fake)]
    entropy = -sum(map(math.log, sigmoid[0])) / 2 - sum(math.log(1 - p) for p in sigmoid[1]) / 2
    expected = {
        "non-saturating": (entropy, -sum(map(math.log, sigmoid[1])) / 2),
        "probability": (entropy, -sum(map(math.log, sigmoid[1])) / 2),
        "hinge": ((0 + 1.5) / 2 + (1.3 + 0) / 2, 3.7 / 2),
        "wasserstein": (-3.7 / 2 - 1.5 / 2, 3.7 / 2),
    }
    assert expected.keys() == LOSSES.keys()
    for name, (discriminator, generator) in expected.items():
        assert float(LOSSES[name].discriminator(real, fake)) == pytest.approx(discriminator, rel=1e-5)
        assert float(LOSSES[name].generator(fake)) == pytest.approx(generator, rel=1e-5)


def test_logits_keep_a_gradient_where_probabilities_lose_it():
    gradients = {}
    for name in ("non-saturating", "probability"):
        logits = torch.full((1,), -120.0, requires_grad=True)
        (gradients[name],) = torch.autograd.grad(LOSSES[name].generator(logits), logits)
    assert float(gradients["non-saturating"]) == pytest.approx(-1.0)
    assert abs(float(gradients["probability"])) < 0.5


def test_r1_is_half_the_squared_slope():
    a = torch.randn(6, dtype=torch.float64).float()
    real = torch.randn(5, 6)
    quadratic = r1_penalty(lambda x: x.square() @ a, real)  # slope 2 a x
    assert torch.allclose(quadratic, 0.5 * (2 * a * real).square().sum(dim=1).mean())
    scale = torch.tensor(2.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(r1_penalty(lambda x: scale * (x @ a), real), scale)
    assert torch.allclose(gradient, 2.0 * a.square().sum())


def test_the_gradient_penalty_looks_between_real_and_generated_boxes():
    real, fake = torch.zeros(4000, 1), torch.ones(4000, 1)
    found = gradient_penalty(lambda x: 0.5 * x.square().sum(dim=1), real, fake)  # slope x, uniform between: E (x - 1)^2 = 1/3
    assert float(found.detach()) == pytest.approx(1 / 3, abs=0.02)


def test_penalties_reach_the_weights_of_spectrally_normalised_networks():
    discriminator = small_discriminator()
    r1_penalty(discriminator, torch.randn(2, 2, *SHAPE)).backward()
    assert all(p.grad is not None for name, p in discriminator.named_parameters() if name != "judge.bias")


def test_time_is_ordered_by_construction_or_left_plain():
    properties = (Property("coarse_fraction"), Property("deposition_time"))
    raw = 3 * torch.randn(4, 2, *SHAPE)
    ordered, plain = Channels(properties, 8).decode(raw), Channels(properties, 8, ordered=False).decode(raw)
    assert (ordered[:, 1].diff(dim=-1) >= 0).all()
    assert float((plain[:, 1].diff(dim=-1) >= 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert plain[:, 1].min() >= 0
    assert plain[:, 1].max() <= 1
