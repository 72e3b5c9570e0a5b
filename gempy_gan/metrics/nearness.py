"""Distances of volumes to training images, and to images that were not trained on: cell by cell, or in geological features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gempy_gan import progress
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.metrics.search import Search
from gempy_gan.metrics.signatures import Signatures, describe
from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.volumes import AT_ONCE, Source, Volumes, count, digest, fractions, picks, shape_of
from gempy_gan.metrics.windows import cells, check_box, corners, cut, mirrored

CELLS = 2**14  # on which volumes are compared, picked at random
CORE = 0.75  # of a volume along x and y, that is looked for in others, wherever it lies
TRAINING, HELD_OUT = "training images", "held-out volumes"
MOST_IMAGES = 10_000
MOST_LEFT_OUT = 500  # training images that are each compared with all others
MOST_SEARCHED, MOST_SEARCHED_HELD_OUT, MOST_SEARCHED_LEFT_OUT = 1000, 200, 100  # where boxes are looked for in larger images
MOST_DESCRIBED, MOST_DESCRIBED_LARGER = 1000, 250  # images of which features are computed
BOXES = 4  # of each larger image, of which features are computed


@dataclass(frozen=True)
class Distances:
    """Distances to N training images: of generated volumes (n, N), of held-out ones (h, N), and of the images that were each left
    out (l, N), infinite to themselves; `real` (n, N + H) are those of generated volumes to all training and held-out images. h
    and H are 0 where there are none.
    """

    generated: Array
    held_out: Array
    left_out: Array
    real: Array


def check_sizes(box: Sequence[int], training: Source, held_out: Source | Volumes) -> None:
    """Raise GridError where boxes cannot be compared with training images, or these with held-out volumes."""
    whole, other = shape_of(training, TRAINING), shape_of(held_out, HELD_OUT)
    check_box(box, whole, TRAINING)
    if whole != other:
        raise GridError(
            f"The training images have {cells(whole)} cells and the {HELD_OUT} {cells(other)}. Expected the same, for boxes of "
            f"{cells(box)} cells are found the more easily the larger the volume is."
        )


def of_whole(
    generated: Source | Volumes, training: Source, held_out: Source | Volumes | None, flips: Sequence[str], seed: int
) -> Distances:
    """Rms distances over at most 16,384 cells, mirrored along `flips` or not, of volumes that are all of one size."""
    places, mirrors = _symmetric_cells(shape_of(training), flips, seed)
    g, _ = _at(places, generated, 2, seed, "generated volumes")
    h, fresh = (g[:0], []) if held_out is None else _at(places, held_out, 2, seed, HELD_OUT)
    known, digests = _at(places, training, 3, seed, TRAINING)
    _check_apart(digests, fresh)
    left_out = picks(len(known), MOST_LEFT_OUT, seed)
    images = known[left_out]
    library = _Library(known, mirrors)
    mine, theirs, own = (library.distances(v) for v in (g, h, images))
    own[np.arange(len(left_out)), left_out] = np.inf  # an image is not its own neighbour
    others = _Library(h, mirrors).distances(g) if len(h) else mine[:, :0]
    return Distances(mine, theirs, own, np.concatenate([mine, others], axis=1))


def of_boxes(
    generated: Source | Volumes, training: Source, held_out: Source | None, flips: Sequence[str], seed: int
) -> Distances:
    """Rms distances to the nearest box in each of larger images; of those, one box each is compared on their side."""
    g = generated if isinstance(generated, Volumes) else Volumes.of(generated, None, seed, "generated volumes", timed=False)
    h = None if held_out is None else Volumes.of(held_out, MOST_SEARCHED_HELD_OUT, seed, HELD_OUT, g.shape, timed=False)
    left_out = Volumes.of(training, MOST_SEARCHED_LEFT_OUT, seed, TRAINING, g.shape, timed=False)
    for volumes, least, what in ((g, 2, "generated volumes"), (h, 2, HELD_OUT), (left_out, 3, TRAINING)):
        if volumes is not None:
            _check_count(len(volumes), least, what)
    whole, total = shape_of(training), count(training)
    digests: list[bytes] = []
    boxes = [g.fraction, g.fraction[:0] if h is None else h.fraction, left_out.fraction]
    searched = Search(np.concatenate(boxes), whole, flips)
    parts = progress.track(
        fractions(training, MOST_SEARCHED, seed, TRAINING), "training images", -(-min(total, MOST_SEARCHED) // AT_ONCE)
    )
    distances = searched.distances(_noted(parts, digests))
    mine, theirs, own = np.split(distances, np.cumsum([len(part) for part in boxes[:2]]))
    own[picks(total, MOST_SEARCHED_LEFT_OUT, seed)[:, None] == picks(total, MOST_SEARCHED, seed)] = np.inf
    if h is None or held_out is None:
        return Distances(mine, theirs, own, mine)
    _check_apart(digests, h.digests)
    others = Search(g.fraction, whole, flips).distances(fractions(held_out, MOST_SEARCHED_HELD_OUT, seed, HELD_OUT))
    return Distances(mine, theirs, own, np.concatenate([mine, others], axis=1))


def of_features(
    generated: Source | Volumes, training: Source, held_out: Source | Volumes | None, flips: Sequence[str], seed: int
) -> Distances:
    """Distances between `Signatures`; of larger images, four boxes are described each.

    Signatures come from the training images, to which generated and held-out volumes are then equally strange; `real` takes those
    of all real images, so that training and held-out images are equally familiar.
    """
    g = generated if isinstance(generated, Volumes) else Volumes.of(generated, None, seed, "generated volumes", timed=False)
    of_one_size = shape_of(training) == g.shape
    most = MOST_DESCRIBED if of_one_size else MOST_DESCRIBED_LARGER
    known = [Volumes.of(training, most, seed, TRAINING, g.shape, timed=False)]
    known += [] if of_one_size else _other_boxes(training, g.shape, most, seed)
    described = [describe(volumes, flips) for volumes in known]
    signatures = Signatures.of(np.concatenate(described))
    images, mine = [signatures(part) for part in described], describe(g, flips)
    near, own = _nearest(signatures(mine), images), _nearest(images[0], images)
    np.fill_diagonal(own, np.inf)
    if held_out is None:
        return Distances(near, near[:0], own, near)
    if isinstance(held_out, Volumes):
        unknown = [held_out]
    else:
        unknown = [Volumes.of(held_out, most, seed, HELD_OUT, g.shape, timed=False)]
        unknown += [] if of_one_size else _other_boxes(held_out, g.shape, most, seed)  # as many chances as a training image has
    _check_apart(known[0].digests, unknown[0].digests)
    fresh = [describe(volumes, flips) for volumes in unknown]
    common = Signatures.of(np.concatenate(described + fresh))
    real = [_nearest(common(mine), [common(part) for part in side]) for side in (described, fresh)]
    return Distances(near, _nearest(signatures(fresh[0]), images), own, np.concatenate(real, axis=1))


def core(source: Source | Volumes) -> Volumes:
    """The middle of volumes, three quarters of them along x and y: it has room to lie elsewhere in an image."""
    volumes = source if isinstance(source, Volumes) else Volumes.of(source, what="generated volumes", timed=False)
    nx, ny, nz = volumes.shape
    box = max(1, int(CORE * nx)), max(1, int(CORE * ny)), nz
    corner = (nx - box[0]) // 2, (ny - box[1]) // 2
    return Volumes(np.ascontiguousarray(cut(volumes.fraction, corner, box)), None, volumes.digests)


def _other_boxes(wholes: Source, box: Sequence[int], most: int, seed: int) -> list[Volumes]:
    """Boxes from other places of the images that `Volumes.of` picks; these are read once."""
    whole, total = shape_of(wholes), count(wholes)
    index = picks(total, most, seed)
    at = np.stack([corners(box, whole, total, seed + 7919 * k)[index] for k in range(1, BOXES)])
    found = np.empty((BOXES - 1, len(index), *box), np.float32)
    images = (image for part in fractions(wholes, most, seed) for image in part)
    for i, image in enumerate(images):
        for k in range(BOXES - 1):
            found[k, i] = cut(image, at[k, i], box)
    return [Volumes(boxes) for boxes in found]


def _nearest(points: Array, images: Sequence[Array]) -> Array:
    """Distances (n, N) of features to the nearest of several versions of each image."""
    from scipy.spatial.distance import cdist

    return np.asarray(np.minimum.reduce([cdist(points, version) for version in images]))


def _noted(parts: Iterable[Array], digests: list[bytes]) -> Iterator[Array]:
    for part in parts:
        digests += [digest(volume) for volume in part]
        yield part


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
    versions = mirrored(numbers, flips)
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
