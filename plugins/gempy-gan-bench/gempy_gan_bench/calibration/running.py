"""Runs of a calibration: each truth in a file of its own, so that what is finished is never computed again."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gempy_gan.ensemble import plain
from gempy_gan.inversion import describe_prior, describe_strategy, versions
from gempy_gan_bench import __version__
from gempy_gan_bench.calibration import cases, sources
from gempy_gan_bench.calibration.plan import Plan
from gempy_gan_bench.calibration.subject import Subject, subject
from gempy_gan_bench.files import keep_json
from gempy_gan_bench.parallel import attempted, worked_off
from gempy_gan_bench.protocol import key


@dataclass(frozen=True)
class Task:
    """The file of one truth."""

    plan: Plan
    number: int
    file: Path


def tasks(plan: Plan, count: int, folder: Path) -> list[Task]:
    """The files of the first `count` truths. Raises, before anything is computed, what makes the plan impossible."""
    folder.mkdir(parents=True, exist_ok=True)
    built = subject(plan, folder)
    sources.check(plan, built, count)
    name = key(plain(record(built)))
    return [Task(plan, number, folder / f"truth-{number:04d}-{name}.json") for number in range(count)]


def run(wanted: Sequence[Task], jobs: int = 1, plugins: Sequence[str] = ()) -> list[str]:
    """Compute the files that are not there; returns one line for each that failed, which a later call tries again."""
    missing = [task for task in wanted if not task.file.is_file()]
    return worked_off("truths", _attempt, missing, len(wanted), lambda task: f"Truth {task.number}", jobs, plugins)


def read(wanted: Sequence[Task]) -> list[dict[str, Any]]:
    """What the finished files hold."""
    return [json.loads(task.file.read_text(encoding="utf-8")) for task in wanted if task.file.is_file()]


def record(built: Subject) -> dict[str, Any]:
    """What decides a file's content, besides the number of its truth."""
    return {
        "data": built.plan.data(),
        "truths": sources.described(built.plan),
        "prior": describe_prior(built.prior),
        "strategy": describe_strategy(built.strategy),
    }


def _attempt(task: Task) -> str | None:
    return attempted(functools.partial(_compute, task))


def _compute(task: Task) -> None:
    built = subject(task.plan, task.file.parent)
    found = cases.computed(built, task.number)
    about = {
        "label": task.plan.contender.label,
        "box": list(built.prior.shape),
        "property": built.prop.name,
        "sand": built.sand.name,
        "noise": built.noise,
        "record": record(built),
        "versions": {"gempy-gan-bench": __version__, **versions()},
    }
    keep_json(task.file, {**about, **found})
