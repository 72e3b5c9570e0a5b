"""Reading and blocking real wells: McMurray (Athabasca) and F3 (North Sea), and odd LAS files from lasio's own tests."""

import os
from pathlib import Path

import lasio
import mcmurray
import numpy as np
import pytest

from gempy_gan.adapters.las import read_las
from gempy_gan.adapters.tables import read_checkshot, read_heads, read_survey, read_table, read_tops
from gempy_gan.blocking import block
from gempy_gan.errors import FormatError
from gempy_gan.grid import Grid

FOLDER = os.environ.get("GEMPY_GAN_REAL_DATA")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="GEMPY_GAN_REAL_DATA does not name the folder of real files")
DATA = Path(FOLDER or ".")
F3 = ("F02-1", "F03-2", "F03-4", "F06-1")

REFUSED = {
    "1.2_sample_big": "from 1669.75 to 1670",
    "3.0_0-d_Array__1__MS_": "LAS 3 with 6 logs",
    "3.0_Curve-Param_Error__10__SS_": "LAS 3 without a log",
    "3.0_Curve-Param_Error__3__MS_": "LAS 3 without a log",
    "3.0_Good_File__SS_": "'Index' is no known name of depth",
    "3.0_Reshape_Error__3__SS_": "LAS 3 without a log",
    "blank_line": "no data",
    "comma_decimal_mark": "'123,420' in line 45",
    "data_characters": "'TIME' is no known name of depth",
    "excess_curves": "4 values, and the header names 6",
    "header_only": "no data",
    "issue92": "depths in 'F' and 'M'",
    "missing_a_section": "no data",
    "missing_null": "-999.25 2 times",
    "not_a_las_file": "no section",
    "null_policy_(null)": r"'\(null\)' in line 46",
    "null_policy_ERR": "'ERR' in line 46",
    "null_policy_dashes": "'-' in line 44",
    "null_policy_runon": "Line 33 has 6 values",
    "sample_cyrillic_depth_unit": "'M' and 'метер'",
    "pygeopressure_pseudo": "no section",
}


LAS_3 = ("3.0_sample_3.0", "3.0_sample_3.0_tab_dlm")  # which lasio reads as text


def _is_the_sample(well):
    """The log of CWLS's own example, as it stands in the standard."""
    assert well.md.tolist() == [1669.75, 1669.875, 1670.0]
    assert list(well.curves) == ["DT", "RHOB", "NPHI", "SFLU", "SFLA", "ILM", "ILD", "YME", *(f"NMR[{i}]" for i in range(1, 6))]
    assert well.curve("YME").tolist() == [2.85e12, 1.47e12, 1.45e12]
    assert well.curve("NMR[5]").tolist() == [17.0, 25.0, 13.0]
    assert "CDES" in str(well.health)


def odd_files():
    return sorted([*(DATA / "las" / "lasio").glob("*.[lL][aA][sS]"), *(DATA / "las" / "other").glob("*.las")])


def test_every_odd_file_is_refused_or_read_as_lasio_reads_it():
    """Where a file is read, each value agrees with lasio's; where it is refused, the reason is the expected one."""
    assert len(odd_files()) > 50
    refused = set()
    for path in odd_files():
        if path.stem in REFUSED:
            with pytest.raises(FormatError, match=REFUSED[path.stem]):
                read_las(path)
            refused.add(path.stem)
        elif path.stem in LAS_3:
            _is_the_sample(read_las(path))
        else:
            _agrees_with_lasio(path, read_las(path))
    assert refused == set(REFUSED)


def _agrees_with_lasio(path, well):
    theirs = lasio.read(
        path, mnemonic_case="preserve", ignore_header_errors=True, encoding="utf-16" if "utf16" in path.stem else None
    )
    values = np.column_stack([curve.data for curve in theirs.curves]).astype(float)
    values = values[np.argsort(values[:, 0])]
    scale = 0.3048 if theirs.curves[0].unit.upper().startswith("F") else 1.0
    assert well.md == pytest.approx(values[:, 0] * scale), path.name
    np.testing.assert_array_equal(well.curves.to_numpy(), values[:, 1:], err_msg=path.name)
    assert len(well.units) == len(theirs.curves) - 1


@pytest.fixture(scope="module")
def study():
    return mcmurray.load(DATA)


