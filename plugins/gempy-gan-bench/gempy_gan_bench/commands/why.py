"""`gempy-gan-bench why`: the analyses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.settings import Setting

if TYPE_CHECKING:
    from gempy_gan import Prior, Strategy
    from gempy_gan_bench.protocol import Protocol

COUNT = click.IntRange(min=1)
NUMBER = click.option(
    "-n", "--number", default=8, show_default=True, type=click.IntRange(min=2), help="Realizations of each truth."
)
SET = click.option("--set", "settings", type=Setting(), multiple=True, metavar="NAME=VALUE", help="An option of the strategy.")
TRUTH = click.option("--truth", default=1, show_default=True, type=click.IntRange(1, 3), help="Of the protocol's three.")


def shared(command: Callable[..., None]) -> Callable[..., None]:
    """The options of every analysis."""
    for option in (
        click.option("--html", "html_file", metavar="FILE", help="Write one page with the table and pictures."),
        click.option("--json", "json_file", metavar="FILE", help="Write all that was found as JSON."),
        click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed, the same figures."),
        click.option("--preset", default="quick", show_default=True, type=click.Choice(["quick", "standard", "paper"])),
    ):
        command = option(command)
    return command


def of_prior(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name a prior."""
    command = click.option("--prior-set", type=Setting(), multiple=True, metavar="NAME=VALUE", help="An option of the prior.")(
        command
    )
    return click.option("--prior", required=True, metavar="NAME", help="A name that 'gempy-gan plugins' lists, or a file.")(
        command
    )


