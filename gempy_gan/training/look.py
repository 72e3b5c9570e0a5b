"""A look at a training: a few samples beside real boxes, and how far apart they are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from gempy_gan.atomic import replace_file
from gempy_gan.errors import GempyGanError
from gempy_gan.metrics import validate
from gempy_gan.training.boxes import Boxes

if TYPE_CHECKING:
    from gempy_gan.learning import LearnedPrior
    from gempy_gan.properties import Property

REAL = 64  # boxes, half of which the floor compares with the other half
LEAST, MOST, AT_ONCE = 8, 32, 4  # samples
SEED = 1789  # of the samples: the same latents each time, so that pictures can be compared
FAMILIES = ("histogram", "variogram", "connectivity", "bodies", "diversity")  # quick ones
SPLITS = 10
FRACTION, TIME = "coarse_fraction", "deposition_time"


@dataclass(frozen=True, eq=False)
class Look:
    """Samples and real boxes (n, c, nx, ny, nz) of a step, and the figures {name: {"value", "floor", ...}} of the samples."""

    step: int
    samples: NDArray[np.float32]
    real: NDArray[np.float32]
    figures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, float]:
        """The figures' values, for the log."""
        return {name: figure["value"] for name, figure in self.figures.items() if figure["value"] is not None}

    @property
    def floors(self) -> dict[str, float]:
        """What real boxes show against each other."""
        return {name: figure["floor"] for name, figure in self.figures.items() if figure["floor"] is not None}


def look(prior: LearnedPrior, real: NDArray[np.float32], step: int, seconds: float = 60.0) -> Look:
    """Draw samples until there are 32, or until the seconds have passed and there are 8; and compare them with real boxes."""
    samples = draw(prior, seconds)
    return Look(step, samples, real, figures(samples, real, prior.properties))


def draw(prior: LearnedPrior, seconds: float) -> NDArray[np.float32]:
    """Some samples (n, c, nx, ny, nz). Raises GempyGanError when they are not finite."""
    generator = torch.Generator().manual_seed(SEED)
    found: list[NDArray[np.float32]] = []
    end = time.monotonic() + seconds
    while len(found) * AT_ONCE < MOST and (len(found) * AT_ONCE < LEAST or time.monotonic() < end):
        found.append(prior.sample(AT_ONCE, generator).detach().float().cpu().numpy())
    samples = np.concatenate(found)
    if not np.isfinite(samples).all():
        raise GempyGanError("The samples of the prior are not finite, though its losses were: the training went wrong.")
    return samples


def figures(samples: NDArray[np.float32], real: NDArray[np.float32], properties: Sequence[Property]) -> dict[str, dict[str, Any]]:
    """The quick ones of `gempy_gan.metrics`, each beside its floor; none for boxes that hold no coarse fraction."""
    names = [p.name for p in properties]
    if FRACTION not in names or len(real) < 4:
        return {}
    channels = [names.index(FRACTION), *([names.index(TIME)] if TIME in names else [])]
    wanted = [*FAMILIES, *(["superposition"] if TIME in names else [])]
    found = validate(samples[:, channels].clip(0, 1), real[:, channels], n=len(samples), figures=wanted, splits=SPLITS)
    return dict(found.to_dict()["figures"])


def real_boxes(boxes: Boxes, file: Path, step: int) -> NDArray[np.float32]:
    """Boxes to compare with, which stay the same when the training is resumed: those of the file, or new ones, kept in it."""
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    try:
        return np.asarray(load(file.read_bytes())["values"], np.float32)
    except (OSError, SafetensorError, KeyError):
        values = boxes.batch(step, min(REAL, boxes.smallest))[0]
        replace_file(file, save({"values": values}))
        return values.astype(np.float32)
