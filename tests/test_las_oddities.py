"""LAS files as they really are: each oddity written here, read right with a finding, or refused with its reason and its line."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from raw_segy import grid, noise, segy
from test_las import ROWS, las

from gempy_gan import mnemonics
from gempy_gan.adapters.las import read_las
from gempy_gan.cli import main
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.wells import gamma_to_fraction


@pytest.fixture
def read(tmp_path):
    def _read(text, **options):
        path = tmp_path / "a.las"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_las(path, **options)

    return _read


def said(well, level=None):
    return "; ".join(str(finding) for finding in well.health if level in (None, finding.level))


# LAS 3


THIRD = """~Version
VERS. 3.0 : CWLS
WRAP. NO :
DLM. {dlm} :
~Well
STRT.M 1670.0 : first {{F}}
STOP.M 1669.5 : last
STEP.M -0.25 : step
NULL. -999.25 :
WELL. A-1 : name
~Log_Parameter
RUN[1]. 1 : run
KB.M 30.5 : elevation {{F}} | RUN[1]
~Log_Definition
DEPT.M : depth {{F}}
RHOB.K/M3 45 : density {{F}}
CDES. : core description {{S}}
DATE. : when {{DD/MM/YYYY}}
NMR[1].MS : echo {{AF;0ms}}
NMR[2].MS : echo {{AF;5ms}}
~Drilling_Definition
DEPT.FT : depth {{F}}
~Drilling_Data | Drilling_Definition
5000
~Log_Data | Log_Definition
{rows}~Tops_Data | Tops_Definition
A{mark}1
"""


def third(dlm="COMMA", mark=","):
    rows = [
        ["1670.0", "2550", '"LIME, VUGGY"' if dlm != "TAB" else "LIME VUGGY", "13/12/1986", "10", "12"],
        ["1669.75", "-999.25", '"LOST"', "13/12/1986", "11", "15"],
        ["1669.5", "2450", '"SAND"', "13/12/1986", "12", "18"],
    ]
    return THIRD.format(dlm=dlm, mark=mark, rows="".join(mark.join(row) + "\n" for row in rows))


@pytest.mark.parametrize(("dlm", "mark"), [("COMMA", ","), ("TAB", "\t"), ("SPACE", "  ")])
def test_the_log_of_las_3_is_read_and_nothing_else(read, dlm, mark):
    well = read(third(dlm, mark), kb="header", xy=(0.0, 0.0))
    assert well.md.tolist() == [1669.5, 1669.75, 1670.0]
    assert list(well.curves) == ["RHOB", "NMR[1]", "NMR[2]"]
    np.testing.assert_array_equal(well.curve("density"), [2450.0, np.nan, 2550.0])
    assert well.curve("NMR[2]").tolist() == [18.0, 15.0, 12.0]
    assert well.xyz([0.0])[0, 2] == 30.5
    assert "DRILLING_DATA, TOPS_DATA" in said(well, "note")
    assert "Curves of text or dates, by their format: CDES, DATE. They were left out" in said(well, "note")
    assert said(well, "warning") == ""
    with pytest.raises(FormatError, match=r"Curve CDES has '.*' in line 26"):
        read(third(dlm, mark), curves=["CDES"])


def test_several_logs_are_refused_until_one_is_chosen(read):
    one = (
        third()
        .replace("~Log_Definition", "~Log_Definition[1]")
        .replace("~Log_Data | Log_Definition", "~Log_Data[1] | Log_Definition[1]")
    )
    two = one + "~Log_Definition[2]\nDEPT.M : {F}\nGR.API : {F}\n~Log_Data[2] | Log_Definition[2]\n1,50\n2,60\n"
    with pytest.raises(FormatError, match=r"2 logs: 1 in line 25, 2 in line 34\. Say which one: give `log=`"):
        read(two)
    assert list(read(two, log=1).curves) == ["RHOB", "NMR[1]", "NMR[2]"]
    assert read(two, log=2).curve("GR").tolist() == [50.0, 60.0]
    with pytest.raises(FormatError, match="log is 3"):
        read(two, log=3)
    with pytest.raises(FormatError, match="no LAS 3"):
        read(las(), log=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("~Log_Data | Log_Definition", "~Core_Data | Core_Definition", r"LAS 3 without a log .* Its sections: VERSION, WELL"),
        ("| Log_Definition", "| Other_Definition", "belongs to 'OTHER_DEFINITION'.* there are LOG_DEFINITION"),
        ("~Log_Definition", "~Core_Definition", "there are none"),
        ("WRAP. NO", "WRAP. YES", "LAS 3 and wrapped"),
        ("2450,", "2450,,", "Line 28 has 7 values, and the header names 6"),
        ("VERS. 3.0", "VERS. 4.0", r"LAS 4\.0\. Versions 1\.2, 2\.0 and 3\.0"),
    ],
)
def test_las_3_that_is_ambiguous_is_refused(read, old, new, message):
    with pytest.raises(FormatError, match=f"(?s){message}"):
        read(third().replace(old, new))


# Depths


def test_las_1_2_has_its_names_in_the_other_place(read):
    text = las(version="1.2").replace("WELL. A-1: name", "WELL. WELL: A-1")
    assert read(text).name == "A-1"


def test_two_depths_that_agree_and_two_that_do_not(read):
    curves = "DEPT.M :\nMD.FT :\nGR.API :\n"
    rows = "".join(f"{m} {m / 0.3048:.4f} {i}\n" for i, m in enumerate([1000.0, 1000.5, 1001.0]))
    well = read(las(rows, curves=curves))
    assert "MD is named as measured depth too, and agrees. DEPT was taken" in said(well, "note")
    with pytest.raises(FormatError, match=r"Curves DEPT and MD are both named as measured depth, and differ by up to 2283 m"):
        read(las(rows, curves=curves.replace("MD.FT", "MD.M")))
    chosen = read(las(rows, curves=curves.replace("MD.FT", "MD.M")), depth="DEPT")
    assert "differs by up to" in said(chosen, "note")
    twice = read(las(rows.replace("3280.8399", "1000.0").replace("3282.4803", "1000.5").replace("3284.1207", "1001.0"),
                     curves="DEPT.M :\nDEPT.M :\nGR.API :\n"))  # fmt: skip
    assert twice.curve("GR").tolist() == [0.0, 1.0, 2.0]


def test_a_file_without_depth_names_what_it_has(read):
    with pytest.raises(
        FormatError, match=r"'GR' is no known name of depth. Name the measured depth with `depth=`; the file has: GR, PHI"
    ):
        read(las("20 0.3\n60 0.2\n", curves="GR.API :\nPHI.V/V :\n"))


def test_repeated_depths_are_refused_or_merged(read):
    rows = "1000.0 20 0.30\n1000.5 60 0.20\n1000.5 80 0.40\n1001.0 140 0.10\n"
    with pytest.raises(FormatError, match=r"from 1000.5 to 1000.5 in line 17.*duplicates='first'"):
        read(las(rows))
    first = read(las(rows), duplicates="first")
    assert first.curve("GR").tolist() == [20.0, 60.0, 140.0]
    assert "warning: 1 rows repeat the depth of the row before (line 17). The first of them was kept." in said(first)
    mean = read(las(rows), duplicates="mean")
    assert mean.curve("GR").tolist() == [20.0, 70.0, 140.0]
    assert mean.curves.index.name == "md"
    with pytest.raises(FormatError, match="duplicates is 'last'"):
        read(las(rows), duplicates="last")
    with pytest.raises(FormatError, match=r"from 1000.5 to 999 in line 17"):
        read(las(rows.replace("1000.5 80", "999 80")), duplicates="first")


@pytest.mark.parametrize("unit", [".1IN", "0.1IN", ".1INCH"])
def test_depths_in_tenths_of_an_inch(read, unit):
    text = las("394000 20 0.3\n394060 30 0.3\n", interval=f"STRT.{unit} 394000:\nSTOP.{unit} 394060:\nSTEP.{unit} 60:\n")
    well = read(text.replace("DEPT.M", f"DEPT.{unit}"))
    assert well.md.tolist() == pytest.approx([1000.76, 1000.9124])
    assert "multiplied by 0.00254 to metres" in said(well, "note")
    assert read(text.replace("DEPT.M", "DEPT.").replace(f".{unit}", "."), depth_unit="0.1in").md[0] == pytest.approx(1000.76)


def test_findings_name_file_and_line(read):
    well = read(las(interval="STRT.M 1000:\nSTOP.M 1100:\nSTEP.M 0.5:\n"))
    (finding,) = well.health
    assert (finding.file, finding.line, finding.level) == ("a.las", 6, "warning")
    with pytest.raises(FormatError) as refused:
        read(las(ROWS.replace("60.0", "****"), wrap="NO", null=""))
    assert [(f.level, f.message, f.file) for f in refused.value.health] == [("warning", "The header has no NULL", "a.las")]


# Values


def test_several_nulls_in_one_file(read):
    rows = "1000 -999 0.3\n1000.5 -9999 -999.25\n1001 ERR 0.1\n"
    with pytest.raises(FormatError, match="'ERR' in line 17"):
        read(las(rows))
    with pytest.raises(FormatError, match="holds -999 1 times"):
        read(las(rows), null="ERR")
    well = read(las(rows), null=(-999, -9999, "ERR"))
    assert well.curves.isna().sum().tolist() == [3, 1]


@pytest.mark.parametrize("text", ["****", "-", "N/A", "1.2.3", "1,234", "0x1F", "--5"])
def test_text_among_numbers_names_its_line(read, text):
    with pytest.raises(FormatError, match=r"in line 16: 1 of 3 values are no numbers"):
        read(las(ROWS.replace("60.0", text)))
    assert np.isnan(read(las(ROWS.replace("60.0", text)), null=text).curve("GR").iloc[1])


@pytest.mark.parametrize(("rows", "line"), [("1000 20 0.3\n1000.5 60.0-999.25\n", 16), ("1000 20 0.3\n\n# x\n1000.5 60\n", 18)])
def test_run_on_and_ragged_rows_name_their_line(read, rows, line):
    with pytest.raises(FormatError, match=f"Line {line} has 2 values, and the header names 3 curves"):
        read(las(rows))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(read, encoding):
    well = read(las().replace("A-1", "Würm-1").encode(encoding))
    assert well.name == "Würm-1"
    assert f"The text is {encoding.upper()} without a mark" in said(well, "note")


def test_bytes_of_windows_1252(read):
    well = read(las().replace("A-1", "Größe 45°").encode("cp1252"))
    assert well.name == "Größe 45°"
    assert "Windows-1252" in said(well, "note")


def test_a_uwi_keeps_slashes_and_zeros(read):
    text = las(well="UWI . 00/01-06-098-10W4/0 : id\n").replace("WELL. A-1: name\n", "")
    assert read(text).name == "00/01-06-098-10W4/0"
    assert read(text.replace("00/01-06-098-10W4/0", "0001234500")).name == "0001234500"


@pytest.mark.parametrize("section", ["~Parameter\nKB.M 30.5 : elevation\n", "~Parameter\nKB.FT 100.0656 : elevation\n"])
def test_kb_from_any_section_and_conflicts_between_them(read, section):
    text = las().replace("~Curve", f"{section}~Curve")
    assert read(text, xy=(0, 0), kb="header").xyz([0.0])[0, 2] == pytest.approx(30.5)
    with pytest.raises(FormatError, match=r"elevation of the depth reference in the header is .*EREF 99"):
        read(text.replace("~Curve", "EREF.M 99 : other\n~Curve"), xy=(0, 0), kb="header")


@pytest.mark.parametrize(
    "text", ["X = 606554.00 Y = 6080126.00", "x=606554 , y=6080126", "UTM 31N  X= 606554.0 m  Y= 6080126.0 m"]
)
def test_positions_inside_text(read, text):
    well = read(las(well=f"LOC . {text} : LOCATION\n"), kb=0.0, xy="header")
    assert well.xyz([1000.0])[0, :2].tolist() == [606554.0, 6080126.0]
    with pytest.raises(FormatError, match="position in the header is"):
        read(las(well=f"LOC . {text} : LOCATION\nX.M 5 :\nY.M 6 :\n"), kb=0.0, xy="header")


def test_a_position_that_is_no_number(read):
    with pytest.raises(FormatError, match="Expected one, in metres"):
        read(las(well="LOC . X = 1000.0500.5 Y = 800 : LOCATION\n"), kb=0.0, xy="header")


def test_a_file_too_large_to_be_a_log_is_refused_before_it_is_read(tmp_path):
    import os

    file = tmp_path / "large.las"
    file.write_bytes(b"~V")
    try:
        os.truncate(file, 2**40)
    except OSError:
        pytest.skip("this file system holds no file of that size")
    with pytest.raises(FormatError, match=r"1\.02e\+03 GiB long. Expected a LAS file of at most 1 GiB"):
        read_las(file)


def test_repeated_names_never_cost_a_curve(read):
    well = read(las("1000 1 0.2 3\n1000.5 2 0.3 4\n1001 3 0.4 5\n", curves="DEPT.M :\nGR.API :\nGR.API :\nGR:1.API :\n"))
    assert well.curves.to_numpy()[0].tolist() == [1.0, 0.2, 3.0]
    assert len(set(well.curves.columns)) == 3
    assert "Curve names occur more than once: GR" in said(well, "warning")


# Properties, units, ranges


def test_a_curve_is_found_by_its_property(read):
    curves = "DEPT.M :\nECGR.GAPI :\nPOR8.V/V :\n"
    well = read(las(curves=curves))
    assert well.properties == {"ECGR": "gamma_ray"}
    assert well.curve("gamma_ray").tolist() == well.curve("ECGR").tolist() == [20.0, 60.0, 140.0]
    assert "linear ECGR index" in said(gamma_to_fraction(well, "gamma_ray"))
    assert read(las(curves=curves), curves=["gamma_ray"]).curves.columns.tolist() == ["ECGR"]
    extended = read(las(curves=curves), aliases={"porosity": ["POR8"], "my_property": "nothing"})
    assert extended.curve("porosity").iloc[0] == 0.3
    with pytest.raises(GempyGanError, match="has no curve 'density'"):
        well.curve("density")


def test_two_curves_of_one_property_must_be_told_apart(read):
    well = read(las(curves="DEPT.M :\nGR.API :\nCGR.API :\n").replace("-999.25", "50"), null=())
    with pytest.raises(GempyGanError, match=r"2 curves of gamma_ray: GR, CGR. Name one of them"):
        well.curve("gamma_ray")


@pytest.mark.parametrize("aliases", ["GR", {"gamma_ray": ["X"], "density": ["X"]}])
def test_aliases_that_cannot_be_right(read, aliases):
    with pytest.raises(FormatError, match="aliases"):
        read(las(), aliases=aliases)


def test_a_study_extends_the_table(tmp_path, monkeypatch):
    from toy_study import change, write_study

    from gempy_gan.study import load_study
    from gempy_gan.workflow import constrain

    monkeypatch.chdir(tmp_path)
    write_study(tmp_path)
    expected = constrain(load_study("study.toml"))[0].hard[0].values
    change(tmp_path, '"VSAND"', '"pebbles"')
    change_again = (
        (tmp_path / "study.toml").read_text().replace("held_out", "read = { aliases = { pebbles = ['VSAND'] } }\nheld_out", 1)
    )
    if "read = {" in (tmp_path / "study.toml").read_text():
        change_again = (tmp_path / "study.toml").read_text().replace("read = {", "read = { aliases = { pebbles = ['VSAND'] },", 1)
    (tmp_path / "study.toml").write_text(change_again)
    np.testing.assert_array_equal(constrain(load_study("study.toml"))[0].hard[0].values, expected)


CASES = [
    ("DT", "US/F", "us/m", [80.0, 90.0, 100.0], 1 / 0.3048),
    ("DT", "US/M", "us/ft", [262.0, 300.0, 400.0], 0.3048),
    ("RHOB", "G/C3", "kg/m3", [2.2, 2.3, 2.4], 1000.0),
    ("RHOB", "K/M3", "g/cc", [2200.0, 2300.0, 2400.0], 0.001),
    ("NPHI", "%", "v/v", [20.0, 30.0, 25.0], 0.01),
    ("CALI", "IN", "mm", [8.5, 9.0, 8.0], 25.4),
]


@pytest.mark.parametrize(("name", "unit", "wanted", "values", "by"), CASES)
def test_curves_are_converted_when_asked_and_recorded(read, name, unit, wanted, values, by):
    text = las("".join(f"{1000 + 0.5 * i} {value}\n" for i, value in enumerate(values)), curves=f"DEPT.M :\n{name}.{unit} :\n")
    assert read(text).curve(name).tolist() == values
    assert read(text).units[name] == unit
    for key in (name, mnemonics.AliasTable().property_of(name)):
        well = read(text, units={key: wanted})
        assert well.curve(name).tolist() == pytest.approx(np.multiply(values, by).tolist())
        assert well.units[name] == wanted
        assert f"{name} was in {unit}. It was multiplied by {by:.6g} to {wanted}" in said(well, "note")


def test_what_is_not_stated_is_not_converted(read):
    rows = "1000 2.2\n1000.5 2.3\n1001 2.4\n"
    with pytest.raises(FormatError, match=r"Curve RHOB has no unit, and kg/m3 is wanted"):
        read(las(rows, curves="DEPT.M :\nRHOB. :\n"), units={"RHOB": "kg/m3"})
    told = read(las(rows, curves="DEPT.M :\nRHOB. :\n"), units={"RHOB": "kg/m3"}, file_units={"density": "g/cc"})
    assert told.curve("RHOB").tolist() == pytest.approx([2200, 2300, 2400])
    for unit, wanted, message in (("FURLONG", "kg/m3", "'FURLONG' is unknown"), ("G/C3", "us/ft", "'G/C3' is a unit of density")):
        with pytest.raises(FormatError, match=message):
            read(las(rows, curves=f"DEPT.M :\nRHOB.{unit} :\n"), units={"RHOB": wanted})
    with pytest.raises(FormatError, match="no such curve"):
        read(las(rows, curves="DEPT.M :\nRHOB.G/C3 :\n"), units={"RHOX": "kg/m3"})
    with pytest.raises(FormatError, match="units is 'kg/m3'"):
        read(las(rows, curves="DEPT.M :\nRHOB.G/C3 :\n"), units="kg/m3")


@pytest.mark.parametrize(
    ("name", "unit", "values", "likelier"),
    [("RHOB", "G/C3", [2200, 2300, 2400], "kg/m3"), ("DT", "US/F", [320, 350, 400], "us/m"), ("NPHI", "V/V", [20, 30, 25], "%")],
)
def test_values_of_another_unit_than_the_stated_one(read, name, unit, values, likelier):
    text = las("".join(f"{1000 + 0.5 * i} {value}\n" for i, value in enumerate(values)), curves=f"DEPT.M :\n{name}.{unit} :\n")
    well = read(text)
    assert well.curve(name).tolist() == values
    assert f"The values are those of {likelier}: give file_units={{'{name}': '{likelier}'}}" in said(well, "warning")
    assert "(line 14)" in said(well, "warning")
    with pytest.raises(FormatError, match=f"its values are those of {likelier}"):
        read(text, units={name: "g/cc" if name == "RHOB" else "us/ft" if name == "DT" else "v/v"})
    assert "as told" in said(read(text, file_units={name: likelier}), "warning")
    assert "outside" not in said(read(text, file_units={name: likelier}))


@pytest.mark.parametrize(
    ("name", "unit", "bad"),
    [("GR", "GAPI", -50), ("RHOB", "G/C3", 9.0), ("DT", "US/F", 5.0), ("ILD", "OHMM", -1), ("CALI", "MM", 5)],
)
def test_values_that_no_rock_has(read, name, unit, bad):
    good = {"GR": 50, "RHOB": 2.3, "DT": 90, "ILD": 5, "CALI": 200}[name]
    well = read(las(f"1000 {good}\n1000.5 {bad}\n1001 {good}\n", curves=f"DEPT.M :\n{name}.{unit} :\n"))
    (finding,) = well.health
    assert finding.message.startswith(f"{name}: 1 of 3 values are outside")
    assert (finding.level, finding.line, finding.action) == ("warning", 15, "They were kept.")
    assert well.curve(name).iloc[1] == bad


def test_gamma_ray_is_normalised_well_by_well(read):
    """Another tool's baseline and gain leave the coarse fraction as it is."""
    gamma = np.random.default_rng(0).uniform(20, 140, 50)

    def fraction(values):
        rows = "".join(f"{1000 + 0.5 * i} {value}\n" for i, value in enumerate(values))
        well = gamma_to_fraction(read(las(rows, curves="DEPT.M :\nGR.API :\n")), "gamma_ray")
        assert "percentile 5" in said(well, "note")
        return well.curve("VSAND").to_numpy()

    np.testing.assert_allclose(fraction(gamma), fraction(1.7 * gamma + 30), atol=1e-9)


