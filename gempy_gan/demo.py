"""The demo: a made-up reservoir in a GemPy model, measured as industry files, and inverted from those files alone."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.errors import GempyGanError, PluginError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gempy_gan.ensemble import Ensemble
    from gempy_gan.grid import Grid
    from gempy_gan.workflow import Result

EXTENT = (0.0, 2400.0, 0.0, 2400.0, -1040.0, -1008.0)  # metres
RESOLUTION = (48, 48, 16)
SEAL, BASE, RELIEF = -1009.0, -1037.0, 3.0  # metres: depths of the horizons at the crest, and how far they fall off
WELLS = {  # heads on the map, metres; the last one is deviated
    "D-1": (425.0, 525.0),
    "D-2": (1275.0, 375.0),
    "D-3": (2025.0, 775.0),
    "D-4": (625.0, 1375.0),
    "D-5": (1425.0, 1225.0),
    "D-6": (1925.0, 1875.0),
    "D-7": (875.0, 2025.0),
    "D-8": (1275.0, 1725.0),
}
HELD_OUT = ("D-5", "D-7")
DEVIATED, INCLINATION, AZIMUTH = "D-8", 75.0, 60.0  # below the kick-off, degrees
KB, LOG_STEP, LOG_NOISE = 25.0, 0.25, 0.02
FREQUENCY, VELOCITY, SAMPLING, NOISE = 60.0, 2800.0, 0.002, 0.25  # Hz, m/s, s, share of the signal's RMS
ROCK = {"kind": "two end members", "coarse": [2650.0, 2150.0], "fine": [2950.0, 2350.0], "mixing": "wyllie"}
TRUTH_SEED = 700_000  # no seed of a training set is near
TRUTH_CELLS = 2000  # cells drawn at random to compare the ensemble with the truth


README = """What `gempy-gan demo` made. It is replaced by the next demo here that is run with --overwrite.

