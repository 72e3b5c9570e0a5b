"""Seeds of single realizations, and what two sets of realizations share: how a held-out set is known to be one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError


@dataclass(frozen=True)
class Origin:
    """Where realizations come from: the class of the simulator, the seed of the set, and their numbers in it."""

    simulator: str
    seed: int
    numbers: Collection[int]

    @classmethod
    def of(cls, data: Ensemble | Mapping[str, Any]) -> Origin | None:
        """The origin of a training set, or of what a prior learned from ("data" in its card); None where they do not say."""
        if isinstance(data, Ensemble):
            return cls._of_record(data.provenance, data.numbers)
        if "numbered_from" in data:  # simulated while training
            first = int(data["numbered_from"])
            return cls(str(data["simulator"]), int(data["seed"]), range(first, first + int(data["volumes"])))
        record = data.get("provenance", {})
        start = int(record.get("start", 0))
        return cls._of_record(record, range(start, start + int(data.get("volumes", 0))))

    @classmethod
    def _of_record(cls, record: Mapping[str, Any], numbers: Collection[int]) -> Origin | None:
        known = {"prior", "seed", "start", "design"} <= record.keys()  # what make_training_set records
        return cls(record["prior"]["class"], record["seed"], numbers) if known else None

    @property
    def last(self) -> int:
        """The largest number."""
        return self.numbers[-1] if isinstance(self.numbers, range) else max(self.numbers)

    def shared(self, other: Origin) -> list[int]:
        """Numbers of the realizations that both have; none where simulators or seeds differ.

        The options of the simulator and the labels do not matter: the same random numbers would shape both.
        """
        if (self.simulator, self.seed) != (other.simulator, other.seed):
            return []
        known = other.numbers if isinstance(other.numbers, range) else set(other.numbers)
        return sorted(number for number in self.numbers if number in known)


def realization_seed(seed: int, number: int) -> int:
    """The seed (63 bits) of realization `number` in the set of a seed: as good as independent of every other one's.

    >>> realization_seed(0, 7) == realization_seed(0, 7) != realization_seed(1, 7)
    True
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def check_held_out(held_out: Ensemble, training: Ensemble | Mapping[str, Any]) -> bool:
    """Whether it is certain that no realization of `held_out` was made from the seeds of those that were trained on.

    `training` is a training set, or the "data" of a prior's card. False where nobody can tell, because one of them does not say
    which simulator and seeds it came from. Raises GempyGanError where they share realizations.
    """
    mine, other = Origin.of(held_out), Origin.of(training)
    if mine is None or other is None:
        return False
    if shared := mine.shared(other):
        raise GempyGanError(
            f"The held-out set shares {len(shared)} of its {len(held_out)} realizations with the training set, the first of them "
            f"number {shared[0]}. Expected none: make it from another seed, or start it at {other.last + 1} or later."
        )
    return True
