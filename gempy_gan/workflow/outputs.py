"""What a run writes beside its ensemble: data, diagnosis, exports, pictures and the report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan import progress
from gempy_gan.atomic import staged
from gempy_gan.constraints import Constraints
from gempy_gan.files import write, write_surfaces
from gempy_gan.observations import write_constraints
from gempy_gan.study import Study
from gempy_gan.workflow.conditioning import health_of, read_data
from gempy_gan.workflow.grid import model_of

if TYPE_CHECKING:
    from gempy_gan.diagnosis import Diagnosis
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.health import Health


def write_data(known: Constraints, withheld: Constraints, folder: Path) -> list[Path]:
    """The conditioning data, and the held-out data where there are some."""
    files = [write_constraints(known, folder / "constraints.nc")]
    return [*files, write_constraints(withheld, folder / "held_out.nc")] if withheld.terms else files


def write_model(study: Study, folder: Path) -> list[Path]:
    """The GemPy model that was made of tops, for GemPy and its viewer."""
    if study.grid.surfaces is None:
        return []
    from gempy_gan.geomodel import save_gempy

    return [save_gempy(model_of(study), folder / "model.gempy")]


def write_diagnosis(diagnosis: Diagnosis, folder: Path) -> list[Path]:
    """The diagnosis as `diagnosis.txt`, to read, and `diagnosis.json`, to compare."""
    texts = {"diagnosis.txt": f"{diagnosis}\n", "diagnosis.json": json.dumps(diagnosis.to_dict(), indent=1)}
    for name, text in texts.items():
        with staged(folder / name) as file:
            file.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def export(study: Study, ensemble: Ensemble) -> list[Path]:
    """The ensemble (or its first realizations) in the study's formats, one folder each."""
    folder = study.out
    kept = (
        ensemble if study.output.realizations is None else ensemble.select(range(min(study.output.realizations, len(ensemble))))
    )
    endings = [ending.removeprefix(".") for ending in study.output.formats]
    tracked = progress.track(endings, "exporting", len(endings))
    files = [file for ending in tracked for file in write(kept, folder / ending / f"ensemble.{ending}")]
    return files + (write_surfaces(ensemble.grid, folder / "surfaces" / "unit.irap") if study.output.surfaces else [])


def draw(ensemble: Ensemble, known: Constraints, withheld: Constraints, folder: Path) -> list[Path]:
    """The pictures of a run, one PNG each."""
    from gempy_gan import plot

    files = []
    for name, figure in plot.pictures(ensemble, known, withheld):
        with staged(folder / f"{name}.png") as file:
            plot.save(figure, file)
        files.append(folder / f"{name}.png")
    return files


def report(
    study: Study,
    ensemble: Ensemble,
    known: Constraints,
    withheld: Constraints,
    diagnosis: Diagnosis,
    health: Mapping[str, Health],
) -> Path:
    """The report of a run: `report.html` in the study's output folder; `health` is what `health_of` says of its data."""
    from gempy_gan.report import card_of, write_report

    card = card_of(ensemble, study.prior["name"])
    held_out = withheld if withheld.terms else None
    return write_report(ensemble, study.out / "report.html", known, held_out, diagnosis, card=card, **told_by(study, health))


def told_by(study: Study, health: Mapping[str, Health] | None = None) -> dict[str, Any]:
    """What a study tells a report: its text, what the readers of its files found, and the command that repeats it.

    The files are read where their `health` is not given.
    """
    told: dict[str, Any] = {"health": health_of(read_data(study)) if health is None else health}
    if study.source is not None:
        told["study"] = study.source.read_text(encoding="utf-8")
        told["command"] = f"gempy-gan run {shlex.quote(str(study.source))} --out FOLDER"
    return told


def listing(files: Iterable[Path], folder: Path) -> str:
    """Files below a folder, one line each, or one for all in a folder of their own."""
    groups: dict[str, list[Path]] = {}
    for place in (file.relative_to(folder) for file in files):
        groups.setdefault(place.parts[0], []).append(place)
    lines = [str(places[0]) if len(places) == 1 else f"{name}/ ({len(places)} files)" for name, places in groups.items()]
    return "\n  ".join([f"Written to {folder}:", *lines])
