"""`gempy-gan invert`."""

from __future__ import annotations

from typing import Any

import click

from gempy_gan.cli.settings import with_settings


@click.command("invert")
@click.argument("constraints")
@click.option("-o", "--out", required=True, metavar="STORE", help="The ensemble's store, ending in .zarr.")
@click.option("--prior", required=True, metavar="NAME", help="The prior; 'gempy-gan plugins' lists them.")
@click.option("--strategy", metavar="NAME", help="The inversion strategy. Default: the one recommended for the prior.")
@click.option("-n", "--number", default=100, show_default=True, type=click.IntRange(min=1), help="Number of realizations.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed, the same realizations.")
@click.option("--resume", is_flag=True, help="Continue a store that an interrupted run with the same options left.")
@with_settings
def command(
    constraints: str,
    out: str,
    prior: str,
    strategy: str | None,
    number: int,
    seed: int,
    resume: bool,
    settings: tuple[tuple[str, Any], ...],
) -> None:
    """Sample the posterior given CONSTRAINTS.

    CONSTRAINTS is a file that 'gempy-gan constrain' wrote.

    --set goes to the prior or the strategy, whichever has an option of that name; --set prior.NAME=VALUE and
    --set strategy.NAME=VALUE say which.
    """
    if not out.rstrip("/").endswith(".zarr"):
        raise click.UsageError(f"The store {out!r} must end in .zarr; 'gempy-gan export' writes the other formats.")
    from gempy_gan.plugins import get_strategy, registry

    built = registry().get("priors", prior)
    chosen = registry().get("strategies", strategy or built.load().recommended)
    of_prior, of_strategy = assign(settings, {"prior": built.load(), "strategy": chosen.load()})
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.inversion import invert, prior_for
    from gempy_gan.observations import read_constraints

    known = read_constraints(constraints)
    with progress_bar():
        ensemble = invert(
            prior_for(prior, known.grid, **of_prior), known, get_strategy(chosen.name, **of_strategy), number, seed, out, resume
        )
    click.echo(f"{out}: {len(ensemble)} realizations of {', '.join(p.name for p in ensemble.properties)}")


def assign(settings: tuple[tuple[str, Any], ...], factories: dict[str, Any]) -> list[dict[str, Any]]:
    """Share out settings among factories by the names of their options."""
    import inspect

    taken = {kind: set(inspect.signature(factory).parameters) for kind, factory in factories.items()}
    shares: dict[str, dict[str, Any]] = {kind: {} for kind in factories}
    for name, value in settings:
        kind, dot, option = name.partition(".")
        owners = [kind] if dot and kind in taken else [k for k, options in taken.items() if name in options]
        if len(owners) != 1:
            listed = "; ".join(f"{k}: {', '.join(sorted(options)) or 'none'}" for k, options in taken.items())
            raise click.UsageError(f"--set {name}: {'several' if owners else 'none'} of them takes it. Options: {listed}.")
        shares[owners[0]][option if dot else name] = value
    return list(shares.values())
