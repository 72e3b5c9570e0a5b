"""Look-ups: whether the realizations of an ensemble are no more than copies of training images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gempy_gan.diagnosis import MOSTLY
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.memorization import CLOSE, Memorization, memorization
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.volumes import FRACTION

COPY = 2 / 3  # of the ratio that 5 % of the nulls stay below: a realization below it repeats an image
AT_ONCE = 64  # realizations that are read together


@dataclass(frozen=True)
class Lookup:
    """Distances of an ensemble's realizations to training images, cell by cell and in geological features."""

    cells: Memorization
    features: Memorization

    @property
    def p_value(self) -> float:
        """Probability that realizations lie so close to training images if they only share geology: the smallest of
        `Memorization.p_dependent` in cells and in features and, beside held-out images, `p_exchange` in cells, times their number
        (Bonferroni). All three hold for realizations that depend on each other."""
        found = [self.cells.p_dependent, self.features.p_dependent]
        found += [self.cells.p_exchange] if len(self.cells.held_out) else []
        return min(1.0, len(found) * min(found))

    @property
    def copies(self) -> float:
        """Share of realizations that repeat a training image: far closer to it than 95 % of the images that were left out are."""
        return float(np.mean(self.cells.generated < COPY * np.quantile(self.cells.nulls, CLOSE)))

    @property
    def is_lookup(self) -> bool:
        """Whether most of the ensemble repeats training images, so that its spread says nothing of what else could be."""
        return self.copies >= MOSTLY

    def figures(self) -> Iterator[tuple[str, float | None, str]]:
        """Key, value and note of each figure of a diagnosis."""
        yield "lookup_p", self.p_value, self.cells.medians
        yield "copies", self.copies, ""
        yield "copies_published", self.cells.share_published[0], f"the nulls have {self.cells.share_published[1]:.2f}"
        yield "nearest_alike", self.cells.share_of_one, f"image {int(np.bincount(self.cells.nearest).argmax())}"
        yield "lookup_modes", self.cells.modes, f"in features {self.features.modes:.1f}"


def lookup(
    ensemble: Ensemble,
    training: Ensemble,
    held_out: Ensemble | None = None,
    flips: Sequence[str] = ("y",),
    seed: int = 0,
    shifts: bool = False,
) -> Lookup:
    """Compare an ensemble with the images that its prior learned from, and with `held_out` images if there are any.

    Images are of the ensemble's size, or larger if the prior learned from boxes of them (see `memorization`, also for `flips`
    and `shifts`). Compared is the coarse fraction, or else the first property: continuous values relative to the images' median
    and range, facies by their order. Weighted realizations count by their weights.

    Raises GempyGanError where the property is missing, and what `memorization` raises.
    """
    scaled = _comparable(ensemble, training, held_out)
    mine = scaled(ensemble)[_by_weight(ensemble.weights, seed)]
    images, fresh = scaled(training), None if held_out is None else scaled(held_out)
    return Lookup(*(memorization(mine, images, fresh, flips, seed=seed, space=s, shifts=shifts) for s in ("cells", "features")))


def scaled_values(ensemble: Ensemble, training: Ensemble) -> tuple[Array, Array]:
    """The values (n, nx, ny, nz) and (N, NX, NY, nz), between 0 and 1, by which `lookup` compares realizations with images."""
    scaled = _comparable(ensemble, training, None)
    return scaled(ensemble)[_by_weight(ensemble.weights, 0), 0], scaled(training)[:, 0]


def _comparable(ensemble: Ensemble, training: Ensemble, held_out: Ensemble | None) -> Callable[[Ensemble], Array]:
    """What brings the property that is compared to 0 to 1. Raises GempyGanError where images lack it."""
    name = FRACTION if FRACTION in (p.name for p in ensemble.properties) else ensemble.properties[0].name
    for other, what in ((training, "training images"), (held_out, "held-out images")):
        if other is not None and name not in (p.name for p in other.properties):
            held = ", ".join(p.name for p in other.properties)
            raise GempyGanError(f"The {what} hold {held}, and the ensemble {name!r}. Expected the same property.")
    return _scale(training, name)


def _scale(training: Ensemble, name: str) -> Callable[[Ensemble], Array]:
    """What brings values to 0 to 1, the middle of the training images at 0.5; coarse fractions stay as they are."""
    prop = training.property(name)
    if prop.facies:
        codes = np.array(sorted(prop.facies))
        return lambda e: np.searchsorted(codes, _values(e, name)).astype(np.float32) / np.float32(max(1, len(codes) - 1))
    if name == FRACTION:
        return lambda e: _values(e, name)
    known = _values(training, name)
    middle = float(np.median(known))
    reach = max(float(known.max()) - middle, middle - float(known.min())) or 1.0
    return lambda e: np.clip((_values(e, name) - np.float32(middle)) / np.float32(2 * reach) + np.float32(0.5), 0, 1)


def _values(ensemble: Ensemble, name: str) -> Array:
    """Values (n, 1, nx, ny, nz), read some at a time."""
    data = ensemble.dataset[name]
    parts = [data[start : start + AT_ONCE].values for start in range(0, len(ensemble), AT_ONCE)]
    return np.concatenate(parts, dtype=np.float32)[:, None]


def _by_weight(weights: Array, seed: int) -> Array:
    """Positions (n,) of as many realizations, each as often as its weight says, in their order."""
    import torch

    from gempy_gan.strategies.rejection import systematic

    drawn = systematic(torch.tensor(weights), len(weights), torch.Generator().manual_seed(seed))
    return np.sort(drawn.numpy())
