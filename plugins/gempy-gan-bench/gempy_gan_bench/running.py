"""Runs: every case of every contender, each in a file of its own, so that what is finished is never computed again."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gempy_gan.ensemble import plain
from gempy_gan.inversion import describe_strategy, versions
from gempy_gan_bench import __version__, figures, observations, pictures, real, reference, truths
from gempy_gan_bench.contenders import Contender
from gempy_gan_bench.files import keep_json
from gempy_gan_bench.inverting import inverted
from gempy_gan_bench.parallel import attempted, worked_off
from gempy_gan_bench.protocol import Case, Protocol, key

WEAK = "weak"
SHOWN = 2  # realizations of each case that are kept as pictures


@dataclass(frozen=True)
class Task:
    """One file to be made: a case (`case`), the weak problem of a truth (`truth`), or the reference of a prior (neither)."""

    contender: Contender
    protocol: Protocol
    member: int
    case: Case | None = None
    truth: int = 0
    draws: int = 0

    @property
    def name(self) -> str:
        """For messages and file names."""
        if self.case is not None:
            return self.case.name
        return f"t{self.truth}-{WEAK}" if self.truth else "reference"

    def record(self) -> dict[str, Any]:
        """What decides the file's content."""
        data = {**self.protocol.data(), "physics": truths.physics()}
        record = {"task": self.name, "data": data, "prior": self.contender.described_prior(self.protocol, self.member)}
        if self.case is None and not self.truth:
            return record
        strategy = self.contender.built_strategy(self.contender.built_prior(self.protocol, self.member))
        return {**record, "strategy": describe_strategy(strategy), "n": self.protocol.n, "seed": self.protocol.seed}

    def file(self, folder: Path) -> Path:
        """Where it goes."""
        return folder / f"{self.name}-{key(plain(self.record()))}.json"


def tasks(contender: Contender, protocol: Protocol, cases: Sequence[Case], draws: int) -> Iterator[Task]:
    """The files of a contender: its cases, then, where a reference is wanted, its weak problems, then the reference."""
    for member in protocol.members:
        for case in cases:
            yield Task(contender, protocol, member, case)
    if draws:
        for member in protocol.members:
            for truth in sorted({case.truth for case in cases}):
                yield Task(contender, protocol, member, truth=truth)
            yield Task(contender, protocol, member, draws=draws)


def run(wanted: Sequence[Task], folder: Path, cache: Path, jobs: int = 1, plugins: Sequence[str] = ()) -> list[str]:
    """Compute what `folder` lacks; returns one line for each task that failed, which a later call tries again."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [task for task in wanted if not finished(task, folder)]
    for protocol in dict.fromkeys(task.protocol for task in missing if task.case is not None):
        real.deposits(protocol, cache)  # once, before processes all want them
    attempt = functools.partial(_attempt, folder=folder, cache=cache)
    return worked_off("cases", attempt, missing, len(wanted), _named, jobs, plugins)


def _named(task: Task) -> str:
    return f"{task.contender.label}, {task.name}, member {task.member}"


def finished(task: Task, folder: Path) -> bool:
    """Whether the task's file is there; its label becomes the task's."""
    file = task.file(folder)
    if not file.is_file():
        return False
    held = json.loads(file.read_text(encoding="utf-8"))
    if task.case is None and not task.truth:
        return bool(held["draws"] >= task.draws)
    if held["label"] != task.contender.label:
        keep_json(file, {**held, "label": task.contender.label})
    return True


def compute(task: Task, folder: Path, cache: Path) -> None:
    """Make one file."""
    if task.case is not None:
        made = _case(task, task.case, cache)
    elif task.truth:
        made = _weak(task)
    else:
        made = _reference(task, cache)
    record = {"name": task.name, "record": task.record(), "protocol": asdict(task.protocol), "member": task.member}
    made = {**record, "versions": {"gempy-gan-bench": __version__, **versions()}, **made}
    keep_json(task.file(folder), made)


def _case(task: Task, case: Case, cache: Path) -> dict[str, Any]:
    prior = task.contender.built_prior(task.protocol, task.member)
    strategy = task.contender.built_strategy(prior)
    truth = truths.of(task.protocol)[case.truth - 1]
    grid = observations.grid_of(task.protocol, prior.cell_size)
    data = observations.constraints(task.protocol, truth, case, grid)
    ensemble, spent = inverted(prior, strategy, data, task.protocol.n, task.protocol.seed)
    held_out = observations.held_out(task.protocol, truth)
    found = figures.data_figures(ensemble, data.hard[0], held_out, truth.fraction)
    found["chi2"] = figures.seismic_chi2(ensemble, data.soft[0]) if data.soft else None
    values, known = figures.fractions(ensemble), real.deposits(task.protocol, cache)
    found |= real.texture(values, ensemble.weights, truth.fraction, known)
    shown = [pictures.encoded(each) for each in values[:SHOWN]]
    about = {**truth.record(), "picture": pictures.encoded(truth.fraction)}
    return {**_about(task), "case": asdict(case), "deposit": about, "figures": found, **spent, "pictures": shown}


def _weak(task: Task) -> dict[str, Any]:
    """The strategy's spread on the problem whose posterior the reference knows."""
    prior = task.contender.built_prior(task.protocol, task.member)
    strategy = task.contender.built_strategy(prior)
    truth = truths.of(task.protocol)[task.truth - 1]
    grid = observations.grid_of(task.protocol, prior.cell_size)
    data = observations.weak(task.protocol, truth, grid)
    ensemble, spent = inverted(prior, strategy, data, task.protocol.n, task.protocol.seed)
    values = figures.fractions(ensemble)
    found = {"spread": figures.spread(values, ensemble.weights), "error": figures.spread_error(values, ensemble.weights)}
    return {**_about(task), "truth": task.truth, **found, **spent}


def _reference(task: Task, cache: Path) -> dict[str, Any]:
    prior = task.contender.built_prior(task.protocol, task.member)
    grid = observations.grid_of(task.protocol, prior.cell_size)
    problems = [observations.weak(task.protocol, truth, grid) for truth in truths.of(task.protocol)]
    sums = cache / f"reference-{key(plain(task.record()))}.npz"
    found = reference.reference(prior, problems, task.draws, sums)
    return {"draws": found[0]["draws"], "truths": found}


def _about(task: Task) -> dict[str, Any]:
    return {"label": task.contender.label, "prior": task.contender.prior, "strategy": task.contender.strategy}


def _attempt(task: Task, folder: Path, cache: Path) -> str | None:
    return attempted(lambda: compute(task, folder, cache))
