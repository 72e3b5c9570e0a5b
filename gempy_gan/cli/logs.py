"""`gempy-gan logs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gempy_gan.cli.export import Selection
from gempy_gan.cli.settings import with_settings


@click.command("logs", short_help="Write what ENSEMBLE says along wells, as LAS.")
@click.argument("ensemble")
@click.argument("wells", nargs=-1, required=True, metavar="WELL...")
@click.option("-o", "--out", required=True, metavar="FOLDER", help="Where the logs go, a LAS file for each well.")
@click.option("--step", type=float, metavar="METRES", help="Along the hole. Default: the depths of the well.")
@click.option("--realizations", type=Selection(), metavar="LIST", help="Which ones to add as curves, such as 0,3,5-9.")
@with_settings
def command(
    ensemble: str,
    wells: tuple[str, ...],
    out: str,
    step: float | None,
    realizations: list[int] | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Write what ENSEMBLE says along wells, as LAS: mean, quantiles and facies probabilities as curves.

    Each WELL is a LAS file, placed by its header; --set goes to the reader: --set kb=30 --set 'xy=[432100, 6471000]', or
    --set survey=path. The trajectory of a deviated well, which LAS cannot hold, is written beside its log as CSV.
    """
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.paths import read_ensemble
    from gempy_gan.errors import FormatError
    from gempy_gan.files import read
    from gempy_gan.predictions import log_along, write_log
    from gempy_gan.wells import WellLog

    options = {"kb": "header", "xy": "header", **dict(settings)}
    logs = {}
    with progress_bar():
        known = read_ensemble(ensemble)
        for path in wells:
            well = read(path, **options)
            if not isinstance(well, WellLog):
                raise FormatError(f"{path} holds no well log. Expected a LAS file.")
            target = Path(out) / f"{Path(path).stem}.las"
            if target in logs:
                raise FormatError(f"Two of the wells are called {target.stem}. Expected different names of files.")
            if target.resolve() == Path(path).resolve():
                raise FormatError(f"{target} is the well itself, which would be replaced. Choose another folder.")
            logs[target] = log_along(known, well, step, realizations=realizations or ())
    for target, log in logs.items():
        for file in write_log(log, target):
            click.echo(str(file))
