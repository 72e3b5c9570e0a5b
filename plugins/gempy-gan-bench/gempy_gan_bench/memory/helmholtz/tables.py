"""The table of the Helmholtz case, and what it means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gempy_gan.metrics.memorization import PUBLISHED as LIMIT
from gempy_gan.metrics.memorization import Memorization, ratio
from gempy_gan_bench.calibration.ranks import holm, uniform_p
from gempy_gan_bench.memory.helmholtz.plan import Plan
from gempy_gan_bench.memory.helmholtz.problem import Problem
from gempy_gan_bench.memory.helmholtz.running import NETWORK, TRUE, UNCONDITIONAL

Array = NDArray[np.float64]
FLOOR = 0.1  # that chi2 may differ from what the noise alone leaves
SURE = 0.01
_LEGEND = (
    "share memorized: draws whose distance ratio to the n training fields is below 0.7, as published; null share: the same of "
    "draws of the true prior that no prior saw; left out share: of training fields beside all others. p value: that draws lie so "
    "close if they were drawn like the null, valid though draws of one posterior depend on each other. of one: draws nearest to "
    "the same field. chi2 truth: what the noise alone leaves. error: of the posterior mean. effective: sample size of importance "
    "sampling. sbc p: of uniform ranks."
)


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each posterior; one of the true prior is compared with each training set. Calibrations come last."""
    plan = plan_from(record)
    found = [row for piece in record["pieces"] for row in _rows(piece, plan)]
    return found + [_calibration(entry) for entry in record["calibrated"]]


def _rows(piece: Mapping[str, Any], plan: Plan) -> list[dict[str, Any]]:
    return [_row(piece, n, plan) for n in ([piece["n"]] if piece["n"] else plan.sizes)]


def _row(piece: Mapping[str, Any], n: int, plan: Plan) -> dict[str, Any]:
    problem = Problem(plan, piece["seed"])
    draws = draws_of(piece, plan)
    found = compared(draws, n, problem)
    published, null = found.share_published
    return {
        "n": n,
        "truth": piece["truth"],
        "seed": piece["seed"],
        "frequencies": " ".join(f"{f:g}" for f in piece["frequencies"]),
        "prior": piece["prior"],
        "sampler": piece["sampler"],
        "share_memorized": published,
        "null_share": null,
        "left_out_share": float(np.mean(found.left_out < LIMIT)),
        "p_value": found.p_dependent if piece["truth"] else found.p_value,
        "of_one": found.share_of_one,
        "chi2": float(np.mean(piece["chi2"])) if piece["chi2"] else None,
        "chi2_truth": piece["chi2_truth"],
        "error": _error(draws, piece["truth"], problem),
        "effective": piece["effective"],
        "sbc_p": None,
        "cpu_s": piece["cpu_s"],
    }


def _error(draws: torch.Tensor, name: str, problem: Problem) -> float | None:
    """What the mean of the draws is off, over the truth's deviation from the prior's mean."""
    if not name:
        return None
    truth = problem.coordinates(problem.truth(name))
    return float((problem.coordinates(draws).mean(dim=0) - truth).norm() / truth.norm())


def _calibration(entry: Mapping[str, Any]) -> dict[str, Any]:
    known = [value for value in entry["effective"] if value is not None]
    return {
        **dict.fromkeys(("share_memorized", "null_share", "left_out_share", "p_value", "of_one", "chi2_truth", "error", "cpu_s")),
        "n": entry["n"],
        "truth": f"{len(entry['positions'])} calibrated",
        "seed": None,
        "frequencies": None,
        "prior": entry["prior"],
        "sampler": entry["sampler"],
        "chi2": float(np.mean(entry["chi2"])),
        "effective": float(np.median(known)) if known else None,
        "sbc_p": calibrated(entry),
    }


def calibrated(entry: Mapping[str, Any]) -> float:
    """The smallest p-value of uniform ranks, corrected for there being several scalars."""
    positions = np.asarray(entry["positions"])
    return min(holm([uniform_p(column) for column in positions.T]))


def compared(draws: torch.Tensor, n: int, problem: Problem) -> Memorization:
    """Ratios of distances to the first n training examples, of draws and of both nulls; fields are compared."""
    training, held_out, left_out = _nulls(n, problem)
    mine = torch.cdist(problem.coordinates(draws), training).numpy()
    with_held_out = torch.cdist(problem.coordinates(draws), problem.coordinates(problem.fresh(problem.plan.nulls))).numpy()
    nearest = np.concatenate([mine, with_held_out], axis=1).argmin(axis=1)
    return Memorization(ratio(mine), held_out, left_out, mine.argmin(axis=1), nearest, n, problem.seed)


