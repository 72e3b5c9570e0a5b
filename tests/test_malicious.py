"""Files from strangers: nothing in them runs, no name leaves its folder, no claim is believed before it is checked."""

import base64
import json
import os
import pickle
import resource
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from ensembles import block
from safetensors.torch import load_file, save_file
from toy_learner import ToyLearner
from toy_study import change, write_study

import gempy_gan as gg
from gempy_gan import plugins, weights
from gempy_gan.cli import main
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.formats.zarr_check import zstd_size
from gempy_gan.learning import Domain
from gempy_gan.limits import check_archive
from gempy_gan.observations import read_constraints, write_constraints
from gempy_gan.strategies.amortized_files import _read as read_amortized
from gempy_gan.training.checkpoints import Checkpoint, Checkpoints
from gempy_gan.training.folder import Folder
from gempy_gan.unit_frame import pack, unpack

HUGE = 10**12
LEARNER = Path(__file__).with_name("toy_learner.py")


@contextmanager
def little_memory(size=2**30):
    """So much more address space, and no more, as `ulimit -v` gives: what believes a claim of terabytes ends with MemoryError."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def refused(path, match):
    """Reading is refused by the library, and on the command line with one line."""
    with little_memory(), pytest.raises(gg.GempyGanError, match=match):
        gg.read(path)
    done = CliRunner().invoke(main, ["inspect", str(path)])
    assert done.exit_code == 1
    assert "bug in gempy-gan" not in done.stderr
    assert done.stderr.count("\n") == 1


class Evil:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


# Weights and checkpoints


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    """A prior file of the toy learner."""
    plugins.add_plugin_file(LEARNER)
    domain = Domain((gg.Property("sand"),), (4, 4, 2), (10.0, 10.0, 1.0), ())
    return weights.save_prior(ToyLearner.of(domain), tmp_path_factory.mktemp("prior") / "toy.safetensors", {})


@pytest.mark.parametrize("how", ["pickle", "torch", "torch_zip"])
def test_pickled_weights_are_not_unpickled(tmp_path, how):
    file, ran = tmp_path / "prior.safetensors", tmp_path / "ran"
    if how == "pickle":
        file.write_bytes(pickle.dumps(Evil(ran)))
    else:
        torch.save({"x": Evil(ran)}, file, _use_new_zipfile_serialization=how == "torch_zip")
    for read in (gg.load_prior, weights.read_card, lambda path: read_amortized(Path(path))):
        with pytest.raises(gg.FormatError, match="damaged or no safetensors file"):
            read(file)
    for ending in ("pt", "pth", "pkl", "ckpt"):
        file.rename(tmp_path / f"prior.{ending}")
        with pytest.raises(gg.PluginError, match="No prior is named"):
            gg.get_prior(str(tmp_path / f"prior.{ending}"))
        (tmp_path / f"prior.{ending}").rename(file)
    assert not ran.exists()


def test_pickled_checkpoints_are_not_unpickled(tmp_path):
    kept = Checkpoints(tmp_path)
    kept.save(Checkpoint(1, {"x": torch.zeros(2)}, {}))
    kept.save(Checkpoint(2, {"x": torch.ones(2)}, {}))
    (tmp_path / "000000002.safetensors").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.warns(gg.GempyGanWarning, match="damaged"):
        assert kept.latest().step == 1
    (tmp_path / "training.json").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(gg.FormatError, match="cannot be read"):
        Folder(tmp_path).identity()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("claim", [2**40, 2**63 - 1, 99_000_000])
def test_a_safetensors_header_that_claims_to_be_endless(tmp_path, claim):
    file = tmp_path / "prior.safetensors"
    file.write_bytes(struct.pack("<Q", claim) + b'{"x":{}}')
    with little_memory(), pytest.raises(gg.FormatError, match="damaged or no safetensors file"):
        gg.load_prior(file)


def test_a_safetensors_tensor_that_claims_more_than_there_is(tmp_path):
    header = json.dumps({"x": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}).encode()
    (tmp_path / "prior.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with little_memory(), pytest.raises(gg.FormatError, match="damaged or no safetensors file"):
        gg.load_prior(tmp_path / "prior.safetensors")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"options": {"latents": 10**6}}, "describes larger networks than it holds weights of"),
        ({"options": {"latents": HUGE}}, r"describes networks with 1e\+12 of something"),
        ({"shape": [4, 4, HUGE]}, r"describes networks with 1e\+12 of something"),
        ({"shape": [4000, 4000, 400]}, "describes larger networks than it holds weights of"),
        ({"shape": None}, "cannot be understood"),
    ],
)
def test_networks_that_are_described_larger_than_their_weights(learner, tmp_path, changed, message):
    header = weights._header(learner)
    if "options" in changed:
        header |= changed
    else:
        header["domain"] |= changed
    file = tmp_path / "large.safetensors"
    save_file(load_file(learner), file, {"gempy_gan": json.dumps(header)})
    with little_memory(), pytest.raises(gg.FormatError, match=message):
        gg.load_prior(file)


# Stores


@pytest.fixture
def store(tmp_path):
    """A store of continuous values and facies; files of the latter are compressed."""
    return gg.write(block(n=3), tmp_path / "e.zarr")[0]


def rewrite(store, change):
    """Change the metadata of a store's group."""
    root = json.loads((store / "zarr.json").read_text())
    change(root, root["consolidated_metadata"]["metadata"])
    (store / "zarr.json").write_text(json.dumps(root))


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/../../outside", "c:outside", "..", ".hidden", ""])  # noqa: S108
def test_array_names_stay_in_their_store(store, name):
    outside = store.parent / "outside"
    outside.mkdir()
    (outside / "zarr.json").write_text("{}")
    rewrite(store, lambda _, arrays: arrays.update({name: arrays["porosity"]}))
    refused(store, "which lies elsewhere")
    assert (outside / "zarr.json").read_text() == "{}"


