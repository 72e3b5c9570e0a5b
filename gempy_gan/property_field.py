"""An ensemble as the PropertyField of gempy_plugins.property_estimation, beside its kriging and its simulations."""

from __future__ import annotations

import contextlib
import importlib
import io
import warnings
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.geomodel import to_gempy


def to_property_field(ensemble: Ensemble, geo_model: Any, realization: int | None = None, property: str | None = None) -> Any:
    """A property on the regular grid of a computed GemPy model, as a `gempy_plugins.property_estimation` PropertyField.

    `values` and `variance` (nx, ny, nz) are the ensemble's mean and variance, as those of a kriging are; or, with
    `realization` (counted from 0), that realization, whose variance is NaN as that of a simulation is. Both are NaN outside
    the ensemble's unit. `domain_keys` are the domains, pairs (lithology, fault block), of the cells that have a value.
    `property=None` takes the first one.

    Raises GempyGanError when gempy_plugins is not installed, the model is not computed, facies are asked for without a
    realization, and what `to_gempy` raises.
    """
    kriging, domains = _plugin("kriging"), _plugin("domains")
    lithology, blocks = _arrays(domains, geo_model)
    name = ensemble.properties[0].name if property is None else property
    if realization is None:
        values = _on_model(ensemble, geo_model, name, ensemble.mean(name).values)
        variance = _on_model(ensemble, geo_model, name, ensemble.std(name).values ** 2)
    else:
        values = to_gempy(ensemble, geo_model, realization, name)
        variance = np.full(values.shape, np.nan)
    known = np.isfinite(values)
    keys = domains.domain_keys_from_arrays(lithology[known], blocks[known])
    return kriging.PropertyField(values=values, variance=variance, domain_keys=keys)


def _plugin(part: str) -> ModuleType:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore", DeprecationWarning)  # of GemPy's own dependencies
        try:
            return importlib.import_module(f"gempy_plugins.property_estimation.{part}")
        except ImportError as error:
            raise GempyGanError("A PropertyField needs gempy_plugins: pip install gempy_plugins.") from error


def _arrays(domains: ModuleType, geo_model: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lithology and fault block of each cell of the model's regular grid, (nx, ny, nz)."""
    try:
        lithology, blocks, _ = domains.compute_domains(geo_model)
    except AttributeError as error:
        raise GempyGanError(
            "The GemPy model is not computed on a regular grid. Call gempy.compute_model(model) first."
        ) from error
    return lithology, blocks


def _on_model(ensemble: Ensemble, geo_model: Any, name: str, values: NDArray[Any]) -> NDArray[np.float64]:
    return to_gempy(Ensemble.from_values(ensemble.grid, [name], values[None, None]), geo_model)
