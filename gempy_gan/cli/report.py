"""`gempy-gan report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gempy_gan.errors import FormatError

if TYPE_CHECKING:
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.study import Study


@click.command("report", short_help="Write one page on ENSEMBLE: inputs, pictures, diagnosis.")
@click.argument("ensemble")
@click.option("-o", "--out", default="report.html", show_default=True, metavar="FILE", help="The page to be written.")
@click.option("--study", metavar="STUDY", help="The study that made it: its text, the findings of its files, how to repeat it.")
@click.option("--constraints", metavar="FILE", help="What it was conditioned to. Default: constraints.nc beside ENSEMBLE.")
@click.option("--held-out", "withheld", metavar="FILE", help="Data of held-out wells. Default: held_out.nc beside ENSEMBLE.")
@click.option("--diagnosis", metavar="FILE", help="A diagnosis.json. Default: the one beside ENSEMBLE, or a new one.")
@click.option("--baseline", metavar="ENSEMBLE", help="Realizations of the same prior without data, to compare with.")
@click.option("--prior", metavar="PRIOR", help="The learned prior, for what its card knows. Default: that of the study.")
@click.option("--title", default="", help="What the page is called.")
def command(
    ensemble: str,
    out: str,
    study: str | None,
    constraints: str | None,
    withheld: str | None,
    diagnosis: str | None,
    baseline: str | None,
    prior: str | None,
    title: str,
) -> None:
    """Write one page about ENSEMBLE: its inputs, its pictures, how far to trust it, how to repeat it.

    The page holds everything it shows, and opens without network. What 'gempy-gan run' left beside the ensemble is taken where
    nothing else is named.
    """
    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import import_torch
    from gempy_gan.cli.paths import read_beside, read_ensemble

    if Path(out).suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"The report {out!r} must end in .html.")
    import_torch()
    from gempy_gan.report import write_report
    from gempy_gan.study import load_study
    from gempy_gan.workflow import told_by

    drawn, plan = read_ensemble(ensemble), None if study is None else load_study(study)
    known = read_beside(ensemble, "constraints.nc", constraints)
    record = None if baseline is not None and diagnosis is None else _diagnosis(diagnosis, ensemble)
    with progress_bar():
        file = write_report(
            drawn,
            out,
            known,
            read_beside(ensemble, "held_out.nc", withheld),
            record if known is not None or diagnosis is not None else None,
            None if baseline is None else read_ensemble(baseline),
            _card(drawn, prior, plan),
            title=title,
            **({} if plan is None else told_by(plan)),
        )
    click.echo(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")


def _diagnosis(given: str | None, ensemble: str) -> dict[str, Any] | None:
    from gempy_gan.cli.paths import beside

    file = beside(ensemble, "diagnosis.json") if given is None else Path(given)
    if file is None:
        return None
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{file} holds no diagnosis ({error}). Give a diagnosis.json, or what 'diagnose --json' prints."
        ) from None
    if not isinstance(found, dict) or not {"groups", "verdicts"} <= found.keys():
        raise FormatError(f"{file} holds other JSON than a diagnosis. Give a diagnosis.json, or what 'diagnose --json' prints.")
    return found


def _card(ensemble: Ensemble, prior: str | None, study: Study | None) -> dict[str, Any] | None:
    """The card of the learned prior; refused when the ensemble was made with other weights."""
    from gempy_gan.report import card_of

    if prior is not None:
        return card_of(ensemble, prior)
    return None if study is None else card_of(ensemble, study.prior["name"])
