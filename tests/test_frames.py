"""Frames of units against analytic folds, dips, faults, erosion and wedges; wells and seismic through them; what they refuse."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import structural_models as models
import torch

from gempy_gan import Grid, block, forward, from_gempy, invert, resample, to_gempy
from gempy_gan.constraints import Constraints, HardData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GempyGanWarning, GridError
from gempy_gan.files import read, write
from gempy_gan.frame_fit import fit_frame
from gempy_gan.gempy_model import Fields, evaluate
from gempy_gan.inversion import digest
from gempy_gan.observations import read_constraints, write_constraints
from gempy_gan.properties import Property
from gempy_gan.seismic import SeismicCube
from gempy_gan.unit_frame import ScalarFrame, SurfaceFrame
from gempy_gan.wells import WellLog

CELLS = (20, 12, 10)
CUT = -380.0


def dip(xyz, depth):
    return depth - 0.15 * xyz[:, 0] - 0.05 * xyz[:, 1]


def wedge(xyz):
    return -550 - 0.075 * xyz[:, 0]


def thrown(xyz, depth):
    return models.fold(xyz, depth) - np.where(xyz[:, 0] > models.FAULT_X, models.THROW, 0.0)


def flat(depth):
    return lambda xyz: np.full(len(xyz), depth)


def basin(top, base, oriented=True, **known):
    return models.group_of("Basin", models.bed("Cover", top, **known), models.bed("Reservoir", base, oriented, **known))


CASES = {
    "fold": (models.folded_model, lambda p: (p[:, 2] - models.fold(p, -600)) / 300),
    "dip": (
        lambda: models.model_of("dip", basin(lambda p: dip(p, -200), lambda p: dip(p, -450))),
        lambda p: (p[:, 2] - dip(p, -450)) / 250,
    ),
    "faulted fold": (
        lambda: models.model_of(
            "faulted", models.fault_group(), basin(lambda p: thrown(p, -300), lambda p: thrown(p, -600), nx=8)
        ),
        lambda p: (p[:, 2] - thrown(p, -600)) / 300,
    ),
    "erosion": (
        lambda: models.model_of(
            "cut",
            models.group_of("Young", models.bed("Young", flat(CUT))),
            basin(lambda p: dip(p, -200), lambda p: dip(p, -450)),
        ),
        lambda p: (p[:, 2] - dip(p, -450)) / 250,
    ),
    "wedge": (
        lambda: models.model_of("wedge", basin(flat(-400.0), wedge, ny=4)),
        lambda p: (p[:, 2] - wedge(p)) / (-400 - wedge(p)),
    ),
}


@pytest.fixture(scope="module")
def made():
    """The models and their framed grids, each made when first asked for."""
    kept = {}

    def make(name):
        if name not in kept:
            model = CASES[name][0]()
            with warnings.catch_warnings():
                warnings.simplefilter("error" if name != "wedge" else "ignore", GempyGanWarning)
                kept[name] = model, from_gempy(model, "Reservoir", CELLS, extent=models.EXTENT)
        return kept[name]

    return make


def inside(truth, n=4000, low=0.0, high=1.0):
    """Random points of the model with a true t between low and high, and that t."""
    e = models.EXTENT
    points = np.random.default_rng(0).uniform(e[0::2], e[1::2], (n, 3))
    t = truth(points)
    return points[(t > low) & (t < high)], t[(t > low) & (t < high)]


@pytest.mark.parametrize(
    ("name", "mean", "largest"),
    [("fold", 0.008, 0.026), ("dip", 1e-5, 1e-5), ("faulted fold", 0.008, 0.028), ("erosion", 1e-5, 1e-5), ("wedge", 0.03, 0.1)],
)
def test_t_is_the_place_between_base_and_top(made, name, mean, largest):
    grid, truth = made(name)[1], CASES[name][1]
    points, t = inside(truth)
    box = grid.frame.to_box(points)
    error = np.abs(box[:, 2] - t)
    print(f"{name}: |t - p| mean {error.mean():.4f}, max {error.max():.4f}")
    assert error.mean() < mean
    assert error.max() < largest
    np.testing.assert_allclose(box[:, :2], points[:, :2] / [2000, 1600])
    assert grid.cell_size[:2] == pytest.approx((100, 1600 / 12))
    assert grid.cell_size[2] == pytest.approx(np.mean(grid.frame.quality["thickness"][1]) / 10)


@pytest.mark.parametrize("name", [name for name in CASES if name != "faulted fold"])
def test_frames_map_there_and_back(made, name):
    grid = made(name)[1]
    uvt = np.random.default_rng(1).uniform(-0.2, 1.2, (3000, 3))
    there = grid.frame.to_model(uvt)
    np.testing.assert_allclose(grid.frame.to_box(there), uvt, atol=2e-4)
    index = np.indices(grid.resolution).reshape(3, -1).T
    np.testing.assert_array_equal(grid.cells(grid.centres().reshape(-1, 3)), index)
    assert np.isnan(grid.frame.to_box([[0, 0, np.nan]])).all()
    assert np.isnan(grid.frame.to_model([[np.inf, 0, 0]])).all()
    faces = grid.xyz(np.stack([[3] * 11, [4] * 11, np.arange(11) - 0.5], axis=1))
    assert (np.ptp(faces[:, :2], axis=0) == 0).all()  # columns are vertical
    assert (np.diff(faces[:, 2]) > 0).all()


def test_cells_outside_the_unit_are_not_active_and_erosion_keeps_the_layers(made):
    grid = made("erosion")[1]
    z = grid.centres()[..., 2]
    sure = np.abs(z - CUT) > 0.1
    np.testing.assert_array_equal(grid.active_cells[sure], (z < CUT)[sure])
    assert 0.05 < (z > CUT).mean() < 0.4
    assert made("fold")[1].active_cells.all()


def test_both_sides_of_a_fault_are_told_apart(made):
    model, grid = made("faulted fold")
    points, t = inside(CASES["faulted fold"][1], low=0.1, high=0.9)
    near = np.abs(points[:, 0] - models.FAULT_X) < 50  # half a cell
    assert near.sum() > 30
    assert np.abs(grid.frame.to_box(points[near])[:, 2] - t[near]).max() < 0.03
    west = grid.frame.blocks(points) == grid.frame.blocks([[0, 0, -500]])
    np.testing.assert_array_equal(west, points[:, 0] < models.FAULT_X)
    fields = evaluate(model, "Reservoir", points)
    s = (fields.scalar - fields.base) / (fields.top - fields.base)
    assert np.abs(grid.frame.to_box(points)[:, 2] - s).max() < 0.005
    np.testing.assert_allclose(grid.frame.to_box(grid.frame.to_model(grid.frame.to_box(points)))[:, 2], s, atol=0.005)


def test_rotated_grids_have_rotated_frames():
    model = models.rotated_model()
    grid = from_gempy(model, "Reservoir", (8, 6, 5))
    assert grid.rotation == pytest.approx(30)
    points = grid.frame.to_model(np.random.default_rng(2).random((500, 3)))
    error = grid.frame.to_box(points)[:, 2] - CASES["fold"][1](points)
    assert np.abs(error).max() < 0.026
    assert grid.active_cells.all()


def test_the_bad_wedge_falls_back_and_says_so():
    model = models.model_of("bad", basin(flat(-300.0), lambda p: -310 - 0.3 * p[:, 0], oriented=False))
    model.structural_frame.structural_groups[0].elements[
        1
    ].orientations = models.gempy().data.OrientationsTable.initialize_empty()
    with pytest.warns(GempyGanWarning) as said:
        grid = from_gempy(model, "Reservoir", (6, 5, 4), extent=models.EXTENT)
    messages = [str(one.message) for one in said]
    assert any("turns around in" in text and '"column" instead' in text for text in messages)
    assert grid.frame.mode == "column"
    assert grid.frame.quality["asked"] == "scalar"
    assert grid.frame.quality["monotone_share"] < 0.5
    heights = grid.xyz(np.stack([[2] * 5, [2] * 5, np.arange(5) - 0.5], axis=1))[:, 2]
    np.testing.assert_allclose(np.diff(heights), np.diff(heights)[0], rtol=1e-3)


def test_units_without_top_or_base_need_a_thickness(made):
    model = made("fold")[0]
    with pytest.raises(GempyGanError, match=r"'Cover' has no top .*frame=.distance"):
        from_gempy(model, "Cover", (4, 4, 4), extent=models.EXTENT)
    with pytest.raises(GempyGanError, match="needs a thickness"):
        from_gempy(model, "Cover", (4, 4, 4), extent=models.EXTENT, frame="distance")
    with pytest.raises(GempyGanError, match='belongs to the frame "distance"'):
        from_gempy(model, "Reservoir", (4, 4, 4), extent=models.EXTENT, thickness=5.0)
    with pytest.raises(GempyGanError, match="The frame is 'skalar'"):
        from_gempy(model, "Reservoir", (4, 4, 4), frame="skalar")
    with pytest.raises(GridError, match="without a resolution"):
        from_gempy(model, "Reservoir", frame="scalar")
    points = np.random.default_rng(3).uniform([0, 0, 0], [2000, 1600, 1], (200, 3))
    for unit, share in (("Cover", (0.0, -300.0)), ("basement", (1.0, -600.0))):
        grid = from_gempy(model, unit, (6, 5, 4), extent=models.EXTENT, frame="distance", thickness=200.0)
        surface = points.copy()
        surface[:, 2] = models.fold(points, share[1])
        assert np.abs(grid.frame.to_box(surface)[:, 2] - share[0]).max() < 8 / 200
        assert grid.cell_size[2] == pytest.approx(50)
        assert grid.active_cells.all()


def asked(scalar, sides=None, faults=()):
    """What a made-up model answers: its scalar field and the fields of its faults as functions of points."""

    def answer(points):
        s, f = scalar(points), np.array([side(points) for side in sides or ()]).reshape(-1, len(points))
        unit = (s > 0) & (s < 1)
        return Fields(unit, np.ones_like(unit), s, 0.0, 1.0, f, tuple(faults), np.zeros((len(f), len(f)), dtype=bool))

    return answer


BOX = (0.0, 1000.0, 0.0, 800.0, -200.0, 50.0)


def test_a_normal_fault_leaves_a_gap_and_a_reverse_one_repeats():
    def side(p):
        return p[:, 0] - 500 - p[:, 2] * 0.5

    for throw in (30.0, -30.0):
        answer = asked(lambda p, throw=throw: (p[:, 2] + 100 + throw * (side(p) > 0)) / 50, [side], ["F"])
        frame, _ = fit_frame(answer, BOX, (10, 8, 5), "scalar", None, "A")
        points = np.random.default_rng(0).uniform(BOX[0::2], BOX[1::2], (3000, 3))
        np.testing.assert_allclose(frame.to_box(points)[:, 2], answer(points).scalar, atol=1e-4)
        uvt = np.random.default_rng(1).random((3000, 3))
        back = frame.to_box(frame.to_model(uvt))[:, 2]
        lost = np.abs(back - uvt[:, 2]) > 1e-4
        assert (0.005 < lost.mean() < 0.1) if throw < 0 else not lost.any(), throw


def test_finite_faults_are_refused():
    def side(p):
        return p[:, 0] - 503.0

    answer = asked(lambda p: (p[:, 2] + 100 + 20 * (side(p) > 0) * p[:, 1] / 800) / 50, [side], ["Short"])
    with pytest.raises(GempyGanError, match=r"'Short' varies by .* finite fault"):
        fit_frame(answer, BOX, (10, 8, 5), "scalar", None, "A")


def test_a_few_columns_that_turn_around_are_replaced():
    def scalar(p):
        bump = 3.0 * np.exp(-(((p[:, 0] - 100) / 60) ** 2) - ((p[:, 1] - 100) / 60) ** 2)
        return (p[:, 2] + 100) / 50 - bump * np.sin(2 * np.pi * (p[:, 2] + 100) / 50)

    with pytest.warns(GempyGanWarning, match=r"turns around in \d+ of \d+ columns: there the frame is proportional"):
        frame, _ = fit_frame(asked(scalar), BOX, (10, 8, 5), "scalar", None, "A")
    assert isinstance(frame, ScalarFrame)
    assert 0.9 < frame.quality["monotone_share"] < 1
    uvt = np.random.default_rng(1).random((2000, 3))
    np.testing.assert_allclose(frame.to_box(frame.to_model(uvt)), uvt, atol=1e-4)


def test_columns_are_proportional_between_base_and_top():
    def scalar(p):
        return np.expm1((p[:, 2] + 100) / (20 + 0.06 * p[:, 0])) / np.expm1(1)

    frame, _ = fit_frame(asked(scalar), BOX, (10, 8, 5), "column", None, "A")
    assert isinstance(frame, SurfaceFrame)
    points = np.random.default_rng(0).uniform([0, 0, -100], [1000, 800, -60], (1000, 3))
    np.testing.assert_allclose(frame.to_box(points)[:, 2], (points[:, 2] + 100) / (20 + 0.06 * points[:, 0]), atol=0.01)


def test_framed_grids_survive_files_and_dicts(made, tmp_path):
    column = fit_frame(asked(lambda p: (p[:, 2] + 100) / 50), BOX, (3, 2, 4), "column", None, "A")[0]
    for grid in (made("faulted fold")[1], Grid(BOX, (3, 2, 4), frame=column)):
        again = Grid.from_dict(json.loads(json.dumps(grid.to_dict(packed=True))), grid.active)
        assert again == grid
        assert again.frame.quality == json.loads(json.dumps(grid.frame.quality))
        values = np.random.default_rng(0).random((2, 1, *grid.resolution))
        ensemble = Ensemble.from_values(grid, ["porosity"], values)
        for name in ("e.zarr", "e.nc"):
            target = tmp_path / f"{grid.resolution[0]}-{name}"
            write(ensemble, target)
            assert read(target).grid == grid
        known = Constraints(grid, HardData([[0, 0, 0]], [1.0], 0.1, "porosity"))
        assert read_constraints(write_constraints(known, tmp_path / f"{grid.resolution[0]}.nc")).grid == grid
    with pytest.raises(GridError, match="lacks its arrays"):
        Grid.from_dict(grid.to_dict())
    assert column != made("fold")[1].frame
    with pytest.raises(GempyGanError, match="starts with 'frame_'"):
        Ensemble.from_values(grid, ["frame_t"], values)


def test_runs_tell_frames_apart():
    column = fit_frame(asked(lambda p: (p[:, 2] + 100) / 50), BOX, (3, 2, 4), "column", None, "A")[0]
    other = replace(column, base=column.base - np.float32(0.5))
    known = [
        Constraints(Grid(BOX, (3, 2, 4), frame=frame), HardData([[0, 0, 0]], [1.0], 0.1, "porosity")) for frame in (column, other)
    ]
    assert column.to_dict() == other.to_dict()
    assert digest(known[0]) != digest(known[1])


def deviated(name="D-1", n=400):
    """A deviated well through the fold's crest and flank, with its true t as a log."""
    md = np.linspace(0, 1200, n)
    path = pd.DataFrame({"md": md, "x": 150 + 0.9 * md, "y": 300 + 0.5 * md, "z": -150 - 0.4 * md})
    log = pd.DataFrame({"T": CASES["fold"][1](path[["x", "y", "z"]].to_numpy())}, index=md)
    return WellLog(name, log, trajectory=path)


