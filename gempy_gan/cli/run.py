"""`gempy-gan run`."""

from __future__ import annotations

import click


@click.command("run")
@click.argument("study")
@click.option("--out", metavar="FOLDER", help="Write here instead of the study's own output folder.")
@click.option("--resume", is_flag=True, help="Continue an ensemble that an interrupted run of this study left.")
def command(study: str, out: str | None, resume: bool) -> None:
    """Run a whole study, as the file STUDY says.

    From files to constraints, ensemble, diagnosis, exports and pictures; STUDY is a TOML file.
    """
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.study import load_study

    plan = load_study(study, out)
    from gempy_gan.workflow import run

    with progress_bar():
        result = run(plan, resume)
    click.echo(str(result.diagnosis))
    click.echo(f"\n{len(result.files)} files in {plan.out}")
