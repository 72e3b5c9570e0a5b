"""Wavelets and well ties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gempy_gan.plot import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gempy_gan.wavelets import Wavelet
    from gempy_gan.well_tie import WellTie


def wavelet(wavelet: Wavelet) -> Figure:
    """A wavelet in time (or depth) and its amplitude spectrum, relative to its peak."""
    figure = style.figure(8, 3.2)
    left, right = figure.subplots(1, 2)
    _shape(left, wavelet)
    spectrum = np.abs(np.fft.rfft(wavelet.samples, 8 * len(wavelet.samples)))
    frequency = np.fft.rfftfreq(8 * len(wavelet.samples), wavelet.step)
    right.fill_between(frequency, spectrum / spectrum.max(), color=style.OKABE_ITO[1], lw=0)
    audible = frequency[spectrum > 0.01 * spectrum.max()]
    unit = "frequency (Hz)" if wavelet.domain == "time" else "wavenumber (1/m)"
    right.set(xlabel=unit, ylabel="relative amplitude", xlim=(0, 1.1 * audible[-1]), ylim=(0, 1.05), title="amplitude spectrum")
    return figure


def well_tie(tie: WellTie) -> Figure:
    """A well tie: the trace beside the well and the synthetic, what is left of it, and the wavelet."""
    figure = style.figure(9, 5.5)
    panels = figure.subplots(1, 3, width_ratios=(1.2, 1, 1.6))
    time = 1e3 * tie.axis
    panels[0].plot(tie.trace, time, color=style.INK, lw=1.2, label="trace")
    panels[0].plot(tie.synthetic, time, color=style.ACCENT, lw=1.2, label="synthetic")
    panels[0].legend(fontsize=7, loc="lower right")
    panels[1].plot(tie.trace - tie.synthetic, time, color=style.GREY, lw=1.0)
    panels[1].axvspan(-tie.residual_std, tie.residual_std, color=style.OKABE_ITO[1], alpha=0.4, lw=0)
    reach = 1.05 * max(np.abs(tie.trace).max(), np.abs(tie.synthetic).max())
    for ax, title in zip(panels[:2], ("trace and synthetic", "residual, ± held-out std"), strict=True):
        ax.axvline(0, color=style.INK, lw=0.4)
        ax.set(title=title, xlabel="amplitude", xlim=(-reach, reach), ylim=(time[-1], time[0]))
    panels[0].set_ylabel("two-way time (ms)")
    _shape(panels[2], tie.wavelet)
    figure.suptitle(
        f"lag {1e3 * tie.lag:+.1f} ms, stretch {100 * tie.stretch:+.1f} %, "
        f"correlation {tie.correlation:.2f} fitted, {tie.correlation_held_out:.2f} held out"
    )
    return figure


def _shape(ax: Axes, wavelet: Wavelet) -> None:
    factor, unit = (1e3, "time (ms)") if wavelet.domain == "time" else (1.0, "depth (m)")
    fine = np.linspace(-wavelet.reach, wavelet.reach, 501)
    value = wavelet.at(fine)
    ax.fill_between(factor * fine, value, 0, where=value > 0, color=style.OKABE_ITO[4], alpha=0.5, lw=0)
    ax.plot(factor * fine, value, color=style.OKABE_ITO[4], lw=1.2)
    ax.axhline(0, color=style.INK, lw=0.4)
    ax.axvline(0, color=style.INK, lw=0.4, ls=":")
    ax.set(xlabel=unit, ylabel="amplitude per unit reflection", title="wavelet", xlim=(factor * fine[0], factor * fine[-1]))
