"""Hamiltonian Markov chains in latent space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.chains import MarkovChains

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.target import State, Target


@dataclass
class HMC(MarkovChains):
    """Hamiltonian Monte Carlo (Duane et al. 1987) that is exact for its Gaussian reference (Beskos et al. 2011).

    A step draws a velocity from the reference and follows the Hamiltonian dynamics for a length of `path` on average, between
    half and one and a half times as far, which breaks resonances. The integrator turns position and velocity as the reference
    alone would, exactly and by at most `step_size` radians, between half kicks by what the posterior is more than the reference;
    so accuracy depends neither on the number of latents nor on how narrow the reference is. The step size is adapted towards an
    acceptance of 80 %. A step costs as many gradients as it has turns, at most `leapfrogs`.

    Options, and when chains are called converged: `MarkovChains`.
    """

    lengths: ClassVar[dict[str, tuple[int, int]]] = {"informed": (50, 400), "prior": (200, 800)}
    sizes: ClassVar[dict[str, float]] = {"informed": 0.5, "prior": 0.05}
    largest: ClassVar[float] = math.pi / 2
    acceptance: ClassVar[float] = 0.8
    slopes: ClassVar[bool] = True

    path: float = math.pi / 2
    leapfrogs: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.path < math.inf or self.leapfrogs < 1:
            raise GempyGanError(
                f"HMC's path and leapfrogs are {self.path} and {self.leapfrogs}. Expected a positive length and 1 or more."
            )

    def move(self, target: Target, state: State, size: Tensor, generator: torch.Generator) -> tuple[State, Tensor]:
        """Propose the end of a trajectory."""
        length = self.path * (0.5 + float(torch.rand(1, generator=generator)))
        turns = min(self.leapfrogs, math.ceil(length / float(size.min())))
        return trajectory(target, state, size.clamp(max=length / turns), turns, generator)


def trajectory(target: Target, state: State, angle: Tensor, turns: int, generator: torch.Generator) -> tuple[State, Tensor]:
    """Where `turns` turns by `angle` (rows, 1) end, from a random velocity, and minus the change of energy (rows,)."""
    velocity = target.reference.sample(len(angle), generator)
    before = target.log_density(state) - target.reference.energy(velocity)
    for _ in range(turns):
        velocity = velocity.mixed(1.0, target.force(state), angle / 2)
        position = state.deviation
        state = target.at(position.mixed(angle.cos(), velocity, angle.sin()))
        velocity = velocity.mixed(angle.cos(), position, -angle.sin())
        velocity = velocity.mixed(1.0, target.force(state), angle / 2)
    return state, target.log_density(state) - target.reference.energy(velocity) - before
