"""The ensemble smoother with multiple data assimilation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.localization import by_correlation, by_distance
from gempy_gan.strategies.misfit import check_finite
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.localization import Taper

BLOCK = 2**23  # entries of the gain that are in memory at once
SHARE = 0.1  # of the members that the data may inform before an unlocalized ensemble loses too much spread
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
    - (lx, ly, lz): covariances are tapered by Gaspari & Cohn's function of the distance between latent (or cell) and datum
      and between data, zero beyond these metres; data without a place are not. It needs latents that have a place.
    - "adaptive": gains are tapered by the sample correlations themselves (Furrer & Bengtsson 2007). It needs no place, and
      helps the spread more than the mean.

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
            taper = self._taper(prior, likelihood, size)
            for alpha in progress.track(self.inflations, "ES-MDA", self.assimilations):
                residual = _residuals(likelihood, decode, state)
                if not misfits:
                    informed = _informed(residual)
                misfits.append(_chi2(residual))
                state = update(state, residual, alpha, generator, taper)
            values = torch.cat([decode(part) for part in _parts(state[:n])])
            misfits.append(_chi2(likelihood.residual(values)))
        if taper is None and informed > SHARE * size:
            warnings.warn(
                f"The data inform about {informed:.0f} directions or more and the ensemble has {size} members: without "
                f"localization its spread comes out too small. Raise members above {informed / SHARE:.0f}, or localize.",
                GempyGanWarning,
                stacklevel=2,
            )
        trace = {"members": size, "chi2": misfits, "informed_directions": informed}
        return Draws(values, state[:n] if latent is not None else None, trace=trace)

    def _taper(self, prior: Prior, likelihood: LikelihoodLike, members: int) -> Taper | None:
        if self.localization is None:
            return None
        if isinstance(self.localization, str):
            return by_correlation(members)
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

    `residual` (m, d) are the whitened residuals, so that the data errors have unit covariance. The gain is
    C_xd (C_dd + alpha I)^-1 with the covariances of state and residuals; without a taper among the data it is computed in the
    space of the m members, X' (S S' + alpha I)^-1 S, which is exact for any number of data and needs no truncation.
    """
    noise = torch.randn(residual.shape, generator=generator).to(residual)
    innovation = alpha**0.5 * (noise - noise.mean(dim=0)) - residual
    flat = state.flatten(1)
    x, s = _deviations(flat), _deviations(residual)
    if taper is not None and taper.data is not None:
        left, right = s, _solve(taper.data * (s.T @ s), alpha, innovation.T).T
    else:
        left, right = _solve(s @ s.T, alpha, s), innovation
    if taper is None:
        step: Tensor = (right @ left.T) @ x
        return state + step.reshape(state.shape)
    moved = torch.empty_like(flat)
    width = max(1, BLOCK // max(1, residual.shape[1]))
    for start in range(0, flat.shape[1], width):
        block = slice(start, start + width)
        gain = (x[:, block].T @ left) * taper.cross(block, x[:, block], s)
        moved[:, block] = flat[:, block] + right @ gain.T
    return moved.reshape(state.shape)


def _deviations(members: Tensor) -> Tensor:
    """Deviations from the mean, scaled so that their product is the sample covariance."""
    deviations: Tensor = (members - members.mean(dim=0)) / (len(members) - 1) ** 0.5
    return deviations


def _solve(matrix: Tensor, alpha: float, right: Tensor) -> Tensor:
    """(matrix + alpha I)^-1 right, for a positive semi-definite matrix."""
    shifted = matrix.double() + alpha * torch.eye(len(matrix), dtype=torch.float64)
    solved: Tensor = torch.cholesky_solve(right.double(), torch.linalg.cholesky(shifted))
    return solved.to(right)


def _residuals(likelihood: LikelihoodLike, decode: Callable[[Tensor], Tensor], state: Tensor) -> Tensor:
    residual = torch.cat([likelihood.residual(decode(part)) for part in _parts(state)])
    check_finite(residual)
    return residual


def _parts(state: Tensor) -> tuple[Tensor, ...]:
    return torch.split(state, max(1, BATCH // state[0].numel()))


def _chi2(residual: Tensor) -> float:
    return float(residual.square().mean()) if residual.numel() else 0.0


def _informed(residual: Tensor) -> float:
    """How many directions the data inform, as far as the members (m, d) can tell: trace of C_dd (C_dd + I)^-1."""
    s = _deviations(residual)
    values = torch.linalg.eigvalsh((s @ s.T).double()).clamp(min=0)
    return float((values / (1 + values)).sum())


def _itself(m: Tensor) -> Tensor:
    return m
