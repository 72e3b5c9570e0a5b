"""Grid formats: read back as they were written, and what a format cannot hold is refused."""

import json
import re
import sys

import numpy as np
import pytest
from ensembles import assert_same, block, ensembles, floats
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.formats import eclipse, gslib, netcdf, roff, vtk
from gempy_gan.grid import Grid

EITHER = st.sampled_from(["e.roff", "e.grdecl", "e.EGRID", "e.nc", "e.vts", "e.vti", "e.dat"])
FORMATS = {".roff": roff, ".grdecl": eclipse, ".egrid": eclipse, ".nc": netcdf, ".vts": vtk, ".vti": vtk, ".dat": gslib}


def format_of(path):
    return FORMATS[path.suffix.lower()]


# Round trips.


@settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ensembles(), EITHER)
@example(block(rotation=30), "e.grdecl")
def test_what_is_written_is_read_back(tmp_path_factory, ensemble, name):
    if name == "e.vti":
        ensemble = Ensemble.from_values(
            Grid(ensemble.grid.extent, ensemble.grid.resolution, 0.0, ensemble.grid.active), ensemble.properties, ensemble.values
        )
    path = tmp_path_factory.mktemp("format") / name
    written = format_of(path).write(ensemble, path)
    assert sorted(written) == sorted(path.parent.rglob("*.*"))
    assert_same(format_of(path).read(path), ensemble)


@settings(max_examples=25, deadline=None)
@given(ensembles(numbers=st.one_of(floats(), st.just(float("nan")))), st.sampled_from(["e.roff", "e.nc", "e.vts", "e.dat"]))
def test_undefined_values_stay_undefined(tmp_path_factory, ensemble, name):
    path = tmp_path_factory.mktemp("format") / name
    format_of(path).write(ensemble, path)
    assert_same(format_of(path).read(path), ensemble)


@settings(max_examples=40, deadline=None)
@given(ensembles(), st.sampled_from(["e.roff", "e.grdecl", "e.EGRID", "e.dat"]))
def test_without_the_sidecar_the_grid_is_found_in_the_geometry(tmp_path_factory, ensemble, name):
    path = tmp_path_factory.mktemp("format") / name
    format_of(path).write(ensemble, path)
    path.with_name(f"{name}.json").unlink()
    found = format_of(path).read(path)
    np.testing.assert_allclose(found.grid.centres(), ensemble.grid.centres(), atol=0.02)
    np.testing.assert_array_equal(found.grid.active_cells, ensemble.grid.active_cells)
    position = [ensemble.numbers.index(label) for label in found.numbers] if name != "e.dat" else list(range(len(ensemble)))
    for prop in ensemble.properties:
        np.testing.assert_array_equal(found.dataset[prop.name].values, ensemble.dataset[prop.name].values[position])


@pytest.mark.parametrize("name", ["e.roff", "e.grdecl", "e.EGRID", "e.nc", "e.vts", "e.dat"])
def test_an_ensemble_of_one_cell(tmp_path, name):
    ensemble = Ensemble.from_values(
        Grid((1e5, 1e5 + 9, 6e6, 6e6 + 8, -7, 0), (1, 1, 1), 45), ["porosity"], np.full((1, 1, 1, 1, 1), 0.25)
    )
    format_of(tmp_path / name).write(ensemble, tmp_path / name)
    assert_same(format_of(tmp_path / name).read(tmp_path / name), ensemble)


def test_thin_cells_at_depth_keep_their_thickness(tmp_path):
    """Layers of 1 cm at 5 km are closer than the tolerance of xtgeo's run-length encoding."""
    grid = Grid((0, 10, 0, 10, -5000.04, -5000.0), (1, 1, 4))
    eclipse.write(Ensemble.from_values(grid, ["porosity"], np.zeros((1, 1, 1, 1, 4))), tmp_path / "e.grdecl")
    assert "*" not in (tmp_path / "e.grdecl").read_text().split("ZCORN")[1].split("/")[0]


# What a format cannot hold.


def test_eclipse_keywords_are_unique_and_recorded(tmp_path):
    names = ["porosity", "porosity_total", "porosity-net", "7", "coord", "Ärger"]
    ensemble = Ensemble.from_values(block().grid, names, np.random.default_rng(0).normal(size=(1, 6, 2, 3, 4)))
    eclipse.write(ensemble, tmp_path / "e.grdecl", keywords={"porosity": "PORO"})
    keywords = json.loads((tmp_path / "e.grdecl.json").read_text())["keywords"]
    assert keywords["porosity"] == "PORO"
    assert len(set(keywords.values())) == 6
    assert all(re.fullmatch("[A-Z][A-Z0-9_]{0,7}", keyword) and keyword != "COORD" for keyword in keywords.values())
    assert_same(eclipse.read(tmp_path / "e.grdecl"), ensemble)


@pytest.mark.parametrize(
    "keywords", [{"porosity": "poro"}, {"porosity": "ZCORN"}, {"perm": "PERMX"}, {"porosity": "A", "facies": "A"}]
)
def test_keywords_that_are_none_are_refused(tmp_path, keywords):
    with pytest.raises(FormatError, match="different words of up to 8 capitals"):
        eclipse.write(block(), tmp_path / "e.grdecl", keywords=keywords)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_eclipse_refuses_undefined_values_in_active_cells_only(tmp_path, value):
    values = block(n=1).values[:, :1].copy()
    values[0, 0, 0, 0, 0] = value
    grid = block().grid
    eclipse.write(Ensemble.from_values(grid, ["porosity"], values), tmp_path / "e.grdecl")
    assert eclipse.read(tmp_path / "e.grdecl").values[0, 0, 0, 0, 0] == 0
    with pytest.raises(FormatError, match="undefined values in active cells"):
        eclipse.write(Ensemble.from_values(grid.with_active(None), ["porosity"], values), tmp_path / "f.grdecl")


