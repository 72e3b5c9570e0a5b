"""How every picture looks: colours, labels, scales."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.properties import Property

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008), told apart with every kind of colour vision; sand is yellow and mud grey, as on most logs
OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")
BY_NAME = {"sand": "#F0E442", "channel": "#E69F00", "bar": "#E69F00", "levee": "#009E73", "splay": "#56B4E9"}
FINE_GRAINED = ("mud", "shale", "clay", "flood", "background", "fine")
GREY, INK, ACCENT = "#999999", "#222222", "#D55E00"
VALUES, SPREAD, AMPLITUDE = "viridis", "cividis", "RdBu_r"
LIMIT_REALIZATIONS = 20  # from which colour limits are taken
PERCENTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
NICE = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200)


@dataclass(frozen=True)
class Picture:
    """Values to be drawn (nx, ny, nz), what they are called, and their colours; `ticks` names facies codes."""

    values: NDArray[np.float64]
    title: str
    label: str
    cmap: Any
    norm: Any
    ticks: dict[float, str]

    def colorbar(self, mesh: Any, ax: Axes) -> None:
        """A colour bar beside the axes, with the facies' names where there are any."""
        bar = ax.figure.colorbar(mesh, ax=ax, label=self.label, shrink=0.8, aspect=25, pad=0.02)
        if self.ticks:
            bar.set_ticks(list(self.ticks), labels=list(self.ticks.values()))
            bar.ax.minorticks_off()


def figure(width: float = 7.0, height: float = 5.0, layout: Literal["constrained", "compressed"] = "constrained") -> Figure:
    """An empty figure that belongs to no window and needs no closing; "compressed" suits rows of maps."""
    from gempy_gan.plot.shown import ShownFigure

    return ShownFigure(figsize=(width, height), layout=layout)


def axes(ax: Axes | None, width: float = 7.0, height: float = 5.0) -> Axes:
    """The axes given, or those of a new figure."""
    return figure(width, height, "compressed").add_subplot() if ax is None else ax


def figure_of(ax: Axes) -> Figure:
    """The figure that an axes belongs to, also within subfigures."""
    found = ax.get_figure(root=True)
    assert found is not None  # noqa: S101  # an axes that was just drawn into has one
    return found


def named(ensemble: Ensemble, property: str | None) -> Property:
    """The property to be drawn: the first one where none is named."""
    return ensemble.properties[0] if property is None else ensemble.property(property)


def label(prop: Property) -> str:
    """Name and unit of a property."""
    name = prop.name.replace("_", " ")
    return name if prop.unit in ("", "1") else f"{name} ({prop.unit})"


def picture(ensemble: Ensemble, property: str | None, show: int | str) -> Picture:
    """What to draw: a realization by its position, or a statistic by its name.

    "mean", "std", "p10", "p50", "p90" of a continuous property; "entropy" of facies, or the probability of one by its name.
    Cells that are not active are NaN. Raises GempyGanError for anything else, naming what there is.
    """
    prop = named(ensemble, property)
    allowed = [*prop.facies.values(), "entropy"] if prop.is_facies else ["mean", "std", *PERCENTILES]
    if isinstance(show, str) and show not in allowed:
        raise GempyGanError(
            f"{show!r} of {prop.name!r} was asked for. Expected a realization's position or: {', '.join(allowed)}."
        )
    found = _realization(ensemble, prop, show) if not isinstance(show, str) else _statistic(ensemble, prop, show)
    found.values[~ensemble.grid.active_cells] = np.nan
    return found


def _realization(ensemble: Ensemble, prop: Property, index: int) -> Picture:
    if not -len(ensemble) <= index < len(ensemble):
        raise GempyGanError(f"Realization {index} was asked for, and the ensemble holds {len(ensemble)}. Count from 0.")
    values = ensemble.dataset[prop.name].isel(realization=index).values.astype(np.float64)
    title = f"{prop.name.replace('_', ' ')}, realization {ensemble.numbers[index]}"
    return Picture(values, title, "" if prop.is_facies else label(prop), *colours(ensemble, prop))


