"""What to train: a prior, its data, and how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gempy_gan.errors import GempyGanError
from gempy_gan.learning import LearnedPrior
from gempy_gan.plugins import registry
from gempy_gan.training.boxes import check_flips

PRECISIONS = ("auto", "bf16-mixed", "32-true")


@dataclass(frozen=True)
class TrainingPlan:
    """A training of the prior registered as `prior`, on `data` (a training set, or the name of a simulator), into folder `out`.

    `preset` and `options` go to the prior's recipe, `simulator` to the simulator. `shape` (nx, ny, nz) is that of the boxes
    learned from and `labels` names the labels, where they are not to be the preset's and all there are. `flips` are the axes
    ("", "x", "y" or "xy") along which volumes are mirrored; None leaves it to the data. The training ends after `minutes` of
    wall time or `steps` steps, counted from the very beginning also where it was interrupted. `init` is a prior file whose
    weights it starts with. `first` volumes are simulated before the training starts and `fresh` more for each step of it,
    by `jobs` processes; the last `keep` of them are learned from.
    """

    prior: str
    data: str
    out: Path
    preset: str = "small"
    options: Mapping[str, Any] = field(default_factory=dict)
    simulator: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, int, int] | None = None
    labels: tuple[str, ...] | None = None
    flips: str | None = None
    minutes: float | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int = 0
    init: Path | None = None
    precision: str = "auto"
    devices: int = 1
    jobs: int = 1
    first: int = 256
    fresh: float = 1.0
    keep: int = 20_000
    save_minutes: float = 5.0
    look_minutes: float = 10.0

    def __post_init__(self) -> None:
        if self.minutes is None and self.steps is None:
            raise GempyGanError("The training has no end. Say after how many minutes or steps it ends.")
        check_flips(self.flips or "")
        if self.precision not in PRECISIONS:
            raise GempyGanError(f"The precision {self.precision!r} is unknown. Expected one of: {', '.join(PRECISIONS)}.")
        low = {"batch": self.batch, "steps": self.steps, "jobs": self.jobs, "devices": self.devices, "first": self.first}
        wrong = [name for name, value in low.items() if value is not None and value < 1]
        if wrong:
            raise GempyGanError(f"{wrong[0]} = {low[wrong[0]]} was asked for. Expected at least 1.")

    def learner(self) -> type[LearnedPrior]:
        """The class of the prior. Raises PluginError for an unknown name, GempyGanError for a prior that is not trained."""
        found = registry().get("priors", self.prior).load()
        if not (isinstance(found, type) and issubclass(found, LearnedPrior)):
            learners = [entry.name for entry in registry().of("priors") if _learns(entry.target)]
            raise GempyGanError(
                f"Prior {self.prior!r} does not learn from training images this way. "
                f"Priors that do: {', '.join(learners) or 'none is installed'}."
            )
        return found


def _learns(target: Any) -> bool:
    """Whether a registered prior is a LearnedPrior, as far as can be told without failing over a broken plugin."""
    import importlib

    try:
        if isinstance(target, str):
            module, _, attribute = target.partition(":")
            target = getattr(importlib.import_module(module), attribute)
    except Exception:  # noqa: BLE001  # a stranger's module: what it raises is reported where it is asked for
        return False
    return isinstance(target, type) and issubclass(target, LearnedPrior)
