"""How properties become network channels, and back: fractions to [-1, 1], times as sums that never decrease upwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.properties import Property

INCREASING = ("deposition_time",)  # properties that never decrease upwards in an undisturbed deposit (Steno's superposition)


class Channels(nn.Module):
    """The channel axis of a network for these properties, each between 0 and 1 in its own unit.

    `encode` scales values to [-1, 1]. `decode` turns raw network output into values: a property of `INCREASING` is the
    cumulative sum over z of softplus increments, so that superposition holds by construction (`ordered=False` treats it like
    any other, which is how Rongier & Peeters (2025) did it); others pass a tanh.

    Raises GempyGanError for facies, which have no order on a line.
    """

    def __init__(self, properties: Sequence[Property], nz: int, ordered: bool = True) -> None:
        super().__init__()
        facies = [p.name for p in properties if p.is_facies]
        if facies:
            raise GempyGanError(f"Property {facies[0]!r} holds facies codes. Expected fractions between 0 and 1: train on those.")
        self.increasing = [ordered and p.name in INCREASING for p in properties]
        self.offset = math.log(math.expm1(1.0 / nz))  # softplus(offset) = 1/nz: time starts out as height

    def encode(self, values: Tensor) -> Tensor:
        """Values (n, c, nx, ny, nz) in [0, 1] to network channels in [-1, 1]."""
        return 2 * values - 1

    def decode(self, raw: Tensor) -> Tensor:
        """Raw output (n, c, nx, ny, nz) to values; in single precision, whatever the network computed in."""
        raw = raw.float()
        parts = [
            self._increasing(x) if up else (torch.tanh(x) + 1) / 2 for x, up in zip(raw.unbind(1), self.increasing, strict=True)
        ]
        return torch.stack(parts, dim=1)

    def in_order(self, values: Tensor) -> Tensor:
        """Values (n, c, nx, ny, nz) with what never decreases upwards raised to the largest value below it."""
        parts = [x.cummax(dim=-1).values if up else x for x, up in zip(values.unbind(1), self.increasing, strict=True)]
        return torch.stack(parts, dim=1)

    def _increasing(self, raw: Tensor) -> Tensor:
        return functional.softplus(raw + self.offset).cumsum(dim=-1)
