"""What a file holds, in lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gempy_gan.constraints import Constraints
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.grid import Grid
    from gempy_gan.seismic import SeismicCube
    from gempy_gan.wells import WellLog


def describe(thing: Any) -> Iterator[str]:
    """What was read, line by line."""
    from gempy_gan.constraints import Constraints
    from gempy_gan.ensemble import Ensemble
    from gempy_gan.seismic import SeismicCube
    from gempy_gan.wells import WellLog

    if isinstance(thing, WellLog):
        yield from _well(thing)
    elif isinstance(thing, SeismicCube):
        yield from _seismic(thing)
    elif isinstance(thing, Ensemble):
        yield from _ensemble(thing)
    elif isinstance(thing, Constraints):
        yield from _constraints(thing)
    elif hasattr(thing, "columns"):
        yield from _table(thing)
    else:
        yield f"a {type(thing).__name__}"


def _well(well: WellLog) -> Iterator[str]:
    depth = well.curves.index
    yield f"well {well.name}: {len(depth)} samples" + (f", {depth[0]:g} to {depth[-1]:g} m measured depth" if len(depth) else "")
    if well.trajectory is None:
        yield 'position not read: give xy and kb (as numbers or "header") or a survey'
    else:
        x, y, z = (float(well.trajectory[axis].iloc[0]) for axis in "xyz")
        yield f"head at x {x:.2f}, y {y:.2f}, z {z:.2f} m; {len(well.trajectory)} trajectory stations"
    for name, values in well.curves.items():
        known = values.notna()
        bounds = f"{values.min():g} to {values.max():g}" if known.any() and values.dtype.kind in "fiu" else "no numbers"
        yield f"curve {name} [{well.units.get(str(name), '?')}]: {bounds}, {1 - known.mean():.0%} missing"


def _seismic(cube: SeismicCube) -> Iterator[str]:
    unit = "s two-way time" if cube.domain == "time" else "m depth"
    n, samples = cube.traces.shape
    yield f"seismic: {n} traces ({int(cube.dead.sum())} dead) of {samples} samples"
    yield f"vertical axis: {cube.start:g} to {cube.axis[-1]:g} {unit}, step {cube.step:g}"
    (il0, xl0), (il1, xl1) = cube.lines.min(axis=0), cube.lines.max(axis=0)
    (x0, y0), (x1, y1) = cube.xy.min(axis=0), cube.xy.max(axis=0)
    yield f"inlines {il0} to {il1}, crosslines {xl0} to {xl1}; x {x0:.1f} to {x1:.1f}, y {y0:.1f} to {y1:.1f} m"
    if cube.binning is not None:
        kind = "3-D survey" if cube.binning.is_3d else "single line"
        yield f"{kind}: traces lie within {cube.binning.residual:.2f} bins of the fitted line numbers"


def _ensemble(ensemble: Ensemble) -> Iterator[str]:
    asked = ensemble.provenance.get("n", 0)  # of a run that was interrupted, or of which some were selected
    part = f", of a run of {asked}" if isinstance(asked, int) and asked > len(ensemble) else ""
    yield f"ensemble of {len(ensemble)} realizations{part}"
    yield from _grid(ensemble.grid)
    for prop in ensemble.properties:
        codes = ", ".join(f"{code} = {label}" for code, label in prop.facies.items())
        yield f"property {prop.name} [{prop.unit}]" + (f": {codes}" if codes else "")
    record = ensemble.provenance
    for key in ("prior", "strategy"):
        if key in record:
            options = ", ".join(f"{name}={value}" for name, value in record[key]["options"].items())
            yield f"{key} {record[key]['class']}" + (f" ({options})" if options else "")
    known = [f"{key} {record[key]}" for key in ("seed", "constraints") if key in record]
    known += [f"{name} {version}" for name, version in record.get("versions", {}).items()]
    yield f"made with {', '.join(known)}" if known else "no provenance"


def _constraints(constraints: Constraints) -> Iterator[str]:
    yield "constraints on a grid"
    yield from _grid(constraints.grid)
    for term in constraints.hard:
        wells = "" if term.wells is None else f" from wells {', '.join(sorted(set(term.wells)))}"
        yield f"{term.property} at {len(term)} cells{wells}: {_bounds(term.values)}, std {_bounds(term.std)}"
    for data in constraints.soft:
        yield f"{data.name}: {len(data)} values, {_bounds(data.values)}, std {_bounds(data.std)}"


def _bounds(values: NDArray[np.float64]) -> str:
    import numpy as np

    low, high = np.nanmin(values), np.nanmax(values)
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _grid(grid: Grid) -> Iterator[str]:
    x0, x1, y0, y1, z0, z1 = grid.extent
    nx, ny, nz = grid.resolution
    dx, dy, dz = grid.cell_size
    yield f"grid {nx} x {ny} x {nz} cells of {dx:g} x {dy:g} x {dz:g} m, {int(grid.active_cells.sum())} of {grid.size} active"
    yield f"x {x0:g} to {x1:g}, y {y0:g} to {y1:g}, z {z0:g} to {z1:g} m, rotated {grid.rotation:g} degrees"


def _table(table: pd.DataFrame) -> Iterator[str]:
    yield f"table of {len(table)} rows: {', '.join(map(str, table.columns))}"
