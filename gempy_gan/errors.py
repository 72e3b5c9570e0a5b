"""The errors a user of the package can meet; each message says what was found, what was expected and what to do."""

from typing import Any


class GempyGanError(Exception):
    """Something in the input or the request cannot be right. Base class of every error the package raises on purpose."""


class GridError(GempyGanError):
    """A position, an index or a shape does not fit the grid."""


class FormatError(GempyGanError):
    """A file cannot be read as what it claims to be, or cannot be written.

    `health` holds what had been noticed in the file by then.
    """

    health: tuple[Any, ...] = ()


class PluginError(GempyGanError):
    """A name is not registered, is registered twice, or a plugin cannot be loaded."""


class GempyGanWarning(UserWarning):
    """The result stands, but the user should know something about it (a weak ensemble, a skipped plugin)."""
