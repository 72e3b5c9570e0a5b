"""Importance sampling from the prior, resampled."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from gempy_gan import progress
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import FinitePrior, Prior
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

BATCH_CELLS = 2**22  # cells of the proposals that are in memory at once


@dataclass
class Rejection(Strategy):
    """Importance sampling with the prior as proposal: weights are likelihoods, and n draws are resampled from them.

    Right for any prior and any data, but only where the data say little: the effective sample size 1 / sum(w^2) falls
    exponentially with their information. It stands in the trace, with the log evidence, and a GempyGanWarning is given when
    it is below n, since the draws then repeat each other and the spread is too small. A FinitePrior needs no proposals: its
    examples are weighted one by one, which is exact.

    `proposals` are drawn in batches and drawn again, from the same seeds, when they are chosen, so that memory stays bounded.
    Resampling is systematic (Carpenter, Clifford & Fearnhead 1999): a proposal of weight w is drawn n w times, to within one.
    """

    coupled: ClassVar[bool] = True

    proposals: int = 10_000

    def __post_init__(self) -> None:
        if self.proposals < 1:
            raise GempyGanError(f"Rejection is asked for {self.proposals} proposals. Expected at least 1.")

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations from the weighted proposals."""
        self.check(prior)
        candidates = _Examples(prior) if isinstance(prior, FinitePrior) else _Proposals(prior, self.proposals, generator)
        with torch.no_grad():
            log = torch.cat([_log_prob(likelihood, m) for m in candidates.batches("weighing proposals")])
            weights = torch.softmax(log, dim=0)
            chosen = systematic(weights, n, generator)
            values = candidates.take(chosen)
        effective = float(1 / weights.square().sum())
        if effective < n and not isinstance(prior, FinitePrior):
            warnings.warn(
                f"{len(weights)} proposals are worth {effective:.1f} independent draws, and {n} were asked for: the draws repeat "
                f"each other ({len(set(chosen.tolist()))} differ) and their spread is too small. "
                "Raise proposals, or take another strategy.",
                GempyGanWarning,
                stacklevel=2,
            )
        return Draws(values, trace=_trace(log, effective, chosen))


def systematic(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """n indices (n,) drawn with these probabilities (N,), each within one of n times its probability, in random order."""
    offset = torch.rand((), generator=generator, dtype=torch.float64)
    edges = weights.double().cumsum(0)
    index = torch.searchsorted(edges / edges[-1], (torch.arange(n) + offset) / n).clamp(max=len(weights) - 1)
    return index[torch.randperm(n, generator=generator)]


class _Examples:
    """The realizations of a finite prior as candidates."""

    def __init__(self, prior: FinitePrior) -> None:
        self.examples = prior.examples

    def batches(self, label: str) -> Iterator[Tensor]:
        parts = torch.split(self.examples, _batch(tuple(self.examples.shape[1:])))
        return progress.track(parts, label, len(parts))

    def take(self, chosen: Tensor) -> Tensor:
        return self.examples[chosen]


class _Proposals:
    """Draws of the prior, each batch from a seed of its own so that it can be drawn again."""

    def __init__(self, prior: Prior, number: int, generator: torch.Generator) -> None:
        self.prior, self.number = prior, number
        self.size = _batch((len(prior.properties), *prior.shape))
        self.seeds = torch.randint(2**62, (-(-number // self.size),), generator=generator).tolist()

    def batches(self, label: str) -> Iterator[Tensor]:
        return progress.track((self._draw(k) for k in range(len(self.seeds))), label, len(self.seeds))

    def take(self, chosen: Tensor) -> Tensor:
        values = torch.empty((len(chosen), len(self.prior.properties), *self.prior.shape))
        batch = chosen // self.size
        for k in sorted(set(batch.tolist())):
            values[batch == k] = self._draw(k)[chosen[batch == k] - k * self.size]
        return values

    def _draw(self, k: int) -> Tensor:
        size = min(self.size, self.number - k * self.size)
        return self.prior.sample(size, torch.Generator().manual_seed(self.seeds[k]))


def _batch(shape: tuple[int, ...]) -> int:
    return max(1, BATCH_CELLS // int(torch.Size(shape).numel()))


def _log_prob(likelihood: LikelihoodLike, m: Tensor) -> Tensor:
    log = likelihood.log_prob(m).double()
    if log.isnan().any():
        raise GempyGanError("The likelihood of a realization is not a number. Check the forward operator and the data.")
    return log


def _trace(log: Tensor, effective: float, chosen: Tensor) -> dict[str, float | int]:
    evidence = float(torch.logsumexp(log, dim=0) - torch.tensor(float(len(log))).log())
    return {
        "proposals": len(log),
        "effective_sample_size": effective,
        "log_evidence": evidence,
        "distinct": len(set(chosen.tolist())),
    }
