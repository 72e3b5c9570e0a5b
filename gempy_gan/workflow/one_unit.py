"""A study of one unit, run: constraints, ensemble, diagnosis, and what is written of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan.atomic import scratch_beside
from gempy_gan.constraints import Constraints
from gempy_gan.errors import GempyGanError
from gempy_gan.structural_inversion import noted
from gempy_gan.study import Study
from gempy_gan.workflow.conditioning import Data, constrained, health_of, read_data
from gempy_gan.workflow.grid import grid_of
from gempy_gan.workflow.outputs import draw, export, listing, report, write_data, write_diagnosis, write_model
from gempy_gan.workflow.prior import prior_of

if TYPE_CHECKING:
    from gempy_gan.diagnosis import Diagnosis
    from gempy_gan.ensemble import Ensemble

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


def run(
    study: Study,
    resume: bool = False,
    data: Data | None = None,
    constraints: tuple[Constraints, Constraints] | None = None,
    notes: Mapping[str, Any] | None = None,
    compared: bool = True,
) -> Result:
    """The study of one unit: constraints, ensemble, diagnosis, exports, pictures and report, into the study's output folder.

    `resume` continues an ensemble that an interrupted run of the same study left. Raises GempyGanError, before anything is
    read, when the folder holds an ensemble and `resume` is not given, and what the steps raise; whatever was finished by then
    stays, and is whole. `data` and `constraints` are what `read_data` and `constrain` give, where that is known already; `notes`
    go into the ensemble's provenance. The diagnosis compares with unconditional realizations unless `compared` is false.
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
    grid = constraints[0].grid if constraints else grid_of(study)
    data = data or read_data(study)
    known, withheld = constraints or constrained(study, grid, data)
    health = health_of(data) if study.output.pictures else {}
    del data  # cubes may be large, and an inversion needs the memory
    prior = prior_of(study, known)
    prepare(prior, known, strategy, study.n, study.batch)  # what does not fit is found before anything is written
    files = [] if store.exists() else write_data(known, withheld, folder)
    ensemble = invert(prior, known, strategy, study.n, study.seed, store, resume, study.batch, study.clamp)
    ensemble = noted(ensemble, store, notes) if notes else ensemble
    files = files or write_data(known, withheld, folder)  # of a resumed run, now that its store is known to belong to it
    with scratch_beside(folder / "baseline.zarr") as scratch:  # large realizations need not fit into memory
        many = min(study.n, BASELINE)
        baseline = sample(prior, known.grid, many, study.seed, scratch / "baseline.zarr") if compared else None
        diagnosis = diagnose(ensemble, known, withheld if withheld.terms else None, baseline)
    files += [store, *write_diagnosis(diagnosis, folder), *export(study, ensemble), *write_model(study, folder)]
    if study.output.pictures:
        files += draw(ensemble, known, withheld, folder / "pictures")
        files.append(report(study, ensemble, known, withheld, diagnosis, health))
    return Result(ensemble, diagnosis, tuple(files))
