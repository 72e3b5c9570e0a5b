"""Tying a well to a seismic trace: the wavelet and the lag that turn its impedance into the amplitudes beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.wavelets import CUBIC_REACH, Wavelet, cubic

DAMPING = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # relative to the mean energy of the reflectivity
FINE = 0.25  # of the trace's step: on what the log is averaged before it reflects


@dataclass(frozen=True, eq=False)
class WellTie:
    """A well tied to a trace.

    `wavelet` predicts amplitudes from reflectivity at `shift(times)`: the log's times stretched by `stretch` about `middle`
    (0.02: seismic waves took 2 % longer than the log says) and then delayed by `lag` seconds.

    `correlation` is between synthetic and trace where the wavelet was fitted, and flatters; `correlation_held_out` is on parts
    of the trace that neither the wavelet, nor lag, stretch and damping had seen. `residual_std` (amplitude units) is of the
    held-out residual: an honest standard deviation for the amplitudes. `axis`, `trace` and `synthetic` are the samples used;
    `damping` is the chosen one, relative to the energy of the reflectivity.
    """

    wavelet: Wavelet
    lag: float
    stretch: float
    middle: float
    correlation: float
    correlation_held_out: float
    residual_std: float
    damping: float
    axis: NDArray[np.float64]
    trace: NDArray[np.float64]
    synthetic: NDArray[np.float64]

    def shift(self, times: ArrayLike) -> NDArray[np.float64]:
        """Seismic two-way times of the log's own two-way times, seconds."""
        return np.asarray(self.middle + (1 + self.stretch) * (np.asarray(times, dtype=np.float64) - self.middle) + self.lag)

    def __str__(self) -> str:
        return (
            f"lag {1e3 * self.lag:+.1f} ms, stretch {100 * self.stretch:+.1f} %, correlation {self.correlation:.2f} fitted and "
            f"{self.correlation_held_out:.2f} held out, residual std {self.residual_std:.4g} of {self.trace.std():.4g}"
        )