def test_every_mnemonic_belongs_to_one_property_and_every_unit_is_known():
    named = [name for quantity in mnemonics.QUANTITIES.values() for name in quantity.mnemonics]
    assert len(named) == len(set(named))
    for name, quantity in mnemonics.QUANTITIES.items():
        assert mnemonics.known_unit(quantity.unit) is not None, name
        assert quantity.low < quantity.high


# gempy-gan inspect


def inspect(*arguments):
    done = CliRunner().invoke(main, ["inspect", *map(str, arguments)], prog_name="gempy-gan")
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def files(tmp_path):
    head = grid(range(10, 14), range(20, 25))[7]
    (tmp_path / "cube.sgy").write_bytes(segy(noise(20), grid(range(10, 14), range(20, 25))))
    (tmp_path / "w.las").write_text(
        las(well=f"X.M {head[181]} :\nY.M {head[185]} :\nKB.M 30 :\n").replace("STOP.M 1001", "STOP.M 1009")
    )
    (tmp_path / "bad.las").write_text(las(ROWS.replace("60.0", "****"), null=""))
    return tmp_path


def test_inspect_tells_findings_of_all_files_and_where_wells_stand(files):
    code, stdout, stderr = inspect(files / "cube.sgy", files / "w.las", files / "bad.las", "--json", files / "health.json")
    assert code == 1
    assert "warning: STOP is 1009, the data say 1001 (line 6). The data were followed." in stdout
    assert "its header places it at x " in stdout
    assert "A-1: 0 m from the nearest trace of cube.sgy, at inline 11.0, crossline 22.0" in stdout
    assert 'header bytes that fit: inline_byte=189, crossline_byte=193, x_byte=181, y_byte=185 (preset="rev1")' in stdout
    assert "warning: SEG-Y does not tell time from depth. Say --set domain=time or domain=depth." in stdout
    assert "0 to 0.044 s if in time, 0 to 44 length units if in depth" in stdout
    assert "Curve GR has '****' in line 15" in stderr
    report = json.loads((files / "health.json").read_text())
    assert [row["refused"] for row in report] == [False, False, True]
    levels = [(finding["level"], finding["file"]) for finding in report[2]["health"]]
    assert levels == [("warning", "bad.las"), ("error", "bad.las")]


