"""Structures drawn within their uncertainty: their spread, their picks, their order, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import structural_models as models

from gempy_gan import from_gempy, structural_uncertainty, vary_structure
from gempy_gan.displacement import Displacements, Sites, covariance, slopes_at, values_at
from gempy_gan.errors import GempyGanError, GempyGanWarning
from gempy_gan.gempy_model import evaluate
from gempy_gan.moving_surfaces import heights_of

STD = {"Cover": 10.0, "Reservoir": 20.0}
AWAY = np.array([[1000.0, 900.0], [300.0, 900.0], [1600.0, 300.0]])
CELLS = (10, 8, 6)
X, Y = models.points()
OWN = pd.DataFrame({"surface": "Cover", "x": X, "y": Y, "z": -300.0})


@pytest.fixture(scope="module")
def model():
    return models.folded_model()


def picks_on(model, off=0.0):
    """Two picks on each horizon, `off` metres above the model's surfaces."""
    xy = np.array([[200.0, 500.0], [1750.0, 1300.0]])
    rows = [
        (name, x, y, z + off)
        for name in ("Cover", "Reservoir")
        for (x, y), z in zip(xy, heights_of(model, name, xy), strict=True)
    ]
    return pd.DataFrame(rows, columns=["surface", "x", "y", "z"])


@pytest.fixture(scope="module")
def drawn(model):
    """Structures that honour picks 12 m above the model."""
    picks = picks_on(model, off=12.0)
    return picks, vary_structure(model, STD, n=6, seed=1, range=900.0, spacing=400.0, picks=picks)


def test_every_structure_honours_the_picks(drawn):
    picks, draws = drawn
    for name, rows in picks.groupby("surface"):
        heights = np.array([heights_of(draw.model, name, rows[["x", "y"]].to_numpy()) for draw in draws[:3]])
        assert np.abs(heights - rows["z"].to_numpy()).max() < 0.2


def test_away_from_picks_surfaces_spread_as_stated(model, drawn):
    draws = drawn[1]
    off = np.array([heights_of(draw.model, "Reservoir", AWAY) for draw in draws]) - heights_of(model, "Reservoir", AWAY)
    assert np.sqrt(np.mean(off**2)) == pytest.approx(20.0, rel=0.4)  # of 24 numbers


def test_displacements_have_the_stated_moments():
    at = np.array([[0.0, 0, 0], [400.0, 0, 0], [5000.0, 0, 0], [30.0, 0, 0]])
    sites = Sites.join(values_at(at, 0, 0, 15.0), slopes_at(at[:1], 0, 0, 15.0, np.eye(3)), values_at(at[:1], 1, 0, 5.0))
    picks = values_at(at[2:3] + np.array([1.0, 0, 0]), 0, 0, 15.0)
    made = Displacements.given(sites, picks, np.array([8.0]), np.zeros(1), 1000.0, 0.5)
    rng = np.random.default_rng(0)
    x = np.array([made.draw(rng)[0] for _ in range(4000)])
    np.testing.assert_allclose(x[:, :2].std(axis=0), 15.0, rtol=0.05)
    assert np.corrcoef(x[:, 0], x[:, 1])[0, 1] == pytest.approx(np.exp(-3 * 0.16), abs=0.05)
    assert x[:, 2] == pytest.approx(8.0, abs=0.2)
    assert np.corrcoef(x[:, 0], x[:, 7])[0, 1] == pytest.approx(0.5, abs=0.05)
    difference = (x[:, 3] - x[:, 0]) / 30
    assert np.corrcoef(difference, x[:, 4])[0, 1] > 0.99  # the slope is that of the field
    assert x[:, 4].std() == pytest.approx(15 * np.sqrt(6) / 1000, rel=0.05)


def test_slopes_are_derivatives_of_the_covariance():
    a, b = np.array([[10.0, 20, 0]]), np.array([[150.0, -40, 0]])
    step = 1e-3

    def value(p, q):
        return covariance(values_at(p, 0, 0, 2.0), values_at(q, 0, 0, 3.0), 300.0, 0.0)[0, 0]

    found = covariance(slopes_at(a, 0, 0, 2.0, np.eye(3)), slopes_at(b, 0, 0, 3.0, np.eye(3)), 300.0, 0.0)
    mixed = [
        [
            (value(a + i, b + j) - value(a + i, b - j) - value(a - i, b + j) + value(a - i, b - j)) / (4 * step**2)
            for j in step * np.eye(3)
        ]
        for i in step * np.eye(3)
    ]
    np.testing.assert_allclose(found, mixed, atol=1e-6)
    crossed = covariance(values_at(a, 0, 0, 2.0), slopes_at(b, 0, 0, 3.0, np.eye(3)), 300.0, 0.0)[0]
    np.testing.assert_allclose(crossed, [(value(a, b + j) - value(a, b - j)) / (2 * step) for j in step * np.eye(3)], atol=1e-6)


