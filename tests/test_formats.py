"""Grid formats: written cell by cell where independent readers expect it, and read back as they were.

Each format is checked with a reader that shares no code with the writer: h5netcdf (NetCDF; written through netCDF4), resdata and
resfo (Eclipse), a byte parser and roffio (ROFF), VTK's own readers and a plain XML parse (meshio reads neither
.vti nor .vts).
"""

import json
import re
import struct
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import xarray as xr
from ensembles import FACIES, LOCAL, POROSITY, UTM, assert_same, block, ensembles, floats
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.formats import eclipse, gslib, netcdf, roff, vtk
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

PLACES = pytest.mark.parametrize(("extent", "rotation"), [(LOCAL, 0.0), (LOCAL, 30.0), (UTM, 0.0), (UTM, 30.0), (UTM, -110.0)])
CELLS = [(i, j, k) for i in range(2) for j in range(3) for k in range(4)]
CLOSE = 0.01  # metres
EITHER = st.sampled_from(["e.roff", "e.grdecl", "e.EGRID", "e.nc", "e.vts", "e.vti", "e.dat"])
FORMATS = {".roff": roff, ".grdecl": eclipse, ".egrid": eclipse, ".nc": netcdf, ".vts": vtk, ".vti": vtk, ".dat": gslib}


def format_of(path):
    return FORMATS[path.suffix.lower()]


# Independent readers: every cell of the block stands where its grid says, with its own values.


@PLACES
def test_netcdf_through_h5netcdf(tmp_path, extent, rotation):
    import h5netcdf

    ensemble = block(extent, rotation)
    netcdf.write(ensemble, tmp_path / "e.nc")
    centres = ensemble.grid.centres()
    with h5netcdf.File(tmp_path / "e.nc", "r") as file:
        assert file["porosity"].dimensions == ("realization", "x", "y", "z")
        np.testing.assert_array_equal(file["porosity"][:], ensemble.values[:, 0])
        np.testing.assert_array_equal(file["facies"][:], ensemble.values[:, 1])
        np.testing.assert_array_equal(file["active"][:], ensemble.grid.active)
        for name, axis in (("easting", 0), ("northing", 1)):
            np.testing.assert_allclose(file[name][:], centres[:, :, 0, axis], atol=CLOSE)
        np.testing.assert_allclose(file["z"][:], centres[0, 0, :, 2], atol=CLOSE)


def test_netcdf_follows_cf(tmp_path):
    import h5netcdf

    netcdf.write(block(rotation=30), tmp_path / "e.nc")
    with h5netcdf.File(tmp_path / "e.nc", "r") as file:
        assert file.attrs["Conventions"] == "CF-1.11"
        for name in ("porosity", "facies", "active"):
            variable = file[name]
            assert variable.attrs["coordinates"] == "easting northing"
            assert "_FillValue" not in file["easting"].attrs
        for name in ("facies", "active"):
            assert file[name].attrs["flag_values"].dtype == file[name].dtype
            assert len(file[name].attrs["flag_meanings"].split()) == len(file[name].attrs["flag_values"])
        assert {name: np.asarray(file[name].attrs["axis"]).astype(str) for name in "xyz"} == {"x": "X", "y": "Y", "z": "Z"}
        assert file["z"].attrs["positive"] == "up"
        assert all("units" in file[name].attrs for name in file.variables if name != "active")


@PLACES
def test_egrid_through_resdata(tmp_path, extent, rotation):
    from resdata.grid import Grid as Resdata

    ensemble = block(extent, rotation)
    eclipse.write(ensemble, tmp_path / "E.EGRID")
    check_resdata(Resdata(str(tmp_path / "E.EGRID")), ensemble.grid)


@PLACES
def test_grdecl_through_resdata(tmp_path, extent, rotation):
    import cwrap
    from resdata import ResDataType
    from resdata.grid import Grid as Resdata
    from resdata.resfile import ResdataKW

    ensemble = block(extent, rotation)
    eclipse.write(ensemble, tmp_path / "e.grdecl")
    check_resdata(Resdata.load_from_grdecl(str(tmp_path / "e.grdecl")), ensemble.grid)
    for r in range(2):
        for c, (prop, kind) in enumerate(((POROSITY, ResDataType.RD_FLOAT), (FACIES, ResDataType.RD_INT))):
            with cwrap.open(str(tmp_path / f"e--{prop.name}--{r}.grdecl")) as file:
                keyword = ResdataKW.read_grdecl(file, prop.name.upper(), rd_type=kind)
            found = keyword.numpy_view().reshape(2, 3, 4, order="F")[:, :, ::-1]
            np.testing.assert_array_equal(found, ensemble.values[r, c])


