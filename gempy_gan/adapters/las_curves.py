"""The curves of a LAS file as properties: units that were asked for, and values that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.health import Finding
from gempy_gan.mnemonics import QUANTITIES, AliasTable, factor, known_unit

ENOUGH = 0.5  # share of the values that must fit another unit, and not the stated one, for that to be said


def properties_of(names: Sequence[str], aliases: Mapping[str, Sequence[str]] | None) -> dict[str, str]:
    """The property of each curve that has a known one."""
    table = AliasTable(aliases)
    return {name: found for name in names if (found := table.property_of(name)) is not None}


def chosen(wanted: Sequence[str] | None, names: Sequence[str], aliases: Mapping[str, Sequence[str]] | None) -> list[str] | None:
    """The wanted curves by their mnemonics; a property stands for every curve of it."""
    if wanted is None:
        return None
    if isinstance(wanted, str):
        raise FormatError(f"curves is {wanted!r}. Expected a list of mnemonics or properties, such as ['GR', 'density'].")
    properties = properties_of(names, aliases)
    found = {name: [name] if name in names else [other for other in names if properties.get(other) == name] for name in wanted}
    absent = [name for name, members in found.items() if not members]
    if absent:
        raise FormatError(f"The file has no curve {', '.join(absent)}. It has: {', '.join(names)}.")
    return [member for members in found.values() for member in members]


def restated(
    table: pd.DataFrame,
    units: dict[str, str],
    properties: Mapping[str, str],
    stated: Mapping[str, str] | None,
    found: list[Finding],
) -> None:
    """Replace the units of the file by those that the caller knows better, in place."""
    for name, unit in _resolved(stated, table, properties, "file_units").items():
        if units[name] and units[name] != unit:
            found.append(Finding("warning", f"{name} is in {units[name]} by the header", f"It was read in {unit}, as told."))
        units[name] = unit


def converted(
    table: pd.DataFrame,
    units: dict[str, str],
    properties: Mapping[str, str],
    wanted: Mapping[str, str] | None,
    found: list[Finding],
) -> None:
    """Convert curves to the units that are wanted, in place. Raises FormatError where their own unit is not certain."""
    for name, unit in _resolved(wanted, table, properties, "units").items():
        if not units[name]:
            raise FormatError(f"Curve {name} has no unit, and {unit} is wanted. Say what it is: file_units={{'{name}': ...}}.")
        try:
            by = factor(units[name], unit)
        except GempyGanError as error:
            raise FormatError(f"Curve {name} cannot be converted: {error} (`file_units=` overrules the header.)") from None
        likelier = _likelier(table[name].to_numpy(), units[name], properties.get(name))
        if likelier:
            raise FormatError(
                f"Curve {name} is in {units[name]} by the header, and its values are those of {likelier}. "
                f"Say which is right before it is converted: file_units={{'{name}': '{likelier}'}}."
            )
        if by != 1:
            found.append(Finding("note", f"{name} was in {units[name]}", f"It was multiplied by {by:.6g} to {unit}."))
        table[name] *= by
        units[name] = unit


def check_ranges(
    table: pd.DataFrame, units: Mapping[str, str], properties: Mapping[str, str], lines: Sequence[int], found: list[Finding]
) -> None:
    """Warn of values that no rock has. `lines` are those of the table's rows in the file."""
    for name, prop in properties.items():
        bounds = _bounds(prop, units[name]) if name in table and prop in QUANTITIES else None
        if bounds is None:
            continue
        values = table[name].to_numpy()
        low, high = bounds
        odd = (values < low) | (values > high)
        if not odd.any():
            continue
        first = int(np.argmax(odd))
        likelier = _likelier(values, units[name], prop)
        hint = f" The values are those of {likelier}: give file_units={{'{name}': '{likelier}'}}." if likelier else ""
        found.append(
            Finding(
                "warning",
                f"{name}: {int(odd.sum())} of {int(np.isfinite(values).sum())} values are outside {low:g} to {high:g} "
                f"{units[name]}, the first is {values[first]:g}",
                f"They were kept.{hint}",
                lines[first],
            )
        )


def _bounds(prop: str, unit: str) -> tuple[float, float] | None:
    """The range of a property in a unit; None where the unit is none of it."""
    quantity, known = QUANTITIES[prop], known_unit(unit)
    own = known_unit(quantity.unit)
    if known is None or own is None or known[0] != own[0]:
        return None
    scale = own[1] / known[1]
    return quantity.low * scale, quantity.high * scale


def _likelier(values: np.ndarray[tuple[int], np.dtype[np.float64]], unit: str, prop: str | None) -> str | None:
    """Another usual unit of the property that most values fit, where most do not fit the stated one."""
    if prop is None or prop not in QUANTITIES or not np.isfinite(values).any() or _share(values, unit, prop) > 1 - ENOUGH:
        return None
    others = ("g/cm3", "kg/m3", "us/ft", "us/m", "v/v", "%", "in", "mm")
    fitting = [other for other in others if _bounds(prop, other) and _share(values, other, prop) > ENOUGH]
    return fitting[0] if fitting else None


def _share(values: np.ndarray[tuple[int], np.dtype[np.float64]], unit: str, prop: str) -> float:
    """Share of the finite values in the range of the property; all where nothing is known."""
    bounds, finite = _bounds(prop, unit), values[np.isfinite(values)]
    return 1.0 if bounds is None else float(((finite >= bounds[0]) & (finite <= bounds[1])).mean())


def _resolved(given: Mapping[str, str] | None, table: pd.DataFrame, properties: Mapping[str, str], what: str) -> dict[str, str]:
    """Units by mnemonic, where a property stands for all its curves."""
    if not isinstance(given or {}, Mapping):
        raise FormatError(f"{what} is {given!r}. Expected curves with their units, such as {{'RHOB': 'kg/m3'}}.")
    named: dict[str, str] = {}
    for name, unit in (given or {}).items():
        members = [name] if name in table else [str(column) for column in table if properties.get(str(column)) == name]
        if not members and name not in QUANTITIES:
            raise FormatError(f"{what} names {name!r}, and there is no such curve. The file has: {', '.join(map(str, table))}.")
        named |= dict.fromkeys(members, str(unit))
    return named
