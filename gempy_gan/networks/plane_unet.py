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
EMBEDDING = 256  # numbers that noise level and labels become


class PlaneUNet(nn.Module):
    """Pyramids of planes and an embedding of noise level and labels to (n, outputs, nx, ny).

    `widths` are the channels of each level, finest first. `blocks` residual blocks stand on each level on the way down and as
    many on the way up; the coarsest plane has self-attention between them (Ho et al. 2020; Karras et al. 2022). Each level also
    sees the planes themselves at its own scale, and says by itself what it can of the result, as the generators of Karras et
    al. (2020, figure 7) do: what a whole box shares need not find its way through the finer levels first. `labels` is the
    number of labels; a missing one is told apart from a zero.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], blocks: int = 1, labels: int = 0) -> None:
        super().__init__()
        size = EMBEDDING
        self.embed_noise = nn.Sequential(nn.Linear(2 * FREQUENCIES, size), nn.SiLU(), nn.Linear(size, size))
        self.embed_labels = nn.Linear(2 * labels, size, bias=False) if labels else None
        self.enter = nn.ModuleList(nn.Conv2d(inputs, width, 1) for width in widths)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.down.append(nn.ModuleList(Block(before if k == 0 else width, width, size) for k in range(blocks)))
            self.up.append(nn.ModuleList(Block(2 * width if k == 0 else width, width, size) for k in range(blocks)))
        self.levels = len(widths)
        self.widen = nn.ModuleList(nn.Conv2d(wide, narrow, 1) for narrow, wide in pairwise(widths))
        self.middle = Attention(widths[-1])
        finest = nn.Sequential(ChannelNorm(widths[0]), nn.SiLU(), _silent(nn.Conv2d(widths[0], outputs, 3, padding=1)))
        self.leave = nn.ModuleList([finest, *(_silent(nn.Conv2d(width, outputs, 1)) for width in widths[1:])])

    def forward(self, pyramid: Sequence[Tensor], noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Planes (n, inputs, nx, ny), the same at half the size and so on, one for each level; `noise` (n,) about 0 in logarithm;
        `labels` (n, k) in [-1, 1] with NaN where unknown."""
        e = self.embed_noise(fourier(noise))
        if self.embed_labels is not None and labels is not None:
            known = torch.isfinite(labels)
            e = e + self.embed_labels(torch.cat([labels.nan_to_num(0.0), known.to(labels.dtype)], dim=1))
        e = functional.silu(e)
        x, passed = self.enter[0](pyramid[0]), []
        for level, stage in enumerate(_stages(self.down)):
            x = _through(stage, functional.avg_pool2d(x, 2) if level else x, e)
            x = x + self.enter[level](pyramid[level]) if level else x
            passed.append(x)
        x = self.middle(x)
        out = torch.zeros((), dtype=x.dtype, device=x.device)
        for level in reversed(range(self.levels)):
            x = _through(_stages(self.up)[level], torch.cat([x, passed[level]], dim=1), e)
            out = out + self.leave[level](x)
            if level:
                x, out = _doubled(self.widen[level - 1](x)), _doubled(out)
        return out


class Block(nn.Module):
    """One normalisation, two convolutions, scaled and shifted by the embedding; a residual branch."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(inputs)
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.modulate = nn.Linear(embedding, 2 * outputs)
        self.second = _silent(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

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
        return x * inverse * self.scale[:, None, None].to(x.dtype)


class Attention(nn.Module):
    """Self-attention over all places of a plane, as a residual branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width)
        self.query_key_value = nn.Conv2d(width, 3 * width, 1)
        self.out = _silent(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Planes (n, width, nx, ny) to the same."""
        n, width, nx, ny = x.shape
        parts = self.query_key_value(self.norm(x)).reshape(n, 3, HEADS, width // HEADS, nx * ny).transpose(3, 4)
        found = functional.scaled_dot_product_attention(parts[:, 0], parts[:, 1], parts[:, 2])
        mixed: Tensor = self.out(found.transpose(2, 3).reshape(n, width, nx, ny))
        return x + mixed


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, saying nothing until it has learned something."""
    nn.init.zeros_(layer.weight)
    return layer


def _doubled(x: Tensor) -> Tensor:
    """Planes (n, width, nx, ny) at twice the resolution."""
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


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
