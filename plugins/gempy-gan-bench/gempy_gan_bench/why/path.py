"""Where the draws of a diffusion prior leave its data on their way down from noise.

A network may expect the right thing behind real boxes at every noise level and still draw others: what it draws at one level is
what it sees at the next, and small errors add up (exposure bias, Ning et al. 2023). Losses and errors on held-out boxes cannot
see that.

Let y be a box m with independent noise. For neighbouring cells, E[dy dD(y)] = E[dy dm] = E[dm dm] where D(y) = E[m | y]: the
product of the contrasts of a noisy box and of what is expected behind it is, in the mean, the contrast of the boxes themselves,
whatever the noise. That holds on real boxes if the network is right there, and on draws if they are distributed as real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan import DiffusionPrior, GempyGanError, Prior, progress
from gempy_gan.denoising import STEPS, denoised, noise_levels, noise_like
from gempy_gan.likelihood import channel
from gempy_gan_bench import truths
from gempy_gan_bench.protocol import PROPERTY, Protocol
from gempy_gan_bench.real import FIRST
from gempy_gan_bench.why.numbers import mean_with_error, text

Array = NDArray[np.float64]

AT_ONCE = 2**19  # values that are denoised together
SHOWN = 4  # of the levels, one in so many has a line in the table
APART = 0.05  # difference that matters, of the boxes' own contrast
SURE = 4.0  # standard errors that it must exceed: there are many levels
ALONG = {"sideways": (-3, -2), "upwards": (-1,)}  # axes along which neighbours are compared


@dataclass(frozen=True)
class Plan:
    """`number` real boxes and as many draws, `steps` noise levels."""

    number: int = 64
    steps: int = STEPS
    seed: int = 0


def path(prior: Prior, protocol: Protocol, plan: Plan) -> dict[str, Any]:
    """Plain JSON values: for each noise level the contrast on real boxes and on draws, over the real boxes' own.

    Raises GempyGanError for a prior that does not denoise, or that has another shape or other properties than the simulator.
    """
    if not isinstance(prior, DiffusionPrior):
        raise GempyGanError(f"{type(prior).__name__} does not denoise. Expected a diffusion prior.")
    real = _real(prior, protocol, plan.number)
    generator = torch.Generator().manual_seed(plan.seed)
    watched = channel(prior.properties, PROPERTY)
    own = {axes: float(_contrast(real, real, axes, watched).mean()) for axes in ALONG}
    each = max(1, AT_ONCE // real[0].numel())
    levels = noise_levels(prior, plan.steps)[:-1].tolist()
    on_draws: dict[float, list[dict[str, Array]]] = {sigma: [] for sigma in levels}
    on_real: dict[float, list[dict[str, Array]]] = {sigma: [] for sigma in levels}
    for done in range(0, plan.number, each):
        progress.report("draws and real boxes", done, plan.number)
        boxes = real[done : done + each]
        followed = _followed(prior, len(boxes), generator, plan.steps, watched)
        for sigma in levels:
            on_draws[sigma].append(followed[sigma])
            noisy = boxes + sigma * noise_like(boxes, generator)
            with torch.no_grad():
                on_real[sigma].append(_contrasts(noisy, prior.denoise(noisy, sigma), watched))
    progress.report("draws and real boxes", plan.number, plan.number)
    return {
        "number": plan.number,
        "own": own,
        "levels": [{"noise": sigma, **_compared(on_real[sigma], on_draws[sigma], own)} for sigma in levels],
    }


def _real(prior: DiffusionPrior, protocol: Protocol, number: int) -> Tensor:
    """Boxes (number, c, nx, ny, nz) of simulated deposits that no shipped prior has seen, in the properties of the prior."""
    if prior.shape != protocol.shape:
        raise GempyGanError(f"The prior makes boxes of {prior.shape} cells. Expected {protocol.shape}, as the preset has.")
    found = []
    for k in range(number):
        progress.report("real boxes", k, number)
        box = truths.box_of(protocol, FIRST + k)
        if missing := [p.name for p in prior.properties if p.name not in box.properties]:
            raise GempyGanError(f"The prior has {missing[0]!r}. Expected properties of {truths.SIMULATOR}.")
        found.append(box.values[[box.properties.index(p.name) for p in prior.properties]])
    progress.report("real boxes", number, number)
    return torch.as_tensor(np.stack(found), dtype=torch.float32)


def _followed(
    prior: DiffusionPrior, n: int, generator: torch.Generator, steps: int, watched: int
) -> dict[float, dict[str, Array]]:
    """Contrasts of n draws at each level that they come down; of the starting level the last ones."""
    seen: dict[float, dict[str, Array]] = {}

    def denoise(x: Tensor, sigma: float) -> Tensor:
        expected = prior.denoise(x, sigma)
        seen[sigma] = _contrasts(x, expected, watched)
        return expected

    with torch.no_grad():
        denoised(denoise, prior, n, generator, steps)
    return seen


def _contrasts(noisy: Tensor, expected: Tensor, watched: int) -> dict[str, Array]:
    return {axes: _contrast(noisy, expected, axes, watched) for axes in ALONG}


def _contrast(a: Tensor, b: Tensor, along: str, watched: int) -> Array:
    """Mean product (n,) of the differences between neighbouring cells of boxes a and b (n, c, nx, ny, nz)."""
    found = [(a[:, watched].diff(dim=axis) * b[:, watched].diff(dim=axis)).flatten(1).mean(dim=1) for axis in ALONG[along]]
    return np.asarray(torch.stack(found).mean(dim=0).double().numpy())


def _compared(real: list[dict[str, Array]], draws: list[dict[str, Array]], own: Mapping[str, float]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for along, contrast in own.items():
        theirs, ours = (np.concatenate([part[along] for part in parts]) / contrast for parts in (real, draws))
        found[f"real_{along}"], found[f"draws_{along}"] = both = mean_with_error(theirs), mean_with_error(ours)
        error = float(np.hypot(*(each["error"] or 0.0 for each in both)))
        found[f"apart_{along}"] = bool(abs(ours.mean() - theirs.mean()) > max(APART, SURE * error))
    return found


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line of the table for one in `SHOWN` noise levels, and for the last."""
    levels = record["levels"]
    return [level for k, level in enumerate(levels) if k % SHOWN == 0 or k == len(levels) - 1]


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table says."""
    meant = (
        f"Contrast between neighbouring cells, over that of {record['number']} real boxes; 1 is right. On real boxes with noise "
        "it says whether the denoiser is right, on draws whether they are where real boxes would be."
    )
    return [meant, *(_verdict(record["levels"], along) for along in ALONG)]


def _verdict(levels: list[Mapping[str, Any]], along: str) -> str:
    """From which level on draws stay apart from real boxes, and where they end."""
    last = levels[-1]
    end = f"at the last level {text(last[f'draws_{along}'])}, real boxes {text(last[f'real_{along}'])}"
    if not last[f"apart_{along}"]:
        return f"{along.capitalize()}, draws end no farther from real boxes than chance allows ({end})."
    first = len(levels) - 1
    while first and levels[first - 1][f"apart_{along}"]:
        first -= 1
    return f"{along.capitalize()}, draws leave real boxes at a noise of {levels[first]['noise']:.3g} and stay apart ({end})."


def picture(record: Mapping[str, Any]) -> Any:
    """Contrast over noise, on real boxes and on draws."""
    from gempy_gan.plot.style import ACCENT, GREY, INK, figure

    fig = figure(9, 3.2)
    noise = [level["noise"] for level in record["levels"]]
    for ax, along in zip(fig.subplots(1, len(ALONG), sharey=True), ALONG, strict=True):
        for who, color in (("real", GREY), ("draws", INK)):
            found = [level[f"{who}_{along}"] for level in record["levels"]]
            mean, error = (np.array([each[key] for each in found], dtype=np.float64) for key in ("mean", "error"))
            ax.plot(noise, mean, color=color, label="real boxes with noise" if who == "real" else "draws on their way")
            ax.fill_between(noise, mean - 2 * error, mean + 2 * error, color=color, alpha=0.2, lw=0)
        ax.axhline(1, color=ACCENT, lw=0.8)
        ax.set(xscale="log", xlabel="noise", title=along, ylim=(0, 2))
        ax.invert_xaxis()
    fig.axes[0].set_ylabel("contrast over that of real boxes")
    fig.axes[0].legend(frameon=False, fontsize=8)
    return fig
