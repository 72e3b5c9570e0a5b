"""A Gaussian field of squared slowness in few coefficients: its Karhunen-Loeve modes, which are cosines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan import Ensemble, GempyGanError, Grid, Property

Array = NDArray[np.float64]

SQUARED_SLOWNESS = Property("squared_slowness", "s2/km2")


@dataclass(frozen=True)
class Modes:
    """The first `count` (kx, kz) modes of a Matern field on a vertical section, by coefficients of unit variance.

    The field is mean + std * sum_ij sqrt(variance_ij) c_ij phi_i(x) phi_j(z), with c_ij independent standard normal and phi
    cosines without slope at the section's edges. The Matern field of the stochastic equation of Whittle (1954) and Lindgren,
    Rue & Lindstroem (2011) with such edges has these cosines for its Karhunen-Loeve modes, exactly, with variances
    (1 + sum_axis (range * wavenumber)^2 / (8 smoothness))^-(smoothness + 1): a known share is left out (`left_out`).

    `mean` and `std` are in s2/km2; `ranges` (x, z) in metres are those at which the correlation has fallen to about 0.14.
    Raises GempyGanError when an option is out of its range.
    """

    shape: tuple[int, int]
    cell_size: tuple[float, float]
    count: tuple[int, int] = (10, 10)
    mean: float = 0.25
    std: float = 0.02
    ranges: tuple[float, float] = (800.0, 800.0)
    smoothness: float = 3.0

    def __post_init__(self) -> None:
        for name in ("shape", "cell_size", "count", "ranges"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if any(not 1 <= k <= n for k, n in zip(self.count, self.shape, strict=True)):
            raise GempyGanError(
                f"{self.count} modes were asked for on {self.shape} cells. Expected 1 to as many as there are cells."
            )
        positive = (*self.cell_size, *self.ranges, self.mean, self.std, self.smoothness)
        if not all(math.isfinite(value) and value > 0 for value in positive):
            raise GempyGanError(f"Modes got {asdict(self)}. Expected positive numbers.")

    @classmethod
    def on(cls, grid: Grid, **options: Any) -> Modes:
        """The modes on a vertical section; `options` as in the class. Raises GempyGanError for a grid of several rows along y."""
        if grid.resolution[1] != 1:
            raise GempyGanError(f"The grid has {grid.resolution} cells. Expected a vertical section, (nx, 1, nz).")
        return cls((grid.resolution[0], grid.resolution[2]), (grid.cell_size[0], grid.cell_size[2]), **options)

    @property
    def coefficient_grid(self) -> Grid:
        """The grid (kx, 1, kz) whose cells are the coefficients: the one to invert on."""
        kx, kz = self.count
        return Grid((0, kx, 0, 1, 0, kz), (kx, 1, kz))

    @cached_property
    def left_out(self) -> float:
        """What the modes do not show of a field, root mean square, in parts of its standard deviation."""
        return math.sqrt(max(0.0, 1 - float(self.variances[: self.count[0], : self.count[1]].sum())))

    @cached_property
    def variances(self) -> Array:
        """Shares (nx, nz) of all modes of the section in the field's variance."""
        steps = [
            (size * math.pi * np.arange(cells) / (cells * spacing)) ** 2
            for cells, spacing, size in zip(self.shape, self.cell_size, self.ranges, strict=True)
        ]
        raw = (1 + (steps[0][:, None] + steps[1]) / (8 * self.smoothness)) ** -(self.smoothness + 1)
        return np.asarray(raw / raw.sum())

    @cached_property
    def cosines(self) -> tuple[Array, Array]:
        """phi at the cells along x (nx, nx) and z (nz, nz), mode by column, of mean square one."""
        x, z = (_cosines(cells) for cells in self.shape)
        return x, z

    @cached_property
    def amplitudes(self) -> Array:
        """Standard deviations (kx, kz), in s2/km2, of what each coefficient adds to the field."""
        return np.asarray(self.std * np.sqrt(self.variances[: self.count[0], : self.count[1]]))

    def fields(self, coefficients: Tensor) -> Tensor:
        """Squared slowness (n, 1, nx, 1, nz) in s2/km2 of coefficients (n, 1, kx, 1, kz), differentiably."""
        self._check(coefficients, self.count)
        x, z = (torch.from_numpy(phi[:, :k]).to(coefficients) for phi, k in zip(self.cosines, self.count, strict=True))
        scaled = coefficients[:, 0, :, 0] * torch.from_numpy(self.amplitudes).to(coefficients)
        return (self.mean + x @ scaled @ z.T)[:, None, :, None]

    def coefficients(self, fields: Tensor) -> Tensor:
        """The coefficients (n, 1, kx, 1, kz) whose fields come closest to these (n, 1, nx, 1, nz)."""
        self._check(fields, self.shape)
        x, z = (torch.from_numpy(phi[:, :k]).to(fields) for phi, k in zip(self.cosines, self.count, strict=True))
        projected = x.T @ (fields[:, 0, :, 0] - self.mean) @ z / math.prod(self.shape)
        return (projected / torch.from_numpy(self.amplitudes).to(fields))[:, None, :, None]

    def residual(self, fields: Tensor) -> float:
        """What the modes do not show of given fields (n, 1, nx, 1, nz), root mean square, over their deviation from `mean`.

        Of fields that the prior describes it is about `left_out`. A basis with much more than a few per cent does not represent
        them: that of the published code leaves 108 %.
        """
        shown = self.fields(self.coefficients(fields))
        return float((fields - shown).square().mean().sqrt() / (fields - self.mean).square().mean().sqrt())

    def whole_fields(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw n fields (n, 1, nx, 1, nz) with all modes that the cells can show: what `count` of them approximate."""
        from dataclasses import replace

        noise = torch.randn((n, 1, self.shape[0], 1, self.shape[1]), generator=generator, dtype=torch.float64)
        return replace(self, count=self.shape).fields(noise)

    def section(self, coefficients: Ensemble, grid: Grid) -> Ensemble:
        """An ensemble of coefficients as one of squared slowness on the section's grid, with its provenance."""
        fields = self.fields(torch.as_tensor(coefficients.values, dtype=torch.float64)).float().numpy()
        weights = np.log(coefficients.weights) if "log_weight" in coefficients.dataset else None
        record = {**coefficients.provenance, "modes": self.state()}
        return Ensemble.from_values(grid, [SQUARED_SLOWNESS], fields, record, weights)

    def state(self) -> dict[str, Any]:
        """Every option as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def _check(self, values: Tensor, shape: Sequence[int]) -> None:
        if values.ndim != 5 or tuple(values.shape[1:]) != (1, shape[0], 1, shape[1]):
            raise GempyGanError(f"Values of shape {tuple(values.shape)} were given. Expected (n, 1, {shape[0]}, 1, {shape[1]}).")


def modes_from(state: Mapping[str, Any] | Modes) -> Modes:
    """The modes whose `state()` this is, or the modes themselves."""
    return state if isinstance(state, Modes) else Modes(**state)


def _cosines(cells: int) -> Array:
    """cos(pi k (i + 1/2) / cells) at cells i, of modes k, of mean square one: orthogonal (Strang 1999)."""
    phi = np.cos(np.pi * np.outer(np.arange(cells) + 0.5, np.arange(cells)) / cells)
    phi[:, 1:] *= math.sqrt(2)
    return np.asarray(phi)
