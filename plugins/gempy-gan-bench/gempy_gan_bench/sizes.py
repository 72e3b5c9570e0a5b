"""Grids larger than a prior's box: what a realization costs, and whether the borders of the boxes show."""

from __future__ import annotations

import math
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import Constraints, GempyGanError, Grid, HardData, invert
from gempy_gan.inversion import prior_given
from gempy_gan.priors.tiled import TiledDiffusion
from gempy_gan_bench import truths
from gempy_gan_bench.figures import fractions
from gempy_gan_bench.observations import box, columns_of
from gempy_gan_bench.protocol import CELL_SIZE, COLUMNS, PROPERTY

Shape = tuple[int, int, int]

STD = 0.005  # of the coarse fraction along wells
JUMP = 0.3  # a contrast between neighbours that is seen
GIB = 2**30


def rows(
    shapes: Sequence[Shape], name: str, options: Mapping[str, Any], strategy: str | None, wells: int, n: int, seed: int
) -> Iterator[dict[str, Any]]:
    """One row for each shape, each in a process of its own, whose peak memory is thus its own."""
    context = multiprocessing.get_context("spawn")
    for shape in shapes:
        with context.Pool(1) as pool:
            yield pool.apply(row, (shape, name, dict(options), strategy, wells, n, seed))


def row(
    shape: Shape, name: str, options: Mapping[str, Any], strategy: str | None, wells: int, n: int, seed: int
) -> dict[str, Any]:
    """What n realizations of a grid cost, conditioned to so many wells, and how they differ across the borders of boxes.

    `gamma` and `jumps` are the variogram at lag 1 and the share of neighbours that differ by more than `JUMP`, across planes
    where a box begins or ends over those elsewhere, each with the standard error that the planes' own scatter gives.
    """
    constraints = Constraints(box(shape, CELL_SIZE), logs(shape, wells)) if wells else _unknown(shape)
    prior = prior_given(name, constraints, **options)
    before, start = _peak(), time.process_time()
    found = invert(prior, constraints, strategy, n=n, seed=seed)
    spent = (time.process_time() - start) / n
    cells = math.prod(shape)
    record = {"shape": list(shape), "wells": wells, "n": n, "cpu_s": spent, "us_per_cell": 1e6 * spent / cells}
    seams = seam_figures(fractions(found), borders(prior)) if isinstance(prior, TiledDiffusion) else {}
    return {**record, "peak_gib": _peak(), "start_gib": before, "tiles": len(getattr(prior, "tiles", [0])), **seams}


def logs(shape: Shape, count: int) -> HardData:
    """The coarse fraction along wells through simulated deposits; beyond these they are repeated."""
    nx, ny = (min(n, most) for n, most in zip(shape[:2], COLUMNS, strict=True))
    fraction = truths.first_from((nx, ny, shape[2]), COLUMNS, 0).fraction
    columns = np.repeat(columns_of(shape, count), shape[2], axis=0)
    cells = np.column_stack([columns, np.tile(np.arange(shape[2]), count)])
    seen = fraction[cells[:, 0] % nx, cells[:, 1] % ny, cells[:, 2]]
    return HardData(cells, seen + STD * np.random.default_rng(0).standard_normal(len(cells)), STD, PROPERTY)


def _unknown(shape: Shape) -> Constraints:
    """A box of which hardly anything is known: a vague value in its first cell."""
    grid: Grid = box(shape, CELL_SIZE)
    return Constraints(grid, HardData([[0, 0, 0]], [0.5], 10.0, PROPERTY))


def borders(prior: TiledDiffusion) -> tuple[list[int], list[int]]:
    """The cells along x, and along y, at which a box begins or the cell before was the last of one."""
    ends = [
        {edge for tile in prior.tiles for edge in (tile.place.cells[axis].start, tile.place.cells[axis].stop)} for axis in (0, 1)
    ]
    x, y = (sorted(found - {0, prior.shape[axis]}) for axis, found in enumerate(ends))
    return x, y


def seam_figures(values: NDArray[Any], edges: tuple[Sequence[int], Sequence[int]]) -> dict[str, Any]:
    """Contrasts of values (n, nx, ny, nz) across planes at `edges`, over those across all other planes."""
    steps = [np.abs(np.diff(values, axis=1 + axis)) for axis in (0, 1)]
    planes = {"gamma": [s**2 / 2 for s in steps], "jumps": [(s > JUMP).astype(float) for s in steps]}
    return {
        f"{key}{part}": value
        for key, both in planes.items()
        for part, value in zip(("_ratio", "_error"), _ratio(both, edges), strict=True)
    }


def _ratio(steps: Sequence[NDArray[Any]], edges: Sequence[Sequence[int]]) -> tuple[float | None, float | None]:
    """Mean across the edges over the mean elsewhere, and its standard error."""
    at: list[float] = []
    inside: list[float] = []
    for axis, step in enumerate(steps):
        plane = step.mean(axis=tuple(k for k in range(4) if k != 1 + axis))
        edge = np.isin(np.arange(len(plane)) + 1, edges[axis])
        at, inside = [*at, *plane[edge]], [*inside, *plane[~edge]]
    if len(at) < 2 or not np.any(inside):
        return None, None
    mean = float(np.mean(inside))
    error = math.hypot(np.std(at, ddof=1) / math.sqrt(len(at)), np.std(inside, ddof=1) / math.sqrt(len(inside)))
    return float(np.mean(at)) / mean, error / mean


def _peak() -> float:
    """The most memory (GiB) that this process has held."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / GIB


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """A table of rows."""
    lines = [f"{'cells':18}{'wells':>6}{'boxes':>7}{'CPU s':>9}{'us/cell':>9}{'peak GiB':>10}{'variogram':>16}{'jumps':>16}"]
    for each in found:
        shape = " x ".join(str(k) for k in each["shape"])
        cost = f"{each['cpu_s']:9.2f}{each['us_per_cell']:9.1f}{each['peak_gib']:10.2f}"
        lines.append(
            f"{shape:18}{each['wells']:6}{each['tiles']:7}{cost}{_with_error(each, 'gamma')}{_with_error(each, 'jumps')}"
        )
    return "\n".join([*lines, "variogram, jumps: across the borders of boxes over those elsewhere, with the standard error."])


def _with_error(row: Mapping[str, Any], key: str) -> str:
    ratio, error = row.get(f"{key}_ratio"), row.get(f"{key}_error")
    return f"{'-':>16}" if ratio is None else f"{f'{ratio:.3f} +- {error:.3f}':>16}"


def shape_of(given: str) -> Shape:
    """The shape that 64x64x16 stands for. Raises GempyGanError for anything else."""
    parts = given.lower().split("x")
    if len(parts) != 3 or not all(part.isdigit() and int(part) for part in parts):
        raise GempyGanError(f"{given!r} is no number of cells. Expected one like 256x256x64.")
    nx, ny, nz = (int(part) for part in parts)
    return nx, ny, nz