def test_roff_refuses_its_own_word_for_undefined(tmp_path):
    values = block(n=1).values[:, :1].copy()
    values[0, 0, 1, 1, 1] = -999
    with pytest.raises(FormatError, match=r"porosity holds -999\.0, which ROFF reads as undefined"):
        roff.write(Ensemble.from_values(block().grid, ["porosity"], values), tmp_path / "e.roff")


def test_options_that_are_none_are_refused(tmp_path):
    with pytest.raises(FormatError, match="Expected 'flat' or 'fmu'"):
        roff.write(block(), tmp_path / "e.roff", layout="petrel")
    with pytest.raises(FormatError, match="Expected a level from 0"):
        netcdf.write(block(), tmp_path / "e.nc", compression=10)


@pytest.mark.parametrize(("module", "name"), [(roff, "e.roff"), (eclipse, "e.grdecl"), (vtk, "e.vts")])
def test_a_missing_library_says_how_to_install_it(tmp_path, monkeypatch, module, name):
    monkeypatch.setitem(sys.modules, "pyvista" if module is vtk else "xtgeo", None)
    for call in (lambda: module.write(block(), tmp_path / name), lambda: module.read(tmp_path / name)):
        with pytest.raises(FormatError, match=r'pip install "gempy-gan\[formats\]"'):
            call()
    assert list(tmp_path.iterdir()) == []


# Layouts and leftovers.


def test_the_fmu_layout_holds_a_grid_and_bare_names_per_realization(tmp_path):
    roff.write(block().select([1, 0]), tmp_path / "geogrid.roff", layout="fmu")
    for r in range(2):
        folder = tmp_path / f"realization-{r}" / "iter-0" / "share" / "results" / "grids"
        assert sorted(file.name for file in folder.iterdir()) == [
            "geogrid--facies.roff",
            "geogrid--porosity.roff",
            "geogrid.roff",
        ]
    assert_same(roff.read(tmp_path / "geogrid.roff"), block().select([1, 0]))
    (tmp_path / "geogrid.roff.json").unlink()
    assert roff.read(tmp_path / "geogrid.roff").numbers == (0, 1)


@pytest.mark.parametrize("name", ["e.roff", "e.grdecl"])
def test_realizations_left_over_from_an_earlier_ensemble_are_not_read(tmp_path, name):
    module = format_of(tmp_path / name)
    module.write(block(n=3), tmp_path / name)
    module.write(block(n=1), tmp_path / name)
    assert_same(module.read(tmp_path / name), block(n=1))


@pytest.mark.parametrize("name", ["e.roff", "e.grdecl"])
def test_a_missing_realization_is_named(tmp_path, name):
    module = format_of(tmp_path / name)
    module.write(block(n=3), tmp_path / name)
    (tmp_path / f"e--facies--1{(tmp_path / name).suffix}").unlink()
    with pytest.raises(FormatError, match="facies of realization 1 is missing"):
        module.read(tmp_path / name)


@pytest.mark.parametrize("name", ["e.roff", "e.grdecl"])
def test_metadata_of_another_grid_are_refused(tmp_path, name):
    module = format_of(tmp_path / name)
    module.write(block(), tmp_path / name)
    sidecar = (tmp_path / f"{name}.json").read_text()
    module.write(block(rotation=5), tmp_path / name)
    (tmp_path / f"{name}.json").write_text(sidecar)
    with pytest.raises(FormatError, match="describes another grid"):
        module.read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("e.roff", "e_grid.roff"),
        ("e.roff", "e--porosity--0.roff"),
        ("e.grdecl", "e--porosity--0.grdecl"),
        ("e.egrid", "e--facies--1.grdecl"),
    ],
)
def test_a_part_of_an_ensemble_names_the_whole(tmp_path, name, part):
    module = format_of(tmp_path / name)
    module.write(block(), tmp_path / name)
    with pytest.raises(FormatError, match=rf"{part} is a part of an ensemble\. Read .*{name}, which stands for all of its files"):
        module.read(tmp_path / part)


@pytest.mark.parametrize("name", ["e--f.roff", "e_grid.roff", "e--f.grdecl"])
def test_a_whole_may_be_called_like_a_part(tmp_path, name):
    module = format_of(tmp_path / name)
    module.write(block(), tmp_path / name)
    assert_same(module.read(tmp_path / name), block())


@pytest.mark.parametrize("compression", [0, 4])
def test_netcdf_is_read_lazily_and_compressed_on_request(tmp_path, compression):
    netcdf.write(block(n=3), tmp_path / "e.nc", compression=compression)
    ensemble = netcdf.read(tmp_path / "e.nc")
    assert not ensemble.dataset["porosity"].variable._in_memory
    assert (ensemble.dataset["porosity"].encoding.get("complevel") or 0) == compression
    np.testing.assert_array_equal(ensemble.realization(2), block(n=3).values[2])
