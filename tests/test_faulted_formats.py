"""A unit that a fault offsets, in files: on a plain box, or with split pillars and an honest figure of what they miss."""

import numpy as np
import pytest
from ensembles import assert_same

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanWarning
from gempy_gan.formats import eclipse, gslib, resqml, roff, vtk
from gempy_gan.formats.faulted import check_split, on_box
from gempy_gan.frame import rotate
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
from gempy_gan.unit_frame import Faults, SurfaceFrame

EXTENT = (463552.0, 464552.0, 6369856.0, 6370456.0, -1200.0, -1000.0)
BASE, THICKNESS, THROW = -1100.0, 60.0, 45.0
PILLAR = 500.0  # a fault at a pillar of 20 columns of 50 m
SPLIT = "Split pillars are experimental"


def faulted_grid(fault=PILLAR, lean=0.0, active=None):
    """Flat layers 60 m thick, lowered by 45 m beyond a fault at `fault` metres along x, that leans `lean` metres per metre."""
    x = np.linspace(0, 1000, 101)[:, None, None]
    z = np.linspace(0, 200, 41)
    side = np.broadcast_to(x - fault - lean * (z - 100), (101, 7, 41)).astype(np.float32)
    faults = Faults(side[None], np.zeros((1, 1)), np.array([0, 1]))
    base = np.stack([np.full((101, 7), BASE), np.full((101, 7), BASE - THROW)]).astype(np.float32)
    frame = SurfaceFrame(EXTENT, 30.0, THICKNESS, "column", faults, {}, base, base + np.float32(THICKNESS))
    return Grid(EXTENT, (20, 3, 4), 30.0, active, frame)


def faulted_ensemble(**options):
    grid = faulted_grid(**options)
    values = np.random.default_rng(0).uniform(size=(2, 2, *grid.resolution))
    values[:, 1] = values[:, 1] > 0.5
    ensemble = Ensemble.from_values(grid, ["porosity", Property("facies", codes={0: "mud", 1: "sand"})], values, {"seed": 0})
    return ensemble.select([1, 0])


def local(xyz):
    """Along the grid's axes from its corner, (..., 3)."""
    flat = np.reshape(xyz, (-1, 3)) - [EXTENT[0], EXTENT[2], 0]
    flat[:, :2] = rotate(flat[:, :2], -30.0)
    return flat.reshape(np.shape(xyz))


def in_unit(xyz):
    """The unit's t, and where that is within it."""
    x, _, z = np.moveaxis(local(xyz), -1, 0)
    t = (z - np.where(x > PILLAR, BASE - THROW, BASE)) / THICKNESS
    return t, (t >= 0) & (t <= 1)


def test_the_box_holds_the_unit_and_nothing_else():
    ensemble = faulted_ensemble()
    moved = on_box(ensemble)
    assert moved.grid.resolution == (20, 3, 14)  # layers of 15 m over 200 m
    centres = moved.grid.centres()
    t, inside = in_unit(centres)
    np.testing.assert_array_equal(moved.grid.active_cells, inside)
    i, j, _ = np.indices((20, 3, 14))
    source = (t * 4).astype(int)
    expected = ensemble.values[:, :, i[inside], j[inside], source[inside]]
    np.testing.assert_array_equal(moved.values[:, :, inside], expected)
    assert moved.numbers == (1, 0)
    assert moved.provenance["seed"] == 0
    assert "plain box" in moved.provenance["box"]


def test_inactive_cells_stay_so_on_the_box():
    active = np.ones((20, 3, 4), dtype=bool)
    active[:, :, 0] = False
    moved = on_box(faulted_ensemble(active=active))
    t, _ = in_unit(moved.grid.centres())
    np.testing.assert_array_equal(moved.grid.active_cells, (t >= 0.25) & (t <= 1))


@pytest.mark.parametrize("name", ["e.grdecl", "e.EGRID", "e.roff", "e.epc", "e.vts"])
def test_files_hold_the_box_by_default(tmp_path, name):
    module = {".roff": roff, ".epc": resqml, ".vts": vtk}.get((tmp_path / name).suffix, eclipse)
    module.write(faulted_ensemble(), tmp_path / name)
    found, expected = module.read(tmp_path / name), on_box(faulted_ensemble())
    assert found.grid == expected.grid
    active = expected.grid.active
    np.testing.assert_array_equal(found.values[:, :, active], expected.values[:, :, active])


