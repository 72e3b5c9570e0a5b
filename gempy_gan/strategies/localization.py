"""Localization: tapers that damp the spurious correlations of a finite ensemble."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

    Taper = Callable[[slice, Tensor, Tensor], Tensor]


def gaspari_cohn(distance: Tensor) -> Tensor:
    """The fifth-order taper of Gaspari & Cohn (1999, equation 4.10): 1 at distance 0, 0 from distance 1 on.

    >>> gaspari_cohn(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [1.0, 0.2083333134651184, 0.0]
    """
    z = 2 * distance.abs()
    near = 1 + z**2 * (-5 / 3 + z * (5 / 8 + z * (1 / 2 - z / 4)))
    far = 4 - 5 * z + z**2 * (5 / 3 + z * (5 / 8 + z * (-1 / 2 + z / 12))) - 2 / (3 * z.clamp(min=1))
    return torch.where(z <= 1, near, torch.where(z < 2, far, torch.zeros_like(z)))


def by_distance(positions: Tensor, data_positions: Tensor, cell_size: Sequence[float], lengths: Sequence[float]) -> Taper:
    """A taper of the distance between unknowns at `positions` (k, 3) and data at `data_positions` (d, 3), in cell indices.

    It is zero beyond `lengths` (lx, ly, lz) metres; data whose position is NaN are not tapered. Raises GempyGanError when a
    length is not positive.
    """
    if len(tuple(lengths)) != 3 or not all(length > 0 for length in lengths):
        raise GempyGanError(f"The localization lengths are {lengths}. Expected three positive numbers in metres (lx, ly, lz).")
    scale = torch.tensor([size / length for size, length in zip(cell_size, lengths, strict=True)])
    unknowns, data = positions.float() * scale, data_positions.float() * scale

    def taper(block: slice, deviations: Tensor, data_deviations: Tensor) -> Tensor:
        distance = torch.cdist(unknowns[block], data.nan_to_num(), compute_mode="donot_use_mm_for_euclid_dist")
        return torch.where(data.isnan().any(dim=1), torch.ones_like(distance), gaspari_cohn(distance))

    return taper


def by_correlation(members: int, unknowns: int) -> Taper:
    """A taper of the sample correlation itself: zero below what `members` show by chance, one for certain correlations.

    Chance is the largest of as many independent correlations as there are unknowns, sqrt(2 ln(unknowns) / members).
    """
    chance = min(math.sqrt(2 * math.log(max(unknowns, 2)) / members), 0.99)

    def taper(block: slice, deviations: Tensor, data_deviations: Tensor) -> Tensor:
        correlation: Tensor = _unit(deviations).T @ _unit(data_deviations)
        return gaspari_cohn((1 - correlation.abs()).clamp(min=0) / (1 - chance))

    return taper


def _unit(deviations: Tensor) -> Tensor:
    length: Tensor = deviations.norm(dim=0)
    return deviations / length.clamp(min=torch.finfo(deviations.dtype).tiny)