def well_tie(
    times: ArrayLike,
    impedance: ArrayLike,
    trace: ArrayLike,
    axis: ArrayLike,
    *,
    wavelet: Wavelet | None = None,
    length: float = 0.12,
    max_lag: float = 0.02,
    lag_step: float = 0.001,
    max_stretch: float = 0.0,
    stretch_step: float = 0.01,
    folds: int = 5,
) -> WellTie:
    """Estimate the wavelet between a well's impedance and a trace by regularized least squares.

    The wavelet has one tap per trace sample, damped towards zero the more the farther it lies from the middle; in the end its
    energy is centred at time zero, and the lag takes the rest. Lag, stretch and damping are chosen by cross-validation over
    contiguous parts of the trace; that whole choice is itself cross-validated for `correlation_held_out`. With `wavelet`, its
    shape is kept, and only its scale and phase are estimated.

    Parameters
    ----------
    times, impedance:
        The log (L,): two-way time in seconds, increasing, and impedance; NaN are left out.
    trace, axis:
        Amplitudes (s,) and their times, evenly spaced. Only samples within the log are used.
    wavelet:
        Its shape, where it is known from elsewhere, such as `statistical`.
    length:
        Of the estimated wavelet, seconds.
    max_lag, lag_step:
        Lags tried, seconds; centring the wavelet may add to the chosen one.
    max_stretch, stretch_step:
        Stretches tried, relative; for times that come from a sonic log, which is faster than seismic waves by a few per cent.
    folds:
        Number of parts for cross-validation.

    Raises GempyGanError when log and trace share fewer samples than four times the wavelet's taps or `folds` times four.

    Source: Walden & White (1998), Geophysics 63, on least-squares wavelets and how goodness of fit flatters.
    """
    position, amplitude, step = _trace(trace, axis)
    log_time, coefficients = _reflectors(times, impedance, FINE * step)
    inside = (position >= log_time[0]) & (position <= log_time[-1])
    position, amplitude = position[inside], amplitude[inside]
    taps = max(1, round(length / 2 / step))
    shape = None if wavelet is None else _quadrature_pair(wavelet.resampled(step))
    unknowns = 2 * taps + 1 if shape is None else 2
    if len(position) < max(4 * unknowns, 4 * folds):
        raise GempyGanError(
            f"Log and trace share {len(position)} samples, and {unknowns} numbers are to be estimated. Expected at least "
            f"{max(4 * unknowns, 4 * folds)} samples: take a longer log, a shorter length=, or give the wavelet."
        )
    middle = 0.5 * (log_time[0] + log_time[-1])
    shifts = [(lag, stretch) for stretch in _symmetric(max_stretch, stretch_step) for lag in _symmetric(max_lag, lag_step)]
    half = taps if shape is None else len(shape) // 2
    moved = [middle + (1 + stretch) * (log_time - middle) + lag for lag, stretch in shifts]
    design = np.stack([_delays((times - position[0]) / step, coefficients, len(position), half) for times in moved])
    distance = 3 * np.arange(-taps, taps + 1) / taps
    penalty = 1 + distance**2 if shape is None else np.full(2, 1e-6)
    fit = _CrossValidation(design if shape is None else design @ shape, penalty, amplitude, folds)
    held_out = np.empty(len(position))
    for fold in range(folds):
        shift, damping = fit.choose([f for f in range(folds) if f != fold])
        held_out[fit.parts[fold]] = fit.predict(fold, [fold])[damping, shift]
    shift, damping = fit.choose(list(range(folds)))
    weights = fit.weights([])[damping, shift]
    synthetic = fit.design[shift] @ weights
    estimate, delay = _centred(Wavelet(weights if shape is None else shape @ weights, step))
    return WellTie(
        estimate,
        float(shifts[shift][0] + delay),
        float(shifts[shift][1]),
        float(middle),
        _correlation(synthetic, amplitude),
        _correlation(held_out, amplitude),
        float(np.sqrt(np.mean((amplitude - held_out) ** 2))),
        DAMPING[damping],
        position,
        amplitude,
        synthetic,
    )


class _CrossValidation:
    """Damped least squares for every shift at once, with any parts of the trace left out."""

    def __init__(
        self, design: NDArray[np.float64], penalty: NDArray[np.float64], amplitude: NDArray[np.float64], folds: int
    ) -> None:
        self.design, self.amplitude = design, amplitude  # (shifts, s, unknowns) and (s,)
        self.parts = np.array_split(np.arange(len(amplitude)), folds)
        pieces = [(design[:, part], amplitude[part]) for part in self.parts]
        self.normal = [np.einsum("lsu,lsv->luv", rows, rows) for rows, _ in pieces]
        self.right = [np.einsum("lsu,s->lu", rows, values) for rows, values in pieces]
        energy = np.einsum("lsu,lsu->l", design, design) / design.shape[2]
        self.damping = np.array(DAMPING)[:, None, None, None] * energy[:, None, None] * np.diag(penalty / penalty.mean())

    def weights(self, left_out: list[int]) -> NDArray[np.float64]:
        """Wavelets (damping, shifts, unknowns) fitted to all parts but some."""
        used = [k for k in range(len(self.parts)) if k not in left_out]
        normal, right = sum(self.normal[k] for k in used), sum(self.right[k] for k in used)
        return np.asarray(
            np.linalg.solve(normal + self.damping, np.broadcast_to(right, self.damping.shape[:-1])[..., None])[..., 0]
        )

    def predict(self, part: int, left_out: list[int]) -> NDArray[np.float64]:
        """One part (damping, shifts, samples), predicted without those left out."""
        return np.asarray(np.einsum("lsu,dlu->dls", self.design[:, self.parts[part]], self.weights(left_out)))

    def choose(self, parts: list[int]) -> tuple[int, int]:
        """Indices of the shift and the damping whose predictions of these parts correlate best, each made without its own."""
        outside = [k for k in range(len(self.parts)) if k not in parts]
        predicted = np.concatenate([self.predict(k, [k, *outside]) for k in parts], axis=-1)
        observed = np.concatenate([self.amplitude[self.parts[k]] for k in parts])
        a, b = predicted - predicted.mean(axis=-1, keepdims=True), observed - observed.mean()
        score = (a @ b) / np.maximum(np.linalg.norm(a, axis=-1) * np.linalg.norm(b), np.finfo(float).tiny)
        damping, shift = np.unravel_index(int(score.argmax()), score.shape)
        return int(shift), int(damping)


