"""Label control: whether volumes have what was asked of the prior."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gempy_gan import scores
from gempy_gan.errors import GempyGanError
from gempy_gan.labels import Label
from gempy_gan.metrics.splits import Array

RESPONSES = ("net_to_gross", "width", "sinuosity")  # descriptors that labels are seen in


def label_control(asked: pd.DataFrame, measured: pd.DataFrame, labels: Iterable[Label] = ()) -> pd.DataFrame:
    """How measured labels follow the ones asked for: one row per column that both tables have, in the order of `asked`.

    Row by row, the tables are about the same realization. `correlation` is Pearson's; `slope` is that of the line through
    measured over asked, 1 where the prior does what it is told and 0 where it does not listen; `bias` is the mean of measured
    minus asked, in standard deviations of asked; `n` counts the rows where both are known. A `Label` that is drawn on a
    logarithmic scale is compared on it.

    Compare with the same table of real volumes: a measurement that does not follow the label there cannot do so here.

    Raises GempyGanError when the tables have different lengths, no column in common, or fewer than 3 rows.

    >>> asked = pd.DataFrame({"width": [100.0, 200.0, 300.0]})
    >>> label_control(asked, asked / 2).loc["width", ["correlation", "slope"]].tolist()
    [1.0, 0.5]
    """
    shared = [name for name in asked.columns if name in measured.columns]
    if len(asked) != len(measured) or len(asked) < 3 or not shared:
        raise GempyGanError(
            f"{len(asked)} rows of {list(asked.columns)} were asked for and {len(measured)} rows of {list(measured.columns)} "
            "measured. Expected equally many rows, at least 3, and a column in common."
        )
    logarithmic = {label.name for label in labels if label.log}
    rows = {name: _row(asked[name].to_numpy(float), measured[name].to_numpy(float), name in logarithmic) for name in shared}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["correlation", "slope", "bias", "n"]).astype({"n": int})


def label_response(label: Label, low: pd.DataFrame, high: pd.DataFrame, real: pd.DataFrame, values: ArrayLike) -> pd.DataFrame:
    """How numbers about volumes answer to a label, in a prior and in real volumes: one row per column of `RESPONSES`.

    `low` and `high` are `descriptors` of realizations that were drawn with the label at its lowest and at its highest, from the
    same random numbers; `real` are those of real volumes, whose labels are `values` (n,). `prior` is the mean of high minus low,
    `real` the same by the line through the real volumes (over the label's logarithm if it is drawn on one), both in standard
    deviations of the real volumes and with a standard error; `correlation` is that of the real volumes with the label. What does
    not answer to the label in real boxes, for they show too little of it, need not do so here.

    Raises GempyGanError for fewer than 3 realizations or real volumes.
    """
    if len(low) != len(high) or min(len(low), len(real)) < 3:
        raise GempyGanError(
            f"There are {len(low)} realizations at the lowest {label.name!r}, {len(high)} at the highest, and {len(real)} real "
            "volumes. Expected as many at both ends, and at least 3 of each."
        )
    at = label.to_scaled(values)
    rows = {name: _response((high[name] - low[name]).to_numpy(), real[name].to_numpy(), at) for name in RESPONSES}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["prior", "prior_error", "real", "real_error", "correlation"])


def _response(change: Array, real: Array, at: Array) -> tuple[float, ...]:
    """Means and errors of the change in a prior and of that from -1 to 1 in real volumes; nan where too little is known."""
    known, change = np.isfinite(real) & np.isfinite(at), change[np.isfinite(change)]
    spread = np.std(real[known]) if known.any() else 0.0
    if known.sum() < 3 or len(change) < 3 or spread == 0 or np.ptp(at[known]) == 0:
        return (np.nan,) * 5
    x, y = at[known] - at[known].mean(), (real[known] - real[known].mean()) / spread
    slope = float(x @ y / (x @ x))
    error = np.sqrt(np.square(y - slope * x).sum() / (len(x) - 2) / (x @ x))
    prior = change.mean() / spread, change.std(ddof=1) / np.sqrt(len(change)) / spread
    return (*(float(v) for v in prior), 2 * slope, float(2 * error), slope * float(x.std()))


def _row(asked: Array, measured: Array, logarithmic: bool) -> tuple[float, float, float, int]:
    known = np.isfinite(asked) & np.isfinite(measured)
    if logarithmic:
        known &= (asked > 0) & (measured > 0)
    x, y = (np.log(v[known]) if logarithmic else v[known] for v in (asked, measured))
    if len(x) < 3 or np.ptp(x) == 0:
        return np.nan, np.nan, np.nan, len(x)
    slope = float(np.polyfit(x - x.mean(), y, 1)[0])
    correlation = scores.correlation(x, y)
    return 0.0 if correlation is None else correlation, slope, float((y - x).mean() / x.std()), len(x)
