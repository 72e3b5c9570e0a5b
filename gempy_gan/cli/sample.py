"""`gempy-gan sample`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.guard import import_torch, resumable
from gempy_gan.cli.paths import REMEDY, check_free
from gempy_gan.cli.settings import with_settings

if TYPE_CHECKING:
    from gempy_gan.grid import Grid

NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"


class LabelRange(click.ParamType[tuple[str, Any]]):
    """`name=low..high`, or `name=number`.

    >>> LabelRange().convert("width=400..600", None, None)
    ('width', (400.0, 600.0))
    >>> LabelRange().convert("width=300", None, None)
    ('width', 300.0)
    """

    name = "name=low..high"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """The name, and the range or the number; a usage error when it is neither."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(rf"([\w-]+)\s*=\s*({NUMBER})(?:\.\.({NUMBER}))?", str(value).strip())
        if found is None:
            self.fail(f"{value!r} is no range. Expected name=low..high or name=number, such as width=400..600.", param, ctx)
        name, low, high = found.groups()
        return name, float(low) if high is None else (float(low), float(high))


@click.command(
    "sample",
    epilog="Such as: gempy-gan sample gaussian -o prior.nc --grid constraints.nc --set 'ranges=[300,300,10]'",
)
@click.argument("prior")
@click.option("-o", "--out", required=True, metavar="FILE", help="Where they go; the ending decides the format: .zarr, .nc, ...")
@click.option(
    "-n", "--number", default=20, show_default=True, type=click.IntRange(min=1), metavar="N", help="Number of realizations."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="The same seed, the same realizations."
)
@click.option("--grid", "like", metavar="FILE", help="Take the grid of this ensemble, or of these constraints.")
@click.option("--extent", nargs=6, type=float, metavar="X0 X1 Y0 Y1 Z0 Z1", help="Or a box: its bounds in metres, z up.")
@click.option("--resolution", nargs=3, type=click.IntRange(min=1), metavar="NX NY NZ", help="The box's number of cells.")
@click.option("--rotation", default=0.0, metavar="DEGREES", help="The box's rotation, anticlockwise about (X0, Y0).")
@click.option("--jobs", type=click.IntRange(min=1), metavar="N", help="Simulator: processes that work at once. Default: 1.")
@click.option("--start", type=click.IntRange(min=0), metavar="K", help="Simulator: number of the first realization. Default: 0.")
@click.option("--design", type=click.Choice(["sobol", "random"]), help="Simulator: how labels fill their ranges. Default: sobol.")
@click.option(
    "--label",
    "ranges",
    multiple=True,
    type=LabelRange(),
    metavar="NAME=LOW..HIGH",
    help="Simulator: draw a label from another range, or fix it (NAME=VALUE); may be repeated.",
)
@click.option("--resume", is_flag=True, help="Continue where an interrupted run stopped; a simulator also goes on to a larger N.")
@with_settings
def command(
    prior: str,
    out: str,
    number: int,
    seed: int,
    like: str | None,
    extent: tuple[float, float, float, float, float, float] | None,
    resolution: tuple[int, int, int] | None,
    rotation: float,
    settings: tuple[tuple[str, Any], ...],
    **special: Any,
) -> None:
    """Draw realizations of PRIOR without any data, on a grid.

    PRIOR is a name, of those that 'gempy-gan plugins' lists, or the .safetensors file of one that was trained. --set gives it
    options, such as its ranges.

    A store (.zarr) is filled as they are drawn; killed at any moment it keeps what was finished, and --resume goes on.

    A simulator brings its own box, unless a grid is given, and then makes a training set: a store (.zarr) with the labels of
    each realization, filled by several processes.
    """
    from gempy_gan.plugins import for_path, registry

    entry = registry().get("priors", prior)  # a wrong name or ending is found before anything is computed
    for_path("formats", out)
    if not (like or extent or resolution) and _simulates(entry.load()):
        _make_training_set(prior, out, number, seed, dict(settings), **special)
        return
    resume = bool(special.pop("resume"))
    _check_none(special)
    is_store = out.rstrip("/").endswith(".zarr")
    if resume and not is_store:
        raise click.UsageError(f"--resume continues a store, which ends in .zarr, and {out!r} is none.")
    if not resume:
        check_free(out, "Continue an interrupted run with --resume, remove it, or choose another name." if is_store else REMEDY)
    if bool(like) == bool(extent and resolution):
        raise click.UsageError("On which grid? Give --grid FILE, or --extent and --resolution.")
    import_torch()
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.files import write
    from gempy_gan.inversion import prior_for, sample

    grid = _grid(like, extent, resolution, rotation)
    drawn = prior_for(prior, grid, **dict(settings))
    if is_store:
        with resumable(Path(out), number), progress_bar():
            sample(drawn, grid, number, seed, out, resume)
        click.echo(out)
        return
    with progress_bar():
        files = write(sample(drawn, grid, number, seed), out)
    for file in files:
        click.echo(str(file))


def _simulates(factory: Any) -> bool:
    from gempy_gan.prior import Simulator

    return isinstance(factory, type) and issubclass(factory, Simulator)


def _check_none(special: dict[str, Any]) -> None:
    """A usage error for options that only the making of training sets has."""
    given = [name for name, value in special.items() if value is not None and value is not False and value != ()]
    if given:
        option = {"ranges": "label"}.get(given[0], given[0])
        raise click.UsageError(f"--{option} is for training sets, which a simulator makes without a grid.")


def _make_training_set(
    prior: str,
    out: str,
    number: int,
    seed: int,
    options: dict[str, Any],
    jobs: int | None,
    start: int | None,
    design: str | None,
    ranges: tuple[tuple[str, Any], ...],
    resume: bool,
) -> None:
    if not out.rstrip("/").endswith(".zarr"):
        raise click.UsageError(f"The training set {out!r} must end in .zarr; 'gempy-gan export' writes the other formats.")
    if not resume:
        check_free(out, "Continue an interrupted run with --resume, remove it, or choose another --out.")
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.plugins import get_prior
    from gempy_gan.training_sets import coverage_of, make_training_set

    simulator: Any = get_prior(prior, **options)
    with resumable(Path(out), number), progress_bar():
        made = make_training_set(simulator, out, number, seed, jobs or 1, start or 0, design or "sobol", dict(ranges), resume)
    click.echo(f"{out}: {len(made)} realizations of {', '.join(p.name for p in made.properties)}, seed {seed}, {_numbers(made)}")
    click.echo(str(coverage_of(made)))
    if outside := made.provenance["out_of_distribution"]:
        click.echo(f"Out of distribution: {', '.join(outside)}, drawn from outside the range of the simulator.")


def _numbers(ensemble: Any) -> str:
    return f"numbers {ensemble.numbers[0]} to {ensemble.numbers[-1]}"


def _grid(like: str | None, extent: Any, resolution: Any, rotation: float) -> Grid:
    from gempy_gan.cli.paths import read_grid
    from gempy_gan.grid import Grid

    return read_grid(like) if like else Grid(extent, resolution, rotation)
