"""Grids that follow a fold, in corner-point files: cells, volumes and values as independent readers find them."""

import numpy as np
import pytest
from ensembles import assert_same
from folds import Fold, fold_from_dict, folded_ensemble, folded_grid

import gempy_gan.grid
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanWarning
from gempy_gan.formats import eclipse, gslib, roff, vtk
from gempy_gan.formats.pillars import pillars
from gempy_gan.geomodel import from_gempy

CLOSE = 0.01  # metres
SOME = [(0, 0, 0), (39, 11, 7), (7, 3, 5), (13, 0, 1)]


def some_active():
    active = np.ones((40, 12, 8), dtype=bool)
    active[3:5, :, 6:] = active[0, 0, 0] = False
    return active


@pytest.fixture(autouse=True)
def _folds_are_read(monkeypatch):
    monkeypatch.setattr(gempy_gan.grid, "frame_from_dict", fold_from_dict)


def corners(grid, cell):
    """The eight corners of a cell, by the frame itself: (8, 3)."""
    ends = np.array(cell) + np.array(list(np.ndindex(2, 2, 2)))
    return grid.frame.to_model(ends / np.array(grid.resolution))


def check_resdata(found, grid):
    """Corners, activity and volume are those of the frame itself."""
    down = grid.resolution[2] - 1
    for i, j, k in SOME:
        expected = corners(grid, (i, j, k))
        here = np.array([found.get_cell_corner(n, ijk=(i, j, down - k)) for n in range(8)]) * [1, 1, -1]
        apart = np.linalg.norm(here[:, None] - expected[None], axis=-1)
        assert apart.min(axis=1).max() < CLOSE
        assert apart.min(axis=0).max() < CLOSE
        assert found.active(ijk=(i, j, down - k)) == grid.active_cells[i, j, k]


def resdata_volume(found):
    return sum(found.cell_volume(global_index=index) for index in range(found.get_global_size()))


def test_egrid_through_resdata(tmp_path):
    from resdata.grid import Grid as Resdata

    ensemble = folded_ensemble(active=some_active())
    eclipse.write(ensemble, tmp_path / "E.EGRID")
    found = Resdata(str(tmp_path / "E.EGRID"))
    check_resdata(found, ensemble.grid)
    assert found.get_num_active() == some_active().sum()
    assert resdata_volume(found) == pytest.approx(ensemble.grid.frame.volume(), rel=1e-3)


def test_grdecl_through_resdata(tmp_path):
    from resdata.grid import Grid as Resdata

    ensemble = folded_ensemble(n=1, active=some_active())
    eclipse.write(ensemble, tmp_path / "e.grdecl")
    found = Resdata.load_from_grdecl(str(tmp_path / "e.grdecl"))
    check_resdata(found, ensemble.grid)
    assert resdata_volume(found) == pytest.approx(ensemble.grid.frame.volume(), rel=1e-3)


def test_roff_through_xtgeo_and_roffio(tmp_path):
    import roffio
    import xtgeo

    ensemble = folded_ensemble(n=1, active=some_active())
    roff.write(ensemble, tmp_path / "e.roff")
    found = xtgeo.grid_from_file(tmp_path / "e_grid.roff", fformat="roff")
    volume = np.asarray(found.get_bulk_volume(asmasked=False).values).sum()
    assert volume == pytest.approx(ensemble.grid.frame.volume(), rel=1e-3)
    tags = roffio.read(tmp_path / "e_grid.roff")
    depth = tags["zvalues"]["data"].astype(float).reshape(41, 13, 9, 4)[..., 0] * tags["scale"]["zscale"]
    uv = np.indices((41, 13)).reshape(2, -1).T / [40, 12]
    top = (ensemble.grid.frame.base(uv) + ensemble.grid.frame.thickness(uv)).reshape(41, 13)
    np.testing.assert_allclose(-depth[:, :, -1], top, atol=CLOSE)
    np.testing.assert_array_equal(tags["active"]["data"].reshape(40, 12, 8), some_active())


@pytest.mark.parametrize("name", ["e.roff", "e.grdecl", "e.EGRID", "e.vts", "e.dat"])
def test_what_is_written_is_read_back(tmp_path, name):
    module = {"e.roff": roff, "e.vts": vtk, "e.dat": gslib}.get(name, eclipse)
    ensemble = folded_ensemble(active=some_active())
    module.write(ensemble, tmp_path / name)
    assert_same(module.read(tmp_path / name), ensemble)


@pytest.mark.parametrize("name", ["e.roff", "e.grdecl", "e.EGRID"])
def test_metadata_of_another_fold_are_refused(tmp_path, name):
    module = roff if name == "e.roff" else eclipse
    module.write(folded_ensemble(n=1), tmp_path / name)
    sidecar = (tmp_path / f"{name}.json").read_text()
    module.write(folded_ensemble(n=1, amplitude=59.9), tmp_path / name)
    (tmp_path / f"{name}.json").write_text(sidecar)
    with pytest.raises(FormatError, match="describes another grid"):
        module.read(tmp_path / name)


