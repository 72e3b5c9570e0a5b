"""The card of a training: what a prior learned from, for how long and on what, as JSON values and as plain text."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from gempy_gan.atomic import replace_file
from gempy_gan.diagnosis import CALIBRATION, calibration_sentence
from gempy_gan.errors import FormatError

MET = {True: "yes", False: "no", None: ""}
PACKAGES = ("gempy-gan", "torch", "numpy", "lightning-fabric")


def hardware(device: torch.device) -> dict[str, Any]:
    """The machine that computes."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return {"device": name, "cores": os.cpu_count(), "threads": torch.get_num_threads(), "system": platform.platform()}


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    return {name: version(name) for name in PACKAGES}


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write `card.json` and `card.md`."""
    try:
        replace_file(folder / "card.json", json.dumps(card, indent=1).encode())
        replace_file(folder / "card.md", card_text(card).encode())
    except OSError as error:
        raise FormatError(f"The card was not written to {folder}: {error.strerror or error}. Make room.") from error


def card_text(card: Mapping[str, Any]) -> str:
    """The card in Markdown. What was not measured is said to be so."""
    domain = card["domain"]
    nx, ny, nz = domain["shape"]
    properties = ", ".join(p["name"] for p in domain["properties"])
    cells = " x ".join(f"{edge:g}" for edge in domain["cell_size"])
    lines = [
        f"# {card['prior']}, preset {card['preset']}",
        "",
        f"A learned prior of {properties} on boxes of {nx} x {ny} x {nz} cells of {cells} m.",
        "",
        *_section("Data", _data(card)),
        *_section("Training", _training(card)),
        *_section(
            "Labels", [f"{label['name']}: {label['low']:g} to {label['high']:g} {label['unit']}" for label in domain["labels"]]
        ),
        *_figures("Figures while training", card.get("figures", {}), f"{card.get('samples', 0)} samples, quick subset"),
        *_curve(card.get("curve", [])),
        *_section("Validation", _validation(card.get("validation"))),
        *_figures("Figures of the validation", card.get("metrics", {}), "boxes at equal count"),
        *_section("Calibration", [calibration_sentence(entry) for entry in card.get(CALIBRATION, [])]),
        *_section("Pictures", list(card.get("pictures", []))),
    ]
    if not card.get("metrics"):
        lines += ["No full validation was recorded: compare samples with volumes that were held out (`gempy-gan validate`).", ""]
    return "\n".join(lines)


def _section(title: str, items: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(f"- {item}" for item in items), ""] if items else []


def _data(card: Mapping[str, Any]) -> list[str]:
    data = card["data"]
    mirrored = f"mirrored along {data['flips']} at random" if data["flips"] else "never mirrored"
    if data["kind"] == "stored":
        made = data.get("provenance", {})
        return [
            f"{data['volumes']} volumes of the training set {data.get('source', '')}, {mirrored}",
            f"SHA-256 of values and labels: {data['sha256']}",
            *([f"made by: {json.dumps(made, sort_keys=True)}"] if made else []),
        ]
    return [
        f"simulated while training by {data['simulator']}, {mirrored}; options {json.dumps(data['options'], sort_keys=True)}",
        f"{data['first']} volumes before the first step, {data['fresh']:g} more each step, the last {data['keep']} learned from",
        f"{data['volumes']} volumes in all: realizations {data['numbered_from']} and on of seed {data['seed']}",
    ]


def _training(card: Mapping[str, Any]) -> list[str]:
    speed, machine = card["speed"], card["hardware"]
    rate, share = speed.get("conv3d_flop_per_s"), speed.get("share_of_conv3d")
    used = (
        "not measured"
        if rate is None or share is None
        else f"{100 * share:.0f} % of the {rate / 1e12:.3g} TFLOP/s measured there"
    )
    start = f"weights of {card['init']}" if card.get("init") else "random weights"
    return [
        f"{card['steps']} steps of {card['batch']} boxes: {card['boxes']} boxes seen, in {card['hours']:.2f} hours of wall time",
        f"on {machine['device']}, {card['devices']} device(s), {machine['threads']} threads, {card['precision']}",
        f"{speed['boxes_per_s']:.3g} boxes/s; convolutions at {used}",
        f"started from {start}; seed {card['seed']}; options {json.dumps(card['options'], sort_keys=True)}",
        f"moving average of the weights with a half-life of {card['average']:g} steps",
        f"last losses: {', '.join(f'{name} {value:.4g}' for name, value in card['losses'].items()) or 'none'}",
        f"versions: {', '.join(f'{name} {number}' for name, number in card['versions'].items())}",
    ]


def _validation(record: Mapping[str, Any] | None) -> list[str]:
    """What was compared with what, and what came out."""
    if not record:
        return []
    training = record["training"]
    return [
        f"compared: {record['compared']}",
        f"{record['generated']} samples (seed {record['seed']}) against {record['real']} of {_volumes(record['against'])}",
        f"memorization: {'not tested' if training is None else 'tested with ' + _volumes(training)}",
        *record["verdicts"],
    ]


def _volumes(known: Mapping[str, Any]) -> str:
    """A set of volumes: its file, and where they come from, as far as that is known."""
    text = f"the {known['volumes']} volumes of {known['source']}"
    if "seed" not in known:
        return text
    return f"{text} (realizations {known['first']} to {known['last']} of seed {known['seed']}, made by {known['simulator']})"


def _figures(title: str, figures: Mapping[str, Any], how: str) -> list[str]:
    """A table of figures; "floor" is what real volumes show against each other at equal count."""
    if not figures:
        return []
    rows = [
        f"| {name} | {_short(f.get('value'))} | {_short(f.get('floor'))} | {f.get('target', '')} | {MET[f.get('met')]} |"
        for name, f in figures.items()
        if isinstance(f, Mapping)
    ]
    return [
        f"## {title}",
        "",
        f"({how}; the floor is real against real)",
        "",
        "| figure | value | floor | target | met |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _curve(looks: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of distances, as multiples of their floors, and of ratios, over boxes seen."""
    if not looks:
        return []
    names = [name for name in looks[-1]["floors"] if name in looks[-1]]
    rows = [[f"{record['boxes']}", *(_short(_over_floor(record, name)) for name in names)] for record in looks]
    return [
        "## Curve",
        "",
        "(quick figures over boxes seen; distances as multiples of their floor, the others as generated over real)",
        "",
        *(f"| {' | '.join(row)} |" for row in [["boxes", *names], ["---"] * (1 + len(names)), *rows]),
        "",
    ]


def _over_floor(record: Mapping[str, Any], name: str) -> float | None:
    value, floor = record.get(name), record["floors"].get(name)
    return None if value is None or not floor else value / floor


def _short(value: Any) -> str:
    return "" if value is None else f"{value:.4g}"


def _processor() -> str:
    """The processor's name; the architecture where the system does not tell it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
