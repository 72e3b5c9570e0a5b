"""Memorization: whether volumes lie closer to training images than volumes the prior never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Source, Volumes, fractions, picks

CELLS = 2**14  # on which volumes are compared, picked at random
NEIGHBOURS = 50
CLOSE = 0.05  # quantile of the held-out ratios below which a volume counts as close to a training image
PERMUTATIONS = 999
HELD_OUT = "held-out volumes"
MOST_IMAGES = 10_000
MOST_LEFT_OUT = 500  # training images that are each compared with all others


@dataclass(frozen=True)
class Memorization:
    """Distance ratios to the training images: of `generated` volumes (n,), and of two nulls.

    `held_out` are those of real volumes that were not trained on, `left_out` those of training images to all others.
    `nearest` (n,) is the position of the training image that each generated volume is closest to, `neighbours` (n,) the same
    among all real images, training images first, then the held-out ones.
    """

    generated: Array
    held_out: Array
    left_out: Array
    nearest: Array
    neighbours: Array
    images: int
    seed: int = 0

    @property
    def p_value(self) -> float:
        """Probability that generated volumes lie so close if they were drawn like held-out ones.

        The smaller of two one-sided tests, doubled (Bonferroni): that all ratios tend to be smaller (Mann-Whitney), and that
        the smallest 5 % of all ratios are mostly generated ones (hypergeometric), which finds a few copies among many fresh
        draws.
        """
        from scipy import stats

        shifted = stats.mannwhitneyu(self.generated, self.held_out, alternative="less").pvalue
        n, m = len(self.generated), len(self.held_out)
        smallest = int(np.ceil(CLOSE * (n + m)))
        place = np.argsort(np.concatenate([self.generated, self.held_out]), kind="stable")
        mine = int((place[:smallest] < n).sum())
        crowded = stats.hypergeom.sf(mine - 1, n + m, n, smallest)
        return float(min(1.0, 2 * min(shifted, crowded)))

    @property
    def share(self) -> float:
        """Share of generated volumes that are closer to a training image than 95 % of the held-out ones; 0.05 is expected."""
        return float(np.mean(self.generated < np.quantile(self.held_out, CLOSE)))

    @property
    def share_trained(self) -> float:
        """Share of generated volumes whose nearest real image is a training image."""
        return float(np.mean(self.neighbours < self.images))

    @property
    def p_exchange(self) -> float:
        """Probability that so many nearest images are training images if training were exchangeable with held-out images.

        It is, for a prior that has not memorized, however good or bad its volumes are: a permutation test that blur does not
        mislead. It needs a fair number of held-out images to see much.
        """
        rng = np.random.default_rng(self.seed)
        total, count = self.images + len(self.held_out), np.bincount(self.neighbours)
        count = np.pad(count, (0, total - len(count)))
        mine = count[self.images :].sum()
        drawn = [count[rng.choice(total, len(self.held_out), replace=False)].sum() for _ in range(PERMUTATIONS)]
        return float((1 + np.sum(np.array(drawn) <= mine)) / (1 + PERMUTATIONS))

    def figures(self) -> Iterator[Figure]:
        """The p-values and the share, with what they come from."""
        median = [float(np.median(r)) for r in (self.generated, self.held_out, self.left_out)]
        note = "median ratio {:.3g}, held-out {:.3g}, training left out {:.3g}".format(*median)
        yield Figure("memorization", self.p_value, note=note)
        yield Figure("memorized_share", self.share, CLOSE)
        expected = self.images / (self.images + len(self.held_out))
        note = f"{self.share_trained:.1%} are training images, {expected:.1%} expected"
        yield Figure("training_neighbours", self.p_exchange, note=note)


def memorization(
    generated: Source | Volumes,
    training: Source | Volumes,
    held_out: Source | Volumes,
    flips: Sequence[str] = ("y",),
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
) -> Memorization:
    """Compare volumes with the training images and with held-out volumes, all given as in `validate`.

    The ratio of a volume is its distance (rms over at most 16,384 cells) to the nearest training image over the mean of those
    to the next ones, up to the 50th (Siahkoohi & Sabeddu 2026). It has no meaning by itself, for fresh draws of the truth can
    have small ones; beside the nulls it has. But smooth volumes have smaller ratios than real ones without being copies: hence
    the second test, whether the nearest of *all* real images are training images more often than chance would have it.

    A volume that is a training image mirrored along the axes in `flips` ("x", "y", or both, in any combination) is as close as
    the image itself. Images that were shifted or cropped are not recognised. Of more than 10,000 training images, so many are
    picked by the seed.

    Raises GempyGanError for fewer than 3 training images, 2 volumes on either side, boxes that differ in size, or held-out
    volumes that are training images.
    """
    first = next(fractions(training, 1, seed, "training images"))
    cells, mirrors = _symmetric_cells(first.shape[1:], flips, seed)
    g, known, h = (
        _at(cells, first.shape[1:], source, least, seed, what)
        for source, least, what in (
            (generated, 2, "generated volumes"),
            (training, 3, "training images"),
            (held_out, 2, HELD_OUT),
        )
    )
    _check_apart(known, h)
    left_out = picks(len(known), MOST_LEFT_OUT, seed)
    library, others = _Library(known, mirrors), _Library(h, mirrors)
    mine, theirs, own = (library.distances(v) for v in (g, h, known[left_out]))
    own[np.arange(len(left_out)), left_out] = np.inf  # an image is not its own neighbour
    real = np.concatenate([mine, others.distances(g)], axis=1)
    ratios = [ratio(distances, neighbours) for distances in (mine, theirs, own)]
    return Memorization(ratios[0], ratios[1], ratios[2], mine.argmin(axis=1), real.argmin(axis=1), len(known), seed)


def ratio(distances: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Ratio (n,) of the smallest distance to the mean of the following ones, from distances (n, N) to N training images.

    >>> ratio(np.array([[2.0, 1.0, 2.0, np.inf]])).tolist()
    [0.5]
    """
    closest = np.sort(distances, axis=1)[:, : min(neighbours, np.isfinite(distances).sum(axis=1).min())]
    mean = closest[:, 1:].mean(axis=1)
    return np.asarray(np.divide(closest[:, 0], mean, out=np.ones(len(mean)), where=mean > 0))


