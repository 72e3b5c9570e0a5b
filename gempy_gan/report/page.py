"""write_report(): an ensemble, its data and its diagnosis on one page."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan.atomic import staged
from gempy_gan.constraints import Constraints
from gempy_gan.diagnosis import Diagnosis
from gempy_gan.ensemble import Ensemble
from gempy_gan.health import Health
from gempy_gan.report import gallery, judgement
from gempy_gan.report.inputs import inputs
from gempy_gan.report.markup import code, definitions, page, paragraph, table, text
from gempy_gan.report.memory import memorization

if TYPE_CHECKING:
    from gempy_gan.diagnosis import Calibration


def write_report(
    ensemble: Ensemble,
    path: str | os.PathLike[str],
    constraints: Constraints | None = None,
    held_out: Constraints | None = None,
    diagnosis: Diagnosis | Mapping[str, Any] | None = None,
    baseline: Ensemble | None = None,
    card: Mapping[str, Any] | None = None,
    health: Mapping[str, Health] | None = None,
    study: str | None = None,
    command: str | None = None,
    title: str = "",
    calibrations: tuple[Calibration, ...] = (),
) -> Path:
    """Write one HTML page about an ensemble: its inputs, its pictures, how far to trust it, and how to repeat it.

    The page holds everything it shows, fetches nothing and runs no script, so it can be mailed, printed and kept. `diagnosis` is
    what `diagnose` found, or the content of a diagnosis.json; without one it is made, where there are constraints. `baseline`
    holds unconditional realizations, `card` is what a learned prior knows of itself, `health` what the readers of input files
    found, by file, `study` the text of the study file, `command` what repeats the run.

    Raises GridError or GempyGanError where ensemble and data do not fit together, FormatError when the disk refuses.
    """
    record = _record(ensemble, constraints, held_out, diagnosis, baseline, calibrations)
    name = title or f"{len(ensemble)} realizations of {', '.join(p.name.replace('_', ' ') for p in ensemble.properties)}"
    sections = {
        "What went in": _belonging(ensemble, constraints) + inputs(ensemble, constraints, health),
        "Where it is": gallery.where(ensemble, constraints),
        "What came out": gallery.overview(ensemble, constraints),
        "Does it honour its data": gallery.fit(ensemble, constraints) + judgement.figures(record, "hard", "soft"),
        "Does it predict what it was not shown": _predicted(ensemble, held_out, record),
        "Is its spread right": judgement.figures(record, "sampling", "spread")
        + gallery.texture(ensemble, baseline)
        + judgement.remarks(record)
        + judgement.figures(record, "calibration"),
        "Has the prior memorized": memorization(ensemble, card, record),
        "How it was made": _made(ensemble, constraints, study, command),
    }
    content = page(name, sections, paragraph(_grid(ensemble), "lead") + judgement.verdicts(record))
    target = Path(path)
    with staged(target) as file:
        file.write_text(content, encoding="utf-8")
    return target


def _record(
    ensemble: Ensemble,
    constraints: Constraints | None,
    held_out: Constraints | None,
    diagnosis: Diagnosis | Mapping[str, Any] | None,
    baseline: Ensemble | None,
    calibrations: tuple[Calibration, ...],
) -> Mapping[str, Any] | None:
    """The diagnosis as plain values: the one given, or a new one where there is something to compare with."""
    if diagnosis is None and constraints is not None:
        from gempy_gan.diagnostics import diagnose

        diagnosis = diagnose(ensemble, constraints, held_out, baseline, calibrations)
    return diagnosis.to_dict() if isinstance(diagnosis, Diagnosis) else diagnosis


def _grid(ensemble: Ensemble) -> str:
    grid = ensemble.grid
    cells, size = (" x ".join(f"{n:.4g}" for n in numbers) for numbers in (grid.resolution, grid.cell_size))
    kind = "a box" if not hasattr(grid.frame, "mode") else f"layers that follow the unit (frame {grid.frame.mode!r})"
    active = grid.active_cells.mean()
    part = "" if active == 1 else f"; {active:.0%} of them lie in the unit"
    turned = f", rotated by {grid.rotation:g} degrees" if grid.rotation % 360 else ""
    return f"{len(ensemble)} realizations on {cells} cells of {size} m, {kind}{turned}{part}."


def _belonging(ensemble: Ensemble, constraints: Constraints | None) -> str:
    """A word of warning where the constraints are not those that the ensemble was made with."""
    from gempy_gan.inversion import digest

    known = ensemble.provenance.get("constraints")
    if constraints is None or known is None or known == digest(constraints):
        return ""
    return paragraph(
        "These are not the constraints that the ensemble was conditioned to: their fingerprints differ. What follows compares it "
        "with other data.",
        "bad",
    )


def _predicted(ensemble: Ensemble, held_out: Constraints | None, record: Mapping[str, Any] | None) -> str:
    shown = gallery.held_out(ensemble, held_out) + judgement.figures(record, "held out") + gallery.ranks(record)
    advice = "No wells were held out, so nothing here says how well the ensemble predicts: hold some out, and compare."
    return shown or paragraph(advice, "note")


def _made(ensemble: Ensemble, constraints: Constraints | None, study: str | None, command: str | None) -> str:
    """Provenance, and the exact command."""
    made = ensemble.provenance
    how = {
        "prior": _described(made.get("prior")),
        "strategy": _described(made.get("strategy")),
        "realizations": made.get("n"),
        "seed": made.get("seed"),
        "batch": made.get("batch"),
        "fingerprint of the constraints": made.get("constraints"),
        "fingerprint of the prior's weights": (made.get("prior") or {}).get("weights"),
        "versions": ", ".join(f"{name} {number}" for name, number in made.get("versions", {}).items()) or None,
    }
    reports = made.get("inputs") or [term.report for term in (() if constraints is None else constraints.terms)]
    files = [row for report in reports for row in _files(report)]
    parts = [definitions(how)]
    if command is not None:
        parts += ["<h3>To repeat it</h3>", code(command)]
    elif made:
        parts.append(
            paragraph("The same prior, strategy, options, constraints, seed and batch give the same realizations.", "note")
        )
    parts.append(table("Files that went in", ("file", "SHA-256"), files))
    if study is not None:
        parts.append(code(study, "The study file"))
    parts.append(code(json.dumps(made, indent=1), "Everything the ensemble says about itself") if made else "")
    return "".join(parts)


def _described(record: Mapping[str, Any] | None) -> str | None:
    if record is None:
        return None
    options = ", ".join(f"{name} = {value}" for name, value in record.get("options", {}).items())
    return str(record["class"]) + (f" ({options})" if options else "")


def _files(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and fingerprints of the files of one term."""
    wells = [row for row in report.get("wells", []) if isinstance(row, Mapping)]
    sources = [row.get("source") or {} for row in (*wells, report)]
    return [(text(s.get("path") or s.get("file")), text(s["sha256"])) for s in sources if "sha256" in s]
