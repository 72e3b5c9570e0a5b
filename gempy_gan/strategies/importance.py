"""Importance weights of draws from an approximation: what they are worth, and smoothed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

TRUSTED = 0.7  # largest k-hat of weights that can be used (Vehtari et al. 2024)


@dataclass(frozen=True)
class Importance:
    """Smoothed log weights (n,), which sum to one after exp, and what they are worth.

    `khat` is the shape of the generalized Pareto distribution that fits the largest weights: above 0.7 they are too uneven for
    anything that is computed with them. `effective` is 1 / sum(w^2) of the smoothed weights, `log_evidence` the log mean of
    the weights as they were.
    """

    log_weights: Tensor
    khat: float
    effective: float
    log_evidence: float

    @property
    def trusted(self) -> bool:
        """Whether k-hat lets the weights be used."""
        return self.khat <= TRUSTED


def pareto_smoothed(log: Tensor) -> Importance:
    """Log weights (n,), up to a constant, smoothed (Vehtari, Simpson, Gelman, Yao & Gabry 2024, JMLR 25(72)).

    >>> even = pareto_smoothed(torch.randn(1000, generator=torch.Generator().manual_seed(0)) / 10)
    >>> even.trusted, round(even.effective, -1)
    (True, 990.0)
    """
    from arviz_stats.base import array_stats

    log = log.double()
    evidence = float(log.logsumexp(dim=0)) - math.log(len(log))
    if float(log.max() - log.min()) < 1e-6:  # equal weights have no tail to fit
        return Importance(torch.full_like(log, -math.log(len(log))), 0.0, float(len(log)), evidence)
    found, khat = array_stats.psislw(-log.numpy())  # which takes them for log likelihoods that were left out
    smoothed = torch.as_tensor(found).log_softmax(dim=0)
    shape = float(khat) if math.isfinite(float(khat)) else math.inf
    return Importance(smoothed, shape, float(1 / (2 * smoothed).exp().sum()), evidence)
