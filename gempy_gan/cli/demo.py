"""`gempy-gan demo`."""

from __future__ import annotations

import click


@click.command("demo")
@click.option("--out", default="demo", show_default=True, metavar="FOLDER", help="Where everything goes.")
@click.option("-n", "--number", default=20, show_default=True, type=click.IntRange(min=1), help="Number of realizations.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Another seed, another truth.")
def command(out: str, number: int, seed: int) -> None:
    """Run the whole line on a made-up reservoir.

    It makes a GemPy model, draws a truth, writes LAS and SEG-Y files from it, and inverts these files into an ensemble with its
    diagnosis, pictures and exports.
    """
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.demo import run_demo

    with progress_bar():
        result = run_demo(out, number, seed)
    click.echo(result)
