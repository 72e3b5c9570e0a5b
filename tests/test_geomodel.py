import copy

import numpy as np
import pytest
import structural_models as models

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.geomodel import from_gempy, load_gempy, save_gempy, to_gempy
from gempy_gan.grid import Grid
from gempy_gan.properties import Property


@pytest.fixture(scope="module")
def folded():
    model = models.folded_model()
    models.quietly(models.gempy().compute_model, model)
    return model


@pytest.fixture(scope="module")
def rotated():
    model = models.rotated_model()
    models.quietly(models.gempy().compute_model, model)
    return model


def check_cells(grid: Grid, unit_of, number: int) -> None:
    """Every cell further than 8 m from a surface is active exactly when the surfaces' own formula says so.

    GemPy knows the fold at five points across only, and its surface leaves the cosine by up to 6 m between them.
    """
    centres = grid.centres().reshape(-1, 3)
    near = np.array([0, 0, 8])
    sure = unit_of(centres + near) == unit_of(centres - near)
    assert sure.mean() > 0.8
    np.testing.assert_array_equal(grid.active_cells.ravel()[sure], (unit_of(centres) == number)[sure])


def test_own_grid_repeats_the_models_block(folded):
    grid = from_gempy(folded, "Reservoir")
    assert grid.extent == models.EXTENT
    assert grid.resolution == (16, 12, 20)
    assert grid.rotation == 0.0
    np.testing.assert_array_equal(grid.active_cells, folded.solutions.raw_arrays.dense_ids == 2)
    np.testing.assert_allclose(grid.centres().reshape(-1, 3), folded.grid.regular_grid.values)


def test_unit_box_fits_the_fold(folded):
    grid = from_gempy(folded, "Reservoir", resolution=(24, 8, 20), frame="box")
    z0, z1 = grid.extent[4:]
    assert grid.extent[:4] == models.EXTENT[:4]
    assert z0 == pytest.approx(models.RESERVOIR_BASE - models.AMPLITUDE, abs=20)
    assert z1 == pytest.approx(models.COVER_BASE + models.AMPLITUDE, abs=20)
    check_cells(grid, models.unit_of_fold, 2)


def test_basement_and_cover_are_units_too(folded):
    for number, unit in ((1, "Cover"), (3, "basement")):
        grid = from_gempy(folded, unit, resolution=(10, 4, 40), extent=models.EXTENT, frame="box")
        check_cells(grid, models.unit_of_fold, number)


def test_fault_offsets_the_unit():
    grid = from_gempy(models.faulted_model((20, 4, 50)), "Reservoir")
    check_cells(grid, models.unit_of_fault, 2)
    top = grid.active_cells.any(axis=1).argmax(axis=1)
    assert (top[:10] > top[10:]).all()  # the eastern block lies deeper


def test_elements_named_in_the_wrong_order_are_found_by_name():
    model = models.folded_model((10, 4, 40), reverse=True)
    check_cells(from_gempy(model, "Reservoir"), models.unit_of_fold, 2)
    assert [e.name for e in model.structural_frame.structural_elements][:2] == ["Reservoir", "Cover"]  # untouched


def test_more_units_than_a_lith_block_can_count():
    model = models.many_layers(140)
    depth = -900 * np.array([134, 133]) / 140
    grid = from_gempy(model, "L133")
    np.testing.assert_array_equal(np.unique(np.argwhere(grid.active_cells)[:, 2]).size, 2 * 280 / 280)
    z = grid.axis(2)
    np.testing.assert_array_equal(grid.active_cells[1, 1], (z > depth[0]) & (z < depth[1]))


def test_rotated_grid_lies_where_gempy_puts_it(rotated):
    grid = from_gempy(rotated, "Reservoir")
    assert grid.rotation == pytest.approx(30.0)
    np.testing.assert_allclose(grid.centres().reshape(-1, 3), rotated.grid.regular_grid.values, atol=1e-6)
    np.testing.assert_array_equal(grid.active_cells, rotated.solutions.raw_arrays.dense_ids == 2)


def test_rotated_unit_box_is_turned_about_its_own_corner(rotated):
    grid = from_gempy(rotated, "Reservoir", resolution=(20, 12, 30), frame="box")
    check_cells(grid, models.unit_of_fold, 2)
    x0, x1, y0, y1, z0, z1 = grid.extent
    part = np.array([[0.25, 0.5], [0.5, 1.0]]) * [[x1 - x0], [y1 - y0]]
    corner = grid.frame.to_model([[0.25, 0.5, 0.0]])[0]
    extent = (corner[0], corner[0] + np.ptp(part[0]), corner[1], corner[1] + np.ptp(part[1]), z0, z1)
    cut = from_gempy(rotated, "Reservoir", resolution=(5, 6, 30), extent=extent, frame="box")
    check_cells(cut, models.unit_of_fold, 2)
    np.testing.assert_array_equal(cut.active_cells, grid.active_cells[5:10, 6:])
    np.testing.assert_allclose(cut.centres(), grid.centres()[5:10, 6:], atol=1e-6)


