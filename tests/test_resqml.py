"""RESQML: boxes and folds, as fesapi, HDF5 and our own reader find them."""

import sys
import zipfile

import numpy as np
import pytest
from ensembles import FACIES, LOCAL, POROSITY, UTM, assert_same, block, ensembles
from folds import fold_from_dict, folded_ensemble, folded_grid
from hypothesis import HealthCheck, given, settings
from resqml_reader import found_by_fesapi

import gempy_gan.grid
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanWarning
from gempy_gan.formats import resqml
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
from gempy_gan.testing import check_format

PLACES = pytest.mark.parametrize(("extent", "rotation"), [(LOCAL, 0.0), (UTM, 0.0), (UTM, 30.0), (UTM, -110.0)])
CLOSE = 0.01  # metres


@pytest.fixture(autouse=True)
def _folds_are_read(monkeypatch):
    monkeypatch.setattr(gempy_gan.grid, "frame_from_dict", fold_from_dict)


def nodes_of(grid):
    nx, ny, nz = grid.resolution
    node = np.indices((nx + 1, ny + 1, nz + 1)).reshape(3, -1).T / np.array(grid.resolution)
    return grid.frame.to_model(node).reshape(nx + 1, ny + 1, nz + 1, 3)


def check_fesapi(path, ensemble):
    found = found_by_fesapi(path)
    np.testing.assert_allclose(found.nodes, nodes_of(ensemble.grid), atol=1e-6)
    np.testing.assert_array_equal(found.properties["ACTIVE", None]["values"], ensemble.grid.active_cells)
    for index, label in enumerate(ensemble.numbers):
        for c, prop in enumerate(ensemble.properties):
            np.testing.assert_array_equal(found.properties[prop.name, label]["values"], ensemble.values[index, c])
    assert len(found.properties) == 1 + len(ensemble) * len(ensemble.properties)
    return found


@PLACES
def test_a_box_through_fesapi(tmp_path, extent, rotation):
    ensemble = block(extent, rotation, n=3).select([2, 0])
    resqml.write(ensemble, tmp_path / "e.epc")
    check_fesapi(tmp_path / "e.epc", ensemble)


def test_a_fold_through_fesapi(tmp_path):
    active = np.ones((40, 12, 8), dtype=bool)
    active[3:5, :, 6:] = False
    ensemble = folded_ensemble(active=active)
    resqml.write(ensemble, tmp_path / "e.epc", title="Reservoir", epsg=32631)
    found = check_fesapi(tmp_path / "e.epc", ensemble)
    assert found.title == "Reservoir"
    assert found.crs == {"epsg": 32631, "origin": [463552, 6369856], "rotation": 0, "down": True}


def test_facies_have_their_names_and_numbers_their_units(tmp_path):
    values = np.zeros((1, 3, 2, 3, 4))
    properties = [FACIES, Property("density", "kg m-3"), POROSITY]
    resqml.write(Ensemble.from_values(block().grid, properties, values), tmp_path / "e.epc")
    found = found_by_fesapi(tmp_path / "e.epc").properties
    assert {int(key): name for key, name in found["facies", 0]["table"].items()} == FACIES.facies
    assert [found[name, 0]["unit"] for name in ("density", "porosity")] == ["kg/m3", "Euc"]
    assert [found[name, 0]["kind"] for name in ("density", "porosity")] == ["density", "porosity"]


def test_arrays_through_hdf5(tmp_path):
    import h5py

    ensemble = folded_ensemble()
    resqml.write(ensemble, tmp_path / "e.epc")
    arrays = {}
    with h5py.File(tmp_path / "e.h5", "r") as file:
        file.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    (points,) = (array for name, array in arrays.items() if name.endswith("Points"))
    np.testing.assert_allclose(
        points.transpose(2, 1, 0, 3)[:, :, ::-1] * [1, 1, -1] + [463552, 6369856, 0], nodes_of(folded_grid()), atol=1e-6
    )
    values = [array for name, array in arrays.items() if array.dtype == np.float32]
    assert len(values) == 2
    for expected in ensemble.values[:, 0]:
        assert any(np.array_equal(array.transpose(2, 1, 0)[:, :, ::-1], expected) for array in values)


def test_the_file_names_its_arrays_relative_to_itself(tmp_path):
    resqml.write(block(), tmp_path / "e.epc")
    with zipfile.ZipFile(tmp_path / "e.epc") as parts:
        text = "".join(parts.read(name).decode() for name in parts.namelist() if "EpcExternalPart" in name and "rels" in name)
    assert 'Target="e.h5"' in text
    assert str(tmp_path) not in text


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ensembles())
def test_what_is_written_is_read_back(tmp_path_factory, ensemble):
    path = tmp_path_factory.mktemp("format") / "e.epc"
    written = resqml.write(ensemble, path)
    assert sorted(written) == sorted(path.parent.iterdir())
    assert_same(resqml.read(path), ensemble)


def test_a_fold_is_read_back(tmp_path):
    ensemble = folded_ensemble()
    resqml.write(ensemble, tmp_path / "e.epc")
    assert_same(resqml.read(tmp_path / "e.epc"), ensemble)


def test_it_keeps_the_contract_of_formats(tmp_path):
    check_format(resqml, tmp_path, suffix=".epc")


