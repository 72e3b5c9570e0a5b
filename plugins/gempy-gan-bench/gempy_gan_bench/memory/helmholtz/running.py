"""Runs of the Helmholtz case: networks trained, posteriors drawn, samplers calibrated, each piece kept once it is finished."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gempy_gan_waveform.white import WhitePrior

from gempy_gan import progress
from gempy_gan.ensemble import plain
from gempy_gan.files import write
from gempy_gan.inversion import invert
from gempy_gan.plain_torch import plain_torch
from gempy_gan.prior import Prior
from gempy_gan.priors.mixture import MixturePrior
from gempy_gan.strategies.dps import DPS
from gempy_gan.strategies.pigdm import PiGDM
from gempy_gan.strategy import Strategy
from gempy_gan.training.engine import train
from gempy_gan.training.plan import TrainingPlan
from gempy_gan_bench.calibration.ranks import position
from gempy_gan_bench.files import keep_json
from gempy_gan_bench.memory.helmholtz.exact import ExactMixture
from gempy_gan_bench.memory.helmholtz.plan import HELD_OUT, PAPER, Plan
from gempy_gan_bench.memory.helmholtz.problem import CALIBRATED, DRAWN, Problem
from gempy_gan_bench.memory.helmholtz.published import PublishedDPS
from gempy_gan_bench.protocol import key

LEADING = 4  # coefficients whose ranks are looked at, those with the largest part in the field
NETWORK, MEMORIZED, TRUE = "network", "memorized", "true"
PUBLISHED, HONOURED, PSEUDO, EXACT = "dps-published", "dps", "pigdm", "exact"
UNCONDITIONAL = "unconditional"


@dataclass(frozen=True)
class Piece:
    """Draws of one posterior: a truth, a set of frequencies, a prior, the size `n` of what it learned from, a sampler; or of the
    prior itself, of no truth."""

    seed: int
    truth: str
    frequencies: tuple[float, ...]
    prior: str
    n: int
    sampler: str


def run(plan: Plan, seed: int = 0, out: Path | None = None) -> dict[str, Any]:
    """All pieces; what is finished in `out` is not computed again. The same seed gives the same figures."""
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            return run(plan, seed, Path(folder))
    problems = [Problem(plan, 1000 * seed + k) for k in range(plan.seeds)]
    planned = [(piece, problem) for k, problem in enumerate(problems) for piece in pieces(plan, problem.seed, first=k == 0)]
    told = progress.track(planned, "posteriors", len(planned))
    found = [_kept(out, plan, asdict(piece), partial(_posterior, piece, problem, out)) for piece, problem in told]
    calibrated = [
        _kept(out, plan, {"calibrated": prior, "sampler": name, "seed": seed}, partial(_ranks, prior, name, problems[0]))
        for prior in (TRUE, MEMORIZED)
        for name in (EXACT, HONOURED, PSEUDO)
    ]
    measured = problems[0].modes.residual(problems[0].modes.whole_fields(200, problems[0].generator()))
    basis = {"left_out": problems[0].modes.left_out, "measured": measured}
    return {"plan": plain(asdict(plan)), "pieces": found, "calibrated": calibrated, "basis": basis}


def pieces(plan: Plan, seed: int, first: bool) -> Iterator[Piece]:
    """The posteriors of a seed, then its priors. Further frequencies are for the first held-out truth of the first seed."""
    truths = [*(f"{HELD_OUT} {k + 1}" for k in range(plan.truths)), PAPER]
    for truth in truths:
        for k, frequencies in enumerate(plan.frequencies):
            if k and not (first and truth == truths[0]):
                continue
            about = (seed, truth, tuple(float(f) for f in frequencies))
            yield from (Piece(*about, NETWORK, n, name) for n in plan.sizes for name in (PUBLISHED, HONOURED, PSEUDO))
            yield from (Piece(*about, MEMORIZED, n, EXACT) for n in plan.sizes)
            yield from (Piece(*about, TRUE, 0, name) for name in (PUBLISHED, HONOURED, PSEUDO, EXACT))
    yield from (Piece(seed, "", (), prior, n, UNCONDITIONAL) for prior in (NETWORK, MEMORIZED) for n in plan.sizes)


def strategy(name: str, plan: Plan) -> Strategy:
    """The sampler of this name."""
    if name == EXACT:
        return ExactMixture(proposals=plan.proposals)
    if name == PSEUDO:
        return PiGDM(steps=plan.pigdm_steps)
    return DPS(steps=plan.dps_steps, noise="honoured") if name == HONOURED else PublishedDPS(steps=plan.published_steps)


def prior_of(kind: str, n: int, problem: Problem, out: Path) -> Prior:
    """The true prior, one that has memorized n examples, or a network that learned from them."""
    if kind == TRUE:
        return WhitePrior(problem.modes.coefficient_grid.resolution)
    if kind == MEMORIZED:
        return MixturePrior(problem.training_set(n), problem.plan.spread, ["coefficient"])
    return _trained(n, problem, out)


def _trained(n: int, problem: Problem, out: Path) -> Prior:
    """The network of the package's own training, which goes on where it was interrupted, and reads what it has finished."""
    plan = problem.plan
    name = key(_decides(plan, "modes", "std", "ranges", "cells", "side", "network", "training_steps"), problem.seed, n)
    folder = out / f"network-{n}-{name}"
    data = folder / "examples.nc"
    if not data.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write(problem.ensemble(problem.training_set(n)), data)
    options = {"horizon": plan.training_steps, "average": min(200.0, plan.training_steps / 10)}
    return train(
        TrainingPlan(
            "score-network",
            str(data),
            folder / "training",
            preset=plan.network,
            options=options,
            steps=plan.training_steps,
            batch=min(n, 50),
            seed=problem.seed,
            precision="32-true",
            look_minutes=0.0,
        )
    )


