"""Success of pivotal tuning against the quality of its start, from random latents to well optimised ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gempy_gan import Strategy, get_strategy, invert, progress
from gempy_gan.metrics.checkerboard import checkerboard
from gempy_gan_bench.figures import THRESHOLD, spread, wilson
from gempy_gan_bench.unconditional import Unconditional
from gempy_gan_bench.why.numbers import mean_with_error
from gempy_gan_bench.why.problem import Problem

FREE = 100  # unconditional realizations that grids and spread are compared with


def starts_of(steps: Sequence[int], optimizer: str) -> dict[str, Strategy]:
    """Starts of rising quality: draws of the prior, and latent optimizations of so many steps."""
    return {f"{k} steps": get_strategy("latent", steps=k, optimizer=optimizer) if k else Unconditional() for k in sorted(steps)}


def tuning(options: Mapping[str, Any]) -> Callable[[Strategy], Strategy]:
    """Pivotal tuning with these options, of the start that it is given."""
    return lambda start: get_strategy("pivotal", start=start, **options)


def start_quality(
    problem: Problem,
    starts: Mapping[str, Strategy],
    tuned: Callable[[Strategy], Strategy],
    n: int,
    seed: int = 0,
) -> dict[str, Any]:
    """Plain JSON values: for each start, errors before and after `tuned(start)` tunes the generator, pass rate, spread, grids.

    `spread` is that of the tuned realizations over that of unconditional ones; `checkerboard` as `gempy_gan.metrics` has it.
    """
    luck = problem.fractions(problem.prior.sample(FREE, torch.Generator().manual_seed(seed)))
    lines = []
    for k, (name, start) in enumerate(starts.items()):
        progress.report("starts", k, len(starts))
        before = torch.as_tensor(invert(problem.prior, problem.constraints, start, n, seed).values)
        after = torch.as_tensor(invert(problem.prior, problem.constraints, tuned(start), n, seed).values)
        lines.append({"start": name, **_compared(problem, before, after, luck)})
    progress.report("starts", len(starts), len(starts))
    wells = len(np.unique(problem.wells.wells)) if problem.wells.wells is not None else 0
    return {"wells": wells, "tuning": type(tuned(next(iter(starts.values())))).__name__, "rows": lines}


def _compared(problem: Problem, before: torch.Tensor, after: torch.Tensor, luck: np.ndarray[Any, Any]) -> dict[str, Any]:
    error, values = problem.well_error(after), problem.fractions(after)
    passed = float((error <= THRESHOLD).mean())
    return {
        "n": len(error),
        "error_before": mean_with_error(problem.well_error(before)),
        "error_after": mean_with_error(error),
        "pass_before": float((problem.well_error(before) <= THRESHOLD).mean()),
        "pass_rate": passed,
        "pass_interval": list(wilson(passed, len(error))),
        "generalization_before": mean_with_error(problem.general_error(before)),
        "generalization_after": mean_with_error(problem.general_error(after)),
        "spread": spread(values) / spread(luck),
        "checkerboard": checkerboard(values, luck),
        "checkerboard_before": checkerboard(problem.fractions(before), luck),
    }


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line of the table for each start."""
    return list(record["rows"])


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table does not say by itself."""
    first = record["rows"][0]
    return [
        f"{first['n']} realizations of {record['wells']} wells, tuned by {record['tuning']}; spread is relative to the prior's."
    ]


def picture(record: Mapping[str, Any]) -> Any:
    """Errors after tuning over errors before."""
    from gempy_gan.plot.style import ACCENT, INK, figure

    fig = figure(10, 3.2)
    axes = fig.subplots(1, 3)
    lines = rows(record)
    before = [line["error_before"]["mean"] for line in lines]
    for ax, key in zip(axes, ("error_after", "generalization_after", "checkerboard"), strict=True):
        values = [line[key]["mean"] if isinstance(line[key], dict) else line[key] for line in lines]
        ax.plot(before, values, "o", color=INK)
        for line, x, y in zip(lines, before, values, strict=True):
            ax.annotate(line["start"], (x, y), fontsize=7, xytext=(3, 3), textcoords="offset points")
        ax.set(xlabel="error at the wells before tuning", ylabel=key.replace("_", " "), xscale="log")
    axes[0].axhline(THRESHOLD, color=ACCENT, lw=0.8)
    return fig
