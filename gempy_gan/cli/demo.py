"""`gempy-gan demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("demo")
@click.option("-o", "--out", default="demo", show_default=True, metavar="FOLDER", help="Where everything goes: a new folder.")
@click.option(
    "-n", "--number", default=20, show_default=True, type=click.IntRange(min=1), metavar="N", help="Number of realizations."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="Another seed, another reservoir."
)
@click.option("--overwrite", is_flag=True, help="Replace the folder of an earlier demo.")
def command(out: str, number: int, seed: int, overwrite: bool) -> None:
    """Run the whole line on a made-up reservoir.

    It makes a GemPy model, draws a truth, writes LAS and SEG-Y files from it, and inverts these files into an ensemble with its
    diagnosis, pictures and exports.
    """
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import import_torch, resumable

    import_torch()
    from gempy_gan.demo import run_demo

    folder = Path(out)
    with resumable(folder / "out" / "ensemble.zarr", number, f"gempy-gan run {folder / 'study.toml'} --resume"), progress_bar():
        result = run_demo(folder, number, seed, overwrite)
    click.echo(result)
