"""The study file: one TOML that says everything from files to an ensemble, its diagnosis and its exports."""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.plugins import for_path, registry

Options = Mapping[str, Any]


@dataclass(frozen=True)
class GridSection:
    """`[grid]`: a box (`extent`, `resolution`, `rotation`), or the unit `element` of a saved GemPy `model`, in a `frame`
    (with a `thickness` for "distance"; see `from_gempy`). In place of a saved model, `surfaces` names tops of the wells, young
    to old, through which GemPy's surfaces go (see `model_from_tops`); held-out wells are held out by their curves, not by their
    tops. Then the `element` is called like the top it lies below, and `extent` needs no heights."""

    resolution: Sequence[int] | None = None
    extent: Sequence[float] | None = None
    rotation: float = 0.0
    model: str | None = None
    surfaces: Sequence[str] | None = None
    element: str | None = None
    frame: str | None = None
    thickness: float | None = None


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
class UnitSection:
    """`[[units]]`: one of several units of the model, `element`, on a grid of its own, with the prior and the strategy of the
    study unless it names others. What is said of the grid is as in `[grid]`, and stands there for all units that do not say it.

    `properties` are those that its prior is about: only the `[[wells]]` that constrain one of them condition it; None means all
    wells. `seismic = false` leaves the seismic out.
    """

    element: str
    resolution: Sequence[int] | None = None
    extent: Sequence[float] | None = None
    frame: str | None = None
    thickness: float | None = None
    prior: Options | None = None
    strategy: Options | None = None
    properties: Sequence[str] | None = None
    seismic: bool = True


@dataclass(frozen=True)
class StructureSection:
    """`[structure]`: how well the surfaces of the model are known, so that realizations vary in structure too.

    `std` (metres, by surface), `range`, `correlation`, `dip` and `spacing` are those of `vary_structure`. `draws` structures
    share the study's n realizations evenly; None draws one for each. `picks` says which top of the wells (`[wells.tops]`) lies
    on which surface: every structure honours them; `picks_file` names a table with columns surface, x, y, z in metres, and std
    if they have one. Where `[grid]` has `surfaces`, surfaces are named like their tops, and all tops are picks.
    """

    std: Mapping[str, float]
    range: float
    draws: int | None = None
    correlation: float = 0.0
    dip: float = 0.0
    spacing: float | None = None
    picks: Mapping[str, str] | None = None
    picks_file: str | None = None


@dataclass(frozen=True)
class OutputSection:
    """`[output]`: the `folder`, the `formats` to export (file endings), how many `realizations` of them (all if not said), and
    whether `pictures` are drawn, and put together in a report, and whether `surfaces`, top and base of the unit, are written as
    maps."""

    folder: str = "out"
    formats: Sequence[str] = ()
    realizations: int | None = None
    pictures: bool = True
    surfaces: bool = False


@dataclass(frozen=True)
class Study:
    """A whole run of `n` realizations, in one or several `units`, of one `structure` or of many. `folder` is where the study
    file, `source`, lies: its relative paths start there, and `$NAME` in them is an environment variable. `batch` is how many
    realizations are drawn, and kept, at once, and `clamp` sets cells of hard data to their values in the end (see `invert` for
    both)."""

    folder: Path
    grid: GridSection
    prior: Options
    wells: tuple[WellsSection, ...] = ()
    seismic: tuple[SeismicSection, ...] = ()
    strategy: Options | None = None
    output: OutputSection = OutputSection()
    units: tuple[UnitSection, ...] = ()
    structure: StructureSection | None = None
    n: int = 100
    seed: int = 0
    batch: int | None = None
    clamp: bool = False
    elsewhere: Path | None = None
    source: Path | None = None

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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FormatError(f"The study {file} is no TOML: {error}.") from None
    known = {"n", "seed", "batch", "clamp", "grid", "wells", "seismic", "prior", "strategy", "output", "units", "structure"}
    units = tuple(_section(UnitSection, t, "units") for t in _tables(table.get("units", [])))
    own = bool(units) and all(unit.prior is not None for unit in units)
    check_keys(table, known, {"grid"} if own else {"grid", "prior"}, f"The study {file}")
    study = Study(
        folder=file.parent,
        grid=_section(GridSection, table["grid"], "grid"),
        prior=_named(table["prior"], "prior") if "prior" in table else {},
        wells=tuple(_section(WellsSection, t, "wells") for t in _tables(table.get("wells", []))),
        seismic=tuple(_section(SeismicSection, t, "seismic") for t in _tables(table.get("seismic", []))),
        strategy=_named(table["strategy"], "strategy") if "strategy" in table else None,
        output=_section(OutputSection, table.get("output", {}), "output"),
        units=units,
        structure=_section(StructureSection, table["structure"], "structure") if "structure" in table else None,
        n=table.get("n", 100),
        seed=table.get("seed", 0),
        batch=table.get("batch"),
        clamp=table.get("clamp", False),
        elsewhere=None if out is None else Path(out),
        source=file,
    )
    _check_numbers(study)
    _check_names(study)
    _check_parts(study)
    return study


