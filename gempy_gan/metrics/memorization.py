"""Memorization: whether volumes lie closer to training images than volumes the prior never saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gempy_gan import progress
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.metrics.search import Search
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import AT_ONCE, Source, Volumes, count, digest, fractions, picks, shape_of
from gempy_gan.metrics.windows import cells, check_box

CELLS = 2**14  # on which volumes are compared, picked at random
NEIGHBOURS = 50
CLOSE = 0.05  # quantile of the held-out ratios below which a volume counts as close to a training image
PERMUTATIONS = 999
TRAINING, HELD_OUT = "training images", "held-out volumes"
MOST_IMAGES = 10_000
MOST_LEFT_OUT = 500  # training images that are each compared with all others
MOST_SEARCHED, MOST_SEARCHED_HELD_OUT, MOST_SEARCHED_LEFT_OUT = 1000, 200, 100  # where boxes are looked for in larger images


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
    training: Source,
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

    Where training images are larger than the generated boxes, which a prior learned from boxes cut out of them, the distance to
    an image is that to the nearest box in it, wherever it lies (`gempy_gan.metrics.search`), so that a copy is found from
    anywhere in a training image. Each image counts once, for boxes of one image depend on each other. The held-out volumes are
    as large as the training images then: one box of each is compared, and the nearest of all real images is looked for in all
    of them.

    A volume that is a training image mirrored along the axes in `flips` ("x", "y", or both, in any combination) is as close as
    the image itself. Whole images that were shifted are not recognised. Of more than 10,000 training images (1000 larger ones)
    so many are picked by the seed.

    Raises GempyGanError for fewer than 3 training images, 2 volumes on either side, or held-out volumes that are training
    images; GridError where boxes do not fit.
    """
    box, whole = shape_of(generated, "generated volumes"), shape_of(training, TRAINING)
    check_sizes(box, training, held_out)
    if box == whole:
        return _of_whole(generated, training, held_out, flips, neighbours, seed)
    wholes = held_out.fraction[:, None] if isinstance(held_out, Volumes) else held_out
    return _of_boxes(generated, training, wholes, flips, neighbours, seed)


def check_sizes(box: Sequence[int], training: Source, held_out: Source | Volumes) -> None:
    """Raise GridError where boxes cannot be compared with training images, or these with held-out volumes."""
    whole, other = shape_of(training, TRAINING), shape_of(held_out, HELD_OUT)
    check_box(box, whole, TRAINING)
    if whole != other:
        raise GridError(
            f"The training images have {cells(whole)} cells and the {HELD_OUT} {cells(other)}. Expected the same, for boxes of "
            f"{cells(box)} cells are found the more easily the larger the volume is."
        )


def _of_whole(
    generated: Source | Volumes,
    training: Source,
    held_out: Source | Volumes,
    flips: Sequence[str],
    neighbours: int,
    seed: int,
) -> Memorization:
    places, mirrors = _symmetric_cells(shape_of(training), flips, seed)
    g, _ = _at(places, generated, 2, seed, "generated volumes")
    h, fresh = _at(places, held_out, 2, seed, HELD_OUT)
    known, digests = _at(places, training, 3, seed, TRAINING)
    _check_apart(digests, fresh)
    left_out = picks(len(known), MOST_LEFT_OUT, seed)
    images = known[left_out]
    library = _Library(known, mirrors)
    mine, theirs, own = (library.distances(v) for v in (g, h, images))
    own[np.arange(len(left_out)), left_out] = np.inf  # an image is not its own neighbour
    return _found(mine, theirs, own, _Library(h, mirrors).distances(g), neighbours, seed)


