import numpy as np
import pandas as pd
import pytest

from gempy_gan.errors import GempyGanError
from gempy_gan.gempy_model import as_extent, map_extent, regular_grid
from gempy_gan.geomodel import from_gempy, load_gempy, save_gempy, to_gempy
from gempy_gan.plot.positions import line_through
from gempy_gan.study import load_study
from gempy_gan.testing import toy_las
from gempy_gan.tops import extent_of, model_from_tops, placed_tops
from gempy_gan.wells import WellLog
from gempy_gan.workflow import constrain, run, tops_of

SIDE = 10_000.0
RNG = np.random.default_rng(4)
PLACES = np.column_stack([a.ravel() for a in np.meshgrid([1000.0, 5000.0, 9000.0], [1000.0, 5000.0, 9000.0])])
PLACES += RNG.uniform(-600, 600, PLACES.shape)


def picked(top, base):
    """Tops of wells at PLACES at heights of both surfaces (N,)."""
    wells = [f"W-{k}" for k in range(len(PLACES))]
    rows = [pd.DataFrame({"well": wells, "top": name, "z": z}) for name, z in (("Sand", top), ("Lime", base))]
    return pd.concat([row.assign(x=PLACES[:, 0], y=PLACES[:, 1]) for row in rows], ignore_index=True)


def gridded(tops):
    model = model_from_tops(tops, ["Sand", "Lime"], (0, SIDE, 0, SIDE))
    return from_gempy(model, "Sand", (16, 16, 8), tuple(regular_grid(model).extent)), model


def test_a_unit_between_planes_is_the_analytic_wedge():
    """Top dips by 0.4 degrees; the unit thickens from 40 to 60 m: t is linear between the planes."""

    def top(x):
        return 200 - 0.007 * x

    def base(x):
        return top(x) - 40 - 0.002 * x

    grid, _ = gridded(picked(top(PLACES[:, 0]), base(PLACES[:, 0])))
    xyz = np.column_stack([RNG.uniform(500, 9500, 300), RNG.uniform(500, 9500, 300), np.zeros(300)])
    share = RNG.uniform(0.02, 0.98, 300)
    xyz[:, 2] = base(xyz[:, 0]) + share * (top(xyz[:, 0]) - base(xyz[:, 0]))
    assert np.abs(grid.frame.to_box(xyz)[:, 2] - share).max() < 0.02
    assert grid.frame.quality["monotone_share"] == 1


def test_surfaces_pass_their_picks_where_thickness_jumps_from_well_to_well():
    """With the nugget that GemPy takes of its own accord they miss them by 0.2 of the thickness."""
    top = 200 + RNG.uniform(-5, 5, len(PLACES))
    tops = picked(top, top - RNG.uniform(40, 90, len(PLACES)))
    grid, model = gridded(tops)
    t = grid.frame.to_box(tops[["x", "y", "z"]])[:, 2]
    assert np.abs(t - (tops["top"] == "Sand")).max() < 0.05
    assert [element.name for element in model.structural_frame.structural_elements] == ["above Sand", "Sand", "basement"]


def test_a_turned_model_holds_the_same_unit(tmp_path):
    """Turned by 90 degrees about its south-eastern corner the square is itself, with its x axis to the north."""
    top = 200 - 0.007 * PLACES[:, 0]
    tops = picked(top, top - 50 - 0.002 * PLACES[:, 1])
    model = model_from_tops(tops, ["Sand", "Lime"], (SIDE, 2 * SIDE, 0, SIDE), rotation=90)
    model = load_gempy(save_gempy(model, tmp_path / "turned.gempy"))
    box = map_extent(model, as_extent(regular_grid(model).extent))
    assert box[:4] == pytest.approx((SIDE, 2 * SIDE, 0, SIDE))
    grid = from_gempy(model, "Sand", (12, 12, 4), box)
    assert grid.rotation == pytest.approx(90)
    assert np.abs(grid.frame.to_box(tops[["x", "y", "z"]])[:, 2] - (tops["top"] == "Sand")).max() < 0.02
    u, v = grid.frame.to_box([[2000.0, 7000.0, 150.0]])[0, :2]
    assert (u, v) == pytest.approx((0.7, 0.8), abs=0.001)


def test_a_fence_runs_through_a_unit_that_lies_at_no_one_height():
    """The top falls by 180 m, over a unit of 50 m: half of the columns lie below the middle of the box."""
    top = 200 - 0.02 * PLACES[:, 0]
    grid, _ = gridded(picked(top, top - 50))
    distance, columns, _ = line_through(grid, [[500.0, 5000.0], [9500.0, 5000.0]])
    assert (columns[:, 1] == 8).all()
    assert set(columns[:, 0].tolist()) >= set(range(1, 15))
    assert distance[-1] == pytest.approx(9000)
    assert (line_through(grid, [[-500.0, 5000.0], [500.0, 5000.0]])[1][0] == -1).all()


def test_an_extent_is_completed_by_the_picks():
    tops = picked(np.full(9, 200.0), np.full(9, 100.0))
    assert extent_of(tops, (0, SIDE, 0, SIDE)) == (0, SIDE, 0, SIDE, 50, 250)
    x0, x1, _, _, z0, _ = extent_of(tops)
    assert x0 == pytest.approx(PLACES[:, 0].min() - 0.1 * np.ptp(PLACES, axis=0).max())
    assert x1 > PLACES[:, 0].max()
    assert z0 == 50
    one = extent_of(tops[(tops["well"] == "W-0") & (tops["top"] == "Sand")], (0, 1, 0, 1))
    assert one[4] < 200 < one[5]


