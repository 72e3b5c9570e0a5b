"""Latent optimization as Rongier & Peeters (2025) published it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from torch.nn import functional

from gempy_gan import progress
from gempy_gan.errors import GempyGanError
from gempy_gan.prior import Prior, TunablePrior
from gempy_gan.strategies.match import Match
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

REACH = ((4, 18.0), (8, 12.0))  # cells around wells, for up to so many of them
REACH_OF_MANY = 7.0
AT_ONCE = 2**21  # values decoded together
EXACT = "donot_use_mm_for_euclid_dist"


@dataclass
class MaskedLatent(Strategy):
    """Latent optimization with the masked loss of Rongier & Peeters (2025, arXiv 2510.17478): a baseline, no posterior sampler.

    Each realization starts from a latent of the prior and minimises, by `steps` of Adam at `learning_rate`,

        sum over cells of mask |m - nearest datum| + realism_weight * softplus(-realism(m)) + soft_weight * chi2 of the soft data

    The nearest datum is that of the same property and layer whose column is nearest; the mask is 1 / sqrt(d + 1) at d cells from
    it and 0 beyond `reach` cells: None takes the paper's 18, 12 and 7 for up to 4, up to 8 and more wells, 0 keeps the true
    data alone. The share of the mask's weight that lies on true data is in the trace ("data_share"). The paper does not say
    whether cells are summed or averaged; sums follow Dupont et al. (2018), from whom loss and weight 10 come.

    `faithful` leaves the discriminator in training mode, draws one realization at a time, and computes gradients that nobody
    looks at, as the published scripts do.
    The noise of the data, and what the prior says of latents, are not part of this loss: draws neither fit the data as well as
    their noise asks nor have the posterior's spread. A GempyGanWarning counts those that do not fit.
    """

    requires: ClassVar[type[Prior]] = TunablePrior  # type: ignore[type-abstract]

    steps: int = 1500
    learning_rate: float = 0.01
    reach: float | None = None
    realism_weight: float = 10.0
    soft_weight: float = 1.0
    faithful: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.learning_rate <= 0:
            raise GempyGanError(
                f"MaskedLatent's steps and learning_rate are {self.steps} and {self.learning_rate}. Expected positive numbers."
            )
        if min(self.reach or 0, self.realism_weight, self.soft_weight) < 0:
            raise GempyGanError(
                f"MaskedLatent's reach, realism_weight and soft_weight are {self.reach}, {self.realism_weight} and "
                f"{self.soft_weight}. Expected 0 or more."
            )

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations, each optimized from a latent of its own."""
        self.check(prior)
        prior = cast("TunablePrior", prior)
        start = torch.randn((n, *prior.latent_shape), generator=generator)
        size = 1 if self.faithful else max(1, AT_ONCE // likelihood.known[0].numel())
        if not len(likelihood.observed):
            with torch.no_grad():
                return Draws(torch.cat([prior.decode(part) for part in torch.split(start, size)]), start)
        mask, target, share = distance_mask(likelihood, reach := self._reach(likelihood))
        parts = list(torch.split(start, size))
        for k, part in enumerate(parts):
            progress.report("realizations", k * size, n)
            parts[k] = self._optimize(copy.deepcopy(prior) if self.faithful else prior, likelihood, part, mask, target)
        progress.report("realizations", n, n)
        z = torch.cat(parts)
        with torch.no_grad():
            values = torch.cat([prior.decode(part) for part in parts])
            match = Match.of(values, likelihood)
        match.warn("latent optimizations", "tune the generator to them (strategy 'pivotal'), or take another strategy")
        trace = {"steps": self.steps, "evaluations": self.steps + 1, "reach": reach, "data_share": share, **match.trace()}
        return Draws(values, z, trace=trace)

    def _reach(self, likelihood: LikelihoodLike) -> float:
        if self.reach is not None:
            return float(self.reach)
        wells = int(likelihood.known[0].any(dim=0).any(dim=-1).sum())
        return next((reach for most, reach in REACH if wells <= most), REACH_OF_MANY)

    def _optimize(self, prior: TunablePrior, likelihood: LikelihoodLike, z: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        z = z.clone()
        optimizer = torch.optim.Adam([z], lr=self.learning_rate)
        for _ in progress.track(range(self.steps), "Adam", self.steps):
            with torch.enable_grad():
                at = z.detach().requires_grad_()
                loss = self._loss(prior, likelihood, prior.decode(at), mask, target)
                if self.faithful:
                    loss.sum().backward()  # type: ignore[no-untyped-call]  # into all networks: the cost of the published scripts
                    z.grad = at.grad
                else:
                    (z.grad,) = torch.autograd.grad(loss.sum(), at)
            if z.grad is None or not z.grad.isfinite().all():
                raise GempyGanError("The loss of a realization is not finite. Check the data and the forward operator.")
            optimizer.step()
        return z

    def _loss(self, prior: TunablePrior, likelihood: LikelihoodLike, m: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        """The loss (n,) of realizations m."""
        loss = ((m - target.to(m)).abs() * mask.to(m)).flatten(1).sum(dim=1)
        if self.realism_weight:
            loss = loss + self.realism_weight * functional.softplus(-prior.realism(m, self.faithful))
        if len(likelihood.observed) > likelihood.hard and self.soft_weight:
            soft = likelihood.residual(m)[:, likelihood.hard :]
            loss = loss + self.soft_weight * soft.square().mean(dim=1)
        return loss


def distance_mask(likelihood: LikelihoodLike, reach: float) -> tuple[Tensor, Tensor, float]:
    """Weights and nearest data, each (c, nx, ny, nz), and the share of all weight that lies on true data (1 without any data)."""
    known, values, _ = likelihood.known
    mask, target = torch.zeros_like(values), torch.zeros_like(values)
    columns = torch.cartesian_prod(*(torch.arange(k, dtype=torch.float64) for k in known.shape[1:3]))
    for c in range(len(known)):
        for layer in torch.nonzero(known[c].flatten(0, 1).any(dim=0)).flatten().tolist():
            wells = torch.nonzero(known[c, :, :, layer])
            distance, nearest = torch.cdist(columns, wells.double(), compute_mode=EXACT).min(dim=1)
            weight = torch.where(distance <= reach, 1 / (distance + 1).sqrt(), 0.0)
            i, j = wells[nearest].T
            mask[c, :, :, layer] = weight.reshape(known.shape[1:3]).to(mask)
            target[c, :, :, layer] = values[c, i, j, layer].reshape(known.shape[1:3])
    total = float(mask.double().sum())
    return mask, target, float(mask[known].double().sum()) / total if total else 1.0