model.gempy   a structural model; its unit "Reservoir" is to be filled
wells         LAS files (gamma ray, sand fraction) and the survey of the deviated well, measured in a truth that is not kept
seismic.sgy   the truth's seismic, in time, with noise
study.toml    what is done with these files
out           what came of it: the ensemble, its diagnosis, pictures, and a folder for each format
"""


@dataclass(frozen=True, eq=False)
class Example:
    """The files of a made-up reservoir, and what no file tells: the truth that they were measured in.

    `folder` holds model.gempy, wells/*.las, a survey and seismic.sgy; `truth` (nx, ny, nz) is the coarse fraction on `grid`, and
    `noise` the standard deviation of the noise in the seismic amplitudes.
    """

    folder: Path
    grid: Grid
    truth: NDArray[np.float64]
    noise: float


@dataclass(frozen=True)
class DemoResult:
    """Where the demo wrote, what the study gave, and how the ensemble compares with the truth it never saw."""

    folder: Path
    result: Result
    against_truth: str

    def __str__(self) -> str:
        study = self.folder / "study.toml"
        return (
            f"{self.result.diagnosis}\n\n{self.against_truth}\n\n"
            f"{self.result.listing(self.folder / 'out')}\n"
            f"Repeat it, or change it, with: gempy-gan run {study} --out FOLDER"
        )


def run_demo(out: str | os.PathLike[str], n: int = 20, seed: int = 0, overwrite: bool = False) -> DemoResult:
    """Make a reservoir, measure it, write LAS, SEG-Y and a study file into the folder `out`, and run that study.

    Raises GempyGanError when the folder holds anything, except that `overwrite` replaces an earlier demo, and PluginError when
    the plugin that simulates the truth and brings the prior (gempy-gan-fluvial) is not installed.
    """
    from gempy_gan.study import load_study
    from gempy_gan.workflow import run

    made = make_example(out, seed, overwrite)
    study = made.folder / "study.toml"
    study.write_text(_study(n, seed, made.noise), encoding="utf-8")
    result = run(load_study(study))
    return DemoResult(made.folder, result, _against_truth(result.ensemble, made.grid, made.truth, seed))


def make_example(out: str | os.PathLike[str], seed: int = 0, overwrite: bool = False) -> Example:
    """Make the demo's reservoir and measure it: a GemPy model, LAS and SEG-Y files in the folder `out`. Nothing is inverted.

    Another seed is another reservoir in the same structure. Raises as `run_demo` does.
    """
    folder = Path(out)
    _make_room(folder, overwrite)
    (folder / "README.txt").write_text(README, encoding="utf-8")
    grid = _structural_model(folder / "model.gempy")
    truth = _truth(grid, seed)
    _write_wells(folder, grid, truth, seed)
    return Example(folder, grid, truth, _write_seismic(folder, grid, truth, seed))


def _make_room(folder: Path, overwrite: bool) -> None:
    """An empty folder. Nothing is removed but an earlier demo, and that only when told so."""
    try:
        found = [file.name for file in folder.iterdir()] if folder.exists() else []
        earlier = "README.txt" in found and (folder / "README.txt").read_text(encoding="utf-8", errors="replace") == README
        if earlier and not overwrite:
            raise GempyGanError(f"{folder} holds an earlier demo. Replace it with --overwrite, or choose another --out.")
        if found and not earlier:
            raise GempyGanError(f"{folder} holds other files. Expected a new or empty folder: choose another --out.")
        if earlier:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GempyGanError(f"The demo cannot write into {folder}: {error.strerror}. Choose another --out.") from error


def _structural_model(path: Path) -> Grid:
    """A gently domed unit, "Reservoir", between two horizons; saved as a GemPy model. Returns the unit's grid."""
    from gempy_gan.gempy_model import gempy
    from gempy_gan.geomodel import from_gempy, save_gempy

    gp = gempy()

    def horizon(name: str, depth: float, colour: str) -> Any:
        x, y = (c.ravel() for c in np.meshgrid(np.linspace(0, 2400, 5), np.linspace(0, 2400, 5)))
        z = depth - RELIEF * (((x - 1200) / 1200) ** 2 + ((y - 1200) / 1200) ** 2) / 2
        points = gp.data.SurfacePointsTable.from_arrays(x, y, z, names=name)
        centre, flat, up = np.array([1200.0]), np.array([0.0]), np.array([1.0])
        tilt = gp.data.OrientationsTable.from_arrays(centre, centre, np.array([depth]), flat, flat, up, names=name)
        return gp.data.StructuralElement(name=name, color=colour, surface_points=points, orientations=tilt)

    elements = [horizon("Seal", SEAL, "#999999"), horizon("Reservoir", BASE, "#e69f00")]
    group = gp.data.StructuralGroup("Strata", elements, gp.data.StackRelationType.ERODE)
    frame = gp.data.StructuralFrame(structural_groups=[group], color_gen=gp.data.ColorsGenerator())
    with contextlib.redirect_stdout(io.StringIO()):  # GemPy prints
        model = gp.create_geomodel(project_name="demo", extent=list(EXTENT), resolution=[24, 24, 28], structural_frame=frame)
    save_gempy(model, path)
    return from_gempy(model, "Reservoir", resolution=RESOLUTION, extent=EXTENT, frame="box")


def _truth(grid: Grid, seed: int) -> NDArray[np.float64]:
    """The coarse fraction (nx, ny, nz) that the inversion is to find: deposits of a river, simulated.

    The simulator's cells are 1 m high, those of the demo 2 m: its rivers are twice as deep as those that the prior learned from.
    """
    from gempy_gan.plugins import get_prior

    try:
        simulator: Any = get_prior("fluvial-simulator", shape=grid.resolution)
    except PluginError as error:
        raise PluginError(
            f"The demo's truth is simulated by a plugin: {error} Install it: pip install plugins/gempy-gan-fluvial"
        ) from None
    return np.asarray(simulator.simulate(TRUTH_SEED + seed)[0][0], dtype=np.float64)


def _write_wells(folder: Path, grid: Grid, truth: NDArray[np.float64], seed: int) -> None:
    """LAS files of gamma ray and sand fraction along each well, and the survey of the deviated one."""
    import pandas as pd

    from gempy_gan.adapters.las import write_las
    from gempy_gan.wells import WellLog

    rng = np.random.default_rng([seed, 1])
    (folder / "wells").mkdir(exist_ok=True)
    kickoff, total = KB - EXTENT[5] - 20, KB - EXTENT[4] + 60
    survey = pd.DataFrame(
        {"md": [0.0, kickoff, kickoff + 1, total], "inclination": [0, 0, INCLINATION, INCLINATION], "azimuth": AZIMUTH}
    )
    survey.to_csv(folder / "wells" / f"{DEVIATED}_survey.csv", index=False)
    for name, xy in WELLS.items():
        md = np.arange(kickoff, total, LOG_STEP)
        well = WellLog(name, pd.DataFrame(index=pd.Index(md, name="md"))).placed(xy, KB)  # LAS holds the head alone
        path = well.placed(xy, KB, survey) if name == DEVIATED else well
        cell = grid.cells(path.xyz(md))
        fraction = np.where(cell[:, 0] >= 0, truth[tuple(cell.T)], np.nan)  # -1, outside, is no value
        fraction = np.clip(fraction + LOG_NOISE * rng.standard_normal(len(md)), 0, 1)
        gamma = 120 - 90 * fraction + 4 * rng.standard_normal(len(md))
        write_las(well.with_curve("GR", gamma, "gAPI").with_curve("VSAND", fraction, "v/v"), folder / "wells" / f"{name}.las")


def _write_seismic(folder: Path, grid: Grid, truth: NDArray[np.float64], seed: int) -> float:
    """A SEG-Y cube in time over the grid's columns, with noise; returns the noise's standard deviation."""
    import torch

    from gempy_gan.adapters.segy import write_segy
    from gempy_gan.plugins import get_forward
    from gempy_gan.seismic import SeismicCube

    operator = get_forward("convolution", **_forward_options())
    columns = np.indices(grid.resolution[:2]).reshape(2, -1).T
    top, base = operator.times([EXTENT[5], EXTENT[4]])
    start = np.floor(top / SAMPLING) * SAMPLING
    axis = start + SAMPLING * np.arange(int((base - start) / SAMPLING) + 1)
    signal = operator.bind(grid, columns, axis, "time")(torch.as_tensor(truth)[None, None]).reshape(len(columns), -1).numpy()
    std = NOISE * float(np.sqrt(np.mean(signal**2)))
    traces = (signal + std * np.random.default_rng([seed, 2]).standard_normal(signal.shape)).astype(np.float32)
    xy = grid.xyz(np.column_stack([columns, np.zeros(len(columns))]))[:, :2]
    write_segy(SeismicCube(traces, xy, columns + 1, float(axis[0]), SAMPLING, "time"), folder / "seismic.sgy")
    return std


def _forward_options() -> dict[str, Any]:
    return {
        "wavelet": {"kind": "ricker", "frequency": FREQUENCY},
        "rock": ROCK,
        "velocity": VELOCITY,
        "tie": [EXTENT[5], -2 * EXTENT[5] / VELOCITY],
    }


def _study(n: int, seed: int, noise: float) -> str:
    """The study file of the demo: what a user would write by hand."""
    forward = _forward_options()
    cells = [(b - a) / n for a, b, n in zip(EXTENT[::2], EXTENT[1::2], RESOLUTION, strict=True)]
    return f"""# A study: from files to an ensemble. Repeat it, or change it, with: gempy-gan run study.toml --out FOLDER
n = {n}
seed = {seed}

[grid]                     # the unit of a GemPy model
model = "model.gempy"
element = "Reservoir"
extent = {list(EXTENT)}
resolution = {list(RESOLUTION)}
frame = "box"              # flat layers; "scalar" would follow those of the unit

[wells]                    # positions and datum stand in the LAS headers
files = ["wells/*.las"]
curve = "VSAND"
property = "coarse_fraction"
std = 0.02
surveys = {{ {DEVIATED} = "wells/{DEVIATED}_survey.csv" }}
held_out = {list(HELD_OUT)}

[seismic]
file = "seismic.sgy"
domain = "time"
std = {noise:.6g}

[seismic.forward]
name = "convolution"
property = "coarse_fraction"
wavelet = {{ kind = "ricker", frequency = {FREQUENCY} }}
rock = {{ kind = "two end members", coarse = {ROCK["coarse"]}, fine = {ROCK["fine"]}, mixing = "wyllie" }}
velocity = {VELOCITY}
tie = {forward["tie"]}     # height (m) and two-way time (s) that belong together

[prior]                    # learned from simulated rivers
name = "fluvial-diffusion"
rescaled_to = {cells}      # metres: the geology is stretched from cells of 50 x 50 x 1 m

[strategy]                 # the denoiser knows the wells, and is guided to the seismic
name = "guided"
steps = 48
spread = 0.6               # more than the 0.3 of the prior: the data count for more against a network that is still learning

[output]
folder = "out"
formats = ["grdecl", "roff", "vti", "nc"]
""".replace("'", '"')


def _against_truth(ensemble: Ensemble, grid: Grid, truth: NDArray[np.float64], seed: int) -> str:
    """How close the ensemble is to the truth, at random cells of the unit."""
    from gempy_gan.scores import coverage

    cells = np.argwhere(grid.active_cells)
    chosen = cells[np.random.default_rng([seed, 3]).choice(len(cells), min(TRUTH_CELLS, len(cells)), replace=False)]
    drawn = ensemble.values[:, 0][:, *chosen.T]
    known = truth[tuple(chosen.T)]
    correlation = float(np.corrcoef(drawn.mean(axis=0), known)[0, 1])
    inside = coverage(drawn, known)[0.8]
    return (
        f"Against the truth, at {len(chosen)} random cells of the unit: the ensemble's mean correlates by {correlation:.2f}, "
        f"and {inside:.0%} of the cells lie in the ensemble's 80 % interval."
    )
