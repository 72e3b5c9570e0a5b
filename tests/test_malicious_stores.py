"""Stores from strangers: no name leaves its folder, no claim is believed before it is checked, and damage is noticed."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from ensembles import block
from refusals import HUGE, refused

import gempy_gan as gg
from gempy_gan.cli import main
from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.formats.zarr_check import zstd_size


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
