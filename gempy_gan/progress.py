"""How far a long computation is, told to whoever listens: silent in a library, a bar in the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Listener = Callable[[str, int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("gempy_gan_progress", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send every step to `listener(label, done, total)` while the block runs."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report(label: str, done: int, total: int) -> None:
    """Say that `done` of `total` units of the stage `label` are finished."""
    listener = _listener.get()
    if listener is not None:
        listener(label, done, total)


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield the items, reporting each one when its turn is over."""
    report(label, 0, total)
    for done, item in enumerate(items, start=1):
        yield item
        report(label, done, total)
