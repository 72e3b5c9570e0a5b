"""What a study does: read and constrain, invert, diagnose, export, one step at a time or all in a row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.files import read, staged, write
from gempy_gan.grid import Grid
from gempy_gan.observations import write_constraints
from gempy_gan.study import Options, SeismicSection, Study, WellsSection

if TYPE_CHECKING:
    import pandas as pd

    from gempy_gan.diagnosis import Diagnosis
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.prior import Prior
    from gempy_gan.wells import WellLog

BASELINE = 50  # unconditional realizations that the diagnosis compares with


@dataclass(frozen=True)
class Result:
    """What a run leaves: the ensemble, its diagnosis, and every file written."""

    ensemble: Ensemble
    diagnosis: Diagnosis
    files: tuple[Path, ...]


def run(study: Study, resume: bool = False) -> Result:
    """The whole study: constraints, ensemble, diagnosis, exports and pictures, into the study's output folder.

    `resume` continues an ensemble that an interrupted run of the same study left. Raises what the steps raise; whatever was
    finished by then stays, and is whole.
    """
    from gempy_gan.diagnostics import diagnose
    from gempy_gan.inversion import invert, sample
    from gempy_gan.plugins import get_strategy

    folder = study.out
    known, withheld = constrain(study)
    prior = prior_of(study, known)
    strategy = None if study.strategy is None else get_strategy(**study.strategy)
    files = [write_constraints(known, folder / "constraints.nc")]
    if withheld.terms:
        files.append(write_constraints(withheld, folder / "held_out.nc"))
    ensemble = invert(prior, known, strategy, study.n, study.seed, folder / "ensemble.zarr", resume)
    baseline = sample(prior, known.grid, min(study.n, BASELINE), study.seed)
    diagnosis = diagnose(ensemble, known, withheld if withheld.terms else None, baseline)
    files += [folder / "ensemble.zarr", *write_diagnosis(diagnosis, folder), *export(study, ensemble)]
    if study.output.pictures:
        files += draw(ensemble, known, withheld, folder / "pictures")
    return Result(ensemble, diagnosis, tuple(files))


def grid_of(study: Study) -> Grid:
    """The study's grid: its box, or the unit of its GemPy model."""
    section = study.grid
    if section.model is not None:
        from gempy_gan.geomodel import from_gempy, load_gempy

        if section.element is None:
            raise GempyGanError('The study\'s [grid] names a model and no element. Say which unit: element = "Reservoir".')
        options = {key: tuple(value) for key in ("resolution", "extent") if (value := getattr(section, key)) is not None}
        return from_gempy(load_gempy(study.path(section.model)), section.element, **options)
    if section.extent is None or section.resolution is None:
        raise GempyGanError("The study's [grid] is incomplete. Expected extent and resolution, or model and element.")
    return Grid(tuple(section.extent), tuple(section.resolution), section.rotation)  # type: ignore[arg-type]  # Grid checks


def constrain(study: Study) -> tuple[Constraints, Constraints]:
    """What conditions the study, and the wells held out of it, as constraints on its grid."""
    grid = grid_of(study)
    known: list[HardData | SoftData] = []
    withheld: list[HardData] = []
    for section in study.wells:
        wells = read_wells(study, section)
        names = _held_out(section, wells)
        known += _blocked(section, [well for well in wells if well.name not in names], grid)
        withheld += _blocked(section, [well for well in wells if well.name in names], grid)
    known += [_resampled(study, section, grid) for section in study.seismic]
    return Constraints(grid, *known), Constraints(grid, *withheld)


def read_wells(study: Study, section: WellsSection) -> list[WellLog]:
    """The wells of one section: read, placed, with the curve from gamma ray, flattened, as the section says."""
    heads, tops = _tables(study, section)
    files = [file for pattern in section.files for file in _matching(study, pattern)]
    return [_well(study, section, file, heads, tops) for file in files]


def prior_of(study: Study, known: Constraints) -> Prior:
    """The study's prior on its grid. Its options mean, std and quantiles may say "wells": those of the conditioning wells;
    mean may say "layers": the wells' mean of each layer."""
    from gempy_gan.inversion import prior_for

    options = {key: value for key, value in study.prior.items() if key != "name"}
    statistics = {"mean": _mean, "std": _std, "quantiles": _quantiles}
    for key, statistic in statistics.items():
        if options.get(key) in ("wells", "layers"):
            options[key] = statistic(_of_property(known, options.get("property")), known.grid, options[key])
    return prior_for(study.prior["name"], known.grid, **options)


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
    return [file for ending in endings for file in write(kept, folder / ending / f"ensemble.{ending}")]


