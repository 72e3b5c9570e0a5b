"""The data section of a LAS file as numbers, with the line of everything that is not one.

lasio reads the header; the rows are read here because lasio repairs them silently: it turns run-together numbers into NaN,
reads a thousands comma as a decimal point, and makes every column text when one value is.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gempy_gan.errors import FormatError

_DELIMITERS = {"": None, "SPACE": None, "TAB": "\t", "COMMA": ","}


@dataclass(frozen=True)
class Rows:
    """The tokens of the data section, row after row, and the 1-based line on which each row starts."""

    tokens: list[str]
    lines: list[int]
    columns: Sequence[str]

    def __len__(self) -> int:
        return len(self.lines)

    def numbers(self, column: int, missing: Collection[str] = (), decimal: str = ".") -> NDArray[np.float64]:
        """One column (n,); tokens in `missing`, empty fields and NaN become NaN. Raises FormatError at any other text."""
        texts = self.tokens[column :: len(self.columns)]
        if decimal != ".":
            texts = [text.replace(decimal, ".") for text in texts]
        blank = {"", *missing}
        if not blank.isdisjoint(texts):
            texts = ["nan" if text in blank else text for text in texts]
        try:
            values = np.array(texts, dtype=np.float64)
        except ValueError:
            values = np.full(len(texts), np.inf)
        if np.isinf(values).any() or any("_" in text for text in texts):
            self._refuse(texts, column)
        return values

    def _refuse(self, texts: list[str], column: int) -> None:
        bad = [row for row, text in enumerate(texts) if not _is_number(text)]
        raise FormatError(
            f"Curve {self.columns[column]} has {texts[bad[0]]!r} in line {self.lines[bad[0]]}: {len(bad)} of {len(texts)} values "
            "are no numbers. Correct the file, give `null=` the text if it means 'no value' (`decimal=','` for decimal "
            "commas), or leave the curve out with `curves=`."
        )


def read_rows(
    lines: Sequence[str], first: int, columns: Sequence[str], wrapped: bool, delimiter: str = "", quoted: bool = False
) -> Rows:
    """Split the lines after ~A into rows of one token per column.

    `first` is the 1-based number of the first of the lines; `quoted` texts may hold the delimiter (LAS 3). Raises FormatError,
    naming the line, when a row has another number of values than there are curves, or when the lines are wrapped and the header
    says they are not (or vice versa).
    """
    if delimiter.upper() not in _DELIMITERS:
        raise FormatError(f"The delimiter (DLM) is {delimiter!r}. Allowed: SPACE, TAB or COMMA.")
    separator = _DELIMITERS[delimiter.upper()]
    kept = [(number, line) for number, line in enumerate(lines, first) if line.strip() and not line.lstrip().startswith("#")]
    sections = [number for number, line in kept if line.lstrip().startswith("~")]
    if sections:
        raise FormatError(
            f"A new section starts in line {sections[0]}, after the data. Expected ~A to be the last one: split the file."
        )
    divide = _split_quoted if quoted and any('"' in line for _, line in kept) else _split
    split = [(number, divide(line, separator)) for number, line in kept]
    return _wrapped(split, columns) if wrapped else _unwrapped(split, columns)


def _split(line: str, separator: str | None) -> list[str]:
    return line.split() if separator is None else [part.strip() for part in line.strip(" \r\n").split(separator)]


def _split_quoted(line: str, separator: str | None) -> list[str]:
    """Fields of which some stand in quotation marks."""
    if separator is None:
        return [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', line)]
    try:
        return [part.strip() for part in next(csv.reader([line.strip(" \r\n")], delimiter=separator, skipinitialspace=True))]
    except csv.Error:
        return _split(line, separator)


def _unwrapped(split: list[tuple[int, list[str]]], columns: Sequence[str]) -> Rows:
    for number, parts in split:
        if len(parts) != len(columns):
            raise FormatError(
                f"Line {number} has {len(parts)} values, and the header names {len(columns)} curves. Expected one per curve: "
                "look for numbers that run together, missing values, or rows wrapped over several lines (`wrap=True`)."
            )
    return Rows([part for _, parts in split for part in parts], [number for number, _ in split], columns)


def _wrapped(split: list[tuple[int, list[str]]], columns: Sequence[str]) -> Rows:
    """Rows of a wrapped file: the depth alone on a line, then lines of values until every curve has one."""
    tokens: list[str] = []
    starts: list[int] = []
    open_ = 0
    for number, parts in split:
        if open_ == 0:
            starts.append(number)
            if len(parts) != 1:
                raise FormatError(
                    f"Line {number} has {len(parts)} values where the depth should stand alone. "
                    "Expected wrapped rows: correct WRAP, or read with `wrap=False`."
                )
        open_ += len(parts)
        if open_ > len(columns):
            raise FormatError(
                f"The wrapped row that starts in line {starts[-1]} has {open_} values by line {number}, and the header names "
                f"{len(columns)} curves. Expected one value per curve: correct the file."
            )
        tokens += parts
        open_ %= len(columns)
    if open_:
        raise FormatError(
            f"The wrapped row that starts in line {starts[-1]} ends with {open_} of {len(columns)} values. Is the file cut short?"
        )
    return Rows(tokens, starts, columns)


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and not np.isinf(float(text))
    except ValueError:
        return False
