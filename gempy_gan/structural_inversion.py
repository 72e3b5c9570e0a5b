"""Inversion of every structure that may be the true one: an ensemble for each, in its own geometry."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.constraints import Constraints
from gempy_gan.ensemble import Ensemble, plain
from gempy_gan.inversion import invert

if TYPE_CHECKING:
    from gempy_gan.prior import Prior
    from gempy_gan.strategy import Strategy
    from gempy_gan.structural_uncertainty import StructuralDraw


def invert_structures(
    prior: str | Callable[[Constraints], Prior],
    draws: Iterable[StructuralDraw],
    constrain: Callable[[Any], Constraints],
    strategy: Strategy | str | None = None,
    n: int = 1,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    **options: Any,
) -> list[Ensemble]:
    """Sample n realizations in each structure (`vary_structure`): a list of ensembles, each on the grid of its structure.

    `constrain` makes the constraints of a drawn GemPy model: its grid (`from_gempy`), with wells and seismic blocked and
    resampled through its frame, so that data are honoured in every structure. `prior` is a name, or makes the prior for such
    constraints (cells may be higher in one structure than in another). `options` go to `invert`; with `store`, a folder, each
    ensemble is kept in a `structure-<number>.zarr` there.

    Structures are drawn from what is known of surfaces: all count alike, wells' properties and seismic do not choose among them.
    Structure 0 is inverted with the seed itself, the others with seeds made of it and their number (`part_seed`). Each ensemble's
    provenance has the record of its structure under "structure". `regrid` puts them all on one grid.

    Errors are those of `invert`.
    """
    found = []
    for draw in draws:
        known = constrain(draw.model)
        chosen = prior if isinstance(prior, str) else prior(known)
        path = None if store is None else Path(store) / f"structure-{draw.number:03d}.zarr"
        ensemble = invert(chosen, known, strategy, n, part_seed(seed, draw.number), path, **options)
        found.append(noted(ensemble, path, {"structure": draw.record}))
    return found


def part_seed(seed: int, structure: int, unit: int = 0) -> int:
    """The seed of one unit in one structure: that of the study for the first of both, and as good as independent otherwise.

    >>> part_seed(7, 0), part_seed(7, 1) == part_seed(7, 1, 1)
    (7, False)
    """
    if structure == unit == 0:
        return seed
    return int(np.random.SeedSequence([seed, structure, unit]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def noted(ensemble: Ensemble, store: Path | None, notes: Mapping[str, Any]) -> Ensemble:
    """An ensemble, and the store that keeps it, with more in its provenance."""
    if store is not None:
        from gempy_gan.formats.zarr import EnsembleStore

        kept = EnsembleStore.open(store)
        kept.amend({**kept.provenance, **notes})
        return kept.ensemble()
    record = json.dumps(plain({**ensemble.provenance, **notes}), sort_keys=True)
    return Ensemble(ensemble.dataset.assign_attrs(provenance=record))
