"""Grids that other programs wrote: they are read where they are regular, and refused where they are not."""

import numpy as np
import pytest
import xarray as xr
from ensembles import CELLS

from gempy_gan.errors import FormatError
from gempy_gan.formats import eclipse, gslib, netcdf, roff, vtk
from gempy_gan.grid import Grid
from gempy_gan.properties import Property


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
