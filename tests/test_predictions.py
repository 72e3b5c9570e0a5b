"""What an ensemble predicts: logs along wells through a fold, and traces at the positions of a survey."""

import lasio
import numpy as np
import pandas as pd
import pytest
import segyio
from folds import CORNER, fold_from_dict, folded_ensemble, folded_grid

import gempy_gan.grid
from gempy_gan import forward
from gempy_gan.adapters.las import read_las, write_las
from gempy_gan.adapters.segy import read_segy, write_segy
from gempy_gan.adapters.segy_writer import write_segy_like
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.frame import rotate
from gempy_gan.grid import Grid
from gempy_gan.predictions import log_along, synthetic
from gempy_gan.properties import Property
from gempy_gan.resampling import resample
from gempy_gan.seismic import SeismicCube
from gempy_gan.unit_frame import SurfaceFrame
from gempy_gan.wells import WellLog


@pytest.fixture(autouse=True)
def _folds_are_read(monkeypatch):
    monkeypatch.setattr(gempy_gan.grid, "frame_from_dict", fold_from_dict)


def deviated_well():
    """A well through the fold whose every sample's cell is known from the fold's own functions."""
    md = np.arange(0.0, 320.0, 0.5)
    uv = np.column_stack([0.2003 + md / 1000, np.full(len(md), 0.6)])
    local = uv * [1000.0, 600.0]
    xy = rotate(local, 30.0) + CORNER
    z = -1850 - 0.75 * md
    stations = pd.DataFrame({"md": md, "x": xy[:, 0], "y": xy[:, 1], "z": z})
    fold = folded_grid().frame
    t = (z - fold.base(uv)) / fold.thickness(uv)
    inside = (t >= 0) & (t <= 1)
    cells = np.column_stack([uv * [40, 12], t * 8]).astype(int)
    logs = pd.DataFrame({"GR": np.zeros(len(md))}, index=md)
    return WellLog("A-1", logs, {"GR": "gAPI"}, stations), inside, cells


def test_curves_are_those_of_the_cells_that_the_well_runs_through():
    ensemble = folded_ensemble(n=5)
    well, inside, cells = deviated_well()
    assert 40 < inside.sum() < 300
    log = log_along(ensemble, well, realizations=(3,))
    assert list(log.curves) == [
        *("POROSITY_MEAN", "POROSITY_Q10", "POROSITY_Q50", "POROSITY_Q90", "POROSITY_R3"),
        *("FACIES_P0", "FACIES_P1", "FACIES_P7", "FACIES_MODE", "FACIES_R3"),
    ]
    at = ensemble.values[:, :, *cells[inside].T]
    expected = {
        "POROSITY_MEAN": at[:, 0].mean(axis=0),
        "POROSITY_Q10": np.quantile(at[:, 0], 0.1, axis=0),
        "POROSITY_R3": at[3, 0],
        "FACIES_P7": (at[:, 1] == 7).mean(axis=0),
        "FACIES_R3": at[3, 1],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(log.curves[name][inside], values, rtol=1e-5)
        assert log.curves[name][~inside].isna().all()
    shares = np.stack([log.curves[f"FACIES_P{code}"][inside] for code in (0, 1, 7)])
    np.testing.assert_array_equal(log.curves["FACIES_MODE"][inside], np.array([0, 1, 7])[shares.argmax(axis=0)])


def test_realizations_weigh_as_they_do_in_the_ensemble():
    values = np.array([0.0, 1.0, 2.0]).reshape(3, 1, 1, 1, 1) * np.ones((1, 1, 1, 1, 2))
    ensemble = Ensemble.from_values(Grid((0, 9, 0, 9, -2, 0), (1, 1, 2)), ["p"], values, log_weights=np.log([0.7, 0.2, 0.1]))
    well = WellLog("V", pd.DataFrame({"GR": [1.0]}, index=[0.5])).placed(xy=(4.0, 4.0), kb=0.0)
    log = log_along(ensemble, well, quantiles=(0.5,))
    assert log.curves["P_MEAN"].iloc[0] == pytest.approx(0.4)
    assert log.curves["P_Q50"].iloc[0] < 0.5


def test_inactive_cells_have_no_value():
    active = np.ones((1, 1, 2), dtype=bool)
    active[0, 0, 0] = False
    ensemble = Ensemble.from_values(Grid((0, 9, 0, 9, -2, 0), (1, 1, 2), 0.0, active), ["p"], np.ones((1, 1, 1, 1, 2)))
    well = WellLog("V", pd.DataFrame({"GR": [0.0, 0.0]}, index=[0.5, 1.5])).placed(xy=(4.0, 4.0), kb=0.0)
    np.testing.assert_array_equal(log_along(ensemble, well).curves["P_MEAN"], [1, np.nan])


def test_a_step_replaces_the_depths_of_the_well_within_the_grid():
    well, inside, _ = deviated_well()
    log = log_along(folded_ensemble(), well, step=2.0)
    assert (np.diff(log.md) == 2).all()
    assert log.curves["POROSITY_MEAN"].iloc[[0, -1]].notna().all()
    assert well.md[inside][0] <= log.md[0] < well.md[inside][0] + 2


def test_logs_are_read_back_by_lasio_and_by_our_reader(tmp_path):
    well = WellLog("V-1", pd.DataFrame({"GR": np.zeros(300)}, index=np.arange(300.0))).placed(
        xy=(CORNER[0] + 200.0, CORNER[1] + 300.0), kb=1800.0 * -1
    )
    log = log_along(folded_ensemble(), well)
    write_las(log, tmp_path / "V-1.las")
    found = read_las(tmp_path / "V-1.las", kb="header", xy="header")
    pd.testing.assert_frame_equal(found.curves, log.curves, check_names=False)
    np.testing.assert_allclose(found.xyz([150.0]), log.xyz([150.0]))
    by_lasio = lasio.read(tmp_path / "V-1.las")
    np.testing.assert_array_equal(by_lasio["FACIES_MODE"], log.curves["FACIES_MODE"])
    assert by_lasio.curves["POROSITY_MEAN"].unit == "1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantiles": (1.5,)}, r"A quantile is 1\.5"),
        ({"step": 0.0}, r"step along the hole is 0\.0"),
        ({"realizations": (7,)}, r"Realization 7 was asked for\. The ensemble holds 0 to 1"),
        ({"quantiles": (0.1, 0.1)}, "Two curves would be called POROSITY_Q10"),
    ],
)
def test_what_cannot_be_asked(options, message):
    with pytest.raises(GempyGanError, match=message):
        log_along(folded_ensemble(), deviated_well()[0], **options)


