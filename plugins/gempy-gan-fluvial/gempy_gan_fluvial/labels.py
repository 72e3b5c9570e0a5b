"""The numbers that shape a simulated deposit, with the ranges they are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gempy_gan import GempyGanError
from gempy_gan.labels import Label

LABELS = (
    Label("width", 140.0, 300.0, "m", meaning="bankfull width of the channel"),
    Label("width_to_depth", 30.0, 60.0, meaning="bankfull width over bankfull depth"),
    Label("wavelength", 8.0, 12.5, "channel width", meaning="wavelength, along the channel, of the bends that grow fastest"),
    Label("maturity", 20.0, 160.0, log=True, meaning="growth of the bends of a new course before it deposits, steps"),
    Label("shortening", 2.0, 7.0, meaning="way around a bend over the way across at which a chute cuts it off"),
    Label("mobility", 4.0, 60.0, "channel width", log=True, meaning="mean migration while the banks rise by one channel depth"),
    Label("avulsions", 0.3, 5.0, log=True, meaning="mean number of avulsions while the banks rise by one channel depth"),
    Label("local_avulsions", 0.0, 0.6, meaning="share of the avulsions that leave the old course inside the box"),
    Label("plug_erodibility", 0.15, 0.9, meaning="erodibility of banks of plug mud over that of other banks"),
    Label("incision", 0.0, 0.5, meaning="fastest fall of the banks over their fastest rise"),
    Label("overbank_mu", 8.0, 60.0, log=True, meaning="overbank rate at the bank, e-foldings per channel depth of rise"),
    Label("overbank_lambda", 400.0, 1500.0, "m", meaning="distance over which the overbank rate falls by e"),
    Label("flood_height", 0.05, 0.25, "channel depth", meaning="height of floods above the banks"),
    Label("coarsest", 0.8, 1.0, meaning="coarse fraction of the channel floor"),
    Label("finest", 0.25, 0.6, meaning="coarse fraction of the top of a point bar"),
    Label("levee", 0.25, 0.5, meaning="coarse fraction of overbank deposits at the bank"),
    Label("splays", 0.0, 3.0, meaning="mean number of crevasse splays while the banks rise by one channel depth"),
    Label("offset", -0.15, 0.15, "box width", meaning="distance of the belt's axis from the box's, across the flow", along="y"),
)
BY_NAME = {label.name: label for label in LABELS}
MAY_BE_ZERO = {"avulsions", "local_avulsions", "incision", "splays", "overbank_mu", "flood_height", "finest", "levee"}
ANY_SIGN = {"offset"}

# Beyond the ranges that priors are trained on: options for tests of what a prior does off its training distribution.
OUT_OF_DISTRIBUTION = {
    "wide": {"width": (350.0, 500.0)},
    "narrow": {"width": (90.0, 130.0)},
    "sinuous": {"shortening": (20.0, 40.0), "maturity": (150.0, 250.0), "avulsions": (0.1, 0.3)},
    "straight": {"shortening": (1.05, 1.2), "maturity": (1.0, 8.0)},
    "off-centre": {"offset": (0.3, 0.45)},
}


def with_ranges(labels: Sequence[Label], ranges: Mapping[str, Sequence[float]]) -> tuple[Label, ...]:
    """The labels, some with other ranges (low, high). Raises GempyGanError for an unknown label or an impossible range."""
    if not isinstance(ranges, Mapping):
        raise GempyGanError(f"FluvialSimulator: labels are {ranges!r}. Expected ranges by name, as {{'width': (low, high)}}.")
    check_names(ranges)
    changed = []
    for label in labels:
        low, high = _range(label.name, ranges.get(label.name, (label.low, label.high)))
        check_value(label.name, low)
        changed.append(replace(label, low=low, high=high, along=label.along if low == -high else ""))
    return tuple(changed)


def draw(labels: Sequence[Label], rng: np.random.Generator, given: Mapping[str, float]) -> dict[str, float]:
    """A value for each label: the one that is given, or one from its range. What is given changes no other label."""
    check_names(given)
    drawn = {label.name: float(label.from_scaled(rng.uniform(-1, 1))) for label in labels}
    for name, value in given.items():
        check_value(name, value)
        drawn[name] = float(value)
    return drawn


def check_names(names: Mapping[str, object]) -> None:
    """Raise GempyGanError for a name that is no label of the simulator."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise GempyGanError(f"FluvialSimulator has no label {unknown[0]!r}. Its labels: {', '.join(BY_NAME)}.")


def check_value(name: str, value: float) -> None:
    """Raise GempyGanError for a value that the process cannot run with."""
    lowest = -np.inf if name in ANY_SIGN else 0.0
    fits = np.isfinite(value) and (value > lowest or (value == 0 and name in MAY_BE_ZERO))
    if not fits:
        raise GempyGanError(f"FluvialSimulator: label {name!r} is {value}. Expected a finite number{_above(name)}.")


def _above(name: str) -> str:
    return "" if name in ANY_SIGN else ", zero or more" if name in MAY_BE_ZERO else " above zero"


def _range(name: str, given: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in given)
    except (TypeError, ValueError):
        raise GempyGanError(f"FluvialSimulator: the range of label {name!r} is {given!r}. Expected (low, high).") from None
    return low, high
