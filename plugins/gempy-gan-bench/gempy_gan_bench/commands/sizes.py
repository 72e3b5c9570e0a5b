"""`gempy-gan-bench sizes`."""

from __future__ import annotations

from typing import Any

import click

from gempy_gan.cli.settings import Setting
from gempy_gan_bench.commands.table import check_outputs, write_rows


@click.command("sizes", short_help="Measure what realizations of large grids cost.")
@click.option(
    "--shape", "shapes", multiple=True, metavar="NXxNYxNZ", help="Cells; may be repeated. Default: 64, 128, 256 columns a side."
)
@click.option("--prior", default="fluvial-diffusion", show_default=True, metavar="NAME", help="The prior.")
@click.option(
    "--prior-set", "prior_settings", multiple=True, type=Setting(), metavar="NAME=VALUE", help="An option of the prior."
)
@click.option("--strategy", metavar="NAME", help="Default: the one recommended for the prior.")
@click.option("--wells", default=50, show_default=True, type=click.IntRange(min=0), help="Wells through the whole height.")
@click.option("-n", default=1, show_default=True, type=click.IntRange(min=1), help="Realizations.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed, the same figures.")
@click.option("--json", "json_file", metavar="FILE", help="Write the rows as JSON.")
def command(
    shapes: tuple[str, ...],
    prior: str,
    prior_settings: tuple[tuple[str, Any], ...],
    strategy: str | None,
    wells: int,
    n: int,
    seed: int,
    json_file: str | None,
) -> None:
    """What realizations of large grids cost, and whether the borders of the boxes that they are made of show."""
    from gempy_gan_bench import sizes

    check_outputs(json_file=json_file)
    wanted = [sizes.shape_of(shape) for shape in shapes] or [(side, side, 8) for side in (64, 128, 256)]
    found = list(sizes.rows(wanted, prior, dict(prior_settings), strategy, wells, n, seed))
    if json_file is not None:
        write_rows(json_file, found)
    click.echo(sizes.text(found))
