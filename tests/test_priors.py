"""Exact priors: fields against their covariance, denoisers against the score, training images from every source."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.files import write
from gempy_gan.grid import Grid
from gempy_gan.priors.covariance import MODELS, correlation, reach
from gempy_gan.priors.empirical import EmpiricalPrior
from gempy_gan.priors.gaussian import TOLERANCE, GaussianPrior
from gempy_gan.priors.mixture import MixturePrior
from gempy_gan.properties import Property
from gempy_gan.testing import check_prior


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sampled_covariance(prior: GaussianPrior) -> torch.Tensor:
    """The covariance (N, N) that `decode` really gives white noise: the decoder is linear, so its matrix says it all."""
    latents = math.prod(prior.latent_shape)
    offset = prior.decode(torch.zeros(1, *prior.latent_shape).double())
    matrix = (prior.decode(torch.eye(latents).double().reshape(-1, *prior.latent_shape)) - offset).flatten(1)
    return matrix.T @ matrix


# Covariance models


@pytest.mark.parametrize("model", MODELS)
def test_correlation_falls_from_one_to_five_percent_at_the_practical_range(model):
    distance = torch.linspace(0, 3, 200).double()
    found = correlation(model, distance, nu=1.2)
    assert found[0] == 1
    assert (found.diff() <= 0).all()
    expected = 0.0 if model == "spherical" else math.exp(-3)
    assert correlation(model, torch.ones(1).double(), nu=1.2).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("nu", [0.5, 1.5, 2.5])
def test_matern_closed_forms_continue_the_bessel_form(nu):
    distance = torch.linspace(0, 2, 50).double()
    assert torch.allclose(correlation("matern", distance, nu), correlation("matern", distance, nu + 1e-9), atol=1e-7)


def test_matern_of_half_is_exponential_and_reach_bounds_the_tail():
    distance = torch.linspace(0, 2, 50).double()
    assert torch.allclose(correlation("matern", distance, 0.5), correlation("exponential", distance), atol=1e-12)
    for model in MODELS:
        beyond = torch.linspace(reach(model, 1e-3), 5, 50).double()
        assert correlation(model, beyond).max() <= 1e-3 * (1 + 1e-6)


# Gaussian fields


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("azimuth", [0.0, 35.0])
def test_field_has_the_stated_covariance(model, azimuth):
    prior = GaussianPrior((6, 5, 3), (10.0, 20.0, 1.0), std=2.0, covariance=model, ranges=(40, 25, 2), azimuth=azimuth)
    error = (sampled_covariance(prior) - prior.covariance_matrix()).abs().max() / prior.std**2
    assert error <= TOLERANCE * (1 + 1e-9)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 5)),
    ranges=st.tuples(*[st.floats(0.3, 12)] * 3),
    azimuth=st.floats(-180, 180),
    model=st.sampled_from(MODELS),
    nu=st.floats(0.3, 4),
)
def test_field_has_the_stated_covariance_whatever_the_options(shape, ranges, azimuth, model, nu):
    prior = GaussianPrior(shape, (1.0, 1.0, 1.0), covariance=model, ranges=ranges, azimuth=azimuth, nu=nu)
    few = torch.tensor([[0, 0, 0], [n - 1 for n in shape], [shape[0] // 2, shape[1] - 1, shape[2] // 2]])
    index = (few[:, 0] * shape[1] + few[:, 1]) * shape[2] + few[:, 2]
    # columns of the sampled covariance, by the decoder's own transpose
    latents = torch.zeros(1, *prior.latent_shape).double().requires_grad_()
    cells = prior.decode(latents).flatten()[index]
    rows = torch.stack([torch.autograd.grad(cell, latents, retain_graph=True)[0].flatten() for cell in cells])
    error = (rows @ rows.T - prior.covariance_matrix(few)).abs().max()
    assert error <= TOLERANCE * (1 + 1e-9)


def test_fields_have_the_stated_moments():
    prior = GaussianPrior((5, 4, 3), mean=[1.0, 2.0, 4.0], std=0.5, ranges=(2, 2, 2))
    values = prior.sample(4000, seeded())[:, 0]
    # standard errors of 4,000 draws: mean 0.5 / sqrt(4000) = 0.008, std 0.5 / sqrt(8000) = 0.0056; five of them allowed
    assert (values.mean(0) - torch.tensor([1.0, 2.0, 4.0])).abs().max() < 0.04
    assert (values.std(0) - 0.5).abs().max() < 0.028


def test_azimuth_turns_anticlockwise_from_x_like_the_rotation_of_a_grid():
    prior = GaussianPrior((4, 4, 1), covariance="gaussian", ranges=(8, 2, 1), azimuth=45)
    turned = Grid((0, 4, 0, 4, 0, 1), (4, 4, 1), rotation=45)
    along = torch.as_tensor(turned.xyz([[1.5, -0.5, 0]]) - turned.xyz([[-0.5, -0.5, 0]]))[0]  # two cells along the turned x axis
    across = torch.tensor([-along[1], along[0], 0.0]).double()
    assert prior.covariance_at(along).item() == pytest.approx(math.exp(-3 * (2 / 8) ** 2))
    assert prior.covariance_at(across).item() == pytest.approx(math.exp(-3 * (2 / 2) ** 2))


def test_equal_seeds_give_equal_bytes_and_the_number_of_fields_does_not_matter():
    prior = GaussianPrior((9, 8, 7), covariance="exponential")
    three = prior.sample(3, seeded(5))
    assert torch.equal(three, prior.sample(3, seeded(5)))
    assert torch.allclose(three[:1], prior.sample(1, seeded(5)), atol=1e-5)
    assert not torch.equal(three, prior.sample(3, seeded(6)))


def test_decoder_is_differentiable_in_double_precision():
    prior = GaussianPrior((3, 3, 2), ranges=(2, 2, 2), quantiles=[0, 0.1, 0.4, 0.9, 1])
    z = torch.randn((1, *prior.latent_shape), generator=seeded()).double().requires_grad_()
    assert torch.autograd.gradcheck(prior.decode, (z,))
    assert torch.autograd.gradgradcheck(prior.decode, (z,))


def test_latent_positions_say_where_each_latent_acts():
    prior = GaussianPrior((6, 5, 4), covariance="gaussian", ranges=(2, 2, 2))
    z = torch.zeros(1, *prior.latent_shape)
    position = prior.latent_positions
    k = int((position - torch.tensor([2.0, 3.0, 1.0])).square().sum(dim=1).argmin())
    z.view(-1)[k] = 1
    assert torch.nonzero(prior.decode(z)[0, 0] == prior.decode(z).max()).tolist() == [[2, 3, 1]]
    assert position.shape == (z.numel(), 3)
    assert len(position.unique(dim=0)) == len(position)


def test_quantiles_give_the_marginal_distribution():
    wanted = torch.tensor([0.0, 0.02, 0.1, 0.5, 0.8, 0.95, 1.0]).double()
    prior = GaussianPrior((2, 2, 1), ranges=(1, 1, 1), quantiles=wanted.tolist())
    score = torch.linspace(-9, 9, 2001).double()
    from gempy_gan.priors.gaussian import _anamorphosis

    values = _anamorphosis(score, wanted, prior._slopes)
    assert (values.diff() >= 0).all()
    assert values.min() >= 0
    assert values.max() <= 1
    values = prior.sample(4000, seeded()).double()[:, 0, 0, 0, 0]
    share = torch.stack([(values <= q).double().mean() for q in wanted[1:-1]])
    # binomial standard error of 4,000 draws is at most 0.008; four of them allowed
    assert (share - torch.arange(1, 6) / 6).abs().max() < 0.032


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (4, 4)}, r"shape is \(4, 4\). Expected three positive"),
        ({"shape": (4, 0, 4)}, "shape is"),
        ({"cell_size": (1, 1, math.nan)}, "cell_size is"),
        ({"ranges": (1, -1, 1)}, "ranges is"),
        ({"std": 0.0}, "std is 0.0"),
        ({"mean": [1.0, 2.0]}, r"mean has 2 values. Expected one finite number, or one per layer \(3\)"),
        ({"mean": math.inf}, "mean has"),
        ({"covariance": "cubic"}, "'cubic'. Expected one of: spherical"),
        ({"covariance": "matern", "nu": -1.0}, "nu is -1.0"),
        ({"azimuth": math.nan}, "azimuth is nan"),
        ({"quantiles": [1.0, 0.0]}, "never fall"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(GempyGanError, match=message):
        GaussianPrior(**{"shape": (4, 4, 3), **options})


def test_ranges_far_beyond_the_box_are_held_or_refused(monkeypatch):
    constant = GaussianPrior((4, 4, 3), covariance="exponential", ranges=(1e5, 1e5, 1e5)).sample(3, seeded())
    assert constant.flatten(1).std(dim=1).max() < 0.1
    monkeypatch.setattr("gempy_gan.priors.gaussian.LARGEST_EMBEDDING", 1000)
    with pytest.raises(GempyGanError, match="Shorten the ranges"):
        GaussianPrior((4, 4, 3), covariance="exponential", ranges=(20, 20, 20))


@pytest.mark.parametrize("shape", [(100, 100, 100), (256, 256, 16)])
def test_a_million_cells_take_less_than_a_second(shape):
    prior = GaussianPrior(shape, covariance="exponential")
    prior.sample(1, seeded())  # plans of the transforms are made at the first call
    spent = []
    for _ in range(3):  # the least of them: a busy machine slows single ones down
        start = time.process_time()
        prior.sample(1, seeded())
        spent.append(time.process_time() - start)
    assert min(spent) < 1.0


@pytest.mark.parametrize(
    "prior",
    [
        GaussianPrior((6, 5, 4), (50, 50, 1), "porosity", 0.2, 0.05, "matern", (150, 100, 2), azimuth=20, nu=0.8),
        GaussianPrior((6, 5, 4), property=Property("fraction"), mean=[-1, 0, 0, 1], quantiles=[0, 0.2, 0.9, 1]),
    ],
)
def test_gaussian_prior_keeps_the_contract(prior):
    check_prior(prior, rebuild=GaussianPrior)


# Training images


def images(n: int = 5, shape: tuple[int, int, int] = (3, 2, 2)) -> torch.Tensor:
    return torch.rand((n, 1, *shape), generator=seeded(3))


def an_ensemble(values: torch.Tensor, name: str = "porosity") -> Ensemble:
    nx, ny, nz = values.shape[2:]
    return Ensemble.from_values(Grid((0, 50 * nx, 0, 50 * ny, 0, nz), (nx, ny, nz)), [name], values.numpy())


def test_images_come_from_an_array_an_ensemble_a_file_and_a_folder(tmp_path):
    values = images()
    write(an_ensemble(values), tmp_path / "all.nc")
    (tmp_path / "folder").mkdir()
    write(an_ensemble(values[:2]), tmp_path / "folder" / "a.nc")
    write(an_ensemble(values[2:]), tmp_path / "folder" / "b.nc")
    (tmp_path / "folder" / "notes.md").write_text("not an image")
    array = EmpiricalPrior(values, ["porosity"], (50, 50, 1))
    for source in (an_ensemble(values), tmp_path / "all.nc", str(tmp_path / "folder")):
        prior = EmpiricalPrior(source)
        assert torch.equal(prior.examples, array.examples)
        assert (prior.properties, prior.shape, prior.cell_size) == (array.properties, array.shape, array.cell_size)
    check_prior(EmpiricalPrior(tmp_path / "all.nc"), rebuild=EmpiricalPrior)
    check_prior(MixturePrior(tmp_path / "all.nc", 0.1), rebuild=MixturePrior)


def test_images_that_do_not_fit_are_refused(tmp_path):
    values = images()
    (tmp_path / "empty").mkdir()
    with pytest.raises(GempyGanError, match="holds no file of a known grid format"):
        EmpiricalPrior(tmp_path / "empty")
    with pytest.raises(GempyGanError, match=r"do not exist\. Check the path"):
        EmpiricalPrior(tmp_path / "none.nc")
    with pytest.raises(FormatError, match="Known endings"):
        EmpiricalPrior(tmp_path / "image.png")
    write(an_ensemble(values), tmp_path / "a.nc")
    write(an_ensemble(images(shape=(3, 2, 1))), tmp_path / "b.nc")
    with pytest.raises(GridError, match="Expected the same grid and properties"):
        EmpiricalPrior(tmp_path)
    with pytest.raises(GridError, match=r"m, not \(25, 25, 1\) m"):
        EmpiricalPrior(an_ensemble(values), cell_size=(25, 25, 1))
    with pytest.raises(GempyGanError, match=r"hold \['porosity'\], not \['facies'\]"):
        EmpiricalPrior(an_ensemble(values), properties=["facies"])
    with pytest.raises(GridError, match=r"Expected \(N, 2, nx, ny, nz\)"):
        EmpiricalPrior(values, ["a", "b"])
    with pytest.raises(GempyGanError, match="not those of the digest"):
        EmpiricalPrior(values, sha256="0")
    with pytest.raises(GempyGanError, match="1 cells of the training images are not finite"):
        EmpiricalPrior(torch.where(values == values.max(), torch.nan, values))


def test_empirical_prior_draws_every_image_equally_often():
    prior = EmpiricalPrior(torch.arange(4.0).reshape(4, 1, 1, 1, 1))
    count = torch.bincount(prior.sample(4000, seeded()).flatten().long(), minlength=4)
    assert (count - 1000).abs().max() < 4.5 * math.sqrt(4000 * 0.25 * 0.75)  # binomial standard deviations
    check_prior(prior)


# Gaussian mixtures


def a_mixture(sigma: float = 0.3) -> MixturePrior:
    return MixturePrior(torch.randn((4, 1, 2, 2, 1), generator=seeded(1)), sigma)


@pytest.mark.parametrize("sigma", [0.0, 0.2, 1.0, 5.0])
def test_log_density_is_that_of_the_mixture(sigma):
    prior = a_mixture()
    x = torch.randn((6, 1, 2, 2, 1), generator=seeded(2)).double()
    scale = torch.full_like(prior.examples.flatten(1).double(), math.hypot(0.3, sigma))
    components = torch.distributions.Independent(torch.distributions.Normal(prior.examples.flatten(1).double(), scale), 1)
    expected = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.ones(4)), components)
    assert torch.allclose(prior.log_density(x, sigma), expected.log_prob(x.flatten(1)))


def test_denoiser_follows_tweedies_formula():
    # E[m | x] = x + sigma^2 grad log p_sigma(x) (Robbins 1956), one sigma per realization
    prior = a_mixture()
    x = torch.randn((3, 1, 2, 2, 1), generator=seeded(2)).double().requires_grad_()
    sigma = torch.tensor([0.1, 0.7, 3.0]).double()
    (score,) = torch.autograd.grad(prior.log_density(x, sigma).sum(), x)
    expected = x + sigma.square().reshape(-1, 1, 1, 1, 1) * score
    assert torch.allclose(prior.denoise(x, sigma), expected)


@pytest.mark.parametrize("std", [None, 0.0, 0.2, 1e3])
def test_well_conditioned_denoiser_follows_tweedies_formula_too(std):
    # given a condition, the density of x is the joint density of x and the wells, a Gaussian mixture in (x, wells)
    prior, sigma = a_mixture(), 0.8
    mask = torch.tensor([True, False, False, True]).reshape(1, 2, 2, 1)
    values = torch.tensor([0.5, 9.9, 9.9, -0.4]).reshape(1, 2, 2, 1)  # what stands in other cells does not matter
    condition = (mask, values) if std is None else (mask, values, torch.full((1, 2, 2, 1), std))
    x = torch.randn((3, 1, 2, 2, 1), generator=seeded(2)).double().requires_grad_()
    error = std or 0.0

    def joint(x):
        known = mask.flatten()
        cross = 0.09 * torch.eye(4).double()[known]
        covariance = torch.zeros(6, 6).double()
        covariance[:4, :4] = (0.09 + sigma**2) * torch.eye(4)
        covariance[4:, 4:] = (0.09 + error**2) * torch.eye(2)
        covariance[4:, :4], covariance[:4, 4:] = cross, cross.T
        centres = prior.examples.flatten(1).double()
        both = torch.cat([x.flatten(1), values.flatten()[known].double().expand(len(x), 2)], dim=1)
        log = torch.stack(
            [torch.distributions.MultivariateNormal(torch.cat([c, c[known]]), covariance).log_prob(both) for c in centres]
        )
        return torch.logsumexp(log, dim=0)

    (score,) = torch.autograd.grad(joint(x).sum(), x)
    found = prior.denoise(x, sigma, condition)
    assert torch.allclose(found, x + sigma**2 * score)
    if not error:
        assert torch.allclose(found[:, mask], values[mask].double().expand(3, 2))
        assert torch.allclose(prior.denoise(x, 0.0, condition)[:, mask], values[mask].double().expand(3, 2))


@pytest.mark.parametrize("with_std", [False, True])
def test_each_row_may_have_a_condition_of_its_own(with_std):
    prior, x = a_mixture(), torch.randn((3, 1, 2, 2, 1), generator=seeded(5))
    masks = torch.rand(x.shape, generator=seeded(6)) < 0.5
    parts = [masks, torch.randn(x.shape, generator=seeded(7)), *([torch.full(x[0].shape, 0.2)] if with_std else [])]
    alone = [prior.denoise(x[k : k + 1], 0.8, [p[k] if p.ndim == 5 else p for p in parts]) for k in range(3)]
    assert torch.allclose(prior.denoise(x, 0.8, parts), torch.cat(alone), atol=1e-6)
    with pytest.raises(GempyGanError, match="one for each of 2 rows"):
        prior.denoise(x[:2], 0.8, parts)


def test_denoiser_at_the_ends_of_the_noise():
    prior = a_mixture(0.01)
    x = prior.sample(3, seeded(4))
    assert torch.allclose(prior.denoise(x, 1e-6), x, atol=1e-5)
    # at sigma_max images cannot be told apart from one noisy cell set: far above it, the mean of all images is all that is left
    assert torch.allclose(prior.denoise(x, 1e5), prior.examples.mean(0).expand_as(x), atol=1e-3)
    assert torch.equal(prior.component_weights(prior.examples, 0.01).round(), torch.eye(4).double())


def test_mixture_keeps_the_contract_and_refuses_what_cannot_be():
    check_prior(a_mixture())
    with pytest.raises(GempyGanError, match="sigma is 0"):
        a_mixture(0)
    with pytest.raises(GempyGanError, match="noise level is -1"):
        a_mixture().denoise(torch.zeros(1, 1, 2, 2, 1), -1.0)
    with pytest.raises(GempyGanError, match=r"Expected \(mask, values"):
        a_mixture().denoise(torch.zeros(1, 1, 2, 2, 1), 1.0, (torch.ones(3), torch.ones(3)))


def test_mixture_samples_spread_around_its_images():
    prior = MixturePrior(torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1, 1), 0.1)
    values = prior.sample(4000, seeded()).flatten()
    assert abs(float((values > 0).float().mean()) - 0.5) < 4.5 * 0.5 / math.sqrt(4000)  # binomial standard errors
    assert float((values.abs() - 1).std()) == pytest.approx(0.1, abs=4.5 * 0.1 / math.sqrt(8000))


def test_examples_of_one_image_have_a_sigma_max():
    assert MixturePrior(np.zeros((1, 1, 2, 2, 1), dtype=np.float32), 0.5).sigma_max == pytest.approx(5.0)
