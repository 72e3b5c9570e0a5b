"""Losses of the last steps: fetched from the device in one go, checked, and averaged for the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor


class Losses:
    """Scalars by name, waiting where they were computed until `fetch` takes them over."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, dict[str, Tensor]]] = []
        self._taken: dict[str, list[float]] = {}
        self.last: dict[str, float] = {}

    def add(self, step: int, shown: Mapping[str, Tensor]) -> None:
        """Keep the scalars of a step."""
        self._waiting.append((step, {name: torch.as_tensor(value).detach() for name, value in shown.items()}))

    def fetch(self) -> tuple[int, str, float] | None:
        """Fetch what waits. The first step, name and value that is not finite, or None."""
        waiting, self._waiting = self._waiting, []
        for step, shown in waiting:
            for name, value in shown.items():
                number = float(value)
                if not np.isfinite(number):
                    return step, name, number
                self._taken.setdefault(name, []).append(number)
        return None

    def mean(self) -> dict[str, float]:
        """The means since the last call."""
        taken, self._taken = self._taken, {}
        self.last = {name: float(np.mean(numbers)) for name, numbers in taken.items()} or self.last
        return self.last
