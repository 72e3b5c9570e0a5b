"""What a noisy box tells of its large-scale contrasts, wavelength by wavelength."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

LEVELS = (0.03, 0.06, 0.1, 0.16, 0.25, 0.4, 0.63, 0.98, 1.02, 1.6, 2.5, 4.0, 6.3, 10.0)  # noise in [-1, 1] that is measured at
SILENT = 16.0  # noise in [-1, 1] from which on a box tells nothing that the guess did not know
ACROSS = (0.5, 1.5, 2.5, 4.5, 8.5, 16.5)  # borders between classes, in half waves across the box that was learned from
UPWARDS = (0.5, 1.5, 3.5)  # the same in z


class Wavelengths(nn.Module):
    """The share of a surprise that is believed, for each noise level, property and wavelength.

    A surprise is what a noisy box shows and a guess did not expect. Cell by cell most of it is noise. But noise hardly touches
    means over thousands of cells, and a network that learned to err little in single cells throws away what they tell: its guess
    of the mean of a box may be farther off than the mean of the noisy box itself. The share is that of least squares, <error,
    surprise> / <surprise, surprise> over boxes, for cosines with the wavelengths of a class; an exact denoiser has none, since
    its error is orthogonal to all that can be told from the noisy box.

    `shape` (nx, ny, nz) is that of the boxes it is measured on. Until it has been `settle`d, all shares are 0.
    """

    share: Tensor
    products: Tensor
    squares: Tensor

    def __init__(self, properties: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        classes = (len(ACROSS) + 1, len(ACROSS) + 1, len(UPWARDS) + 1)
        self.register_buffer("share", torch.zeros(len(LEVELS) + 1, properties, *classes))
        for name in ("products", "squares"):
            self.register_buffer(name, torch.zeros(len(LEVELS), properties, *classes), persistent=False)

    def forward(self, surprise: Tensor, sigma: Tensor) -> Tensor:
        """The part of surprises (n, c, nx, ny, nz) at noise sigma (n,) that is believed; linear in the surprise."""
        waves = [_cosines(n).to(surprise) for n in surprise.shape[2:]]
        return _boxes(self._shares(sigma.to(surprise), surprise.shape[2:]) * _waves(surprise, waves), waves)

    @torch.no_grad()
    def measure(self, level: int, clean: Tensor, noisy: Tensor, guess: Tensor) -> None:
        """Take in boxes (n, c, nx, ny, nz), noisy ones at the noise `LEVELS[level]`, and the guesses behind these."""
        waves = [_cosines(n).to(noisy) for n in noisy.shape[2:]]
        error, surprise = _waves(clean - guess, waves), _waves(noisy - guess, waves)
        to = _classes(self.shape, surprise.shape[2:], surprise.device)
        for total, found in ((self.products, error * surprise), (self.squares, surprise.square())):
            total[level].flatten(1).index_add_(1, to.flatten(), found.sum(dim=0).flatten(1))

    @torch.no_grad()
    def settle(self) -> None:
        """Believe what was measured since the last time."""
        share = self.products / self.squares.clamp(min=torch.finfo(self.squares.dtype).tiny)
        self.share[:-1] = share.clamp(-1.0, 1.0).half()  # more than all of a surprise is chance; rounded as in a prior's file
        self.products.zero_()
        self.squares.zero_()

    def _shares(self, sigma: Tensor, shape: Sequence[int]) -> Tensor:
        """Shares (n, c, nx, ny, nz) of each wave."""
        table = between_levels(self.share.to(sigma.dtype).flatten(2), sigma)
        return table[:, :, _classes(self.shape, shape, sigma.device)]


def between_levels(table: Tensor, sigma: Tensor) -> Tensor:
    """Rows (n, ...) for the noise sigma (n,), of a table with a row for each of `LEVELS` and one for `SILENT`: linear in the
    logarithm of the noise."""
    grid = torch.tensor([*LEVELS, SILENT], device=sigma.device, dtype=sigma.dtype).log()
    at = sigma.log().contiguous()
    upper = torch.searchsorted(grid, at).clamp(1, len(LEVELS))
    weight = ((at - grid[upper - 1]) / (grid[upper] - grid[upper - 1])).clamp(0, 1)
    return table[upper - 1].lerp(table[upper], weight.reshape(-1, *([1] * (table.ndim - 1))))


def _classes(known: Sequence[int], shape: Sequence[int], device: torch.device) -> Tensor:
    """The number of the class (nx, ny, nz) of each wave in a box of a shape, whose edges may not be those that are known."""
    x, y, z = (
        torch.bucketize(torch.arange(n, device=device) * (whole / n), torch.tensor(borders, device=device))
        for n, whole, borders in zip(shape, known, (ACROSS, ACROSS, UPWARDS), strict=True)
    )
    count = len(ACROSS) + 1
    return (x[:, None, None] * count + y[:, None]) * (len(UPWARDS) + 1) + z


def _cosines(n: int) -> Tensor:
    """Orthonormal rows (n, n) of cosines with 0, 1, ... half waves over n cells: the discrete cosine transform."""
    k = torch.arange(n, dtype=torch.float64)
    rows = torch.cos(math.pi * k[:, None] * (k + 0.5) / n) * math.sqrt(2 / n)
    rows[0] /= math.sqrt(2)
    return rows


def _waves(boxes: Tensor, waves: Sequence[Tensor]) -> Tensor:
    return torch.einsum("ncxyz,ax,by,dz->ncabd", boxes, *waves)


def _boxes(amplitudes: Tensor, waves: Sequence[Tensor]) -> Tensor:
    return torch.einsum("ncabd,ax,by,dz->ncxyz", amplitudes, *waves)
