"""Columns of sediment: what the channel, its floods and its splays take away and lay down.

Each cell keeps the thickness, the mean coarse fraction and the mean deposition time of what it holds. Sediment is taken from
the top and laid on top, and deposition goes on in the order of time. So whatever a cell holds was laid down before
anything in the cell above it, and mean times never decrease upwards; the updates below keep this exact in floating point.

All functions are in one module because numba's cache on disk does not notice when a function of another module changes
(`river.py`, which needs several, tells it).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

FLOODPLAIN, LEVEE, SPLAY, LAG, BAR, PLUG = range(6)
MUD = 0.05  # coarse fraction of the finest deposits
FACIES = {FLOODPLAIN: "floodplain", LEVEE: "levee", SPLAY: "splay", LAG: "channel lag", BAR: "point bar", PLUG: "plug"}
THICKNESS, COARSE, TIME = range(3)  # what a cell holds

FAR = 1e9  # metres: farther from the river than was looked for
SKEW = 0.35  # how much deeper a bend is at its outer bank, and shallower at its inner bank
MARGIN = 1.3  # half-widths from the centreline, up to which a point bar is completed at the inner bank
BAR_TOP = 0.12  # channel depths below the banks that a complete point bar reaches
FINING = 1.3  # exponent of fining over the height of a point bar
LIFTS = 6  # parts, at most, in which a step's lateral accretion fines upwards
LAG_HEIGHT = 0.12  # of the channel's depth, up to which its deposits are lag
BENCH = 0.45  # share of the coarse fraction that benches at the outer bank lack
HOLLOW = 0.35  # channel depths below the banks around which a hollow starts to be an abandoned channel
LEVEL_DECAY = 4  # distances over which the flood level falls by e, in those over which the overbank rate does
LEVEE_WIDTH = 1.2  # channel widths over which the coarse fraction of overbank deposits falls by e
SILT = 0.35  # coarse fraction of a plug at the river
STRIDE = 4  # columns between those where the distance to the river is computed far from it
PATCH = 8  # columns between those where the scatter of overbank deposition is given


class Columns(NamedTuple):
    """The box while it fills: surface (nx, ny) in metres above the first cell's base, and what is in the cells.

    `cells` (nx, ny, cells, 3) holds thickness in metres, mean coarse fraction and mean deposition time, side by side because
    they are used together. `facies` (nx, ny, cells, 6) holds each facies' thickness, or is (nx, ny, cells, 0) where nobody
    asked for them. `plug_top` and `plug` (nx, ny) are the top and the thickness of the youngest plug of a column.
    """

    surface: NDArray[np.float64]
    cells: NDArray[np.float64]
    facies: NDArray[np.float64]
    plug_top: NDArray[np.float64]
    plug: NDArray[np.float64]
    dx: float
    dy: float
    dz: float


def new_columns(
    shape: tuple[int, int], cell_size: tuple[float, float, float], height: float, base: float, facies: bool
) -> Columns:
    """Columns filled with mud up to `base`, with room up to `height` (metres)."""
    dx, dy, dz = cell_size
    count = int(np.ceil(height / dz)) + 1
    filled = np.clip(base - np.arange(count) * dz, 0, dz)
    # a layer lies together in memory, because the surfaces of neighbouring columns are mostly in the same layer
    cells = np.zeros((count, *shape, 3)).transpose(1, 2, 0, 3)
    cells[..., THICKNESS], cells[..., COARSE] = filled, MUD
    parts = np.zeros((*shape, count, len(FACIES) if facies else 0))
    if facies:
        parts[..., FLOODPLAIN] = filled
    return Columns(np.full(shape, float(base)), cells, parts, np.zeros(shape), np.zeros(shape), dx, dy, dz)


@njit(cache=True)
def erode(columns, i, j, to):
    """Take away what column (i, j) holds above the elevation `to`; a cell that stays in part keeps its means."""
    cells, dz = columns.cells[i, j], columns.dz
    top = min(int(np.floor(columns.surface[i, j] / dz)), cells.shape[0] - 1)
    last = max(int(np.floor(to / dz)), 0)
    for k in range(last, top + 1):
        kept = min(max(to - k * dz, 0.0), cells[k, THICKNESS])
        if columns.facies.shape[3] > 0 and cells[k, THICKNESS] > 0:
            columns.facies[i, j, k] *= kept / cells[k, THICKNESS]
        cells[k, THICKNESS] = kept
    columns.plug[i, j] -= min(max(columns.plug_top[i, j] - to, 0.0), columns.plug[i, j])
    columns.plug_top[i, j] = min(columns.plug_top[i, j], to)
    columns.surface[i, j] = to


@njit(cache=True)
def deposit(columns, i, j, to, coarse, time, facies):
    """Fill column (i, j) up to the elevation `to` with sediment of one coarse fraction, time and facies."""
    cells, dz, z = columns.cells[i, j], columns.dz, columns.surface[i, j]
    k = max(int(np.floor(z / dz)), 0)
    while z < to - 1e-9 and k < cells.shape[0]:
        added = min(to, (k + 1) * dz) - z
        if added > 0:
            share = added / (cells[k, THICKNESS] + added)
            if share >= 1.0:
                cells[k, COARSE], cells[k, TIME] = coarse, time
            else:
                cells[k, COARSE] += share * (coarse - cells[k, COARSE])
                # rounding must not make a cell younger than its youngest grain
                cells[k, TIME] = min(cells[k, TIME] + share * (time - cells[k, TIME]), time)
            cells[k, THICKNESS] += added
            if columns.facies.shape[3] > 0:
                columns.facies[i, j, k, facies] += added
            z += added
        k += 1
    columns.surface[i, j] = to


class River(NamedTuple):
    """What of the river stays the same while it deposits; lengths in metres, fractions 0 to 1, rates per step."""

    width: float
    depth: float
    coarsest: float
    finest: float
    levee: float
    overbank_lambda: float
    flood_height: float


class Near(NamedTuple):
    """Where each column (nx, ny) lies: distance to the centreline in metres, side (1 left, -1 right) and curvature of the
    river there, per width. The first `listed[0]` of `columns` (i, j) are near the river; the distance of all others is FAR.
    """

    distance: NDArray[np.float64]
    side: NDArray[np.float64]
    bend: NDArray[np.float64]
    columns: NDArray[np.int64]
    listed: NDArray[np.int64]


def new_near(shape: tuple[int, int]) -> Near:
    """No column is near a river."""
    distance, columns = np.full(shape, FAR), np.zeros((shape[0] * shape[1], 2), dtype=np.int64)
    return Near(distance, np.zeros(shape), np.zeros(shape), columns, np.zeros(1, dtype=np.int64))


@njit(cache=True)
def locate(x, y, bends, reach, columns, near):
    """Fill `near` for the columns within `reach` (metres) of the centreline, and for some that are a little farther."""
    nx, ny = near.distance.shape
    for k in range(near.listed[0]):
        near.distance[near.columns[k, 0], near.columns[k, 1]] = FAR
    count = 0
    for i in range(x.size - 1):
        ex, ey = x[i + 1] - x[i], y[i + 1] - y[i]
        squared = ex * ex + ey * ey + 1e-12
        a0 = max(int((min(x[i], x[i + 1]) - reach) / columns.dx), 0)
        a1 = min(int((max(x[i], x[i + 1]) + reach) / columns.dx) + 1, nx)
        b0 = max(int((min(y[i], y[i + 1]) - reach) / columns.dy), 0)
        b1 = min(int((max(y[i], y[i + 1]) + reach) / columns.dy) + 1, ny)
        for a in range(a0, a1):
            px = (a + 0.5) * columns.dx - x[i]
            for b in range(b0, b1):
                py = (b + 0.5) * columns.dy - y[i]
                t = min(max((px * ex + py * ey) / squared, 0.0), 1.0)
                d = (px - t * ex) ** 2 + (py - t * ey) ** 2
                if d < near.distance[a, b]:
                    if near.distance[a, b] == FAR:
                        near.columns[count] = a, b
                        count += 1
                    near.distance[a, b] = d
                    near.side[a, b] = 1.0 if ex * py - ey * px > 0 else -1.0
                    near.bend[a, b] = bends[i] + t * (bends[i + 1] - bends[i])
    near.listed[0] = count
    for k in range(count):
        a, b = near.columns[k, 0], near.columns[k, 1]
        near.distance[a, b] = np.sqrt(near.distance[a, b])


@njit(cache=True)
def bank_plugs(x, y, columns, river, bank):
    """Share of plug mud in the left and the right bank at each node (nodes, 2)."""
    nx, ny = columns.surface.shape
    share = np.zeros((x.size, 2))
    reach = 0.5 * river.width + 0.5 * max(columns.dx, columns.dy)
    for i in range(1, x.size - 1):
        tx, ty = x[i + 1] - x[i - 1], y[i + 1] - y[i - 1]
        length = np.hypot(tx, ty) + 1e-9
        for s in range(2):
            across = reach if s == 0 else -reach
            a = int(np.floor((x[i] - across * ty / length) / columns.dx))
            b = int(np.floor((y[i] + across * tx / length) / columns.dy))
            if 0 <= a < nx and 0 <= b < ny:
                top = min(columns.plug_top[a, b], bank)
                base = max(columns.plug_top[a, b] - columns.plug[a, b], bank - river.depth)
                share[i, s] = min(max(top - base, 0.0) / river.depth, 1.0)
    return share


@njit(cache=True)
def flow(columns, near, river, bank, energy, time):
    """The channel's step: erode down to its section, or accrete up to it, fining upwards.

    The section is a parabola whose deepest point is shifted towards the outer bank of a bend.
    """
    floor, ceiling = bank - river.depth, bank - BAR_TOP * river.depth
    for k in range(near.listed[0]):
        i, j = near.columns[k, 0], near.columns[k, 1]
        across = near.distance[i, j] / (0.5 * river.width)
        bend = near.bend[i, j]
        outer = -near.side[i, j] * np.sign(bend)
        if across < 1.0:
            skew = SKEW * min(2.0 * abs(bend), 1.0) * outer
            bed = bank - river.depth * (1 - across * across) * (1 + skew * across)
        elif across < MARGIN and outer < 0:
            bed = bank  # the river has just moved on, and has completed its bar
        else:
            continue
        z = columns.surface[i, j]
        if z > bed and across < 1.0:
            erode(columns, i, j, bed)
            continue
        bed = min(bed, ceiling)
        if z < bed - 1e-6:
            lifts = min(1 + int((bed - z) / (0.5 * columns.dz)), LIFTS)
            bench = 1 - BENCH * max(outer, 0.0) * across * min(3.0 * abs(bend), 1.0)
            for lift in range(lifts):
                height = (z + (lift + 0.5) * (bed - z) / lifts - floor) / river.depth
                height = min(max(height, 0.0), 1.0)
                coarse = (river.coarsest - (river.coarsest - river.finest) * height**FINING) * bench * energy
                facies = LAG if height < LAG_HEIGHT else BAR
                deposit(columns, i, j, z + (lift + 1) * (bed - z) / lifts, min(max(coarse, 0.02), 1.0), time, facies)


@njit(cache=True)
def distances(x, y, columns):
    """Distance to the centreline at every STRIDE-th column corner, and beyond the box's far edges."""
    nx, ny = columns.surface.shape
    out = np.empty((nx // STRIDE + 2, ny // STRIDE + 2))
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            px, py, nearest = a * STRIDE * columns.dx, b * STRIDE * columns.dy, 1e18
            for i in range(0, x.size, 2):
                nearest = min(nearest, (x[i] - px) ** 2 + (y[i] - py) ** 2)
            out[a, b] = np.sqrt(nearest)
    return out


@njit(cache=True)
def between(grid, i, j, stride):
    """Bilinear interpolation, at the centre of column (i, j), of values at every stride-th column corner."""
    u, v = (i + 0.5) / stride, (j + 0.5) / stride
    a, b = int(u), int(v)
    u, v = u - a, v - b
    low = grid[a, b] * (1 - v) + grid[a, b + 1] * v
    return low * (1 - u) + (grid[a + 1, b] * (1 - v) + grid[a + 1, b + 1] * v) * u


@njit(cache=True)
def flood(x, y, columns, near, river, bank, rise, filled, background, noise, time):
    """Overbank deposition over one interval, after Howard (1992): towards the flood level, at a rate that decays with distance.

    `rise` is the discharge of the interval (about 1), `filled` the rate at the bank times the interval, `background` the part of
    the rate that does not decay, `noise` relative scatter at every PATCH-th column corner.
    """
    nx, ny = columns.surface.shape
    far = distances(x, y, columns)
    half = 0.5 * river.width
    for i in range(nx):
        for j in range(ny):
            d = near.distance[i, j]
            if d < half:
                continue
            d = max((d if d < FAR else between(far, i, j, STRIDE)) - half, 0.0)
            z = columns.surface[i, j]
            height = np.exp(-d / (LEVEL_DECAY * river.overbank_lambda))
            room = bank + river.flood_height * rise * river.depth * height - z
            if room <= 0:
                continue
            hollow = min(max(((bank - z) / river.depth - HOLLOW) / HOLLOW + 0.5, 0.0), 1.0)
            scatter = max(1 + between(noise, i, j, PATCH), 0.0) * (1 + 0.5 * hollow)
            rate = filled * (background + height**LEVEL_DECAY) * scatter
            z += room * rate / (1 + rate)
            sand = np.exp(-d / (LEVEE_WIDTH * river.width)) if d < 6 * LEVEE_WIDTH * river.width else 0.0
            coarse = (1 - hollow) * (river.levee - MUD) * sand + hollow * (SILT - MUD) * sand * sand
            facies = PLUG if hollow > 0.5 else LEVEE if sand > 0.4 else FLOODPLAIN
            if facies == PLUG:
                if columns.surface[i, j] - columns.plug_top[i, j] > 0.1 * river.depth:
                    columns.plug[i, j] = 0.0  # a new one, far above the last
                columns.plug[i, j] += z - columns.surface[i, j]
                columns.plug_top[i, j] = z
            deposit(columns, i, j, z, MUD + coarse, time, facies)


@njit(cache=True)
def breach(x, y, toward_x, toward_y, length, half_width, thickness, columns, near, river, time):
    """A crevasse splay: a lobe from (x, y) along the unit vector `toward`, thinning and fining outwards."""
    nx, ny = columns.surface.shape
    for i in range(nx):
        for j in range(ny):
            px, py = (i + 0.5) * columns.dx - x, (j + 0.5) * columns.dy - y
            along = (px * toward_x + py * toward_y) / length
            if along < 0 or along > 1 or near.distance[i, j] < 0.5 * river.width:
                continue
            opening = half_width * (0.25 + 0.75 * np.sin(0.5 * np.pi * along + 0.2))
            across = (py * toward_x - px * toward_y) / opening
            added = thickness * (1 - across * across) * (1 - along)
            if added > 1e-3:
                coarse = MUD + (0.9 * river.finest + 0.1 - MUD) * (1 - along)
                deposit(columns, i, j, columns.surface[i, j] + added, coarse, time, SPLAY)


@njit(cache=True)
def fill(columns, to, time):
    """Mud up to the elevation `to`, wherever the surface is lower."""
    nx, ny = columns.surface.shape
    for i in range(nx):
        for j in range(ny):
            if columns.surface[i, j] < to:
                deposit(columns, i, j, to, MUD, time, PLUG)
