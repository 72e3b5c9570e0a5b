"""Where a calibration is kept, so that reports can quote it: a trained prior's card, or a file of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gempy_gan import GempyGanError, load_prior
from gempy_gan.diagnosis import CALIBRATION, merged_calibrations, read_calibrations
from gempy_gan.training.card import write_card
from gempy_gan.training.folder import alone_in
from gempy_gan.weights import ENDING, fingerprint, read_card, replace_card
from gempy_gan_bench.files import keep_json

PRIOR = f"prior{ENDING}"


def check_card(place: Path) -> None:
    """Raise GempyGanError, before hours of work, where nothing can be kept."""
    if place.suffix == ENDING or (place.is_dir() and (place / PRIOR).is_file()):
        read_card(place / PRIOR if place.is_dir() else place)
    elif place.suffix == ".json" and place.resolve().parent.is_dir():
        if place.exists():
            read_calibrations(place)
    else:
        raise GempyGanError(f"{place} has no card. Expected a trained prior's file, the folder of a training, or a .json file.")


def add_calibration(place: Path, entry: Mapping[str, Any]) -> None:
    """Keep an entry in the prior's file, in that of a training's folder and on its card, or in a JSON file of entries.

    One about the same prior, strategy, box and kind of data is replaced. Raises GempyGanError where the file holds another prior
    than the calibrated one.
    """
    check_card(place)
    if place.suffix == ".json":
        keep_json(place, merged_calibrations(read_calibrations(place) if place.exists() else [], entry))
        return
    file = place / PRIOR if place.is_dir() else place
    if fingerprint(load_prior(file)) != entry["prior"].get("weights"):
        raise GempyGanError(f"{file} holds other weights than those that were calibrated. Give the file of that prior.")
    if not place.is_dir():
        replace_card(file, _with(read_card(file), entry))
        return
    with alone_in(place):
        replace_card(file, _with(read_card(file), entry))
        write_card(place, _with(json.loads((place / "card.json").read_bytes()), entry))


def _with(card: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**card, CALIBRATION: merged_calibrations(card.get(CALIBRATION, []), entry)}
