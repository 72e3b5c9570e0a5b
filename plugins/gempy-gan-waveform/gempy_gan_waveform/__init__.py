"""Full-waveform data for gempy_gan: the 2-D Helmholtz equation, fields in few coefficients, and a score network for them."""

from __future__ import annotations

from typing import Any

from gempy_gan import hookimpl


@hookimpl
def gempy_gan_register_priors(register: Any) -> None:
    """Tell gempy_gan which priors this plugin adds."""
    register(
        "white", "gempy_gan_waveform.white:WhitePrior", "independent standard normal values, such as coefficients of a field"
    )
    register("score-network", "gempy_gan_waveform.score_network:ScoreNetwork", "denoising network of dense layers (train it)")


@hookimpl
def gempy_gan_register_forwards(register: Any) -> None:
    """Tell gempy_gan which forward operators this plugin adds."""
    register("helmholtz", "gempy_gan_waveform.helmholtz:Helmholtz", "acoustic waves in a vertical section, at some frequencies")
    register("helmholtz-modes", "gempy_gan_waveform.modal:ModalHelmholtz", "the same waves, of a field's coefficients")
