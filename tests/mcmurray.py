"""Real wells of the McMurray Formation, prepared for a study: coarse fraction from gamma ray, blocked into a flattened box.

Ten wells condition and four are held out. The four were chosen by position alone, before any result: in each quadrant of the
box, the well nearest to the quadrant's centre. Run it to print the statistics from which a Gaussian prior is set, taken
from the ten conditioning wells only:

    python tests/mcmurray.py FOLDER-WITH-pilot
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from gempy_gan.adapters.las import read_las
from gempy_gan.adapters.tables import read_heads, read_table, read_tops
from gempy_gan.blocking import block
from gempy_gan.constraints import HardData
from gempy_gan.grid import Grid
from gempy_gan.priors.covariance import correlation
from gempy_gan.wells import WellLog, flatten, gamma_to_fraction

RESOLUTION = (64, 64, 32)
STD = 0.05
"""Measurement error of a cell's coarse fraction: tool, environment and the choice of the percentiles."""


@dataclass(frozen=True)
class Study:
    """The grid, the flattened wells, and the blocked data of the conditioning and of the held-out ones."""

    grid: Grid
    conditioning: tuple[WellLog, ...]
    held_out: tuple[WellLog, ...]
    data: HardData
    truth: HardData


def load(folder: Path) -> Study:
    """Read, flatten and block the fourteen wells below `folder`/pilot/mcmurray_A."""
    home = folder / "pilot" / "mcmurray_A"
    table = home / "wells.csv"
    heads = read_heads(table, {"well": "file", "x": "x_utm12", "y": "y_utm12", "kb": "kb"}).set_index("well")
    tops = read_tops(table, {"well": "file"}, tops={"McMurray": "mcmurray_md", "Paleozoic": "paleozoic_md"})
    picks = tops.pivot_table(index="well", columns="top", values="md")
    box = read_table(table)[["box_x0", "box_y0", "box_size_m"]].iloc[0]
    names = held_out(heads, box)
    thickness = float((picks["Paleozoic"] - picks["McMurray"]).drop(names).mean())
    x0, y0, size = box
    grid = Grid(extent=(x0, x0 + size, y0, y0 + size, -thickness, 0.0), resolution=RESOLUTION)
    wells = {name: _prepare(home / "las" / name, heads.loc[name], picks.loc[name], thickness) for name in heads.index}
    truth = tuple(well for name, well in wells.items() if name in names)
    rest = tuple(well for name, well in wells.items() if name not in names)
    return Study(grid, rest, truth, _block(rest, grid), _block(truth, grid))


def held_out(heads: pd.DataFrame, box: pd.Series[float]) -> list[str]:
    """In each quadrant of the box, the well nearest to the quadrant's centre."""
    half = box["box_size_m"] / 2
    x, y = heads["x"] - box["box_x0"], heads["y"] - box["box_y0"]
    names = []
    for i in (0, 1):
        for j in (0, 1):
            inside = (x // half == i) & (y // half == j)
            names.append(str(np.hypot(x - (i + 0.5) * half, y - (j + 0.5) * half)[inside].idxmin()))
    return names


def _prepare(path: Path, head: pd.Series[float], pick: pd.Series[float], thickness: float) -> WellLog:
    well = read_las(path, xy=(head["x"], head["y"]), kb=head["kb"], name=path.stem)
    interval = (pick["McMurray"], pick["Paleozoic"])
    return flatten(gamma_to_fraction(well, "GR", interval=interval), *interval, thickness)


def _block(wells: tuple[WellLog, ...], grid: Grid) -> HardData:
    return block(wells, grid, curve="VSAND", property="coarse_fraction", std=STD)


def profiles(data: HardData, grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values (wells, nz), NaN where a layer has none, and the wells' positions (wells, 2) in metres from the corner."""
    names = list(dict.fromkeys(data.wells))
    table, place = np.full((len(names), grid.resolution[2]), np.nan), np.zeros((len(names), 2))
    for row, name in enumerate(names):
        own = data.wells == name
        table[row, data.cells[own, 2]] = data.values[own]
        place[row] = (data.cells[own][0, :2] + 0.5) * grid.cell_size[:2]
    return table, place


def variogram(table: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Vertical semivariance (lags,) over the sample variance, at 1, 2, ... cells."""
    squares = [np.nanmean((table[:, lag:] - table[:, :-lag]) ** 2) / 2 for lag in range(1, lags + 1)]
    return np.array(squares) / np.nanvar(table)


@dataclass(frozen=True)
class Fit:
    """A stationary Gaussian model of the blocked values: maximum likelihood, with the values' own errors."""

    mean: float
    mean_error: float
    std: float
    vertical: float
    horizontal: float
    log_likelihood: float


def fit(data: HardData, grid: Grid, horizontal: float | None = None, model: str = "matern", nu: float = 1.5) -> Fit:
    """Mean, standard deviation and practical ranges (metres) of greatest likelihood; `horizontal` may be held fixed."""
    place = grid.xyz(data.cells)
    aside = np.hypot(*(place[:, None, :2] - place[None, :, :2]).transpose(2, 0, 1))
    above = np.abs(place[:, None, 2] - place[None, :, 2])

    def profile(log: NDArray[np.float64]) -> tuple[float, float, float]:
        std, rz, rx = (*np.exp(log[:2]), np.exp(log[2]) if horizontal is None else horizontal)
        distance = torch.from_numpy(np.hypot(aside / rx, above / rz))
        covariance = std**2 * correlation(model, distance, nu).numpy() + np.diag(data.std**2)
        root = np.linalg.cholesky(covariance)
        y, one = np.linalg.solve(root, np.column_stack([data.values, np.ones(len(data))])).T
        mean = float(one @ y / (one @ one))
        log_likelihood = -np.log(np.diag(root)).sum() - 0.5 * float((y - mean * one) @ (y - mean * one))
        return float(log_likelihood), mean, float(1 / np.sqrt(one @ one))

    start = np.log([0.3, 10.0, 3000.0][: 3 if horizontal is None else 2])
    best = minimize(lambda log: -profile(log)[0], start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3}).x
    log_likelihood, mean, error = profile(best)
    std, vertical, *aside_range = np.exp(best)
    return Fit(mean, error, float(std), float(vertical), float(aside_range[0]) if aside_range else horizontal, log_likelihood)


def main(folder: Path) -> None:
    """Print what a prior needs to know, from the conditioning wells only."""
    study = load(folder)
    data, grid = study.data, study.grid
    table, _ = profiles(data, grid)
    print("held out:", ", ".join(well.name for well in study.held_out))
    print("cell size (m):", [round(edge, 4) for edge in grid.cell_size])
    print(f"{len(data)} cells: mean {data.values.mean():.3f}, sd {data.values.std():.3f}")
    print("mean per layer, bottom to top:", np.nanmean(table, axis=0).round(2).tolist())
    print("quantiles at 0, 0.1, ..., 1:", np.quantile(data.values, np.linspace(0, 1, 11)).round(3).tolist())
    print("vertical variogram / variance:", variogram(table, 16).round(2).tolist())
    for model, nu in (("matern", 1.5), ("exponential", 1.5), ("spherical", 1.5)):
        print(model, fit(data, grid, model=model, nu=nu))
    for horizontal in (250.0, 1000.0, 2000.0, 3000.0, 4000.0, 6000.0, 8000.0):
        print(f"matern, horizontal range {horizontal:g} m: log-likelihood {fit(data, grid, horizontal).log_likelihood:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
