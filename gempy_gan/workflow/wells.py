"""The wells of a study: read, placed, flattened, and where they meet their tops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gempy_gan import progress
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.study import Options, Study, WellsSection
from gempy_gan.workflow.options import apply, read_as

if TYPE_CHECKING:
    import pandas as pd

    from gempy_gan.wells import WellLog


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
    return apply(reader, study.path(given["file"]), where=where, options=options, passes_to=read_table)


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
        well = apply(gamma_to_fraction, well, where="The study's [wells.gamma]", options=options)
    if section.flatten is None:
        return well
    options = {key: _top(depth, value, file) for key, value in section.flatten.items()}
    return apply(flatten, well, where="The study's [wells.flatten]", options=options)


def _placed(study: Study, section: WellsSection, file: Path, heads: pd.DataFrame | None) -> WellLog:
    """One well as it is read, along its trajectory."""
    from gempy_gan.wells import WellLog

    options: dict[str, Any] = {"kb": "header", "xy": "header", **section.read}
    if heads is not None:
        head = _of_file(heads, file, "heads").iloc[0]
        options |= {"name": file.stem, "xy": (float(head["x"]), float(head["y"])), "kb": float(head["kb"])}
    well: WellLog = read_as(file, WellLog, "[wells]", **options)
    if well.name in section.surveys:
        well = read_as(file, WellLog, "[wells]", **options, survey=study.path(section.surveys[well.name]))
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
