"""read() and write(): the format by the path's ending, and nothing half-written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ensembles import assert_same, block

from gempy_gan import files
from gempy_gan.atomic import staged
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.files import read, read_ensemble, write

NAMES = ["e.zarr", "e.nc", "e.roff", "e.grdecl", "e.egrid", "e.vti", "e.vts", "e.dat", "e.gslib"]
FMU = "realization-{}/iter-0/share/results/grids"


def listing(folder):
    """Every file below a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", NAMES)
def test_every_format_is_found_by_its_ending_and_read_back(tmp_path, name):
    written = write(block(), tmp_path / "new" / name)
    assert_same(read(tmp_path / "new" / name), block())
    found = set((tmp_path / "new").iterdir())
    assert set(written) == found
    assert not any(path.name.startswith(".") for path in found)


@pytest.mark.parametrize("name", ["E.NC", "E.ROFF", "E.GRDECL", "E.EGRID", "E.VTS", "E.ZARR", "E.DAT"])
def test_endings_in_capitals_are_the_same_formats(tmp_path, name):
    write(block(), tmp_path / name)
    assert_same(read(tmp_path / name), block())


@pytest.mark.parametrize("name", NAMES)
def test_a_bare_name_goes_into_the_working_folder(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    written = write(block(), name)
    assert all(path.exists() for path in written)
    assert_same(read(name), block())


@pytest.mark.parametrize("name", NAMES)
def test_writing_again_replaces_the_ensemble(tmp_path, name):
    write(block(n=3), tmp_path / name)
    write(block(n=2, rotation=0, active=False), tmp_path / name)
    assert_same(read(tmp_path / name), block(n=2, active=False))


@pytest.mark.parametrize("name", NAMES)
def test_an_ensemble_can_be_written_over_the_file_it_is_read_from(tmp_path, name):
    write(block(), tmp_path / name)
    write(read(tmp_path / name).select([1]), tmp_path / name)
    assert_same(read(tmp_path / name), block().select([1]))


def test_the_fmu_layout_is_merged_into_existing_folders(tmp_path):
    neighbour = tmp_path / "realization-0" / "iter-0" / "share" / "results" / "maps" / "top.gri"
    neighbour.parent.mkdir(parents=True)
    neighbour.write_text("map")
    written = write(block(), tmp_path / "e.roff", layout="fmu")
    assert neighbour.read_text() == "map"
    assert tmp_path / FMU.format(1) / "e--facies.roff" in written
    assert_same(read(tmp_path / "e.roff"), block())


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_there_is_named(tmp_path, name):
    with pytest.raises(FormatError, match=name.split(".")[0]):
        read(tmp_path / name)


@pytest.mark.parametrize("name", NAMES)
def test_bytes_that_are_no_such_file_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x00\x01 not this format \xff" * 10)
    with pytest.raises(FormatError, match=str(tmp_path)):
        read(tmp_path / name)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_short_is_refused(tmp_path, name):
    written = write(block(), tmp_path / name)
    for path in [p for p in written if p.suffix != ".json"]:
        for file in [path] if path.is_file() else [path / "zarr.json"]:
            content = file.read_bytes()
            file.write_bytes(content[: int(len(content) * 0.6)])
    with pytest.raises(GempyGanError):
        _ = read(tmp_path / name).values


def test_an_unknown_ending_names_the_known_ones(tmp_path):
    for call in (lambda: read(tmp_path / "e.xyz"), lambda: write(block(), tmp_path / "e.xyz")):
        with pytest.raises(FormatError, match=r"Known endings: .*\.egrid.*\.zarr"):
            call()
    assert listing(tmp_path) == []


def test_an_unknown_option_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(GempyGanError, match="compression"):
        write(block(), tmp_path / "e.nc", squeeze=True)
    assert listing(tmp_path) == []


def test_what_is_no_ensemble_is_named(tmp_path):
    (tmp_path / "wells.csv").write_text("well,x,y,kb\nA,1,2,3\n")
    with pytest.raises(FormatError, match="Expected an ensemble"):
        read_ensemble(tmp_path / "wells.csv")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stands", [False, True])
def test_a_full_disk_leaves_what_stood_there(tmp_path, monkeypatch, name, stands):
    """The format has written everything when the disk refuses, so that all of it has to be cleared away."""
    if stands:
        write(block(n=1), tmp_path / name)
    before = listing(tmp_path)
    entry = files.for_path("formats", name)
    module = entry.load()
    original = module.write

    def refusing(*args, **options):
        original(*args, **options)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "write", refusing)
    with pytest.raises(FormatError, match=r"No space left on device\. Nothing was left half-written"):
        write(block(), tmp_path / name)
    monkeypatch.undo()
    assert listing(tmp_path) == before
    if stands:
        assert_same(read(tmp_path / name), block(n=1))


@pytest.mark.parametrize("interrupted", [0, 3])
def test_an_interrupt_while_moving_puts_back_what_stood_there(tmp_path, monkeypatch, interrupted):
    write(block(n=1), tmp_path / "e.roff")
    before = {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)}
    calls = iter(range(1000))
    original = Path.replace

    def interrupting(self, target):
        if ".writing-" in str(self) and "new" in self.parts and next(calls) == interrupted:
            raise KeyboardInterrupt
        return original(self, target)

    monkeypatch.setattr(Path, "replace", interrupting)
    with pytest.raises(KeyboardInterrupt):
        write(block(n=3), tmp_path / "e.roff")
    assert {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)} == before


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    (tmp_path / "e.nc").mkdir()
    (tmp_path / "e.nc" / "precious.txt").write_text("kept")
    with pytest.raises(FormatError, match="is a folder"):
        write(block(), tmp_path / "e.nc")
    assert listing(tmp_path) == ["e.nc/precious.txt"]


def test_a_parent_that_is_a_file_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(FormatError, match="Choose another folder"):
        write(block(), tmp_path / "out" / "e.nc")
    assert listing(tmp_path) == ["out"]


def test_staged_files_appear_only_when_the_block_ends(tmp_path):
    with staged(tmp_path / "report.html") as there:
        there.write_text("half")
        assert not (tmp_path / "report.html").exists()
    assert (tmp_path / "report.html").read_text() == "half"
    with pytest.raises(ZeroDivisionError), staged(tmp_path / "report.html") as there:
        there.write_text("other")
        raise ZeroDivisionError
    assert (tmp_path / "report.html").read_text() == "half"
    assert listing(tmp_path) == ["report.html"]


LIMITED = """
import resource, signal, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import gempy_gan as gg
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
import importlib
for module in ("zarr", "netcdf", "roff", "eclipse", "vtk", "gslib"):
    importlib.import_module(f"gempy_gan.formats.{module}")
grid = Grid((0, 400, 0, 300, 0, 20), (40, 30, 20), 0.0)
ensemble = gg.Ensemble.from_values(grid, ["porosity"], np.random.default_rng(0).normal(size=(2, 1, 40, 30, 20)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
for name in sys.argv[3:]:
    try:
        gg.write(ensemble, f"{sys.argv[2]}/{name}")
    except gg.FormatError as error:
        print(name, "refused:", error)
    else:
        print(name, "written")
"""


def test_every_library_reports_a_disk_that_refuses(tmp_path):
    """The operating system itself cuts every file at 30 kB, as a full disk would: no format may take that for success."""
    names = [name for name in NAMES if name != "e.gslib"]
    command = [sys.executable, "-W", "error", "-c", LIMITED, str(Path(__file__).parent), str(tmp_path), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [f"{name} refused" for name in names], done.stdout
    assert listing(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
