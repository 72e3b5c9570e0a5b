import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gempy_gan.errors import GridError
from gempy_gan.frame import Frame
from gempy_gan.grid import Grid
from gempy_gan.unit_frame import frame_from_dict

sizes = st.tuples(*[st.integers(1, 6)] * 3)
corners = st.tuples(*[st.floats(-1e6, 1e6)] * 3)
edges = st.tuples(*[st.floats(0.5, 5e4)] * 3)


@st.composite
def grids(draw):
    low, size = draw(corners), draw(edges)
    extent = [value for k in range(3) for value in (low[k], low[k] + size[k])]
    return Grid(tuple(extent), draw(sizes), rotation=draw(st.floats(-180, 180)))


@given(grids())
def test_every_centre_lies_in_its_own_cell(grid):
    index = np.indices(grid.resolution).reshape(3, -1).T
    assert np.array_equal(grid.cells(grid.centres().reshape(-1, 3)), index)


@given(grids())
def test_a_grid_survives_its_dict(grid):
    assert Grid.from_dict(grid.to_dict()) == grid


@given(grids(), st.lists(st.tuples(*[st.floats(-2, 3)] * 3), min_size=1, max_size=5))
def test_the_frame_maps_there_and_back(grid, points):
    uvt = np.array(points)
    assert np.allclose(grid.frame.to_box(grid.frame.to_model(uvt)), uvt, atol=1e-6)


def test_rotation_is_anticlockwise_about_the_corner():
    grid = Grid((10, 14, 20, 22, 0, 1), (4, 2, 1), rotation=90)
    assert np.allclose(grid.xyz([[0, 0, 0]]), [[9.5, 20.5, 0.5]])
    assert np.allclose(grid.xyz([[3, 0, 0]]), [[9.5, 23.5, 0.5]])


def test_faces_belong_to_the_upper_cell_and_outer_faces_to_the_grid():
    grid = Grid((0, 2, 0, 2, 0, 2), (2, 2, 2))
    points = [[0, 0, 0], [1, 1, 1], [2, 2, 2], [2.0001, 1, 1], [np.nan, 1, 1]]
    assert grid.cells(points).tolist() == [[0, 0, 0], [1, 1, 1], [1, 1, 1], [-1, -1, -1], [-1, -1, -1]]


def test_box_coordinates_of_a_plain_box():
    frame = Frame((100.0, 200.0, 0.0, 50.0, -10.0, 10.0))
    assert np.allclose(frame.to_box([[150.0, 25.0, -10.0]]), [[0.5, 0.5, 0.0]])
    assert frame_from_dict(frame.to_dict()) == frame


@pytest.mark.parametrize(
    ("extent", "resolution", "said"),
    [
        ((0, 1, 0, 1, 0), (1, 1, 1), "six finite numbers"),
        ((0, 1, 0, 1, 0, np.nan), (1, 1, 1), "six finite numbers"),
        ((0, 1, 0, 1, 0, -1), (1, 1, 1), "z0 < z1"),
        ((0, 1, 0, 1, 0, 1), (1, 1), "three positive whole numbers"),
        ((0, 1, 0, 1, 0, 1), (1, 0, 1), "three positive whole numbers"),
        ((0, 1, 0, 1, 0, 1), (1, 1.5, 1), "three positive whole numbers"),
    ],
)
def test_an_impossible_grid_is_refused(extent, resolution, said):
    with pytest.raises(GridError, match=said):
        Grid(extent, resolution)


def test_active_cells_are_checked_and_compared():
    box = Grid((0, 1, 0, 1, 0, 1), (2, 1, 1))
    with pytest.raises(GridError, match="shape"):
        box.with_active(np.ones((1, 1, 1)))
    with pytest.raises(GridError, match="no active cell"):
        box.with_active(np.zeros((2, 1, 1)))
    half = box.with_active([[[True]], [[False]]])
    assert half != box
    assert half == box.with_active([[[True]], [[False]]])
    assert box == box.with_active(np.ones((2, 1, 1)))


def test_cell_indices_outside_are_named():
    with pytest.raises(GridError, match=r"1 of 2 cell indices.*\(0, 5, 0\)"):
        Grid((0, 1, 0, 1, 0, 1), (2, 2, 2)).check_cells(np.array([[0, 0, 0], [0, 5, 0]]))