def check_resdata(found, grid):
    """Centres, volumes (positive: no cell inside out) and active cells of a resdata grid, whose k points down."""
    for i, j, k in CELLS:
        x, y, depth = found.get_xyz(ijk=(i, j, 3 - k))
        np.testing.assert_allclose((x, y, -depth), grid.centres()[i, j, k], atol=CLOSE)
        assert found.active(ijk=(i, j, 3 - k)) == grid.active[i, j, k]
        assert found.cell_volume(ijk=(i, j, 3 - k)) == pytest.approx(np.prod(grid.cell_size), rel=1e-4)


def test_egrid_refers_to_exact_map_axes(tmp_path):
    import resfo

    eclipse.write(block(UTM, 30.0), tmp_path / "E.EGRID")
    records = dict(resfo.read(tmp_path / "E.EGRID"))
    assert list(records)[:4] == ["FILEHEAD", "MAPUNITS", "MAPAXES ", "GRIDUNIT"]
    np.testing.assert_array_equal(records["MAPAXES "], [463552, 6369856 + 1024, 463552, 6369856, 463552 + 1024, 6369856])
    assert np.abs(records["COORD   "].reshape(-1, 3)[:, :2]).max() < 1000
    np.testing.assert_array_equal(records["ACTNUM  "].reshape(2, 3, 4, order="F")[:, :, ::-1], block().grid.active)


@PLACES
def test_roff_through_a_byte_parser_and_roffio(tmp_path, extent, rotation):
    import roffio

    ensemble = block(extent, rotation)
    roff.write(ensemble, tmp_path / "e.roff")
    tags = roffio.read(tmp_path / "e_grid.roff")
    content = (tmp_path / "e_grid.roff").read_bytes()
    np.testing.assert_array_equal(roff_array(content, "cornerLines", "data", "<f4"), tags["cornerLines"]["data"])
    centres = roff_centres(tags)
    np.testing.assert_allclose(centres, ensemble.grid.centres(), atol=CLOSE)
    np.testing.assert_array_equal(tags["active"]["data"].reshape(2, 3, 4), ensemble.grid.active)
    for r in range(2):
        for c, (prop, kind) in enumerate(((POROSITY, "<f4"), (FACIES, "<i4"))):
            content = (tmp_path / f"e--{prop.name}--{r}.roff").read_bytes()
            np.testing.assert_array_equal(roff_array(content, "parameter", "data", kind).reshape(2, 3, 4), ensemble.values[r, c])


def roff_array(content, tag, key, kind):
    """One array out of the bytes of a binary ROFF file, without any library."""
    name = {"<f4": b"float", "<i4": b"int"}[kind]
    start = content.index(b"\0tag\0" + tag.encode() + b"\0")
    marker = b"array\0" + name + b"\0" + key.encode() + b"\0"
    data = content.index(marker, start) + len(marker)
    (count,) = struct.unpack_from("<i", content, data)
    return np.frombuffer(content, kind, count, data + 4)


def roff_centres(tags):
    """Cell centres, z up, from ROFF's definition: pillars bottom first, k upwards, coordinate = (local + offset) * scale."""
    offset = [float(tags["translate"][f"{axis}offset"]) for axis in "xyz"]
    scale = [float(tags["scale"][f"{axis}scale"]) for axis in "xyz"]
    pillars = tags["cornerLines"]["data"].astype(float).reshape(3, 4, 2, 3)
    depth = (tags["zvalues"]["data"].astype(float).reshape(3, 4, 5, 4) + offset[2]) * scale[2]
    assert set(tags["zvalues"]["splitEnz"]) == {4}
    assert depth[0, 0, 0, 0] > depth[0, 0, -1, 0]
    xy = ((pillars[..., :2] + offset[:2]) * scale[:2]).mean(axis=2)
    column = (xy[1:, 1:] + xy[1:, :-1] + xy[:-1, 1:] + xy[:-1, :-1]) / 4
    nodes = -depth.mean(axis=3)
    z = (nodes[1:, 1:] + nodes[1:, :-1] + nodes[:-1, 1:] + nodes[:-1, :-1]) / 4
    z = (z[:, :, 1:] + z[:, :, :-1]) / 2
    return np.concatenate([np.repeat(column[:, :, None], 4, axis=2), z[..., None]], axis=-1)


