"""How realizations fit their data: residuals, and seismic beside its prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.diagnostics import predictions
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]
BINS = np.linspace(-5, 5, 51)


def misfit(ensemble: Ensemble, constraints: Constraints) -> Figure:
    """Residuals / std of every term beside the normal distribution they should follow; seismic data, synthetic, residual.

    Residuals are counted over all realizations. Facies have none, and are left out. The seismic panels show one line of
    traces, and the synthetic of the first realization.
    """
    terms = [t for t in constraints.terms if not (isinstance(t, HardData) and ensemble.property(t.property).is_facies)]
    if not terms:
        raise GempyGanError("There are no continuous data, so there are no residuals to draw. For facies see log_comparison.")
    soft = [t for t in terms if isinstance(t, SoftData)]
    figure = style.figure(max(4.2 * len(terms), 11.0 if soft else 4.2), 3.4 + 3.6 * len(soft))
    rows = figure.subfigures(1 + len(soft), 1, squeeze=False)[:, 0]
    panels = rows[0].subplots(1, len(terms), squeeze=False, sharey=True)[0]
    firsts: list[Array] = []
    for ax, term in zip(panels, terms, strict=True):
        counts, chi2, first = _residuals(ensemble, term)
        _histogram(ax, counts, chi2, term.name if isinstance(term, SoftData) else f"wells: {term.property.replace('_', ' ')}")
        if isinstance(term, SoftData):
            firsts.append(first)
    panels[0].set_ylabel("density")
    panels[-1].legend(fontsize=7)
    for row, term, first in zip(rows[1:], soft, firsts, strict=True):
        _seismic(row.subplots(1, 3, sharex=True, sharey=True), term, first)
    return figure


def seismic(ensemble: Ensemble, constraints: Constraints, name: str | None = None, realization: int = 0) -> Figure:
    """Seismic as measured, as a realization predicts it, and their difference in units of its error, on one line of traces.

    `name` is that of the data, None for the first there are. Raises GempyGanError naming what there is.
    """
    found = {term.name: term for term in constraints.soft}
    if not found or (name is not None and name not in found):
        raise GempyGanError(f"There are no seismic data {name or ''!r}. The constraints hold: {', '.join(found) or 'none'}.")
    term = next(iter(found.values())) if name is None else found[name]
    one = Ensemble(ensemble.dataset.isel(realization=[realization]))
    figure = style.figure(11, 3.8)
    label = f"realization {one.numbers[0]}"
    _seismic(figure.subplots(1, 3, sharex=True, sharey=True), term, next(predictions(one, term))[0], label)
    return figure


def _residuals(ensemble: Ensemble, term: HardData | SoftData) -> tuple[Array, float, Array]:
    """Weighted histogram of residuals / std, their mean square, and the prediction of the first realization."""
    observed, std, weights = term.values.ravel(), term.std.ravel(), ensemble.weights
    if isinstance(term, HardData):
        drawn = ensemble.dataset[term.property].values[:, term.cells[:, 0], term.cells[:, 1], term.cells[:, 2]]
        batches: Any = [drawn.astype(np.float64)]
    else:
        batches = predictions(ensemble, term)
    counts, square, start, first = np.zeros(len(BINS) - 1), 0.0, 0, np.empty(0)
    known = np.isfinite(observed)
    for batch in batches:
        first = batch[0] if start == 0 else first
        scaled = (batch[:, known] - observed[known]) / std[known]
        for weight, row in zip(weights[start : start + len(batch)], scaled, strict=True):
            counts += weight * np.histogram(row, BINS)[0]
            square += weight * float(np.mean(row**2))
        start += len(batch)
    return counts / (known.sum() * np.diff(BINS)), square, first


def _histogram(ax: Axes, density: Array, chi2: float, name: str) -> None:
    x = np.linspace(BINS[0], BINS[-1], 201)
    ax.stairs(density, BINS, fill=True, color=style.OKABE_ITO[1], label="realizations")
    ax.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color=style.ACCENT, lw=1.5, label="N(0, 1)")
    beyond = 1 - float(density @ np.diff(BINS))
    if beyond > 0.0005:
        ax.text(0.98, 0.6, f"{beyond:.1%}\nbeyond ±{BINS[-1]:g}", transform=ax.transAxes, ha="right", fontsize=8)
    ax.set(title=f"{name}\nchi2 = {chi2:.2f} (1 expected)", xlabel="(realization - datum) / std", xlim=(BINS[0], BINS[-1]))


def _seismic(panels: Sequence[Axes], term: SoftData, predicted: Array, whose: str = "first realization") -> None:
    data, x, y, labels = _line(term, term.values)
    synthetic = _line(term, predicted.reshape(term.values.shape))[0]
    scaled = (synthetic - data) / _line(term, np.broadcast_to(term.std, term.values.shape))[0]
    peak = float(np.nanquantile(np.abs(data), 0.99)) or 1.0
    shown = ((data, "data", peak), (synthetic, f"synthetic, {whose}", peak), (scaled, "residual / std", 3.0))
    for ax, (values, title, limit) in zip(panels, shown, strict=True):
        mesh = ax.pcolormesh(x, y, values.T, cmap=style.AMPLITUDE, vmin=-limit, vmax=limit, shading="nearest", rasterized=True)
        ax.figure.colorbar(mesh, ax=ax, label="standard deviations" if title.startswith("residual") else "amplitude", shrink=0.8)
        ax.set(title=f"{term.name}: {title}", xlabel=labels[0])
        style.plain(ax)
    panels[0].set_ylabel(labels[1])
    if labels[1] != "height (cells)":
        panels[0].invert_yaxis()  # shared: time and depth run downwards


def _line(term: SoftData, values: Array) -> tuple[Array, Array, Array, tuple[str, str]]:
    """One line of traces (k, s) out of any shape of data, its two axes and what they are called."""
    columns, axis = getattr(term.forward, "columns", None), getattr(term.forward, "axis", None)
    if columns is not None and axis is not None and values.size == len(columns) * len(axis):
        traces, (i, j) = values.reshape(len(columns), len(axis)), np.asarray(columns).T
        rows, sizes = np.unique(j, return_counts=True)
        full = rows[sizes == sizes.max()]
        mine = np.flatnonzero(j == full[len(full) // 2])
        mine = mine[np.argsort(i[mine])]
        time = getattr(term.forward, "domain", "depth") == "time"
        name = f"column along x, at y index {full[len(full) // 2]:g}"
        unit = (1e3, "two-way time (ms)") if time else (1.0, "depth (m)")
        return traces[mine], i[mine].astype(np.float64), unit[0] * np.asarray(axis), (name, unit[1])
    while values.ndim > 2:  # (c, nx, ny, nz), (nx, ny, s)
        values = values[0] if values.ndim > 3 else values[:, values.shape[1] // 2]
    flat = np.atleast_2d(values)
    across, down = (np.arange(n, dtype=np.float64) for n in flat.shape)
    return flat, across, down, ("trace", "height (cells)" if term.forward is None else "sample")
