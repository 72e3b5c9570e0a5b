"""What the Helmholtz case computes: plain options, small ones for a CPU and the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PAPER, HELD_OUT = "paper", "held-out"


@dataclass(frozen=True)
class Plan:
    """A square section of `side` metres in `cells` x `cells`, with `pml` absorbing cells around it.

    `frequencies` holds sets of them (Hz): the first is used for every truth, the others for one held-out truth. `sources` lie
    along the top, `receivers` along the base. Data have complex noise of `noise` times their largest amplitude, root mean
    square. Fields have `modes` x `modes` coefficients; `std` (s2/km2) is their standard deviation, `ranges` (m) their range.

    `sizes` are those of the nested training sets, each with a network of the preset `network`, trained in `training_steps`
    steps. A memorized prior has the spread `spread` around its examples, in standard deviations of a coefficient. Each of
    `seeds` seeds has its own fields and networks, `truths` held-out truths, and one that is the mean of three training fields.

    `draws` of each sampler in `published_steps`, `dps_steps`, `pigdm_steps`; exact ones from `proposals`. `nulls` held-out draws
    of the true prior say what ratios of distances mean. Samplers are calibrated on `sbc_truths` truths of the true prior, and as
    many of one memorized from `sbc_size` examples, by `sbc_draws` draws each.
    """

    cells: int = 20
    side: float = 2000.0
    pml: int = 5
    frequencies: Sequence[Sequence[float]] = ((2.5,), (2.5, 4.0))
    sources: int = 6
    receivers: int = 12
    noise: float = 0.055
    modes: int = 10
    std: float = 0.02
    ranges: float = 800.0
    sizes: Sequence[int] = (50, 200, 1000)
    network: str = "tiny"
    training_steps: int = 600
    spread: float = 0.1
    seeds: int = 2
    truths: int = 1
    draws: int = 12
    published_steps: int = 50
    dps_steps: int = 25
    pigdm_steps: int = 25
    proposals: int = 200
    nulls: int = 400
    sbc_truths: int = 16
    sbc_draws: int = 9
    sbc_size: int = 50


PRESETS = {
    "quick": Plan(),
    "paper": Plan(
        cells=200,
        pml=20,
        frequencies=((6.0,), (3.0, 6.0)),
        sources=15,
        receivers=196,
        network="paper",
        training_steps=40_000,
        seeds=3,
        truths=3,
        draws=256,
        published_steps=200,
        dps_steps=200,
        pigdm_steps=100,
        proposals=1000,
        nulls=2000,
        sbc_truths=100,
        sbc_draws=49,
    ),
}