def test_split_pillars_are_exact_at_a_fault_that_runs_along_them(tmp_path):
    from resdata.grid import Grid as Resdata

    ensemble = faulted_ensemble()
    with pytest.warns(GempyGanWarning, match=SPLIT):
        eclipse.write(ensemble, tmp_path / "E.EGRID", faults="split")
    assert check_split(ensemble.grid) == pytest.approx({"gap": 0, "overlap": 0, "layer_error": 0}, abs=1e-6)
    found = Resdata(str(tmp_path / "E.EGRID"))
    for i, j, k in np.ndindex(20, 3, 4):
        corners = local(np.array([found.get_cell_corner(n, ijk=(i, j, 3 - k)) for n in range(8)]) * [1, 1, -1])
        bottom = (BASE - THROW if i >= 10 else BASE) + k * 15
        np.testing.assert_allclose(corners.min(axis=0), [i * 50, j * 200, bottom], atol=0.01)
        np.testing.assert_allclose(corners.max(axis=0), [i * 50 + 50, j * 200 + 200, bottom + 15], atol=0.01)
        assert found.cell_volume(ijk=(i, j, 3 - k)) == pytest.approx(50 * 200 * 15, rel=1e-4)


@pytest.mark.parametrize("name", ["e.grdecl", "e.EGRID", "e.roff"])
def test_split_pillars_are_read_back(tmp_path, name):
    module = roff if name == "e.roff" else eclipse
    ensemble = faulted_ensemble()
    with pytest.warns(GempyGanWarning, match=SPLIT):
        module.write(ensemble, tmp_path / name, faults="split")
    assert_same(module.read(tmp_path / name), ensemble)


def test_what_split_pillars_miss_is_said(tmp_path):
    """A fault in the middle of a column: half of one of 20 columns is 45 m off, so that 45 of its 60 m are missed."""
    grid = faulted_grid(fault=525.0)
    missed = 0.5 * THROW / THICKNESS / 20
    figures = check_split(grid)
    assert figures["gap"] == pytest.approx(missed, rel=0.25)
    assert figures["overlap"] == pytest.approx(missed, rel=0.25)
    ensemble = Ensemble.from_values(grid, ["porosity"], np.zeros((1, 1, 20, 3, 4)))
    with pytest.warns(GempyGanWarning, match=f"{figures['gap']:.2%} of the unit lies in no cell"):
        roff.write(ensemble, tmp_path / "e.roff", faults="split")


def test_a_leaning_fault_is_told_too():
    assert check_split(faulted_grid(lean=1.0))["gap"] > check_split(faulted_grid(lean=0.3))["gap"] > 0.005


def test_a_unit_that_no_fault_offsets_stays_as_it_is(tmp_path):
    frame = SurfaceFrame(EXTENT, 0.0, THICKNESS, "column", None, {}, *(np.full((1, 5, 5), z, np.float32) for z in (-1100, -1040)))
    grid = Grid(EXTENT, (4, 4, 3), 0.0, None, frame)
    ensemble = Ensemble.from_values(grid, ["porosity"], np.random.default_rng(0).uniform(size=(1, 1, 4, 4, 3)))
    for faults in ("box", "split"):
        roff.write(ensemble, tmp_path / "e.roff", faults=faults)
        assert_same(roff.read(tmp_path / "e.roff"), ensemble)


def test_gslib_counts_z_from_the_base_of_the_unit(tmp_path):
    frame = SurfaceFrame(EXTENT, 0.0, THICKNESS, "column", None, {}, *(np.full((1, 5, 5), z, np.float32) for z in (-1100, -1040)))
    grid = Grid(EXTENT, (4, 4, 3), 0.0, None, frame)
    gslib.write(Ensemble.from_values(grid, ["porosity"], np.zeros((1, 1, 4, 4, 3))), tmp_path / "e.dat")
    assert "nz=3 zmn=10.0 zsiz=20.0" in (tmp_path / "e.dat").read_text().splitlines()[0]


def test_another_word_is_refused(tmp_path):
    for module, name in ((eclipse, "e.grdecl"), (roff, "e.roff")):
        with pytest.raises(FormatError, match="Expected 'box' or 'split'"):
            module.write(faulted_ensemble(), tmp_path / name, faults="none")
    assert list(tmp_path.iterdir()) == []
