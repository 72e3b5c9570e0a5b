"""A U-Net on map planes: the layers of a box become channels, so that convolutions run over x and y alone.

A box of a few layers is wide and flat. Folding z into the channels lets one 3 x 3 convolution see a whole column at once, costs a
third to a tenth of 3 x 3 x 3 convolutions of equal reach on CPUs, and leaves the network free in x and y: any size that the
number of levels divides can be denoised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

FREQUENCIES = 16  # of the noise level's Fourier features
HEADS = 4  # of the attention on the coarsest plane


class PlaneUNet(nn.Module):
    """(n, inputs, nx, ny) planes and an embedding of noise level and labels to (n, outputs, nx, ny).

    `widths` are the channels of each level, finest first; nx and ny must be divisible by 2 ** (levels - 1). `blocks` residual
    blocks stand on each level on the way down and as many on the way up; the coarsest plane has self-attention between them
    (Ho et al. 2020; Karras et al. 2022). `labels` is the number of labels; a missing one is told apart from a zero.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], blocks: int = 1, labels: int = 0) -> None:
        super().__init__()
        size = 4 * widths[0]
        self.embed_noise = nn.Sequential(nn.Linear(2 * FREQUENCIES, size), nn.SiLU(), nn.Linear(size, size))
        self.embed_labels = nn.Linear(2 * labels, size, bias=False) if labels else None
        self.enter = nn.Conv2d(inputs, widths[0], 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.down.append(nn.ModuleList(Block(before if k == 0 else width, width, size) for k in range(blocks)))
            self.up.append(nn.ModuleList(Block(2 * width if k == 0 else width, width, size) for k in range(blocks)))
        self.widen = nn.ModuleList(nn.Conv2d(wide, narrow, 1) for narrow, wide in pairwise(widths))
        self.middle = Attention(widths[-1])
        self.leave = nn.Sequential(ChannelNorm(widths[0]), nn.SiLU(), nn.Conv2d(widths[0], outputs, 3, padding=1))
        nn.init.zeros_(self.leave[-1].weight)  # type: ignore[arg-type]

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Planes x (n, inputs, nx, ny), `noise` (n,) about 0 in logarithm, `labels` (n, k) in [-1, 1] with NaN where unknown."""
        e = self.embed_noise(fourier(noise))
        if self.embed_labels is not None and labels is not None:
            known = torch.isfinite(labels)
            e = e + self.embed_labels(torch.cat([labels.nan_to_num(0.0), known.to(labels.dtype)], dim=1))
        e = functional.silu(e)
        x = self.enter(x)
        passed = []
        for level, stage in enumerate(_stages(self.down)):
            x = functional.avg_pool2d(x, 2) if level else x
            x = _through(stage, x, e)
            passed.append(x)
        x = self.middle(x)
        for level in reversed(range(len(self.up))):
            x = _through(_stages(self.up)[level], torch.cat([x, passed[level]], dim=1), e)
            if level:
                x = functional.interpolate(self.widen[level - 1](x), scale_factor=2.0, mode="nearest")
        out: Tensor = self.leave(x)
        return out


class Block(nn.Module):
    """One normalisation, two convolutions, scaled and shifted by the embedding; a residual branch."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulate = nn.Linear(embedding, 2 * outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """Planes (n, inputs, nx, ny) and the embedding (n, embedding) to (n, outputs, nx, ny)."""
        h = self.first(functional.silu(self.norm(x)))
        scale, shift = self.modulate(e)[:, :, None, None].chunk(2, dim=1)
        h = self.second(functional.silu(h * (1 + scale) + shift))
        out: Tensor = self.skip(x) + h
        return out


class ChannelNorm(nn.Module):
    """Scales the channels of each place to a mean square of one.

    Statistics over the plane, as a group norm takes them, would wipe out what all places share (the net-to-gross), and would make
    a place depend on how large a plane is denoised at once.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Planes (n, width, nx, ny) to the same."""
        inverse = torch.rsqrt(x.float().square().mean(dim=1, keepdim=True) + 1e-4).to(x.dtype)
        return x * inverse * self.scale[:, None, None]


class Attention(nn.Module):
    """Self-attention over all places of a plane, as a residual branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.query_key_value = nn.Conv2d(width, 3 * width, 1)
        self.out = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Planes (n, width, nx, ny) to the same."""
        n, width, nx, ny = x.shape
        parts = self.query_key_value(self.norm(x)).reshape(n, 3, HEADS, width // HEADS, nx * ny).transpose(3, 4)
        found = functional.scaled_dot_product_attention(parts[:, 0], parts[:, 1], parts[:, 2])
        mixed: Tensor = self.out(found.transpose(2, 3).reshape(n, width, nx, ny))
        return x + mixed


def _stages(levels: nn.ModuleList) -> list[Iterable[nn.Module]]:
    return list(levels)  # type: ignore[arg-type]


def _through(blocks: Iterable[nn.Module], x: Tensor, e: Tensor) -> Tensor:
    for block in blocks:
        x = block(x, e)
    return x


def fourier(position: Tensor) -> Tensor:
    """Sines and cosines (n, 2 * FREQUENCIES) of numbers (n,), with periods from 16 down to 1/8."""
    frequency = 2 * math.pi * 2 ** torch.linspace(-4, 3, FREQUENCIES, device=position.device)
    angle = position.float()[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1)
