"""The checks are checked: each contract has a subject that breaks it, and must say so."""

import itertools
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

import gempy_gan as gg
from gempy_gan.formats import netcdf
from gempy_gan.plugins import registry
from gempy_gan.strategy import Draws, Strategy
from gempy_gan.testing import check_format, check_prior, check_strategy, toy_las, toy_segy
from gempy_gan.testing.strategies import SampledOnly, ToyPrior, exact_posterior

CALLS = itertools.count()
FACIES = (gg.Property("facies", codes={0: "mud", 1: "sand"}),)


def gaussian(**options):
    return gg.get_prior("gaussian", shape=(6, 5, 4), cell_size=(10.0, 10.0, 1.0), **options)


@pytest.mark.parametrize("prior", [ToyPrior, SampledOnly, gaussian])
def test_a_sound_prior_passes(prior):
    check_prior(prior())


class Wrong(ToyPrior):
    """Sound but for what the test replaces."""


def sampled(function):
    return lambda self, n, generator=None: function(ToyPrior.sample(self, n, generator))


def decoded(function):
    return lambda self, z: function(ToyPrior.decode(self, z))


def advanced(draw):
    """Draw, and advance the generator as an honest prior does."""

    def sample(self, n, generator=None):
        ToyPrior.sample(self, 1, generator)
        return draw(n)

    return sample


def global_numpy(n):
    return torch.as_tensor(np.random.normal(size=(n, 1, 4, 3, 2)), dtype=torch.float32)  # noqa: NPY002


def same_again(self, n, generator=None):
    generator = torch.Generator().manual_seed(generator.initial_seed() if generator is not None else 0)
    return ToyPrior.sample(self, n, generator)


def reseeding(self, n, generator=None):
    random.seed(3)
    return ToyPrior.sample(self, n, generator)


def in_batch(self, z):
    return ToyPrior.decode(self, z - z.mean(dim=0)) if len(z) > 1 else ToyPrior.decode(self, z)


@pytest.mark.parametrize(
    ("attribute", "value", "contract"),
    [
        ("properties", ["porosity"], "tuple of gempy_gan.Property"),
        ("properties", (gg.Property("a"), gg.Property("a")), "different names"),
        ("shape", (4, 3), "three positive whole numbers"),
        ("cell_size", (1.0, 0.0, 1.0), "three positive lengths"),
        ("sample", sampled(lambda m: m[0]), "must have shape"),
        ("sample", sampled(lambda m: m[..., :1]), "must have shape"),
        ("sample", sampled(lambda m: m.numpy()), "torch tensor"),
        ("sample", sampled(lambda m: m.round().long()), "floating-point"),
        ("sample", sampled(lambda m: m / (m - m)), "finite"),
        ("sample", sampled(lambda m: m.requires_grad_()), "no gradient"),
        ("sample", advanced(lambda n: torch.randn(n, 1, 4, 3, 2)), "global random state of torch|generator alone"),
        ("sample", advanced(global_numpy), "global random state of numpy|generator alone"),
        ("sample", reseeding, "global random state of random"),
        ("sample", same_again, "advance the generator"),
        ("sample", advanced(lambda n: torch.zeros(n, 1, 4, 3, 2)), "follow the generator"),
        ("sample", sampled(lambda m: 3 * m), "what decode makes"),
        ("properties", FACIES, "codes of"),
        ("state", lambda self: {"mean": np.float64}, "plain JSON"),
        ("state", lambda self: {"calls": next(CALLS)}, "must not change"),
        ("latent_shape", [24], "latent_shape"),
        ("decode", decoded(torch.Tensor.detach), "differentiable"),
        ("decode", decoded(lambda m: m * 0 + 1.0 * m.detach()), "gradient that is not zero"),
        ("decode", decoded(lambda m: m.detach() + 3 * (m - m.detach())), "gradient of its values"),
        ("decode", decoded(lambda m: m + torch.rand(1)), "function of z alone|generator alone|global random state"),
        ("decode", in_batch, "each latent on its own"),
        ("sigma_max", 0.5, "must drown"),
        ("denoise", lambda self, x, sigma, condition=None: x, "expected realization"),
        ("conditional", True, "known without error"),
        (
            "denoise",
            lambda self, x, sigma, condition=None: self.mean.to(x).reshape(1, 1, 4, 3, 2).expand_as(x),
            "expected realization",
        ),
        (
            "denoise",
            lambda self, x, sigma, condition=None: ToyPrior.denoise(self, x, 0.3 * sigma),
            "shrinks too little|mean square",
        ),
        (
            "denoise",
            lambda self, x, sigma, condition=None: ToyPrior.denoise(self, x, 3.0 * sigma),
            "shrinks too much|mean square",
        ),
        ("denoise", lambda self, x, sigma, condition=None: ToyPrior.denoise(self, x, torch.as_tensor(sigma).max())[:1], "shape"),
        ("parameters", lambda self: [], "trainable"),
        ("parameters", lambda self: [self.root.clone()], "changed nothing"),
        ("__deepcopy__", lambda self, memo: self, "changed the original"),
        ("features", lambda self, m: [], "empty"),
        ("features", lambda self, m: [m.detach()[0]], "first dimension"),
    ],
)
def test_a_broken_prior_is_told_the_contract(attribute, value, contract):
    wrong = type("Wrong", (ToyPrior,), {attribute: value})()
    with pytest.raises(AssertionError, match=contract):
        check_prior(wrong)