def test_roff_facies_carry_their_names(tmp_path):
    import roffio

    roff.write(block(), tmp_path / "e.roff")
    parameter = roffio.read(tmp_path / "e--facies--0.roff")["parameter"]
    assert list(parameter["codeNames"]) == ["mud", "fine sand", "?bergang"]
    np.testing.assert_array_equal(parameter["codeValues"], [0, 1, 7])


@PLACES
@pytest.mark.parametrize("suffix", [".vti", ".vts"])
def test_vtk_through_its_own_reader(tmp_path, extent, rotation, suffix):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersVerdict import vtkCellSizeFilter
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader, vtkXMLStructuredGridReader

    ensemble, path = block(extent, rotation, active=False), tmp_path / f"e{suffix}"
    if suffix == ".vti" and rotation:
        with pytest.raises(FormatError, match=r"rotated by .* degrees\. Write \.vts"):
            vtk.write(ensemble, path)
        return
    vtk.write(ensemble, path)
    reader = vtkXMLImageDataReader() if suffix == ".vti" else vtkXMLStructuredGridReader()
    reader.SetFileName(str(path))
    reader.Update()
    mesh = reader.GetOutput()
    arrays = {name: vtk_to_numpy(mesh.GetCellData().GetArray(name)) for name in ("porosity_0", "facies_1")}
    for i, j, k in CELLS:
        number = i + 2 * j + 6 * k
        x0, x1, y0, y1, z0, z1 = mesh.GetCell(number).GetBounds()
        np.testing.assert_allclose(((x0 + x1) / 2, (y0 + y1) / 2, (z0 + z1) / 2), ensemble.grid.centres()[i, j, k], atol=CLOSE)
        assert arrays["porosity_0"][number] == ensemble.values[0, 0, i, j, k]
        assert arrays["facies_1"][number] == ensemble.values[1, 1, i, j, k]
    sizes = vtkCellSizeFilter()
    sizes.SetInputData(mesh)
    sizes.Update()
    volumes = vtk_to_numpy(sizes.GetOutput().GetCellData().GetArray("Volume"))
    np.testing.assert_allclose(volumes, np.prod(ensemble.grid.cell_size), rtol=1e-4)


@pytest.mark.parametrize("name", ["e.vti", "e.vts"])
def test_vtk_hides_inactive_cells(tmp_path, name):
    import pyvista

    vtk.write(block(), tmp_path / name)
    mesh = pyvista.read(tmp_path / name)
    visible = [bool(mesh.IsCellVisible(i + 2 * j + 6 * k)) for i, j, k in CELLS]
    assert visible == [bool(block().grid.active[cell]) for cell in CELLS]


