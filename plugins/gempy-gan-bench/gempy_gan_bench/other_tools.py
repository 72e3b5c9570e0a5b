"""Other tools that fill what lies between wells from a training image: geone's DeeSse and SIS, and MPSlib."""

from __future__ import annotations

import importlib
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import GempyGanError
from gempy_gan.metrics import variograms

if TYPE_CHECKING:
    from gempy_gan_bench.peers import Site

Sand = NDArray[np.bool_]
GENESIM = "mps_genesim"  # MPSlib's program for direct sampling


@dataclass(frozen=True)
class Search:
    """Direct sampling: the training image is searched for `nodes` neighbours of which a share of `threshold` may differ, in at
    most `share` of its cells; then the best that was found is taken."""

    nodes: int
    threshold: float
    share: float

    def __str__(self) -> str:
        return f"{self.nodes} nodes, {self.threshold:g}, {100 * self.share:g} %"


def deesse(site: Site, n: int, seed: int, search: Search) -> Sand:
    """Direct sampling of the training image (DeeSse, of geone: commercial outside academia), each cell revisited at most once."""
    geone = _geone()
    points = np.vstack([site.cells.T + 0.5, _facies(site)]).astype(float)
    nx, ny, nz = site.sand.shape
    image = geone.img.Img(*site.image.shape, nv=1, val=site.image.T.astype(float), varname="facies")
    found = geone.deesseinterface.deesseRun(
        geone.deesseinterface.DeesseInput(
            nx=nx, ny=ny, nz=nz, nv=1, varname="facies", TI=image,
            dataPointSet=geone.img.PointSet(npt=len(site.cells), nv=4, val=points, varname=["X", "Y", "Z", "facies"]),
            distanceType="categorical", nneighboringNode=search.nodes, distanceThreshold=search.threshold,
            maxScanFraction=search.share, npostProcessingPathMax=1, seed=seed + 1, nrealization=n,
        ),
        nthreads=1, verbose=0,
    )  # fmt: skip
    return np.stack([np.asarray(each.val[0]).T > 0.5 for each in found["sim"]])


def indicator_simulation(site: Site, n: int, seed: int) -> Sand:
    """Sequential indicator simulation (geone), with ranges fitted to the training image."""
    geone = _geone()
    share = float(site.image.mean())
    model = geone.covModel.CovModel3D([("exponential", {"w": share * (1 - share), "r": list(_ranges(site.image))})])
    found = geone.geosclassicinterface.simulateIndicator(
        [0.0, 1.0], [model, model], site.sand.shape, probability=[1 - share, share], method="simple_kriging", x=site.cells + 0.5,
        v=_facies(site).astype(float), seed=seed + 1, nreal=n, nproc=1, nthreads_per_proc=1, verbose=0,
    )  # fmt: skip
    return np.asarray(found["image"].val.transpose(0, 3, 2, 1) > 0.5)


