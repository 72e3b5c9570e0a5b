"""Any study, run: of one unit, or of several units and structures that meet on the model's grid."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan import workflow
from gempy_gan.atomic import staged
from gempy_gan.errors import FormatError, GempyGanError, GempyGanWarning
from gempy_gan.gempy_model import regular_grid
from gempy_gan.regridding import regrid
from gempy_gan.run_summary import Summary, summarize, write_summary
from gempy_gan.structural_inversion import part_seed
from gempy_gan.structural_uncertainty import StructuralDraw, vary_structure
from gempy_gan.study import StructureSection, Study, UnitSection

if TYPE_CHECKING:
    import pandas as pd

    from gempy_gan.constraints import Constraints
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.grid import Grid

TOGETHER = "model"  # the folder of what lies on the model's grid


@dataclass(frozen=True)
class PartsResult:
    """What such a run leaves: the results by unit and structure, all realizations on the model's grid, and every file written."""

    parts: Mapping[str, Sequence[workflow.Result]]
    ensemble: Ensemble
    diagnosis: Summary
    files: tuple[Path, ...]

    def listing(self, folder: Path) -> str:
        """The files below a folder, as `Result.listing` tells them."""
        return workflow.listing(self.files, folder)


def run(study: Study, resume: bool = False) -> workflow.Result | PartsResult:
    """The whole study, into its output folder. A study of one unit is run as `workflow.run` does.

    Of several units each has a folder named after it, of several structures each has a folder `structure-000` and so on, with
    the GemPy model that was drawn (`model.gempy`) and how its points moved (`displaced.csv`), and in it the units' folders where
    there are several. Each of these holds what the run of one unit leaves, exports in its own geometry among it. The folder
    `model` holds all realizations on the model's grid, in the study's formats too; `summary.txt` says how the parts honour their
    data.

    `resume` continues what an interrupted run of the same study left. Raises what `workflow.run` and `vary_structure` do.
    """
    if not (study.units or study.structure):
        return workflow.run(study, resume)
    folder = study.out
    if folder.exists() and any(folder.rglob("ensemble.zarr")) and not resume:
        raise GempyGanError(
            f"{folder} holds ensembles already. Continue an interrupted run with --resume, write elsewhere with --out, or "
            "remove it."
        )
    data, model = workflow.read_data(study), workflow.model_of(study)
    units = _units(study)
    checked = _checked(study, units, data)
    draws = _structures(study, model)
    parts: dict[str, list[workflow.Result]] = {unit.element: [] for unit in units}
    files: list[Path] = []
    for draw in draws:
        home = folder if draw is None else folder / f"structure-{draw.number:03d}"
        files += [] if draw is None else _write_structure(draw, home)
        for k, unit in enumerate(units):
            part = _part(study, unit, k, home, draw, checked[unit.element][0].grid, len(draws))
            found = checked[unit.element] if draw is None else None
            notes = {} if draw is None else {"structure": draw.record}
            parts[unit.element].append(workflow.run(part, resume, data.of(part), found, notes, not (draw and draw.number)))
            files += parts[unit.element][-1].files
    together, written = _together(study, parts, model)
    summary = summarize(parts, draws, together)
    return PartsResult(parts, together, summary, (*files, *written, *write_summary(summary, folder)))


def _units(study: Study) -> tuple[UnitSection, ...]:
    if study.units:
        return study.units
    if study.grid.element is None:
        raise GempyGanError('The study\'s [grid] names a model and no element. Say which unit: element = "Reservoir".')
    return (UnitSection(study.grid.element),)


def _checked(study: Study, units: Sequence[UnitSection], data: workflow.Data) -> dict[str, tuple[Constraints, Constraints]]:
    """The units' constraints in the model as it is; what does not fit is found before anything is written."""
    from gempy_gan.inversion import prepare
    from gempy_gan.plugins import get_strategy

    found = {}
    for k, unit in enumerate(units):
        part = _part(study, unit, k, study.out, None, None, 1)
        found[unit.element] = known, _ = workflow.constrained(part, workflow.grid_of(part), data.of(part))
        strategy = None if part.strategy is None else get_strategy(**part.strategy)
        prepare(workflow.prior_of(part, known), known, strategy, part.n, part.batch)
    return found


