"""A reader of FluvDepoSet: fluvial deposits simulated with CHILD, one HDF5 file each (Rongier & Peeters 2025).

The layout is the one that voxgan, the authors' own software, reads: a dataset `model` (channel, z, y, x) whose channel 1 is the
fraction of coarse sediment and channel 2 the deposition time, nan where nothing was deposited, with the parameters of the run as
attributes. It was not checked against the published files themselves; what does not fit is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import Ensemble, Grid, Property
from gempy_gan.errors import FormatError
from gempy_gan.labels import Label

CELL_SIZE = (50.0, 50.0, 0.5)  # metres
LAYERS = (8, 28)  # of a file that the authors train on
FRACTION, TIME = 1, 2  # channels
PROPERTIES = (Property("coarse_fraction"), Property("deposition_time"))
NUMBERS = {  # attribute: label, with the range that the authors drew it from
    "BANKERO": Label("bank_erodibility", 2.5e-5, 5e-4, meaning="erodibility of the banks in CHILD"),
    "FP_MU": Label("overbank_mu", 0.25, 0.5, meaning="overbank deposition rate in CHILD"),
    "FP_LAMBDA": Label("overbank_lambda", 750.0, 1500.0, "m", meaning="distance over which the overbank rate falls by e"),
    "GRAINDIAM1": Label("coarse_diameter", 6.25e-5, 2e-3, "m", meaning="diameter of the coarse sediment"),
    "GRAINDIAM2": Label("fine_diameter", 3.9e-6, 6.25e-5, "m", meaning="diameter of the fine sediment"),
}
AGGRADATION = Label("aggradation", 1e-4, 1e-3, "m/yr", meaning="mean rise of the channel's inlet")
RAINFALL = Label("rainfall", 5.0, 20.0, meaning="mean storm rainfall in CHILD")
SERIES = {"FP_INLET_ELEVATION": AGGRADATION, "ST_PMEAN": RAINFALL}


def read_fluvdeposet(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    layers: tuple[int, int] | None = LAYERS,
    cell_size: tuple[float, float, float] = CELL_SIZE,
) -> Ensemble:
    """Read one or several files of the same size as an ensemble of coarse fraction and deposition time, with labels.

    `layers` (first, last + 1) are kept, None keeps all. Times are scaled from 0 (oldest) to 1 (youngest) over what is kept of a
    file. Where nothing was deposited, the fraction becomes 0 and the time 1. The labels are the run's constant parameters, the
    mean aggradation rate and the mean storm rainfall.

    Raises FormatError for a file that has another layout, fractions outside 0 to 1, or times that decrease upwards.
    """
    files = [Path(paths)] if isinstance(paths, (str, os.PathLike)) else [Path(path) for path in paths]
    if not files:
        raise FormatError("No FluvDepoSet file was given. Expected the paths of one or several HDF5 files.")
    volumes, labels = zip(*(_read_one(file, layers) for file in files), strict=True)
    if len({volume.shape for volume in volumes}) > 1:
        odd = next(file for file, volume in zip(files, volumes, strict=True) if volume.shape != volumes[0].shape)
        raise FormatError(f"{odd} has another size than {files[0]}. Read files of one size together.")
    shape = volumes[0].shape[1:]
    extent = tuple(edge for cells, size in zip(shape, cell_size, strict=True) for edge in (0.0, cells * size))
    found: dict[Any, list[float]] = {label: [row[label] for row in labels] for label in labels[0]}
    provenance = {"files": [file.name for file in files], "layers": layers}
    return Ensemble.from_values(Grid(extent, shape), PROPERTIES, np.stack(volumes), provenance, labels=found)  # type: ignore[arg-type]


def _read_one(file: Path, layers: tuple[int, int] | None) -> tuple[NDArray[np.float32], dict[Label, float]]:
    """Values (2, nx, ny, nz) and labels of one file."""
    try:
        import h5py
    except ImportError:
        raise FormatError("Reading FluvDepoSet needs h5py: pip install 'gempy-gan-fluvial[fluvdeposet]'.") from None
    if not file.is_file():
        raise FormatError(f"{file} does not exist. Check the path.")
    try:
        with h5py.File(file, "r") as opened:
            model = opened.get("model")
            if not isinstance(model, h5py.Dataset) or model.ndim != 4 or model.shape[0] <= TIME:
                raise FormatError(
                    f"{file} has no dataset 'model' of at least {TIME + 1} channels (c, z, y, x), as FluvDepoSet has."
                )
            window = slice(*(layers or (None,)))
            values, attributes = model[FRACTION : TIME + 1, window], dict(model.attrs)
    except OSError as error:
        raise FormatError(f"{file} cannot be read as HDF5: {error}.") from error
    return _clean(file, values.astype(np.float64)), _labels(file, attributes)


def _clean(file: Path, values: NDArray[Any]) -> NDArray[np.float32]:
    """Fraction and scaled time (2, x, y, z) of what a file holds (2, z, y, x)."""
    fraction, time = values
    empty = np.isnan(fraction) | np.isnan(time)
    if empty.all():
        raise FormatError(f"{file} holds no deposit in these layers. Choose others.")
    low, high = float(fraction[~empty].min()), float(fraction[~empty].max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise FormatError(f"{file}: the coarse fraction ranges from {low:g} to {high:g}. Expected 0 to 1.")
    if np.nansum(np.diff(np.where(empty, np.nan, time), axis=0)) < 0:
        raise FormatError(f"{file}: deposits get older upwards. Expected layers from the lowest to the highest.")
    oldest, youngest = time[~empty].min(), time[~empty].max()
    scaled = (time - oldest) / max(youngest - oldest, np.finfo(float).tiny)
    cleaned = np.stack([np.where(empty, 0.0, np.clip(fraction, 0, 1)), np.where(empty, 1.0, scaled)])
    return np.ascontiguousarray(cleaned.transpose(0, 3, 2, 1), dtype=np.float32)


def _labels(file: Path, attributes: Mapping[str, Any]) -> dict[Label, float]:
    """The constant parameters, and the means of the series, whose rows are (time in years, value)."""
    missing = [name for name in (*NUMBERS, *SERIES) if name not in attributes]
    if missing:
        raise FormatError(
            f"{file}: 'model' has no attribute {missing[0]!r}. FluvDepoSet's have {', '.join((*NUMBERS, *SERIES))}."
        )
    found = {label: float(attributes[name]) for name, label in NUMBERS.items()}
    series = {name: np.asarray(attributes[name], dtype=np.float64) for name in SERIES}
    for name, rows in series.items():
        if rows.ndim != 2 or rows.shape[1] != 2 or len(rows) < 2 or np.any(np.diff(rows[:, 0]) <= 0):
            raise FormatError(f"{file}: attribute {name!r} has shape {rows.shape}. Expected rows of (time, value) in order.")
    (t, inlet), (s, rain) = (rows.T for rows in series.values())
    found[AGGRADATION] = float((inlet[-1] - inlet[0]) / (t[-1] - t[0]))
    found[RAINFALL] = float(np.trapezoid(rain, s) / (s[-1] - s[0]))
    return found
