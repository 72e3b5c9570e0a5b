"""The Helmholtz equation on a padded grid: (K + omega^2 W diag(m)) u = f, with absorbing sides.

Lap u + omega^2 m u = f with m the squared slowness, for waves exp(-i omega t). Perfectly matched layers (Berenger 1994; Chew &
Weedon 1994) stretch the coordinates by s = 1 + i sigma / omega.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Complex = NDArray[np.complex128]
Scheme = Literal["5-point", "9-point"]

SCHEMES = ("5-point", "9-point")
REFLECTED = 1e-6  # of the amplitude at normal incidence, in the continuous equation: what the layers' damping is chosen for


@dataclass(frozen=True)
class Stencil:
    """The discrete equation at one angular frequency on `shape` (nx, nz) cells of `spacing` (hx, hz) metres, `pad` of them on
    each side absorbing; `velocity` (m/s) is a typical one, for which the layers are damped.

    "5-point" is second order. "9-point" is compact and fourth order where m varies, too (Singer & Turkel 1998): the error term
    of the 5-point scheme is replaced by means of the equation itself, so that W averages omega^2 m u over neighbours.
    """

    shape: tuple[int, int]
    spacing: tuple[float, float]
    pad: int
    omega: float
    velocity: float
    scheme: Scheme = "9-point"

    @cached_property
    def second(self) -> tuple[Complex, Complex]:
        """Stretched second differences along x (nx, nx) and z (nz, nz)."""
        dx, dz = (self._second(count, size) for count, size in zip(self.shape, self.spacing, strict=True))
        return dx, dz

    @cached_property
    def weights(self) -> tuple[float, float]:
        """What W adds of the second differences along x and z: nothing in the 5-point scheme."""
        hx, hz = self.spacing
        return (hx**2 / 12, hz**2 / 12) if self.scheme == "9-point" else (0.0, 0.0)

    @cached_property
    def stiffness(self) -> Any:
        """K (N, N), sparse; cells are numbered with z fastest."""
        (dx, dz), (a, b) = (map(sparse.csr_array, self.second), self.weights)
        one_x, one_z = (sparse.eye_array(count) for count in self.shape)
        return (sparse.kron(dx, one_z) + sparse.kron(one_x, dz) + (a + b) * sparse.kron(dx, dz)).tocsr()

    @cached_property
    def mass(self) -> Any:
        """W (N, N), sparse."""
        (dx, dz), (a, b) = (map(sparse.csr_array, self.second), self.weights)
        one_x, one_z = (sparse.eye_array(count) for count in self.shape)
        return (sparse.kron(one_x, one_z) + a * sparse.kron(dx, one_z) + b * sparse.kron(one_x, dz)).tocsr()

    def _second(self, count: int, size: float) -> Complex:
        """Differences of differences, each divided by the stretch: at faces the inner one, at centres the outer one."""
        centre = self._stretch(np.arange(0.5, count), count, size)
        face = self._stretch(np.arange(count + 1.0), count, size)
        matrix = np.diag(-(1 / face[:-1] + 1 / face[1:]))
        matrix += np.diag(1 / face[1:-1], 1) + np.diag(1 / face[1:-1], -1)
        return np.asarray(matrix / centre[:, None] / size**2)

    def _stretch(self, place: NDArray[np.floating[Any]], count: int, size: float) -> Complex:
        """s at places in cells from one end: sigma grows with the square of the depth within a layer."""
        depth = np.maximum(0, np.maximum(self.pad - place, place - (count - self.pad))) / max(self.pad, 1)
        strongest = -1.5 * self.velocity * np.log(REFLECTED) / (max(self.pad, 1) * size)
        return np.asarray(1 + 1j * strongest * depth**2 / self.omega)


def dissected(shape: tuple[int, int], smallest: int = 12) -> NDArray[np.int64]:
    """An order of the cells of a grid in which a factorization fills little: nested dissection (George 1973).

    Cells are numbered with z fastest; each rectangle is halved by a line of cells, which comes last.

    >>> dissected((1, 3), smallest=1).tolist()
    [0, 2, 1]
    """

    def order(cells: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        if cells.size <= smallest:
            return [cells.ravel()]
        cells = cells if len(cells) >= cells.shape[1] else cells.T
        middle = len(cells) // 2
        return [*order(cells[:middle]), *order(cells[middle + 1 :]), cells[middle]]

    return np.concatenate(order(np.arange(shape[0] * shape[1]).reshape(shape)))
