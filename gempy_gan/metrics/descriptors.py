"""A table of numbers that describe each volume."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gempy_gan.metrics.bodies import counts, shapes
from gempy_gan.metrics.histograms import net_to_gross
from gempy_gan.metrics.volumes import Source, Volumes


def descriptors(source: Source | Volumes) -> pd.DataFrame:
    """Net-to-gross, mean coarse fraction, bodies, and their width (in cells) and sinuosity, one row per volume.

    `source` is as in `validate`; the columns are explained in `gempy_gan.metrics.bodies`.

    >>> descriptors(np.zeros((2, 1, 8, 8, 4))).body_count.tolist()
    [0.0, 0.0]
    """
    volumes = source if isinstance(source, Volumes) else Volumes.of(source)
    count, shape = counts(volumes.bodies), shapes(volumes.layer_bodies)
    columns = {
        "net_to_gross": net_to_gross(volumes),
        "mean_fraction": volumes.fraction.mean(axis=(1, 2, 3), dtype=np.float64),
        "body_count": count[:, 0],
        "large_body_count": count[:, 1],
        "largest_body": count[:, 2],
        "width": shape[:, 0],
        "sinuosity": shape[:, 1],
    }
    return pd.DataFrame(columns)
