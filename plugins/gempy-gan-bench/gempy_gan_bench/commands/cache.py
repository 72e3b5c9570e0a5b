"""The option `--cache`: where what any run may need again is kept."""

from __future__ import annotations

import os
from pathlib import Path

import click

with_cache = click.option(
    "--cache",
    metavar="FOLDER",
    help="Where real deposits and sums of prior draws are kept for later runs. Default: the user's cache folder.",
)


def user_cache(folder: str | None) -> Path:
    """The folder that was asked for, or the user's."""
    return Path(folder or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gempy-gan-bench")
