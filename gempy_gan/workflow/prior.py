"""The prior of a study, and what it takes from the wells."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.constraints import Constraints, HardData
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.study import Study

if TYPE_CHECKING:
    from gempy_gan.prior import Prior


def prior_of(study: Study, known: Constraints) -> Prior:
    """The study's prior on its grid, as `prior_from` builds it."""
    return prior_from(study.prior["name"], known, **{key: value for key, value in study.prior.items() if key != "name"})


def prior_from(name: str, known: Constraints, **options: Any) -> Prior:
    """The prior `name` on the constraints' grid. Its options mean, std and quantiles may say "wells": those of the
    conditioning wells; mean may say "layers": the wells' mean of each layer; `rescaled_to` may say "grid": its cells. A prior
    that takes no quantiles itself gets them as a `MatchedPrior`, with `own` quantiles where they are stated.

    Raises PluginError for an unknown name, GempyGanError for options that it does not take, and when no well tells them.
    """
    from gempy_gan.inversion import prior_given
    from gempy_gan.plugins import registry

    statistics: dict[str, dict[str, Callable[..., Any]]] = {
        "mean": {"wells": _mean, "layers": _layer_means},
        "std": {"wells": _std},
        "quantiles": {"wells": _quantiles},
    }
    for key in statistics.keys() & options.keys():
        how = options[key]
        if isinstance(how, str):
            if how not in statistics[key]:
                allowed = " or ".join(f'"{word}"' for word in statistics[key])
                raise GempyGanError(f"The prior's {key} is {how!r}. Expected {allowed}, or numbers in the property's unit.")
            options[key] = statistics[key][how](_of_property(known, options.get("property")), known.grid)
    if options.get("rescaled_to") == "grid":
        options["rescaled_to"] = known.grid.cell_size
    if "quantiles" not in options or "quantiles" in inspect.signature(registry().get("priors", name).load()).parameters:
        return prior_given(name, known, **options)
    from gempy_gan.matching import MatchedPrior

    constrained = sorted({term.property for term in known.hard})
    property = options.pop("property", constrained[0] if len(constrained) == 1 else None)
    quantiles, own = options.pop("quantiles"), options.pop("own", None)
    return MatchedPrior(prior_given(name, known, **options), quantiles, property, own)


def _of_property(known: Constraints, name: str | None) -> HardData:
    """The hard data of a property, or of the only one. Raises GempyGanError when there are none, or it is not said which."""
    terms = [term for term in known.hard if name in (term.property, None)]
    if len({term.property for term in terms}) != 1:
        constrained = ", ".join(sorted({term.property for term in known.hard})) or "none"
        wanted = "its property" if name is None else repr(name)
        raise GempyGanError(
            f"The prior takes statistics of {wanted} from the wells, and they constrain: {constrained}. "
            "Say which property, or state numbers instead."
        )
    cells, values, std = (np.concatenate([getattr(term, part) for term in terms]) for part in ("cells", "values", "std"))
    return HardData(cells, values, std, terms[0].property)


def _mean(data: HardData, grid: Grid) -> float:
    """The mean of the wells' cells."""
    return float(data.values.mean())


def _layer_means(data: HardData, grid: Grid) -> list[float]:
    """The mean of the wells' cells of each layer, interpolated where no well passes."""
    layers = np.arange(grid.resolution[2])
    count = np.bincount(data.cells[:, 2], minlength=len(layers))
    total = np.bincount(data.cells[:, 2], weights=data.values, minlength=len(layers))
    filled = count > 0
    return [float(v) for v in np.interp(layers, layers[filled], total[filled] / count[filled])]


def _std(data: HardData, grid: Grid) -> float:
    """The standard deviation of the wells' cells about their mean."""
    return float(data.values.std())


def _quantiles(data: HardData, grid: Grid) -> list[float]:
    """Values of the wells' cells at probabilities 0, 0.05, ... 1."""
    return [float(v) for v in np.quantile(data.values, np.linspace(0, 1, 21))]
