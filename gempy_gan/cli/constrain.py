"""`gempy-gan constrain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gempy_gan.constraints import Constraints


@click.command("constrain")
@click.argument("study")
@click.option("-o", "--out", required=True, metavar="FILE", help="Where the conditioning data go (NetCDF).")
@click.option("--held-out", "withheld", metavar="FILE", help="Where the data of the held-out wells go (NetCDF).")
def command(study: str, out: str, withheld: str | None) -> None:
    """Put wells and seismic onto the grid, as the file STUDY says."""
    from gempy_gan.study import load_study

    plan = load_study(study)
    from gempy_gan.observations import write_constraints
    from gempy_gan.workflow import constrain

    known, kept_back = constrain(plan)
    if kept_back.terms and withheld is None:
        raise click.UsageError("The study holds wells out. Say where their data go: --held-out FILE.")
    click.echo(f"{write_constraints(known, out)}: {_summary(known)}")
    if withheld is not None and kept_back.terms:
        click.echo(f"{write_constraints(kept_back, withheld)}: {_summary(kept_back)}")


def _summary(constraints: Constraints) -> str:
    cells = [f"{len(term)} cells of {term.property}" for term in constraints.hard]
    return ", ".join(cells + [f"{len(term)} {term.name} data" for term in constraints.soft])
