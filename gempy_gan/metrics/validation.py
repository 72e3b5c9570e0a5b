"""The validation of generated volumes as a record: figures beside their floors, what they should be, and what they mean."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gempy_gan.metrics.windows import cells


@dataclass(frozen=True)
class Target:
    """What a figure should be: its `judged` number, "value" or "ratio", between `low` and `high`."""

    judged: str
    low: float
    high: float
    ideal: str
    meaning: str

    def __str__(self) -> str:
        if math.isinf(self.high) and math.isinf(self.low):
            return ""
        if math.isinf(self.high):
            return f">= {self.low:g}"
        ends = f"<= {self.high:g}" if math.isinf(self.low) else f"{self.low:g}-{self.high:g}"
        return f"{ends} x floor" if self.judged == "ratio" else ends


def _distance(most: float, meaning: str) -> Target:
    return Target("ratio", -math.inf, most, "floor", meaning)


def _relative(low: float, high: float, meaning: str) -> Target:
    return Target("value", low, high, "1", meaning)


TARGETS = {
    "histogram": _distance(2.5, "Wasserstein-1 distance of the histograms of the coarse fraction, all cells together"),
    "net_to_gross_histogram": _distance(2.5, "Wasserstein-1 distance of the histograms of net-to-gross, one number per volume"),
    "net_to_gross": _relative(0.9, 1.1, "mean share of coarse cells, generated / real"),
    "net_to_gross_spread": _relative(0.8, 1.2, "standard deviation of net-to-gross over volumes, generated / real"),
    "variogram": _distance(2.5, "mean absolute error of the variogram of the coarse fraction, over lags, then over x, y, z"),
    "indicator_variogram": _distance(2.5, "the same of the indicator of coarse cells"),
    "connectivity": _distance(2.5, "mean absolute error of P(two coarse cells belong to one body), over lags, then over x, y, z"),
    "layer_connectivity": _distance(2.5, "the same with bodies as a map of one layer shows them, over lags in x and y"),
    "patterns_2x2x2": _distance(2.5, "Jensen-Shannon distance of the histograms of coarse-fine patterns of 2 x 2 x 2 cells"),
    "patterns_4x4": _distance(2.5, "the same for 4 x 4 neighbours in a layer"),
    "patterns_3x3_wide": _distance(2.5, "the same for 3 x 3 cells in a layer, 4 cells apart"),
    "ms_swd": _distance(1.5, "multi-scale sliced Wasserstein distance of 3 x 7 x 7 patches over three levels"),
    "ms_swd_contrast": _distance(1.5, "the same with both sides scaled as the real ones are, so that contrast counts"),
    "body_count": _relative(0.5, 2.0, "mean number of coarse bodies of any size, generated / real"),
    "large_body_count": _relative(0.5, 2.0, "the same for bodies of at least 20 cells"),
    "largest_body": _relative(0.8, 1.25, "mean share of the coarse cells that are in the largest body, generated / real"),
    "width": _relative(0.8, 1.25, "mean width of coarse bodies on the map of a layer, generated / real"),
    "sinuosity": _relative(0.8, 1.25, "mean length of those bodies (area / width) over their largest extent, generated / real"),
    "diversity": _relative(0.9, 1.1, "mean difference (rms) between two volumes, generated / real"),
    "effective_number": _relative(0.8, math.inf, "effective number of different volumes (Vendi score), generated / real"),
    "checkerboard": Target(
        "value", -math.inf, 0.5, "floor", "power of grids of 2, 4 and 8 cells above that beside them, in units of the real power"
    ),
    "superposition": Target("value", 1.0, math.inf, "1", "share of vertical neighbours whose time does not decrease upwards"),
    "rising_time": _relative(0.9, 1.1, "share of vertical neighbours whose time increases upwards, generated / real"),
    "time_steps": _distance(2.5, "Wasserstein-1 distance of the histograms of the time between vertical neighbours"),
    "memorization": Target(
        "value", 0.05, math.inf, "any", "p-value that volumes lie as close to training images as held-out ones do; < 0.05: closer"
    ),
    "memorization_features": Target(
        "value", 0.05, math.inf, "any", "the same p-value in geological features, which know shifted and mirrored copies"
    ),
    "memorized_share": Target(
        "value", -math.inf, math.inf, "0.05", "share of volumes closer to a training image than 95 % of the held-out ones are"
    ),
    "training_neighbours": Target(
        "value", 0.05, math.inf, "any", "p-value that the nearest real images are training images by chance; < 0.05: memorized"
    ),
}


@dataclass(frozen=True)
class Figure:
    """One figure of generated volumes beside the same of real ones at equal count.

    `floor` is the mean over splits of the real volumes into two halves, `low` and `high` its 5 % and 95 % quantiles; None
    where there is no such thing. `note` adds what belongs to this one.
    """

    key: str
    value: float | None
    floor: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def target(self) -> Target:
        """What it should be."""
        return TARGETS[self.key]

    @property
    def ratio(self) -> float | None:
        """Value over floor of a distance; None for other figures, and where the floor is zero."""
        distance = self.target.judged == "ratio"
        return self.value / self.floor if distance and self.value is not None and self.floor else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none. A figure that cannot be computed meets nothing."""
        target = self.target
        if math.isinf(target.low) and math.isinf(target.high):
            return None
        judged = self.ratio if target.judged == "ratio" else self.value
        return judged is not None and target.low <= judged <= target.high

    @property
    def meaning(self) -> str:
        """What the figure is, in plain words."""
        return self.target.meaning + (f" ({self.note})" if self.note else "")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        numbers = {"value": self.value, "floor": self.floor, "low": self.low, "high": self.high, "ratio": self.ratio}
        found: dict[str, Any] = {key: _finite(number) for key, number in numbers.items()}
        return found | {"target": str(self.target), "met": self.met, "ideal": self.target.ideal, "meaning": self.meaning}


