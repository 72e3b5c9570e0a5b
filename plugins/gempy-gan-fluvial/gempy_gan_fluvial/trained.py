"""The priors that were trained on the simulator and come with this plugin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gempy_gan import GempyGanError, LearnedPrior, load_prior

WEIGHTS = Path(__file__).parent / "weights"


def fluvial_diffusion(size: str = "small", member: int = 0, shape: Sequence[int] | None = None, **options: Any) -> LearnedPrior:
    """A diffusion prior of fluvial deposits, which knows what wells imply around them.

    `size` is that of the boxes it learned from, "small" (64 x 64 x 16 cells of 50 x 50 x 1 m) or "tiny" (32 x 32 x 8), and
    `member` tells independently trained networks of one size apart. `shape` asks for another number of columns; `options` are
    those of `gempy_gan.load_prior`. Raises GempyGanError naming what there is, where such a prior does not come with this plugin.
    """
    return _load("fluvial-diffusion", size, member, shape, options)


def fluvial_gan(size: str = "tiny", member: int = 0, shape: Sequence[int] | None = None, **options: Any) -> LearnedPrior:
    """A generative adversarial network of fluvial deposits; arguments as `fluvial_diffusion`.

    It makes boxes of the size that it learned from alone: raises GempyGanError for another `shape`.
    """
    return _load("fluvial-gan", size, member, shape, options)


def installed(name: str) -> dict[tuple[str, int], Path]:
    """The files of a trained prior by size and member."""
    found = {}
    for file in sorted(WEIGHTS.glob(f"{name}-*.safetensors")):
        size, _, member = file.stem.removeprefix(f"{name}-").partition("-")
        found[size, int(member or 0)] = file
    return found


def _load(name: str, size: str, member: int, shape: Sequence[int] | None, options: dict[str, Any]) -> LearnedPrior:
    files = installed(name)
    if (size, member) not in files:
        there = ", ".join(f"size {size!r}, member {member}" for size, member in files)
        raise GempyGanError(f"No {name} of size {size!r}, member {member} comes with this plugin. There are: {there}.")
    return load_prior(files[size, member], shape, **options)
