"""Seismic to grid columns: which trace goes where, what is left out and said, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan import Grid, forward, resample
from gempy_gan.errors import GempyGanError
from gempy_gan.frame import rotate
from gempy_gan.seismic import SeismicCube

MODEL = forward.Convolution(forward.ricker(40.0), forward.Impedance(), velocity=2000.0)
ORIGIN = np.array([600_000.0, 6_000_000.0])


def survey(n=(9, 7), spacing=25.0, rotation=20.0, samples=120, step=0.002, domain="time") -> SeismicCube:
    lines = np.argwhere(np.ones(n, dtype=bool))
    xy = ORIGIN + rotate((lines + 0.5) * spacing, rotation)
    traces = (lines[:, :1] * 100 + lines[:, 1:] + np.arange(samples) / 1000).astype(np.float32)
    return SeismicCube(traces, xy, lines, 0.0, step, domain)


def grid(n=(9, 7), cell=25.0, rotation=20.0, z=(-120.0, -40.0), nz=8, **more) -> Grid:
    x, y = ORIGIN
    return Grid((x, x + n[0] * cell, y, y + n[1] * cell, *z), (*n, nz), rotation, **more)


@settings(max_examples=20, deadline=None)
@given(rotation=st.floats(-180, 180), seed=st.integers(0, 5))
def test_on_a_rotated_grid_each_column_gets_its_own_trace(rotation, seed):
    cube = survey(rotation=rotation)
    order = np.random.default_rng(seed).permutation(len(cube.traces))
    shuffled = SeismicCube(cube.traces[order], cube.xy[order], cube.lines[order], 0.0, 0.002, "time")
    for how in ("nearest", "mean"):
        data = resample(shuffled, grid(rotation=rotation), forward=MODEL, std=1.0, columns=how)
        columns = data.cells.reshape(63, -1, 3)[:, 0, :2]
        np.testing.assert_array_equal(np.floor(data.values[:, 0] / 100), columns[:, 0])
        np.testing.assert_array_equal(np.floor(data.values[:, 0] % 100), columns[:, 1])
        assert data.report["columns_without_trace"] == 0
        assert data.report["largest_distance"] < 1e-6


def test_samples_are_those_between_top_and_base():
    data = resample(survey(), grid(), forward=MODEL, std=2.0)
    assert data.report["axis"] == pytest.approx([0.04, 0.12])
    assert data.values.shape == (63, 41)
    np.testing.assert_allclose(data.values[0], 0 + np.arange(20, 61) / 1000, atol=1e-6)
    iz = data.cells.reshape(63, 41, 3)[5, :, 2]
    np.testing.assert_allclose(iz, 7.5 - np.arange(41) * 0.002 * 1000 / 10, atol=1e-9)
    assert (data.std == 2.0).all()
    prediction = data.forward(torch.full((2, 1, 9, 7, 8), 5e6))
    assert prediction.shape == (2, data.values.size)


def test_a_window_leaves_samples_out_and_says_so():
    whole = resample(survey(), grid(), forward=MODEL, std=1.0)
    part = resample(survey(), grid(), forward=MODEL, std=1.0, window=(0.06, 0.08))
    assert part.report["axis"] == pytest.approx([0.06, 0.08])
    assert part.report["samples"] == 63 * 11
    assert part.report["samples"] + part.report["samples_left_out"] == 63 * 120
    assert whole.report["samples_near_edges"] > 0
    short = forward.Convolution(forward.ricker(200.0), forward.Impedance(), velocity=2000.0)
    assert resample(survey(), grid(), forward=short, std=1.0, window=(0.06, 0.08)).report["samples_near_edges"] == 0


def test_dead_and_missing_traces_leave_columns_without_data():
    cube = survey()
    cube.traces[[0, 10]] = np.nan
    half = SeismicCube(cube.traces[:40], cube.xy[:40], cube.lines[:40], 0.0, 0.002, "time")
    data = resample(half, grid(), forward=MODEL, std=1.0)
    assert data.report["traces_dead"] == 2
    assert data.report["columns"] == 38
    assert data.report["columns_without_trace"] == 25
    gap = survey()
    gap.traces[5, 30] = np.nan
    data = resample(gap, grid(), forward=MODEL, std=1.0)
    assert np.isnan(data.values).sum() == 1
    assert data.report["samples"] == len(data)


def test_traces_outside_are_counted():
    data = resample(survey(n=(20, 7)), grid(), forward=MODEL, std=1.0)
    assert data.report["traces_outside"] == 77
    assert data.report["traces_used"] == 63
    assert json.loads(json.dumps(data.report)) == data.report


def test_a_mean_of_the_traces_inside():
    data = resample(survey(n=(8, 6)), grid(n=(4, 3), cell=50.0), forward=MODEL, std=1.0, columns="mean")
    assert data.report["traces_used"] == 48
    first = data.values[0, 0] - 0.02
    assert first == pytest.approx(np.mean([0, 1, 100, 101]))


def test_a_trace_is_used_once_where_columns_are_finer_than_traces():
    data = resample(survey(), grid(n=(27, 21), cell=25 / 3), forward=MODEL, std=1.0, within=40.0)
    assert data.report["traces_used"] == data.report["columns"] == 63
    columns = data.cells.reshape(63, -1, 3)[:, 0, :2]
    np.testing.assert_array_equal(columns % 3, 1)


def test_only_columns_with_active_cells_take_data():
    active = np.zeros((9, 7, 8), dtype=bool)
    active[:3] = True
    for how in ("nearest", "mean"):
        data = resample(survey(), grid(active=active), forward=MODEL, std=1.0, columns=how)
        assert data.report["columns"] == 21


def test_depth_data_need_no_velocity():
    cube = survey(step=2.0, domain="depth")
    model = forward.Convolution(forward.ricker(0.02, step=0.5, domain="depth"), forward.Impedance())
    data = resample(cube, grid(), forward=model, std=1.0)
    assert data.report["axis"] == [40.0, 120.0]
    with pytest.raises(GempyGanError, match="wavelet in time"):
        resample(cube, grid(), forward=MODEL, std=1.0)


@pytest.mark.parametrize(
    ("cube", "options", "said"),
    [
        (survey(), {"forward": forward.Convolution(forward.ricker(40.0), forward.Impedance())}, "time-depth relation"),
        (survey(), {"forward": lambda m: m}, "Expected an unbound operator"),
        (survey(), {"columns": "median"}, "Allowed: 'nearest' or 'mean'"),
        (survey(), {"within": 0.0}, "positive distance"),
        (survey(), {"window": (0.2, 0.1)}, "first < last"),
        (survey(), {"window": (0.2, 0.24)}, "No sample of the seismic, 0 to 0.238 s in time"),
        (survey(samples=10), {}, "z = -120 to -40 m"),
        (survey(), {"std": -1.0}, "positive"),
    ],
)
def test_requests_that_cannot_be_right(cube, options, said):
    with pytest.raises(GempyGanError, match=said):
        resample(cube, grid(), **({"forward": MODEL, "std": 1.0} | options))


@pytest.mark.parametrize("how", ["nearest", "mean"])
def test_a_grid_outside_the_survey_is_refused_with_both_extents(how):
    cube = survey()
    away = SeismicCube(cube.traces, cube.xy - [0, 10_000], cube.lines, 0.0, 0.002, "time")
    with pytest.raises(GempyGanError, match=r"grid covers x 5999\d\d to .* live traces x .*, y 5990"):
        resample(away, grid(), forward=MODEL, std=1.0, columns=how)
