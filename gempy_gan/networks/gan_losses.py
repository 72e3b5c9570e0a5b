"""Losses of generators and discriminators, and the penalties on a discriminator's slope that keep their game stable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Discriminator = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class AdversarialLoss:
    """What a discriminator and a generator minimise, from logits (n,) of real and generated boxes."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    meaning: str


def _non_saturating(real: Tensor, fake: Tensor) -> Tensor:
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def _probability(real: Tensor, fake: Tensor) -> Tensor:
    return _cross_entropy(real, 1.0) + _cross_entropy(fake, 0.0)


def _cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Of probabilities, which round to 0 and 1 where logits would not: torch bounds their logarithms at -100."""
    return functional.binary_cross_entropy(torch.sigmoid(logits), torch.full_like(logits, target))


def _hinge(real: Tensor, fake: Tensor) -> Tensor:
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


LOSSES: Mapping[str, AdversarialLoss] = {
    "non-saturating": AdversarialLoss(
        _non_saturating, lambda fake: functional.softplus(-fake).mean(), "binary cross entropy of logits (Goodfellow et al. 2014)"
    ),
    "probability": AdversarialLoss(
        _probability, lambda fake: _cross_entropy(fake, 1.0), "the same of probabilities, as DCGAN has it (Radford et al. 2016)"
    ),
    "hinge": AdversarialLoss(_hinge, lambda fake: -fake.mean(), "hinge (Lim & Ye 2017; Miyato et al. 2018)"),
    "wasserstein": AdversarialLoss(
        lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean(), "difference of means (Arjovsky et al. 2017)"
    ),
}


def r1_penalty(discriminator: Discriminator, real: Tensor) -> Tensor:
    """Mean over real boxes of half the squared slope of the discriminator there (Mescheder et al. 2018, equation 9, gamma = 1).

    >>> w = torch.tensor([3.0, 4.0])
    >>> r1_penalty(lambda x: x @ w, torch.zeros(5, 2)).item()
    12.5
    """
    return 0.5 * _slope(discriminator, real).square().sum(dim=1).mean()


def gradient_penalty(discriminator: Discriminator, real: Tensor, fake: Tensor) -> Tensor:
    """Mean squared deviation of the discriminator's slope from 1, between real and generated boxes (Gulrajani et al. 2017).

    >>> w = torch.tensor([3.0, 4.0])
    >>> gradient_penalty(lambda x: x @ w, torch.zeros(5, 2), torch.ones(5, 2)).item()
    16.0
    """
    weight = torch.rand(len(real), *([1] * (real.ndim - 1)), device=real.device)
    between = torch.lerp(fake.detach().float(), real.float(), weight)
    slope = _slope(discriminator, between)
    deviation: Tensor = slope.norm(dim=1) - 1
    return deviation.square().mean()


def _slope(discriminator: Discriminator, x: Tensor) -> Tensor:
    """Gradient (n, values) of each logit in its own box, in single precision, differentiable once more."""
    with torch.autocast(x.device.type, enabled=False):
        at = x.detach().float().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(at).sum(), at, create_graph=True)
    return slope.flatten(1)
