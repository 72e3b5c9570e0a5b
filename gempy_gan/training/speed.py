"""How fast this machine convolves: the rate that a training's own is compared with."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.learning import Recipe

CHANNELS, BOX, KERNEL = 64, (32, 32, 16), 3
SECONDS = 0.5


@torch.no_grad()
def conv3d_rate(device: torch.device, dtype: torch.dtype = torch.float32, seconds: float = SECONDS) -> float:
    """Floating-point operations a second of a 3 x 3 x 3 convolution of 64 channels: the best of what `seconds` allow."""
    layer = torch.nn.Conv3d(CHANNELS, CHANNELS, KERNEL, padding=1).to(device, dtype)
    x = torch.randn((4, CHANNELS, *BOX), device=device).to(dtype)
    work = 2.0 * x.numel() * CHANNELS * KERNEL**3
    layer(x)
    best, end = 0.0, time.perf_counter() + seconds
    while True:
        _wait(device)
        start = time.perf_counter()
        layer(x)
        _wait(device)
        best = max(best, work / (time.perf_counter() - start))
        if time.perf_counter() > end:
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
