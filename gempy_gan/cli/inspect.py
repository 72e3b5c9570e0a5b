"""`gempy-gan inspect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gempy_gan.cli.settings import with_settings

if TYPE_CHECKING:
    from gempy_gan.health import Finding
    from gempy_gan.wells import WellLog

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Inspected:
    """A file, what was read from it (None where it was refused), its lines, and everything that was noticed."""

    file: str
    thing: Any
    lines: tuple[str, ...]
    health: tuple[Finding, ...]
    refused: bool = False


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@with_settings
@click.option("--map", "map_", type=click.Path(dir_okay=False), metavar="FILE", help="Draw surveys and wells (.png, .svg, .pdf).")
@click.option("--json", "json_", type=click.Path(dir_okay=False), metavar="FILE", help="Write every finding, for programs.")
def command(files: tuple[str, ...], settings: tuple[tuple[str, Any], ...], map_: str | None, json_: str | None) -> None:
    """Show what files hold, and what is wrong with them.

    Wells, seismic, tables, constraints and ensembles, each with its findings: errors, warnings and notes, with the line and what
    was done. --set goes to the readers that know the option: --set domain=time for SEG-Y, --set xy=header --set kb=header for
    the position that stands in a LAS file. Several files tell how wells and surveys lie.
    """
    from gempy_gan.cli.guard import Failure

    found = []
    for file in files:  # one that cannot be read leaves the others worth a look
        found.append(inspected(file, _meant_for(file, files, dict(settings))))
        _show(found[-1])
    placed = [replace(item, thing=_placed(item)) for item in found]
    for line in _relations(placed):
        click.echo(line)
    if map_ is not None:
        _draw(placed, map_)
    if json_ is not None:
        _write(found, json_)
    failures = sum(item.refused for item in found)
    if failures and len(files) == 1:
        raise SystemExit(1)
    if failures:
        raise Failure(f"{failures} of {len(files)} files cannot be read as what they claim to be.")


def inspected(file: str, settings: Settings) -> Inspected:
    """Read a file and describe it, or say why it is refused."""
    from gempy_gan.cli.describe import describe
    from gempy_gan.cli.paths import read_any
    from gempy_gan.errors import GempyGanError
    from gempy_gan.health import Finding

    try:
        if _is(file, "segy") and "domain" not in settings:
            return _of_no_domain(file, settings)
        thing = read_any(file, **settings)
        lines = tuple(describe(thing))
    except (GempyGanError, OSError) as error:
        line = " ".join(str(error).split())
        line = line if Path(file).name in line else f"{file}: {line}"
        health = (*getattr(error, "health", ()), Finding("error", line, file=Path(file).name))
        return Inspected(file, None, (), health, refused=True)
    health = tuple(getattr(thing, "health", None) or getattr(thing, "attrs", {}).get("health", ()))
    return Inspected(file, thing, (*lines, *_by_header(thing, file, settings), *_bytes_that_fit(file), *map(str, health)), health)


def _of_no_domain(file: str, settings: Settings) -> Inspected:
    """SEG-Y without saying time or depth: everything but the vertical axis is certain."""
    from gempy_gan.cli.describe import describe
    from gempy_gan.cli.paths import read_any
    from gempy_gan.health import Finding

    cube = read_any(file, **{**settings, "domain": "time"})
    last = cube.axis[-1]
    times, depths = f"{cube.start:g} to {last:g} s", f"{1000 * cube.start:g} to {1000 * last:g} length units"
    axis = f"vertical axis: {times} if in time, {depths} if in depth"
    lines = [axis if line.startswith("vertical axis") else line for line in describe(cube)]
    doubt = Finding(
        "warning", "SEG-Y does not tell time from depth", "Say --set domain=time or domain=depth.", file=Path(file).name
    )
    health = (*cube.health, doubt)
    return Inspected(file, cube, (*lines, *_bytes_that_fit(file), *map(str, health)), health)


def _bytes_that_fit(file: str) -> list[str]:
    """Where the trace headers of SEG-Y could hold line numbers and positions, the likeliest first."""
    from gempy_gan.adapters.segy_scan import scan_segy

    return [f"header bytes that fit: {proposal}" for proposal in scan_segy(file, most=2)] if _is(file, "segy") else []


def _show(item: Inspected) -> None:
    if not item.refused:
        click.echo("\n  ".join([item.file, *item.lines]))
        return
    *noticed, error = item.health
    if warnings := [str(finding) for finding in noticed if finding.level == "warning"]:
        click.echo("\n  ".join([item.file, *warnings]))
    click.echo(error.message, err=True)


def _is(file: str, adapter: str) -> bool:
    from gempy_gan.plugins import registry

    entry = registry().for_path("adapters", Path(file))
    return entry is not None and entry.name == adapter


def _meant_for(file: str, files: Sequence[str], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings for this file: without those that only readers of the other files know."""
    import inspect

    from gempy_gan.plugins import registry

    def known(path: str) -> set[str]:
        entry = registry().for_path("adapters", Path(path))
        return set() if entry is None else set(inspect.signature(entry.load()).parameters)

    elsewhere = set().union(*(known(other) for other in files if other != file)) if len(files) > 1 else set()
    return {name: value for name, value in settings.items() if name in known(file) or name not in elsewhere}


