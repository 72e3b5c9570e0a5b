"""Tuning of a generator's weights until realizations of given latents fit the data."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.elastic import spread_of, wander
from gempy_gan.strategies.perceptual import perceptual_distance

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import TunablePrior
    from gempy_gan.strategy import LikelihoodLike

MEMORY = 10  # pairs of steps and gradient changes that L-BFGS remembers
AT_ONCE = 2**21  # values decoded together
SOME = 4  # generators of single realizations that are kept to be looked at: they are large
KEPT = 8  # prior latents at which low-rank tuning holds the generator in place


@dataclass(frozen=True)
class Tuned:
    """Realizations (n, c, nx, ny, nz), the weights of some of the tuned generators, and the network passes per realization."""

    values: Tensor
    weights: Sequence[Sequence[Tensor]]
    evaluations: Sequence[int]


def tune_each(
    prior: TunablePrior,
    likelihood: LikelihoodLike,
    pivots: Tensor,
    untuned: Tensor,
    unfit: Tensor,
    steps: int,
    generator: torch.Generator,
) -> Tuned:
    """For each pivot (n, ...) that is `unfit` (n,) a generator of its own, whose weights leave theirs as little as they can.

    Minimised is what chi2 has above 1, by L-BFGS in the steps of `wander`; a realization is done when nothing is left. Others
    stay what the pivot was before, `untuned` (n, c, nx, ny, nz).
    """
    plain = [w.detach() for w in prior.parameters()]
    scale = wander(prior, generator)
    values, counts = list(torch.split(untuned, 1)), [0] * len(pivots)
    some: list[list[Tensor]] = []
    for k, z in enumerate(progress.track(torch.split(pivots, 1), "tuning", len(pivots))):
        if not unfit[k]:
            continue
        moves = [torch.zeros_like(w, requires_grad=True) for w in plain]

        def misfit(z: Tensor = z, moves: Sequence[Tensor] = moves) -> Tensor:
            return excess(likelihood, prior.decode(z, _moved(plain, scale, moves))).sum()

        counts[k] = descend(moves, [misfit], steps)
        with torch.no_grad():
            weights = _moved(plain, scale, moves)
            values[k] = prior.decode(z, weights)
        some += [weights] if len(some) < SOME else []
    return Tuned(torch.cat(values), some, counts)


def tune_low_rank(
    prior: TunablePrior,
    likelihood: LikelihoodLike,
    pivots: Tensor,
    steps: int,
    rank: int,
    keep: float,
    generator: torch.Generator,
) -> Tuned:
    """One generator for all pivots (n, ...), its matrices changed by U V of `rank` (Hu et al. 2022, equation 3).

    Minimised is the sum of what each chi2 has above 1, and `keep` times the change at fresh latents of the prior, per datum: of
    cells, relative to their spread, and of perceptual features.
    """
    plain = [w.detach() for w in prior.parameters()]
    stiff = [float(s.square().mean().sqrt()) if s.ndim > 1 else 0.0 for s in wander(prior, generator)]
    factors = [f for w in plain if w.ndim > 1 for f in _factors(w, rank, generator)]
    fresh = torch.randn((min(len(pivots), KEPT), *prior.latent_shape), generator=generator)
    with torch.no_grad():
        before = prior.decode(fresh)
        spread = spread_of(before)

    def weights() -> list[Tensor]:
        pairs = iter(factors)
        return [
            w + s * (next(pairs) @ next(pairs)).reshape(w.shape) if w.ndim > 1 else w for w, s in zip(plain, stiff, strict=True)
        ]

    def misfit(part: Tensor) -> Callable[[], Tensor]:
        return lambda: excess(likelihood, prior.decode(part, weights())).sum()

    def change() -> Tensor:
        after = prior.decode(fresh, weights())
        cells = ((after - before) / spread).square().flatten(1).mean(dim=1)
        amount = (cells + perceptual_distance(prior, after, before)).mean()
        return keep * len(pivots) * len(likelihood.observed) * amount

    parts = torch.split(pivots, at_once(likelihood))
    count = descend(factors, [misfit(part) for part in parts], steps, change)
    with torch.no_grad():
        tuned = weights()
        values = torch.cat([prior.decode(part, tuned) for part in parts])
    kept = math.ceil(2 * count * len(fresh) / len(pivots))  # decoding, and a look at it
    return Tuned(values, [tuned], [count + kept] * len(pivots))


def excess(likelihood: LikelihoodLike, m: Tensor) -> Tensor:
    """Half the squared whitened residuals (n,) beyond one for each datum, which noise explains; 0 where there are none."""
    residual = likelihood.residual(m)
    return 0.5 * (residual.square().sum(dim=1) - residual.shape[1]).clamp(min=0)


def descend(
    variables: Sequence[Tensor], terms: Sequence[Callable[[], Tensor]], steps: int, penalty: Callable[[], Tensor] | None = None
) -> int:
    """L-BFGS on the sum of terms and a penalty, in place, until the terms are 0 or steps are spent; returns evaluations.

    One term is differentiated at a time, which bounds memory. Raises GempyGanError where a term is not finite.
    """
    count = 0

    def slope() -> Tensor:
        nonlocal count
        count += 1
        value = _accumulate(variables, terms)
        if not value.isfinite():
            raise GempyGanError("The misfit of a realization is not finite. Check the data and the forward operator.")
        if penalty is not None and value > 0:
            value = value + _accumulate(variables, [penalty], add=True)
        return value

    torch.optim.LBFGS(
        list(variables),
        max_iter=steps,
        history_size=MEMORY,
        line_search_fn="strong_wolfe",
        tolerance_grad=0.0,  # where all terms are 0, so is the gradient
        tolerance_change=0.0,
    ).step(slope)  # type: ignore[no-untyped-call]
    return count


def at_once(likelihood: LikelihoodLike) -> int:
    """How many realizations are decoded together."""
    return max(1, AT_ONCE // likelihood.known[0].numel())


def _accumulate(variables: Sequence[Tensor], terms: Sequence[Callable[[], Tensor]], add: bool = False) -> Tensor:
    """The sum of the terms; its gradient goes into, or is added to, that of the variables."""
    total = torch.zeros(())
    for term in terms:
        with torch.enable_grad():
            value = term()
            gradients = torch.autograd.grad(value, variables, allow_unused=True, materialize_grads=True)
        for variable, gradient in zip(variables, gradients, strict=True):
            variable.grad = gradient.contiguous() if not add or variable.grad is None else variable.grad + gradient
        total, add = total + value.detach(), True
    return total


def _moved(plain: Sequence[Tensor], scale: Sequence[Tensor], moves: Sequence[Tensor]) -> list[Tensor]:
    return [w + s * move for w, s, move in zip(plain, scale, moves, strict=True)]


def _factors(weight: Tensor, rank: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """U (a, r), zero, and V (r, b), random, for a weight of a x b entries."""
    a, b = weight.shape[0], weight[0].numel()
    r = min(rank, a, b)
    v = torch.randn((r, b), generator=generator).to(weight) / math.sqrt(r)
    return torch.zeros((a, r), dtype=weight.dtype, requires_grad=True), v.requires_grad_()
