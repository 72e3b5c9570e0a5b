"""Studies judged by wells that they do not see: some held out in turn, or those that the study holds out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import progress, scores
from gempy_gan.constraints import Constraints, HardData
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.study import Study

Array = NDArray[np.float64]
Setting = tuple[str, Any]

SETTABLE = ("prior", "strategy")


@dataclass(frozen=True)
class Split:
    """Wells that condition, and wells that judge: their hard data."""

    known: HardData
    judge: HardData


@dataclass(frozen=True)
class Predicted:
    """How one split was predicted: CRPS and position in the prediction of each judging cell, chi2 of the conditioning data."""

    crps: Array
    position: Array
    chi2: float


def changed(study: Study, settings: Sequence[Setting]) -> Study:
    """The study with options of its prior and strategy changed, by names such as "prior.labels.width" or "strategy.steps".

    Raises GempyGanError for another name.
    """
    tables: dict[str, Any] = {name: dict(getattr(study, name) or {}) for name in SETTABLE}
    for name, value in settings:
        section, *keys = name.split(".")
        if section not in SETTABLE or not keys or (section == "strategy" and study.strategy is None):
            raise GempyGanError(
                f"The setting {name!r} is none of the study. Expected prior.NAME, or strategy.NAME where it has one."
            )
        table = tables[section]
        for key in keys[:-1]:
            table[key] = dict(table.get(key) or {})
            table = table[key]
        table[keys[-1]] = value
    return replace(study, prior=tables["prior"], strategy=tables["strategy"] if study.strategy is not None else None)


def splits(known: Constraints, withheld: Constraints, folds: int | None) -> list[Split]:
    """Every fold's wells against the others, or all conditioning wells against those held out (`folds` None).

    Wells are dealt to folds in the order of their names. Raises GempyGanError when there are no such wells, or they constrain
    several properties or facies.
    """
    data = _only(known, "that condition")
    if folds is None:
        return [Split(data, _only(withheld, "that it holds out"))]
    names = [str(name) for name in np.unique(np.asarray(data.wells))]
    if not 2 <= folds <= len(names):
        raise GempyGanError(f"{folds} folds of {len(names)} wells were asked for. Expected 2 to {len(names)}.")
    return [_split(data, names[k::folds]) for k in range(folds)]


def _split(data: HardData, names: Sequence[str]) -> Split:
    judge = np.isin(np.asarray(data.wells), names)
    return Split(*(_part(data, mask) for mask in (~judge, judge)))


def _part(data: HardData, mask: NDArray[np.bool_]) -> HardData:
    wells = [str(name) for name in np.asarray(data.wells)[mask]]
    return HardData(data.cells[mask], data.values[mask], data.std[mask], data.property, wells)


def _only(constraints: Constraints, which: str) -> HardData:
    if len(constraints.hard) != 1 or constraints.hard[0].wells is None:
        raise GempyGanError(f"The study has {len(constraints.hard)} sets of wells {which}. Expected one, of one property.")
    return constraints.hard[0]


def row(label: str, study: Study, parts: Sequence[Split], known: Constraints, n: int | None, seed: int) -> Mapping[str, Any]:
    """One row of the table: how `n` realizations of each split's posterior predict the wells that judge."""
    start = time.process_time()
    kept: dict[str, Any] = {}
    found = []
    for k, part in enumerate(parts):
        progress.report(label, k, len(parts))
        found.append(_predicted(study, part, known, n or study.n, seed + k, kept))
    progress.report(label, len(parts), len(parts))
    cost = {"n": n or study.n, "cpu_s": round(time.process_time() - start, 1)}
    return _row(label, known.grid, parts, found) | cost


