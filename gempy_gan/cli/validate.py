"""`gempy-gan validate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.settings import with_settings

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

    from gempy_gan.ensemble import Ensemble
    from gempy_gan.grid import Grid
    from gempy_gan.learning import LearnedPrior


@click.command("validate", short_help="Compare volumes of PRIOR with real ones.")
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
@click.option(
    "--shape",
    nargs=3,
    type=click.IntRange(min=1),
    metavar="NX NY NZ",
    help="Compare boxes of so many cells, one cut at random from each volume. Default: what PRIOR makes.",
)
@click.option(
    "--labels",
    "at_ends",
    type=click.IntRange(min=3),
    metavar="N",
    help="Trained prior: how volumes answer to its labels, from N at each end of each one's range.",
)
@click.option("--card", "with_card", is_flag=True, help="PRIOR is a training's folder: add figures and a picture to its card.")
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
    shape: tuple[int, int, int] | None,
    at_ends: int | None,
    with_card: bool,
    report: str | None,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Compare volumes of PRIOR with real ones, each figure beside what real volumes show against each other.

    PRIOR is the name of a prior, a trained one's file (.safetensors), the folder of a training, or an ensemble of volumes (.zarr,
    .nc). --set goes to the prior. With N volumes on each side, 2 N real ones are needed, for their floor is that of one half
    against the other.

    A trained prior is compared in boxes of the size it learned, an ensemble in that of its volumes, all others in whole volumes.
    """
    import json
    from pathlib import Path

    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import import_torch
    from gempy_gan.cli.paths import read_ensemble

    if report is not None and not Path(report).resolve().parent.is_dir():  # before minutes of sampling
        raise click.UsageError(f"{report} cannot be written: its folder does not exist.")
    folder = _training_folder(prior)
    if with_card and folder is None:
        raise click.UsageError(f"--card is for the folder of a training, and PRIOR is {prior}.")
    import_torch()
    from gempy_gan.atomic import staged
    from gempy_gan.metrics import validate

    real = read_ensemble(against)
    images = None if training is None else read_ensemble(training)
    with progress_bar():
        name = prior if folder is None else str(folder / "prior.safetensors")
        volumes = _volumes(name, real, images, shape, number, seed, dict(settings))
        answers = {} if at_ends is None else _answers(name, real, volumes.grid, at_ends, seed, dict(settings))
        found = validate(volumes, real, images, seed, number, families or None, tuple(flips), box=shape)
    if report is not None:
        tables = {key: table.astype(object).where(table.notna(), None).to_dict("index") for key, table in answers.items()}
        record = found.to_dict() | ({"labels": tables} if tables else {})
        with staged(Path(report)) as file:
            file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    click.echo(str(found))
    for label, table in answers.items():
        click.echo(f"\nFrom the lowest to the highest {label}, in standard deviations of real volumes:\n{table.round(2)}")
    if with_card and folder is not None:
        from gempy_gan.training.validated import add_validation

        add_validation(folder, found, volumes, real, against, None if images is None or training is None else (images, training))
        click.echo(str(folder / "card.md"))


def _training_folder(path: str) -> Path | None:
    """The folder, if it is that of a training and not a store of volumes."""
    from pathlib import Path

    folder = Path(path)
    return folder if (folder / "training.json").is_file() or (folder / "prior.safetensors").is_file() else None


def _volumes(
    name: str,
    real: Ensemble,
    images: Ensemble | None,
    shape: tuple[int, int, int] | None,
    n: int,
    seed: int,
    settings: dict[str, Any],
) -> Ensemble:
    """An ensemble's own volumes, or n drawn from a prior: in boxes of the shape, or else as it learned them, or as the real ones
    are. What cannot be compared is found before anything is drawn."""
    from gempy_gan.cli.paths import read_ensemble
    from gempy_gan.inversion import prior_for, sample
    from gempy_gan.metrics.comparison import check_comparable
    from gempy_gan.metrics.windows import box_grid
    from gempy_gan.seeds import check_held_out

    if images is not None:
        check_held_out(real, images)
    if _holds_volumes(name):
        if settings:
            raise click.UsageError("--set goes to a prior, and an ensemble of volumes was given.")
        found = read_ensemble(name)
        check_comparable(shape or found.grid.resolution, real, images)
        return found
    learned = _learned(name, settings)
    if learned is not None:
        check_held_out(real, learned.card.get("data", {}))
    box = shape or _box(learned, real)
    check_comparable(box, real, images)
    grid = box_grid(real.grid, box)
    return sample(prior_for(name, grid, **settings), grid, n, seed)


def _holds_volumes(name: str) -> bool:
    from gempy_gan.plugins import registry

    return any(name.endswith(suffix) for entry in registry().of("formats") for suffix in entry.suffixes)


def _learned(name: str, settings: dict[str, Any]) -> LearnedPrior | None:
    """The trained prior of this name, as it learned; None for another one."""
    import inspect

    from gempy_gan.learning import LearnedPrior
    from gempy_gan.plugins import get_prior, registry

    factory = registry().get("priors", name).load()
    options = inspect.signature(factory).parameters.values()
    if isinstance(factory, type) or any(p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD for p in options):
        return None  # a class has not learned anything yet, and a trained prior knows its box
    found = get_prior(name, **settings)
    return found if isinstance(found, LearnedPrior) else None


def _box(learned: LearnedPrior | None, real: Ensemble) -> tuple[int, int, int]:
    """What is compared if nobody says it: the box that was learned, where the real volumes are larger."""
    whole = real.grid.resolution
    if learned is None or any(b > w for b, w in zip(learned.domain.shape, whole, strict=True)):
        return whole
    return learned.domain.shape


def _answers(name: str, real: Ensemble, grid: Grid, n: int, seed: int, settings: dict[str, Any]) -> dict[str, DataFrame]:
    """`label_response` of each label that a trained prior learned and the real volumes have."""
    from gempy_gan.errors import GempyGanError
    from gempy_gan.inversion import prior_for, sample
    from gempy_gan.metrics import Volumes, descriptors, label_response

    learned = None if _holds_volumes(name) else _learned(name, settings)
    labels = () if learned is None else learned.domain.labels
    held = real.labels
    shared = [label for label in labels if label.name in held and label.name not in settings.get("labels", {})]
    if not shared:
        raise GempyGanError(
            f"{name} learned {', '.join(label.name for label in labels) or 'no labels'}, and the real volumes have "
            f"{', '.join(map(str, held)) or 'none'}. Expected a trained prior, and real volumes with some of its labels."
        )
    true = descriptors(Volumes.of(real, None, seed, "real volumes", grid.resolution, timed=False))
    found = {}
    for label in shared:
        ends = []
        for value in (label.low, label.high):
            given = {**settings, "labels": {**settings.get("labels", {}), label.name: value}}
            ends.append(descriptors(sample(prior_for(name, grid, **given), grid, n, seed)))
        found[label.name] = label_response(label, ends[0], ends[1], true, held[label.name])
    return found
