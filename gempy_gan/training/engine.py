"""The engine: it drives a recipe step by step, averages, saves and resumes, whatever the recipe learns."""

from __future__ import annotations

import copy
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gempy_gan.errors import GempyGanError
from gempy_gan.learning import Domain, LearnedPrior, Recipe
from gempy_gan.plain_torch import plain_torch
from gempy_gan.training.average import Average
from gempy_gan.training.boxes import Boxes, prefetched
from gempy_gan.training.checkpoints import (
    Checkpoint,
    Checkpoints,
    fill_networks,
    fill_optimizers,
    flatten_networks,
    flatten_optimizers,
)
from gempy_gan.training.folder import Folder, alone_in
from gempy_gan.training.launch import Devices
from gempy_gan.training.losses import Losses
from gempy_gan.training.plan import TrainingPlan
from gempy_gan.training.reporter import Reporter, Watch
from gempy_gan.training.sources import open_boxes
from gempy_gan.weights import load_prior, save_prior

CHECK_STEPS = 16  # on a GPU, how often losses are fetched, which makes it wait for them


def train(plan: TrainingPlan, watch: Watch | None = None) -> LearnedPrior:
    """Train as planned, or go on where an equal training in the same folder was interrupted; returns the averaged prior.

    `watch` is told each line of the log. The folder then holds `prior.safetensors`, `card.md` (and `.json`), `page.html`,
    `log.jsonl`, and `checkpoints/`.

    An interrupted training ends with the weights of an uninterrupted one, to the last bit on a CPU with the same number of
    threads; a GPU does not repeat its sums exactly.

    Ctrl-C and SIGTERM end the step, save, and raise KeyboardInterrupt. Raises GempyGanError when plan and data do not fit, the
    folder belongs to another training, or a loss is no longer finite; FormatError when the disk is full. The last good
    checkpoint is kept each time.
    """
    plan.learner()  # a wrong name is found before anything is read
    with plain_torch(), alone_in(plan.out), closing(open_boxes(plan)) as boxes:
        return Training(plan, boxes, watch).run()