def test_a_well_elsewhere_is_refused():
    well = WellLog("V", pd.DataFrame({"GR": [1.0]}, index=[0.5])).placed(xy=(4.0, 4.0), kb=0.0)
    with pytest.raises(GempyGanError, match="Well V meets no active cell"):
        log_along(folded_ensemble(), well)


# Seismic.

WAVELET = forward.ricker(30.0, step=0.002)
CONVOLUTION = forward.Convolution(WAVELET, velocity=2500.0, tie=(0.0, 0.0))
BOX = Grid((0.0, 100.0, 0.0, 80.0, -400.0, -200.0), (4, 4, 20), 0.0)


def survey(path, sample_format=5):
    """Traces on a map wider than the box, one of them dead, as a file."""
    inline, crossline = np.meshgrid(np.arange(6), np.arange(5), indexing="ij")
    lines = np.column_stack([inline.ravel() + 100, crossline.ravel() + 200])
    xy = np.column_stack([inline.ravel() * 25.0 - 12.5, crossline.ravel() * 20.0 + 10])
    traces = np.random.default_rng(0).normal(size=(30, 200)).astype(np.float32)
    traces[7] = np.nan
    write_segy(SeismicCube(traces, xy, lines, 0.0, 0.002, "time"), path, sample_format)
    return read_segy(path, domain="time")


def box_ensemble(names=("coarse_fraction",)):
    values = np.random.default_rng(1).uniform(size=(3, len(names), *BOX.resolution)).astype(np.float32)
    return Ensemble.from_values(BOX, [Property(name) for name in names], values)


def test_traces_are_those_that_the_inversion_predicts(tmp_path):
    import torch

    cube, ensemble = survey(tmp_path / "in.sgy"), box_ensemble()
    made = synthetic(ensemble, cube, CONVOLUTION, realization=2)
    term = resample(cube, BOX, forward=CONVOLUTION, std=1.0, within=1.0)
    predicted = term.forward(torch.as_tensor(ensemble.values[2:]))[0].numpy().reshape(term.values.shape)
    (first, last), axis = term.report["axis"], cube.axis
    samples = (axis >= first - 1e-9) & (axis <= last + 1e-9)
    columns = term.forward.columns
    for (ix, iy), trace in zip(columns, predicted, strict=True):
        at = np.flatnonzero((cube.xy == [ix * 25 + 12.5, iy * 20 + 10]).all(axis=1))
        np.testing.assert_allclose(made.traces[at[0], samples], trace, atol=1e-6)
    assert len(columns) == 15  # 16 columns, one under the dead trace
    assert made.dead.sum() == 30 - 15
    assert np.abs(made.traces[~made.dead]).max() > 0.01