class _Library:
    """Images (N, cells) that volumes are compared with; `mirrors` are the orders of the cells of each mirrored version."""

    def __init__(self, images: Array, mirrors: Sequence[Array]) -> None:
        self.centre = images.mean(axis=0)
        self.images = images - self.centre
        self.square = np.einsum("ij,ij->i", self.images, self.images)
        self.mirrors = mirrors

    def distances(self, volumes: Array) -> Array:
        """Rms distance (n, N) of volumes (n, cells) to the images, the smallest over all mirrored versions."""
        return np.asarray(np.minimum.reduce([self._distances(volumes[:, order]) for order in self.mirrors]))

    def _distances(self, volumes: Array) -> Array:
        offset = volumes - self.centre
        square = np.einsum("ij,ij->i", offset, offset)[:, None] + self.square - 2 * offset @ self.images.T
        return np.asarray(np.sqrt(np.maximum(square, 0) / offset.shape[1], dtype=np.float64))


def _symmetric_cells(shape: Sequence[int], flips: Sequence[str], seed: int) -> tuple[Array, list[Array]]:
    """At most about `CELLS` random cells, with each its mirror images, and their order (cells,) in every mirrored version."""
    numbers = np.arange(np.prod(shape)).reshape(shape)
    versions = [numbers]
    for axis in flips:
        versions += [np.flip(v, "xy".index(axis)) for v in versions]
    some = picks(numbers.size, CELLS // len(versions), seed)
    cells = np.unique([v.ravel()[some] for v in versions])
    return cells, [np.searchsorted(cells, v.ravel()[cells]) for v in versions]


def _at(cells: Array, shape: Sequence[int], source: Source | Volumes, least: int, seed: int, what: str) -> Array:
    """Fractions (n, cells) of volumes, read a few at a time."""
    found = []
    for part in fractions(source, MOST_IMAGES, seed, what):
        if part.shape[1:] != tuple(shape):
            raise GempyGanError(f"The {what} have {part.shape[1:]} cells. Expected the training images' {tuple(shape)}.")
        found.append(part.reshape(len(part), -1)[:, cells])
    values = np.concatenate(found)
    if len(values) < least:
        raise GempyGanError(f"There are {len(values)} {what}. Expected at least {least}.")
    return values


def _check_apart(training: Array, held_out: Array) -> None:
    known = {image.tobytes() for image in training if np.ptp(image) > 0}  # those of one value may be equal by chance
    shared = sum(volume.tobytes() in known for volume in held_out)
    if shared:
        raise GempyGanError(f"{shared} of the {len(held_out)} held-out volumes are training images. Expected none of them.")
