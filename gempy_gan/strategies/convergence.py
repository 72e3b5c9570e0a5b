"""Have Markov chains mixed? Split R-hat and effective sample size of scalar summaries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


def split_rhat(chains: Tensor) -> Tensor:
    """Split R-hat (q,) of q summaries along chains (steps, chains, q): near 1 when the chains agree (Gelman et al. 2013, 11.4).

    Each chain is halved, so that one chain that drifts disagrees with itself. NaN for fewer than 4 steps; 1 for constants.

    >>> split_rhat(torch.randn(200, 4, 1, generator=torch.Generator().manual_seed(0))).item() < 1.05
    True
    """
    half = len(chains) // 2
    if half < 2:
        return torch.full((chains.shape[2],), torch.nan, dtype=chains.dtype)
    halves = torch.cat([chains[:half], chains[-half:]], dim=1)
    within = halves.var(dim=0).mean(dim=0)
    between = halves.mean(dim=0).var(dim=0)
    return torch.where(within > 0, ((half - 1) / half + between / within).sqrt(), torch.where(between > 0, torch.inf, 1.0))


def effective_sample_size(chains: Tensor) -> Tensor:
    """Number (q,) of independent draws that all steps of all chains (steps, chains, q) are worth.

    Autocorrelations are averaged over chains and summed in pairs until a pair is negative (Geyer 1992).
    """
    steps, number, _ = chains.shape
    centred = chains - chains.mean(dim=(0, 1))
    spectrum = torch.fft.rfft(centred, n=2 * steps, dim=0)
    covariance = torch.fft.irfft(spectrum.abs().square(), n=2 * steps, dim=0)[:steps].mean(dim=1) / steps
    rho = covariance / covariance[0].clamp(min=torch.finfo(chains.dtype).tiny)
    pairs = rho[: steps // 2 * 2].reshape(-1, 2, rho.shape[1]).sum(dim=1)
    kept = (pairs > 0).cumprod(dim=0)
    time: Tensor = (2 * (pairs * kept).sum(dim=0) - 1).clamp(min=1 / (steps * number))
    return (steps * number) / time
