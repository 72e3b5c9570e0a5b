"""`gempy-gan validate`."""

import json

import pytest
from channels import SHAPE, volumes
from click.testing import CliRunner

import gempy_gan as gg
from gempy_gan.cli import main

GRID = gg.Grid((0, 1600, 0, 1600, 0, 4), SHAPE)
FRACTION = ["coarse_fraction", "deposition_time"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with real, generated and training volumes."""
    folder = tmp_path_factory.mktemp("volumes")
    for name, n, seed in (("real", 16, 0), ("fresh", 8, 1), ("training", 12, 2)):
        gg.write(gg.Ensemble.from_values(GRID, FRACTION, volumes(n, seed)), folder / f"{name}.zarr")
    fraction = gg.Ensemble.from_values(GRID, FRACTION[:1], volumes(16, 0)[:, :1])
    gg.write(fraction, folder / "fraction.nc")
    return folder


@pytest.fixture
def folder(files, monkeypatch):
    monkeypatch.chdir(files)
    return files


def run(*arguments):
    done = CliRunner().invoke(main, ["validate", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


QUICK = ("--only", "histogram", "--only", "bodies")


def test_an_ensemble_is_validated(folder):
    code, stdout, stderr = run("fresh.zarr", "--against", "real.zarr", "--training", "training.zarr", *QUICK, "--json", "v.json")
    assert (code, stderr) == (0, "")
    found = json.loads((folder / "v.json").read_text())
    assert {"histogram", "body_count", "memorization"} <= set(found["figures"])
    assert "variogram" not in found["figures"]
    assert found["size"] == 8
    assert all(key in stdout for key in found["figures"])
    assert "targets are met (8 generated against 8 real volumes, 50 splits)" in stdout


def test_a_prior_is_sampled_and_validated(folder):
    """A Gaussian field of wrong level and spread, with options of its own."""
    options = (
        "--set",
        "mean=0.5",
        "--set",
        "std=0.05",
        "--set",
        "ranges=[400.0, 400.0, 2.0]",
        "--set",
        "property=coarse_fraction",
    )
    code, stdout, stderr = run("gaussian", "--against", "fraction.nc", "-n", 6, *QUICK, *options)
    assert (code, stderr) == (0, "")
    assert "(6 generated against 6 real volumes" in stdout
    assert run("gaussian", "--against", "fraction.nc", "-n", 6, *QUICK, *options)[1] == stdout
    assert run("gaussian", "--against", "fraction.nc", "-n", 6, *QUICK, *options, "--seed", 1)[1] != stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gausian", "--against", "real.zarr"], 1, "No prior is named 'gausian'"),
        (["no.zarr", "--against", "real.zarr"], 1, "no.zarr is no Zarr 3 store"),
        (["no.safetensors", "--against", "real.zarr"], 1, "no.safetensors"),
        (["fresh.zarr", "--against", "no.zarr"], 1, "no.zarr is no Zarr 3 store"),
        (["fresh.zarr", "--against", "real.zarr", "--only", "swd"], 1, "figures swd are not known. Known: histogram"),
        (["fresh.zarr", "--against", "real.zarr", "--json", "no/v.json"], 2, "its folder does not exist"),
        (["fresh.zarr", "--against", "real.zarr", "--flips", "z"], 1, "mirrored along 'z'"),
        (["fresh.zarr", "--against", "real.zarr", "--set", "std=1.0"], 2, "--set goes to a prior"),
        (["fresh.zarr"], 2, "--against"),
    ],
)
def test_bad_input_says_what_is_wrong(folder, arguments, code, message):
    found, stdout, stderr = run(*arguments, *QUICK)
    assert (found, stdout) == (code, "")
    assert message in stderr
    assert "bug in gempy-gan" not in stderr