def _part(
    study: Study, unit: UnitSection, number: int, home: Path, draw: StructuralDraw | None, grid: Grid | None, draws: int
) -> Study:
    """The study of one unit in one structure. `grid` is the unit's in the model itself."""
    own = {key: value for key in ("resolution", "extent", "frame", "thickness") if (value := getattr(unit, key)) is not None}
    section = replace(study.grid, element=unit.element, **own)
    if draw is not None and grid is not None:
        section = replace(section, model=str((home / "model.gempy").resolve()), surfaces=None)
        if section.resolution is not None and section.extent is None:
            heights = grid.extent[4:] if section.frame == "box" else tuple(regular_grid(draw.model).extent[4:])
            section = replace(section, extent=[*grid.extent[:4], *map(float, heights)])
        elif study.grid.surfaces is not None:
            section = replace(section, extent=[float(v) for v in regular_grid(draw.model).extent])
    structure = 0 if draw is None else draw.number
    return replace(
        study,
        grid=section,
        prior=study.prior if unit.prior is None else unit.prior,
        strategy=study.strategy if unit.strategy is None else unit.strategy,
        wells=tuple(s for s in study.wells if unit.properties is None or s.property in unit.properties),
        seismic=study.seismic if unit.seismic else (),
        output=replace(study.output, pictures=study.output.pictures and structure == 0),
        units=(),
        structure=None,
        n=study.n // draws,
        seed=part_seed(study.seed, structure, number),
        elsewhere=home / slug(unit.element) if study.units else home,
    )


def slug(name: str) -> str:
    """A unit's name as that of a folder.

    >>> slug("Upper Sand / 2")
    'Upper_Sand_2'
    """
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "unit"


def _structures(study: Study, model: Any) -> Sequence[StructuralDraw | None]:
    """The structures of the study; None stands for the model as it is."""
    section = study.structure
    if section is None:
        return [None]
    below = _surfaces_of_tops(study, model)
    std = {below.get(name, name): float(value) for name, value in section.std.items()}
    return vary_structure(
        model,
        std,
        study.n if section.draws is None else section.draws,
        study.seed,
        range=section.range,
        correlation=section.correlation,
        dip=section.dip,
        spacing=section.spacing,
        picks=_picks(study, section, below),
    )


def _surfaces_of_tops(study: Study, model: Any) -> dict[str, str]:
    """The elements of a model of tops, by the top on which their bases lie; empty for another model."""
    if study.grid.surfaces is None:
        return {}
    names = [e.name for group in model.structural_frame.structural_groups for e in group.elements]
    return dict(zip(study.grid.surfaces, names, strict=False))


def _picks(study: Study, section: StructureSection, below: Mapping[str, str]) -> pd.DataFrame | None:
    """Where wells meet surfaces: from the tops of the wells, and from a table."""
    import pandas as pd

    found = []
    tops_on = {element: top for top, element in below.items()} | dict(section.picks or {})
    if tops_on:
        tops = workflow.tops_of(study)
        missing = sorted(set(tops_on.values()) - set(tops["top"]))
        if missing:
            known = ", ".join(sorted(set(tops["top"]))) or "none"
            raise GempyGanError(f"The study's [structure] picks name the top {missing[0]!r}. The wells have: {known}.")
        found += [tops[tops["top"] == top].assign(surface=surface) for surface, top in tops_on.items()]
    if section.picks_file is not None:
        from gempy_gan.adapters.tables import read_table

        found.append(read_table(study.path(section.picks_file)))
    return pd.concat(found, ignore_index=True) if found else None


def _write_structure(draw: StructuralDraw, home: Path) -> list[Path]:
    from gempy_gan.geomodel import save_gempy

    home.mkdir(parents=True, exist_ok=True)
    with staged(home / "displaced.csv") as file:
        draw.displaced.to_csv(file, index=False, float_format="%.4f")
    return [save_gempy(draw.model, home / "model.gempy"), home / "displaced.csv"]


def _together(study: Study, parts: Mapping[str, Sequence[workflow.Result]], model: Any) -> tuple[Ensemble, list[Path]]:
    """All realizations on the model's grid, and the files that hold them."""
    from gempy_gan.geomodel import model_grid

    folder = study.out / TOGETHER
    if folder.exists():  # of an earlier run that is resumed: it is made of the parts
        shutil.rmtree(folder)
    units = {name: [result.ensemble for result in results] for name, results in parts.items()}
    store = folder / "ensemble.zarr"
    together = regrid(units, model_grid(model), store)
    return together, [store, *_exported(study, together, folder)]


def _exported(study: Study, together: Ensemble, folder: Path) -> list[Path]:
    """In the study's formats, but for those that hold no cells without a value: each part lies there in its own geometry."""
    files = []
    for ending in study.output.formats:
        one = replace(study, elsewhere=folder, output=replace(study.output, formats=[ending], surfaces=False))
        try:
            files += workflow.export(one, together)
        except FormatError as error:
            warnings.warn(f"Not written on the model's grid: {error}", GempyGanWarning, stacklevel=2)
    return files
