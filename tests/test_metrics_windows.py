"""Boxes cut from larger volumes, and looked for in them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gempy_gan as gg
from gempy_gan.errors import GridError
from gempy_gan.metrics import Volumes, search
from gempy_gan.metrics.search import Search
from gempy_gan.metrics.windows import box_grid, check_box, corners, cut

WHOLE = (20, 18, 4)


@pytest.fixture
def volumes():
    return np.random.default_rng(0).random((3, 2, *WHOLE)).astype(np.float32)


@given(st.integers(1, 20), st.integers(1, 18), st.integers(0, 9), st.integers(1, 200))
def test_boxes_lie_inside_and_everywhere(nx, ny, seed, count):
    found = corners((nx, ny, 4), WHOLE, count, seed)
    assert found.shape == (count, 2)
    assert (found >= 0).all()
    assert (found + np.array([nx, ny]) <= WHOLE[:2]).all()
    assert (found == corners((nx, ny, 4), WHOLE, count, seed)).all()
    many = corners((nx, ny, 4), WHOLE, 2000, seed)
    assert set(many[:, 0]) == set(range(20 - nx + 1))
    assert set(many[:, 1]) == set(range(18 - ny + 1))


@pytest.mark.parametrize("source", ["array", "ensemble"])
def test_a_box_is_cut_from_each_volume_with_its_time(volumes, source):
    grid = gg.Grid((0, 40, 0, 36, 0, 4), WHOLE)
    given = volumes if source == "array" else gg.Ensemble.from_values(grid, ["coarse_fraction", "deposition_time"], volumes)
    found, whole = Volumes.of(given, 2, seed=3, box=(6, 5, 4)), Volumes.of(given, 2, seed=3)
    places = corners((6, 5, 4), WHOLE, 3, seed=3)
    picked = [k for k in range(3) if any((volumes[k, 0] == v).all() for v in whole.fraction)]
    for i, k in enumerate(picked):
        np.testing.assert_array_equal(found.fraction[i], cut(volumes[k, 0], places[k], (6, 5, 4)))
        np.testing.assert_array_equal(found.time[i], cut(volumes[k, 1], places[k], (6, 5, 4)))
    assert found.digests == whole.digests
    assert len(set(found.digests)) == 2
    assert Volumes.of(given, box=(6, 5, 4), timed=False).time is None


@pytest.mark.parametrize("box", [(21, 5, 4), (5, 19, 4), (5, 5, 3), (5, 5, 8), (0, 5, 4), (5, 5)])
def test_boxes_that_cannot_be_cut(volumes, box):
    with pytest.raises(
        GridError, match=r"the real volumes have 20 x 18 x 4\. Expected boxes no larger in x and y, and equal in z"
    ):
        check_box(box, WHOLE, "real volumes")
    with pytest.raises(GridError, match="equal in z"):
        Volumes.of(volumes, box=box)


def test_a_box_has_the_cells_of_its_volume():
    grid = gg.Grid((100, 300, 0, 90, -2, 0), (20, 18, 4), rotation=20.0)
    found = box_grid(grid, (6, 5, 4))
    assert (found.resolution, found.cell_size) == ((6, 5, 4), grid.cell_size)
    assert box_grid(grid, grid.resolution) is grid


def brute(box, volume, flips):
    """Rms distance of a box to the nearest box of a volume, mirrored or not."""
    versions = [box]
    for axis in flips:
        versions += [np.flip(v, "xy".index(axis)) for v in versions]
    nx, ny = box.shape[:2]
    places = [(i, j) for i in range(volume.shape[0] - nx + 1) for j in range(volume.shape[1] - ny + 1)]
    return min(np.sqrt(np.square(v - cut(volume, place, box.shape)).mean()) for v in versions for place in places)


@pytest.mark.parametrize("flips", [(), ("y",), ("x", "y")])
def test_all_places_are_compared(volumes, flips):
    rng, fraction = np.random.default_rng(1), volumes[:, 0]
    boxes = rng.random((5, 10, 9, 4)).astype(np.float32)
    boxes[1], boxes[2] = fraction[1, 3:13, 5:14], fraction[2, 10:20, 9:18][:, ::-1]
    found = Search(boxes, WHOLE, flips).distances([fraction[:2], fraction[2:]])
    expected = [[brute(box, volume, flips) for volume in fraction] for box in boxes]
    np.testing.assert_allclose(found, np.maximum(expected, search.RESOLVED), atol=1e-4)
    assert found[1, 1] == search.RESOLVED
    assert (found[2, 2] == search.RESOLVED) == ("y" in flips)


def test_large_volumes_are_compared_on_blocks():
    volumes = np.random.default_rng(0).random((2, 131, 140, 8)).astype(np.float32)
    boxes = np.stack([volumes[0, 20:52, 96:128], volumes[1, 99:131, 108:140]])
    looked_for = Search(boxes, (131, 140, 8))
    assert looked_for.blocks == (3, 3, 2)
    found = looked_for.distances([volumes])
    means = volumes[0, :129, :138].reshape(43, 3, 46, 3, 4, 2).mean(axis=(1, 3, 5))
    box = boxes[0, :30, :30].reshape(10, 3, 10, 3, 4, 2).mean(axis=(1, 3, 5))
    assert found[0, 0] == pytest.approx(brute(box, means, ()), abs=1e-4)
    assert Search(volumes[:, :32, :32], (128, 128, 8)).blocks == (2, 2, 2)
    assert found[1, 1] == search.RESOLVED  # it lies on the blocks
