"""Acoustic waves in a vertical section at some frequencies: from velocity or squared slowness to what receivers see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from gempy_gan import GempyGanError, Grid
from gempy_gan_waveform.solving import Solve, System
from gempy_gan_waveform.stencils import SCHEMES, Scheme, Stencil

Quantity = Literal["velocity", "squared_slowness"]

QUANTITIES = ("velocity", "squared_slowness")
REACH = 2  # cells on each side from which a value between cells is interpolated, in cubic polynomials


@dataclass(frozen=True, eq=False)
class Helmholtz:
    """Point sources and receivers in a vertical section: options, which `bind` ties to a grid.

    Solves Lap u + omega^2 m u = -delta(x - source) for waves exp(-i omega t), with m the squared slowness, where nothing comes
    back from outside of the section. In a constant medium u is i/4 H0(omega r / v), the Hankel function of the first kind.

    Parameters
    ----------
    frequencies:
        In Hz.
    sources, receivers:
        Positions (k, 2) of [x, z] in metres, z upwards, between the centres of the section's outermost cells.
    quantity:
        What the cells hold: "velocity" in m/s, or "squared_slowness" in s2/km2.
    property:
        Which of the prior's properties that is; None where there is only one.
    scheme:
        "9-point", of fourth order, for 5 cells per wavelength or more; "5-point", of second order, for 15 or more.
    pml:
        Cells of the absorbing layer that is added on each side.
    reference:
        A typical velocity in m/s, for which that layer is damped.

    Raises GempyGanError when an option is out of its range.
    """

    frequencies: Sequence[float]
    sources: ArrayLike
    receivers: ArrayLike
    quantity: Quantity = "velocity"
    property: str | None = None
    scheme: Scheme = "9-point"
    pml: int = 10
    reference: float = 2000.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "frequencies", tuple(float(f) for f in np.atleast_1d(self.frequencies)))
        for name in ("sources", "receivers"):
            object.__setattr__(self, name, _positions(getattr(self, name), name))
        if self.scheme not in SCHEMES or self.quantity not in QUANTITIES:
            raise GempyGanError(
                f"Helmholtz got scheme {self.scheme!r} and quantity {self.quantity!r}. "
                f"Expected one of {', '.join(SCHEMES)}, and one of {', '.join(QUANTITIES)}."
            )
        positive = all(np.isfinite(f) and f > 0 for f in (*self.frequencies, self.reference)) and self.frequencies
        if not positive or self.pml < REACH:
            raise GempyGanError(
                f"Helmholtz got frequencies {self.frequencies}, reference {self.reference} m/s and pml {self.pml}. "
                f"Expected positive frequencies in Hz, a positive velocity, and {REACH} cells or more."
            )

    def bind(self, grid: Grid) -> HelmholtzSection:
        """The operator for realizations on a grid of one row of cells along y.

        Raises GempyGanError when the grid is no vertical section, or a position lies outside of it.
        """
        return HelmholtzSection(self, grid)

    def state(self) -> dict[str, Any]:
        """Every option as plain JSON values."""
        plain = {name: getattr(self, name) for name in ("quantity", "property", "scheme", "pml", "reference")}
        where = {name: np.asarray(getattr(self, name)).tolist() for name in ("sources", "receivers")}
        return {"frequencies": list(self.frequencies), **where, **plain}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], grid: Grid) -> HelmholtzSection:
        """The bound operator whose `state()` this is."""
        return cls(**{key: value for key, value in state.items() if key != "forward"}).bind(grid)


class HelmholtzSection:
    """A Helmholtz bound to a grid: realizations (n, 1, nx, 1, nz) to data (n, d), differentiably, in double precision inside.

    `shape` (frequencies, sources, receivers, 2) is that of one realization's data, the last axis real and imaginary part.
    The model goes on in the absorbing layers as it is at the section's edge. `systems` solve the equation, one per frequency:
    each model is factorized once, for all sources and for the gradient.
    """

    def __init__(self, options: Helmholtz, grid: Grid) -> None:
        nx, ny, nz = grid.resolution
        if ny != 1 or not grid.active_cells.all():
            raise GempyGanError(
                f"The grid has {grid.resolution} cells, {int(grid.active_cells.sum())} of them active. "
                "Expected a vertical section of active cells, (nx, 1, nz)."
            )
        self.options, self.grid, self.property = options, grid, options.property
        self.shape = (len(options.frequencies), len(options.sources), len(options.receivers), 2)  # type: ignore[arg-type]
        self.padded = (nx + 2 * options.pml, nz + 2 * options.pml)
        spacing = (grid.cell_size[0], grid.cell_size[2])
        self.systems = [
            System(Stencil(self.padded, spacing, options.pml, 2 * np.pi * f, options.reference, options.scheme))
            for f in options.frequencies
        ]
        self.source, self.receiver = (self._interpolation(where) for where in (options.sources, options.receivers))

    def __call__(self, m: Tensor) -> Tensor:
        """Data (n, d) of realizations (n, 1, nx, 1, nz): real and imaginary parts, for each frequency, source and receiver."""
        if m.ndim != 5 or m.shape[1] != 1 or tuple(m.shape[2:]) != self.grid.resolution:
            raise GempyGanError(
                f"Realizations of shape {tuple(m.shape)} were given. Expected (n, 1, *{self.grid.resolution}): of several "
                "properties, name the one that waves see as Helmholtz(property=...)."
            )
        slowness = self.squared_slowness(m.double())[..., self.cells.to(m.device)]
        fields = [self._field(system, slowness) for system in self.systems]
        seen = torch.stack([self._seen(u) for u in fields], dim=1)
        return torch.view_as_real(seen.resolve_conj()).flatten(1).to(m.dtype)

    def squared_slowness(self, m: Tensor) -> Tensor:
        """Squared slowness (n, nx * nz) in s2/m2. Raises GempyGanError for velocities that are not positive."""
        flat = m.flatten(1)
        if self.options.quantity == "squared_slowness":
            return flat * 1e-6
        if not bool((flat > 0).all()):
            raise GempyGanError(f"Velocities down to {float(flat.min()):g} m/s were given. Expected positive ones.")
        return flat.reciprocal().square()

    def cells_per_wavelength(self, m: Tensor) -> float:
        """How many cells there are in the shortest wavelength of realizations (n, 1, nx, 1, nz)."""
        slowest = 1 / float(self.squared_slowness(m.detach().double()).max().sqrt())
        return float(slowest / max(self.options.frequencies)) / max(self.grid.cell_size[0], self.grid.cell_size[2])

    def state(self) -> dict[str, Any]:
        """Plain JSON values that say what this operator computes."""
        return {"forward": "helmholtz", **self.options.state()}

    @cached_property
    def cells(self) -> Tensor:
        """The cell (nx * nz of them, z fastest) whose value each padded cell takes."""
        (nx, _, nz), pad = self.grid.resolution, self.options.pml
        i, k = (np.clip(np.arange(-pad, count + pad), 0, count - 1) for count in (nx, nz))
        return torch.from_numpy((i[:, None] * nz + k).ravel())

    def _field(self, system: System, slowness: Tensor) -> Tensor:
        """u (n, sources, N) of models (n, N)."""
        right = torch.from_numpy(self.right_side(system)).to(slowness.device).expand(len(slowness), -1, -1)
        found: Tensor = Solve.apply(slowness, right, system, False)  # type: ignore[no-untyped-call]
        return found

    def right_side(self, system: System) -> NDArray[np.complex128]:
        """-W delta (sources, N), with delta one over a cell's area."""
        hx, hz = system.stencil.spacing
        return np.asarray((system.stencil.mass @ self.source.toarray().T).T / (-hx * hz), dtype=np.complex128)

    def _seen(self, u: Tensor) -> Tensor:
        """u (n, sources, N) at the receivers, (n, sources, receivers)."""
        width = (2 * REACH) ** 2
        index = torch.from_numpy(self.receiver.indices.reshape(-1, width).astype(np.int64)).to(u.device)
        weight = torch.from_numpy(self.receiver.data.reshape(-1, width)).to(u.device)
        return (u[..., index] * weight).sum(dim=-1)

    def _interpolation(self, positions: ArrayLike) -> Any:
        """Weights (k, N), sparse, by which the padded cells make up a value at each position: cubic along x and z."""
        from scipy.sparse import csr_array

        along = [self._weights(np.asarray(positions)[:, axis], axis) for axis in (0, 1)]
        (i, of_x), (k, of_z) = along
        count = len(i)
        columns = i[:, :, None] * self.padded[1] + k[:, None, :]
        weights = of_x[:, :, None] * of_z[:, None, :]
        starts = np.arange(count + 1) * (2 * REACH) ** 2
        return csr_array((weights.ravel(), columns.ravel(), starts), shape=(count, self.padded[0] * self.padded[1]))

    def _weights(self, place: NDArray[np.float64], axis: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Cells (k, 4) along x (0) or z (1) and their weights, in Lagrange's polynomial of degree 3."""
        name, along = ("x", 0) if axis == 0 else ("z", 2)
        start, count, size = self.grid.extent[2 * along], self.grid.resolution[along], self.grid.cell_size[along]
        index = (place - start) / size - 0.5
        if (index < -1e-6).any() or (index > count - 1 + 1e-6).any():
            raise GempyGanError(
                f"Sources or receivers lie at {name} = {place.min():g} to {place.max():g} m. Expected {start + size / 2:g} to "
                f"{start + (count - 0.5) * size:g} m, the centres of the section's outermost cells."
            )
        index = np.where(np.abs(index - np.rint(index)) < 1e-9, np.rint(index), index)
        first = np.floor(index).astype(np.int64) - REACH + 1
        nodes = np.arange(2 * REACH)
        t = (index - first)[:, None]
        weights = np.ones((len(place), 2 * REACH))
        for j in nodes:
            for other in nodes[nodes != j]:
                weights[:, j] *= (t[:, 0] - other) / (j - other)
        return first[:, None] + nodes + self.options.pml, weights


def _positions(given: ArrayLike, name: str) -> NDArray[np.float64]:
    found = np.array(given, dtype=np.float64)
    if found.ndim != 2 or found.shape[1] != 2 or not len(found) or not np.isfinite(found).all():
        raise GempyGanError(f"The {name} have shape {found.shape}. Expected (k, 2): finite x and z in metres.")
    found.setflags(write=False)
    return found
