"""A label: one number that shapes a whole realization, and the range it is drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Label:
    """A number drawn uniformly between `low` and `high` (uniformly in its logarithm if `log`), in `unit`.

    Networks see labels scaled to [-1, 1] over that range. `along` is "x" or "y" for a label that says where things lie along
    that axis, 0 being the middle of the box: mirroring the box changes its sign, and cutting the box loses it.

    >>> mobility = Label("mobility", 4.0, 64.0, log=True)
    >>> round(mobility.from_scaled(0.0).item(), 6), mobility.to_scaled(4.0).item()
    (16.0, -1.0)
    """

    name: str
    low: float
    high: float
    unit: str = "1"
    log: bool = False
    meaning: str = ""
    along: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high and (self.low > 0 or not self.log)):
            kind = "two positive numbers" if self.log else "two numbers"
            raise GempyGanError(
                f"Label {self.name!r} ranges from {self.low} to {self.high}. Expected {kind}, the lower one first."
            )
        if self.along and (self.along not in ("x", "y") or self.low != -self.high):
            raise GempyGanError(
                f"Label {self.name!r} is a position along {self.along!r} from {self.low} to {self.high}. "
                "Expected 'x' or 'y', and a range with 0 in its middle."
            )

    def to_scaled(self, values: ArrayLike) -> NDArray[Any]:
        """Values in the label's unit as numbers in [-1, 1]."""
        import numpy as np

        position = np.log(values) if self.log else np.asarray(values, dtype=np.float64)
        low, high = self._ends()
        return np.asarray(2 * (position - low) / (high - low) - 1)

    def from_scaled(self, scaled: ArrayLike) -> NDArray[Any]:
        """Numbers in [-1, 1] as values in the label's unit."""
        import numpy as np

        low, high = self._ends()
        position = low + (np.asarray(scaled, dtype=np.float64) + 1) / 2 * (high - low)
        return np.asarray(np.exp(position) if self.log else position)

    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` builds the label again."""
        return asdict(self)

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Label:
        """Build a label from what `to_dict` returned."""
        return cls(**state)
