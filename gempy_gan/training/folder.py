"""The folder of a training: whose it is, and its log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from gempy_gan.atomic import replace_file
from gempy_gan.ensemble import plain
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.locks import locked

FORMAT = "gempy_gan training 1"


class Folder:
    """`training.json` says what is trained here, `log.jsonl` how it went."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log: TextIO | None = None

    def identity(self) -> dict[str, Any] | None:
        """What is trained here, or None in a new folder. Raises FormatError when the file is damaged."""
        file = self.path / "training.json"
        try:
            found = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise FormatError(f"{file} cannot be read ({error}). Restore it, or train in another folder.") from None
        if not isinstance(found, dict) or found.pop("format", None) != FORMAT:
            raise FormatError(f"{file} is not of the format {FORMAT!r}. Train in another folder.")
        return found

    def settled_precision(self, precision: str) -> str:
        """The precision that "auto" meant when the training began."""
        found = self.identity() if precision == "auto" else None
        return precision if found is None else str(found["precision"])

    def claim(self, identity: Mapping[str, Any], writes: bool = True) -> None:
        """Note what is trained here. Raises GempyGanError, saying what differs, when it is something else."""
        wanted, found = dict(plain(identity)), self.identity()
        if found is None:
            if writes:
                self._write({"format": FORMAT, **wanted})
            return
        differing = sorted(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        if differing:
            raise GempyGanError(
                f"The folder {self.path} holds another training: it differs in {', '.join(differing)}. "
                "Repeat the command that began it, or choose another folder."
            )

    def log(self, record: Mapping[str, Any]) -> None:
        """Add a line to the log."""
        try:
            if self._log is None:
                self._log = (self.path / "log.jsonl").open("a", encoding="utf-8")
            self._log.write(json.dumps(record) + "\n")
            self._log.flush()
        except OSError as error:
            raise FormatError(f"The log in {self.path} cannot be written: {error.strerror or error}. Make room.") from error

    def records(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        try:
            lines = (self.path / "log.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [record for record in map(_record, lines) if record is not None]

    def rewind(self, step: int) -> None:
        """Forget the lines after a step: the training goes on from there."""
        kept = [json.dumps(record) + "\n" for record in self.records() if record["step"] <= step]
        replace_file(self.path / "log.jsonl", "".join(kept).encode())

    def close(self) -> None:
        """Close the log."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _write(self, content: Mapping[str, Any]) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            replace_file(self.path / "training.json", json.dumps(content, indent=1).encode())
        except OSError as error:
            raise FormatError(
                f"Nothing can be written into {self.path}: {error.strerror or error}. Choose another folder."
            ) from error


def first_process() -> bool:
    """Whether this is the process that a user started, not one that it started for a further device."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Keep other trainings out of a folder while the block runs; a lock that a killed process held is free again.

    Processes that this training starts itself, one for each further device, are let in. Raises GempyGanError where the folder
    is taken, FormatError when it cannot be made.
    """
    if not first_process():
        yield
        return
    with locked(path / ".lock", f"Another process is training in {path}. Wait for it to end, or choose another folder."):
        yield


def _record(line: str) -> dict[str, Any] | None:
    """A line of the log; None for one that a killed process left unfinished."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "step" in found else None
