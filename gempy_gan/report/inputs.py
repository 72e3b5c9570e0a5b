"""What went into an ensemble, and in what state it was: the report's tables of wells and seismic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gempy_gan.constraints import Constraints
from gempy_gan.ensemble import Ensemble
from gempy_gan.health import Health
from gempy_gan.report.markup import definitions, listing, mark, paragraph, table, text

WELL = ("well", "state", "file", "samples", "used", "missing", "outside", "not in the unit", "cells", "what to know")
NOTHING = "The ensemble does not say what it was conditioned to, and no constraints were given."


def inputs(ensemble: Ensemble, constraints: Constraints | None, health: Mapping[str, Health] | None) -> str:
    """Wells and seismic, what of them was used and what was not, and what their readers found."""
    reports: Sequence[Mapping[str, Any]] = ensemble.provenance.get("inputs", [])
    if constraints is not None:
        reports = [_stated(term) for term in constraints.terms]
    if not reports:
        return paragraph(NOTHING, "note")
    parts = [_wells(report) if "property" in report else _seismic(report) for report in reports]
    return "".join(parts) + _findings(health)


def _stated(term: Any) -> dict[str, Any]:
    """A term's own report, and what the term itself tells where its report does not."""
    if hasattr(term, "property"):
        names = [] if term.wells is None else sorted(set(term.wells.tolist()))
        counted = [{"well": name, "cells": int((term.wells == name).sum())} for name in names]
        return {"wells": counted, **term.report, "property": term.property, "cells": len(term), "std": _span(term.std)}
    return {**term.report, "name": term.name, "values": len(term), "std": _span(term.std)}


def _span(values: Any) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"


def _wells(report: Mapping[str, Any]) -> str:
    name = report["property"].replace("_", " ")
    curve = f" from curve {report['curve']}" if "curve" in report else ""
    cells = f", {report['cells']} cells" if isinstance(report.get("cells"), int) else ""
    std = f", standard deviation {text(report['std'])}" if "std" in report else ""
    rows = [_well(row) for row in report.get("wells", []) if isinstance(row, Mapping)]
    shown = table(f"Wells: {name}{curve}{cells}{std}", WELL, rows)
    odd = [_disagreement(row) for row in report.get("disagreements", [])]
    return shown + listing(odd, "bad") if shown else paragraph(f"Wells: {name}{cells}{std}, without a record of their files.")


def _well(row: Mapping[str, Any]) -> Sequence[str]:
    source = row.get("source") or {}
    known = list(_of_well(row))
    counts = [text(row.get(key)) for key in ("samples", "used", "missing", "outside", "inactive", "cells")]
    status = "look" if any(serious for serious, _ in known) else "pass"
    return [text(row["well"]), mark(status), text(source.get("path")), *counts, text(" ".join(line for _, line in known))]


def _of_well(row: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    """What a reader should know of one well, and whether it calls for a look."""
    if row.get("cells") == 0:
        yield True, "Nothing of it was used."
    if row.get("without_position"):
        yield True, f"{row['without_position']} samples lie beyond the survey and have no position."
    if row.get("outside"):
        yield False, f"{row['outside']} samples lie outside the grid."


def _disagreement(row: Any) -> str:
    if not isinstance(row, Mapping):
        return str(row)
    return "Logs disagree: " + ", ".join(f"{key} {value}" for key, value in row.items())


def _seismic(report: Mapping[str, Any]) -> str:
    source = report.get("source") or {}
    unit = "s two-way time" if report.get("domain") == "time" else "m depth"
    axis = report.get("axis")
    bare = {"traces", "columns"} - report.keys()
    facts = {
        "file": source.get("path") or source.get("file"),
        "window": None if not axis else f"{axis[0]:g} to {axis[1]:g} {unit}",
        "values": report.get("samples", report.get("values")),
        "standard deviation of the noise": report.get("std"),
        "traces": None if bare else f"{report['traces_used']} of {report['traces']} used, {report['traces_dead']} dead",
        "columns": None if bare else f"{report['columns']} with a trace, {report['columns_without_trace']} without",
        "farthest trace from its column": None if bare else f"{report['largest_distance']:.3g} m",
        "samples left out": report.get("samples_left_out"),
        "samples that see beyond top or base": report.get("samples_near_edges"),
    }
    name = text(report.get("name", "seismic")).capitalize()
    return f"<h3>{name} {_seismic_state(report)}</h3>{definitions(facts)}"


def _seismic_state(report: Mapping[str, Any]) -> str:
    """A look is worth it where a tenth of the columns or of the traces tells nothing."""
    dead = report.get("traces_dead", 0) > 0.1 * report.get("traces", 0)
    bare = report.get("columns_without_trace", 0) > 0.1 * report.get("columns", 0)
    return mark("look" if dead or bare else "pass") if "traces" in report else ""


def _findings(health: Mapping[str, Health] | None) -> str:
    """What the readers of the files noticed."""
    if health is None:
        return paragraph("What the readers of these files found is told where the report is made from the study.", "note")
    rows = [
        (text(name), mark("" if finding.level == "note" else "look"), text(finding.message), text(finding.action))
        for name, findings in health.items()
        for finding in findings
    ]
    read = f"{len(health)} input files were read."
    return (
        table(f"{read} What their readers found", ("file", "state", "finding", "what was done"), rows)
        if rows
        else paragraph(f"{read} Their readers found nothing to remark.", "good")
    )
