"""Random wells, on which a network learns what wells imply for the cells around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

MOST = 30  # wells in one box
EMPTY = 0.25  # share of boxes without a well
DEVIATED = 0.15  # share of wells that are not vertical
DRIFT = 0.15  # largest sideways way of a deviated well from base to top, as a share of the box
PARTIAL = 0.25  # share of wells that do not go through the whole box


def random_wells(n: int, shape: tuple[int, int, int], device: torch.device | None = None) -> Tensor:
    """Cells on wells, (n, nx, ny, nz) bool, from torch's global generator.

    A quarter of the boxes have no well; the others 1 to 30, few being as likely as many (uniform in the logarithm), at places
    uniform over the box, most of them vertical and complete.
    """
    nx, ny, nz = shape
    count = torch.exp(torch.rand(n, device=device) * torch.tensor(MOST + 1.0).log()).floor()
    count = torch.where(torch.rand(n, device=device) < EMPTY, 0, count)
    exists = torch.arange(MOST, device=device) < count[:, None]
    place = torch.rand(n, MOST, 2, device=device)
    drift = (2 * torch.rand(n, MOST, 2, device=device) - 1) * DRIFT
    drift = drift * (torch.rand(n, MOST, 1, device=device) < DEVIATED)
    height = torch.linspace(-0.5, 0.5, nz, device=device)
    way = (place[:, :, None] + drift[:, :, None] * height[:, None]).clamp(0, 1 - 1e-6)  # (n, wells, nz, 2)
    ends = torch.sort(torch.rand(n, MOST, 2, device=device), dim=-1).values
    whole = torch.rand(n, MOST, 1, device=device) >= PARTIAL
    drilled = whole | ((height + 0.5 >= ends[..., :1]) & (height + 0.5 <= ends[..., 1:]))
    mask = torch.zeros(n, nx, ny, nz, dtype=torch.bool, device=device)
    box, well, k = torch.nonzero(exists[:, :, None] & drilled, as_tuple=True)
    at = (way[box, well, k] * torch.tensor([nx, ny], device=device)).long()
    mask[box, at[:, 0], at[:, 1], k] = True
    return mask
