"""`gempy-gan export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gempy_gan.cli.settings import with_settings


class Selection(click.ParamType[list[int]]):
    """Realizations counted from 0, as "0,3,5-9" (5-9 includes 9).

    >>> Selection().convert("0,3,5-7", None, None)
    [0, 3, 5, 6, 7]
    """

    name = "selection"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The numbers, in the order given; a usage error when it is no list of numbers and ranges."""
        if isinstance(value, list):
            return value
        try:
            ranges = [[int(end) for end in part.split("-", 1)] for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} names no realizations. Expected numbers from 0 and ranges, such as 0,3,5-9.", param, ctx)
        return [number for ends in ranges for number in range(ends[0], ends[-1] + 1)]


@click.command("export")
@click.argument("ensemble")
@click.argument("out", nargs=-1, metavar="[OUT]...")
@click.option(
    "--realizations", type=Selection(), metavar="LIST", help="Which ones, counted from 0, such as 0,3,5-9. Default: all."
)
@click.option(
    "--surfaces",
    metavar="FILE",
    help="Also top and base of the grid, or of its unit, as IRAP maps (.irap, .irapasc, .fgr): unit.irap stands for "
    "unit--top.irap and unit--base.irap.",
)
@with_settings
def command(
    ensemble: str,
    out: tuple[str, ...],
    realizations: list[int] | None,
    surfaces: str | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Write ENSEMBLE in other formats.

    The ending of each OUT decides: .roff, .grdecl, .epc, .nc, .zarr and others; 'gempy-gan plugins' lists them. --set goes to
    the writer.
    """
    if not (out or surfaces):
        raise click.UsageError("Nothing to write was named. Give OUT, such as ensemble.roff, or --surfaces FILE.")
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.paths import check_free, read_ensemble
    from gempy_gan.files import write, write_surfaces
    from gempy_gan.formats.surfaces import check_ending
    from gempy_gan.plugins import for_path

    for path in out:
        for_path("formats", path)  # what cannot be written is found before anything is read or written
        check_free(path)
    if surfaces:
        check_ending(Path(surfaces))
    with progress_bar():
        chosen = read_ensemble(ensemble).select(realizations)
        for path in out:
            for file in write(chosen, path, **dict(settings)):
                click.echo(str(file))
    for file in write_surfaces(chosen.grid, surfaces) if surfaces else ():
        click.echo(str(file))
