"""What a curve measures: the property that its mnemonic stands for, its unit, and the values that are physically possible."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gempy_gan.errors import GempyGanError


@dataclass(frozen=True)
class Quantity:
    """A property that logs measure: its usual unit, the lowest and highest value in it that a sound tool shows in rock, and the
    mnemonics that service companies give it."""

    unit: str
    low: float
    high: float
    mnemonics: tuple[str, ...]


QUANTITIES: Mapping[str, Quantity] = {
    "gamma_ray": Quantity(
        "api", 0, 2000, ("GR", "GRC", "GRD", "GRS", "GRN", "GRR", "ECGR", "EHGR", "HGR", "SGR", "CGR", "HSGR", "HCGR", "GAM",
                         "GAMMA", "GR_EDTC", "GRGC", "GRAX", "GRTO", "NGAM")),
    "density": Quantity("g/cm3", 0.8, 5.2, ("RHOB", "RHOZ", "RHO8", "HRHOB", "ZDEN", "ZDNC", "DEN", "DENS", "BDCX", "RHO")),
    "density_correction": Quantity("g/cm3", -1, 1, ("DRHO", "HDRA", "ZCOR", "DCOR", "CORR", "DRH")),
    "sonic": Quantity("us/ft", 30, 300, ("DT", "DTC", "DTCO", "DTP", "DT24", "DT4P", "DTCP", "AC", "DELT", "SON", "BHC")),
    "shear_sonic": Quantity("us/ft", 50, 1200, ("DTS", "DTSM", "DT4S", "DTSH", "ACS")),
    "neutron_porosity": Quantity(
        "v/v", -0.2, 1.1, ("NPHI", "NPOR", "TNPH", "HNPO", "NPHIL", "NPHIS", "NPSS", "NPLS", "CNC", "CNCF", "PHIN", "NEU")),
    "density_porosity": Quantity("v/v", -1.2, 1.1, ("DPHI", "DPHZ", "DPOR", "PHID", "DPSS", "DPLS", "PORZ")),
    "porosity": Quantity("v/v", -0.05, 1, ("PHI", "PHIE", "PHIT", "POR", "PORE", "PORT", "POROSITY")),
    "shale_fraction": Quantity("v/v", -0.05, 1.05, ("VSH", "VSHALE", "VCL", "VCLAY")),
    "sand_fraction": Quantity("v/v", -0.05, 1.05, ("VSAND", "VSND")),
    "deep_resistivity": Quantity(
        "ohm.m", 0, 1e6, ("ILD", "LLD", "RT", "RESD", "RILD", "RLLD", "IL", "RD", "AT90", "AHT90", "AF90", "AO90", "M2R9", "RDEP",
                          "IDPH", "HDRS", "RLA5")),
    "medium_resistivity": Quantity("ohm.m", 0, 1e6, ("ILM", "RILM", "RM", "RMED", "IMPH", "HMRS", "AT30", "AHT30")),
    "shallow_resistivity": Quantity("ohm.m", 0, 1e6, ("LLS", "SFL", "SFLU", "MSFL", "RS", "RXO", "SN", "AT10", "AHT10", "RSHA")),
    "spontaneous_potential": Quantity("mv", -2000, 2000, ("SP", "SPC", "SSP")),
    "caliper": Quantity("in", 1, 60, ("CAL", "CALI", "CALS", "HCAL", "CALX", "CALY", "C1", "C2", "CAX", "CAY")),
    "photoelectric_factor": Quantity("b/e", -1, 100, ("PE", "PEF", "PEFZ", "PEF8", "PDPE", "ZPE")),
    "acoustic_impedance": Quantity("kg/m2/s", 5e5, 4e7, ("AI", "IMP", "AIMP", "PIMP")),
}  # fmt: skip
"""Built-in properties by name; `read_las(aliases=)` adds mnemonics, and properties of your own."""

UNITS: Mapping[str, tuple[str, float]] = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres", "mtr"), ("length", 1.0)),
    **dict.fromkeys(("ft", "f", "feet", "foot"), ("length", 0.3048)),
    **dict.fromkeys(("usft", "ftus", "ft-us", "ft_us"), ("length", 1200 / 3937)),
    **dict.fromkeys(("in", "inch", "inches"), ("length", 0.0254)),
    **dict.fromkeys((".1in", "0.1in", ".1inch", "0.1inch", "1/10in"), ("length", 0.00254)),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), ("length", 0.01)),
    "mm": ("length", 0.001),
    **dict.fromkeys(("us/ft", "us/f", "usec/ft", "usec/f", "mus/ft", "µs/ft", "μs/ft"), ("slowness", 1e-06 / 0.3048)),
    **dict.fromkeys(("us/m", "usec/m", "microsec/m", "mus/m", "µs/m", "μs/m"), ("slowness", 1e-06)),
    "s/m": ("slowness", 1.0),
    **dict.fromkeys(("g/cc", "g/cm3", "g/c3", "gm/cc", "gm/cm3", "gm/c3", "g/cm^3", "gr/cc", "gcc"), ("density", 1000.0)),
    **dict.fromkeys(("kg/m3", "k/m3", "kgm3", "kg/m^3", "kg/cum"), ("density", 1.0)),
    **dict.fromkeys(("v/v", "dec", "frac", "fraction", "m3/m3", "ft3/ft3", "cfcf", "vol/vol", "decp"), ("fraction", 1.0)),
    **dict.fromkeys(("%", "pu", "percent", "pct", "p.u."), ("fraction", 0.01)),
    **dict.fromkeys(("api", "gapi", "apiu", "aapi", "gr api"), ("gamma", 1.0)),
    **dict.fromkeys(("ohm.m", "ohmm", "ohm-m", "ohm", "ohms", "ohm/m", "ohm*m", "om"), ("resistivity", 1.0)),
    **dict.fromkeys(("mv", "millivolts"), ("voltage", 0.001)),
    "v": ("voltage", 1.0),
    **dict.fromkeys(("b/e", "b/elec", "barns/e", "barn/e", "be"), ("photoelectric", 1.0)),
    **dict.fromkeys(("kg/m2/s", "kg/m2s", "(m/s)*(kg/m3)", "m/s*kg/m3", "rayl", "kg/m2.s"), ("impedance", 1.0)),
    "g/cc*m/s": ("impedance", 1000.0),
    **dict.fromkeys(("m/s", "m/sec"), ("velocity", 1.0)),
    **dict.fromkeys(("ft/s", "ft/sec", "f/s"), ("velocity", 0.3048)),
    "km/s": ("velocity", 1000.0),
}  # fmt: skip
"""What a unit measures, and how many SI units (fractions, API, ohm metres) it is, by its name in small letters."""


def known_unit(text: str) -> tuple[str, float] | None:
    """What a unit measures and its factor, or None.

    >>> known_unit("G/C3"), known_unit(" K/M3 "), known_unit("furlong")
    (('density', 1000.0), ('density', 1.0), None)
    """
    plain = re.sub(r"\s+", "", text).lower().strip("[]")
    return UNITS.get(plain) or UNITS.get(plain.strip("()"))


def factor(stated: str, wanted: str) -> float:
    """What values of one unit are multiplied by to become values of another. Raises GempyGanError when they differ in kind.

    >>> round(factor("us/ft", "us/m"), 4), factor("g/cc", "kg/m3")
    (3.2808, 1000.0)
    """
    units = known_unit(stated), known_unit(wanted)
    for text, unit in zip((stated, wanted), units, strict=True):
        if unit is None:
            raise GempyGanError(f"The unit {text!r} is unknown. Known are {', '.join(UNITS)}.")
    (kind, there), (other, here) = units  # type: ignore[misc]
    if kind != other:
        raise GempyGanError(f"{stated!r} is a unit of {kind} and {wanted!r} of {other}. Expected two of the same.")
    return there / here


class AliasTable:
    """From mnemonics to properties: the built-in ones, and those of `more` (property: mnemonics), which go first.

    Case and what follows a colon (the number of a repeated mnemonic) do not count. Raises GempyGanError when `more` is no such
    mapping, or gives one mnemonic to two properties.

    >>> AliasTable({"gamma_ray": ["XGR"]}).property_of("xgr:2")
    'gamma_ray'
    """

    def __init__(self, more: Mapping[str, Sequence[str]] | None = None) -> None:
        self._named = {mnemonic: name for name, quantity in QUANTITIES.items() for mnemonic in quantity.mnemonics}
        added: dict[str, str] = {}
        if not isinstance(more or {}, Mapping):
            raise GempyGanError(f"aliases is {more!r}. Expected properties with their mnemonics, as {{'gamma_ray': ['XGR']}}.")
        for name, mnemonics in (more or {}).items():
            for mnemonic in [mnemonics] if isinstance(mnemonics, str) else mnemonics:
                if added.setdefault(str(mnemonic).upper(), name) != name:
                    raise GempyGanError(f"aliases give {mnemonic} to {added[str(mnemonic).upper()]} and to {name}. Choose one.")
        self._named |= added

    def property_of(self, mnemonic: str) -> str | None:
        """The property, or None."""
        return self._named.get(mnemonic.split(":", maxsplit=1)[0].strip().upper())
