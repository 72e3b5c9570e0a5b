"""How a training goes: a table that lives in the terminal, plain lines where there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

Watch = Callable[[Mapping[str, Any]], None]

HEAD = ("step", "boxes", "minutes", "boxes_per_s", "simulated", "waited_s")  # what stands above the table
FLOORS = "floors"


@contextmanager
def watching(title: str) -> Iterator[Watch]:
    """A function that is told each line of a training's log, and shows it while the block runs."""
    from gempy_gan.progress import listening

    if not sys.stderr.isatty():
        yield show_line
        return
    from rich.console import Console
    from rich.live import Live

    table = Table(title)
    with Live(table.drawn(), console=Console(stderr=True), refresh_per_second=2) as live:

        def told(record: Mapping[str, Any]) -> None:
            table.add(record)
            live.update(table.drawn())

        def heard(label: str, done: int, total: int) -> None:
            table.stage = f"{label}: {done} of {total}" if done < total else ""
            live.update(table.drawn())

        with listening(heard):
            yield told


def show_line(record: Mapping[str, Any]) -> None:
    """A line of the log as plain text."""
    click.echo("  ".join(f"{name} {_short(value)}" for name, value in record.items() if name != FLOORS))


class Table:
    """The last and the previous value of each number, and its floor where it has one."""

    def __init__(self, title: str) -> None:
        self.title, self.stage = title, ""
        self.head: dict[str, Any] = {}
        self.values: dict[str, list[float]] = {}
        self.floors: dict[str, float] = {}

    def add(self, record: Mapping[str, Any]) -> None:
        """Take in a line of the log."""
        self.floors |= record.get(FLOORS, {})
        for name, value in record.items():
            if name in HEAD:
                self.head[name] = value
            elif name != FLOORS:
                self.values[name] = [*self.values.get(name, [])[-1:], value]

    def drawn(self) -> Any:
        """The table for rich."""
        from rich.table import Table as Drawn

        head = "  ".join(f"{name.replace('_', ' ')} {_short(value)}" for name, value in self.head.items())
        drawn = Drawn(title=self.title, caption="\n".join(filter(None, [head, self.stage])), title_justify="left")
        for column in ("", "now", "before", "real against real"):
            drawn.add_column(column, justify="left" if not column else "right")
        for name, (*before, now) in self.values.items():
            cells = (_short(now), _short(before[0]) if before else "", _short(self.floors[name]) if name in self.floors else "")
            drawn.add_row(name.replace("_", " "), *cells)
        return drawn


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
