"""StyleGAN for boxes of layers: one style for the whole box, and latent maps that act where they lie.

Written from Karras et al. (2019, 2020), with two changes. The constant that StyleGAN starts from is a map of latents, and every
level has such a map, added where StyleGAN adds noise: what a latent does stays near its place, and boxes of any size in x and y
can be made (as Jetchev et al. 2016 do without styles). And layers are channels of map planes, so that convolutions run over x
and y alone: a box of a few layers is wide and flat, and one 3 x 3 convolution sees whole columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from gempy_gan.networks.planes import unfold

SLOPE = 0.2  # of the leaky rectifiers
GAIN = math.sqrt(2.0)  # keeps the variance through them


class StyleGenerator(nn.Module):
    """A style with labels (n, style + labels) and one latent map per level to raw output (n, c, nx, ny, nz).

    `widths` are the channels of each level and `maps` the channels of each level's latent map, finest first; the planes of
    level i have nx / 2**i by ny / 2**i cells.
    """

    def __init__(
        self, channels: int, nz: int, widths: Sequence[int], maps: Sequence[int], style: int = 64, labels: int = 0, depth: int = 3
    ) -> None:
        super().__init__()
        self.nz = nz
        self.mapping = Mapping(style + labels, style, depth)
        self.enter = nn.Conv2d(maps[-1], widths[-1], 3, padding=1)
        inputs = [*widths[1:], widths[-1]]
        levels = reversed(list(zip(inputs, widths, maps, strict=True)))
        self.levels = nn.ModuleList(Level(before, width, places, style, channels * nz) for before, width, places in levels)

    def forward(self, style: Tensor, maps: Sequence[Tensor], mapped: Sequence[Tensor] | None = None) -> Tensor:
        """`maps` are (n, maps[i], nx / 2**i, ny / 2**i), finest first.

        `mapped`, styles (n, style) for each level, coarsest first, as they are before the mapping's last rectifier, replace what
        the mapping makes of `style`.
        """
        styles = [rectified(w) for w in mapped] if mapped else [rectified(self.mapping(style))] * len(maps)
        x = self.enter(maps[-1].contiguous(memory_format=torch.channels_last))
        planes: Tensor | None = None
        for level, w, places in zip(self.levels, styles, reversed(maps), strict=True):
            x, more = level(x, w, places)
            planes = more if planes is None else more + enlarged(planes)
        assert planes is not None  # noqa: S101  # there is at least one level
        return unfold(planes, self.nz)


class Mapping(nn.Module):
    """Latents to styles, which need not be normal, by fully connected layers; W is this behind one more rectifier.

    Before that rectifier styles are much nearer to normal (the space P of Zhu et al. 2020, arXiv 2012.09036).
    """

    def __init__(self, inputs: int, style: int, depth: int) -> None:
        super().__init__()
        sizes = [inputs, *([style] * depth)]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))

    def forward(self, z: Tensor) -> Tensor:
        """(n, inputs) to (n, style)."""
        first, *others = self.layers
        w: Tensor = first(z)
        for layer in others:
            w = layer(rectified(w))
        return w


def rectified(x: Tensor) -> Tensor:
    """Leaky rectifiers that keep the variance."""
    return GAIN * functional.leaky_relu(x, SLOPE)


class Level(nn.Module):
    """Two modulated convolutions with latent maps added to each, and what this level adds to the box."""

    def __init__(self, inputs: int, width: int, places: int, style: int, planes: int) -> None:
        super().__init__()
        self.first = ModulatedConv(inputs, width, 3, style)
        self.second = ModulatedConv(width, width, 3, style)
        self.place_first, self.place_second = nn.Conv2d(places, width, 1), nn.Conv2d(places, width, 1)
        self.out = ModulatedConv(width, planes, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(planes, 1, 1))

    def forward(self, x: Tensor, w: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Features of the level below, or of this one, to features (n, width, nx, ny) and planes (n, planes, nx, ny)."""
        x = self.first(x, w)
        if x.shape[2:] != places.shape[2:]:
            x = enlarged(x)
        x = rectified(x + self.place_first(places))
        x = rectified(self.second(x, w) + self.place_second(places))
        return x, self.out(x, w) + self.bias


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled by the style per input channel, then normalised per output channel.

    Karras et al. (2020), equations 1-3: w' = s_i w_ijk, w'' = w' / sqrt(sum_ik w'^2). Scaling inputs and outputs instead of
    weights gives the same, and lets one convolution serve the whole batch.
    """

    def __init__(self, inputs: int, outputs: int, size: int, style: int, demodulate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size) / math.sqrt(inputs * size**2))
        self.style = nn.Linear(style, inputs)
        nn.init.ones_(self.style.bias)
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Features (n, inputs, nx, ny) and styles (n, style) to (n, outputs, nx, ny)."""
        scale = self.style(w)
        y = functional.conv2d(x * scale[:, :, None, None], self.weight, padding=self.weight.shape[-1] // 2)
        return y * self._norm(scale)[:, :, None, None].to(y.dtype) if self.demodulate else y

    def _norm(self, scale: Tensor) -> Tensor:
        """1 / sqrt(sum_ik w'^2), (n, outputs), in single precision."""
        with torch.autocast(scale.device.type, enabled=False):
            energy: Tensor = scale.float().square() @ self.weight.float().square().sum(dim=(2, 3)).T
            return torch.rsqrt(energy + 1e-8)


def enlarged(planes: Tensor) -> Tensor:
    """Planes (n, c, nx, ny) of twice the cells along x and y, linear between them."""
    return functional.interpolate(planes, scale_factor=2.0, mode="bilinear", align_corners=False)
