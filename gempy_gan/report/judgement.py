"""The diagnosis as a reader meets it: what to know first, then every figure with its mark and its meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gempy_gan.report.markup import listing, mark, paragraph, table, text

Record = Mapping[str, Any]  # what Diagnosis.to_dict() returns

FINE = "Nothing conspicuous: every check that could be made was passed."
NONE = "No diagnosis was made: there were no constraints to compare the ensemble with."
HEADER = ("figure", "state", "ensemble", "without data", "layer mean", "should be", "meaning")
LABELS = {
    "mae": "mean absolute error",
    "crps": "CRPS",
    "chi2": "chi²",
    "sd": "standard deviation",
    "rhat": "R-hat",
    "prior_p": "p of the prior",
    "coverage50": "50 % interval holds",
    "coverage80": "80 % interval holds",
    "coverage95": "95 % interval holds",
    "calibrated50": "50 % interval held",
    "calibrated80": "80 % interval held",
    "calibrated95": "95 % interval held",
}
KINDS = {"hard": "wells", "soft": "", "held out": "held-out wells"}
EXPLAINED = {
    "sampling": "How many realizations there are, and how many of them are worth something of their own.",
    "hard": "How well the realizations honour the wells they were conditioned to.",
    "soft": "How well data predicted from the realizations agree with those measured.",
    "held out": "How well the ensemble predicts data that it was not shown.",
    "spread": "How much the realizations differ where no data hold them.",
    "calibration": "How often this prior and strategy were right where the truth is known.",
    "memorization": "Whether realizations are copies of what the prior learned from.",
}


def verdicts(record: Record | None) -> str:
    """What a reader must know before anything else."""
    if record is None:
        return paragraph(NONE, "bad")
    marks = [row.get("status", "") for group in record["groups"].values() for row in group.values()]
    passed, all_marks = marks.count("pass"), len([m for m in marks if m])
    counted = f" {passed} of {all_marks} figures that can be judged pass." if all_marks else ""
    if not record["verdicts"]:
        return paragraph(FINE + counted, "good")
    heading = f"{len(record['verdicts'])} thing{'s' * (len(record['verdicts']) > 1)} to know before using this ensemble."
    return paragraph(heading + counted, "lead") + listing((_in_words(v, record["groups"]) for v in record["verdicts"]), "bad")


def figures(record: Record | None, *kinds: str) -> str:
    """The figures of these kinds of groups, a table for each group; nothing where there are none."""
    groups = {} if record is None else record["groups"]
    return "".join(_group(name, group) for name, group in groups.items() if name.partition(":")[0] in kinds)


def remarks(record: Record | None) -> str:
    """What is known of prior and strategy rather than of this ensemble."""
    return "" if record is None else listing(record.get("remarks", []))


def _group(name: str, group: Mapping[str, Mapping[str, Any]]) -> str:
    kind, title = name.partition(":")[0], _named(name).capitalize()
    return paragraph(EXPLAINED.get(kind, ""), "note") + table(title, HEADER, [_cells(key, row) for key, row in group.items()])


def _named(group: str) -> str:
    """A group of figures in words: "hard: coarse_fraction" are the wells' coarse fraction."""
    kind, _, subject = group.partition(": ")
    return f"{KINDS.get(kind, kind)}{', ' if subject and KINDS.get(kind, kind) else ''}{subject.replace('_', ' ')}"


def _in_words(verdict: str, groups: Iterable[str]) -> str:
    """A verdict that begins with the name of its group, with that name in words."""
    group = next((name for name in groups if verdict.startswith(f"{name}: ")), None)
    if group is None:
        return verdict
    name = _named(group)
    return f"{name[:1].upper()}{name[1:]}{verdict[len(group) :]}"


def _cells(key: str, row: Mapping[str, Any]) -> Sequence[str]:
    name = LABELS.get(key, key.replace("_", " "))
    numbers = [text(row.get(what)) for what in ("value", "unconditional", "layer_mean", "ideal")]
    return [text(name), mark(row.get("status", "")), *numbers, text(row["meaning"])]
