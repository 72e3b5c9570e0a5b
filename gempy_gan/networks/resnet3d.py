"""Generators of 3-D convolutions: the residual one of Rongier & Peeters (2025), and that of DCGAN (Radford et al. 2016).

The former follows BigGAN-deep (Brock et al. 2019). Both start from a small box and double it step by step until it has `shape`:
the paper's box of 128 x 128 x 16 starts from 4 x 4 x 4 and is doubled five times in x and y, the first two times in z as well.
With the paper's options the number of weights is the paper's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SMALLEST = 4  # cells along each axis of the box that doubling starts from, where the shape allows it
BOTTLENECK = 4  # by which residual blocks narrow their inner convolutions
SLOPE = 0.2  # of leaky rectifiers

Shape = tuple[int, int, int]
Change = Callable[[int, Tensor], Tensor]  # level (0 the coarsest) and its features (n, width, ...) to those that go on


def unchanged(level: int, features: Tensor) -> Tensor:
    """The features as they are."""
    return features


def doublings(shape: Sequence[int]) -> tuple[Shape, list[Shape]]:
    """The small box that `shape` is doubled from, and the factors of each step.

    >>> doublings((128, 128, 16))
    ((4, 4, 4), [(2, 2, 2), (2, 2, 2), (2, 2, 1), (2, 2, 1), (2, 2, 1)])
    """
    small, counts = [], []
    for cells in shape:
        count = 0
        while cells % 2 ** (count + 1) == 0 and cells // 2 ** (count + 1) >= SMALLEST:
            count += 1
        small.append(cells // 2**count)
        counts.append(count)
    steps = [(1 + (i < counts[0]), 1 + (i < counts[1]), 1 + (i < counts[2])) for i in range(max(counts))]
    return (small[0], small[1], small[2]), steps


def kernel(factors: Sequence[int]) -> Shape:
    """3 cells along the axes that a step resizes, 1 along the others: the last steps of the paper's boxes leave z alone.

    >>> kernel((2, 2, 1))
    (3, 3, 1)
    """
    x, y, z = (3 if factor > 1 else 1 for factor in factors)
    return x, y, z


def convolution(inputs: int, outputs: int, size: Shape = (1, 1, 1), spectral: bool = True) -> nn.Module:
    """A convolution without bias that keeps the cells, spectrally normalised (Miyato et al. 2018) unless told not to."""
    conv = nn.Conv3d(inputs, outputs, size, padding=tuple(k // 2 for k in size), bias=False)  # type: ignore[arg-type]
    return spectral_norm(conv) if spectral else conv


class ResNetGenerator(nn.Module):
    """Latents (n, latents) and labels (n, labels) to raw output (n, channels, nx, ny, nz), before any tanh.

    `widths` are the channels of the small box and after each doubling. `bigger` doubles convolutions and blocks. Labels scale
    and shift every normalisation (conditional batch normalisation: de Vries et al. 2017), beside being latents of the small box.
    """

    def __init__(
        self,
        channels: int,
        shape: Sequence[int],
        latents: int,
        widths: Sequence[int],
        labels: int = 0,
        bigger: bool = False,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        small, steps = doublings(shape)
        start = nn.ConvTranspose3d(latents + labels, widths[0], small, bias=False)
        self.start = spectral_norm(start) if spectral else start
        self.blocks = nn.ModuleList()
        for (before, after), factors in zip(pairwise(widths), steps, strict=True):
            self.blocks.append(UpBlock(before, after, factors, kernel(factors), labels, bigger, spectral))
            if bigger:
                self.blocks.append(UpBlock(after, after, (1, 1, 1), kernel(factors), labels, bigger, spectral))
        self.norm = nn.BatchNorm3d(widths[-1])
        self.out = convolution(widths[-1], channels, (3, 3, 3), spectral)

    def forward(self, latents: Tensor, labels: Tensor, change: Change = unchanged) -> Tensor:
        """Raw output; batch statistics are those of the batch in training, the remembered ones otherwise.

        `change` is applied to the features of every level: those that a doubling starts from.
        """
        x = self.start(torch.cat([latents, labels], dim=1)[:, :, None, None, None])
        level = 0
        for block in self.blocks:
            if block.doubles:
                x, level = change(level, x), level + 1
            x = block(x, labels)
        out: Tensor = self.out(nn.functional.leaky_relu(self.norm(x), SLOPE))
        return out


class UpBlock(nn.Module):
    """A bottleneck block: its shortcut drops the channels that it has too many and repeats cells; nothing is learned there."""

    def __init__(
        self, inputs: int, outputs: int, factors: Sequence[int], size: Shape, labels: int, bigger: bool, spectral: bool
    ) -> None:
        super().__init__()
        self.outputs, self.doubles = outputs, max(factors) > 1
        middle = max(inputs // BOTTLENECK, 1)
        self.enlarge = nn.Upsample(scale_factor=tuple(float(factor) for factor in factors))
        self.narrow = Normalised(inputs, middle, (1, 1, 1), labels, spectral)
        self.inner = nn.ModuleList(Normalised(middle, middle, size, labels, spectral) for _ in range(1 + bigger))
        self.widen = Normalised(middle, outputs, (1, 1, 1), labels, spectral)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(n, inputs, nx, ny, nz) to (n, outputs, fx nx, fy ny, fz nz)."""
        y = self.narrow(x, labels)
        first, *others = self.inner
        y = first(y, labels, self.enlarge)
        for layer in others:
            y = layer(y, labels)
        out: Tensor = self.enlarge(x[:, : self.outputs]) + self.widen(y, labels)
        return out


