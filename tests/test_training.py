"""Trainings end with the same weights whatever interrupts them, and keep what was learned whatever goes wrong."""

import errno
import json
import re
import signal

import pytest
import torch
import trainings
from toy_learner import ToyLearner
from trainings import plan, simulated, weights

import gempy_gan as gg
from gempy_gan.learning import Domain, Recipe
from gempy_gan.properties import Property
from gempy_gan.training import checkpoints, engine, look, speed
from gempy_gan.training.average import Average
from gempy_gan.training.folder import Folder, alone_in
from gempy_gan.training.launch import Devices
from gempy_gan.training.validated import add_validation


@pytest.fixture(autouse=True)
def _registered():
    trainings.register()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return trainings.training_set(tmp_path_factory.mktemp("set") / "set.zarr")


def same(first, second):
    first, second = weights(first), weights(second)
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_a_training_learns(data, tmp_path):
    records = []
    prior = gg.train(plan(data, tmp_path, steps=150), records.append)
    assert records[-1]["loss"] < 0.3 * records[0]["loss"]
    assert records[-1]["step"] == 150
    assert [r["step"] for r in Folder(tmp_path).records()] == [r["step"] for r in records]
    assert prior.sample(3).shape == (3, 2, *trainings.BOX)


@pytest.mark.parametrize("kind", ["stored", "simulated"])
def test_a_killed_training_resumes_to_the_same_weights(data, tmp_path, kind):
    def made(name, **changes):
        return plan(data, tmp_path / name, **changes) if kind == "stored" else simulated(tmp_path / name, **changes)

    last = trainings.killed(made("killed"))
    resumed = gg.train(made("killed", steps=last + 7))
    assert Folder(tmp_path / "killed").records()[-1]["step"] == last + 7
    assert same(resumed, gg.train(made("whole", steps=last + 7)))


