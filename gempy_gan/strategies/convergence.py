"""Have Markov chains converged? R-hat and effective sample size, and the rule that both must meet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

RHAT = 1.01  # the most that converged chains may have (Vehtari et al. 2021, section 4.3)
ENOUGH = 400  # effective draws that R-hat and the sample sizes themselves need to be reliable (the same)
TAILS = (0.05, 0.95)  # quantiles whose effective sample size is that of the tails


@dataclass(frozen=True)
class Convergence:
    """The worst R-hat and the least effective sample size of what is watched; NaN where there is too little to tell.

    `needed` is how many effective draws there must be.
    """

    rhat: float
    effective: float
    needed: float = ENOUGH

    @property
    def reached(self) -> bool:
        """R-hat at most 1.01, and enough effective draws; never where either is NaN."""
        return self.rhat <= RHAT and self.effective >= self.needed


def convergence(watched: Tensor, needed: float = ENOUGH) -> Convergence:
    """Rank-normalised split R-hat and the lesser of bulk and tail effective sample size, over summaries (steps, chains, q).

    Both are those of Vehtari et al. (2021), as arviz-stats computes them. A summary that is the same number everywhere counts as
    converged. R-hat wants two chains and four steps.

    >>> import torch
    >>> found = convergence(torch.randn(1000, 4, 1, generator=torch.Generator().manual_seed(0)))
    >>> found.reached, round(found.rhat, 2)
    (True, 1.0)
    >>> convergence(torch.randn(3, 4, 1)).reached
    False
    """
    from arviz_stats.base import array_stats

    steps, chains, _ = watched.shape
    values = watched.double().numpy()
    values = values[..., np.ptp(values, axis=(0, 1)) > 0]
    if not values.shape[2]:
        return Convergence(1.0, float(steps * chains), needed)
    with np.errstate(divide="ignore", invalid="ignore"):  # chains that never move differ by infinitely much
        rhat = array_stats.rhat(values, chain_axis=1, draw_axis=0)
        bulk = array_stats.ess(values, chain_axis=1, draw_axis=0, method="bulk")
        tail = array_stats.ess(values, chain_axis=1, draw_axis=0, method="tail", prob=TAILS)
    return Convergence(float(rhat.max()), float(np.minimum(bulk, tail).min()), needed)