@PLACES
def test_vtk_through_a_plain_xml_parse(tmp_path, extent, rotation):
    ensemble = block(extent, rotation)
    vtk.write(ensemble, tmp_path / "e.vts")
    content = (tmp_path / "e.vts").read_bytes()
    head, _, raw = content.partition(b'<AppendedData encoding="raw">')
    raw = raw[raw.index(b"_") + 1 :]
    tree = ET.fromstring(head + b"</VTKFile>")  # noqa: S314  # a file of our own
    assert tree.attrib["byte_order"] == "LittleEndian"
    assert tree.find("StructuredGrid").attrib["WholeExtent"] == "0 2 0 3 0 4"

    def array(name):
        node = next(node for node in tree.iter("DataArray") if node.attrib["Name"] == name)
        kind = {"Float32": "<f4", "Float64": "<f8", "Int16": "<i2"}[node.attrib["type"]]
        start = int(node.attrib["offset"])
        (size,) = struct.unpack_from("<Q", raw, start)
        return np.frombuffer(raw, kind, size // int(kind[2]), start + 8)

    np.testing.assert_array_equal(array("porosity_1").reshape(4, 3, 2).transpose(), ensemble.values[1, 0])
    np.testing.assert_array_equal(array("facies_0").reshape(4, 3, 2).transpose(), ensemble.values[0, 1])
    nodes = array("Points").reshape(5, 4, 3, 3)
    corners = [nodes[k : 4 + k, j : 3 + j, i : 2 + i] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    np.testing.assert_allclose(np.mean(corners, axis=0).transpose(2, 1, 0, 3), ensemble.grid.centres(), atol=CLOSE)


@PLACES
def test_gslib_read_as_a_fortran_program_would(tmp_path, extent, rotation):
    ensemble = block(extent, rotation)
    gslib.write(ensemble, tmp_path / "e.dat")
    title, count, *rest = (tmp_path / "e.dat").read_text().splitlines()
    assert rest[: int(count)] == ["porosity", "facies", "active"]
    rows = [[float(word) for word in line.split()] for line in rest[int(count) :]]
    table = np.array(rows, dtype=np.float32).reshape(2, 4, 3, 2, 3)
    np.testing.assert_array_equal(table[..., 0].transpose(0, 3, 2, 1), ensemble.values[:, 0])
    np.testing.assert_array_equal(table[..., 1].transpose(0, 3, 2, 1), ensemble.values[:, 1])
    np.testing.assert_array_equal(table[0, ..., 2].transpose(2, 1, 0), ensemble.grid.active)
    words = dict(re.findall(r"(\w+)=(\S+)", title))
    first = [float(words[f"{axis}mn"]) for axis in "xyz"]
    np.testing.assert_allclose(first, [ensemble.grid.axis(k)[0] for k in range(3)], atol=1e-6)
    assert words["nsim"] == "2"
    assert float(words["rotation"]) == rotation


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


# Layouts, leftovers and files from elsewhere.


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


@pytest.mark.parametrize("flip", [1, -1])
def test_a_grid_made_by_xtgeo_is_read(tmp_path, flip):
    """Both handednesses: a row-flipped grid counts j from the far side."""
    import xtgeo

    box = xtgeo.create_box_grid((2, 3, 4), origin=(500.0, 700.0, 1000.0), increment=(10.0, 20.0, 2.0), rotation=30, flip=flip)
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    box.to_file(tmp_path / "box.roff", fformat="roff")
    xtgeo.GridProperty(ncol=2, nrow=3, nlay=4, name="poro", values=values).to_file(tmp_path / "box--poro.roff", fformat="roff")
    ensemble = roff.read(tmp_path / "box.roff")
    x, y, z = (np.asarray(c.values) for c in box.get_xyz(asmasked=False))
    for i, j, k in CELLS:
        (cell,) = ensemble.grid.cells([[x[i, j, k], y[i, j, k], -z[i, j, k]]])
        assert ensemble.values[0, 0][tuple(cell)] == values[i, j, k]


def test_a_grid_that_is_not_regular_is_refused(tmp_path):
    import xtgeo

    box = xtgeo.create_box_grid((3, 3, 3))
    box._zcornsv[1, 1] += 0.5
    box.to_file(tmp_path / "box.roff", fformat="roff")
    box.to_file(tmp_path / "box.EGRID", fformat="egrid")
    for module, name in ((roff, "box.roff"), (eclipse, "box.EGRID")):
        with pytest.raises(FormatError, match="no regular grid"):
            module.read(tmp_path / name)


def test_a_grid_without_properties_is_refused(tmp_path):
    import xtgeo

    xtgeo.create_box_grid((3, 3, 3)).to_file(tmp_path / "box.grdecl", fformat="grdecl")
    with pytest.raises(FormatError, match="no property files"):
        eclipse.read(tmp_path / "box.grdecl")


def test_properties_inside_a_foreign_grdecl_file_are_read(tmp_path):
    import xtgeo

    xtgeo.create_box_grid((2, 1, 2), increment=(10, 10, 1)).to_file(tmp_path / "model.grdecl", fformat="grdecl")
    with (tmp_path / "model.grdecl").open("a") as file:
        file.write("-- made by hand\nECHO\nPORO\n 0.1 0.2 2*0.3 / trailing\n\nMULTIPLY\n PORO 2 /\n/\nFIPNUM\n 4*1 /\n")
    ensemble = eclipse.read(tmp_path / "model.grdecl")
    np.testing.assert_allclose(ensemble.dataset["PORO"].values[0, :, 0], [[0.3, 0.1], [0.3, 0.2]])
    assert [p.name for p in ensemble.properties] == ["FIPNUM", "PORO"]


def test_a_foreign_netcdf_file_with_depth_is_turned_upwards(tmp_path):
    values = np.arange(24.0).reshape(4, 3, 2)
    depth = xr.DataArray([100.0, 110, 120, 130], dims="z", attrs={"positive": "down"})
    dataset = xr.Dataset({"vp": (("z", "y", "x"), values, {"units": "m s-1"})}, {"x": [5.0, 15], "y": [0.0, 2, 4], "z": depth})
    dataset.to_netcdf(tmp_path / "vp.nc")
    ensemble = netcdf.read(tmp_path / "vp.nc")
    assert ensemble.grid == Grid((0, 20, -1, 5, -135, -95), (2, 3, 4))
    assert ensemble.properties == (Property("vp", "m s-1"),)
    np.testing.assert_array_equal(ensemble.values[0, 0], values.transpose(2, 1, 0)[:, :, ::-1])


@pytest.mark.parametrize("z", [[0.0, 1, 3, 4], [0.0, 1, 2, 3]])
def test_a_foreign_netcdf_file_that_is_no_grid_is_refused(tmp_path, z):
    name = "vp" if z[2] == 3 else "other"
    dims = ("x", "y", "z") if name == "vp" else ("lon", "lat", "z")
    xr.Dataset({name: (dims, np.zeros((2, 3, 4)))}, {dims[0]: [0.0, 1], dims[1]: [0.0, 1, 2], "z": z}).to_netcdf(
        tmp_path / "v.nc"
    )
    with pytest.raises(FormatError, match=r"not evenly spaced|no variable on coordinates x, y, z"):
        netcdf.read(tmp_path / "v.nc")


def test_a_foreign_vtk_image_is_read(tmp_path):
    import pyvista

    image = pyvista.ImageData(dimensions=(3, 4, 5), spacing=(1, 2, 3), origin=(10, 20, 30))
    image.cell_data["vp"] = np.arange(24.0)
    image.save(tmp_path / "vp.vti")
    ensemble = vtk.read(tmp_path / "vp.vti")
    assert ensemble.grid == Grid((10, 12, 20, 26, 30, 42), (2, 3, 4))
    np.testing.assert_array_equal(ensemble.values[0, 0], np.arange(24).reshape(4, 3, 2).T)


def test_a_foreign_gslib_file_needs_a_grid(tmp_path):
    (tmp_path / "sgsim.dat").write_text(
        "SGSIM realizations\n1 20 20 1\nSimulated Value\n" + "\n".join(map(str, range(12))) + "\n"
    )
    with pytest.raises(FormatError, match="Give it"):
        gslib.read(tmp_path / "sgsim.dat")
    ensemble = gslib.read(tmp_path / "sgsim.dat", grid=Grid((0, 3, 0, 2, 0, 1), (3, 2, 1)))
    np.testing.assert_array_equal(ensemble.dataset["Simulated_Value"].values[1, :, :, 0], [[6, 9], [7, 10], [8, 11]])
    with pytest.raises(FormatError, match="ends with 2 rows"):
        gslib.read(tmp_path / "sgsim.dat", grid=Grid((0, 5, 0, 1, 0, 1), (5, 1, 1)))


@pytest.mark.parametrize("compression", [0, 4])
def test_netcdf_is_read_lazily_and_compressed_on_request(tmp_path, compression):
    netcdf.write(block(n=3), tmp_path / "e.nc", compression=compression)
    ensemble = netcdf.read(tmp_path / "e.nc")
    assert not ensemble.dataset["porosity"].variable._in_memory
    assert (ensemble.dataset["porosity"].encoding.get("complevel") or 0) == compression
    np.testing.assert_array_equal(ensemble.realization(2), block(n=3).values[2])
