"""`gempy-gan-bench wells`."""

from __future__ import annotations

from typing import Any

import click

from gempy_gan.cli.settings import Setting
from gempy_gan_bench.commands.table import check_outputs, write_rows


@click.command("wells", short_help="Judge priors and strategies by wells not seen.")
@click.argument("studies", nargs=-1, required=True, metavar="STUDY.toml...")
@click.option("--folds", type=click.IntRange(min=2), help="Hold out the conditioning wells in turn, in so many folds.")
@click.option("--set", "settings", multiple=True, type=Setting(), help="Of every study, such as strategy.steps=12.")
@click.option("--vary", multiple=True, type=Setting(), help="Another row with it, such as prior.labels.width=280.0.")
@click.option("-n", type=click.IntRange(min=2), help="Realizations of each split; the study's if not said.")
@click.option("--seed", default=0, show_default=True, help="Of the realizations.")
@click.option("--json", "json_file", metavar="FILE", help="Write the rows as JSON.")
def command(
    studies: tuple[str, ...],
    folds: int | None,
    settings: tuple[tuple[str, Any], ...],
    vary: tuple[tuple[str, Any], ...],
    n: int | None,
    seed: int,
    json_file: str | None,
) -> None:
    """Judge priors and strategies of studies by wells that they do not see.

    These are the wells that a study holds out, or with --folds those that condition it, in turn: so are labels and options
    chosen, before the held-out wells judge once. Two rows for each grid need no model: the histogram of the wells that condition,
    and their mean in each layer. Only figures on one grid compare.
    """
    from pathlib import Path

    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.study import load_study
    from gempy_gan.workflow import constrain
    from gempy_gan_bench import wells

    check_outputs(json_file=json_file)
    plans = {Path(name).stem: load_study(name) for name in studies}
    with progress_bar():
        found, grids = [], []
        for label, plan in plans.items():
            known, withheld = constrain(plan)
            parts = wells.splits(known, withheld, folds)
            if known.grid not in grids:
                grids.append(known.grid)
                found += [*wells.baselines(parts, known.grid)]
            for each in ((), *((one,) for one in vary)):
                name = " ".join([label, *(f"{key}={value}" for key, value in each)])
                found.append(wells.row(name, wells.changed(plan, (*settings, *each)), parts, known, n, seed))
    if json_file is not None:
        write_rows(json_file, found)
    click.echo(wells.text(found))
