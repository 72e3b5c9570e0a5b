"""One case: a truth, its data, draws of the posterior, and where the truth lies among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gempy_gan import Constraints, Ensemble, Grid, HardData, scores
from gempy_gan.likelihood import Likelihood
from gempy_gan.strategies.rejection import systematic
from gempy_gan_bench import observations
from gempy_gan_bench.calibration.ranks import position
from gempy_gan_bench.calibration.reliability import tables
from gempy_gan_bench.calibration.scalars import FIT, scalars
from gempy_gan_bench.calibration.sources import truth
from gempy_gan_bench.calibration.subject import Subject, seed_of
from gempy_gan_bench.calibration.tarp import tarp_position
from gempy_gan_bench.inverting import inverted

DATA, DRAWS, RANKS, RESAMPLING = range(41, 45)  # streams of seeds
CANDIDATES = 16  # prior draws of which the best fitting one is TARP's reference point
SCORED = 1024  # cells, evenly picked, of which the CRPS is taken
AT_ONCE = 16  # realizations whose data are predicted at once
HISTOGRAM = 20

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Case:
    """A truth (nx, ny, nz), what is known of it, the columns (k, 2) of its wells, and one more column, without data."""

    truth: Array
    constraints: Constraints
    wells: NDArray[np.int64]
    column: tuple[int, int]


def observed(subject: Subject, number: int, values: Array) -> Case:
    """The data of a truth (nx, ny, nz): the number of its wells, their columns and all noise are drawn by plan and number."""
    plan, (nx, ny, nz) = subject.plan, subject.grid.resolution
    rng = np.random.default_rng([plan.seed, number, DATA])
    count = int(rng.integers(plan.wells[0], plan.wells[1] + 1))
    picked = rng.choice(nx * ny, count + 1, replace=False)
    columns = np.column_stack(np.divmod(picked, ny))
    cells = np.column_stack([np.repeat(columns[:count], nz, axis=0), np.tile(np.arange(nz), count)])
    noisy = values[tuple(cells.T)] + subject.noise * rng.standard_normal(len(cells))
    names = np.repeat([f"W-{k + 1}" for k in range(count)], nz)
    terms: list[Any] = [HardData(cells, noisy, subject.noise, subject.prop, names)] if count else []
    if plan.seismic:
        survey, std = _survey(subject.grid), seismic_std(subject)
        signal = survey.forward(torch.as_tensor(values)[None, None])[0].numpy()
        terms.append(survey.data(signal + std * rng.standard_normal(signal.size), std))
    return Case(values, Constraints(subject.grid, *terms), columns[:count], (int(columns[-1, 0]), int(columns[-1, 1])))


def seismic_std(subject: Subject) -> float:
    """Noise of the seismic: a share of the signal of unconditional realizations, the same for every truth. One of the truth's own
    signal would say something of the truth that no likelihood knows."""
    signal = _survey(subject.grid).forward(torch.as_tensor(subject.pool)[:, None])
    return subject.plan.seismic_noise * float(signal.square().mean().sqrt())


@lru_cache(maxsize=1)
def _survey(grid: Grid) -> observations.Survey:
    return observations.survey(grid)


def computed(subject: Subject, number: int) -> dict[str, Any]:
    """All that is found of truth `number`, as plain JSON values."""
    whole = truth(subject, number)
    case = observed(subject, number, whole[subject.channel].astype(np.float64))
    ensemble, spent = inverted(
        subject.prior, subject.strategy, case.constraints, subject.plan.n, seed_of(subject.plan.seed, number, DRAWS)
    )
    draws = equally_weighted(ensemble, seed_of(subject.plan.seed, number, RESAMPLING))
    effective = scores.effective_sample_size(ensemble.weights)
    about = {"number": number, "wells": len(case.wells), "effective": effective, **spent}
    rng = np.random.default_rng([subject.plan.seed, number, RANKS])
    return {**about, **figures(subject, case, whole, draws, rng)}


def equally_weighted(ensemble: Ensemble, seed: int) -> NDArray[np.float32]:
    """Realizations (n, c, nx, ny, nz) of equal weight: as they are, or resampled by their weights, so that some are repeated."""
    values, weights = ensemble.values, ensemble.weights
    if np.allclose(weights, weights[0]):
        return values
    chosen = systematic(torch.as_tensor(weights), len(values), torch.Generator().manual_seed(seed))
    return np.asarray(values[chosen.numpy()])


def figures(
    subject: Subject, case: Case, whole: NDArray[np.float32], draws: NDArray[np.float32], rng: np.random.Generator
) -> dict[str, Any]:
    """Where a truth (c, nx, ny, nz) lies among draws (n, c, nx, ny, nz), as plain JSON values."""
    likelihood = Likelihood.of(case.constraints, subject.prior)
    values = draws[:, subject.channel].astype(np.float64)
    fit = log_likelihood(likelihood, np.concatenate([whole[None], draws]))
    pool_fit = log_likelihood(likelihood, _in_channel(subject, subject.pool))
    known = scalars(case.truth[None], subject.sand, subject.components, case.column, fit[:1])
    drawn = scalars(values, subject.sand, subject.components, case.column, fit[1:])
    prior = scalars(subject.pool, subject.sand, subject.components, case.column, pool_fit, subject.connected)
    candidates = rng.choice(len(subject.pool), CANDIDATES, replace=False)
    nearest = int(candidates[np.argmax(pool_fit[candidates])])
    return {
        "positions": {name: float(position(drawn[name], known[name][0], rng)) for name in known},
        "truth": {name: float(known[name][0]) for name in known},
        "draws": drawn,
        "tarp": {
            "cells": tarp_position(values.reshape(len(values), -1), case.truth.ravel(), subject.pool[nearest].ravel(), rng),
            "scalars": _tarp_of_scalars(drawn, known, prior, nearest, rng),
        },
        **cell_figures(subject, case, values, rng),
    }


def cell_figures(subject: Subject, case: Case, values: Array, rng: np.random.Generator) -> dict[str, Any]:
    """What draws (n, nx, ny, nz) say of the cells that no well goes through.

    Intervals are judged where truth and draws are not all equal, a choice that treats them alike, and leaves out the cells where
    nothing is open.
    """
    free = np.ones(case.truth.shape, dtype=bool)
    free[case.wells[:, 0], case.wells[:, 1]] = False
    known, drawn, pool = case.truth[free], values[:, free], subject.pool[:, free]
    is_open = (drawn != known).any(axis=0)
    where = position(drawn[:, is_open], known[is_open], rng)
    sand, likely, usual = subject.sand(known), subject.sand(drawn), subject.sand(pool)
    reliable, ideal = tables(likely, sand)
    some = slice(None, None, max(1, len(known) // SCORED))
    return {
        "cells": int(is_open.sum()),
        "coverage": {f"{100 * level:.0f}": share for level, share in scores.covered(where).items()} if is_open.any() else None,
        "histogram": scores.rank_histogram(where, HISTOGRAM),
        "crps": float(scores.crps(drawn[:, some], known[some]).mean()),
        "crps_prior": float(scores.crps(pool[: len(drawn), some], known[some]).mean()),
        "brier": brier(likely, sand),
        "brier_prior": brier(usual, sand),
        "reliability": reliable,
        "reliability_exact": ideal,
    }


def brier(draws: NDArray[np.bool_], occurred: NDArray[np.bool_]) -> float:
    """Fair Brier score of the share of draws (n, cells) in which it occurs, 0 (perfect) to 1."""
    p = draws.mean(axis=0)
    return scores.brier(np.stack([1 - p, p]), occurred.astype(np.int64), (0, 1), len(draws)) / 2


def log_likelihood(likelihood: Likelihood, values: NDArray[np.float32]) -> Array:
    """Log likelihood (n,) of realizations (n, c, nx, ny, nz), a few at a time."""
    with torch.no_grad():
        parts = [likelihood.log_prob(part.double()).numpy() for part in torch.split(torch.as_tensor(values), AT_ONCE)]
    return np.concatenate(parts)


def _in_channel(subject: Subject, values: Array) -> NDArray[np.float32]:
    """Values (n, nx, ny, nz) among properties that nobody observes, (n, c, nx, ny, nz)."""
    found = np.zeros((len(values), len(subject.prior.properties), *subject.prior.shape), dtype=np.float32)
    found[:, subject.channel] = values
    return found


def _tarp_of_scalars(
    drawn: dict[str, Array], known: dict[str, Array], prior: dict[str, Array], nearest: int, rng: np.random.Generator
) -> float:
    """TARP in the space of the scalars, each over its standard deviation in the prior."""
    names = [name for name in known if name != FIT and prior[name].std() > 0]
    points = (np.column_stack([found[name] / prior[name].std() for name in names]) for found in (drawn, known, prior))
    draws, truths, unconditional = points
    return tarp_position(draws, truths[0], unconditional[nearest], rng)
