"""`gempy-gan view`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("view")
@click.argument("ensemble")
@click.option("-o", "--out", default="view.html", show_default=True, metavar="FILE", help="The page to be written.")
@click.option("--constraints", metavar="FILE", help="Wells to be shown. Default: constraints.nc beside ENSEMBLE.")
@click.option("--held-out", "withheld", metavar="FILE", help="Held-out wells. Default: held_out.nc beside ENSEMBLE.")
@click.option("--property", "properties", multiple=True, metavar="NAME", help="Only this property; may be repeated.")
@click.option("--megabytes", default=5.0, show_default=True, metavar="MB", help="Size of the page: more hold more realizations.")
@click.option("--title", default="", help="What the page is called.")
@click.option("--open/--no-open", "shown", default=True, show_default=True, help="Open the page in the browser.")
def command(
    ensemble: str,
    out: str,
    constraints: str | None,
    withheld: str | None,
    properties: tuple[str, ...],
    megabytes: float,
    title: str,
    shown: bool,
) -> None:
    """Show ENSEMBLE in three dimensions, in the browser.

    Slices, thresholds, realizations, probabilities and wells, in one page that needs no network.
    """
    from gempy_gan.cli.paths import read_beside, read_ensemble
    from gempy_gan.view import write_view

    if Path(out).suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"The view {out!r} must end in .html.")
    known = read_beside(ensemble, "constraints.nc", constraints)
    held_out = read_beside(ensemble, "held_out.nc", withheld)
    file = write_view(read_ensemble(ensemble), out, known, held_out, properties, title, megabytes)
    click.echo(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
    if shown:
        click.launch(file.resolve().as_uri())
