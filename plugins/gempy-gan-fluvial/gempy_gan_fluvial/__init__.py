"""Process-based simulation of meandering fluvial deposits, as a prior for gempy_gan."""

from __future__ import annotations

from typing import Any

from gempy_gan import hookimpl


@hookimpl
def gempy_gan_register_priors(register: Any) -> None:
    """Tell gempy_gan what this plugin adds."""
    summary = "meandering rivers that migrate, avulse and aggrade (process-based simulation)"
    register("fluvial-simulator", "gempy_gan_fluvial.simulator:FluvialSimulator", summary)
    register("fluvial-diffusion", "gempy_gan_fluvial.trained:fluvial_diffusion", "diffusion prior trained on fluvial-simulator")
    register("fluvial-gan", "gempy_gan_fluvial.trained:fluvial_gan", "GAN prior trained on fluvial-simulator, in boxes")
