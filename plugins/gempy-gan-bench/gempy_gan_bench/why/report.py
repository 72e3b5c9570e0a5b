"""What an analysis found, as text, as JSON, and as one page with its picture."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gempy_gan.ensemble import plain
from gempy_gan_bench.page import STYLE
from gempy_gan_bench.why.numbers import text


def table(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Rows of equal keys as text, the keys first; lists and nested values but means are left out."""
    keys = [
        key for key, value in rows[0].items() if not isinstance(value, list) and (not isinstance(value, dict) or "mean" in value)
    ]
    return [[key.replace("_", " ") for key in keys], *([text(row[key]) for key in keys] for row in rows)]


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """The table for a terminal."""
    widths = [max(len(line[k]) for line in lines) for k in range(len(lines[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines)


def write_json(file: Path, record: Mapping[str, Any]) -> None:
    """The record."""
    file.write_text(json.dumps(plain(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def write_page(file: Path, title: str, lines: Sequence[str], rows: Sequence[Mapping[str, Any]], figures: Sequence[Any]) -> None:
    """A self-contained page: sentences, the table, pictures."""
    head, *body = table(rows)
    cells = ["".join(f"<th>{html.escape(cell)}</th>" for cell in head)]
    cells += ["".join(f"<td>{html.escape(cell)}</td>" for cell in line) for line in body]
    parts = [f"<h1>{html.escape(title)}</h1>", *(f"<p>{html.escape(line)}</p>" for line in lines)]
    parts.append(f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>")
    parts += [
        f'<p><img src="data:image/png;base64,{base64.b64encode(png(each)).decode()}" alt="picture"></p>' for each in figures
    ]
    name = html.escape(title)
    page = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        f"<title>{name}</title><style>{STYLE}</style>",
        *parts,
    ]
    file.write_text("\n".join([*page, "</html>", ""]), encoding="utf-8")


def png(figure: Any) -> bytes:
    """A figure as a picture, the same bytes for the same figure."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90, metadata={"Software": None})
    return out.getvalue()