def test_model_is_left_as_it_was(folded):
    ids = folded.solutions.raw_arrays.dense_ids.copy()
    solutions, grids, points = folded.solutions, folded.grid.active_grids, folded.grid.values.copy()
    options = copy.deepcopy(folded.interpolation_options.evaluation_options)
    from_gempy(folded, "Reservoir", resolution=(4, 4, 4), extent=models.EXTENT, frame="box")
    assert folded.solutions is solutions
    assert folded.grid.active_grids == grids
    assert folded.interpolation_options.evaluation_options == options
    np.testing.assert_array_equal(folded.grid.values, points)
    np.testing.assert_array_equal(folded.solutions.raw_arrays.dense_ids, ids)


@pytest.fixture
def torch_engine():
    """GemPy's torch engine, which replaces functions of torch; torch is put back afterwards."""
    import torch
    from gempy_engine.config import AvailableBackends
    from gempy_engine.core.backend_tensor import BackendTensor

    before = dict(vars(torch))
    models.quietly(BackendTensor.change_backend_gempy, AvailableBackends.PYTORCH, dtype="float32")
    yield BackendTensor
    models.quietly(BackendTensor.change_backend_gempy, AvailableBackends.numpy)
    torch.set_grad_enabled(True)
    for name, value in before.items():
        setattr(torch, name, value)


def test_torch_engine_is_set_back_as_it_was(folded, torch_engine):
    import torch
    from gempy_engine.config import AvailableBackends

    torch.set_grad_enabled(True)
    grid = from_gempy(folded, "Reservoir", resolution=(10, 4, 20), extent=models.EXTENT, frame="box")
    check_cells(grid, models.unit_of_fold, 2)
    assert torch_engine.engine_backend == AvailableBackends.PYTORCH
    assert torch_engine.dtype == "float32"
    assert torch.is_grad_enabled()


@pytest.mark.usefixtures("torch_engine")
def test_inversion_beside_the_torch_engine():
    import torch

    from gempy_gan.constraints import Constraints, HardData
    from gempy_gan.inversion import invert, sample
    from gempy_gan.plain_torch import plain_torch

    replaced = torch.zeros
    with pytest.raises(TypeError):
        torch.zeros(1, 2, 3, 4)
    with plain_torch():
        assert torch.zeros(1, 2, 3, 4).shape == (1, 2, 3, 4)
    grid = Grid((0, 80, 0, 60, -8, 0), (8, 6, 4))
    known = Constraints(grid, HardData([[1, 1, 0]], [1.0], 0.05, "porosity"))
    assert abs(invert("gaussian", known, n=4).values[:, 0, 1, 1, 0].mean() - 1) < 0.2
    assert len(sample("gaussian", grid, n=2)) == 2
    assert torch.zeros is replaced


def test_octree_model_is_evaluated_densely():
    gp = models.gempy()
    model = models.folded_model()
    model.grid = gp.data.Grid.init_octree_grid(list(models.EXTENT), 3)
    grid = from_gempy(model, "Reservoir")
    assert grid.resolution == tuple(model.grid.octree_grid.resolution)
    check_cells(grid, models.unit_of_fold, 2)


def test_cells_above_the_topography_are_not_active():
    gp = models.gempy()
    model = models.folded_model()
    x, y = np.meshgrid([0.0, 1000.0, 2000.0], [0.0, 800.0, 1600.0], indexing="ij")
    hill = np.column_stack([x.ravel(), y.ravel(), -250 + 0.1 * x.ravel()])
    models.quietly(gp.set_topography_from_arrays, model.grid, hill)
    grid = from_gempy(model, "Cover", resolution=(10, 4, 25), extent=models.EXTENT, frame="box")
    centres = grid.centres()
    surface = np.interp(centres[..., 0], model.grid.topography.values_2d[:, 0, 0], model.grid.topography.values_2d[:, 0, 2])
    assert not grid.active_cells[centres[..., 2] > surface].any()
    assert grid.active_cells[(centres[..., 2] < surface) & (centres[..., 2] > -200)].all()


def test_unknown_elements_and_faults_are_refused(folded):
    with pytest.raises(GempyGanError, match=r"no element 'Rerservoir'. Its units are: Cover, Reservoir, basement"):
        from_gempy(folded, "Rerservoir")
    with pytest.raises(GempyGanError, match=r"'Fault' is a fault .* Its units are: Cover, Reservoir, basement"):
        from_gempy(models.faulted_model(), "Fault")


