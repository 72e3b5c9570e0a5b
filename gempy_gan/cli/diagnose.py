"""`gempy-gan diagnose`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gempy_gan.ensemble import Ensemble


@click.command("diagnose")
@click.argument("ensemble")
@click.argument("constraints")
@click.option("--held-out", "withheld", metavar="FILE", help="Data of held-out wells, as 'gempy-gan constrain' wrote them.")
@click.option("--baseline", metavar="ENSEMBLE", help="Realizations of the same prior without data, to compare with.")
@click.option(
    "--calibration", metavar="FILE", help="How priors and strategies did on simulated truths, from 'gempy-gan-bench calibrate'."
)
@click.option(
    "--memorization",
    "training",
    metavar="FILE",
    is_flag=False,
    flag_value="",
    help="Does the ensemble repeat training images? Their file, or a trained prior's (.safetensors, or its name), whose card "
    "says where they are; without FILE, what the ensemble says of its prior.",
)
@click.option("--unseen", metavar="FILE", help="Images like them that the prior did not learn from: a better comparison.")
@click.option("--flips", default="y", show_default=True, metavar="AXES", help="Axes along which images are as likely mirrored.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    ensemble: str,
    constraints: str,
    withheld: str | None,
    baseline: str | None,
    calibration: str | None,
    training: str | None,
    unseen: str | None,
    flips: str,
    as_json: bool,
) -> None:
    """Check an ENSEMBLE against its CONSTRAINTS.

    Does it honour them, has it the spread it should have, does it predict what was held out, is it more than copies of what its
    prior learned from? CONSTRAINTS is a file that
    'gempy-gan constrain' wrote.
    """
    import json

    if unseen is not None and training is None:
        raise click.UsageError("--unseen images are compared beside training images. Give --memorization as well.")
    from gempy_gan.cli.guard import import_torch
    from gempy_gan.cli.paths import read_ensemble

    import_torch()
    from gempy_gan.diagnosis import read_calibrations
    from gempy_gan.diagnostics import diagnose
    from gempy_gan.observations import read_constraints

    made = read_ensemble(ensemble)
    found = diagnose(
        made,
        read_constraints(constraints),
        None if withheld is None else read_constraints(withheld),
        None if baseline is None else read_ensemble(baseline),
        () if calibration is None else read_calibrations(calibration),
        None if training is None else read_ensemble(_images(training, made)),
        None if unseen is None else read_ensemble(unseen),
        tuple(flips),
    )
    click.echo(json.dumps(found.to_dict(), indent=1) if as_json else str(found))


def _images(given: str, ensemble: Ensemble) -> str:
    """The file of training images: the one given, what the prior given notes on its card, or what the ensemble says."""
    from pathlib import Path

    from gempy_gan.plugins import registry

    if not given:
        return _noted(ensemble.provenance.get("prior", {}).get("options", {}).get("examples"), "The ensemble", Path())
    names = {entry.name for entry in registry().of("priors")}
    if not (given in names or Path(given).suffix == ".safetensors"):
        return given
    from gempy_gan.learning import LearnedPrior
    from gempy_gan.plugins import get_prior
    from gempy_gan.weights import load_prior

    prior = get_prior(given) if given in names else load_prior(given)
    data = prior.card.get("data", {}) if isinstance(prior, LearnedPrior) else {}
    return _noted(data.get("source"), f"The prior {given}", Path(given).parent, _origin(data))


def _noted(source: object, who: str, beside: Path, remedy: str = "") -> str:
    """The file that was noted, here or beside the prior. Raises FormatError where there is none."""
    from gempy_gan.errors import FormatError

    if not isinstance(source, str):
        raise FormatError(f"{who} does not say where its training images are. Name their file: --memorization FILE.")
    for path in (beside / source, beside.parent / source):
        if path.exists():
            return str(path)
    raise FormatError(f"{who} learned from {source}, which is not here.{remedy} Name its file: --memorization FILE.")


def _origin(data: Mapping[str, object]) -> str:
    """How a training set that is gone can be made again."""
    from gempy_gan.seeds import Origin

    origin = Origin.of(data)
    if origin is None:
        return ""
    return f" {origin.simulator} made it of seed {origin.seed}, realizations {min(origin.numbers)} to {origin.last}."
