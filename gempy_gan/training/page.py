"""The page of a training: samples beside real boxes, losses and figures over time, in one self-contained HTML file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.training.checkpoints import replace_file
from gempy_gan.training.look import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gempy_gan.learning import Domain

SHOWN = 5  # boxes in a row
NOT_DRAWN = {"step", "boxes", "minutes", "boxes_per_s", "simulated", "waited_s", "floors"}
STYLE = """body { font: 15px sans-serif; max-width: 1150px; margin: 2em auto; color: #222 }
img { max-width: 100% } td, th { padding: 2px 12px 2px 0; text-align: left }"""


def write_page(file: Path, title: str, found: Look, domain: Domain, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the page; the one before stays until it is whole."""
    pictures = {
        f"Samples of step {found.step} above real boxes": samples_figure(found, domain),
        "Over the steps": curves_figure(records),
    }
    parts = [f"<h2>{html.escape(name)}</h2><img alt='{html.escape(name)}' src='{_embedded(f)}'>" for name, f in pictures.items()]
    rows = [_row(name, figure) for name, figure in found.figures.items()]
    if rows:
        parts.append(
            f"<h2>Figures of {len(found.samples)} samples</h2><table><tr><th>figure</th><th>value</th><th>real against real</th>"
            f"<th>5-95 %</th><th>what it is</th></tr>{''.join(rows)}</table>"
        )
    name = html.escape(title)
    head = f"<!doctype html><meta charset='utf-8'><title>{name}</title><style>{STYLE}</style><h1>{name}</h1>"
    replace_file(file, (head + "".join(parts)).encode())


def samples_figure(found: Look, domain: Domain) -> Figure:
    """For each property a row of samples and a row of real boxes: the middle layer, and the section along x below it."""
    from matplotlib.figure import Figure

    count = min(SHOWN, len(found.samples), len(found.real))
    rows = [(c, p, who) for c, p in enumerate(domain.properties) for who in ("sample", "real")]
    nx, ny, nz = domain.shape
    figure = Figure(figsize=(2.2 * count, (2.2 * ny / nx + 1.0) * len(rows)), layout="constrained")
    axes = figure.subplots(2 * len(rows), count, squeeze=False, height_ratios=[ny / nx, 0.3] * len(rows))
    for r, (c, prop, who) in enumerate(rows):
        values = (found.samples if who == "sample" else found.real)[:count, c]
        low, high = float(np.min(found.real[:, c])), float(np.max(found.real[:, c]))
        for k in range(count):
            plan, section = axes[2 * r, k], axes[2 * r + 1, k]
            _image(plan, values[k][:, :, nz // 2], low, high, "equal")
            _image(section, values[k][:, ny // 2, :], low, high, "auto")
        axes[2 * r, 0].set_ylabel(f"{prop.name.replace('_', ' ')}\n{who}", fontsize=9)
    return figure


def curves_figure(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Each number of the log over the steps."""
    from matplotlib.figure import Figure

    names = [name for name in dict.fromkeys(key for record in records for key in record) if name not in NOT_DRAWN]
    columns = 4
    rows = max(1, -(-len(names) // columns))
    figure = Figure(figsize=(11, 2.2 * rows), layout="constrained")
    for ax, name in zip(figure.subplots(rows, columns, squeeze=False).flat, [*names, *[None] * columns], strict=False):
        if name is None:
            ax.axis("off")
            continue
        points = [(record["step"], record[name]) for record in records if name in record]
        ax.plot(*zip(*points, strict=True), color="#0072B2", lw=1, marker="." if len(points) < 30 else None)
        ax.set_title(name.replace("_", " "), fontsize=9)
        ax.tick_params(labelsize=7)
    return figure


def _image(ax: Axes, values: Any, low: float, high: float, aspect: Any) -> None:
    ax.imshow(values.T, origin="lower", cmap="viridis", vmin=low, vmax=high, aspect=aspect, interpolation="nearest")
    ax.set(xticks=[], yticks=[])


def _embedded(figure: Figure) -> str:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=90)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _row(name: str, figure: Mapping[str, Any]) -> str:
    value, floor, low, high = (_number(figure.get(key)) for key in ("value", "floor", "low", "high"))
    cells = (name.replace("_", " "), value, floor, f"{low} - {high}" if low else "", str(figure.get("meaning", "")))
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3g}"