def test_mcmurray_headers_agree_with_the_table_of_heads():
    home = DATA / "pilot" / "mcmurray_A"
    heads = read_heads(home / "wells.csv", {"well": "file", "x": "x_utm12", "y": "y_utm12", "kb": "kb"})
    assert len(heads) == 14
    for head in heads.itertuples():
        well = read_las(home / "las" / head.well, xy=(head.x, head.y), kb="header")
        assert well.xyz([0.0])[0].tolist() == [head.x, head.y, head.kb]
        assert [f for f in well.health if f.level != "note"] == []


def test_mcmurray_wells_fill_every_layer_of_the_flattened_unit(study):
    assert [well.name[3:15] for well in study.held_out] == ["01-06-098-10", "01-18-097-10", "02-21-097-11", "12-16-098-11"]
    assert (len(study.conditioning), len(study.data), len(study.truth)) == (10, 320, 128)
    for data in (study.data, study.truth):
        assert all(row["cells"] == 32 and row["without_position"] == 0 for row in data.report["wells"])
        assert (data.values >= 0).all()
        assert (data.values <= 1).all()
        assert (data.std >= mcmurray.STD).all()
    fractions = np.concatenate([well.curve("VSAND").to_numpy() for well in study.conditioning])
    assert np.nanmin(fractions) == 0
    assert np.nanmax(fractions) == 1


def test_mcmurray_statistics_that_the_prior_is_set_from(study):
    table, _ = mcmurray.profiles(study.data, study.grid)
    assert (round(float(table.mean()), 2), round(float(table.std()), 2)) == (0.57, 0.29)
    gamma = mcmurray.variogram(table, 12)
    assert gamma[0] < 0.3
    assert gamma[11] > 0.75
    fit = mcmurray.fit(study.data, study.grid)
    assert 8 < fit.vertical < 13
    assert 0.27 < fit.std < 0.32
    assert 0.45 < fit.mean < 0.6
    assert fit.log_likelihood - mcmurray.fit(study.data, study.grid, 8000.0).log_likelihood > 5


@pytest.mark.parametrize("name", F3)
def test_f3_wells_are_placed_from_track_and_from_header_alike(name):
    home = DATA / "pilot" / "f3"
    survey = read_survey(home / "track" / f"{name}.track", {"x": 0, "y": 1, "tvdss": 2, "md": 3}, header=False)
    well = read_las(home / "las" / f"{name}_logs.las", survey=survey)
    again = read_las(home / "las" / f"{name}_logs.las", xy="header", kb="header")
    assert np.abs(well.xyz(well.md) - again.xyz(well.md)).max() < 0.01
    place = read_table(home / "wells_ilxl.csv").set_index("well").loc[name]
    assert well.xyz([100.0])[0, :2].tolist() == [place["x"], place["y"]]
    assert well.units["AI"] == "(m/s)*(kg/m3)"
    assert 1e6 < well.curve("AI").median() < 1e7


@pytest.mark.parametrize("name", F3)
def test_f3_wells_are_blocked(name):
    well = read_las(DATA / "pilot" / "f3" / "las" / f"{name}_logs.las", xy="header", kb="header")
    x, y, _ = well.xyz([100.0])[0]
    grid = Grid(extent=(x - 50, x + 50, y - 50, y + 50, -1500, -100), resolution=(1, 1, 350))
    data = block(well, grid, "AI", "impedance", std=5e4)
    row = data.report["wells"][0]
    assert row["used"] + row["missing"] + row["outside"] == row["samples"]
    assert len(data) > 300
    z = well.xyz(well.md)[:, 2]
    layer = (z >= -1500) & (z <= -100)
    total = np.nansum(well.curve("AI").to_numpy()[layer])
    assert np.dot(data.values, data.report["samples_per_cell"]) == pytest.approx(total)


def test_f3_checkshots_and_tops():
    home = DATA / "pilot" / "f3"
    shots = {
        name: read_checkshot(home / "checkshot" / f"{name}_TD.txt", {"md": 0, "twt": 1}, time_unit="s", twt=True, header=False)
        for name in F3
    }
    assert [len(shot) for shot in shots.values()] == [25, 18, 34, 17]
    found = {name: [f.message for f in shot.attrs["health"]] for name, shot in shots.items()}
    assert found["F03-2"] == ["2 rows are repeated", "Depth decreases at row 20 (1885 m)"]
    assert found["F03-4"] == ["2 rows are repeated", "Depth decreases at row 29 (2277 m)"]
    assert found["F02-1"] == found["F06-1"] == []
    for name, shot in shots.items():
        options = {"header": False, "delimiter": "\t"}
        tops = read_tops(home / "tops" / f"{name}_markers.txt", {"md": 0, "top": 1}, well=name, **options)
        assert set(tops["md"]) <= {*shot["md"], 30.0}
