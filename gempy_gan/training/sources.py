"""From a plan to its domain and its boxes."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gempy_gan.errors import GempyGanError
from gempy_gan.files import read_ensemble
from gempy_gan.labels import Label
from gempy_gan.learning import SHAPES, Domain
from gempy_gan.plugins import get_prior, registry
from gempy_gan.prior import Simulator
from gempy_gan.training.boxes import Boxes, check_box, check_positions
from gempy_gan.training.plan import TrainingPlan
from gempy_gan.training.simulated import SimulatedBoxes, Supply
from gempy_gan.training.stored import StoredBoxes
from gempy_gan.training_sets import drawn_labels


def open_boxes(plan: TrainingPlan) -> Boxes:
    """The boxes that a plan learns from. Raises GempyGanError where shape, labels or properties do not fit the data."""
    if not Path(plan.data).suffix and not Path(plan.data).exists():
        return _simulated(plan)
    ensemble = read_ensemble(plan.data)
    domain = Domain(
        ensemble.properties,
        box_shape(plan, ensemble.grid.resolution),
        ensemble.grid.cell_size,
        chosen_labels(plan, tuple(drawn_labels(ensemble))),
    )
    mirrors = str(ensemble.provenance.get("mirrors", ""))
    return StoredBoxes.of(ensemble, domain, plan.seed, mirrors if plan.flips is None else plan.flips, Path(plan.data).name)


def _simulated(plan: TrainingPlan) -> SimulatedBoxes:
    """The simulator makes volumes of the boxes' shape, unless its own options say that they are larger."""
    factory: Any = registry().get("priors", plan.data).load()
    wanted = plan.shape or SHAPES.get(plan.preset)
    takes_shape = wanted is not None and "shape" in inspect.signature(factory).parameters
    simulator = get_prior(plan.data, **{**({"shape": wanted} if takes_shape else {}), **plan.simulator})
    if plan.devices > 1:
        raise GempyGanError("Simulating while training works with one device. Make a training set first, or take one device.")
    if not isinstance(simulator, Simulator):
        raise GempyGanError(f"The prior {plan.data!r} is no simulator. Give a simulator, or the path of a training set.")
    domain = Domain(
        simulator.properties, box_shape(plan, simulator.shape), simulator.cell_size, chosen_labels(plan, simulator.labels)
    )
    check_positions(domain, simulator.shape)
    supply = Supply(plan.first, plan.fresh, plan.keep)
    flips = simulator.mirrors if plan.flips is None else plan.flips
    return SimulatedBoxes(simulator, domain, supply, plan.out / "simulated", plan.jobs, plan.seed, flips)


def box_shape(plan: TrainingPlan, volume: Sequence[int]) -> tuple[int, int, int]:
    """The shape of the boxes: what the plan says, else the preset's of the prior."""
    whole = (volume[0], volume[1], volume[2])
    box = plan.shape or plan.learner().learned_from(plan.preset, whole)
    check_box(box, whole, "volumes")
    return box


def chosen_labels(plan: TrainingPlan, known: Sequence[Label]) -> tuple[Label, ...]:
    """The labels that the plan names; all known ones where it names none."""
    if plan.labels is None:
        return tuple(known)
    by_name = {label.name: label for label in known}
    missing = [name for name in plan.labels if name not in by_name]
    if missing:
        raise GempyGanError(f"The data have no label {missing[0]!r} with a range. They have: {', '.join(by_name) or 'none'}.")
    return tuple(by_name[name] for name in plan.labels)
