"""Memorization: whether volumes lie closer to training images than volumes the prior never saw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gempy_gan.errors import GempyGanError
from gempy_gan.metrics.nearness import Distances, check_sizes, core, of_boxes, of_features, of_whole
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Source, Volumes, shape_of
from gempy_gan.scores import effective_sample_size

NEIGHBOURS = 50
CLOSE = 0.05  # quantile of the null's ratios below which a volume counts as close to a training image
PUBLISHED = 0.7  # the ratio below which Siahkoohi & Sabeddu (2026) call a volume memorized
PERMUTATIONS = 999
SPACES = ("cells", "features")


@dataclass(frozen=True)
class Memorization:
    """Distance ratios to the training images: of `generated` volumes (n,), and of two nulls.

    `held_out` are those of real volumes that were not trained on (none, where there are no such volumes), `left_out` those of
    training images to all others. `nearest` (n,) is the position of the training image that each generated volume is closest to,
    `neighbours` (n,) the same among all real images, training images first, then the held-out ones.
    """

    generated: Array
    held_out: Array
    left_out: Array
    nearest: Array
    neighbours: Array
    images: int
    seed: int = 0

    @property
    def null(self) -> Array:
        """The ratios that those of fresh volumes would be like: of held-out volumes, without any of images left out."""
        return self.held_out if len(self.held_out) else self.left_out

    @property
    def nulls(self) -> Array:
        """The ratios of both nulls together."""
        return np.concatenate([self.held_out, self.left_out])

    @property
    def p_value(self) -> float:
        """Probability that generated volumes lie so close if they were drawn like those of the null, independently.

        The smaller of two one-sided tests, doubled (Bonferroni): that all ratios tend to be smaller (Mann-Whitney), and that
        the smallest 5 % of all ratios are mostly generated ones (hypergeometric), which finds a few copies among many fresh
        draws. Draws of a posterior are not independent: see `p_dependent`.
        """
        from scipy import stats

        shifted = stats.mannwhitneyu(self.generated, self.null, alternative="less").pvalue
        n, m = len(self.generated), len(self.null)
        smallest = int(np.ceil(CLOSE * (n + m)))
        place = np.argsort(np.concatenate([self.generated, self.null]), kind="stable")
        mine = int((place[:smallest] < n).sum())
        crowded = stats.hypergeom.sf(mine - 1, n + m, n, smallest)
        return float(min(1.0, 2 * min(shifted, crowded)))

    @property
    def p_dependent(self) -> float:
        """The same for volumes that depend on each other, as all draws of one posterior do on its data.

        Over truths that the prior could have drawn, one draw of a right posterior is distributed like the truth: its ratio has
        a uniform rank among `nulls`. Twice the mean of such p-values is one, however they depend on each other (Vovk & Wang 2020,
        doi:10.1093/biomet/asaa027). It cannot fall below 2 / (m + 1) for m volumes in the nulls.
        """
        null = np.sort(self.nulls)
        rank = (1 + np.searchsorted(null, self.generated, side="right")) / (1 + len(null))
        return float(min(1.0, 2 * rank.mean()))

    @property
    def share(self) -> float:
        """Share of generated volumes that are closer to a training image than 95 % of the null; 0.05 is expected."""
        return float(np.mean(self.generated < np.quantile(self.null, CLOSE)))

    @property
    def share_published(self) -> tuple[float, float]:
        """Share of generated volumes with a ratio below 0.7, which the paper calls memorized, and the same of the null."""
        return float(np.mean(self.generated < PUBLISHED)), float(np.mean(self.null < PUBLISHED))

    @property
    def share_of_one(self) -> float:
        """Share of generated volumes whose nearest training image is the same one, the most frequent."""
        return float(np.bincount(self.nearest).max() / len(self.nearest))

    @property
    def modes(self) -> float:
        """Effective number of training images that generated volumes are nearest to: 1 / sum of squared shares."""
        return effective_sample_size(np.bincount(self.nearest))

    @property
    def share_trained(self) -> float:
        """Share of generated volumes whose nearest real image is a training image."""
        return float(np.mean(self.neighbours < self.images))

    @property
    def p_exchange(self) -> float:
        """Probability that so many nearest images are training images if training were exchangeable with held-out images.

        It is, for a prior that has not memorized, however good or bad its volumes are: a permutation test that blur does not
        mislead. It needs a fair number of held-out images to see much; 1 without any.
        """
        rng = np.random.default_rng(self.seed)
        total, count = self.images + len(self.held_out), np.bincount(self.neighbours)
        count = np.pad(count, (0, total - len(count)))
        mine = count[self.images :].sum()
        drawn = [count[rng.choice(total, len(self.held_out), replace=False)].sum() for _ in range(PERMUTATIONS)]
        return float((1 + np.sum(np.array(drawn) <= mine)) / (1 + PERMUTATIONS))

    @property
    def medians(self) -> str:
        """The median ratios, as a note."""
        held_out = f", held-out {np.median(self.held_out):.3g}" if len(self.held_out) else ""
        return f"median ratio {np.median(self.generated):.3g}{held_out}, training left out {np.median(self.left_out):.3g}"

    def figures(self) -> Iterator[Figure]:
        """The p-values and the share, with what they come from."""
        yield Figure("memorization", self.p_value, note=self.medians)
        yield Figure("memorized_share", self.share, CLOSE)
        expected = self.images / (self.images + len(self.held_out))
        note = f"{self.share_trained:.1%} are training images, {expected:.1%} expected"
        yield Figure("training_neighbours", self.p_exchange, note=note)


def memorization(
    generated: Source | Volumes,
    training: Source,
    held_out: Source | Volumes | None = None,
    flips: Sequence[str] = ("y",),
    neighbours: int = NEIGHBOURS,
    seed: int = 0,
    space: str = "cells",
    shifts: bool = False,
) -> Memorization:
    """Compare volumes with the training images and with held-out volumes, all given as in `validate`.

    The ratio of a volume is its distance to the nearest training image over the mean of those to the next ones, up to the 50th
    (Siahkoohi & Sabeddu 2026). It has no meaning by itself, for fresh draws of the truth can have small ones; beside the nulls it
    has. But smooth volumes have smaller ratios than real ones without being copies: hence the second test, whether the nearest
    of *all* real images are training images more often than chance would have it. Without held-out volumes, the null is that of
    training images to all others, and there is no second test.

    The `space` "cells" takes the rms over at most 16,384 cells. "features" takes multi-point histograms, connectivity, and bodies
    (`gempy_gan.metrics.signatures`), which a volume keeps when it is shifted or mirrored along `flips`; the training images
    decide which 20 of them count.

    Where training images are larger than the generated boxes, which a prior learned from boxes cut out of them, the distance to
    an image is that to the nearest box in it, wherever it lies (`gempy_gan.metrics.search`), so that a copy is found from
    anywhere in a training image. Each image counts once, for boxes of one image depend on each other. The held-out volumes are
    as large as the training images then: one box of each is compared, and the nearest of all real images is looked for in all
    of them.

    A volume that is a training image mirrored along the axes in `flips` ("x", "y", or both, in any combination) is as close as
    the image itself. With `shifts`, the middle of each volume, three quarters along x and y, is looked for everywhere in images
    of the same size, so that a copy that was shifted by up to an eighth of the box is found. Of more than 10,000 training
    images (1000 larger ones) so many are picked by the seed.

    Raises GempyGanError for fewer than 3 training images, 2 volumes on either side, held-out volumes that are training images,
    or an unknown space; GridError where boxes do not fit.
    """
    if space not in SPACES:
        raise GempyGanError(f"Volumes were to be compared by their {space!r}. Expected one of: {', '.join(SPACES)}.")
    box, whole = shape_of(generated, "generated volumes"), shape_of(training, "training images")
    check_sizes(box, training, training if held_out is None else held_out)
    if space == "features":
        wholes = held_out if box == whole else _wholes(held_out)
        return _found(of_features(generated, training, wholes, flips, seed), neighbours, seed)
    if box == whole and not shifts:
        return _found(of_whole(generated, training, held_out, flips, seed), neighbours, seed)
    boxes = core(generated) if box == whole else generated
    return _found(of_boxes(boxes, training, _wholes(held_out), flips, seed), neighbours, seed)


def _wholes(held_out: Source | Volumes | None) -> Source | None:
    return held_out.fraction[:, None] if isinstance(held_out, Volumes) else held_out


def _found(distances: Distances, neighbours: int, seed: int) -> Memorization:
    mine, theirs, own = (ratio(d, neighbours) for d in (distances.generated, distances.held_out, distances.left_out))
    images = distances.generated.shape[1]
    return Memorization(mine, theirs, own, distances.generated.argmin(axis=1), distances.real.argmin(axis=1), images, seed)


def ratio(distances: Array, neighbours: int = NEIGHBOURS) -> Array:
    """Ratio (n,) of the smallest distance to the mean of the following ones, from distances (n, N) to N training images.

    >>> ratio(np.array([[2.0, 1.0, 2.0, np.inf]])).tolist()
    [0.5]
    """
    if not len(distances):
        return np.zeros(0)
    closest = np.sort(distances, axis=1)[:, : min(neighbours, np.isfinite(distances).sum(axis=1).min())]
    mean = closest[:, 1:].mean(axis=1)
    return np.asarray(np.divide(closest[:, 0], mean, out=np.ones(len(mean)), where=mean > 0))
