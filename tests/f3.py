"""The F3 block, prepared for a study: well F02-1 on seismic inline 362, its tie, and an impedance prior from other wells.

The well's times are integrated from its sonic log and hung at its shallowest checkshot. The checkshot table itself pairs
horizon picks with markers: it departs from the sonic by up to 39 ms, back and forth, and does not tie.

The study inverts a section of the line for impedance and looks at F02-1, which is withheld. Nothing of it is taken from
F02-1's impedance where that is judged: the prior is from the three other wells, and each half of the log is judged with the
wavelet and the noise of the other half. What is taken from the whole log are the two numbers of the time-depth relation, lag
and stretch. Run it to print the table:

    python tests/f3.py FOLDER-WITH-pilot [DRAWS]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from scipy.stats import norm
from scipy.stats import t as student

from gempy_gan import scores
from gempy_gan.adapters.las import read_las
from gempy_gan.adapters.segy import read_segy
from gempy_gan.adapters.tables import read_checkshot
from gempy_gan.blocking import block
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.forward import Convolution, Impedance
from gempy_gan.grid import Grid
from gempy_gan.inversion import invert, sample
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.properties import Property
from gempy_gan.resampling import resample
from gempy_gan.seismic import SeismicCube
from gempy_gan.wavelets import Wavelet
from gempy_gan.well_tie import WellTie, well_tie
from gempy_gan.wells import WellLog

LOGGED = (553.6, 1285.0)
"""Measured depths (m) of F02-1 between which sonic and density are used: its shallowest checkshot and the Mid-Miocene."""

HEADS = {"F02-1": 30.0, "F03-2": 30.0, "F03-4": 30.0, "F06-1": 28.64}
"""Kelly bushing above sea level, metres, where the tracks and checkshots start."""


@dataclass(frozen=True)
class Tied:
    """A well's log within `LOGGED`: measured depth, impedance, its own two-way times, and checkshot times (n,) each."""

    md: NDArray[np.float64]
    impedance: NDArray[np.float64]
    sonic_times: NDArray[np.float64]
    checkshot_times: NDArray[np.float64]


def section(folder: Path) -> SeismicCube:
    """Inline 362."""
    return read_segy(folder / "pilot" / "f3" / "F3_inline362_derived.sgy", domain="time")


def well(folder: Path, name: str = "F02-1") -> WellLog:
    """A well at its place; `LNAI` is the natural logarithm of its acoustic impedance."""
    found = read_las(folder / "pilot" / "f3" / "las" / f"{name}_logs.las", xy="header", kb=HEADS[name])
    return found.with_curve("LNAI", np.log(found.curve("AI").to_numpy()), "1")


def logs(folder: Path) -> Tied:
    """F02-1 in time: by its sonic log, and by its checkshots."""
    log = well(folder)
    md = log.curves.index.to_numpy()
    checkshot = read_checkshot(
        folder / "pilot" / "f3" / "checkshot" / "F02-1_TD.txt", {"md": 0, "twt": 1}, time_unit="s", twt=True, header=False
    )
    picked = np.interp(md, checkshot["md"], checkshot["twt"])
    keep = (md >= LOGGED[0]) & (md <= LOGGED[1])
    slowness = 1e-6 * log.curve("DT").to_numpy()[keep]
    travel = np.diff(md[keep]) * (slowness[1:] + slowness[:-1])
    sonic = picked[keep][0] + np.concatenate([[0.0], np.cumsum(travel)])
    return Tied(md[keep], log.curve("AI").to_numpy()[keep], sonic, picked[keep])


def nearest(cube: SeismicCube, log: WellLog) -> int:
    """The trace nearest to a well's head."""
    xy = log.xyz(log.curves.index[:1])[0, :2]
    return int(np.linalg.norm(cube.xy - xy, axis=1).argmin())


def tie(folder: Path, checkshot: bool = False, trace: int | None = None, lag_step: float = 0.001) -> WellTie:
    """F02-1 tied to the nearest (or any other) trace, by its sonic or its checkshot times."""
    cube, tied = section(folder), logs(folder)
    index = nearest(cube, well(folder)) if trace is None else trace
    options = {"length": 0.08, "max_lag": 0.03, "lag_step": lag_step}
    if checkshot:
        return well_tie(tied.checkshot_times, tied.impedance, cube.traces[index], cube.axis, **options)
    return well_tie(tied.sonic_times, tied.impedance, cube.traces[index], cube.axis, max_stretch=0.05, **options)


COLUMNS, WIDTH, THICKNESS = 21, 100.0, 5.0
"""Of the section's grid, in metres: every fourth trace, so that one error of the model is not counted too often."""

HEIGHTS = (-1210.0, -560.0)
HORIZONTAL_RANGE = 1000.0
"""Metres; an assumption, which wells 3 km apart and more cannot tell."""

