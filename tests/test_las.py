import hashlib
import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.adapters.las import read_las, write_las
from gempy_gan.errors import FormatError
from gempy_gan.wells import WellLog

ROWS = "1000.0 20.0 0.30\n1000.5 60.0 -999.25\n1001.0 140.0 0.10\n"
CURVES = "DEPT.M :depth\nGR.API :gamma\nPHI.V/V :porosity\n"


def las(rows=ROWS, curves=CURVES, version="2.0", wrap="NO", well="", null="NULL. -999.25:\n", interval=None, extra=""):
    interval = "STRT.M 1000:\nSTOP.M 1001:\nSTEP.M 0.5:\n" if interval is None else interval
    top = f"~Version\nVERS. {version}:\nWRAP. {wrap}:\n{extra}~Well\n{interval}{null}WELL. A-1: name\n{well}"
    return f"{top}~Curve\n{curves}~A\n{rows}"


@pytest.fixture
def read(tmp_path):
    def _read(text=None, **options):
        path = tmp_path / "a.las"
        path.write_bytes(las().encode() if text is None else text if isinstance(text, bytes) else text.encode())
        return read_las(path, **options)

    return _read


def test_a_plain_file(read, tmp_path):
    well = read()
    assert well.name == "A-1"
    assert well.md.tolist() == [1000.0, 1000.5, 1001.0]
    assert well.curves.index.name == "md"
    assert well.curve("GR").tolist() == [20.0, 60.0, 140.0]
    assert well.curve("PHI").isna().tolist() == [False, True, False]
    assert dict(well.units) == {"GR": "API", "PHI": "V/V"}
    assert well.trajectory is None
    assert well.health == ()
    assert well.source == {"path": "a.las", "sha256": hashlib.sha256((tmp_path / "a.las").read_bytes()).hexdigest()}


def test_position_given(read):
    assert read(xy=(500.0, 800.0), kb=30.0).xyz([1000.0]).tolist() == [[500.0, 800.0, -970.0]]


def test_position_from_a_survey_table(read, tmp_path):
    (tmp_path / "s.csv").write_text("md,inclination,azimuth\n0,0,0\n500,0,0\n1500,0,0\n")
    assert read(xy=(500.0, 800.0), kb=30.0, survey=tmp_path / "s.csv").xyz([1000.0])[0] == pytest.approx([500, 800, -970])


def test_half_a_position_is_refused(read):
    with pytest.raises(FormatError, match=r"a\.las: Well A-1 is placed by xy=None and kb=30"):
        read(kb=30.0)


@pytest.mark.parametrize("mnemonic", ["KB", "EKB", "EREF"])
def test_kb_from_the_header_only_when_asked(read, mnemonic):
    text = las(well=f"{mnemonic}.M 30.5 : elevation\n")
    assert read(text).trajectory is None
    assert read(text, xy=(0.0, 0.0), kb="header").xyz([1000.0])[0, 2] == -969.5


def test_kb_in_feet_is_converted(read):
    assert read(las(well="KB.FT 100 :\n"), xy=(0, 0), kb="header").xyz([0.0])[0, 2] == pytest.approx(30.48)


@pytest.mark.parametrize(
    ("well", "message"),
    [
        ("", "in the header is none"),
        ("KB. 30 :\n", "with its unit"),
        ("KB.M 30 :\nEREF.M 31 :\n", "KB 30 M, EREF 31 M|EREF 31 M, KB 30 M"),
        ("KB.M -999.25 :\n", "in the header is none"),
        ("EKB.M 30 :\nEPD.M 64 :\n", "permanent datum"),
    ],
)
def test_kb_that_the_header_does_not_settle(read, well, message):
    with pytest.raises(FormatError, match=message):
        read(las(well=well), xy=(0.0, 0.0), kb="header")


@pytest.mark.parametrize(
    "well",
    ["X.M 500.5 :\nY.M 800 :\n", "XCOORD. 500.5 :\nYCOORD. 800 :\n", "LOC. X = 500.5000 Y = 800.0000: WELL LOCATION\n"],
)
def test_xy_from_the_header(read, well):
    assert read(las(well=well), kb=0.0, xy="header").xyz([1000.0])[0, :2].tolist() == [500.5, 800.0]


@pytest.mark.parametrize(
    "well",
    ["", "X.FT 500 :\nY.FT 800 :\n", "X.M 500 :\nY.M 800 :\nEASTING.M 600 :\nNORTHING.M 800 :\n", "LOC. 12-34 : LOCATION\n"],
)
def test_xy_that_the_header_does_not_settle(read, well):
    with pytest.raises(FormatError, match=r"give `xy=\(x, y\)`"):
        read(las(well=well), kb=0.0, xy="header")