def test_seed_and_number_decide_a_structure(model):
    options = {"std": STD, "seed": 3, "range": 800.0, "dip": 1.0}
    few, more = vary_structure(model, n=1, **options), vary_structure(model, n=2, **options)
    pd.testing.assert_frame_equal(few[0].displaced, more[0].displaced)
    assert not np.allclose(more[0].displaced["displacement"], more[1].displaced["displacement"])
    assert more[1].record["number"] == 1
    assert more[1].record["std"] == STD


def test_orientations_tilt_with_their_surface(model):
    (draw,) = vary_structure(model, {"Reservoir": 30.0}, n=1, seed=0, range=600.0)
    before = model.structural_frame.get_element_by_name("Reservoir")
    after = draw.model.structural_frame.get_element_by_name("Reservoir")
    moved = after.orientations.data["Z"] - before.orientations.data["Z"]
    np.testing.assert_allclose(moved, after.surface_points.data["Z"] - before.surface_points.data["Z"], atol=0.05)
    poles = np.column_stack([after.orientations.data[axis] for axis in ("G_x", "G_y", "G_z")])
    np.testing.assert_allclose(np.linalg.norm(poles, axis=1), 1.0)
    assert np.abs(poles[:, 1]).max() > 0.01  # the fold is flat along y
    cover = [m.structural_frame.get_element_by_name("Cover").surface_points.data for m in (model, draw.model)]
    np.testing.assert_array_equal(*cover)


def test_without_uncertainty_the_model_stays_what_it_is(model):
    (draw,) = vary_structure(model, dict.fromkeys(STD, 0.0), n=1, range=800.0, spacing=300.0)
    grids = [from_gempy(m, "Reservoir", CELLS, extent=models.EXTENT) for m in (model, draw.model)]
    assert grids[0] == grids[1]
    np.testing.assert_array_equal(grids[0].frame.t, grids[1].frame.t)


def test_structures_that_cross_are_drawn_again_or_refused(model, monkeypatch):
    with pytest.warns(GempyGanWarning, match=r"\d+ of \d+ structures had surfaces that cross, and were drawn again"):
        draws = vary_structure(model, {"Cover": 100.0, "Reservoir": 100.0}, n=1, seed=2, range=700.0)
    assert sum(draw.record["redrawn"] for draw in draws) > 0
    for draw in draws:
        xy = np.random.default_rng(0).uniform([0, 0], [2000, 1600], (100, 2))
        above, below = (heights_of(draw.model, name, xy) for name in ("Cover", "Reservoir"))
        assert np.nanmin(above - below) > 0
    monkeypatch.setattr(structural_uncertainty, "TRIES", 2)
    with pytest.raises(GempyGanError, match="drawn 2 times, and each time its surfaces crossed"):
        vary_structure(model, {"Cover": 2000.0}, n=1, range=200.0)


def test_faults_move_along_their_normal():
    model = models.faulted_model()
    (draw,) = vary_structure(model, {"Fault": 40.0}, n=1, seed=2, range=20000.0)
    before, after = (m.structural_frame.get_element_by_name("Fault").surface_points.data for m in (model, draw.model))
    np.testing.assert_array_equal(before["Z"], after["Z"])
    by = (after["X"] - before["X"]).mean()
    assert abs(by) > 1
    np.testing.assert_allclose(after["X"] - before["X"], by, atol=4)
    side = evaluate(draw.model, "Reservoir", [[1000 + by - 8, 800, -500], [1000 + by + 8, 800, -500.0]]).sides[0]
    assert side[0] * side[1] < 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"std": {"Cove": 1.0}}, "no surface 'Cove' with points of its own. It has: Cover, Reservoir"),
        ({"std": {"Cover": -1.0}}, "Expected metres, zero or more"),
        ({"std": {}}, "No surface was named"),
        ({"n": 0}, "n = 0 structures"),
        ({"picks": OWN}, "All 10 points of the surface 'Cover' are picks"),
        ({"range": 0.0}, "range is 0.0. Expected a positive number of metres"),
        ({"correlation": 1.5}, "correlation is 1.5. Expected 0 to 1"),
        ({"picks": pd.DataFrame({"surface": ["Cover"], "x": [0.0], "y": [0.0]})}, r"lack the columns \['z'\]"),
        ({"picks": pd.DataFrame({"surface": ["Cover"], "x": [9e5], "y": [0.0], "z": [0.0]})}, "1 of 1 picks lie where the model"),
        ({"picks": pd.DataFrame({"surface": ["Cover"], "x": [9.0], "y": [0.0], "z": [np.nan]})}, "not finite"),
    ],
)
def test_requests_that_cannot_be_right(model, options, said):
    with pytest.raises(GempyGanError, match=said):
        vary_structure(model, **{"std": STD, "n": 1, "range": 500.0, **options})
