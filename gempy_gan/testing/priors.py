"""The contract of a prior."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gempy_gan.constraints import Constraints, HardData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.likelihood import Likelihood
from gempy_gan.plugins import registry
from gempy_gan.prior import DiffusionPrior, ExactPrior, LatentPrior, Prior, TunablePrior
from gempy_gan.properties import Property
from gempy_gan.testing.contract import check_json, check_randomness, check_values, hold, seeded

SIGMAS = 5.0  # how many standard errors a random figure may be off
BEST = 1.3  # how much worse than the better of doing nothing and guessing the mean a denoiser may look on a few draws


def check_prior(prior: Prior, n: int = 32, seed: int = 0, rebuild: Callable[..., Prior] | None = None) -> None:
    """Raise AssertionError, saying what the contract is, when `prior` breaks it.

    Every prior: properties, shape and cell size; samples (n, c, nx, ny, nz) that are finite, with known facies codes, decided
    by the generator alone; a state of plain JSON values; a recommended strategy that it can do. With `rebuild` (its class,
    say), `rebuild(**prior.state())` must draw the same. A LatentPrior: a differentiable decoder of one latent at a time that
    explains the samples. A DiffusionPrior: a denoiser at least as good as doing nothing (small sigma) and as the mean (large
    sigma), and, where it takes conditions, one that gives known cells their values, for all rows alike or each its own. A
    TunablePrior: parameters that change the decoder, of a copy alone. An ExactPrior: a posterior that is the prior
    where the data say nothing, and keeps to a datum that leaves no doubt (unless it refuses such data).

    `n` realizations are drawn for each comparison of random figures.
    """
    hold(isinstance(prior, Prior), f"A prior must be a gempy_gan.Prior, and {type(prior).__name__} is none.")
    _check_description(prior)
    _check_samples(prior, n, seed)
    _check_state(prior, rebuild, seed)
    if isinstance(prior, LatentPrior):
        _check_decoder(prior, n, seed)
    if isinstance(prior, DiffusionPrior):
        _check_denoiser(prior, n, seed)
        if prior.conditional:
            _check_condition(prior, seed)
    if isinstance(prior, TunablePrior):
        _check_tuning(prior, seed)
    if isinstance(prior, ExactPrior):
        _check_posterior(prior, n, seed)


def _check_description(prior: Prior) -> None:
    who = type(prior).__name__
    properties = prior.properties
    hold(
        isinstance(properties, tuple) and properties and all(isinstance(p, Property) for p in properties),
        f"{who}.properties must be a tuple of gempy_gan.Property, and is {properties!r}.",
    )
    names = [p.name for p in properties]
    hold(len(set(names)) == len(names), f"{who}.properties must have different names, and has {names}.")
    whole = len(prior.shape) == 3 and all(isinstance(k, int) and k > 0 for k in prior.shape)
    hold(whole, f"{who}.shape must be three positive whole numbers (nx, ny, nz), and is {prior.shape!r}.")
    positive = len(prior.cell_size) == 3 and all(size > 0 for size in prior.cell_size)
    hold(positive, f"{who}.cell_size must be three positive lengths (dx, dy, dz) in metres, and is {prior.cell_size!r}.")
    strategy = registry().get("strategies", prior.recommended).load()
    hold(
        isinstance(prior, strategy.requires),
        f"{who}.recommended must be a strategy it can do, and '{prior.recommended}' needs a {strategy.requires.__name__}.",
    )


def _check_samples(prior: Prior, n: int, seed: int) -> None:
    what = f"The samples of {type(prior).__name__}"
    shape = (len(prior.properties), *prior.shape)
    for size in (1, n):
        check_values(prior.sample(size, seeded(seed)), size, shape, what)
    check_values(prior.sample(1), 1, shape, f"{what} drawn without a generator")
    check_randomness(lambda generator: prior.sample(4, generator), what, seed)
    drawn = prior.sample(n, seeded(seed))
    for channel, prop in enumerate(prior.properties):
        if prop.is_facies:
            odd = set(np.unique(drawn[:, channel].numpy()).tolist()) - set(prop.facies)
            hold(not odd, f"{what} must hold codes of {prop.facies} for {prop.name!r}, and hold {sorted(odd)[:3]}.")
    dx, dy, dz = (size * k for size, k in zip(prior.cell_size, prior.shape, strict=True))
    Ensemble.from_values(Grid((0, dx, 0, dy, 0, dz), prior.shape), prior.properties, drawn.numpy())


def _check_state(prior: Prior, rebuild: Callable[..., Prior] | None, seed: int) -> None:
    who = type(prior).__name__
    state = prior.state()
    hold(isinstance(state, Mapping), f"{who}.state() must be a mapping, and is a {type(state).__name__}.")
    check_json(dict(state), f"{who}.state()")
    prior.sample(1, seeded(seed))
    hold(dict(prior.state()) == dict(state), f"{who}.state() must not change when samples are drawn.")
    if rebuild is not None:
        same = torch.equal(rebuild(**state).sample(2, seeded(seed)), prior.sample(2, seeded(seed)))
        hold(
            same, f"{who}.state() must hold the options that rebuild the prior; rebuilt from it, the prior draws something else."
        )


def _check_decoder(prior: LatentPrior, n: int, seed: int) -> None:
    who = type(prior).__name__
    sizes = prior.latent_shape
    whole = isinstance(sizes, tuple) and sizes and all(isinstance(k, int) and k > 0 for k in sizes)
    hold(whole, f"{who}.latent_shape must be a tuple of positive whole numbers, and is {sizes!r}.")
    z = torch.randn((n, *sizes), generator=seeded(seed + 1))
    with torch.no_grad():
        decoded, alone = prior.decode(z), torch.cat([prior.decode(one[None]) for one in z[:3]])
        check_values(decoded, n, (len(prior.properties), *prior.shape), f"{who}.decode(z)")
        hold(torch.equal(decoded, prior.decode(z)), f"{who}.decode(z) must be a function of z alone: called twice, it differed.")
    scale = float(decoded.std()) + 1e-12
    hold(
        (decoded[:3] - alone).abs().max() <= 1e-3 * scale,
        f"{who}.decode must treat each latent on its own; decoded in a batch, a latent gives something else (batch statistics?).",
    )
    _check_gradient(prior, z[:2], scale)
    _check_same_distribution(decoded, prior.sample(n, seeded(seed)), f"{who}.sample must draw what decode makes of N(0, 1)")


def _check_gradient(prior: LatentPrior, z: Tensor, scale: float) -> None:
    """The directional derivative, by autograd and by central differences (facies may use a surrogate: only non-zero then)."""
    who = type(prior).__name__
    continuous = [c for c, p in enumerate(prior.properties) if not p.is_facies] or list(range(len(prior.properties)))
    weight = torch.randn(prior.shape, generator=seeded(1))
    direction = torch.randn(z.shape, generator=seeded(2))

    def score(latent: Tensor) -> Tensor:
        return (prior.decode(latent)[:, continuous] * weight).sum() / scale

    start = z.clone().requires_grad_()
    with torch.enable_grad():
        value = score(start)
    hold(value.requires_grad, f"{who}.decode must be differentiable: its result carries no gradient.")
    (gradient,) = torch.autograd.grad(value, start)
    hold(gradient.isfinite().all() and gradient.any(), f"{who}.decode must have a finite gradient that is not zero everywhere.")
    if all(p.is_facies for p in prior.properties):
        return
    step = 1e-2
    with torch.no_grad():
        numeric = float(score(z + step * direction) - score(z - step * direction)) / (2 * step)
    analytic = float((gradient * direction).sum())
    tolerance = 0.1 * float(gradient.norm() * direction.norm()) / z.numel() ** 0.5 + 0.1 * abs(numeric)
    hold(
        abs(numeric - analytic) <= tolerance,
        f"{who}.decode must have the gradient of its values: along one direction it is {analytic:g}, by differences {numeric:g}.",
    )


def _check_same_distribution(one: Tensor, other: Tensor, contract: str) -> None:
    """Two sets of draws have the same mean and spread: per property, and at a few cells."""
    n = min(len(one), len(other))
    groups = [_figures(values[:n].double()) for values in (one, other)]
    error = ((groups[0].var(dim=0) + groups[1].var(dim=0)) / n).sqrt()
    off = (groups[0].mean(dim=0) - groups[1].mean(dim=0)).abs() / (error + 1e-6 * groups[0].abs().mean(dim=0) + 1e-12)
    hold(off.max() <= SIGMAS, f"{contract}: a mean or spread differs by {float(off.max()):.1f} standard errors.")


def _figures(values: Tensor) -> Tensor:
    cells = values.flatten(2)
    some = cells[:, :, :: max(1, cells.shape[2] // 7)].flatten(1)
    return torch.cat([cells.mean(dim=2), cells.std(dim=2, correction=0), some, some.square()], dim=1)


def _check_denoiser(prior: DiffusionPrior, n: int, seed: int) -> None:
    who = type(prior).__name__
    m = prior.sample(n, seeded(seed))
    mean = m.mean(dim=0)
    variance = float((m - mean).square().mean()) * n / (n - 1)
    spread = variance**0.5
    hold(
        prior.sigma_max >= 2 * spread,
        f"{who}.sigma_max must drown the realizations (spread {spread:g}), and is {prior.sigma_max}.",
    )
    noise = torch.randn(m.shape, generator=seeded(seed + 1))
    for sigma in (0.01 * spread, 0.3 * spread, spread, float(prior.sigma_max)):
        x = m + sigma * noise
        with torch.no_grad():
            clean = prior.denoise(x, sigma)
            check_values(clean, n, tuple(m.shape[1:]), f"{who}.denoise(x, {sigma:g})")
            each = prior.denoise(x, torch.full((n,), sigma))
        hold((clean - each).abs().max() <= 1e-3 * spread, f"{who}.denoise must do the same for sigma given as (n,) numbers.")
        error, least = float((clean - m).square().mean()), min(sigma**2, variance)
        hold(
            error <= BEST * least,
            f"{who}.denoise(x, {sigma:g}) must be the expected realization: its mean square error is {error:g}, and "
            f"{'leaving x as it is' if sigma < spread else 'the mean'} has {least:g}.",
        )
        product = ((m - clean) * (clean - mean)).flatten(1).mean(dim=1)
        bound = SIGMAS * float(product.std()) / n**0.5 + 0.05 * least
        hold(
            abs(float(product.mean())) <= bound,
            f"{who}.denoise(x, {sigma:g}) must be the expected realization, whose error is uncorrelated with it: it shrinks "
            f"{'too little' if product.mean() < 0 else 'too much'}.",
        )


def _check_condition(prior: DiffusionPrior, seed: int) -> None:
    who = type(prior).__name__
    m = prior.sample(2, seeded(seed))
    spread = float(m.std())
    x, mask = m + spread * torch.randn(m.shape, generator=seeded(seed + 1)), torch.rand(m.shape, generator=seeded(seed + 2)) < 0.1
    known = (mask, m, torch.zeros_like(m))
    with torch.no_grad():
        both = prior.denoise(x, spread, known)
        each = [prior.denoise(x[k : k + 1], spread, tuple(part[k] for part in known)) for k in range(2)]
    hold(
        (both - m)[mask].abs().max() <= 1e-3 * spread,
        f"{who}.denoise(x, sigma, (mask, values, std)) must give cells known without error their values.",
    )
    hold(
        (both - torch.cat(each)).abs().max() <= 1e-3 * spread,
        f"{who}.denoise must take a condition (n, c, nx, ny, nz), one for each row, as well as one (c, nx, ny, nz) for all.",
    )


def _check_tuning(prior: TunablePrior, seed: int) -> None:
    who = type(prior).__name__
    z = torch.randn((2, *prior.latent_shape), generator=seeded(seed))
    with torch.no_grad():
        before = prior.decode(z)
        tuned: Any = copy.deepcopy(prior)
        tensors = list(tuned.parameters())
        hold(tensors, f"{who}.parameters() must name the decoder's trainable tensors, and is empty.")
        for tensor in tensors:
            tensor.add_(0.1)
        hold(
            not torch.equal(tuned.decode(z), before),
            f"{who}.parameters() must be the decoder's own: changing them changed nothing.",
        )
        hold(torch.equal(prior.decode(z), before), f"{who} must survive copy.deepcopy: tuning the copy changed the original.")
        other = prior.decode(z, tensors)
        hold(torch.equal(other, tuned.decode(z)), f"{who}.decode(z, weights) must take the weights in place of parameters().")
    m = before.clone().requires_grad_()
    with torch.enable_grad():
        levels = list(prior.features(m))
        hold(levels, f"{who}.features(m) must be a sequence of tensors, and is empty.")
        hold(all(len(level) == len(m) for level in levels), f"{who}.features(m) must keep the realizations as first dimension.")
        (gradient,) = torch.autograd.grad(torch.stack([level.sum() for level in levels]).sum(), m)
        hold(gradient.any(), f"{who}.features(m) must be differentiable in m.")
        odds = prior.realism(m)
        hold(tuple(odds.shape) == (len(m),), f"{who}.realism(m) must have shape {(len(m),)}, and has {tuple(odds.shape)}.")
        (gradient,) = torch.autograd.grad(odds.sum(), m)
    hold(odds.isfinite().all() and gradient.isfinite().all(), f"{who}.realism(m) and its gradient must be finite.")


def _check_posterior(prior: ExactPrior, n: int, seed: int) -> None:
    what = f"{type(prior).__name__}.posterior"
    drawn = prior.sample(n, seeded(seed + 2))
    spread, datum = float(drawn[:, 0].std()) + 1e-12, float(drawn[0, 0, 0, 0, 0])
    try:
        vague, sure = (prior.posterior(_one_datum(prior, datum, factor * spread)) for factor in (1e4, 1e-2))
    except GempyGanError:
        return
    values = vague.sample(n, seeded(seed))
    check_values(values, n, (len(prior.properties), *prior.shape), f"{what}(...).sample")
    check_randomness(lambda generator: vague.sample(4, generator), f"{what}(...).sample", seed)
    check_json(dict(vague.trace()), f"{what}(...).trace()")
    _check_same_distribution(values, drawn, f"{what} must be the prior where the data say nothing")
    off = float((sure.sample(n, seeded(seed))[:, 0, 0, 0, 0] - datum).abs().max()) / spread
    hold(off <= 0.1, f"{what} must honour its data: a cell known within 0.01 of the prior's spread is off by {off:.2f} of it.")


def _one_datum(prior: Prior, value: float, std: float) -> Likelihood:
    dx, dy, dz = (size * k for size, k in zip(prior.cell_size, prior.shape, strict=True))
    grid = Grid((0, dx, 0, dy, 0, dz), prior.shape)
    return Likelihood.of(Constraints(grid, HardData([[0, 0, 0]], [value], std, prior.properties[0].name)), prior)
