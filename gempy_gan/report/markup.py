"""HTML out of plain values: everything that is shown is escaped, and no markup is taken from outside."""

from __future__ import annotations

import base64
import hashlib
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
MARKS = {"pass": "✓ pass", "look": "▲ look", "": ""}


def text(value: Any) -> str:
    """A value as text of a page: numbers to three digits, nothing for None.

    >>> text(0.123456), text(12.0), text(None), text("<b>")
    ('0.123', '12', '', '&lt;b&gt;')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        whole = value == round(value) if abs(value) < 1e6 else False
        return f"{value:.0f}" if whole else f"{value:.3g}"
    return html.escape(str(value))


def paragraph(line: Any, kind: str = "") -> str:
    """A paragraph, of a class of the style sheet where one is named."""
    return f"<p{_class(kind)}>{text(line)}</p>"


def listing(lines: Iterable[Any], kind: str = "") -> str:
    """A list; nothing where there is nothing to list."""
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul{_class(kind)}>{items}</ul>" if items else ""


def mark(status: str) -> str:
    """A sign and a word for "pass" or "look", so that colour is not needed."""
    return f"<span class='{text(status)}'>{MARKS[status]}</span>" if status else ""


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the first of each row is its header. Columns that hold nothing are left out.

    On a phone each row becomes a card.
    """
    kept, rows = [0], [tuple(row) for row in rows]
    kept += [k for k in range(1, len(header)) if any(row[k] for row in rows)]
    header, rows = [header[k] for k in kept], [tuple(row[k] for k in kept) for row in rows]
    head = "".join(f"<th scope='col'>{text(name)}</th>" for name in header)
    body = "".join(_row(header, row) for row in rows)
    return f"<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""


def definitions(pairs: Mapping[str, Any]) -> str:
    """What is what, a line each; what is None is left out."""
    lines = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in pairs.items() if value is not None)
    return f"<dl>{lines}</dl>" if lines else ""


def code(content: str, title: str = "") -> str:
    """Text as it stands, in a box that scrolls; with a title it is folded away until asked for, or printed."""
    box = f"<pre tabindex='0'>{text(content)}</pre>"
    return f"<details><summary>{text(title)}</summary>{box}</details>" if title else box


def picture(figure: Figure, alt: str, caption: str) -> str:
    """A figure inside the page, with what it says for those who do not see it."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None})
    source = f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
    return f"<figure><img alt='{text(alt)}' src='{source}'><figcaption>{text(caption)}</figcaption></figure>"


def page(title: str, sections: Mapping[str, str], lead: str) -> str:
    """The whole page: a title, what comes first, and sections by their headings, those without content left out.

    Its policy allows nothing but the page's own style and the pictures inside it: no script runs, and nothing is fetched.
    """
    style = files("gempy_gan.report").joinpath("report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    kept = {name: body for name, body in sections.items() if body}
    links = "".join(f"<li><a href='#{_anchor(name)}'>{text(name)}</a></li>" for name in kept)
    parts = "".join(
        f"<section aria-labelledby='{_anchor(name)}'><h2 id='{_anchor(name)}'>{text(name)}</h2>{body}</section>"
        for name, body in kept.items()
    )
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        "<meta name='viewport' content='width=device-width, initial-scale=1'><meta name='referrer' content='no-referrer'>"
        f"<title>{text(title)}</title><style>{style}</style></head><body><header><h1>{text(title)}</h1>{lead}"
        f"<nav aria-label='Contents'><ul>{links}</ul></nav></header><main>{parts}</main></body></html>\n"
    )


def _row(header: Sequence[str], cells: Sequence[str]) -> str:
    first, *others = cells
    rest = "".join(f"<td data-of='{text(name)}'>{cell}</td>" for name, cell in zip(header[1:], others, strict=True))
    return f"<tr><th scope='row'>{first}</th>{rest}</tr>"


def _anchor(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def _class(kind: str) -> str:
    return f" class='{kind}'" if kind else ""
