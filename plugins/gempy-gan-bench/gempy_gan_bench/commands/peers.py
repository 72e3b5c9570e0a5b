"""`gempy-gan-bench peers`."""

from __future__ import annotations

from typing import Any

import click

from gempy_gan.cli.settings import Setting
from gempy_gan_bench.commands.table import check_outputs, write_rows


@click.command("peers", short_help="Compare geology between wells with that of other tools.")
@click.option(
    "--peer",
    "names",
    multiple=True,
    metavar="NAME",
    help="DeeSse, DeeSse-long or SIS, of geone, or MPSlib; may be repeated. Default: what is installed; none, given --prior.",
)
@click.option("--prior", "priors", multiple=True, metavar="NAME", help="A prior; may be repeated. Default: fluvial-diffusion.")
@click.option(
    "--prior-set", "prior_settings", multiple=True, type=Setting(), metavar="NAME=VALUE", help="An option of the priors."
)
@click.option("--strategy", metavar="NAME", help="Default: the one recommended for the prior.")
@click.option("-n", default=5, show_default=True, type=click.IntRange(min=2), help="Realizations of each truth.")
@click.option("--truths", default=2, show_default=True, type=click.IntRange(min=1), metavar="N", help="Rivers that are drilled.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed, the same figures.")
@click.option("--json", "json_file", metavar="FILE", help="Write the rows as JSON.")
def command(
    names: tuple[str, ...],
    priors: tuple[str, ...],
    prior_settings: tuple[tuple[str, Any], ...],
    strategy: str | None,
    n: int,
    truths: int,
    seed: int,
    json_file: str | None,
) -> None:
    """Compare geology between eight wells with that of other tools, on 64 x 64 x 16 cells.

    Other tools get a training image of exactly the river that is drilled; priors get those of its labels that they know.
    """
    from functools import partial

    from gempy_gan_bench import peers
    from gempy_gan_bench.other_tools import PEERS, check, installed, title

    check_outputs(json_file=json_file)
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise click.UsageError(f"There is no peer {unknown[0]!r}. Expected one of: {', '.join(PEERS)}.")
    options = dict(prior_settings)
    for name in names:
        check(name)
    chosen = names or (() if priors else installed())
    if not names and not priors and len(chosen) < len(PEERS):
        click.echo(f"Not installed, so left out: {', '.join(name for name in PEERS if name not in chosen)}.", err=True)
    contenders = {title(name): PEERS[name] for name in chosen}
    for prior in priors or (() if names else ("fluvial-diffusion",)):
        label = " ".join([prior, *(f"{key}={value}" for key, value in options.items()), *([strategy] if strategy else [])])
        contenders[label] = partial(peers.learned, name=prior, strategy=strategy, options=options)
    found = list(peers.rows(contenders, n, seed, truths))
    if json_file is not None:
        write_rows(json_file, found)
    click.echo(peers.text(found))