def test_settings_go_to_the_readers_that_know_them(files):
    code, stdout, _ = inspect(
        files / "cube.sgy", files / "w.las", "--set", "domain=depth", "--set", "kb=5.0", "--set", "xy=header"
    )
    assert code == 0
    assert "0 to 44 m depth" in stdout
    assert "z 5.00 m" in stdout
    assert "no option 'dmain'" in inspect(files / "cube.sgy", files / "w.las", "--set", "dmain=depth")[2]


def test_inspect_draws_surveys_and_wells(files):
    code, stdout, _ = inspect(files / "cube.sgy", files / "w.las", "--map", files / "map.png")
    assert code == 0
    assert "map of 1 survey and 1 well" in stdout
    assert (files / "map.png").read_bytes().startswith(b"\x89PNG")
    assert "There is nothing to draw" in inspect(files / "bad.las", "--map", files / "none.png")[2]


def test_the_map_shows_outline_corners_and_names(files):
    from gempy_gan.adapters.segy import read_segy
    from gempy_gan.plot.survey import survey_map

    cube = read_segy(files / "cube.sgy", domain="time")
    line = read_segy(files / "cube.sgy", domain="time", inlines=(10, 10))
    well = read_las(files / "w.las", xy="header", kb="header")
    ax = survey_map({"cube": cube, "line": line}, {"A-1": well}).axes[0]
    texts = {text.get_text() for text in ax.texts}
    assert {"A-1", "10/20", "10/24", "13/20", "13/24"} <= texts
    outline = next(drawn for drawn in ax.lines if drawn.get_label().startswith("cube")).get_xydata()
    assert (outline[0] == outline[-1]).all()
    for corner in (cube.xy.min(axis=0), cube.xy.max(axis=0)):
        assert (np.abs(outline - corner).min(axis=0) < 1e-9).all()
    with pytest.raises(GempyGanError, match="nothing to draw"):
        survey_map({}, {})
