"""What a study does: read and constrain, invert, diagnose, export, one step at a time or all in a row."""

from gempy_gan.workflow.conditioning import Data, constrain, constrained, health_of, read_data
from gempy_gan.workflow.grid import grid_of, model_of
from gempy_gan.workflow.one_unit import Result, run
from gempy_gan.workflow.outputs import export, listing, told_by
from gempy_gan.workflow.prior import prior_from, prior_of
from gempy_gan.workflow.wells import read_wells, tops_of

__all__ = [
    "Data",
    "Result",
    "constrain",
    "constrained",
    "export",
    "grid_of",
    "health_of",
    "listing",
    "model_of",
    "prior_from",
    "prior_of",
    "read_data",
    "read_wells",
    "run",
    "told_by",
    "tops_of",
]
