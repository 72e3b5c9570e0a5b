"""The page of a training: samples beside real boxes, losses and figures over time, in one self-contained HTML file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.atomic import replace_file
from gempy_gan.training.curves import draw_curves
from gempy_gan.training.look import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gempy_gan.learning import Domain
    from gempy_gan.properties import Property

SHOWN = 6  # boxes in a row
STYLE = """body { font: 15px sans-serif; max-width: 1150px; margin: 2em auto; color: #222 }
img { max-width: 100% } td, th { padding: 2px 12px 2px 0; text-align: left }"""


def write_page(file: Path, title: str, found: Look, domain: Domain, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the page; the one before stays until it is whole."""
    pictures = {
        f"Samples of step {found.step} above real boxes": samples_figure(found.samples, found.real, domain.properties),
        "Over the boxes seen": _curves(records),
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


def samples_figure(
    samples: NDArray[np.float32], real: NDArray[np.float32], properties: Sequence[Property], shown: int = SHOWN
) -> Figure:
    """For each property, samples (n, c, nx, ny, nz) above real boxes: their middle layer, and below it the section along x,
    stretched upwards."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, (1 + 23 / shown) * len(properties)), layout="constrained")
    for c, (prop, ax) in enumerate(zip(properties, figure.subplots(len(properties), squeeze=False).flat, strict=True)):
        mosaic, ticks = _mosaic(samples[:, c], real[:, c], shown)
        image = ax.imshow(mosaic, cmap="viridis", vmin=real[:, c].min(), vmax=real[:, c].max(), interpolation="nearest")
        figure.colorbar(image, ax=ax, shrink=0.5, label=prop.name.replace("_", " "))
        ax.set_yticks(ticks, labels=["samples", "real"], rotation=90, va="center")
        ax.set_xticks([])
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a picture."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=90)
    return content.getvalue()


def _curves(records: Sequence[Mapping[str, Any]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained")
    draw_curves(figure, records)
    return figure


def _mosaic(samples: NDArray[np.float32], real: NDArray[np.float32], shown: int) -> tuple[NDArray[np.float32], list[float]]:
    """Boxes (n, nx, ny, nz) side by side, samples above real ones, as one picture; and at which rows each of the two stands."""
    count = min(shown, len(samples), len(real))
    stretch = max(1, round(samples.shape[2] / (3 * samples.shape[3])))
    bands = []
    for boxes in (samples[:count], real[:count]):
        plans = [_framed(box[:, ::-1, box.shape[2] // 2].T) for box in boxes]
        sections = [_framed(np.repeat(box[:, box.shape[1] // 2, ::-1].T, stretch, axis=0)) for box in boxes]
        bands.append(np.concatenate([np.concatenate(plans, axis=1), np.concatenate(sections, axis=1)]))
    height = len(bands[0])
    return np.concatenate(bands), [height / 2, 3 * height / 2]


def _framed(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.pad(picture, 1, constant_values=np.nan)


def _embedded(figure: Figure) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(figure)).decode()}"


def _row(name: str, figure: Mapping[str, Any]) -> str:
    value, floor, low, high = (_number(figure.get(key)) for key in ("value", "floor", "low", "high"))
    cells = (name.replace("_", " "), value, floor, f"{low} - {high}" if low else "", str(figure.get("meaning", "")))
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3g}"
