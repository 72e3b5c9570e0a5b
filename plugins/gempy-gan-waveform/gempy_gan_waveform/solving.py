"""Solving the wave equation: sparse factors that sources and adjoints share, and what makes them differentiable in torch."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.sparse.linalg import SuperLU, splu
from torch import Tensor

from gempy_gan import GempyGanError
from gempy_gan_waveform.stencils import Complex, Stencil, dissected

T = TypeVar("T")
R = TypeVar("R")
Side = Literal["N", "T", "H"]  # the matrix, its transpose, its conjugate transpose

KEPT = 2**28  # numbers in the factors that one system keeps: 4 GiB
PIVOT = 0.01  # of the largest entry of a column, down to which the diagonal is taken: the order of the cells is kept


class System:
    """A(m) = K + omega^2 W diag(m) of one frequency, factorized once for each m and kept for all that is solved with it.

    `factorizations` counts them. The oldest factors are dropped, and made again when they are needed, where all of them together
    would have more than `KEPT` numbers.
    """

    def __init__(self, stencil: Stencil) -> None:
        self.stencil = stencil
        self.factorizations = 0
        self._factors: OrderedDict[bytes, SuperLU] = OrderedDict()
        self._lock = Lock()

    def solve(self, m: NDArray[np.float64], b: Complex, side: Side = "N") -> Complex:
        """x (n, k, N) with A(m_i) x_ij = b_ij, for m (n, N) and b (n, k, N); or with its (conjugate) transpose."""
        return np.stack(in_threads(lambda pair: self._solve_one(pair[0], pair[1], side), zip(m, b, strict=True)))

    def __getstate__(self) -> dict[str, Any]:
        return {"stencil": self.stencil}  # factors and locks cannot be copied

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["stencil"])  # type: ignore[misc]

    def _solve_one(self, m: NDArray[np.float64], b: Complex, side: Side) -> Complex:
        order = self._order
        found = np.empty_like(b)
        found[:, order] = self._factor(m).solve(np.asfortranarray(b[:, order].T), side).T
        return found

    def _factor(self, m: NDArray[np.float64]) -> SuperLU:
        key = hashlib.blake2b(np.ascontiguousarray(m).data, digest_size=16).digest()
        with self._lock:
            if key in self._factors:
                self._factors.move_to_end(key)
                return self._factors[key]
        factor = self._factorized(m)
        with self._lock:
            self.factorizations += 1
            self._factors[key] = factor
            while len(self._factors) > 1 and len(self._factors) * factor.nnz > KEPT:
                self._factors.popitem(last=False)
        return factor

    def _factorized(self, m: NDArray[np.float64]) -> SuperLU:
        rows, starts, stiffness, mass, columns = self._pattern
        data = stiffness + self.stencil.omega**2 * mass * m[columns]
        matrix = csc_array((data, rows, starts), shape=(m.size, m.size))
        try:
            return splu(matrix, permc_spec="NATURAL", diag_pivot_thresh=PIVOT, options={"SymmetricMode": True})
        except RuntimeError as error:
            raise GempyGanError(
                f"The wave equation cannot be solved in this model ({error}). Expected finite slownesses."
            ) from None

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return dissected(self.stencil.shape)

    @cached_property
    def _pattern(self) -> tuple[NDArray[np.int32], NDArray[np.int32], Complex, Complex, NDArray[np.int64]]:
        """Rows and column starts of A's entries in the dissected order, K and W there, and the cell of each column."""
        order = self._order
        stiffness, mass = (part[order][:, order] for part in (self.stencil.stiffness, self.stencil.mass))
        pattern = (abs(stiffness) + abs(mass)).tocsc()
        pattern.sort_indices()
        columns = np.repeat(np.arange(len(order)), np.diff(pattern.indptr))
        known = [np.asarray(part.tocsr()[pattern.indices, columns]).ravel() for part in (stiffness, mass)]
        return pattern.indices, pattern.indptr, known[0], known[1], order[columns]


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """A function of each item, in as many threads as torch may use: SuperLU lets other threads run meanwhile."""
    known, threads = list(items), torch.get_num_threads()
    if threads == 1 or len(known) < 2:
        return [function(item) for item in known]
    with ThreadPoolExecutor(min(threads, len(known))) as pool:
        return list(pool.map(function, known))


class Solve(torch.autograd.Function):
    """u (n, k, N) with A(m) u = b, or A(m)^H u = b, exact in all its derivatives: each is such a solution again.

    m (n, N) is real and double, b (n, k, N) complex128. With w = A^-H grad, the gradient with respect to b is w, and that with
    respect to m is -omega^2 Re sum_k conj(u) W^H w (Plessix 2006).
    """

    @staticmethod
    def forward(m: Tensor, b: Tensor, system: System, adjoint: bool) -> Tensor:
        """Solve with the factors that the system keeps."""
        known = m.detach().cpu().numpy()
        found = system.solve(known, b.detach().cpu().resolve_conj().numpy(), "H" if adjoint else "N")
        return torch.from_numpy(found).to(m.device)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        """Keep the model and the solution."""
        m, _, ctx.system, ctx.adjoint = inputs
        ctx.save_for_backward(m, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The adjoint state, by the same factors."""
        m, u = ctx.saved_tensors
        back = Solve.apply(m, grad, ctx.system, not ctx.adjoint)  # type: ignore[no-untyped-call]
        field, dual = (back, u) if ctx.adjoint else (u, back)
        slope = (field.conj() * averaged(ctx.system.stencil, dual)).real.sum(dim=1)
        return -(ctx.system.stencil.omega**2) * slope, back, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, m: Tensor, b: Tensor, system: System, adjoint: bool) -> tuple[Tensor, int]:
        """Further right-hand sides count among those of a model; further models among the realizations."""
        size, (of_m, of_b) = info.batch_size, in_dims[:2]
        b = b.movedim(of_b, 0) if of_b is not None else b.expand(size, *b.shape)
        if of_m is None:
            together = b.movedim(0, 1).flatten(1, 2)
            found: Tensor = Solve.apply(m, together, system, adjoint)  # type: ignore[no-untyped-call]
            return found.reshape(len(m), size, -1, found.shape[-1]), 1
        found = Solve.apply(m.movedim(of_m, 0).flatten(0, 1), b.flatten(0, 1), system, adjoint)  # type: ignore[no-untyped-call]
        return found.reshape(size, -1, *found.shape[1:]), 0


def averaged(stencil: Stencil, u: Tensor) -> Tensor:
    """W^H u for u (..., N), in torch."""
    (a, b), (dx, dz) = stencil.weights, stencil.second
    if not (a or b):
        return u
    section = u.reshape(*u.shape[:-1], *stencil.shape)
    along_x = torch.from_numpy(dx.conj().T.copy()).to(u.device) @ section
    along_z = section @ torch.from_numpy(dz.conj().copy()).to(u.device)
    found: Tensor = section + a * along_x + b * along_z
    return found.flatten(-2)
