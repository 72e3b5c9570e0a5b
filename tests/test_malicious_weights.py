"""Weights and checkpoints from strangers: nothing in them runs, and no claim is believed before it is checked."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from refusals import HUGE, little_memory
from safetensors.torch import load_file, save_file
from toy_learner import ToyLearner

import gempy_gan as gg
from gempy_gan import plugins, weights
from gempy_gan.learning import Domain
from gempy_gan.strategies.amortized_files import _read as read_amortized
from gempy_gan.training.checkpoints import Checkpoint, Checkpoints
from gempy_gan.training.folder import Folder

LEARNER = Path(__file__).with_name("toy_learner.py")


class Evil:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    """A prior file of the toy learner."""
    plugins.add_plugin_file(LEARNER)
    domain = Domain((gg.Property("sand"),), (4, 4, 2), (10.0, 10.0, 1.0), ())
    return weights.save_prior(ToyLearner.of(domain), tmp_path_factory.mktemp("prior") / "toy.safetensors", {})


@pytest.mark.parametrize("how", ["pickle", "torch", "torch_zip"])
def test_pickled_weights_are_not_unpickled(tmp_path, how):
    file, ran = tmp_path / "prior.safetensors", tmp_path / "ran"
    if how == "pickle":
        file.write_bytes(pickle.dumps(Evil(ran)))
    else:
        torch.save({"x": Evil(ran)}, file, _use_new_zipfile_serialization=how == "torch_zip")
    for read in (gg.load_prior, weights.read_card, lambda path: read_amortized(Path(path))):
        with pytest.raises(gg.FormatError, match="damaged or no safetensors file"):
            read(file)
    for ending in ("pt", "pth", "pkl", "ckpt"):
        file.rename(tmp_path / f"prior.{ending}")
        with pytest.raises(gg.PluginError, match="No prior is named"):
            gg.get_prior(str(tmp_path / f"prior.{ending}"))
        (tmp_path / f"prior.{ending}").rename(file)
    assert not ran.exists()


def test_pickled_checkpoints_are_not_unpickled(tmp_path):
    kept = Checkpoints(tmp_path)
    kept.save(Checkpoint(1, {"x": torch.zeros(2)}, {}))
    kept.save(Checkpoint(2, {"x": torch.ones(2)}, {}))
    (tmp_path / "000000002.safetensors").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.warns(gg.GempyGanWarning, match="damaged"):
        assert kept.latest().step == 1
    (tmp_path / "training.json").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(gg.FormatError, match="cannot be read"):
        Folder(tmp_path).identity()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("claim", [2**40, 2**63 - 1, 99_000_000])
def test_a_safetensors_header_that_claims_to_be_endless(tmp_path, claim):
    file = tmp_path / "prior.safetensors"
    file.write_bytes(struct.pack("<Q", claim) + b'{"x":{}}')
    with little_memory(), pytest.raises(gg.FormatError, match="damaged or no safetensors file"):
        gg.load_prior(file)


def test_a_safetensors_tensor_that_claims_more_than_there_is(tmp_path):
    header = json.dumps({"x": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}).encode()
    (tmp_path / "prior.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with little_memory(), pytest.raises(gg.FormatError, match="damaged or no safetensors file"):
        gg.load_prior(tmp_path / "prior.safetensors")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"options": {"latents": 10**6}}, "describes larger networks than it holds weights of"),
        ({"options": {"latents": HUGE}}, r"describes networks with 1e\+12 of something"),
        ({"shape": [4, 4, HUGE]}, r"describes networks with 1e\+12 of something"),
        ({"shape": [4000, 4000, 400]}, "describes larger networks than it holds weights of"),
        ({"shape": None}, "cannot be understood"),
    ],
)
def test_networks_that_are_described_larger_than_their_weights(learner, tmp_path, changed, message):
    header = weights._header(learner)
    if "options" in changed:
        header |= changed
    else:
        header["domain"] |= changed
    file = tmp_path / "large.safetensors"
    save_file(load_file(learner), file, {"gempy_gan": json.dumps(header)})
    with little_memory(), pytest.raises(gg.FormatError, match=message):
        gg.load_prior(file)
