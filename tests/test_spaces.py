"""Other latent spaces of generators: what they hold of the generator's own, and what they add."""

import math

import pytest
import torch

from gempy_gan.constraints import Constraints, HardData
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.learning import Domain
from gempy_gan.likelihood import Likelihood
from gempy_gan.plugins import get_prior, get_strategy
from gempy_gan.prior import LatentPrior
from gempy_gan.priors import spaces
from gempy_gan.priors.gan import GanPrior
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.priors.stylegan import StyleGanPrior
from gempy_gan.properties import Property
from gempy_gan.strategies.in_space import InSpace
from gempy_gan.strategies.latent import Latent
from gempy_gan.strategies.pcn import PCN
from gempy_gan.testing import check_prior

DOMAIN = Domain((Property("coarse_fraction"), Property("deposition_time")), (16, 16, 8), (50.0, 50.0, 1.0))
RESIDUAL = {"latents": 6, "generator": (12, 8, 8), "discriminator": (8, 12, 16)}
PLAIN = RESIDUAL | {"residual": False}
pytestmark = pytest.mark.usefixtures("seeded_torch")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def style():
    return StyleGanPrior.of(DOMAIN, style=5, generator=(8, 8, 8), maps=(1, 2, 4), discriminator=(8, 8, 8))


@pytest.mark.parametrize("options", [PLAIN, RESIDUAL], ids=["plain", "residual"])
def test_spaces_are_priors(options):
    check_prior(GanPrior.of(DOMAIN, **options).space("features", free=0.3))


@pytest.mark.parametrize("name", ["w", "w+"])
def test_spaces_of_styles_are_priors(style, name):
    check_prior(style.space(name))


@pytest.mark.parametrize("options", [PLAIN, RESIDUAL], ids=["plain", "residual"])
def test_hardly_free_features_are_the_generators_own(options):
    prior = GanPrior.of(DOMAIN, **options)
    space = prior.space("features", free=1e-10)
    z = torch.randn((3, *space.latent_shape), generator=seeded())
    assert torch.allclose(space.decode(z), prior.decode(z[:, :6]), atol=1e-3)
    free = prior.space("features", free=1.0)
    assert torch.allclose(free.decode(z), free.decode(torch.cat([0 * z[:, :6], z[:, 6:]], dim=1)), atol=1e-6)


@pytest.mark.parametrize("level", [0, 1])
def test_free_features_have_the_moments_of_the_generators(level):
    prior = GanPrior.of(DOMAIN, **RESIDUAL)
    space = prior.space("features", level=level, free=1.0)
    white = torch.randn((4000, *space.free_shape), generator=seeded())
    made, seen = space._deviations(white), spaces._features(prior)[level] - space.mean
    # over channels the covariance is the features' own, but for 4,000 draws' sampling error
    own, found = (torch.einsum("ncxyz,ndxyz->cd", e, e) / (len(e) * e[0, 0].numel()) for e in (seen, made))
    scale = own.diagonal().sqrt().outer(own.diagonal().sqrt())
    assert ((found - own) / scale).abs().max() < 0.05 + 1 - spaces.KEPT
    assert made.mean().abs() < 0.05 * made.std()


def test_latents_of_features_act_around_their_place():
    prior = GanPrior.of(DOMAIN, **RESIDUAL)
    space = prior.space("features", level=1)
    places = space.latent_positions
    assert places[:6].isnan().all()
    z = torch.zeros((1, *space.latent_shape))
    one = z.clone()
    one[0, 6 + 100] = 3.0
    changed = (space.decode(one) - space.decode(z))[0, 0].abs()
    cells = torch.stack(torch.meshgrid(*(torch.arange(k) for k in prior.shape), indexing="ij"), dim=-1).float()
    centre = (cells * changed[..., None]).sum(dim=(0, 1, 2)) / changed.sum()
    assert (centre - places[106]).norm() < (cells.mean(dim=(0, 1, 2)) - places[106]).norm()


def test_w_holds_the_styles_of_the_mapping(style):
    space = style.space("w")
    z = torch.randn((5, *style.latent_shape), generator=seeded(1))
    mapped = style.networks["generator"].mapping(z[:, :5])
    y = torch.linalg.lstsq(space.root, (mapped - space.mean).T).solution.T.detach()
    same = torch.cat([y, z[:, 5 : style.noise]], dim=1)
    assert torch.allclose(space.decode(same), style.decode(z), atol=1e-3)
    many = style.space("w+")
    assert many.latent_shape == (3 * 5 + style.noise - 5,)
    repeated = torch.cat([y, y, y, z[:, 5 : style.noise]], dim=1)
    assert torch.allclose(many.decode(repeated), style.decode(z), atol=1e-3)
    assert torch.equal(many.latent_positions[-len(z[0, 5:]) :], style.latent_positions[5:])