@dataclass(frozen=True)
class Validation:
    """What `validate` found: `figures`, from so many `generated` and `real` volumes, compared `size` against `size`.

    `shared` is how many of the generated volumes are among the real ones, to the last bit: 0, unless something went wrong.
    `shape` are the cells of what was compared, `whole` those of the real volumes: more, where boxes were cut out of them.

    `validation["variogram"]` is one figure; `str()` is a table; `to_dict()` is plain JSON.
    """

    figures: tuple[Figure, ...]
    generated: int
    real: int
    size: int
    splits: int
    shape: tuple[int, int, int]
    seed: int
    shared: int = 0
    whole: tuple[int, int, int] | None = None

    def __getitem__(self, key: str) -> Figure:
        for figure in self.figures:
            if figure.key == key:
                return figure
        raise KeyError(f"The validation has no {key!r}. It has: {', '.join(f.key for f in self.figures)}.")

    @property
    def compared(self) -> str:
        """What was compared, as text."""
        if self.whole is None or self.whole == self.shape:
            return f"volumes of {cells(self.shape)} cells"
        return f"boxes of {cells(self.shape)} cells, one cut at random from each volume of {cells(self.whole)}"

    @cached_property
    def verdicts(self) -> tuple[str, ...]:
        """What a reader must know, in one sentence each."""
        return tuple(_verdicts(self))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: {"figures": {key: {"value", "floor", "ratio", "target", "met", ...}}, "verdicts", counts}."""
        counts = {"generated": self.generated, "real": self.real, "size": self.size, "splits": self.splits, "shared": self.shared}
        figures = {f.key: f.to_dict() for f in self.figures}
        whole = self.shape if self.whole is None else self.whole
        record = {
            "shape": list(self.shape),
            "whole": list(whole),
            "seed": self.seed,
            "figures": figures,
            "verdicts": list(self.verdicts),
        }
        return {**counts, **record}

    def __str__(self) -> str:
        header = ("", "value", "floor", "5-95 %", "ratio", "target", "met", "")
        rows = [header, *(_row(f) for f in self.figures)]
        widths = [max(len(row[k]) for row in rows) for k in range(7)]
        lines = [_line(row, widths) for row in rows]
        return "\n".join([*lines, "", f"- Compared are {self.compared}.", *(f"- {verdict}" for verdict in self.verdicts)])


def _verdicts(validation: Validation) -> Iterator[str]:
    judged = [f for f in validation.figures if f.met is not None]
    missed = [f for f in judged if not f.met]
    compared = f"{validation.size} generated against {validation.size} real volumes, {validation.splits} splits"
    yield f"{len(judged) - len(missed)} of {len(judged)} targets are met ({compared})."
    if validation.shared:
        yield f"{validation.shared} generated volumes are among the real ones: this validates nothing. Compare with others."
    for f in missed:
        if f.value is None:
            yield f"{f.key}: cannot be computed ({f.note})."
        elif f.target.judged == "value" and f.low is not None and f.high is not None and f.low <= f.value <= f.high:
            yield f"{f.key}: {f.value:.3g} misses its target, but so do real volumes ({f.low:.2g}-{f.high:.2g}): compare more."
    yield from _memorized(validation)


def _memorized(validation: Validation) -> Iterator[str]:
    missed = {f.key for f in validation.figures if f.met is False}
    if "training_neighbours" in missed:
        yield "Volumes lie closer to training images than to held-out ones: the prior has memorized."
    elif "memorization_features" in missed:
        yield "In geological features volumes lie closer to training images than held-out ones do: look for altered copies."
    elif "memorization" in missed:
        yield (
            "Volumes lie closer to training images than held-out ones do, but to held-out images as well: smooth volumes do "
            "that, memorized ones would not."
        )


def _row(f: Figure) -> tuple[str, ...]:
    between = "" if f.low is None else f"{_short(f.low)}-{_short(f.high)}" if math.isfinite(f.low) else "-"
    met = {True: "yes", False: "NO", None: ""}[f.met]
    return f.key, _short(f.value), _short(f.floor), between, _short(f.ratio), str(f.target), met, f.meaning


def _short(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "" if value is None else "-"
    return f"{value:.6f}" if 0.9995 <= value < 1 else f"{value:.3g}"  # nearly all is not all


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    numbers = "  ".join(row[k].rjust(widths[k]) for k in range(1, 7))
    return f"{row[0].ljust(widths[0])}  {numbers}  {row[7]}".rstrip()


def _finite(value: float | None) -> float | None:
    """JSON has no infinity."""
    return value if value is not None and math.isfinite(value) else None
