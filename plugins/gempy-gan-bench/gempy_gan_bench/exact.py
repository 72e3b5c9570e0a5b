"""Strategies against a posterior that is known: a mixture of simulated tiles, seen by a well and by seismic."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from gempy_gan import Constraints, GempyGanError, Grid, HardData, SoftData, Strategy, get_prior
from gempy_gan.likelihood import Likelihood
from gempy_gan.prior import Simulator
from gempy_gan.priors.exact import MixturePosterior, mixture_posterior
from gempy_gan.priors.mixture import MixturePrior
from gempy_gan.strategies.dps import DPS
from gempy_gan.strategies.guided import Guided
from gempy_gan.strategies.mmps import MMPS
from gempy_gan.strategies.pigdm import PiGDM
from gempy_gan.strategies.repaint import RePaint
from gempy_gan.strategies.twisted import Twisted
from gempy_gan_bench.protocol import CELL_SIZE, PROPERTY

if TYPE_CHECKING:
    from torch import Tensor

SIDE = 8  # cells of a tile along each axis
SIGMA = 0.05  # spread around each tile
WELL = (3, 4)  # the column that is drilled
SEED = 27_182  # of the simulations that tiles are cut from
MIXED = (0.1, 0.9)  # mean coarse fraction of tiles that are taken: plain sand and plain mud would be copies of each other
EFFECTIVE = 3.0  # modes that weak data leave at least, 1 / sum(w^2)
TRIED = 50  # truths, until data leave so many
FIGURES = ("modes", "tv_floor", "tv", "variance_ratio", "cpu_s")

STRATEGIES: Mapping[str, Strategy] = {
    "guided": Guided(),
    "pigdm": PiGDM(),
    "dps": DPS(),
    "dps honoured": DPS(noise="honoured"),
    "mmps": MMPS(),
    "repaint": RePaint(),
    "twisted": Twisted(),
    "twisted pigdm": Twisted(PiGDM()),
}


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the well's values, and of the seismic, of which a trace of sand and mud has about 0.5."""

    well: float
    seismic: float


NOISE = {"weak": Noise(0.3, 2.0), "strong": Noise(0.02, 0.1)}


@dataclass(frozen=True, eq=False)
class Case:
    """Data on a mixture of tiles, and the posterior. `modes` are how many tiles are effectively left, 1 / sum(w^2)."""

    name: str
    prior: MixturePrior
    likelihood: Likelihood
    posterior: MixturePosterior
    truth: int

    @property
    def modes(self) -> float:
        """How many tiles are effectively left."""
        return float(1 / self.posterior.weights.square().sum())


@dataclass(frozen=True)
class Score:
    """How far draws are from the posterior.

    `tv` is the total variation between the share of the draws in each mode and its exact probability. `variance_ratio` is
    the mean square deviation of draws from the exact mean of their modes, over the exact variance within them.
    """

    tv: float
    variance_ratio: float


