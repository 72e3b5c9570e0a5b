"""The data of a study: its wells and cubes, read once, and the constraints that they are on its grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.grid import Grid
from gempy_gan.study import SeismicSection, Study, WellsSection
from gempy_gan.workflow.grid import grid_of
from gempy_gan.workflow.options import apply, naming, read_as
from gempy_gan.workflow.wells import read_wells

if TYPE_CHECKING:
    from gempy_gan.health import Health
    from gempy_gan.seismic import SeismicCube
    from gempy_gan.wells import WellLog


@dataclass(frozen=True)
class Data:
    """What a study's files hold, read once: the wells of each of its sections, and the cubes."""

    wells: tuple[tuple[WellsSection, list[WellLog]], ...]
    cubes: tuple[tuple[SeismicSection, SeismicCube], ...]

    def of(self, part: Study) -> Data:
        """What belongs to the sections that a part of the study has."""
        wells = tuple(found for found in self.wells if any(found[0] is section for section in part.wells))
        return Data(wells, tuple(found for found in self.cubes if any(found[0] is section for section in part.seismic)))


def constrain(study: Study) -> tuple[Constraints, Constraints]:
    """What conditions the study, and the wells held out of it, as constraints on its grid; its files are read for that."""
    return constrained(study, grid_of(study), read_data(study))


def constrained(study: Study, grid: Grid, data: Data) -> tuple[Constraints, Constraints]:
    """What `constrain` gives, of a grid and data that are at hand."""
    known: list[HardData | SoftData] = []
    withheld: list[HardData] = []
    for section, wells in data.wells:
        known += _blocked(section, [well for well in wells if well.name not in section.held_out], grid)
        withheld += _blocked(section, [well for well in wells if well.name in section.held_out], grid)
    known += [_resampled(study, section, cube, grid) for section, cube in data.cubes]
    return Constraints(grid, *known), Constraints(grid, *withheld)


def read_data(study: Study) -> Data:
    """The wells and cubes of the study's files."""
    wells = tuple((section, read_wells(study, section)) for section in study.wells)
    return Data(wells, tuple((section, _cube(study, section)) for section in study.seismic))


def health_of(data: Data) -> dict[str, Health]:
    """What the readers of the files found, by well and by seismic file."""
    of_wells = {well.name: well.health for _, wells in data.wells for well in wells}
    return of_wells | {section.file: cube.health for section, cube in data.cubes}


def _blocked(section: WellsSection, wells: list[WellLog], grid: Grid) -> list[HardData]:
    from gempy_gan.blocking import block

    options = {"curve": section.curve, "property": section.property, "std": section.std, **section.block}
    return [apply(block, wells, grid, where="The study's [wells.block]", options=options)] if wells else []


def _cube(study: Study, section: SeismicSection) -> SeismicCube:
    from gempy_gan.seismic import SeismicCube

    found: SeismicCube = read_as(study.path(section.file), SeismicCube, "[seismic]", domain=section.domain, **section.read)
    return found


def _resampled(study: Study, section: SeismicSection, cube: SeismicCube, grid: Grid) -> SoftData:
    from gempy_gan.plugins import get_forward
    from gempy_gan.resampling import resample

    options = {"forward": get_forward(**section.forward), "std": section.std, **section.resample}
    with naming(study.path(section.file), "[seismic]"):
        return apply(resample, cube, grid, where="The study's [seismic.resample]", options=options)
