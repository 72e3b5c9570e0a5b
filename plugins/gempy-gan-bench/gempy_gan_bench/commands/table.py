"""`gempy-gan-bench table`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click


def outputs(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say where tables go."""
    for option, what in (
        ("--side-by-side", "Write a line for each strategy, as a Markdown table."),
        ("--markdown", "Write the rows as a Markdown table."),
        ("--html", "Write the rows as one page with pictures."),
        ("--json", "Write the rows as JSON."),
    ):
        name = option.removeprefix("--").replace("-", "_") + "_file"
        command = click.option(option, name, metavar="FILE", help=what)(command)
    return command


@click.command("table", short_help="Merge what 'fluvial --out' left into one table.")
@click.argument("folders", nargs=-1, required=True)
@outputs
def command(folders: tuple[str, ...], **written: str | None) -> None:
    """Merge what 'gempy-gan-bench fluvial --out' left in FOLDERS into one table."""
    check_outputs(**written)
    write_outputs([Path(folder) for folder in folders], None, **written)


def check_outputs(**written: str | None) -> None:
    """A usage error where a table cannot be written: before hours of work."""
    for target in written.values():
        if target is not None and not Path(target).resolve().parent.is_dir():
            raise click.UsageError(f"{target} cannot be written: its folder does not exist.")


def write_rows(target: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as JSON; the file is the old one or the new one, whatever happens."""
    import json

    from gempy_gan.atomic import replace_file

    replace_file(Path(target), (json.dumps({"rows": rows}, indent=1) + "\n").encode())


def write_outputs(
    folders: Sequence[Path],
    only: Sequence[Path] | None = None,
    json_file: str | None = None,
    html_file: str | None = None,
    markdown_file: str | None = None,
    side_by_side_file: str | None = None,
) -> None:
    """Print the summary, and write what was asked for, of all files in the folders or of some of them."""
    import json

    from gempy_gan_bench import side_by_side, tables
    from gempy_gan_bench.page import page

    files = tables.read(folders, only)
    found = tables.rows(files)
    if json_file is not None:
        Path(json_file).write_text(json.dumps(tables.record(files, found), indent=1) + "\n", encoding="utf-8")
    if markdown_file is not None:
        Path(markdown_file).write_text(tables.markdown(found), encoding="utf-8")
    if side_by_side_file is not None:
        Path(side_by_side_file).write_text(side_by_side.markdown(found), encoding="utf-8")
    if html_file is not None:
        Path(html_file).write_text(page(found, files), encoding="utf-8")
    click.echo(tables.text(found))
