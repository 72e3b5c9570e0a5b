"""What a guess of a value means: its expectation, by value and noise level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gempy_gan.networks.wavelengths import LEVELS, between_levels

TONES = torch.linspace(-1.1, 1.1, 45)  # values in [-1, 1] between which what is missing is linear
FEW = 50.0  # cells that tell half of what is missing at a tone: fewer may be chance


class Tones(nn.Module):
    """What guesses of a value lack in the mean, for each noise level, property and value.

    Behind all cells that are guessed to be 0.5, the mean of what was there is 0.5: so it is for an expectation. A network may
    have learned shapes before it learned how dark and bright they are, and then takes what is bright for a little less so,
    everywhere; draws see at each noise level what they were given at the one before, and lose contrast on their way. So the mean
    error of the guesses about each tone is measured, where a guess between two tones counts for both, the more the nearer.

    Until it has been `settle`d, nothing is missing.
    """

    missing: Tensor
    totals: Tensor
    counts: Tensor

    def __init__(self, properties: int) -> None:
        super().__init__()
        self.register_buffer("missing", torch.zeros(len(LEVELS) + 1, properties, len(TONES)))
        for name in ("totals", "counts"):
            self.register_buffer(name, torch.zeros(len(LEVELS), properties, len(TONES)), persistent=False)

    def forward(self, guess: Tensor, sigma: Tensor) -> Tensor:
        """What guesses (n, c, nx, ny, nz) behind noise sigma (n,) lack."""
        curves = between_levels(self.missing.to(guess), sigma.to(guess))
        lower, weight = _tones(guess)
        low, high = (curves.gather(2, at.flatten(2)).reshape(guess.shape) for at in (lower, lower + 1))
        return low.lerp(high, weight)

    @torch.no_grad()
    def measure(self, level: int, clean: Tensor, noisy: Tensor, guess: Tensor) -> None:
        """Take in what stood behind guesses (n, c, nx, ny, nz) at the noise `LEVELS[level]`."""
        lower, weight = _tones(guess)
        for property_ in range(guess.shape[1]):
            at, share = lower[:, property_].flatten(), weight[:, property_].flatten()
            error = (clean - guess)[:, property_].flatten()
            for tone, part in ((at, 1 - share), (at + 1, share)):
                self.counts[level, property_].index_add_(0, tone, part)
                self.totals[level, property_].index_add_(0, tone, part * error)

    @torch.no_grad()
    def settle(self) -> None:
        """From now on, what is missing is what was measured since the last time."""
        self.missing[:-1] = (self.totals / (self.counts + FEW)).half()  # rounded as in a prior's file
        self.totals.zero_()
        self.counts.zero_()


def _tones(guess: Tensor) -> tuple[Tensor, Tensor]:
    """The number of the tone below each guess, and how far it lies on its way to the next, 0 to 1."""
    step = float(TONES[1] - TONES[0])
    place = ((guess - float(TONES[0])) / step).clamp(0, len(TONES) - 1)
    lower = place.detach().floor().clamp(max=len(TONES) - 2)
    return lower.long(), place - lower
