"""Pictures of trainings, of latents, and of ranks and seismic, by the data that they show."""

import json

import numpy as np
import pytest
import torch

from gempy_gan import plot
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import FormatError, GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.prior import LatentPrior
from gempy_gan.properties import Property

RECORDS = [{"step": s, "boxes": 16 * s, "minutes": s / 10, "boxes_per_s": 40.0, "loss": 100.0 / s} for s in range(1, 61)]
RECORDS[29] |= {"floors": {"variogram": 0.02}, "variogram": 0.08}
RECORDS[59] |= {"floors": {"variogram": 0.03}, "variogram": 0.05}


class Linear(LatentPrior):
    """Cells are latents, ten times, and their negatives."""

    properties = (Property("porosity", "%"), Property("other"))
    shape, cell_size, latent_shape = (6, 5, 4), (50.0, 25.0, 2.0), (6, 5, 4)

    def decode(self, z):
        return torch.stack([10 * z, -z], dim=1)


def titled(figure):
    return {ax.get_title(): ax for ax in figure.axes if ax.get_title()}


def test_curves_show_the_log_over_boxes_seen():
    panels = titled(plot.training_curves(RECORDS))
    assert set(panels) == {"boxes per s", "loss", "variogram"}
    loss = panels["loss"]
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [[16 * s, 100 / s] for s in range(1, 61)])
    smooth = loss.lines[1].get_xydata()
    assert len(smooth) == 58
    np.testing.assert_allclose(smooth[:, 1], [100 / s for s in range(2, 60)])  # of three that fall, the one in the middle
    np.testing.assert_allclose(smooth[:, 0], [16 * s for s in range(2, 60)])
    assert loss.get_ylim()[1] < 100
    figure = panels["variogram"]
    np.testing.assert_allclose(figure.lines[0].get_xydata(), [[480, 0.08], [960, 0.05]])
    assert figure.lines[1].get_ydata()[0] == 0.03  # the latest floor
    assert panels["boxes per s"].get_ylabel() == "boxes per second"
    assert {ax.get_xlabel() for ax in panels.values()} == {"boxes seen"}


def test_curves_are_read_from_the_folder_of_a_training(tmp_path):
    (tmp_path / "log.jsonl").write_text("\n".join(json.dumps(record) for record in RECORDS))
    for place in (tmp_path, tmp_path / "log.jsonl"):
        np.testing.assert_allclose(titled(plot.training_curves(place))["loss"].lines[0].get_ydata()[0], 100)
    with pytest.raises(FormatError, match="no log of a training"):
        plot.training_curves(tmp_path / "nothing")
    with pytest.raises(FormatError, match="holds no numbers"):
        plot.training_curves([{"step": 1}])


def test_a_walk_goes_from_one_latent_to_another():
    prior = Linear()
    figure = plot.latent_walk(prior, steps=5, seed=3, layer=1)
    images = [ax.images[0] for ax in figure.axes if ax.images]
    above, below = images[:5], images[5:]
    first, last = torch.randn((2, 6, 5, 4), generator=torch.Generator().manual_seed(3)).numpy()
    np.testing.assert_allclose(above[0].get_array(), 10 * first[:, :, 1].T, rtol=1e-5)
    np.testing.assert_allclose(above[-1].get_array(), 10 * last[:, :, 1].T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(below[0].get_array(), 10 * first[:, 2].T, rtol=1e-5)
    assert above[0].get_extent() == [0, 300, 0, 125]
    assert below[0].get_extent() == [0, 300, 0, 8]
    aspect = next(ax.get_aspect() for ax in figure.axes if ax.images and ax.images[0] is below[0])
    assert f"vertical exaggeration {aspect:g}" in figure.get_suptitle()


def test_a_walk_keeps_the_length_of_latents():
    from gempy_gan.plot.training import _between

    first, last = torch.randn((2, 5000), generator=torch.Generator().manual_seed(0))
    middle = _between(first, last, 0.5)
    assert abs(float(middle.norm()) / 5000**0.5 - 1) < 0.03  # a straight line would give 0.71
    torch.testing.assert_close(_between(first, first, 0.3), first)


def test_a_walk_shows_the_property_asked_for():
    figure = plot.latent_walk(Linear(), steps=2, property="other")
    other = plot.latent_walk(Linear(), steps=2)
    mine, theirs = (next(ax.images[0].get_array() for ax in f.axes if ax.images) for f in (figure, other))
    np.testing.assert_allclose(-10 * mine, theirs, rtol=1e-5)
    with pytest.raises(GempyGanError, match=r"no property 'gas'. It has: porosity, other"):
        plot.latent_walk(Linear(), property="gas")
    with pytest.raises(GempyGanError, match="at least 2"):
        plot.latent_walk(Linear(), steps=1)


def test_ranks_stand_beside_what_chance_gives():
    from scipy.stats import binom

    ax = plot.rank_histogram([4, 30, 3, 3], "held out: coarse_fraction").axes[0]
    drawn = ax.patches[-1].get_data()
    np.testing.assert_allclose(drawn.values, [4, 30, 3, 3])
    np.testing.assert_allclose(drawn.edges, [0, 0.25, 0.5, 0.75, 1])
    assert ax.lines[0].get_ydata()[0] == 10
    band = ax.patches[0].get_bbox()
    assert (band.y0, band.y1) == tuple(binom.ppf((0.05, 0.95), 40, 0.25))
    assert ax.get_title() == "held out: coarse fraction: ranks of 40 data"
    with pytest.raises(GempyGanError, match="two or more parts"):
        plot.rank_histogram([0, 0])


def test_seismic_stands_beside_what_a_realization_predicts():
    grid = Grid((0, 60, 0, 50, 0, 8), (6, 5, 4))
    values = np.random.default_rng(0).normal(size=(3, 1, 6, 5, 4))
    made = Ensemble.from_values(grid, [Property("porosity")], values)
    data = np.random.default_rng(1).normal(size=(6, 5, 4))
    near, far = (SoftData(data, 2.0, lambda m, f=f: f * m[:, 0].flatten(1), name=name) for name, f in (("near", 3), ("far", 5)))
    panels = titled(plot.seismic(made, Constraints(grid, near, far), "far", realization=2))
    assert list(panels) == ["far: data", "far: synthetic, realization 2", "far: residual / std"]
    images = [np.asarray(ax.collections[0].get_array()) for ax in panels.values()]
    np.testing.assert_allclose(images[0], data[:, 2].T)
    np.testing.assert_allclose(images[1], 5 * values[2, 0, :, 2].T, rtol=1e-5)
    np.testing.assert_allclose(images[2], (5 * values[2, 0, :, 2] - data[:, 2]).T / 2, rtol=1e-4, atol=1e-6)
    with pytest.raises(GempyGanError, match=r"no seismic data 'mid'. The constraints hold: near, far"):
        plot.seismic(made, Constraints(grid, near, far), "mid")
    with pytest.raises(GempyGanError, match="hold: none"):
        plot.seismic(made, Constraints(grid, HardData([[0, 0, 0]], [0.1], 0.1, "porosity")))
