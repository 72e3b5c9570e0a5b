"""The tables of a study as options of functions, and errors that say where in the study they belong."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.files import read
from gempy_gan.study import Options, check_keys

T = TypeVar("T")


def read_as(file: Path, kind: type, where: str, **options: Any) -> Any:
    """Read a file that must hold what a section is about."""
    with naming(file, where):
        found = read(file, **options)
    if not isinstance(found, kind):
        raise FormatError(f"{file} holds a {type(found).__name__}. Expected a {kind.__name__}: check {where}.")
    return found


@contextmanager
def naming(file: Path, where: str) -> Iterator[None]:
    """Errors of the block name the file and the section of the study that it belongs to."""
    try:
        yield
    except GempyGanError as error:
        if file.name in str(error):
            raise
        raise type(error)(f"{file.name}, in {where}: {error}") from error


def apply(
    function: Callable[..., T], *arguments: Any, where: str, options: Options, passes_to: Callable[..., Any] | None = None
) -> T:
    """Call a function with a table of the study as options; what it does not take itself it passes to another function.

    Raises GempyGanError, naming the table, when it does not take them or they are of the wrong kind.
    """
    found = {**(inspect.signature(passes_to).parameters if passes_to else {}), **inspect.signature(function).parameters}
    taken = {name: p for name, p in found.items() if p.kind is not p.VAR_KEYWORD}
    given = set(list(inspect.signature(function).parameters)[: len(arguments)])
    check_keys(options, set(taken) - given, {name for name, p in taken.items() if p.default is p.empty} - given, where)
    try:
        return function(*arguments, **options)
    except (TypeError, ValueError) as error:
        raise GempyGanError(f"{where} cannot be used: {error}. Check the kinds of its entries: {', '.join(options)}.") from error