def test_a_state_that_rebuilds_something_else_is_found():
    check_prior(gaussian(), rebuild=type(gaussian()))
    with pytest.raises(AssertionError, match="draws something else"):
        check_prior(ToyPrior(), rebuild=lambda **_: SampledOnly())


def test_a_recommended_strategy_that_the_prior_cannot_do_is_found(monkeypatch):
    monkeypatch.setattr(SampledOnly, "recommended", "latent")
    with pytest.raises(AssertionError, match="'latent' needs a LatentPrior"):
        check_prior(SampledOnly())


@dataclass
class Exact(Strategy):
    """Draws from the toy's exact posterior, but for what the options spoil."""

    requires = ToyPrior.__mro__[1]
    shift: float = 0.0
    factor: float = 1.0
    table: list[int] = field(default_factory=list)

    def sample(self, prior, likelihood, n, generator):
        mean, std = exact_posterior(prior, likelihood)
        scatter = self.factor * std * torch.randn(n, 24, generator=generator)
        values = (mean + self.shift * std + scatter).float().reshape(n, 1, 4, 3, 2)
        return Draws(values, trace={"n": n})


@dataclass
class Weighted(Exact):
    """The same with weights, which makes the draws of one call depend on each other."""

    coupled = True

    def sample(self, prior, likelihood, n, generator):
        draws = super().sample(prior, likelihood, n, generator)
        return Draws(draws.values, log_weights=torch.full((n,), -float(np.log(n))))


def changed(**parts):
    """Exact, with some of its draws replaced."""

    def sample(self, prior, likelihood, n, generator):
        draws = Exact.sample(self, prior, likelihood, n, generator)
        return Draws(**{**vars(draws), **{name: make(draws, n) for name, make in parts.items()}})

    return {"sample": sample}


def spoil_prior(self, prior, likelihood, n, generator):
    prior.root.mul_(1.01)
    return Exact.sample(self, prior, likelihood, n, generator)


def spoil_data(self, prior, likelihood, n, generator):
    likelihood.observed.add_(1)
    return Exact.sample(self, prior, likelihood, n, generator)


def spoil_options(self, prior, likelihood, n, generator):
    self.table.append(n)
    return Exact.sample(self, prior, likelihood, n, generator)


def ignore_generator(self, prior, likelihood, n, generator):
    return Exact.sample(self, prior, likelihood, n, torch.Generator().manual_seed(1))


def test_a_strategy_that_is_exact_passes():
    check_strategy(Exact())
    check_strategy(Weighted())


