"""Seed and step alone decide which boxes are learned from, however they come about."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import trainings
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_simulator import ToySimulator
from trainings import plan

import gempy_gan as gg
from gempy_gan.files import read_ensemble
from gempy_gan.labels import Label
from gempy_gan.learning import Domain
from gempy_gan.properties import Property
from gempy_gan.training.boxes import check_flips, prefetched, to_half
from gempy_gan.training.ring import Ring
from gempy_gan.training.simulated import SimulatedBoxes, Supply
from gempy_gan.training.sources import open_boxes
from gempy_gan.training.stored import StoredBoxes

POSITION = Label("position", -1.0, 1.0, along="y")
SHAPE = (6, 8, 3)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return trainings.training_set(tmp_path_factory.mktemp("set") / "set.zarr")


@pytest.fixture
def counted():
    """Ten volumes in which cell (i, j) of volume k has the value 64 k + 8 i + j."""
    place = 8 * np.arange(SHAPE[0])[:, None, None] + np.arange(SHAPE[1])[:, None] + np.zeros(SHAPE[2])
    values = (64 * np.arange(10)[:, None, None, None, None] + place).astype(np.float16)
    labels = np.linspace(-0.9, 0.9, 10, dtype=np.float32)[:, None]
    return StoredBoxes(Domain((Property("p"),), SHAPE, (1.0, 1.0, 1.0), (POSITION,)), values, labels, 0)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 10), seed=st.integers(0, 3), passes=st.integers(1, 3))
def test_each_pass_shows_each_volume_once_in_an_order_of_its_own(size, seed, passes):
    values = np.zeros((10, 1, 2, 2, 2), np.float16)
    boxes = StoredBoxes(Domain((Property("p"),), (2, 2, 2), (1.0, 1.0, 1.0)), values, np.zeros((10, 0), np.float32), seed)
    shown = np.concatenate([boxes.choose(step, size) for step in range(-(-10 * passes // size))])[: 10 * passes]
    orders = shown.reshape(passes, 10)
    assert (np.sort(orders, axis=1) == np.arange(10)).all()
    assert len({tuple(order) for order in orders}) == passes


def test_a_step_can_be_repeated_and_needs_no_other_step(data):
    first, second = (open_boxes(plan(data, data.parent, flips="xy")) for _ in range(2))
    batches = [first.batch(step, 5) for step in range(8)]
    for step in (7, 2, 5):
        for mine, theirs in zip(batches[step], second.batch(step, 5), strict=True):
            assert (mine == theirs).all()
    other = open_boxes(plan(data, data.parent, flips="xy", seed=1))
    assert not (other.batch(2, 5)[0] == batches[2][0]).all()


def test_boxes_are_parts_of_volumes_cut_anywhere_in_x_and_y_and_whole_in_z(counted):
    boxes = replace(counted, domain=replace(counted.domain, shape=(4, 5, 3), labels=()), labels=np.zeros((10, 0), np.float32))
    corners = set()
    for step in range(60):
        for box in boxes.batch(step, 10)[0].astype(float):
            number, place = divmod(int(box[0, 0, 0, 0]), 64)
            i, j = divmod(place, 8)
            whole = boxes.values[number].astype(float)
            assert (box == whole[:, i : i + 4, j : j + 5]).all()
            corners.add((i, j))
    assert corners == {(i, j) for i in range(3) for j in range(4)}


@pytest.mark.parametrize("flips", ["", "x", "y", "xy"])
def test_boxes_are_mirrored_along_the_axes_named_in_half_of_the_cases(counted, flips):
    boxes = replace(counted, flips=flips)
    seen = []
    for step in range(40):
        for box, label in zip(*boxes.batch(step, 10), strict=True):
            number = int(box[0, 0, 0, 0]) // 64
            x, y = box[0, 1, 0, 0] < box[0, 0, 0, 0], box[0, 0, 1, 0] < box[0, 0, 0, 0]
            assert label[0] == (-1 if y else 1) * boxes.labels[number, 0]  # a position along y is mirrored, too
            assert (box[:, :: -1 if x else 1, :: -1 if y else 1] == boxes.values[number]).all()
            seen.append((x, y))
    share = np.mean(seen, axis=0)
    assert np.allclose(share, [0.5 * ("x" in flips), 0.5 * ("y" in flips)], atol=0.1)


def test_labels_are_scaled_to_their_ranges(data):
    boxes, ensemble = open_boxes(plan(data, data.parent, labels=("wavelength",))), read_ensemble(data)
    number = int(boxes.choose(0, 1)[0])
    expected = ToySimulator().labels[1].to_scaled(ensemble.labels["wavelength"].iloc[number])
    assert boxes.domain.labels == (ToySimulator().labels[1],)
    assert boxes.batch(0, 1)[1][0, 0] == pytest.approx(float(expected), abs=1e-6)


def test_values_are_kept_in_half_precision(data):
    boxes, ensemble = open_boxes(plan(data, data.parent)), read_ensemble(data)
    assert boxes.values.dtype == np.float16
    assert np.abs(boxes.values.astype(np.float32) - ensemble.values).max() < 5e-4
    with pytest.raises(gg.GempyGanError, match="beyond 65504"):
        to_half(np.array([1e6]), "The training set")
    with pytest.raises(gg.GempyGanError, match="The training set holds values that are not finite"):
        to_half(np.array([np.nan]), "The training set")


def test_a_position_is_lost_in_a_cut_and_no_axis_but_x_and_y_is_mirrored(tmp_path):
    class Placed(ToySimulator):
        labels = (*ToySimulator.labels, Label("offset", -0.5, 0.5, along="y"))

    from gempy_gan.training.boxes import check_positions

    domain = Domain(Placed.properties, (16, 12, 4), (1.0, 1.0, 1.0), Placed.labels)
    with pytest.raises(gg.GempyGanError, match="Label 'offset' says where things lie along y"):
        check_positions(domain, (16, 16, 4))
    check_positions(domain, (20, 12, 4))
    with pytest.raises(gg.GempyGanError, match="Allowed: x, y, xy"):
        check_flips("xz")
    with pytest.raises(gg.GempyGanError, match="a range with 0 in its middle"):
        Label("offset", 0.0, 0.5, along="y")


def test_a_failing_stream_fails_where_it_is_asked(counted):
    counted.labels = counted.labels[:5]
    with pytest.raises(IndexError):
        list(zip(range(30), prefetched(counted, 10, 0, threading.Event()), strict=False))
    assert not [t for t in threading.enumerate() if t.name == "boxes"]


@given(first=st.integers(1, 50), fresh=st.floats(0, 4), keep=st.integers(1, 60), step=st.integers(0, 1000))
def test_the_window_only_moves_forward_and_never_empties(first, fresh, keep, step):
    supply = Supply(first, fresh, keep)
    (start, end), (later_start, later_end) = supply.window(step), supply.window(step + 1)
    assert 0 <= start <= later_start
    assert end <= later_end
    assert min(first, keep) <= end - start <= keep


def made(folder, **changes):
    simulator = ToySimulator()
    domain = Domain(simulator.properties, (12, 12, 4), simulator.cell_size, simulator.labels)
    return SimulatedBoxes(simulator, domain, **({"supply": Supply(12, 0.5, 16), "folder": folder} | changes))


def batches(boxes, steps):
    boxes.seek(steps[0])
    try:
        return [boxes.batch(step, 6) for step in steps]
    finally:
        boxes.close()


def equal(first, second):
    return all((a == b).all() for mine, theirs in zip(first, second, strict=True) for a, b in zip(mine, theirs, strict=True))


def test_simulated_boxes_do_not_depend_on_jobs_or_on_what_is_there_already(tmp_path):
    straight = batches(made(tmp_path / "one"), range(60))
    again = made(tmp_path / "one", jobs=2)
    assert equal(batches(again, range(40, 60)), straight[40:])
    assert again.account()["simulated"] < 20  # those ahead, and what a later volume has overwritten
    ahead = batches(made(tmp_path / "one", jobs=2), range(10, 60))  # their slots are taken by now
    assert equal(ahead, straight[10:])
    assert not equal(batches(made(tmp_path / "other", seed=1), range(2)), straight[:2])


def test_damaged_volumes_are_simulated_again(tmp_path):
    straight = batches(made(tmp_path), range(3))
    with (tmp_path / "values.f16").open("r+b") as file:
        file.seek(2 * 2 * 16 * 16 * 4 + 10)  # in the second volume
        file.write(b"damage")
    again = made(tmp_path)
    assert equal(batches(again, range(3)), straight)
    assert again.account()["simulated"] >= 1


def test_a_volume_of_the_ring_is_there_until_a_later_one_takes_its_slot(tmp_path):
    ring = Ring(tmp_path, 4, (1, 2, 2, 2), 1)
    ring.open()
    for number in range(6):
        ring.write(number, np.full((1, 2, 2, 2), number, np.float16), np.array([number / 2], np.float32))
    ring.close()
    again = Ring(tmp_path, 4, (1, 2, 2, 2), 1)
    again.open(2)
    assert [number for number in range(8) if again.holds(number)] == [2, 3, 4, 5]
    values, labels = again.read(4)
    assert (values == 4).all()
    assert labels == [2.0]
    again.close()
    earlier = Ring(tmp_path, 4, (1, 2, 2, 2), 1)
    earlier.open(1)  # number 5 lies where number 1 is wanted
    assert [number for number in range(8) if earlier.holds(number)] == [2, 3, 4]
    earlier.close()


def test_a_disk_that_refuses_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(gg.FormatError, match=r"The simulated volumes in .* cannot be kept"):
        Ring(tmp_path / "file" / "ring", 4, (1, 2, 2, 2), 1).open()


def test_a_simulation_that_fails_is_named(tmp_path):
    boxes = made(tmp_path)
    boxes.simulator = ToySimulator(broken=1)
    with pytest.raises(gg.GempyGanError, match=r"Simulation 4294967296 .*The channel left the box"):
        batches(boxes, range(1))
