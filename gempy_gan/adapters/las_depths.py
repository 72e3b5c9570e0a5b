"""The depths of a LAS file: which curve they are, and whether they run one way."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd

from gempy_gan.adapters import las_header
from gempy_gan.adapters.las_missing import Missing
from gempy_gan.adapters.las_rows import Rows
from gempy_gan.errors import FormatError
from gempy_gan.health import Finding

DEPTH_MNEMONICS = frozenset({"DEPT", "DEPTH", "DEP", "MD", "DMEA", "TDEP"})
"""Names under which the first curve is taken for measured depth without being told so."""

SAME_DEPTH = 0.01  # metres within which two curves of depth agree

Duplicates = Literal["refuse", "first", "mean"]


def depth_column(rows: Rows, depth: str | None, header: Any) -> int:
    """Which column holds measured depth. Raises FormatError when no curve is named so."""
    if depth is not None and depth in rows.columns:
        return list(rows.columns).index(depth)
    if depth is not None or str(header.curves[0].original_mnemonic).strip().upper() not in DEPTH_MNEMONICS:
        what = (
            f"There is no curve {depth!r}"
            if depth is not None
            else f"The first curve {rows.columns[0]!r} is no known name of depth"
        )
        raise FormatError(f"{what}. Name the measured depth with `depth=`; the file has: {', '.join(rows.columns)}.")
    return 0


def check_other_depths(
    rows: Rows,
    index: int,
    header: Any,
    missing: Missing,
    decimal: str,
    factor: float,
    depth: str | None,
    found: list[Finding],
) -> None:
    """Where other curves are named as measured depth too, they must agree, or the caller must have said which one it is."""
    own = rows.numbers(index, missing.texts, decimal) * factor
    for i, item in enumerate(header.curves):
        if i == index or str(item.original_mnemonic).strip().upper() not in DEPTH_MNEMONICS:
            continue
        metres = las_header.METRES.get(las_header.unit(item).upper(), factor)
        other = missing.blank(rows.numbers(i, missing.texts, decimal), rows.columns[i], []) * metres
        apart = float(np.nanmax(np.abs(other - own), initial=0.0))
        if apart > SAME_DEPTH and depth is None:
            raise FormatError(
                f"Curves {rows.columns[index]} and {rows.columns[i]} are both named as measured depth, and differ by up to "
                f"{apart:.4g} m. Say which one it is: give `depth=`."
            )
        agree = "agrees" if apart <= SAME_DEPTH else f"differs by up to {apart:.4g} m"
        found.append(
            Finding("note", f"{rows.columns[i]} is named as measured depth too, and {agree}", f"{rows.columns[index]} was taken.")
        )


def unique(table: pd.DataFrame, rows: Rows, duplicates: Duplicates, found: list[Finding]) -> pd.DataFrame:
    """The table without rows of equal depth that follow each other. Its attrs hold the line of each row."""
    if duplicates not in ("refuse", "first", "mean"):
        raise FormatError(f"duplicates is {duplicates!r}. Allowed: 'refuse', 'first' or 'mean'.")
    depth = table.index.to_numpy()
    new = np.concatenate([[True], np.diff(depth) != 0])
    lines = np.asarray(rows.lines)
    if duplicates != "refuse" and not new.all():
        at = int(lines[np.argmin(new)])
        how = "The first of them was kept." if duplicates == "first" else "Their mean was taken."
        found.append(Finding("warning", f"{int((~new).sum())} rows repeat the depth of the row before", how, at))
        kept = (
            table[new] if duplicates == "first" else table.groupby(np.cumsum(new)).mean().set_axis(depth[new]).rename_axis("md")
        )
        table, lines = kept.copy(), lines[new]
    table.attrs["lines"] = lines.tolist()
    return table


def ascending(table: pd.DataFrame, found: list[Finding]) -> tuple[pd.DataFrame, list[int]]:
    """The table with depths that increase, and the line of each row."""
    lines: list[int] = table.attrs.pop("lines")
    steps = np.diff(table.index.to_numpy())
    if (steps > 0).all():
        return table, lines
    if (steps < 0).all():
        found.append(Finding("note", "Depths run upwards in the file", "They were sorted downwards."))
        return table.iloc[::-1].copy(), lines[::-1]
    down = np.median(steps) > 0
    at = int(np.argmax(steps <= 0 if down else steps >= 0))
    same = "; rows of equal depth are merged by `duplicates='first'` or 'mean'" if steps[at] == 0 else ""
    raise FormatError(
        f"The depth goes from {table.index[at]:g} to {table.index[at + 1]:g} in line {lines[at + 1]}. Expected depths that only "
        f"increase or only decrease: split the file into its runs, or drop the repeated rows{same}."
    )
