"""Boxes to learn from: which ones a step sees, cut from larger volumes and mirrored, is decided by seed and step alone."""

from __future__ import annotations

import contextvars
import itertools
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GempyGanError

if TYPE_CHECKING:
    from gempy_gan.learning import Domain

Batch = tuple[NDArray[np.float16], NDArray[np.float32]]

POLL = 0.1  # seconds
AHEAD = 4  # batches made before they are asked for
AXES = "xy"  # that a volume may be mirrored along: mirrored in z, time would run downwards


class Interrupted(KeyboardInterrupt):
    """No volume is wanted any more."""


class Boxes(ABC):
    """An endless stream of batches for a domain: values (b, c, nx, ny, nz) in half precision, labels (b, k) scaled to [-1, 1].

    `flips` names the axes along which a mirrored volume is as good as the volume itself, `smallest` is the least number of
    volumes that a step chooses from.
    """

    domain: Domain
    seed: int
    flips: str = ""
    smallest: int

    @abstractmethod
    def choose(self, step: int, size: int) -> NDArray[np.int64]:
        """The numbers (size,) of the volumes that a step learns from."""

    @abstractmethod
    def volume(self, number: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """A volume (c, NX, NY, nz), at least as large as the domain's boxes, and its scaled labels (k,)."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What decides the stream, as plain JSON values: a resumed training must find the same."""

    def describe(self, step: int) -> dict[str, Any]:
        """What was learned from up to a step, for the card."""
        return self.state()

    def seek(self, step: int) -> None:  # noqa: B027  # most streams can begin anywhere
        """Get ready to begin at a step; called once, before the first batch."""

    def account(self) -> dict[str, Any]:
        """What the stream has done so far, for the log and the card."""
        return {}

    def interrupt(self) -> None:  # noqa: B027  # most streams never wait
        """Give up waiting for volumes: no batch is wanted any more."""

    def close(self) -> None:  # noqa: B027  # most streams hold nothing
        """Let go of workers and files."""

    def check_batch(self, size: int) -> None:
        """Raise GempyGanError when a batch of this size cannot be filled with different volumes."""
        if size > self.smallest:
            raise GempyGanError(
                f"A batch holds {size} boxes, and there are {self.smallest} volumes to choose from. "
                "Make the batch smaller, or simulate more volumes."
            )

    def batch(self, step: int, size: int) -> Batch:
        """The boxes of a step."""
        rng = np.random.default_rng([self.seed, step])
        values = np.empty((size, len(self.domain.properties), *self.domain.shape), np.float16)
        labels = np.empty((size, len(self.domain.labels)), np.float32)
        for k, number in enumerate(self.choose(step, size)):
            values[k], labels[k] = self._box(int(number), rng)
        return values, labels

    def _box(self, number: int, rng: np.random.Generator) -> Batch:
        """A part of a volume, mirrored or not: a view, which is copied once."""
        values, labels = self.volume(number)
        values = values[:, *(slice(start, start + n) for n, start in self._corner(values.shape[1:], rng))]
        for axis in self.flips:
            if rng.random() < 0.5:
                values = np.flip(values, 1 + AXES.index(axis))
                labels = np.where([label.along == axis for label in self.domain.labels], -labels, labels)
        return values, labels

    def _corner(self, available: Sequence[int], rng: np.random.Generator) -> list[tuple[int, int]]:
        return [(n, int(rng.integers(0, have - n + 1))) for n, have in zip(self.domain.shape, available, strict=True)]


def check_flips(flips: str) -> str:
    """The axes, if they are "", "x", "y" or "xy". Raises GempyGanError for another axis."""
    if set(flips) - set(AXES) or len(set(flips)) < len(flips):
        raise GempyGanError(f"Volumes were to be mirrored along {flips!r}. Allowed: x, y, xy or nothing; time runs upwards in z.")
    return flips


def check_positions(domain: Domain, volume: Sequence[int]) -> None:
    """Raise GempyGanError for a label that says where things lie along an axis in which boxes are cut from larger volumes."""
    cut = "".join(axis for axis, box, whole in zip(AXES, domain.shape, volume, strict=False) if box < whole)
    lost = [label.name for label in domain.labels if label.along and label.along in cut]
    if lost:
        raise GempyGanError(
            f"Label {lost[0]!r} says where things lie along {cut}, and boxes of {domain.shape} cells that are cut from "
            f"{tuple(volume)} lose that. Leave the label out, or learn from whole volumes."
        )


def check_box(box: Sequence[int], volume: Sequence[int], what: str) -> None:
    """Raise GempyGanError when boxes cannot be cut from volumes. They are cut in x and y only: time begins at the base."""
    if len(box) != 3 or min(box) < 1 or any(b > v for b, v in zip(box, volume, strict=True)) or box[2] != volume[2]:
        raise GempyGanError(
            f"Boxes of {tuple(box)} cells were to be cut from {what} of {tuple(volume)} cells. "
            "Expected boxes that are no larger in x and y, and equal in z: say another shape or preset, or take other volumes."
        )


def to_half(values: NDArray[Any], what: str) -> NDArray[np.float16]:
    """Values in half precision. Raises GempyGanError where they are not finite or too large for it."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise GempyGanError(f"{what} holds values that are not finite or beyond 65504. Expected fractions; rescale or mend them.")
    return half


def scaled_labels(domain: Domain, labels: Mapping[str, Any]) -> NDArray[np.float32]:
    """Labels by name, each (n,) in its own unit, as (n, k) scaled to [-1, 1]."""
    columns = [label.to_scaled(np.atleast_1d(labels[label.name])) for label in domain.labels]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.empty((1, 0), np.float32)


def prefetched(boxes: Boxes, size: int, start: int, stop: threading.Event) -> Generator[Batch, None, None]:
    """Batches from step `start` on, made by a thread while the steps compute; they end when `stop` is set.

    Close the iterator to end the thread.
    """
    ready: queue.Queue[Batch | BaseException] = queue.Queue(AHEAD)
    done = threading.Event()

    def fill() -> None:
        for step in itertools.count(start):
            try:
                made: Batch | BaseException = boxes.batch(step, size)
            except BaseException as error:  # noqa: BLE001  # raised again where the batch is asked for
                made = error
            if not _handed_over(ready, made, done) or isinstance(made, BaseException):
                return

    thread = threading.Thread(target=contextvars.copy_context().run, args=(fill,), name="boxes", daemon=True)
    thread.start()
    try:
        while not stop.is_set():
            try:
                found = ready.get(timeout=POLL)
            except queue.Empty:
                continue
            if isinstance(found, Interrupted):
                return
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        done.set()
        boxes.interrupt()
        thread.join()


def _handed_over(ready: queue.Queue[Batch | BaseException], made: Batch | BaseException, done: threading.Event) -> bool:
    """Whether a batch found room before the end."""
    while not done.is_set():
        try:
            ready.put(made, timeout=POLL)
        except queue.Full:
            continue
        return True
    return False
