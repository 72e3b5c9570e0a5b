"""Commands in processes that are killed at random moments; a module of its own, so that a fork server can import it once."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4  # noqa: F401  # all that commands need is loaded once, before any process is started
import numpy as np
import torch
import xtgeo  # noqa: F401

from gempy_gan import workflow  # noqa: F401
from gempy_gan.cli import main
from gempy_gan.formats import eclipse, gslib, netcdf, roff, zarr  # noqa: F401
from gempy_gan.plugins import registry
from gempy_gan.priors import gaussian  # noqa: F401
from gempy_gan.strategies import latent  # noqa: F401
from gempy_gan.training import engine  # noqa: F401

registry()

PLUGINS = [f"--plugin={Path(__file__).with_name(name)}" for name in ("toy_learner.py", "toy_simulator.py")]
PATIENCE = 300.0  # seconds for a command that nothing kills


def command(arguments: list[str], folder: Path) -> None:
    """Run a command of gempy-gan in a folder, and end with its exit code."""
    torch.set_num_threads(1)
    os.chdir(folder)
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        main(arguments, prog_name="gempy-gan")


@dataclass
class Kills:
    """How often a command is to be killed, how often it was, in the middle of a file or not, and how often it ended by itself."""

    wanted: int
    count: int = 0
    writing: int = 0
    finished: int = 0

    def __str__(self) -> str:
        return f"{self.count} kills ({self.writing} of them leaving unfinished files), {self.finished} results"


def kill_at_random(
    arguments: list[str], kills: Kills, begin: Callable[[], Path], survived: Callable[[Path], Any], seed: int, span: float
) -> Iterator[Path]:
    """Begin in a new folder, start the command, kill it at random, see what has survived, and start it again until it ends by
    itself; yields the folder then, and goes on until there were as many kills.

    One kill in five is within `span` seconds of the start, the others within `span` seconds of the first change on disk.
    """
    moments = np.random.default_rng(seed)
    while kills.count < kills.wanted:
        folder = begin()
        while kills.count < kills.wanted:
            if not _killed(arguments, folder, moments.uniform(0, span), moments.random() < 0.8, kills):
                break
            survived(folder)
        finish(arguments, folder)
        kills.finished += 1
        yield folder


def finish(arguments: list[str], folder: Path) -> float:
    """Run the command to its end; returns the seconds it took from the first change on disk."""
    before, process = _stamps(folder), _started(arguments, folder)
    _wait_for_change(process, folder, before)
    began = time.monotonic()
    process.join(PATIENCE)
    assert process.exitcode == 0, process.exitcode
    return time.monotonic() - began


def _killed(arguments: list[str], folder: Path, after: float, at_work: bool, kills: Kills) -> bool:
    before, left, process = _stamps(folder), _left(folder), _started(arguments, folder)
    if at_work:
        _wait_for_change(process, folder, before)
    process.join(after)
    if process.exitcode is not None:
        assert process.exitcode == 0, process.exitcode
        return False
    process.kill()
    process.join(PATIENCE)
    kills.count += 1
    kills.writing += bool(_left(folder) - left)
    return True


def _wait_for_change(process: Any, folder: Path, before: list[int]) -> None:
    end = time.monotonic() + PATIENCE
    while process.exitcode is None and _stamps(folder) == before:
        assert time.monotonic() < end
        time.sleep(0.003)


def _stamps(folder: Path) -> list[int]:
    """When the folder and what is in it and one below was changed."""
    stamps = []
    for place in [folder, *folder.glob("*"), *folder.glob("*/*")]:
        with suppress(FileNotFoundError):
            stamps.append(place.stat().st_mtime_ns)
    return stamps


def _left(folder: Path) -> set[tuple[str, int]]:
    """What only a process that is killed while it writes leaves behind, and when."""
    found = set()
    for pattern in (".writing-*", ".appending", "*.new"):
        for place in folder.rglob(pattern):
            with suppress(FileNotFoundError):
                found.add((str(place), place.stat().st_ino))
    return found


def _started(arguments: list[str], folder: Path) -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["killable"])
    process = context.Process(target=command, args=(arguments, folder))
    process.start()
    return process


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