def test_undefined_values_stay_undefined(tmp_path):
    values = block(n=1).values[:, :1].copy()
    values[0, 0, 1, 0] = np.nan
    ensemble = Ensemble.from_values(block().grid, ["porosity"], values)
    resqml.write(ensemble, tmp_path / "e.epc")
    assert_same(resqml.read(tmp_path / "e.epc"), ensemble)


@PLACES
def test_without_the_sidecar_the_grid_is_found_in_the_geometry(tmp_path, extent, rotation):
    ensemble = block(extent, rotation, n=3).select([2, 0])
    resqml.write(ensemble, tmp_path / "e.epc")
    (tmp_path / "e.epc.json").unlink()
    found = resqml.read(tmp_path / "e.epc")
    np.testing.assert_allclose(found.grid.centres(), ensemble.grid.centres(), atol=CLOSE)
    np.testing.assert_array_equal(found.grid.active_cells, ensemble.grid.active_cells)
    assert found.numbers == (0, 2)
    assert found.property("facies") == FACIES
    for name in ("porosity", "facies"):
        np.testing.assert_array_equal(found.dataset[name].values, ensemble.dataset[name].values[[1, 0]])


def test_a_rotated_system_of_another_program_is_followed(tmp_path):
    """Points along the axes of a system that is itself turned, as other programs write them."""
    import resqpy.crs
    import resqpy.grid
    import resqpy.model
    import resqpy.property

    model = resqpy.model.new_model(str(tmp_path / "e.epc"), quiet=True)
    crs = resqpy.crs.Crs(model, x_offset=1000.0, y_offset=2000.0, z_inc_down=True, rotation=-30.0, rotation_units="dega")
    crs.create_xml()
    grid = resqpy.grid.RegularGrid(
        model, extent_kji=(4, 3, 2), dxyz=(10.0, 20.0, 2.0), origin=(0.0, 0.0, 100.0), crs_uuid=crs.uuid, set_points_cached=True
    )
    grid.write_hdf5()
    grid.create_xml()
    values = np.arange(24.0).reshape(4, 3, 2)
    resqpy.property.Property.from_array(
        model, values, "test", "ntg", grid.uuid, property_kind="net to gross ratio", indexable_element="cells", uom="m3/m3"
    )
    model.store_epc(quiet=True)
    model.h5_release()
    found = resqml.read(tmp_path / "e.epc")
    expected = Grid((1000, 1020, 2000, 2060, -108, -100), (2, 3, 4), 30.0)
    np.testing.assert_allclose(found.grid.centres(), expected.centres(), atol=CLOSE)
    np.testing.assert_array_equal(found.dataset["ntg"].values[0], values.transpose(2, 1, 0)[:, :, ::-1])
    assert found.property("ntg") == Property("ntg", "m3/m3")


def test_a_unit_that_is_none_of_resqml_is_announced(tmp_path):
    ensemble = Ensemble.from_values(block().grid, [Property("speed", "furlong fortnight-1")], block(n=1).values[:, :1])
    with pytest.warns(GempyGanWarning, match="RESQML has no unit 'furlong fortnight-1', that of speed"):
        resqml.write(ensemble, tmp_path / "e.epc")
    assert_same(resqml.read(tmp_path / "e.epc"), ensemble)


def test_metadata_of_another_grid_are_refused(tmp_path):
    resqml.write(folded_ensemble(), tmp_path / "e.epc")
    sidecar = (tmp_path / "e.epc.json").read_text()
    resqml.write(folded_ensemble(amplitude=59.9), tmp_path / "e.epc")
    (tmp_path / "e.epc.json").write_text(sidecar)
    with pytest.raises(FormatError, match="describes another grid"):
        resqml.read(tmp_path / "e.epc")


def test_a_fold_without_its_metadata_is_no_regular_grid(tmp_path):
    resqml.write(folded_ensemble(), tmp_path / "e.epc")
    (tmp_path / "e.epc.json").unlink()
    with pytest.raises(FormatError, match="no regular grid"):
        resqml.read(tmp_path / "e.epc")


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(FormatError, match=r"e\.epc does not exist"):
        resqml.read(tmp_path / "e.epc")
    (tmp_path / "e.epc").write_bytes(b"no zip file")
    with pytest.raises(FormatError, match=r"e\.epc is no RESQML package"):
        resqml.read(tmp_path / "e.epc")
    resqml.write(block(), tmp_path / "e.epc")
    with pytest.raises(FormatError, match="has the IJK grids 'e'"):
        resqml.read(tmp_path / "e.epc", title="Reservoir")
    (tmp_path / "e.h5").unlink()
    with pytest.raises(FormatError, match=r"hdf5 file missing: .*e\.h5"):
        resqml.read(tmp_path / "e.epc")


def test_a_missing_library_says_how_to_install_it(tmp_path, monkeypatch):
    for module in [name for name in sys.modules if name.partition(".")[0] == "resqpy"]:
        monkeypatch.setitem(sys.modules, module, None)
    for call in (lambda: resqml.write(block(), tmp_path / "e.epc"), lambda: resqml.read(tmp_path / "e.epc")):
        with pytest.raises(FormatError, match=r'pip install "gempy-gan\[formats\]"'):
            call()
    assert list(tmp_path.iterdir()) == []
