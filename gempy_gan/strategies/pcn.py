"""Preconditioned Crank-Nicolson Markov chains in latent space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from gempy_gan.strategies.chains import MarkovChains

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gempy_gan.strategies.target import State, Target


@dataclass
class PCN(MarkovChains):
    """Preconditioned Crank-Nicolson chains (Cotter, Roberts, Stuart & White 2013), whose limit is the exact posterior.

    A step proposes m + sqrt(1 - s^2) (z - m) + s xi with xi from a Gaussian reference centred at m (generalized pCN: Rudolf &
    Sprungk 2018), and accepts by the ratio of posterior and reference, 30 % of the time. It needs no gradient, except for the
    informed reference. Options, and when chains are called converged: `MarkovChains`.
    """

    lengths: ClassVar[dict[str, tuple[int, int]]] = {"informed": (50, 1000), "prior": (2000, 4000)}
    sizes: ClassVar[dict[str, float]] = {"informed": 1.0, "prior": 0.1}
    largest: ClassVar[float] = 1.0
    acceptance: ClassVar[float] = 0.3
    slopes: ClassVar[bool] = False

    def move(self, target: Target, state: State, size: Tensor, generator: torch.Generator) -> tuple[State, Tensor]:
        """Propose between where the chain is and a draw of the reference."""
        fresh = target.reference.sample(len(size), generator)
        proposed = target.at(state.deviation.mixed((1 - size**2).sqrt(), fresh, size))
        return proposed, target.log_weight(proposed) - target.log_weight(state)
