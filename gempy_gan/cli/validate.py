"""`gempy-gan validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.settings import with_settings

if TYPE_CHECKING:
    from gempy_gan.ensemble import Ensemble


@click.command("validate")
@click.argument("prior")
@click.option("--against", required=True, metavar="FILE", help="Real volumes that the prior was not trained on.")
@click.option("--training", metavar="FILE", help="The training images: tests whether the prior has memorized them.")
@click.option(
    "-n", "--number", default=100, show_default=True, type=click.IntRange(min=2), metavar="N", help="Volumes on each side."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="The same seed, the same table."
)
@click.option("--only", "families", multiple=True, metavar="NAME", help="Only this family of figures; may be repeated.")
@click.option("--flips", default="y", show_default=True, metavar="AXES", help="Axes along which training images were mirrored.")
@click.option("--json", "report", metavar="FILE", help="Write the figures as JSON, too.")
@with_settings
def command(
    prior: str,
    against: str,
    training: str | None,
    number: int,
    seed: int,
    families: tuple[str, ...],
    flips: str,
    report: str | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Compare volumes of PRIOR with real ones, each figure beside what real volumes show against each other.

    PRIOR is the name of a prior, a trained one's file (.safetensors), or an ensemble of volumes (.zarr, .nc). --set goes to the
    prior. With N volumes on each side, 2 N real ones are needed, for their floor is that of one half against the other.
    """
    import json
    from pathlib import Path

    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import import_torch
    from gempy_gan.cli.paths import read_ensemble

    import_torch()
    from gempy_gan.metrics import validate

    if report is not None and not Path(report).resolve().parent.is_dir():  # before minutes of sampling
        raise click.UsageError(f"{report} cannot be written: its folder does not exist.")
    real = read_ensemble(against)
    images = None if training is None else read_ensemble(training)
    _check_held_out(prior, real, images)
    with progress_bar():
        volumes = _volumes(prior, real, number, seed, dict(settings))
        found = validate(volumes, real, images, seed, number, families or None, tuple(flips))
    if report is not None:
        Path(report).write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    click.echo(str(found))


def _check_held_out(name: str, real: Ensemble, images: Ensemble | None) -> None:
    """Raise GempyGanError where the real volumes were trained on, as far as the files tell."""
    from gempy_gan.seeds import check_held_out
    from gempy_gan.weights import ENDING, read_card

    if images is not None:
        check_held_out(real, images)
    if name.endswith(ENDING):
        check_held_out(real, read_card(name).get("data", {}))


def _volumes(name: str, real: Ensemble, n: int, seed: int, settings: dict[str, Any]) -> Ensemble:
    """An ensemble's own volumes, or n drawn from a prior on the grid of the real ones."""
    from gempy_gan.cli.paths import read_ensemble
    from gempy_gan.inversion import prior_for, sample
    from gempy_gan.plugins import registry

    if any(name.endswith(suffix) for entry in registry().of("formats") for suffix in entry.suffixes):
        if settings:
            raise click.UsageError("--set goes to a prior, and an ensemble of volumes was given.")
        return read_ensemble(name)
    return sample(prior_for(name, real.grid, **settings), real.grid, n, seed)
