"""Rock physics: from a rock property to seismic velocity, density and impedance, in torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from torch import Tensor

Mixing = Literal["reuss", "voigt", "wyllie"]


class RockPhysics(Protocol):
    """From one property of the rock to what reflects waves; any shape in, the same shape out."""

    def impedance(self, m: Tensor) -> Tensor:
        """Acoustic impedance, kg/(m2 s)."""

    def velocity(self, m: Tensor) -> Tensor:
        """P-wave velocity, m/s. Raises GempyGanError when the property does not tell."""

    def state(self) -> dict[str, Any]:
        """Plain JSON values that rebuild it."""


@dataclass(frozen=True)
class TwoEndMembers:
    """A mixture of coarse and fine rock by the fraction of coarse, each end member given by (velocity m/s, density kg/m3).

    Density mixes by volume. `mixing` says how velocity does:

    - "reuss": P-wave moduli M = rho v^2 in series, 1/M = f/Mc + (1-f)/Mf. It is what thin beds within a cell amount to at
      normal incidence (Backus 1962, J. Geophys. Res. 67, eq. 13), hence the default.
    - "voigt": P-wave moduli in parallel, M = f Mc + (1-f) Mf: the upper bound.
    - "wyllie": travel times add up, 1/v = f/vc + (1-f)/vf (Wyllie et al. 1956, Geophysics 21).

    The default end members are brine-saturated rocks after Han et al. (1986, Geophysics 51, 2093), v = 5.59 - 6.93 porosity -
    2.18 clay in km/s at 40 MPa, with grains of 2650 and brine of 1030 kg/m3: clean sandstone of porosity 0.27, and shaly
    rock of porosity 0.12 and clay 0.5. They only make an example; take yours from logs.

    The mixture goes on beyond fractions of 0 and 1, where a Gaussian prior has values too, half of the way to where it would
    stop being a rock (a modulus or density of zero); from there on it is constant. "wyllie" is the mixing in which the
    logarithm of impedance is most nearly linear in the fraction. Raises GempyGanError when an end member is not positive.
    """

    coarse: tuple[float, float] = (3720.0, 2210.0)
    fine: tuple[float, float] = (3670.0, 2460.0)
    mixing: Mixing = "reuss"

    def __post_init__(self) -> None:
        for name in ("coarse", "fine"):
            values = tuple(float(value) for value in getattr(self, name))
            if len(values) != 2 or not all(0 < value < float("inf") for value in values):
                raise GempyGanError(f"The {name} end member is {values}. Expected a positive (velocity m/s, density kg/m3).")
            object.__setattr__(self, name, values)
        if self.mixing not in ("reuss", "voigt", "wyllie"):
            raise GempyGanError(f"Mixing is {self.mixing!r}. Allowed: 'reuss', 'voigt', 'wyllie'.")

    def density(self, m: Tensor) -> Tensor:
        """Density in kg/m3 of coarse fractions."""
        f = m.clamp(*self._limits())
        return f * self.coarse[1] + (1 - f) * self.fine[1]

    def velocity(self, m: Tensor) -> Tensor:
        """P-wave velocity in m/s of coarse fractions."""
        f, (vc, rc), (vf, rf) = m.clamp(*self._limits()), self.coarse, self.fine
        if self.mixing == "wyllie":
            return 1 / (f / vc + (1 - f) / vf)
        coarse, fine = rc * vc**2, rf * vf**2
        modulus = 1 / (f / coarse + (1 - f) / fine) if self.mixing == "reuss" else f * coarse + (1 - f) * fine
        return (modulus / self.density(m)).sqrt()

    def impedance(self, m: Tensor) -> Tensor:
        """Acoustic impedance in kg/(m2 s) of coarse fractions."""
        return self.density(m) * self.velocity(m)

    def _limits(self) -> tuple[float, float]:
        """The fractions between which the mixture is linear: half of the way to a zero of what is mixed."""
        (vc, rc), (vf, rf) = self.coarse, self.fine
        mixed = {"reuss": (1 / (rc * vc**2), 1 / (rf * vf**2)), "voigt": (rc * vc**2, rf * vf**2), "wyllie": (1 / vc, 1 / vf)}
        zeros = [fine / (fine - coarse) for coarse, fine in ((rc, rf), mixed[self.mixing]) if fine != coarse]
        low = max((zero / 2 for zero in zeros if zero < 0), default=-math.inf)
        return low, min(((1 + zero) / 2 for zero in zeros if zero > 1), default=math.inf)

    def state(self) -> dict[str, Any]:
        """Plain JSON values that rebuild it."""
        return {"kind": "two end members", **asdict(self)}


@dataclass(frozen=True)
class Impedance:
    """For priors whose property is acoustic impedance itself, in kg/(m2 s), or its natural logarithm (`log=True`)."""

    log: bool = False

    def velocity(self, m: Tensor) -> Tensor:
        """Impedance alone tells no velocity: always raises GempyGanError."""
        raise GempyGanError("Impedance alone tells no velocity. Give velocity= in m/s, or time_depth= from a checkshot.")

    def impedance(self, m: Tensor) -> Tensor:
        """Acoustic impedance in kg/(m2 s)."""
        return m.exp() if self.log else m

    def state(self) -> dict[str, Any]:
        """Plain JSON values that rebuild it."""
        return {"kind": "impedance", **asdict(self)}


def rock_from(options: Mapping[str, Any]) -> RockPhysics:
    """The rock physics that a `state()`, or a study file, describes: its `kind` and that kind's options.

    >>> rock_from({"kind": "two end members", "coarse": [2700.0, 2150.0], "mixing": "voigt"}).coarse
    (2700.0, 2150.0)
    """
    kinds: dict[str, Callable[..., RockPhysics]] = {"two end members": TwoEndMembers, "impedance": Impedance}
    given = {key: value for key, value in options.items() if key != "kind"}
    if options.get("kind") not in kinds:
        raise GempyGanError(f"The rock physics is {dict(options)}. Expected an entry kind, one of: {', '.join(kinds)}.")
    try:
        return kinds[options["kind"]](**given)
    except TypeError as error:
        raise GempyGanError(f"The rock physics '{options['kind']}' cannot be built: {error}.") from None
