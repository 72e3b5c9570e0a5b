from itertools import pairwise

import numpy as np
import pytest
import torch

from gempy_gan import plot, scores
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.forward import ricker, well_tie
from gempy_gan.grid import Grid
from gempy_gan.plot import style
from gempy_gan.plot.positions import line_through, ordered, wells_of
from gempy_gan.properties import Property

FACIES = Property("facies", codes={0: "mud", 2: "levee", 5: "channel sand"})
ACTIVE = np.ones((6, 5, 4), bool)
ACTIVE[5, 4] = False
GRID = Grid((600_000, 600_600, 6_070_000, 6_071_000, -1640, -1600), (6, 5, 4), rotation=30, active=ACTIVE)
CELLS = np.array([[1, 1, k] for k in range(4)] + [[4, 1, k] for k in (0, 1, 3)] + [[2, 3, 2], [2, 3, 3]])
NAMES = ["A-1"] * 4 + ["B-2"] * 3 + ["C-3"] * 2


@pytest.fixture(scope="module")
def porosity():
    rng = np.random.default_rng(0)
    values = 20 + 5 * rng.normal(size=(12, 1, *GRID.resolution))
    return Ensemble.from_values(GRID, [Property("porosity", "%")], values)


@pytest.fixture(scope="module")
def facies():
    codes = np.random.default_rng(1).choice([0, 2, 5], size=(12, 1, *GRID.resolution))
    return Ensemble.from_values(GRID, [FACIES], codes)


@pytest.fixture(scope="module")
def wells():
    data = 20 + 5 * np.random.default_rng(2).normal(size=len(CELLS))
    return HardData(CELLS, data, 1.5, "porosity", NAMES)


@pytest.fixture(scope="module")
def facies_wells():
    return HardData(CELLS, [0, 0, 5, 5, 2, 2, 0, 5, 0], 0.1, "facies", NAMES)


def meshes(ax):
    from matplotlib.collections import QuadMesh

    return [child for child in ax.get_children() if isinstance(child, QuadMesh)]


def shown(ax) -> np.ndarray:
    """The values that an axes shows, NaN where it shows nothing."""
    return np.ma.filled(np.ma.asarray(meshes(ax)[0].get_array(), dtype=float), np.nan)


def test_plan_shows_the_layer_where_it_is_on_the_map(porosity):
    ax = plot.plan(porosity, "porosity", show=3, layer=1).axes[0]
    expected = np.where(ACTIVE[:, :, 1], porosity.values[3, 0, :, :, 1], np.nan)
    np.testing.assert_array_equal(shown(ax), expected.astype(float))
    corners = np.asarray(meshes(ax)[0].get_coordinates())
    for corner, uv in ((corners[0, 0], (0, 0)), (corners[-1, 0], (1, 0)), (corners[-1, -1], (1, 1))):
        np.testing.assert_allclose(corner, GRID.frame.to_model([[*uv, 0.5]])[0, :2])
    assert ax.get_aspect() == 1
    assert ax.get_xlabel() == "easting (m)"
    assert "realization 3" in ax.get_title()
    assert "z = -1625.0 m" in ax.get_title()


def test_map_coordinates_are_written_in_full(porosity):
    figure = plot.plan(porosity)
    figure.canvas.draw()
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels() if tick.get_text()]
    assert all(len(label) == 7 and label.startswith("607") for label in labels)


@pytest.mark.parametrize("show", ["mean", "std", "p10", "p90"])
def test_statistics_are_the_ensembles(porosity, show):
    expected = {"mean": porosity.mean, "std": porosity.std}.get(show, lambda name: porosity.quantile(name, int(show[1:]) / 100))
    ax = plot.plan(porosity, show=show, layer=2).axes[0]
    values = np.where(ACTIVE, expected("porosity").values, np.nan)[:, :, 2]
    np.testing.assert_allclose(shown(ax), values)


def test_facies_have_probabilities_and_entropy(facies):
    share = facies.probability("facies").values
    ax = plot.plan(facies, show="channel sand", layer=0).axes[0]
    np.testing.assert_allclose(shown(ax), np.where(ACTIVE[:, :, 0], share[2, :, :, 0], np.nan))
    figure = plot.probability(facies, layer=0)
    maps = [ax for ax in figure.axes if meshes(ax) and ax.get_title()]
    assert [ax.get_title().split("\n")[0] for ax in maps] == [
        "probability of mud",
        "probability of levee",
        "probability of channel sand",
        "entropy of facies",
    ]
    np.testing.assert_allclose(shown(maps[3]), np.where(ACTIVE[:, :, 0], scores.entropy(share)[:, :, 0], np.nan))


