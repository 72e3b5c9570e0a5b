"""A folded grid in a reservoir simulator: OPM Flow runs on it, and holds our porosity cell by cell.

OPM (GPL) is used by this test alone, in a process of its own: an assertion in it would end the interpreter.
"""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
from folds import fold_from_dict, folded_grid

import gempy_gan.grid
from gempy_gan.ensemble import Ensemble
from gempy_gan.files import write
from gempy_gan.formats.pillars import pillars

DAYS = 90

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("opm") is None or importlib.util.find_spec("opm.simulators") is None,
    reason="OPM Flow is not installed: pip install opm opm-simulators (GPL, for this test only)",
)

DECK = """
RUNSPEC
TITLE
 A folded unit: a producer on the crest, a water injector on the flank
/
DIMENS
 {nx} {ny} {nz} /
OIL
GAS
WATER
METRIC
START
 1 'JAN' 2026 /
WELLDIMS
 2 {nz} 2 2 /
TABDIMS
/
UNIFOUT

GRID
INIT
INCLUDE
 'unit.grdecl' /
INCLUDE
 'unit--porosity--0.grdecl' /
EQUALS
 PERMX 200 /
 PERMY 200 /
 PERMZ 20 /
/

PROPS
PVDO
 100 1.05 1.2
 200 1.04 1.3
 300 1.03 1.4 /
PVDG
 100 0.0100 0.014
 200 0.0050 0.018
 300 0.0035 0.022 /
PVTW
 200 1.02 4.5E-5 0.5 0 /
ROCK
 200 4.5E-5 /
DENSITY
 850 1020 0.9 /
SWOF
 0.2 0.0 1.0 0
 0.5 0.1 0.3 0
 0.8 0.5 0.0 0
 1.0 1.0 0.0 0 /
SGOF
 0.0 0.0 1.0 0
 0.4 0.3 0.2 0
 0.7 0.8 0.0 0 /

SOLUTION
EQUIL
 {top} 200 {contact} 0 {gas} 0 /

SUMMARY
FOPT
FWPT
FPR

SCHEDULE
RPTRST
 BASIC=2 /
WELSPECS
 'PROD' 'G' {producer} 1* 'OIL' /
 'INJ' 'G' {injector} 1* 'WATER' /
/
COMPDAT
 'PROD' {producer} 1 {nz} 'OPEN' 2* 0.2 /
 'INJ' {injector} 1 {nz} 'OPEN' 2* 0.2 /
/
WCONPROD
 'PROD' 'OPEN' 'ORAT' 200 4* 120 /
/
WCONINJE
 'INJ' 'WATER' 'OPEN' 'RATE' 200 1* 300 /
/
TSTEP
 9*10 /
END
"""

RUN = """
from opm.simulators import BlackOilSimulator
options = ["--output-dir=.", "--threads-per-process=1"]
raise SystemExit(BlackOilSimulator("UNIT.DATA", args=options).run())
"""


@pytest.fixture
def unit(monkeypatch):
    """One realization of porosity on a fold with some inactive cells."""
    monkeypatch.setattr(gempy_gan.grid, "frame_from_dict", fold_from_dict)
    resolution = (12, 8, 5)
    active = np.ones(resolution, dtype=bool)
    active[2, 3, :] = active[9:, :2, 4] = False
    porosity = np.random.default_rng(0).uniform(0.15, 0.3, (1, 1, *resolution))
    return Ensemble.from_values(folded_grid(resolution, active=active), ["porosity"], porosity)


def test_flow_runs_on_a_fold_and_holds_our_porosity(tmp_path, unit):
    from resdata.grid import Grid as Resdata
    from resdata.resfile import ResdataFile
    from resdata.summary import Summary

    write(unit, tmp_path / "unit.grdecl", keywords={"porosity": "PORO"})
    nx, ny, nz = unit.grid.resolution
    depth = -unit.grid.centres()[..., 2]
    top = depth.min() - 5
    crest = np.unravel_index(depth[:, :, -1].argmin(), (nx, ny))
    flank = np.unravel_index(depth[:, :, -1].argmax(), (nx, ny))
    wells = {name: f"{i + 1} {j + 1}" for name, (i, j) in (("producer", crest), ("injector", flank))}
    numbers = {"nx": nx, "ny": ny, "nz": nz, "top": f"{top:.1f}", "contact": f"{depth.max() - 10:.1f}", "gas": f"{top - 50:.1f}"}
    (tmp_path / "UNIT.DATA").write_text(DECK.format(**numbers, **wells))
    done = subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    grid = Resdata(str(tmp_path / "UNIT.EGRID"))
    porosity = ResdataFile(str(tmp_path / "UNIT.INIT"))["PORO"][0].numpy_view()
    found = np.full((nx, ny, nz), np.nan)
    for index in range(grid.get_num_active()):
        i, j, k = grid.get_ijk(active_index=index)
        found[i, j, nz - 1 - k] = porosity[index]
    np.testing.assert_array_equal(np.isfinite(found), unit.grid.active_cells)
    np.testing.assert_allclose(found[unit.grid.active_cells], unit.values[0, 0][unit.grid.active_cells], rtol=1e-6)
    volumes = np.array([grid.cell_volume(active_index=index) for index in range(grid.get_num_active())])
    pore = ResdataFile(str(tmp_path / "UNIT.INIT"))["PORV"][0].numpy_view()
    assert pore.sum() == pytest.approx((volumes * porosity).sum(), rel=1e-4)
    nodes = pillars(unit.grid).nodes
    for i, j, k in ((0, 0, 0), (11, 7, 4), (5, 2, 3)):
        x, y, down = grid.get_xyz(ijk=(i, j, nz - 1 - k))
        np.testing.assert_allclose(
            (x, y, -down), nodes[i : i + 2, j : j + 2, k : k + 2].mean(axis=(0, 1, 2)), atol=0.1
        )  # single precision on the map, as resdata turns it

    summary = Summary(str(tmp_path / "UNIT"))
    assert summary.sim_length == pytest.approx(DAYS)
    assert summary.numpy_vector("FOPT")[-1] == pytest.approx(200 * DAYS, rel=1e-3)  # the well gives what it is asked for
