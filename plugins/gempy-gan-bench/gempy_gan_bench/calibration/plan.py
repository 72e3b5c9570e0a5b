"""The plan of a calibration: which prior and strategy, which truths, and how they are observed."""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gempy_gan import GempyGanError, Prior, get_prior
from gempy_gan.learning import SHAPES
from gempy_gan.plugins import registry
from gempy_gan_bench.contenders import Contender
from gempy_gan_bench.protocol import CELL_SIZE

VERSION = "1"  # of what is measured: figures of different versions do not belong together
FROM_PRIOR = "prior"  # truths that are drawn from the prior itself


@dataclass(frozen=True)
class Plan:
    """What a calibration computes.

    `contender` is the prior and the strategy. `truths` is "prior", the name of a simulator, or the path of an ensemble. The
    property that is observed and asked about is `property`, by default the prior's first. What counts as sand is `facies`, or a
    value above `limit`; None takes what `Sand.of` does. Each truth is known from `wells` (least, most) vertical wells through
    the whole height, their number and columns drawn at random, with noise of standard deviation `noise` (None: see
    `Subject.noise`), and where `seismic` from the traces of every column, with noise of `seismic_noise` times the RMS of the
    signal of prior draws. Each posterior is asked for `n` draws.
    """

    contender: Contender
    truths: str = FROM_PRIOR
    property: str | None = None
    facies: str | None = None
    limit: float | None = None
    wells: tuple[int, int] = (1, 16)
    noise: float | None = None
    seismic: bool = False
    seismic_noise: float = 0.25
    n: int = 63
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n < 9:
            raise GempyGanError(
                f"n = {self.n} draws of each posterior were asked for. Expected 9 or more, to rank a truth among."
            )
        if not 0 <= self.wells[0] <= self.wells[1]:
            raise GempyGanError(f"{self.wells[0]} to {self.wells[1]} wells were asked for. Expected two numbers, least first.")
        if self.wells[0] == 0 and not self.seismic:
            raise GempyGanError("0 wells and no seismic leave a truth without data. Expected 1 well or more, or seismic.")
        for name, value in (("noise of wells", self.noise), ("noise of the seismic", self.seismic_noise)):
            if value is not None and not value > 0:
                raise GempyGanError(f"The {name} is {value}. Expected a positive standard deviation.")

    def text(self) -> str:
        """All of it in one line of JSON, equal for equal plans."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> Plan:
        """The plan of such a line."""
        state = json.loads(text)
        return cls(**{**state, "contender": Contender(**state["contender"]), "wells": tuple(state["wells"])})

    def data(self) -> dict[str, Any]:
        """What decides the truths and their data, besides the prior; a file of truths goes by its name alone."""
        kept = asdict(self)
        del kept["contender"]
        return {"version": VERSION, **kept, "truths": Path(self.truths).name}


def built_prior(contender: Contender) -> Prior:
    """The contender's prior as it is: on the boxes that it learned from, or that its options ask for.

    One that needs to be told a shape gets that of the smallest trained priors, and their cells.
    Raises PluginError and GempyGanError as `gempy_gan.get_prior`.
    """
    takes = inspect.signature(registry().get("priors", contender.prior).load()).parameters
    needs = "shape" in takes and takes["shape"].default is inspect.Parameter.empty
    fitted: dict[str, Any] = {"shape": SHAPES["tiny"], "cell_size": CELL_SIZE} if needs else {}
    own = {key: value for key, value in fitted.items() if key in takes}
    return get_prior(contender.prior, **{**own, **contender.prior_options})
