"""`gempy-gan diagnose`."""

from __future__ import annotations

import click


@click.command("diagnose")
@click.argument("ensemble")
@click.argument("constraints")
@click.option("--held-out", "withheld", metavar="FILE", help="Data of held-out wells, as 'gempy-gan constrain' wrote them.")
@click.option("--baseline", metavar="ENSEMBLE", help="Realizations of the same prior without data, to compare with.")
@click.option(
    "--calibration", metavar="FILE", help="How priors and strategies did on simulated truths, from 'gempy-gan-bench calibrate'."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    ensemble: str, constraints: str, withheld: str | None, baseline: str | None, calibration: str | None, as_json: bool
) -> None:
    """Check an ENSEMBLE against its CONSTRAINTS.

    Does it honour them, has it the spread it should have, does it predict what was held out? CONSTRAINTS is a file that
    'gempy-gan constrain' wrote.
    """
    import json

    from gempy_gan.cli.guard import import_torch
    from gempy_gan.cli.paths import read_ensemble

    import_torch()
    from gempy_gan.diagnosis import read_calibrations
    from gempy_gan.diagnostics import diagnose
    from gempy_gan.observations import read_constraints

    found = diagnose(
        read_ensemble(ensemble),
        read_constraints(constraints),
        None if withheld is None else read_constraints(withheld),
        None if baseline is None else read_ensemble(baseline),
        () if calibration is None else read_calibrations(calibration),
    )
    click.echo(json.dumps(found.to_dict(), indent=1) if as_json else str(found))
