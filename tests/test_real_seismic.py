"""Real seismic: the F3 block's geometry, and the tie of F02-1 to inline 362. Needs the folder of real files."""

from __future__ import annotations

import os
from pathlib import Path

import f3
import numpy as np
import pytest
import segyio

from gempy_gan.adapters.segy import read_segy
from gempy_gan.errors import FormatError

FOLDER = os.environ.get("GEMPY_GAN_REAL_DATA")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="GEMPY_GAN_REAL_DATA does not name the folder of real files")
HOME = Path(FOLDER or "")

REFUSED = {
    "1x1": "stand at (0, 0)",
    "1xN": "stand at (0, 0)",
    "Mx1": "stand at (0, 0)",
    "broken": "3 whole traces of 4 samples and 68 bytes more",
    "decrement": "states -9 samples",
    "increment-lsb": "whole traces",
    "interval-neg-bin-pos-trace": "zero or flagged dead",
    "mapping-shifted": "stand at (0, 0)",
    "multi-text": "zero or flagged dead",
    "shot-gather": "stand at (0, 0)",
    "small": "stand at (0, 0)",
    "small-lsb": "stand at (0, 0)",
    "small-ps": "stand at (0, 0)",
    "stanzas-unknown-count": "stand at (0, 0)",
    "text-embed-null": "stand at (0, 0)",
    "tiny": "stand at (0, 0)",
    "trace-header-extensions": "stand at (0, 0)",
}


def files() -> list[Path]:
    return sorted([*(HOME / "segy").rglob("*.sgy"), *(HOME / "pilot" / "f3").glob("*.sgy")])


def test_every_file_is_read_right_or_refused_for_its_own_reason():
    assert len(files()) == 40
    for path in files():
        if path.stem in REFUSED:
            with pytest.raises(FormatError) as refused:
                read_segy(path, domain="time")
            assert REFUSED[path.stem] in str(refused.value), path.name
            continue
        cube = read_segy(path, domain="time")
        if "more header(s)" in "".join(map(str, cube.health)):
            continue  # segyio knows no more than one header per trace
        with segyio.open(str(path), ignore_geometry=True, endian=str(cube.source["byte_order"])) as raw:
            np.testing.assert_array_equal(cube.traces, raw.trace.raw[:].astype(np.float32), err_msg=path.name)
        if len(cube.traces) > 1:
            assert cube.binning is not None
            assert cube.binning.residual < 0.05, path.name


def test_one_crop_in_fourteen_encodings_is_one_cube():
    """The 8-bit encodings clip, so they only share the geometry."""
    truth = read_segy(HOME / "segy/segyio/f3.sgy", domain="time")
    encodings = sorted((HOME / "segy/segyio").glob("multiformats_*.sgy"))
    assert len(encodings) == 14
    for path in encodings:
        cube = read_segy(path, domain="time")
        np.testing.assert_array_equal(cube.xy, truth.xy)
        np.testing.assert_array_equal(cube.lines, truth.lines)
        assert (cube.start, cube.step) == (0.004, 0.004)
        if not path.stem.endswith(("Format8msb", "Format8lsb", "Format16msb", "Format16lsb")):
            np.testing.assert_array_equal(cube.traces, truth.traces, err_msg=path.name)


def test_the_sparse_survey_bins_and_places_a_well():
    cube = read_segy(HOME / "pilot/f3/f3_sparse_3d.sgy", domain="time")
    assert cube.traces.shape == (598, 36)
    assert cube.binning is not None
    assert cube.binning.is_3d
    line_spacing = np.linalg.norm(cube.binning.matrix[1:], axis=1)
    np.testing.assert_allclose(line_spacing, 25.0, atol=0.05)
    distance = np.linalg.norm(cube.binning.xy(cube.lines) - cube.xy, axis=1)
    assert distance.max() < 0.5 * line_spacing.min()
    np.testing.assert_allclose(cube.binning.lines([[623256.0, 6082586.0]])[0], [441.6, 1006.6], atol=0.05)


def test_missing_traces_of_a_volume_stay_missing():
    cube = read_segy(HOME / "segy/segysak/f3-withdead.sgy", domain="time")
    assert len(cube.traces) == 239
    whole = read_segy(HOME / "segy/segyio/f3.sgy", domain="time")
    assert cube.binning is not None
    assert whole.binning is not None
    np.testing.assert_allclose(cube.binning.matrix[1:], whole.binning.matrix[1:], atol=0.1)


def test_f02_1_stands_on_inline_362():
    cube, well = f3.section(HOME), f3.well(HOME)
    trace = f3.nearest(cube, well)
    assert cube.lines[trace].tolist() == [362, 336]
    assert np.linalg.norm(cube.xy[trace] - well.xyz([100.0])[0, :2]) < 5.0
    assert cube.binning is not None
    assert not cube.binning.is_3d


def test_f02_1_ties_by_its_sonic():
    """Seismic is slower than the sonic by 3 %; a third of the correlation is left on stretches that the fit had not seen."""
    tie = f3.tie(HOME)
    assert tie.stretch == pytest.approx(0.03, abs=0.011)
    assert tie.correlation > 0.5
    assert tie.correlation_held_out > 0.3
    assert tie.correlation > tie.correlation_held_out
    assert 0.8 * tie.trace.std() < tie.residual_std < tie.trace.std()
    top = float(tie.shift(f3.logs(HOME).sonic_times[0])) - f3.logs(HOME).checkshot_times[0]
    assert 0.0 < top < 0.04


def test_f02_1_does_not_tie_by_its_marker_times():
    assert f3.tie(HOME, checkshot=True).correlation_held_out < 0.25


def test_f02_1_ties_better_where_it_stands_than_elsewhere():
    """The same search, lags and stretches and all, on traces more than 3 km away."""
    cube = f3.section(HOME)
    here = f3.tie(HOME, lag_step=0.003).correlation_held_out
    there = [f3.tie(HOME, trace=index, lag_step=0.003).correlation_held_out for index in range(200, len(cube.traces), 150)]
    assert here > max(there)


def test_a_section_shows_detail_at_the_withheld_well():
    """As much as its signal-to-noise ratio allows (`python tests/f3.py` prints that too), and none of it with wrong polarity."""
    section = f3.Section(HOME)
    right = section.scores(section.withheld(n=40))
    wrong = section.scores(section.withheld(lambda wavelet: wavelet.scaled(-1.0), n=40))
    assert right["correlation_100m"] > 0.2
    assert wrong["correlation_100m"] < -0.2
    assert right["crps"] < wrong["crps"]
    assert 0.65 < right["coverage80"] < 0.95


def test_the_tutorial_ties_the_well_where_it_stands(tmp_path, monkeypatch, capsys):
    import runpy

    monkeypatch.chdir(tmp_path)
    found = runpy.run_path(str(Path(__file__).parents[1] / "tutorials" / "12_f3_well_tie.py"))
    assert "inline, crossline [362, 336]" in capsys.readouterr().out
    assert found["tie"].correlation_held_out > max(0.3, found["elsewhere"].correlation_held_out)