class Training:
    """A recipe, the average of its networks, and how far they are: `step` steps in `seconds`."""

    def __init__(self, plan: TrainingPlan, boxes: Boxes, watch: Watch | None = None) -> None:
        self.plan, self.boxes = plan, boxes
        self.folder = Folder(plan.out)
        self.devices = Devices(plan.devices, self.folder.settled_precision(plan.precision))
        self.recipe = recipe_of(plan, boxes.domain)
        self.batch = plan.batch or self.recipe.batch
        self.step, self.seconds = 0, 0.0
        self.measured = False  # whether all steps are taken, and what the recipe measures then is measured
        self.kept: tuple[int, bool] | None = None  # step, and whether measured, of the last checkpoint
        self.losses = Losses()
        boxes.check_batch(self.batch)
        self.devices.place(self.recipe)
        self.average = Average(self.recipe.networks, self.recipe.averaged, self.recipe.average)
        self.checkpoints = Checkpoints(plan.out / "checkpoints")
        self._resume_or_begin()
        self.report = Reporter(self, self.folder, watch)

    @property
    def prior(self) -> LearnedPrior:
        """The prior with the averaged networks, a copy of them on the CPU."""
        networks = {**self.recipe.networks, **self.average.networks}
        return self.recipe.prior({name: copy.deepcopy(network).cpu().eval() for name, network in networks.items()})

    def run(self) -> LearnedPrior:
        """Train until the plan's end."""
        with _stop_signals(self.boxes.interrupt) as stop, closing(self.folder):
            self.started = time.monotonic() - self.seconds
            self.saved = time.monotonic()
            if not self.measured:
                self.report.begin()
                self._loop(stop)
            self.save()
            if not self.measured:
                raise KeyboardInterrupt
        return self.prior

    def _loop(self, stop: threading.Event) -> None:
        with closing(prefetched(self.boxes, self.batch, self.step, stop)) as batches:
            for values, labels in () if self.done else batches:
                self.take(values, labels)
                self.report.after_step()
                if time.monotonic() - self.saved >= 60 * self.plan.save_minutes:
                    self.save()
                if self.devices.agree(self.done or stop.is_set()):
                    break
            if self.done:
                self._measure(batches)
                self.measured = not stop.is_set()
        self.report.show()
        if self.done:
            self.report.look()

    @property
    def done(self) -> bool:
        """Whether the plan's end is reached."""
        minutes, steps = self.plan.minutes, self.plan.steps
        return (steps is not None and self.step >= steps) or (minutes is not None and self.seconds >= 60 * minutes)

    def take(self, values: Any, labels: Any) -> None:
        """One step on a batch."""
        mine = self.devices.share(len(values))
        boxes, marks = (self.devices.send(torch.from_numpy(part[mine])) for part in (values, labels))
        boxes = boxes.float()
        self.report.count(boxes, marks)
        torch.manual_seed(step_seed(self.plan.seed, self.step, self.devices.rank))
        with self.devices.autocast():
            shown = self.recipe.step(boxes, marks, self.step)
        self.average.update(self.recipe.networks, self.step)
        self.losses.add(self.step, shown)
        self.step += 1
        self.seconds = time.monotonic() - self.started
        if not self.devices.is_gpu or self.step % CHECK_STEPS == 0:
            self.check()

    def _measure(self, batches: Iterator[Any]) -> None:
        """What the recipe measures at the end, on further batches."""

        def sent() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
            for number, (values, labels) in enumerate(batches, self.step):
                torch.manual_seed(step_seed(self.plan.seed, number))
                yield self.devices.send(torch.from_numpy(values)).float(), self.devices.send(torch.from_numpy(labels))

        self.recipe.measure(self.average.networks, sent())

    def check(self) -> None:
        """Fetch the losses. Raises GempyGanError where one is not finite."""
        wrong = self.losses.fetch()
        if wrong is not None:
            kept = self.checkpoints.steps()
            where = f"The checkpoint of step {kept[-1]} is kept" if kept else "There is no checkpoint yet"
            raise GempyGanError(
                f"The training went wrong at step {wrong[0]}: {wrong[1]} is {wrong[2]}. {where} in {self.checkpoints.folder}. "
                "Lower the learning rate, or take precision 32-true, in another folder."
            )

    def save(self) -> None:
        """Save the prior, its card, and a checkpoint, which comes last: a training that is killed meanwhile does it again."""
        self.check()
        self.saved = time.monotonic()
        if self.devices.rank > 0 or self.kept == (self.step, self.measured):
            return
        save_prior(self.prior, self.plan.out / "prior.safetensors", self.report.values())
        self.report.card()
        tensors, notes = flatten_optimizers(self.recipe.optimizers)
        tensors |= flatten_networks("network", self.recipe.networks) | flatten_networks("average", self.average.networks)
        about = {"seconds": self.seconds, "measured": self.measured, "optimizers": notes}
        self.checkpoints.save(Checkpoint(self.step, tensors, about))
        self.kept = (self.step, self.measured)

    def _resume_or_begin(self) -> None:
        self.folder.claim(self._identity(), self.devices.rank == 0)
        found = self.checkpoints.latest()
        self.boxes.seek(0 if found is None else found.step)
        if found is None:
            if self.plan.init is not None:
                start_from(self.recipe, load_prior(self.plan.init), self.plan.init)
                self.average = Average(self.recipe.networks, self.recipe.averaged, self.recipe.average)
            return
        fill_networks("network", self.recipe.networks, found.tensors)
        fill_networks("average", self.average.networks, found.tensors)
        fill_optimizers(self.recipe.optimizers, found.tensors, found.notes["optimizers"])
        self.step, self.seconds = found.step, float(found.notes["seconds"])
        self.measured = self.done and bool(found.notes.get("measured", True))
        self.kept = (self.step, self.measured)
        self.folder.rewind(self.step)

    def _identity(self) -> dict[str, Any]:
        """What a resumed training must have in common with the one that it goes on with."""
        learner = self.plan.learner()
        return {
            "prior": f"{learner.__module__}:{learner.__qualname__}",
            "preset": self.plan.preset,
            "options": dict(self.plan.options),
            "domain": self.boxes.domain.to_dict(),
            "data": self.boxes.state(),
            "seed": self.plan.seed,
            "batch": self.batch,
            "precision": self.devices.precision,
            "devices": self.plan.devices,
            "init": None if self.plan.init is None else str(self.plan.init),
        }


def recipe_of(plan: TrainingPlan, domain: Domain) -> Recipe:
    """The recipe of a plan, its networks as the seed makes them. Raises GempyGanError for options that it does not take."""
    torch.manual_seed(plan.seed)
    try:
        return plan.learner().recipe(domain, plan.preset, **plan.options)
    except TypeError as error:
        raise GempyGanError(f"The recipe of {plan.prior!r} cannot be made: {error}. Check its options.") from None


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """The seed of torch's random numbers in a step: as good as independent of that of any other step."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def start_from(recipe: Recipe, prior: LearnedPrior, file: Path) -> None:
    """Put the weights of a prior into the networks of the same names. Raises GempyGanError when they do not fit."""
    shared = prior.networks.keys() & recipe.networks.keys()
    if not shared:
        raise GempyGanError(
            f"{file} has the networks {', '.join(prior.networks)}, and {', '.join(recipe.networks)} are trained. "
            "Start from a prior of the same kind."
        )
    for name in sorted(shared):
        try:
            recipe.start(name, prior.networks[name])
        except RuntimeError as error:
            raise GempyGanError(
                f"The network {name!r} of {file} does not fit the one that is trained ({' '.join(str(error).split())[:200]}). "
                "Start from a prior of the same preset and options, or a diffusion from a narrower one."
            ) from None


@contextmanager
def _stop_signals(tell: Callable[[], None]) -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set while the block runs, when `tell` is called, too; pressed a second time, Ctrl-C
    interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, _: object) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()
        tell()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
