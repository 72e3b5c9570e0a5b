"""Any strategy on data whose noise or amplitude is not known: both are estimated from what realizations leave unexplained."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import Prior
from gempy_gan.strategies.guided import Guided
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

LAGS = 16  # over which residuals may resemble each other, in the order of the data
SUSPECT = 3.0  # times the stated noise: more than that is an error of the forward operator


@dataclass
class Robust(Strategy):
    """Run `strategy` (None is `guided`) with the noise of the data, and on request their amplitude, estimated from the data.

    A wrong wavelet, velocity, rock physics or noise level leaves residuals that the stated noise does not explain, and draws that
    are far too sure. Here `pilot` draws are made `rounds` times; after each, every kind of data (hard data only with `hard`)
    gets the noise that these draws leave unexplained: std^2 times the mean of their squared residuals, which is the M step of
    expectation maximization, and never less than stated. Errors of a model are alike in neighbouring samples, so the
    variance is raised once more by 1 + 2 sum(rho_k^2), rho_k the autocorrelation of residuals in the order of the data
    (Bartlett 1946): so many data carry the information of one.

    `amplitude` above 0 is the standard deviation that the scale of soft data, amplitudes over predictions, has around 1;
    their scale is estimated along. Estimates are shared by all draws: their own uncertainty, small for hundreds of data, is
    left out.

    The trace has `noise_scale` (times the stated standard deviation) and `amplitude` of the data other than hard, and
    `hard_noise_scale`. A GempyGanWarning says when the noise had to be trebled: then look for what is wrong.
    """

    strategy: Strategy | None = None
    amplitude: float = 0.0
    hard: bool = False
    pilot: int = 16
    rounds: int = 4

    def __post_init__(self) -> None:
        if self.amplitude < 0 or self.pilot < 2 or self.rounds < 1:
            raise GempyGanError(
                f"Robust got amplitude {self.amplitude}, pilot {self.pilot} and {self.rounds} rounds. "
                "Expected an amplitude of 0 or more, 2 or more pilot draws, 1 round or more."
            )

    @property
    def inner(self) -> Strategy:
        """The strategy that draws."""
        return self.strategy or Guided()

    @property
    def requires(self) -> type[Prior]:  # type: ignore[override]
        """As the strategy does."""
        return self.inner.requires

    @property
    def coupled(self) -> bool:  # type: ignore[override]
        """As the strategy is."""
        return self.inner.coupled

    def check(self, prior: Prior) -> None:
        """As the strategy does."""
        self.inner.check(prior)

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations."""
        self.check(prior)
        found = Rescaled(likelihood)
        for _ in range(self.rounds if len(likelihood.observed) else 0):
            found = self._estimated(found, self.inner.sample(prior, found, self.pilot, generator).values)
        if max(found.noise_scale, found.hard_noise_scale) > SUSPECT:
            scaled = f"{found.noise_scale:.1f} (hard data by {found.hard_noise_scale:.1f})"
            warnings.warn(
                f"The noise of the data had to be scaled by {scaled} before realizations explained them. "
                "Check wavelet, velocity, rock physics and units.",
                GempyGanWarning,
                stacklevel=2,
            )
        draws = self.inner.sample(prior, found, n, generator)
        return Draws(draws.values, draws.latents, draws.log_weights, {**draws.trace, **found.record()})

    def _estimated(self, at: Rescaled, values: Tensor) -> Rescaled:
        """Noise and amplitude that these draws imply."""
        likelihood, hard = at.likelihood, at.hard
        with torch.no_grad():
            predicted = likelihood.predict(values).double() / likelihood.std.double()
        observed = likelihood.observed.double() / likelihood.std.double()
        amplitude, noise, sure = at.amplitude, at.noise_scale, at.hard_noise_scale
        if len(observed) > hard:
            soft, data = predicted[:, hard:], observed[hard:]
            if self.amplitude:
                precision = noise**2 / self.amplitude**2
                both, square = (soft @ data).mean(), soft.square().sum(dim=1).mean()
                amplitude = float((both + precision) / (square + precision))
            noise = _unexplained(amplitude * soft - data)
        if self.hard and hard:
            sure = _unexplained(predicted[:, :hard] - observed[:hard])
        return Rescaled(likelihood, noise, sure, amplitude)


@dataclass(frozen=True, eq=False)
class Rescaled:
    """A likelihood whose soft data have `noise_scale` times their standard deviation and are `amplitude` times what is predicted;
    hard data have `hard_noise_scale` times theirs."""

    likelihood: LikelihoodLike
    noise_scale: float = 1.0
    hard_noise_scale: float = 1.0
    amplitude: float = 1.0

    @property
    def observed(self) -> Tensor:
        """As given."""
        return self.likelihood.observed

    @property
    def std(self) -> Tensor:
        """Rescaled."""
        return self.likelihood.std * self._each(self.hard_noise_scale, self.noise_scale)

    @property
    def positions(self) -> Tensor:
        """As given."""
        return self.likelihood.positions

    @property
    def known(self) -> tuple[Tensor, Tensor, Tensor]:
        """With rescaled standard deviations."""
        mask, values, std = self.likelihood.known
        return mask, values, std * self.hard_noise_scale

    @property
    def hard(self) -> int:
        """As given."""
        return self.likelihood.hard

    def predict(self, m: Tensor) -> Tensor:
        """Data (n, d), soft ones rescaled."""
        return self.likelihood.predict(m) * self._each(1.0, self.amplitude).to(m)

    def residual(self, m: Tensor) -> Tensor:
        """(predicted - observed) / std, (n, d)."""
        return (self.predict(m) - self.observed.to(m)) / self.std.to(m)

    def log_prob(self, m: Tensor) -> Tensor:
        """log p(d | m), normalised, (n,)."""
        normaliser = self.std.double().log().sum() + 0.5 * math.log(2 * math.pi) * len(self.std)
        return -0.5 * self.residual(m).square().sum(dim=1) - float(normaliser)

    def record(self) -> dict[str, Any]:
        """For the trace."""
        return {"noise_scale": self.noise_scale, "hard_noise_scale": self.hard_noise_scale, "amplitude": self.amplitude}

    def _each(self, hard: float, soft: float) -> Tensor:
        scale = torch.full_like(self.likelihood.std, soft)
        scale[: self.hard] = hard
        return scale


def _unexplained(residual: Tensor) -> float:
    """By how much the standard deviation must be multiplied for these residuals (n, d), 1 or more."""
    d = residual.shape[1]
    square = residual.square().mean()
    lags = range(1, min(LAGS, d - 1) + 1)
    alike = [float((residual[:, k:] * residual[:, :-k]).mean() / square) ** 2 - 1 / d for k in lags]
    return math.sqrt(max(1.0, float(square) * (1 + 2 * max(0.0, sum(alike)))))
