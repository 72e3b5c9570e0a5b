"""The reference posterior of the weak problem: importance sampling from many prior draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from gempy_gan import Constraints, Prior, progress
from gempy_gan.plain_torch import plain_torch
from gempy_gan_bench.files import keep_arrays
from gempy_gan_bench.protocol import PROPERTY

if TYPE_CHECKING:
    from torch import Generator

ENOUGH_DRAWS, ENOUGH = 100_000, 100  # draws of the prior, and effective ones, below which nothing is concluded
CHUNK = 1000  # draws from one generator: the unit that a resumed sum repeats
SAVED_EVERY = 10  # chunks

Array = NDArray[np.float64]


@dataclass
class Sums:
    """Weighted sums over draws of the prior, for k problems: of weights, of their squares, of values and of squared values."""

    chunks: int
    weight: Array  # (k,)
    square: Array  # (k,)
    first: Array  # (k, cells)
    second: Array  # (k, cells)

    @classmethod
    def empty(cls, problems: int, cells: int) -> Sums:
        """No draws yet."""
        return cls(0, np.zeros(problems), np.zeros(problems), np.zeros((problems, cells)), np.zeros((problems, cells)))

    def add(self, values: Array, weights: Array) -> None:
        """Take in draws (n, cells) with weights (n, k)."""
        self.chunks += 1
        self.weight += weights.sum(axis=0)
        self.square += np.square(weights).sum(axis=0)
        self.first += weights.T @ values
        self.second += weights.T @ np.square(values)

    def spread(self) -> Array:
        """Root mean square difference (k,) between two different draws of each posterior; see `figures.spread`."""
        mean = self.first / self.weight[:, None]
        variance = (self.second / self.weight[:, None] - np.square(mean)).mean(axis=1)
        return np.asarray(np.sqrt(2 * np.maximum(variance, 0) / (1 - 1 / self.effective())))

    def effective(self) -> Array:
        """Effective sample size (k,)."""
        return np.asarray(np.square(self.weight) / self.square)


def reference(prior: Prior, problems: Sequence[Constraints], draws: int, file: Path, seed: int = 0) -> list[dict[str, Any]]:
    """Spread, effective sample size and number of draws of each problem's posterior, from at least `draws` draws of the prior.

    The sums are kept in `file` every now and then, so that an interrupted call goes on, and a later one may ask for more.
    """
    channel = [p.name for p in prior.properties].index(PROPERTY)
    weigh = [_weigher(problem) for problem in problems]
    sums = _kept(file) or Sums.empty(len(problems), int(np.prod(prior.shape)))
    total = -(-draws // CHUNK)
    for chunk in range(sums.chunks, total):
        progress.report("prior draws of the reference", chunk * CHUNK, draws)
        with plain_torch():
            values = _draw(prior, channel, _generator(seed, chunk))
        sums.add(values, np.stack([weight(values) for weight in weigh], axis=1))
        if sums.chunks % SAVED_EVERY == 0 or sums.chunks == total:
            keep_arrays(file, **vars(sums))
    progress.report("prior draws of the reference", draws, draws)
    return [
        {"spread": float(spread), "effective": float(effective), "draws": sums.chunks * CHUNK}
        for spread, effective in zip(sums.spread(), sums.effective(), strict=True)
    ]


def usable(found: dict[str, Any] | None) -> bool:
    """Whether a reference is good enough for a ratio."""
    return found is not None and found["draws"] >= ENOUGH_DRAWS and found["effective"] >= ENOUGH


def _draw(prior: Prior, channel: int, generator: Generator) -> Array:
    return prior.sample(CHUNK, generator)[:, channel].flatten(1).double().numpy()


def _weigher(problem: Constraints) -> Callable[[Array], Array]:
    """From draws (n, cells) to their likelihoods (n,), 1 for a perfect fit."""
    (data,) = problem.hard
    cells = np.ravel_multi_index(tuple(data.cells.T), problem.grid.resolution)
    return lambda values: np.exp(-0.5 * np.square((values[:, cells] - data.values) / data.std).sum(axis=1))


def _generator(seed: int, chunk: int) -> Generator:
    state = np.random.SeedSequence([seed, chunk, 11]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def _kept(file: Path) -> Sums | None:
    if not file.is_file():
        return None
    with np.load(file) as held:
        return Sums(int(held["chunks"]), held["weight"], held["square"], held["first"], held["second"])