def test_places_without_the_unit_are_refused(folded):
    with pytest.raises(GridError, match="No cell centre"):
        from_gempy(folded, "Reservoir", resolution=(4, 4, 4), extent=(0, 100, 0, 100, -1000, -900))
    with pytest.raises(GridError, match=r"leaves the model, which covers \(0.0, 2000.0"):
        from_gempy(folded, "Reservoir", resolution=(4, 4, 4), extent=(0, 2100, 0, 100, -1000, -900))
    with pytest.raises(GridError, match="without a resolution"):
        from_gempy(folded, "Reservoir", extent=(0, 100, 0, 100, -1000, -900))
    with pytest.raises(GridError, match="positive whole numbers"):
        from_gempy(folded, "Reservoir", resolution=(4, 4, 0))


def test_models_that_gempy_cannot_compute_say_so():
    model = models.folded_model()
    gp = models.gempy()
    empty = gp.data.OrientationsTable.initialize_empty()
    for element in model.structural_frame.structural_groups[0].elements:
        element.orientations = empty
    with pytest.raises(GempyGanError, match="cannot compute the model"):
        from_gempy(model, "Reservoir")


def test_saved_models_are_loaded_as_they_were(tmp_path):
    model = models.folded_model((6, 5, 20))
    loaded = load_gempy(save_gempy(model, tmp_path / "fold.gempy"))
    assert from_gempy(loaded, "Reservoir") == from_gempy(model, "Reservoir")


def test_files_that_are_no_models_say_so(tmp_path):
    (tmp_path / "fold.gempy").write_bytes(b"PK, or so it seems")
    with pytest.raises(FormatError, match="is no GemPy model"):
        load_gempy(tmp_path / "fold.gempy")
    with pytest.raises(FormatError, match="does not exist"):
        load_gempy(tmp_path / "other.gempy")


def ramp(grid: Grid) -> Ensemble:
    """Two realizations that say where each cell is: easting + 10 * northing + 100 * height, and its negative."""
    centres = grid.centres()
    values = centres @ [1.0, 10.0, 100.0]
    return Ensemble.from_values(grid, [Property("place"), Property("half")], np.stack([[values, values / 2], [-values, -values]]))


def test_array_has_the_models_cells_and_nothing_outside_the_unit(folded):
    grid = from_gempy(folded, "Reservoir")
    block = to_gempy(ramp(grid), folded)
    centres = folded.grid.regular_grid.values.reshape(16, 12, 20, 3)
    np.testing.assert_array_equal(np.isnan(block), folded.solutions.raw_arrays.dense_ids != 2)
    inside = ~np.isnan(block)
    np.testing.assert_allclose(block[inside], (centres @ [1.0, 10.0, 100.0])[inside], rtol=1e-6)
    np.testing.assert_array_equal(to_gempy(ramp(grid), folded, realization=-1, property="half")[inside], -block[inside])


def test_rotated_array_takes_the_nearest_cell(rotated):
    extent = (500, 1500, 100, 700, -640, -260)
    grid = from_gempy(rotated, "Reservoir", resolution=(25, 15, 20), extent=extent, frame="box")
    block = to_gempy(ramp(grid), rotated)
    inside = ~np.isnan(block)
    assert inside.sum() > 0.8 * (rotated.solutions.raw_arrays.dense_ids == 2).sum()
    centres = rotated.grid.regular_grid.values.reshape(16, 10, 20, 3)
    error = np.abs(block - centres @ [1.0, 10.0, 100.0])[inside]
    half = np.array(grid.cell_size) / 2
    assert error.max() <= np.hypot(half[0], half[1]) * np.hypot(1, 10) + half[2] * 100 + 0.01


def test_ensembles_elsewhere_are_refused(folded):
    far = Grid((5000, 5100, 0, 100, -500, -400), (2, 2, 2))
    with pytest.raises(GridError, match="overlap, in the same coordinates"):
        to_gempy(ramp(far), folded)
    with pytest.raises(GempyGanError, match="Realization 2"):
        to_gempy(ramp(from_gempy(folded, "Reservoir")), folded, realization=2)
    with pytest.raises(GempyGanError, match="no property 'phi'"):
        to_gempy(ramp(from_gempy(folded, "Reservoir")), folded, property="phi")


def test_gempy_viewer_draws_the_array(folded):
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.use("Agg")
    import gempy_viewer as viewer

    block = to_gempy(ramp(from_gempy(folded, "Reservoir")), folded)
    drawn = viewer.plot_2d(
        folded,
        direction=["x", "y", "z"],
        cell_number=[5, 6, 10],
        override_regular_grid=block,
        show=False,
        show_data=False,
        legend=False,
        kwargs_lithology={"cmap": "viridis", "norm": plt.Normalize(np.nanmin(block), np.nanmax(block))},
    )
    images = [np.ma.filled(image.get_array(), np.nan) for ax in drawn.fig.axes for image in ax.get_images()]
    plt.close(drawn.fig)
    for image, expected in zip(images, (block[5], block[:, 6], block[:, :, 10]), strict=True):
        np.testing.assert_array_equal(image, expected.T)  # rows are the second axis, upwards
