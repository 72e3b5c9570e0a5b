import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from ensembles import FACIES, POROSITY, assert_same, block, ensembles
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan.ensemble import CONVENTION, Ensemble, plain
from gempy_gan.errors import FormatError, GempyGanError, GridError
from gempy_gan.grid import Grid
from gempy_gan.labels import Label
from gempy_gan.properties import Property


@settings(max_examples=25, deadline=None)
@given(ensembles())
def test_a_dataset_carries_the_whole_ensemble(ensemble):
    assert_same(Ensemble(ensemble.dataset), ensemble)


@settings(max_examples=10, deadline=None)
@given(ensembles(), st.data())
def test_statistics_are_those_of_the_weighted_sample(ensemble, data):
    weights = np.array(data.draw(st.lists(st.floats(0.1, 10), min_size=len(ensemble), max_size=len(ensemble))))
    weights /= weights.sum()
    scaled = [v / (1 + np.abs(v).max()) for v in ensemble.values.transpose(1, 0, 2, 3, 4).astype(float)]
    values = [
        v if p.is_facies else s for v, s, p in zip(ensemble.values.swapaxes(0, 1), scaled, ensemble.properties, strict=True)
    ]
    weighted = Ensemble.from_values(ensemble.grid, ensemble.properties, np.stack(values, axis=1), {}, np.log(weights))
    for c, prop in enumerate(weighted.properties):
        sample = weighted.values[:, c].astype(float)
        if prop.is_facies:
            probability = weighted.probability(prop.name)
            np.testing.assert_allclose(probability.sum("facies"), 1, atol=1e-6)
            code = next(iter(prop.facies))
            np.testing.assert_allclose(probability.sel(facies=code), np.tensordot(weights, sample == code, 1), atol=1e-6)
        else:
            mean = np.tensordot(weights, sample, 1)
            np.testing.assert_allclose(weighted.mean(prop.name), mean, atol=1e-5)
            variance = np.tensordot(weights, (sample - mean) ** 2, 1)
            np.testing.assert_allclose(weighted.std(prop.name), np.sqrt(variance), atol=1e-4)


def test_quantiles_of_equal_weights_are_those_of_the_sample():
    ensemble = block(n=5)
    found = ensemble.quantile("porosity", [0.1, 0.5])
    np.testing.assert_allclose(found, np.quantile(ensemble.values[:, 0], [0.1, 0.5], axis=0), rtol=1e-6)


def test_selected_realizations_keep_their_numbers_and_weights():
    ensemble = Ensemble(block(n=5).dataset.assign(log_weight=("realization", np.log([0.1, 0.2, 0.3, 0.15, 0.25]))))
    chosen = ensemble.select([4, 1])
    assert chosen.numbers == (4, 1)
    np.testing.assert_array_equal(chosen.values, ensemble.values[[4, 1]])
    np.testing.assert_allclose(chosen.weights, [0.25 / 0.45, 0.2 / 0.45])
    assert chosen.select([1]).numbers == (1,)
    assert ensemble.select(None) is ensemble
    np.testing.assert_array_equal(ensemble.realization(-1), ensemble.values[4])


@pytest.mark.parametrize(("wanted", "message"), [([5], "Realization 5 was asked for, and the ensemble holds 0 to 4"), ([], "No")])
def test_selecting_what_is_not_there_names_what_is(wanted, message):
    with pytest.raises(GempyGanError, match=message):
        block(n=5).select(wanted)


@pytest.mark.parametrize("index", [5, -6])
def test_a_realization_outside_the_ensemble_is_refused(index):
    with pytest.raises(GempyGanError, match="holds 5"):
        block(n=5).realization(index)


def test_labels_are_kept_with_unit_and_meaning():
    width = Label("width", 100, 400, "m", meaning="width of the channel")
    ensemble = labelled({width: [1, 2, 3], "sinuosity": [1.5, np.nan, 1.25]})
    expected = pd.DataFrame({"width": [1.0, 2, 3], "sinuosity": [1.5, np.nan, 1.25]}, index=pd.RangeIndex(3, name="realization"))
    pd.testing.assert_frame_equal(ensemble.labels, expected, check_index_type=False)
    pd.testing.assert_frame_equal(ensemble.select([2, 0]).labels, expected.loc[[2, 0]], check_index_type=False)
    assert ensemble.dataset["label_width"].attrs == {"units": "m", "long_name": "width of the channel"}
    assert "units" not in ensemble.dataset["label_sinuosity"].attrs
    assert_same(labelled(ensemble.labels[::-1]), labelled({name: ensemble.labels[name][::-1] for name in ensemble.labels}))