def genesim(site: Site, n: int, seed: int, search: Search) -> Sand:
    """Direct sampling of the training image (MPSlib's program mps_genesim: LGPL), which reads and writes files."""
    program = _program(GENESIM)
    with TemporaryDirectory() as folder:
        nx, ny, nz = site.image.shape
        _write_eas(Path(folder, "ti.dat"), f"{nx} {ny} {nz}", ["facies"], site.image.T.reshape(-1, 1))
        _write_eas(Path(folder, "wells.dat"), "wells", ["X", "Y", "Z", "facies"], np.c_[site.cells + 0.5, _facies(site)])
        Path(folder, "genesim.txt").write_text(genesim_parameters(site, n, seed, search))
        done = subprocess.run([program, "genesim.txt"], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        files = [Path(folder, f"ti.dat_sg_{number}.gslib") for number in range(n)]
        if done.returncode or not all(file.is_file() for file in files):
            raise GempyGanError(
                f"{GENESIM} left no realizations (exit status {done.returncode}): {(done.stdout + done.stderr)[-300:]}"
            )
        return np.stack([np.loadtxt(file, skiprows=3).reshape(site.sand.shape[::-1]).T > 0.5 for file in files])


def genesim_parameters(site: Site, n: int, seed: int, search: Search) -> str:
    """The parameter file of mps_genesim: one value a line, told by its place."""
    nx, ny, nz = site.sand.shape
    lines: list[tuple[str, object]] = [
        ("Number of realizations", n),
        ("Random seed", seed + 1),
        ("Maximum number of counts for conditional pdf", 1),  # one: direct sampling
        ("Max number of conditional points", search.nodes),
        ("Max number of iterations", round(search.share * site.image.size)),
        ("Distance measure (1: discrete), maximum distance, power", f"1 {search.threshold} 0"),
        ("Colocated dimension", 0),
        ("Max search radius", 1_000_000),
        *((f"Simulation grid size {axis}", size) for axis, size in zip("XYZ", (nx, ny, nz), strict=True)),
        *((f"Simulation grid origin {axis}", 0) for axis in "XYZ"),
        *((f"Simulation grid cell size {axis}", 1) for axis in "XYZ"),
        ("Training image file", "ti.dat"),
        ("Output folder", "."),
        ("Simulation path (1: random)", 1),
        ("Training image path (1: random)", 1),
        ("Hard data file", "wells.dat"),
        ("Hard data search radius", 1),
        ("Soft data categories", "0;1"),
        ("Soft data files (none)", "soft.dat"),
        ("Number of threads", 1),
        ("Debug mode (-1: none)", -1),
        ("Mask file (none)", "mask.dat"),
        ("Entropy", 0),
        ("Estimation", 0),
    ]
    return "".join(f"{name} # {value}\n" for name, value in lines)


SEARCHES: Mapping[str, Search] = {
    "DeeSse": Search(36, 0.05, 0.02),  # what geone takes in three dimensions: 10,000 of this image's cells
    "DeeSse-long": Search(24, 0.05, 0.1),
    "MPSlib": Search(24, 0.05, 0.002),
}
PEERS: Mapping[str, Callable[[Site, int, int], Sand]] = {
    "DeeSse": partial(deesse, search=SEARCHES["DeeSse"]),
    "DeeSse-long": partial(deesse, search=SEARCHES["DeeSse-long"]),
    "SIS": indicator_simulation,
    "MPSlib": partial(genesim, search=SEARCHES["MPSlib"]),
}


def title(name: str) -> str:
    """The name of a peer with its settings."""
    return f"{name} ({SEARCHES[name]})" if name in SEARCHES else name


def check(name: str) -> None:
    """Raises GempyGanError, which says how to install it, where a peer's tool cannot be found."""
    if name == "MPSlib":
        _program(GENESIM)
    else:
        _geone()


def installed() -> tuple[str, ...]:
    """The peers whose tools can be found."""
    return tuple(name for name in PEERS if _is_installed(name))


def _is_installed(name: str) -> bool:
    try:
        check(name)
    except GempyGanError:
        return False
    return True


def _facies(site: Site) -> Sand:
    """What the wells see (k,)."""
    return site.sand[tuple(site.cells.T)]


def _geone() -> Any:
    try:
        for name in ("img", "covModel", "deesseinterface", "geosclassicinterface"):
            importlib.import_module(f"geone.{name}")
        return importlib.import_module("geone")
    except ImportError as error:
        raise GempyGanError(
            f"This peer needs geone, which cannot be imported ({error}). Install it ('pip install geone'; its DeeSse is "
            "commercial outside academia), or ask for others with --peer, or for priors alone with --prior."
        ) from error


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise GempyGanError(
            f"This peer needs MPSlib's program {name!r}, which is not on the PATH. Build it ('make {name}' in a clone of "
            "github.com/ergosimulation/mpslib, LGPL) and put it there, or ask for others with --peer."
        )
    return found


def _write_eas(path: Path, heading: str, columns: list[str], values: Iterable[Iterable[float]]) -> None:
    """A table of text as GSLIB has it: a heading, the columns' count and names, rows."""
    rows = (" ".join(f"{value:g}" for value in row) for row in values)
    path.write_text("\n".join([heading, str(len(columns)), *columns, *rows]) + "\n")


def _ranges(image: Sand) -> tuple[float, float, float]:
    """Ranges (cells) of an exponential model along each axis: the first lag at 95 % of the indicator variogram's sill."""
    curve = variograms.variograms(image[None].astype(np.float32))[0]
    axes, sill = variograms.axis_of(image.shape), float(image.mean() * (1 - image.mean()))
    return tuple(_lag(curve[axes == axis], 0.95 * sill) for axis in range(3))  # type: ignore[return-value]


def _lag(curve: NDArray[Any], level: float) -> float:
    reached = np.flatnonzero(curve >= level)
    return float(reached[0] + 1 if len(reached) else len(curve))
