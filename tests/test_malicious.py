"""Files from strangers: nothing in them runs, no name leaves its folder, no claim is believed before it is checked."""

import base64
import json
import os
import struct
import zipfile
import zlib

import netCDF4
import numpy as np
import pytest
from click.testing import CliRunner
from ensembles import block
from refusals import HUGE, little_memory, refused
from toy_study import change, write_study

import gempy_gan as gg
from gempy_gan.cli import main
from gempy_gan.limits import check_archive
from gempy_gan.observations import read_constraints, write_constraints
from gempy_gan.unit_frame import pack, unpack

# Grids and constraints


def test_a_netcdf_file_of_a_trillion_cells(tmp_path):
    with netCDF4.Dataset(tmp_path / "e.nc", "w") as file:
        for axis in "xyz":
            file.createDimension(axis, 10**4)
            file.createVariable(axis, "f8", (axis,))[:] = np.arange(10**4)
        file.createVariable("porosity", "f4", tuple("xyz"), zlib=True, chunksizes=(1, 100, 100))
    refused(tmp_path / "e.nc", r"claims 4\.0 TB of values")


def test_constraints_of_a_trillion_data(tmp_path):
    constraints = gg.Constraints(block().grid, gg.HardData([[0, 0, 0]], [0.2], 0.1, "porosity"))
    write_constraints(constraints, tmp_path / "c.nc")
    with netCDF4.Dataset(tmp_path / "c.nc", "a") as file:
        file["hard_0"].createDimension("many", HUGE)
        file["hard_0"].createVariable("more", "f8", ("many",), zlib=True, chunksizes=(1024,))
    with little_memory(), pytest.raises(gg.FormatError, match=r"claims 8\.0 TB"):
        read_constraints(tmp_path / "c.nc")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nx=2", f"nx={HUGE}", "e.dat"),
        ("nx=2", "nx=1e999", "names no grid"),
        ("\n2\n", f"\n{HUGE}\n", "claims 1000000000000 columns"),
    ],
)
def test_a_gslib_file_of_a_trillion_values(tmp_path, old, new, message):
    gg.write(block(active=False), tmp_path / "e.dat")
    (tmp_path / "e.dat.json").unlink()
    text = (tmp_path / "e.dat").read_text()
    assert old in text
    (tmp_path / "e.dat").write_text(text.replace(old, new, 1))
    refused(tmp_path / "e.dat", message if message != "e.dat" else "cells")


@pytest.mark.parametrize("ending", ["vti", "vts"])
@pytest.mark.parametrize("what", ["extent", "tuples"])
def test_a_vtk_file_of_a_trillion_cells(tmp_path, ending, what):
    file = gg.write(block(rotation=0), tmp_path / f"e.{ending}")[0]
    content = file.read_bytes()
    if what == "extent":
        content = content.replace(b'"0 2 0 3 0 4"', b'"0 10000 0 10000 0 10000"')
    else:
        content = content.replace(b'NumberOfTuples="1"', b'NumberOfTuples="%d"' % HUGE)
    assert content != file.read_bytes()
    file.write_bytes(content)
    refused(file, "claims 1.0 TB")


@pytest.mark.parametrize(
    ("old", "new"),
    [("SPECGRID", "SPECGRID\n 10000 10000 10000 1 F /\n\n-- "), ("ZCORN", f"ZCORN\n {HUGE}*0.5 /\n\nCOORDSYS")],
)
def test_a_grdecl_file_of_a_trillion_values(tmp_path, old, new):
    file = gg.write(block(), tmp_path / "e.grdecl")[0]
    file.write_text(file.read_text().replace(old, new, 1))
    refused(file, r"claims 1\.0e\+12 values")


@pytest.mark.parametrize("name", ["e_grid.roff", "e--porosity--0.roff"])
def test_a_roff_file_of_a_trillion_values(tmp_path, name):
    gg.write(block(), tmp_path / "e.roff")
    content = (tmp_path / name).read_bytes()
    where = content.index(b"array\x00float") + len(b"array\x00float\x00")
    where = content.index(b"\x00", where) + 1
    (tmp_path / name).write_bytes(content[:where] + struct.pack("<i", 2**31 - 1) + content[where + 4 :])
    refused(tmp_path / "e.roff", "cannot be read as binary ROFF")


def test_an_egrid_file_of_a_trillion_values(tmp_path):
    gg.write(block(), tmp_path / "e.egrid")
    content = (tmp_path / "e.egrid").read_bytes()
    where = content.index(b"ZCORN   ") + 8
    (tmp_path / "e.egrid").write_bytes(content[:where] + struct.pack(">i", 2**31 - 1) + content[where + 4 :])
    refused(tmp_path / "e.egrid", "cannot be read as an Eclipse file")


def test_a_sidecar_that_claims_a_trillion_cells(tmp_path):
    gg.write(block(), tmp_path / "e.dat")
    sidecar = tmp_path / "e.dat.json"
    content = json.loads(sidecar.read_text())
    content["grid"]["resolution"] = [10**4] * 3
    sidecar.write_text(json.dumps(content))
    refused(tmp_path / "e.dat", "cells")
    sidecar.write_text("[" * 10**5)
    refused(tmp_path / "e.dat", "cannot be read")


