"""What Markov chains in latent space sample: the prior times the likelihood, which may be tempered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.strategies.misfit import per_row
from gempy_gan.strategies.reference import Deviation, Reference

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import LatentPrior
    from gempy_gan.strategy import LikelihoodLike

FAR = 100.0  # a latent that no draw of the prior has: a trajectory has diverged
AT_ONCE = 2**21  # cells, or latents, that are decoded at once: no more fit into caches


@dataclass(frozen=True)
class State:
    """Where chains are: deviations (rows) from the reference's mean, log likelihoods (rows,), and their gradients (rows, k)."""

    deviation: Deviation
    log_likelihood: Tensor
    slope: Tensor

    def rows(self, index: Tensor) -> State:
        """The rows of this index."""
        return State(self.deviation.rows(index), self.log_likelihood[index], self.slope[index])

    def where(self, chosen: Tensor, other: State) -> State:
        """The rows of self where `chosen` (rows,), else those of `other`."""
        return State(
            self.deviation.where(chosen, other.deviation),
            torch.where(chosen, self.log_likelihood, other.log_likelihood),
            torch.where(chosen[:, None], self.slope, other.slope),
        )


class Target:
    """Posteriors over latents, N(z; 0, I) p(d | decode(z))^power, one `power` for each row of a state.

    States are deviations from the mean of `reference`, which is tempered as the rows are. With `slopes`, states carry the
    gradient of the log likelihood; `evaluations` counts what was decoded.
    """

    def __init__(
        self, prior: LatentPrior, likelihood: LikelihoodLike, reference: Reference, powers: Tensor, slopes: bool = False
    ) -> None:
        self.prior, self.likelihood, self.slopes = prior, likelihood, slopes
        self.untempered, self.evaluations = reference, 0
        self.temper(powers)

    def temper(self, powers: Tensor) -> None:
        """Raise the likelihood to these powers (rows,)."""
        self.powers, self.reference = powers, self.untempered.tempered(powers)

    def at(self, deviation: Deviation) -> State:
        """The state at deviations (rows); its likelihood is zero where a trajectory has diverged.

        Raises GempyGanError where the likelihood is not a number.
        """
        z = self.latents(deviation)
        lost = ~(z.flatten(1).abs().amax(dim=1) <= FAR)
        found = [self._evaluate(part) for part in self._parts(torch.where(per_row(lost, z), 0.0, z))]
        log, slope = torch.cat([log for log, _ in found]).double(), torch.cat([slope for _, slope in found])
        self.evaluations += len(log)
        if log.isnan().any():
            raise GempyGanError("The likelihood of a realization is not a number. Check the forward operator and the data.")
        return State(deviation, log.masked_fill(lost, -torch.inf), slope)

    def latents(self, deviation: Deviation) -> Tensor:
        """Deviations as latents (rows, *latent_shape)."""
        return (self.reference.mean + deviation.whole).reshape(-1, *self.prior.latent_shape)

    def decode(self, z: Tensor) -> Tensor:
        """Realizations of latents, a few at once."""
        return torch.cat([self.prior.decode(part) for part in self._parts(z)])

    def log_weight(self, state: State) -> Tensor:
        """Log of the tempered posterior over the reference, (rows,), up to a constant."""
        return self.powers * state.log_likelihood + self.reference.log_weight(state.deviation).double()

    def log_density(self, state: State) -> Tensor:
        """Log of the tempered posterior, (rows,), up to a constant."""
        z = self.reference.mean.double() + state.deviation.whole
        return self.powers * state.log_likelihood - 0.5 * z.square().sum(dim=1)

    def force(self, state: State) -> Deviation:
        """Covariance of the reference times the gradient of `log_weight`: zero where the posterior is the reference."""
        reference = self.reference
        informed = (state.deviation.inside * reference.information) @ reference.directions
        return reference.spread(self.powers.to(state.slope)[:, None] * state.slope + informed - reference.mean)

    def _evaluate(self, z: Tensor) -> tuple[Tensor, Tensor]:
        if not self.slopes:
            return self.likelihood.log_prob(self.prior.decode(z)), z.new_zeros((len(z), 0))
        with torch.enable_grad():
            leaf = z.detach().requires_grad_()
            log = self.likelihood.log_prob(self.prior.decode(leaf))
            if not log.requires_grad:  # no data
                return log, torch.zeros_like(z).flatten(1)
            (slope,) = torch.autograd.grad(log.sum(), leaf)
        return log.detach(), slope.flatten(1)

    def _parts(self, z: Tensor) -> tuple[Tensor, ...]:
        cells = len(self.prior.properties) * math.prod(self.prior.shape)
        return torch.split(z, max(1, AT_ONCE // max(cells, z[0].numel())))
