"""One self-contained page: what was calibrated, figures, rank histograms, curves with their bands, reliability."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.plot import style
from gempy_gan_bench.calibration import summary
from gempy_gan_bench.calibration.plan import FROM_PRIOR
from gempy_gan_bench.calibration.scalars import SCALARS
from gempy_gan_bench.page import STYLE
from gempy_gan_bench.why.report import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 12  # of rank histograms
TAIL = 0.025  # of the counts of an exact sampler that a single bar's band leaves out on either side
GOOD, BAD = style.OKABE_ITO[2], style.ACCENT

RANKS = (
    "Ranks of the truth among the draws. Flat: calibrated; a U: too sure; a hill: not sure enough; a slope: biased. "
    "Grey: where 95 % of the counts of an exact sampler lie, each bar by itself."
)
TARP = (
    "TARP: share of the truths in regions that hold a share of the draws, around points chosen by the data. "
    "Grey: where 95 % of exact samplers stay, with both of the whole curves."
)
RELIABILITY = (
    "How often a cell is sand ({sand}) where a share of the draws says so, with two standard errors. "
    "Dashed: an exact sampler, of which only {n} draws are had."
)

Found = Mapping[str, Any]


def page(found: Found) -> str:
    """The page of a summary."""
    lines = [about(found), *summary.sentences(found)]
    parts = [
        "<h1>Calibration</h1>",
        *(_paragraph(line) for line in lines),
        "<h2>Coverage, CRPS, Brier score</h2>",
        _table(("figure", "value", "ideal"), _rows(found)),
        "<h2>Ranks</h2>",
        _paragraph(RANKS),
        _image(histograms(found), "rank histograms"),
        _table(("figure", "is", "p", "p corrected"), _ranks(found)),
        "<h2>Expected coverage</h2>",
        _paragraph(TARP),
        _image(curves(found), "expected coverage"),
        "<h2>Reliability</h2>",
        _paragraph(RELIABILITY.format(sand=found["sand"], n=found["n"])),
        _image(reliability(found), "reliability"),
    ]
    head = f"<title>Calibration</title><style>{STYLE}</style>"
    return "\n".join(["<!doctype html>", '<html lang="en">', '<meta charset="utf-8">', head, *parts, "</html>", ""])


def about(found: Found) -> str:
    """What was done, in words."""
    data, (nx, ny, nz) = found["record"]["data"], found["box"]
    wells = f"{data['wells'][0]} to {data['wells'][1]} wells at random columns (noise {found['noise']:.3g})"
    seismic = f" and the seismic of every column (noise {data['seismic_noise']:g} of the signal's RMS)" if data["seismic"] else ""
    truths = (
        "drawn from the prior itself: the sampler is tested"
        if data["truths"] == FROM_PRIOR
        else (f"from {data['truths']}: prior and sampler are tested together")
    )
    return (
        f"{found['truths']} truths of {nx} x {ny} x {nz} cells ({found['property']}), {truths}. "
        f"Each is known from {wells}{seismic}; {found['n']} draws of each posterior. Seed {data['seed']}."
    )


def histograms(found: Found) -> Figure:
    """Rank histograms of the scalars."""
    from scipy.stats import binom

    low, high = binom.ppf([TAIL, 1 - TAIL], found["truths"], 1 / BINS)
    figure = style.figure(10, 5)
    for ax, (name, each) in zip(figure.subplots(2, 3).flat, found["sbc"].items(), strict=True):
        counts, edges = np.histogram(each["positions"], BINS, (0, 1))
        good = each["p_holm"] > summary.SIGNIFICANT
        ax.axhspan(low, high, color=style.GREY, alpha=0.3, lw=0)
        ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=GOOD if good else BAD, ec="white")
        ax.set(title=f"{name.replace('_', ' ')}, p {each['p_holm']:.2g}", xlim=(0, 1), xlabel="rank / number", ylabel="truths")
    return figure


def curves(found: Found) -> Figure:
    """Expected coverage over level, for all cells, for the scalars together, and beside them of single cells."""
    figure = style.figure(10, 3.8)
    panels = figure.subplots(1, 3)
    for ax, (name, each) in zip(panels, found["tarp"].items(), strict=False):
        _curve(ax, each, f"TARP, {name}")
    share = np.cumsum([0.0, *found["histogram"]])
    panels[2].plot(np.linspace(0, 1, len(share)), share, color=style.INK)
    panels[2].plot([0, 1], [0, 1], color=style.GREY, lw=1)
    panels[2].set(title="single cells", xlabel="quantile of the draws", ylabel="truths below it", aspect="equal")
    return figure


def _curve(ax: Axes, each: Mapping[str, Any], title: str) -> None:
    ax.fill_between(each["levels"], each["low"], each["high"], color=style.GREY, alpha=0.3, lw=0)
    ax.plot([0, 1], [0, 1], color=style.GREY, lw=1)
    ax.plot([0, *each["levels"], 1], [0, *each["curve"], 1], color=BAD if each["outside"] else GOOD, lw=2)
    ax.set(title=title, xlabel="level", ylabel="expected coverage", xlim=(0, 1), ylim=(0, 1), aspect="equal")


def reliability(found: Found) -> Figure:
    """Frequency of sand over its probability, and how many cells have that probability."""
    figure = style.figure(8, 3.8)
    left, right = figure.subplots(1, 2)
    lines = found["reliability"]
    p, frequency = ([line[key] for line in lines] for key in ("probability", "frequency"))
    known = [line for line in lines if line["exact"] is not None]
    left.plot([0, 1], [0, 1], color=style.GREY, lw=1)
    left.plot([line["probability"] for line in known], [line["exact"] for line in known], "--", color=style.INK, lw=1)
    left.errorbar(p, frequency, [2 * (line["error"] or 0.0) for line in lines], fmt="o", color=style.OKABE_ITO[4], ms=4)
    left.set(xlabel="probability of sand", ylabel="frequency of sand", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    right.bar(p, [line["cells"] for line in lines], 0.08, color=style.OKABE_ITO[1])
    right.set(xlabel="probability of sand", ylabel="cells", xlim=(0, 1))
    return figure


def _rows(found: Found) -> Iterator[tuple[str, str, str]]:
    for level, each in found["coverage"].items():
        if each["value"] is not None:
            error = "" if each["error"] is None else f" &plusmn; {each['error']:.3f}"
            yield f"coverage of {level} % intervals, cells without data", f"{each['value']:.3f}{error}", f"{int(level) / 100:.2f}"
    yield "CRPS, cells without data", f"{found['crps']:.4g}", f"below {found['crps_prior']:.4g} (unconditional)"
    yield "Brier score of sand", f"{found['brier']:.4g}", f"below {found['brier_prior']:.4g} (unconditional)"
    yield "reliability error", f"{found['reliability_error']:.3f}", "0"
    yield "effective draws, least and median", "{least:.1f}, {median:.1f}".format(**found["effective"]), str(found["n"])
    yield "CPU seconds per draw", f"{found['cost']['cpu_s']:.3g}", "low"


def _ranks(found: Found) -> Iterator[tuple[str, str, str, str]]:
    for name, each in found["sbc"].items():
        kind = "good" if each["p_holm"] > summary.SIGNIFICANT else "bad"
        yield name.replace("_", " "), SCALARS[name], f"{each['p']:.3g}", f'<span class="{kind}">{each["p_holm"]:.3g}</span>'


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def _table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = ["".join(f"<th>{cell}</th>" for cell in head)]
    for first, *others in rows:
        lines.append(f'<td class="name">{first}</td>' + "".join(f"<td>{cell}</td>" for cell in others))
    return f"<div><table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table></div>"


def _image(figure: Figure, name: str) -> str:
    return f'<p><img src="data:image/png;base64,{base64.b64encode(png(figure)).decode()}" alt="{name}"></p>'
