"""Learned geology, conditioned to wells and seismic, on the grids that geomodellers use.

Every public name is resolved on first use, so importing the package costs nothing heavy. Import it before torch on a machine
that others use too: it asks OpenMP, unless OMP_WAIT_POLICY is set, to let idle threads sleep. They would spin otherwise, which
made an inversion nine times slower beside one other busy process.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gempy_gan.blocking import block as block
    from gempy_gan.constraints import Constraints as Constraints
    from gempy_gan.constraints import HardData as HardData
    from gempy_gan.constraints import SoftData as SoftData
    from gempy_gan.denoising import draw as draw
    from gempy_gan.diagnostics import diagnose as diagnose
    from gempy_gan.ensemble import Ensemble as Ensemble
    from gempy_gan.errors import FormatError as FormatError
    from gempy_gan.errors import GempyGanError as GempyGanError
    from gempy_gan.errors import GempyGanWarning as GempyGanWarning
    from gempy_gan.errors import GridError as GridError
    from gempy_gan.errors import PluginError as PluginError
    from gempy_gan.files import read as read
    from gempy_gan.files import write as write
    from gempy_gan.files import write_surfaces as write_surfaces
    from gempy_gan.frame import Frame as Frame
    from gempy_gan.geomodel import from_gempy as from_gempy
    from gempy_gan.geomodel import load_gempy as load_gempy
    from gempy_gan.geomodel import model_grid as model_grid
    from gempy_gan.geomodel import to_gempy as to_gempy
    from gempy_gan.grid import Grid as Grid
    from gempy_gan.hookspecs import hookimpl as hookimpl
    from gempy_gan.inversion import invert as invert
    from gempy_gan.inversion import prior_for as prior_for
    from gempy_gan.inversion import sample as sample
    from gempy_gan.labels import Label as Label
    from gempy_gan.learning import Domain as Domain
    from gempy_gan.learning import LearnedPrior as LearnedPrior
    from gempy_gan.learning import Recipe as Recipe
    from gempy_gan.likelihood import Likelihood as Likelihood
    from gempy_gan.matching import MatchedPrior as MatchedPrior
    from gempy_gan.metrics import validate as validate
    from gempy_gan.plugins import get_forward as get_forward
    from gempy_gan.plugins import get_prior as get_prior
    from gempy_gan.plugins import get_strategy as get_strategy
    from gempy_gan.predictions import log_along as log_along
    from gempy_gan.predictions import synthetic as synthetic
    from gempy_gan.predictions import write_log as write_log
    from gempy_gan.prior import DiffusionPrior as DiffusionPrior
    from gempy_gan.prior import LatentPrior as LatentPrior
    from gempy_gan.prior import Prior as Prior
    from gempy_gan.prior import Simulator as Simulator
    from gempy_gan.prior import TunablePrior as TunablePrior
    from gempy_gan.properties import Property as Property
    from gempy_gan.property_field import to_property_field as to_property_field
    from gempy_gan.regridding import regrid as regrid
    from gempy_gan.report import write_report as write_report
    from gempy_gan.resampling import resample as resample
    from gempy_gan.seismic import SeismicCube as SeismicCube
    from gempy_gan.strategy import Draws as Draws
    from gempy_gan.strategy import Strategy as Strategy
    from gempy_gan.structural_inversion import invert_structures as invert_structures
    from gempy_gan.structural_uncertainty import StructuralDraw as StructuralDraw
    from gempy_gan.structural_uncertainty import vary_structure as vary_structure
    from gempy_gan.tops import model_from_tops as model_from_tops
    from gempy_gan.tops import placed_tops as placed_tops
    from gempy_gan.training.engine import train as train
    from gempy_gan.training.plan import TrainingPlan as TrainingPlan
    from gempy_gan.training_sets import make_training_set as make_training_set
    from gempy_gan.view import write_view as write_view
    from gempy_gan.weights import load_prior as load_prior
    from gempy_gan.weights import save_prior as save_prior
    from gempy_gan.wells import WellLog as WellLog
    from gempy_gan.wells import flatten as flatten
    from gempy_gan.wells import gamma_to_fraction as gamma_to_fraction

    from . import forward as forward
    from . import plot as plot

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOME = {
    "blocking": ("block",),
    "constraints": ("Constraints", "HardData", "SoftData"),
    "denoising": ("draw",),
    "diagnostics": ("diagnose",),
    "ensemble": ("Ensemble",),
    "errors": ("FormatError", "GempyGanError", "GempyGanWarning", "GridError", "PluginError"),
    "files": ("read", "write", "write_surfaces"),
    "frame": ("Frame",),
    "geomodel": ("from_gempy", "load_gempy", "model_grid", "to_gempy"),
    "grid": ("Grid",),
    "hookspecs": ("hookimpl",),
    "inversion": ("invert", "prior_for", "sample"),
    "labels": ("Label",),
    "learning": ("Domain", "LearnedPrior", "Recipe"),
    "likelihood": ("Likelihood",),
    "matching": ("MatchedPrior",),
    "metrics": ("validate",),
    "plugins": ("get_forward", "get_prior", "get_strategy"),
    "predictions": ("log_along", "synthetic", "write_log"),
    "prior": ("DiffusionPrior", "LatentPrior", "Prior", "Simulator", "TunablePrior"),
    "properties": ("Property",),
    "property_field": ("to_property_field",),
    "regridding": ("regrid",),
    "report": ("write_report",),
    "resampling": ("resample",),
    "seismic": ("SeismicCube",),
    "strategy": ("Draws", "Strategy"),
    "structural_inversion": ("invert_structures",),
    "structural_uncertainty": ("StructuralDraw", "vary_structure"),
    "tops": ("model_from_tops", "placed_tops"),
    "training_sets": ("make_training_set",),
    "training.engine": ("train",),
    "training.plan": ("TrainingPlan",),
    "view": ("write_view",),
    "weights": ("load_prior", "save_prior"),
    "wells": ("WellLog", "flatten", "gamma_to_fraction"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
_MODULES = ("forward", "plot")

__all__ = [*_MODULE_OF, *_MODULES]  # noqa: PLE0604  # names, all of them strings
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"gempy_gan.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'gempy_gan' has no attribute {name!r}")
    return getattr(importlib.import_module(f"gempy_gan.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
