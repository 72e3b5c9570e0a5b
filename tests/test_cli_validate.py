"""`gempy-gan validate`."""

import json

import pytest
import trainings
from channels import SHAPE, volumes
from click.testing import CliRunner

import gempy_gan as gg
from gempy_gan.cli import main
from gempy_gan.metrics import Volumes
from gempy_gan.plugins import add_plugin_file

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


def test_the_larger_volumes_are_cut_to_the_smaller_ones(folder):
    cut = Volumes.of(volumes(8, 1), box=(16, 20, 8))
    box = gg.Grid((0, 800, 0, 1000, 0, 4), cut.shape)
    gg.write(gg.Ensemble.from_values(box, FRACTION[:1], cut.fraction[:, None]), folder / "boxes.nc")
    code, stdout, _ = run("boxes.nc", "--against", "real.zarr", "--training", "training.zarr", *QUICK, "--json", "b.json")
    assert code == 0
    assert "Compared are boxes of 16 x 20 x 8 cells, one cut at random from each volume of 32 x 32 x 8." in stdout
    found = json.loads((folder / "b.json").read_text())
    assert (found["shape"], found["whole"]) == ([16, 20, 8], [32, 32, 8])
    assert found["figures"]["memorization"]["value"] > 0.05
    same = gg.validate(gg.read("boxes.nc"), gg.read("real.zarr"), gg.read("training.zarr"), n=100, figures=QUICK[1::2])
    assert same.to_dict() == found
    assert "boxes of 16 x 16 x 8 cells" in run("boxes.nc", "--against", "real.zarr", *QUICK, "--shape", 16, 16, 8)[1]


PLUGIN = """
import gempy_gan as gg

@gg.hookimpl
def gempy_gan_register_priors(register):
    register("learned-before", lambda shape=None, **options: gg.load_prior({!r}, shape, **options))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a training on boxes of 12 x 12 x 4 cells, and held-out volumes of 16 x 16 x 4."""
    trainings.register()
    folder = tmp_path_factory.mktemp("trained")
    gg.train(trainings.plan(trainings.training_set(folder / "set.zarr"), folder / "out", steps=200))
    trainings.training_set(folder / "held-out.zarr", 12, seed=7)
    (folder / "learned_before.py").write_text(PLUGIN.format(str(folder / "out" / "prior.safetensors")))
    add_plugin_file(folder / "learned_before.py")
    return folder


def test_a_trained_prior_is_compared_in_the_boxes_it_learned(trained):
    out, against = trained / "out", ("--against", trained / "held-out.zarr", "--only", "histogram", "-n", 6)
    boxes = "boxes of 12 x 12 x 4 cells, one cut at random from each volume of 16 x 16 x 4"
    code, stdout, stderr = run(out, *against, "--training", trained / "set.zarr", "--card")
    assert (code, stderr) == (0, "")
    assert f"Compared are {boxes}." in stdout
    assert stdout.endswith(f"{out / 'card.md'}\n")
    text = (out / "card.md").read_text()
    assert f"- compared: {boxes}\n" in text
    assert "- memorization: tested with the 24 volumes of set.zarr (realizations 0 to 23 of seed 0" in text
    assert (out / "validation.png").stat().st_size > 1000
    alone = run(out / "prior.safetensors", *against, "--training", trained / "set.zarr")
    assert alone[1] == stdout.replace(f"{out / 'card.md'}\n", "")
    registered = run("learned-before", *against)
    assert f"Compared are {boxes}." in registered[1]
    code, _, stderr = run(out, *against, "--shape", 12, 12, 2)
    assert code == 1
    assert "Boxes of 12 x 12 x 2 cells were to be compared, and the real volumes have 16 x 16 x 4." in stderr
    code, _, stderr = run(out, "--against", trained / "set.zarr", "--only", "histogram")
    assert code == 1
    assert "shares 24 of its 24 realizations with the training set" in stderr


def test_labels_are_answered(trained):
    against = ("--against", trained / "held-out.zarr", "--only", "histogram", "-n", 6)
    code, stdout, _ = run(trained / "out", *against, "--labels", 5, "--json", trained / "labels.json")
    assert code == 0
    assert "From the lowest to the highest width, in standard deviations of real volumes:" in stdout
    found = json.loads((trained / "labels.json").read_text())["labels"]
    assert list(found) == ["width", "wavelength", "amplitude"]
    for label in found.values():
        assert label["net_to_gross"]["prior"] > 0
    assert found["width"]["net_to_gross"]["correlation"] > 0.5
    code, _, stderr = run(
        "learned-before", *against, "--labels", 5, "--set", "labels={width=20.0, wavelength=99.0, amplitude=9.0}"
    )
    assert (code, "Expected a trained prior, and real volumes with some of its labels" in stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gausian", "--against", "real.zarr"], 1, "No prior is named 'gausian'"),
        (["no.zarr", "--against", "real.zarr"], 1, "no.zarr does not exist"),
        (["no.safetensors", "--against", "real.zarr"], 1, "no.safetensors"),
        (["fresh.zarr", "--against", "no.zarr"], 1, "no.zarr does not exist"),
        (["fresh.zarr", "--against", "real.zarr", "--only", "swd"], 1, "figures swd are not known. Known: histogram"),
        (["fresh.zarr", "--against", "real.zarr", "--json", "no/v.json"], 2, "its folder does not exist"),
        (["fresh.zarr", "--against", "real.zarr", "--flips", "z"], 1, "mirrored along 'z'"),
        (["fresh.zarr", "--against", "real.zarr", "--set", "std=1.0"], 2, "--set goes to a prior"),
        (["fresh.zarr"], 2, "--against"),
        (["fresh.zarr", "--against", "real.zarr", "--shape", "40", "32", "8"], 1, "the real volumes have 32 x 32 x 8"),
        (["fresh.zarr", "--against", "real.zarr", "--shape", "32", "32", "4"], 1, "equal in z"),
        (
            ["fresh.zarr", "--against", "real.zarr", "--card"],
            2,
            "--card is for the folder of a training, and PRIOR is fresh.zarr",
        ),
        (["fresh.zarr", "--against", "real.zarr", "--labels", "5"], 1, "learned no labels, and the real volumes have none"),
        (["p.safetensors", "--against", "real.zarr", "--card"], 2, "--card is for the folder of a training"),
    ],
)
def test_bad_input_says_what_is_wrong(folder, arguments, code, message):
    found, stdout, stderr = run(*arguments, *QUICK)
    assert (found, stdout) == (code, "")
    assert message in stderr
    assert "bug in gempy-gan" not in stderr
