"""Conditional geology beside that of other tools: the same wells, and as training image the same river."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gempy_gan import Constraints, Grid, HardData, LearnedPrior, get_prior, invert
from gempy_gan.inversion import prior_given
from gempy_gan.metrics import connectivity, patterns, variograms
from gempy_gan.metrics.splits import Splits
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes
from gempy_gan.scores import balanced_match
from gempy_gan.seeds import realization_seed
from gempy_gan_bench import truths
from gempy_gan_bench.figures import fractions
from gempy_gan_bench.observations import box, columns_of
from gempy_gan_bench.other_tools import Sand
from gempy_gan_bench.protocol import CELL_SIZE, PROPERTY, Protocol

SHAPE = (64, 64, 16)  # cells, as in measurements of these tools elsewhere
IMAGE = (128, 128, 32)  # cells of the training image that peers learn from
WELLS = 8
STD = 0.005  # of the coarse fraction that priors are told; peers are told which cells are sand
REAL = 20  # other deposits of the same river, for each truth
OTHERS = 1_000  # numbers from here times (a truth's number + 1) on are deposits of that truth's river
TRUTHS = 2
IMAGES = 100_000  # added to a truth's number: the realization that is its training image

CURVES: Mapping[str, Callable[[Volumes], NDArray[Any]]] = {
    "variogram": lambda volumes: variograms.variograms(volumes.coarse),
    "connectivity": lambda volumes: connectivity.connectivity(volumes.bodies),
    "layer_connectivity": lambda volumes: connectivity.connectivity(volumes.layer_bodies, 2),
}
ERRORS = (*CURVES, "patterns")
OF_MEAN = "_of_mean"  # ends the name of an error over all sites together

Summaries = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Site:
    """A truth with its wells, and what is known of its river: a training image and other deposits of the same labels."""

    truth: truths.Truth
    image: Sand
    real: Sand

    @cached_property
    def sand(self) -> Sand:
        """Where the truth is sand (nx, ny, nz)."""
        return np.asarray(self.truth.fraction > truths.COARSE)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """The cells (k, 3) that wells go through."""
        nz = self.sand.shape[2]
        columns = np.repeat(columns_of(SHAPE, WELLS), nz, axis=0)
        return np.column_stack([columns, np.tile(np.arange(nz), WELLS)])

    @property
    def grid(self) -> Grid:
        """The box."""
        return box(SHAPE, CELL_SIZE)

    def constraints(self) -> Constraints:
        """The coarse fraction along the wells."""
        noise = STD * np.random.default_rng([self.truth.seed, 3]).standard_normal(len(self.cells))
        return Constraints(self.grid, HardData(self.cells, self.truth.fraction[tuple(self.cells.T)] + noise, STD, PROPERTY))


def sites(count: int = TRUTHS) -> Iterator[Site]:
    """So many truths, in boxes of this size: the first two are the protocol's within what priors learn from, the others follow.

    A truth is the next deposit in whose box wells see both facies, so the other deposits of its river are chosen alike.
    """
    protocol = Protocol(shape=SHAPE)
    start = 0
    for _ in range(count):
        truth = truths.first_from(protocol.shape, protocol.columns, start)
        start = truth.number + 1
        yield Site(truth, _image(truth), np.stack(list(_deposits(protocol, truth))))


def _deposits(protocol: Protocol, truth: truths.Truth) -> Iterator[Sand]:
    """Other deposits of a truth's river."""
    start = OTHERS * (truth.number + 1)
    for _ in range(REAL):
        other = truths.first_from(protocol.shape, protocol.columns, start, _river(truth))
        start = other.number + 1
        yield np.asarray(other.fraction > truths.COARSE)


def _river(truth: truths.Truth) -> dict[str, float]:
    """The labels that a simulator takes, and not what it measures of its deposits."""
    return {label.name: truth.labels[label.name] for label in _simulator().labels}


def _simulator() -> Any:
    return get_prior(truths.SIMULATOR, shape=IMAGE, cell_size=CELL_SIZE)


def _image(truth: truths.Truth) -> Sand:
    """The training image of a truth: deposits of the same river in a larger volume."""
    values, _ = _simulator().simulate(realization_seed(truths.SEED, IMAGES + truth.number), _river(truth))
    return np.asarray(values[truth.properties.index(PROPERTY)] > truths.COARSE)


def learned(site: Site, n: int, seed: int, name: str, strategy: str | None, options: Mapping[str, Any]) -> Sand:
    """Realizations of a prior and a strategy; a learned prior is told those of the river's labels that it knows."""
    constraints = site.constraints()
    prior = prior_given(name, constraints, **options)
    truths.check_unseen(prior)
    if isinstance(prior, LearnedPrior) and "labels" not in options:
        told = {label.name: site.truth.labels[label.name] for label in prior.domain.labels if label.name in site.truth.labels}
        prior = prior_given(name, constraints, **options, labels=told) if told else prior
    return np.asarray(fractions(invert(prior, constraints, strategy, n=n, seed=seed)) > truths.COARSE)


