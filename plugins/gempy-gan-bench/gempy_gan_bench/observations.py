"""What is observed of a truth: nested wells, seismic, wells held out, and three vague cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from gempy_gan import Constraints, Grid, HardData, SoftData
from gempy_gan.forward import Convolution, TwoEndMembers, ricker
from gempy_gan_bench.protocol import PROPERTY, Case, Protocol
from gempy_gan_bench.truths import Truth

if TYPE_CHECKING:
    from gempy_gan.constraints import Forward

TOP, TOP_TIME = -1008.0, 0.72  # metres, seconds of two-way time: where the box lies
FREQUENCY, VELOCITY, SAMPLING, MARGIN = 60.0, 2800.0, 0.002, 0.004  # Hz, m/s, s, s above and below the box
COARSE, FINE = (2650.0, 2150.0), (2950.0, 2350.0)  # m/s, kg/m3; mixed after Wyllie
PLASTIC = 1.32471795724474602596
START = (0.35, 0.2)  # of the sequence of columns: no large gap is left by the first 4, 8 or 20
WELLS, SEISMIC, WEAK, HELD_OUT = range(4)  # streams of noise


def grid_of(protocol: Protocol, cell_size: tuple[float, float, float]) -> Grid:
    """The box of the protocol, in cells of this size."""
    return box(protocol.shape, cell_size)


def box(shape: tuple[int, int, int], cell_size: tuple[float, float, float]) -> Grid:
    """A box of so many cells, where the protocol's boxes lie."""
    x, y, z = (n * size for n, size in zip(shape, cell_size, strict=True))
    return Grid((0, x, 0, y, TOP - z, TOP), shape)


def columns_of(shape: tuple[int, int, int], count: int) -> NDArray[np.int64]:
    """The first `count` columns (count, 2) of a sequence that fills the box evenly, however long it is: wells are nested.

    The additive recurrence of the plastic number (Roberts 2018), without columns that were there before.
    """
    found: dict[tuple[int, int], None] = {}
    for k in range(100 * count):
        u, v = (START[0] + k / PLASTIC) % 1, (START[1] + k / PLASTIC**2) % 1
        found[int(u * shape[0]), int(v * shape[1])] = None
        if len(found) == count:
            break
    return np.array(list(found), dtype=np.int64).reshape(-1, 2)


def wells(protocol: Protocol, truth: Truth, number: int) -> HardData:
    """The first `number` wells, through the whole height; their noise does not depend on how many there are."""
    return _wells(protocol, truth, columns_of(protocol.shape, number), WELLS, "W")


def held_out(protocol: Protocol, truth: Truth) -> HardData:
    """The wells that are never given."""
    every = columns_of(protocol.shape, max(protocol.wells) + protocol.held_out)
    return _wells(protocol, truth, every[max(protocol.wells) :], HELD_OUT, "H")


def weak(protocol: Protocol, truth: Truth, grid: Grid) -> Constraints:
    """Vague data at a few cells: little enough for importance sampling."""
    columns = columns_of(protocol.shape, protocol.weak_cells)
    layers = (np.arange(protocol.weak_cells) + 0.5) / protocol.weak_cells * protocol.shape[2]
    cells = np.column_stack([columns, layers.astype(np.int64)])
    values = truth.fraction[tuple(cells.T)] + protocol.weak_std * _noise(truth, WEAK, len(cells))
    return Constraints(grid, HardData(cells, values, protocol.weak_std, PROPERTY))


def constraints(protocol: Protocol, truth: Truth, case: Case, grid: Grid) -> Constraints:
    """The data of a case."""
    known = wells(protocol, truth, case.wells)
    return Constraints(grid, known, seismic(protocol, truth, grid)) if case.seismic else Constraints(grid, known)


@lru_cache(maxsize=8)
def seismic(protocol: Protocol, truth: Truth, grid: Grid) -> SoftData:
    """Traces in time over every column of a unit that lies in fine rock, with white noise."""
    every = survey(grid)
    signal = every.forward(torch.as_tensor(truth.fraction)[None, None])[0].numpy()
    std = protocol.seismic_noise * float(np.sqrt(np.mean(signal**2)))
    return every.data(signal + std * _noise(truth, SEISMIC, signal.size), std)


@dataclass(frozen=True, eq=False)
class Survey:
    """Seismic of every column: what predicts it from coarse fractions (n, 1, nx, ny, nz), and the places of its samples."""

    forward: Forward
    shape: tuple[int, int]  # columns, samples
    places: NDArray[np.float64]

    def data(self, values: NDArray[np.float64], std: float) -> SoftData:
        """What was observed, as a constraint."""
        return SoftData(values.reshape(self.shape), std, self.forward, self.places)


def survey(grid: Grid) -> Survey:
    """Traces in time over every column of a unit that lies in fine rock."""
    rock = TwoEndMembers(coarse=COARSE, fine=FINE, mixing="wyllie")
    around = FINE[0] * FINE[1]
    operator = Convolution(ricker(FREQUENCY), rock, VELOCITY, (TOP, TOP_TIME), property=PROPERTY, over=around, under=around)
    columns = np.indices(grid.resolution[:2]).reshape(2, -1).T
    top, base = operator.times(np.array([grid.extent[5], grid.extent[4]]))
    axis = np.arange(np.floor((top - MARGIN) / SAMPLING), np.ceil((base + MARGIN) / SAMPLING) + 1) * SAMPLING
    layer = grid.resolution[2] * (base - axis) / (base - top) - 0.5
    places = np.column_stack([np.repeat(columns, len(axis), axis=0), np.tile(layer, len(columns))])
    return Survey(operator.bind(grid, columns, axis, "time"), (len(columns), len(axis)), places)


def _wells(protocol: Protocol, truth: Truth, columns: NDArray[np.int64], stream: int, letter: str) -> HardData:
    nz = protocol.shape[2]
    cells = np.column_stack([np.repeat(columns, nz, axis=0), np.tile(np.arange(nz), len(columns))])
    noise = _noise(truth, stream, len(cells))
    values = truth.fraction[tuple(cells.T)] + protocol.well_std * noise
    names = np.repeat([f"{letter}-{k + 1}" for k in range(len(columns))], nz)
    return HardData(cells, values, protocol.well_std, PROPERTY, names)


def _noise(truth: Truth, stream: int, count: int) -> NDArray[np.float64]:
    """Standard normal noise (count,) that belongs to a truth; the beginning of a longer one is the shorter one."""
    return np.random.default_rng([truth.seed, 7, stream]).standard_normal(count)
