"""`gempy-gan-bench fluvial`."""

from __future__ import annotations

import click


@click.command("fluvial")
def command() -> None:
    """Invert wells and seismic of held-out fluvial deposits."""
    raise click.UsageError("fluvial is being written.")
