"""validate(): generated volumes against real ones, figure by figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from gempy_gan import progress
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.metrics import bodies, connectivity, diversity, histograms, patterns, superposition, swd, variograms
from gempy_gan.metrics.memorization import memorization
from gempy_gan.metrics.splits import SPLITS, Splits
from gempy_gan.metrics.validation import Figure, Validation
from gempy_gan.metrics.volumes import Source, Volumes

Family = Callable[[Volumes, Volumes, Splits], Iterable[Figure]]

FAMILIES: dict[str, Family] = {
    "histogram": histograms.figures,
    "variogram": variograms.figures,
    "connectivity": connectivity.figures,
    "patterns": patterns.figures,
    "ms_swd": swd.figures,
    "bodies": bodies.figures,
    "diversity": diversity.figures,
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
) -> Validation:
    """Validate generated volumes against real ones that the prior was not trained on.

    Both are ensembles, or arrays (n, c, nx, ny, nz) with the coarse fraction first and the time of deposition second. `n`
    volumes stand on each side, at most half as many as there are real ones, because the floor is what one half of them shows
    against the other, over `splits` random halves. `figures` names families of `FAMILIES`, None means all of them; give a few
    while training. With `training` images the memorization is tested, `flips` being the axes along which they were mirrored.

    Raises GempyGanError for volumes that cannot be compared, or names that are not known; GridError where boxes differ in size.
    """
    chosen = list(FAMILIES) if figures is None else list(figures)
    _check_names(chosen, flips)
    _check_boxes(generated, real, training)
    most = MOST if n is None else n
    mine = Volumes.of(generated, 2 * most, seed, "generated volumes")
    true = Volumes.of(real, 2 * most, seed, "real volumes")
    _check_shape(mine, true, "real")
    if "superposition" in (figures or ()) and (mine.time is None or true.time is None):
        raise GempyGanError("Superposition was asked for. Expected a time of deposition on both sides.")
    drawn = Splits.draw(len(mine), len(true), most, splits, seed)
    found: list[Figure] = []
    for name in progress.track(chosen, "figures", len(chosen)):
        found += FAMILIES[name](mine, true, drawn)
    if training is not None:
        found += memorization(mine, training, true, flips, seed=seed).figures()
    return Validation(tuple(found), len(mine), len(true), drawn.size, splits, true.shape, seed, _shared(mine, true))


def _check_names(names: Sequence[str], flips: Sequence[str]) -> None:
    unknown = [name for name in names if name not in FAMILIES]
    if unknown:
        raise GempyGanError(f"The figures {', '.join(unknown)} are not known. Known: {', '.join(FAMILIES)}.")
    for axis in flips:
        if axis not in ("x", "y"):
            raise GempyGanError(f"Training images were to be mirrored along {axis!r}. Expected 'x', 'y', both or none.")


def _check_boxes(*sources: Source | None) -> None:
    """Raise GridError where ensembles have cells of different size."""
    sizes = [source.grid.cell_size for source in sources if isinstance(source, Ensemble)]
    for size in sizes[1:]:
        if any(abs(a - b) > 1e-3 * abs(a) for a, b in zip(sizes[0], size, strict=True)):
            raise GridError(f"The ensembles have cells of {sizes[0]} and {size} metres. Expected the same.")


def _check_shape(volumes: Volumes, real: Volumes, what: str) -> None:
    if volumes.shape != real.shape:
        raise GridError(f"The volumes have {volumes.shape} cells and the {what} ones {real.shape}. Expected the same.")


def _shared(generated: Volumes, real: Volumes) -> int:
    """How many generated volumes are real ones, to the last bit; those of one value may be so by chance."""
    known = {volume.tobytes() for volume in real.fraction if np.ptp(volume) > 0}
    return sum(volume.tobytes() in known for volume in generated.fraction)
