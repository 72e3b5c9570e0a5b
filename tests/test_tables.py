import hashlib
import math

import pytest

from gempy_gan.adapters.tables import read_checkshot, read_heads, read_survey, read_table, read_tops
from gempy_gan.errors import FormatError

TIMES = {"md": 0, "twt": 1}


@pytest.fixture
def write(tmp_path):
    def _write(text, name="table.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return _write


def test_read_table_renames_the_columns_and_records_the_file(write):
    path = write("a, b ,c\n1,2,x\n3,4,y\n", "t.csv")
    frame = read_table(path, {"depth": "a", "name": "c"})
    assert frame.to_dict("list") == {"depth": [1, 3], "name": ["x", "y"]}
    assert frame.attrs["source"] == {"path": "t.csv", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_read_table_by_position_without_a_header(write):
    assert read_table(write("1 2\n3   4\n"), {"b": 1}, header=False)["b"].tolist() == [2, 4]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "Expected a table"),
        ("a,b\n", {}, "no rows"),
        ("a,b\n1,2,3\n", {}, "more fields than the first line"),
        ("a,b\n1,2\n1,2,3\n", {}, "Expected a table"),
        ("a,b\n1,2\n", {"columns": {"x": "c"}}, "no column 'c'. The table has: a, b"),
        (b"a,b\n\xff,2\n", {}, "not utf-8"),
    ],
)
def test_read_table_refuses(write, text, options, message):
    with pytest.raises(FormatError, match=message):
        read_table(write(text, "t.csv"), **options)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"nowhere\.csv cannot be read: No such file"):
        read_table(tmp_path / "nowhere.csv")


def test_read_heads_keeps_names_as_text_and_converts_kb(write):
    path = write("uwi,e,n,elev\n007,500,800,100\nNA,510,810,50\n", "h.csv")
    heads = read_heads(path, {"well": "uwi", "x": "e", "y": "n", "kb": "elev"}, unit="ft")
    assert heads["well"].tolist() == ["007", "NA"]
    assert heads["kb"].tolist() == pytest.approx([30.48, 15.24])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("A,1,2,3\nA,4,5,6\n", "'A' occurs more than once"),
        ("A,1,,3\n", "column y has '' in data row 1"),
        ("A,1,x,3\n", "column y has 'x' in data row 1"),
        ("A,1,inf,3\n", "column y has 'inf'"),
        (",1,2,3\n", "column well is blank"),
    ],
)
def test_read_heads_refuses(write, row, message):
    with pytest.raises(FormatError, match=message):
        read_heads(write("well,x,y,kb\n" + row, "h.csv"), {name: name for name in ("well", "x", "y", "kb")})


def test_read_heads_needs_every_column(write):
    with pytest.raises(FormatError, match="Expected also x, y, kb"):
        read_heads(write("w\nA\n", "h.csv"), {"well": "w"})


def test_read_tops_of_one_well(write):
    tops = read_tops(write("100\tTop sand\n200.5\tBase\n"), {"md": 0, "top": 1}, well="A", header=False, delimiter="\t")
    assert tops.to_dict("list") == {"well": ["A", "A"], "top": ["Top sand", "Base"], "md": [100.0, 200.5]}


def test_read_tops_wide_leaves_blanks_out_and_says_so(write):
    path = write("well,sand,base\nA,10,20\nB, ,25\n", "t.csv")
    tops = read_tops(path, {"well": "well"}, tops={"Sand": "sand", "Base": "base"}, depth_unit="ft")
    assert tops[["well", "top"]].to_numpy().tolist() == [["A", "Sand"], ["A", "Base"], ["B", "Base"]]
    assert tops["md"].tolist() == pytest.approx([3.048, 6.096, 7.62])
    assert [f.message for f in tops.attrs["health"]] == ["1 of 4 picks are blank"]


