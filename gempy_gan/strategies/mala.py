"""Metropolis-adjusted Langevin Markov chains in latent space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gempy_gan.strategies.chains import MarkovChains
from gempy_gan.strategies.hmc import trajectory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gempy_gan.strategies.target import State, Target


@dataclass
class MALA(MarkovChains):
    """The Metropolis-adjusted Langevin algorithm (Roberts & Tweedie 1996), preconditioned and exact for its Gaussian reference.

    It is the semi-implicit form whose acceptance does not fall with the number of latents (Cotter et al. 2013, section 4.3), that
    is `hmc` with a single turn of `step_size` radians (Beskos et al. 2011): one gradient a step. The step size is adapted towards
    an acceptance of 57 % (Roberts & Rosenthal 1998). Options, and when chains are called converged: `MarkovChains`.
    """

    lengths: ClassVar[dict[str, tuple[int, int]]] = {"informed": (50, 1000), "prior": (1000, 4000)}
    sizes: ClassVar[dict[str, float]] = {"informed": 0.5, "prior": 0.05}
    largest: ClassVar[float] = math.pi / 2
    acceptance: ClassVar[float] = 0.57
    slopes: ClassVar[bool] = True

    def move(self, target: Target, state: State, size: Tensor, generator: torch.Generator) -> tuple[State, Tensor]:
        """Propose the end of one Langevin step."""
        return trajectory(target, state, size, 1, generator)
