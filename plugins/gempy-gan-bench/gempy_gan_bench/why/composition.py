"""Success of inversion against what a prior learned from: how many images, which of their labels, and how far a truth is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from gempy_gan import Ensemble, GempyGanError, Prior, Strategy, progress
from gempy_gan.labels import Label
from gempy_gan.metrics import Volumes
from gempy_gan.training_sets import drawn_labels
from gempy_gan_bench.figures import THRESHOLD, wilson
from gempy_gan_bench.protocol import Protocol
from gempy_gan_bench.truths import Truth
from gempy_gan_bench.why.numbers import mean_with_error
from gempy_gan_bench.why.principal import PrincipalPrior
from gempy_gan_bench.why.problem import Problem

Array = NDArray[np.float64]

NEAREST = 0.02  # share of the training images whose distance counts: one lucky image is no coverage
BOXES = 4  # cut from each training volume


@dataclass(frozen=True, eq=False)
class Composition:
    """What a prior learned from: `scaled` (n, labels) are the training labels between -1 and 1, of the labels that are named."""

    name: str
    prior: Prior
    scaled: Array
    labels: tuple[Label, ...]

    def distance(self, truth: Truth) -> float:
        """Distance of a truth's labels from the training labels, in half ranges of a label."""
        at = np.array([float(label.to_scaled(truth.labels[label.name])) for label in self.labels])
        return float(np.quantile(np.linalg.norm(self.scaled - at, axis=1), NEAREST))