def _predicted(study: Study, part: Split, known: Constraints, n: int, seed: int, kept: dict[str, Any]) -> Predicted:
    from gempy_gan.inversion import invert
    from gempy_gan.matching import MatchedPrior
    from gempy_gan.plugins import get_strategy
    from gempy_gan.workflow import prior_from

    constraints = Constraints(known.grid, part.known, *known.soft)
    options = {key: value for key, value in study.prior.items() if key != "name"} | kept
    prior = prior_from(study.prior["name"], constraints, **options)
    if isinstance(prior, MatchedPrior):
        kept["own"] = prior.state()["own"]  # the prior's own histogram is that of every split
    strategy = None if study.strategy is None else get_strategy(**study.strategy)
    ensemble = invert(prior, constraints, strategy, n, seed)
    values = ensemble.dataset[part.known.property].values

    def at(data: HardData) -> Array:
        return np.asarray(values[:, *data.cells.T], dtype=np.float64)

    drawn, weights = at(part.judge), ensemble.weights
    return Predicted(
        scores.crps(drawn, part.judge.values, part.judge.std, weights),
        scores.pit(drawn, part.judge.values, part.judge.std, weights),
        scores.chi2(at(part.known), part.known.values, part.known.std, weights),
    )


def baselines(parts: Sequence[Split], grid: Grid) -> Iterator[Mapping[str, Any]]:
    """What needs no model: the histogram of the conditioning wells, and their mean and standard deviation in each layer."""
    histogram, layers = [], []
    for part in parts:
        judge = part.judge
        drawn = np.repeat(part.known.values[:, None], len(judge), axis=1)
        histogram.append(
            Predicted(scores.crps(drawn, judge.values, judge.std), scores.pit(drawn, judge.values, judge.std), float("nan"))
        )
        mean, sd = _by_layer(part.known, judge)
        total = np.hypot(sd, judge.std)
        layers.append(
            Predicted(scores.crps_normal(mean, total, judge.values), scores.pit(mean[None], judge.values, total), float("nan"))
        )
    yield _row("histogram of the wells", grid, parts, histogram)
    yield _row("mean of each layer", grid, parts, layers)


def _by_layer(known: HardData, judge: HardData) -> tuple[Array, Array]:
    """Mean and standard deviation of the known values in each judging cell's layer; of all where it has fewer than two."""
    found = np.empty((2, len(judge)))
    for k in np.unique(judge.cells[:, 2]):
        here = known.values[known.cells[:, 2] == k]
        here = here if len(here) > 1 else known.values
        found[:, judge.cells[:, 2] == k] = [[here.mean()], [here.std(ddof=1)]]
    return found[0], found[1]


def _row(label: str, grid: Grid, parts: Sequence[Split], found: Sequence[Predicted]) -> dict[str, Any]:
    crps, position = (np.concatenate([getattr(one, name) for one in found]) for name in ("crps", "position"))
    wells = np.concatenate([np.asarray(part.judge.wells) for part in parts])
    each = np.array([crps[wells == name].mean() for name in dict.fromkeys(wells.tolist())])
    shares = {f"coverage{100 * level:.0f}": share for level, share in scores.covered(position, (0.5, 0.8)).items()}
    return {
        "study": label,
        "grid": " x ".join(str(count) for count in grid.resolution),
        "wells": len(each),
        "cells": len(crps),
        "crps": float(crps.mean()),
        "crps_error": float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else None,
        **shares,
        "chi2": None if any(np.isnan(one.chi2) for one in found) else float(np.mean([one.chi2 for one in found])),
    }


def text(table: Sequence[Mapping[str, Any]]) -> str:
    """The rows as a table to read: grid by grid, the best CRPS first."""
    width = max(len(row["study"]) for row in table)
    lines = [f"{'':{width}}  {'grid':>14}    CRPS   +/-    50 %  80 %  chi2     n   CPU s"]
    for row in sorted(table, key=lambda row: (row["grid"], row["crps"])):
        error = "-" if row["crps_error"] is None else f"{row['crps_error']:.3f}"
        chi2 = "-" if row["chi2"] is None else f"{row['chi2']:.1f}"
        cost = f"{row['n']:6d}{row['cpu_s']:8.0f}" if "n" in row else ""
        shares = f"{row['coverage50']:5.2f} {row['coverage80']:5.2f}"
        lines.append(f"{row['study']:{width}}  {row['grid']:>14}  {row['crps']:.4f}  {error:>5}  {shares} {chi2:>5}{cost}")
    cells = " and ".join(str(number) for number in dict.fromkeys(row["cells"] for row in table))
    return "\n".join([*lines, f"Predicted: {cells} cells of {table[0]['wells']} wells. +/- is the standard error over wells."])