def test_feet_become_metres_with_a_note(read):
    text = (
        las()
        .replace("DEPT.M", "DEPT.FT")
        .replace(".M 1000:", ".FT 1000:")
        .replace(".M 1001:", ".FT 1001:")
        .replace(".M 0.5", ".FT 0.5")
    )
    well = read(text)
    assert well.md.tolist() == pytest.approx([304.8, 304.9524, 305.1048])
    assert [f.level for f in well.health] == ["note"]
    assert "0.3048" in well.health[0].action


@pytest.mark.parametrize(("unit", "word"), [("", "without a unit"), ("XX", "'XX'"), ("FT", "'FT' and 'M'")])
def test_a_depth_unit_that_is_not_settled(read, unit, word):
    interval = "STRT. 1000:\nSTOP. 1001:\nSTEP. 0.5:\n" if unit != "FT" else None
    text = las(curves=CURVES.replace("DEPT.M", f"DEPT.{unit}"), interval=interval)
    with pytest.raises(FormatError, match=f"{word}.*depth_unit"):
        read(text)
    assert read(text, depth_unit="m").md[0] == 1000.0


def test_an_overruled_depth_unit_is_a_warning(read):
    well = read(depth_unit="ft")
    assert well.md[0] == pytest.approx(304.8)
    assert [f.level for f in well.health] == ["warning", "note"]


def test_descending_depths_are_sorted(read):
    well = read(las("1001 3 0.3\n1000.5 2 0.2\n1000 1 0.1\n", interval="STRT.M 1001:\nSTOP.M 1000:\nSTEP.M -0.5:\n"))
    assert well.md.tolist() == [1000.0, 1000.5, 1001.0]
    assert well.curve("GR").tolist() == [1.0, 2.0, 3.0]
    assert [str(f) for f in well.health] == ["note: Depths run upwards in the file. They were sorted downwards."]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no section"),
        (b"1 2 3\n4 5 6\n", "no section that starts with '~'"),
        (b"LASF\x01\x02" + bytes(100), "no section"),
        (las().encode().replace(b"1000.5", b"1000\x00.5"), "no section"),
        (las(""), "no data"),
        (las("# only a comment\n\n"), "no data"),
        (las().split("~A")[0], "no data"),
        (las(version="4.0"), r"LAS 4\.0"),
        (las(curves=""), "names no curves"),
        (las(ROWS.replace("60.0", "****")), r"Curve GR has '\*\*\*\*' in line 16: 1 of 3"),
        (las(ROWS.replace("60.0", "60,5")), "'60,5' in line 16"),
        (las(ROWS.replace("60.0", "1_000")), "'1_000'"),
        (las(ROWS.replace("60.0", "inf")), "'inf'"),
        (las("1000.0 20.0 0.30\n1000.5 60.0-999.25\n"), "Line 16 has 2 values, and the header names 3"),
        (las("1000.0 20.0 0.30 7\n"), "Line 15 has 4 values"),
        (las("1000\n20 0.3\n1000.5\n60 0.2\n"), r"Line 15 has 1 values.*wrap=True"),
        (las(wrap="YES"), r"Line 15 has 3 values where the depth should stand alone.*wrap=False"),
        (las("1000\n20 0.3\n1000.5\n60\n", wrap="YES"), "ends with 2 of 3 values"),
        (las("1000\n20 0.3 7\n", wrap="YES"), "has 4 values by line 16"),
        (las(ROWS + "~Other\n"), "A new section starts in line 18"),
        (las(ROWS.replace("1000.5", "1000.0")), "from 1000 to 1000 in line 16"),
        (las(ROWS.replace("1000.5", "999.5")), "from 1000 to 999.5 in line 16"),
        (las(ROWS.replace("1000.5", "-999.25")), "depth in line 16 is missing"),
        (las(ROWS.replace("1000.5", "nan")), "depth in line 16 is missing"),
        (las(curves=CURVES.replace("DEPT.M", "TIME.S")), "'TIME' is no known name of depth"),
        (las(extra="DLM. PIPE:\n"), "cannot read the header: .PIPE."),
        (las(null=""), r"Curve PHI holds -999.25 1 times, and NULL is not given.*null=-999.25"),
        (las(null="NULL. -9999:\n"), r"NULL is \(-9999.0,\)"),
        (las(ROWS.replace("60.0", "1e30")), "holds 1e\\+30"),
    ],
)
def test_files_that_cannot_be_right(read, text, message):
    with pytest.raises(FormatError, match=r"(?s)^a\.las: .*" + message):
        read(text)


