"""Tables: the rows of finished cases, members pooled, and a summary of each contender."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gempy_gan import GempyGanError
from gempy_gan_bench import reference
from gempy_gan_bench.figures import THRESHOLD, wilson

COLUMNS: Mapping[str, tuple[str, str, str]] = {  # key: heading, format, meaning
    "inversion_error": ("error", ".4f", "mean |datum - value| at the wells"),
    "pass_rate": ("pass", ".2f", f"share of the realizations whose error is at most {THRESHOLD:g}"),
    "generalization_error": ("gen. error", ".3f", "mean |truth - value| over the cells without wells"),
    "balanced_match": ("match", ".3f", "share of well cells of the right facies, mean over the facies"),
    "crps_heldout": ("CRPS", ".3f", "continuous ranked probability score of the held-out wells"),
    "coverage80": ("cover 80", ".2f", "share of the held-out data in the central 80 % interval"),
    "chi2": ("chi2", ".2f", "mean of ((predicted - observed) / noise)^2 of the seismic"),
    "diversity_ratio": ("diversity", ".2f", "spread given three vague cells, over that of the posterior"),
    "spread": ("spread", ".3f", "RMS difference between two realizations"),
    "superposition": ("order", ".4f", "share of vertical neighbours of which the upper one is not older"),
    "rising_time": ("rising", ".3f", "share of vertical neighbours of which the upper one is younger"),
    "variogram_error": ("variogram", ".2f", "error of the mean variogram, 1 being that of any real deposit"),
    "checkerboard": ("checker", ".2f", "power of the strongest grid pattern that real deposits do not have, over theirs"),
    "cpu_s": ("CPU s", ".3g", "CPU seconds per realization, all threads"),
    "forward_evaluations": ("evals", ".4g", "realizations decoded or denoised, per realization"),
    "backward_evaluations": ("grads", ".4g", "realizations differentiated, per realization"),
}
ALSO_MEANT = ("generalization_error_all", "well_chi2")  # in JSON only
FROM_CASES = [
    *(key for key in COLUMNS if key not in ("pass_rate", "diversity_ratio") and not key.endswith(("_s", "_evaluations"))),
    *ALSO_MEANT,
]
PASSES = 0.95  # share of the realizations that must pass the threshold


def read(folders: Iterable[Path], only: Sequence[Path] | None = None) -> list[dict[str, Any]]:
    """What the files of finished tasks hold, all of them or some. Raises GempyGanError for a folder without any finished case,
    another program's file, or data of different protocols."""
    found = []
    for folder in folders:
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        held = [_record(file) for file in files if only is None or file in only]
        if not any("case" in each for each in held):
            raise GempyGanError(
                f"{folder} holds no finished case. Expected a folder that 'gempy-gan-bench fluvial --out' wrote into."
            )
        found += held
    if len({json.dumps(each["record"]["data"], sort_keys=True) for each in found}) > 1:
        raise GempyGanError(
            "The folders hold cases of different boxes or protocols. Expected one protocol in a table: name them apart."
        )
    return found


