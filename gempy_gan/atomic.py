"""Files that are whole or not there, whatever ends the process that writes them.

What is written goes into a hidden folder `.writing-*` beside its place, reaches the disk, and is then renamed. That folder is
locked while its process lives: one without an owner was left by a process that was killed, and the next one that writes there
clears it away. Several files that belong together (a grid, its properties, their description) are renamed one after the other:
a note in the folder says from when on they are to be in place, so that the next process finishes what a killed one began.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gempy_gan.errors import FormatError
from gempy_gan.interrupts import ctrl_c_waits
from gempy_gan.locks import is_held, locked

PREFIX, LOCK, MOVING = ".writing-", ".lock", "moving"
UNLOCKED_SECONDS = 3600.0  # after which a folder whose process was killed before it took the lock counts as left behind


def replace_file(file: Path, content: bytes) -> None:
    """Write a file so that it is the old one or the new one, whatever happens: written beside it, flushed, and renamed."""
    new = file.with_name(f"{file.name}.new")
    try:
        with new.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


@contextmanager
def staged(target: Path) -> Iterator[Path]:
    """A path of the target's name in a temporary folder beside it; what the block writes there is moved over when it ends.

    An error inside the block moves nothing. Raises FormatError when the disk refuses.
    """
    with scratch_beside(target) as staging:
        new = staging / "new"
        try:
            new.mkdir()
            yield new / target.name
            flush(new)
            (staging / MOVING).write_text(target.name, encoding="utf-8")
            _put_in_place(staging, target.parent)
        except OSError as error:
            raise FormatError(f"{target} was not written: {error.strerror or error}. Nothing was left half-written.") from error


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """A folder beside the target that is gone after the block, or, where the process is killed in it, at the next writing.

    Raises FormatError when the disk refuses.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_away(target.parent)
        scratch = Path(tempfile.mkdtemp(prefix=PREFIX, dir=target.parent))
    except OSError as error:
        raise FormatError(f"Nothing can be written beside {target}: {error.strerror or error}. Choose another folder.") from error
    try:
        with locked(scratch / LOCK, f"{scratch} belongs to another process. Try again."):
            yield scratch
    finally:
        _remove(scratch)


def clear_away(folder: Path) -> None:
    """Finish, or remove, what processes that were killed while they wrote into a folder have left there."""
    for left in _left_behind(folder):
        if (left / MOVING).is_file() and (left / "new").is_dir():
            _go_on(left, folder)
        _remove(left)


def check_in_place(path: Path) -> None:
    """Raise FormatError when files that belong to `path` are on their way to their places, or were when a process was killed."""
    for folder in path.parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if (folder / MOVING).read_text(encoding="utf-8") == path.name:
                raise FormatError(
                    f"{path} is being replaced, and some of its files are old and some new. If no other process is at work, "
                    "one was killed: repeat what wrote it."
                )


def flush(folder: Path) -> None:
    """Wait until every file below a folder has reached the disk."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            descriptor = os.open(file, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _left_behind(folder: Path) -> list[Path]:
    return [found for found in folder.glob(f"{PREFIX}*") if found.is_dir() and not found.is_symlink() and not _in_use(found)]


def _remove(scratch: Path) -> None:
    """Remove a folder: first the note, when nothing is left to move, and last the lock, which tells who owns the rest."""
    with ctrl_c_waits():
        with suppress(OSError):
            (scratch / MOVING).unlink(missing_ok=True)
            for each in scratch.iterdir():
                if each.is_dir():
                    shutil.rmtree(each, ignore_errors=True)
                elif each.name != LOCK:
                    each.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)


def _in_use(scratch: Path) -> bool:
    if (scratch / LOCK).exists():
        return is_held(scratch / LOCK)
    with suppress(FileNotFoundError):
        return time.time() - scratch.stat().st_mtime < UNLOCKED_SECONDS
    return True


def _put_in_place(staging: Path, folder: Path) -> None:
    """Move everything that is new into `folder`; when that fails on the way, put back what stood there."""
    moved: list[Path] = []
    try:
        for source in _units(staging / "new"):
            place = source.relative_to(staging / "new")
            _make_room(folder / place, staging / "old" / place, source)
            moved.append(place)
            source.replace(folder / place)
    except BaseException:
        (staging / MOVING).unlink(missing_ok=True)
        for place in moved:
            _put_back(staging / "old" / place, folder / place)
        raise


def _go_on(staging: Path, folder: Path) -> None:
    """Move what a killed process did not come to move."""
    for source in _units(staging / "new"):
        place = source.relative_to(staging / "new")
        _make_room(folder / place, staging / "old" / place, source)
        source.replace(folder / place)


def _make_room(target: Path, kept: Path, source: Path) -> None:
    """Keep what is about to be replaced; a file stays in its place too, so that its replacement is one step."""
    if target.is_dir() and not source.is_dir():
        raise FormatError(f"{target} is a folder. Expected a file, or nothing: remove it or choose another name.")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or kept.exists():
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(target, kept)
    except OSError:  # a folder, or a file system without hard links
        target.replace(kept)


def _units(folder: Path) -> Iterator[Path]:
    """What is replaced as a whole: files, and stores (folders with an ending); other folders are merged (FMU layouts)."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.suffix:
            yield from _units(path)
        else:
            yield path


def _put_back(kept: Path, target: Path) -> None:
    """Undo one move: what was kept takes its place again; where there was nothing, there is nothing."""
    if target.is_dir():
        shutil.rmtree(target)
    if kept.exists():
        kept.replace(target)
    else:
        target.unlink(missing_ok=True)