def tiles(number: int) -> Tensor:
    """Coarse fraction (number, 1, 8, 8, 8) of tiles cut out of simulated deposits, the same ones in every run."""
    simulator = cast("Simulator", get_prior("fluvial-simulator", shape=(8 * SIDE, 8 * SIDE, 2 * SIDE)))
    found: list[Tensor] = []
    for seed in range(SEED, SEED + number):
        volume = torch.from_numpy(simulator.simulate(seed)[0][:1])
        cut = volume[:, :, :, SIDE // 2 : SIDE // 2 + SIDE].unfold(1, SIDE, 2 * SIDE).unfold(2, SIDE, 2 * SIDE)
        found += [tile for tile in cut.permute(1, 2, 0, 4, 5, 3).flatten(0, 1) if MIXED[0] < float(tile.mean()) < MIXED[1]]
        if len(found) >= number:
            return torch.stack(found[:number])
    raise GempyGanError(f"Only {len(found)} of {number} tiles hold both sand and mud. Ask for fewer.")


def traces(m: Tensor) -> Tensor:
    """Seismic: the vertical difference, convolved with a Ricker wavelet, in every cell (n, 512)."""
    lag = math.pi * 0.25 * torch.arange(-4, 5).to(m)
    wavelet = (1 - 2 * lag**2) * torch.exp(-(lag**2))
    contrast = torch.nn.functional.pad(m[:, 0].diff(dim=-1) / 2, (0, 1))
    found = torch.nn.functional.conv1d(contrast.reshape(-1, 1, contrast.shape[-1]), wavelet[None, None], padding=4)
    return found.reshape(len(m), -1)


def cases(number: int, seed: int = 0) -> Iterator[Case]:
    """Well alone and with seismic, weak and strong data, on a prior of so many tiles; weak ones of a truth that stays unclear."""
    prior = MixturePrior(tiles(number), SIGMA, [PROPERTY], CELL_SIZE)
    for strength, noise in NOISE.items():
        for seismic in (False, True):
            name = f"{'WS' if seismic else 'W'}, {strength}, {number} tiles"
            yield (
                _unclear(prior, noise, seismic, name, seed) if strength == "weak" else _case(prior, noise, seismic, name, seed, 0)
            )


def score(case: Case, values: Tensor, log_weights: Tensor | None = None) -> Score:
    """The score of draws (n, 1, 8, 8, 8)."""
    n = len(values)
    weight = torch.full((n,), 1 / n, dtype=torch.float64) if log_weights is None else log_weights.double().exp()
    belongs = case.prior.component_weights(values, 0.0)
    mode = belongs.argmax(dim=1)
    deviation = (values.double().flatten(1) - case.posterior.means[mode]).square().sum(dim=1)
    variance = case.posterior.covariance(0).diagonal().sum()  # linear data: the same in all modes
    tv = 0.5 * (weight @ belongs - case.posterior.weights).abs().sum()
    return Score(float(tv), float(weight @ deviation / variance))


def floor(case: Case, n: int, repeats: int = 200) -> float:
    """The mean total variation that n exact draws have."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.multinomial(case.posterior.weights, n * repeats, True, generator=generator).reshape(repeats, n)
    shares = torch.nn.functional.one_hot(drawn, len(case.posterior.weights)).double().mean(dim=1)
    return float(0.5 * (shares - case.posterior.weights).abs().sum(dim=1).mean())


def rows(case: Case, strategies: Mapping[str, Strategy], n: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """What each strategy makes of a case with n draws, as plain JSON values; None where it cannot do it."""
    least = floor(case, n)
    for name, strategy in strategies.items():
        row = {"case": case.name, "strategy": name, "n": n, "seed": seed, "modes": case.modes, "tv_floor": least}
        start = time.process_time()
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                draws = strategy.sample(case.prior, case.likelihood, n, torch.Generator().manual_seed(seed))
        except GempyGanError as error:
            yield {**row, "tv": None, "variance_ratio": None, "cpu_s": None, "warnings": [str(error)]}
            continue
        found = score(case, draws.values, draws.log_weights)
        spent = {"cpu_s": round(time.process_time() - start, 2), "warnings": [str(w.message) for w in caught]}
        yield {**row, "tv": found.tv, "variance_ratio": found.variance_ratio, **spent}


def means(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each case and strategy: the figures of its seeds averaged, None where a strategy cannot do it."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in found:
        groups.setdefault((row["case"], row["strategy"]), []).append(row)
    return [
        {"case": case, "strategy": strategy, **{key: _mean([row[key] for row in rows]) for key in FIGURES}}
        for (case, strategy), rows in groups.items()
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """A table of rows: total variation beside its floor, variance ratio, CPU seconds."""
    lines = [f"{'case':22}{'modes':>6}  {'strategy':14}{'TV':>7}{'floor':>7}{'var.':>7}{'CPU s':>8}"]
    for row in found:
        head = f"{row['case']:22}{row['modes']:6.1f}  {row['strategy']:14}"
        if row["tv"] is None:
            lines.append(f"{head}{'-':>7}{row['tv_floor']:7.3f}{'-':>7}{'-':>8}")
        else:
            lines.append(f"{head}{row['tv']:7.3f}{row['tv_floor']:7.3f}{row['variance_ratio']:7.2f}{row['cpu_s']:8.1f}")
    return "\n".join(lines)


def _unclear(prior: MixturePrior, noise: Noise, seismic: bool, name: str, seed: int) -> Case:
    """The first truth whose data leave enough modes."""
    for truth in range(TRIED):
        case = _case(prior, noise, seismic, name, seed, truth)
        if case.modes >= EFFECTIVE:
            return case
    raise GempyGanError(
        f"None of {TRIED} truths leaves {EFFECTIVE:g} modes open ({name}). Raise the noise, or the number of tiles."
    )


def _case(prior: MixturePrior, noise: Noise, seismic: bool, name: str, seed: int, truth: int) -> Case:
    """The data of a tile of the prior, drawn as the prior draws it."""
    rng = np.random.default_rng([seed, truth])
    box = (
        prior.examples[truth % len(prior.examples)]
        + SIGMA * torch.from_numpy(rng.standard_normal(prior.examples[0].shape)).float()
    )
    cells = np.array([(*WELL, k) for k in range(SIDE)])
    logged = box[0].numpy()[tuple(cells.T)] + noise.well * rng.standard_normal(SIDE)
    terms: list[HardData | SoftData] = [HardData(cells, logged, noise.well, PROPERTY)]
    if seismic:
        clean = traces(box[None])[0].numpy()
        terms.append(SoftData(clean + noise.seismic * rng.standard_normal(len(clean)), noise.seismic, traces))
    dx, dy, dz = CELL_SIZE
    grid = Grid((0, SIDE * dx, 0, SIDE * dy, 0, SIDE * dz), (SIDE, SIDE, SIDE))
    likelihood = Likelihood.of(Constraints(grid, *terms), prior)
    return Case(name, prior, likelihood, mixture_posterior(prior, likelihood), truth)
