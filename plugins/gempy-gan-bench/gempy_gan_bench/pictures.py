"""Pictures of a coarse fraction: a layer and a section, small enough to be kept beside figures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GAP, STRETCH = 2, 2  # pixels between layer and section; how often a layer of the section is repeated
PARTS = ("layer", "section")


def encoded(fraction: Array) -> dict[str, str]:
    """The middle layer and the middle section along x of a coarse fraction (nx, ny, nz), 256 grey levels, as text."""
    parts = fraction[:, :, fraction.shape[2] // 2], fraction[:, fraction.shape[1] // 2]
    levels = ((255 * part.clip(0, 1)).round().astype(np.uint8) for part in parts)
    return {name: base64.b64encode(level.tobytes()).decode() for name, level in zip(PARTS, levels, strict=True)}


def decoded(picture: Mapping[str, str], shape: Sequence[int]) -> tuple[Array, Array]:
    """Layer (nx, ny) and section (nx, nz), between 0 and 1."""
    layer, section = (np.frombuffer(base64.b64decode(picture[part]), np.uint8) / 255 for part in PARTS)
    return layer.reshape(shape[0], shape[1]), section.reshape(shape[0], shape[2])


def png(layer: Array, section: Array) -> str:
    """A PNG as base64 text: the layer, north up, and below it the section."""
    from matplotlib import colormaps, image

    above, below = layer.T[::-1], np.repeat(section.T[::-1], STRETCH, axis=0)
    values = np.vstack([above, np.full((GAP, layer.shape[0]), np.nan), below])
    colours = np.array(colormaps["cividis"](np.nan_to_num(values)))
    colours[np.isnan(values)] = 1.0
    out = io.BytesIO()
    image.imsave(out, colours, format="png", metadata={"Software": ""})
    return base64.b64encode(out.getvalue()).decode()
