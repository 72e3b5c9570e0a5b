"""What a study does: read and constrain, invert, diagnose, export, one step at a time or all in a row."""

from __future__ import annotations

import inspect
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from gempy_gan import progress
from gempy_gan.atomic import scratch_beside, staged
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.files import read, write, write_surfaces
from gempy_gan.grid import Grid
from gempy_gan.observations import write_constraints
from gempy_gan.structural_inversion import noted
from gempy_gan.study import Options, SeismicSection, Study, WellsSection, check_keys

if TYPE_CHECKING:
    import pandas as pd

    from gempy_gan.diagnosis import Diagnosis
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.health import Health
    from gempy_gan.prior import Prior
    from gempy_gan.seismic import SeismicCube
    from gempy_gan.wells import WellLog

T = TypeVar("T")

BASELINE = 50  # unconditional realizations that the diagnosis compares with


@dataclass(frozen=True)
class Result:
    """What a run leaves: the ensemble, its diagnosis, and every file written."""

    ensemble: Ensemble
    diagnosis: Diagnosis
    files: tuple[Path, ...]

    def listing(self, folder: Path) -> str:
        """The files below a folder, one line each, or one for all in a folder of their own."""
        return listing(self.files, folder)


def listing(files: Iterable[Path], folder: Path) -> str:
    """Files below a folder, one line each, or one for all in a folder of their own."""
    groups: dict[str, list[Path]] = {}
    for place in (file.relative_to(folder) for file in files):
        groups.setdefault(place.parts[0], []).append(place)
    lines = [str(places[0]) if len(places) == 1 else f"{name}/ ({len(places)} files)" for name, places in groups.items()]
    return "\n  ".join([f"Written to {folder}:", *lines])


@dataclass(frozen=True)
class Data:
    """What a study's files hold, read once: the wells of each of its sections, and the cubes."""

    wells: tuple[tuple[WellsSection, list[WellLog]], ...]
    cubes: tuple[tuple[SeismicSection, SeismicCube], ...]


def run(
    study: Study,
    resume: bool = False,
    constraints: tuple[Constraints, Constraints] | None = None,
    notes: Mapping[str, Any] | None = None,
    compared: bool = True,
) -> Result:
    """The study of one unit: constraints, ensemble, diagnosis, exports, pictures and report, into the study's output folder.

    `resume` continues an ensemble that an interrupted run of the same study left. Raises GempyGanError, before anything is
    read, when the folder holds an ensemble and `resume` is not given, and what the steps raise; whatever was finished by then
    stays, and is whole. `constraints` are what `constrain` gives, where that is known already; `notes` go into the
    ensemble's provenance. The diagnosis compares with unconditional realizations unless `compared` is false.
    """
    from gempy_gan.diagnostics import diagnose
    from gempy_gan.inversion import invert, prepare, sample
    from gempy_gan.plugins import get_strategy

    folder, store = study.out, study.out / "ensemble.zarr"
    if store.exists() and not resume:
        raise GempyGanError(
            f"{store} exists already. Continue an interrupted run with --resume, write elsewhere with --out, or remove {folder}."
        )
    strategy = None if study.strategy is None else get_strategy(**study.strategy)
    known, withheld = constraints or constrain(study)
    prior = prior_of(study, known)
    prepare(prior, known, strategy, study.n, study.batch)  # what does not fit is found before anything is written
    files = [] if store.exists() else _write_data(known, withheld, folder)
    ensemble = invert(prior, known, strategy, study.n, study.seed, store, resume, study.batch, study.clamp)
    ensemble = noted(ensemble, store, notes) if notes else ensemble
    files = files or _write_data(known, withheld, folder)  # of a resumed run, now that its store is known to belong to it
    with scratch_beside(folder / "baseline.zarr") as scratch:  # large realizations need not fit into memory
        many = min(study.n, BASELINE)
        baseline = sample(prior, known.grid, many, study.seed, scratch / "baseline.zarr") if compared else None
        diagnosis = diagnose(ensemble, known, withheld if withheld.terms else None, baseline)
    files += [store, *write_diagnosis(diagnosis, folder), *export(study, ensemble), *_write_model(study, folder)]
    if study.output.pictures:
        files += draw(ensemble, known, withheld, folder / "pictures")
        files.append(report(study, ensemble, known, withheld, diagnosis))
    return Result(ensemble, diagnosis, tuple(files))


