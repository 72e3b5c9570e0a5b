"""Seismic wavelets: analytic ones, and the zero-phase one that the data's own spectrum implies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.seismic import Domain, SeismicCube

CUBIC_REACH = 2  # samples on either side that cubic convolution looks at


@dataclass(frozen=True, eq=False)
class Wavelet:
    """What one unit reflector leaves in a trace: `samples` (an odd number), `step` apart, time zero at the middle one.

    `step` is in seconds of two-way time, or in metres for the domain "depth". Polarity is normal (SEG): an increase of
    impedance downwards gives a positive amplitude where the wavelet is positive. Between samples the wavelet is the cubic
    convolution of its samples (Keys 1981, IEEE Trans. ASSP 29, eq. 15 with a = -1/2), beyond them it is zero.

    >>> wavelet = ricker(25.0)
    >>> float(wavelet.at(0.0)), float(wavelet.at(1.0))
    (1.0, 0.0)
    """

    samples: NDArray[np.float64]
    step: float
    domain: Domain = "time"

    def __post_init__(self) -> None:
        samples = np.array(self.samples, dtype=np.float64)
        if samples.ndim != 1 or len(samples) % 2 == 0 or not np.isfinite(samples).all() or not samples.any():
            raise GempyGanError(
                f"A wavelet has samples of shape {samples.shape}. Expected an odd number of finite ones, not all zero, "
                "time zero at the middle."
            )
        if not (np.isfinite(self.step) and self.step > 0):
            raise GempyGanError(f"A wavelet's step is {self.step}. Expected a positive number of seconds (or metres).")
        samples.setflags(write=False)
        object.__setattr__(self, "samples", samples)

    @property
    def axis(self) -> NDArray[np.float64]:
        """Time (s) or depth (m) of each sample, zero at the middle."""
        half = len(self.samples) // 2
        return np.asarray(self.step * np.arange(-half, half + 1))

    @property
    def reach(self) -> float:
        """Distance from the middle beyond which the wavelet is zero, in seconds or metres."""
        return (len(self.samples) // 2 + CUBIC_REACH) * self.step

    def at(self, t: ArrayLike) -> NDArray[np.float64]:
        """The wavelet at any times (or distances), same shape as `t`."""
        lag = np.asarray(t, dtype=np.float64)
        near = np.abs(lag) < self.reach  # most reflectors are far from most samples
        value = np.zeros(lag.shape)
        value[near] = self._within(lag[near])
        return value

    def _within(self, t: NDArray[np.float64]) -> NDArray[np.float64]:
        """The wavelet at times (N,) within its reach."""
        position = t / self.step + len(self.samples) // 2
        padded = np.pad(self.samples, CUBIC_REACH + 1)
        base = np.floor(position)
        value = np.zeros(position.shape)
        for offset in (-1, 0, 1, 2):
            index = np.clip(base + offset + CUBIC_REACH + 1, 0, len(padded) - 1).astype(np.int64)
            value += padded[index] * cubic(position - base - offset)
        return value

    def resampled(self, step: float) -> Wavelet:
        """The same wavelet at another step."""
        half = int(np.ceil(self.reach / step - 1e-9))
        return Wavelet(self.at(step * np.arange(-half, half + 1)), step, self.domain)

    def scaled(self, factor: float) -> Wavelet:
        """The wavelet times a factor; -1 reverses the polarity."""
        return replace(self, samples=self.samples * factor)

    def rotated(self, degrees: float) -> Wavelet:
        """The wavelet with its phase rotated: cos(phi) w - sin(phi) H[w], H the Hilbert transform."""
        from scipy.signal import hilbert

        width = len(self.samples)
        quadrature = np.imag(hilbert(np.pad(self.samples, width)))[width : 2 * width]
        angle = np.deg2rad(degrees)
        return replace(self, samples=np.cos(angle) * self.samples - np.sin(angle) * quadrature)

    def stretched(self, factor: float) -> Wavelet:
        """The wavelet stretched in time; 2 halves its frequencies."""
        return replace(self, step=self.step * factor)

    def state(self) -> dict[str, Any]:
        """Plain JSON values that rebuild it."""
        return {"samples": self.samples.tolist(), "step": self.step, "domain": self.domain}


def cubic(distance: Any) -> Any:
    """Cubic convolution kernel (Keys 1981) at distances in samples; NumPy arrays and torch tensors alike."""
    s = abs(distance)
    near = (1.5 * s - 2.5) * s * s + 1
    far = ((-0.5 * s + 2.5) * s - 4) * s + 2
    return near * (s < 1) + far * ((s >= 1) & (s < 2))


def ricker(frequency: float, step: float = 0.001, length: float | None = None, domain: Domain = "time") -> Wavelet:
    """The Ricker wavelet of a peak frequency in Hz (cycles per metre in depth), peak 1.

    w(t) = (1 - 2 a) exp(-a), a = (pi f t)^2 (Ricker 1953, Geophysics 18). `length` in seconds; None takes 2.5 / frequency,
    beyond which the wavelet is below 1e-5 of its peak. In depth, give `step` in metres.
    """
    _positive(frequency=frequency, step=step)
    t = _symmetric(2.5 / frequency if length is None else length, step)
    a = (np.pi * frequency * t) ** 2
    return Wavelet((1 - 2 * a) * np.exp(-a), step, domain)


def ormsby(
    f1: float, f2: float, f3: float, f4: float, step: float = 0.001, length: float | None = None, domain: Domain = "time"
) -> Wavelet:
    """The zero-phase Ormsby wavelet: a trapezoid of amplitude between f1 < f2 < f3 < f4 Hz, peak 1, cosine-tapered ends.

    Source: Ryan (1994), Ricker, Ormsby, Klauder, Butterworth: a choice of wavelets, CSEG Recorder 19(7), eq. 2. `length` in
    seconds; None takes 5 / f2.
    """
    if not 0 <= f1 < f2 < f3 < f4:
        raise GempyGanError(f"The corners of an Ormsby wavelet are {f1}, {f2}, {f3}, {f4} Hz. Expected 0 <= f1 < f2 < f3 < f4.")
    _positive(step=step)
    t = _symmetric(5 / f2 if length is None else length, step)

    def ramp(f: float) -> NDArray[np.float64]:
        return np.asarray(f**2 * np.sinc(f * t) ** 2)

    samples = (ramp(f4) - ramp(f3)) / (f4 - f3) - (ramp(f2) - ramp(f1)) / (f2 - f1)
    samples *= np.cos(0.5 * np.pi * t / (abs(t).max() + step)) ** 0.5
    return Wavelet(samples / samples.max(), step, domain)


def wavelet_from(options: Mapping[str, Any]) -> Wavelet:
    """The wavelet that a `state()`, or a study file, describes: `samples` and `step`, or a `kind` ("ricker", "ormsby") with its
    options; `scale` and `phase` (degrees) are applied to it.

    >>> float(wavelet_from({"kind": "ricker", "frequency": 30.0, "scale": 2.0}).at(0.0))
    2.0
    """
    kinds: dict[str | None, Callable[..., Wavelet]] = {None: Wavelet, "ricker": ricker, "ormsby": ormsby}
    given = {key: value for key, value in options.items() if key not in ("kind", "scale", "phase")}
    if options.get("kind") not in kinds:
        raise GempyGanError(f"The wavelet's kind is {options['kind']!r}. Expected 'ricker' or 'ormsby', or samples and step.")
    try:
        wavelet = kinds[options.get("kind")](**given)
    except TypeError as error:
        raise GempyGanError(f"The wavelet {dict(options)} cannot be built: {error}.") from None
    return (
        wavelet.rotated(options.get("phase", 0.0)).scaled(options.get("scale", 1.0))
        if {"phase", "scale"} & set(options)
        else wavelet
    )


def statistical(
    data: SeismicCube | ArrayLike, step: float | None = None, length: float = 0.128, window: tuple[float, float] | None = None
) -> Wavelet:
    """The zero-phase wavelet whose amplitude spectrum is that of the data, peak 1.

    It takes reflectivity for white: the mean autocorrelation of the traces, tapered to `length`, is that of the wavelet. Its
    true scale and phase need a well (`well_tie`).

    Parameters
    ----------
    data:
        A SeismicCube, or traces (n, samples); traces with NaN are left out.
    step:
        Sample interval of bare traces; a cube brings its own.
    length:
        Of the wavelet, seconds (or metres).
    window:
        Part of the cube's axis to use, (first, last).

    Raises GempyGanError when no whole trace is left, or the traces are shorter than the wavelet.
    """
    traces, step, domain = _traces(data, step, window)
    lags = round(length / 2 / step)
    if lags < 1 or traces.shape[1] < 2 * lags + 1:
        raise GempyGanError(
            f"Traces of {traces.shape[1]} samples and a wavelet of {2 * lags + 1}. Expected a wavelet of 3 samples or more "
            "and longer traces: change length= or window=."
        )
    taper = np.hanning(traces.shape[1] + 2)[1:-1]
    power = (np.abs(np.fft.rfft((traces - traces.mean(axis=1, keepdims=True)) * taper, 2 * traces.shape[1])) ** 2).mean(axis=0)
    reach = min(2 * lags, traces.shape[1] - 1)  # a wavelet of 2 lags + 1 samples correlates with itself that far
    fade = np.clip((np.arange(reach + 1) - lags) / (reach + 1 - lags), 0.0, 1.0)
    correlation = np.zeros(16 * lags)
    correlation[: reach + 1] = np.fft.irfft(power)[: reach + 1] * np.cos(0.5 * np.pi * fade) ** 2
    correlation[-reach:] = correlation[reach:0:-1]
    amplitude = np.sqrt(np.maximum(np.fft.rfft(correlation).real, 0.0))
    samples = np.roll(np.fft.irfft(amplitude), lags)[: 2 * lags + 1] * np.hanning(2 * lags + 3)[1:-1] ** 0.5
    return Wavelet(samples / samples.max(), step, domain)


def _traces(
    data: SeismicCube | ArrayLike, step: float | None, window: tuple[float, float] | None
) -> tuple[NDArray[np.float64], float, Domain]:
    domain: Domain = "time"
    if isinstance(data, SeismicCube):
        step, domain = data.step, data.domain
        low, high = window or (-np.inf, np.inf)
        traces = data.traces[:, (data.axis >= low) & (data.axis <= high)].astype(np.float64)
    elif step is None or window is not None:
        raise GempyGanError("Bare traces were given. Expected step= in seconds with them, and no window=: cut them yourself.")
    else:
        traces = np.atleast_2d(np.asarray(data, dtype=np.float64))
    traces = traces[np.isfinite(traces).all(axis=1)] if traces.size else traces[:0]
    if not traces.any():
        raise GempyGanError("No trace without gaps lies in the window. Expected at least one: widen window=.")
    _positive(step=step)
    return traces, step, domain


def _symmetric(length: float, step: float) -> NDArray[np.float64]:
    _positive(length=length)
    half = max(1, round(length / 2 / step))
    return np.asarray(step * np.arange(-half, half + 1))


def _positive(**options: float) -> None:
    for name, value in options.items():
        if not (np.isfinite(value) and value > 0):
            raise GempyGanError(f"A wavelet's {name} is {value}. Expected a positive number.")
