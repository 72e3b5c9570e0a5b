"""Disentanglement: whether single latents stand for single things that can be seen in a realization."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gempy_gan import GempyGanError, Prior, progress
from gempy_gan.metrics import Volumes, descriptors
from gempy_gan_bench.why.numbers import mean_with_error
from gempy_gan_bench.why.problem import decoded, latent_prior

Array = NDArray[np.float64]

FACTORS = ("net_to_gross", "width", "sinuosity", "body_count", "mean_time")
BINS = 20  # of latents and factors, for mutual information
HELD_OUT = 0.25
MOST_SEEN = 512  # latents that a split of a tree looks at
LEAST = 40  # realizations with all factors known


@dataclass(frozen=True)
class Plan:
    """`draws` realizations are decoded and measured; each score's floor is that of `permutations` of the factors."""

    draws: int = 1000
    permutations: int = 5
    trees: int = 30
    flow: int = 8
    seed: int = 0


def disentanglement(prior: Prior, plan: Plan) -> dict[str, Any]:
    """Scores, each beside the same of factors that are shuffled against the latents, and the importance of latents.

    Raises GempyGanError where too few realizations show all factors.
    """
    latent = latent_prior(prior, plan.flow)
    z = torch.randn((plan.draws, *latent.latent_shape), generator=torch.Generator().manual_seed(plan.seed))
    progress.report("decoding", 0, 2)
    factors = measured(decoded(latent, z).numpy())
    known = factors.notna().all(axis=1).to_numpy()
    if known.sum() < LEAST:
        raise GempyGanError(f"{known.sum()} of {plan.draws} realizations show every factor. Expected {LEAST}: raise draws.")
    factors = factors.loc[:, factors[known].std() > 0]
    codes, values = z.flatten(1).double().numpy()[known], factors.to_numpy()[known]
    progress.report("decoding", 1, 2)
    own, importance = scores(codes, values, plan, plan.seed)
    rng = np.random.default_rng([plan.seed, 1])
    floors = [scores(codes, values[rng.permutation(len(values))], plan, plan.seed + k)[0] for k in range(plan.permutations)]
    progress.report("decoding", 2, 2)
    return {
        "latents": math.prod(latent.latent_shape),
        "factors": list(factors.columns),
        "realizations": int(known.sum()),
        "scores": {name: {"value": own[name], "floor": mean_with_error([f[name] for f in floors])} for name in own},
        "floor_highest": {name: max(f[name] for f in floors) for name in own},
        "informativeness": dict(zip(factors.columns, own_informativeness(codes, values, plan), strict=True)),
        "importance": importance[importance.max(axis=1).argsort()[::-1][:32]].tolist(),
    }


def measured(values: NDArray[Any]) -> pd.DataFrame:
    """The factors of realizations (n, c, nx, ny, nz); NaN where one cannot be measured."""
    volumes = Volumes.of(values)
    found = descriptors(volumes)
    if volumes.time is not None:
        found["mean_time"] = volumes.time.mean(axis=(1, 2, 3), dtype=np.float64)
    return found[[name for name in FACTORS if name in found]]


def scores(codes: Array, factors: Array, plan: Plan, seed: int) -> tuple[dict[str, float], Array]:
    """Disentanglement and completeness (Eastwood & Williams 2018), mutual information gap (Chen et al. 2018); and importance.

    `codes` (n, k) and `factors` (n, f). The importance (k, f) of a latent for a factor is that of a random forest.
    """
    importance = np.column_stack([_forest(codes, factor, plan.trees, seed).feature_importances_ for factor in factors.T])
    found = {"disentanglement": disentangled(importance), "completeness": complete(importance), "mig": gap(codes, factors)}
    return found, importance


def own_informativeness(codes: Array, factors: Array, plan: Plan) -> list[float]:
    """Share of each factor's variance that a forest predicts on realizations that it has not seen; below 0: none."""
    cut = round(len(codes) * (1 - HELD_OUT))
    found = []
    for factor in factors.T:
        forest = _forest(codes[:cut], factor[:cut], plan.trees, plan.seed)
        found.append(1 - float(np.square(forest.predict(codes[cut:]) - factor[cut:]).mean() / factor[cut:].var()))
    return found


def disentangled(importance: Array) -> float:
    """1 where each latent matters for one factor only, 0 where for all alike; latents count by how much they matter.

    >>> disentangled(np.eye(3)), round(disentangled(np.ones((3, 3))), 6)
    (1.0, 0.0)
    """
    total = importance.sum(axis=1)
    return float((total / total.sum()) @ (1 - _entropy(importance)))


def complete(importance: Array) -> float:
    """1 where each factor hangs on one latent only, 0 where on all alike: the mean over factors."""
    return float((1 - _entropy(importance.T)).mean())


def gap(codes: Array, factors: Array) -> float:
    """Mean over factors of the mutual information of the best latent minus that of the next, over the factor's entropy."""
    places = np.stack([_binned(code) for code in codes.T], axis=1)
    found = []
    for factor in factors.T:
        at = _binned(factor)
        shared = np.sort([_mutual(place, at) for place in places.T])
        entropy = _mutual(at, at)
        second = shared[-2] if len(shared) > 1 else 0.0
        found.append((shared[-1] - second) / entropy if entropy > 0 else 0.0)
    return float(np.mean(found))


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line of the table for each score."""
    highest = record["floor_highest"]
    return [{"score": name, **score, "highest_floor": highest[name]} for name, score in record["scores"].items()]


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table does not say by itself."""
    told = ", ".join(f"{name.replace('_', ' ')} {share:.2f}" for name, share in record["informativeness"].items())
    return [
        f"{record['realizations']} realizations of {record['latents']} latents; floors are those of shuffled factors.",
        f"Share of each factor's variance that latents predict on unseen realizations: {told}.",
    ]


def picture(record: Mapping[str, Any]) -> Any:
    """The importance of the most important latents for each factor."""
    from gempy_gan.plot.style import figure

    fig = figure(9, 2.5)
    ax = fig.add_subplot()
    shown = ax.imshow(np.array(record["importance"]).T, aspect="auto", cmap="viridis", interpolation="nearest")
    ax.set(yticks=range(len(record["factors"])), xlabel="latents, the most important ones first")
    ax.set_yticklabels([name.replace("_", " ") for name in record["factors"]])
    fig.colorbar(shown, ax=ax, label="importance")
    return fig


def _forest(codes: Array, factor: Array, trees: int, seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor  # type: ignore[import-untyped]

    share = min(1.0, MOST_SEEN / codes.shape[1])  # of the latents that each split chooses from: all, or it must take bad ones
    return RandomForestRegressor(trees, max_features=share, min_samples_leaf=3, random_state=seed, n_jobs=1).fit(codes, factor)


def _entropy(rows: Array) -> Array:
    """Entropy of each row, over that of equal shares; 1 for a row of zeros."""
    count = rows.shape[1]
    total = rows.sum(axis=1, keepdims=True)
    share = np.divide(rows, total, out=np.full(rows.shape, 1 / count), where=total > 0)
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1) / np.log(max(count, 2)))


def _binned(values: Array) -> NDArray[np.int64]:
    """Which of `BINS` equally filled bins each value is in; equal values share one."""
    edges = np.quantile(values, np.arange(1, BINS) / BINS)
    return np.searchsorted(edges, values).astype(np.int64)


def _mutual(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Mutual information in nats of two lists of bins."""
    joint = np.bincount(a * BINS + b, minlength=BINS * BINS).reshape(BINS, BINS) / len(a)
    alone = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    seen = joint > 0
    return float((joint[seen] * np.log(joint[seen] / alone[seen])).sum())
