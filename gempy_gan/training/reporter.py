"""What a training tells: lines of the log, a page of pictures, the card."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError
from gempy_gan.training.card import hardware, versions, write_card
from gempy_gan.training.folder import Folder
from gempy_gan.training.look import Look, look, real_boxes
from gempy_gan.training.page import write_page
from gempy_gan.training.speed import conv3d_rate, step_flop

if TYPE_CHECKING:
    from gempy_gan.training.engine import Training

Watch = Callable[[Mapping[str, Any]], None]

SHOW_SECONDS = 10.0  # between two lines of the log
SHARE = 0.05  # of the time that looks may take


class Reporter:
    """Tells how a training goes, from its first process; the others are silent."""

    def __init__(self, training: Training, folder: Folder, watch: Watch | None = None) -> None:
        self.training, self.folder = training, folder
        self.watch = watch or (lambda record: None)
        self.silent = training.devices.rank > 0
        self.every = 60 * training.plan.look_minutes
        self.real: NDArray[np.float32] | None = None
        self.found: Look | None = None
        self.rate: float | None = None
        self.flop: float | None = None
        self.boxes_per_s = 0.0

    def begin(self) -> None:
        """Gather real boxes and measure the machine, where anything is to be compared with them."""
        self.shown_step = self.begun_step = self.training.step
        self.begun_seconds = self.training.seconds
        if self.every and not self.silent:
            self.real = real_boxes(self.training.boxes, self.folder.path / "real.safetensors", self.training.step)
            self.rate = conv3d_rate(self.training.devices.device, self.training.devices.dtype)
        self.shown = self.looked = time.monotonic()

    def count(self, values: Any, labels: Any) -> None:
        """Count the operations of a step, once."""
        if self.every and not self.silent and self.flop is None:
            with self.training.devices.autocast():
                self.flop = step_flop(self.training.recipe, values, labels, self.training.step)

    def after_step(self) -> None:
        """Tell what is due."""
        now = time.monotonic()
        if now - self.shown >= SHOW_SECONDS or self.shown_step == self.begun_step:
            self.show()
        if self.every and now - self.looked >= self.every:
            self.look()
            self.card()

    def show(self) -> None:
        """A line of the log: losses averaged since the last one."""
        training, now = self.training, time.monotonic()
        training.check()
        if training.step == self.shown_step:
            return
        speed = training.batch * (training.step - self.shown_step) / max(now - self.shown, 1e-9)
        self.shown, self.shown_step = now, training.step
        self._tell({"boxes_per_s": round(speed, 3), **training.losses.mean(), **training.boxes.account()})

    def look(self) -> None:
        """Samples beside real boxes, on the page and as figures."""
        if self.real is None or (self.found is not None and self.found.step == self.training.step):
            return
        seconds = SHARE * max(time.monotonic() - self.looked, 20.0)
        self.found = look(self.training.prior, self.real, self.training.step, seconds)
        self._tell({**self.found.numbers, "floors": self.found.floors})
        domain = self.training.boxes.domain
        title = f"{self.training.plan.prior}, preset {self.training.plan.preset}: step {self.training.step}"
        try:
            write_page(self.folder.path / "page.html", title, self.found, domain, self.folder.records())
        except OSError as error:
            raise FormatError(f"The page was not written to {self.folder.path}: {error.strerror or error}. Make room.") from error
        self.looked = time.monotonic()

    def card(self) -> None:
        """The card as files."""
        if not self.silent:
            write_card(self.folder.path, self.values())

    def values(self) -> dict[str, Any]:
        """The card as plain JSON values: what was done so far, and on what."""
        t = self.training
        return {
            "prior": t.plan.prior,
            "preset": t.plan.preset,
            "options": dict(t.plan.options),
            "domain": t.boxes.domain.to_dict(),
            "data": t.boxes.describe(t.step),
            "seed": t.plan.seed,
            "init": None if t.plan.init is None else t.plan.init.name,
            "batch": t.batch,
            "average": t.average.half_life,
            "steps": t.step,
            "boxes": t.step * t.batch,
            "hours": round(t.seconds / 3600, 4),
            "hardware": hardware(t.devices.device),
            "devices": t.plan.devices,
            "precision": t.devices.precision,
            "versions": versions(),
            "speed": self._speed(),
            "losses": dict(t.losses.last),
            "samples": 0 if self.found is None else len(self.found.samples),
            "figures": {} if self.found is None else {k: dict(v) for k, v in self.found.figures.items()},
            "curve": [record for record in self.folder.records() if "floors" in record],
            "metrics": {},
            "pictures": [] if self.found is None else ["page.html"],
        }

    def _speed(self) -> dict[str, Any]:
        """Boxes a second in this process' time, everything included, and the share of the machine's convolution rate."""
        t = self.training
        speed = t.batch * (t.step - self.begun_step) / max(t.seconds - self.begun_seconds, 1e-9)
        known = self.rate is not None and self.flop is not None
        share = self.flop * speed / t.batch / self.rate if known and self.flop is not None and self.rate is not None else None
        return {"boxes_per_s": speed, "flop_per_step": self.flop, "conv3d_flop_per_s": self.rate, "share_of_conv3d": share}

    def _tell(self, numbers: Mapping[str, Any]) -> None:
        t = self.training
        if not self.silent:
            record = {"step": t.step, "boxes": t.step * t.batch, "minutes": round(t.seconds / 60, 3), **numbers}
            self.folder.log(record)
            self.watch(record)
