import json
import math
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.blocking import block
from gempy_gan.constraints import Constraints
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
from gempy_gan.wells import WellLog

FACIES = Property("facies", codes={0: "mud", 1: "sand", 2: "shell"})


def a_grid(**options):
    return Grid(**{"extent": (0, 200, 0, 100, -40, 0), "resolution": (2, 1, 4), **options})


def a_well(values, md=None, xy=(50.0, 50.0), name="A", kb=0.0):
    depth = np.arange(len(values)) + 0.5 if md is None else md
    return WellLog(name, pd.DataFrame({"V": values}, index=depth), source={"sha256": name * 3}).placed(xy=xy, kb=kb)


def test_samples_are_averaged_cell_by_cell_bottom_to_top():
    values = np.arange(40.0)
    data = block(a_well(values), a_grid(), "V", "v", std=1.0)
    assert data.cells.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3]]
    assert data.values.tolist() == [34.5, 24.5, 14.5, 4.5]
    assert data.report["samples_per_cell"] == [10, 10, 10, 10]
    assert data.wells.tolist() == ["A"] * 4
    assert data.report["scatter"] == pytest.approx([np.arange(10).std(ddof=1)] * 4)


def test_the_std_is_the_floor_and_the_error_of_the_mean():
    rng = np.random.default_rng(0)
    values = rng.normal(size=4000)
    data = block(a_well(values, md=np.arange(4000) * 0.01 + 0.005), a_grid(), "V", "v", std=0.3, resolution=0.5)
    # 1000 samples of 1 cm in 10 m are 20 independent ones for a tool that resolves 0.5 m
    assert data.std == pytest.approx(math.sqrt(0.3**2 + 1.0 / 20) * np.ones(4), rel=0.02)
    plain = block(a_well(values), a_grid(), "V", "v", std=0.3, scatter=False)
    assert plain.std.tolist() == [0.3] * 4


def test_the_stated_std_covers_the_true_mean():
    """Independent samples around a known cell mean: (value - mean) / std has unit variance."""
    rng = np.random.default_rng(1)
    grid = Grid(extent=(0, 1, 0, 1, -2000, 0), resolution=(1, 1, 400))
    truth = np.repeat(rng.normal(size=400), 5)
    data = block(a_well(truth + 0.5 * rng.normal(size=2000), xy=(0.5, 0.5)), grid, "V", "v", std=1e-6)
    z = (data.values - truth[::5][::-1]) / data.std
    assert 0.9 < z.std() < 1.25


def test_one_sample_or_two_that_agree_do_not_pass_for_certainty():
    values = [0.2, 0.6, 0.4, 0.4, 0.1]
    data = block(a_well(values, md=[1.0, 6.0, 11.0, 16.0, 21.0]), a_grid(), "V", "v", std=0.01)
    pooled = math.sqrt(0.08 / 2)  # two squares of 0.2 in one cell, none in the other; one degree of freedom each
    assert data.report["pooled_scatter"] == pytest.approx(pooled)
    assert data.values.tolist() == pytest.approx([0.1, 0.4, 0.4])
    expected = [pooled**2, pooled**2 / 2 / 2, (0.08 + pooled**2) / 2 / 2]
    assert data.std == pytest.approx(np.sqrt(1e-4 + np.array(expected)))


def test_no_std_and_no_scatter_is_refused():
    with pytest.raises(GempyGanError, match="no scatter, and `std` is not given"):
        block(a_well([0.5] * 40), a_grid(), "V", "v")
    assert (block(a_well(np.arange(40.0)), a_grid(), "V", "v").std > 0).all()


