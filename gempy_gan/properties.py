"""A property of the rock: its name, its unit and, for facies, what the codes mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gempy_gan.errors import GempyGanError

CODES = range(-(2**15), 2**15)  # facies are stored in 16 bits


@dataclass(frozen=True)
class Property:
    """One quantity per cell. Dimensionless quantities have unit "1"; facies carry `codes`, a mapping of code to name.

    >>> Property("facies", codes={0: "mud", 1: "sand"}).facies
    {0: 'mud', 1: 'sand'}
    """

    name: str
    unit: str = "1"
    codes: Mapping[int, str] | tuple[tuple[int, str], ...] | None = None

    def __post_init__(self) -> None:
        if not self.name[:1].isalnum() or not self.name.replace("_", "").replace("-", "").isalnum():
            raise GempyGanError(
                f"A property is named {self.name!r}. Expected a letter or digit, then letters, digits, '_' and '-'."
            )
        if self.codes is not None:
            pairs: Iterable[Any] = self.codes.items() if isinstance(self.codes, Mapping) else self.codes
            object.__setattr__(self, "codes", tuple(sorted((int(code), str(label)) for code, label in pairs)))
            self._check_codes()

    def _check_codes(self) -> None:
        pairs: Any = self.codes
        codes = [code for code, _ in pairs]
        if not codes or len(set(codes)) < len(codes) or codes[0] not in CODES or codes[-1] not in CODES:
            raise GempyGanError(
                f"The facies {self.name!r} have the codes {codes}. "
                f"Expected at least one, each once, between {CODES.start} and {CODES.stop - 1}."
            )

    @property
    def is_facies(self) -> bool:
        """True when the values are facies codes."""
        return self.codes is not None

    @property
    def facies(self) -> dict[int, str]:
        """Code to facies name; empty for a continuous property."""
        return dict(self.codes or ())

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values from which `from_dict` builds the property again."""
        codes = None if self.codes is None else {str(code): label for code, label in self.facies.items()}
        return {"name": self.name, "unit": self.unit, "codes": codes}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Property:
        """Build a property from what `to_dict` returned."""
        codes = state.get("codes")
        return cls(state["name"], state.get("unit", "1"), None if codes is None else {int(k): v for k, v in codes.items()})


def as_property(value: Property | Mapping[str, Any] | str) -> Property:
    """A property given as itself, by its bare name, or as what its `to_dict` returned."""
    if isinstance(value, Mapping):
        return Property.from_dict(value)
    return value if isinstance(value, Property) else Property(value)
