"""How well realizations match the data."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gempy_gan.errors import GempyGanWarning

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategy import LikelihoodLike


@dataclass(frozen=True)
class Match:
    """chi2 (n,), the mean squared whitened residual of all data, and the mean absolute error (n,) at the cells of hard data."""

    chi2: Tensor
    error: Tensor
    data: int

    @classmethod
    def of(cls, values: Tensor, likelihood: LikelihoodLike) -> Match:
        """The match of realizations (n, c, nx, ny, nz); the error is 0 where there are no hard data."""
        mask, known, _ = likelihood.known
        off = (values[:, mask] - known[mask].to(values)).abs()
        residual = likelihood.residual(values)
        return cls(residual.square().mean(dim=1), off.mean(dim=1) if off.shape[1] else off.sum(dim=1), residual.shape[1])

    @property
    def fits(self) -> Tensor:
        """Which realizations (n,) miss the data by no more than their noise explains.

        That is up to six standard deviations of the cube root of a mean of squares, which is nearly normal (Wilson & Hilferty).
        """
        most: float = (1 + 6 * (2 / (9 * max(self.data, 1))) ** 0.5) ** 3
        return self.chi2 <= most

    def trace(self) -> dict[str, Any]:
        """Plain JSON values, rounded."""
        return {"chi2": _rounded(self.chi2), "mean_absolute_error": _rounded(self.error)}

    def warn(self, what: str, remedy: str) -> None:
        """A GempyGanWarning where realizations do not fit the data."""
        missed = int((~self.fits).sum())
        if missed:
            warnings.warn(
                f"{missed} of {len(self.chi2)} {what} miss the data by more than their noise explains (median chi2 "
                f"{float(self.chi2.median()):.3g}). Expected about 1: {remedy}.",
                GempyGanWarning,
                stacklevel=3,
            )


def _rounded(found: Tensor) -> list[float]:
    return [float(f"{v:.4g}") for v in found.tolist()]
