"""`gempy-gan sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.guard import import_torch
from gempy_gan.cli.paths import check_free
from gempy_gan.cli.settings import with_settings

if TYPE_CHECKING:
    from gempy_gan.grid import Grid


@click.command("sample")
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
) -> None:
    """Draw realizations of PRIOR without any data.

    --set goes to the prior.
    """
    from gempy_gan.plugins import for_path, registry

    registry().get("priors", prior)  # a wrong name or ending is found before anything is computed
    for_path("formats", out)
    check_free(out)
    if bool(like) == bool(extent and resolution):
        raise click.UsageError("On which grid? Give --grid FILE, or --extent and --resolution.")
    import_torch()
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.files import write
    from gempy_gan.inversion import prior_for, sample

    grid = _grid(like, extent, resolution, rotation)
    with progress_bar():
        ensemble = sample(prior_for(prior, grid, **dict(settings)), grid, number, seed)
        for file in write(ensemble, out):
            click.echo(str(file))


def _grid(like: str | None, extent: Any, resolution: Any, rotation: float) -> Grid:
    from gempy_gan.cli.paths import read_grid
    from gempy_gan.grid import Grid

    return read_grid(like) if like else Grid(extent, resolution, rotation)
