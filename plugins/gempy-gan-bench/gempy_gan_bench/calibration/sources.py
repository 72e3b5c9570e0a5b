"""Where truths come from: the prior itself, a simulator, or an ensemble that was held out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import Ensemble, GempyGanError
from gempy_gan.inversion import prior_for, sample
from gempy_gan.learning import LearnedPrior
from gempy_gan.metrics.windows import check_box, cut
from gempy_gan.plugins import for_path, registry
from gempy_gan.seeds import check_held_out
from gempy_gan_bench import truths
from gempy_gan_bench.calibration.plan import FROM_PRIOR, Plan
from gempy_gan_bench.calibration.subject import Subject, seed_of
from gempy_gan_bench.protocol import Protocol

TRUTHS = 31  # stream of seeds
SIMULATED_FROM = 100_000  # number of the first simulated truth of seed 0: those of the fluvial protocol come before
EACH_SEED = 10_000  # numbers of simulated truths that belong to a seed

Array = NDArray[np.float64]


def described(plan: Plan) -> dict[str, Any]:
    """What tells truths of one source from those of another, as plain JSON values. Raises GempyGanError for no such source."""
    if plan.truths == FROM_PRIOR:
        return {"kind": FROM_PRIOR}
    if _is_file(plan.truths):
        return {"kind": "ensemble", "file": Path(plan.truths).name, "sha256": _digest(plan.truths)}
    registry().get("priors", plan.truths)
    version = {"version": truths.physics()} if plan.truths == truths.SIMULATOR else {}
    return {"kind": plan.truths, **version}


def check(plan: Plan, subject: Subject, count: int) -> None:
    """Raise GempyGanError where there are too few truths, their boxes do not fit, or the prior has learned from them."""
    card: Mapping[str, Any] = subject.prior.card.get("data", {}) if isinstance(subject.prior, LearnedPrior) else {}
    if plan.truths == truths.SIMULATOR:
        truths.check_unseen(subject.prior)
    if not _is_file(plan.truths):
        return
    held_out = _opened(plan.truths)
    check_box(subject.prior.shape, held_out.grid.resolution, f"truths in {plan.truths}")
    held_out.property(subject.prop.name)
    if count > len(held_out):
        raise GempyGanError(f"{plan.truths} holds {len(held_out)} volumes, and {count} truths were asked for. Ask for fewer.")
    check_held_out(held_out, card)


def truth(subject: Subject, number: int) -> NDArray[np.float32]:
    """Truth `number`, all properties of the prior (c, nx, ny, nz); zero where the source has no such property."""
    plan, prior = subject.plan, subject.prior
    if plan.truths == FROM_PRIOR:
        drawn = sample(prior, subject.grid, 1, seed_of(plan.seed, number, TRUTHS))
        return np.asarray(drawn.values[0])
    found = np.zeros((len(prior.properties), *prior.shape), dtype=np.float32)
    for name, values in _values(subject, number).items():
        names = [p.name for p in prior.properties]
        if name in names:
            found[names.index(name)] = values
    return found


def _values(subject: Subject, number: int) -> dict[str, Array]:
    """Values (nx, ny, nz) of each property of a truth that is not the prior's own."""
    plan, shape = subject.plan, subject.prior.shape
    if _is_file(plan.truths):
        held_out = _opened(plan.truths)
        room = np.array(held_out.grid.resolution[:2]) - shape[:2] + 1
        corner = np.random.default_rng([plan.seed, number, TRUTHS]).integers(0, room).tolist()
        one = held_out.dataset.isel(realization=number)
        return {p.name: cut(one[p.name].values, corner, shape) for p in held_out.properties}
    if plan.truths == truths.SIMULATOR:
        box = truths.box_of(Protocol(shape), SIMULATED_FROM + EACH_SEED * plan.seed + number)
        return dict(zip(box.properties, box.values, strict=True))
    other = prior_for(plan.truths, subject.grid)
    drawn = sample(other, subject.grid, 1, seed_of(plan.seed, number, TRUTHS))
    return {p.name: drawn.dataset[p.name].values[0] for p in drawn.properties}


def _is_file(name: str) -> bool:
    return any(name.endswith(suffix) for entry in registry().of("formats") for suffix in entry.suffixes)


@lru_cache(maxsize=1)
def _opened(name: str) -> Ensemble:
    if not Path(name).exists():
        raise GempyGanError(f"The truths {name} do not exist. Check the path.")
    found: Ensemble = for_path("formats", Path(name)).load().read(Path(name))
    return found


@lru_cache(maxsize=1)
def _digest(name: str) -> str:
    found, ensemble = hashlib.sha256(), _opened(name)
    for k in range(len(ensemble)):
        for prop in ensemble.properties:
            found.update(np.ascontiguousarray(ensemble.dataset[prop.name].isel(realization=k).values).tobytes())
    return found.hexdigest()
