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
OTHERS = 1_000  # numbers from here on are deposits of the first truth's river, from twice it on of the next one's
IMAGES = 100_000  # added to a truth's number: the realization that is its training image

CURVES: Mapping[str, Callable[[Volumes], NDArray[Any]]] = {
    "variogram": lambda volumes: variograms.variograms(volumes.coarse),
    "connectivity": lambda volumes: connectivity.connectivity(volumes.bodies),
    "layer_connectivity": lambda volumes: connectivity.connectivity(volumes.layer_bodies, 2),
}
ERRORS = (*CURVES, "patterns")


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


def sites() -> Iterator[Site]:
    """The protocol's two truths within what priors learn from, in boxes of this size."""
    protocol = Protocol(shape=SHAPE)
    for truth in truths.of(protocol)[:2]:
        others = range(OTHERS * (truth.number + 1), OTHERS * (truth.number + 1) + REAL)
        real = [truths.box_of(protocol, other, _river(truth)).fraction > truths.COARSE for other in others]
        yield Site(truth, _image(truth), np.stack(real))


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
    `patterns` of 4 x 4 cells on the map.
    """
    errors = [_errors(site, sand) for site, sand, _ in found]
    n = sum(len(sand) for _, sand, _ in found)
    return {
        "contender": name,
        "n": n,
        "balanced_match": float(np.mean([_match(site, sand) for site, sand, _ in found])),
        "sand": float(np.mean([sand.mean() for _, sand, _ in found])),
        "sand_truth": float(np.mean([site.sand.mean() for site, _, _ in found])),
        **{key: float(np.mean([each[key] for each in errors])) for key in errors[0]},
        "cpu_s": sum(spent for _, _, spent in found) / n,
    }


def _match(site: Site, sand: Sand) -> float:
    return balanced_match(sand[:, *site.cells.T], site.sand[tuple(site.cells.T)])


def _errors(site: Site, sand: Sand) -> dict[str, float]:
    made, real = (Volumes(part.astype(np.float32)) for part in (sand, site.real))
    splits = Splits.draw(len(sand), len(site.real))
    figures = [_curves(key, made, real, splits) for key in CURVES]
    shares = [patterns.histograms(volumes.coarse, *patterns.TEMPLATES["patterns_4x4"]) for volumes in (made, real)]
    figures.append(splits.distance_of_means("patterns", *shares, patterns.jensen_shannon))
    return {
        f"{each.key}{end}": cast("float", value) for each in figures for end, value in (("", each.value), ("_floor", each.floor))
    }


def _curves(key: str, made: Volumes, real: Volumes, splits: Splits) -> Figure:
    """The error of mean curves."""
    g, r = CURVES[key](made), CURVES[key](real)
    known = np.isfinite(r).sum(axis=0) > len(r) // 2  # far apart there may be no pairs of sand cells
    g = np.where(np.isfinite(g).any(axis=0), g, 0.0)  # sand that is not there connects nothing
    axes = variograms.axis_of(SHAPE)[: r.shape[1]][known]
    return splits.distance_of_means(key, g[:, known], r[:, known], partial(variograms.error, axes=axes))


def rows(contenders: Mapping[str, Callable[[Site, int, int], Sand]], n: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """One row for each contender, with n realizations of each site; CPU seconds count all threads, and programs that it runs."""
    places = list(sites())
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
    """A table of rows, and below it the errors of real deposits, which depend on how many realizations they are compared with."""
    head = f"{'contender':34}{'n':>4}{'CPU s':>8}{'match':>7}{'sand':>7}{'(truth)':>9}"
    lines = [head + "".join(f"  {key.replace('_', ' ')}" for key in ERRORS)]
    for each in found:
        figures = f"{each['n']:4}{each['cpu_s']:8.2f}{each['balanced_match']:7.3f}{each['sand']:7.3f}{each['sand_truth']:9.3f}"
        lines.append(f"{each['contender']:34}{figures}" + _cells(each))
    return "\n".join([*lines, f"{'real deposits against each other':69}{_cells(found[0], '_floor')}"])


def _cells(row: Mapping[str, Any], end: str = "") -> str:
    return "".join(f"{row[key + end]:{len(key) + 2}.4f}" for key in ERRORS)
