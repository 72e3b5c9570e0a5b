import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.errors import GempyGanError
from gempy_gan.trajectory import from_survey, vertical
from gempy_gan.wells import WellLog, flatten, gamma_to_fraction


def a_well(gamma=(20.0, 60.0, 100.0, 140.0), md=(1000.0, 1001.0, 1002.0, 1003.0), kb=30.0):
    curves = pd.DataFrame({"GR": list(gamma)}, index=pd.Index(list(md), name="md"))
    return WellLog("A-1", curves, {"GR": "API"}).placed(xy=(500.0, 800.0), kb=kb)


def test_a_vertical_well_hangs_below_its_head():
    assert a_well().xyz([0.0, 1000.0]).tolist() == [[500.0, 800.0, 30.0], [500.0, 800.0, -970.0]]


def test_beyond_the_trajectory_there_is_no_position():
    assert np.isnan(a_well().xyz([-1.0, 1003.5])).all()


def test_a_well_without_position_says_how_to_give_one():
    well = WellLog("A-1", pd.DataFrame({"GR": [1.0]}, index=[0.0]))
    with pytest.raises(GempyGanError, match="no position"):
        well.xyz([0.0])
    with pytest.raises(GempyGanError, match="Expected both"):
        well.placed(xy=(0.0, 0.0))


def test_an_unknown_curve_names_those_there_are():
    with pytest.raises(GempyGanError, match=r"no curve 'RHOB'. It has: GR"):
        a_well().curve("RHOB")


@pytest.mark.parametrize("md", [(1000.0, 1000.0), (1001.0, 1000.0), (1000.0, math.nan)])
def test_depths_must_increase(md):
    with pytest.raises(GempyGanError, match="strictly increasing"):
        WellLog("A-1", pd.DataFrame({"GR": [1.0, 2.0]}, index=list(md)))


def test_a_trajectory_needs_all_its_columns():
    with pytest.raises(GempyGanError, match=r"lacks \['z'\]"):
        WellLog("A-1", pd.DataFrame({"GR": [1.0]}, index=[0.0]), trajectory=pd.DataFrame({"md": [0.0], "x": [0.0], "y": [0.0]}))


@settings(deadline=None)
@given(
    kick=st.floats(0, 1000),
    rate=st.floats(0.5, 10),
    azimuth=st.floats(0, 359.9),
    final=st.floats(5, 85),
    step=st.floats(5, 30),
)
def test_a_build_section_is_the_arc_of_a_circle(kick, rate, azimuth, final, step):
    """Minimum curvature is exact on a circular arc, however coarse the survey, and so must be what lies between stations."""
    length = final / rate * 30
    md = np.array([0.0, max(kick, 1.0), *(max(kick, 1.0) + np.linspace(0, length, max(int(length / step), 2))[1:])])
    inclination = np.clip((md - md[1]) / length * final, 0, final)
    survey = pd.DataFrame({"md": md, "inclination": inclination, "azimuth": azimuth})
    well = WellLog("A-1", pd.DataFrame({"GR": [1.0]}, index=[0.0])).placed(xy=(0.0, 0.0), kb=0.0, survey=survey)
    along = np.linspace(md[1], md[-1], 57)
    angle, radius = np.deg2rad((along - md[1]) / length * final), length / math.radians(final)
    aside = radius * (1 - np.cos(angle))
    truth = np.stack(
        [aside * math.sin(math.radians(azimuth)), aside * math.cos(math.radians(azimuth)), -md[1] - radius * np.sin(angle)],
        axis=1,
    )
    assert np.abs(well.xyz(along) - truth).max() < 0.02 * rate / 10 + 1e-6  # the chords' sagitta


def test_a_survey_of_positions_needs_no_head():
    survey = pd.DataFrame({"md": [0.0, 100.0], "x": [0.0, 10.0], "y": [5.0, 5.0], "z": [30.0, -69.0]})
    well = WellLog("A-1", pd.DataFrame({"GR": [1.0, 2.0]}, index=[50.0, 150.0])).placed(survey=survey)
    assert well.xyz([50.0]).tolist() == [[5.0, 5.0, -19.5]]
    assert [(f.level, "1 samples lie beyond" in f.message) for f in well.health] == [("warning", True)]


