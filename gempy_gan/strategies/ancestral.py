"""Ancestral sampling: from noise to realizations with fresh noise at every level (Ho et al. 2020; Song et al. 2021)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def towards(clean: Tensor, x: Tensor, sigma: float, following: float) -> tuple[Tensor, float]:
    """Mean and standard deviation of x at the noise level `following`, given x at sigma and the clean realizations behind it."""
    kept = (following / sigma) ** 2
    return clean + kept * (x - clean), following * math.sqrt(1 - kept)


def step(clean: Tensor, x: Tensor, sigma: float, following: float, generator: torch.Generator) -> Tensor:
    """x at the noise level `following`, drawn given x at sigma."""
    mean, std = towards(clean, x, sigma, following)
    return mean + std * noise_like(x, generator) if following else mean


def noise_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Independent standard normal numbers of the shape of x, from the generator alone."""
    return torch.randn(x.shape, generator=generator).to(x)
