"""Priors whose values are matched to a histogram: the geology stays, each value becomes the one of equal probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.likelihood import channel
from gempy_gan.prior import Prior
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.likelihood import Likelihood

REALIZATIONS = 16  # unconditional ones, whose values give the prior's own histogram
BETWEEN = 32  # points from quantile to quantile that the curve between the histograms is drawn through
APART = 1e-4  # of a histogram's range, by which its quantiles differ at least, so that each value has one counterpart
LEAST_STD = 1e-3  # of the prior's range: hard data are told no more exactly than that


class MatchedPrior(Prior):
    """Another prior with the histogram of one property changed, as normal scores change that of a Gaussian field.

    Each value of `prior` stands for the value of equal probability in the wanted histogram: `quantiles`, the wanted values at
    equally spaced probabilities from 0 to 1, smooth in between. The prior's `own` quantiles are found by sampling it once (of a
    prior made of boxes, its box), if not given. Shapes, connections and the order of values stay, and so do other properties. A
    learned prior knows what is sand and what is mud; what a log of another place reads in them it cannot know.

    Any strategy that works on `prior` works on it: `invert` draws from `prior`, given the data as it would see them.

    Raises GempyGanError for quantiles that are not two or more, finite, and rising, and an unknown property.

    >>> from gempy_gan.plugins import get_prior
    >>> field = get_prior("gaussian", shape=(32, 32, 1), property="porosity", mean=0.0, std=1.0)
    >>> matched = MatchedPrior(field, [0.1, 0.2, 0.4])  # half of the values below 0.2
    >>> values = matched.sample(20, torch.Generator().manual_seed(1))
    >>> [round(float(value), 1) for value in (values.min(), values.median(), values.max())]
    [0.1, 0.2, 0.4]
    """

    def __init__(
        self, prior: Prior, quantiles: Sequence[float], property: str | None = None, own: Sequence[float] | None = None
    ) -> None:
        wanted = _apart(_quantiles(quantiles))
        self.prior = prior
        self.properties, self.shape, self.cell_size = prior.properties, prior.shape, prior.cell_size
        self.recommended = prior.recommended  # type: ignore[misc]  # of the class elsewhere, here of the prior
        self.channel = 0 if property is None else channel(prior.properties, property)
        found = _sampled(prior, self.channel, len(wanted)) if own is None else _quantiles(own)
        if len(found) != len(wanted):
            raise GempyGanError(f"There are {len(wanted)} quantiles to match, and {len(found)} of the prior. Expected as many.")
        self.own, self.wanted = _smooth(_apart(found), wanted)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n realizations (n, c, nx, ny, nz)."""
        return self.matched(self.prior.sample(n, generator))

    def matched(self, values: Tensor) -> Tensor:
        """Realizations (n, c, nx, ny, nz) of the prior with their values replaced, differentiably."""
        parts = [*values.unbind(1)]
        parts[self.channel] = _read_off(parts[self.channel], self.own, self.wanted)
        return torch.stack(parts, dim=1)

    def unmatched(self, values: Tensor) -> Tensor:
        """What values of the property are in the prior's own histogram."""
        return _read_off(values, self.wanted, self.own)

    def unmatched_std(self, values: Tensor, std: Tensor) -> Tensor:
        """What standard deviations of values are there: half of what values one of them below and above are apart."""
        apart = (self.unmatched(values + std) - self.unmatched(values - std)) / 2
        return apart.clamp(min=LEAST_STD * float(self.own[-1] - self.own[0]))

    def state(self) -> Mapping[str, Any]:
        """The property, the wanted quantiles and the prior's own."""
        knots = {"own": self.own, "quantiles": self.wanted}
        return {"property": self.properties[self.channel].name} | {name: k[::BETWEEN].tolist() for name, k in knots.items()}


