"""Locks: one process at a time, and the lock of a killed process is free again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gempy_gan.errors import FormatError, GempyGanError


@contextmanager
def locked(file: Path, complaint: str) -> Iterator[None]:
    """Hold a lock, an empty file that stays, while the block runs.

    Raises GempyGanError with the complaint when another process (or another part of this one) holds it, FormatError when the
    file cannot be made.
    """
    from filelock import FileLock, Timeout

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        lock.acquire(timeout=0)
    except Timeout:
        raise GempyGanError(complaint) from None
    except OSError as error:
        raise FormatError(
            f"Nothing can be written into {file.parent}: {error.strerror or error}. Choose another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(file: Path) -> bool:
    """Whether a living process holds a lock. A lock that cannot be tried counts as held."""
    try:
        with locked(file, "held"):
            return False
    except GempyGanError:
        return True
