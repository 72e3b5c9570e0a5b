"""What came of a study of several parts: how they honour their data, their volumes, and how far surfaces moved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.atomic import staged
from gempy_gan.regridding import UNIT
from gempy_gan.workflow import Result

if TYPE_CHECKING:
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.structural_uncertainty import StructuralDraw

FIGURES = ("chi2", "match", "crps")  # that tell how data agree: the first that a kind of data has


@dataclass(frozen=True)
class Summary:
    """What came of a study of several parts, as lines to read and as plain values."""

    lines: tuple[str, ...]
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def summarize(parts: Mapping[str, Sequence[Result]], draws: Sequence[StructuralDraw | None], together: Ensemble) -> Summary:
    """What came of the parts, and of all their realizations `together` on the model's grid."""
    values: dict[str, Any] = {"units": {}, "structures": _moved(draws)}
    volumes = _volumes(together, list(parts))
    for unit, results in parts.items():
        figures = _figures(results)
        agreement = {group: _agreement(results, group, key) for group, key in figures.items()}
        values["units"][unit] = {"agreement": agreement, "figures": figures, "volume": volumes[unit]}
    return Summary(tuple(_lines(values, len(together))), values)


def write_summary(summary: Summary, folder: Path) -> list[Path]:
    """The summary as `summary.txt`, to read, and `summary.json`, to compare."""
    texts = {"summary.txt": f"{summary}\n", "summary.json": json.dumps(summary.values, indent=1)}
    for name, text in texts.items():
        with staged(folder / name) as file:
            file.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _moved(draws: Sequence[StructuralDraw | None]) -> dict[str, Any]:
    """How many structures, how many of them drawn again, and how far points moved, by surface."""
    import pandas as pd

    found = [draw for draw in draws if draw is not None]
    if not found:
        return {}
    moved = pd.concat([draw.displaced for draw in found]).groupby("surface", sort=False)["displacement"]
    rms = {str(name): [float(np.sqrt(np.mean(by**2))), float(by.abs().max())] for name, by in moved}
    return {"number": len(found), "redrawn": sum(draw.record["redrawn"] for draw in found), "moved": rms}


def _figures(results: Sequence[Result]) -> dict[str, str]:
    """By kind of data the figure that tells how they agree."""
    known = [f for r in results for f in r.diagnosis.figures if f.group.startswith(("hard", "soft", "held out"))]
    has = {figure.group: [f.key for f in known if f.group == figure.group and f.value is not None] for figure in known}
    return {group: next(key for key in FIGURES if key in keys) for group, keys in has.items() if {*FIGURES}.intersection(keys)}


def _agreement(results: Sequence[Result], group: str, key: str) -> list[float]:
    """A figure of a kind of data in each structure that has it."""
    return [f.value for r in results for f in r.diagnosis.figures if (f.group, f.key) == (group, key) and f.value is not None]


def _volumes(together: Ensemble, units: Sequence[str]) -> dict[str, list[float]]:
    """Volumes (m3) of the units on the model's grid: 10 %, 50 % and 90 % of the realizations have less."""
    codes, cell = together.property(UNIT).facies, float(np.prod(together.grid.cell_size))
    of_unit = {label: code for code, label in codes.items() if label in units and code > 0}
    counts = {unit: [] for unit in units}  # type: dict[str, list[int]]
    for k in np.arange(len(together)):
        found = together.dataset[UNIT].isel(realization=k).values
        for unit in units:
            counts[unit].append(int((found == of_unit[unit]).sum()))
    return {unit: [float(v) for v in cell * np.quantile(count, [0.1, 0.5, 0.9])] for unit, count in counts.items()}


def _lines(values: Mapping[str, Any], n: int) -> Iterator[str]:
    structures = values["structures"]
    if structures:
        again = structures["redrawn"]
        yield f"{structures['number']} structures, {again} more drawn again because their surfaces crossed; {n} realizations"
        for name, (rms, most) in structures["moved"].items():
            yield f"  {name}: points moved by {rms:.3g} m (root mean square), at most {most:.3g} m"
    for unit, found in values["units"].items():
        low, middle, high = found["volume"]
        yield f"{unit}: {middle:.4g} m3 on the model's grid ({low:.4g} to {high:.4g} in 80 % of the realizations)"
        for group, by in found["agreement"].items():
            spread = f", {min(by):.3g} to {max(by):.3g} by structure" if len(by) > 1 else ""
            yield f"  {group}: {found['figures'][group]} {np.mean(by):.3g}{spread}"
    yield "How each part honours its data is told in its folder's diagnosis.txt."