def rows(files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each contender and case, members pooled, in the order of labels and cases.

    Raises GempyGanError where one label stands for different contenders.
    """
    _check_labels(files)
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for file in (file for file in files if "case" in file):
        groups.setdefault((*_who(file), *file["case"].values()), []).append(file)
    ratios = _ratios(files)
    found = [_row(group, ratios) for group in groups.values()]
    return sorted(found, key=lambda row: (row["label"], row["prior"], row["truth"], row["wells"], row["seismic"]))


def _check_labels(files: Sequence[Mapping[str, Any]]) -> None:
    """Raise GempyGanError where files of one label and prior differ in more than the trained member, or a part is there twice."""
    meant: dict[tuple[str, str], str] = {}
    members: dict[tuple[str, str, int], str] = {}
    for file in (file for file in files if file["record"]["task"] != "reference"):
        label, prior = _who(file)
        record = file["record"]
        kinds = {**{k: record[k] for k in ("strategy", "n", "seed")}, "prior": {**record["prior"], "weights": None}}
        weights = json.dumps(record["prior"], sort_keys=True)
        same = meant.setdefault((label, prior), json.dumps(kinds, sort_keys=True)) == json.dumps(kinds, sort_keys=True)
        if not same or members.setdefault((label, prior, file["member"]), weights) != weights:
            raise GempyGanError(
                f"The label {label!r} stands for runs of {prior} that differ in options, realizations, seed or weights. "
                "Expected one: repeat one of the runs with --as and another label, or read their folders one by one."
            )


def _row(group: Sequence[Mapping[str, Any]], ratios: Mapping[tuple[Any, ...], dict[str, Any]]) -> dict[str, Any]:
    first = group[0]
    n = sum(file["n"] for file in group)
    case = first["case"]
    pooled = {key: _mean([file["figures"].get(key) for file in group]) for key in FROM_CASES}
    passed = _mean([file["figures"]["pass_rate"] for file in group])
    low, high = wilson(passed, n)
    if len(group) == 1:
        low, high = first["figures"]["pass_low"], first["figures"]["pass_high"]
    diversity = ratios.get((*_who(first), case["truth"]), {})
    return {
        "label": first["label"],
        "prior": first["prior"],
        "strategy": first["strategy"],
        **case,
        "n": n,
        "members": [file["member"] for file in group],
        "pass_rate": passed,
        "pass_low": low,
        "pass_high": high,
        "threshold": THRESHOLD,
        **pooled,
        "diversity_ratio": diversity.get("ratio"),
        "diversity_error": diversity.get("error"),
        "reference_effective": diversity.get("effective"),
        "reference_draws": diversity.get("draws"),
        "cpu_s": _mean([file["cost"]["cpu_s"] for file in group]),
        "forward_evaluations": _mean([file["cost"]["forward"] for file in group]),
        "backward_evaluations": _mean([file["cost"]["backward"] for file in group]),
        "warnings": sorted({line for file in group for line in file["warnings"]}),
        "options": first["record"]["strategy"]["options"],
        "prior_options": first["record"]["prior"]["options"],
        "seed": first["record"]["seed"],
        "versions": first["versions"],
    }


def _ratios(files: Sequence[Mapping[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Diversity of each contender relative to the reference, for each truth, members averaged; none without a good reference."""
    known = {json.dumps(_prior_of(f), sort_keys=True): f for f in files if f["record"]["task"] == "reference"}
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for file in (f for f in files if f["record"]["task"].endswith("-weak")):
        held = known.get(json.dumps(_prior_of(file), sort_keys=True))
        truth = None if held is None else held["truths"][file["truth"] - 1]
        entry: dict[str, Any] = {"ratio": None, "error": None, "effective": None, "draws": None}
        if truth is not None:
            entry |= {"effective": truth["effective"], "draws": truth["draws"]}
        if truth is not None and reference.usable(truth):
            entry |= {"ratio": file["spread"] / truth["spread"]}
            entry |= {"error": None if file["error"] is None else file["error"] / truth["spread"]}
        found.setdefault((*_who(file), file["truth"]), []).append(entry)
    return {key: _pooled(entries) for key, entries in found.items()}


def _pooled(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    error = [e["error"] for e in entries]
    together = None if None in error else float(np.sqrt(np.sum(np.square(error)))) / len(error)
    worst = {key: min((e[key] for e in entries if e[key] is not None), default=None) for key in ("effective", "draws")}
    ratios = [e["ratio"] for e in entries]
    return {"ratio": None if None in ratios else _mean(ratios), "error": together, **worst}


def summary(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One line for each contender: its cases, how many of them pass, means over them, and the extremes of the diversity ratio."""
    lines = []
    for label, prior in dict.fromkeys(_who(row) for row in found):
        mine = [row for row in found if _who(row) == (label, prior)]
        diversity = [row["diversity_ratio"] for row in mine if row["diversity_ratio"] is not None]
        lines.append(
            {
                "label": label,
                "prior": prior,
                "cases": len(mine),
                "n": [min(row["n"] for row in mine), max(row["n"] for row in mine)],
                "cases_passed": sum(row["pass_rate"] >= PASSES for row in mine),
                "worst_pass_rate": min(row["pass_rate"] for row in mine),
                **{key: _mean([row[key] for row in mine]) for key in ("pass_rate", *FROM_CASES, "cpu_s")},
                **{key: _mean([row[key] for row in mine]) for key in ("forward_evaluations", "backward_evaluations")},
                "diversity_ratio": [min(diversity), max(diversity)] if diversity else None,
                "seismic_helps": seismic_helps(mine),
                "warned": sum(bool(row["warnings"]) for row in mine),
            }
        )
    return lines


def seismic_helps(mine: Sequence[Mapping[str, Any]]) -> list[int]:
    """In how many pairs of cases the seismic lowers the generalization error, and how many pairs there are."""
    error = {(row["truth"], row["wells"], row["seismic"]): row["generalization_error"] for row in mine}
    pairs = [(error[t, w, True], error[t, w, False]) for t, w, s in error if s and (t, w, False) in error]
    return [sum(with_it < without for with_it, without in pairs), len(pairs)]


def _who(file: Mapping[str, Any]) -> tuple[str, str]:
    """What tells contenders apart."""
    return file["label"], file["prior"]


def _prior_of(file: Mapping[str, Any]) -> list[Any]:
    return [file["record"]["prior"], file["record"]["data"]]


def _mean(values: Sequence[float | None]) -> Any:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _record(file: Path) -> dict[str, Any]:
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        held["record"]["task"]
    except (ValueError, KeyError, TypeError):
        raise GempyGanError(f"{file} is no file of gempy-gan-bench. Remove it from the folder, or name another folder.") from None
    return dict(held)


def record(files: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows, summary and protocol as plain JSON values."""
    return {"rows": list(found), "summary": summary(found), "protocol": files[0]["record"]["data"]}


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """The rows as plain text, and what the summary says."""
    cells = _cells(found)
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join([*lines, "", *map(_sentence, summary(found))])


def _sentence(line: Mapping[str, Any]) -> str:
    helped, pairs = line["seismic_helps"]
    passed = f"{line['cases_passed']} of {line['cases']} cases have {PASSES:.0%} of the realizations within {THRESHOLD:g}"
    seismic = f"; with seismic the generalization error is lower in {helped} of {pairs} pairs" if pairs else ""
    return f"{line['label']}, {line['prior']}: {passed}{seismic}."


def markdown(found: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a Markdown table."""
    head, *lines = _cells(found)
    rule = ["---", *(["--:"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines)) + "\n"


def _cells(found: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    lines = [["strategy", "case", "n", *(heading for heading, _, _ in COLUMNS.values())]]
    for row in found:
        case = f"t{row['truth']}-w{row['wells']}{'-s' if row['seismic'] else ''}"
        figures = ["" if row[key] is None else format(row[key], form) for key, (_, form, _) in COLUMNS.items()]
        lines.append([row["label"], case, str(row["n"]), *figures])
    return lines
