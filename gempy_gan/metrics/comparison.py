"""validate(): generated volumes against real ones, figure by figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gempy_gan import progress
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.metrics import (
    bodies,
    checkerboard,
    collapse,
    connectivity,
    diversity,
    histograms,
    patterns,
    superposition,
    swd,
    variograms,
)
from gempy_gan.metrics.memorization import memorization
from gempy_gan.metrics.nearness import check_sizes
from gempy_gan.metrics.splits import SPLITS, Splits
from gempy_gan.metrics.validation import Figure, Validation
from gempy_gan.metrics.volumes import Source, Volumes, shape_of
from gempy_gan.metrics.windows import Shape, check_box

Family = Callable[[Volumes, Volumes, Splits], Iterable[Figure]]

FAMILIES: dict[str, Family] = {
    "histogram": histograms.figures,
    "variogram": variograms.figures,
    "connectivity": connectivity.figures,
    "patterns": patterns.figures,
    "ms_swd": swd.figures,
    "bodies": bodies.figures,
    "diversity": diversity.figures,
    "collapse": collapse.figures,
    "checkerboard": checkerboard.figures,
    "superposition": superposition.figures,
}
MOST = 200  # volumes a side, where n is not given


def validate(
    generated: Source,
    real: Source,
    training: Source | None = None,
    seed: int = 0,
    n: int | None = None,
    figures: Sequence[str] | None = None,
    flips: Sequence[str] = ("y",),
    splits: int = SPLITS,
    box: Sequence[int] | None = None,
) -> Validation:
    """Validate generated volumes against real ones that the prior was not trained on.

    Both are ensembles, or arrays (n, c, nx, ny, nz) with the coarse fraction first and the time of deposition second. `n`
    volumes stand on each side, at most half as many as there are real ones, because the floor is what one half of them shows
    against the other, over `splits` random halves. `figures` names families of `FAMILIES`, None means all of them; give a few
    while training. With `training` images the memorization is tested, `flips` being the axes along which they were mirrored.

    A prior that learned from boxes cut out of large volumes makes boxes, and is compared with boxes: of each volume on either
    side that is larger than `box` (nx, ny, nz), one box is cut at random by the seed, anywhere in x and y. `box` None is the
    generated volumes' own size. Only one, for boxes of one volume depend on each other; so it takes many volumes.

    Raises GempyGanError for volumes that cannot be compared, or names that are not known; GridError where boxes cannot be cut.
    """
    chosen = list(FAMILIES) if figures is None else list(figures)
    _check_names(chosen, flips)
    shape = _shape(box, generated)
    check_comparable(shape, real, training)
    _check_cells(generated, real)
    most = MOST if n is None else n
    mine = Volumes.of(generated, 2 * most, seed, "generated volumes", shape)
    true = Volumes.of(real, 2 * most, seed, "real volumes", shape)
    if "superposition" in (figures or ()) and (mine.time is None or true.time is None):
        raise GempyGanError("Superposition was asked for. Expected a time of deposition on both sides.")
    drawn = Splits.draw(len(mine), len(true), most, splits, seed)
    found: list[Figure] = []
    for name in progress.track(chosen, "figures", len(chosen)):
        found += FAMILIES[name](mine, true, drawn)
    if training is not None:
        held_out = true if shape_of(training) == shape else real
        found += memorization(mine, training, held_out, flips, seed=seed).figures()
        in_features = memorization(mine, training, held_out, flips, seed=seed, space="features")
        found.append(Figure("memorization_features", in_features.p_value, note=in_features.medians))
    known = set(true.digests)
    shared = sum(volume in known for volume in mine.digests if volume)
    return Validation(tuple(found), len(mine), len(true), drawn.size, splits, true.shape, seed, shared, shape_of(real))


def check_comparable(box: Shape, real: Source, training: Source | None = None) -> None:
    """Raise GridError unless generated boxes can be compared with real volumes, and with training images."""
    check_box(box, shape_of(real, "real volumes"), "real volumes")
    if training is not None:
        _check_cells(real, training)
        if shape_of(training) != box:
            check_sizes(box, training, real)


def _shape(box: Sequence[int] | None, generated: Source) -> Shape:
    """The box that is compared."""
    nx, ny, nz = shape_of(generated, "generated volumes") if box is None else box
    return nx, ny, nz


def _check_names(names: Sequence[str], flips: Sequence[str]) -> None:
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise GempyGanError(f"The figures {', '.join(unknown)} are not known. Known: {', '.join(FAMILIES)}.")
    for axis in flips:
        if axis not in ("x", "y"):
            raise GempyGanError(f"Training images were to be mirrored along {axis!r}. Expected 'x', 'y', both or none.")


def _check_cells(a: Source, b: Source) -> None:
    """Raise GridError where ensembles have cells of different size."""
    if not (isinstance(a, Ensemble) and isinstance(b, Ensemble)):
        return
    sizes = a.grid.cell_size, b.grid.cell_size
    if any(abs(p - q) > 1e-3 * abs(p) for p, q in zip(*sizes, strict=True)):
        raise GridError(f"The ensembles have cells of {sizes[0]} and {sizes[1]} metres. Expected the same.")