def check_keys(table: Any, known: set[str], required: set[str], where: str) -> None:
    """Raise GempyGanError, naming `where` and what is meant, when a table lacks a required entry or has one that is unknown."""
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


def _tables(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def _section(kind: type[S], table: Any, name: str) -> S:
    """A section's dataclass from its table."""
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    required = {key for key, f in fields.items() if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING}
    check_keys(table, set(fields), required, f"The study's [{name}]")
    kinds = get_type_hints(kind)
    for key, value in table.items():
        _check_kind(value, kinds[key], f"The study's [{name}] has {key}")
    return kind(**table)


def _named(table: Any, name: str) -> Options:
    """The table of a prior, strategy or forward operator: its name, and options that it checks itself."""
    if not isinstance(table, dict) or not isinstance(table.get("name"), str):
        raise GempyGanError(f"The study's [{name}] is {table!r}. Expected a table with a name and options.")
    return table


def _check_kind(value: Any, kind: Any, where: str) -> None:
    """Raise GempyGanError when a value is not of the kind that a section's annotation names."""
    if not _fits(value, kind):
        raise GempyGanError(f"{where} = {value!r}. Expected {_words(kind)}.")


def _fits(value: Any, kind: Any) -> bool:
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        return any(_fits(value, part) for part in parts)
    if get_origin(kind) is Sequence:
        return isinstance(value, list) and all(_fits(item, parts[0]) for item in value)
    if get_origin(kind) is Mapping:
        return isinstance(value, dict) and all(_fits(item, parts[1]) for item in value.values())
    if isinstance(value, bool):
        return kind in (bool, Any)
    return kind is Any or isinstance(value, (int, float) if kind is float else kind)


_WORDS = {str: "text in quotes", float: "a number", int: "a whole number", bool: "true or false", Any: "a value"}
_LISTS = {str: '["a", "b"]', float: "[1.5, 2.5]", int: "[1, 2]"}


def _words(kind: Any) -> str:
    parts = get_args(kind)
    if isinstance(kind, UnionType):
        return _words(parts[0])
    if get_origin(kind) is Sequence:
        return f"a list, such as {_LISTS[parts[0]]}"
    if get_origin(kind) is Mapping:
        return "a table" if parts[1] is Any else f"a table with {_words(parts[1])} at each entry"
    return _WORDS[kind]


def _check_numbers(study: Study) -> None:
    """Find what no run can use before an hour is spent on reading."""
    exported = study.output.realizations
    least_of = (("n", study.n, 1), ("seed", study.seed, 0), ("batch", study.batch, 1), ("[output] realizations", exported, 1))
    for name, number, least in least_of:
        if number is not None and (not _fits(number, int) or number < least):
            raise GempyGanError(f"The study has {name} = {number!r}. Expected a whole number, {least} or more.")
    if not isinstance(study.clamp, bool):
        raise GempyGanError(f"The study has clamp = {study.clamp!r}. Expected true or false.")
    for where, std in [("wells", s.std) for s in study.wells] + [("seismic", s.std) for s in study.seismic]:
        if not (math.isfinite(std) and std > 0):
            raise GempyGanError(f"The study's [{where}] has std = {std}. Expected a positive number, in the unit of the data.")
    for section in study.seismic:
        if section.domain not in ("time", "depth"):
            raise GempyGanError(
                f'The study\'s [seismic] has domain = {section.domain!r}. Expected "time" or "depth": SEG-Y does not tell.'
            )


def _check_names(study: Study) -> None:
    """Find a misspelt name as early."""
    for prior in (study.prior or None, *(unit.prior for unit in study.units)):
        if prior is not None:
            registry().get("priors", _named(prior, "prior")["name"])
    for strategy in (study.strategy, *(unit.strategy for unit in study.units)):
        if strategy is not None:
            registry().get("strategies", _named(strategy, "strategy")["name"])
    for section in study.seismic:
        registry().get("forwards", _named(section.forward, "seismic.forward")["name"])
    for ending in study.output.formats:
        for_path("formats", f"ensemble.{ending.removeprefix('.')}")


def _check_parts(study: Study) -> None:
    """Several units and structures need a model, and realizations that can be shared out."""
    if (study.units or study.structure) and study.grid.model is None and study.grid.surfaces is None:
        raise GempyGanError(
            "The study has units or a structure, and its [grid] no model. Expected a GemPy model that holds them."
        )
    names = [unit.element for unit in study.units]
    if len(set(names)) < len(names) or (names and study.grid.element is not None):
        raise GempyGanError(
            f"The study's units are {names}, and its [grid] names {study.grid.element!r}. Expected each unit once, in [[units]] "
            "alone."
        )
    draws = None if study.structure is None else study.structure.draws
    if draws is not None and (draws < 1 or study.n % draws):
        raise GempyGanError(
            f"The study has n = {study.n} realizations of [structure] draws = {draws} structures. Expected as many of each: let "
            "n be a multiple of draws."
        )
