"""How far from what a prior learned each method still works: truths whose labels leave the trained range step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from gempy_gan import GempyGanError, Prior, Strategy, progress
from gempy_gan_bench.figures import wilson
from gempy_gan_bench.protocol import Protocol
from gempy_gan_bench.truths import SANE, Truth, box_of
from gempy_gan_bench.why.composition import success
from gempy_gan_bench.why.numbers import mean_with_error
from gempy_gan_bench.why.problem import Problem

FIRST = 1000  # number of the first realization that may become a truth: the protocol's own have lower ones
TRIED = 12  # boxes that are tried before one with too much or too little sand is taken
HALF = 0.5  # of the realizations must pass

# Steps from the middle of what priors learned outwards; the first two of each lie within the trained ranges
SWEEPS: Mapping[str, tuple[Mapping[str, float], ...]] = {
    "width": ({"width": 220.0}, {"width": 300.0}, {"width": 375.0}, {"width": 450.0}, {"width": 600.0}),
    "sinuosity": (
        {"shortening": 4.0, "maturity": 60.0},
        {"shortening": 7.0, "maturity": 160.0},
        {"shortening": 15.0, "maturity": 200.0},
        {"shortening": 30.0, "maturity": 250.0},
    ),
    "mobility": ({"mobility": 15.0}, {"mobility": 60.0}, {"mobility": 120.0}, {"mobility": 240.0}),
    "offset": ({"offset": 0.0}, {"offset": 0.15}, {"offset": 0.3}, {"offset": 0.45}),
}


def breakdown(
    prior: Prior,
    protocol: Protocol,
    strategies: Mapping[str, Strategy | str | None],
    sweep: str,
    wells: int,
    each: int,
    n: int,
) -> dict[str, Any]:
    """Plain JSON values: for each strategy and step of the sweep, means over `each` truths; and where each strategy breaks down.

    Raises GempyGanError for a sweep that there is none of.
    """
    if sweep not in SWEEPS:
        raise GempyGanError(f"There is no sweep {sweep!r}. Expected one of: {', '.join(SWEEPS)}.")
    luck = prior.sample(100, torch.Generator().manual_seed(protocol.seed))
    lines: list[dict[str, Any]] = []
    for k, labels in enumerate(SWEEPS[sweep]):
        progress.report("steps of the sweep", k, len(SWEEPS[sweep]))
        for truth in found_truths(protocol, labels, each):
            problem = Problem.of(prior, protocol, truth, wells)
            for name, strategy in strategies.items():
                done = success(problem, strategy, n, protocol.seed, luck)
                lines.append(
                    {"strategy": name, "step": k, "labels": dict(labels), "net_to_gross": truth.net_to_gross, "n": n, **done}
                )
    progress.report("steps of the sweep", len(SWEEPS[sweep]), len(SWEEPS[sweep]))
    steps = [step(name, k, labels, lines) for name in strategies for k, labels in enumerate(SWEEPS[sweep])]
    breaks = {name: where([s for s in steps if s["strategy"] == name]) for name in strategies}
    return {"sweep": sweep, "wells": wells, "steps": steps, "breaks down": breaks, "rows": lines}


def step(name: str, k: int, labels: Mapping[str, float], lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One strategy at one step: means over truths, the pass rate over all realizations with its interval."""
    mine = [row for row in lines if row["strategy"] == name and row["step"] == k]
    passed = float(np.mean([row["pass_rate"] for row in mine]))
    return {
        "strategy": name,
        **{key: float(value) for key, value in labels.items()},
        "truths": len(mine),
        "inversion_error": mean_with_error([row["inversion_error"] for row in mine]),
        "pass_rate": passed,
        "pass_interval": list(wilson(passed, sum(row["n"] for row in mine))),
        "generalization_ratio": mean_with_error([row["generalization_ratio"] for row in mine]),
    }


def where(steps: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """The first step of a strategy at which fewer than half of the realizations pass, and the first at which their
    generalization error exceeds that of unconditional realizations; None where none of the steps is such a one."""
    few = [k for k, each in enumerate(steps) if each["pass_rate"] < HALF]
    worse = [k for k, each in enumerate(steps) if each["generalization_ratio"]["mean"] > 1]
    return {"pass rate": min(few, default=None), "generalization": min(worse, default=None)}


def sentences(record: Mapping[str, Any]) -> list[str]:
    """Where each strategy breaks down, in words."""
    found = []
    for name, at in record["breaks down"].items():
        steps = [each for each in record["steps"] if each["strategy"] == name]
        for what, k in at.items():
            place = "at no step" if k is None else f"from {_labels(SWEEPS[record['sweep']][k])} on"
            how = (
                "fewer than half of its realizations pass"
                if what == "pass rate"
                else "it errs more than unconditional realizations"
            )
            found.append(f"{record['sweep']}, {name}: {how} {place} ({len(steps)} steps).")
    return found


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line of the table for each strategy and step."""
    found = []
    for each in record["steps"]:
        labels = {key: each[key] for key in SWEEPS[record["sweep"]][0]}
        low, high = each["pass_interval"]
        rest = {key: value for key, value in each.items() if key not in labels}
        found.append({"labels": _labels(labels), **rest, "pass 95 %": f"{low:.2f}-{high:.2f}"})
    return found


def _labels(labels: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in labels.items())


def found_truths(protocol: Protocol, labels: Mapping[str, float], each: int) -> list[Truth]:
    """So many truths with these labels: the same random numbers at each step of a sweep, where their sand allows it."""
    return [_truth(protocol, tuple(sorted(labels.items())), FIRST + TRIED * k) for k in range(each)]


@cache
def _truth(protocol: Protocol, labels: tuple[tuple[str, float], ...], start: int) -> Truth:
    found = box_of(protocol, start, dict(labels))
    for number in range(start + 1, start + TRIED):
        if SANE[0] <= found.net_to_gross <= SANE[1]:
            break
        found = box_of(protocol, number, dict(labels))
    return found


def picture(record: Mapping[str, Any]) -> Any:
    """Pass rate and generalization error over the steps."""
    from gempy_gan.plot.style import ACCENT, OKABE_ITO, figure

    fig = figure(10, 3.2)
    axes = fig.subplots(1, 2)
    for k, name in enumerate(record["breaks down"]):
        steps = [each for each in record["steps"] if each["strategy"] == name]
        colour, at = OKABE_ITO[k % len(OKABE_ITO)], range(len(steps))
        passed = np.array([each["pass_rate"] for each in steps])
        bars = np.abs(np.array([each["pass_interval"] for each in steps]).T - passed)
        axes[0].errorbar(at, passed, bars, color=colour, label=name, capsize=2)
        ratios = [each["generalization_ratio"] for each in steps]
        axes[1].errorbar(at, [r["mean"] for r in ratios], [r["error"] or 0 for r in ratios], color=colour, capsize=2)
    axes[0].axhline(HALF, color=ACCENT, lw=0.8)
    axes[1].axhline(1, color=ACCENT, lw=0.8)
    axes[0].set(ylabel="pass rate", ylim=(-0.03, 1.03))
    axes[1].set(ylabel="generalization error / unconditional")
    for ax in axes:
        ax.set(xlabel=f"steps of {record['sweep']}, from the middle of the training labels")
    axes[0].legend(fontsize=7)
    return fig
