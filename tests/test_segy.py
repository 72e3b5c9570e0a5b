"""SEG-Y: what is written is read back, and a file that cannot be right is refused with what to do."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import segyio
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.adapters.segy import read_segy, write_segy
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.seismic import Binning, SeismicCube, fit_binning

TEXT, BINARY = 3200, 400


def survey(inlines=4, crosslines=5, samples=40, *, rotation=30.0, start=0.1, step=0.004, domain="time", seed=0) -> SeismicCube:
    lines = np.stack(np.meshgrid(100 + 2 * np.arange(inlines), 300 + np.arange(crosslines), indexing="ij"), -1).reshape(-1, 2)
    angle = np.deg2rad(rotation)
    axes = np.array([[-np.sin(angle), np.cos(angle)], [np.cos(angle), np.sin(angle)]]) * [[12.5], [25.0]]
    xy = np.array([606_000.25, 6_080_000.5]) + (lines - lines[0]) @ axes
    traces = np.random.default_rng(seed).normal(0, 1000, (len(lines), samples)).astype(np.float32)
    return SeismicCube(traces, xy, lines, start, step, domain)


def patch(file: Path, offset: int, format: str, *values: int) -> None:
    with file.open("r+b") as stream:
        stream.seek(offset)
        stream.write(struct.pack(format, *values))


def patch_traces(file: Path, byte: int, format: str, value: int, samples: int = 40, traces: int = 20) -> None:
    for i in range(traces):
        patch(file, TEXT + BINARY + i * (240 + 4 * samples) + byte - 1, format, value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_segy(survey(), tmp_path / "cube.sgy")


@settings(max_examples=25, deadline=None)
@given(
    inlines=st.integers(1, 4),
    crosslines=st.integers(2, 5),
    samples=st.integers(1, 30),
    rotation=st.floats(-180, 180),
    start=st.sampled_from([0.0, 0.4, -0.25, 1.0005, 3.2]),
    step=st.sampled_from([0.004, 0.002, 0.0005, 0.02]),
    sample_format=st.sampled_from([1, 5]),
    domain=st.sampled_from(["time", "depth"]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory, inlines, crosslines, samples, rotation, start, step, sample_format, domain
):
    scale = 1.0 if domain == "time" else 1000.0
    cube = survey(inlines, crosslines, samples, rotation=rotation, start=start * scale, step=step * scale, domain=domain)
    cube.traces[1] = np.nan
    path = write_segy(cube, tmp_path_factory.mktemp("segy") / "cube.sgy", sample_format)
    read = read_segy(path, domain=domain)
    np.testing.assert_allclose(read.traces, cube.traces, rtol=0 if sample_format == 5 else 1e-6)
    np.testing.assert_allclose(read.xy, cube.xy, atol=0.0051)
    np.testing.assert_array_equal(read.lines, cube.lines)
    np.testing.assert_allclose([read.start, read.step], [cube.start, cube.step], rtol=1e-12)
    assert read.domain == domain
    assert read.dead.tolist() == cube.dead.tolist()
    if read.dead.size - read.dead.sum() > 1:
        assert read.binning is not None
        assert read.binning.residual < 0.01


def test_segyio_reads_what_is_written(file: Path):
    cube = survey()
    with segyio.open(str(file)) as stream:
        assert stream.ilines.tolist() == [100, 102, 104, 106]
        assert stream.xlines.tolist() == [300, 301, 302, 303, 304]
        np.testing.assert_allclose(stream.samples, 100 + 4 * np.arange(40))
        np.testing.assert_array_equal(stream.trace.raw[:], cube.traces)
        assert b"INLINE: BYTES 189" in stream.text[0]


def test_source_is_hashed(file: Path):
    import hashlib

    source = read_segy(file, domain="time").source
    assert source["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert source["file"] == "cube.sgy"


def test_domain_must_be_said(file: Path):
    with pytest.raises(GempyGanError, match="cannot tell time from depth"):
        read_segy(file)


@pytest.mark.parametrize("code", [2, 3, 5, 8])
@pytest.mark.parametrize("endian", ["big", "little"])
def test_sample_formats_in_both_byte_orders(tmp_path: Path, code: int, endian: str):
    cube = survey(samples=8)
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount, spec.endian = code, np.arange(8), 20, endian
    dtype = {2: np.int32, 3: np.int16, 5: np.float32, 8: np.int8}[code]
    values = np.random.default_rng(0).integers(-100, 100, (20, 8)).astype(dtype)
    with segyio.create(str(tmp_path / "x.sgy"), spec) as stream:
        stream.bin[3217] = 4000
        for i in range(20):
            (x, y), (inline, crossline) = np.rint(cube.xy[i] * 10).astype(int), cube.lines[i]
            stream.header[i] = {71: -10, 181: int(x), 185: int(y), 189: int(inline), 193: int(crossline)}
        stream.trace.raw[:] = values
    read = read_segy(tmp_path / "x.sgy", domain="time")
    np.testing.assert_array_equal(read.traces, values.astype(np.float32))
    np.testing.assert_allclose(read.xy, cube.xy, atol=0.051)


def test_no_interval_is_refused_unless_given(file: Path):
    patch(file, TEXT + 16, ">h", 0)
    patch_traces(file, 117, ">h", 0)
    with pytest.raises(FormatError, match="no sample interval"):
        read_segy(file, domain="time")
    assert read_segy(file, domain="time", dt=0.002).step == 0.002
    with pytest.raises(GempyGanError, match=r"4 ms are dt=0.004"):
        read_segy(file, domain="time", dt=4)


def test_contradicting_intervals_are_refused_unless_given(file: Path):
    patch_traces(file, 117, ">h", 2000)
    with pytest.raises(FormatError, match="binary header states 4000 and the trace headers 2000"):
        read_segy(file, domain="time")
    read = read_segy(file, domain="time", dt=0.002)
    assert "2000" in str(read.health[0])


def test_a_negative_interval_gives_way_to_the_trace_headers(file: Path):
    patch(file, TEXT + 16, ">h", -2)
    read = read_segy(file, domain="time")
    assert read.step == 0.004
    assert any(f.level == "warning" and "negative" in f.message for f in read.health)


def test_start_in_the_trace_headers(file: Path):
    patch_traces(file, 109, ">h", -120)
    assert read_segy(file, domain="time").start == pytest.approx(-0.12)
    patch_traces(file, 215, ">h", -10)
    assert read_segy(file, domain="time").start == pytest.approx(-0.012)
    assert read_segy(file, domain="time", start=0.5).start == 0.5
    patch(file, TEXT + BINARY + 108, ">h", 40)
    with pytest.raises(FormatError, match="start at different times"):
        read_segy(file, domain="time")


@pytest.mark.parametrize(("scalar", "factor"), [(-100, 0.01), (-10, 0.1), (-1, 1.0), (1, 1.0), (10, 10.0), (0, 1.0)])
def test_coordinate_scalars(file: Path, scalar: int, factor: float):
    patch_traces(file, 71, ">h", scalar)
    read = read_segy(file, domain="time")
    np.testing.assert_allclose(read.xy, np.rint(survey().xy * 100) * factor)
    assert any("taken as 1" in str(f) for f in read.health) == (scalar == 0)
    np.testing.assert_allclose(read_segy(file, domain="time", coordinate_scalar=-100).xy, survey().xy, atol=0.0051)


def test_feet_become_metres_with_a_warning(file: Path):
    patch(file, TEXT + 54, ">h", 2)
    read = read_segy(file, domain="time")
    np.testing.assert_allclose(read.xy, survey().xy * 0.3048, atol=0.002)
    assert any(f.level == "warning" and "feet" in f.message for f in read.health)
    np.testing.assert_allclose(read_segy(file, domain="time", unit="m").xy, survey().xy, atol=0.0051)


def test_geographic_coordinates_are_refused(file: Path):
    patch_traces(file, 89, ">h", 2)
    with pytest.raises(FormatError, match="geographic"):
        read_segy(file, domain="time")


def test_a_truncated_file_is_refused(file: Path):
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(FormatError, match="19 whole traces of 40 samples and 300 bytes more"):
        read_segy(file, domain="time")


def test_no_segy_file(tmp_path: Path):
    (tmp_path / "x.sgy").write_bytes(b"hello")
    with pytest.raises(FormatError, match="no SEG-Y file"):
        read_segy(tmp_path / "x.sgy", domain="time")
    (tmp_path / "y.sgy").write_bytes(b"hello, this is text. " * 1000)
    with pytest.raises(FormatError, match="sample format"):
        read_segy(tmp_path / "y.sgy", domain="time")
    with pytest.raises(FormatError, match="Check the path"):
        read_segy(tmp_path / "none.sgy", domain="time")


@pytest.mark.parametrize(("true", "claimed"), [(5, 1), (1, 5)])
def test_float_encoding_that_is_not_what_the_header_claims(tmp_path: Path, true: int, claimed: int):
    cube = survey(samples=100)
    file = write_segy(cube, tmp_path / "x.sgy", true)
    patch(file, TEXT + 24, ">h", claimed)
    with pytest.raises(FormatError, match=f"sample_format={true}"):
        read_segy(file, domain="time")
    np.testing.assert_allclose(read_segy(file, domain="time", sample_format=true).traces, cube.traces, rtol=1e-6)


def test_positive_values_within_one_binade_are_not_taken_for_ibm(tmp_path: Path):
    cube = survey(samples=100)
    cube.traces[:] = np.random.default_rng(0).uniform(4100, 8100, cube.traces.shape)
    np.testing.assert_array_equal(read_segy(write_segy(cube, tmp_path / "x.sgy"), domain="time").traces, cube.traces)


def test_absurd_amplitudes_are_refused(tmp_path: Path):
    cube = survey()
    cube.traces[3, 3] = 1e32
    with pytest.raises(FormatError, match="amplitudes beyond"):
        read_segy(write_segy(cube, tmp_path / "x.sgy"), domain="time")


def test_a_trace_off_its_bin_is_named(file: Path):
    patch(file, TEXT + BINARY + 7 * 400 + 180, ">i", 60_601_000)
    with pytest.raises(FormatError, match=r"trace 8 \(inline 102, crossline 302\)"):
        read_segy(file, domain="time")
    read = read_segy(file, domain="time", inline_byte=None, crossline_byte=None)
    assert read.binning is None


def test_useless_line_numbers_leave_positions(file: Path):
    patch_traces(file, 189, ">i", 0)
    patch_traces(file, 193, ">i", 0)
    read = read_segy(file, domain="time")
    assert read.binning is None
    assert any(f.level == "warning" and "All traces carry inline 0" in f.message for f in read.health)


def test_no_positions_are_refused_unless_a_binning_is_given(file: Path):
    expected = read_segy(file, domain="time")
    patch_traces(file, 181, ">i", 0)
    patch_traces(file, 185, ">i", 0)
    with pytest.raises(FormatError, match=r"stand at \(0, 0\)"):
        read_segy(file, domain="time")
    read = read_segy(file, domain="time", binning=expected.binning)
    np.testing.assert_allclose(read.xy, expected.xy, atol=0.01)


def test_gathers_are_refused_or_stacked(tmp_path: Path):
    cube = survey()
    twice = np.repeat(np.arange(20), 2)
    gathers = SeismicCube(cube.traces[twice].copy(), cube.xy[twice], cube.lines[twice], 0.0, 0.004, "time")
    gathers.traces[::2] += 2.0
    file = write_segy(gathers, tmp_path / "x.sgy")
    with pytest.raises(FormatError, match="Expected post-stack"):
        read_segy(file, domain="time")
    stacked = read_segy(file, domain="time", duplicates="mean")
    np.testing.assert_allclose(stacked.traces, cube.traces + 1.0, atol=1e-3)
    first = read_segy(file, domain="time", duplicates="first")
    np.testing.assert_allclose(first.traces, cube.traces + 2.0, atol=1e-3)
    assert first.binning is not None
    patch_traces(file, 193, ">i", 0, traces=40)
    with pytest.raises(FormatError, match="at different positions"):
        read_segy(file, domain="time")


def test_padding_traces_without_position_are_left_out_with_a_warning(tmp_path: Path):
    cube = survey()
    cube.traces[[0, 19]] = np.nan
    cube.xy[0] = 0.0
    read = read_segy(write_segy(cube, tmp_path / "x.sgy"), domain="time")
    assert len(read.traces) == 19
    assert any("left out" in str(f) for f in read.health)


def test_all_dead_is_refused(tmp_path: Path):
    cube = survey()
    cube.traces[:] = 0
    with pytest.raises(FormatError, match="Expected at least one live trace"):
        read_segy(write_segy(cube, tmp_path / "x.sgy"), domain="time")


def test_a_single_line_is_binned_along_itself(tmp_path: Path):
    read = read_segy(write_segy(survey(inlines=1), tmp_path / "x.sgy"), domain="time")
    assert read.binning is not None
    assert not read.binning.is_3d
    np.testing.assert_allclose(read.binning.xy(read.lines), read.xy, atol=0.01)
    with pytest.raises(GempyGanError, match="single line"):
        read.binning.lines(read.xy)


def test_a_crooked_line_keeps_its_positions(tmp_path: Path):
    cube = survey(inlines=1, crosslines=20)
    cube.xy[10:] += np.arange(10)[:, None] * [20.0, -20.0]
    read = read_segy(write_segy(cube, tmp_path / "x.sgy"), domain="time")
    assert read.binning is None
    np.testing.assert_allclose(read.xy, cube.xy, atol=0.0051)


@pytest.mark.parametrize("wrong", [{"inline_byte": 190}, {"x_byte": 1000}])
def test_a_byte_where_no_field_starts(file: Path, wrong: dict):
    with pytest.raises(FormatError, match="not where a field"):
        read_segy(file, domain="time", **wrong)


def test_nothing_that_segy_cannot_hold_is_written(tmp_path: Path):
    for cube, said in [
        (survey(step=0.00012345), "whole microseconds"),
        (survey(start=40.0), "first sample stands at"),
        (SeismicCube(np.ones((1, 40000), np.float32), np.zeros((1, 2)), np.zeros((1, 2), int), 0.0, 0.004, "time"), "40000"),
        (SeismicCube(np.ones((1, 4), np.float32), np.full((1, 2), 1e9), np.zeros((1, 2), int), 0.0, 0.004, "time"), "too large"),
    ]:
        with pytest.raises(FormatError, match=said):
            write_segy(cube, tmp_path / "x.sgy")
    gap = survey()
    gap.traces[2, 5] = np.nan
    with pytest.raises(FormatError, match="NaN"):
        write_segy(gap, tmp_path / "x.sgy")
    with pytest.raises(FormatError, match="half-written"):
        write_segy(survey(), tmp_path / "none" / "x.sgy")
    assert list(tmp_path.iterdir()) == []


def test_binning_fits_and_inverts():
    lines = np.array([[1, 10], [1, 14], [3, 10], [3, 14]])
    matrix = np.array([[5000.0, 9000.0], [20.0, 5.0], [-3.0, 12.0]])
    binning, distance = fit_binning(lines, Binning(matrix, 0.0, True).xy(lines))
    np.testing.assert_allclose(binning.matrix, matrix)
    assert distance.max() < 1e-9
    np.testing.assert_allclose(binning.lines(binning.xy([[2.5, 11.25]])), [[2.5, 11.25]])
    with pytest.raises(GempyGanError, match="same inline and crossline"):
        fit_binning([[1, 1], [1, 1]], [[0, 0], [5, 5]])
    with pytest.raises(GempyGanError, match="span no area"):
        fit_binning([[1, 1], [1, 2], [2, 1], [2, 2]], [[0, 0], [1, 1], [2, 2], [3, 3]])
