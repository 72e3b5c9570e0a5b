"""Ctrl-C that waits: for what must not be left in the middle."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C take effect, as whoever waits for it has decided, when the block has ended.

    Cleaning up that is interrupted can end in another error than KeyboardInterrupt, or in none: `shutil.rmtree` may close a
    folder twice, and an error that it ignores takes the interrupt along. Other threads than the main one never see Ctrl-C, and
    a handler that is not Python's stays.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)