def test_unequally_spaced_codes_have_a_colour_and_a_name_each(facies):
    drawn = style.picture(facies, "facies", 0)
    colours = [drawn.cmap(drawn.norm(code)) for code in (0, 2, 5)]
    assert len(set(colours)) == 3
    assert list(drawn.ticks.values()) == ["mud", "levee", "channel sand"]
    assert [drawn.cmap(drawn.norm(place)) for place in drawn.ticks] == colours


def test_sand_is_yellow_and_colours_differ():
    assert style.facies_colours(FACIES) == [style.GREY, "#009E73", "#F0E442"]
    many = style.facies_colours(Property("f", codes={k: f"sand {k}" for k in range(6)}))
    assert len(set(many)) == 6


@pytest.mark.parametrize(("axis", "index"), [("y", 1), ("x", 4)])
def test_section_shows_its_cells_upright(porosity, wells, axis, index):
    ax = plot.section(porosity, axis=axis, index=index, data=wells).axes[0]
    values = np.where(ACTIVE, porosity.values[0, 0], np.nan)
    expected = values[:, index] if axis == "y" else values[index]
    np.testing.assert_allclose(shown(ax)[::2], expected)
    assert np.isnan(shown(ax)[1::2]).all()
    corners = np.asarray(meshes(ax)[0].get_coordinates())
    np.testing.assert_allclose(corners[0, :, 1], [-1640, -1630, -1620, -1610, -1600])
    np.testing.assert_allclose(corners[[0, -1], 0, 0], [0, 600 if axis == "y" else 1000])
    assert f"vertical exaggeration {ax.get_aspect():g}" in ax.get_title()


def test_wells_in_a_section_have_the_colours_of_their_values(porosity, wells):
    from matplotlib.collections import PatchCollection

    ax = plot.section(porosity, axis="y", index=1, data=wells).axes[0]
    bars = [child for child in ax.get_children() if isinstance(child, PatchCollection)]
    assert [len(bar.get_paths()) for bar in bars] == [4, 3]
    drawn = np.concatenate([bar.get_array() for bar in bars])
    order = np.concatenate([np.flatnonzero(np.array(NAMES) == name)[::-1] for name in ("A-1", "B-2")])
    np.testing.assert_allclose(drawn, wells.values[order])
    lows = [path.vertices[:, 1].min() for path in bars[1].get_paths()]
    np.testing.assert_allclose(lows, [-1610, -1630, -1640])  # one layer of B-2 has no datum
    std = plot.section(porosity, show="std", axis="y", index=1, data=wells).axes[0]
    assert not [child for child in std.get_children() if isinstance(child, PatchCollection)]


def test_fence_walks_from_well_to_well(porosity, wells):
    ax = plot.fence(porosity, Constraints(GRID, wells), show=2).axes[0]
    stations = [well.xy(GRID) for well in ordered(wells_of(wells), GRID)]
    length = sum(np.hypot(*(b - a)) for a, b in pairwise(stations))
    assert ax.get_xlim() == pytest.approx((0, length))
    distance, columns, at = line_through(GRID, stations)
    values = np.where(ACTIVE, porosity.values[2, 0], np.nan)
    np.testing.assert_allclose(shown(ax)[::2], values[columns[:, 0], columns[:, 1]])
    assert np.diff(distance).max() <= 50 + 1e-6
    for station, place in zip(stations, at, strict=True):
        nearest = np.abs((distance[1:] + distance[:-1]) / 2 - place).argmin()
        np.testing.assert_array_equal(columns[nearest], GRID.cells([[*station, -1620]])[0, :2])
    names = next(child for child in ax.child_axes if child.get_xticklabels())
    assert [tick.get_text() for tick in names.get_xticklabels()] == ["B-2", "A-1", "C-3"]


def test_fence_through_points_leaves_the_grid_blank(porosity):
    inside = GRID.frame.to_model([[0.5, 0.5, 0.5]])[0, :2]
    ax = plot.fence(porosity, [inside, inside + np.array([5000, 0])]).axes[0]
    assert np.isfinite(shown(ax)[0]).all()
    assert np.isnan(shown(ax)[-1]).all()
    with pytest.raises(GridError, match="misses the grid"):
        plot.fence(porosity, [[0, 0], [10, 10]])
    with pytest.raises(GridError, match="at least two map positions"):
        plot.fence(porosity, [[0, 0]])


