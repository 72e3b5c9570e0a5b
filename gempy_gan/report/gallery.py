"""The pictures of a report, each with what it shows in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gempy_gan import plot
from gempy_gan.constraints import Constraints, HardData
from gempy_gan.ensemble import Ensemble
from gempy_gan.plot import style
from gempy_gan.plot.logs import PANELS
from gempy_gan.plot.positions import wells_of
from gempy_gan.properties import Property
from gempy_gan.report.markup import picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLATNESS = 0.25  # height of a section over its width
LEAST_CELLS = 4  # along each axis, for a variogram


def where(ensemble: Ensemble, constraints: Constraints | None) -> str:
    """The map of the first property, with the wells."""
    prop = ensemble.properties[0]
    wells = wells_of(constraints, prop.name)
    names = ", ".join(well.name for well in wells[:12]) + (" and others" if len(wells) > 12 else "")
    what = _central(prop)
    alt = f"Map of {_said(prop, what)} in the middle layer" + (f" with {len(wells)} wells: {names}." if wells else ".")
    caption = "Seen from above, in map coordinates." + (" Dots are wells, filled with the value they hold here." if wells else "")
    return picture(plot.plan(ensemble, prop.name, what, data=constraints), alt, caption)


def overview(ensemble: Ensemble, constraints: Constraints | None) -> str:
    """Realizations, what they have in common and where they differ, for every property."""
    return "".join(
        f"<h3>{prop.name.replace('_', ' ').capitalize()}</h3>{''.join(_of_property(ensemble, prop, constraints))}"
        for prop in ensemble.properties
    )


def _of_property(ensemble: Ensemble, prop: Property, constraints: Constraints | None) -> Iterator[str]:
    name = prop.name.replace("_", " ")
    wide = "entropy" if prop.is_facies else "std"
    if constraints is not None:
        alt = f"Maps of one realization of {name}, of {_said(prop, _central(prop))} and {_said(prop, wide)}; sections of two."
        caption = "A realization, what is expected and how sure it is, in one layer; two realizations in section; the wells."
        yield picture(plot.summary(ensemble, constraints, prop.name), alt, caption)
    for show in (_central(prop), wide) if prop is ensemble.properties[0] or constraints is None else ():
        title = _said(prop, show)
        alt = f"Vertical section of {title} through the middle of the grid."
        drawn = plot.section(ensemble, prop.name, show, data=constraints, ve=_exaggeration(ensemble))
        yield picture(drawn, alt, f"{title[4:].capitalize()} in section.")
    if prop.is_facies:
        alt = f"Maps of the probability of {', '.join(prop.facies.values())}, and of their entropy, in the middle layer."
        yield picture(plot.probability(ensemble, prop.name), alt, "How likely each facies is, and how unsure its choice.")
    if constraints is not None and len(wells_of(constraints, prop.name)) > 1:
        alt = f"Vertical section of one realization of {name} from well to well."
        drawn = plot.fence(ensemble, constraints, prop.name, ve=_exaggeration(ensemble))
        yield picture(drawn, alt, "One realization along the line through the wells.")


def fit(ensemble: Ensemble, constraints: Constraints | None) -> str:
    """Wells and seismic beside what the realizations say of them."""
    return "" if constraints is None else "".join(_fit(ensemble, constraints))


def _fit(ensemble: Ensemble, constraints: Constraints) -> Iterator[str]:
    yield from _logs(ensemble, constraints, "Wells that the ensemble was conditioned to")
    if constraints.soft or any(not ensemble.property(term.property).is_facies for term in constraints.hard):
        alt = (
            "Histograms of the differences between realizations and data in units of the data's errors, beside the normal curve."
        )
        seismic = (
            " Below: seismic as measured, as the first realization predicts it, and the difference." if constraints.soft else ""
        )
        caption = f"Differences should follow the curve; wider ones miss the data, narrower ones follow their noise.{seismic}"
        yield picture(plot.misfit(ensemble, constraints), alt + seismic, caption)


def held_out(ensemble: Ensemble, data: Constraints | HardData | None) -> str:
    """Wells that were held out beside what the realizations say there."""
    return "" if data is None else "".join(_logs(ensemble, data, "Wells that the ensemble was not shown"))


def ranks(record: Mapping[str, Any] | None) -> str:
    """Where held-out data fall among the realizations."""
    found = {} if record is None else record.get("ranks", {})
    alt = "Histogram of the ranks of held-out data among the realizations: {}."
    caption = "Flat where the spread is right; a U: too sure of itself; a hump: not sure enough; a slope: a bias."
    return "".join(
        picture(plot.rank_histogram(counts, name), alt.format(", ".join(map(str, counts))), caption)
        for name, counts in found.items()
    )


def texture(ensemble: Ensemble, baseline: Ensemble | None) -> str:
    """Variograms and connectivity beside those of unconditional realizations, where the ensemble holds a fraction throughout."""
    if baseline is None or not _has_texture(ensemble) or len(baseline) < 4:
        return ""
    alt = "Variograms and connectivity by direction and lag: the ensemble beside the range of unconditional realizations."
    caption = "Conditional realizations (generated) should still look like the prior (real): within the band, or near it."
    return picture(plot.curves(ensemble, baseline), alt, caption)


def _has_texture(ensemble: Ensemble) -> bool:
    whole = ensemble.grid.active_cells.all() and min(ensemble.grid.resolution) >= LEAST_CELLS
    named = ensemble.properties[0].name == "coarse_fraction"
    return bool(whole and named and len(ensemble) > 1 and "log_weight" not in ensemble.dataset)


def _logs(ensemble: Ensemble, data: Constraints | HardData, whose: str) -> Iterator[str]:
    for prop in ensemble.properties:
        wells = wells_of(data, prop.name)
        if not wells:
            continue
        drawn: Figure = plot.log_comparison(ensemble, data, property=prop.name)
        names = ", ".join(well.name for well in wells[:PANELS])
        more = f" The first {PANELS} of {len(wells)} wells." if len(wells) > PANELS else ""
        lines = "the facies' probabilities" if prop.is_facies else "realizations, their median and P10-P90 range"
        alt = f"Logs of {prop.name.replace('_', ' ')} in {names}: data beside {lines}."
        yield picture(drawn, alt, f"{whose}: data beside {lines}.{more}")


def _exaggeration(ensemble: Ensemble) -> float:
    """One for all sections, so that they can be compared."""
    x0, x1, _, _, z0, z1 = ensemble.grid.extent
    return style.exaggeration(x1 - x0, z1 - z0, FLATNESS)


def _central(prop: Property) -> str:
    return list(prop.facies.values())[-1] if prop.is_facies else "mean"


def _said(prop: Property, show: str) -> str:
    name = prop.name.replace("_", " ")
    words = {"mean": f"the mean of {name}", "std": f"the standard deviation of {name}", "entropy": f"the entropy of {name}"}
    return words.get(show, f"the probability of {show}")