@dataclass
class Matched(Strategy):
    """What `invert` does with a MatchedPrior: `strategy` draws from the prior behind it."""

    requires = MatchedPrior

    strategy: Strategy

    @property
    def coupled(self) -> bool:  # type: ignore[override]
        """As the strategy is."""
        return self.strategy.coupled

    def check(self, prior: Prior) -> None:
        """As the strategy does, of the prior behind."""
        super().check(prior)
        self.strategy.check(prior.prior)  # type: ignore[attr-defined]

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations; their latents are those of the prior behind."""
        matched: Any = prior
        draws = self.strategy.sample(matched.prior, Unmatched(likelihood, matched), n, generator)  # type: ignore[arg-type]
        return Draws(matched.matched(draws.values), draws.latents, draws.log_weights, draws.trace)


@dataclass(frozen=True, eq=False)
class Unmatched:
    """A likelihood as the prior behind a MatchedPrior sees it: hard data in its own values, soft data of matched realizations."""

    likelihood: Likelihood
    prior: MatchedPrior

    @property
    def observed(self) -> Tensor:
        """Hard data of the property in the prior's own values, the rest as given."""
        found = self.likelihood.observed.clone()
        for own in self._own:
            found[own] = self.prior.unmatched(found[own])
        return found

    @property
    def std(self) -> Tensor:
        """Likewise."""
        found, values = self.likelihood.std.clone(), self.likelihood.observed
        for own in self._own:
            found[own] = self.prior.unmatched_std(values[own], found[own])
        return found

    @property
    def positions(self) -> Tensor:
        """As given."""
        return self.likelihood.positions

    @property
    def known(self) -> tuple[Tensor, Tensor, Tensor]:
        """As `observed` and `std`, cell by cell."""
        mask, values, std = (part.clone() for part in self.likelihood.known)
        c = self.prior.channel
        cells = mask[c]
        std[c, cells] = self.prior.unmatched_std(values[c, cells], std[c, cells])
        values[c, cells] = self.prior.unmatched(values[c, cells])
        return mask, values, std

    @property
    def hard(self) -> int:
        """As given."""
        return self.likelihood.hard

    def predict(self, m: Tensor) -> Tensor:
        """Data (n, d) of realizations (n, c, nx, ny, nz) of the prior behind."""
        direct, found = self.likelihood.predict(m) if self._own else None, self.likelihood.predict(self.prior.matched(m))
        if direct is None:
            return found
        mine = torch.zeros(found.shape[1], dtype=torch.bool, device=found.device)
        for own in self._own:
            mine[own] = True
        return torch.where(mine, direct, found)

    def residual(self, m: Tensor) -> Tensor:
        """(predicted - observed) / std, (n, d)."""
        return (self.predict(m) - self.observed.to(m)) / self.std.to(m)

    def log_prob(self, m: Tensor) -> Tensor:
        """log p(d | m), normalised, (n,)."""
        normaliser = self.std.double().log().sum() + 0.5 * torch.log(torch.tensor(2 * torch.pi)) * len(self.std)
        return -0.5 * self.residual(m).square().sum(dim=1) - float(normaliser)

    @property
    def _own(self) -> list[slice]:
        """Where hard data of the property lie among the data."""
        name = self.prior.properties[self.prior.channel].name
        return [place for part, place in self.likelihood.parts if part == name and place.stop <= self.hard]


def _quantiles(given: Sequence[float]) -> Tensor:
    try:
        found = torch.as_tensor(given, dtype=torch.float64)
    except (TypeError, ValueError):
        found = torch.zeros(0)
    if found.ndim != 1 or len(found) < 2 or not found.isfinite().all() or (found.diff() < 0).any():
        raise GempyGanError("The quantiles to match are not two or more finite numbers that never fall. Sort them.")
    return found


def _sampled(prior: Prior, channel: int, count: int) -> Tensor:
    """Quantiles (count,) of a property in unconditional realizations."""
    whole: Prior = getattr(prior, "tile", prior)
    drawn = whole.sample(REALIZATIONS, torch.Generator().manual_seed(0))[:, channel].double().flatten()
    return torch.quantile(drawn[:: -(-len(drawn) // 2**20)], torch.linspace(0, 1, count).double())


def _apart(quantiles: Tensor) -> Tensor:
    """Quantiles that rise everywhere."""
    span = float(quantiles[-1] - quantiles[0]) or 1.0
    return quantiles + APART * span * torch.linspace(0, 1, len(quantiles)).to(quantiles)


def _smooth(own: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Points on a smooth monotone curve through pairs of quantiles: kinks would stop strategies that follow gradients."""
    from scipy.interpolate import PchipInterpolator

    knots = np.arange(len(own))
    fine = np.interp(np.linspace(0, len(own) - 1, BETWEEN * (len(own) - 1) + 1), knots, own.numpy())
    return torch.from_numpy(fine), torch.from_numpy(PchipInterpolator(own.numpy(), wanted.numpy())(fine))


def _read_off(values: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Values on a broken line through points (start, end), both rising; beyond its ends the end's."""
    start, end = start.to(values), end.to(values)
    inside = values.clamp(float(start[0]), float(start[-1]))
    k = torch.searchsorted(start, inside.detach().contiguous()).clamp(1, len(start) - 1)
    share = (inside - start[k - 1]) / (start[k] - start[k - 1])
    return end[k - 1] + share * (end[k] - end[k - 1])