def test_a_missing_file(tmp_path):
    with pytest.raises(FormatError, match="cannot be read: No such file"):
        read_las(tmp_path / "b.las")


@pytest.mark.parametrize("value", ["-999", "-999.25", "-9999", "-9999.25", "999.25", "-32768", "1e30"])
def test_a_null_the_header_does_not_name(read, value):
    text = las(ROWS.replace("60.0", value).replace("-999.25", "0.2") if value != "-999.25" else ROWS, null="NULL. -1:\n")
    with pytest.raises(FormatError, match="If it means 'no value'"):
        read(text)
    assert int(read(text, null=float(value)).curves.isna().sum().sum()) == 1
    assert read(text, null=()).curves.isna().sum().sum() == 0


def test_naming_one_null_does_not_excuse_another(read):
    with pytest.raises(FormatError, match="holds -9999"):
        read(las(ROWS.replace("60.0", "-9999").replace("-999.25", "-999")), null=-999)


def test_texts_that_mean_no_value(read):
    well = read(las(ROWS.replace("60.0", "ERR").replace("0.10", "--")), null=("ERR", "--"))
    assert well.curve("GR").isna().tolist() == [False, True, False]
    assert well.curve("PHI").isna().tolist() == [False, True, True]


def test_a_positive_9999_is_read_with_a_warning(read):
    well = read(las(ROWS.replace("60.0", "9999")))
    assert well.curve("GR").iloc[1] == 9999.0
    assert (well.health[0].level, well.health[0].message) == ("warning", "GR holds 9999, 1 such values")


def test_chosen_curves_spare_a_column_of_text(read):
    text = las("10:00 1000 20\n10:01 1001 30\n", curves="TIME.S :\nDEPT.M :\nGR.API :\n", interval="STEP.M 1:\n")
    assert read(text, depth="DEPT", curves=["GR"]).curve("GR").tolist() == [20.0, 30.0]
    with pytest.raises(FormatError, match="Curve TIME has '10:00'"):
        read(text, depth="DEPT")
    with pytest.raises(FormatError, match="There is no curve 'MD'"):
        read(text, depth="MD")
    with pytest.raises(FormatError, match=r"no curve RHOB\. It has: TIME, DEPT, GR"):
        read(text, depth="DEPT", curves=["RHOB"])


def test_wrapped_rows(read):
    rows = "1000\n20\n0.3\n1000.5\n60 -999.25\n1001\n140 0.1\n"
    assert read(las(rows, wrap="YES")).curves.equals(read().curves)
    assert read(las(rows), wrap=True).curves.equals(read().curves)
    assert read(las(wrap="YES"), wrap=False).curves.equals(read().curves)


def test_decimal_commas(read):
    assert read(las(ROWS.replace(".", ",").replace("999,25", "999.25")), decimal=",").curves.equals(read().curves)


@pytest.mark.parametrize(("word", "mark"), [("COMMA", ","), ("TAB", "\t")])
def test_delimited_rows_may_have_empty_fields(read, word, mark):
    rows = f"1000{mark}20{mark}0.3\n1000.5{mark}60{mark}\n1001{mark}140{mark}0.1\n"
    assert read(las(rows, extra=f"DLM. {word}:\n")).curves.equals(read().curves)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(read, encoding):
    well = read(las().replace("A-1", "Würm-1").encode(encoding))
    assert well.name == "Würm-1"
    assert [f.level for f in well.health] == (["note"] if encoding == "cp1252" else [])
    with pytest.raises(FormatError, match="The text is not ascii"):
        read(las().replace("A-1", "Würm-1").encode(encoding), encoding="ascii")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (las(interval="STRT.M 1000:\nSTOP.M 1100:\nSTEP.M 0.5:\n"), "STOP is 1100, the data say 1001"),
        (las(interval="STRT.M 1000:\nSTOP.M 1001:\nSTEP.M 0.25:\n"), "STEP is 0.25, the data say 0.5"),
        (las(interval="STOP.M 1001:\nSTEP.M 0.5:\n"), "STRT is missing, the data say 1000"),
        (las(curves=CURVES.replace("PHI", "GR")), "Curve names occur more than once: GR"),
        (las(curves=CURVES.replace("PHI.", " .")), "A curve has no name"),
        (las(ROWS.replace("0.30", "-999.25").replace("0.10", "-999.25")), "Curves without any value: PHI"),
        (las().replace("WRAP. NO:\n", ""), "The header has no WRAP"),
        (las().replace("WELL. A-1: name\n", ""), "The header names no well"),
        (las(ROWS.replace("-999.25", "0.2"), null=""), "The header has no NULL"),
        (las().replace("VERS. 2.0:\n", ""), "The header has no VERS"),
        (las().replace("~Curve", "~Parameter\nthis is no item\n~Curve"), "lasio cannot read a header line"),
    ],
)
def test_contradictions_in_the_header_are_warnings(read, text, message):
    well = read(text)
    assert [f.level for f in well.health] == ["warning"]
    assert message in well.health[0].message
    assert well.md.tolist() == [1000.0, 1000.5, 1001.0]