def test_the_state_of_optimizers_is_resumed_too(data, tmp_path):
    gg.train(plan(data, tmp_path / "parts", steps=11))
    gg.train(plan(data, tmp_path / "parts"))
    gg.train(plan(data, tmp_path / "whole"))
    parts, whole = (checkpoints.Checkpoints(tmp_path / name / "checkpoints").latest() for name in ("parts", "whole"))
    assert parts.tensors.keys() == whole.tensors.keys()
    assert any(key.startswith("optimizer/encoder") for key in whole.tensors)
    assert all(torch.equal(parts.tensors[key], whole.tensors[key]) for key in whole.tensors)
    assert parts.notes["optimizers"] == whole.notes["optimizers"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_saves_and_says_so(data, tmp_path, number):
    with pytest.raises(KeyboardInterrupt):
        gg.train(plan(data, tmp_path / "stopped"), lambda record: signal.raise_signal(number))
    assert trainings.steps(plan(data, tmp_path / "stopped")) == [1]
    assert same(gg.train(plan(data, tmp_path / "stopped")), gg.train(plan(data, tmp_path / "whole")))


def test_what_is_measured_at_the_end_is_measured_again_after_an_interruption(data, tmp_path, monkeypatch):
    seen = []

    def measure(self, networks, batches):
        values, labels = next(iter(batches))
        seen.append((values.shape, labels.shape, torch.rand(()).item()))
        if len(seen) == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Recipe, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        gg.train(plan(data, tmp_path))
    assert trainings.steps(plan(data, tmp_path)) == [30]
    for _ in range(2):  # the second time there is nothing left to do
        gg.train(plan(data, tmp_path))
    assert seen[0] == seen[1]
    assert seen[0][:2] == ((8, 2, *trainings.BOX), (8, 3))
    assert len(seen) == 2


def test_other_seeds_give_other_weights(data, tmp_path):
    assert not same(gg.train(plan(data, tmp_path / "a")), gg.train(plan(data, tmp_path / "b", seed=1)))


def test_the_budget_counts_the_time_before_an_interruption(data, tmp_path):
    paused = {"steps": None, "options": {"pause": 0.05}}
    gg.train(plan(data, tmp_path, minutes=0.5 / 60, **paused))
    (done,) = trainings.steps(plan(data, tmp_path))
    assert 2 <= done <= 10
    gg.train(plan(data, tmp_path, minutes=0.5 / 60, **paused))  # nothing is left of it
    assert trainings.steps(plan(data, tmp_path)) == [done]
    gg.train(plan(data, tmp_path, minutes=0.8 / 60, **paused))
    assert done < trainings.steps(plan(data, tmp_path))[-1] <= done + 6


def test_weights_to_start_from(data, tmp_path):
    first = gg.train(plan(data, tmp_path / "first"))
    start = tmp_path / "first" / "prior.safetensors"
    made = engine.Training(plan(data, tmp_path / "second", init=start), _boxes(data))
    stored = weights(gg.load_prior(start))
    assert all(torch.equal(stored[key], tensor) for key, tensor in weights(made.prior).items())
    assert made.step == 0
    assert not same(gg.train(plan(data, tmp_path / "third", init=start)), first)
    with pytest.raises(gg.GempyGanError, match="does not fit the one that is trained"):
        gg.train(plan(data, tmp_path / "fourth", init=start, options={"latents": 3}))


def _boxes(data):
    from gempy_gan.training.sources import open_boxes

    return open_boxes(plan(data, data.parent / "unused"))


def test_the_average_is_the_one_that_is_written_down():
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    average = Average({"g": network}, ("g",), half_life=40.0)
    expected = network[0].weight.detach().clone().double()
    for step in range(3000):
        torch.nn.init.normal_(network[0].weight)
        network[1].running_mean += 1
        network[1].num_batches_tracked += 1
        average.update({"g": network}, step)
        keep = 0.5 ** (1 / min(40.0, 0.05 * step)) if step else 0.0
        expected = keep * expected + (1 - keep) * network[0].weight.detach().double()
    mine = average.networks["g"]
    assert torch.allclose(mine[0].weight.double(), expected, atol=1e-5)
    keep = 0.5 ** (1 / 40)
    lag = keep / (1 - keep)  # of the average behind a number that grows by one each step
    assert float(mine[1].running_mean[0]) == pytest.approx(3000 - lag, rel=1e-3)
    assert int(mine[1].num_batches_tracked) == 3000
    assert not mine.training


def test_weights_are_cast_anew_after_an_optimizers_step():
    devices = Devices(1, "bf16-mixed")
    layer, x = torch.nn.Linear(4, 4), torch.ones(1, 4)
    with devices.autocast():
        before = layer(x)
        with torch.no_grad():
            layer.weight.add_(1.0)
        after = layer(x)
    assert after.dtype == torch.bfloat16
    assert float((after - before).detach().abs().min()) > 3


def test_several_devices_share_a_batch_and_average_their_gradients():
    class Two:  # what Lightning Fabric shows to the second of two processes, the first having found no gradient
        device, world_size, global_rank = torch.device("cpu"), 2, 1

        @staticmethod
        def all_reduce(tensor, reduce_op):
            assert reduce_op == "mean"
            return tensor / 2

    devices = Devices(1, "32-true")
    devices.fabric = Two()
    assert devices.share(8) == slice(4, 8)
    with pytest.raises(gg.GempyGanError, match="A batch of 9 cannot be shared by 2 devices"):
        devices.share(9)
    recipe = ToyLearner.recipe(Domain((Property("p"),), (2, 2, 2), (1.0, 1.0, 1.0)), latents=2)
    layer, x = recipe.networks["encoder"], torch.rand(3, 8)
    layer(x).sum().backward()
    alone = layer.weight.grad.clone()
    layer.zero_grad()
    devices.place(recipe)
    layer(x).sum().backward()
    assert torch.allclose(layer.weight.grad, alone / 2)


def test_a_loss_that_is_not_finite_names_its_step_and_the_last_good_checkpoint(data, tmp_path):
    wrong = {"options": {"nan_at": 12}, "save_minutes": 0.0}
    with pytest.raises(gg.GempyGanError, match=r"went wrong at step 12: loss is inf\. The checkpoint of step 12 is kept"):
        gg.train(plan(data, tmp_path, **wrong))
    assert trainings.steps(plan(data, tmp_path)) == [11, 12]  # after 11 and 12 steps, of which number 12 was the next
    assert gg.load_prior(tmp_path / "prior.safetensors").sample(1).isfinite().all()


def test_a_full_disk_keeps_the_last_good_checkpoint(data, tmp_path, monkeypatch):
    gg.train(plan(data, tmp_path, steps=10))
    write = checkpoints.replace_file

    def refuse(file, content):
        if file.parent.name == "checkpoints":
            file.with_name(f"{file.name}.new").write_bytes(content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(file, content)

    monkeypatch.setattr(checkpoints, "replace_file", refuse)
    with pytest.raises(
        gg.FormatError, match=r"step 30 was not written .*No space left on device\. That of step 10 is kept: make room"
    ):
        gg.train(plan(data, tmp_path))
    monkeypatch.undo()
    resumed = gg.train(plan(data, tmp_path))
    assert same(resumed, gg.train(plan(data, tmp_path / "whole")))
    assert not list((tmp_path / "checkpoints").glob("*.new"))


def test_a_damaged_checkpoint_is_passed_over(data, tmp_path):
    gg.train(plan(data, tmp_path, steps=10))
    gg.train(plan(data, tmp_path, steps=20))
    files = sorted((tmp_path / "checkpoints").glob("*.safetensors"))
    files[1].write_bytes(files[1].read_bytes()[:-1] + b"x")
    with pytest.warns(gg.GempyGanWarning, match="000000020.safetensors is damaged.* Going back"):
        resumed = gg.train(plan(data, tmp_path))
    assert same(resumed, gg.train(plan(data, tmp_path / "whole")))
    for file in (tmp_path / "checkpoints").glob("*.safetensors"):
        file.write_bytes(b"")
    with pytest.warns(gg.GempyGanWarning), pytest.raises(gg.FormatError, match=r"No checkpoint in .* can be read"):
        gg.train(plan(data, tmp_path, steps=40))


def test_a_checkpoint_of_other_networks_is_refused(data, tmp_path):
    gg.train(plan(data, tmp_path, steps=5))
    found = checkpoints.Checkpoints(tmp_path / "checkpoints").latest()
    others = {key: tensor[..., :1].clone() if "weight" in key else tensor for key, tensor in found.tensors.items()}
    checkpoints.Checkpoints(tmp_path / "checkpoints").save(checkpoints.Checkpoint(6, others, {"seconds": 1.0, "optimizers": {}}))
    with pytest.raises(gg.FormatError, match="The checkpoint does not fit the network 'encoder'"):
        gg.train(plan(data, tmp_path))


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"batch": 4}, "batch"),
        ({"seed": 1}, "seed"),
        ({"shape": (8, 8, 4)}, "domain"),
        ({"flips": "y"}, "data"),
        ({"options": {"rate": 0.1}}, "options"),
    ],
)
def test_a_folder_belongs_to_one_training(data, tmp_path, changes, differing):
    gg.train(plan(data, tmp_path, steps=2))
    with pytest.raises(gg.GempyGanError, match=f"holds another training: it differs in {differing}"):
        gg.train(plan(data, tmp_path, **changes))
    gg.train(plan(data, tmp_path, steps=3))


