"""The diagnosis of an ensemble as a record: figures beside their baselines, what they mean, and what to conclude."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gempy_gan.errors import FormatError

MEANING = {
    "realizations": ("", "realizations in the ensemble"),
    "distinct": ("all", "of them, how many differ from each other by more than 1 % of the usual difference"),
    "effective_number": ("n", "of them, the effective number that differ by more than a tenth of it (Vendi score)"),
    "effective_sample_size": ("n", "independent, equally weighted realizations that are worth as much, by weights and sampler"),
    "match": ("high", "wells: share of realizations x cells that match, mean over facies, or over low, middle, high values"),
    "chi2": ("1", "mean of ((realization - datum) / std)^2; > 1: data missed, < 1: fitted closer than their errors"),
    "worst_well": ("1", "chi2 of the well that is missed most"),
    "unreached": ("0", "data that no realization comes within 5 standard deviations of"),
    "opposed": ("0", "pairs of neighbouring cells whose data differ more than twice as much as in any realization"),
    "outside_prior": ("0", "data outside everything that unconditional realizations hold"),
    "prior_p": ("", "probability that data drawn from the prior look at least as odd; small: the data contradict it"),
    "silent_traces": ("0", "traces that are zero throughout"),
    "mae": ("low", "mean absolute difference between realization and datum"),
    "correlation": ("high", "of prediction and data"),
    "sd": ("", "mean over cells of the standard deviation across realizations"),
    "entropy": ("", "mean over cells of the entropy of the facies, in nats"),
    "spread_ratio": ("< 1", "that spread relative to the unconditional one: what the data taught"),
    "collapsed_cells": ("0", "share of cells without data whose spread is below 1 % of the reference"),
    "distance": ("", "mean difference between two realizations (rms; for facies share of cells)"),
    "diversity_ratio": ("<= 1", "that difference relative to unconditional realizations; near 0 they repeat each other"),
    "checkerboard": ("< 0.5", "power of grids of 2, 4 and 8 cells above that beside them, in units of the unconditional power"),
    "crps": ("low", "continuous ranked probability score, in the property's unit; compare along the line"),
    "coverage50": ("0.50", "share of held-out data inside the central 50 % interval, measurement error included"),
    "coverage80": ("0.80", "the same for 80 %; less: too sure, more: not sure enough"),
    "coverage95": ("0.95", "the same for 95 %"),
    "brier": ("low", "Brier score of the facies probabilities; compare along the line"),
    "calibrated50": ("0.50", "share of simulated truths inside the central 50 % interval of this prior and strategy"),
    "calibrated80": ("0.80", "the same for 80 %; less: too sure, more: not sure enough"),
    "calibrated95": ("0.95", "the same for 95 %"),
    "lookup_p": ("> 0.02", "probability that realizations lie as close to training images if they only share their geology"),
    "copies": (
        "0",
        "share of realizations that repeat a training image: far closer to it than 95 % of unlearned images are to any",
    ),
    "copies_published": ("", "share closer to an image than 0.7 of the distance to others (published rule; means nothing alone)"),
    "nearest_alike": ("", "share of realizations whose nearest training image is the same one"),
    "lookup_modes": ("", "effective number of training images that realizations are nearest to"),
    "mae_before_clamp": ("low", "mean absolute difference between realization and hard datum before it was set to the datum"),
    "chi2_before_clamp": ("1", "chi2 of the hard data before cells were set to them"),
    "acceptance": ("0.1-0.5", "sampler: share of accepted proposals"),
    "rhat": ("1", "sampler: R-hat, the disagreement of its chains"),
    "unconverged": ("0", "sampler: optimizations that did not converge"),
    "proposals": ("", "sampler: realizations proposed"),
    "members": ("", "sampler: members of the ensemble that was updated"),
    "log_evidence": ("", "sampler: log probability of the data under the prior"),
    "steps": ("", "sampler: steps taken"),
    "step_size": ("", "sampler: length of its steps"),
    "ancestors": ("", "sampler: how many of the first particles have descendants"),
    "evaluations": ("", "sampler: realizations decoded"),
}

LOOKUP = "memorization"  # the group of figures that compare an ensemble with training images
SUSPECT, MOSTLY = 0.02, 0.5  # p-value below which it is said to be too close to them; share of copies that make it a look-up
SAMPLING = ("distinct", "effective_sample_size", "effective_number")  # figures of the realizations as a set that are judged
DATA = ("chi2", "match", "worst_well", "unreached", "opposed", "outside_prior", "prior_p", "silent_traces")
JUDGED = (*DATA, "crps", "brier", "coverage80", "unconverged", "rhat", "checkerboard", "collapsed_cells")

# What `gempy-gan-bench calibrate` found of a prior with a strategy on simulated truths, as plain JSON values: "prior" and
# "strategy" as provenance describes them, the strategy's "label", the "box" (nx, ny, nz) and number of "cases", their "data"
# (whose "truths", "seismic" or not), the "coverage" of central intervals by level ("50", "80", "95"), which checks it "passes".
Calibration = Mapping[str, Any]
CALIBRATION = "calibration"  # its key on cards and in provenance
CALIBRATED = ("prior", "strategy", "label", "box", "cases", "data", "coverage", "passes")  # what it holds at least
MISCALIBRATED = {
    "sbc": "ranks of single figures are not uniform",
    "fit": "draws fit their data otherwise than the truth does",
    "tarp": "expected coverage leaves the band of exact samplers",
    "coverage": "80 % intervals do not hold 80 %",
}


@dataclass(frozen=True)
class Figure:
    """One figure of a diagnosis: its value, and the same for the baselines where that makes sense.

    `ideal` says what it should be, `meaning` what it is in plain words; `note` adds what belongs to this one.
    """

    group: str
    key: str
    value: float | None
    unconditional: float | None = None
    layer_mean: float | None = None
    note: str = ""

    @property
    def ideal(self) -> str:
        """What the value should be; empty where no value is better than another."""
        return MEANING.get(self.key, ("", ""))[0]

    @property
    def meaning(self) -> str:
        """What the figure is, in plain words."""
        return MEANING.get(self.key, ("", "sampler: as the strategy reports it"))[1] + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found: `figures` in groups, and `ranks`, the rank histogram of each held-out term.

    `remarks` are sentences about prior and strategy rather than this ensemble, such as how they did in simulated cases.

    `diagnosis["held out: porosity", "crps"]` is one figure; `str()` is a table; `to_dict()` is plain JSON.
    """

    figures: tuple[Figure, ...]
    ranks: Mapping[str, list[int]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @cached_property
    def verdicts(self) -> tuple[str, ...]:
        """What a reader must know, in one sentence each; empty when nothing is conspicuous."""
        return tuple(_verdicts(self))

    def __getitem__(self, place: tuple[str, str]) -> Figure:
        for figure in self.figures:
            if (figure.group, figure.key) == place:
                return figure
        known = ", ".join(f"{f.group}/{f.key}" for f in self.figures)
        raise KeyError(f"The diagnosis has no {place[0]}/{place[1]}. It has: {known}.")

    def status(self, figure: Figure) -> str:
        """Of a figure: "look" where a verdict is about it, "pass" where it was judged and is fine, "" where no value is wrong."""
        in_sampling = figure.group == "sampling" and figure.key in SAMPLING
        if any(_verdict(figure)) or (in_sampling and figure.key in _of_sampling(self)):
            return "look"
        return "pass" if in_sampling or _judged(figure) else ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: {"groups": {group: {key: {"value", "unconditional", "layer_mean", "status", ...}}}, "verdicts",
        "ranks"}, and "remarks" where there are any."""
        groups: dict[str, dict[str, Any]] = {}
        for f in self.figures:
            row = {"value": _finite(f.value), "ideal": f.ideal, "meaning": f.meaning, "status": self.status(f)}
            references = {"unconditional": f.unconditional, "layer_mean": f.layer_mean}
            row |= {name: _finite(value) for name, value in references.items() if value is not None}
            groups.setdefault(f.group, {})[f.key] = row
        remarks = {"remarks": list(self.remarks)} if self.remarks else {}
        return {"groups": groups, "verdicts": list(self.verdicts), **remarks, "ranks": dict(self.ranks)}

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = []
        for group in dict.fromkeys(f.group for f in self.figures):
            members = [f for f in self.figures if f.group == group]
            luck, layers = (any(getattr(f, name) is not None for f in members) for name in ("unconditional", "layer_mean"))
            header = (group, "ensemble", "unconditional" if luck else "", "layer mean" if layers else "", "ideal", "")
            rows += [(), header] if rows else [header]
            rows += [_row(f) for f in members]
        widths = [max(len(row[k]) for row in rows if row) for k in range(5)]
        verdicts = [f"- {verdict}" for verdict in self.verdicts] or ["- Nothing conspicuous."]
        remarks = [f"- {remark}" for remark in self.remarks]
        return "\n".join([*(_line(row, widths) for row in rows), "", *remarks, *verdicts])


def _verdicts(diagnosis: Diagnosis) -> Iterator[str]:
    yield from _of_sampling(diagnosis).values()
    yield from _looked_up(diagnosis)
    for figure in diagnosis.figures:
        yield from _verdict(figure)


def _of_sampling(diagnosis: Diagnosis) -> dict[str, str]:
    """What is wrong with the realizations as a set: a sentence by the figure that tells it."""
    n, groups, worth = (diagnosis["sampling", key].value or 0.0 for key in ("realizations", "distinct", "effective_sample_size"))
    different = diagnosis["sampling", "effective_number"].value or 0.0
    found = {}
    if n > 1 and groups <= max(1, n / 2):
        found["distinct"] = (
            f"The ensemble has collapsed: only {groups:.0f} of {n:.0f} realizations differ; its spread is not to be trusted."
        )
    if n > 1 and worth < n / 10:
        found["effective_sample_size"] = (
            f"The {n:.0f} realizations are worth only {worth:.1f} independent ones: quantiles and spread are not to be trusted."
        )
    if groups > n / 2 and different < n / 4:
        found["effective_number"] = (
            f"The {n:.0f} realizations hardly differ: they are worth {different:.1f} different ones. Either the data leave "
            "little open, or the sampler has collapsed: compare with another strategy."
        )
    return found


def _judged(f: Figure) -> bool:
    """Whether `_verdict` has something to compare the figure with."""
    references = (f.unconditional, f.layer_mean)
    if f.value is None or f.key not in JUDGED:
        return False
    return f.unconditional is not None if f.key == "match" else f.key not in ("crps", "brier") or references != (None, None)


def _verdict(f: Figure) -> Iterator[str]:
    value = f.value
    if value is None:
        return
    if f.key == "chi2" and value > 2:
        yield f"{f.group}: missed by more than its errors allow (chi2 {value:.2f})."
    if f.key == "chi2" and value < 0.5:
        yield f"{f.group}: fitted closer than its errors justify (chi2 {value:.2f}); the errors may be set too large."
    yield from _conflict(f, value)
    if f.key == "match" and f.unconditional is not None and value <= f.unconditional:
        yield f"{f.group}: matched no better ({value:.2f}) than by unconditional realizations ({f.unconditional:.2f})."
    if f.key in ("crps", "brier"):
        for name, other in (("unconditional realizations", f.unconditional), ("the mean of each layer", f.layer_mean)):
            if other is not None and value >= other:
                yield f"{f.group}: predicted no better than by {name} ({f.key} {value:.3g} against {other:.3g})."
    if f.key == "coverage80" and not 0.6 <= value <= 0.95:
        how = "too sure of itself" if value < 0.8 else "not sure enough"
        yield f"{f.group}: the ensemble is {how} ({value:.0%} of the data inside its 80 % interval)."
    if f.key == "unconverged" and value > 0:
        yield f"{value:.0f} optimizations did not converge: their realizations may miss the data."
    if f.key == "rhat" and value > 1.1:
        yield f"The sampler's chains have not mixed (R-hat {value:.2f}, expected below 1.1): let it take more steps."
    if f.key == "checkerboard" and value > 1:
        yield f"{f.group}: a grid of cells shows through ({value:.1f} times the power of unconditional realizations is added)."
    if f.key == "collapsed_cells" and value > 0.1:
        yield f"{f.group}: {value:.0%} of the cells without data have no spread left."


def _looked_up(diagnosis: Diagnosis) -> Iterator[str]:
    """Whether the ensemble repeats training images."""
    found = {f.key: f.value or 0.0 for f in diagnosis.figures if f.group == LOOKUP}
    copies, images, p = (found.get(key, 1.0) for key in ("copies", "lookup_modes", "lookup_p"))
    if found and copies >= MOSTLY:
        yield (
            f"The posterior is a look-up of training images: {copies:.0%} of the realizations are copies, nearest to effectively "
            f"{images:.1f} images. The prior has memorized: the spread says which examples fit, not what else could be there. "
            "Train on more images, or for a shorter time."
        )
    elif p < SUSPECT:
        yield (
            f"Realizations lie closer to training images than what only shares their geology (p = {p:.2g}; {copies:.0%} of them "
            "are copies): the prior has memorized in part."
        )


def _conflict(f: Figure, value: float) -> Iterator[str]:
    """Data that no realization honours, and data that contradict the prior or each other."""
    if f.key == "worst_well" and value > 9:
        yield f"{f.group}: the well that is missed most is {f.note} (chi2 {value:.3g})."
    if f.key == "unreached":
        yield f"{f.group}: no realization comes within 5 standard deviations of {_count(value, 'datum', 'data')} ({f.note})."
    if f.key == "opposed":
        differ = _count(value, "pair of neighbouring cells differs", "pairs of neighbouring cells differ")
        yield f"{f.group}: {differ} over twice as much as in any realization ({f.note}): the data contradict each other."
    if f.key == "outside_prior":
        lie = _count(value, "datum lies", "data lie")
        yield f"{f.group}: {lie} outside everything the prior makes ({f.note}): a wrong unit or property, or a wrong prior."
    if f.key == "prior_p" and f.note:
        yield f"{f.group}: the data do not look like the prior's, p = {value:.2g} ({f.note})."
    if f.key == "silent_traces":
        traces = _count(value, "trace is", "traces are")
        yield f"{f.group}: {traces} zero throughout ({f.note}): set dead traces to NaN, or they count as data."


def _count(value: float, one: str, several: str) -> str:
    return f"{value:.0f} {one if value == 1 else several}"


def _row(f: Figure) -> tuple[str, ...]:
    return f"  {f.key}", _short(f.value), _short(f.unconditional), _short(f.layer_mean), f.ideal, f.meaning


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) < 1e6 and value == round(value) else f"{value:.3g}"


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    if not row:
        return ""
    numbers = "  ".join(row[k].rjust(widths[k]) for k in range(1, 5))
    return f"{row[0].ljust(widths[0])}  {numbers}  {row[5]}".rstrip()


def matching_calibrations(
    entries: Sequence[Calibration], provenance: Mapping[str, Any], seismic: bool | None = None
) -> list[Calibration]:
    """The entries about the prior and the strategy that an ensemble's provenance names.

    Of a trained prior, weights and options must be the same, while the box may be another one. With `seismic`, those measured
    with seismic, or without, where there are any.
    """
    if not {"prior", "strategy"} <= provenance.keys():
        return []
    wanted = _identity(provenance)
    found = [entry for entry in entries if _identity(entry) == wanted]
    alike = [entry for entry in found if entry["data"]["seismic"] == seismic]
    return alike or found


def merged_calibrations(entries: Sequence[Calibration], new: Calibration) -> list[Calibration]:
    """The entries with a new one, which replaces one about the same prior, strategy, box and kind of data."""
    return [old for old in entries if _place(old) != _place(new)] + [new]


def calibration_sentence(entry: Calibration, box: Sequence[int] | None = None) -> str:
    """What a reader of an ensemble must know; `box` is the ensemble's, where it may be another one.

    >>> about = {"prior": {}, "strategy": {}, "label": "guided", "box": [32, 32, 8], "cases": 120, "passes": {"sbc": True}}
    >>> calibration_sentence({**about, "coverage": {"80": 0.79}, "data": {"truths": "prior", "seismic": False}})
    "This prior with 'guided': 80 % intervals held 79 % of the truth in 120 simulated cases with wells."
    """
    eighty, data = entry["coverage"].get("80"), entry["data"]
    held = (
        "no cell was open to judge intervals by" if eighty is None else f"80 % intervals held {100 * eighty:.0f} % of the truth"
    )
    wrong = [MISCALIBRATED.get(name, name) for name, passed in entry["passes"].items() if passed is False]
    failed = f" Not calibrated: {'; '.join(wrong)}." if wrong else ""
    cases = "simulated cases" if data["truths"] == "prior" else f"cases of {data['truths']}"
    seen = "wells and seismic" if data["seismic"] else "wells"
    other = box is not None and list(box) != list(entry["box"])
    where = f", on {' x '.join(str(n) for n in entry['box'])} cells, another box than this one" if other else ""
    return f"This prior with '{entry['label']}': {held} in {entry['cases']} {cases} with {seen}{where}.{failed}"


def read_calibrations(path: str | os.PathLike[str]) -> list[Calibration]:
    """The entries of a JSON file. Raises FormatError when it is missing or no such file."""
    file = Path(path)
    try:
        entries = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{file} holds no calibrations ({error}). Give a file that 'gempy-gan-bench calibrate' wrote."
        ) from None
    good = isinstance(entries, list) and all(isinstance(e, dict) and set(CALIBRATED) <= e.keys() for e in entries)
    if not good:
        raise FormatError(
            f"{file} holds other JSON than calibrations. Give a file that 'gempy-gan-bench calibrate --card' wrote."
        )
    return list(entries)


def _identity(record: Mapping[str, Any]) -> str:
    prior = record["prior"]
    if "weights" in prior:
        prior = {key: prior.get(key) for key in ("class", "weights", "options")}
    return json.dumps([prior, record["strategy"]], sort_keys=True)


def _place(entry: Calibration) -> str:
    data = {key: entry["data"][key] for key in ("truths", "seismic")}
    return json.dumps([_identity(entry), list(entry["box"]), data], sort_keys=True)
