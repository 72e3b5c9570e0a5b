import json
import re

import numpy as np
import pytest

from gempy_gan import demo
from gempy_gan.errors import FormatError, GempyGanError, PluginError
from gempy_gan.files import read_ensemble
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.observations import read_constraints
from gempy_gan.study import load_study
from gempy_gan.workflow import constrain, grid_of, prior_of, read_wells, run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The demo, on a coarser grid."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "RESOLUTION", (16, 16, 16))
        return demo.run_demo(folder, n=3, seed=1)


def test_the_demo_goes_from_files_to_formats(made):
    folder = made.folder
    assert sorted(file.name for file in (folder / "wells").glob("*.las")) == [f"{name}.las" for name in demo.WELLS]
    ensemble = read_ensemble(folder / "out" / "ensemble.zarr")
    assert len(ensemble) == 3
    assert not ensemble.grid.active_cells.all()
    for written in ("roff/ensemble_grid.roff", "grdecl/ensemble.grdecl", "vti/ensemble.vti", "nc/ensemble.nc"):
        assert (folder / "out" / written).is_file(), written
    assert len(list((folder / "out" / "pictures").glob("*.png"))) >= 4
    assert np.array_equal(read_ensemble(folder / "out" / "nc" / "ensemble.nc").values, ensemble.values)


def test_the_demo_honours_its_data_and_says_so(made):
    found = json.loads((made.folder / "out" / "diagnosis.json").read_text())
    assert "coarse_fraction" in json.dumps(found)
    known = read_constraints(made.folder / "out" / "constraints.nc")
    drawn = made.result.ensemble.values[:, 0][:, *known.hard[0].cells.T]
    misfit = ((drawn - known.hard[0].values) / known.hard[0].std) ** 2
    assert 0.3 < misfit.mean() < 3
    assert re.search(r"Against the truth.*correlates by 0\.\d\d", str(made))


def test_held_out_wells_do_not_condition(made):
    known = read_constraints(made.folder / "out" / "constraints.nc")
    withheld = read_constraints(made.folder / "out" / "held_out.nc")
    assert set(withheld.hard[0].wells) == set(demo.HELD_OUT)
    assert not set(known.hard[0].wells) & set(demo.HELD_OUT)
    assert demo.DEVIATED in set(known.hard[0].wells)


def test_the_deviated_well_runs_along_its_survey(made):
    study = load_study(made.folder / "study.toml")
    (well,) = [well for well in read_wells(study, study.wells[0]) if well.name == demo.DEVIATED]
    x, y, z = (well.xyz(well.md)[-1] - well.xyz(well.md)[0]).tolist()
    assert np.hypot(x, y) == pytest.approx(-z * np.tan(np.deg2rad(demo.INCLINATION)), rel=0.2)
    assert np.rad2deg(np.arctan2(x, y)) == pytest.approx(demo.AZIMUTH, abs=0.1)


def test_the_study_that_the_demo_wrote_repeats_it(made, tmp_path):
    study = load_study(made.folder / "study.toml", tmp_path / "again")
    again = run(study)
    assert np.array_equal(again.ensemble.values, made.result.ensemble.values)
    with pytest.raises(GempyGanError, match="exists already"):
        run(study)
    assert np.array_equal(run(study, resume=True).ensemble.values, again.ensemble.values)
    assert len(EnsembleStore.open(tmp_path / "again" / "ensemble.zarr")) == 3


