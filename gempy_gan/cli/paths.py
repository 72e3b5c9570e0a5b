"""What a path on the command line holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan.errors import FormatError

if TYPE_CHECKING:
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.grid import Grid


def read_any(path: str, **options: Any) -> Any:
    """Whatever a file holds: constraints, or what `gempy_gan.read` finds."""
    from gempy_gan.files import read
    from gempy_gan.observations import holds_constraints, read_constraints

    return read_constraints(path) if holds_constraints(path) else read(path, **options)


def read_ensemble(path: str) -> Ensemble:
    """The ensemble that a file must hold. Raises FormatError when it is something else."""
    from gempy_gan.files import read_ensemble
    from gempy_gan.observations import holds_constraints

    if holds_constraints(path):
        raise FormatError(f"{path} holds constraints. Expected an ensemble, such as what 'gempy-gan invert' writes.")
    return read_ensemble(path)


def check_free(store: str, remedy: str = "Remove it, or choose another name.") -> None:
    """Raise FormatError when a store is there already: unlike a file it is not replaced, for it may be hours of work."""
    if Path(store).is_dir():
        raise FormatError(f"{store} exists already. {remedy}")


def read_grid(path: str) -> Grid:
    """The grid of the ensemble or the constraints that a file holds."""
    from gempy_gan.files import read_ensemble
    from gempy_gan.observations import holds_constraints, read_constraints

    return read_constraints(path).grid if holds_constraints(path) else read_ensemble(path).grid
