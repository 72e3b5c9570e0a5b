"""The problem: the section, its waves, truths, data, and training sets, all decided by plan and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from gempy_gan_waveform.helmholtz import Helmholtz
from gempy_gan_waveform.modal import ModalHelmholtz
from gempy_gan_waveform.modes import Modes
from torch import Tensor

from gempy_gan.constraints import Constraints, SoftData
from gempy_gan.ensemble import Ensemble
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
from gempy_gan_bench.memory.helmholtz.plan import PAPER, Plan

COEFFICIENT = Property("coefficient")
MEAN = 0.25  # s2/km2: 2 km/s
TRAINING, TRUTH, NOISE, NULL, CALIBRATED, DRAWN = range(6)  # what random numbers of a seed are for


@dataclass(frozen=True)
class Data:
    """Noisy data of one truth at one set of frequencies: constraints on the coefficients, and the chi2 of the truth itself."""

    constraints: Constraints
    chi2: float


@dataclass(frozen=True)
class Problem:
    """What a plan says, with the random numbers of one seed."""

    plan: Plan
    seed: int = 0

    @cached_property
    def section(self) -> Grid:
        """The grid of the field."""
        cells, side = self.plan.cells, self.plan.side
        return Grid((0, side, 0, side / cells, -side, 0), (cells, 1, cells))

    @cached_property
    def modes(self) -> Modes:
        """The field's coefficients."""
        count, ranges = (self.plan.modes,) * 2, (self.plan.ranges,) * 2
        return Modes.on(self.section, count=count, mean=MEAN, std=self.plan.std, ranges=ranges)

    def waves(self, frequencies: Sequence[float]) -> ModalHelmholtz:
        """Coefficients to data."""
        side, size = self.plan.side, self.plan.side / self.plan.cells
        sources, receivers = (np.linspace(size, side - size, k) for k in (self.plan.sources, self.plan.receivers))
        top, base = np.full(len(sources), -size), np.full(len(receivers), size - side)
        where = np.stack([sources, top], axis=1), np.stack([receivers, base], axis=1)
        options = Helmholtz(tuple(frequencies), *where, "squared_slowness", pml=self.plan.pml)
        return ModalHelmholtz(options, self.modes, self.section)

    def training_set(self, n: int) -> Tensor:
        """The first n training examples (n, 1, kx, 1, kz): sets are nested."""
        return self.fresh(max(self.plan.sizes), TRAINING)[:n]

    def truth(self, name: str) -> Tensor:
        """A truth (1, 1, kx, 1, kz): "paper", the mean of three training examples, or "held-out k", a draw of the true prior."""
        if name == PAPER:
            return self.training_set(3).mean(dim=0, keepdim=True)
        number = int(name.rpartition(" ")[2])
        return self.fresh(number, TRUTH)[-1:]

    def fresh(self, n: int, purpose: int = NULL) -> Tensor:
        """n draws of the true prior (n, 1, kx, 1, kz)."""
        return torch.randn((n, 1, self.plan.modes, 1, self.plan.modes), generator=self.generator(purpose), dtype=torch.float64)

    def data(self, truth: Tensor, frequencies: Sequence[float], number: int = 0) -> Data:
        """What is observed of a truth; `number` tells noises apart."""
        waves = self.waves(frequencies)
        clean = waves.data(truth)[0]
        amplitude = torch.view_as_complex(clean.reshape(waves.shape).contiguous()).abs().max()
        std = float(self.plan.noise * amplitude) / 2**0.5  # of the real and of the imaginary part
        noise = torch.randn(clean.shape, generator=self.generator(NOISE, number), dtype=torch.float64)
        term = SoftData((clean + std * noise).numpy(), std, waves, name="waveform")
        return Data(Constraints(self.modes.coefficient_grid, term), float(noise.square().mean()))

    def ensemble(self, values: Tensor) -> Ensemble:
        """Coefficients as an ensemble on their grid."""
        return Ensemble.from_values(self.modes.coefficient_grid, [COEFFICIENT], values.float().numpy())

    def coordinates(self, values: Tensor) -> Tensor:
        """Coefficients as rows (n, kx * kz) whose distances are root mean square distances of their fields, in s2/km2."""
        return (values.double()[:, 0, :, 0] * torch.from_numpy(self.modes.amplitudes)).flatten(1)

    def generator(self, *purpose: int) -> torch.Generator:
        """Random numbers of this seed, for one purpose."""
        state = np.random.SeedSequence([self.seed, *purpose]).generate_state(1, np.uint64)[0] >> np.uint64(1)
        return torch.Generator().manual_seed(int(state))
