"""`gempy-gan-bench memory`."""

from __future__ import annotations

from typing import Any

import click

from gempy_gan.cli.settings import Setting
from gempy_gan_bench.commands.table import check_outputs
from gempy_gan_bench.memory import CASES


@click.command("memory", short_help="Measure what memorization does to a posterior.")
@click.option("--case", "name", required=True, type=click.Choice(list(CASES)), help="What is inverted.")
@click.option("--preset", default="quick", show_default=True, metavar="NAME", help="quick: on a CPU; paper: as published.")
@click.option("--set", "settings", multiple=True, type=Setting(), metavar="NAME=VALUE", help="An option of the case.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="The same seed, the same figures.")
@click.option("--out", metavar="FOLDER", help="Where finished work is kept, and found again by the same command.")
@click.option("--json", "json_file", metavar="FILE", help="Write the rows as JSON.")
@click.option("--html", "html_file", metavar="FILE", help="Write one page with the table and pictures.")
def command(
    name: str,
    preset: str,
    settings: tuple[tuple[str, Any], ...],
    seed: int,
    out: str | None,
    json_file: str | None,
    html_file: str | None,
) -> None:
    """Measure what memorization does to a posterior, in the cases of a published study (arXiv 2603.19629)."""
    check_outputs(json_file=json_file, html_file=html_file)
    import dataclasses
    from pathlib import Path

    from gempy_gan.cli.bar import progress_bar
    from gempy_gan.cli.guard import import_torch

    import_torch()
    from gempy_gan_bench.memory import case, plan_of
    from gempy_gan_bench.why.report import aligned, table, write_json, write_page

    found = case(name)
    plan = plan_of(found, preset, dict(settings))
    with progress_bar():
        record = found.run(plan, seed, None if out is None else Path(out))
    rows, lines = found.rows(record), found.sentences(record)
    click.echo("\n".join([aligned(table(rows)), "", *(f"- {line}" for line in lines)]))
    if json_file is not None:
        options = {"case": name, "preset": preset, "plan": dataclasses.asdict(plan), "seed": seed}
        write_json(Path(json_file), {**options, "rows": rows, "sentences": lines})
    if html_file is not None:
        write_page(Path(html_file), f"Memorization: {name}", lines, rows, found.pictures(record))
