"""Posteriors in closed form: the stylized cases of a published study, to the digits they were checked to, and their use."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import gempy_gan as gg
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.likelihood import Likelihood
from gempy_gan.priors.empirical import EmpiricalPrior
from gempy_gan.priors.exact import lookup_weights, mixture_posterior
from gempy_gan.priors.mixture import MixturePrior

POINT = gg.Grid((0, 1, 0, 1, 0, 1), (1, 1, 1))
LINE = torch.linspace(-6, 6, 60_001, dtype=torch.float64)


def cubic(m):
    return (m + 0.3 * m**3).flatten(1)


def stylized(sigma):
    """F(x) = x + 0.3 x^3, y = 0, gamma = 0.3."""
    prior = MixturePrior(torch.tensor([-1.5, -0.4, 0.4, 1.2, 2.5]).reshape(5, 1, 1, 1, 1), sigma)
    return prior, Likelihood.of(gg.Constraints(POINT, gg.SoftData([0.0], 0.3, cubic)), prior)


def exact_density(prior, likelihood):
    m = LINE.reshape(-1, 1, 1, 1, 1)
    density = (prior.log_density(m) + likelihood.log_prob(m)).exp()
    return density / torch.trapezoid(density, LINE)


def density_of(posterior):
    parts = [torch.distributions.Normal(posterior.means[k, 0], posterior.covariance(k)[0, 0].sqrt()) for k in range(5)]
    return sum(w * part.log_prob(LINE).exp() for w, part in zip(posterior.weights, parts, strict=True))


@pytest.mark.parametrize(("sigma", "variation", "without"), [(0.5, 0.119, 0.236), (0.3, 0.038, 0.064), (0.05, 0.0018, 0.0018)])
def test_the_determinant_halves_the_error_of_the_linearized_posterior(sigma, variation, without):
    prior, likelihood = stylized(sigma)
    exact = exact_density(prior, likelihood)
    for determinant, expected in ((True, variation), (False, without)):
        found = density_of(mixture_posterior(prior, likelihood, linearize=True, determinant=determinant))
        error = 0.5 * float(torch.trapezoid((found - exact).abs(), LINE))
        assert error == pytest.approx(expected, abs=5.1e-4 if expected > 0.01 else 5.1e-5)


def test_without_a_determinant_linear_data_weigh_the_same():
    prior, _ = stylized(0.3)
    likelihood = Likelihood.of(gg.Constraints(POINT, gg.SoftData([0.2], 0.3, lambda m: 2 * m.flatten(1))), prior)
    with_, without = (mixture_posterior(prior, likelihood, determinant=d).weights for d in (True, False))
    torch.testing.assert_close(with_, without, rtol=1e-12, atol=0)


# The strategies


def ensemble(strategy, prior, n=4000, **options):
    constraints = gg.Constraints(POINT, gg.SoftData([0.0], 0.3, cubic))
    return gg.invert(prior, constraints, gg.get_strategy(strategy, **options), n=n, seed=0)


@pytest.mark.parametrize(("sigma", "spread"), [(0.3, 0.274), (0.05, 0.390)])
def test_exact_draws_of_the_linearized_posterior_have_its_spread(sigma, spread):
    prior, likelihood = stylized(sigma)
    known = mixture_posterior(prior, likelihood, linearize=True)
    values = ensemble("exact", prior, linearize=True).values.ravel()
    assert values.std() == pytest.approx(float(known.std[0]), abs=4.5 * 0.5 / math.sqrt(4000))
    assert float(known.std[0]) == pytest.approx(spread, abs=0.03)  # linearized: not the exact one
    with pytest.raises(GempyGanError, match="not linear in the realizations"):
        ensemble("exact", prior)


def test_a_look_up_draws_images_by_their_weights_and_says_of_how_many():
    prior, _ = stylized(0.5)
    found = ensemble("look-up", prior, n=1000)
    images, count = np.unique(found.values.round(3), return_counts=True)
    assert images.tolist() == [-0.4, 0.4] or images.tolist() == pytest.approx([-0.4, 0.4])
    assert count.tolist() == [500, 500]
    (trace,) = found.provenance["trace"]
    assert trace["components"] == 5
    assert trace["effective_components"] == pytest.approx(2, abs=1e-4)


def test_the_exact_posterior_of_images_is_the_look_up():
    images = torch.tensor([-1.5, -0.4, 0.4, 1.2, 2.5]).reshape(5, 1, 1, 1, 1)
    prior = EmpiricalPrior(images)
    likelihood = Likelihood.of(gg.Constraints(POINT, gg.SoftData([1.0], 1.0, cubic)), prior)
    draws = prior.posterior(likelihood).sample(20_000, torch.Generator().manual_seed(0)).flatten()
    share = torch.stack([(draws == image).double().mean() for image in images.flatten()])
    assert (share - lookup_weights(images, likelihood)).abs().max() < 4.5 * math.sqrt(0.25 / 20_000)


def test_a_look_up_takes_the_training_set_of_another_prior(tmp_path):
    grid = gg.Grid((0, 4, 0, 4, 0, 2), (4, 4, 2))
    prior = gg.get_prior("gaussian", shape=(4, 4, 2), property="porosity")
    gg.write(gg.sample(prior, grid, 30, seed=1), tmp_path / "set.nc")
    constraints = gg.Constraints(grid, gg.HardData([[1, 1, 1]], [0.5], 0.1, "porosity"))
    found = gg.invert(prior, constraints, gg.get_strategy("look-up", examples=str(tmp_path / "set.nc")), n=20, seed=0)
    images = gg.read(tmp_path / "set.nc").values
    assert all((images == one).all(axis=(1, 2, 3, 4)).any() for one in found.values)
    with pytest.raises(GempyGanError, match=r"does not hold any\. Give examples"):
        gg.invert(prior, constraints, "look-up", n=2)
    small = gg.get_prior("gaussian", shape=(2, 4, 2), property="porosity")
    other = gg.Constraints(gg.Grid((0, 2, 0, 4, 0, 2), (2, 4, 2)), gg.HardData([[1, 1, 1]], [0.5], 0.1, "porosity"))
    with pytest.raises(GridError, match=r"\(4, 4, 2\) cells and the prior \(2, 4, 2\)"):
        gg.invert(small, other, gg.get_strategy("look-up", examples=str(tmp_path / "set.nc")), n=2)
