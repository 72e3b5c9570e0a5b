"""The command line: it starts at once, and each command prints and writes what it says."""

import json
import pkgutil
import re
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest
from command_line import BOX, invoke, written_ensemble
from toy_study import PRIOR, tree, write_study

import gempy_gan as gg
from gempy_gan.cli import main
from gempy_gan.testing import toy_las, toy_segy

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
HEAVY = ("numpy", "torch", "gempy", "pandas", "xarray", "scipy", "rich")


@pytest.fixture
def run():
    return invoke


@pytest.fixture
def ensemble(tmp_path):
    return written_ensemble(tmp_path / "e.nc")


# Light


def test_the_commands_are_listed_in_the_order_of_their_use_and_told_in_full(run):
    _, stdout, _ = run("--help")
    listed = [line for line in stdout.partition("Commands:\n")[2].splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in listed[: len(main.commands)]] == list(main.commands)
    assert not any(line.endswith("...") for line in listed)
    assert "gempy-gan demo" in stdout.splitlines()[-2]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["plugins"], ["plugins", "--json"], ["sample", "--help"], ["nonsense"]]
)
def test_it_starts_without_heavy_imports(arguments):
    code = (
        "import sys\nfrom gempy_gan.cli import main\n"
        f"try: main({arguments!r})\nexcept SystemExit: pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_takes_less_than_twice_a_bare_click_command():
    bare = "import click\n@click.group()\ndef main(): 'Bare.'\n@main.command()\ndef go(): 'Go.'\nmain(['--help'])"
    ours = "from gempy_gan.cli import main\nmain(['--help'])"
    times = {code: [] for code in (bare, ours)}
    for _ in range(15):
        for code, taken in times.items():  # alternating, so that a busy machine slows both alike
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            taken.append(time.perf_counter() - start)
    assert statistics.median(times[ours]) < 2 * statistics.median(times[bare])


def test_module_and_script_are_the_same_command():
    by_module = subprocess.run([sys.executable, "-m", "gempy_gan", "--version"], capture_output=True, text=True, check=True)
    assert by_module.stdout.split()[-1] == gg.__version__
    script = tomllib.loads(PYPROJECT.read_text())["project"]["scripts"]["gempy-gan"]
    assert pkgutil.resolve_name(script) is main


# The commands


def test_plugins_lists_every_name_with_its_owner(run):
    code, table, _ = run("plugins")
    assert code == 0
    assert re.search(r"^prior +gaussian +gempy_gan +\S", table, flags=re.MULTILINE)
    assert re.search(r"^format +netcdf +gempy_gan .*\.nc$", table, flags=re.MULTILINE)
    code, text, _ = run("plugins", "--json")
    rows = json.loads(text)["entries"]
    assert {"kind": "strategy", "name": "esmda"}.items() <= next(row for row in rows if row["name"] == "esmda").items()
    assert len(table.splitlines()) == len(rows) + 1


def test_a_plugin_file_is_listed_and_used(run, tmp_path):
    from gempy_gan.plugins import registry

    (tmp_path / "flat.py").write_text(
        "import torch\nfrom gempy_gan import Prior, Property, hookimpl\n\n"
        "@hookimpl\ndef gempy_gan_register_priors(register):\n    register('flat', Flat, 'one value')\n\n"
        "class Flat(Prior):\n"
        "    def __init__(self, shape, cell_size, value=0.5):\n"
        "        self.shape, self.cell_size, self.value, self.properties = shape, cell_size, value, (Property('ntg'),)\n"
        "    def sample(self, n, generator=None):\n        return torch.full((n, 1, *self.shape), self.value)\n"
    )
    registry.cache_clear()
    try:
        code, stdout, stderr = run(
            "--plugin", tmp_path / "flat.py", "sample", "flat", "-o", tmp_path / "f.nc", "-n", 2, *BOX, "--set", "value=0.25"
        )
        assert (code, stderr) == (0, "")
        assert stdout == f"{tmp_path / 'f.nc'}\n"
        assert (gg.read(tmp_path / "f.nc").values == 0.25).all()
    finally:
        registry.cache_clear()
        sys.modules.pop("flat", None)


def test_sample_is_decided_by_its_seed_and_takes_a_grid(run, ensemble, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command = ("sample", "gaussian", "-o", tmp_path / f"{name}.nc", "-n", 3, "--seed", seed, "--grid", tmp_path / "e.nc")
        assert run(*command, "--set", "ranges=[20.0, 10.0, 4.0]", "--set", "covariance=exponential")[0] == 0
    a, b, c = (gg.read(tmp_path / f"{name}.nc") for name in "abc")
    assert a.grid == ensemble.grid
    assert a.values.shape == (3, 1, 4, 3, 2)
    assert (a.values == b.values).all()
    assert (a.values != c.values).any()
    assert a.provenance["prior"]["options"]["ranges"] == [20.0, 10.0, 4.0]


def test_export_writes_the_chosen_realizations_in_each_format(run, ensemble, tmp_path):
    out = [tmp_path / "x.zarr", tmp_path / "sub" / "y.nc"]
    code, stdout, _ = run("export", tmp_path / "e.nc", *out, "--realizations", "3,0-1")
    assert (code, stdout) == (0, "".join(f"{file}\n" for file in out))
    for file in out:
        assert (gg.read(file).values == ensemble.values[[3, 0, 1]]).all()


def test_export_writes_the_surfaces_of_the_grid(run, ensemble, tmp_path):
    code, stdout, _ = run("export", tmp_path / "e.nc", "--surfaces", tmp_path / "maps" / "unit.irap")
    assert (code, stdout) == (0, "".join(f"{tmp_path / 'maps' / f'unit--{name}.irap'}\n" for name in ("top", "base")))


def test_logs_writes_a_las_file_for_each_well(run, ensemble, tmp_path):
    toy_las(tmp_path / "w.las", name="A-1", xy=(12.0, 21.0), kb=0.0)
    options = ["-o", tmp_path / "logs", "--step", 1, "--realizations", "3"]
    code, stdout, stderr = run("logs", tmp_path / "e.nc", tmp_path / "w.las", *options)
    assert (code, stdout) == (0, f"{tmp_path / 'logs' / 'w.las'}\n"), stderr
    log = gg.read(tmp_path / "logs" / "w.las", kb="header", xy="header")
    cells = ensemble.grid.cells(log.xyz(log.md))
    assert log.name == "A-1"
    assert (log.curves["POROSITY_R3"].to_numpy() == ensemble.values[3, 1, *cells.T]).all()
    deviated = "md,x,y,z\n0,12,21,0\n60,18,21,-55\n"
    (tmp_path / "s.csv").write_text(deviated)
    code, stdout, _ = run("logs", tmp_path / "e.nc", tmp_path / "w.las", *options, "--set", f"survey={tmp_path / 's.csv'}")
    assert (code, stdout.split()) == (0, [str(tmp_path / "logs" / "w.las"), str(tmp_path / "logs" / "w.csv")])
    log = gg.read(tmp_path / "logs" / "w.las", survey=tmp_path / "logs" / "w.csv")
    assert log.xyz([30.0]) == pytest.approx(np.array([[15.0, 21.0, -27.5]]))


def test_inspect_shows_wells_seismic_tables_and_ensembles(run, ensemble, tmp_path):
    las, sgy = toy_las(tmp_path / "w.las", name="A-1"), toy_segy(tmp_path / "c.sgy")
    code, stdout, _ = run("inspect", las)
    assert code == 0
    assert "well A-1: 121 samples, 0 to 60 m measured depth" in stdout
    assert "position not read" in stdout
    assert re.search(r"curve GR \[gAPI\]: \d", stdout)
    assert "head at x 500.00, y 500.00, z 10.00 m" in run("inspect", las, "--set", "xy=header", "--set", "kb=header")[1]
    stdout = run("inspect", sgy, "--set", "domain=time")[1]
    assert "30 traces (0 dead) of 50 samples" in stdout
    assert "0 to 0.196 s two-way time, step 0.004" in stdout
    assert "inlines 100 to 105, crosslines 300 to 304" in stdout
    stdout = run("inspect", tmp_path / "e.nc")[1]
    assert "ensemble of 5 realizations" in stdout
    assert "grid 4 x 3 x 2 cells of 10 x 10 x 5 m, 24 of 24 active" in stdout
    assert "rotated 15 degrees" in stdout
    assert "property facies [1]: 0 = mud, 1 = sand" in stdout
    assert "seed 7" in stdout


def test_step_by_step_gives_what_run_gives(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path)
    code, stdout, stderr = run("run", "study.toml")
    assert (code, stderr) == (0, "")
    whole, _, written = stdout.rpartition("\n\n")
    assert written.splitlines() == [
        "Written to out:",
        *(f"  {name}" for name in ("constraints.nc", "held_out.nc", "ensemble.zarr", "diagnosis.txt", "diagnosis.json")),
    ]
    assert run("constrain", "study.toml", "-o", "c.nc", "--held-out", "h.nc") == (
        0,
        "c.nc: 20 cells of sand, 195 seismic data\nh.nc: 10 cells of sand\n",
        "",
    )
    assert (tmp_path / "c.nc").read_bytes() == (tmp_path / "out" / "constraints.nc").read_bytes()
    assert run("invert", "c.nc", "-o", "e.zarr", "-n", 4, *PRIOR) == (0, "e.zarr: 4 realizations of sand\n", "")
    assert tree(tmp_path / "e.zarr") == tree(tmp_path / "out" / "ensemble.zarr")
    prior = gg.read("e.zarr").provenance["prior"]["options"]
    statistics = [f"--set={name}={prior[name]}" for name in ("mean", "std")]
    assert (
        run("sample", "gaussian", "-o", "u.nc", "-n", 4, "--grid", "c.nc", *PRIOR[2:4], "--set=property=sand", *statistics)[0]
        == 0
    )
    code, stdout, _ = run("diagnose", "e.zarr", "c.nc", "--held-out", "h.nc", "--baseline", "u.nc")
    assert (code, stdout.rstrip()) == (0, whole.rstrip())


def test_inspect_shows_constraints(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path)
    assert run("constrain", "study.toml", "-o", "c.nc", "--held-out", "h.nc")[0] == 0
    code, stdout, _ = run("inspect", "c.nc")
    assert code == 0
    assert "grid 5 x 4 x 10 cells of 25 x 25 x 5 m, 200 of 200 active" in stdout
    assert re.search(r"sand at 20 cells from wells A-1, A-2: 0\.\d+ to 0\.\d+, std 0\.05\d* to 0\.\d+", stdout)
    assert re.search(r"seismic: 195 values, -0\.\d+ to 0\.\d+, std 0\.3\n", stdout)


def test_inspect_goes_on_after_a_file_that_cannot_be_read(run, tmp_path):
    good, bad = toy_las(tmp_path / "w.las"), tmp_path / "missing.las"
    code, stdout, stderr = run("inspect", bad, good)
    assert code == 1
    assert stdout.startswith(str(good))
    assert stderr.splitlines() == [
        f"{bad} does not exist. Check the path.",
        "1 of 2 files cannot be read as what they claim to be.",
    ]
