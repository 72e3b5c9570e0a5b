"""A small network at full resolution, for what a network on folded planes blurs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gempy_gan.networks.plane_unet import FREQUENCIES, fourier

EMBEDDING = 32  # numbers that the noise level becomes
SHIFT = 0.1  # of a cell in [-1, 1], for an output of one


class Refiner(nn.Module):
    """Noisy boxes, and a guess of what lies behind them, to a better guess, and to how far off that one is in each cell.

    A network on folded planes says with some dozens of channels what a hundred cells hold, and what it has no channel for it
    blurs, however little noise there is. But at little noise it is the neighbours of a cell that tell most of it: three
    convolutions over 3 x 3 x 3 cells, the same everywhere, need some thousand weights for that.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv3d(2 * channels, width, 3, padding=1)
        self.modulate = nn.Sequential(nn.Linear(2 * FREQUENCIES, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, 2 * width))
        self.inner = nn.Conv3d(width, width, 3, padding=1)
        self.leave = nn.Conv3d(width, 2 * channels, 3, padding=1)
        nn.init.zeros_(self.leave.weight)  # it changes nothing until it has learned something
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, guess: Tensor, sigma: Tensor, off: float) -> tuple[Tensor, Tensor]:
        """Boxes x (n, c, nx, ny, nz), noisy at sigma (n,), and the guess behind them, both in [-1, 1], to a guess and its error
        in each cell, which is `off` where nothing has been learned."""
        surprise = (x - guess) * (sigma**2 + off**2).rsqrt()[:, None, None, None, None]
        h = self.enter(torch.cat([guess, surprise], dim=1).contiguous(memory_format=torch.channels_last_3d))
        scale, shift = self.modulate(fourier(sigma.log() / 4))[:, :, None, None, None].chunk(2, dim=1)
        h = functional.silu(h * (1 + scale) + shift)
        h = h + functional.silu(self.inner(h))
        move, error = self.leave(h).float().chunk(2, dim=1)
        return guess + SHIFT * move, off * error.exp()