def draw(ensemble: Ensemble, known: Constraints, withheld: Constraints, folder: Path) -> list[Path]:
    """The pictures of a run, one PNG each."""
    from gempy_gan import plot

    files = []
    for name, figure in plot.pictures(ensemble, known, withheld):
        with staged(folder / f"{name}.png") as file:
            plot.save(figure, file)
        files.append(folder / f"{name}.png")
    return files


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

    readers = ((read_heads, section.heads), (read_tops, section.tops))
    return tuple(None if given is None else _table(study, reader, given) for reader, given in readers)  # type: ignore[return-value]


def _table(study: Study, reader: Callable[..., pd.DataFrame], given: Options) -> pd.DataFrame:
    if "file" not in given:
        raise GempyGanError(f'A table of the study\'s [wells] names no file: {dict(given)}. Expected an entry file = "...".')
    return reader(study.path(given["file"]), **{key: value for key, value in given.items() if key != "file"})


def _well(study: Study, section: WellsSection, file: Path, heads: pd.DataFrame | None, tops: pd.DataFrame | None) -> WellLog:
    """One well as the section says."""
    from gempy_gan.wells import flatten, gamma_to_fraction

    options: dict[str, Any] = {"kb": "header", "xy": "header", **section.read}
    if heads is not None:
        head = _of_file(heads, file, "heads").iloc[0]
        options |= {"name": file.stem, "xy": (float(head["x"]), float(head["y"])), "kb": float(head["kb"])}
    well: WellLog = read(file, **options)
    if well.name in section.surveys:
        well = read(file, **options, survey=study.path(section.surveys[well.name]))
    depth: dict[str, float] = {} if tops is None else _depths(_of_file(tops, file, "tops"))
    if section.gamma is not None:
        interval = tuple(_top(depth, name, file) for name in section.gamma.get("interval", ())) or None
        well = gamma_to_fraction(well, **{**section.gamma, "interval": interval, "mnemonic": section.curve})
    if section.flatten is None:
        return well
    return flatten(well, **{key: _top(depth, value, file) for key, value in section.flatten.items()})


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


def _held_out(section: WellsSection, wells: list[WellLog]) -> set[str]:
    """The names to hold out. Raises GempyGanError when one of them is no well of the section."""
    names = {well.name for well in wells}
    unknown = sorted(set(section.held_out) - names)
    if unknown:
        raise GempyGanError(f"The study holds out '{unknown[0]}', which is no well of it. Wells: {', '.join(sorted(names))}.")
    if len(names) < len(wells):
        raise GempyGanError("Two wells of the study have the same name. Expected each once: check [wells] files.")
    return set(section.held_out)


def _blocked(section: WellsSection, wells: list[WellLog], grid: Grid) -> list[HardData]:
    from gempy_gan.blocking import block

    options = {"curve": section.curve, "property": section.property, "std": section.std, **section.block}
    return [block(wells, grid, **options)] if wells else []


def _resampled(study: Study, section: SeismicSection, grid: Grid) -> SoftData:
    from gempy_gan.plugins import get_forward
    from gempy_gan.resampling import resample

    cube = read(study.path(section.file), domain=section.domain, **section.read)
    return resample(cube, grid, forward=get_forward(**section.forward), std=section.std, **section.resample)


def _of_property(known: Constraints, name: str | None) -> HardData:
    """The hard data of a property. Raises GempyGanError when no well constrains it."""
    for term in known.hard:
        if term.property == name:
            return term
    found = ", ".join(sorted({term.property for term in known.hard})) or "none"
    raise GempyGanError(
        f"The prior takes statistics of {name!r} from the wells, and they constrain: {found}. State numbers instead."
    )


def _mean(data: HardData, grid: Grid, how: str) -> float | list[float]:
    """The mean of the wells' cells, or that of each layer, interpolated where no well passes."""
    if how == "wells":
        return float(data.values.mean())
    layers = np.arange(grid.resolution[2])
    count = np.bincount(data.cells[:, 2], minlength=len(layers))
    total = np.bincount(data.cells[:, 2], weights=data.values, minlength=len(layers))
    filled = count > 0
    return [float(v) for v in np.interp(layers, layers[filled], total[filled] / count[filled])]


def _std(data: HardData, grid: Grid, how: str) -> float:
    """The standard deviation of the wells' cells about their mean."""
    return float(data.values.std())


def _quantiles(data: HardData, grid: Grid, how: str) -> list[float]:
    """Values of the wells' cells at probabilities 0, 0.05, ... 1."""
    return [float(v) for v in np.quantile(data.values, np.linspace(0, 1, 21))]
