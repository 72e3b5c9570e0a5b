import numpy as np
import pytest

from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.grid import Grid
from gempy_gan.inversion import digest
from gempy_gan.observations import read_constraints, write_constraints
from gempy_gan.plugins import get_forward
from gempy_gan.properties import Property

GRID = Grid((0, 100, 0, 50, -40, 0), (4, 5, 6), rotation=20.0)


def hard(**changes):
    options = {"cells": [[0, 0, 0], [1, 2, 3]], "values": [0.2, 0.4], "std": 0.05, "property": "porosity"} | changes
    return HardData(**options)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"values": [0.2]}, "one value per cell"),
        ({"values": [0.2, np.nan]}, "1 of 2 values are not finite"),
        ({"std": -0.1}, "-0.1 at its smallest"),
        ({"std": 0.0}, "positive"),
        ({"std": [0.1, 0.1, 0.1]}, "one number or shape"),
        ({"cells": [[0, 0], [1, 2]]}, "shape"),
        ({"cells": [[0.5, 0, 0], [1, 2, 3]]}, "whole-number"),
        ({"wells": ["a"]}, "one each"),
    ],
)
def test_impossible_hard_data_are_refused(changes, said):
    with pytest.raises(GempyGanError, match=said):
        hard(**changes)


def test_impossible_soft_data_are_refused():
    with pytest.raises(GempyGanError, match="no values"):
        SoftData([np.nan], 1.0)
    with pytest.raises(GempyGanError, match="positive"):
        SoftData([1.0], -1.0)
    with pytest.raises(GempyGanError, match="callable"):
        SoftData([1.0], 1.0, forward="ricker")  # type: ignore[arg-type]
    with pytest.raises(GempyGanError, match="positions"):
        SoftData([1.0, 2.0], 1.0, cells=[[0, 0, 0]])


def test_constraints_fit_their_grid():
    with pytest.raises(GridError, match="outside the grid"):
        Constraints(GRID, hard(cells=[[0, 0, 0], [4, 0, 0]]))
    with pytest.raises(GempyGanError, match="more than once"):
        Constraints(GRID, hard(), hard())
    with pytest.raises(GempyGanError, match="Expected HardData"):
        Constraints(GRID, "seismic")  # type: ignore[arg-type]
    both = Constraints(GRID, hard(), hard(property=Property("facies", codes={0: "mud", 1: "sand"}), values=[0, 1]))
    assert [len(term) for term in both.hard] == [2, 2]


def seismic(grid=GRID):
    operator = get_forward(
        "convolution", wavelet={"kind": "ricker", "frequency": 30.0}, velocity=2500.0, rock={"kind": "two end members"}
    )
    columns, axis = [[0, 0], [3, 4]], 0.004 * np.arange(8)
    values = np.linspace(-1, 1, 16).reshape(2, 8)
    values[0, 3] = np.nan
    return SoftData(values, 0.1, operator.bind(grid, columns, axis, "time"), cells=np.ones((16, 3)))


def test_constraints_survive_their_file(tmp_path):
    import torch

    active = np.ones(GRID.resolution, dtype=bool)
    active[0, 0, 1] = False
    grid = GRID.with_active(active)
    written = Constraints(grid, hard(wells=["W-1", "Å 2"], report={"samples": 7}), seismic(grid))
    found = read_constraints(write_constraints(written, tmp_path / "constraints.nc"))
    assert found.grid == written.grid
    assert found.hard[0].wells.tolist() == ["W-1", "Å 2"]
    assert found.hard[0].report == {"samples": 7}
    assert np.array_equal(found.soft[0].values, written.soft[0].values, equal_nan=True)
    assert digest(found) == digest(written)
    m = torch.rand((2, 1, *GRID.resolution), generator=torch.Generator().manual_seed(0))
    assert torch.equal(found.soft[0].forward(m), written.soft[0].forward(m))
    assert list(tmp_path.iterdir()) == [tmp_path / "constraints.nc"]


def test_a_forward_operator_without_a_state_cannot_be_written(tmp_path):
    with pytest.raises(GempyGanError, match="state"):
        write_constraints(Constraints(GRID, SoftData([1.0], 1.0, lambda m: m[:, 0, 0, 0, :1])), tmp_path / "c.nc")
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_no_constraints(tmp_path):
    import xarray as xr

    with pytest.raises(FormatError, match="does not exist"):
        read_constraints(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("no")
    with pytest.raises(FormatError, match="cannot be read as NetCDF"):
        read_constraints(tmp_path / "text.nc")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc")
    with pytest.raises(FormatError, match="holds no constraints"):
        read_constraints(tmp_path / "other.nc")


def test_the_digest_sees_every_change():
    known = [
        Constraints(GRID, *terms) for terms in [(hard(),), (hard(std=0.06),), (hard(property="x"),), (hard(), seismic()), ()]
    ]
    assert len({digest(one) for one in known}) == len(known)
