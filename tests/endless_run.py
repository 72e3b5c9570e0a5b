"""A run that fills a store with known realizations until it is killed; a module of its own, so that a process can import it."""

import numpy as np
import zarr  # noqa: F401  # loaded once, before any process is started

from gempy_gan.formats.zarr import EnsembleStore
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

GRID = Grid((0, 40, 0, 30, 0, 16), (40, 30, 16))
PROPERTIES = [Property("porosity"), Property("facies", codes={0: "mud", 1: "fine sand", 7: "coarse sand"})]
BATCH = 3


def realizations(k, size=BATCH):
    """Batch k of the run: the same for every process that draws it."""
    rng = np.random.default_rng(k)
    porosity = rng.normal(size=(size, *GRID.resolution)).astype(np.float32)
    return np.stack([porosity, rng.choice([0, 1, 7], size=porosity.shape)], axis=1)


def run(path):
    """Resume the run in the store at `path`, and go on."""
    store = EnsembleStore.open(path)
    for k in range(len(store) // BATCH, 10**6):
        store.append(realizations(k), trace={"k": k})