def test_a_frame_that_is_a_zlib_bomb():
    bomb = base64.b64encode(zlib.compress(bytes(2**28), 9)).decode()
    for shape in ([4, 4, 4], [HUGE], [0], [-1]):
        with little_memory(2**27), pytest.raises(gg.GridError, match="not of the shape"):
            unpack({"shape": shape, "float32": bomb})
    small = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    np.testing.assert_array_equal(unpack(pack(small)), small)


# Archives


@pytest.mark.parametrize("name", ["../evil.xml", "/etc/evil.xml", "a/../../evil.xml", "..\\evil.xml", "C:\\evil.xml"])
def test_names_in_archives_stay_in_them(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "e.epc", "w") as archive:
        archive.writestr(name, "<x/>")
    refused(tmp_path / "e.epc", "which leaves its folder")
    with pytest.raises(gg.FormatError, match="which leaves its folder"):
        check_archive(tmp_path / "e.epc", 100)
    assert [file.name for file in tmp_path.iterdir()] == ["e.epc"]


@pytest.fixture(scope="module")
def bomb(tmp_path_factory):
    """300 MiB of nothing."""
    file = tmp_path_factory.mktemp("bomb") / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive, archive.open("header.json", "w") as part:
        for _ in range(300):
            part.write(bytes(2**20))
    return file


def test_a_zip_bomb_is_not_unpacked(bomb, tmp_path, monkeypatch):
    for ending in ("epc", "gempy"):
        os.link(bomb, tmp_path / f"e.{ending}")
    refused(tmp_path / "e.epc", r"unpacks to 314\.6 MB. Expected at most 268\.4 MB")
    monkeypatch.setattr("gempy_gan.geomodel.MOST_BYTES", 2**28)
    with pytest.raises(gg.FormatError, match=r"unpacks to 314\.6 MB"):
        gg.load_gempy(tmp_path / "e.gempy")


def resqml(folder, change):
    """A RESQML file in which each part was changed."""
    gg.write(block(), folder / "e.epc")
    with zipfile.ZipFile(folder / "e.epc") as archive:
        parts = {name: change(name, archive.read(name)) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "e.epc", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return folder / "e.epc"


@pytest.mark.parametrize("target", [b"../e.h5", b"/etc/e.h5", b"a/e.h5", b"..\\e.h5"])
def test_the_arrays_of_resqml_lie_beside_it(tmp_path, target):
    refused(resqml(tmp_path, lambda _, content: content.replace(b"e.h5", target)), "Expected a file beside it")


def test_xml_that_grows_is_not_parsed(tmp_path):
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    refused(resqml(tmp_path, lambda _, content: content.replace(b"?>", b"?>" + laughs, 1)), "definitions of its own")


def test_arrays_of_resqml_of_a_trillion_values(tmp_path):
    import h5py

    gg.write(block(), tmp_path / "e.epc")
    with h5py.File(tmp_path / "e.h5", "a") as file:
        file.create_dataset("more", (HUGE,), "f8", chunks=(1024,), compression="gzip")
    refused(tmp_path / "e.epc", r"claims 8\.0 TB")


# Studies and plugins


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"gaussian"', '"evil:Prior"'),
        ('"gaussian"', '"./evil.py"'),
        ('"gaussian"', '"os:system"'),
        ('"gaussian"', '"evil.safetensors"'),
        ("n = 4", 'n = 4\nstrategy = { name = "evil:Strategy" }'),
        ("n = 4", 'n = 4\nstrategy = { name = "robust", strategy = "evil:Strategy" }'),
        ('"convolution"', '"evil:Forward"'),
        ('"cube.sgy"', '"$(touch ran)"'),
        ('"cube.sgy"', '"`touch ran`"'),
        ('"wells/*.las"', '"wells/*.las; touch ran"'),
        ('"wells/*.las"', '"evil.py"'),
        ("pictures = false", 'formats = ["zarr; touch ran"]'),
        ("pictures = false", 'plugins = ["evil.py"]'),
        ("n = 4", "n = 4\nx = " + "[" * 10**5),
    ],
)
def test_a_study_runs_no_code(tmp_path, monkeypatch, old, new):
    write_study(tmp_path)
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    change(tmp_path, old, new)
    done = CliRunner().invoke(main, ["run", "study.toml"])
    assert done.exit_code == 1
    assert "bug in gempy-gan" not in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_plugins_are_named_before_they_are_loaded(tmp_path, monkeypatch):
    """A file in the working folder, or beside a study, is no plugin until it is named on the command line."""
    (tmp_path / "gempy_gan_evil.py").write_text("from pathlib import Path\nPath(__file__).with_name('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert CliRunner().invoke(main, ["plugins"]).exit_code == 0
    assert not (tmp_path / "ran").exists()
    assert CliRunner().invoke(main, ["--plugin", "gempy_gan_evil.py", "plugins"]).exit_code == 1  # it has no hooks
    assert (tmp_path / "ran").exists()