@lru_cache(maxsize=32)
def _nulls(n: int, problem: Problem) -> tuple[torch.Tensor, Array, Array]:
    """Coordinates (n, k) of the training examples; the ratios of held-out draws of the true prior, and of examples left out."""
    training = problem.coordinates(problem.training_set(n))
    own = torch.cdist(training, training).numpy().copy()
    np.fill_diagonal(own, np.inf)
    fresh = torch.cdist(problem.coordinates(problem.fresh(problem.plan.nulls)), training).numpy()
    return training, ratio(fresh), ratio(own)


def draws_of(piece: Mapping[str, Any], plan: Plan) -> torch.Tensor:
    """The draws (n, 1, kx, 1, kz) of a posterior."""
    return torch.tensor(piece["draws"], dtype=torch.float64).reshape(-1, 1, plan.modes, 1, plan.modes)


def plan_from(record: Mapping[str, Any]) -> Plan:
    """The plan of a record."""
    return Plan(**{key: _tupled(value) for key, value in record["plan"].items()})


def _tupled(value: Any) -> Any:
    return tuple(_tupled(each) for each in value) if isinstance(value, list) else value


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table means."""
    found, plan = rows(record), plan_from(record)
    posteriors = [row for row in found if row["chi2_truth"] is not None]
    return [
        _of_basis(plan, record["basis"]),
        _LEGEND,
        *(_by_size(posteriors, n) for n in plan.sizes),
        _of_priors([row for row in found if row["sampler"] == UNCONDITIONAL]),
        *_misfits(posteriors),
        *_calibrations(found),
    ]


def _of_basis(plan: Plan, basis: Mapping[str, float]) -> str:
    return (
        f"The {plan.modes} x {plan.modes} modes leave out {basis['left_out']:.1%} of a field's standard deviation (measured "
        f"on fields of all modes: {basis['measured']:.1%}); truths and training fields lie within the modes."
    )


def _by_size(found: Sequence[Mapping[str, Any]], n: int) -> str:
    network, true = ([row for row in found if row["prior"] == prior and row["n"] == n] for prior in (NETWORK, TRUE))
    samplers = {row["sampler"]: [one for one in network if one["sampler"] == row["sampler"]] for row in network}
    listed = ", ".join(f"{_mean(row['share_memorized'] for row in some):.0%} ({name})" for name, some in samplers.items())
    fresh, honest = _mean(row["null_share"] for row in true), _mean(row["share_memorized"] for row in true)
    flagged, wrongly = (sum(row["p_value"] < SURE for row in some) for some in (network, true))
    return (
        f"n = {n}: the published rule calls memorized, of the network's draws, {listed}; of draws of posteriors whose prior has "
        f"nothing to memorize {honest:.0%}; of fresh draws of the true prior {fresh:.0%}. Against the null (p < {SURE:g}), "
        f"{flagged} of {len(network)} posteriors of the network are flagged, and {wrongly} of {len(true)} of the true prior's."
    )


def _of_priors(found: Sequence[Mapping[str, Any]]) -> str:
    listed = "; ".join(f"{row['prior']} {row['n']}, seed {row['seed']}: p = {row['p_value']:.2g}" for row in found)
    return f"Draws of the priors themselves, without data, against the null: {listed}."


def _misfits(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """How far each sampler's chi2 is from what the noise leaves to the truth."""
    groups: dict[tuple[str, str], dict[Any, float]] = {}
    for row in found:
        which = (row["seed"], row["truth"], row["frequencies"], 0 if row["prior"] == TRUE else row["n"])
        groups.setdefault((row["prior"], row["sampler"]), {})[which] = row["chi2"] / row["chi2_truth"]
    return [f"{prior} prior, {name}: {_verdict(_mean(known.values()))}" for (prior, name), known in sorted(groups.items())]


def _verdict(excess: float) -> str:
    """What a mean of chi2 over the truth's says."""
    close = "reaches the noise floor" if abs(excess - 1) <= FLOOR else "misses the noise floor" if excess > 1 else "overfits"
    return f"chi2 is {excess:.3g} times that of the truth, which {close}."


def _calibrations(found: Sequence[Mapping[str, Any]]) -> list[str]:
    entries = [row for row in found if row["sbc_p"] is not None]
    listed = "; ".join(f"{row['prior']} prior, {row['sampler']}: p = {row['sbc_p']:.2g}" for row in entries)
    return (
        [f"Simulation-based calibration, with exact denoisers, smallest p-value of uniform ranks (Holm): {listed}."]
        if entries
        else []
    )


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return float(np.mean(known)) if known else float("nan")
