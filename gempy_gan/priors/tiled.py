"""Realizations larger than the box of a diffusion prior, denoised in overlapping tiles."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from gempy_gan.denoising import STEPS, draw
from gempy_gan.errors import GempyGanError
from gempy_gan.networks.channels import INCREASING
from gempy_gan.prior import DiffusionPrior
from gempy_gan.priors.tiling import Place, mean_start, places

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

OVERLAP = 1 / 3  # of a tile: the cost per cell is then the same from two tiles a side on, 1.5 for each axis with several
AT_ONCE = 2**18  # values of the tiles that are denoised together


class TiledDiffusion(DiffusionPrior):
    """A diffusion prior of any larger shape, made of the boxes of another one.

    At every noise level the expected clean realization is the weighted mean of what the prior of one box, `tile`, expects in
    overlapping tiles (Bar-Tal et al. 2023, arXiv 2302.08113, equation 5). Weights fall smoothly towards the border of a tile,
    where it knows least of a cell's surroundings. Tiles see the same noisy cells where they overlap, and so become one
    realization. Strategies see one prior of another shape, conditions and gradients included. Cells farther apart than a box are
    related only through the tiles between them: statistics of a box hold in each box, and nothing larger has any of its own.

    `shape` (nx, ny, nz) is at least the tile's along each axis; `overlap`, below 1, is the least share of a tile that the next
    one has in common with it, along each axis with more than one. `labels` maps names of labels to maps (nx, ny) in the labels'
    own units, of which each tile gets the mean over its columns (from a prior that has `labelled`, as LearnedDiffusion).
    `steps` are those of a draw, by default the tile's own. `at_once` is how many values are denoised together: it decides
    memory, and the result within rounding only.

    Along z, tiles are taken for cuts from one long record, in which a tile that starts one layer higher starts `rise` later: a
    property that never decreases upwards (`deposition_time`) is counted in spans of one box, from 0 up to
    1 + rise * (nz - the tile's nz). `rise` (c,) is the slope, over its layers, of what the tile's prior expects on average. This
    suits a prior whose layers are alike, because its boxes were cut from something thicker.

    Gradients are exact, to the second order. A tile's activations are computed again when they are needed.

    Raises GempyGanError for a shape smaller than the tile's, an overlap that cannot be, or maps that do not fit.
    """

    def __init__(
        self,
        tile: DiffusionPrior,
        shape: Sequence[int],
        overlap: float = OVERLAP,
        labels: Mapping[str, ArrayLike] | None = None,
        steps: int | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self.tile, self.properties, self.cell_size = tile, tile.properties, tile.cell_size
        found = places(shape, tile.shape, overlap)
        self.shape, self.overlap, self.at_once = (int(shape[0]), int(shape[1]), int(shape[2])), float(overlap), int(at_once)
        self.steps = int(steps if steps is not None else getattr(tile, "steps", STEPS))
        self.conditional = tile.conditional  # type: ignore[misc]  # of the class elsewhere, here of the tile
        self.sigma_max, self.sigma_min, self.sigma_slope = tile.sigma_max, tile.sigma_min, tile.sigma_slope
        self.spread, self.centre = tile.spread, tile.centre
        self.rise = torch.zeros(len(tile.properties))
        if self.shape[2] > tile.shape[2]:
            self.rise = _rise(tile)
            self.centre = tile.centre + self._later(mean_start(self.shape[2], tile.shape[2], overlap))  # type: ignore[assignment]
        self.labels = _maps(labels or {}, self.shape[:2])
        self.tiles = [_Tile(self._labelled(place), place, self._later(place.cells[2].start)) for place in found]

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n realizations (n, c, nx, ny, nz)."""
        return draw(self, n, generator, steps=self.steps)

    def denoise(self, x: Tensor, sigma: Tensor | float, condition: Any = None) -> Tensor:
        """The weighted mean of what the tiles expect; as in DiffusionPrior."""
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        known = None if condition is None else tuple(torch.as_tensor(part, device=x.device).expand(x.shape) for part in condition)
        found: Tensor = _Assembled.apply(x, list(self._parts(level, known)))  # type: ignore[no-untyped-call]
        return found

    def finish(self, x: Tensor) -> Tensor:
        """Each tile as its own prior ends; in a stack, times are put in order over the whole height."""
        found = torch.empty_like(x)
        for tile in self.tiles:
            cells, later = (..., *tile.place.cells), tile.later.to(x)
            found[cells] = tile.prior.finish(x[cells] - later) + later
        for c in self.rise.nonzero().flatten().tolist():
            last = 1 + float(self.rise[c]) * (self.shape[2] - self.tile.shape[2])
            found[:, c] = x[:, c].cummax(dim=-1).values.clamp(0, last)
        return found

    def state(self) -> Mapping[str, Any]:
        """Shape, overlap and steps; of maps the mean, and the SHA-256 of their values in double precision."""
        own = {"shape": [*self.shape], "overlap": self.overlap, "steps": self.steps}
        return {**own, "labels": {name: _digest(values) for name, values in self.labels.items()}} if self.labels else own

    def _later(self, start: Tensor | float) -> Tensor:
        """By how much the properties of tiles that start at a layer exceed those in their own boxes, (c, 1, 1, 1 or nz)."""
        return self.rise[:, None, None, None] * start

    def _labelled(self, place: Place) -> DiffusionPrior:
        """The prior of the box at a place."""
        tile: Any = self.tile
        means = {name: float(values[place.cells[:2]].mean()) for name, values in self.labels.items()}
        found: DiffusionPrior = tile.labelled(means) if means else tile
        return found

    def _parts(self, level: Tensor, known: tuple[Tensor, ...] | None) -> Iterator[_Part]:
        """What is denoised in one call: some realizations of a tile, or of several alike tiles, all drilled or none."""
        most = max(1, self.at_once // (len(self.properties) * math.prod(self.tile.shape)))
        size = 1 if self.labels else max(1, most // len(level))
        drilled = [known is not None and bool(known[0][(..., *tile.place.cells)].any()) for tile in self.tiles]
        for told in (False, True):
            alike = [tile for tile, wells in zip(self.tiles, drilled, strict=True) if wells == told]
            for start in range(0, len(alike), size):
                yield from _split(alike[start : start + size], level, known if told else None, most)


@dataclass(frozen=True)
class _Tile:
    """The prior of a box of the grid, where it lies, and by how much (c, 1, 1, 1) its properties exceed those of its prior."""

    prior: DiffusionPrior
    place: Place
    later: Tensor


@dataclass(frozen=True)
class _Part:
    """Tiles and realizations (`rows`, noisy at `level`) that are denoised in one call, and what is `known` of the whole grid.

    Called with the noisy cells of its tiles (tiles * rows, c, tx, ty, tz), it gives their shares of the expected clean ones.
    """

    tiles: Sequence[_Tile]
    rows: slice
    level: Tensor
    known: tuple[Tensor, ...] | None

    def __call__(self, x: Tensor) -> Tensor:
        k = len(self.tiles)
        later = torch.stack([tile.later for tile in self.tiles])[:, None].to(x)
        share = torch.stack([tile.place.share for tile in self.tiles])[:, None, None].to(x)
        boxes = x.reshape(k, -1, *x.shape[1:]) - later
        clean = self.tiles[0].prior.denoise(boxes.flatten(0, 1), self.level.repeat(k), self._condition(later))
        return (share * (clean.reshape(boxes.shape) + later)).flatten(0, 1)

    def _condition(self, later: Tensor) -> tuple[Tensor, ...] | None:
        if self.known is None:
            return None
        mask, values, *std = (
            torch.stack([part[(self.rows, ..., *tile.place.cells)] for tile in self.tiles]) for part in self.known
        )
        return tuple(part.flatten(0, 1) for part in (mask, values - later, *std))

    def of(self, grid: Tensor) -> Tensor:
        """The cells of the tiles."""
        return torch.cat([grid[(self.rows, ..., *tile.place.cells)] for tile in self.tiles])

    def add(self, grid: Tensor, values: Tensor) -> None:
        """Add values of the tiles to their cells."""
        for tile, own in zip(self.tiles, values.chunk(len(self.tiles)), strict=True):
            grid[(self.rows, ..., *tile.place.cells)] += own


class _Assembled(torch.autograd.Function):
    """The sum of all parts at x, keeping nothing but x for the gradient."""

    @staticmethod
    def forward(x: Tensor, parts: list[_Part]) -> Tensor:
        found = torch.zeros_like(x)
        for part in parts:
            part.add(found, part(part.of(x)))
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.parts = inputs[1]

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> Any:
        return _Pulled.apply(*ctx.saved_tensors, weight, ctx.parts), None  # type: ignore[no-untyped-call]


class _Pulled(torch.autograd.Function):
    """The product of the transposed Jacobian of the sum at x with a weight (n, c, nx, ny, nz), part by part."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, parts: list[_Part]) -> Tensor:
        found = torch.zeros_like(x)
        for part in parts:
            part.add(found, _pull(part, part.of(x), part.of(weight)))
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])
        ctx.parts = inputs[2]

    @staticmethod
    def backward(ctx: Any, other: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        of_x, of_weight = torch.zeros_like(x), torch.zeros_like(weight)
        for part in ctx.parts:
            _, pull, *_ = torch.func.vjp(lambda a, b, part=part: _pull(part, a, b), part.of(x), part.of(weight))
            for whole, own in zip((of_x, of_weight), pull(part.of(other)), strict=True):
                part.add(whole, own)
        return of_x, of_weight, None


def _pull(part: _Part, x: Tensor, weight: Tensor) -> Tensor:
    found: Tensor = torch.func.vjp(part, x)[1](weight)[0]
    return found


def _split(tiles: list[_Tile], level: Tensor, known: tuple[Tensor, ...] | None, most: int) -> Iterator[_Part]:
    """At most so many realizations together."""
    for start in range(0, len(level), most):
        rows = slice(start, start + most)
        yield _Part(tiles, rows, level[rows], known)


def _rise(tile: DiffusionPrior) -> Tensor:
    """By how much the mean of each property that never decreases upwards grows from layer to layer (c,), 0 for others.

    At the largest noise the denoiser knows nothing of a realization, and expects the mean.
    """
    nz = tile.shape[2]
    with torch.no_grad():
        drowned = torch.full((1, len(tile.properties), *tile.shape), float(tile.centre))
        mean = tile.denoise(drowned, tile.sigma_max)[0].mean(dim=(1, 2)).double()
    height = torch.arange(nz, dtype=torch.float64) - (nz - 1) / 2
    slope = mean @ height / height.square().sum() if nz > 1 else torch.ones(len(mean))
    ordered = torch.tensor([prop.name in INCREASING for prop in tile.properties])
    return torch.where(ordered, slope.clamp(min=0).float(), 0.0)


def _maps(labels: Mapping[str, ArrayLike], columns: tuple[int, int]) -> dict[str, Tensor]:
    """The maps of labels. Raises GempyGanError for one that does not have a finite number for each column."""
    found = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in labels.items()}
    for name, values in found.items():
        if tuple(values.shape) != columns or not values.isfinite().all():
            raise GempyGanError(
                f"The map of {name!r} has shape {tuple(values.shape)}. Expected a finite number for each of {columns}."
            )
    return found


def _digest(values: Tensor) -> dict[str, Any]:
    return {"mean": float(values.mean()), "sha256": hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()}
