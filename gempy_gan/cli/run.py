"""`gempy-gan run`."""

from __future__ import annotations

import click


@click.command("run")
@click.argument("study")
@click.option("-o", "--out", metavar="FOLDER", help="Write here instead of the study's own output folder.")
@click.option("--resume", is_flag=True, help="Continue where an interrupted run of this study stopped.")
def command(study: str, out: str | None, resume: bool) -> None:
    """Run a whole study, as the TOML file STUDY says.

    From well and seismic files to constraints, ensemble, diagnosis, exports and pictures; in several units, or structures, where
    the study has [[units]] or a [structure].
    """
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import import_torch, resumable
    from gempy_gan.study import load_study

    plan = load_study(study, out)
    import_torch()
    from gempy_gan.runs import run

    parts, realizations = bool(plan.units or plan.structure), plan.n * max(1, len(plan.units))
    with resumable(plan.out / "ensemble.zarr", realizations, parts=parts), progress_bar():
        result = run(plan, resume)
    click.echo(str(result.diagnosis))
    click.echo(f"\n{result.listing(plan.out)}")
