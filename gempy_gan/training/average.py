"""The moving average of weights, which makes better samples than the weights of any one step."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

RAMP = 0.05  # of the steps so far: the half-life while the training is young (Karras et al. 2022, appendix F.2)
STATISTICS = ("running_mean", "running_var")  # of batch normalization: averaged like the weights that they belong to


class Average:
    """Exponential moving averages, in single precision, of the networks named, which `networks` holds."""

    def __init__(self, networks: Mapping[str, nn.Module], names: Iterable[str], half_life: float) -> None:
        self.half_life = half_life
        self.networks = {name: copy.deepcopy(networks[name]).eval().requires_grad_(False) for name in names}

    def decay(self, step: int) -> float:
        """What the average keeps of itself at step `step`, counted from 0: it halves within the half-life.

        >>> round(Average({}, (), 500.0).decay(10**6) ** 500, 6)
        0.5
        """
        return float(0.5 ** (1 / max(min(self.half_life, RAMP * step), 1e-8)))

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """Take in the weights after step `step`; counters and other buffers are copied."""
        decay = self.decay(step)
        for name, averaged in self.networks.items():
            mine, theirs = averaged.state_dict(), networks[name].state_dict()
            learned = {key for key, _ in averaged.named_parameters()}
            smooth = [key for key in mine if key in learned or key.rpartition(".")[2] in STATISTICS]
            if smooth:
                torch._foreach_lerp_([mine[key] for key in smooth], [theirs[key] for key in smooth], 1 - decay)
            for key in mine.keys() - set(smooth):
                mine[key].copy_(theirs[key])
