"""Priors of coefficients: the exact one, and the one that is learned by the package's own training."""

import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from gempy_gan_waveform.score_network import ResidualLayers, ScoreNetwork
from gempy_gan_waveform.white import WhitePrior

import gempy_gan as gg
from gempy_gan import Domain, GempyGanError, Property
from gempy_gan.testing import check_prior

DOMAIN = Domain((Property("coefficient"),), (3, 1, 2), (1.0, 1.0, 1.0))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def training_set(path, n, shape=(3, 1, 2)):
    grid = gg.Grid((0, shape[0], 0, 1, 0, shape[2]), shape)
    gg.write(gg.sample(WhitePrior(shape), grid, n=n, seed=5), path)
    return grid


def test_the_entry_point_registers_what_the_plugin_brings():
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    (module,) = tomllib.loads(text)["project"]["entry-points"]["gempy_gan"].values()
    named = {}
    for kind in ("priors", "forwards"):
        hook = getattr(import_module(module), f"gempy_gan_register_{kind}")
        hook(lambda name, target, summary="", kind=kind: named.setdefault(kind, []).append(name))
        assert hook.gempy_gan_impl
    assert named == {"priors": ["white", "score-network"], "forwards": ["helmholtz", "helmholtz-modes"]}


def test_white_prior_keeps_the_contract():
    check_prior(WhitePrior((4, 1, 3)), rebuild=WhitePrior)


def test_an_untrained_network_expects_what_is_right_for_independent_normal_values():
    """Its last layer is zero, and what it adds to is the denoiser of the white prior: training starts from the truth."""
    prior = ScoreNetwork.of(DOMAIN, width=16, blocks=2)
    x = torch.randn((5, 1, 3, 1, 2), generator=seeded())
    assert torch.allclose(prior.denoise(x, 0.7), WhitePrior((3, 1, 2)).denoise(x, 0.7), atol=1e-6)
    check_prior(prior)


def test_a_network_sees_the_noise_level_and_all_values():
    torch.manual_seed(0)
    network = ResidualLayers(6, 16, 2)
    torch.nn.init.normal_(network.last.weight)
    x = torch.randn((1, 6), generator=seeded())
    base = network(x, torch.tensor([0.1]))
    assert not torch.allclose(network(x, torch.tensor([0.4])), base)
    for k in range(6):
        changed = x.clone()
        changed[0, k] += 1
        assert not torch.allclose(network(changed, torch.tensor([0.1])), base)


def test_training_by_the_package_learns_its_examples_by_heart(tmp_path):
    """Four examples and long enough: what it draws are those four, and the file gives it back."""
    grid = training_set(tmp_path / "training.nc", 4)
    plan = gg.TrainingPlan(
        "score-network",
        str(tmp_path / "training.nc"),
        tmp_path / "trained",
        preset="tiny",
        steps=500,
        batch=4,
        options={"width": 64, "rate": 3e-3, "repeats": 32, "horizon": 500},
        precision="32-true",
        look_minutes=0.0,
    )
    prior = gg.train(plan)
    examples = torch.as_tensor(gg.read(tmp_path / "training.nc").values).flatten(1)
    drawn = prior.sample(40, seeded())
    nearest = torch.cdist(drawn.flatten(1), examples).min(dim=1)
    assert nearest.values.median() < 0.2 * torch.pdist(examples).min()  # measured: 0.20 of 2.0
    assert len(set(nearest.indices.tolist())) == 4
    loaded = gg.load_prior(tmp_path / "trained" / "prior.safetensors")
    assert torch.allclose(loaded.sample(2, seeded(1)), prior.sample(2, seeded(1)), atol=0.1)
    assert loaded.card["steps"] == 500
    assert gg.sample(loaded, grid, n=2).values.shape == (2, 1, 3, 1, 2)


def test_presets_learn_from_whole_volumes(tmp_path):
    """The built-in priors cut boxes of a preset's shape, in which coefficients would lose their meaning."""
    training_set(tmp_path / "training.nc", 3)
    plan = gg.TrainingPlan(
        "score-network", str(tmp_path / "training.nc"), tmp_path / "t", steps=1, batch=3, options={"width": 8}, look_minutes=0.0
    )
    assert gg.train(plan).shape == (3, 1, 2)


def test_what_cannot_be_right_is_refused(tmp_path):
    with pytest.raises(GempyGanError, match="no option 'widths'"):
        ScoreNetwork.of(DOMAIN, widths=3)
    with pytest.raises(GempyGanError, match="no preset 'huge'"):
        ScoreNetwork.recipe(DOMAIN, "huge")
    labelled = Domain(DOMAIN.properties, DOMAIN.shape, DOMAIN.cell_size, (gg.Label("width", 0.0, 1.0),))
    with pytest.raises(GempyGanError, match="learns no labels"):
        ScoreNetwork.recipe(labelled, "tiny")


@pytest.mark.parametrize("strategy", ["pigdm", "mmps", "dps"])
def test_guided_strategies_work_with_it(strategy):
    prior, grid = WhitePrior((2, 1, 2)), gg.Grid((0, 2, 0, 1, 0, 2), (2, 1, 2))
    data = gg.SoftData([1.0, -1.0], 0.1, lambda m: m.flatten(1)[:, :2])
    options = {"steps": 100, "noise": "honoured"} if strategy == "dps" else {"steps": 16}
    ensemble = gg.invert(prior, gg.Constraints(grid, data), gg.get_strategy(strategy, **options), n=200, seed=0)
    found = ensemble.values.reshape(200, 4)
    expected = np.array([1.0, -1.0, 0.0, 0.0]) / np.array([1.01, 1.01, 1.0, 1.0])
    assert np.abs(found.mean(axis=0) - expected).max() < 0.25
    assert found[:, 2:].std() == pytest.approx(1.0, abs=0.2)
