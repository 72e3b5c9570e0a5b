"""From noise to realizations: noise levels, and how to follow them down, for any diffusion prior."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gempy_gan.prior import DiffusionPrior

STEPS = 48  # noise levels of a draw
ROUNDS = 2  # of noise at the largest level, before denoising starts
REACH = 1.0  # standard deviations that a guess may leave what is known of a cell; at all noise levels alike, it gets twice as far
RHO = 7.0  # Karras et al. (2022), equation 5: how much denser the levels lie at small noise


def noise_levels(prior: DiffusionPrior, steps: int) -> Tensor:
    """Decreasing noise levels (steps + 1,) from a prior's sigma_max to its sigma_min, then 0 (Karras et al. 2022, equation 5)."""
    import torch

    first, last = prior.sigma_max ** (1 / RHO), prior.sigma_min ** (1 / RHO)
    levels = torch.linspace(first, last, steps, dtype=torch.float64) ** RHO
    return torch.cat([levels, levels.new_zeros(1)])


def heun(denoise: Callable[[Tensor, float], Tensor], x: Tensor, levels: Tensor) -> Tensor:
    """Follow the probability flow from x, noisy at levels[0], down the levels (Karras et al. 2022, algorithm 1).

    `denoise(x, sigma)` is the expected clean realization; it is asked twice per level, once for the last.
    """
    for sigma, following in zip(levels[:-1].tolist(), levels[1:].tolist(), strict=True):
        slope = (x - denoise(x, sigma)) / sigma
        ahead = x + (following - sigma) * slope
        if following:
            slope = (slope + (ahead - denoise(ahead, following)) / following) / 2
            ahead = x + (following - sigma) * slope
        x = ahead
    return x


def multistep(denoise: Callable[[Tensor, float], Tensor], x: Tensor, levels: Tensor, generator: torch.Generator | None) -> Tensor:
    """Denoise x, noisy at levels[0], down the levels, with fresh noise at each (Lu et al. 2022, SDE-DPM-Solver++(2M)).

    `denoise(x, sigma)` is asked once per level. What it expects changes between levels; the step before tells how, which makes
    the method one of second order. Fresh noise forgets errors of earlier levels, which the probability flow keeps.
    """
    before: tuple[Tensor, float] | None = None
    for sigma, following in pairwise(levels.tolist()):
        clean = denoise(x, sigma)
        if not following:
            return clean
        span = math.log(sigma / following)
        ahead = clean if before is None else clean + (clean - before[0]) * span / (2 * before[1])
        x, before = step(ahead, x, sigma, following, generator), (clean, span)
    return x


def step(clean: Tensor, x: Tensor, sigma: float, following: float, generator: torch.Generator | None) -> Tensor:
    """x at the noise level `following`, drawn given x at sigma and the clean realizations behind it (Ho et al. 2020)."""
    kept = (following / sigma) ** 2
    mean = clean + kept * (x - clean)
    return mean + following * math.sqrt(1 - kept) * noise_like(x, generator) if following else mean


def noise_like(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """Independent standard normal numbers of the shape of x, from the generator alone."""
    import torch

    return torch.randn(x.shape, generator=generator).to(x)


def within(
    expected: Tensor, x: Tensor, sigma: Tensor | float, mask: Tensor, values: Tensor, std: Tensor, reach: float = REACH
) -> Tensor:
    """`expected` clean realizations, with each known cell led back to within `reach` standard deviations of what is known of it.

    `values` are known to within `std` where `mask` says so; all broadcast against x, which is noisy at sigma. A noisy cell and
    a value with an error are two measurements; together they are one, with their precisions added. The true expectation can
    hardly lie far from that, and where a network's guess does, the network errs. Where std is zero, the value stands.
    """
    import torch

    least = 1e-6
    at = torch.where(mask.expand_as(x))  # few cells are known: the others are spared the arithmetic
    guess, noisy, noise, value, error = (part.expand_as(x)[at] for part in (expected, x, torch.as_tensor(sigma), values, std))
    precision = noise**-2 + error.clamp(min=least) ** -2
    both = (noisy * noise**-2 + value * error.clamp(min=least) ** -2) / precision
    most = reach * precision.rsqrt()
    led = both + most * torch.tanh((guess - both) / most)
    return expected.index_put(at, torch.where(error > least, led, value))


def scattered(
    expected: Tensor, sigma: float, generator: torch.Generator | None, mask: Tensor, values: Tensor, std: Tensor | None = None
) -> Tensor:
    """`expected` realizations behind a last noise sigma, with each known cell drawn from what is known of it.

    An expectation lies closer to data than a draw, and data with errors far below sigma would be fitted closer than the truth
    fits them. So known cells move to their values by the gain of a Kalman filter, nearly all the way where errors are far below
    sigma and hardly where they are far above, and are perturbed so that they miss the values by as much as their errors: the
    expectation misses them by about as much, too. Without errors, the values stand.
    """
    import torch

    std = torch.zeros_like(values) if std is None else std
    gain = torch.where(mask, sigma**2 / (sigma**2 + std**2), 0.0).to(expected)
    perturbed = std.to(expected) * (gain * (2 - gain)).sqrt() * noise_like(expected, generator)
    return expected.lerp(values.to(expected), gain) + perturbed


def draw(
    prior: DiffusionPrior, n: int, generator: torch.Generator | None = None, condition: Any = None, steps: int = STEPS
) -> Tensor:
    """n realizations (n, c, nx, ny, nz) of a diffusion prior, given what `condition` knows (as `denoise` takes it).

    They come down the same levels as those that guided strategies lead to data: drawn otherwise, prior and posterior would err
    otherwise, and a truth drawn from the prior would stand out among the draws of its posterior.
    """
    import torch

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return prior.denoise(x, sigma, condition)

    with torch.no_grad():
        return denoised(denoise, prior, n, generator, steps, condition)


def denoised(
    denoise: Callable[[Tensor, float], Tensor],
    prior: DiffusionPrior,
    n: int,
    generator: torch.Generator | None,
    steps: int,
    condition: Any = None,
) -> Tensor:
    """n realizations (n, c, nx, ny, nz) by a denoiser that knows `condition` (None: nothing), from noise to what is finished."""
    found = multistep(denoise, settled(denoise, prior, n, generator), noise_levels(prior, steps), generator)
    return prior.finish(found if condition is None else scattered(found, prior.sigma_min, generator, *condition))


def settled(
    denoise: Callable[[Tensor, float], Tensor], prior: DiffusionPrior, n: int, generator: torch.Generator | None = None
) -> Tensor:
    """What sampling starts from: n noisy realizations (n, c, nx, ny, nz) at sigma_max, about what `denoise` expects there.

    At the largest noise level of a prior, the mean of all cells still tells two realizations apart: whether noise lies about
    the centre of the prior, its mean, or that of a posterior decides the net-to-gross and between modes. So what is expected
    behind noise is made noisy again, which is Gibbs sampling but for the spread of p(m | x), and forgets the start by as much
    as noise hides realizations. Gradients are left to the caller, as by `heun` and `multistep`.
    """
    x = drowned(prior, n, generator)
    for _ in range(ROUNDS):
        x = denoise(x, prior.sigma_max) + prior.sigma_max * noise_like(x, generator)
    return x


def drowned(prior: DiffusionPrior, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n realizations (n, c, nx, ny, nz) of which noise has left nothing."""
    import torch

    noise = torch.randn((n, len(prior.properties), *prior.shape), generator=generator)
    return prior.centre + prior.sigma_max * noise