def test_traces_of_a_unit_are_predicted_where_they_stand(tmp_path):
    import torch

    base = np.tile(np.linspace(-400, -350, 9, dtype=np.float32)[:, None], (1, 3))[None]
    frame = SurfaceFrame(BOX.extent, 0.0, 100.0, "column", None, {}, base, base + np.float32(100))
    grid = Grid(BOX.extent, BOX.resolution, 0.0, None, frame)
    cube = survey(tmp_path / "in.sgy")
    cube = SeismicCube(cube.traces, cube.xy + np.array([5.0, 0.0]), cube.lines, 0.0, 0.002, "time")
    ensemble = Ensemble.from_values(grid, ["coarse_fraction"], box_ensemble().values)
    made = synthetic(ensemble, cube, CONVOLUTION, realization=2)
    term = resample(cube, grid, forward=CONVOLUTION, std=1.0, within=8.0)
    predicted = term.forward(torch.as_tensor(ensemble.values[2:]))[0].numpy().reshape(term.values.shape)
    (first, last), axis = term.report["axis"], cube.axis
    samples = (axis >= first - 1e-9) & (axis <= last + 1e-9)
    for (u, v), trace in zip(term.forward.columns, predicted, strict=True):
        at = np.flatnonzero((np.abs(cube.xy - [u * 25 + 12.5, v * 20 + 10]) < 1e-6).all(axis=1))
        np.testing.assert_allclose(made.traces[at[0], samples], trace, atol=1e-6)
    assert len(predicted) == 15


@pytest.mark.parametrize("sample_format", [1, 5])
def test_the_copy_keeps_every_header(tmp_path, sample_format):
    cube = survey(tmp_path / "in.sgy", sample_format)
    made = synthetic(box_ensemble(), cube, CONVOLUTION)
    write_segy_like(made, tmp_path / "out" / "synthetic.sgy", tmp_path / "in.sgy")
    source, copy = ((tmp_path / name).read_bytes() for name in ("in.sgy", "out/synthetic.sgy"))
    assert len(source) == len(copy)
    assert source[:3600] == copy[:3600]
    length = 240 + 4 * 200
    for i in range(30):
        start = 3600 + i * length
        assert source[start : start + 240] == copy[start : start + 240]
    with segyio.open(tmp_path / "out" / "synthetic.sgy", ignore_geometry=True) as stream:
        found = stream.trace.raw[:]
    np.testing.assert_allclose(found, np.nan_to_num(made.traces), rtol=1e-6, atol=1e-9)
    again = read_segy(tmp_path / "out" / "synthetic.sgy", domain="time")
    np.testing.assert_array_equal(again.dead, made.dead)
    np.testing.assert_array_equal(again.lines, cube.lines)


def test_a_copy_of_another_file_is_refused(tmp_path):
    made = synthetic(box_ensemble(), survey(tmp_path / "in.sgy"), CONVOLUTION)
    survey(tmp_path / "other.sgy", sample_format=1)
    with pytest.raises(FormatError, match=r"was not read from other\.sgy as it is now"):
        write_segy_like(made, tmp_path / "out.sgy", tmp_path / "other.sgy")
    fewer = SeismicCube(made.traces[:20], made.xy[:20], made.lines[:20], 0.0, 0.002, "time", source=made.source)
    with pytest.raises(FormatError, match="holds 30 traces of 200 samples, and the cube 20 of 200"):
        write_segy_like(fewer, tmp_path / "out.sgy", tmp_path / "in.sgy")
    assert not (tmp_path / "out.sgy").exists()


def test_the_property_that_reflects_must_be_known(tmp_path):
    cube, ensemble = survey(tmp_path / "in.sgy"), box_ensemble(("age", "coarse_fraction"))
    with pytest.raises(GempyGanError, match=r"properties age, coarse_fraction\. Name the one that reflects"):
        synthetic(ensemble, cube, CONVOLUTION)
    named = forward.Convolution(WAVELET, velocity=2500.0, property="coarse_fraction")
    made = synthetic(ensemble, cube, named)
    alone = Ensemble.from_values(BOX, ["coarse_fraction"], ensemble.values[:, 1:])
    np.testing.assert_array_equal(made.traces, synthetic(alone, cube, CONVOLUTION).traces)


def test_a_survey_elsewhere_is_refused(tmp_path):
    cube = survey(tmp_path / "in.sgy")
    away = SeismicCube(cube.traces, cube.xy + 1e5, cube.lines, 0.0, 0.002, "time")
    with pytest.raises(GempyGanError, match="No live trace of the survey stands over an active cell"):
        synthetic(box_ensemble(), away, CONVOLUTION)
