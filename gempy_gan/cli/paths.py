"""What a path on the command line holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan.errors import FormatError

if TYPE_CHECKING:
    from gempy_gan.constraints import Constraints
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.grid import Grid


REMEDY = "Remove it, or choose another name."


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


def check_free(store: str, remedy: str = REMEDY) -> None:
    """Raise FormatError when a store is there already: unlike a file it is not replaced, for it may be hours of work."""
    if Path(store).is_dir():
        raise FormatError(f"{store} exists already. {remedy}")


def beside(ensemble: str, name: str) -> Path | None:
    """A file that a run left beside its ensemble; None where there is none."""
    file = Path(ensemble).parent / name
    return file if file.is_file() else None


def read_beside(ensemble: str, name: str, given: str | None = None) -> Constraints | None:
    """The constraints in the file that is given, or else in one that a run left beside its ensemble."""
    from gempy_gan.observations import read_constraints

    found = given or beside(ensemble, name)
    return None if found is None else read_constraints(found)


def read_grid(path: str) -> Grid:
    """The grid of the ensemble or the constraints that a file holds."""
    from gempy_gan.files import read_ensemble
    from gempy_gan.observations import holds_constraints, read_constraints

    return read_constraints(path).grid if holds_constraints(path) else read_ensemble(path).grid
