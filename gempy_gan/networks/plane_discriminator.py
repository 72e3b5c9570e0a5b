"""A discriminator on map planes: residual, without normalisation, free in x and y."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from gempy_gan.networks.planes import fold

SLOPE = 0.2  # of the leaky rectifiers
GROUP = 4  # boxes whose spread the discriminator is shown


class PlaneDiscriminator(nn.Module):
    """Boxes (n, c, nx, ny, nz) in [-1, 1] and labels (n, k) to logits (n,); the residual architecture of Karras et al. (2020).

    `widths` are the channels of each level, finest first. Labels enter by projection (Miyato & Koyama 2018, equation 3).
    """

    def __init__(self, planes: int, widths: Sequence[int], labels: int = 0) -> None:
        super().__init__()
        self.enter = nn.Conv2d(planes, widths[0], 3, padding=1)
        self.levels = nn.ModuleList(Halving(before, after) for before, after in pairwise(widths))
        self.last = nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1)
        self.judge = nn.Linear(widths[-1], 1)
        self.embed = nn.Linear(labels, widths[-1], bias=False) if labels else None
        self.apply(_keep_variance)

    def forward(self, boxes: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits, in single precision; large where boxes look real and fit their labels."""
        x = self.features(boxes)[-1]
        x = functional.leaky_relu(self.last(torch.cat([x, spread(x)], dim=1)), SLOPE)
        with torch.autocast(x.device.type, enabled=False):
            pooled = x.float().mean(dim=(2, 3))
            logits: Tensor = self.judge(pooled)[:, 0]
            if self.embed is None or labels is None:
                return logits
            fit: Tensor = (self.embed(labels) * pooled).sum(dim=1) / math.sqrt(pooled.shape[1])
            return logits + fit

    def features(self, boxes: Tensor, passed: Callable[[Tensor], Tensor] = nn.Identity()) -> list[Tensor]:  # noqa: B008
        """What each level sees, (n, width, nx, ny), finest first; what it passes on goes through `passed`."""
        x = fold(boxes).contiguous(memory_format=torch.channels_last)
        found = [passed(functional.leaky_relu(self.enter(x), SLOPE))]
        for level in self.levels:
            found.append(passed(level(found[-1])))
        return found


class Halving(nn.Module):
    """Two convolutions and a mean over 2 x 2 cells, beside a shortcut; the sum has the variance of its parts."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.second = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Features (n, inputs, nx, ny) to (n, outputs, nx / 2, ny / 2)."""
        y = functional.leaky_relu(self.first(x), SLOPE)
        y = functional.leaky_relu(self.second(functional.avg_pool2d(y, 2)), SLOPE)
        out: Tensor = (y + self.skip(functional.avg_pool2d(x, 2))) * math.sqrt(0.5)
        return out


def _keep_variance(layer: nn.Module) -> None:
    """He et al. (2015): with torch's own start, biases would drown what deep layers see of a box."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(layer.weight, SLOPE)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def spread(x: Tensor) -> Tensor:
    """One plane (n, 1, nx, ny): the mean standard deviation of features over a few boxes (Karras et al. 2018, section 3).

    Boxes are grouped by their place in the batch; a generator that makes the same box again shows a small one.
    """
    n, _, nx, ny = x.shape
    groups = max(n // GROUP, 1)
    members = [x[start::groups] for start in range(groups)]
    found = [(part.float().var(dim=0, unbiased=False) + 1e-8).sqrt().mean().expand(len(part)) for part in members]
    order = torch.cat([torch.arange(start, n, groups, device=x.device) for start in range(groups)]).argsort()
    return torch.cat(found)[order, None, None, None].expand(n, 1, nx, ny).to(x.dtype)