def grid_of(study: Study) -> Grid:
    """The study's grid: its box, or the unit of its GemPy model."""
    section = study.grid
    if section.model is not None or section.surfaces is not None:
        from gempy_gan.gempy_model import as_extent, map_extent, regular_grid
        from gempy_gan.geomodel import from_gempy

        if section.element is None:
            raise GempyGanError('The study\'s [grid] names a model and no element. Say which unit: element = "Reservoir".')
        options: dict[str, Any] = {
            key: tuple(value) for key in ("resolution", "extent") if (value := getattr(section, key)) is not None
        }
        options |= {"frame": section.frame, "thickness": section.thickness}
        model = model_of(study)
        if section.surfaces is not None:
            options["extent"] = map_extent(model, as_extent(regular_grid(model).extent))
        return from_gempy(model, section.element, **options)
    if section.frame is not None or section.thickness is not None:
        raise GempyGanError(
            "The study's [grid] has a frame or thickness, and no model: frames are those of a GemPy model's units."
        )
    if section.extent is None or section.resolution is None:
        raise GempyGanError("The study's [grid] is incomplete. Expected extent and resolution, or model and element.")
    return Grid(tuple(section.extent), tuple(section.resolution), section.rotation)  # type: ignore[arg-type]  # Grid checks


def model_of(study: Study) -> Any:
    """The GemPy model of the study: the one that it names, or one through tops of all its wells."""
    section = study.grid
    if section.surfaces is None:
        from gempy_gan.geomodel import load_gempy

        return load_gempy(study.path(str(section.model)))
    from gempy_gan.tops import model_from_tops

    if section.model is not None:
        raise GempyGanError("The study's [grid] names a model and surfaces. Expected one of them: surfaces make a model of tops.")
    return model_from_tops(tops_of(study), section.surfaces, section.extent, rotation=section.rotation)


def tops_of(study: Study) -> pd.DataFrame:
    """Where all wells of the study, held-out ones too, meet their tops: columns `well`, `top`, `x`, `y`, `z`."""
    import pandas as pd

    from gempy_gan.tops import placed_tops

    found = []
    for section in study.wells:
        heads, tops = _tables(study, section)
        if tops is None:
            continue
        for file in _files(study, section):
            found.append(placed_tops(_placed(study, section, file, heads), _depths(_of_file(tops, file, "tops"))))
    if not found:
        raise GempyGanError("The study's [grid] has surfaces, and no [wells.tops] to take them from. Name their table.")
    return pd.concat(found, ignore_index=True).drop_duplicates()


def constrain(study: Study, data: Data | None = None) -> tuple[Constraints, Constraints]:
    """What conditions the study, and the wells held out of it, as constraints on its grid."""
    grid, found = grid_of(study), data or read_data(study)
    known: list[HardData | SoftData] = []
    withheld: list[HardData] = []
    for section, wells in found.wells:
        if any(section is one for one in study.wells):
            known += _blocked(section, [well for well in wells if well.name not in section.held_out], grid)
            withheld += _blocked(section, [well for well in wells if well.name in section.held_out], grid)
    known += [_resampled(study, s, cube, grid) for s, cube in found.cubes if any(s is one for one in study.seismic)]
    return Constraints(grid, *known), Constraints(grid, *withheld)


def read_data(study: Study) -> Data:
    """The wells and cubes of the study's files."""
    wells = tuple((section, read_wells(study, section)) for section in study.wells)
    return Data(wells, tuple((section, _cube(study, section)) for section in study.seismic))


def read_wells(study: Study, section: WellsSection) -> list[WellLog]:
    """The wells of one section: read, placed, with the curve from gamma ray, flattened, as the section says."""
    heads, tops = _tables(study, section)
    files = _files(study, section)
    wells = [_well(study, section, file, heads, tops) for file in progress.track(files, "reading wells", len(files))]
    names = {well.name for well in wells}
    for what, given in (("holds out", section.held_out), ("has a survey of", section.surveys)):
        unknown = sorted(set(given) - names)
        if unknown:
            raise GempyGanError(f"The study {what} '{unknown[0]}', which is no well of it. Wells: {', '.join(sorted(names))}.")
    if len(names) < len(wells):
        raise GempyGanError("Two wells of the study have the same name. Expected each once: check [wells] files.")
    return wells


