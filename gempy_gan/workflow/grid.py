"""The grid of a study, and the GemPy model that it follows."""

from __future__ import annotations

from typing import Any

from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.study import Study
from gempy_gan.workflow.wells import tops_of


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