def test_without_labels_there_is_a_row_for_each_realization_and_no_column():
    assert block(n=3).labels.shape == (3, 0)
    assert list(block(n=3).select([2]).labels.index) == [2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"width": [1, 2]}, r"label_width has shape \(2,\). Expected \(3,\)"),
        ({"width": ["wide", "narrow", "wide"]}, "Expected 3 numbers, one per realization"),
        ({"a width": [1, 2, 3]}, "A label is named 'a width'"),
        ({3: [1, 2, 3]}, "A label is named 3"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(GempyGanError, match=message):
        labelled(labels)


def test_a_property_is_not_named_like_a_label():
    with pytest.raises(GempyGanError, match=r"none of .*label_width"):
        Ensemble.from_values(block().grid, ["label_width"], np.zeros((1, 1, 2, 3, 4)), labels={"width": [1]})
    assert Ensemble.from_values(block().grid, ["label_width"], np.zeros((1, 1, 2, 3, 4))).labels.empty


def labelled(labels):
    """Three realizations with labels."""
    return Ensemble.from_values(block().grid, [POROSITY], block(n=3).values[:, :1], labels=labels)


def test_values_of_another_shape_are_refused():
    grid = Grid((0, 1, 0, 1, 0, 1), (2, 3, 4))
    with pytest.raises(GridError, match=r"shape \(1, 1, 4, 3, 2\)"):
        Ensemble.from_values(grid, ["porosity"], np.zeros((1, 1, 4, 3, 2)))
    with pytest.raises(GridError, match="Expected"):
        Ensemble.from_values(grid, ["porosity"], np.zeros((1, 2, 2, 3, 4)))


@pytest.mark.parametrize("wrong", [2.0, 0.5, np.nan, 70000.0])
def test_facies_of_no_known_code_are_refused(wrong):
    values = np.zeros((1, 1, 1, 1, 3))
    values[..., 1] = wrong
    with pytest.raises(GempyGanError, match=r"Expected one of the codes \[0, 1, 7\]"):
        Ensemble.from_values(Grid((0, 1, 0, 1, 0, 1), (1, 1, 3)), [FACIES], values)


@pytest.mark.parametrize("names", [["x"], ["active"], ["a", "a"], []])
def test_property_names_that_collide_are_refused(names):
    with pytest.raises(GempyGanError, match="Expected at least one, each once"):
        Ensemble.from_values(Grid((0, 1, 0, 1, 0, 1), (1, 1, 1)), names, np.zeros((1, len(names), 1, 1, 1)))


@pytest.mark.parametrize("codes", [{}, {70000: "sand"}, [(0, "mud"), (0, "sand")]])
def test_facies_codes_that_cannot_be_stored_are_refused(codes):
    with pytest.raises(GempyGanError, match="between -32768 and 32767"):
        Property("facies", codes=codes)


def test_statistics_of_the_wrong_kind_of_property_are_refused():
    ensemble = block()
    for statistic in (ensemble.mean, ensemble.std, lambda name: ensemble.quantile(name, 0.5)):
        with pytest.raises(GempyGanError, match="facies codes"):
            statistic("facies")
    with pytest.raises(GempyGanError, match="no facies codes"):
        ensemble.probability("porosity")
    with pytest.raises(GempyGanError, match="It has: porosity, facies"):
        ensemble.property("permeability")


def test_a_dataset_of_another_convention_is_refused():
    with pytest.raises(FormatError, match=CONVENTION):
        Ensemble(xr.Dataset())


def test_coordinates_and_flags_follow_cf():
    dataset = block(rotation=30).dataset
    assert {axis: dataset[axis].attrs["axis"] for axis in "xyz"} == {"x": "X", "y": "Y", "z": "Z"}
    assert dataset["z"].attrs["positive"] == "up"
    assert dataset["realization"].attrs["standard_name"] == "realization"
    assert dataset["easting"].attrs["standard_name"] == "projection_x_coordinate"
    for name in ("facies", "active"):
        assert dataset[name].attrs["flag_values"].dtype == dataset[name].dtype
        assert len(dataset[name].attrs["flag_meanings"].split()) == len(dataset[name].attrs["flag_values"])
    assert dataset["facies"].attrs["flag_meanings"] == "mud fine_sand _bergang"
    centres = block(rotation=30).grid.centres()
    np.testing.assert_allclose(dataset["easting"].values[:, :, None] + 0 * centres[..., 0], centres[..., 0])


def test_provenance_becomes_plain_json():
    messy = {"shape": (2, 3), "std": np.float32(0.5), "ids": np.arange(2), 3: {"none": None, "flag": True}}
    assert plain(messy) == {"shape": [2, 3], "std": 0.5, "ids": [0, 1], "3": {"none": None, "flag": True}}
    ensemble = Ensemble.from_values(Grid((0, 1, 0, 1, 0, 1), (1, 1, 1)), [POROSITY], np.zeros((1, 1, 1, 1, 1)), messy)
    assert ensemble.provenance == json.loads(json.dumps(plain(messy)))