def _posterior(piece: Piece, problem: Problem, out: Path) -> dict[str, Any]:
    """Draws, their fit, and that of the truth; draws of the prior itself, a quarter as many as there are in its null."""
    prior = prior_of(piece.prior, piece.n, problem, out)
    if piece.sampler == UNCONDITIONAL:
        draws = prior.sample(problem.plan.nulls // 4, problem.generator(DRAWN)).flatten(1).tolist()
        nothing: dict[str, Any] = {"chi2": [], "chi2_truth": None, "misfit": [], "effective": None, "cpu_s": None}
        return {**asdict(piece), "draws": draws, **nothing}
    data = problem.data(problem.truth(piece.truth), piece.frequencies)
    began = time.process_time()
    chosen = strategy(piece.sampler, problem.plan)
    ensemble = invert(prior, data.constraints, chosen, n=problem.plan.draws, seed=problem.seed, batch=problem.plan.draws)
    values = torch.as_tensor(ensemble.values)
    seconds = (time.process_time() - began) / problem.plan.draws
    chi2 = _chi2(values, data.constraints)
    trace = ensemble.provenance["trace"][0]
    return {
        **asdict(piece),
        "draws": values.flatten(1).tolist(),
        "chi2": chi2.tolist(),
        "chi2_truth": data.chi2,
        "misfit": trace.get("misfit", []),
        "effective": trace.get("effective_sample_size"),
        "cpu_s": seconds,
    }


def _ranks(kind: str, name: str, problem: Problem) -> dict[str, Any]:
    """Where truths lie among draws: truths of a prior whose denoiser is exact, so that all error is the sampler's."""
    plan = problem.plan
    prior = prior_of(kind, plan.sbc_size, problem, Path())
    frequencies = plan.frequencies[0]
    truths = prior.sample(plan.sbc_truths, problem.generator(CALIBRATED)).double()
    leading = np.argsort(-problem.modes.amplitudes.ravel(), kind="stable")[:LEADING]
    found, chi2, effective = [], [], []
    for k, truth in enumerate(progress.track(truths, f"{kind} truths, {name}", len(truths))):
        data = problem.data(truth[None], frequencies, 1 + k)
        chosen = strategy(name, plan)
        ensemble = invert(prior, data.constraints, chosen, n=plan.sbc_draws, seed=k, batch=plan.sbc_draws)
        values = torch.as_tensor(ensemble.values)
        fits = _chi2(torch.cat([values.double(), truth[None]]), data.constraints)
        scalars = np.concatenate([values.flatten(1).numpy()[:, leading], fits[:-1, None]], axis=1)
        known = np.concatenate([truth.flatten().numpy()[leading], fits[-1:]])
        found.append(position(scalars, known, np.random.default_rng([problem.seed, k])).tolist())
        chi2.append(float(fits[:-1].mean()))
        effective.append(ensemble.provenance["trace"][0].get("effective_sample_size"))
    names = [f"coefficient {tuple(divmod(int(k), plan.modes))}" for k in leading]
    about = {"prior": kind, "n": plan.sbc_size if kind == MEMORIZED else 0, "sampler": name}
    return {**about, "positions": found, "scalars": [*names, "fit"], "chi2": chi2, "effective": effective}


def _chi2(values: torch.Tensor, constraints: Any) -> np.ndarray[Any, Any]:
    """Mean square of whitened residuals (n,), in double precision."""
    term = constraints.soft[0]
    predicted = term.forward.data(values).numpy()
    return np.asarray(np.square((predicted - term.values.ravel()) / term.std.ravel()).mean(axis=1))


def _kept(out: Path, plan: Plan, about: Mapping[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a finished file holds, or what is computed now and kept there."""
    file = out / f"piece-{key(plain(asdict(plan)), about)}.json"
    if not file.is_file():
        with plain_torch():
            keep_json(file, compute())
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _decides(plan: Plan, *names: str) -> dict[str, Any]:
    return {name: plain(asdict(plan))[name] for name in names}