def test_a_vtk_image_holds_no_fold(tmp_path):
    with pytest.raises(FormatError, match=r"follows a unit. Write \.vts"):
        vtk.write(folded_ensemble(n=1, rotation=0.0), tmp_path / "e.vti")


def test_columns_without_depth_are_closed_and_announced():
    with pytest.warns(GempyGanWarning, match="384 of 3840 active cells have a corner where the frame knows no depth"):
        found = pillars(folded_grid(hole=True))
    assert np.isfinite(found.nodes).all()
    assert np.isfinite(found.lines).all()
    known = np.isfinite(folded_grid(hole=True).frame.base(np.indices((41, 13)).reshape(2, -1).T / [40, 12])).reshape(41, 13)
    np.testing.assert_allclose(found.nodes[known], pillars(folded_grid()).nodes[known])
    np.testing.assert_allclose(found.nodes[..., :2], pillars(folded_grid()).nodes[..., :2], atol=1e-6)
    np.testing.assert_array_equal(found.active[..., 0], known[1:, 1:] & known[1:, :-1] & known[:-1, 1:] & known[:-1, :-1])


def test_layers_that_cross_are_refused_in_active_cells_only():
    wedge = folded_grid(wedge=50.0)
    thin = wedge.frame.thickness(np.indices((41, 13)).reshape(2, -1).T / [40, 12]).reshape(41, 13) < 0
    around = thin[1:, 1:] | thin[1:, :-1] | thin[:-1, 1:] | thin[:-1, :-1]
    with pytest.raises(FormatError, match=f"layers cross at a corner of {around.sum() * 8} active cells"):
        pillars(wedge)
    found = pillars(wedge.with_active(np.repeat(~around[..., None], 8, axis=2)))
    assert (np.diff(found.nodes[..., 2], axis=2) >= 0).all()


def test_a_unit_that_wedges_out_keeps_its_pillars(tmp_path):
    """Where base and top meet, a pillar between them would have no direction."""
    import xtgeo

    ensemble = folded_ensemble(n=1, wedge=40.0)
    roff.write(ensemble, tmp_path / "e.roff")
    found = xtgeo.grid_from_file(tmp_path / "e_grid.roff", fformat="roff")
    volume = np.asarray(found.get_bulk_volume(asmasked=False).values).sum()
    assert volume == pytest.approx(ensemble.grid.frame.volume(), rel=1e-3)


class Bent(Fold):
    def to_model(self, uvt):
        xyz = super().to_model(uvt)
        xyz[:, 0] += 5 * np.sin(np.pi * np.asarray(uvt)[:, 2])
        return xyz


def test_bent_columns_are_refused():
    grid = folded_grid()
    bent = type(grid)(grid.extent, grid.resolution, grid.rotation, None, Bent(grid.extent, grid.rotation))
    with pytest.raises(FormatError, match="columns are bent: nodes lie up to 5 m off"):
        pillars(bent)


def test_a_unit_of_a_gempy_model(tmp_path):
    """The frame that GemPy's scalar field gives: layers follow the fold, volumes are those between the surfaces."""
    import structural_models as models
    from resdata.grid import Grid as Resdata

    grid = from_gempy(models.folded_model(), "Reservoir", resolution=(40, 4, 6))
    ensemble = Ensemble.from_values(grid, ["porosity"], np.random.default_rng(0).uniform(size=(1, 1, 40, 4, 6)))
    eclipse.write(ensemble, tmp_path / "E.EGRID")
    found = Resdata(str(tmp_path / "E.EGRID"))
    area = (models.EXTENT[1] - models.EXTENT[0]) * (models.EXTENT[3] - models.EXTENT[2])
    assert resdata_volume(found) == pytest.approx(grid.frame.thickness * area, rel=1e-3)
    assert resdata_volume(found) == pytest.approx((models.COVER_BASE - models.RESERVOIR_BASE) * area, rel=5e-3)
    for i, j, k in ((0, 0, 0), (20, 2, 3), (39, 3, 5)):
        x, y, depth = found.get_xyz(ijk=(i, j, 5 - k))
        share = (k + 0.5) / 6
        height = models.fold(np.array([[x, y]]), models.RESERVOIR_BASE * (1 - share) + models.COVER_BASE * share)[0]
        assert -depth == pytest.approx(height, abs=7.0)  # 0.023 of the thickness: GemPy interpolates the fold
    assert_same(eclipse.read(tmp_path / "E.EGRID"), ensemble)
