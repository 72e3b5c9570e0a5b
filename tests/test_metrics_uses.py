"""Ring errors, label control, similarity and descriptors."""

import numpy as np
import pandas as pd
import pytest
import torch
from channels import SHAPE, collapsed, volumes
from scipy import ndimage

from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.labels import Label
from gempy_gan.metrics import descriptors, label_control, label_response, ring_error, similarity
from gempy_gan.metrics.similarity import classical_scaling

# Rings around wells


def exact_gaussian(shape, length):
    """Covariance (cells, cells) of a layer-wise Gaussian field, and a sampler of its exact posterior."""
    place = np.stack(np.meshgrid(*(np.arange(s) for s in shape), indexing="ij"), axis=-1).reshape(-1, 3).astype(float)
    apart = np.linalg.norm((place[:, None] - place) / [length, length, 0.5], axis=2)
    covariance = np.exp(-apart) + 1e-6 * np.eye(len(place))

    def conditional(mask, values, n, generator):
        seen = mask.flatten().numpy()
        gain = covariance[:, seen] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
        mean = gain @ values.flatten().double().numpy()[seen]
        root = np.linalg.cholesky(covariance - gain @ covariance[seen] + 1e-6 * np.eye(len(place)))
        noise = torch.randn((n, len(place)), generator=generator).double().numpy()
        return (mean + noise @ root.T).reshape(n, 1, *shape)

    return covariance, conditional


@pytest.fixture(scope="module")
def gaussian_rings():
    shape = (10, 10, 2)
    covariance, conditional = exact_gaussian(shape, 4.0)
    root, rng = np.linalg.cholesky(covariance), np.random.default_rng(0)
    draw = lambda n: (rng.standard_normal((n, 200)) @ root.T).reshape(n, 1, *shape)  # noqa: E731
    return ring_error(draw(60), conditional, draw(20), wells=4, n=20, rings=3, seed=1)


def test_the_exact_posterior_beats_the_nearest_well_as_it_must(gaussian_rings):
    rings = gaussian_rings.drop("wells")
    assert (rings["median"] < rings["copy"]).all()
    assert (rings["crps"] < rings["copy"]).all()
    assert (rings["crps"] < rings["unconditional_crps"]).all()
    assert rings["crps"].is_monotonic_increasing
    assert rings["mae"].iloc[0] < rings["unconditional"].iloc[0]


def test_single_realizations_of_the_exact_posterior_may_lose_to_the_nearest_well(gaussian_rings):
    """Why `crps` stands beside `mae`: of the right answer, a draw is sqrt(2) further off than its centre."""
    assert (gaussian_rings["mae"] > gaussian_rings["copy"]).any()
    assert gaussian_rings["mae"].iloc[-2] / gaussian_rings["median"].iloc[-2] == pytest.approx(np.sqrt(2), rel=0.1)


def test_wells_are_honoured_and_errors_known(gaussian_rings):
    assert gaussian_rings.loc["wells", ["mae", "copy"]].max() < 0.01
    assert list(gaussian_rings.index) == ["1-2", "3-4", "5-6", "wells"]


def test_rings_are_those_around_the_nearest_well_in_the_layer():
    truth = np.zeros((1, 1, 9, 1, 2), dtype=np.float32)
    truth[0, 0, :, 0, 0] = np.arange(9)
    mask = np.zeros((9, 1, 2), dtype=bool)
    mask[0, 0, 0] = True  # the other layer has no well and counts nowhere
    found = ring_error(truth, lambda mask, values, n, generator: torch.zeros((n, *mask.shape)), wells=[mask], n=2, rings=5)
    assert found["copy"].tolist() == [1.5, 3.5, 5.5, 7.5, pytest.approx(np.nan, nan_ok=True), 0]
    assert found["mae"].tolist()[:4] == [1.5, 3.5, 5.5, 7.5]


def test_wells_see_the_fraction_and_nothing_else():
    truth, seen = volumes(1, 0), []

    def conditional(mask, values, n, generator):
        seen.append((mask, values))
        return torch.rand((n, *mask.shape), generator=generator)

    ring_error(truth, conditional, wells=3, n=1)
    mask, values = seen[0]
    assert mask[0].sum() == 3 * SHAPE[2]
    assert not mask[1].any()
    assert (values[mask].numpy() == truth[0][mask.numpy()]).all()
    assert (values[~mask] == 0).all()
    assert ring_error(truth, conditional).equals(ring_error(truth, conditional))


