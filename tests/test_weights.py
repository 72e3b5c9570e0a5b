"""A prior file holds what builds the prior again, and nothing else is ever run from it."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from toy_learner import ToyLearner

import gempy_gan as gg
from gempy_gan import plugins, weights
from gempy_gan.inversion import recommended_for
from gempy_gan.labels import Label
from gempy_gan.learning import Domain
from gempy_gan.properties import Property

NEEDED = ("class", "options", "domain", "card")
STRANGERS = ("evil:Prior", "os:system", "gempy_gan.priors.gaussian:GaussianPrior", "gempy_gan.nowhere:X", "x")
DOMAIN = Domain((Property("coarse_fraction"),), (4, 4, 2), (10.0, 10.0, 1.0), (Label("width", 1.0, 2.0, "m"),))


@pytest.fixture(autouse=True)
def _registered():
    plugins.add_plugin_file(Path(__file__).with_name("toy_learner.py"))


@pytest.fixture
def saved(tmp_path):
    prior = ToyLearner.of(DOMAIN, latents=3)
    return prior, gg.save_prior(prior, tmp_path / "toy.safetensors", {"steps": 7})


def drawn(prior):
    return prior.sample(5, torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0.0), ("float16", 2e-3)])
def test_a_loaded_prior_is_the_saved_one(tmp_path, dtype, error):
    prior = ToyLearner.of(DOMAIN, latents=3)
    for network in prior.networks.values():
        network.eval()
    loaded = gg.load_prior(gg.save_prior(prior, tmp_path / "toy.safetensors", dtype=dtype))
    assert loaded.domain == DOMAIN
    assert loaded.options == {"latents": 3}
    assert float((drawn(loaded) - drawn(prior)).detach().abs().max()) <= error


@settings(max_examples=20, deadline=None)
@given(st.floats(-1e6, 1e6, width=32))
def test_a_weight_is_kept_within_half_precision_or_as_it_is(tmp_path_factory, weight):
    prior = ToyLearner.of(DOMAIN, latents=3)
    torch.nn.init.constant_(prior.networks["decoder"][0].weight, weight)
    loaded = gg.load_prior(gg.save_prior(prior, tmp_path_factory.mktemp("w") / "toy.safetensors"))
    assert loaded.networks["decoder"][0].weight.detach()[0, 0].item() == pytest.approx(weight, rel=5e-4, abs=1e-7)


def test_the_file_is_half_the_size_of_the_weights_and_keeps_the_card(saved):
    _, file = saved
    tensors = load_file(file)
    assert {tensor.dtype for name, tensor in tensors.items() if "num_batches" not in name} == {torch.float16}
    assert weights.read_card(file) == gg.load_prior(file).card == {"steps": 7}
    again = gg.save_prior(gg.load_prior(file), file.with_name("again.safetensors"))
    assert again.read_bytes() == file.read_bytes()


def test_a_prior_is_found_by_the_path_of_its_file(saved):
    _, file = saved
    assert torch.equal(drawn(gg.get_prior(str(file))), drawn(gg.load_prior(file)))
    assert torch.equal(drawn(gg.get_prior("trained", path=file)), drawn(gg.load_prior(file)))
    grid = gg.Grid((0, 40, 0, 40, 0, 2), (4, 4, 2))
    assert gg.prior_for(str(file), grid).shape == grid.resolution
    assert len(gg.sample(str(file), grid, 2)) == 2
    assert recommended_for(str(file)) == "latent"


def test_loading_leaves_torchs_random_numbers_alone(saved):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    gg.load_prior(saved[1])
    assert torch.equal(torch.rand(2), expected)


def test_options_may_change_but_must_fit_the_weights(saved):
    with pytest.raises(gg.GempyGanError, match=r"decoder.*do not fit"):
        gg.load_prior(saved[1], latents=5)
    with pytest.raises(gg.GempyGanError, match="do not fit"):
        gg.load_prior(saved[1], shape=(8, 4, 2))
    with pytest.raises(gg.GempyGanError, match="unknown_option"):
        gg.load_prior(saved[1], unknown_option=1)


def test_rescaling_is_said_and_changes_the_cells_alone(saved):
    plain, stretched = gg.load_prior(saved[1]), gg.load_prior(saved[1], rescaled_to=(20, 20, 2))
    assert stretched.cell_size == (20.0, 20.0, 2.0) != plain.cell_size
    assert torch.equal(drawn(plain), drawn(stretched))
    with pytest.raises(gg.GempyGanError, match="three positive numbers"):
        gg.load_prior(saved[1], rescaled_to=(20, 20))


def test_an_ensemble_says_which_weights_drew_it(saved):
    _, file = saved
    grid = gg.Grid((0, 40, 0, 40, 0, 2), (4, 4, 2))
    prior = gg.load_prior(file)
    recorded = gg.sample(prior, grid, 2).provenance["prior"]
    assert recorded["weights"] == gg.sample(gg.load_prior(file), grid, 2).provenance["prior"]["weights"]
    with torch.no_grad():
        next(iter(prior.networks["decoder"].parameters())).flatten()[0] += 0.1
    assert recorded["weights"] != gg.sample(prior, grid, 2).provenance["prior"]["weights"]


def test_a_damaged_or_foreign_file_is_named(saved, tmp_path):
    _, file = saved
    whole = file.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for size in (0, 5, 200, len(whole) - 1):
        cut.write_bytes(whole[:size])
        with pytest.raises(gg.FormatError, match=r"cut\.safetensors is damaged or no safetensors file"):
            gg.load_prior(cut)
    with pytest.raises(gg.FormatError, match=r"none\.safetensors does not exist"):
        gg.load_prior(tmp_path / "none.safetensors")
    foreign = tmp_path / "foreign.safetensors"
    for metadata, what in [
        (None, "of another program"),
        ({"gempy_gan": "no json"}, "header that cannot be read"),
        ({"gempy_gan": "[1]"}, "header that cannot be read"),
        ({"gempy_gan": json.dumps({"format": "gempy_gan prior 9"} | dict.fromkeys(NEEDED, ""))}, "prior 9"),
        ({"gempy_gan": json.dumps({"format": weights.FORMAT})}, "lacks card, class, domain, options"),
    ]:
        save_file({"x": torch.zeros(1)}, foreign, metadata)
        with pytest.raises(gg.FormatError, match=what):
            gg.load_prior(foreign)


@pytest.mark.parametrize("name", STRANGERS)
def test_only_registered_classes_are_taken_and_nothing_else_is_imported(saved, tmp_path, monkeypatch, name):
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\nPrior = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    header = weights._header(saved[1]) | {"class": name}
    save_file(load_file(saved[1]), tmp_path / "evil.safetensors", {"gempy_gan": json.dumps(header)})
    with pytest.raises(gg.PluginError, match="no installed plugin registers"):
        gg.load_prior(tmp_path / "evil.safetensors")
    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_saved_is_refused_and_leaves_the_old_file(saved):
    prior, file = saved
    before = file.read_bytes()
    with pytest.raises(gg.GempyGanError, match=r"Expected a name that ends in \.safetensors"):
        gg.save_prior(prior, file.with_name("toy.pt"))
    with pytest.raises(gg.GempyGanError, match=r"'int8'\. Expected one of: float16, float32"):
        gg.save_prior(prior, file, dtype="int8")
    torch.nn.init.constant_(prior.networks["decoder"][0].weight, float("nan"))
    with pytest.raises(gg.GempyGanError, match="not finite"):
        gg.save_prior(prior, file)
    (blocked := file.with_name("blocked")).write_text("")
    with pytest.raises(gg.FormatError, match="was not written"):
        gg.save_prior(ToyLearner.of(DOMAIN), blocked / "toy.safetensors")
    assert file.read_bytes() == before
    assert {f.name for f in file.parent.iterdir()} == {"toy.safetensors", "blocked"}
