"""`gempy-gan train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gempy_gan.cli.guard import Interrupted, import_torch
from gempy_gan.cli.settings import Setting, with_settings


@click.command("train", short_help="Train PRIOR on a training set or a simulator.")
@click.argument("prior")
@click.option("--data", required=True, metavar="SET|SIMULATOR", help="A training set (.zarr, .nc), or a simulator's name.")
@click.option("-o", "--out", required=True, metavar="FOLDER", help="Where weights, card, pictures, log and checkpoints go.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), metavar="M", help="End after M minutes in all.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="End after N steps in all.")
@click.option("--preset", default="small", show_default=True, metavar="NAME", help="The size: tiny, small or paper.")
@click.option("--shape", nargs=3, type=click.IntRange(min=1), metavar="NX NY NZ", help="The boxes' cells. Default: the preset's.")
@click.option("--batch", type=click.IntRange(min=1), metavar="B", help="Boxes in a step. Default: the recipe's.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="Of weights, data and steps.")
@click.option("--init", type=click.Path(path_type=Path), metavar="FILE", help="Start with the weights of this .safetensors file.")
@click.option("--labels", metavar="A,B", help="Learn these labels; none with ''. Default: all that have a range.")
@click.option(
    "--flips", type=click.Choice(["", "x", "y", "xy"]), help="Mirror volumes along these axes. Default: as the data say."
)
@click.option(
    "--precision", default="auto", show_default=True, metavar="NAME", help="bf16-mixed, 32-true, or what suits the hardware."
)
@click.option("--devices", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="GPUs, or processes.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Processes that simulate.")
@click.option(
    "--first", default=256, show_default=True, type=click.IntRange(min=1), metavar="N", help="Volumes simulated before it starts."
)
@click.option(
    "--fresh", default=1.0, show_default=True, type=click.FloatRange(min=0), metavar="X", help="Volumes simulated for each step."
)
@click.option(
    "--keep", default=20_000, show_default=True, type=click.IntRange(min=1), metavar="N", help="Simulated volumes learned from."
)
@click.option(
    "--save-minutes", default=5.0, show_default=True, type=click.FloatRange(min=0), metavar="M", help="Between two checkpoints."
)
@click.option(
    "--look-minutes",
    default=10.0,
    show_default=True,
    type=click.FloatRange(min=0),
    metavar="M",
    help="Between two pages that show how it goes; 0: none.",
)
@click.option("--simulator", multiple=True, type=Setting(), metavar="NAME=VALUE", help="Set an option of the simulator.")
@with_settings
def command(prior: str, out: str, labels: str | None, settings: Any, simulator: Any, **options: Any) -> None:
    """Train PRIOR on a training set, or on what a simulator makes meanwhile.

    Repeating the command goes on where it was interrupted, also after kill -9. --set goes to the prior's recipe.
    """
    if options["minutes"] is None and options["steps"] is None:
        raise click.UsageError("How long? Give --minutes M or --steps N.")
    from gempy_gan.plugins import registry

    registry().get("priors", prior)  # a misspelt name is found before anything slow
    import_torch()
    from gempy_gan.training.engine import train
    from gempy_gan.training.folder import first_process
    from gempy_gan.training.plan import TrainingPlan

    names = None if labels is None else tuple(name.strip() for name in labels.split(",") if name.strip())
    plan = TrainingPlan(prior, out=Path(out), labels=names, options=dict(settings), simulator=dict(simulator), **options)
    plan.learner()
    from gempy_gan.cli.live import watching

    try:
        with watching(f"{prior} on {plan.data}, into {out}") as watch:
            train(plan, watch)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. What was learned is kept in {out}; repeat the command to go on.") from None
    if first_process():
        click.echo(str(plan.out / "prior.safetensors"))
