"""Toy industry files: small, valid, and the same every time."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


def toy_las(
    path: str | os.PathLike[str], name: str = "TOY-1", xy: tuple[float, float] = (500.0, 500.0), kb: float = 10.0, seed: int = 0
) -> Path:
    """Write a vertical well as LAS 2.0: 0 to 60 m measured depth every 0.5 m, gamma ray GR and coarse fraction VSAND.

    Sand and mud alternate every few metres. `gempy_gan.read(path, xy="header", kb="header")` reads it back.
    """
    import pandas as pd

    from gempy_gan.adapters.las import write_las
    from gempy_gan.wells import WellLog

    rng = np.random.default_rng(seed)
    md = np.arange(0, 60.5, 0.5)
    sand = np.interp(md, np.arange(0, 63, 3), rng.uniform(0, 1, 21))
    curves = pd.DataFrame({"GR": 120 - 90 * sand + rng.normal(0, 3, len(md)), "VSAND": sand}, index=pd.Index(md, name="md"))
    x, y = xy
    trajectory = pd.DataFrame({"md": [0.0, 60.0], "x": [x, x], "y": [y, y], "z": [kb, kb - 60.0]})
    return write_las(WellLog(name, curves.round(4), {"GR": "gAPI", "VSAND": "v/v"}, trajectory), path)


def toy_segy(path: str | os.PathLike[str], shape: tuple[int, int, int] = (6, 5, 50), bin: float = 25.0, seed: int = 0) -> Path:
    """Write a post-stack cube in time as SEG-Y: `shape` is inlines, crosslines and samples of 4 ms, `bin` the spacing in metres.

    Layers with a gentle dip and some noise. `gempy_gan.read(path, domain="time")` reads it back.
    """
    from gempy_gan.adapters.segy_writer import write_segy
    from gempy_gan.seismic import SeismicCube

    rng = np.random.default_rng(seed)
    inline, crossline = np.indices(shape[:2]).reshape(2, -1)
    sample = np.arange(shape[2]) - 0.5 * inline[:, None]
    traces = np.sin(sample / 2.5) * np.cos(sample / 7) + 0.05 * rng.standard_normal((len(inline), shape[2]))
    xy = bin * np.column_stack([inline, crossline]).astype(float)
    lines = np.column_stack([100 + inline, 300 + crossline])
    return write_segy(SeismicCube(traces.astype(np.float32), xy, lines, 0.0, 0.004, "time"), Path(path))
