"""How far each weight of a generator may wander before its other realizations notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import TunablePrior

PROBES = 12  # realizations that are asked
FLOOR = 0.1  # of the mean in a tensor, below which no weight counts as unimportant


def wander(prior: TunablePrior, generator: torch.Generator) -> list[Tensor]:
    """Relative step sizes of the prior's weights, each in inverse proportion to what a change does to prior realizations.

    They are 1 / sqrt(f), f the expected squared change of all cells per squared change of the weight: the diagonal of the Fisher
    information of cells with equal noise, estimated by random signs (Hutchinson 1990). Least change measured in these steps
    keeps a generator as it was: elastic weight consolidation (Kirkpatrick et al. 2017; for generators Li et al. 2020).
    Convolutions that repeat over the whole box are stiff then, and what is special to a latent is not: tuned without them, a
    generator tells places apart only up to its strides, and paints a periodic grid.
    """
    weights = [w.detach().clone().requires_grad_() for w in prior.parameters()]
    found = [torch.zeros_like(w) for w in weights]
    z = torch.randn((PROBES, *prior.latent_shape), generator=generator)
    with torch.no_grad():
        spread = spread_of(prior.decode(z))
    for one in torch.split(z, 1):
        with torch.enable_grad():
            m = prior.decode(one, weights) / spread
            signs = 2.0 * torch.randint(2, m.shape, generator=generator).to(m) - 1
            gradients = torch.autograd.grad((m * signs).sum(), weights, allow_unused=True, materialize_grads=True)
        found = [f + g.square() / PROBES for f, g in zip(found, gradients, strict=True)]
    return [_step(f) for f in found]


def spread_of(m: Tensor) -> Tensor:
    """Standard deviation (1, c, 1, 1, 1) of each property over all cells of realizations m (n, c, nx, ny, nz)."""
    return m.transpose(0, 1).flatten(1).std(dim=1).clamp(min=1e-6).reshape(1, -1, 1, 1, 1)


def _step(f: Tensor) -> Tensor:
    """Zero for a tensor that does nothing at all."""
    mean = f.mean()
    return (f + FLOOR * mean).rsqrt() if mean > 0 else torch.zeros_like(f)
