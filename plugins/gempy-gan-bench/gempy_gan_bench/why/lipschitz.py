"""How strongly realizations answer to latents: the singular values of a decoder's Jacobian."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan.prior import LatentPrior
from gempy_gan.strategies.misfit import linearize
from gempy_gan_bench.why.problem import decoded

Array = NDArray[np.float64]

OVERSAMPLED = 4  # probes more than singular values that are wanted (Halko et al. 2011)
FEW = 256  # latents up to which all singular values are found
AT_ONCE = 2**17  # values that are linearized at once


@dataclass(frozen=True)
class Stretch:
    """What a decoder does to small steps at one latent: |decode(z + dz) - decode(z)| / |dz|, norms over all values.

    `largest` is the largest singular value of the Jacobian, the local Lipschitz constant; `mean` the root mean square over
    directions dz; `effective` the number of latents that share in it, (sum s^2)^2 / sum s^4, where all of them are known.
    """

    largest: float
    mean: float
    effective: float | None


def stretch(prior: LatentPrior, z: Tensor, rank: int, generator: torch.Generator) -> Stretch:
    """The stretch at one latent (1, *latent_shape), from the leading `rank` singular values, or all where there are no more."""
    k = math.prod(prior.latent_shape)
    count = k if k <= FEW else min(rank + OVERSAMPLED, k)
    probes = torch.eye(k) if count == k else torch.randn((count, k), generator=generator)
    image = _push(prior, z, probes)
    if count == k:
        values = torch.linalg.svdvals(image.double())
        power = values.square()
        return Stretch(float(values[0]), float((power.sum() / k).sqrt()), float(power.sum() ** 2 / power.square().sum()))
    basis = torch.linalg.qr(image.T)[0].T.contiguous()  # the range of the Jacobian; then the values of its part in it
    values = torch.linalg.svdvals(_pull(prior, z, basis).double())
    return Stretch(float(values[0]), float(image.double().square().sum(dim=1).mean().div(k).sqrt()), None)


def secants(prior: LatentPrior, n: int, generator: torch.Generator) -> Array:
    """|decode(z) - decode(z')| / |z - z'| (n,) of independent latents: the same for large steps."""
    a, b = (torch.randn((n, *prior.latent_shape), generator=generator) for _ in range(2))
    apart = (decoded(prior, a) - decoded(prior, b)).flatten(1).norm(dim=1) / (a - b).flatten(1).norm(dim=1)
    return np.asarray(apart.double().numpy())


def informed(prior: LatentPrior, z: Tensor, predict: object, std: Tensor) -> Array:
    """Singular values, in standard deviations of the data per unit of latent, of what wells see of the Jacobian at one latent.

    Those above one are the directions of latent space in which the data say more than the prior.
    """
    at = linearize(lambda x: predict(prior.decode(x)) / std, z.expand(len(std), *z.shape[1:]).contiguous())  # type: ignore[operator]
    rows = at.pull(torch.eye(len(std)))
    return np.asarray(torch.linalg.svdvals(rows.flatten(1).double()).numpy())


def _push(prior: LatentPrior, z: Tensor, probes: Tensor) -> Tensor:
    """J w for each probe w (r, k): (r, values)."""
    found = []
    for part in torch.split(probes, _each(prior)):
        at = z.expand(len(part), *z.shape[1:]).contiguous()
        found.append(linearize(lambda x: prior.decode(x).flatten(1), at).push(part.reshape(at.shape)))
    return torch.cat(found)


def _pull(prior: LatentPrior, z: Tensor, probes: Tensor) -> Tensor:
    """J' v for each probe v (r, values): (r, k)."""
    found = []
    for part in torch.split(probes, _each(prior)):
        at = z.expand(len(part), *z.shape[1:]).contiguous()
        found.append(linearize(lambda x: prior.decode(x).flatten(1), at).pull(part).flatten(1))
    return torch.cat(found)


def _each(prior: LatentPrior) -> int:
    return max(1, AT_ONCE // (len(prior.properties) * math.prod(prior.shape)))
