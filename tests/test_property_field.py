"""Ensembles as PropertyFields of gempy_plugins: the same cells and domains as its own simulations."""

import importlib.util
import sys

import numpy as np
import pytest
from structural_models import folded_model, gempy, quietly

from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.geomodel import to_gempy
from gempy_gan.grid import Grid
from gempy_gan.properties import Property
from gempy_gan.property_field import to_property_field

INSTALLED = importlib.util.find_spec("gempy_plugins")
pytestmark = pytest.mark.skipif(INSTALLED is None, reason="gempy_plugins is not installed: pip install gempy_plugins")


@pytest.fixture(scope="module")
def model():
    made = folded_model((8, 6, 20))
    quietly(gempy().compute_model, made)
    return made


@pytest.fixture(scope="module")
def ensemble(model):
    """Porosity in the cells of the unit called Reservoir, number 2 of the model."""
    inside = model.solutions.raw_arrays.lith_block.reshape(8, 6, 20) == 2
    grid = Grid((0.0, 2000.0, 0.0, 1600.0, -1000.0, 0.0), (8, 6, 20), 0.0, inside)
    rng = np.random.default_rng(0)
    values = np.stack([rng.uniform(size=(5, 8, 6, 20)), rng.integers(0, 2, (5, 8, 6, 20))], axis=1)
    return Ensemble.from_values(grid, ["porosity", Property("facies", codes={0: "mud", 1: "sand"})], values)


def test_mean_and_variance_take_the_place_of_a_kriging(model, ensemble):
    field = to_property_field(ensemble, model)
    assert field.domain_keys == [(2, 0)]
    active = ensemble.grid.active
    np.testing.assert_array_equal(np.isfinite(field.values), active)
    np.testing.assert_allclose(field.values[active], ensemble.values[:, 0].mean(axis=0)[active], rtol=1e-5)
    np.testing.assert_allclose(field.variance[active], ensemble.values[:, 0].var(axis=0)[active], rtol=1e-4)
    domain = field.for_domain(model, (2, 0))
    np.testing.assert_array_equal(domain.xyz, model.grid.regular_grid.values[active.ravel()])
    np.testing.assert_array_equal(domain.values, field.values[active])
    assert np.isnan(field.for_domain(model, (1, 0)).values).all()


def test_a_realization_takes_the_place_of_a_simulation(model, ensemble):
    field = to_property_field(ensemble, model, realization=3, property="facies")
    np.testing.assert_array_equal(field.values, to_gempy(ensemble, model, 3, "facies"))
    assert np.isnan(field.variance).all()
    assert field.variance.shape == (8, 6, 20)


def test_facies_have_no_mean(model, ensemble):
    with pytest.raises(GempyGanError, match="facies codes: their mean means nothing"):
        to_property_field(ensemble, model, property="facies")


def test_a_model_that_is_not_computed_is_refused(ensemble):
    with pytest.raises(GempyGanError, match="is not computed on a regular grid"):
        to_property_field(ensemble, folded_model((8, 6, 20)))


def test_a_missing_plugin_says_how_to_install_it(model, ensemble, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("gempy_plugins")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(GempyGanError, match="pip install gempy_plugins"):
        to_property_field(ensemble, model)
