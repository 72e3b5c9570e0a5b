"""Simulations in processes of their own: the same realizations in the same order, however many processes there are."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import wait
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import GempyGanError
from gempy_gan.prior import Simulator

AHEAD = 4  # simulations under way or waiting, per process: enough to keep them busy while a result is stored
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")

_simulator: Simulator | None = None  # the one of a worker process


@dataclass(frozen=True)
class Simulation:
    """What is to be simulated: the `number` it has in a set, its `seed`, and the `labels` that are not drawn from the seed."""

    number: int
    seed: int
    labels: Mapping[str, float] | None = None


def simulate(
    simulator: Simulator, simulations: Iterable[Simulation], jobs: int = 1, apart: bool = False
) -> Generator[tuple[NDArray[np.float32], dict[str, float]], None, None]:
    """Values (c, nx, ny, nz) and labels of each simulation, in order, made by `jobs` processes with one thread each.

    One job computes in this process, unless it is to be `apart`. More are started as `multiprocessing` starts them ("spawn"), so
    that a script that asks for them must be guarded by `if __name__ == "__main__":`. They end when the iterator is closed, and
    with this process.
    Raises GempyGanError naming the simulation that failed, or whose values or labels are not those of the simulator.
    """
    if jobs < 1:
        raise GempyGanError(f"jobs = {jobs} processes were asked for. Expected at least 1.")
    if jobs == 1 and not apart:
        for simulation in simulations:
            yield run(simulator, simulation)
        return
    pool = simulating_pool(simulator, jobs)
    try:
        yield from _in_order(pool, iter(simulations), AHEAD * jobs)
    except BrokenProcessPool:
        raise GempyGanError(
            "A process that simulates has died: there may be too little memory for so many (take fewer jobs), "
            "or a script starts them that is not guarded by 'if __name__ == \"__main__\":'."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def run(simulator: Simulator, simulation: Simulation) -> tuple[NDArray[np.float32], dict[str, float]]:
    """One simulation, checked. Raises GempyGanError, naming it, where it fails."""
    try:
        values, labels = simulator.simulate(simulation.seed, simulation.labels)
    except Exception as error:  # noqa: BLE001  # a simulator is a stranger's code, and its errors may not survive the way between processes
        kind = "" if isinstance(error, GempyGanError) else f"{type(error).__name__}: "
        raise GempyGanError(f"{_which(simulation)} failed: {kind}{error}") from None
    expected = (len(simulator.properties), *simulator.shape)
    if np.shape(values) != expected or not np.isfinite(values).all():
        found = f"shape {np.shape(values)}" if np.shape(values) != expected else "values that are not finite"
        raise GempyGanError(f"{_which(simulation)} has {found}. Expected finite values of shape {expected}.")
    names = label_names(simulator)
    if missing := [name for name in names if name not in labels]:
        raise GempyGanError(f"{_which(simulation)} has no label {missing[0]!r}. Expected {', '.join(names)}.")
    return values, {name: float(labels[name]) for name in names}


def label_names(simulator: Simulator) -> tuple[str, ...]:
    """Names of the labels that every realization has: drawn ones first, then measured ones."""
    return (*(label.name for label in simulator.labels), *simulator.measured)


def simulating_pool(simulator: Simulator, jobs: int) -> ProcessPoolExecutor:
    """A pool whose processes hold the simulator, each computing with one thread; Ctrl-C is left to this process."""
    cls = type(simulator)
    folder = Path(getattr(sys.modules[cls.__module__], "__file__", None) or ".").resolve().parent
    told = (cls.__module__, cls.__qualname__, dict(simulator.state()), str(folder))
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, told)


def _in_order(pool: ProcessPoolExecutor, simulations: Iterator[Simulation], ahead: int) -> Iterator[Any]:
    with _undisturbed():  # all processes are started here
        pending: deque[Future[Any]] = deque(pool.submit(_run, simulation) for simulation in islice(simulations, ahead))
    while pending:
        result = pending.popleft().result()
        pending.extend(pool.submit(_run, simulation) for simulation in islice(simulations, 1))
        yield result


def _run(simulation: Simulation) -> tuple[NDArray[np.float32], dict[str, float]]:
    assert _simulator is not None  # noqa: S101  # _begin has run
    return run(_simulator, simulation)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Processes started in the block inherit one thread, and deafness to Ctrl-C even while they are importing."""
    environment = {name: os.environ.get(name) for name in ONE_THREAD}
    on_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if on_main_thread else None
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in environment.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        if on_main_thread:
            signal.signal(signal.SIGINT, before)


def _begin(module: str, name: str, state: Mapping[str, Any], folder: str) -> None:
    """Build the simulator once in a process of the pool."""
    global _simulator  # noqa: PLW0603  # one per process
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update(ONE_THREAD)
    with suppress(ValueError):  # of a module that is being run
        if importlib.util.find_spec(module.partition(".")[0]) is None:  # a plugin given as a bare file
            sys.path.append(folder)
    _simulator = attrgetter(name)(importlib.import_module(module))(**state)


def _end_with_parent() -> None:
    """A killed parent leaves nobody behind who would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _which(simulation: Simulation) -> str:
    given = "".join(f", {name} = {value:.4g}" for name, value in (simulation.labels or {}).items())
    return f"Simulation {simulation.number} (seed {simulation.seed}{given})"
