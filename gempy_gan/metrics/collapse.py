"""Collapse: how many different volumes a set really holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gempy_gan import scores
from gempy_gan.metrics.diversity import on_cells
from gempy_gan.metrics.splits import Splits, ratio
from gempy_gan.metrics.validation import Figure
from gempy_gan.metrics.volumes import Volumes


def figures(generated: Volumes, real: Volumes, splits: Splits) -> Iterator[Figure]:
    """Effective number of volumes, generated / real at equal count.

    A generator that knows ten pictures draws volumes that differ nearly as much as real ones do on average, so that `diversity`
    sees little of it; but there are ten of them.
    """
    g, r = (on_cells(volumes) for volumes in (generated, real))
    apart, usual = scores.pairwise_distance(g), scores.pairwise_distance(r)
    scale = scores.ALIKE * float(usual[np.triu_indices(len(usual), 1)].mean())
    own = float(np.mean([scores.vendi_score(apart[np.ix_(k, k)], scale) for k in splits.generated]))
    halves = [
        [scores.vendi_score(usual[np.ix_(k, k)], scale) for k in pair] for pair in zip(splits.first, splits.second, strict=True)
    ]
    yield ratio("effective_number", own, float(np.mean(halves)), [a / b for a, b in halves], f" of {splits.size}")