def _of_boxes(
    generated: Source | Volumes, training: Source, held_out: Source, flips: Sequence[str], neighbours: int, seed: int
) -> Memorization:
    g = generated if isinstance(generated, Volumes) else Volumes.of(generated, None, seed, "generated volumes", timed=False)
    h = Volumes.of(held_out, MOST_SEARCHED_HELD_OUT, seed, HELD_OUT, g.shape, timed=False)
    left_out = Volumes.of(training, MOST_SEARCHED_LEFT_OUT, seed, TRAINING, g.shape, timed=False)
    for volumes, least, what in ((g, 2, "generated volumes"), (h, 2, HELD_OUT), (left_out, 3, TRAINING)):
        _check_count(len(volumes), least, what)
    whole, total = shape_of(training), count(training)
    digests: list[bytes] = []
    searched = Search(np.concatenate([v.fraction for v in (g, h, left_out)]), whole, flips)
    parts = progress.track(
        fractions(training, MOST_SEARCHED, seed, TRAINING), "training images", -(-min(total, MOST_SEARCHED) // AT_ONCE)
    )
    distances = searched.distances(_noted(parts, digests))
    _check_apart(digests, h.digests)
    mine, theirs, own = np.split(distances, np.cumsum([len(g), len(h)]))
    own[picks(total, MOST_SEARCHED_LEFT_OUT, seed)[:, None] == picks(total, MOST_SEARCHED, seed)] = np.inf
    others = Search(g.fraction, whole, flips).distances(fractions(held_out, MOST_SEARCHED_HELD_OUT, seed, HELD_OUT))
    return _found(mine, theirs, own, others, neighbours, seed)


def _noted(parts: Iterable[Array], digests: list[bytes]) -> Iterator[Array]:
    for part in parts:
        digests += [digest(volume) for volume in part]
        yield part


def _found(mine: Array, theirs: Array, own: Array, others: Array, neighbours: int, seed: int) -> Memorization:
    """From distances (n, N) to the training images, of each kind of volumes, and of generated volumes to the held-out images."""
    real = np.concatenate([mine, others], axis=1)
    ratios = [ratio(distances, neighbours) for distances in (mine, theirs, own)]
    return Memorization(ratios[0], ratios[1], ratios[2], mine.argmin(axis=1), real.argmin(axis=1), mine.shape[1], seed)


def ratio(distances: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Ratio (n,) of the smallest distance to the mean of the following ones, from distances (n, N) to N training images.

    >>> ratio(np.array([[2.0, 1.0, 2.0, np.inf]])).tolist()
    [0.5]
    """
    closest = np.sort(distances, axis=1)[:, : min(neighbours, np.isfinite(distances).sum(axis=1).min())]
    mean = closest[:, 1:].mean(axis=1)
    return np.asarray(np.divide(closest[:, 0], mean, out=np.ones(len(mean)), where=mean > 0))


class _Library:
    """Images (N, cells), changed in place, that volumes are compared with; `mirrors` are the orders of the cells of each
    mirrored version."""

    def __init__(self, images: Array, mirrors: Sequence[Array]) -> None:
        self.centre = images.mean(axis=0)
        images -= self.centre
        self.images, self.mirrors = images, mirrors
        self.square = np.einsum("ij,ij->i", images, images)

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


def _at(places: Array, source: Source | Volumes, least: int, seed: int, what: str) -> tuple[Array, list[bytes]]:
    """Fractions (n, cells) of volumes, read a few at a time, and the digest of each volume."""
    total = len(source) if isinstance(source, Volumes) else count(source, what)
    _check_count(total, least, what)
    values, digests = np.empty((min(total, MOST_IMAGES), len(places)), np.float32), list[bytes]()
    for part in fractions(source, MOST_IMAGES, seed, what):
        np.take(part.reshape(len(part), -1), places, axis=1, out=values[len(digests) : len(digests) + len(part)])
        digests += [digest(volume) for volume in part]
    return values, digests


def _check_count(found: int, least: int, what: str) -> None:
    if found < least:
        raise GempyGanError(f"There are {found} {what}. Expected at least {least}.")


def _check_apart(training: Iterable[bytes], held_out: Iterable[bytes]) -> None:
    """Raise GempyGanError where held-out volumes are training images, by their digests."""
    known, fresh = set(training), list(held_out)
    shared = sum(volume in known for volume in fresh if volume)
    if shared:
        raise GempyGanError(f"{shared} of the {len(fresh)} held-out volumes are training images. Expected none of them.")
