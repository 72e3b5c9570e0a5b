"""`gempy-gan-bench table`."""

from __future__ import annotations

import click


@click.command("table")
def command() -> None:
    """Merge folders of finished cases into one table."""
    raise click.UsageError("table is being written.")