PROPERTY = Property("ln_impedance")

Change = Callable[[Wavelet], Wavelet]


def grid(cube: SeismicCube, trace: int) -> Grid:
    """A section along the line, with one trace at the centre of its middle column."""
    along = cube.xy[-1] - cube.xy[0]
    along /= np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    x, y = cube.xy[trace] - 0.5 * COLUMNS * WIDTH * along - 0.5 * WIDTH * across
    extent = (x, x + COLUMNS * WIDTH, y, y + WIDTH, *HEIGHTS)
    layers = round((HEIGHTS[1] - HEIGHTS[0]) / THICKNESS)
    return Grid(extent, (COLUMNS, 1, layers), float(np.degrees(np.arctan2(along[1], along[0]))))


def prior(folder: Path, section_grid: Grid) -> GaussianPrior:
    """ln impedance as the three other wells have it: a linear trend, its spread, and a vertical range.

    The spread is what each of the three departs from the trend of the other two, widened from a normal distribution to
    Student's t of two degrees of freedom at the 80 % interval: three wells say little about a fourth one.
    """
    known = [_layers(well(folder, name), section_grid) for name in ("F03-2", "F03-4", "F06-1")]
    trend = np.polyfit(*np.concatenate(known, axis=1), 1)
    rest = [[other for other in known if other is not one] for one in known]
    missed = [
        one[1] - np.polyval(np.polyfit(*np.concatenate(others, axis=1), 1), one[0])
        for one, others in zip(known, rest, strict=True)
    ]
    spread = float(np.sqrt(np.mean(np.concatenate(missed) ** 2)) * student.ppf(0.9, 2) / norm.ppf(0.9))
    lags = np.arange(1, 17)
    residual = [values - np.polyval(trend, z) for z, values in known]
    variogram = np.mean([[0.5 * np.mean((r[h:] - r[:-h]) ** 2) / r.var() for h in lags] for r in residual], axis=0)
    (reach,), _ = curve_fit(lambda h, r: 1 - np.exp(-3 * h / r), lags * THICKNESS, variogram, p0=150.0)
    mean = np.polyval(trend, section_grid.axis(2))
    ranges = (HORIZONTAL_RANGE, HORIZONTAL_RANGE, float(reach))
    return GaussianPrior(section_grid.resolution, section_grid.cell_size, PROPERTY, mean.tolist(), spread, "exponential", ranges)


def _layers(log: WellLog, section_grid: Grid) -> NDArray[np.float64]:
    """Heights and mean ln impedance (2, k) of the layers that a well far from the section has logged."""
    z = log.xyz(log.curves.index)[:, 2]
    value = log.curve("LNAI").to_numpy()
    layer = np.floor((z - HEIGHTS[0]) / THICKNESS).astype(int)
    centres = section_grid.axis(2)
    means = [(centres[k], value[known].mean()) for k in range(len(centres)) if (known := (layer == k) & np.isfinite(value)).any()]
    return np.array(means).T


