"""Boxes from a training set on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import progress
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain
from gempy_gan.training.boxes import Boxes, check_box, check_positions, scaled_labels, to_half

BLOCK = 64  # volumes read at once


@dataclass(eq=False)
class StoredBoxes(Boxes):
    """The volumes of an ensemble, all of them once in each pass, every pass in another order.

    They are held in memory in half precision: 256 KiB for two properties on 64 x 64 x 16 cells.
    """

    domain: Domain
    values: NDArray[np.float16]
    labels: NDArray[np.float32]
    seed: int = 0
    flips: str = ""
    source: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, ensemble: Ensemble, domain: Domain, seed: int = 0, flips: str = "", source: str = "") -> StoredBoxes:
        """Read an ensemble. Raises GempyGanError where it does not fit the domain, or values or labels are missing."""
        check_box(domain.shape, ensemble.grid.resolution, "volumes")
        check_positions(domain, ensemble.grid.resolution)
        properties = [ensemble.property(p.name) for p in domain.properties]
        values = np.empty((len(ensemble), len(properties), *ensemble.grid.resolution), np.float16)
        for start in progress.track(range(0, len(ensemble), BLOCK), "volumes read", -(-len(ensemble) // BLOCK)):
            part = ensemble.dataset.isel(realization=slice(start, start + BLOCK))
            for c, prop in enumerate(properties):
                values[start : start + BLOCK, c] = to_half(part[prop.name].values, "The training set")
        made = {key: value for key, value in ensemble.provenance.items() if key != "trace"}
        return cls(domain, values, _labels(ensemble, domain), seed, flips, source, made)

    def choose(self, step: int, size: int) -> NDArray[np.int64]:
        """The next `size` volumes of the passes."""
        places = np.arange(step * size, (step + 1) * size)
        return np.array([self._order(int(place) // len(self.values))[place % len(self.values)] for place in places])

    @property
    def smallest(self) -> int:  # type: ignore[override]
        """How many volumes there are."""
        return len(self.values)

    def volume(self, number: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """One volume and its labels."""
        return self.values[number], self.labels[number]

    def state(self) -> dict[str, Any]:
        """How many volumes, and the digest of their values and labels."""
        return {"kind": "stored", "volumes": len(self.values), "sha256": self._digest, "flips": self.flips}

    def describe(self, step: int) -> dict[str, Any]:
        """The state, and where the volumes come from."""
        return {**self.state(), "source": self.source, "provenance": dict(self.provenance)}

    @cached_property
    def _digest(self) -> str:
        found = hashlib.sha256(np.ascontiguousarray(self.values).data)
        found.update(np.ascontiguousarray(self.labels).data)
        return found.hexdigest()

    def _order(self, turn: int) -> NDArray[np.int64]:
        return _permutation(self.seed, turn, len(self.values))


@lru_cache(maxsize=2)
def _permutation(seed: int, turn: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, turn, count]).permutation(count)


def _labels(ensemble: Ensemble, domain: Domain) -> NDArray[np.float32]:
    if not domain.labels:
        return np.empty((len(ensemble), 0), np.float32)
    table: Any = getattr(ensemble, "labels", None)
    held = [] if table is None else list(table.columns)
    missing = [label.name for label in domain.labels if label.name not in held]
    if missing:
        raise GempyGanError(f"The training set has no label {missing[0]!r}. It has: {', '.join(held) or 'none'}.")
    found = scaled_labels(domain, {label.name: table[label.name].to_numpy() for label in domain.labels})
    if not np.isfinite(found).all():
        raise GempyGanError("The training set holds labels that are not finite. Expected a number for each volume.")
    return found
