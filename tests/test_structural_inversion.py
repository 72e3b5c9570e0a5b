"""Structures and units inverted: data honoured in each geometry, together on one grid, and as studies from the command line."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import structural_models as models
from click.testing import CliRunner

from gempy_gan import block, from_gempy, invert, invert_structures, model_grid, read, regrid, runs, vary_structure, workflow
from gempy_gan.adapters.las import write_las
from gempy_gan.cli import main
from gempy_gan.constraints import Constraints
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.geomodel import save_gempy
from gempy_gan.grid import Grid
from gempy_gan.inversion import prior_for
from gempy_gan.properties import Property
from gempy_gan.study import load_study
from gempy_gan.wells import WellLog
from gempy_gan.workflow import options

CELLS = (8, 6, 6)
FACIES = Property("facies", codes={0: "mud", 1: "sand"})


def well(name, x, y):
    """A vertical well through the folded model, with a sand curve that alternates with depth."""
    md = np.arange(0.0, 1000.0, 5.0)
    log = WellLog(name, pd.DataFrame({"VSAND": 0.5 + 0.4 * np.sin(md / 30)}, index=pd.Index(md, name="md")))
    return log.placed((x, y), 0.0)


WELLS = [well("A-1", 410.0, 500.0), well("A-2", 1590.0, 1100.0)]


def gaussian(known):
    return prior_for("gaussian", known.grid, property="sand", ranges=(800.0, 800.0, 60.0), mean=0.5, std=0.3)


def constrain(model):
    grid = from_gempy(model, "Reservoir", CELLS, extent=models.EXTENT)
    return Constraints(grid, block(WELLS, grid, "VSAND", "sand", std=0.02))


@pytest.fixture(scope="module")
def model():
    return models.folded_model()


def test_wells_are_honoured_in_every_structure(model, tmp_path):
    draws = vary_structure(model, {"Reservoir": 25.0}, n=2, seed=0, range=900.0)
    known = []

    def remembered(model):
        known.append(constrain(model))
        return known[-1]

    ensembles = invert_structures(gaussian, draws, remembered, n=2, seed=4, store=tmp_path / "kept", batch=2)
    assert ensembles[0].grid != ensembles[1].grid
    for draw, ensemble, constraints in zip(draws, ensembles, known, strict=True):
        (hard,) = constraints.hard
        off = (ensemble.values[:, 0][(slice(None), *hard.cells.T)] - hard.values) / hard.std
        assert np.mean(off**2) < 2
        assert ensemble.provenance["structure"]["number"] == draw.number
    kept = read(tmp_path / "kept" / "structure-001.zarr")
    np.testing.assert_array_equal(kept.values, ensembles[1].values)
    assert kept.provenance["structure"]["std"] == {"Reservoir": 25.0}
    together = regrid({"Reservoir": ensembles}, model_grid(model))
    assert len(together) == 4
    assert together.grid.resolution == (16, 12, 20)
    probability = together.probability("unit")
    assert ((probability > 0) & (probability < 1)).any()
    in_unit = np.isfinite(together.values[:, 1])
    np.testing.assert_array_equal(in_unit, together.values[:, 0] == 1)
    spread = together.std("sand").values
    assert np.nanmax(spread) > 0.1


def test_without_uncertainty_it_is_the_inversion_of_the_model(model):
    draws = vary_structure(model, {"Reservoir": 0.0}, n=1, seed=0, range=900.0)
    known = constrain(model)
    (varied,) = invert_structures(gaussian, draws, constrain, n=3, seed=4)
    fixed = invert(gaussian(known), known, n=3, seed=4)
    assert varied.grid == fixed.grid
    assert varied.values.tobytes() == fixed.values.tobytes()


def boxes(low, high, values, prop, n=2):
    grid = Grid((0, 100, 0, 100, low, high), (5, 5, 4))
    return Ensemble.from_values(grid, [prop], np.full((n, 1, *grid.resolution), values), {"seed": 1})


def test_units_lie_together_on_one_grid(tmp_path):
    grid = Grid((0, 100, 0, 100, -100, 0), (10, 10, 10))
    lower = [boxes(-80.0, base, 0.3, Property("porosity")) for base in (-50.0, -40.0)]
    upper = [boxes(top, -10.0, 1, FACIES) for top in (-50.0, -40.0)]
    found = regrid({"Lower": lower, "Upper": upper}, grid, tmp_path / "together.zarr")
    assert [p.name for p in found.properties] == ["unit", "porosity", "facies"]
    assert found.property("facies").facies == {-1: "elsewhere", 0: "mud", 1: "sand"}
    assert len(found) == 4
    z = grid.axis(2)
    assert found.dataset["unit"].values[0, 0, 0].tolist() == np.where(z < -80, 0, np.where(z < -50, 1, 2 * (z < -10))).tolist()
    probability = found.probability("unit").values
    np.testing.assert_allclose(probability[1, 0, 0, (z > -50) & (z < -40)], 0.5)
    np.testing.assert_allclose(found.mean("porosity").values[..., (z > -50) & (z < -40)], 0.3, rtol=1e-6)
    assert np.isnan(found.mean("porosity").values[..., z > -40]).all()
    again = regrid({"Lower": lower, "Upper": upper}, grid)
    np.testing.assert_array_equal(again.values, found.values)
    assert found.provenance["units"]["Lower"][1]["seed"] == 1


def test_structures_count_alike_whatever_their_weights():
    grid = Grid((0, 100, 0, 100, -100, 0), (2, 2, 2))
    part = boxes(-100, 0, 0.2, Property("porosity"))
    weighted = Ensemble.from_values(part.grid, part.properties, part.values, {}, np.log([0.9, 0.1]))
    np.testing.assert_allclose(regrid({"A": [part, weighted]}, grid).weights, [0.25, 0.25, 0.45, 0.05])


def test_parts_that_do_not_fit_are_refused():
    grid = Grid((0, 100, 0, 100, -100, 0), (2, 2, 2))
    one, three = (boxes(-100, 0, 0.2, Property("porosity"), n) for n in (1, 3))
    with pytest.raises(GempyGanError, match="different numbers of realizations: 'A' 1, 'B' 3"):
        regrid({"A": one, "B": three}, grid)
    with pytest.raises(GempyGanError, match="different numbers of ensembles"):
        regrid({"A": [one, one], "B": one}, grid)
    with pytest.raises(GempyGanError, match="means something else by the property 'porosity'"):
        regrid({"A": one, "B": boxes(-100, 0, 0.2, Property("porosity", "%"), 1)}, grid)
    with pytest.raises(GempyGanError, match="There is no ensemble"):
        regrid({}, grid)
    with pytest.raises(GridError, match="No cell of the grid"):
        regrid({"A": one}, Grid((900, 999, 0, 9, 0, 9), (2, 2, 2)))


STUDY = """
n = 2
seed = 3
[grid]
model = "model.gempy"
[wells]
files = ["*.las"]
curve = "VSAND"
property = "sand"
std = 0.02
tops = { file = "tops.csv", columns = { well = "well" }, tops = { Seal = "seal", Base = "base" } }
[prior]
name = "gaussian"
ranges = [800.0, 800.0, 60.0]
mean = "wells"
std = "wells"
[output]
pictures = false
surfaces = true
formats = ["grdecl", "roff", "nc"]
"""
UNITS = """
[[units]]
element = "Reservoir"
resolution = [8, 6, 6]
[[units]]
element = "Cover"
resolution = [6, 6, 4]
frame = "distance"
thickness = 200.0
seismic = false
prior = { name = "gaussian", property = "sand", ranges = [300.0, 300.0, 30.0], mean = 0.4, std = 0.2 }
"""
STRUCTURE = """
[structure]
std = { Cover = 10.0, Reservoir = 20.0 }
range = 800.0
spacing = 500.0
picks = { Cover = "Seal", Reservoir = "Base" }
"""


@pytest.fixture
def folder(tmp_path, model):
    save_gempy(model, tmp_path / "model.gempy")
    rows = ["well,seal,base"]
    for log in WELLS:
        write_las(log, tmp_path / f"{log.name}.las")
        x = log.stations[["x", "y"]].to_numpy()[:1]
        seal, base = (5 - float(models.fold(x, depth)[0]) for depth in (-300, -600))  # 5 m below the model's
        rows.append(f"{log.name},{seal},{base}")
    (tmp_path / "tops.csv").write_text("\n".join(rows))
    return tmp_path


def call(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_several_units_by_one_study(folder):
    (folder / "study.toml").write_text(STUDY + UNITS)
    done = call("run", folder / "study.toml")
    assert done.exit_code == 0, done.output
    assert "Cover: " in done.output
    out = folder / "out"
    units = [read(out / name / "ensemble.zarr") for name in ("Reservoir", "Cover")]
    assert [unit.grid.resolution for unit in units] == [(8, 6, 6), (6, 6, 4)]
    assert units[0].provenance["seed"] != units[1].provenance["seed"]
    assert units[1].provenance["prior"]["options"]["mean"] == 0.4
    together = read(out / "model" / "ensemble.zarr")
    assert together.property("unit").facies == {0: "elsewhere", 1: "Reservoir", 2: "Cover"}
    nc = read(out / "model" / "nc" / "ensemble.nc")
    np.testing.assert_array_equal(nc.values, together.values)
    assert (out / "model" / "roff").exists()
    assert (out / "Reservoir" / "grdecl" / "ensemble.grdecl").exists()
    assert "Warning: Not written on the model's grid: sand has undefined values in active cells" in done.output
    assert (out / "Cover" / "surfaces" / "unit--top.irap").exists()
    summary = json.loads((out / "summary.json").read_text())
    assert summary["units"]["Reservoir"]["agreement"]["hard: sand"][0] < 3
    assert "holds ensembles already" in call("run", folder / "study.toml").output
    again = call("run", folder / "study.toml", "--resume")
    assert again.exit_code == 0, again.output


def test_structures_by_one_study(folder):
    text = STUDY.replace('model = "model.gempy"', 'model = "model.gempy"\nelement = "Reservoir"\nresolution = [8, 6, 6]')
    (folder / "study.toml").write_text(text + STRUCTURE)
    done = call("run", folder / "study.toml")
    assert done.exit_code == 0, done.output
    assert "2 structures, 0 more drawn again" in done.output
    out = folder / "out"
    parts = [read(out / f"structure-00{k}" / "ensemble.zarr") for k in (0, 1)]
    assert parts[0].grid != parts[1].grid
    assert parts[1].provenance["structure"]["picks"] == 4
    summary = json.loads((out / "summary.json").read_text())
    assert max(summary["units"]["Reservoir"]["agreement"]["hard: sand"]) < 3
    moved = pd.read_csv(out / "structure-001" / "displaced.csv")
    log = WELLS[0].stations.iloc[0]
    picked = moved[np.hypot(moved["x"] - log["x"], moved["y"] - log["y"]) < 0.1]
    np.testing.assert_allclose(
        picked["z"], [models.fold(log[["x", "y"]].to_numpy()[None], d)[0] - 5 for d in (-300, -600)], atol=0.01
    )
    for k in (0, 1):
        assert (out / f"structure-00{k}" / "grdecl" / "ensemble.grdecl").exists()
    assert len(read(out / "model" / "ensemble.zarr")) == 2
    assert len(summary["units"]["Reservoir"]["volume"]) == 3


@pytest.mark.parametrize("structure", ["", "[structure]\nstd = { Reservoir = 5.0 }\nrange = 800.0\n"])
def test_a_file_is_read_once_and_what_was_found_in_it_is_reported(folder, monkeypatch, structure):
    text = STUDY.replace('model = "model.gempy"', 'model = "model.gempy"\nelement = "Reservoir"\nresolution = [4, 4, 4]')
    text = text.replace("pictures = false", "pictures = true").replace('formats = ["grdecl", "roff", "nc"]', "formats = []")
    (folder / "study.toml").write_text(text.replace("std = 0.02", 'std = 0.02\nheld_out = ["A-2"]') + structure)
    opened = []
    monkeypatch.setattr(options, "read", lambda file, **given: opened.append(file.name) or read(file, **given))
    done = runs.run(load_study(folder / "study.toml"))
    assert sorted(opened) == ["A-1.las", "A-2.las"]
    page = next((folder / "out").rglob("report.html")).read_text()
    assert "2 input files were read." in page
    assert not structure or "held out: sand: crps 0." in str(done.diagnosis)


def test_surfaces_of_tops_are_named_like_them_and_meet_them(folder, monkeypatch):
    text = STUDY.replace('model = "model.gempy"', 'surfaces = ["Seal", "Base"]\nelement = "Seal"\nresolution = [4, 4, 4]')
    (folder / "study.toml").write_text(
        text + '[structure]\nstd = { Base = 7.0 }\nrange = 900.0\nspacing = 300.0\npicks_file = "more.csv"'
    )
    (folder / "more.csv").write_text("surface,x,y,z\nSeal,900.0,800.0,-650.0\n")
    study = load_study(folder / "study.toml")
    asked = {}
    monkeypatch.setattr(runs, "vary_structure", lambda model, std, n, seed, **options: asked.update(options, std=std, n=n) or [])
    runs._structures(study, workflow.model_of(study))
    assert asked["std"] == {"Seal": 7.0}  # the unit below the top Seal, whose base is the top Base
    assert asked["n"] == 2
    assert asked["spacing"] == 300.0
    picks = asked["picks"]
    assert picks.groupby("surface").size().to_dict() == {"Seal": 3, "above Seal": 2}
    seal = picks[picks["surface"] == "above Seal"].set_index("well")["z"]
    assert seal["A-1"] == pytest.approx(models.fold(np.array([[410.0, 500.0]]), -300)[0] - 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (STRUCTURE.replace("std", "sdt"), "unknown entry 'sdt'. Did you mean 'std'"),
        (STRUCTURE.replace("range = 800.0", 'range = "far"'), "range = 'far'. Expected a number"),
        (STRUCTURE + "draws = 3", "Expected as many of each"),
        (UNITS + UNITS, "Expected each unit once"),
        (UNITS.replace('element = "Cover"', ""), "says nothing about 'element'"),
        (UNITS.replace('name = "gaussian"', 'name = "gausian"'), "No prior is named 'gausian'"),
    ],
)
def test_studies_that_cannot_be_right(tmp_path, text, said):
    (tmp_path / "study.toml").write_text(STUDY + text)
    with pytest.raises(GempyGanError, match=said):
        load_study(tmp_path / "study.toml")