def prior_of(study: Study, known: Constraints) -> Prior:
    """The study's prior on its grid, as `prior_from` builds it."""
    return prior_from(study.prior["name"], known, **{key: value for key, value in study.prior.items() if key != "name"})


def prior_from(name: str, known: Constraints, **options: Any) -> Prior:
    """The prior `name` on the constraints' grid. Its options mean, std and quantiles may say "wells": those of the
    conditioning wells; mean may say "layers": the wells' mean of each layer; `rescaled_to` may say "grid": its cells. A prior
    that takes no quantiles itself gets them as a `MatchedPrior`, with `own` quantiles where they are stated.

    Raises PluginError for an unknown name, GempyGanError for options that it does not take, and when no well tells them.
    """
    from gempy_gan.inversion import prior_given
    from gempy_gan.plugins import registry

    statistics: dict[str, dict[str, Callable[..., Any]]] = {
        "mean": {"wells": _mean, "layers": _layer_means},
        "std": {"wells": _std},
        "quantiles": {"wells": _quantiles},
    }
    for key in statistics.keys() & options.keys():
        how = options[key]
        if isinstance(how, str):
            if how not in statistics[key]:
                allowed = " or ".join(f'"{word}"' for word in statistics[key])
                raise GempyGanError(f"The prior's {key} is {how!r}. Expected {allowed}, or numbers in the property's unit.")
            options[key] = statistics[key][how](_of_property(known, options.get("property")), known.grid)
    if options.get("rescaled_to") == "grid":
        options["rescaled_to"] = known.grid.cell_size
    if "quantiles" not in options or "quantiles" in inspect.signature(registry().get("priors", name).load()).parameters:
        return prior_given(name, known, **options)
    from gempy_gan.matching import MatchedPrior

    constrained = sorted({term.property for term in known.hard})
    property = options.pop("property", constrained[0] if len(constrained) == 1 else None)
    quantiles, own = options.pop("quantiles"), options.pop("own", None)
    return MatchedPrior(prior_given(name, known, **options), quantiles, property, own)


def write_diagnosis(diagnosis: Diagnosis, folder: Path) -> list[Path]:
    """The diagnosis as `diagnosis.txt`, to read, and `diagnosis.json`, to compare."""
    texts = {"diagnosis.txt": f"{diagnosis}\n", "diagnosis.json": json.dumps(diagnosis.to_dict(), indent=1)}
    for name, text in texts.items():
        with staged(folder / name) as file:
            file.write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def export(study: Study, ensemble: Ensemble) -> list[Path]:
    """The ensemble (or its first realizations) in the study's formats, one folder each."""
    folder = study.out
    kept = (
        ensemble if study.output.realizations is None else ensemble.select(range(min(study.output.realizations, len(ensemble))))
    )
    endings = [ending.removeprefix(".") for ending in study.output.formats]
    tracked = progress.track(endings, "exporting", len(endings))
    files = [file for ending in tracked for file in write(kept, folder / ending / f"ensemble.{ending}")]
    return files + (write_surfaces(ensemble.grid, folder / "surfaces" / "unit.irap") if study.output.surfaces else [])


def draw(ensemble: Ensemble, known: Constraints, withheld: Constraints, folder: Path) -> list[Path]:
    """The pictures of a run, one PNG each."""
    from gempy_gan import plot

    files = []
    for name, figure in plot.pictures(ensemble, known, withheld):
        with staged(folder / f"{name}.png") as file:
            plot.save(figure, file)
        files.append(folder / f"{name}.png")
    return files


def report(study: Study, ensemble: Ensemble, known: Constraints, withheld: Constraints, diagnosis: Diagnosis) -> Path:
    """The report of a run: `report.html` in the study's output folder."""
    from gempy_gan.report import card_of, write_report

    card = card_of(ensemble, study.prior["name"])
    held_out = withheld if withheld.terms else None
    return write_report(ensemble, study.out / "report.html", known, held_out, diagnosis, card=card, **told_by(study))


def told_by(study: Study) -> dict[str, Any]:
    """What a study tells a report: its text, what the readers of its files found, and the command that repeats it."""
    told: dict[str, Any] = {"health": health_of(study)}
    if study.source is not None:
        told["study"] = study.source.read_text(encoding="utf-8")
        told["command"] = f"gempy-gan run {shlex.quote(str(study.source))} --out FOLDER"
    return told