def test_prior_statistics_come_from_the_conditioning_wells(made):
    study = load_study(made.folder / "study.toml")
    known, _ = constrain(study)
    gaussian = {"name": "gaussian", "property": "coarse_fraction"}
    prior = prior_of(_changed(study, prior=gaussian | {"mean": "wells", "std": "wells"}), known)
    values = known.hard[0].values
    assert prior.state()["mean"] == pytest.approx(values.mean())
    assert prior.state()["std"] == pytest.approx(values.std())
    scored = prior_of(_changed(study, prior=gaussian | {"quantiles": "wells"}), known)
    assert scored.state()["quantiles"][0] == pytest.approx(values.min())
    assert scored.state()["quantiles"][-1] == pytest.approx(values.max())
    layered = prior_of(_changed(study, prior=gaussian | {"mean": "layers", "std": "wells"}), known)
    assert len(layered.state()["mean"]) == known.grid.resolution[2]
    assert layered.state()["std"] == pytest.approx(values.std())
    with pytest.raises(GempyGanError, match="statistics of 'porosity' from the wells, and they constrain: coarse_fraction"):
        prior_of(_changed(study, prior={"name": "gaussian", "property": "porosity", "mean": "wells"}), known)


def _changed(study, **changes):
    import dataclasses

    return dataclasses.replace(study, **changes)


MINIMAL = """
n = 2
[grid]
extent = [0, 10, 0, 10, 0, 10]
resolution = [2, 2, 2]
[prior]
name = "gaussian"
"""


def test_a_study_without_data_samples_the_prior(tmp_path):
    (tmp_path / "study.toml").write_text(MINIMAL + '[output]\npictures = false\nfolder = "results"\n')
    result = run(load_study(tmp_path / "study.toml"))
    assert len(result.ensemble) == 2
    assert (tmp_path / "results" / "diagnosis.txt").read_text()


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("n = ", FormatError, "is no TOML"),
        ("n = 2", GempyGanError, "says nothing about 'grid'"),
        (MINIMAL + "[welsl]", GempyGanError, "unknown entry 'welsl'. Did you mean 'wells'"),
        (MINIMAL.replace("resolution", "resolutoin"), GempyGanError, "Did you mean 'resolution'"),
        (MINIMAL.replace('name = "gaussian"', 'nam = "gaussian"'), GempyGanError, "Expected a table with a name"),
        (MINIMAL.replace("gaussian", "gausian"), PluginError, "No prior is named 'gausian'"),
        (MINIMAL + '[strategy]\nname = "latnt"', PluginError, "No strategy is named 'latnt'"),
        (MINIMAL + '[output]\nformats = ["rof"]', FormatError, "No format is known"),
        (MINIMAL + '[wells]\nfiles = ["a.las"]\ncurve = "GR"\nproperty = "x"', GempyGanError, "says nothing about 'std'"),
        (MINIMAL.replace("n = 2", "n = 0"), GempyGanError, "n = 0"),
        (MINIMAL.replace("n = 2", 'n = "many"'), GempyGanError, "n = 'many'"),
    ],
)
def test_a_study_that_cannot_be_right_is_refused_when_read(tmp_path, text, kind, said):
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(kind, match=re.escape(said)):
        load_study(tmp_path / "study.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + '[wells]\nfiles = ["*.las"]\ncurve = "GR"\nproperty = "x"\nstd = 0.1', "No file matches"),
        (MINIMAL + '[wells]\nfiles = ["$NO_SUCH_VARIABLE/a.las"]\ncurve = "GR"\nproperty = "x"\nstd = 0.1', "not set"),
        (MINIMAL.replace("extent", "model").replace("[0, 10, 0, 10, 0, 10]", '"none.gempy"'), "no element"),
        (MINIMAL.replace("extent = [0, 10, 0, 10, 0, 10]\n", ""), "is incomplete"),
    ],
)
def test_a_study_that_cannot_be_run_says_why(tmp_path, text, said):
    (tmp_path / "study.toml").write_text(text)
    study = load_study(tmp_path / "study.toml")
    with pytest.raises(GempyGanError, match=said):
        constrain(study)


def test_a_missing_study_or_model_is_named(tmp_path):
    with pytest.raises(FormatError, match="does not exist"):
        load_study(tmp_path / "none.toml")
    (tmp_path / "study.toml").write_text('[grid]\nmodel = "none.gempy"\nelement = "A"\n[prior]\nname = "gaussian"')
    with pytest.raises(FormatError, match=r"none\.gempy does not exist"):
        grid_of(load_study(tmp_path / "study.toml"))
