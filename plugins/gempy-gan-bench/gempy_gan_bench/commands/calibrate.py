"""`gempy-gan-bench calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.settings import Setting
from gempy_gan_bench.commands.table import check_outputs

if TYPE_CHECKING:
    from gempy_gan_bench.calibration.plan import Plan


@click.command("calibrate")
@click.option("--prior", required=True, metavar="NAME", help="The prior: a name that 'gempy-gan plugins' lists, or a file.")
@click.option("--strategy", metavar="NAME", help="Default: the one recommended for the prior.")
@click.option("--set", "settings", multiple=True, type=Setting(), metavar="NAME=VALUE", help="An option of the strategy.")
@click.option(
    "--prior-set", "prior_settings", multiple=True, type=Setting(), metavar="NAME=VALUE", help="An option of the prior."
)
@click.option(
    "--truths",
    default="prior",
    show_default=True,
    metavar="SOURCE",
    help="'prior': its own draws, which tests the sampler; a simulator, or a held-out ensemble's file: tests the prior, too.",
)
@click.option("--property", metavar="NAME", help="What is observed. Default: the prior's first property.")
@click.option("--facies", metavar="NAME", help="The facies that counts as sand. Default: the last one.")
@click.option("--limit", type=float, metavar="VALUE", help="The value above which a cell is sand. Default: 0.5, or the median.")
@click.option(
    "--wells",
    nargs=2,
    type=click.IntRange(min=0),
    default=(1, 16),
    show_default=True,
    metavar="LEAST MOST",
    help="Wells of a truth.",
)
@click.option("--noise", type=float, metavar="STD", help="Standard deviation of the wells' values. Default: a small one.")
@click.option("--seismic", is_flag=True, help="Seismic of every column, too; of a coarse_fraction alone.")
@click.option("--number", "count", default=100, show_default=True, type=click.IntRange(min=2), metavar="N", help="Truths.")
@click.option(
    "-n", "--draws", default=63, show_default=True, type=click.IntRange(min=9), metavar="N", help="Draws of each posterior."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="The same seed, the same figures."
)
@click.option("--as", "label", metavar="LABEL", help="What reports call the strategy. Default: its name.")
@click.option(
    "--out", default="calibration", show_default=True, metavar="FOLDER", help="Where finished truths are kept, and found again."
)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), metavar="N", help="Truths computed at once.")
@click.option("--json", "json_file", metavar="FILE", help="Write all figures as JSON.")
@click.option("--html", "html_file", metavar="FILE", help="Write one page with pictures.")
@click.option(
    "--card",
    metavar="FILE",
    help="Keep the figures for reports: a trained prior's file, the folder of its training, or a .json file.",
)
@click.pass_context
def command(ctx: click.Context, /, count: int, out: str, jobs: int, card: str | None, **options: Any) -> None:
    """Check whether draws of a posterior are as sure as they may be.

    Truths are drawn, observed by random wells (and seismic), and inverted; where they lie among the draws tells whether prior and
    strategy are calibrated: ranks (SBC), expected coverage (TARP), intervals, CRPS, reliability.

    Every finished truth is a file in --out: the same command goes on where it was interrupted, and a larger --number adds truths.
    """
    written = {key: options.pop(key) for key in ("json_file", "html_file")}
    check_outputs(**written)
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import Failure, Interrupted, import_torch
    from gempy_gan.plugins import registry

    registry().get("priors", options["prior"])  # a misspelt name is found before anything slow
    if options["strategy"] is not None:
        registry().get("strategies", options["strategy"])
    import_torch()
    from gempy_gan_bench.calibration import running
    from gempy_gan_bench.calibration.cards import check_card

    if card is not None:
        check_card(Path(card))
    files = ctx.parent.params.get("files", ()) if ctx.parent is not None else ()
    wanted: list[running.Task] = []
    try:
        with progress_bar():
            wanted = running.tasks(_plan(**options), count, Path(out))
            failed = running.run(wanted, jobs, files)
    except KeyboardInterrupt:
        kept = sum(task.file.is_file() for task in wanted)
        raise Interrupted(f"Interrupted. {kept} of {count} truths are kept in {out}; the same command goes on.") from None
    if failed:
        raise Failure(f"{len(failed)} of {count} truths failed and are tried again by the same command. {failed[0]}")
    _write(running.read(wanted), card, **written)


def _plan(
    prior: str,
    strategy: str | None,
    settings: tuple[tuple[str, Any], ...],
    prior_settings: tuple[tuple[str, Any], ...],
    label: str | None,
    draws: int,
    **others: Any,
) -> Plan:
    from gempy_gan.inversion import recommended_for
    from gempy_gan_bench.calibration.plan import Plan
    from gempy_gan_bench.contenders import Contender

    name = strategy or recommended_for(prior)
    return Plan(Contender(prior, name, dict(prior_settings), dict(settings), label or name), n=draws, **others)


def _write(found: list[dict[str, Any]], card: str | None, json_file: str | None, html_file: str | None) -> None:
    import json

    from gempy_gan_bench.calibration import summary
    from gempy_gan_bench.calibration.cards import add_calibration
    from gempy_gan_bench.calibration.page import page

    together = summary.summary(found)
    if json_file is not None:
        Path(json_file).write_text(json.dumps(together, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if html_file is not None:
        Path(html_file).write_text(page(together), encoding="utf-8")
    if card is not None:
        add_calibration(Path(card), summary.entry(together))
    click.echo(summary.text(together))