def _statistic(ensemble: Ensemble, prop: Property, show: str) -> Picture:
    from matplotlib.colors import Normalize

    name = prop.name.replace("_", " ")
    if prop.is_facies:
        share = ensemble.probability(prop.name).values.astype(np.float64)
        if show == "entropy":
            from gempy_gan.scores import entropy

            most = float(np.log(max(len(share), 2)))
            return Picture(entropy(share), f"entropy of {name}", "entropy (nats)", SPREAD, Normalize(0, most), {})
        place = list(prop.facies.values()).index(show)
        return Picture(share[place], f"probability of {show}", "probability", SPREAD, Normalize(0, 1), {})
    if show == "std":
        values = ensemble.std(prop.name).values.astype(np.float64)
        top = float(np.quantile(values[ensemble.grid.active_cells], 0.99)) or 1.0
        unit = "" if prop.unit in ("", "1") else f" ({prop.unit})"
        return Picture(values, f"standard deviation of {name}", f"std{unit}", SPREAD, Normalize(0, top), {})
    found = ensemble.mean(prop.name) if show == "mean" else ensemble.quantile(prop.name, PERCENTILES[show])
    title = f"{'mean' if show == 'mean' else show.upper()} of {name}"
    return Picture(found.values.astype(np.float64), title, label(prop), *colours(ensemble, prop))


def colours(ensemble: Ensemble, prop: Property) -> tuple[Any, Any, dict[float, str]]:
    """Colour map, norm and tick names of a property, the same in every picture of one ensemble."""
    from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize

    if prop.is_facies:
        codes = list(prop.facies)
        middles = [(a + b) / 2 for a, b in pairwise(codes)]
        edges = [codes[0] - 0.5, *middles, codes[-1] + 0.5]
        centres = [(a + b) / 2 for a, b in pairwise(edges)]
        names = dict(zip(centres, prop.facies.values(), strict=True))
        return ListedColormap(facies_colours(prop)), BoundaryNorm(edges, len(codes)), names
    step = math.ceil(len(ensemble) / LIMIT_REALIZATIONS)
    values = ensemble.dataset[prop.name].isel(realization=slice(None, None, step)).values[:, ensemble.grid.active_cells]
    low, high = np.nanquantile(values, (0.01, 0.99))
    if prop.unit in ("", "1") and low >= -0.05 and 0.5 < high <= 1.05:
        low, high = 0.0, 1.0  # a fraction
    return VALUES, Normalize(float(low), float(high) if high > low else float(low) + 1), {}


def facies_colours(prop: Property) -> list[str]:
    """One colour per facies, by its name where that says what it is, otherwise in the palette's order."""
    chosen: list[str] = []
    for name in prop.facies.values():
        words = name.lower()
        known = GREY if any(word in words for word in FINE_GRAINED) else next((c for w, c in BY_NAME.items() if w in words), None)
        free = next((colour for colour in (*OKABE_ITO, GREY) if colour not in chosen), GREY)
        chosen.append(known if known is not None and known not in chosen else free)
    return chosen


def plain(ax: Axes, x: bool = True, y: bool = True) -> None:
    """A few ticks, in full numbers: map coordinates must be readable, not offset by a power of ten."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    for axis, wanted in ((ax.xaxis, x), (ax.yaxis, y)):
        if wanted:
            formatter = ScalarFormatter(useOffset=False)
            formatter.set_scientific(False)
            axis.set_major_formatter(formatter)
            axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))


def exaggeration(width: float, height: float, target: float = 0.4) -> float:
    """A round vertical exaggeration that makes a section about `target` times as high as it is wide."""
    return float(min(NICE, key=lambda factor: abs(np.log(factor * height / (target * width)))))
