"""Where data fall among the realizations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gempy_gan.errors import GempyGanError
from gempy_gan.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def rank_histogram(counts: Sequence[int], name: str = "", ax: Axes | None = None) -> Figure:
    """How many data fall into each part of the ensemble's distribution, from its lower to its upper end (`Diagnosis.ranks`).

    The band holds 90 % of the counts of an ensemble that is right, each bar by itself and if data were independent; neighbouring
    cells of a well are not, and leave it more often. A U is an ensemble too sure of itself, a hump one not sure enough.
    """
    from scipy.stats import binom

    if len(counts) < 2 or sum(counts) < 1:
        raise GempyGanError(f"The rank histogram has counts {list(counts)}. Expected two or more parts with data among them.")
    ax = style.axes(ax, 6, 3.4)
    edges, total = np.linspace(0, 1, len(counts) + 1), int(sum(counts))
    low, high = binom.ppf((0.05, 0.95), total, 1 / len(counts))
    ax.axhspan(low, high, color=style.OKABE_ITO[1], alpha=0.35, lw=0, label="90 % of ensembles that are right")
    ax.axhline(total / len(counts), color=style.OKABE_ITO[4], lw=1.2, label="expected")
    ax.stairs(np.asarray(counts, dtype=float), edges, fill=True, color=style.GREY, alpha=0.75)
    ax.set(xlim=(0, 1), xlabel="quantile of the ensemble at which the datum lies", ylabel="number of data")
    ax.set_title(f"{name.replace('_', ' ')}: ranks of {total} data".removeprefix(": "))
    ax.legend(fontsize=8, frameon=False, loc="upper right", ncols=2)
    ax.set_ylim(0, 1.25 * max(*counts, float(high)))
    return style.figure_of(ax)