def test_what_there_is_not_is_refused(style):
    prior = GanPrior.of(DOMAIN, **PLAIN)
    with pytest.raises(GempyGanError, match=r"no latent space 'w'\. Expected 'features'"):
        prior.space("w")
    with pytest.raises(GempyGanError, match=r"no latent space 'features'\. Expected 'w' or 'w\+'"):
        style.space("features")
    with pytest.raises(GempyGanError, match="free = 0 of the features' variance"):
        prior.space("features", free=0)
    with pytest.raises(GempyGanError, match=r"level = 2 was asked for\. Expected 0 \(the coarsest\) to 1"):
        prior.space("features", level=2)
    with pytest.raises(GempyGanError, match="no option 'fre'"):
        prior.space("features", fre=0.3)
    gaussian = get_prior("gaussian", shape=(4, 4, 2), cell_size=(50, 50, 1))
    with pytest.raises(GempyGanError, match="GaussianPrior has no other latent space than its own, and 'features' was asked for"):
        InSpace().check(gaussian)


class Widened(LatentPrior):
    """A Gaussian prior whose other space is a rotation of its own: the posterior is the same."""

    def __init__(self, prior):
        self.prior = prior
        self.properties, self.shape, self.cell_size, self.latent_shape = (
            prior.properties,
            prior.shape,
            prior.cell_size,
            prior.latent_shape,
        )

    def decode(self, z):
        return self.prior.decode(z)

    def space(self, name, **options):
        self.asked = name, options
        return self.prior


def test_a_strategy_in_a_space_is_that_strategy():
    from posteriors import few_data

    known = few_data()
    prior = Widened(known.prior)
    within = InSpace("turned", {"by": 3}, Latent()).sample(prior, known.likelihood, 8, seeded())
    plain = Latent().sample(known.prior, known.likelihood, 8, seeded())
    assert prior.asked == ("turned", {"by": 3})
    assert torch.equal(within.values, plain.values)
    assert within.latents is None
    assert not InSpace().coupled
    assert InSpace(strategy=get_strategy("esmda")).coupled
    with pytest.raises(GempyGanError, match="draws no latents"):
        PCN(start=InSpace(strategy=Latent())).sample(prior, known.likelihood, 4, seeded())


def test_strategies_within_are_given_by_name():
    found = get_strategy("pcn", start={"name": "latent", "optimizer": "lbfgs", "steps": 3})
    assert isinstance(found, PCN)
    assert found.start == Latent("lbfgs", steps=3)
    assert get_strategy("pcn", start="latent").start == Latent()
    assert get_strategy("pivotal", start="prior").start == "prior"
    assert get_strategy("pivotal", start="latent").start == Latent()
    with pytest.raises(GempyGanError, match="No strategy is named 'latnt'"):
        get_strategy("pcn", start="latnt")


def test_annealed_latent_optimization_finds_the_same_minimum():
    from posteriors import wells_and_seismic

    known = wells_and_seismic()
    plain = Latent("lbfgs", steps=400, tolerance=0.02).sample(known.prior, known.likelihood, 4, seeded())
    annealed = Latent("lbfgs", steps=400, tolerance=0.02, annealing=(16, 4)).sample(known.prior, known.likelihood, 4, seeded())
    assert plain.trace["unconverged"] == annealed.trace["unconverged"] == 0
    assert (plain.values - annealed.values).abs().max() < 0.02 * math.sqrt(known.prior.shape[0])
    with pytest.raises(GempyGanError, match="Expected factors of the variance, 1 or more"):
        Latent(annealing=(0.5,))


def test_draws_that_fit_well_enough_are_left_alone():
    prior = GaussianPrior((8, 8, 8), (50.0, 50.0, 1.0), "porosity", 0.5, 0.25, "spherical", (200, 200, 4))
    cells = [(1, 2, k) for k in range(8)] + [(6, 5, k) for k in range(8)]
    hard = HardData(cells, 0.5 + 0.2 * torch.randn(16, generator=seeded(1)).numpy(), 0.01, "porosity")
    likelihood = Likelihood.of(Constraints(Grid((0, 400, 0, 400, 0, 8), (8, 8, 8)), hard), prior)
    enough, whole = (Latent("lbfgs", enough=e).sample(prior, likelihood, 6, seeded()) for e in (0.5, 0.0))
    generator = seeded()
    torch.randn((6, *prior.latent_shape), generator=generator)  # the anchors, which are drawn before the noise
    noise = torch.randn((6, 16), generator=generator)
    rms, least = ((likelihood.residual(d.values) - noise).square().mean(dim=1).sqrt() for d in (enough, whole))
    assert enough.trace["unconverged"] == 0
    assert (rms <= 0.5 + 1e-3).all()
    assert rms.mean() > 2 * least.mean()
    assert enough.trace["steps"] < whole.trace["steps"]
    with pytest.raises(GempyGanError, match=r"enough is 0\.5 with 'adam'"):
        Latent("adam", enough=0.5)


def test_memory_is_bounded_and_rows_do_not_depend_on_each_other(monkeypatch):
    from posteriors import few_data

    known = few_data()
    together = Latent("lbfgs").sample(known.prior, known.likelihood, 5, seeded())
    monkeypatch.setattr("gempy_gan.strategies.latent.REMEMBERED", 2 * math.prod(known.prior.latent_shape))
    apart = Latent("lbfgs").sample(known.prior, known.likelihood, 5, seeded())
    assert torch.allclose(together.values, apart.values, atol=1e-4)
