"""The five hooks of gempy_gan: what a plugin can add.

Each hook takes one callback, `register(name, target, summary="", suffixes=())`, and returns None. `target` is the object
itself or "module:attribute" (or "module"), resolved when it is first used, so that listing plugins imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pluggy

PROJECT = "gempy_gan"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Register(Protocol):
    """The callback that every hook receives."""

    def __call__(self, name: str, target: Any, summary: str = "", suffixes: Sequence[str] = ()) -> None:
        """Add `target` under `name`; `suffixes` (".las") are the file endings that an adapter or format answers to, or a
        prior that lies in files: it is then called with the path first."""


@hookspec
def gempy_gan_register_priors(register: Register) -> None:
    """Register prior factories: callables that return a Prior, called with the options of `get_prior(name, **options)`."""


@hookspec
def gempy_gan_register_strategies(register: Register) -> None:
    """Register inversion strategies: Strategy dataclasses, called with the options of `get_strategy(name, **options)`."""


@hookspec
def gempy_gan_register_adapters(register: Register) -> None:
    """Register adapters: callables `(path, **options)` that return a WellLog, a SeismicCube or a table."""


@hookspec
def gempy_gan_register_formats(register: Register) -> None:
    """Register formats: objects or modules with `write(ensemble, path, **options) -> list[Path]` and `read(path, **options)`."""


@hookspec
def gempy_gan_register_forwards(register: Register) -> None:
    """Register forward operators: factories of callables (n, c, nx, ny, nz) -> (n, d) with an exact gradient."""
