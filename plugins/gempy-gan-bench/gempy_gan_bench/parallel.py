"""Tasks that take long and may fail, one after the other or in processes of their own."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from gempy_gan import GempyGanError, progress

T = TypeVar("T")


def worked_off(
    what: str,
    attempt: Callable[[T], str | None],
    missing: Sequence[T],
    total: int,
    named: Callable[[T], str],
    jobs: int,
    plugins: Sequence[str],
) -> list[str]:
    """Work off the tasks that are missing of `total`, telling how many of `what` are done; a line for each that failed."""
    done, failed = total - len(missing), []
    progress.report(what, done, total)
    for task, error in computed(attempt, missing, jobs, plugins):
        done += 1
        progress.report(what, done, total)
        if error is not None:
            failed.append(f"{named(task)}: {error}")
    return failed


def computed(
    attempt: Callable[[T], str | None], tasks: Sequence[T], jobs: int, plugins: Sequence[str]
) -> Iterator[tuple[T, str | None]]:
    """Each task once `attempt` is over, with what it says went wrong; `plugins` are files that the processes need, too."""
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            yield task, attempt(task)
        return
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin, (list(plugins),)) as pool:
        pending = {pool.submit(attempt, task): task for task in tasks}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        except BrokenProcessPool:
            raise GempyGanError(
                "A process that computed a case has died: there may be too little memory. Take fewer --jobs."
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():  # they may have hours to go
                worker.terminate()
            raise


def attempted(work: Callable[[], None]) -> str | None:
    """Do it; what went wrong, in one line."""
    try:
        work()
    except GempyGanError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  # a strategy may be anybody's, and the other cases are worth their hours
        return f"{type(error).__name__}: {error}"
    return None


def _begin(plugins: Sequence[str]) -> None:
    """A worker: one thread, the plugins given as files, and Ctrl-C left to the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from gempy_gan.plugins import add_plugin_file

    torch.set_num_threads(1)
    for file in plugins:
        add_plugin_file(file)
