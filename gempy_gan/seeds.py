"""Seeds of single realizations, and what two sets of realizations share: how a held-out set is known to be one."""

from __future__ import annotations

from typing import Any

import numpy as np

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError


def realization_seed(seed: int, number: int) -> int:
    """The seed (63 bits) of realization `number` in the set of a seed: as good as independent of every other one's.

    >>> realization_seed(0, 7) == realization_seed(0, 7) != realization_seed(1, 7)
    True
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def shared_realizations(first: Ensemble, second: Ensemble) -> tuple[int, ...]:
    """Numbers of the realizations that two training sets have in common.

    Sets of one simulator and one seed share the realizations whose numbers are in both; even where the simulators' options or
    the labels differ, because the same random numbers then shape them. Sets of different seeds or simulators share none.
    Raises GempyGanError for an ensemble that is no training set, of which nobody can tell.
    """
    if _origin(first) != _origin(second):
        return ()
    return tuple(sorted(set(first.numbers) & set(second.numbers)))


def check_held_out(held_out: Ensemble, training: Ensemble) -> None:
    """Raise GempyGanError unless it is certain that no realization of `held_out` was made from the seeds of `training`."""
    shared = shared_realizations(held_out, training)
    if shared:
        raise GempyGanError(
            f"The held-out set shares {len(shared)} of its {len(held_out)} realizations with the training set, the first of them "
            f"number {shared[0]}. Expected none: make it from another seed, or start it at {max(training.numbers) + 1} or later."
        )


def _origin(ensemble: Ensemble) -> tuple[Any, int]:
    """The simulator's class and the seed of a training set."""
    record = ensemble.provenance
    try:
        return record["prior"]["class"], int(record["seed"])
    except (KeyError, TypeError, ValueError):
        raise GempyGanError(
            f"The provenance of {ensemble!r} names no simulator and no seed. Expected a set that 'gempy-gan sample' has made."
        ) from None
