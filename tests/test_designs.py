"""Designs of labels: rows that do not depend on how many there are, and a coverage report that says what is missing."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.designs import coverage, mirrors_left, out_of_range, random_design, sobol_design, with_ranges
from gempy_gan.errors import GempyGanError
from gempy_gan.labels import Label

WIDTH = Label("width", 100.0, 400.0, "m")
MOBILITY = Label("mobility", 4.0, 64.0, log=True)
POSITION = Label("position", -1.0, 1.0)
LABELS = (WIDTH, MOBILITY, POSITION)
both = pytest.mark.parametrize("design", [sobol_design, random_design])


@both
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**40), st.integers(1, 70), st.integers(0, 70), st.integers(1, 70))
def test_a_row_depends_on_seed_and_number_alone(design, seed, n, start, more):
    long = design(LABELS, start + n + more, seed)
    pd.testing.assert_frame_equal(design(LABELS, n, seed), long.iloc[:n])
    pd.testing.assert_frame_equal(design(LABELS, n, seed, start), long.iloc[start : start + n])
    assert list(design(LABELS, n, seed, start).index) == list(range(start, start + n))
    for label in LABELS:
        assert long[label.name].between(label.low, label.high).all()


@both
def test_another_seed_is_another_design(design):
    assert not np.isclose(design(LABELS, 8, 0), design(LABELS, 8, 1)).any()


@both
def test_a_logarithmic_label_is_uniform_in_its_logarithm(design):
    median = design(LABELS, 1024, 0)["mobility"].median()
    assert median == pytest.approx(16, rel=0.15)


@both
def test_other_ranges_leave_the_rest_of_the_design_as_it_was(design):
    plain, moved = design(LABELS, 64), design(LABELS, 64, ranges={"width": (400, 700), "mobility": 8})
    pd.testing.assert_series_equal(moved["position"], plain["position"])
    np.testing.assert_allclose(moved["width"], 400 + (plain["width"] - 100))
    assert set(moved["mobility"]) == {8.0}


def test_labels_leave_their_range_on_request_alone():
    inside = {"width": (150, 400), "mobility": 64.0}
    outside = {"width": [90, 400], "mobility": 65.0, "position": (-2, -1.5)}
    assert out_of_range(LABELS, inside) == ()
    assert out_of_range(LABELS, outside) == ("width", "mobility", "position")
    assert with_ranges(LABELS, inside) == (Label("width", 150, 400, "m"), MOBILITY, POSITION)


@pytest.mark.parametrize(
    ("to", "along", "mirrors"), [((0.2, 0.3), "", "x"), ((-0.1, 0.1), "y", "xy"), (0.2, "y", "x"), (0.0, "y", "xy")]
)
def test_a_position_may_be_drawn_from_one_side_which_its_mirror_image_is_not(to, along, mirrors):
    offset = Label("offset", -0.15, 0.15, along="y")
    (found,) = with_ranges([offset], {"offset": to})
    assert found.along == along
    assert mirrors_left([offset, WIDTH], {"offset": to, "width": 200}, "xy") == mirrors
    drawn = sobol_design([offset], 8, ranges={"offset": to})["offset"]
    assert drawn.between(np.min(to), np.max(to)).all()
    assert out_of_range([offset], {"offset": to}) == (("offset",) if np.max(to) > 0.15 else ())


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"depth": 3}, "no label 'depth' to draw. The labels: width, mobility, position"),
        ({"width": (400, 100)}, "ranges from 400.0 to 100.0"),
        ({"width": (1, 2, 3)}, r"was given \(1, 2, 3\). Expected a number, or a range"),
        ({"width": "wide"}, "was given 'wide'"),
        ({"width": float("nan")}, "'width' ranges from nan"),
        ({"mobility": (0, 4)}, "Expected two positive numbers"),
        ({"mobility": -1.0}, "Expected two positive numbers"),
    ],
)
def test_ranges_that_cannot_be_are_refused(ranges, message):
    with pytest.raises(GempyGanError, match=message):
        sobol_design(LABELS, 4, ranges=ranges)


@pytest.mark.parametrize(("n", "start"), [(0, 0), (4, -1)])
def test_numbers_that_cannot_be_are_refused(n, start):
    with pytest.raises(GempyGanError, match="at least 1, from 0"):
        sobol_design(LABELS, n, start=start)


def test_without_labels_there_is_a_row_for_each_realization():
    assert sobol_design((), 5).shape == (5, 0)
    assert str(coverage((), sobol_design((), 5))) == "5 realizations, of which no label was drawn."


def test_a_sobol_design_is_evener_than_independent_draws_which_are_as_even_as_expected():
    sobol = coverage(LABELS, sobol_design(LABELS, 256))
    draws = [coverage(LABELS, random_design(LABELS, 256, seed)) for seed in range(40)]
    assert sobol.discrepancy < draws[0].discrepancy / 10
    assert np.mean([d.discrepancy for d in draws]) == pytest.approx(sobol.discrepancy_random, rel=0.15)
    assert np.mean([d.gap["width"] for d in draws]) == pytest.approx(sobol.gap_random, rel=0.15)
    two = [coverage(LABELS[:2], random_design(LABELS, 256, seed).drop(columns="position")) for seed in range(40)]
    assert np.mean([d.empty for d in two]) == pytest.approx(sobol.empty_random, rel=0.2)


def test_the_report_names_what_is_missing():
    table = sobol_design(LABELS, 200)
    whole = str(coverage(LABELS, table))
    assert "times as evenly spread as independent draws" in whole
    assert "none is empty" in whole
    narrow = table.assign(width=100 + (table["width"] - 100) * 0.5, cutoffs=np.arange(200.0), nothing=np.nan)
    found = coverage(LABELS, narrow)
    assert found.gap["width"] == pytest.approx(0.5, abs=0.01)
    assert found.filled == {"width": 0.5, "mobility": 1.0, "position": 1.0}
    assert "10 of width are empty" in str(found)
    assert f"{found.gap['width']:.2%} of width" in str(found).splitlines()[1]
    assert "width and" in str(found).splitlines()[2]
    assert found.measured == {"cutoffs": pytest.approx((9.95, 99.5, 189.05))}
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["filled"]["width"] == 0.5


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pd.DataFrame({"width": [200.0]}), "no label 'mobility'"),
        (sobol_design(LABELS, 4).iloc[:0], "no realizations"),
        (sobol_design(LABELS, 4).assign(width=401.0), "'width' is 401 in row 0. Expected 100 to 400"),
        (sobol_design(LABELS, 4).assign(width=np.nan), "'width' is nan"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table, message):
    with pytest.raises(GempyGanError, match=message):
        coverage(LABELS, table)