@pytest.mark.parametrize(
    ("change", "surfaces", "extent", "said"),
    [
        (lambda t: t, ["Sand", "Chalk"], None, "No well has a top 'Chalk'. There are: Lime, Sand"),
        (lambda t: t, ["Lime", "Sand"], None, "Expected surfaces named young to old"),
        (lambda t: t, ["Sand", "Sand"], None, "each once"),
        (lambda t: t, [], None, "each once"),
        (lambda t: pd.concat([t, t.head(1)]), ["Sand", "Lime"], None, "Well W-0 has the top 'Sand' more than once"),
        (lambda t: t, ["Sand", "Lime"], (0, 0, 0, 1), "rising"),
        (lambda t: t, ["Sand", "Lime"], (0, 1, 0), "Expected .x0, x1, y0, y1."),
    ],
)
def test_tops_that_make_no_surfaces_are_refused(change, surfaces, extent, said):
    tops = picked(np.full(9, 200.0), np.full(9, 100.0))
    with pytest.raises(GempyGanError, match=said):
        model_from_tops(change(tops), surfaces, extent)


def test_a_deviated_well_meets_its_tops_along_its_trajectory():
    survey = pd.DataFrame({"md": [0.0, 1000.0], "inclination": [60.0, 60.0], "azimuth": [90.0, 90.0]})
    well = WellLog("D-1", pd.DataFrame(index=pd.Index([0.0], name="md"))).placed((500.0, 700.0), 50.0, survey)
    top = placed_tops(well, {"Sand": 200.0, "Lime": 400.0})
    assert top[["x", "y", "z"]].to_numpy() == pytest.approx(
        np.array([[500 + 200 * np.sin(np.pi / 3), 700, -50], [500 + 400 * np.sin(np.pi / 3), 700, -150]])
    )
    with pytest.raises(GempyGanError, match="D-1: the top 'Sand' at 2000 m lies off its trajectory"):
        placed_tops(well, {"Sand": 2000.0})


STUDY = """
n = 2

[grid]
surfaces = ["Sand", "Lime"]
element = "Sand"
extent = [0, 300, 0, 300]
resolution = [6, 6, 5]

[wells]
files = ["*.las"]
curve = "VSAND"
property = "sand"
std = 0.05
held_out = ["A-4"]

[wells.tops]
file = "tops.csv"
columns = { well = "well" }
tops = { Sand = "sand", Lime = "lime" }

[prior]
name = "gaussian"
property = "sand"
mean = "wells"
std = "wells"

[output]
formats = ["roff"]
pictures = false
"""


@pytest.fixture
def folder(tmp_path):
    rows = ["well,sand,lime"]
    for k, xy in enumerate([(30.0, 40.0), (250.0, 60.0), (130.0, 260.0), (240.0, 230.0)], start=1):
        toy_las(tmp_path / f"A-{k}.las", name=f"A-{k}", xy=xy, seed=k)
        rows.append(f"A-{k},{10 + 2 * k},{45 + k}")
    (tmp_path / "tops.csv").write_text("\n".join(rows))
    (tmp_path / "study.toml").write_text(STUDY)
    return tmp_path


def test_a_study_makes_its_model_of_the_tops_of_all_wells(folder):
    result = run(load_study(folder / "study.toml"))
    tops = tops_of(load_study(folder / "study.toml"))
    assert sorted(set(tops["well"])) == ["A-1", "A-2", "A-3", "A-4"]
    frame = result.ensemble.grid.frame
    assert np.abs(frame.to_box(tops[["x", "y", "z"]])[:, 2] - (tops["top"] == "Sand")).max() < 0.03
    assert folder / "out" / "roff" / "ensemble_grid.roff" in result.files
    again = load_gempy(folder / "out" / "model.gempy")
    assert np.isfinite(to_gempy(result.ensemble, again)).any()


def test_wells_of_a_study_are_blocked_between_their_tops(folder):
    known, withheld = constrain(load_study(folder / "study.toml"))
    for term, wells in ((known.hard[0], 3), (withheld.hard[0], 1)):
        assert len(term) == 5 * wells
        assert all(row["cells"] == 5 for row in term.report["wells"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('element = "Sand"', "", "names a model and no element"),
        ('element = "Sand"', 'element = "Lime"', "no element 'Lime'"),
        ('element = "Sand"', 'element = "Sand"\nmodel = "model.gempy"', "names a model and surfaces"),
        ('["Sand", "Lime"]', '["Sand", "Chalk"]', "No well has a top 'Chalk'"),
    ],
)
def test_a_study_whose_surfaces_cannot_be_is_refused(folder, old, new, said):
    (folder / "study.toml").write_text(STUDY.replace(old, new, 1))
    with pytest.raises(GempyGanError, match=said):
        constrain(load_study(folder / "study.toml"))


def test_surfaces_without_tops_are_refused(folder):
    (folder / "study.toml").write_text(STUDY[: STUDY.index("[wells.tops]")] + STUDY[STUDY.index("[prior]") :])
    with pytest.raises(GempyGanError, match=r"no \[wells.tops\] to take them from"):
        constrain(load_study(folder / "study.toml"))
