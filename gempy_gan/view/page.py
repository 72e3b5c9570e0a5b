"""write_view(): an ensemble as a page to turn around, cut through and step along."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from gempy_gan.atomic import staged
from gempy_gan.constraints import Constraints
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.view.scene import Budget, scene

MEGABYTES = 5.0
OVERHEAD = 60_000  # characters of the page without its data


def write_view(
    ensemble: Ensemble,
    path: str | os.PathLike[str],
    constraints: Constraints | None = None,
    held_out: Constraints | None = None,
    properties: Sequence[str] = (),
    title: str = "",
    megabytes: float = MEGABYTES,
) -> Path:
    """Write one HTML page that shows an ensemble in three dimensions: slices, thresholds, realizations, probabilities, wells.

    The page holds its data, fetches nothing, and needs a browser with WebGL 2 (any since about 2023). Cells stand in their true
    places, also where the grid follows a folded or faulted unit. Values are kept in 255 steps. `megabytes` bounds the page: as
    many realizations as fit are in it, evenly picked, and it says how many; statistics are those of all. Of more than 300,000
    cells every few are left out, which it says too. `properties` are those shown, all where none is named.

    Raises GempyGanError when not even one realization fits, FormatError when the disk refuses.
    """
    if not megabytes > 0:
        raise GempyGanError(f"A page of {megabytes:g} megabytes was asked for. Expected a positive number.")
    names = [p.name for p in ensemble.properties]
    budget = Budget(int(megabytes * 1e6) - OVERHEAD)
    drawn = scene(ensemble, [ensemble.property(name) for name in properties or names], constraints, held_out, budget)
    name = title or f"{len(ensemble)} realizations of {', '.join(name.replace('_', ' ') for name in properties or names)}"
    target = Path(path)
    with staged(target) as file:
        file.write_text(_page(name, _about(ensemble), budget.notes, drawn), encoding="utf-8")
    return target


def _about(ensemble: Ensemble) -> str:
    grid = ensemble.grid
    cells, size = (" x ".join(f"{n:.4g}" for n in numbers) for numbers in (grid.resolution, grid.cell_size))
    return f"{cells} cells of {size} m, {int(grid.active_cells.sum())} of {grid.size} active; x east, y north, z up."


def _page(title: str, about: str, notes: list[str], drawn: dict[str, object]) -> str:
    """The template with its parts. Its policy lets its own script and style run, and nothing be fetched."""
    template, style, script = _part("html"), _part("css"), _script()
    policy = f"default-src 'none'; script-src {_digest(script)}; style-src {_digest(style)}; base-uri 'none'; form-action 'none'"
    parts = {
        "policy": policy,
        "title": html.escape(title),
        "about": html.escape(about),
        "notes": "".join(f'<p class="words">{html.escape(note)}</p>' for note in notes),
        "most": f"{max(60.0, 2 * float(str(drawn['exaggeration']))):g}",
        "scene": json.dumps(drawn, separators=(",", ":")).replace("<", "\\u003c"),
        "style": style,
        "script": script,
    }
    for name, content in parts.items():
        head, mark, tail = template.partition(f"{{{name}}}")
        template = head + content + tail if name != "title" else template.replace("{title}", content)
        assert mark or name == "title"  # noqa: S101  # the template has a place for each part
    return template


def _part(ending: str) -> str:
    return files("gempy_gan.view").joinpath(f"view.{ending}").read_text(encoding="utf-8")


def _script() -> str:
    return _part("js")


def _digest(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"
