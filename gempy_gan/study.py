"""The study file: one TOML that says everything from files to an ensemble, its diagnosis and its exports."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.plugins import for_path, registry

Options = Mapping[str, Any]


@dataclass(frozen=True)
class GridSection:
    """`[grid]`: a box (`extent`, `resolution`, `rotation`), or the unit `element` of a saved GemPy `model`."""

    resolution: Sequence[int] | None = None
    extent: Sequence[float] | None = None
    rotation: float = 0.0
    model: str | None = None
    element: str | None = None


@dataclass(frozen=True)
class WellsSection:
    """`[wells]` or `[[wells]]`: which logs constrain which property, and which wells are held out.

    `files` are paths or patterns relative to the study. `heads` and `tops` name a table's `file`, and the options of
    `read_heads` and `read_tops`; their wells are the files' names, with or without ending, and then the wells are called like
    their files. Without heads, positions and names come from the LAS headers. `surveys` maps a well's name to its deviation
    survey. `gamma` (options of `gamma_to_fraction`; its interval is two tops) makes the curve from gamma ray; `flatten` has
    `top` and `base` (tops) and `thickness` in metres. `block` and `read` hold more options of `block()` and of the reader.
    """

    files: Sequence[str]
    curve: str
    property: str
    std: float
    heads: Options | None = None
    tops: Options | None = None
    surveys: Mapping[str, str] = field(default_factory=dict)
    gamma: Options | None = None
    flatten: Options | None = None
    held_out: Sequence[str] = ()
    read: Options = field(default_factory=dict)
    block: Options = field(default_factory=dict)


@dataclass(frozen=True)
class SeismicSection:
    """`[seismic]` or `[[seismic]]`: one SEG-Y `file` in a stated `domain`, the noise `std` of its amplitudes, and the
    `forward` operator (its `name` and options). `resample` and `read` hold more options of `resample()` and of the reader."""

    file: str
    domain: str
    std: float
    forward: Options
    read: Options = field(default_factory=dict)
    resample: Options = field(default_factory=dict)


@dataclass(frozen=True)
class OutputSection:
    """`[output]`: the `folder`, the `formats` to export (file endings), how many `realizations` of them (all if not said), and
    whether `pictures` are drawn."""

    folder: str = "out"
    formats: Sequence[str] = ()
    realizations: int | None = None
    pictures: bool = True


@dataclass(frozen=True)
class Study:
    """A whole run. `folder` is where the study file lies: its relative paths start there, and `$NAME` in them is an environment
    variable."""

    folder: Path
    grid: GridSection
    prior: Options
    wells: tuple[WellsSection, ...] = ()
    seismic: tuple[SeismicSection, ...] = ()
    strategy: Options | None = None
    output: OutputSection = OutputSection()
    n: int = 100
    seed: int = 0
    elsewhere: Path | None = None

    @property
    def out(self) -> Path:
        """The folder that the study writes to."""
        return self.elsewhere or self.path(self.output.folder)

    def path(self, name: str) -> Path:
        """A path of the study file, relative to the folder of the study. Raises GempyGanError for a variable that is not set."""
        full = os.path.expandvars(name)
        if "$" in full:
            raise GempyGanError(f"The path {name!r} of the study names an environment variable that is not set. Set it.")
        return self.folder / full


S = TypeVar("S")


def load_study(path: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Study:
    """Read and check a study file; `out` replaces its output folder.

    Raises FormatError when it is missing or no TOML, GempyGanError for an entry that is unknown, missing or of the wrong kind,
    PluginError when it names a prior, strategy or forward operator that is not installed.
    """
    file = Path(path)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FormatError(f"The study {file} does not exist. Check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"The study {file} is no TOML: {error}.") from None
    known = {"n", "seed", "grid", "wells", "seismic", "prior", "strategy", "output"}
    _check_keys(table, known, {"grid", "prior"}, f"The study {file}")
    study = Study(
        folder=file.parent,
        grid=_section(GridSection, table["grid"], "grid"),
        prior=_named(table["prior"], "prior"),
        wells=tuple(_section(WellsSection, t, "wells") for t in _tables(table.get("wells", []))),
        seismic=tuple(_section(SeismicSection, t, "seismic") for t in _tables(table.get("seismic", []))),
        strategy=_named(table["strategy"], "strategy") if "strategy" in table else None,
        output=_section(OutputSection, table.get("output", {}), "output"),
        n=table.get("n", 100),
        seed=table.get("seed", 0),
        elsewhere=None if out is None else Path(out),
    )
    for name in ("n", "seed"):
        number = getattr(study, name)
        if not isinstance(number, int) or number < (name == "n"):
            raise GempyGanError(f"The study has {name} = {number!r}. Expected a whole number, {int(name == 'n')} or more.")
    _check_names(study)
    return study


def _tables(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _section(kind: type[S], table: Any, name: str) -> S:
    """A section's dataclass from its table."""
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    required = {key for key, f in fields.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
    _check_keys(table, set(fields), required, f"The study's [{name}]")
    return kind(**table)


def _named(table: Any, name: str) -> Options:
    """The table of a prior, strategy or forward operator: its name, and options that it checks itself."""
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise GempyGanError(f"The study's [{name}] is {table!r}. Expected a table with a name and options.")
    return table


def _check_keys(table: Any, known: set[str], required: set[str], where: str) -> None:
    if not isinstance(table, dict):
        raise GempyGanError(f"{where} is {table!r}. Expected a table with: {', '.join(sorted(known))}.")
    for key in table:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else f" Known: {', '.join(sorted(known))}."
            raise GempyGanError(f"{where} has an unknown entry '{key}'.{hint}")
    missing = sorted(required - set(table))
    if missing:
        raise GempyGanError(f"{where} says nothing about '{missing[0]}'. Required: {', '.join(sorted(required))}.")


def _check_names(study: Study) -> None:
    """Find a misspelt name before an hour is spent on reading."""
    registry().get("priors", study.prior["name"])
    if study.strategy is not None:
        registry().get("strategies", study.strategy["name"])
    for section in study.seismic:
        registry().get("forwards", _named(section.forward, "seismic.forward")["name"])
    for ending in study.output.formats:
        for_path("formats", f"ensemble.{ending.removeprefix('.')}")
