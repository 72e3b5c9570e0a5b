"""Generated volumes beside real ones, as pictures."""

import numpy as np
import pytest
from channels import SHAPE, volumes

from gempy_gan import plot
from gempy_gan.errors import GempyGanError
from gempy_gan.metrics import variograms


@pytest.fixture(scope="module")
def pair():
    return volumes(6, 1), volumes(12, 0)


def images(figure):
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def test_samples_show_the_same_layers_of_both_in_the_same_colours(pair):
    figure = plot.samples(*pair, k=2)
    shown = images(figure)
    assert len(shown) == 4 * 4
    assert {tuple(ax.images[0].get_clim()) for ax in figure.axes if ax.images} == {(0, 1)}
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["generated", "generated", "real", "real"]
    layer = int(figure.axes[0].get_ylabel().split()[-1])
    assert any((volume[0, :, :, layer] == shown[0].T).all() for volume in pair[0])
    assert any((volume[0, :, :, layer] == shown[2].T).all() for volume in pair[1])
    assert any((volume[0, :, SHAPE[1] // 2] == shown[-1].T).all() for volume in pair[1])


def test_curves_are_those_of_the_metrics(pair):
    figure = plot.curves(*pair, splits=20)
    along_y = figure.axes[1]
    lines = {line.get_label(): line.get_ydata() for line in along_y.lines}
    for name, values in zip(("generated", "real"), pair, strict=True):
        np.testing.assert_allclose(lines[name], variograms.variograms(values[:, 0]).mean(axis=0)[16:32], rtol=1e-5)
    labels = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel()]
    assert labels == ["variogram", "indicator variogram", "connectivity"]


def test_neighbours_shows_copies_first(pair):
    generated, real = pair[0].copy(), pair[1]
    generated[4] = real[7]
    figure = plot.neighbours(generated, real, k=3)
    shown = images(figure)
    assert len(shown) == 6
    assert (real[7, 0, :, :, 4] == shown[0].T).all()
    titles = [ax.get_title() for ax in figure.axes if "ratio" in ax.get_title()]
    assert titles[0] == "4: ratio 0.00"
    assert len(figure.axes[0].collections) == 2


def test_boxes_without_lags_have_no_curves(pair):
    with pytest.raises(GempyGanError, match="single cell along one axis"):
        plot.curves(pair[0][..., :1], pair[1][..., :1])
