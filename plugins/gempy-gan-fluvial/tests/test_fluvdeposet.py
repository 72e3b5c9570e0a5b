import h5py
import numpy as np
import pytest
from gempy_gan_fluvial.fluvdeposet import read_fluvdeposet

from gempy_gan.errors import FormatError

NUMBERS = {"BANKERO": 1e-4, "FP_MU": 0.3, "FP_LAMBDA": 900.0, "GRAINDIAM1": 1e-3, "GRAINDIAM2": 1e-5}
SERIES = {
    "FP_INLET_ELEVATION": [(0.0, 4.0), (1000.0, 5.0), (4000.0, 8.0)],
    "ST_PMEAN": [(0.0, 10.0), (3000.0, 10.0), (4000.0, 18.0)],
}


def toy(path, change=None, attributes=None):
    nz, ny, nx = 30, 5, 4
    model = np.zeros((3, nz, ny, nx), dtype=np.float32)
    model[1] = np.linspace(0, 1, nz * ny * nx).reshape(nz, ny, nx)
    model[2] = 1000 + 10 * np.arange(nz)[:, None, None] + np.zeros((ny, nx))
    model[1:, 25:, 0, 0] = np.nan
    if change is not None:
        model = change(model)
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("model", data=model)
        dataset.attrs.update(NUMBERS | SERIES | {"OTHER": 1} if attributes is None else attributes)
    return path


def test_a_file_becomes_an_ensemble(tmp_path):
    ensemble = read_fluvdeposet([toy(tmp_path / f"{name}.h5") for name in "ab"])
    assert ensemble.values.shape == (2, 2, 4, 5, 20)
    assert ensemble.grid.extent == (0, 200, 0, 250, 0, 10)
    fraction, time = ensemble.values[0]
    cells = np.linspace(0, 1, 600).reshape(30, 5, 4)
    np.testing.assert_allclose(fraction[3, 2], cells[8:28, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(time[3, 2], np.linspace(0, 1, 20), rtol=1e-6)
    assert (fraction[0, 0, 17:] == 0).all()  # nothing was deposited there
    assert (time[0, 0, 17:] == 1).all()


def test_its_labels_are_the_parameters_and_the_means_of_the_series(tmp_path):
    labels = read_fluvdeposet(toy(tmp_path / "a.h5")).labels
    assert labels.loc[0, "overbank_lambda"] == 900
    assert labels.loc[0, "aggradation"] == pytest.approx(1e-3)
    assert labels.loc[0, "rainfall"] == pytest.approx((3000 * 10 + 1000 * 14) / 4000)
    assert len(labels.columns) == 7


def test_all_layers_can_be_kept(tmp_path):
    assert read_fluvdeposet(toy(tmp_path / "a.h5"), layers=None).grid.resolution == (4, 5, 30)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m[0], "no dataset 'model'"),
        (lambda m: m[:2], "no dataset 'model'"),
        (lambda m: m[:, ::-1], "older upwards"),
        (lambda m: 3 * m, "coarse fraction"),
        (lambda m: m * np.nan, "no deposit"),
    ],
)
def test_another_layout_is_refused(tmp_path, change, named):
    with pytest.raises(FormatError, match=named):
        read_fluvdeposet(toy(tmp_path / "a.h5", change))


def test_wrong_attributes_are_refused(tmp_path):
    with pytest.raises(FormatError, match="ST_PMEAN"):
        read_fluvdeposet(toy(tmp_path / "a.h5", attributes={k: v for k, v in (NUMBERS | SERIES).items() if k != "ST_PMEAN"}))
    with pytest.raises(FormatError, match="ST_PMEAN"):
        read_fluvdeposet(toy(tmp_path / "b.h5", attributes=NUMBERS | SERIES | {"ST_PMEAN": [(0.0, 1.0)]}))


def test_files_that_do_not_fit_are_refused(tmp_path):
    small = toy(tmp_path / "a.h5", lambda m: m[..., :3])
    with pytest.raises(FormatError, match=r"a\.h5 has another size"):
        read_fluvdeposet([toy(tmp_path / "b.h5"), small])
    (tmp_path / "text.h5").write_text("no HDF5")
    for wrong in (tmp_path / "text.h5", tmp_path / "missing.h5", []):
        with pytest.raises(FormatError):
            read_fluvdeposet(wrong)