class Section:
    """The section at F02-1, ready to be inverted with other wavelets and velocities."""

    def __init__(self, folder: Path) -> None:
        self.cube, self.tied, self.tie = section(folder), logs(folder), tie(folder)
        self.trace = nearest(self.cube, well(folder))
        self.grid = grid(self.cube, self.trace)
        self.prior = prior(folder, self.grid)
        self.truth: HardData = block(well(folder), self.grid, "LNAI", PROPERTY, std=0.005)
        self.times = self.tie.shift(self.tied.sonic_times)
        self.table = np.column_stack([self.tied.md - HEADS["F02-1"], self.times])
        middle = float(np.median(self.tie.axis))
        depth = -self.grid.axis(2)[self.truth.cells[:, 2]]
        self.lower = np.interp(depth, *self.table.T) > middle
        self.ties = {lower: self._half(self.times > middle if not lower else self.times <= middle) for lower in (False, True)}

    def _half(self, part: NDArray[np.bool_]) -> WellTie:
        """Wavelet and noise from one half of the log, at the times of the whole tie."""
        times, impedance = self.times[part], self.tied.impedance[part]
        return well_tie(times, impedance, self.cube.traces[self.trace], self.cube.axis, length=0.064, max_lag=0.0, folds=4)

    def seismic(self, lower: bool, change: Change = lambda w: w, velocity: float = 1.0) -> SoftData:
        """The amplitudes, with what the half that is not judged says of wavelet and noise."""
        found = self.ties[lower]
        wavelet = Wavelet(found.wavelet.at(found.wavelet.axis - found.lag), found.wavelet.step)
        depth, time = self.table.T
        table = np.column_stack([depth, time[0] + (time - time[0]) / velocity])
        model = Convolution(change(wavelet), Impedance(log=True), time_depth=table, reflectivity="log")
        return resample(self.cube, self.grid, forward=model, std=found.residual_std)

    def at_well(self, *terms: HardData | SoftData, n: int = 100) -> NDArray[np.float64]:
        """Draws (n, k) of ln impedance in the cells of F02-1: of the posterior, or of the prior where nothing is known."""
        known = Constraints(self.grid, *terms)
        ensemble = invert(self.prior, known, "latent", n=n) if terms else sample(self.prior, self.grid, n=n)
        values = ensemble.values[:, 0]
        return values[:, *self.truth.cells.T]

    def withheld(self, change: Change = lambda w: w, velocity: float = 1.0, n: int = 100) -> NDArray[np.float64]:
        """Draws (n, k) at F02-1 from the amplitudes alone; each half judged with the other half's wavelet."""
        halves = {lower: self.at_well(self.seismic(lower, change, velocity), n=n) for lower in (False, True)}
        return np.where(self.lower, halves[True], halves[False])

    def simulated(self, seed: int, n: int = 100) -> dict[str, float]:
        """Scores to be expected if prior, wavelet and noise were right: a truth and amplitudes simulated from them."""
        truth = torch.as_tensor(sample(self.prior, self.grid, n=1, seed=1000 + seed).values)
        halves = {}
        for lower in (False, True):
            real = self.seismic(lower)
            noise = np.random.default_rng(seed).normal(0.0, real.std)
            amplitudes = real.forward(truth).numpy().reshape(real.values.shape) + noise
            halves[lower] = self.at_well(SoftData(amplitudes, real.std, real.forward, real.cells), n=n)
        known = truth[0, 0].numpy()[*self.truth.cells.T]
        return self.scores(np.where(self.lower, halves[True], halves[False]), known)

    def scores(self, draws: NDArray[np.float64], truth: NDArray[np.float64] | None = None) -> dict[str, float]:
        """Of draws (n, k) at the well. `correlation_100m` is of what is left after a running mean over 100 m."""
        truth, mean = self.truth.values if truth is None else truth, draws.mean(axis=0)
        low, high = np.quantile(draws, [0.1, 0.9], axis=0)
        return {
            "correlation": float(np.corrcoef(mean, truth)[0, 1]),
            "correlation_100m": float(np.corrcoef(_detail(mean), _detail(truth))[0, 1]),
            "crps": float(scores.crps(draws, truth).mean()),
            "coverage80": float(np.mean((truth >= low) & (truth <= high))),
            "rmse": float(np.sqrt(np.mean((mean - truth) ** 2))),
        }


def _detail(values: NDArray[np.float64], cells: int = 21) -> NDArray[np.float64]:
    return values - np.convolve(np.pad(values, cells // 2, mode="edge"), np.full(cells, 1 / cells), "valid")


PERTURBED: dict[str, tuple[Change, float]] = {
    "as estimated": (lambda w: w, 1.0),
    "frequency -15 %": (lambda w: w.stretched(1 / 0.85), 1.0),
    "frequency +15 %": (lambda w: w.stretched(1 / 1.15), 1.0),
    "phase -30 degrees": (lambda w: w.rotated(-30), 1.0),
    "phase +30 degrees": (lambda w: w.rotated(30), 1.0),
    "scale -20 %": (lambda w: w.scaled(0.8), 1.0),
    "scale +20 %": (lambda w: w.scaled(1.2), 1.0),
    "velocity -3 %": (lambda w: w, 0.97),
    "velocity +3 %": (lambda w: w, 1.03),
    "polarity reversed": (lambda w: w.scaled(-1), 1.0),
}
"""What is done to the wavelet, and the factor on the velocity."""


def _row(name: str, values: dict[str, float]) -> None:
    print(f"{name:32s}" + "  ".join(f"{key} {value:6.3f}" for key, value in values.items()), flush=True)


if __name__ == "__main__":
    home, draws = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
    print("tie by sonic times:    ", tie(home))
    print("tie by checkshot times:", tie(home, checkshot=True))
    study = Section(home)
    print("wavelet for the upper half:", study.ties[False])
    print("wavelet for the lower half:", study.ties[True])
    print(f"prior std {study.prior.std:.3f}, vertical range {study.prior.ranges[2]:.0f} m, {len(study.truth)} cells at F02-1")
    _row("prior alone", study.scores(study.at_well(n=4 * draws)))
    for name, (change, velocity) in PERTURBED.items():
        _row(name, study.scores(study.withheld(change, velocity, n=draws)))
    expected = [study.simulated(seed, n=draws) for seed in range(6)]
    _row("simulated truths, mean of 6", {key: float(np.mean([row[key] for row in expected])) for key in expected[0]})
    _row("with the well (not withheld)", study.scores(study.at_well(study.truth, study.seismic(True), n=draws)))
