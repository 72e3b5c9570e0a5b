"""`gempy-gan plugins`."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the plugins that are broken.")
def command(as_json: bool) -> None:
    """List what is installed.

    Every prior, strategy, adapter, format and forward operator, and the plugin that brought it. What is wrong with a plugin
    is told on stderr.
    """
    from gempy_gan.plugins import registry
    from gempy_gan.registry import KINDS

    found = registry()
    entries = [entry for kind in KINDS for entry in found.of(kind)]
    if as_json:
        rows = [
            {"kind": KINDS[e.kind], "name": e.name, "owner": e.owner, "suffixes": e.suffixes, "summary": e.summary}
            for e in entries
        ]
        click.echo(json.dumps({"entries": rows, "plugins": found.plugins, "errors": found.errors}, indent=1))
    else:
        cells = [("KIND", "NAME", "OWNER", "SUMMARY")]
        cells += [(KINDS[e.kind], e.name, e.owner, " ".join([e.summary, *e.suffixes])) for e in entries]
        click.echo(table(cells))


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Left-aligned columns, two spaces apart.

    >>> print(table([("a", "b"), ("long", "c")]))
    a     b
    long  c
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)