def test_one_process_trains_in_a_folder_at_a_time(data, tmp_path):
    with alone_in(tmp_path), pytest.raises(gg.GempyGanError, match="Another process is training in"):
        gg.train(plan(data, tmp_path))
    gg.train(plan(data, tmp_path, steps=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 25}, "A batch holds 25 boxes, and there are 24 volumes"),
        ({"shape": (20, 12, 4)}, r"Boxes of \(20, 12, 4\) cells were to be cut from volumes of \(16, 16, 4\)"),
        ({"shape": (12, 12, 2)}, "equal in z"),
        ({"labels": ("depth",)}, "The data have no label 'depth' with a range. They have: width, wavelength, amplitude"),
        ({"options": {"latents": 0}}, "latents = 0 was asked for"),
        ({"options": {"latent": 2}}, "The recipe of 'toy-learner' cannot be made: .*'latent'"),
        ({"data": "no-simulator"}, "No prior is named 'no-simulator'"),
        ({"data": "gaussian"}, "'gaussian' is no simulator"),
        ({"data": "none.zarr"}, r"none\.zarr"),
        ({"data": "toy-simulator", "devices": 2}, "works with one device"),
        ({"init": "none.safetensors"}, r"none\.safetensors does not exist"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(data, tmp_path, changes, message):
    changes = {"data": data} | changes
    with pytest.raises(gg.GempyGanError, match=message):
        gg.train(plan(changes.pop("data"), tmp_path, **changes))
    assert not (tmp_path / "prior.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": None}, "The training has no end"),
        ({"batch": 0}, "batch = 0"),
        ({"flips": "z"}, "time runs upwards"),
        ({"precision": "int8"}, "'int8' is unknown. Expected one of: auto, bf16-mixed, 32-true"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(data, tmp_path, changes, message):
    with pytest.raises(gg.GempyGanError, match=message):
        plan(data, tmp_path, **changes)


def test_a_prior_that_does_not_learn_is_refused(data, tmp_path):
    with pytest.raises(gg.GempyGanError, match=r"'gaussian' does not learn from training images this way\. .*toy-learner"):
        gg.train(gg.TrainingPlan("gaussian", str(data), tmp_path, steps=1))


def test_card_and_page_tell_what_was_done(data, tmp_path):
    gg.train(plan(data, tmp_path, steps=20))
    gg.train(plan(data, tmp_path, look_minutes=10.0))
    told = json.loads((tmp_path / "card.json").read_text())
    assert (told["steps"], told["boxes"], told["batch"], told["seed"], told["precision"]) == (30, 240, 8, 0, "32-true")
    assert told["data"]["volumes"] == 24
    assert len(told["data"]["sha256"]) == 64
    assert told["data"]["provenance"]["prior"]["class"] == "toy_simulator:ToySimulator"
    assert told["domain"]["labels"][0]["name"] == "width"
    assert told["figures"]["histogram"]["floor"] > 0
    (record,) = told["curve"]
    assert (record["boxes"], record["floors"]["histogram"]) == (240, told["figures"]["histogram"]["floor"])
    assert told["speed"]["conv3d_flop_per_s"] > 1e8
    assert 0 < told["speed"]["share_of_conv3d"] < 1
    assert told["hours"] > 0
    assert gg.load_prior(tmp_path / "prior.safetensors").card["steps"] == 30
    text = (tmp_path / "card.md").read_text()
    assert re.search(rf"\| 240 \| {record['histogram'] / record['floors']['histogram']:.4g} \|", text)
    for part in (
        "24 volumes of the training set set.zarr",
        "30 steps of 8 boxes: 240 boxes seen",
        "torch 2",
        "| histogram |",
        "No full validation",
    ):
        assert part in text
    page = (tmp_path / "page.html").read_text()
    assert page.count("src='data:image/png;base64,") == 2
    assert "http" not in page


@pytest.fixture(scope="module")
def validated(data, tmp_path_factory):
    """A finished training, samples of it, held-out volumes, and what validate says of them."""
    folder = tmp_path_factory.mktemp("validated")
    prior = gg.train(plan(data, folder, steps=3))
    grid = gg.Grid((0, 120, 0, 120, 0, 2), trainings.BOX)
    values = prior.sample(6, torch.Generator().manual_seed(0))
    samples = gg.Ensemble.from_values(grid, prior.properties, values)
    real = gg.read(trainings.training_set(folder / "held-out.zarr", 12, seed=7))
    return folder, samples, real, gg.validate(samples, real, figures=("histogram",))


def test_a_validation_is_added_to_the_card_and_leaves_the_weights(validated, data):
    folder, samples, real, found = validated
    before = (folder / "prior.safetensors").read_bytes()
    add_validation(folder, found, samples, real, "a/held-out.zarr", (gg.read(data), str(data)))
    told = add_validation(folder, found, samples, real, "a/held-out.zarr")
    assert told == json.loads((folder / "card.json").read_text()) == gg.load_prior(folder / "prior.safetensors").card
    assert told["metrics"]["histogram"] == found["histogram"].to_dict()
    assert told["pictures"] == ["validation.png"]
    assert (folder / "validation.png").read_bytes().startswith(b"\x89PNG")
    against = told["validation"]["against"]
    assert (against["source"], against["volumes"]) == ("held-out.zarr", 12)
    assert (against["seed"], against["first"], against["last"]) == (7, 0, 11)
    weights = len(before) - 8 - int.from_bytes(before[:8], "little")  # what follows the header
    assert (folder / "prior.safetensors").read_bytes()[-weights:] == before[-weights:]
    text = (folder / "card.md").read_text()
    for part in (
        "- compared: boxes of 12 x 12 x 4 cells, one cut at random from each volume of 16 x 16 x 4\n",
        "- 6 samples (seed 0) against 12 of the 12 volumes of held-out.zarr (realizations 0 to 11 of seed 7, made by toy_sim",
        "- memorization: not tested",
        "| histogram |",
        "| <= 2.5 x floor |",
        "- validation.png",
    ):
        assert part in text
    assert "No full validation" not in text


def test_where_there_is_no_finished_training_nothing_is_added(validated, tmp_path):
    _, samples, real, found = validated
    with pytest.raises(gg.FormatError, match=r"holds no prior\.safetensors"):
        add_validation(tmp_path / "nowhere", found, samples, real, "held-out.zarr")
    (tmp_path / "prior.safetensors").touch()
    with pytest.raises(gg.FormatError, match="holds no card of a training"):
        add_validation(tmp_path, found, samples, real, "held-out.zarr")
    with alone_in(tmp_path), pytest.raises(gg.GempyGanError, match="Another process is training"):
        add_validation(tmp_path, found, samples, real, "held-out.zarr")


def test_samples_that_are_not_finite_are_no_result(data, tmp_path):
    prior = gg.train(plan(data, tmp_path, steps=2))
    torch.nn.init.constant_(prior.networks["decoder"][0].weight, float("inf"))
    with pytest.raises(gg.GempyGanError, match="not finite"):
        look.draw(prior, 0.0)


def test_operations_are_counted_without_a_trace(data, tmp_path):
    training = engine.Training(plan(data, tmp_path), _boxes(data))
    before = {key: tensor.clone() for key, tensor in training.recipe.networks["encoder"].state_dict().items()}
    values, labels = (torch.from_numpy(part) for part in _boxes(data).batch(0, 8))
    cells, latents = 2 * 12 * 12 * 4, 4
    encode, decode = 2 * 8 * (cells + 3) * latents, 2 * 8 * cells * latents
    assert speed.step_flop(training.recipe, values.float(), labels, 0) == 2 * encode + 3 * decode  # inputs need no gradient
    assert all(torch.equal(before[key], tensor) for key, tensor in training.recipe.networks["encoder"].state_dict().items())
