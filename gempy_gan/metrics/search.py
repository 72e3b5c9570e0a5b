"""The distance of boxes to the nearest box of a larger volume, wherever it lies in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gempy_gan.metrics.splits import Array
from gempy_gan.metrics.windows import Shape, mirrored

MOST = 64  # blocks of cells along x and y that a volume is averaged to
LEAST = 8  # blocks along x and y that are left of a box
LAYERS = 4
AT_ONCE = 32  # boxes
RESOLVED = 1e-3  # distances below this one count as it: that is how far single precision sees


class Search:
    """Boxes (n, nx, ny, nz) and their mirror images along `flips`, to be looked for in volumes of `whole` cells.

    Both are averaged over blocks of cells, 2 x 2 x 2 of them for boxes of 32 x 32 x 8 in volumes of 128 x 128 x 8, and compared
    wherever a box fits on these blocks, all places at once by Fourier transform: a copy is never further off than half a block.
    """

    def __init__(self, boxes: Array, whole: Shape, flips: Sequence[str] = ()) -> None:
        from scipy import fft

        self.blocks = _blocks(boxes.shape[1:], whole)
        self.centre = float(boxes.mean())  # rounding is smaller without it
        versions = mirrored(self._averaged(boxes), flips, x=2)
        self.versions, self.shape = len(versions), versions[0].shape[1:]
        boxes = np.concatenate(versions)
        self.square = np.einsum("nlxy,nlxy->n", boxes, boxes)
        self.size = [fft.next_fast_len(w // b, real=True) for w, b in zip(whole[:2], self.blocks[:2], strict=True)]
        self.spectra = np.conj(fft.rfft2(boxes, self.size, axes=(2, 3)))

    def distances(self, volumes: Iterable[Array]) -> Array:
        """Rms distance (n, N) of the averages of each box to those of the nearest box of each volume (k, NX, NY, nz), which
        come some at a time."""
        return np.concatenate([self._of_part(part) for part in volumes], axis=1)

    def _of_part(self, volumes: Array) -> Array:
        from scipy import fft

        coarse = self._averaged(volumes)
        energy = _window_sums(np.square(coarse).sum(axis=1), self.shape[1:])
        spectra = fft.rfft2(coarse, self.size, axes=(2, 3))
        found = np.stack([self._nearest(*volume) for volume in zip(spectra, energy, strict=True)], axis=1)
        nearest = found.reshape(self.versions, -1, len(volumes)).min(axis=0)
        return np.asarray(np.maximum(np.sqrt(np.maximum(nearest, 0.0) / np.prod(self.shape)), RESOLVED), np.float64)

    def _nearest(self, spectrum: Array, energy: Array) -> Array:
        """Squared distance (n,) of each version of each box to the nearest box of a volume: |a|^2 + |b|^2 - 2 ab."""
        from scipy import fft

        px, py = energy.shape
        found = np.empty(len(self.spectra), np.float32)
        for start in range(0, len(found), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            product = np.einsum("nlxy,lxy->nxy", self.spectra[part], spectrum)
            inner = fft.irfft2(product, self.size, axes=(1, 2), overwrite_x=True)[:, :px, :py]
            found[part] = self.square[part] - (2 * inner - energy).max(axis=(1, 2))
        return found

    def _averaged(self, volumes: Array) -> Array:
        """Means (n, layers, mx, my) over blocks of cells; cells that fill no block at the end of an axis are left out."""
        bx, by, bz = self.blocks
        n, mx, my, mz = (size // b for size, b in zip(volumes.shape, (1, bx, by, bz), strict=True))
        trimmed = volumes[:, : mx * bx, : my * by, : mz * bz].reshape(n, mx, bx, my, by, mz, bz)
        means = np.einsum("nxaybzc->nzxy", trimmed, optimize=False) / np.float32(bx * by * bz)
        return np.ascontiguousarray(means - np.float32(self.centre))


def _blocks(box: Sequence[int], whole: Shape) -> Shape:
    bx, by = (max(1, min(b // LEAST, -(-w // MOST))) for b, w in zip(box[:2], whole[:2], strict=True))
    return bx, by, max(1, box[2] // LAYERS)


def _window_sums(values: Array, shape: Sequence[int]) -> Array:
    """Sums (n, mx - x + 1, my - y + 1) over all windows of x by y of maps (n, mx, my)."""
    total = np.pad(values.astype(np.float64), ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    x, y = shape
    sums = total[:, x:, y:] - total[:, :-x, y:] - total[:, x:, :-y] + total[:, :-x, :-y]
    return np.asarray(sums, np.float32)
