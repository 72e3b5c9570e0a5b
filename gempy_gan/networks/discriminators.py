"""Discriminators of 3-D convolutions: the residual one of Rongier & Peeters (2025), and that of DCGAN (Radford et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from gempy_gan.networks.resnet3d import BOTTLENECK, SLOPE, Shape, convolution, doublings, kernel


class ResNetDiscriminator(nn.Module):
    """Boxes (n, channels, nx, ny, nz) in [-1, 1] and labels (n, labels) to logits (n,).

    `widths` are the channels at full size and after each halving; z is halved first, as in the paper. Features are summed over
    all cells; labels enter by projection (Miyato & Koyama 2018, equation 3). `normalise` puts batch normalisation before each
    activation, which the paper leaves out.
    """

    def __init__(
        self,
        channels: int,
        shape: Sequence[int],
        widths: Sequence[int],
        labels: int = 0,
        bigger: bool = False,
        spectral: bool = True,
        normalise: bool = False,
    ) -> None:
        super().__init__()
        _, steps = doublings(shape)
        self.enter = convolution(channels, widths[0], (3, 3, 3), spectral)
        self.blocks = nn.ModuleList()
        for (before, after), factors in zip(pairwise(widths), steps, strict=True):
            stages = [DownBlock(before, after, factors, kernel(factors), bigger, spectral, normalise)]
            if bigger:
                stages.append(DownBlock(after, after, (1, 1, 1), kernel(factors), bigger, spectral, normalise))
            self.blocks.append(nn.Sequential(*stages))
        judge = nn.Linear(widths[-1], 1)
        self.judge = spectral_norm(judge) if spectral else judge
        self.embed = nn.Linear(labels, widths[-1]) if labels else None

    def forward(self, boxes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits, in single precision; large where boxes look real and fit their labels."""
        x = functional.leaky_relu(self.features(boxes)[-1], SLOPE)
        with torch.autocast(x.device.type, enabled=False):
            total = x.float().sum(dim=(2, 3, 4))
            logits: Tensor = self.judge(total)[:, 0]
            if self.embed is None or labels is None:
                return logits
            fit: Tensor = (self.embed(labels) * total).sum(dim=1)
            return logits + fit

    def features(self, boxes: Tensor, passed: Callable[[Tensor], Tensor] = nn.Identity()) -> list[Tensor]:  # noqa: B008
        """What each block sees, (n, width, ...), finest first; what it passes on goes through `passed`."""
        x = self.enter(boxes)
        found = []
        for block in self.blocks:
            x = passed(block(x))
            found.append(x)
        return found


class DownBlock(nn.Module):
    """A bottleneck block that ends in a mean over cells; channels that the shortcut lacks are learned from those it has."""

    def __init__(
        self, inputs: int, outputs: int, factors: Sequence[int], size: Shape, bigger: bool, spectral: bool, normalise: bool
    ) -> None:
        super().__init__()
        middle = max(inputs // BOTTLENECK, 1)
        layers: list[nn.Module] = [*_activation(inputs, normalise), convolution(inputs, middle, (1, 1, 1), spectral)]
        for _ in range(1 + bigger):
            layers += [*_activation(middle, normalise), convolution(middle, middle, size, spectral)]
        pool = nn.AvgPool3d(tuple(factors)) if max(factors) > 1 else nn.Identity()  # type: ignore[arg-type]
        self.branch = nn.Sequential(
            *layers, *_activation(middle, normalise), pool, convolution(middle, outputs, (1, 1, 1), spectral)
        )
        self.pool = pool
        self.more = convolution(inputs, outputs - inputs, (1, 1, 1), spectral) if outputs > inputs else None

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, nx, ny, nz) to (n, outputs, nx / fx, ny / fy, nz / fz)."""
        shortcut = self.pool(x)
        if self.more is not None:
            shortcut = torch.cat([shortcut, self.more(shortcut)], dim=1)
        out: Tensor = shortcut + self.branch(x)
        return out


class PlainDiscriminator(nn.Module):
    """DCGAN in three dimensions: strided convolutions, batch normalisation but in the first, leaky rectifiers; no labels."""

    def __init__(
        self, channels: int, shape: Sequence[int], widths: Sequence[int], spectral: bool = False, normalise: bool = True
    ) -> None:
        super().__init__()
        small, steps = doublings(shape)
        norm = spectral_norm if spectral else nn.Identity()
        self.layers = nn.ModuleList()
        for number, ((before, after), factors) in enumerate(zip(pairwise([channels, *widths[1:]]), steps, strict=True)):
            size = tuple(4 if factor > 1 else 1 for factor in factors)
            padding = tuple(1 if factor > 1 else 0 for factor in factors)
            conv = norm(nn.Conv3d(before, after, size, tuple(factors), padding, bias=False))  # type: ignore[arg-type]
            self.layers.append(nn.Sequential(conv, *_activation(after, normalise and number > 0)))
        self.judge = norm(nn.Conv3d(widths[-1], 1, small, bias=False))

    def forward(self, boxes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits."""
        logits: Tensor = self.judge(self.features(boxes)[-1])
        return logits.float().flatten()

    def features(self, boxes: Tensor, passed: Callable[[Tensor], Tensor] = nn.Identity()) -> list[Tensor]:  # noqa: B008
        """What each layer sees, finest first; what it passes on goes through `passed`."""
        found: list[Tensor] = []
        for layer in self.layers:
            found.append(passed(layer(found[-1] if found else boxes)))
        return found


def _activation(channels: int, normalise: bool) -> list[nn.Module]:
    return [*([nn.BatchNorm3d(channels)] if normalise else []), nn.LeakyReLU(SLOPE)]
