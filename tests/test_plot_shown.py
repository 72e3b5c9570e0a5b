"""Notebooks show figures that matplotlib.pyplot does not know."""

from gempy_gan.plot import style


def test_a_figure_shows_itself_as_png_the_same_every_time():
    figure = style.figure(2, 1)
    figure.subplots().plot([0, 1])
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert figure._repr_png_() == figure._repr_png_()