def row(name: str, found: Sequence[tuple[Site, Sand, float]]) -> dict[str, Any]:
    """What a contender makes of all sites: shares, and errors beside those of real deposits against each other.

    `balanced_match` is the share of well cells that are right, mean over the two facies, as the contender left them. Errors are
    those of `gempy_gan.metrics`: of the mean `variogram` and `connectivity` function, of the latter layer by layer
    (`layer_connectivity`: in three dimensions nearly all sand is one body, whatever its shape), and of the shares of all
    `patterns` of 4 x 4 cells on the map. A few realizations of one site tell little apart, and wells make them alike, which other
    deposits of the river are not. So an error named `..._of_mean` is that of the mean over all sites: over many truths, draws of
    the right posteriors are together distributed as the truths are, whatever the wells say.
    """
    n = sum(len(sand) for _, sand, _ in found)
    summaries = [_summaries(site, sand) for site, sand, _ in found]
    each = [_errors(*pair) for pair in summaries]
    together = _errors(*(_over_sites([pair[side] for pair in summaries]) for side in range(2)), of=OF_MEAN)
    return {
        "contender": name,
        "truths": len(found),
        "n": n,
        "balanced_match": float(np.mean([_match(site, sand) for site, sand, _ in found])),
        "sand": float(np.mean([sand.mean() for _, sand, _ in found])),
        "sand_truth": float(np.mean([site.sand.mean() for site, _, _ in found])),
        **{key: float(np.mean([one[key] for one in each])) for key in each[0]},
        **together,
        "cpu_s": sum(spent for _, _, spent in found) / n,
    }


def _match(site: Site, sand: Sand) -> float:
    return balanced_match(sand[:, *site.cells.T], site.sand[tuple(site.cells.T)])


def _summaries(site: Site, sand: Sand) -> tuple[Summaries, Summaries]:
    """What errors are taken of, (n, ...) each, of what was made and of real deposits."""
    made, real = (Volumes(part.astype(np.float32)) for part in (sand, site.real))
    return _of(made), _of(real)


def _of(volumes: Volumes) -> Summaries:
    shares = patterns.histograms(volumes.coarse, *patterns.TEMPLATES["patterns_4x4"])
    return {**{key: curve(volumes) for key, curve in CURVES.items()}, "patterns": shares}


def _over_sites(summaries: Sequence[Summaries]) -> Summaries:
    """The mean over sites of the first ones, of the second ones, and so on."""
    count = min(len(one["patterns"]) for one in summaries)
    found = {}
    for key in summaries[0]:
        values = np.stack([one[key][:count] for one in summaries])
        known = np.isfinite(values)
        total = np.where(known, values, 0).sum(axis=0)
        found[key] = np.divide(total, known.sum(axis=0), out=np.full(total.shape, np.nan), where=known.any(axis=0))
    return found


def _errors(made: Summaries, real: Summaries, of: str = "") -> dict[str, float]:
    """Errors and, ending in `_floor`, those of real deposits."""
    splits = Splits.draw(len(made["patterns"]), len(real["patterns"]))
    figures = [_curves(key, made[key], real[key], splits) for key in CURVES]
    figures.append(splits.distance_of_means("patterns", made["patterns"], real["patterns"], patterns.jensen_shannon))
    return {
        f"{each.key}{of}{end}": cast("float", value)
        for each in figures
        for end, value in (("", each.value), ("_floor", each.floor))
    }


def _curves(key: str, g: NDArray[Any], r: NDArray[Any], splits: Splits) -> Figure:
    """The error of mean curves."""
    known = np.isfinite(r).sum(axis=0) > len(r) // 2  # far apart there may be no pairs of sand cells
    g = np.where(np.isfinite(g).any(axis=0), g, 0.0)  # sand that is not there connects nothing
    axes = variograms.axis_of(SHAPE)[: r.shape[1]][known]
    return splits.distance_of_means(key, g[:, known], r[:, known], partial(variograms.error, axes=axes))


def rows(
    contenders: Mapping[str, Callable[[Site, int, int], Sand]], n: int, seed: int = 0, count: int = TRUTHS
) -> Iterator[dict[str, Any]]:
    """One row for each contender, with n realizations of each of `count` sites; CPU seconds count all threads, and programs that
    it runs."""
    places = list(sites(count))
    for name, contender in contenders.items():
        found = []
        for site in places:
            start = _cpu()
            sand = contender(site, n, seed)
            found.append((site, sand, _cpu() - start))
        yield row(name, found)


def _cpu() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """Two tables of rows, of the errors of each truth and of those over all truths, and below them the errors of real deposits,
    which depend on how many realizations they are compared with."""
    head = f"{'contender':34}{'n':>4}{'CPU s':>8}{'match':>7}{'sand':>7}{'(truth)':>9}"
    names = [
        f"{each['contender']:34}{each['n']:4}{each['cpu_s']:8.2f}{each['balanced_match']:7.3f}{each['sand']:7.3f}"
        f"{each['sand_truth']:9.3f}"
        for each in found
    ]
    over_all = f"of the mean over {found[0]['truths']} truths"
    return "\n".join([*_table(head, names, found), "", *_table(f"{over_all:69}", names, found, OF_MEAN)])


def _table(head: str, names: Sequence[str], found: Sequence[Mapping[str, Any]], of: str = "") -> list[str]:
    lines = [name + _cells(each, of) for name, each in zip(names, found, strict=True)]
    real = f"{'real deposits against each other':69}{_cells(found[0], of, '_floor')}"
    return [head + "".join(f"  {key.replace('_', ' ')}" for key in ERRORS), *lines, real]


def _cells(row: Mapping[str, Any], of: str, end: str = "") -> str:
    return "".join(f"{row[key + of + end]:{len(key) + 2}.4f}" for key in ERRORS)
