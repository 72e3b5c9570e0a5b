"""`gempy-gan invert`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gempy_gan.cli.guard import import_torch, resumable
from gempy_gan.cli.paths import check_free
from gempy_gan.cli.settings import with_settings


@click.command("invert")
@click.argument("constraints")
@click.option("-o", "--out", required=True, metavar="STORE", help="Where the ensemble goes, ending in .zarr.")
@click.option("--prior", required=True, metavar="NAME", help="The prior; 'gempy-gan plugins' lists them.")
@click.option("--strategy", metavar="NAME", help="The inversion strategy. Default: the one recommended for the prior.")
@click.option(
    "-n", "--number", default=100, show_default=True, type=click.IntRange(min=1), metavar="N", help="Number of realizations."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="The same seed, the same realizations."
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Realizations drawn, and kept, at once: less memory, less lost by Ctrl-C.",
)
@click.option("--clamp", is_flag=True, help="Set the cells of wells to their values in the end; the match before is noted.")
@click.option("--resume", is_flag=True, help="Continue where an interrupted run with the same options stopped.")
@with_settings
def command(
    constraints: str,
    out: str,
    prior: str,
    strategy: str | None,
    number: int,
    seed: int,
    batch: int | None,
    clamp: bool,
    resume: bool,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Draw realizations of a prior that honour CONSTRAINTS.

    CONSTRAINTS is a file that 'gempy-gan constrain' wrote.

    --set goes to the prior or the strategy, whichever has an option of that name; --set prior.NAME=VALUE and
    --set strategy.NAME=VALUE say which. A prior's mean=wells, mean=layers, std=wells and quantiles=wells take what the wells
    say.
    """
    if not out.rstrip("/").endswith(".zarr"):
        raise click.UsageError(f"The store {out!r} must end in .zarr; 'gempy-gan export' writes the other formats.")
    if not resume:
        check_free(out, "Continue an interrupted run with --resume, remove it, or choose another --out.")
    from gempy_gan.plugins import get_strategy, registry

    built = registry().get("priors", prior)
    if strategy is not None:
        registry().get("strategies", strategy)  # a misspelt name is found before anything slow
    import_torch()
    from gempy_gan.inversion import invert, recommended_for

    chosen = registry().get("strategies", strategy or recommended_for(prior))
    of_prior, of_strategy = assign(settings, {"prior": built.load(), "strategy": chosen.load()})
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.observations import read_constraints
    from gempy_gan.workflow import prior_from

    known = read_constraints(constraints)
    model, how = prior_from(prior, known, **of_prior), get_strategy(chosen.name, **of_strategy)
    with resumable(Path(out), number), progress_bar():
        ensemble = invert(model, known, how, number, seed, out, resume, batch, clamp)
    click.echo(f"{out}: {len(ensemble)} realizations of {', '.join(p.name for p in ensemble.properties)}")


def assign(settings: tuple[tuple[str, Any], ...], factories: dict[str, Any]) -> list[dict[str, Any]]:
    """Share out settings among factories by the names of their options."""
    import inspect

    signatures = {kind: inspect.signature(factory).parameters.values() for kind, factory in factories.items()}
    taken = {kind: {p.name for p in parameters if p.kind != p.VAR_KEYWORD} for kind, parameters in signatures.items()}
    others = [kind for kind, parameters in signatures.items() if any(p.kind == p.VAR_KEYWORD for p in parameters)]
    shares: dict[str, dict[str, Any]] = {kind: {} for kind in factories}
    for name, value in settings:
        kind, dot, option = name.partition(".")
        owners = [kind] if dot and kind in taken else [k for k, options in taken.items() if name in options] or others
        if len(owners) != 1:
            listed = "; ".join(f"{k}: {', '.join(sorted(options)) or 'none'}" for k, options in taken.items())
            raise click.UsageError(f"--set {name}: {'several' if owners else 'none'} of them takes it. Options: {listed}.")
        shares[owners[0]][option if dot else name] = value
    return list(shares.values())
