"""Memorization: whether volumes lie closer to training images than volumes the prior never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import picks

CELLS = 2**14  # on which volumes are compared, picked at random
NEIGHBOURS = 50
CLOSE = 0.05  # quantile of the held-out ratios below which a volume counts as close to a training image
PERMUTATIONS = 999
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
    generated: ArrayLike,
    training: ArrayLike,
    held_out: ArrayLike,
    flips: Sequence[str] = ("y",),
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
) -> Memorization:
    """Compare volumes (n, nx, ny, nz) with the training images and with held-out volumes.

    The ratio of a volume is its distance (rms over at most 16,384 cells) to the nearest training image over the mean of those
    to the next ones, up to the 50th (Siahkoohi & Sabeddu 2026). It has no meaning by itself, for fresh draws of the truth can
    have small ones; beside the nulls it has. But smooth volumes have smaller ratios than real ones without being copies: hence
    the second test, whether the nearest of *all* real images are training images more often than chance would have it.

    A volume that is a training image mirrored along the axes in `flips` ("x", "y", or both, in any combination) is as close as
    the image itself. Images that were shifted or cropped are not recognised.

    Raises GempyGanError for fewer than 3 training images, 2 volumes on either side, or boxes that differ in size.
    """
    volumes, known, unseen = (np.asarray(v, dtype=np.float32) for v in (generated, training, held_out))
    _check(volumes, known, unseen)
    cells = picks(known[0].size, CELLS, seed)
    library = _Library(known.reshape(len(known), -1)[:, cells])
    others = _Library(unseen.reshape(len(unseen), -1)[:, cells])
    left_out = picks(len(known), MOST_LEFT_OUT, seed)
    g, h, t = (library.distances(v, flips, cells) for v in (volumes, unseen, known[left_out]))
    t[np.arange(len(left_out)), left_out] = np.inf  # an image is not its own neighbour
    real = np.concatenate([g, others.distances(volumes, flips, cells)], axis=1)
    mine, theirs, own = (ratio(distances, neighbours) for distances in (g, h, t))
    return Memorization(mine, theirs, own, g.argmin(axis=1), real.argmin(axis=1), len(known), seed)


def ratio(distances: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Ratio (n,) of the smallest distance to the mean of the following ones, from distances (n, N) to N training images.

    >>> ratio(np.array([[2.0, 1.0, 2.0, np.inf]])).tolist()
    [0.5]
    """
    closest = np.sort(distances, axis=1)[:, : min(neighbours, np.isfinite(distances).sum(axis=1).min())]
    mean = closest[:, 1:].mean(axis=1)
    return np.asarray(np.divide(closest[:, 0], mean, out=np.ones(len(mean)), where=mean > 0))


class _Library:
    """Training images (N, cells) that volumes are compared with."""

    def __init__(self, images: Array) -> None:
        self.centre = images.mean(axis=0)
        self.images = images - self.centre
        self.square = np.einsum("ij,ij->i", self.images, self.images)

    def distances(self, volumes: Array, flips: Sequence[str], cells: Array) -> Array:
        """Rms distance (n, N) of volumes (n, nx, ny, nz) to the images, the smallest over all mirrored versions."""
        versions = [volumes]
        for axis in flips:
            versions += [np.flip(v, "xy".index(axis) + 1) for v in versions]
        return np.asarray(np.minimum.reduce([self._distances(v.reshape(len(v), -1)[:, cells]) for v in versions]))

    def _distances(self, volumes: Array) -> Array:
        offset = volumes - self.centre
        square = np.einsum("ij,ij->i", offset, offset)[:, None] + self.square - 2 * offset @ self.images.T
        return np.asarray(np.sqrt(np.maximum(square, 0) / offset.shape[1], dtype=np.float64))


def _check(generated: Array, training: Array, held_out: Array) -> None:
    counts = {"generated": (generated, 2), "held-out": (held_out, 2), "training": (training, 3)}
    for name, (volumes, least) in counts.items():
        if len(volumes) < least or volumes.ndim != 4 or volumes.shape[1:] != training.shape[1:]:
            raise GempyGanError(
                f"The {name} volumes have shape {volumes.shape}. Expected at least {least} of the training images' size "
                f"{training.shape[1:]}."
            )