class Normalised(nn.Module):
    """Batch normalisation, a leaky rectifier, a convolution."""

    def __init__(self, inputs: int, outputs: int, size: Shape, labels: int, spectral: bool) -> None:
        super().__init__()
        self.norm = ConditionalBatchNorm(inputs, labels) if labels else nn.BatchNorm3d(inputs)
        self.conv = convolution(inputs, outputs, size, spectral)

    def forward(self, x: Tensor, labels: Tensor, resize: nn.Module | None = None) -> Tensor:
        """`resize` is applied before the convolution."""
        y = self.norm(x, labels) if isinstance(self.norm, ConditionalBatchNorm) else self.norm(x)
        y = nn.functional.leaky_relu(y, SLOPE)
        out: Tensor = self.conv(y if resize is None else resize(y))
        return out


class ConditionalBatchNorm(nn.Module):
    """Batch normalisation whose scale and shift are linear in the labels (de Vries et al. 2017, section 3)."""

    def __init__(self, channels: int, labels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm3d(channels, affine=False)
        self.embed = nn.Linear(labels, 2 * channels)
        nn.init.normal_(self.embed.weight, std=0.02)
        nn.init.zeros_(self.embed.bias)

    def forward(self, x: Tensor, labels: Tensor) -> Tensor:
        """(n, channels, nx, ny, nz) with labels (n, labels) to the same shape."""
        scale, shift = self.embed(labels)[:, :, None, None, None].chunk(2, dim=1)
        out: Tensor = self.norm(x) * (1 + scale) + shift
        return out


class PlainGenerator(nn.Module):
    """DCGAN in three dimensions: transposed convolutions, batch normalisation, rectifiers; no labels.

    `slope` is that of the rectifiers: 0 for DCGAN's own.
    """

    def __init__(
        self,
        channels: int,
        shape: Sequence[int],
        latents: int,
        widths: Sequence[int],
        slope: float = 0.0,
        spectral: bool = False,
    ) -> None:
        super().__init__()
        small, steps = doublings(shape)
        norm = spectral_norm if spectral else nn.Identity()
        layers: list[nn.Module] = [norm(nn.ConvTranspose3d(latents, widths[0], small, bias=False))]
        for (before, after), factors in zip(pairwise([*widths[:-1], channels]), steps, strict=True):
            layers += [nn.BatchNorm3d(before), nn.LeakyReLU(slope), norm(_doubling(before, after, factors))]
        self.layers = nn.Sequential(*layers)

    def forward(self, latents: Tensor, labels: Tensor, change: Change = unchanged) -> Tensor:
        """Raw output, before any tanh; `change` is applied to the normalised features of every level."""
        x, level = latents[:, :, None, None, None], 0
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.BatchNorm3d):
                x, level = change(level, x), level + 1
        return x


def _doubling(inputs: int, outputs: int, factors: Sequence[int]) -> nn.Module:
    """A transposed convolution over 4 cells along the axes that it doubles, 1 along the others."""
    size = tuple(4 if factor > 1 else 1 for factor in factors)
    padding = tuple(1 if factor > 1 else 0 for factor in factors)
    return nn.ConvTranspose3d(inputs, outputs, size, tuple(factors), padding, bias=False)  # type: ignore[arg-type]
