"""Conditional geology beside that of other tools: the same wells, and as training image the same river."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from gempy_gan import Constraints, GempyGanError, Grid, HardData, LearnedPrior, get_prior, invert
from gempy_gan.inversion import prior_given
from gempy_gan.metrics import connectivity, variograms
from gempy_gan.metrics.splits import Splits
from gempy_gan.metrics.volumes import Volumes
from gempy_gan.scores import balanced_match
from gempy_gan.seeds import realization_seed
from gempy_gan_bench import truths
from gempy_gan_bench.figures import fractions
from gempy_gan_bench.observations import box, columns_of
from gempy_gan_bench.protocol import CELL_SIZE, PROPERTY, Protocol

SHAPE = (64, 64, 16)  # cells, as in measurements of these tools elsewhere
IMAGE = (128, 128, 32)  # cells of the training image that peers learn from
WELLS = 8
STD = 0.005  # of the coarse fraction that priors are told; peers are told which cells are sand
REAL = 20  # other deposits of the same river, for each truth
OTHERS = 1_000  # numbers from here on are deposits of the first truth's river, from twice it on of the next one's
IMAGES = 100_000  # added to a truth's number: the realization that is its training image

Sand = NDArray[np.bool_]


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


def deesse(site: Site, n: int, seed: int) -> Sand:
    """Direct sampling of the training image (DeeSse, of geone: commercial outside academia)."""
    geone = _geone("deesseinterface")
    points = np.vstack([site.cells.T + 0.5, site.sand[tuple(site.cells.T)]]).astype(float)
    nx, ny, nz = SHAPE
    image = geone.img.Img(*IMAGE, nv=1, val=site.image.T.astype(float), varname="facies")
    found = geone.deesseinterface.deesseRun(
        geone.deesseinterface.DeesseInput(
            nx=nx, ny=ny, nz=nz, nv=1, varname="facies", TI=image,
            dataPointSet=geone.img.PointSet(npt=len(site.cells), nv=4, val=points, varname=["X", "Y", "Z", "facies"]),
            distanceType="categorical", nneighboringNode=30, distanceThreshold=0.02, maxScanFraction=0.25,
            npostProcessingPathMax=1, seed=seed + 1, nrealization=n,
        ),
        nthreads=1, verbose=0,
    )  # fmt: skip
    return np.stack([np.asarray(each.val[0]).T > 0.5 for each in found["sim"]])


def indicator_simulation(site: Site, n: int, seed: int) -> Sand:
    """Sequential indicator simulation (geone), with ranges fitted to the training image."""
    geone = _geone("geosclassicinterface")
    share = float(site.image.mean())
    model = geone.covModel.CovModel3D([("exponential", {"w": share * (1 - share), "r": list(_ranges(site.image))})])
    found = geone.geosclassicinterface.simulateIndicator(
        [0.0, 1.0], [model, model], SHAPE, probability=[1 - share, share], method="simple_kriging", x=site.cells + 0.5,
        v=site.sand[tuple(site.cells.T)].astype(float), seed=seed + 1, nreal=n, nproc=1, nthreads_per_proc=1, verbose=0,
    )  # fmt: skip
    return np.asarray(found["image"].val.transpose(0, 3, 2, 1) > 0.5)


PEERS: Mapping[str, Callable[[Site, int, int], Sand]] = {"DeeSse": deesse, "SIS": indicator_simulation}


def _geone(module: str) -> Any:
    try:
        for name in ("img", "covModel", module):
            importlib.import_module(f"geone.{name}")
        return importlib.import_module("geone")
    except ImportError as error:
        raise GempyGanError(
            f"This peer needs geone, which cannot be imported ({error}). Install it ('pip install geone'; its DeeSse is "
            "commercial outside academia), or ask for priors alone with --prior."
        ) from error


def _ranges(image: Sand) -> tuple[float, float, float]:
    """Ranges (cells) of an exponential model along each axis: the first lag at 95 % of the indicator variogram's sill."""
    curve = variograms.variograms(image[None].astype(np.float32))[0]
    axes, sill = variograms.axis_of(image.shape), float(image.mean() * (1 - image.mean()))
    return tuple(_lag(curve[axes == axis], 0.95 * sill) for axis in range(3))  # type: ignore[return-value]


def _lag(curve: NDArray[Any], level: float) -> float:
    reached = np.flatnonzero(curve >= level)
    return float(reached[0] + 1 if len(reached) else len(curve))


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

    `variogram` and `connectivity` are errors of mean curves (`gempy_gan.metrics`), `balanced_match` the share of well cells that
    are right, mean over the two facies, as the contender left them.
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
    found: dict[str, float] = {}
    for key, curves in (("variogram", _variogram), ("connectivity", _connectivity)):
        g, r = curves(made), curves(real)
        known = np.isfinite(r).sum(axis=0) > len(r) // 2  # far apart there may be no pairs of sand cells
        g = np.where(np.isfinite(g).any(axis=0), g, 0.0)  # sand that is not there connects nothing
        between = partial(variograms.error, axes=variograms.axis_of(SHAPE)[known])
        figure = splits.distance_of_means(key, g[:, known], r[:, known], between)
        found |= {key: cast("float", figure.value), f"{key}_floor": cast("float", figure.floor)}
    return found


def _variogram(volumes: Volumes) -> NDArray[Any]:
    return variograms.variograms(volumes.coarse)


def _connectivity(volumes: Volumes) -> NDArray[Any]:
    return connectivity.connectivity(volumes.bodies)


def rows(contenders: Mapping[str, Callable[[Site, int, int], Sand]], n: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """One row for each contender, with n realizations of each site; CPU seconds count all threads."""
    places = list(sites())
    for name, contender in contenders.items():
        found = []
        for site in places:
            start = time.process_time()
            sand = contender(site, n, seed)
            found.append((site, sand, time.process_time() - start))
        yield row(name, found)


def text(found: Sequence[Mapping[str, Any]]) -> str:
    """A table of rows."""
    lines = [f"{'contender':34}{'CPU s':>8}{'match':>7}{'sand':>7}{'(truth)':>9}{'variogram':>11}{'connectivity':>14}"]
    for each in found:
        figures = f"{each['cpu_s']:8.2f}{each['balanced_match']:7.3f}{each['sand']:7.3f}{each['sand_truth']:9.3f}"
        lines.append(f"{each['contender']:34}{figures}{each['variogram']:11.4f}{each['connectivity']:14.4f}")
    first = found[0]
    floors = f"{first['variogram_floor']:11.4f}{first['connectivity_floor']:14.4f}"
    return "\n".join([*lines, f"{'real deposits against each other':65}{floors}"])
