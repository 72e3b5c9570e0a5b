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
    """Put the wells and seismic of STUDY onto its grid.

    STUDY is a TOML file, as for 'gempy-gan run'. What is written is what 'gempy-gan invert' takes.
    """
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import import_torch
    from gempy_gan.study import load_study

    plan = load_study(study)
    held_out = any(section.held_out for section in plan.wells)
    if held_out and withheld is None:
        raise click.UsageError("The study holds wells out. Say where their data go: --held-out FILE.")
    if withheld is not None and not held_out:
        raise click.UsageError("--held-out was given, and the study holds no well out. Leave it away, or name wells in held_out.")
    import_torch()
    from gempy_gan.observations import write_constraints
    from gempy_gan.workflow import constrain

    with progress_bar():
        known, kept_back = constrain(plan)
    click.echo(f"{write_constraints(known, out)}: {_summary(known)}")
    if withheld is not None:
        click.echo(f"{write_constraints(kept_back, withheld)}: {_summary(kept_back)}")


def _summary(constraints: Constraints) -> str:
    cells = [f"{len(term)} cells of {term.property}" for term in constraints.hard]
    return ", ".join(cells + [f"{len(term)} {term.name} data" for term in constraints.soft])
