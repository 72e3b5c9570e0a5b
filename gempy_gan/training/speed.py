"""How fast this machine convolves: the rate that a training's own is compared with."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.learning import Recipe

KERNEL = 3
SECONDS = 0.5


def conv3d_rate(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations a second of a 3 x 3 x 3 convolution of many channels: the best of some tries."""
    return _rate(device, dtype, 16, 128) if device.type == "cuda" else _rate(device, dtype, 1, 64)


def prefers_bf16() -> bool:
    """Whether this CPU convolves faster in bf16 than in single precision; where it only emulates bf16 it is far slower."""
    cpu = torch.device("cpu")
    return _rate(cpu, torch.bfloat16, 1, 16, 0.1) > 1.3 * _rate(cpu, torch.float32, 1, 16, 0.1)


@torch.no_grad()
def _rate(device: torch.device, dtype: torch.dtype, batch: int, channels: int, seconds: float = SECONDS) -> float:
    """The best of the tries, at least two, that fit into the time; the boxes are smaller where channels are few."""
    with torch.random.fork_rng():
        layer = torch.nn.Conv3d(channels, channels, KERNEL, padding=1).to(device, dtype)
        x = torch.randn((batch, channels, channels // 2, channels // 2, 16), device=device).to(dtype)
    work = 2.0 * x.numel() * channels * KERNEL**3
    best, tries, end = 0.0, 0, time.perf_counter() + seconds
    while tries < 2 or time.perf_counter() < end:
        _wait(device)
        start = time.perf_counter()
        layer(x)
        _wait(device)
        best, tries = max(best, work / (time.perf_counter() - start)), tries + 1
    return best


def step_flop(recipe: Recipe, values: Tensor, labels: Tensor, number: int) -> float | None:
    """Floating-point operations of a step, forward and backward, taken by a copy of the recipe; None where torch cannot count."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.random.fork_rng():
        try:
            twin = copy.deepcopy(recipe)
            with FlopCounterMode(display=False) as counter:
                twin.step(values, labels, number)
        except (RuntimeError, TypeError, NotImplementedError):
            return None
    return float(counter.get_total_flops())


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