def test_logs_show_data_median_and_range(porosity, wells):
    figure = plot.log_comparison(porosity, wells)
    assert [ax.get_title() for ax in figure.axes] == ["A-1", "B-2", "C-3"]
    ax = figure.axes[1]
    faces = np.array([-1640, -1630, -1620, -1610, -1600])
    median = next(child for child in ax.patches if child.get_label() == "P50").get_data()
    np.testing.assert_allclose(median.edges, faces)
    expected = np.full(4, np.nan)
    expected[[0, 1, 3]] = np.median(porosity.values[:, 0, 4, 1, [0, 1, 3]], axis=0)
    np.testing.assert_allclose(median.values, expected, rtol=1e-6)
    points = ax.containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(points[[0, 1, 3]], np.column_stack([wells.values[4:7], [-1635, -1625, -1605]]))
    assert ax.get_xlabel() == "porosity (%)"


def test_wells_side_by_side_all_show_their_whole_way(porosity, wells):
    assert [ax.get_ylim() for ax in plot.log_comparison(porosity, wells).axes] == [(-1640, -1600)] * 3  # C-3 has two layers


def test_facies_logs_stack_to_one(facies, facies_wells):
    ax = plot.log_comparison(facies, facies_wells, well="A-1").axes[0]
    shares = [[bar.get_width() for bar in bars] for bars in ax.containers if len(bars) and bars[0].get_x() >= 0]
    np.testing.assert_allclose(np.sum(shares, axis=0), 1)
    strip = sorted((bar.get_y(), bar.get_facecolor()) for bars in ax.containers for bar in bars if bar.get_x() < 0)
    from matplotlib.colors import to_rgba

    mud, sand = to_rgba(style.GREY), to_rgba("#F0E442")
    assert [colour for _, colour in strip] == [mud, mud, sand, sand]


def test_unknown_wells_are_named(porosity, wells):
    with pytest.raises(GempyGanError, match=r"well 'D-4'. Wells with such data: A-1, B-2, C-3"):
        plot.log_comparison(porosity, wells, well="D-4")
    with pytest.raises(GempyGanError, match="One axes was given for 3 wells"):
        plot.log_comparison(porosity, wells, ax=style.axes(None))


def test_data_without_well_names_are_told_apart_by_column():
    found = wells_of(HardData(CELLS, np.arange(9.0), 1.0, "porosity"))
    assert [well.name for well in found] == ["column 1, 1", "column 2, 3", "column 4, 1"]
    np.testing.assert_array_equal(found[0].cells[:, 2], [3, 2, 1, 0])


def test_misfit_counts_all_realizations(porosity, wells):
    data = np.random.default_rng(3).normal(20, 5, (6, 5, 3))
    data[0] = np.nan
    soft = SoftData(data, 6.0, lambda m: 0.5 * (m[:, 0, ..., 1:] + m[:, 0, ..., :-1]).flatten(1))
    figure = plot.misfit(porosity, Constraints(GRID, wells, soft))
    titled = {ax.get_title().split("\n")[0]: ax for ax in figure.axes if ax.get_title()}
    ax = titled["wells: porosity"]
    drawn = porosity.values[:, 0, CELLS[:, 0], CELLS[:, 1], CELLS[:, 2]]
    assert f"chi2 = {scores.chi2(drawn, wells.values, wells.std):.2f}" in ax.get_title()
    residual = ((drawn - wells.values) / wells.std).ravel()
    histogram = ax.patches[0].get_data()
    expected = np.histogram(residual, histogram.edges)[0] / len(residual)
    np.testing.assert_allclose(histogram.values * np.diff(histogram.edges), expected)
    beyond = np.mean(np.abs(residual) > 5)
    assert any(f"{beyond:.1%}" in text.get_text() for text in ax.texts)
    m = torch.as_tensor(porosity.values[:1])
    synthetic = soft.forward(m).numpy().reshape(6, 5, 3)[:, 2]
    np.testing.assert_allclose(shown(titled["seismic: synthetic, first realization"]), synthetic.T, rtol=1e-5)
    scaled = shown(titled["seismic: residual / std"])
    np.testing.assert_allclose(scaled[:, 1:], ((synthetic - data[:, 2]) / 6.0)[1:].T, rtol=1e-4)
    assert np.isnan(scaled[:, 0]).all()


def test_traces_of_a_synthetic_are_drawn_line_by_line_in_milliseconds(porosity):
    class Traces:
        columns = np.array([[i, j] for j in (1, 3) for i in (5, 0, 2)])
        axis = np.array([1.0, 1.002])
        domain = "time"

        def __call__(self, m):
            return m[:, 0, self.columns[:, 0], self.columns[:, 1], :2].flatten(1)

    forward = Traces()
    data = forward(torch.as_tensor(porosity.values[:1])).reshape(6, 2).numpy()
    figure = plot.misfit(porosity, Constraints(GRID, SoftData(data, 1.0, forward)))
    ax = next(ax for ax in figure.axes if ax.get_title() == "seismic: data")
    np.testing.assert_allclose(shown(ax), data[[4, 5, 3]].T)
    assert ax.get_ylabel() == "two-way time (ms)"
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert "at y index 3" in ax.get_xlabel()


