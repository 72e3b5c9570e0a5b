"""A ring of volumes on disk: the last ones, each in its slot."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError

NONE = -1


class Ring:
    """Volumes in half precision and their labels in a folder; volume k lies in slot k modulo `slots`, over an older one.

    The index, with a checksum for each slot, is written after the volume: a process that is killed in between leaves a slot
    that counts as empty, and so does damage. The system's page cache keeps in memory what there is room for.
    """

    def __init__(self, folder: Path, slots: int, shape: Sequence[int], labels: int) -> None:
        self.folder, self.slots, self.shape = folder, slots, tuple(shape)
        self._layout = {"slots": slots, "shape": list(self.shape), "labels": labels}
        self._entry = np.dtype([("number", "<i8"), ("checksum", "<u4"), ("labels", "<f4", (labels,))])
        self._bytes = 2 * int(np.prod(self.shape))
        self._index = np.zeros(slots, self._entry)
        self._index["number"] = NONE
        self._files: tuple[Any, Any] | None = None

    def open(self, start: int = 0) -> None:
        """Find what is there already of the volumes from `start` on that have a slot to themselves, and is what was noted.

        Raises FormatError when the disk refuses.
        """
        try:
            self._open()
        except OSError as error:
            raise self._refused(error) from error
        numbers = self._index["number"]
        numbers[(numbers < start) | (numbers >= start + self.slots)] = NONE  # the latter lie where earlier ones are wanted
        for slot in np.flatnonzero(numbers != NONE):
            if self._checksum(self._content(int(slot)), self._index["labels"][slot]) != self._index["checksum"][slot]:
                numbers[slot] = NONE

    def close(self) -> None:
        """Let go of the files."""
        for file in self._files or ():
            file.close()
        self._files = None

    def holds(self, number: int) -> bool:
        """Whether a volume is there."""
        return bool(self._index["number"][number % self.slots] == number)

    def write(self, number: int, values: NDArray[np.float16], labels: NDArray[np.float32]) -> None:
        """Put a volume into its slot. Raises FormatError when the disk refuses."""
        slot, content = number % self.slots, np.ascontiguousarray(values).tobytes()
        try:
            self._note(slot, (NONE, 0, labels))
            _put(self._opened[1], slot * self._bytes, content)
            self._note(slot, (number, self._checksum(content, labels), labels))
        except OSError as error:
            raise self._refused(error) from error

    def read(self, number: int) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """A volume that is there, and its labels."""
        slot = number % self.slots
        return np.frombuffer(self._content(slot), np.float16).reshape(self.shape), self._index["labels"][slot].copy()

    @property
    def _opened(self) -> tuple[Any, Any]:
        assert self._files is not None, "open() comes first"  # noqa: S101
        return self._files

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        note, index, values = (self.folder / name for name in ("layout.json", "index.bin", "values.f16"))
        known = note.is_file() and note.read_text(encoding="utf-8") == json.dumps(self._layout)
        if known and index.is_file():
            found = np.fromfile(index, self._entry)[: self.slots]
            self._index[: len(found)] = found
        else:
            note.write_text(json.dumps(self._layout), encoding="utf-8")
            index.write_bytes(self._index.tobytes())
        self._files = (index.open("r+b", buffering=0), values.open("r+b" if values.is_file() else "w+b", buffering=0))

    def _note(self, slot: int, entry: tuple[Any, ...]) -> None:
        _put(self._opened[0], slot * self._entry.itemsize, np.array(entry, self._entry).tobytes())
        self._index[slot] = entry

    def _content(self, slot: int) -> bytes:
        self._opened[1].seek(slot * self._bytes)
        return bytes(self._opened[1].read(self._bytes))

    @staticmethod
    def _checksum(content: bytes, labels: NDArray[np.float32]) -> int:
        return zlib.crc32(labels.tobytes(), zlib.crc32(content))

    def _refused(self, error: OSError) -> FormatError:
        return FormatError(
            f"The simulated volumes in {self.folder} cannot be kept: {error.strerror or error}. "
            "Make room, or keep fewer of them in another folder."
        )


def _put(file: Any, position: int, content: bytes) -> None:
    """Write all of it: a disk that fills up takes a part before it refuses."""
    file.seek(position)
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]
