"""`gempy-gan-bench fluvial`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.settings import Setting
from gempy_gan_bench.commands.cache import user_cache, with_cache
from gempy_gan_bench.commands.table import check_outputs, outputs, write_outputs

if TYPE_CHECKING:
    from gempy_gan_bench.contenders import Contender


@click.command("fluvial", short_help="Invert wells and seismic of held-out fluvial deposits.")
@click.option("--prior", required=True, metavar="NAME", help="The prior: a name that 'gempy-gan plugins' lists, or a file.")
@click.option("--strategy", "strategies", multiple=True, metavar="NAME", help="May be repeated. Default: the one recommended.")
@click.option("--preset", default="quick", show_default=True, type=click.Choice(["quick", "standard", "paper"]))
@click.option(
    "--set",
    "settings",
    multiple=True,
    type=Setting(),
    metavar="NAME=VALUE",
    help="An option of the strategy; with several, STRATEGY.NAME=VALUE.",
)
@click.option(
    "--prior-set", "prior_settings", multiple=True, type=Setting(), metavar="NAME=VALUE", help="An option of the prior."
)
@click.option("--cases", metavar="NAMES", help="Only these cases, such as t1 or t1-w4,t3-w20-s. Default: all 18.")
@click.option("--as", "label", metavar="LABEL", help="What the table calls it. Default: the strategy's name.")
@click.option(
    "--out", default="bench", show_default=True, metavar="FOLDER", help="Where finished cases are kept, and found again."
)
@with_cache
@click.option(
    "-n", "--number", type=click.IntRange(min=2), metavar="N", help="Realizations of each case, for each trained prior."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="The same seed, the same figures."
)
@click.option("--members", metavar="NUMBERS", help="Trained priors, such as 0,1,2. Default: the preset's.")
@click.option(
    "--reference-draws",
    type=click.IntRange(min=0),
    metavar="N",
    help="Draws of the prior for the diversity reference; 0 for none. Default: 100000, none for a trained diffusion prior.",
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Cases computed at once.")
@outputs
@click.pass_context
def command(
    ctx: click.Context,
    /,
    prior: str,
    strategies: tuple[str, ...],
    preset: str,
    settings: tuple[tuple[str, Any], ...],
    prior_settings: tuple[tuple[str, Any], ...],
    cases: str | None,
    label: str | None,
    out: str,
    cache: str | None,
    number: int | None,
    seed: int,
    members: str | None,
    reference_draws: int | None,
    jobs: int,
    **written: str | None,
) -> None:
    """Invert wells and seismic of held-out fluvial deposits, and measure what comes of it.

    Three truths, the third unlike those that priors learn from; 4, 8 and 20 wells, without and with seismic: 18 cases. Every
    finished case is a file in --out: the same command goes on where it was interrupted, and computes nothing twice.
    """
    if label is not None and len(strategies) > 1:
        raise click.UsageError("--as names one strategy, and several were given.")
    if repeated := [name for name in strategies if strategies.count(name) > 1]:
        raise click.UsageError(f"--strategy {repeated[0]} is given twice. Run it again with other options and --as.")
    check_outputs(**written)
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import Failure, Interrupted, import_torch

    _check_names(prior, strategies)
    import_torch()
    from gempy_gan.inversion import recommended_for
    from gempy_gan_bench.contenders import Contender
    from gempy_gan_bench.protocol import choose
    from gempy_gan_bench.protocol import preset as named
    from gempy_gan_bench.running import finished, run, tasks

    names = strategies or (recommended_for(prior),)
    contenders = [
        Contender(prior, name, dict(prior_settings), _options_of(name, settings, names), label or name) for name in names
    ]
    protocol = _protocol(contenders[0], named(preset, number, seed), members)
    chosen = choose(protocol, cases)
    wanted = [task for each in contenders for task in tasks(each, protocol, chosen, _draws(each, protocol, reference_draws))]
    folder = Path(out)
    files = ctx.parent.params.get("files", ()) if ctx.parent is not None else ()
    try:
        with progress_bar():
            failed = run(wanted, folder, user_cache(cache), jobs, files)
    except KeyboardInterrupt:
        kept = sum(finished(task, folder) for task in wanted)
        raise Interrupted(f"Interrupted. {kept} of {len(wanted)} parts are kept in {out}; the same command goes on.") from None
    if any(finished(task, folder) for task in wanted if task.case is not None):
        write_outputs([folder], [task.file(folder) for task in wanted], **written)
    if failed:
        raise Failure(f"{len(failed)} of {len(wanted)} parts failed and are tried again by the same command. {failed[0]}")


def _options_of(name: str, settings: tuple[tuple[str, Any], ...], strategies: tuple[str, ...]) -> dict[str, Any]:
    """The settings that are meant for a strategy: without its name where it is the only one, with its name otherwise."""
    found = {}
    for setting, value in settings:
        owner, dot, option = setting.partition(".")
        owners = [s for s in strategies if s.replace("-", "_") == owner.replace("-", "_")]
        if dot and owners:
            found.update({option: value} if owners == [name] else {})
        elif len(strategies) > 1:
            raise click.UsageError(f"--set {setting}: several strategies were given. Expected STRATEGY.NAME=VALUE.")
        else:
            found[setting] = value
    return found


def _check_names(prior: str, strategies: tuple[str, ...]) -> None:
    """A misspelt name is found before anything slow."""
    from gempy_gan.plugins import registry
    from gempy_gan_bench.protocol import BASELINE

    registry().get("priors", prior)
    for name in set(strategies) - {BASELINE}:
        registry().get("strategies", name)


def _protocol(contender: Contender, protocol: Any, members: str | None) -> Any:
    """The protocol with the members that were asked for, or those that there are."""
    from dataclasses import replace

    from gempy_gan_bench.contenders import available

    if members is None:
        return available(contender, protocol)
    if not all(part.strip().isdigit() for part in members.split(",")):
        raise click.UsageError(f"--members {members}: expected numbers, such as 0,1,2.")
    return replace(protocol, members=tuple(dict.fromkeys(int(part) for part in members.split(","))))


def _draws(contender: Contender, protocol: Any, asked: int | None) -> int:
    """How many draws the reference takes: none by default where they would cost hours."""
    from gempy_gan import DiffusionPrior, LearnedPrior, Simulator
    from gempy_gan_bench.reference import ENOUGH_DRAWS

    if asked is not None:
        return asked
    prior = contender.built_prior(protocol, protocol.members[0])
    slow = isinstance(prior, Simulator) or (isinstance(prior, DiffusionPrior) and isinstance(prior, LearnedPrior))
    return 0 if slow else ENOUGH_DRAWS