@pytest.mark.parametrize("place", ["porosity", "porosity/c", "porosity/c/1", "porosity/c/1/0/0/0"])
def test_links_out_of_a_store_are_refused(store, place):
    outside = store.parent / "outside"
    (store / place).rename(outside)
    (store / place).symlink_to(outside)
    refused(store, "elsewhere")


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "..", "a/b", ".x", "a\\b", "", "a\0b"])
def test_property_names_cannot_be_paths(store, name):
    """They become names of files when an ensemble is exported."""
    rewrite(store, lambda root, _: root["attributes"].update(properties=json.dumps([{"name": name}])))
    with pytest.raises(gg.GempyGanError):
        gg.read(store)
    with pytest.raises(gg.GempyGanError, match="property is named"):
        gg.Property(name)


@pytest.mark.parametrize("name", ["realization", "x", "porosity", "easting"])
def test_arrays_of_a_trillion_numbers_are_refused(store, name):
    def enlarge(_, arrays):
        arrays[name]["shape"][0] = HUGE

    rewrite(store, enlarge)
    refused(store, "are not there|cannot be understood|lacks")


def test_a_grid_of_a_trillion_cells_is_refused(store):
    def enlarge(root, _):
        grid = json.loads(root["attributes"]["grid"])
        root["attributes"]["grid"] = json.dumps(grid | {"resolution": [10**4] * 3})

    rewrite(store, enlarge)
    refused(store, r"1\.0e\+12 cells")


@pytest.mark.parametrize("sharded", [False, True])
def test_a_zstd_bomb_in_a_chunk_is_refused(tmp_path, sharded):
    from numcodecs.zstd import compress

    store = EnsembleStore.create(tmp_path / "e.zarr", block().grid, block().properties, {}, shard=4 if sharded else 1)
    store.append(block(n=3).values)
    bomb = compress(bytes(2**28), 1)
    assert len(bomb) < 2**16
    assert zstd_size(bomb[:18]) == 2**28
    file = next(path for path in sorted((store.path / "facies" / "c").rglob("*")) if path.is_file())
    if sharded:
        index = np.full((4, 2), 2**64 - 1, "<u8")
        index[0] = 0, len(bomb)
        bomb += index.tobytes() + bytes(4)
    file.write_bytes(bomb)
    refused(store.path, "holds 268.4 MB where 48 bytes belong")


def test_how_much_a_zstd_frame_unpacks_to():
    from numcodecs.zstd import compress

    for size in (0, 1, 255, 256, 257, 65_535, 65_536, 65_791, 65_792, 2**20, 2**24 + 1):
        assert zstd_size(compress(bytes(size), 1)[:18]) == size
    assert zstd_size(b"") is None
    assert zstd_size(b"\x28\xb5\x2f\xfd\x00\x58") is None  # does not say it


@pytest.mark.parametrize("codec", ["gzip", "blosc", "vlen-utf8", "numcodecs.pickle", "numcodecs.zlib"])
def test_other_codecs_are_not_run(store, codec):
    rewrite(store, lambda _, arrays: arrays["porosity"]["codecs"].append({"name": codec, "configuration": {}}))
    refused(store, "is packed with")


def test_chunks_of_many_gigabytes_are_refused(store):
    def enlarge(_, arrays):
        arrays["facies"]["chunk_grid"]["configuration"]["chunk_shape"] = [1, 10**5, 10**5, 1]

    rewrite(store, enlarge)
    refused(store, r"has chunks of 20\.0 GB|are not there")


@pytest.mark.parametrize(
    "content", ["[" * 10**5, "{}", "[]", '{"attributes": 1}', '{"attributes": {"gempy_gan_convention": []}}']
)
def test_metadata_that_are_none(store, content):
    (store / "zarr.json").write_text(content)
    refused(store, "zarr")


def test_a_store_that_lost_files_does_not_read_as_numbers(store):
    (store / "porosity" / "c" / "1" / "0" / "0" / "0").unlink()
    refused(store, "lacks 1 of 3 files. Copy the store again")
    with pytest.raises(gg.FormatError, match="lacks 1 of 3 files"):
        EnsembleStore.open(store)


def test_a_flipped_bit_is_noticed(store):
    file = store / "porosity" / "c" / "1" / "0" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)
    done = CliRunner().invoke(main, ["export", str(store), str(store.parent / "x.nc")])
    assert done.exit_code == 1
    assert done.stderr.startswith("A file of the ensemble is damaged")
    assert not (store.parent / "x.nc").exists()


# Other formats


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
