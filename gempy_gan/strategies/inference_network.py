"""Inversion in one pass by a network that was trained on simulated data."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import torch

from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.prior import LatentPrior, Prior
from gempy_gan.strategies.amortized import AT_ONCE, Amortized, Training, observed_of, simulate, train
from gempy_gan.strategies.amortized_files import checked, load_amortized, save_amortized, trained_before
from gempy_gan.strategies.descent import lbfgs
from gempy_gan.strategies.match import Match
from gempy_gan.strategies.misfit import Misfit
from gempy_gan.strategy import Draws, LikelihoodLike, Strategy

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.strategies.surrogate import SurrogatePosterior

OBJECTIVES = ("posterior", "reconstruction")
CHECKED = 64  # simulated data sets of the same wells by which the spread of draws is judged,
REPEATS = 8  # and draws for each
COLLAPSED = 0.5  # spread of draws over their error below which they are too alike
UNLIKE = 2.0  # how much farther off than any of those data sets the data may be
MISSING = 0.05  # share of draws that may miss the data: an approximation has tails
AT_A_TIME = 2**20  # latents that are refined at once
TOLERANCE = 0.1  # of refined draws, in posterior standard deviations


@dataclass
class InferenceNetwork(Strategy):
    """Neural posterior estimation: a network learns q(z | data) from simulated pairs, then draws in one pass.

    Pairs are latents of the prior and what they predict, on random wells, on the wells at hand and on random ones of these,
    with noise; soft data are simulated as well. They give a linear Gaussian surrogate, whose posterior is exact for linear
    problems, and a network learns by how much the true posterior differs: a mixture of `components` Gaussians of low `rank`
    in that posterior's coordinates, trained by -log q(z | data) (Papamakarios & Murray 2016). That objective makes the network
    answer for the whole posterior, so it cannot collapse to one answer. `objective="reconstruction"` is what can: a network of
    data and noise that minimises misfit, |z|^2 included; it is there to be compared with.

    Training costs `simulations` decodes and `steps` steps (about a minute of one core for the smallest generators) and
    is done once for a prior, wells and operator: in one process the last few networks are remembered. `fit` writes one to a
    file, which `network` names, and which serves any wells of the prior with the same soft data. Equal seeds give equal
    networks on the same number of threads, and draws do not depend on whether the network was remembered.

    Draws of q are approximate. `proposals` above 1 takes each draw from so many, by its importance weight (Rubin 1988); the
    posterior is the limit, and `effective_sample_size` in the trace says how near it is. `refined` above 0 takes that many
    L-BFGS steps of randomized maximum likelihood from each draw, with the noise that made it as its prior latent: data are then
    matched as well as the prior can in so many steps (50 to 200 for wells on a generator). A GempyGanWarning says where draws
    miss the data, where draws for simulated data on the same wells spread less than they err (collapse), and where the data are
    unlike any simulated.
    """

    requires: ClassVar[type[Prior]] = LatentPrior  # type: ignore[type-abstract]

    objective: Literal["posterior", "reconstruction"] = "posterior"
    simulations: int = 4096
    steps: int = 200
    components: int = 4
    rank: int = 8
    training_seed: int = 0
    proposals: int = 1
    refined: int = 0
    network: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if self.network is not None:
            self.network = str(self.network)  # options are plain values
        if self.objective not in OBJECTIVES:
            raise GempyGanError(f"InferenceNetwork's objective is {self.objective!r}. Expected one of: {', '.join(OBJECTIVES)}.")
        counts = {name: getattr(self, name) for name in ("simulations", "components", "rank", "proposals")}
        if min(counts.values()) < 1 or min(self.steps, self.refined) < 0:
            raise GempyGanError(
                f"InferenceNetwork has {counts}, steps {self.steps} and refined {self.refined}. "
                "Expected positive numbers (steps and refined may be 0)."
            )

    def fit(self, prior: Prior, likelihood: LikelihoodLike, path: str | os.PathLike[str]) -> Path:
        """Train a network and write it to a .safetensors file, for the option `network`.

        Of the likelihood it takes which properties are logged, with what errors and where, and the soft data's operator and
        errors; not the values. Raises as `sample` does, and FormatError where the disk refuses.
        """
        self.check(prior)
        checked(path)  # before anything is computed
        given = cast("LatentPrior", prior)
        return save_amortized(train(given, likelihood, self._training()), given, likelihood, path)

    def sample(self, prior: Prior, likelihood: LikelihoodLike, n: int, generator: torch.Generator) -> Draws:
        """Draw n realizations from what the network says of the data; it is trained first, unless it was before."""
        self.check(prior)
        prior = cast("LatentPrior", prior)
        if not len(likelihood.observed):
            z = torch.randn((n, *prior.latent_shape), generator=generator)
            with torch.no_grad():
                return Draws(prior.decode(z), z)
        if self.network is None:
            amortized = trained_before(prior, likelihood, self._training())
        else:
            amortized = load_amortized(self.network, prior, likelihood)
        with torch.no_grad():
            query = _Query.of(amortized, prior, likelihood)
            z, noise, worth = query.draws(n, self.proposals, generator)
            trace: dict[str, Any] = {**worth, **query.judged(), **amortized.log}
            values = query.decode(z)
            if self.refined:
                trace["chi2_before"] = Match.of(values, likelihood).trace()["chi2"]
                z, trace["unconverged"] = self._refine(query, z, noise, generator)
                values = query.decode(z)
        match = Match.of(values, likelihood)
        if float(match.fits.double().mean()) < 1 - MISSING:
            match.warn("draws of the inference network", "raise refined, or train it longer")
        return Draws(values, z.reshape(n, *prior.latent_shape), trace={**trace, **match.trace()})

    def _training(self) -> Training:
        return Training(self.simulations, self.steps, self.objective, self.components, self.rank, self.training_seed)

    def _refine(self, query: _Query, z: Tensor, noise: Tensor, generator: torch.Generator) -> tuple[Tensor, int]:
        """Randomized maximum likelihood from each draw, with its own perturbed data; and how many have not converged."""
        perturbed = torch.randn((len(z), len(query.likelihood.observed)), generator=generator)
        misfit = Misfit(query.prior, query.likelihood, perturbed)
        rows = max(1, AT_A_TIME // z[0].numel())
        found = []
        for part in (slice(first, first + rows) for first in range(0, len(z), rows)):
            anchor, start = (x[part].reshape(-1, *query.prior.latent_shape) for x in (noise, z))
            found.append(lbfgs(misfit.of_rows(part), anchor, start, 1.0, self.refined, TOLERANCE))
        return torch.cat([f.z for f in found]).flatten(1), sum(int((~f.converged).sum()) for f in found)


@dataclass(frozen=True)
class _Query:
    """A trained network, and what its surrogate says of the data at hand."""

    amortized: Amortized
    prior: LatentPrior
    likelihood: LikelihoodLike
    posterior: SurrogatePosterior
    data: list[Tensor]
    hidden: Tensor

    @classmethod
    def of(cls, amortized: Amortized, prior: LatentPrior, likelihood: LikelihoodLike) -> _Query:
        observed = observed_of(likelihood, amortized.channels)
        values = likelihood.known[1][list(amortized.channels)].flatten()[observed.rows]
        soft, std = likelihood.observed[likelihood.hard :], likelihood.std[likelihood.hard :]
        posterior = amortized.posterior(observed, std.float())
        data = [part.float()[None] for part in (values, soft) if len(part)]
        return cls(amortized, prior, likelihood, posterior, data, posterior.hidden(data))

    def draws(self, n: int, proposals: int, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Latents and the noise that made them, (n, latents) each, one of so many proposals each; and what those are worth."""
        if proposals > 1 and not self.amortized.has_density:
            raise GempyGanError("A reconstruction has no density that weights could correct. Expected proposals = 1.")
        total, surrogate = n * proposals, self.amortized.surrogate
        noise = torch.randn((total, surrogate.basis.shape[1]), generator=generator)
        uniform = torch.rand(total, generator=generator)
        c = self.amortized.draw(self.posterior, self.hidden, surrogate.coordinates(noise), uniform)
        z = surrogate.latents(c, noise)
        if not self.amortized.has_density:
            return z, noise, {}
        log = self._log_weights(z, c)
        weights = log.softmax(dim=0)
        worth = {"proposals": total, "effective_sample_size": float(1 / weights.square().sum())}
        if proposals == 1:
            return z, noise, worth
        if worth["effective_sample_size"] < n:
            warnings.warn(
                f"{total} proposals of the inference network are worth {worth['effective_sample_size']:.1f} independent draws, "
                f"and {n} were asked for: they stay approximate. Raise proposals, or take refined=100 instead.",
                GempyGanWarning,
                stacklevel=3,
            )
        groups = log.reshape(n, proposals).softmax(dim=1)
        chosen = torch.arange(n) * proposals + torch.multinomial(groups, 1, generator=generator)[:, 0]
        return z[chosen], noise[chosen], worth

    def judged(self) -> dict[str, Any]:
        """Spread of draws over their error, and how far off the data are, both by simulated data on the same wells."""
        generator = torch.Generator().manual_seed(self.amortized.training.seed + 1)
        truth, y = simulate(self.prior, self.likelihood, self.amortized.channels, CHECKED, generator)
        data = self._noisy(y, generator)
        hidden = self.posterior.hidden(data)
        noise = torch.randn((CHECKED * REPEATS, self.posterior.size), generator=generator)
        uniform = torch.rand(len(noise), generator=generator)
        each = hidden.repeat_interleave(REPEATS, dim=0)
        drawn = self.posterior.standardized(each, self.amortized.draw(self.posterior, each, noise, uniform))
        drawn = drawn.reshape(CHECKED, REPEATS, -1)
        true = self.posterior.standardized(hidden, self.amortized.surrogate.coordinates(truth))
        error = (drawn.mean(dim=1) - true).square().mean()
        spread = float((drawn.var(dim=1).mean() * (1 + 1 / REPEATS) / error).sqrt())
        surprise = float(self.posterior.surprise(self.data) / self.posterior.surprise(data).max())
        _warn_of(spread, surprise)
        return {"spread": round(spread, 3), "surprise": round(surprise, 3)}

    def decode(self, z: Tensor) -> Tensor:
        """Realizations of flat latents, a few at once."""
        return torch.cat([self.prior.decode(part.reshape(-1, *self.prior.latent_shape)) for part in self._parts(z)])

    def _noisy(self, y: Tensor, generator: torch.Generator) -> list[Tensor]:
        observed = observed_of(self.likelihood, self.amortized.channels)
        std = self.likelihood.std[self.likelihood.hard :].float()
        first = y.shape[1] - len(std)
        clean = [(y[:, observed.rows], observed.std), (y[:, first:], std)]
        return [part + s * torch.randn(part.shape, generator=generator) for part, s in clean if len(s)]

    def _log_weights(self, z: Tensor, c: Tensor) -> Tensor:
        """log of posterior over q, (n,), float64, up to a constant; in directions beyond c, q is the prior."""
        log = torch.cat([self.likelihood.log_prob(self.decode(part)).double() for part in self._parts(z)])
        if log.isnan().any():
            raise GempyGanError("The likelihood of a realization is not a number. Check the forward operator and the data.")
        return log - 0.5 * c.double().square().sum(dim=1) - self.amortized.log_density(self.posterior, self.hidden, c).double()

    def _parts(self, z: Tensor) -> tuple[Tensor, ...]:
        cells = len(self.prior.properties) * int(torch.Size(self.prior.shape).numel())
        return torch.split(z, max(1, AT_ONCE // cells))


def _warn_of(spread: float, surprise: float) -> None:
    if spread < COLLAPSED:
        warnings.warn(
            f"The inference network has collapsed: for simulated data on these wells its draws spread {spread:.2f} of what they "
            "err. Expected about 1: they are too alike; take objective='posterior', or train it longer.",
            GempyGanWarning,
            stacklevel=4,
        )
    if surprise > UNLIKE:
        warnings.warn(
            f"The data are {surprise:.1f} times farther from what the prior expects than any of {CHECKED} simulated data sets: "
            "the network has seen nothing like them. Check the data, or take another prior.",
            GempyGanWarning,
            stacklevel=4,
        )
