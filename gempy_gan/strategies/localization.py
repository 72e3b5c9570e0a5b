"""Localization: tapers that damp the spurious correlations of a finite ensemble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

    Cross = Callable[[slice, Tensor, Tensor], Tensor]

LARGEST = 10_000  # data that a taper by distance can hold, with the covariance among them


@dataclass(frozen=True)
class Taper:
    """`cross(block, deviations (m, b), data deviations (m, d))` is the taper (b, d) between a block of unknowns and the data;
    `data` (d, d) that among the data, where covariances are tapered, and None where it is the gain."""

    cross: Cross
    data: Tensor | None = None


def gaspari_cohn(distance: Tensor) -> Tensor:
    """The fifth-order taper of Gaspari & Cohn (1999, equation 4.10): 1 at distance 0, 0 from distance 1 on.

    >>> gaspari_cohn(torch.tensor([0.0, 0.5, 1.0]).double()).round(decimals=4).tolist()
    [1.0, 0.2083, 0.0]
    """
    z = 2 * distance.abs()
    near = 1 + z**2 * (-5 / 3 + z * (5 / 8 + z * (1 / 2 - z / 4)))
    far = 4 - 5 * z + z**2 * (5 / 3 + z * (5 / 8 + z * (-1 / 2 + z / 12))) - 2 / (3 * z.clamp(min=1))
    return torch.where(z <= 1, near, torch.where(z < 2, far, torch.zeros_like(z)))


def by_distance(positions: Tensor, data_positions: Tensor, cell_size: Sequence[float], lengths: Sequence[float]) -> Taper:
    """A taper of the distance between unknowns at `positions` (k, 3) and data at `data_positions` (d, 3), in cell indices.

    It applies to covariances, is zero beyond `lengths` (lx, ly, lz) metres, and one for data whose position is NaN. Raises
    GempyGanError when a length is not positive, or for more than 10,000 data.
    """
    if len(tuple(lengths)) != 3 or not all(length > 0 for length in lengths):
        raise GempyGanError(f"The localization lengths are {lengths}. Expected three positive numbers in metres (lx, ly, lz).")
    if len(data_positions) > LARGEST:
        raise GempyGanError(
            f"Localization by distance was asked for {len(data_positions)} data. Expected at most {LARGEST}: thin them out, "
            "or localize by correlation ('adaptive')."
        )
    scale = torch.tensor([size / length for size, length in zip(cell_size, lengths, strict=True)])
    unknowns, data = positions.float() * scale, data_positions.float() * scale

    def between(points: Tensor) -> Tensor:
        distance = torch.cdist(points.nan_to_num(), data.nan_to_num(), compute_mode="donot_use_mm_for_euclid_dist")
        placeless = data.isnan().any(dim=1) | points.isnan().any(dim=1)[:, None]
        return torch.where(placeless, torch.ones_like(distance), gaspari_cohn(distance))

    return Taper(lambda block, _deviations, _data_deviations: between(unknowns[block]), between(data))


def by_correlation(members: int) -> Taper:
    """A taper of the gain by the sample correlation r itself: r^2 / (r^2 + (1 + r^2) / members).

    It minimises the expected error of a covariance whose true correlation is r (Furrer & Bengtsson 2007, equation 19, for
    unit variances).
    """

    def cross(_block: slice, deviations: Tensor, data_deviations: Tensor) -> Tensor:
        square: Tensor = (_unit(deviations).T @ _unit(data_deviations)).square()
        return square / (square + (1 + square) / members)

    return Taper(cross)


def _unit(deviations: Tensor) -> Tensor:
    length: Tensor = deviations.norm(dim=0)
    return deviations / length.clamp(min=torch.finfo(deviations.dtype).tiny)
