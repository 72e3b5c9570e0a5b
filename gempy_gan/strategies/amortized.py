"""Amortized inversion: a network that learned, from simulated data of random wells, which latents data go with."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from gempy_gan import progress
from gempy_gan.errors import GempyGanError
from gempy_gan.networks.conditional_mixture import ConditionalMixture, NoisyMap
from gempy_gan.networks.well_masks import random_wells
from gempy_gan.strategies.surrogate import Information, Surrogate, SurrogatePosterior

if TYPE_CHECKING:
    from torch import Tensor

    from gempy_gan.prior import LatentPrior
    from gempy_gan.strategy import LikelihoodLike

AT_ONCE = 2**21  # cells that are decoded at once
LARGEST = 2**28  # simulated numbers that are kept: 1 GiB
HELD_OUT = 16  # one of so many simulated pairs decides which weights are kept
LOOKS = 10  # times that they are looked at,
TESTS = 4  # random designs that they are looked at on,
PATIENCE = 3  # looks without a gain after which training ends
DESIGNS, EACH = 8, 16  # well designs in one step, and simulated pairs for each
RATE = 1e-3
STOCK = 64  # random designs that are drawn together


@dataclass(frozen=True)
class Training:
    """How a network learns: `simulations` of the prior, `steps` of `objective`, a density of `components` and `rank`; `seed`
    decides all that is random."""

    simulations: int = 4096
    steps: int = 200
    objective: Literal["posterior", "reconstruction"] = "posterior"
    components: int = 4
    rank: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Observed:
    """Which data there are: hard ones in `rows` (k,) of what is simulated, known to within `std` (k,), and soft ones."""

    rows: Tensor
    std: Tensor


@dataclass(frozen=True, eq=False)
class Amortized:
    """A trained network with its surrogate: coordinates of latents given hard data of `channels` and `soft` soft data.

    What is simulated has one number for each cell of `channels`, then the soft data. `log` says how the training went.
    """

    surrogate: Surrogate
    network: nn.Module
    training: Training
    channels: tuple[int, ...]
    soft: int
    log: dict[str, Any]

    def posterior(self, observed: Observed, soft_std: Tensor) -> SurrogatePosterior:
        """The surrogate's posterior given these data."""
        hard = self.surrogate.information(observed.rows, observed.std)
        return SurrogatePosterior(self.surrogate, [hard, soft_part(self.surrogate, soft_std)])

    def draw(self, posterior: SurrogatePosterior, hidden: Tensor, noise: Tensor, uniform: Tensor) -> Tensor:
        """Coordinates (n, c) of noise (n, c) and uniform numbers (n,), for the data of `hidden` (1 or n, hidden)."""
        drawn: Tensor = self.network.draw(posterior.features(hidden), noise, uniform)  # type: ignore[operator]
        return posterior.coordinates(hidden, drawn) if self.has_density else drawn

    def log_density(self, posterior: SurrogatePosterior, hidden: Tensor, c: Tensor) -> Tensor:
        """log q(c | data), (n,), of coordinates (n, c)."""
        log: Tensor = self.network(posterior.features(hidden), posterior.standardized(hidden, c))
        return log - posterior.log_det

    @property
    def has_density(self) -> bool:
        """Whether the network is a density over latents, rather than a map."""
        return self.training.objective == "posterior"