@pytest.mark.parametrize(
    ("survey", "head", "message"),
    [
        ({"md": [0, 10], "inclination": [0, 5]}, {}, "Expected md, inclination, azimuth"),
        ({"md": [0, 10], "inclination": [0, 5], "azimuth": [0, 0]}, {}, "give `xy=` and `kb=`"),
        ({"md": [0, 10, 10], "inclination": [0, 5, 5], "azimuth": [0, 0, 0]}, {"xy": (0, 0), "kb": 0}, "at station 3"),
        ({"md": [0, 10], "inclination": [0, 190], "azimuth": [0, 0]}, {"xy": (0, 0), "kb": 0}, "0 to 180"),
        ({"md": [0, 10], "inclination": [0, math.nan], "azimuth": [0, 0]}, {"xy": (0, 0), "kb": 0}, "not finite"),
        ({"md": [0, 10], "inclination": [0, 5], "azimuth": [0, 0]}, {"xy": (0, math.nan), "kb": 0}, "Expected finite"),
    ],
)
def test_a_bad_survey_is_refused(survey, head, message):
    with pytest.raises(GempyGanError, match=message):
        from_survey(pd.DataFrame(survey), **head)


def test_a_survey_that_starts_below_the_head_is_tied_to_it():
    track = from_survey(pd.DataFrame({"md": [100.0, 200.0], "inclination": [0.0, 0.0], "azimuth": [0.0, 0.0]}), (1.0, 2.0), 30.0)
    assert track.iloc[0].tolist() == [0.0, 1.0, 2.0, 30.0]
    assert track.iloc[-1].tolist() == pytest.approx([200.0, 1.0, 2.0, -170.0])


def test_vertical_reaches_up_to_a_negative_depth():
    assert vertical([-5.0, 10.0], (0.0, 0.0), 30.0)["z"].tolist() == [35.0, 20.0]


def test_gamma_to_fraction_is_the_linear_index_between_percentiles():
    gamma = np.array([20.0, 60.0, 100.0, 140.0, math.nan])
    well = gamma_to_fraction(a_well(gamma, range(5)), clean=0, shale=100)
    assert well.curve("VSAND").tolist()[:4] == pytest.approx([1.0, 2 / 3, 1 / 3, 0.0])
    assert math.isnan(well.curve("VSAND").iloc[4])
    assert well.units["VSAND"] == "1"
    assert "clean 20" in well.health[-1].message
    assert "shale 140" in well.health[-1].message
    assert "of 4 samples" in well.health[-1].message


def test_gamma_to_fraction_looks_at_the_interval_only_and_clips_the_rest():
    well = gamma_to_fraction(a_well(), clean=0, shale=100, interval=(1001.0, 1002.0))
    assert well.curve("VSAND").tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clean": 95, "shale": 5}, "clean < shale"),
        ({"curve": "SP"}, "no curve 'SP'"),
        ({"interval": (0.0, 10.0)}, "no GR value between 0 and 10 m"),
        ({"interval": (1001.0, 1001.0)}, "constant"),
    ],
)
def test_gamma_to_fraction_refuses(options, message):
    with pytest.raises(GempyGanError, match=message):
        gamma_to_fraction(a_well(), **options)


def test_flatten_hangs_the_well_on_its_top():
    flat = flatten(a_well(), top=1001.0)
    assert flat.xyz([1000.0, 1001.0, 1003.0]).tolist() == [[500.0, 800.0, 1.0], [500.0, 800.0, 0.0], [500.0, 800.0, -2.0]]


def test_flatten_stretches_the_unit_to_the_thickness():
    flat = flatten(a_well(), top=1001.0, base=1003.0, thickness=50.0)
    assert flat.xyz([1000.0, 1001.0, 1002.0, 1003.0])[:, 2].tolist() == pytest.approx([25.0, 0.0, -25.0, -50.0])
    assert "stretched from 2 to 50 m" in flat.health[-1].message


def test_flatten_uses_elevation_in_a_deviated_well():
    survey = pd.DataFrame({"md": [0.0, 2000.0], "inclination": [60.0, 60.0], "azimuth": [90.0, 90.0]})
    well = a_well().placed(xy=(0.0, 0.0), kb=0.0, survey=survey)
    flat = flatten(well, top=1000.0, base=1002.0, thickness=10.0)
    x, y, z = flat.xyz([1001.0])[0]
    assert (x, y, z) == pytest.approx((1001 * math.sin(math.radians(60)), 0.0, -5.0), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 1002.0, "base": 1001.0, "thickness": 5.0}, "base below the top"),
        ({"top": 1001.0, "base": 1002.0}, "Give both"),
        ({"top": 5000.0}, "lies off the trajectory"),
        ({"top": 1001.0, "base": 1002.0, "thickness": -1.0}, "positive thickness"),
    ],
)
def test_flatten_refuses(options, message):
    with pytest.raises(GempyGanError, match=message):
        flatten(a_well(), **options)