def health_of(study: Study) -> dict[str, Health]:
    """What the readers of the study's files find, by well and by seismic file; for that they are read again."""
    data = read_data(study)
    of_wells = {well.name: well.health for _, wells in data.wells for well in wells}
    return of_wells | {section.file: cube.health for section, cube in data.cubes}


def _write_data(known: Constraints, withheld: Constraints, folder: Path) -> list[Path]:
    """The conditioning data, and the held-out data where there are some."""
    files = [write_constraints(known, folder / "constraints.nc")]
    return [*files, write_constraints(withheld, folder / "held_out.nc")] if withheld.terms else files


def _write_model(study: Study, folder: Path) -> list[Path]:
    """The GemPy model that was made of tops, for GemPy and its viewer."""
    if study.grid.surfaces is None:
        return []
    from gempy_gan.geomodel import save_gempy

    return [save_gempy(model_of(study), folder / "model.gempy")]


def _read(file: Path, kind: type, where: str, **options: Any) -> Any:
    """Read a file that must hold what a section is about."""
    with _naming(file, where):
        found = read(file, **options)
    if not isinstance(found, kind):
        raise FormatError(f"{file} holds a {type(found).__name__}. Expected a {kind.__name__}: check {where}.")
    return found


@contextmanager
def _naming(file: Path, where: str) -> Iterator[None]:
    """Errors of the block name the file and the section of the study that it belongs to."""
    try:
        yield
    except GempyGanError as error:
        if file.name in str(error):
            raise
        raise type(error)(f"{file.name}, in {where}: {error}") from error


