"""Processes that simulate; they end with the process that started them, however that ends."""

from __future__ import annotations

import importlib
import importlib.util
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gempy_gan.prior import Simulator

_simulator: Simulator | None = None


def simulating_pool(simulator: Simulator, jobs: int) -> ProcessPoolExecutor:
    """A pool whose processes hold the simulator, each computing with one thread."""
    cls = type(simulator)
    folder = Path(getattr(sys.modules[cls.__module__], "__file__", None) or ".").parent
    told = (cls.__module__, cls.__qualname__, dict(simulator.state()), str(folder))
    return ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, told)


def simulate_one(seed: int) -> tuple[NDArray[Any], Mapping[str, float]]:
    """The volume of a seed and its labels, in a process of the pool."""
    assert _simulator is not None  # noqa: S101  # _begin has run
    return _simulator.simulate(seed)


def _begin(module: str, name: str, state: Mapping[str, Any], folder: str) -> None:
    global _simulator  # noqa: PLW0603  # one per process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the training's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}  # read when the simulator's module is imported
    if importlib.util.find_spec(module.partition(".")[0]) is None:  # a plugin given as a bare file
        sys.path.append(folder)
    _simulator = getattr(importlib.import_module(module), name)(**state)


def _end_with_parent() -> None:
    """A killed training leaves nobody behind who would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