def test_a_missing_well_section_does_not_bring_lasios_defaults(read):
    text = "~Version\nVERS. 2.0:\nWRAP. NO:\n~Curve\nDEPT.F :\nGR.API :\n~A\n200 1\n201 -9999.25\n"
    with pytest.raises(FormatError, match=r"holds -9999\.25"):
        read(text)
    assert read(text, null=-9999.25).md.tolist() == pytest.approx([60.96, 61.2648])


def test_an_irregular_step_is_noted(read):
    well = read(las("1000 1 0.1\n1000.5 2 0.2\n1001.5 3 0.3\n", interval="STRT.M 1000:\nSTOP.M 1001.5:\nSTEP.M 0:\n"))
    assert [str(f) for f in well.health] == ["note: The depth step varies from 0.5 to 1."]


def test_reading_is_silent(read, capfd, caplog):
    with caplog.at_level(logging.DEBUG):
        read(las().replace("~Curve", "~Parameter\nthis is no item\n~Curve"))
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


numbers = st.floats(-1e6, 1e6).filter(
    lambda v: v not in (-999.0, -999.25, -9999.0, -9999.25, -99999.0, -99999.25, -32767.0, -32768.0)
)

coordinates = st.floats(-1e7, 1e7).filter(lambda v: v != -999.25)


@settings(max_examples=40, deadline=None)
@given(
    depths=st.lists(st.integers(0, 40_000_000), min_size=2, max_size=20, unique=True),
    column=st.lists(st.one_of(numbers, st.just(float("nan"))), min_size=20, max_size=20),
    head=st.tuples(coordinates, coordinates, st.floats(-900, 9000)),
)
def test_write_and_read_give_the_same_well(tmp_path_factory, depths, column, head):
    md = np.sort(depths) / 4096
    curves = pd.DataFrame({"GR": column[: len(md)], "AI_rel": column[-len(md) :]}, index=pd.Index(md, name="md"))
    well = WellLog("AA/01-06-098-10W4/0", curves, {"GR": "API", "AI_rel": "(m/s)*(kg/m3)"}).placed(head[:2], head[2])
    back = read_las(write_las(well, tmp_path_factory.mktemp("las") / "w.las"), kb="header", xy="header", null=())
    assert back.name == well.name
    pd.testing.assert_frame_equal(back.curves, well.curves, check_exact=True)
    assert dict(back.units) == dict(well.units)
    assert back.xyz(md) == pytest.approx(well.xyz(md), rel=1e-12, abs=1e-9)


def test_our_own_file_is_healthy(tmp_path):
    curves = pd.DataFrame({"GR": [1.5, float("nan")]}, index=pd.Index([100.0, 100.5], name="md"))
    back = read_las(write_las(WellLog("A", curves, {"GR": "API"}), tmp_path / "new" / "w.las"))
    assert back.health == ()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["w.las"]


def test_write_refuses_what_las_cannot_hold(tmp_path):
    curves = pd.DataFrame({"GR": [1.0, 2.0]}, index=[0.0, 100.0])
    survey = pd.DataFrame({"md": [0.0, 100.0], "inclination": [0.0, 30.0], "azimuth": [0.0, 0.0]})
    well = WellLog("A", curves).placed((0.0, 0.0), 0.0, survey)
    with pytest.raises(FormatError, match="deviated"):
        write_las(well, tmp_path / "w.las")
    for bad, message in ((-999.25, "marks missing"), (np.inf, "infinite"), ("sand", "holds text")):
        with pytest.raises(FormatError, match=message):
            write_las(replace(well, trajectory=None).with_curve("GR", np.array([bad, bad]), ""), tmp_path / "w.las")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    well = WellLog("A", pd.DataFrame({"GR": [1.0]}, index=[0.0]))
    with pytest.raises(FormatError, match="was not written"):
        write_las(well, tmp_path / "file" / "w.las")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