def test_read_survey_of_angles_in_radians(write):
    survey = read_survey(write("md,inclination,azimuth\n0,0,0\n10,0.5,3.0\n", "s.csv"), angle_unit="rad")
    assert survey["inclination"].tolist() == pytest.approx([0.0, math.degrees(0.5)])


def test_read_survey_of_named_positions(write):
    assert read_survey(write("md,x,y,z\n0,1,2,3\n10,1,2,-7\n", "s.csv"))["z"].tolist() == [3.0, -7.0]


def test_read_survey_of_positions_turns_depth_into_elevation(write):
    path = write("100\t200  -30 0\n110\t200\t70\t101\n")
    survey = read_survey(path, {"x": 0, "y": 1, "tvdss": 2, "md": 3}, header=False)
    assert survey.to_dict("list") == {"md": [0.0, 101.0], "x": [100.0, 110.0], "y": [200.0, 200.0], "z": [30.0, -70.0]}


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ("0,0,0\n10,95,3\n", {"angle_unit": "rad"}, "check `angle_unit=`"),
        ("0,0,0\n10,5,400\n", {}, "azimuths 400"),
        ("0,0,0\n10,-5,40\n", {}, "lowest -5"),
        ("10,0,0\n10,5,40\n", {}, "do not increase"),
        ("0,0,0\n10,5,40\n", {"angle_unit": "gon"}, "Allowed: 'deg' or 'rad'"),
        ("0,0,0\n10,5,40\n", {"depth_unit": "fathom"}, "Allowed: m, ft"),
    ],
)
def test_read_survey_refuses(write, rows, options, message):
    with pytest.raises(FormatError, match=message):
        read_survey(write("md,inclination,azimuth\n" + rows, "s.csv"), **options)


def test_read_checkshot_converts_one_way_milliseconds(write):
    shots = read_checkshot(write("0 0\n1000 500\n"), TIMES, time_unit="ms", twt=False, header=False)
    assert shots.to_dict("list") == {"md": [0.0, 1000.0], "twt": [0.0, 1.0]}
    assert shots.attrs["health"] == ()


def test_read_checkshot_drops_repeats_and_sorts_with_a_word(write):
    path = write("0 0\n564 0.565\n564 0.565\n1932 1.732\n1885 1.698\n")
    shots = read_checkshot(path, TIMES, time_unit="s", twt=True, header=False)
    assert shots["md"].tolist() == [0.0, 564.0, 1885.0, 1932.0]
    assert [(f.level, f.message) for f in shots.attrs["health"]] == [
        ("note", "1 rows are repeated"),
        ("warning", "Depth decreases at row 5 (1885 m)"),
    ]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("0 0\n500 0.5\n500 0.6\n", {}, "500 m has 0.5 s, and 500 m has 0.6 s"),
        ("0 0\n500 0.5\n600 0.4\n", {}, "times that increase with depth"),
        ("0 0\n500 0.5\n600 0.5\n", {}, "times that increase with depth"),
        ("0 0\n1000 1000\n", {}, "average velocity is 2 m/s"),
        ("0 0\n1000 1\n", {"time_unit": "ms"}, "average velocity is 2e\\+06"),
        ("0 0\n0 0\n", {}, "1 distinct rows"),
        ("0 0\n1000 x\n", {}, "column twt has 'x'"),
        ("0 0\n1000 1\n", {"time_unit": "us"}, "Allowed: s, ms"),
    ],
)
def test_read_checkshot_refuses(write, text, options, message):
    with pytest.raises(FormatError, match=message):
        read_checkshot(write(text), TIMES, **{"time_unit": "s", "twt": True, "header": False, **options})


def test_an_odd_interval_velocity_is_a_warning(write):
    shots = read_checkshot(write("0 0\n1000 1\n1010 1.0005\n2000 2\n"), TIMES, time_unit="s", twt=True, header=False)
    assert [f.message for f in shots.attrs["health"]] == ["The interval velocity is 4e+04 m/s from 1000 to 1010 m (1 such)"]
