"""How reflectors that lie elsewhere in every column respond: a sparse matrix of the wavelet at each, applied to realizations."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gempy_gan.wavelets import Wavelet


@dataclass(frozen=True, eq=False)
class Responses:
    """Traces of reflectors (columns, samples, faces), as the matrix from reflectors to samples and its transpose.

    A reflector is seen by the samples within the wavelet's reach alone: of a dense table most would be zeros, and reading those
    takes most of the time. Torch gets its matrices when a product first needs them: inside a transform of torch.func, where none
    can be made, a product is not.
    """

    shape: tuple[int, int, int]
    matrix: Any
    transposed: Any
    _made: dict[tuple[bool, torch.dtype, torch.device], Tensor] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, wavelet: Wavelet, axis: NDArray[np.float64], faces: NDArray[np.float64]) -> Responses:
        """w(t_i - t_j) of samples at times `axis` (s,), increasing, and faces at times (k, j)."""
        from scipy.sparse import csr_matrix

        k, j = faces.shape
        first = np.searchsorted(axis, (faces - wavelet.reach).ravel())
        count = np.searchsorted(axis, (faces + wavelet.reach).ravel(), side="right") - first
        reflector = np.repeat(np.arange(k * j), count)
        start = np.concatenate([[0], np.cumsum(count)])
        sample = np.arange(start[-1]) - start[reflector] + first[reflector]
        value = wavelet.at(axis[sample] - faces.ravel()[reflector])
        transposed = csr_matrix((value, reflector // j * len(axis) + sample, start), shape=(k * j, k * len(axis)))
        return cls((k, len(axis), j), transposed.T.tocsr(), transposed)

    @staticmethod
    def size(wavelet: Wavelet, axis: NDArray[np.float64], faces: NDArray[np.float64]) -> int:
        """How many numbers the matrix would hold, at the most."""
        step = float(np.diff(axis).min()) if len(axis) > 1 else np.inf
        return int(faces.size * min(len(axis), 2 * wavelet.reach / step + 1))

    def product(self, transpose: bool, like: Tensor) -> Tensor:
        """The matrix, or its transpose, of the kind and on the device of a tensor."""
        key = transpose, like.dtype, like.device
        if key not in self._made:
            self._made[key] = _sparse(self.transposed if transpose else self.matrix).to(like)
        return self._made[key]

    def __call__(self, coefficients: Tensor) -> Tensor:
        """Traces (n, k, s) of reflection coefficients (n, k, j)."""
        traces: Tensor = _Product.apply(coefficients.flatten(1), self, False)  # type: ignore[no-untyped-call]
        return traces.reshape(len(coefficients), *self.shape[:2])


class _Product(torch.autograd.Function):
    """The matrix, or its transpose, times each row of x (n, columns); the gradient is a product with the other one.

    The matrices come inside an object, for torch.func cannot wrap sparse tensors.
    """

    @staticmethod
    def forward(x: Tensor, responses: Responses, transpose: bool) -> Tensor:
        """One row after the other: a product with several at once takes longer."""
        matrix = responses.product(transpose, x)
        return torch.stack([matrix.mv(row) for row in x])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Responses, bool], output: Tensor) -> None:
        """Keep what is needed for the other product."""
        _, ctx.responses, ctx.transpose = inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The other product, which can be differentiated again."""
        return _Product.apply(gradients[0], ctx.responses, not ctx.transpose), None, None  # type: ignore[no-untyped-call]


def _sparse(matrix: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
        rows, columns = (torch.as_tensor(index.astype(np.int32)) for index in (matrix.indptr, matrix.indices))
        return torch.sparse_csr_tensor(rows, columns, torch.as_tensor(matrix.data), size=matrix.shape, check_invariants=False)