def test_ring_errors_refuse_what_does_not_fit():
    truth, zeros = volumes(1, 0), lambda mask, values, n, generator: torch.zeros((n, *mask.shape))
    with pytest.raises(GridError, match="Expected \\(10, 2, 32, 32, 8\\)"):
        ring_error(truth, lambda *_: torch.zeros((3, 2, *SHAPE)))
    with pytest.raises(GempyGanError, match="wells were asked for"):
        ring_error(truth, zeros, wells=0)
    with pytest.raises(GridError, match="masks of wells"):
        ring_error(truth, zeros, wells=[np.zeros(SHAPE, dtype=bool)])
    with pytest.raises(GridError, match="truths have shape"):
        ring_error(truth[0], zeros)


# Labels


def test_label_control_tells_who_listens():
    rng = np.random.default_rng(0)
    asked = pd.DataFrame({"width": rng.uniform(100, 300, 200), "mobility": np.exp(rng.uniform(1, 4, 200))})
    measured = pd.DataFrame({"mobility": 2 * asked.mobility**0.5, "width": rng.permutation(asked.width), "other": 1.0})
    found = label_control(asked, measured, [Label("mobility", 1.0, 64.0, log=True)])
    assert list(found.index) == ["width", "mobility"]
    assert found.loc["mobility", "correlation"] == pytest.approx(1)
    assert found.loc["mobility", "slope"] == pytest.approx(0.5)
    assert abs(found.loc["width", "correlation"]) < 0.2
    assert label_control(asked, asked + 20.0).loc["width", "bias"] == pytest.approx(20 / asked.width.std(), rel=0.01)


def test_label_control_leaves_out_what_is_not_known():
    asked = pd.DataFrame({"width": [1.0, 2.0, 3.0, 4.0]})
    found = label_control(asked, asked.assign(width=[1.0, np.nan, 3.0, 4.0]))
    assert found.loc["width", "n"] == 3
    assert np.isnan(label_control(asked * 0, asked).loc["width", "slope"])
    with pytest.raises(GempyGanError, match="a column in common"):
        label_control(asked, asked.rename(columns={"width": "depth"}))


def test_the_answer_to_a_label_stands_beside_that_of_real_volumes():
    rng = np.random.default_rng(0)
    label = Label("mobility", 4.0, 64.0, log=True)
    values = np.exp(rng.uniform(np.log(4), np.log(64), 400))
    real = pd.DataFrame({name: rng.standard_normal(400) for name in ("net_to_gross", "width", "sinuosity")})
    real["width"] = 3 * label.to_scaled(values) + 0.5 * real["width"]
    real.loc[:20, "width"] = np.nan  # volumes without bodies
    low = pd.DataFrame({name: rng.standard_normal(50) for name in real})
    high = low.assign(width=low.width + 3.0, net_to_gross=rng.standard_normal(50))
    found = label_response(label, low, high, real, values)
    spread = real["width"].std()
    assert found.loc["width", "real"] == pytest.approx(6 / spread, rel=0.05)
    assert found.loc["width", "prior"] == pytest.approx(3 / spread, rel=0.01)
    assert found.loc["width", "correlation"] > 0.95
    assert abs(found.loc["net_to_gross", "real"]) < 4 * found.loc["net_to_gross", "real_error"]
    assert found.loc["net_to_gross", "real_error"] == pytest.approx(2 / np.sqrt(400 / 3), rel=0.1)
    assert found.loc["sinuosity", ["prior", "prior_error"]].tolist() == [0, 0]  # the same random numbers at both ends
    assert label_response(label, low * 0, high * np.nan, real, values)["prior"].isna().all()
    with pytest.raises(GempyGanError, match="Expected as many at both ends"):
        label_response(label, low[:2], high[:2], real, values)


def test_descriptors_are_one_row_per_volume():
    values = volumes(6, 0)
    found = descriptors(values)
    assert len(found) == 6
    np.testing.assert_allclose(found["net_to_gross"], (values[:, 0] > 0.5).mean(axis=(1, 2, 3)))
    assert found["width"].between(2, 15).all()


# Similarity


def test_classical_scaling_restores_points_in_the_plane():
    points = np.random.default_rng(0).standard_normal((12, 2))
    distance = np.linalg.norm(points[:, None] - points, axis=2)
    found, explained = classical_scaling(distance)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found, axis=2), distance, atol=1e-9)
    assert explained == pytest.approx(1)
    assert classical_scaling(np.zeros((4, 4)))[1] == 1


def test_a_collapsed_prior_is_a_clump():
    real, fresh = volumes(40, 0), volumes(20, 1)
    good, bad = (similarity(g[:, 0], real[:, 0]) for g in (fresh, collapsed(fresh)))
    assert bad.generated.std(axis=0).max() < 0.2 * good.generated.std(axis=0).min()
    assert similarity(real[3:5, 0], real[:, 0]).nearest.tolist() == [3, 4]
    with pytest.raises(GridError, match="of equal size"):
        similarity(fresh[:, 0], real)
    assert good.real.shape == (40, 2)
    assert ndimage.mean(good.explained) < 1