@given(
    values=st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), min_size=1, max_size=80),
    x=st.floats(-100, 300),
    kb=st.floats(-60, 60),
    rotation=st.floats(-180, 180),
    hidden=st.integers(0, 7),
)
@settings(max_examples=60, deadline=None)
def test_every_sample_is_accounted_for(values, x, kb, rotation, hidden):
    active = np.ones((2, 1, 4), dtype=bool)
    active.ravel()[hidden] = False
    grid, well = a_grid(active=active, rotation=rotation), a_well(values, xy=(x, 50.0), kb=kb)
    anchor = a_well([0.5], xy=tuple(grid.xyz([[(hidden + 4) // 4 % 2, 0, 1]])[0, :2]), md=[25.0], name="anchor")
    data = _quietly([well, anchor], grid)
    row = data.report["wells"][0]
    left = ("missing", "without_position", "outside", "inactive", "used")
    assert sum(row[key] for key in left) == row["samples"] == len(values)
    assert row["missing"] == sum(math.isnan(v) for v in values)
    assert sum(data.report["samples_per_cell"]) == sum(row["used"] for row in data.report["wells"])
    assert active[tuple(data.cells.T)].all()
    Constraints(grid, data)


def _quietly(wells, grid):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GempyGanWarning)
        return block(wells, grid, "V", "v", std=0.1)


@given(seed=st.integers(0, 2**31), rotation=st.floats(-180, 180))
@settings(max_examples=20, deadline=None)
def test_blocking_agrees_with_a_plain_loop(seed, rotation):
    rng = np.random.default_rng(seed)
    grid = Grid(extent=(0, 90, 0, 60, -50, 0), resolution=(3, 2, 5), rotation=rotation)
    survey = pd.DataFrame(
        {"md": [0.0, 40.0, 120.0], "inclination": [0.0, 30.0, 80.0], "azimuth": rng.uniform(0, 360) * np.ones(3)}
    )
    head = grid.xyz([[1, 0.5, 2]])[0]
    log = pd.DataFrame({"V": rng.random(200)}, index=np.sort(rng.uniform(0, 120, 200)))
    well = WellLog("A", log).placed(xy=(head[0], head[1]), kb=0.0, survey=survey)
    data = _quietly([well], grid)
    cells: dict[tuple[int, ...], list[float]] = {}
    for depth, value in log["V"].items():
        cell = tuple(grid.cells(well.xyz([depth]))[0])
        if cell[0] >= 0:
            cells.setdefault(cell, []).append(value)
    assert [tuple(c) for c in data.cells] == sorted(cells)
    assert data.values == pytest.approx([np.mean(cells[c]) for c in sorted(cells)])


def test_wells_that_agree_are_merged_by_inverse_variance():
    data = block([a_well([0.4]), a_well([0.5], name="B")], a_grid(), "V", "v", std=0.1)
    assert len(data) == 1
    assert data.values[0] == pytest.approx(0.45)
    assert data.std[0] == pytest.approx(0.1 / math.sqrt(2))
    assert data.wells.tolist() == ["A+B"]
    assert data.report["disagreements"] == []


def test_wells_that_disagree_are_reported_and_trusted_less():
    data = block([a_well([0.1]), a_well([0.9], name="B")], a_grid(), "V", "v", std=0.1)
    (row,) = data.report["disagreements"]
    assert row["cell"] == [0, 0, 3]
    assert row["wells"] == [["A", 0.1, 0.1], ["B", 0.9, 0.1]]
    assert data.std[0] == pytest.approx(0.8 / 2)  # Birge: half the difference of two equal weights
    assert block([a_well([0.1]), a_well([0.9], name="B")], a_grid(), "V", "v", std=0.1, disagreement=9).std[0] < 0.1


def test_facies_take_the_majority():
    values = [1.0] * 6 + [0.0] * 4 + [2.0] * 5 + [1.0] * 5
    data = block(a_well(values), a_grid(), "V", FACIES, std=0.1)
    assert data.values.tolist() == [1.0, 1.0]  # the lower cell is a tie: the lower code
    assert data.report["method"] == "majority"
    assert data.report["ties"] == 1
    assert data.report["minority"] == [0.5, 0.4]
    assert data.std.tolist() == [0.1, 0.1]


def test_wells_vote_together_and_their_difference_is_reported():
    data = block([a_well([1.0] * 3), a_well([0.0] * 4, name="B")], a_grid(), "V", FACIES, std=0.1)
    assert data.values.tolist() == [0.0]
    assert [w[:2] for w in data.report["disagreements"][0]["wells"]] == [["A", 1.0], ["B", 0.0]]


@pytest.mark.parametrize(("values", "kind"), [([3.0], FACIES), ([0.5], FACIES), ([0.5], Property("rock"))])
def test_unknown_codes_are_refused(values, kind):
    with pytest.raises(GempyGanError, match="samples hold codes such as"):
        block(a_well(values), a_grid(), "V", kind, std=0.1, method="majority")


def test_a_well_outside_is_a_warning_and_all_outside_an_error():
    with pytest.warns(GempyGanWarning, match=r"Well B gives no cell of V: of 3 samples 1 missing, 0 without position, 2 outside"):
        data = block([a_well([0.5]), a_well([0.1, 0.2, math.nan], xy=(999.0, 0.0), name="B")], a_grid(), "V", "v", std=0.1)
    assert data.wells.tolist() == ["A"]
    with pytest.raises(GempyGanError, match=r"samples lie at x 999 to 999, y 0 to 0, z -0.5 to -0.5, the grid at x 0 to 200"):
        block(a_well([0.1], xy=(999.0, 0.0)), a_grid(), "V", "v", std=0.1)


def test_inactive_cells_are_left_out():
    active = np.ones((2, 1, 4), dtype=bool)
    active[0, 0, 3] = False
    data = block(a_well(np.arange(20.0)), a_grid(active=active), "V", "v", std=0.1)
    assert data.cells.tolist() == [[0, 0, 2]]
    assert data.report["wells"][0]["inactive"] == 10


def test_the_report_is_plain_json_with_sources():
    data = block([a_well([0.1, 0.3]), a_well([0.2, math.nan], name="B", xy=(150.0, 50.0))], a_grid(), "V", "v", std=0.1)
    report = json.loads(json.dumps(data.report, allow_nan=False))
    assert [row["source"]["sha256"] for row in report["wells"]] == ["AAA", "BBB"]
    assert report["wells"][1]["extent"] == [150.0, 150.0, 50.0, 50.0, -0.5, -0.5]
    assert report["scatter"] == [pytest.approx(math.sqrt(0.02)), None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"std": -0.1}, "positive"),
        ({"std": 0.0}, "positive"),
        ({"std": None, "scatter": False}, "`std` is not given"),
        ({"std": None, "property": FACIES}, "`std` is not given"),
        ({"method": "median"}, "Allowed: 'mean' or 'majority'"),
        ({"curve": "GR"}, "no curve 'GR'"),
        ({"resolution": 0.0}, "positive numbers"),
        ({"wells": []}, "no wells"),
    ],
)
def test_impossible_requests(options, message):
    request = {"wells": a_well([0.5]), "grid": a_grid(), "curve": "V", "property": "v", "std": 0.1, **options}
    with pytest.raises(GempyGanError, match=message):
        block(**request)


def test_a_well_without_position_is_refused():
    with pytest.raises(GempyGanError, match="Well A has no position"):
        block(WellLog("A", pd.DataFrame({"V": [0.5]}, index=[0.5])), a_grid(), "V", "v", std=0.1)


def test_a_hundred_wells_of_ten_thousand_samples_take_a_second_of_processor_time():
    rng = np.random.default_rng(0)
    md = np.arange(10_000) * 0.1524
    wells = [a_well(rng.random(10_000), md=md, xy=tuple(rng.uniform(0, 1000, 2)), name=f"W{i}") for i in range(100)]
    grid = Grid(extent=(0, 1000, 0, 1000, -1600, 0), resolution=(100, 100, 100))
    seconds = []
    for _ in range(3):
        start = time.process_time()
        data = block(wells, grid, "V", "v", std=0.05)
        seconds.append(time.process_time() - start)
    assert sum(data.report["samples_per_cell"]) == 1_000_000
    assert min(seconds) <= 1.0