def train(prior: LatentPrior, likelihood: LikelihoodLike, training: Training) -> Amortized:
    """Simulate pairs, fit the surrogate, and train the network on random wells and on random ones of the likelihood's wells.

    The network learns from the surrogate's posterior mean and spread, and what it learns is how the posterior differs from
    the surrogate's. Raises GempyGanError where there are too few simulations for the latents, or too many for the memory.
    """
    if not len(likelihood.observed):
        raise GempyGanError("An inference network was to be trained without data. Expected which cells are logged, or soft data.")
    generator = torch.Generator().manual_seed(training.seed)
    with torch.no_grad():
        channels = channels_of(likelihood)
        _check_number(math.prod(prior.latent_shape), training.simulations)
        z, y = simulate(prior, likelihood, channels, training.simulations, generator)
        kept = len(z) - max(1, len(z) // HELD_OUT)
        surrogate = Surrogate.fit(z[:kept], y[:kept], generator)
    network = network_of(training, surrogate)
    soft = y.shape[1] - len(channels) * math.prod(prior.shape)
    amortized = Amortized(surrogate, network, training, channels, soft, {})
    _Lesson(prior, likelihood, amortized, z, y, kept, generator).learn()
    network.eval().requires_grad_(requires_grad=False)
    return amortized


def network_of(training: Training, surrogate: Surrogate) -> nn.Module:
    """The untrained network."""
    features = 2 * surrogate.hidden
    with torch.random.fork_rng(devices=[]):  # networks are initialised from torch's own numbers
        torch.manual_seed(training.seed)
        if training.objective == "posterior":
            return ConditionalMixture(features, len(surrogate.basis), training.components, training.rank)
        return NoisyMap(features, len(surrogate.basis))


def simulate(
    prior: LatentPrior, likelihood: LikelihoodLike, channels: Sequence[int], n: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Latents (n, latents) of the prior, and what they predict (n, d) without noise: cells of the channels, then soft data."""
    latents, cells = math.prod(prior.latent_shape), math.prod(prior.shape)
    soft = len(likelihood.observed) - likelihood.hard
    width = len(channels) * cells + soft
    if n * width > LARGEST:
        raise GempyGanError(
            f"{n} simulations of {width} cells and data are too many to be kept. Expected at most {LARGEST // width} simulations."
        )
    z = torch.randn((n, latents), generator=generator)
    y = torch.empty((n, width))
    size = max(1, AT_ONCE // (len(prior.properties) * cells))
    for first in progress.track(range(0, n, size), "simulating pairs", -(-n // size)):
        part = slice(first, first + size)
        m = prior.decode(z[part].reshape(-1, *prior.latent_shape))
        y[part] = predicted(likelihood, channels, m)
    if not y.isfinite().all():
        raise GempyGanError("The data predicted from a realization are not finite. Expected numbers: check the forward operator.")
    return z, y


def _check_number(latents: int, simulations: int) -> None:
    if simulations < 2 * latents:
        raise GempyGanError(
            f"An inference network for {latents} latents was to learn from {simulations} simulations. Expected at least "
            f"{2 * latents}: raise simulations, or take a strategy that uses gradients, such as 'latent'."
        )


def predicted(likelihood: LikelihoodLike, channels: Sequence[int], m: Tensor) -> Tensor:
    """What realizations m predict (n, d): their cells of the channels, then the soft data."""
    cells = m[:, list(channels)].flatten(1)
    if likelihood.hard == len(likelihood.observed):
        return cells
    return torch.cat([cells, likelihood.predict(m)[:, likelihood.hard :]], dim=1)


def channels_of(likelihood: LikelihoodLike) -> tuple[int, ...]:
    """The channels that have hard data."""
    mask = likelihood.known[0]
    return tuple(torch.nonzero(mask.flatten(1).any(dim=1)).flatten().tolist())


def observed_of(likelihood: LikelihoodLike, channels: Sequence[int]) -> Observed:
    """The hard data that the likelihood has, as rows of what is simulated."""
    mask, _, std = (part[list(channels)].flatten() for part in likelihood.known)
    rows = torch.nonzero(mask).flatten()
    return Observed(rows, std[rows].float())


def soft_part(surrogate: Surrogate, std: Tensor) -> Information:
    """What the soft data say, which are the last rows."""
    d = len(surrogate.mean)
    return surrogate.information(torch.arange(d - len(std), d), std)


class _Designs:
    """Well designs to learn on: half of them the likelihood's own wells or some of them, half of them random wells."""

    def __init__(self, likelihood: LikelihoodLike, channels: Sequence[int], generator: torch.Generator) -> None:
        mask, _, std = (part[list(channels)] for part in likelihood.known)
        self.mask, self.std, self.generator = mask, std.float(), generator
        self.complete = observed_of(likelihood, channels)
        self.columns = torch.nonzero(mask.any(dim=3).any(dim=0))  # (wells, 2)
        self.errors = [s[m] for s, m in zip(self.std, mask, strict=True)]
        self.stock: list[Tensor] = []

    def draw(self) -> Observed:
        """One design with at least one datum, or with none where there are no hard data at all."""
        kind, share = torch.rand(2, generator=self.generator).tolist()
        if not len(self.columns) or kind < 0.25:
            return self.complete
        return self._some(share) if kind < 0.5 else self.random()

    def _some(self, share: float) -> Observed:
        chosen = torch.rand(len(self.columns), generator=self.generator) < share
        chosen[int(torch.randint(len(chosen), (), generator=self.generator))] = True
        i, j = self.columns[chosen].T
        mask = torch.zeros_like(self.mask)
        mask[:, i, j] = self.mask[:, i, j]
        return _observed(mask, self.std)

    def random(self) -> Observed:
        """Random wells on which all properties are logged, each with one of the errors that there are."""
        if not len(self.columns):
            return self.complete
        if not self.stock:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(int(torch.randint(2**62, (), generator=self.generator)))
                nx, ny, nz = self.mask.shape[1:]
                drawn = random_wells(STOCK, (nx, ny, nz))
            self.stock = [wells for wells in drawn if wells.any()]
        wells = self.stock.pop()
        picked = [e[int(torch.randint(len(e), (), generator=self.generator))] for e in self.errors]
        std = torch.stack(picked)[:, None, None, None].expand(self.mask.shape)
        return _observed(wells.expand(self.mask.shape), std)


def _observed(mask: Tensor, std: Tensor) -> Observed:
    rows = torch.nonzero(mask.flatten()).flatten()
    return Observed(rows, std.flatten()[rows])


class _Lesson:
    """The training of one network: simulated pairs, designs, and what it is held against."""

    def __init__(
        self,
        prior: LatentPrior,
        likelihood: LikelihoodLike,
        amortized: Amortized,
        z: Tensor,
        y: Tensor,
        kept: int,
        generator: torch.Generator,
    ) -> None:
        self.prior, self.likelihood, self.amortized, self.generator = prior, likelihood, amortized, generator
        self.c, self.y, self.kept = amortized.surrogate.coordinates(z), y, kept
        self.designs = _Designs(likelihood, amortized.channels, generator)
        self.soft_std = likelihood.std[likelihood.hard :].float()
        self.soft = soft_part(amortized.surrogate, self.soft_std)
        self.whole = self._posterior(self.designs.complete)

    def learn(self) -> None:
        """Take all steps; of a density, the weights that do best on the pairs held out stay, and be it the untrained ones."""
        amortized, steps = self.amortized, self.amortized.training.steps
        optimizer = torch.optim.AdamW(amortized.network.parameters(), RATE, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, steps))
        tests = self._tests()
        losses = [self._held_out(tests)]
        best = copy.deepcopy(amortized.network.state_dict())
        for step in progress.track(range(steps), "training the inference network", steps):
            with torch.enable_grad():
                loss = self._loss()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(amortized.network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if (step + 1) * LOOKS // steps > step * LOOKS // steps:
                losses.append(self._held_out(tests))
                if losses[-1] <= min(losses) or not amortized.has_density:
                    best = copy.deepcopy(amortized.network.state_dict())
                elif min(losses[-PATIENCE:]) > min(losses):
                    break
        amortized.network.load_state_dict(best)
        amortized.log["held_out"] = [round(loss, 3) for loss in losses]

    def _posterior(self, observed: Observed) -> SurrogatePosterior:
        """As the network's, with what soft data say computed once."""
        surrogate = self.amortized.surrogate
        return SurrogatePosterior(surrogate, [surrogate.information(observed.rows, observed.std), self.soft])

    def _tests(self) -> list[tuple[Observed, SurrogatePosterior, Tensor, list[Tensor]]]:
        """Pairs held out, with the noise of their data: once on the likelihood's own design, once on random ones."""
        parts = torch.arange(self.kept, len(self.c)).chunk(TESTS)
        cases = [(self.designs.complete, self.whole, index) for index in parts]
        others = [(self.designs.random(), index) for index in parts]
        cases += [(observed, self._posterior(observed), index) for observed, index in others]
        return [(observed, posterior, index, self._data(observed, index)) for observed, posterior, index in cases]

    def _held_out(self, tests: list[tuple[Observed, SurrogatePosterior, Tensor, list[Tensor]]]) -> float:
        with torch.no_grad():
            return sum(float(self._loss_of(*test)) for test in tests) / len(tests)

    def _loss(self) -> Tensor:
        losses = []
        for _ in range(DESIGNS if self.amortized.has_density else 1):  # a step through the decoder costs far more
            observed = self.designs.draw()
            posterior = self.whole if observed is self.designs.complete else self._posterior(observed)
            index = torch.randint(self.kept, (EACH,), generator=self.generator)
            losses.append(self._loss_of(observed, posterior, index, self._data(observed, index)))
        return torch.stack(losses).mean()

    def _data(self, observed: Observed, index: Tensor) -> list[Tensor]:
        """Noisy data of simulated pairs, hard and soft."""
        first = self.y.shape[1] - len(self.soft_std)
        clean = [(self.y[index[:, None], observed.rows], observed.std), (self.y[index, first:], self.soft_std)]
        return [y + std * torch.randn(y.shape, generator=self.generator) for y, std in clean]

    def _loss_of(self, observed: Observed, posterior: SurrogatePosterior, index: Tensor, data: list[Tensor]) -> Tensor:
        hidden = posterior.hidden([part for part in data if part.shape[1]])
        if self.amortized.has_density:  # neural posterior estimation: Papamakarios & Murray (2016), equation 4
            e = posterior.standardized(hidden, self.c[index])
            return -self.amortized.network(posterior.features(hidden), e).mean()  # type: ignore[no-any-return]
        return self._reconstruction(observed, posterior, hidden, data)

    def _reconstruction(self, observed: Observed, posterior: SurrogatePosterior, hidden: Tensor, data: list[Tensor]) -> Tensor:
        """Misfit and prior of the latents that the network makes of data and noise, per datum."""
        rows = slice(0, EACH)  # those held out are too many to be decoded at once
        surrogate = self.amortized.surrogate
        noise = torch.randn((len(hidden[rows]), surrogate.basis.shape[1]), generator=self.generator)
        c = self.amortized.draw(posterior, hidden[rows], surrogate.coordinates(noise), noise[:, 0])
        z = surrogate.latents(c, noise)
        m = self.prior.decode(z.reshape(-1, *self.prior.latent_shape))
        found = predicted(self.likelihood, self.amortized.channels, m)
        hard = (found[:, observed.rows] - data[0][rows]) / observed.std
        soft = (found[:, found.shape[1] - len(self.soft_std) :] - data[1][rows]) / self.soft_std
        total = hard.square().sum(dim=1) + soft.square().sum(dim=1) + z.square().sum(dim=1)
        return 0.5 * total.mean() / (len(observed.rows) + len(self.soft_std))