def _centred(wavelet: Wavelet) -> tuple[Wavelet, float]:
    """The wavelet with its energy centred at time zero, and how late it was: a late wavelet and a lag are the same thing."""
    delay = float(np.average(wavelet.axis, weights=wavelet.samples**2))
    reach = len(wavelet.samples) // 2 + int(np.ceil(abs(delay) / wavelet.step))
    return Wavelet(wavelet.at(delay + wavelet.step * np.arange(-reach, reach + 1)), wavelet.step, wavelet.domain), delay


def _symmetric(most: float, step: float) -> NDArray[np.float64]:
    return np.asarray(step * np.arange(-round(most / step), round(most / step) + 1))


def _quadrature_pair(wavelet: Wavelet) -> NDArray[np.float64]:
    """A wavelet and its quadrature, (samples, 2): any scale and phase is a sum of the two."""
    return np.stack([wavelet.samples, wavelet.rotated(90).samples], axis=1)


def _delays(position: NDArray[np.float64], coefficients: NDArray[np.float64], samples: int, half: int) -> NDArray[np.float64]:
    """Reflectivity at trace samples, delayed by each of the taps -half ... half: (samples, taps).

    Reflectors at fractional samples are spread by the kernel that interpolates the wavelet.
    """
    spikes = np.zeros(samples + 2 * half)
    base = np.floor(position).astype(np.int64)
    for offset in range(1 - CUBIC_REACH, CUBIC_REACH + 1):
        index = base + offset + half
        known = (index >= 0) & (index < len(spikes))
        np.add.at(spikes, index[known], (coefficients * cubic(position - base - offset))[known])
    return np.lib.stride_tricks.sliding_window_view(spikes, 2 * half + 1)[:, ::-1]


def _trace(trace: ArrayLike, axis: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    amplitude, position = np.asarray(trace, dtype=np.float64), np.asarray(axis, dtype=np.float64)
    if amplitude.ndim != 1 or amplitude.shape != position.shape or len(amplitude) < 3:
        raise GempyGanError(f"Trace {amplitude.shape} and axis {position.shape} do not belong together. Expected (s,) and (s,).")
    step = float(np.diff(position).mean())
    if step <= 0 or np.abs(np.diff(position) - step).max() > 1e-6 * step:
        raise GempyGanError("The trace's axis is not evenly increasing. Expected samples at a constant step.")
    if not np.isfinite(amplitude).all():
        raise GempyGanError("The trace holds NaN. Expected a live trace: take the nearest one.")
    return position, amplitude, step


def _reflectors(times: ArrayLike, impedance: ArrayLike, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times and coefficients of reflectors every `step`, from the log averaged in between (mean of ln I)."""
    time, value = np.asarray(times, dtype=np.float64), np.asarray(impedance, dtype=np.float64)
    known = np.isfinite(time) & np.isfinite(value)
    time, value = time[known], value[known]
    if len(time) < 3 or (np.diff(time) <= 0).any() or (value <= 0).any():
        raise GempyGanError("The log is unusable: expected three samples or more, with increasing times and positive impedance.")
    edges = np.arange(time[0], time[-1], step)
    integral = np.concatenate([[0.0], np.cumsum(0.5 * np.diff(time) * (np.log(value[1:]) + np.log(value[:-1])))])
    mean = np.diff(np.interp(edges, time, integral)) / step
    return edges[1:-1], 0.5 * np.diff(mean)


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if np.std(a) > 0 and np.std(b) > 0 else 0.0
