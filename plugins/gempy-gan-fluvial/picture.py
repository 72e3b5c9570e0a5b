"""Draw the picture of the README: `python picture.py sections.png` (needs matplotlib)."""

from __future__ import annotations

import sys

import numpy as np
from gempy_gan_fluvial.deposition import FACIES
from gempy_gan_fluvial.simulator import FluvialSimulator

SEED, SHAPE, LAYERS = 13, (128, 128, 16), (4, 12)
COLOURS = ["#7f9c7f", "#b8a34a", "#d98b4b", "#8c3d26", "#f0d27a", "#4d5270"]


def main(path: str) -> None:
    """Two plan views, a cross section and a long section of fraction, time and facies."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    simulator = FluvialSimulator(SHAPE, facies=True)
    coarse, time, facies = simulator.simulate(SEED, {"avulsions": 1.5})[0]
    figure, axes = plt.subplots(4, 3, figsize=(13, 11.5), height_ratios=[3.4, 3.4, 1, 1], layout="constrained")
    columns = (
        ("coarse fraction", coarse, {"cmap": "YlOrBr", "vmin": 0, "vmax": 1}),
        ("deposition time", time, {"cmap": "nipy_spectral", "vmin": 0, "vmax": 1}),
        ("facies", facies, {"cmap": ListedColormap(COLOURS), "vmin": -0.5, "vmax": 5.5}),
    )
    (dx, dy, dz), (nx, ny, nz) = simulator.cell_size, SHAPE
    for column, (name, values, style) in zip(axes.T, columns, strict=True):
        shown = style | {"origin": "lower", "interpolation": "nearest", "aspect": "auto"}
        for axis, layer in zip(column[:2], LAYERS, strict=True):
            image = axis.imshow(values[:, :, layer].T, extent=(0, nx * dx / 1e3, 0, ny * dy / 1e3), **shown)
            axis.set_title(f"{name}, layer {layer}, flow to the right", fontsize=9)
        column[2].imshow(values[nx // 2].T, extent=(0, ny * dy / 1e3, 0, nz * dz), **shown)
        column[2].set_title("across the flow", fontsize=9)
        column[3].imshow(values[:, ny // 2].T, extent=(0, nx * dx / 1e3, 0, nz * dz), **shown)
        column[3].set_title("along the flow", fontsize=9)
        bar = figure.colorbar(image, ax=column[3], orientation="horizontal", aspect=40)
        if name == "facies":
            bar.set_ticks(np.arange(len(FACIES)), labels=[*FACIES.values()], fontsize=7)
    figure.supylabel("metres (sections), kilometres (plan)", fontsize=9)
    figure.savefig(path, dpi=70, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    main(sys.argv[1])