@pytest.mark.parametrize(
    ("strategy", "attributes", "contract"),
    [
        (Exact(shift=0.6), {}, "mean is off by 0.[56]"),
        (Exact(factor=0.6), {}, "spread is 0.[56]"),
        (Exact(factor=1.6), {}, "spread is 1.[56]"),
        (Exact(), {"requires": int}, "kind of Prior"),
        (Exact(), {"requires": SampledOnly}, "check_strategy has only"),
        (Exact(), {"check": lambda self, prior: None}, "must raise GempyGanError"),
        (Exact(), changed(values=lambda d, n: d.values[1:]), "must have shape"),
        (Exact(), changed(values=lambda d, n: d.values.requires_grad_()), "no gradient"),
        (Exact(), changed(latents=lambda d, n: torch.zeros(1, 24)), "one latent per draw"),
        (Exact(), changed(trace=lambda d, n: {"steps": torch.zeros(1)}), "trace of .* plain JSON"),
        (Exact(), changed(log_weights=lambda d, n: torch.zeros(n)), "coupled = True"),
        (Exact(), {"coupled": True} | changed(log_weights=lambda d, n: torch.zeros(n)), "sum to one"),
        (Exact(), {"coupled": True} | changed(log_weights=lambda d, n: torch.zeros(1)), "one log weight per draw"),
        (Exact(), {"sample": spoil_prior}, "leave the prior"),
        (Exact(), {"sample": spoil_data}, "leave the data"),
        (Exact(), {"sample": spoil_options}, "own options"),
        (Exact(), {"sample": ignore_generator}, "follow the generator"),
        (Exact(), {"sample": lambda *_: None}, "return gempy_gan.Draws"),
    ],
)
def test_a_broken_strategy_is_told_the_contract(strategy, attributes, contract):
    wrong = type("Wrong", (type(strategy),), attributes)(**vars(strategy))
    with pytest.raises(AssertionError, match=contract):
        check_strategy(wrong)


def test_what_is_no_strategy_and_no_prior_is_refused():
    with pytest.raises(AssertionError, match=r"must be a gempy_gan.Strategy"):
        check_strategy(42)
    with pytest.raises(AssertionError, match=r"must be a gempy_gan.Prior"):
        check_prior(42)


class Format:
    """NetCDF, but for what the test replaces."""

    @staticmethod
    def write(ensemble, path):
        return netcdf.write(ensemble, path)

    @staticmethod
    def read(path):
        return netcdf.read(path)


def read_back(change):
    return {"read": staticmethod(lambda path: change(netcdf.read(path)))}


def rebuilt(ensemble, grid=None, values=None, properties=None):
    keep = ensemble.values if values is None else values
    return gg.Ensemble.from_values(grid or ensemble.grid, properties or ensemble.properties, keep)


def transposed(ensemble):
    values = ensemble.values
    return rebuilt(ensemble, values=values.swapaxes(2, 4).reshape(values.shape))


def moved(ensemble):
    x0, x1, *rest = ensemble.grid.extent
    return rebuilt(ensemble, grid=gg.Grid((x0 + 1, x1 + 1, *rest), ensemble.grid.resolution, ensemble.grid.rotation))


def unrotated(ensemble):
    return rebuilt(ensemble, grid=gg.Grid(ensemble.grid.extent, ensemble.grid.resolution, active=ensemble.grid.active))


def refuse(ensemble, path):
    raise gg.FormatError("no")


def refuse_untidily(ensemble, path):
    netcdf.write(ensemble, path)
    if len(ensemble) > 1:
        raise gg.FormatError("no")
    return [path]


def refuse_facies(ensemble, path):
    if any(p.is_facies for p in ensemble.properties):
        raise gg.FormatError("This format holds no facies.")
    return netcdf.write(ensemble, path)


def write_elsewhere(ensemble, path):
    return netcdf.write(ensemble, path.parents[1] / path.name)


