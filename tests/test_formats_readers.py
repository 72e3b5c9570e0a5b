"""Grid formats: independent readers find every cell of a block where its grid says, with its own values.

Each format is checked with a reader that shares no code with the writer: h5netcdf (NetCDF; written through netCDF4), resdata and
resfo (Eclipse), a byte parser and roffio (ROFF), VTK's own readers and a plain XML parse (meshio reads neither
.vti nor .vts).
"""

import re
import struct
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from ensembles import CELLS, FACIES, LOCAL, POROSITY, UTM, block

from gempy_gan.errors import FormatError
from gempy_gan.formats import eclipse, gslib, netcdf, roff, vtk

PLACES = pytest.mark.parametrize(("extent", "rotation"), [(LOCAL, 0.0), (LOCAL, 30.0), (UTM, 0.0), (UTM, 30.0), (UTM, -110.0)])
CLOSE = 0.01  # metres


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