def _by_header(thing: Any, file: str, settings: Settings) -> list[str]:
    """What the header of a well says about its position, where nobody asked for it."""
    from gempy_gan.wells import WellLog

    if not isinstance(thing, WellLog) or thing.trajectory is not None:
        return []
    well, reason = _of_header(file, settings)
    if well is None:
        return [f"its header does not place it: {reason}"]
    x, y, z = (float(well.stations[axis].iloc[0]) for axis in "xyz")
    return [
        f"its header places it at x {x:.2f}, y {y:.2f}, kb {z + float(well.stations['md'].iloc[0]):.2f} m (xy=header, kb=header)"
    ]


def _of_header(file: str, settings: Settings) -> tuple[WellLog | None, str]:
    from gempy_gan.cli.paths import read_any
    from gempy_gan.errors import GempyGanError

    try:
        return read_any(file, **{**settings, "xy": "header", "kb": "header"}), ""
    except GempyGanError as error:
        return None, " ".join(str(error).split()).partition(": ")[2]


def _placed(item: Inspected) -> Any:
    """The thing, a well without a position by its header's, for the map; its elevation does not matter there."""
    from gempy_gan.cli.paths import read_any
    from gempy_gan.errors import GempyGanError
    from gempy_gan.wells import WellLog

    if not isinstance(item.thing, WellLog) or item.thing.trajectory is not None or not _is(item.file, "las"):
        return item.thing
    try:
        head = read_any(item.file, xy="header", kb=0.0, depth=None, null=())
    except (GempyGanError, OSError):
        return item.thing
    return replace(item.thing, trajectory=head.trajectory)


def _wells_and_surveys(found: Sequence[Inspected]) -> tuple[dict[str, Any], dict[str, Any]]:
    from gempy_gan.seismic import SeismicCube
    from gempy_gan.wells import WellLog

    wells = {
        item.thing.name: item.thing for item in found if isinstance(item.thing, WellLog) and item.thing.trajectory is not None
    }
    return wells, {Path(item.file).name: item.thing for item in found if isinstance(item.thing, SeismicCube)}


def _relations(found: Sequence[Inspected]) -> list[str]:
    """Where each well stands in each survey."""
    import numpy as np

    wells, surveys = _wells_and_surveys(found)
    lines = []
    for name, cube in surveys.items():
        for title, well in wells.items():
            head = well.trajectory[["x", "y"]].to_numpy()[:1]
            nearest = float(np.linalg.norm(cube.xy - head, axis=1).min())
            where = f"{nearest:.0f} m from the nearest trace of {name}"
            if cube.binning is not None and cube.binning.is_3d:
                inline, crossline = cube.binning.lines(head)[0]
                inside = ((cube.lines.min(axis=0) <= [inline, crossline]) & ([inline, crossline] <= cube.lines.max(axis=0))).all()
                where += f", {'at' if inside else 'outside, would be at'} inline {inline:.1f}, crossline {crossline:.1f}"
            lines.append(f"{title}: {where}")
    return lines


def _draw(found: Sequence[Inspected], path: str) -> None:
    from gempy_gan.atomic import staged
    from gempy_gan.errors import GempyGanError
    from gempy_gan.plot import save
    from gempy_gan.plot.survey import survey_map

    wells, surveys = _wells_and_surveys(found)
    if not (wells or surveys):
        raise GempyGanError("There is nothing to draw: no survey, and no well with a position (--set xy=header --set kb=header).")
    figure = survey_map(surveys, wells)
    with staged(Path(path)) as file:
        save(figure, file)
    click.echo(f"{path}: map of {_count(surveys, 'survey')} and {_count(wells, 'well')}")


def _count(things: Mapping[str, Any], name: str) -> str:
    return f"{len(things)} {name}{'s' * (len(things) != 1)}"


def _write(found: Sequence[Inspected], path: str) -> None:
    import json

    from gempy_gan.atomic import staged

    rows = [
        {"file": item.file, "refused": item.refused, "health": [asdict(finding) for finding in item.health]} for item in found
    ]
    with staged(Path(path)) as file:
        file.write_text(json.dumps(rows, indent=1), encoding="utf-8")
