"""Memorization: what becomes of a posterior whose prior knows only its training images (arXiv 2603.19629).

A case is a module of this package with `PRESETS`, plans by name (frozen dataclasses of plain options), and four functions:
`run(plan, seed, out) -> record` does the work and returns plain JSON values, keeping what is finished in the folder `out` where
one is given; `rows(record)`, `sentences(record)` and `pictures(record)` are the table, what it means, and matplotlib figures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from gempy_gan.errors import GempyGanError

CASES = {name: f"gempy_gan_bench.memory.{name}" for name in ("stylized", "helmholtz", "fluvial")}


class Case(Protocol):
    """What a module of this package offers."""

    PRESETS: Mapping[str, Any]

    def run(self, plan: Any, seed: int, out: Path | None) -> dict[str, Any]:
        """Do the work; the seed alone decides what comes out."""

    def rows(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The table, in stable keys."""

    def sentences(self, record: Mapping[str, Any]) -> list[str]:
        """What the table means."""

    def pictures(self, record: Mapping[str, Any]) -> Sequence[Any]:
        """Matplotlib figures."""


def case(name: str) -> Case:
    """The case of this name in `CASES`."""
    return import_module(CASES[name])


def plan_of(found: Case, preset: str, settings: Mapping[str, Any]) -> Any:
    """The plan of a preset, with options set anew. Raises GempyGanError naming the presets or options that there are."""
    if preset not in found.PRESETS:
        raise GempyGanError(f"There is no preset {preset!r} of this case. Expected one of: {', '.join(found.PRESETS)}.")
    plan = found.PRESETS[preset]
    known = [field.name for field in dataclasses.fields(plan)]
    if unknown := [name for name in settings if name not in known]:
        raise GempyGanError(f"This case has no option {unknown[0]!r}. It has: {', '.join(known) or 'none'}.")
    return dataclasses.replace(plan, **settings)
