"""`gempy-gan-bench exact`."""

from __future__ import annotations

import click

from gempy_gan_bench.commands.table import check_outputs, write_rows


@click.command("exact", short_help="Compare strategies with a posterior that is known.")
@click.option(
    "--tiles", default=(24, 200), multiple=True, type=click.IntRange(min=4), help="Modes of the prior; may be repeated."
)
@click.option(
    "--strategy", "names", multiple=True, metavar="NAME", help="One of the table's, or any registered; may be repeated."
)
@click.option("-n", default=200, show_default=True, type=click.IntRange(min=10), help="Draws of each strategy.")
@click.option("--seed", default=0, show_default=True, help="Of data and draws.")
@click.option(
    "--repeats", default=1, show_default=True, type=click.IntRange(min=1), help="Seeds from --seed on; figures are their means."
)
@click.option("--json", "json_file", metavar="FILE", help="Write the rows as JSON.")
def command(tiles: tuple[int, ...], names: tuple[str, ...], n: int, seed: int, repeats: int, json_file: str | None) -> None:
    """Compare strategies with a posterior that is known: tiles of deposits, seen by a well and by seismic.

    TV is the probability that is put on wrong tiles, floor that of as many exact draws; var. the variance within them over
    the exact one.
    """
    from gempy_gan import get_strategy
    from gempy_gan_bench import exact

    check_outputs(json_file=json_file)
    chosen = {name: exact.STRATEGIES.get(name) or get_strategy(name) for name in names} or exact.STRATEGIES
    found = [
        row
        for number in tiles
        for each in range(seed, seed + repeats)
        for case in exact.cases(number, each)
        for row in exact.rows(case, chosen, n, each)
    ]
    if json_file is not None:
        write_rows(json_file, found)
    click.echo(exact.text(exact.means(found)))
