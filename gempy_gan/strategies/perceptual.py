"""How different realizations look to a prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import TunablePrior


def perceptual_distance(prior: TunablePrior, a: Tensor, b: Tensor, faithful: bool = False) -> Tensor:
    """LPIPS_D (n,) of realizations a and b (n, c, nx, ny, nz), Rongier & Peeters (2025) after Zhang et al. (2018).

    At each level of the prior's features: squared differences, summed over features, averaged over places; then summed over
    levels. `faithful` as for `TunablePrior`.
    """
    levels = zip(prior.features(a, faithful), prior.features(b, faithful), strict=True)
    distances = [(x - y).square().sum(dim=1).flatten(1).mean(dim=1) for x, y in levels]
    total = distances[0]
    for distance in distances[1:]:
        total = total + distance
    return total
