"""SEG-Y files as they really are: each oddity written here byte by byte, read right or refused with its reason."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import segyio
from raw_segy import WIDTHS, grid, ibm, noise, segy

from gempy_gan.adapters import segy as reader
from gempy_gan.adapters.segy import read_segy
from gempy_gan.adapters.segy_headers import PRESETS
from gempy_gan.adapters.segy_samples import decode
from gempy_gan.adapters.segy_scan import scan_segy
from gempy_gan.adapters.segy_survey import within
from gempy_gan.errors import FormatError, GempyGanError

LINES = (range(10, 14), range(20, 25))


@pytest.fixture
def write(tmp_path: Path):
    def _write(content: bytes) -> Path:
        (tmp_path / "a.sgy").write_bytes(content)
        return tmp_path / "a.sgy"

    return _write


@pytest.fixture
def read(write):
    def _read(content: bytes, domain="time", **options):
        return read_segy(write(content), domain=domain, **options)

    return _read


def said(cube, level=None) -> str:
    return "; ".join(str(finding) for finding in cube.health if level in (None, finding.level))


# Samples


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("code", sorted(WIDTHS))
def test_every_sample_format_in_both_byte_orders(read, code, order):
    low, high = (0, 200) if code in (10, 11, 12, 15, 16) else (-100, 100)
    values = noise(20, low=low, high=high)
    cube = read(segy(values, grid(*LINES), code, order))
    np.testing.assert_array_equal(cube.traces, values)
    assert cube.source["byte_order"] == ("big" if order == ">" else "little")
    assert cube.binning is not None
    assert cube.binning.residual < 0.1


@pytest.mark.parametrize(("code", "value"), [(2, 2**24 + 1), (9, 2**40 + 1), (10, 2**31 + 1), (12, 2**60 + 1), (7, -(2**23))])
def test_large_whole_numbers_say_that_they_were_rounded(read, code, value):
    values = noise(20, low=0)
    values[3, 3] = value
    cube = read(segy(values, grid(*LINES), code))
    assert cube.traces[3, 3] == np.float32(value)
    assert ("rounded to 24 bits" in said(cube, "warning")) == (abs(value) > 2**24)


@pytest.mark.parametrize("value", [0.0, 1.0, -118.625, 0.15625, 1e-10, -7.2e8, 3e28])
def test_ibm_floats_by_their_definition(value):
    raw = np.frombuffer(struct.pack(">I", ibm(value)), np.uint8).reshape(1, 4)
    assert decode(raw, 1, ">")[0, 0] == pytest.approx(value, rel=1e-6)
    assert decode(raw[:, ::-1], 1, "<")[0, 0] == pytest.approx(value, rel=1e-6)


def test_ibm_floats_as_segyio_decodes_them(write):
    values = np.random.default_rng(1).normal(0, 1000, (20, 40))
    cube = read_segy(file := write(segy(values, grid(*LINES), 1)), domain="time")
    with segyio.open(str(file), ignore_geometry=True) as stream:
        np.testing.assert_array_equal(cube.traces, stream.trace.raw[:])


def test_obsolete_fixed_point_has_a_gain():
    raw = np.frombuffer(struct.pack(">hhhh", 3, -5, 0, 7), np.uint8).reshape(1, 8)
    assert decode(raw, 4, ">").tolist() == [[-40.0, 7.0]]


@pytest.mark.parametrize(("true", "claimed"), [(5, 1), (1, 5)])
@pytest.mark.parametrize("order", [">", "<"])
def test_floats_that_are_not_what_the_header_claims(read, true, claimed, order):
    values = np.random.default_rng(0).normal(0, 1000, (20, 100))
    content = segy(values, grid(*LINES), true, order, {3225: ("h", claimed)})
    with pytest.raises(FormatError, match=f"Give sample_format={true}"):
        read(content)
    np.testing.assert_allclose(read(content, sample_format=true).traces, values, rtol=2e-6)
    with pytest.raises(GempyGanError, match="4-byte samples"):
        read(segy(noise(20), grid(*LINES), 3), sample_format=1)


@pytest.mark.parametrize("code", [0, 13, 14, 17, -1])
def test_a_sample_format_that_is_none(read, code):
    with pytest.raises(FormatError, match="sample format"):
        read(segy(noise(20), grid(*LINES), 5, binary={3225: ("h", code)}))


# Layout


@pytest.mark.parametrize("order", [">", "<"])
def test_revision_2_with_what_it_adds(read, order):
    """Extended counts and interval, extra trace headers, stanzas before and behind, the number of traces."""
    values = noise(20)
    binary = {
        3501: ("B", 2), 3507: ("h", 2), 3221: ("H", 0), 3269: ("i", 12), 3273: ("d", 2500.5), 3217: ("h", 2500),
        3513: ("Q", 20), 3529: ("i", 1), 3505: ("h", -1),
    }  # fmt: skip
    texts = [b"((SEG: User)) something", b"((SEG: EndText))"]
    cube = read(segy(values, grid(*LINES), 5, order, binary, 2500, texts, 2, bytes(3200)))
    np.testing.assert_array_equal(cube.traces, values)
    assert cube.step == pytest.approx(2500.5e-6)
    assert "2 more header(s)" in said(cube)
    assert "1 stanzas follow" in said(cube)


def test_the_first_trace_may_stand_anywhere(read):
    binary = {3501: ("B", 2), 3505: ("h", 0), 3521: ("q", 6800)}
    cube = read(segy(noise(20), grid(*LINES), binary=binary, texts=[b"junk"]))
    np.testing.assert_array_equal(cube.traces, noise(20))
    with pytest.raises(FormatError, match="traces start at byte 5"):
        read(segy(noise(20), grid(*LINES), binary={**binary, 3521: ("q", 5)}))


def test_stanzas_in_ebcdic_are_counted(read):
    texts = ["((SEG: User))".encode("cp037"), "((SEG: EndText))".encode("cp037")]
    cube = read(segy(noise(20), grid(*LINES), binary={3501: ("B", 1), 3505: ("h", -1)}, texts=texts))
    np.testing.assert_array_equal(cube.traces, noise(20))


@pytest.mark.parametrize(
    ("binary", "message"),
    [
        ({3505: ("h", -1)}, "none of them is .*EndText"),
        ({3505: ("h", 30000)}, "0 whole traces"),
        ({3501: ("B", 2), 3513: ("Q", 21)}, "has 21 traces, and holds 20"),
        ({3501: ("B", 2), 3513: ("Q", 10**12)}, "has 1000000000000 traces, and holds 20"),
        ({3501: ("B", 2), 3529: ("i", -1)}, "unstated number of trailing stanzas"),
        ({3501: ("B", 2), 3529: ("i", 2**31 - 1)}, "0 whole traces"),
        ({3501: ("B", 2), 3269: ("i", 2**31 - 1)}, "0 whole traces of 2147483647 samples"),
        ({3501: ("B", 2), 3507: ("h", 32767)}, "0 whole traces"),
        ({3221: ("H", 65535)}, "states -1 samples"),
        ({3221: ("H", 0)}, "states 0 samples"),
    ],
)
def test_claims_that_the_file_cannot_keep_are_refused_before_anything_is_allocated(read, binary, message):
    with pytest.raises(FormatError, match=f"(?s){message}"):
        read(segy(noise(20), grid(*LINES), binary=binary))


def test_forty_thousand_samples_are_stored_as_a_negative_number(read):
    values = np.ones((2, 40_000))
    assert read(segy(values, grid([1], [1, 2]), 8)).traces.shape == (2, 40_000)


@pytest.mark.skipif(not hasattr(os, "truncate"), reason="needs sparse files")
def test_a_file_that_really_has_that_many_samples_is_refused_where_they_find_no_room(tmp_path, monkeypatch):
    """A sparse file of a terabyte costs nothing; its traces must not be allocated, in memory or on disk."""
    samples, traces = 2**31 - 1, 120
    head = bytearray(segy([[0.0]], [{}], 8, binary={3501: ("B", 2), 3269: ("i", samples)})[:3600])
    file = tmp_path / "large.sgy"
    file.write_bytes(bytes(head))
    try:
        os.truncate(file, 3600 + traces * (240 + samples))
    except OSError:
        pytest.skip("this file system holds no file of that size")
    monkeypatch.setattr(reader, "TraceHeaders", _Tiny)
    with pytest.raises(FormatError, match="has no room for them"):
        read_segy(file, domain="time", dt=0.004, start=0.0)


class _Tiny:
    """Trace headers of that file, without reading a terabyte of zeros for them."""

    @classmethod
    def of(cls, layout, bytes_):
        from gempy_gan.adapters.segy_headers import STATED, TraceHeaders

        index = np.arange(layout.traces, dtype=np.int32)
        return TraceHeaders(dict.fromkeys({*bytes_}, index) | dict.fromkeys(STATED, 0 * index), "large.sgy", "")


@pytest.mark.parametrize("cut", [1, 240, 300, 4 * 12 + 239])
def test_a_truncated_file_is_refused(read, cut):
    with pytest.raises(FormatError, match="truncated"):
        read(segy(noise(20), grid(*LINES))[:-cut])


# Lines and positions


def test_swapped_lines_are_the_same_survey(read):
    swapped = [{**header, 189: header[193], 193: header[189]} for header in grid(*LINES)]
    cube, other = read(segy(noise(20), grid(*LINES))), read(segy(noise(20), swapped))
    np.testing.assert_array_equal(cube.xy, other.xy)
    np.testing.assert_array_equal(cube.lines, other.lines[:, ::-1])
    np.testing.assert_allclose(cube.binning.xy([[11, 22]]), other.binning.xy([[22, 11]]), atol=1e-6)


@pytest.mark.parametrize(
    ("inlines", "crosslines"),
    [(range(-8, -4), range(5)), (range(4, 0, -1), range(-2, 3)), (range(100, 140, 10), range(0, 50, 10))],
)
def test_negative_descending_and_decimated_lines(read, inlines, crosslines):
    headers = grid(inlines, crosslines)
    cube = read(segy(noise(20), headers))
    assert cube.binning.is_3d
    assert cube.binning.residual < 0.1
    np.testing.assert_array_equal(cube.lines, [[h[189], h[193]] for h in headers])
    assert said(cube) == ""


def test_missing_and_dead_traces(read):
    values = noise(20)
    values[[2, 5]] = 0
    headers = grid(*LINES)
    headers[7][29] = 2
    kept = [i for i in range(20) if i not in (9, 11)]
    cube = read(segy(values[kept], [headers[i] for i in kept]))
    assert cube.dead.sum() == 3
    assert np.isnan(cube.traces[cube.dead]).all()
    assert "3 of 18 traces are dead (2 all zero)" in said(cube, "note")
    assert "2 of 4 x 5 bins hold no trace" in said(cube, "note")
    assert cube.binning.residual < 0.1


def test_a_trace_that_begins_with_zeros_lives(read):
    values = noise(20, low=1)
    values[:, :6] = 0
    assert not read(segy(values, grid(*LINES))).dead.any()


def test_duplicates_are_refused_or_stacked(read):
    headers, values = grid(*LINES) + grid([10], [20, 21]), np.vstack([noise(20), noise(2, seed=1)])
    with pytest.raises(FormatError, match="22 traces share 20 pairs of inline and crossline, up to 2 each"):
        read(segy(values, headers))
    mean = read(segy(values, headers), duplicates="mean")
    np.testing.assert_allclose(mean.traces[:2], (values[:2] + values[20:]) / 2)
    np.testing.assert_array_equal(mean.traces[2:], values[2:20])
    np.testing.assert_array_equal(read(segy(values, headers), duplicates="first").traces, values[:20])


def test_a_two_dimensional_line(read):
    cube = read(segy(noise(9), grid([7], range(9))))
    assert not cube.binning.is_3d
    assert len(cube.traces) == 9


def test_lines_all_zero_with_and_without_others(read, write):
    headers = [{**header, 189: 0, 193: 0} for header in grid(*LINES)]
    cube = read(segy(noise(20), headers))
    assert cube.binning is None
    assert "All traces carry inline 0" in said(cube, "warning")
    also = [{**new, 9: old[189], 21: old[193]} for new, old in zip(headers, grid(*LINES), strict=True)]
    assert "These bytes fit: inline_byte=9, crossline_byte=21" in said(read(segy(noise(20), also)), "note")
    proposed = scan_segy(write(segy(noise(20), also)))[0].bytes
    assert (proposed.inline, proposed.crossline, proposed.x, proposed.y) == (9, 21, 181, 185)
    assert read(segy(noise(20), also), inline_byte=9, crossline_byte=21).binning.is_3d


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_read_what_they_are_for_and_the_scan_proposes_them(read, write, name):
    at = PRESETS[name]
    places = (at.inline or 189, at.crossline or 193, at.x, at.y)
    content = segy(noise(20), [{**header, 1: i + 1} for i, header in enumerate(grid(*LINES, at=places))])
    cube = read(content, preset=name)
    assert (cube.binning is None) == (at.inline is None)
    np.testing.assert_array_equal(cube.xy[0], [grid(*LINES)[0][181], grid(*LINES)[0][185]])
    found = scan_segy(write(content))
    assert (found[0].name == name) == (name != "positions")
    assert "inlines 10 to 13, crosslines 20 to 24" in str(found[0])
    if name not in ("rev1", "positions"):
        with (
            pytest.raises(FormatError, match=f'These bytes fit: .*preset="{name}"') if at.x != 181 else pytest.raises(FormatError)
        ):
            read(content)
        given = {"inline_byte": at.inline, "crossline_byte": at.crossline, "x_byte": at.x, "y_byte": at.y}
        np.testing.assert_array_equal(read(content, **given).xy, cube.xy)


def test_a_preset_that_is_none(read):
    with pytest.raises(GempyGanError, match=r"preset is 'petrol'\. Allowed are rev1: inline_byte=189"):
        read(segy(noise(20), grid(*LINES)), preset="petrol")


def test_the_scan_prefers_lines_to_counters_and_says_where_it_finds_none(write):
    headers = [{**header, 1: i + 1, 5: i + 1} for i, header in enumerate(grid(*LINES, at=(233, 237, 81, 85)))]
    best = scan_segy(write(segy(noise(20), headers)))[0]
    assert str(best) == (
        "inline_byte=233, crossline_byte=237, x_byte=81, y_byte=85: inlines 10 to 13, crosslines 20 to 24, 0.041 bins off"
    ) or (best.bytes.inline, best.bytes.crossline) == (233, 237)
    (alone,) = scan_segy(write(segy(noise(20), [{181: h[181], 185: h[185]} for h in grid(*LINES)])))
    assert alone.name == "positions"
    assert scan_segy(write(segy(noise(20), [{}] * 20))) == []


# The vertical axis


@pytest.mark.parametrize(
    ("delay", "scalar", "start"), [(0, 0, 0.0), (400, 0, 0.4), (-120, 1, -0.12), (-1250, -10, -0.125), (2, 10, 0.02)]
)
def test_delay_and_its_scalar(read, delay, scalar, start):
    headers = [{**header, 109: delay, 215: scalar} for header in grid(*LINES)]
    assert read(segy(noise(20), headers)).start == pytest.approx(start)


def test_depth_must_be_said_and_says_how_it_was_read(read):
    content = segy(noise(20), grid(*LINES), dt=5000)
    with pytest.raises(GempyGanError, match="say domain='time' or 'depth'"):
        read(content, domain=None)
    cube = read(content, domain="depth")
    assert (cube.step, cube.domain) == (5.0, "depth")
    assert "thousandths of a unit" in said(cube, "warning")
    assert read(content, domain="depth", dt=10.0).step == 10.0


# Crops


def test_ranges_and_windows_are_what_slicing_gives(read):
    values = noise(20, samples=50)
    headers = [{**header, 109: 100} for header in grid(*LINES)]
    whole = read(segy(values, headers))
    part = read(segy(values, headers), inlines=(11, 12), crosslines=[21, 99], window=(0.12, 0.2))
    rows = [i for i, (il, xl) in enumerate(whole.lines) if 11 <= il <= 12 and xl >= 21]
    np.testing.assert_array_equal(part.lines, whole.lines[rows])
    np.testing.assert_array_equal(part.traces, values[rows][:, 5:26])
    np.testing.assert_allclose([part.axis[0], part.axis[-1]], [0.12, 0.2])
    assert part.source == whole.source


def test_a_polygon_takes_the_traces_inside(read):
    whole = read(segy(noise(20), grid(*LINES)))
    middle, size = whole.xy.mean(axis=0), np.ptp(whole.xy, axis=0)
    corners = middle + size * [[-0.3, -0.3], [0.3, -0.3], [0.3, 0.3], [-0.3, 0.3]]
    part = read(segy(noise(20), grid(*LINES)), polygon=corners.tolist())
    inside = (np.abs(whole.xy - middle) <= 0.3 * size).all(axis=1)
    assert 0 < inside.sum() < 20
    np.testing.assert_array_equal(part.xy, whole.xy[inside])
    np.testing.assert_array_equal(part.traces, whole.traces[inside])


def test_within_a_polygon_that_is_not_convex():
    from matplotlib.path import Path as MatplotlibPath

    corners = np.array([[0, 0], [10, 0], [10, 10], [5, 3], [0, 10]], float)
    points = np.random.default_rng(0).uniform(-2, 12, (2000, 2))
    np.testing.assert_array_equal(within(points, corners), MatplotlibPath(corners).contains_points(points))
    assert within(np.vstack([corners, [[5.0, 0.0]]]), corners).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inlines": (90, 99)}, "no trace lies in the part.*inlines 10 to 13, crosslines 20 to 24"),
        ({"polygon": [(0, 0), (1, 0), (1, 1)]}, "no trace lies in the part"),
        ({"window": (5.0, 6.0)}, "no sample lies from 5 to 6. The axis runs 0 to 0.044"),
        ({"inlines": (13, 10)}, "lower number first"),
        ({"crosslines": 3}, "Expected two numbers"),
        ({"window": ("a", "b")}, "Expected two numbers"),
        ({"polygon": [(0, 0), (1, 1)]}, "three or more corners"),
        ({"polygon": "here"}, "polygon"),
    ],
)
def test_crops_that_cannot_be_right(read, options, message):
    with pytest.raises(GempyGanError, match=f"(?s){message}"):
        read(segy(noise(20), grid(*LINES)), **options)


# Large files


def test_traces_beyond_memory_lie_in_a_scratch_file(read, monkeypatch):
    values = noise(20)
    values[3] = 0
    content = segy(values, [*grid(*LINES)[:19], grid(*LINES)[18]])
    expected = read(content, duplicates="mean")
    monkeypatch.setattr(reader, "IN_MEMORY", 100)
    cube = read(content, duplicates="mean")
    np.testing.assert_array_equal(cube.traces, expected.traces)
    assert len(cube.traces) == 19
    assert [str(f) for f in cube.health] == [str(f) for f in expected.health]


def test_a_full_scratch_disk_is_an_error_and_no_crash(read, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reader, "IN_MEMORY", 100)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FormatError, match=r"has no room for them \(No space left on device\)\. Read a part"):
        read(segy(noise(20), grid(*LINES)))


def test_memory_is_bounded_whatever_the_size_of_the_file(tmp_path):
    """160 MiB of traces, read in a process of its own that may map far less than that beyond what Python needs."""
    samples, inlines, crosslines = 1024, 200, 205
    file = tmp_path / "large.sgy"
    header = segy([[0.0] * samples], [{}])[:3600]
    il, xl = np.meshgrid(np.arange(inlines), np.arange(crosslines), indexing="ij")
    with file.open("wb") as stream:
        stream.write(header)
        row = np.zeros(crosslines, np.dtype([("head", ">u1", 240), ("samples", ">f4", samples)]))
        for i in range(inlines):
            head = np.zeros((crosslines, 120), ">i2")
            head[:, 35] = 1
            head[:, 58] = 4000
            words = head.view(">i4")
            words[:, 45], words[:, 46] = 25 * il[i], 12 * xl[i]
            words[:, 47], words[:, 48] = il[i], xl[i]
            row["head"] = head.view(np.uint8)
            row["samples"] = np.arange(1, crosslines + 1)[:, None] + i
            stream.write(row.tobytes())
    code = (
        "import resource, sys\n"
        "from gempy_gan.adapters import segy\n"
        "import numpy, lasio\n"
        "segy.IN_MEMORY = 2**20\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "cube = segy.read_segy(sys.argv[1], domain='time')\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(len(cube.traces), float(cube.traces[-1, -1]), (after - before) // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    count, last, grown = done.stdout.split()
    assert (int(count), float(last)) == (inlines * crosslines, crosslines + inlines - 1)
    assert int(grown) < 100  # MiB
