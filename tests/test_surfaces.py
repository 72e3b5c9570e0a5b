"""Top and base of a unit as IRAP maps: read by a plain parser of the format and by xtgeo."""

import numpy as np
import pytest
from folds import Fold, fold_from_dict, folded_grid

import gempy_gan.grid
from gempy_gan.errors import FormatError
from gempy_gan.files import write_surfaces
from gempy_gan.grid import Grid

UNDEFINED = 9999900.0


@pytest.fixture(autouse=True)
def _folds_are_read(monkeypatch):
    monkeypatch.setattr(gempy_gan.grid, "frame_from_dict", fold_from_dict)


def irap(path):
    """Header (ncol, nrow, xinc, yinc, xori, yori, rotation) and values (ncol, nrow), from IRAP's definition."""
    words = path.read_text().split()
    nrow, ncol = int(words[1]), int(words[8])
    xinc, yinc, xori, yori = float(words[2]), float(words[3]), float(words[4]), float(words[6])
    values = np.array(words[19:], dtype=float).reshape(nrow, ncol).T
    return (ncol, nrow, xinc, yinc, xori, yori, float(words[9])), np.where(values == UNDEFINED, np.nan, values)


def test_a_fold_by_the_format(tmp_path):
    active = np.ones((40, 12, 8), dtype=bool)
    active[:10, :6] = False
    grid = folded_grid(active=active)
    files = write_surfaces(grid, tmp_path / "maps" / "unit.irap")
    assert files == [tmp_path / "maps" / "unit--top.irap", tmp_path / "maps" / "unit--base.irap"]
    assert sorted((tmp_path / "maps").iterdir()) == sorted(files)
    uv = np.indices((41, 13)).reshape(2, -1).T / [40, 12]
    base = grid.frame.base(uv).reshape(41, 13)
    for file, expected in zip(files, (base + grid.frame.thickness(uv).reshape(41, 13), base), strict=True):
        header, values = irap(file)
        np.testing.assert_allclose(header, (41, 13, 25, 50, 463552.3, 6369871.8, 30), atol=1e-3)
        known = np.ones((41, 13), dtype=bool)
        known[:10, :6] = False
        np.testing.assert_array_equal(np.isfinite(values), known)
        np.testing.assert_allclose(values[known], expected[known], atol=1e-3)


def test_nodes_stand_where_the_frame_puts_them(tmp_path):
    import xtgeo

    grid = folded_grid(rotation=-110.0)
    top, _ = write_surfaces(grid, tmp_path / "unit.irap", depth=True)
    surface = xtgeo.surface_from_file(top, fformat="irap_ascii")
    x, y = surface.get_xy_values()
    uv = np.indices((41, 13)).reshape(2, -1).T / [40, 12]
    nodes = grid.frame.to_model(np.column_stack([uv, np.ones(len(uv))])).reshape(41, 13, 3)
    np.testing.assert_allclose(np.stack([x, y, -surface.values], axis=-1), nodes, atol=0.01)


def test_a_box_has_flat_surfaces(tmp_path):
    top, base = write_surfaces(Grid((0, 30, 0, 20, -40, -10), (3, 2, 4)), tmp_path / "box.irap")
    assert (irap(top)[1] == -10).all()
    assert (irap(base)[1] == -40).all()


class Leaning(Fold):
    def to_model(self, uvt):
        xyz = super().to_model(uvt)
        xyz[:, 0] += 5 * np.asarray(uvt)[:, 2]
        return xyz


def test_another_ending_than_that_of_the_format_is_refused(tmp_path):
    for name in ("unit.xyz", "unit", "unit.gri"):
        with pytest.raises(FormatError, match=rf"IRAP classic grids.*'{name}' is no name of one.*\.irap, \.irapasc or \.fgr"):
            write_surfaces(Grid((0, 30, 0, 20, -40, -10), (3, 2, 4)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_leaning_columns_are_refused(tmp_path):
    grid = folded_grid(amplitude=0.0, wedge=0.0)
    leaning = Grid(grid.extent, grid.resolution, grid.rotation, None, Leaning(grid.extent, grid.rotation, 0.0, 0.0))
    with pytest.raises(FormatError, match="columns are not vertical"):
        write_surfaces(leaning, tmp_path / "unit.irap")
    assert list(tmp_path.iterdir()) == []