def test_a_deviated_well_falls_into_the_cells_of_its_true_place(made):
    grid, well = made("fold")[1], deviated()
    place = np.column_stack([well.xyz(well.md)[:, :2] / [2000, 1600], well.curves["T"]]) * CELLS
    unit = (place[:, 2] > 0) & (place[:, 2] < CELLS[2])
    found = grid.frame.to_box(well.xyz(well.md[unit])) * CELLS
    assert unit.sum() > 200
    assert np.abs(found - place[unit]).max() < 0.5
    data = block(well, grid, "T", "t", std=0.001)
    centre = (data.cells[:, 2] + 0.5) / CELLS[2]
    assert np.abs(data.values - centre).max() < 0.5 / CELLS[2] + 0.026
    true_cells = {tuple(cell) for cell in np.floor(place[unit]).astype(int)}
    assert len({tuple(cell) for cell in data.cells} & true_cells) > 0.75 * len(true_cells)


def test_a_realization_comes_back_where_the_unit_is(made):
    model, grid = made("fold")
    layers = np.broadcast_to(np.arange(CELLS[2]) // 2, CELLS)
    ensemble = Ensemble.from_values(grid, [Property("zone")], layers[None, None].astype(float))
    array = to_gempy(ensemble, model)
    centres = model.grid.regular_grid.values
    t = CASES["fold"][1](centres).reshape(array.shape)
    border = np.abs(t * 5 - np.rint(t * 5)) < 0.15  # where zones, and the unit, begin and end
    sure = (t > 0) & (t < 1) & ~border
    assert sure.sum() > 500
    assert (array[sure] == np.floor(t[sure] * 5)).mean() > 0.99
    outside = ((t < -0.03) | (t > 1.03)).ravel()
    assert np.isnan(array.ravel()[outside]).all()


def test_several_units_come_back_into_one_array(made):
    model, grid = made("fold")
    cover = from_gempy(model, "Cover", (6, 5, 4), extent=models.EXTENT, frame="box")
    parts = [Ensemble.from_values(g, ["value"], np.full((1, 1, *g.resolution), v)) for g, v in ((grid, 1.0), (cover, 2.0))]
    array = to_gempy(parts, model)
    z = model.grid.regular_grid.values[:, 2].reshape(array.shape)
    assert set(np.unique(array[np.isfinite(array)])) == {1.0, 2.0}
    np.testing.assert_array_equal(np.isfinite(to_gempy(parts[0], model)), array == 1.0)
    assert z[array == 2.0].mean() > z[array == 1.0].mean() > z[np.isnan(array)].mean()


ROCK, RICKER = forward.Impedance(), forward.ricker(40.0)
AXIS = 0.004 * np.arange(60)


def framed_box(nz=8):
    """A plain box, and the same as the frame of a flat unit."""
    grid = Grid((0, 100, 0, 80, -100, -50), (4, 3, nz))
    frame, _ = fit_frame(
        asked(lambda p: (p[:, 2] + 100) / 50), (0.0, 100.0, 0.0, 80.0, -200.0, 50.0), (4, 3, nz), "scalar", None, "A"
    )
    return grid, Grid((0, 100, 0, 80, -100, -50), (4, 3, nz), frame=frame)


def tilted(cells=(4, 3, 6), frame="scalar"):
    def scalar(p):
        return (p[:, 2] + 100 + 0.1 * p[:, 0]) / 40

    box = (0.0, 100.0, 0.0, 80.0, -200.0, 50.0)
    return Grid(box, cells, frame=fit_frame(asked(scalar), box, cells, frame, None, "A")[0])


COLUMNS = [[i, j] for i in range(4) for j in range(3)]


def test_a_flat_unit_gives_the_traces_of_the_box():
    plain, framed = framed_box()
    m = 4e6 + 2e6 * torch.rand((2, 1, 4, 3, 8), generator=torch.Generator().manual_seed(0))
    model = forward.Convolution(RICKER, ROCK, 2000.0)
    a, b = (model.bind(grid, COLUMNS, AXIS, "time")(m) for grid in (plain, framed))
    torch.testing.assert_close(b, a, rtol=0, atol=1e-6 * float(a.abs().max()))
    moving = forward.Convolution(RICKER, forward.TwoEndMembers(), "rock", time_depth=[[0, 0], [300, 0.3]])
    x = torch.rand((2, 1, 4, 3, 8), generator=torch.Generator().manual_seed(0))
    a, b = (moving.bind(grid, COLUMNS, AXIS, "time")(x) for grid in (plain, framed))
    torch.testing.assert_close(b, a, rtol=0, atol=1e-5 * float(a.abs().max()))


def test_traces_of_a_dipping_unit_come_at_its_depths():
    grid = tilted()
    m = torch.full((1, 1, 4, 3, 6), 4e6, dtype=torch.float64)
    m[..., :3] = 6e6
    middle = [-80 - 0.1 * (i + 0.5) * 25 for i, _ in COLUMNS]
    got = forward.Convolution(RICKER, ROCK, 2000.0).bind(grid, COLUMNS, AXIS, "time")(m)[0].reshape(12, -1)
    expected = np.stack([0.2 * RICKER.at(AXIS + 2 * z / 2000.0) for z in middle])
    np.testing.assert_allclose(got, expected, atol=1e-6)
    depth = forward.ricker(0.03, step=0.25, domain="depth")
    axis = np.arange(40.0, 160.0)
    got = forward.Convolution(depth, ROCK).bind(grid, COLUMNS, axis, "depth")(m)[0].reshape(12, -1)
    np.testing.assert_allclose(got, np.stack([0.2 * depth.at(axis + z) for z in middle]), atol=1e-5)


@pytest.mark.parametrize("size", ["table", "spikes"])
def test_gradient_and_adjoint_through_the_frame(size, monkeypatch):
    if size == "spikes":
        monkeypatch.setattr(forward, "TABLE", 0)
    grid = tilted((3, 2, 5))
    columns = [[0.3, 0.0], [2.0, 1.2], [1.0, 0.0]]
    a = 4e6 + 2e6 * torch.rand((1, 1, 3, 2, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    exact = forward.Convolution(RICKER, forward.TwoEndMembers(), 2000.0).bind(grid, columns, AXIS[10:30], "time")
    assert torch.autograd.gradcheck(exact, ((a - 4e6) / 2e6).requires_grad_())
    linear = forward.Convolution(RICKER, ROCK, 2000.0, reflectivity="linear", reference=5e6).bind(grid, columns, AXIS, "time")
    y = torch.rand_like(linear(a))
    m = a.clone().requires_grad_()
    (adjoint,) = torch.autograd.grad((linear(m) * y).sum(), m)
    torch.testing.assert_close((linear(a.flip(-1)) * y).sum(), (a.flip(-1) * adjoint).sum())


def test_many_columns_need_no_table(monkeypatch):
    grid = tilted()
    m = 4e6 + 2e6 * torch.rand((2, 1, 4, 3, 6), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    model = forward.Convolution(RICKER, ROCK, 2000.0)
    table = model.bind(grid, COLUMNS, AXIS, "time")(m)
    monkeypatch.setattr(forward, "TABLE", 0)
    spikes = model.bind(grid, COLUMNS, AXIS, "time")(m)
    torch.testing.assert_close(spikes, table, rtol=0, atol=1e-9)


def test_cells_that_are_not_active_do_not_reflect():
    grid = Grid((0, 10, 0, 10, -140, -100), (1, 1, 10))
    active = np.ones((1, 1, 10), dtype=bool)
    active[..., 7:] = active[..., :2] = False
    grid = grid.with_active(active)
    m = 4e6 + 2e6 * torch.rand((1, 1, 1, 1, 10), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    other = m.clone()
    other[..., 7:], other[..., :2] = 9e6, 1e6
    model = forward.Convolution(RICKER, ROCK, 2000.0)
    operator = model.bind(grid, [[0, 0]], AXIS, "time")
    torch.testing.assert_close(operator(m), operator(other))
    cut = Grid((0, 10, 0, 10, -132, -112), (1, 1, 5))
    torch.testing.assert_close(operator(m), model.bind(cut, [[0, 0]], AXIS, "time")(m[..., 2:7]))
    enclosed = forward.Convolution(RICKER, ROCK, 2000.0, over=3e6, under=8e6)
    expected = enclosed.bind(cut, [[0, 0]], AXIS, "time")(m[..., 2:7])
    torch.testing.assert_close(enclosed.bind(grid, [[0, 0]], AXIS, "time")(m), expected)
    depth = -(-140 + 4 * (operator.positions()[:, 2] + 0.5))
    seen = np.isfinite(depth)
    assert (depth[seen] >= 112 - 1e-6).all()
    assert (depth[seen] <= 132 + 1e-6).all()


def test_traces_are_predicted_where_they_stand():
    grid = tilted((4, 4, 6))
    model = forward.Convolution(RICKER, ROCK, 2000.0)
    xy = (np.indices((4, 4)).reshape(2, -1).T + 0.5) * [25.0, 20.0] + [6.0, -3.0]
    m = torch.full((1, 1, 4, 4, 6), 4e6, dtype=torch.float64)
    m[..., :3] = 6e6
    traces = np.stack([0.2 * RICKER.at(AXIS + 2 * (-80 - 0.1 * x) / 2000.0) for x in xy[:, 0]]).astype(np.float32)
    lines = np.indices((4, 4)).reshape(2, -1).T
    data = resample(SeismicCube(traces, xy, lines, 0.0, 0.004, "time"), grid, forward=model, std=0.01)
    predicted = data.forward(m)[0].numpy().reshape(data.values.shape)
    known = np.isfinite(data.values)
    assert known.any(axis=1).all()
    np.testing.assert_allclose(predicted[known], data.values[known], atol=1e-5)
    again = forward.Convolution.from_state(json.loads(json.dumps(data.forward.state())), grid)
    torch.testing.assert_close(again(m), data.forward(m))


def test_an_inversion_honours_wells_and_seismic_in_the_fold(made):
    grid = made("fold")[1]
    hard = block(deviated(), grid, "T", Property("porosity"), std=0.02)
    xy = np.array([[450.0, 733.0], [950.0, 733.0], [1450.0, 733.0], [450.0, 200.0]])
    cube = SeismicCube(np.zeros((4, 260), np.float32), xy, np.indices((2, 2)).reshape(2, -1).T, 0.0, 0.004, "time")
    model = forward.Convolution(forward.ricker(20.0), forward.TwoEndMembers(), 2500.0)
    soft = resample(cube, grid, forward=model, std=0.02)
    assert np.isfinite(soft.values).sum() > 100
    ensemble = invert("gaussian", Constraints(grid, hard, soft), n=6, seed=0, batch=6)
    assert ensemble.grid == grid
    off = (ensemble.values[:, 0][(slice(None), *hard.cells.T)] - hard.values) / hard.std
    assert np.mean(off**2) < 3