def test_facies_alone_have_no_residuals(facies, facies_wells):
    with pytest.raises(GempyGanError, match="no continuous data"):
        plot.misfit(facies, Constraints(GRID, facies_wells))


def test_wavelet_and_its_spectrum():
    left, right = plot.wavelet(ricker(30.0)).axes
    curve = left.lines[0].get_xydata()
    assert curve[:, 1].max() == pytest.approx(1.0)
    assert curve[curve[:, 1].argmax(), 0] == pytest.approx(0.0, abs=0.5)  # milliseconds
    outline = right.collections[0].get_paths()[0].vertices
    assert outline[outline[:, 1].argmax(), 0] == pytest.approx(30, abs=1)


def test_well_tie_says_what_it_found():
    rng = np.random.default_rng(4)
    times = np.arange(1.0, 2.0, 0.001)
    impedance = np.exp(8.5 + np.cumsum(rng.normal(size=len(times))) / 100)
    axis = np.arange(1.0, 2.0, 0.004)
    wavelet, reflections = ricker(30.0), np.diff(np.log(impedance)) / 2
    trace = np.array([(reflections * wavelet.at(t - times[1:])).sum() for t in axis])
    tie = well_tie(times, impedance, trace + 0.1 * trace.std() * rng.normal(size=len(axis)), axis)
    figure = plot.well_tie(tie)
    assert f"{tie.correlation_held_out:.2f} held out" in figure.get_suptitle()
    traces = figure.axes[0]
    np.testing.assert_allclose(traces.lines[0].get_xydata(), np.column_stack([tie.trace, 1e3 * tie.axis]))
    assert traces.get_ylim()[0] > traces.get_ylim()[1]


def test_pictures_of_a_run_have_names_and_are_saved_alike(porosity, wells, tmp_path):
    known = Constraints(GRID, wells)
    drawn = dict(plot.pictures(porosity, known, known))
    assert set(drawn) == {
        "summary_porosity",
        *(f"{kind}_porosity_{what}" for kind in ("plan", "section") for what in ("realization", "mean", "std")),
        "fence_porosity",
        "logs_porosity_wells",
        "logs_porosity_held_out",
        "misfit",
    }
    for name in ("plan_porosity_mean", "fence_porosity"):
        first = plot.save(drawn[name], tmp_path / "a.png", dpi=40).read_bytes()
        again = plot.save(dict(plot.pictures(porosity, known))[name], tmp_path / "b.png", dpi=40).read_bytes()
        assert first == again


def test_pictures_of_facies_include_their_probabilities(facies, facies_wells, tmp_path):
    drawn = dict(plot.pictures(facies, Constraints(GRID, facies_wells)))
    assert "probability_facies" in drawn
    assert "misfit" not in drawn
    assert plot.save(drawn["summary_facies"], tmp_path / "s.pdf").stat().st_size > 10_000


def test_panels_can_be_drawn_into_given_axes(porosity, wells):
    figure = style.figure()
    ax = figure.add_subplot(121)
    assert plot.plan(porosity, ax=ax) is figure
    assert plot.log_comparison(porosity, wells, "A-1", ax=figure.add_subplot(122)) is figure
    assert len(meshes(ax)) == 1


def test_wrong_requests_say_what_is_allowed(porosity, facies):
    with pytest.raises(GempyGanError, match=r"'median' of 'porosity' .* or: mean, std, p10, p50, p90"):
        plot.plan(porosity, show="median")
    with pytest.raises(GempyGanError, match="or: mud, levee, channel sand, entropy"):
        plot.plan(facies, show="mean")
    with pytest.raises(GempyGanError, match="Realization 12"):
        plot.plan(porosity, show=12)
    with pytest.raises(GridError, match=r"layer is 4, and the grid has 4"):
        plot.plan(porosity, layer=4)
    with pytest.raises(GempyGanError, match="across 'z'"):
        plot.section(porosity, axis="z")
    with pytest.raises(GempyGanError, match="at least two wells"):
        plot.fence(porosity, HardData([[0, 0, 0]], [1.0], 1.0, "porosity"))
    with pytest.raises(GempyGanError, match="Only facies have probabilities"):
        plot.probability(porosity)


def test_importing_plot_needs_no_matplotlib():
    import subprocess
    import sys

    code = "import sys, gempy_gan.plot; assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