@pytest.mark.parametrize(
    ("attributes", "contract"),
    [
        (read_back(transposed), "another value"),
        (read_back(lambda e: rebuilt(e, values=e.values[..., ::-1])), "another value"),
        (read_back(moved), "up to 1 m off"),
        (read_back(unrotated), r"rotated at map coordinates.*m off"),
        (read_back(lambda e: e.select([0])), "3 realizations were written, and 1 read"),
        (read_back(lambda e: rebuilt(e, grid=e.grid.with_active(None))), "active cells"),
        (read_back(lambda e: rebuilt(e, properties=[p.name for p in e.properties])), "codes and names"),
        (read_back(lambda e: rebuilt(e, properties=["phi", "sw"][: len(e.properties)])), "were written"),
        (read_back(lambda e: e.dataset), "must return an Ensemble"),
        ({"write": staticmethod(refuse)}, "every format must hold a plain block"),
        ({"write": staticmethod(refuse_untidily)}, "left files behind"),
        ({"write": staticmethod(write_elsewhere)}, "stay in the folder"),
        ({"write": staticmethod(lambda e, path: netcdf.write(e, path) and None)}, "list of the files"),
        ({"read": None}, r"function read\(\)"),
    ],
)
def test_a_broken_format_is_told_the_contract(attributes, contract, tmp_path):
    with pytest.raises(AssertionError, match=contract):
        check_format(type("Wrong", (Format,), attributes)(), tmp_path, suffix=".nc")


def test_a_format_may_refuse_what_it_cannot_hold(tmp_path):
    check_format(type("Poor", (Format,), {"write": staticmethod(refuse_facies)})(), tmp_path, suffix=".nc")


def test_a_format_needs_an_ending(tmp_path):
    with pytest.raises(AssertionError, match="suffix"):
        check_format(Format(), tmp_path)


@pytest.mark.parametrize("name", [entry.name for entry in registry().of("formats") if entry.owner == "gempy_gan"])
def test_every_built_in_format_keeps_the_contract(name, tmp_path):
    check_format(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("exact", {}, 0.1),
        ("rejection", {"proposals": 100_000}, 0.1),
        ("guided", {}, 0.1),
        ("latent", {}, 0.1),
        ("pcn", {}, 0.15),
        ("esmda", {"members": 512}, 0.15),
    ],
)
def test_every_built_in_strategy_keeps_the_contract(name, options, tolerance):
    check_strategy(gg.get_strategy(name, **options), tolerance=tolerance)


def test_every_built_in_prior_keeps_the_contract():
    grid = gg.Grid((0, 60, 0, 50, 0, 4), (6, 5, 4))
    examples = gg.sample(gaussian(), grid, 8)
    options = {
        "gaussian": {"shape": (6, 5, 4)},
        "empirical": {"examples": examples},
        "mixture": {"examples": examples, "sigma": 0.3},
    }
    built_in = {entry.name for entry in registry().of("priors") if entry.owner == "gempy_gan"}
    learned = {"diffusion", "gan", "stylegan", "trained"}  # they hold the contract where they are tested, once trained
    assert options.keys() == built_in - learned
    for name, given in options.items():
        check_prior(gg.get_prior(name, cell_size=(10.0, 10.0, 1.0), **given))


def test_a_toy_well_and_a_toy_cube_read_back(tmp_path):
    well = gg.read(toy_las(tmp_path / "w.las", xy=(120.0, 80.0), kb=5.0), xy="header", kb="header")
    assert list(well.curves) == ["GR", "VSAND"]
    assert well.xyz([0.0]).tolist() == [[120.0, 80.0, 5.0]]
    assert np.corrcoef(well.curves["GR"], well.curves["VSAND"])[0, 1] < -0.9
    cube = gg.read(toy_segy(tmp_path / "c.sgy", shape=(4, 3, 20)), domain="time")
    assert cube.traces.shape == (12, 20)
    assert cube.step == pytest.approx(0.004)
    assert cube.binning.is_3d
