"""Step sizes that aim at an acceptance."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SHRINKAGE, DELAY, DECAY = 0.05, 10, 0.75  # gamma, t0 and kappa of Hoffman & Gelman (2014)


class DualAveraging:
    """Nesterov's dual averaging of log step sizes (Hoffman & Gelman 2014, section 3.2), for several sizes (r,) at once.

    `size` is what to try next, never above `largest`; `average` is what to keep in the end.
    """

    def __init__(self, size: Tensor, acceptance: float, largest: float) -> None:
        self.size, self.average = size, size
        self.acceptance, self.largest = acceptance, largest
        self._attractor = (10 * size).clamp(max=largest).log()
        self._shortfall, self._log_average, self._step = size * 0, size.log() * 0, 0

    def update(self, accepted: Tensor) -> None:
        """Learn how much (r,) was accepted at `size`."""
        self._step += 1
        self._shortfall = self._shortfall + (self.acceptance - accepted - self._shortfall) / (self._step + DELAY)
        log = self._attractor - math.sqrt(self._step) / SHRINKAGE * self._shortfall
        log = log.clamp(max=math.log(self.largest))
        self._log_average = self._log_average + (log - self._log_average) * self._step**-DECAY
        self.size, self.average = log.exp(), self._log_average.exp()