def subsets(training: Ensemble, names: Sequence[str], seed: int = 0) -> dict[str, NDArray[np.int64]]:
    """Positions of training volumes in each subset.

    All; a half, a quarter, an eighth of them; the lower half of each named label's range; all but the corner where the first two
    labels are high.

    Raises GempyGanError for a name that is no label.
    """
    labels = named(training, names)
    scaled = np.column_stack([label.to_scaled(training.labels[label.name]) for label in labels])
    order = np.random.default_rng([seed, len(scaled)]).permutation(len(scaled))
    found = {"all": np.arange(len(scaled))}
    found |= {f"1/{k}": np.sort(order[: len(order) // k]) for k in (2, 4, 8)}
    found |= {f"low {label.name}": np.flatnonzero(scaled[:, k] < 0) for k, label in enumerate(labels)}
    if len(labels) > 1:
        corner = (scaled[:, :2] > 0).all(axis=1)
        found[f"no high {labels[0].name} and {labels[1].name}"] = np.flatnonzero(~corner)
    return {name: index for name, index in found.items() if len(index) >= 2}


def named(training: Ensemble, names: Sequence[str]) -> tuple[Label, ...]:
    """The labels of a training set with these names. Raises GempyGanError naming those that there are."""
    known = {label.name: label for label in drawn_labels(training)}
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise GempyGanError(f"The training set has no label {missing}. Expected one or more of: {', '.join(known)}.")
    return tuple(known[name] for name in names)


def principal(training: Ensemble, names: Sequence[str], protocol: Protocol, seed: int = 0) -> list[Composition]:
    """Principal components of each subset of a training set, on boxes cut as trainings cut them."""
    labels = named(training, names)
    drawn = [Volumes.of(training, None, seed + k, "training volumes", protocol.shape, timed=False) for k in range(BOXES)]
    found = []
    for name, index in subsets(training, names, seed).items():
        images = torch.from_numpy(np.concatenate([boxes.fraction[index] for boxes in drawn])[:, None])
        prior = PrincipalPrior(images, ["coarse_fraction"], training.grid.cell_size)
        scaled = np.column_stack([label.to_scaled(training.labels[label.name].to_numpy()[index]) for label in labels])
        found.append(Composition(name, prior, scaled, labels))
    return found


def trained(name: str, prior: Any, names: Sequence[str], seed: int = 0) -> Composition:
    """A trained prior, whose training labels fill the ranges that its file says evenly.

    Raises GempyGanError for a prior that does not say which labels it learned from.
    """
    known = {label.name: label for label in getattr(getattr(prior, "domain", None), "labels", ())}
    missing = [each for each in names if each not in known]
    if missing or not names:
        raise GempyGanError(
            f"The prior {name} did not learn with the label {missing}. It did with: {', '.join(known) or 'none'}."
        )
    labels = tuple(known[each] for each in names)
    return Composition(name, prior, np.random.default_rng(seed).uniform(-1, 1, (4096, len(names))), labels)


def places(labels: Sequence[Label]) -> list[dict[str, float]]:
    """Labels of truths: the corners of the middle half of the ranges, and half a range beyond the upper end of each label."""
    scaled = [
        *product((-0.5, 0.5), repeat=len(labels)),
        *((2.0 if k == j else 0.0 for j in range(len(labels))) for k in range(len(labels))),
    ]
    return [{label.name: float(label.from_scaled(at)) for label, at in zip(labels, place, strict=True)} for place in scaled]


def composition(
    found: Sequence[Composition], truths: Sequence[Truth], protocol: Protocol, strategy: Strategy | str | None, wells: int, n: int
) -> dict[str, Any]:
    """Plain JSON values: for each composition and truth the distance and what inversion came to, and their rank correlation."""
    lines = []
    for k, each in enumerate(found):
        progress.report("compositions", k, len(found))
        luck = each.prior.sample(100, torch.Generator().manual_seed(protocol.seed))
        for truth in truths:
            problem = Problem.of(each.prior, protocol, truth, wells)
            lines.append({**about(each, truth), **success(problem, strategy, n, protocol.seed, luck)})
    progress.report("compositions", len(found), len(found))
    counts = {"truths": len(truths), "wells": wells, "n": n}
    return {**counts, "rows": lines, "by composition": summary(lines), "rank correlation": _correlations(lines)}


def about(each: Composition, truth: Truth) -> dict[str, Any]:
    """Names, sizes and the distance."""
    labels = {label.name: float(truth.labels[label.name]) for label in each.labels}
    return {"composition": each.name, "images": len(each.scaled), "labels": labels, "distance": each.distance(truth)}


def success(
    problem: Problem, strategy: Strategy | str | None, n: int, seed: int, luck: torch.Tensor | None = None
) -> dict[str, Any]:
    """Inversion and generalization error, the pass rate, and the generalization error over that of unconditional draws."""
    from gempy_gan import invert

    ensemble = invert(problem.prior, problem.constraints, strategy, n, seed)
    values = torch.as_tensor(ensemble.values)
    error, general = problem.well_error(values), problem.general_error(values)
    passed = float(ensemble.weights @ (error <= THRESHOLD))
    found = {
        "inversion_error": float(ensemble.weights @ error),
        "pass_rate": passed,
        "pass_interval": list(wilson(passed, len(error))),
        "generalization_error": mean_with_error(general),
    }
    if luck is not None:
        found["generalization_ratio"] = float(ensemble.weights @ general / problem.general_error(luck).mean())
    return found


def summary(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Means over truths, with the standard error over truths."""
    table = pd.DataFrame(lines)
    columns = ("distance", "inversion_error", "pass_rate", "generalization_ratio")
    return [
        {"composition": name, "images": int(part["images"].iloc[0]), **{key: mean_with_error(part[key]) for key in columns}}
        for name, part in table.groupby("composition", sort=False)
    ]


def rows(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line of the table for each composition."""
    return list(record["by composition"])


def sentences(record: Mapping[str, Any]) -> list[str]:
    """What the table does not say by itself."""
    found = [f"{record['truths']} truths, {record['wells']} wells, {record['n']} realizations of each."]
    for key, each in record["rank correlation"].items():
        if each["rho"] is not None:
            found.append(f"Rank correlation of {key.replace('_', ' ')} with the distance: {each['rho']:.2f} (p {each['p']:.2g}).")
    return found


def picture(record: Mapping[str, Any]) -> Any:
    """Errors over the distance of the truth, one colour for each composition."""
    from gempy_gan.plot.style import OKABE_ITO, figure

    fig = figure(10, 3.5)
    table = pd.DataFrame(record["rows"])
    for ax, key in zip(fig.subplots(1, 2), ("inversion_error", "generalization_ratio"), strict=True):
        for k, (name, part) in enumerate(table.groupby("composition", sort=False)):
            ax.scatter(part["distance"], part[key], s=14, color=OKABE_ITO[k % len(OKABE_ITO)], label=name)
        ax.set(xlabel="distance of the truth's labels from training labels", ylabel=key.replace("_", " "))
    ax.legend(fontsize=7)
    return fig


def _correlations(lines: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Spearman's rank correlation of the distance with each figure, and its p-value; None where one of them does not vary."""
    from scipy.stats import spearmanr

    table, found = pd.DataFrame(lines), {}
    for key in ("inversion_error", "pass_rate", "generalization_ratio"):
        varies = len(table) > 2 and np.ptp(table["distance"]) > 0 and np.ptp(table[key]) > 0
        result = spearmanr(table["distance"], table[key]) if varies else None
        found[key] = {"rho": float(result.statistic) if result else None, "p": float(result.pvalue) if result else None}
    return found
