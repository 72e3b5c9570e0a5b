"""Parallel tempering: replicas of Markov chains at rising temperatures, which swap their states."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SMALLEST = 1e-3  # rejection that a pair of temperatures counts with at least, so that none collapses onto its neighbour


class Ladder:
    """Temperatures T_0 = 1 < T_1 < ... < T_(r-1) = `hottest`: replica i samples prior times likelihood^(1 / T_i).

    Rows of states are sorted by temperature: row i * chains + j is chain j at temperature i. Neighbours swap their states with
    the probability that leaves both distributions as they are, even pairs and odd pairs in turn (Okabe et al. 2001; Syed et al.
    2022 show that turns beat chance). `powers` (r,) are the 1 / T_i, geometric at first.
    """

    def __init__(self, replicas: int, hottest: float, chains: int) -> None:
        self.powers = (
            torch.logspace(0, -np.log10(hottest), replicas, dtype=torch.float64) if replicas > 1 else torch.ones(1).double()
        )
        self.chains, self.turn = chains, 0
        self.forget()

    @property
    def rows(self) -> Tensor:
        """The power of each row of a state, (r * chains,)."""
        return self.powers.repeat_interleave(self.chains)

    @property
    def acceptance(self) -> Tensor:
        """Mean probability of a swap between each temperature and the next, (r - 1,); NaN where none was tried."""
        share: Tensor = self._accepted / self._tried
        return share

    def forget(self) -> None:
        """Start the acceptance anew."""
        self._accepted, self._tried = torch.zeros(2, len(self.powers) - 1).double()

    def swap(self, log_likelihood: Tensor, generator: torch.Generator) -> Tensor:
        """The order (rows,) in which the states go on, given their log likelihoods (rows,)."""
        log = log_likelihood.reshape(len(self.powers), self.chains)
        order = torch.arange(log.numel()).reshape(log.shape)
        lower = torch.arange(self.turn, len(self.powers) - 1, 2)
        self.turn = 1 - self.turn
        if len(lower):
            gap = (self.powers[lower] - self.powers[lower + 1])[:, None]
            probability = (gap * (log[lower + 1] - log[lower])).clamp(max=0).exp()
            swapped = torch.rand(probability.shape, generator=generator, dtype=torch.float64) < probability
            low, high = order[lower], order[lower + 1]
            order[lower], order[lower + 1] = torch.where(swapped, high, low), torch.where(swapped, low, high)
            self._accepted[lower] += probability.mean(dim=1)
            self._tried[lower] += 1
        return order.flatten()

    def adapt(self) -> None:
        """Move the temperatures between the first and the last so that all swaps are about as likely (Syed et al. 2022, eq. 26).

        Rejections add up to the communication barrier, which is taken as linear in log T between old temperatures and divided
        into equal shares.
        """
        if (self._tried == 0).any():
            return
        rejection = (1 - self.acceptance).clamp(min=SMALLEST).numpy()
        barrier = np.concatenate([[0.0], np.cumsum(rejection)])
        shares = np.linspace(0, barrier[-1], len(barrier))
        logs = torch.as_tensor(np.interp(shares, barrier, np.log(self.powers.numpy())))
        self.powers[1:-1] = logs[1:-1].exp()
        self.forget()
