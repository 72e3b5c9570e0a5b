"""A progress bar with the time left, on stderr when that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar() -> Iterator[None]:
    """Show what the library reports through `gempy_gan.progress` while the block runs; nothing when stderr is a file or pipe."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from gempy_gan.progress import listening

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as bar:

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=total)
            elif done == 0:  # the same stage again, such as the next batch
                bar.reset(tasks[label], total=total)
            bar.update(tasks[label], completed=done, total=total)

        with listening(show):
            yield
