"""The ensemble smoother with multiple data assimilation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.localization import by_correlation, by_distance
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.localization import Taper

BLOCK = 2**23  # entries of the gain that are in memory at once
BATCH = 2**23  # latents that are decoded at once


@dataclass
class ESMDA(Strategy):
    """The ensemble smoother with multiple data assimilation (Emerick & Reynolds 2013).

    It needs no gradient: every update is a linear combination of the ensemble, of latents where the prior has them, else of
    the realizations themselves (which then leave the prior, unless it is Gaussian). For linear data and a Gaussian prior it
    is exact in the limit of a large ensemble; a finite one has spurious correlations, which pull the mean away and make the
    spread too small, the more the more data there are.

    `assimilations` steps use the data with their variance inflated by alpha_k, sum 1 / alpha_k = 1; `ratio` is
    alpha_(k+1) / alpha_k, below one for cautious first steps. `members` is the size of the ensemble, of which n are returned;
    None means n, a larger one costs more and has less sampling error. `localization` damps spurious correlations:

    - None: none.
    - (lx, ly, lz): tapers each gain by Gaspari & Cohn's function of the distance between latent (or cell) and datum, zero
      beyond these metres. Data without a place are not tapered. It needs latents that have a place.
    - "adaptive": tapers by the correlation itself, against what an ensemble of this size shows by chance (Luo & Bhakta 2020).

    Localization is a bias: true correlations beyond the taper are lost, so far data say too little and the spread comes out
    too large there; within it, updates are no longer combinations of the members. Compare two lengths.
    """

    coupled: ClassVar[bool] = True

    assimilations: int = 4
    ratio: float = 1.0
    members: int | None = None
    localization: Sequence[float] | Literal["adaptive"] | None = None

    def __post_init__(self) -> None:
        if self.assimilations < 1 or not self.ratio > 0:
            raise GempyGanError(
                f"ESMDA has {self.assimilations} assimilations of ratio {self.ratio}. Expected at least one, a positive ratio."
            )
        if isinstance(self.localization, str) and self.localization != "adaptive":
            raise GempyGanError(f"ESMDA's localization is {self.localization!r}. Expected None, 'adaptive' or three lengths.")

    @property
    def inflations(self) -> list[float]:
        """The factors alpha_k by which the variance of the data is inflated."""
        shares = [self.ratio**-k for k in range(self.assimilations)]
        return [sum(shares) / share for share in shares]

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Update an ensemble of prior draws and return n of its members."""
        self.check(prior)
        size = max(n, self.members or n)
        if size < 2:
            raise GempyGanError(f"ESMDA has an ensemble of {size}. Expected at least 2 members: raise n or members.")
        latent = prior if isinstance(prior, LatentPrior) else None
        decode = _itself if latent is None else latent.decode
        misfits: list[float] = []
        with torch.no_grad():
            state = (
                prior.sample(size, generator)
                if latent is None
                else torch.randn((size, *latent.latent_shape), generator=generator)
            )
            taper = self._taper(prior, likelihood, size, state[0].numel())
            for alpha in progress.track(self.inflations, "ES-MDA", self.assimilations):
                residual = _residuals(likelihood, decode, state)
                misfits.append(float(residual.square().mean()))
                state = update(state, residual, alpha, generator, taper)
            values = torch.cat([decode(part) for part in _parts(state[:n])])
            misfits.append(float(likelihood.residual(values).square().mean()))
        return Draws(values, state[:n] if latent is not None else None, trace={"members": size, "chi2": misfits})

    def _taper(self, prior: Prior, likelihood: LikelihoodLike, members: int, unknowns: int) -> Taper | None:
        if self.localization is None:
            return None
        if isinstance(self.localization, str):
            return by_correlation(members, unknowns)
        if isinstance(prior, LatentPrior):
            positions = prior.latent_positions
        else:
            cells = torch.cartesian_prod(*(torch.arange(k) for k in prior.shape)).reshape(-1, 3)
            positions = cells.repeat(len(prior.properties), 1)
        if positions is None:
            raise GempyGanError(
                f"ESMDA cannot localize by distance: the latents of {type(prior).__name__} have no place. "
                "Expected localization None or 'adaptive'."
            )
        return by_distance(positions, likelihood.positions, prior.cell_size, self.localization)


def update(state: Tensor, residual: Tensor, alpha: float, generator: torch.Generator, taper: Taper | None = None) -> Tensor:
    """One assimilation: the members `state` (m, ...) moved by the gain times their innovations.

    `residual` (m, d) are the whitened residuals, so that the data errors have unit covariance. The gain
    C_xd (C_dd + alpha I)^-1 is computed in the space of the m members, X' (S S' + alpha I)^-1 S with the deviations X and S of
    state and residuals, which is exact for any number of data and needs no truncation.
    """
    m = len(state)
    noise = torch.randn(residual.shape, generator=generator).to(residual)
    innovation = alpha**0.5 * (noise - noise.mean(dim=0)) - residual
    flat = state.flatten(1)
    deviations, data_deviations = flat - flat.mean(dim=0), residual - residual.mean(dim=0)
    gram = (data_deviations @ data_deviations.T).double() / (m - 1)
    solved = torch.linalg.solve(gram + alpha * torch.eye(m, dtype=torch.float64), data_deviations.double())
    weights = (solved / (m - 1)).to(residual)
    if taper is None:
        step: Tensor = (innovation @ weights.T) @ deviations
        return state + step.reshape(state.shape)
    moved = torch.empty_like(flat)
    width = max(1, BLOCK // residual.shape[1])
    for start in range(0, flat.shape[1], width):
        block = slice(start, start + width)
        gain = (deviations[:, block].T @ weights) * taper(block, deviations[:, block], data_deviations)
        moved[:, block] = flat[:, block] + innovation @ gain.T
    return moved.reshape(state.shape)


def _residuals(likelihood: LikelihoodLike, decode: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    residual = torch.cat([likelihood.residual(decode(part)) for part in _parts(state)])
    if not residual.isfinite().all():
        raise GempyGanError("The data predicted from a realization are not finite. Check the forward operator.")
    return residual


def _parts(state: Tensor) -> tuple[Tensor, ...]:
    return torch.split(state, max(1, BATCH // state[0].numel()))


def _itself(m: Tensor) -> Tensor:
    return m