def of_latents(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name a prior and its latents."""
    for option in (
        click.option(
            "--flow", default=8, show_default=True, type=click.IntRange(min=2), help="Steps of a diffusion prior's flow."
        ),
        click.option("--space-set", type=Setting(), multiple=True, metavar="NAME=VALUE", help="An option of the space."),
        click.option("--space", metavar="NAME", help="Another latent space of the prior, such as features, w or w+."),
    ):
        command = option(command)
    return of_prior(command)


@click.group("why")
def command() -> None:
    """Find out why inversion works or not."""


@command.command("landscape")
@of_latents
@click.option("--wells", "-w", multiple=True, type=COUNT, default=(4, 8, 20), show_default=True, help="May be repeated.")
@TRUTH
@click.option("--starts", default=6, show_default=True, type=COUNT, help="Optimizations from independent latents.")
@click.option("--steps", default=150, show_default=True, type=COUNT, help="Steps of each, at most.")
@click.option("--slices", default=6, show_default=True, type=COUNT, help="Slices of each kind.")
@click.option(
    "--side", default=21, show_default=True, type=click.IntRange(min=0), help="Points along a side of a plane; 0: none."
)
@shared
def landscape(wells: tuple[int, ...], truth: int, starts: int, steps: int, slices: int, side: int, **options: Any) -> None:
    """How the misfit of wells looks in latent space, where optimizations end, and how strongly the decoder stretches."""
    prior, protocol = _latents(**options)
    from gempy_gan_bench.why import landscape as analysis

    plan = analysis.Plan(wells, truth, starts, steps, slices, side, flow=options["flow"], seed=options["seed"])
    _show("Landscape of the misfit", analysis, [_computed(lambda: analysis.landscape(prior, protocol, plan))], options)


@command.command("disentanglement")
@of_latents
@click.option("--draws", default=1000, show_default=True, type=COUNT, help="Realizations that are decoded and measured.")
@click.option("--permutations", default=3, show_default=True, type=COUNT, help="Shuffles for the floor.")
@shared
def disentanglement(draws: int, permutations: int, **options: Any) -> None:
    """Whether single latents stand for net-to-gross, width, sinuosity, number of bodies or time."""
    prior, _ = _latents(**options)
    from gempy_gan_bench.why import disentanglement as analysis

    plan = analysis.Plan(draws, permutations, flow=options["flow"], seed=options["seed"])
    _show("Disentanglement of latents", analysis, [_computed(lambda: analysis.disentanglement(prior, plan))], options)


@command.command("composition")
@click.option("--data", metavar="SET", help="A training set: principal components of subsets of it are compared.")
@click.option("--prior", "priors", multiple=True, metavar="FILE", help="A trained prior; may be repeated.")
@click.option("--label", "labels", multiple=True, default=("width", "mobility"), show_default=True, help="May be repeated.")
@click.option(
    "--at", multiple=True, metavar="N,N", help="Labels of truths, in their order. Default: inside and outside the ranges."
)
@click.option("--strategy", metavar="NAME", help="Default: the one recommended.")
@SET
@click.option("--wells", "-w", default=4, show_default=True, type=COUNT)
@click.option("--each", default=2, show_default=True, type=COUNT, help="Truths at each place.")
@NUMBER
@shared
def composition(
    data: str | None,
    priors: tuple[str, ...],
    labels: tuple[str, ...],
    at: tuple[str, ...],
    strategy: str | None,
    settings: tuple[tuple[str, Any], ...],
    wells: int,
    each: int,
    number: int,
    **options: Any,
) -> None:
    """How success depends on what a prior learned from: how many images, which labels, and how far off a truth is."""
    if (data is None) == (not priors):
        raise click.UsageError("Give either --data or --prior.")
    protocol = _protocol(options)
    import gempy_gan as gg
    from gempy_gan_bench.why import breakdown
    from gempy_gan_bench.why import composition as analysis

    if data is not None:
        found = analysis.principal(gg.read(data), labels, protocol, protocol.seed)
    else:
        found = [analysis.trained(file, _built(file, (), protocol), labels) for file in priors]
    places = [_place(text, labels) for text in at] or analysis.places(found[0].labels)
    truths = [truth for place in places for truth in breakdown.found_truths(protocol, place, each)]
    chosen = _strategy(strategy, settings, found[0].prior)
    record = _computed(lambda: analysis.composition(found, truths, protocol, chosen, wells, number))
    _show("Success and what a prior learned from", analysis, [record], options)


@command.command("start")
@of_prior
@click.option("--wells", "-w", default=8, show_default=True, type=COUNT)
@TRUTH
@click.option(
    "--steps", multiple=True, default=(0, 10, 50, 200), show_default=True, type=click.IntRange(min=0), help="Of the start."
)
@click.option("--optimizer", default="adam", show_default=True, help="Of the start: see the strategy 'latent'.")
@SET
@NUMBER
@shared
def start(
    wells: int,
    truth: int,
    steps: tuple[int, ...],
    optimizer: str,
    settings: tuple[tuple[str, Any], ...],
    number: int,
    **options: Any,
) -> None:
    """How far pivotal tuning depends on the quality of its start, from random latents to well optimised ones."""
    prior, protocol = _prior(**options)
    from gempy_gan_bench import truths
    from gempy_gan_bench.why import start as analysis
    from gempy_gan_bench.why.problem import Problem

    problem = Problem.of(prior, protocol, truths.of(protocol)[truth - 1], wells)
    starts, tuned = analysis.starts_of(steps, optimizer), analysis.tuning(dict(settings))
    record = _computed(lambda: analysis.start_quality(problem, starts, tuned, number, protocol.seed))
    _show("Pivotal tuning and its start", analysis, [record], options)


@command.command("range")
@of_prior
@click.option(
    "--sweep", "sweeps", multiple=True, metavar="NAME", help="width, sinuosity, mobility, offset. Default: all of them."
)
@click.option("--strategy", "strategies", multiple=True, metavar="NAME", help="May be repeated. Default: the one recommended.")
@SET
@click.option("--wells", "-w", default=4, show_default=True, type=COUNT)
@click.option("--each", default=2, show_default=True, type=COUNT, help="Truths at each step.")
@NUMBER
@shared
def out_of_range(
    sweeps: tuple[str, ...],
    strategies: tuple[str, ...],
    settings: tuple[tuple[str, Any], ...],
    wells: int,
    each: int,
    number: int,
    **options: Any,
) -> None:
    """At which step out of the training labels each method breaks down."""
    if settings and len(strategies) > 1:
        raise click.UsageError("--set is for one strategy, and several were given.")
    prior, protocol = _prior(**options)
    from gempy_gan_bench.why import breakdown as analysis

    chosen = {name or prior.recommended: _strategy(name, settings, prior) for name in strategies or (None,)}
    named = sweeps or tuple(analysis.SWEEPS)
    found = [_computed(lambda s=s: analysis.breakdown(prior, protocol, chosen, s, wells, each, number)) for s in named]  # type: ignore[misc]
    _show("Out of the training labels", analysis, found, options)


@command.command("path")
@of_prior
@click.option("--number", "-n", default=64, show_default=True, type=click.IntRange(min=2), help="Draws, and real boxes.")
@click.option("--steps", default=48, show_default=True, type=click.IntRange(min=2), help="Noise levels.")
@shared
def path(number: int, steps: int, **options: Any) -> None:
    """At which noise level the draws of a diffusion prior leave its data."""
    prior, protocol = _prior(**options)
    from gempy_gan_bench.why import path as analysis

    plan = analysis.Plan(number, steps, options["seed"])
    _show("Draws on their way down from noise", analysis, [_computed(lambda: analysis.path(prior, protocol, plan))], options)


def _protocol(options: Mapping[str, Any]) -> Protocol:
    from gempy_gan.cli.guard import import_torch

    import_torch()
    from gempy_gan_bench.protocol import preset

    return preset(options["preset"], seed=options["seed"])


def _prior(prior: str, prior_set: Sequence[tuple[str, Any]], **options: Any) -> tuple[Prior, Protocol]:
    protocol = _protocol(options)
    return _built(prior, prior_set, protocol), protocol


def _latents(space: str | None, space_set: Sequence[tuple[str, Any]], **options: Any) -> tuple[Prior, Protocol]:
    prior, protocol = _prior(**options)
    if space is None:
        return prior, protocol
    from gempy_gan_bench.why.problem import latent_prior

    return latent_prior(prior, options["flow"]).space(space, **dict(space_set)), protocol


def _built(name: str, settings: Sequence[tuple[str, Any]], protocol: Protocol) -> Prior:
    from gempy_gan_bench.contenders import Contender

    return Contender(name, None, dict(settings), {}, name).built_prior(protocol, protocol.members[0])


def _strategy(name: str | None, settings: Sequence[tuple[str, Any]], prior: Prior) -> Strategy:
    from gempy_gan_bench.unconditional import strategy_of

    found = strategy_of(name or prior.recommended, dict(settings))
    found.check(prior)
    return found


def _place(text: str, labels: Sequence[str]) -> dict[str, float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != len(labels):
        raise click.UsageError(f"--at {text}: expected {len(labels)} numbers, for {', '.join(labels)}.")
    return dict(zip(labels, values, strict=True))


def _computed(analyse: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    from gempy_gan.cli.bar import progress_bar

    with progress_bar():
        return analyse()


def _show(title: str, analysis: Any, records: Sequence[Mapping[str, Any]], options: Mapping[str, Any]) -> None:
    """Print the table and what it means; write the files that were asked for."""
    from gempy_gan_bench.why.report import aligned, table, write_json, write_page

    rows = [row for record in records for row in analysis.rows(record)]
    lines = [line for record in records for line in analysis.sentences(record)]
    click.echo("\n".join([aligned(table(rows)), "", *(f"- {line}" for line in lines)]))
    if options["json_file"] is not None:
        write_json(Path(options["json_file"]), {"analysis": title, "records": records})
    if options["html_file"] is not None:
        write_page(Path(options["html_file"]), title, lines, rows, [analysis.picture(record) for record in records])
