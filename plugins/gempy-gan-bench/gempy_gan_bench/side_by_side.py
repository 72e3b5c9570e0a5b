"""Strategies side by side: one line for each contender, which a table of all its cases is too long to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gempy_gan_bench.tables import COLUMNS, PASSES, summary

Row = Mapping[str, Any]
BY_WELLS = {"inversion_error": ".3f", "generalization_error": ".2f"}  # formats of means over the truths, for each number of wells
MEANS = {  # formats of means over all cases without, then with seismic
    "balanced_match": ".3f",
    "crps_heldout": ".3f",
    "coverage80": ".2f",
    "spread": ".2f",
    "cpu_s": ".3g",
}


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table with a line for each label and prior, in the order of the rows."""
    found = [_line(line, rows) for line in summary(rows)]
    head = list(found[0])
    rule = ["---", "---", *(["--:"] * (len(head) - 2))]
    lines = [head, rule, *([line[heading] for heading in head] for line in found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _line(line: Row, rows: Sequence[Row]) -> dict[str, str]:
    mine = [row for row in rows if (row["label"], row["prior"]) == (line["label"], line["prior"])]
    low, high = line["n"]
    cells = {
        "strategy": f"`{line['label']}`",
        "prior": line["prior"],
        "n": str(low) if low == high else f"{low}-{high}",
        f"{PASSES:.0%} pass": f"{line['cases_passed']} of {line['cases']}",
        "worst": f"{line['worst_pass_rate']:.2f}",
    }
    for key, form in BY_WELLS.items():
        for seismic, data in ((False, "wells"), (True, "with seismic")):
            cells[f"{COLUMNS[key][0]}, {data}"] = ", ".join(_by_wells(mine, key, seismic, form))
    for key, form in MEANS.items():
        cells[COLUMNS[key][0]] = ", ".join(
            _of([row for row in mine if row["seismic"] is seismic], key, form) for seismic in (False, True)
        )
    cells["chi2"] = _of(mine, "chi2", ".2f")
    cells["variogram"] = _of(mine, "variogram_error", ".2f")
    cells["checker"] = _of(mine, "checkerboard", ".2f", max)
    ratio = line["diversity_ratio"]
    cells["diversity"] = "" if ratio is None else f"{ratio[0]:.2f}-{ratio[1]:.2f}"
    cells["seismic helps"] = "{} of {}".format(*line["seismic_helps"])
    cells["warned"] = str(line["warned"])
    return cells


def _by_wells(mine: Sequence[Row], key: str, seismic: bool, form: str) -> list[str]:
    rows = [row for row in mine if row["seismic"] is seismic]
    return [_of([row for row in rows if row["wells"] == wells], key, form) for wells in sorted({row["wells"] for row in rows})]


def _of(rows: Sequence[Row], key: str, form: str, fold: Callable[[list[float]], Any] = np.mean) -> str:
    known = [row[key] for row in rows if row[key] is not None]
    return format(float(fold(known)), form) if known else "-"
