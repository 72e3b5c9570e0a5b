"""What the page draws: an ensemble's geometry, values and wells as plain JSON values, its arrays packed into text."""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.constraints import Constraints, HardData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.formats.faulted import is_faulted, split_heights
from gempy_gan.frame import Frame
from gempy_gan.grid import Grid
from gempy_gan.plot import style
from gempy_gan.plot.positions import wells_of
from gempy_gan.properties import Property
from gempy_gan.scores import entropy

LEVELS, NONE = 254, 255  # steps of a value from its low to its high, and what stands for no value
ROUNDED = (1, 2, 4)  # of these steps, as many at once as it takes
MOST_CELLS = 300_000  # that a phone still turns smoothly

Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]


@dataclass(frozen=True)
class Thinned:
    """Which cells of a grid are drawn: each `step`-th along x, y and z, standing for the cells around it."""

    grid: Grid
    step: tuple[int, int, int]

    @classmethod
    def of(cls, grid: Grid, most: int = MOST_CELLS) -> Thinned:
        """As few left out as keep the number of cells below `most`; layers are left out last."""
        step = [1, 1, 1]
        while math.prod(-(-n // s) for n, s in zip(grid.resolution, step, strict=True)) > most:
            counts = [n / s for n, s in zip(grid.resolution, step, strict=True)]
            step[int(np.argmax([counts[0], counts[1], counts[2] / 2]))] += 1
        return cls(grid, (step[0], step[1], step[2]))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells drawn along x, y and z."""
        nx, ny, nz = (-(-n // s) for n, s in zip(self.grid.resolution, self.step, strict=True))
        return nx, ny, nz

    def take(self, values: NDArray[Any]) -> NDArray[Any]:
        """Values (nx, ny, nz) of the cells in the middle of what they stand for."""
        middles = [np.minimum(np.arange(0, n, s) + s // 2, n - 1) for n, s in zip(self.grid.resolution, self.step, strict=True)]
        return values[np.ix_(*middles)]

    def faces(self, axis: int) -> NDArray[np.int64]:
        """Numbers of the faces between the cells drawn along an axis, the last one the end of the grid."""
        n = self.grid.resolution[axis]
        return np.append(np.arange(0, n, self.step[axis]), n)


@dataclass
class Budget:
    """How many characters may still be used, and what had to be left out for it."""

    left: int
    notes: list[str] = field(default_factory=list)


def scene(
    ensemble: Ensemble,
    properties: Sequence[Property],
    constraints: Constraints | None,
    held_out: Constraints | None,
    budget: Budget,
) -> dict[str, Any]:
    """Everything that the page draws. The budget tells afterwards what was left out.

    Raises GempyGanError when not even one realization fits into it.
    """
    thin = Thinned.of(ensemble.grid)
    if max(thin.step) > 1:
        cells = " x ".join(str(s) for s in thin.step)
        budget.notes.append(f"Of each {cells} cells one is drawn, with the value in their middle.")
    geometry, origin = _geometry(thin)
    heights = geometry.pop("heights")
    budget.left -= len(geometry.get("data", ""))
    drawn = _properties(ensemble, properties, thin, budget)
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    width = math.hypot(*(ensemble.grid.extent[2 * k + 1] - ensemble.grid.extent[2 * k] for k in range(2)))
    return {
        "shape": thin.shape,
        "stride": thin.step,
        "origin": origin.tolist(),
        "geometry": geometry,
        "top": high,
        "bottom": low,
        "width": width,
        "exaggeration": max(1.0, style.exaggeration(width, high - low, 0.2)),
        "slices": [n // 2 for n in thin.shape],
        "properties": drawn,
        "wells": [
            *_wells(ensemble, properties, constraints, origin),
            *_wells(ensemble, properties, held_out, origin, " (held out)"),
        ],
        "marks": _marks(ensemble.grid, origin, low),
        "luts": {"value": _lut(style.VALUES), "spread": _lut(style.SPREAD)},
    }


def pack(array: NDArray[Any]) -> str:
    """An array as text: its bytes in C order, gzipped, in base 64."""
    return base64.b64encode(gzip.compress(np.ascontiguousarray(array).tobytes(), 9, mtime=0)).decode()


def quantized(values: Floats, low: float, high: float, active: NDArray[np.bool_], coarse: int = 1) -> Codes:
    """Values as steps 0 to 254 from low to high, those beyond at the ends; 255 where there is none.

    `coarse` steps are taken at once.
    """
    with np.errstate(invalid="ignore"):
        codes = np.minimum(coarse * np.round(LEVELS / coarse * np.clip((values - low) / (high - low), 0, 1)), LEVELS)
    return np.where(active & np.isfinite(values), codes, NONE).astype(np.uint8)


def _geometry(thin: Thinned) -> tuple[dict[str, Any], Floats]:
    """Where the cells are, relative to the middle of the grid on the map and z = 0, and that middle; `heights` are for the scene.

    A plain box needs its ends alone. Layers that follow a unit share their nodes, unless a fault offsets them: then each column
    has heights of its own.
    """
    grid = thin.grid
    corner, along, across = (
        Frame(grid.extent, grid.rotation).to_model([uvt])[0]
        for uvt in ((0, 0, 0), (1 / grid.resolution[0], 0, 0), (0, 1 / grid.resolution[1], 0))
    )
    origin = np.array([*Frame(grid.extent, grid.rotation).to_model([(0.5, 0.5, 0)])[0][:2], 0.0])
    step = [along - corner, across - corner]
    found: dict[str, Any] = {
        "map": [(corner - origin)[:2].tolist(), (step[0] * thin.step[0])[:2].tolist(), (step[1] * thin.step[1])[:2].tolist()]
    }
    if type(grid.frame) is Frame:
        heights = np.array(grid.extent[4:])
        kind = "box"
    else:
        kind = "columns" if is_faulted(grid) else "nodes"
        heights = _column_heights(thin) if kind == "columns" else _node_heights(thin)
    low, high = float(np.nanmin(heights)), float(np.nanmax(heights))
    found |= {"kind": kind, "low": low, "high": high, "heights": heights}
    if kind != "box":
        steps = np.nan_to_num(np.round(65535 * (heights - low) / max(high - low, 1e-9)))
        found |= {"data": pack(steps.astype("<u2")), "joint": 0.1 * grid.cell_size[2]}
    return found, origin


def _node_heights(thin: Thinned) -> Floats:
    """Heights (nx + 1, ny + 1, nz + 1) of the corners that cells share."""
    faces = [thin.faces(k) for k in range(3)]
    index = np.stack(np.meshgrid(*faces, indexing="ij"), axis=-1).reshape(-1, 3) - 0.5
    return np.asarray(thin.grid.xyz(index)[:, 2].reshape([len(f) for f in faces]))


def _column_heights(thin: Thinned) -> Floats:
    """Heights (nx, ny, 2, 2, nz + 1) of the corners of each column; of columns left out, those of the one in their middle."""
    whole = split_heights(thin.grid)
    middles = [
        np.minimum(np.arange(0, n, s) + s // 2, n - 1) for n, s in zip(thin.grid.resolution[:2], thin.step[:2], strict=True)
    ]
    return np.asarray(whole[middles[0]][:, middles[1]][..., thin.faces(2)])


def _properties(ensemble: Ensemble, properties: Sequence[Property], thin: Thinned, budget: Budget) -> list[dict[str, Any]]:
    """Each property with its layers: statistics of all realizations, then as many realizations as there is room for.

    Where not all fit, their values are rounded first, which packs them closer, and then some are left out.
    """
    found = [_statistics(ensemble, prop, thin) for prop in properties]
    budget.left -= sum(len(layer["data"]) for own in found for layer in own["layers"])
    for coarse in ROUNDED:
        packed = [_realization(ensemble, prop, thin, 0, coarse) for prop in properties]
        room = budget.left / (1.05 * sum(len(layer["data"]) + 120 for layer in packed))  # realizations differ a little in size
        if room >= len(ensemble):
            break
    if room < 1:
        raise GempyGanError(
            f"There is room for {room:.2f} realizations on a page of this size. Allow more megabytes, or take a coarser grid."
        )
    chosen = np.unique(np.linspace(0, len(ensemble) - 1, min(len(ensemble), int(room))).astype(int))
    budget.notes += _sacrifices(coarse, len(chosen), len(ensemble))
    for own, prop in zip(found, properties, strict=True):
        first = len(own["layers"])
        own["layers"] += [_realization(ensemble, prop, thin, int(index), coarse) for index in chosen]
        own["realizations"] = [first, len(own["layers"])]
    return found


def _sacrifices(coarse: int, drawn: int, all_of_them: int) -> Iterator[str]:
    """What was given up for the size of the page."""
    if coarse > 1:
        yield f"Values of realizations are rounded to 1/{LEVELS // coarse} of the colour scale, for the size of the page."
    if drawn < all_of_them:
        yield (
            f"{drawn} of {all_of_them} realizations are in this page, for its size; mean, spread and probabilities by name are "
            "those of all of them."
        )


def _statistics(ensemble: Ensemble, prop: Property, thin: Thinned) -> dict[str, Any]:
    """A property without realizations: its name, its range, and what all realizations say together."""
    active = thin.take(ensemble.grid.active_cells)
    low, high = _limits(ensemble, prop)
    own: dict[str, Any] = {"name": style.label(prop), "low": low, "high": high, "first": 0}
    if prop.is_facies:
        own |= {"facies": list(prop.facies.values()), "first": len(prop.facies) - 1}
    own["layers"] = [
        {
            "label": label,
            "low": a,
            "high": b,
            "unit": unit,
            "lut": lut,
            "start": start,
            "data": pack(quantized(values, a, b, active)),
        }
        for label, values, a, b, unit, lut, start in _summaries(ensemble, prop, thin)
    ]
    return own


def _summaries(ensemble: Ensemble, prop: Property, thin: Thinned) -> Iterator[tuple[str, Floats, float, float, str, str, float]]:
    """Name, values, low, high, unit, colours and where the range starts at first."""
    if prop.is_facies:
        share = np.stack([thin.take(part) for part in ensemble.probability(prop.name).values])
        for name, part in zip(prop.facies.values(), share, strict=True):
            yield f"probability of {name}", part, 0.0, 1.0, "", "spread", 0.5
        yield "entropy", entropy(share), 0.0, float(np.log(max(len(share), 2))), "nats", "spread", 0.5
        return
    unit = "" if prop.unit == "1" else prop.unit
    low, high = _limits(ensemble, prop)
    yield "mean", thin.take(ensemble.mean(prop.name).values), low, high, unit, "value", 0.5
    deviation = thin.take(ensemble.std(prop.name).values)
    top = float(np.nanmax(deviation)) or 1.0
    yield "standard deviation", deviation, 0.0, top, unit, "spread", 0.5
    quantiles = ensemble.quantile(prop.name, list(style.PERCENTILES.values())).values
    for name, values in zip(style.PERCENTILES, quantiles, strict=True):
        yield name.upper(), thin.take(values), low, high, unit, "value", 0.5


def _limits(ensemble: Ensemble, prop: Property) -> tuple[float, float]:
    norm = style.colours(ensemble, prop)[1]
    return float(norm.vmin), float(norm.vmax)


def _realization(ensemble: Ensemble, prop: Property, thin: Thinned, index: int, coarse: int = 1) -> dict[str, Any]:
    """One realization as a layer."""
    values = thin.take(ensemble.dataset[prop.name].isel(realization=index).values)
    active = thin.take(ensemble.grid.active_cells)
    layer: dict[str, Any] = {
        "label": f"realization {ensemble.numbers[index]}",
        "weight": round(float(ensemble.weights[index]), 9),
        "start": 0.5,
        "unit": "" if prop.unit == "1" or prop.is_facies else prop.unit,
    }
    if prop.is_facies:
        place = np.searchsorted(list(prop.facies), values).astype(np.uint8)
        names = list(prop.facies.values())
        return {
            **layer,
            "low": 0,
            "high": LEVELS,
            "facies": names,
            "lut": _facies_lut(prop),
            "data": pack(np.where(active, place, NONE).astype(np.uint8)),
        }
    low, high = _limits(ensemble, prop)
    return {
        **layer,
        "low": low,
        "high": high,
        "lut": "value",
        "data": pack(quantized(values.astype(np.float64), low, high, active, coarse)),
    }


def _wells(
    ensemble: Ensemble, properties: Sequence[Property], data: Constraints | HardData | None, origin: Floats, word: str = ""
) -> Iterator[dict[str, Any]]:
    """The wells of the data: the way through their cells from top to bottom, and the values in them as colours."""
    for number, prop in enumerate(properties):
        low, high = _limits(ensemble, prop)
        for well in wells_of(data, prop.name):
            ends = [ensemble.grid.xyz(well.cells + np.array([0, 0, shift])) for shift in (0.5, -0.5)]
            path = np.vstack([ends[0][:1], (ends[1][:-1] + ends[0][1:]) / 2, ends[1][-1:]]) - origin
            places = np.searchsorted(list(prop.facies), well.values).tolist()
            steps = quantized(well.values, low, high, np.ones(len(well.values), dtype=np.bool_)).tolist()
            values = places if prop.is_facies else steps
            yield {"name": well.name + word, "property": number, "path": np.round(path, 2).tolist(), "values": values}


def _marks(grid: Grid, origin: Floats, low: float) -> list[dict[str, Any]]:
    """Coordinates at the corners of the grid, metres."""
    box = Frame(grid.extent, grid.rotation)
    found = []
    for uv in ((0, 0), (1, 0), (1, 1), (0, 1)):
        x, y, _ = box.to_model([(*uv, 0)])[0]
        found.append({"words": f"x {x:.0f}, y {y:.0f}, z {low:.0f} m", "place": [*(np.array([x, y]) - origin[:2]).tolist(), low]})
    return found


def _lut(name: str) -> str:
    """256 colours of a map, as bytes in base 64."""
    from matplotlib import colormaps

    return _bytes(colormaps[name](np.linspace(0, 1, LEVELS + 1)))


def _facies_lut(prop: Property) -> str:
    from matplotlib.colors import to_rgba_array

    return _bytes(to_rgba_array(style.facies_colours(prop)))


def _bytes(rgba: NDArray[Any]) -> str:
    table = np.zeros((256, 3), np.uint8)
    colours = np.round(255 * np.asarray(rgba, dtype=np.float64)[:, :3]).astype(np.uint8)
    table[: len(colours)] = colours[:256]
    table[len(colours) :] = colours[-1]
    return base64.b64encode(table.tobytes()).decode()
