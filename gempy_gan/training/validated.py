"""The validation of a finished training, on its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.atomic import replace_file
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError
from gempy_gan.metrics import Validation
from gempy_gan.metrics.windows import corners, cut
from gempy_gan.seeds import Origin
from gempy_gan.training.card import write_card
from gempy_gan.training.folder import alone_in
from gempy_gan.training.page import png, samples_figure
from gempy_gan.weights import replace_card

PRIOR, PICTURE = "prior.safetensors", "validation.png"
SHOWN = 4  # volumes in a row


def add_validation(
    folder: Path,
    found: Validation,
    generated: Ensemble,
    real: Ensemble,
    source: str,
    training: tuple[Ensemble, str] | None = None,
) -> dict[str, Any]:
    """Add what `validate` found to the card of a training's folder, in the prior file, too; returns the card.

    `source` is where the real volumes come from, `training` the training images and where they come from, if memorization was
    tested. A picture of generated above real volumes is written beside the card. A validation that the card held is replaced;
    the weights stay as they are.

    Raises FormatError when the folder holds no finished training, GempyGanError while one runs in it.
    """
    if not (folder / PRIOR).is_file():
        raise FormatError(f"{folder} holds no {PRIOR}. Give the folder of a training that 'gempy-gan train' has finished.")
    with alone_in(folder):
        card = _card(folder)
        record = found.to_dict()
        figures = record.pop("figures")
        known = {"against": _described(real, source), "training": None if training is None else _described(*training)}
        pictures = [*(name for name in card["pictures"] if name != PICTURE), PICTURE]
        card |= {"validation": record | known | {"compared": found.compared}, "metrics": figures, "pictures": pictures}
        _write_picture(folder / PICTURE, found, generated, real)
        replace_card(folder / PRIOR, card)
        write_card(folder, card)
    return card


def _card(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "card.json").read_bytes()))
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{folder} holds no card of a training ({error}). Give the folder that 'gempy-gan train' wrote."
        ) from None


def _described(volumes: Ensemble, source: str) -> dict[str, Any]:
    """How many volumes, from where, and which ones, if they say it."""
    record: dict[str, Any] = {"source": Path(source).name, "volumes": len(volumes)}
    origin = Origin.of(volumes)
    if origin is None:
        return record
    return record | {"simulator": origin.simulator, "seed": origin.seed, "first": min(origin.numbers), "last": origin.last}


def _write_picture(file: Path, found: Validation, generated: Ensemble, real: Ensemble) -> None:
    names = [p.name for p in generated.properties if p.name in {q.name for q in real.properties}]
    rows = [_boxes(volumes, names, found) for volumes in (generated, real)]
    try:
        replace_file(file, png(samples_figure(rows[0], rows[1], [generated.property(name) for name in names], SHOWN)))
    except OSError as error:
        raise FormatError(f"The picture {file} was not written: {error.strerror or error}. Make room.") from error


def _boxes(volumes: Ensemble, names: list[str], found: Validation) -> NDArray[np.float32]:
    """The first of the boxes (n, c, nx, ny, nz) that were compared."""
    part = volumes.dataset.isel(realization=slice(0, SHOWN))
    values = np.stack([part[name].values.astype(np.float32) for name in names], axis=1)
    corner = corners(found.shape, volumes.grid.resolution, len(volumes), found.seed)
    return np.stack([cut(volume, first, found.shape) for volume, first in zip(values, corner, strict=False)])
