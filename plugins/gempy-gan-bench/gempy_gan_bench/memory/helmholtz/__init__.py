"""The Helmholtz case: waveform inversion for the coefficients of a field, with priors that learned from 50, 200, 1000 fields."""

from gempy_gan_bench.memory.helmholtz.figures import pictures
from gempy_gan_bench.memory.helmholtz.plan import PRESETS, Plan
from gempy_gan_bench.memory.helmholtz.running import run
from gempy_gan_bench.memory.helmholtz.tables import rows, sentences

__all__ = ["PRESETS", "Plan", "pictures", "rows", "run", "sentences"]