def _apply(
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


def _files(study: Study, section: WellsSection) -> list[Path]:
    return [file for pattern in section.files for file in _matching(study, pattern)]


def _matching(study: Study, pattern: str) -> list[Path]:
    """The files of a path or pattern, in a fixed order. Raises FormatError when there is none."""
    whole = str(study.path(pattern))
    found = sorted(Path(file) for file in glob(whole))  # noqa: PTH207  # Path.glob takes no absolute pattern
    if not found:
        raise FormatError(f"No file matches {whole!r}. Check the files of [wells]: they are relative to the study.")
    return found


def _tables(study: Study, section: WellsSection) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The tables of heads and tops that the section names."""
    from gempy_gan.adapters.tables import read_heads, read_tops

    return _table(study, read_heads, section.heads, "heads"), _table(study, read_tops, section.tops, "tops")


def _table(study: Study, reader: Callable[..., pd.DataFrame], given: Options | None, name: str) -> pd.DataFrame | None:
    from gempy_gan.adapters.tables import read_table

    if given is None:
        return None
    where = f"The study's [wells.{name}]"
    if "file" not in given:
        raise GempyGanError(f'{where} names no file: {dict(given)}. Expected an entry file = "...".')
    options = {key: value for key, value in given.items() if key != "file"}
    return _apply(reader, study.path(given["file"]), where=where, options=options, passes_to=read_table)


def _well(study: Study, section: WellsSection, file: Path, heads: pd.DataFrame | None, tops: pd.DataFrame | None) -> WellLog:
    """One well as the section says."""
    from gempy_gan.wells import flatten, gamma_to_fraction

    well = _placed(study, section, file, heads)
    depth: dict[str, float] = {} if tops is None else _depths(_of_file(tops, file, "tops"))
    if section.gamma is not None:
        if section.curve in well.curves:
            raise GempyGanError(
                f"{file.name} has a curve '{section.curve}' already, and [wells.gamma] would make it. "
                "Leave gamma out, or name the curve otherwise."
            )
        interval = tuple(_top(depth, name, file) for name in section.gamma.get("interval", ())) or None
        options = {**section.gamma, "interval": interval, "mnemonic": section.curve}
        well = _apply(gamma_to_fraction, well, where="The study's [wells.gamma]", options=options)
    if section.flatten is None:
        return well
    options = {key: _top(depth, value, file) for key, value in section.flatten.items()}
    return _apply(flatten, well, where="The study's [wells.flatten]", options=options)


def _placed(study: Study, section: WellsSection, file: Path, heads: pd.DataFrame | None) -> WellLog:
    """One well as it is read, along its trajectory."""
    from gempy_gan.wells import WellLog

    options: dict[str, Any] = {"kb": "header", "xy": "header", **section.read}
    if heads is not None:
        head = _of_file(heads, file, "heads").iloc[0]
        options |= {"name": file.stem, "xy": (float(head["x"]), float(head["y"])), "kb": float(head["kb"])}
    well: WellLog = _read(file, WellLog, "[wells]", **options)
    if well.name in section.surveys:
        well = _read(file, WellLog, "[wells]", **options, survey=study.path(section.surveys[well.name]))
    return well


def _depths(tops: pd.DataFrame) -> dict[str, float]:
    return dict(zip(tops["top"].astype(str), tops["md"].astype(float), strict=True))


def _of_file(table: pd.DataFrame, file: Path, what: str) -> pd.DataFrame:
    """The rows of the well in a file: those whose well is the file's name, with or without ending."""
    rows = table[table["well"].isin([file.name, file.stem])]
    if rows.empty or (what == "heads" and len(rows) > 1):
        raise GempyGanError(
            f"{len(rows)} rows of the table of {what} belong to {file.name}. Expected wells named like the files."
        )
    return rows


def _top(depth: Mapping[str, float], name: str | float, file: Path) -> float:
    """The measured depth of a top, given by name or as a number."""
    if not isinstance(name, str):
        return float(name)
    if name not in depth:
        raise GempyGanError(f"{file.name} has no top '{name}'. It has: {', '.join(depth) or 'none'}. See tops in [wells].")
    return depth[name]


def _blocked(section: WellsSection, wells: list[WellLog], grid: Grid) -> list[HardData]:
    from gempy_gan.blocking import block

    options = {"curve": section.curve, "property": section.property, "std": section.std, **section.block}
    return [_apply(block, wells, grid, where="The study's [wells.block]", options=options)] if wells else []


def _cube(study: Study, section: SeismicSection) -> SeismicCube:
    from gempy_gan.seismic import SeismicCube

    found: SeismicCube = _read(study.path(section.file), SeismicCube, "[seismic]", domain=section.domain, **section.read)
    return found


def _resampled(study: Study, section: SeismicSection, cube: SeismicCube, grid: Grid) -> SoftData:
    from gempy_gan.plugins import get_forward
    from gempy_gan.resampling import resample

    options = {"forward": get_forward(**section.forward), "std": section.std, **section.resample}
    with _naming(study.path(section.file), "[seismic]"):
        return _apply(resample, cube, grid, where="The study's [seismic.resample]", options=options)


def _of_property(known: Constraints, name: str | None) -> HardData:
    """The hard data of a property, or of the only one. Raises GempyGanError when there are none, or it is not said which."""
    terms = [term for term in known.hard if name in (term.property, None)]
    if len({term.property for term in terms}) != 1:
        constrained = ", ".join(sorted({term.property for term in known.hard})) or "none"
        wanted = "its property" if name is None else repr(name)
        raise GempyGanError(
            f"The prior takes statistics of {wanted} from the wells, and they constrain: {constrained}. "
            "Say which property, or state numbers instead."
        )
    cells, values, std = (np.concatenate([getattr(term, part) for term in terms]) for part in ("cells", "values", "std"))
    return HardData(cells, values, std, terms[0].property)


def _mean(data: HardData, grid: Grid) -> float:
    """The mean of the wells' cells."""
    return float(data.values.mean())


def _layer_means(data: HardData, grid: Grid) -> list[float]:
    """The mean of the wells' cells of each layer, interpolated where no well passes."""
    layers = np.arange(grid.resolution[2])
    count = np.bincount(data.cells[:, 2], minlength=len(layers))
    total = np.bincount(data.cells[:, 2], weights=data.values, minlength=len(layers))
    filled = count > 0
    return [float(v) for v in np.interp(layers, layers[filled], total[filled] / count[filled])]


def _std(data: HardData, grid: Grid) -> float:
    """The standard deviation of the wells' cells about their mean."""
    return float(data.values.std())


def _quantiles(data: HardData, grid: Grid) -> list[float]:
    """Values of the wells' cells at probabilities 0, 0.05, ... 1."""
    return [float(v) for v in np.quantile(data.values, np.linspace(0, 1, 21))]
