"""A wide U-Net that starts out as a narrow one: what was learned is kept, and there is room to learn more."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from gempy_gan.networks.plane_unet import ChannelNorm, PlaneUNet

Places = Sequence[int]  # where the channels of the narrow network lie among those of the wide one


@torch.no_grad()
def widen(wide: PlaneUNet, narrow: PlaneUNet) -> None:
    """Give `wide`, fresh from its initialization, the weights of `narrow`, so that both compute the same.

    The idea is that of Net2Net (Chen et al. 2016). New channels between blocks are silent at first, but are read with random
    weights; those within blocks are filled with random weights, but not read: either way a gradient reaches them.

    Raises RuntimeError unless both have as many levels and blocks, the same inputs, outputs and labels, and as wide a coarsest
    plane (the heads of its attention have no larger counterpart), and no level of `wide` is the narrower one.
    """
    old, new = _widths(narrow), _widths(wide)
    if not _fit(wide, narrow):
        raise RuntimeError(
            f"widths {old} for widths {new}; expected as many levels and blocks, the last width the same, none smaller, "
            "neighbours equal where they were, and the same properties, layers and labels"
        )
    kept = [range(width) for width in old]
    wide.embed_noise.load_state_dict(narrow.embed_noise.state_dict())
    if wide.embed_labels is not None:
        _fill(wide.embed_labels, narrow.embed_labels)
    for level, width in enumerate(new):
        _fill(wide.enter[level], narrow.enter[level], kept[level], silent=True)
        firsts = {"down": kept[max(level - 1, 0)], "up": [*kept[level], *(width + k for k in kept[level])]}
        for way, first in firsts.items():
            blocks = zip(getattr(wide, way)[level], getattr(narrow, way)[level], strict=True)
            for number, (block, small) in enumerate(blocks):
                _fill_block(block, small, kept[level] if number else first, kept[level])
        if level:
            _fill(wide.widen[level - 1], narrow.widen[level - 1], kept[level - 1], kept[level], silent=True)
            _fill(wide.leave[level], narrow.leave[level], None, kept[level])
    _fill_norm(wide.leave[0][0], narrow.leave[0][0], kept[0])  # type: ignore[index]
    _fill(wide.leave[0][2], narrow.leave[0][2], None, kept[0])  # type: ignore[index]
    wide.middle.load_state_dict(narrow.middle.state_dict())


def _widths(unet: PlaneUNet) -> list[int]:
    return [enter.out_channels for enter in unet.enter]  # type: ignore[misc]


def _fit(wide: PlaneUNet, narrow: PlaneUNet) -> bool:
    """Whether the narrow network has a place in the wide one."""
    small = {name: tuple(value.shape) for name, value in narrow.state_dict().items()}
    large = {name: tuple(value.shape) for name, value in wide.state_dict().items()}
    ends = ("enter.0.weight", 1), ("leave.0.2.weight", 0), ("embed_labels.weight", 1)
    return (
        small.keys() == large.keys()  # which hold fewer where widths of neighbouring levels are equal
        and all(small[name][axis] == large[name][axis] for name, axis in ends if name in small)
        and _widths(wide)[-1] == _widths(narrow)[-1]
        and all(a <= b for a, b in zip(_widths(narrow), _widths(wide), strict=True))
    )


def _fill_block(wide: Any, narrow: Any, inputs: Places, outputs: Places) -> None:
    """A residual block: it reads `inputs`, and adds to `outputs`."""
    _fill_norm(wide.norm, narrow.norm, inputs)
    _fill(wide.first, narrow.first, outputs, inputs)
    hidden = wide.first.out_channels
    _fill(wide.modulate, narrow.modulate, [*outputs, *(hidden + k for k in outputs)])
    _fill(wide.second, narrow.second, outputs, outputs, silent=True, unread=True)
    if isinstance(wide.skip, nn.Conv2d):
        _fill(wide.skip, narrow.skip, outputs, inputs, silent=True)


def _fill_norm(wide: ChannelNorm, narrow: ChannelNorm, places: Places) -> None:
    """Silent channels lower the mean square that a norm divides by; its scale makes up for it."""
    wide.scale[list(places)] = narrow.scale * math.sqrt(len(narrow.scale) / len(wide.scale))


def _fill(
    wide: Any, narrow: Any, rows: Places | None = None, columns: Places | None = None, silent: bool = False, unread: bool = False
) -> None:
    """Put the weights of a narrow layer into the rows (outputs) and columns (inputs) of a wide one, None being all.

    `silent`: new outputs are zero. `unread`: old outputs do not read new inputs.
    """
    out = torch.arange(wide.weight.shape[0]) if rows is None else torch.tensor(list(rows))
    into = torch.arange(wide.weight.shape[1]) if columns is None else torch.tensor(list(columns))
    kept = torch.zeros(wide.weight.shape[0], dtype=torch.bool).index_fill(0, out, True)
    if unread:
        wide.weight[kept] = 0.0
    if silent:
        wide.weight[~kept] = 0.0
    wide.weight[out[:, None], into] = narrow.weight
    if wide.bias is not None:
        if silent:
            wide.bias[~kept] = 0.0
        wide.bias[out] = narrow.bias
