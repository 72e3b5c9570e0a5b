"""What reading a file brought to light: findings that travel with the data they are about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing noticed while reading: how serious it is, what it is, and what was done about it.

    `level` is "error" (the data cannot be used as they are), "warning" (used, but look at it) or "note"
    (a conversion or an assumption that was recorded). `file` is the name of the file, and `line` the 1-based line of a text
    file, where known.
    """

    level: Level
    message: str
    action: str = ""
    line: int | None = None
    file: str | None = None

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line is not None else ""
        done = f" {self.action}" if self.action else ""
        return f"{self.level}: {self.message.rstrip('.')}{where}.{done}"


Health = tuple[Finding, ...]
