# %% [markdown]
# # Write a plugin: a prior of your own
#
# You know your rocks better than any shipped prior does. If you can write down how to draw one realization, gempy_gan can
# condition it: a plugin is one Python file. Here we write a prior of deep-water lobes, test it, condition it to wells, and
# use it from the command line.

# %%
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

import gempy_gan as gg
from gempy_gan.plugins import add_plugin_file
from gempy_gan.testing import check_prior

# %% [markdown]
# ## What a prior has to be able to do
#
# The least is `sample(n, generator)`: then conditioning means drawing and rejecting, which works for two or three data. More
# is possible if a realization is a smooth function of standard normal numbers, `decode(z)`: then every strategy for latents
# works, at no cost to you. So we take eight lobes, flat ellipsoids of sand, each with a position, a radius and a thickness
# that come from five normal numbers.
#
# Three things need care: draw from `generator` alone, so that a seed decides; return values in the property's unit, shaped
# (n, properties, nx, ny, nz); list all options in `state()`, so that provenance can rebuild the prior.

# %%
source = '''"""Deep-water lobes: flat ellipsoids of sand in mud."""

import torch

from gempy_gan import LatentPrior, Property, hookimpl


@hookimpl
def gempy_gan_register_priors(register):
    register("lobes", LobePrior, "deep-water lobes, as ellipsoids")


class LobePrior(LatentPrior):
    """`lobes` ellipsoids of some `radius` and `thickness` (metres), which vary by a factor of `variation` (log-normal)."""

    recommended = "latent"

    def __init__(self, shape=(32, 32, 8), cell_size=(50.0, 50.0, 2.0), lobes=8, radius=350.0, thickness=5.0, variation=1.3):
        self.shape, self.cell_size = tuple(shape), tuple(cell_size)
        self.lobes, self.radius, self.thickness, self.variation = lobes, radius, thickness, variation
        self.properties = (Property("coarse_fraction"),)
        self.latent_shape = (lobes, 5)

    def decode(self, z):
        box = torch.tensor([n * size for n, size in zip(self.shape, self.cell_size)])
        centre = box * torch.special.ndtr(z[..., :3])  # uniform in the box
        size = torch.exp(torch.log(torch.tensor(self.variation)) * z[..., 3:])
        axes = [(torch.arange(n) + 0.5) * step for n, step in zip(self.shape, self.cell_size)]
        radius, half = self.radius * size[..., 0], 0.5 * self.thickness * size[..., 1]
        reach = [radius, radius, half]
        square = [((axis - centre[..., k, None]) / reach[k][..., None]) ** 2 for k, axis in enumerate(axes)]
        distance = square[0][..., :, None, None] + square[1][..., None, :, None] + square[2][..., None, None, :]
        outside = torch.sigmoid(8 * (distance.add(1e-6).sqrt() - 1))  # 0 deep in a lobe, 1 far from it
        return 0.05 + 0.85 * (1 - outside.prod(dim=1, keepdim=True))

    def state(self):
        names = ("lobes", "radius", "thickness", "variation")
        return {"shape": [*self.shape], "cell_size": [*self.cell_size], **{name: getattr(self, name) for name in names}}
'''
Path("lobes.py").write_text(source)
add_plugin_file("lobes.py")

# %% [markdown]
# ## Look at it
#
# From here on it is a prior like any other, by its name.

# %%
grid = gg.Grid((0, 1600, 0, 1600, -1516, -1500), (32, 32, 8))
prior = gg.prior_for("lobes", grid)
free = gg.sample(prior, grid, n=12, seed=0)
gg.plot.plan(free, layer=4)

# %%
gg.plot.section(free)

# %% [markdown]
# ## Test it
#
# `check_prior` holds it against the contract: shapes, finite values, randomness that follows the generator alone, a decoder
# that explains the samples and has gradients, a state that rebuilds it. It says what is broken, and what the contract is.
# Here is a prior with a common mistake, random numbers from nowhere:

# %%
check_prior(prior, rebuild=type(prior))
print("lobes: fine")


class Careless(type(prior)):
    """Draws from numpy's own numbers, which no seed of ours decides."""

    def decode(self, z):
        return super().decode(z) + 0.01 * float(np.random.default_rng().standard_normal())


try:
    check_prior(Careless(**prior.state()))
except AssertionError as error:
    print("careless:", error)

# %% [markdown]
# ## Condition it
#
# Four wells in a realization that is kept aside; one more well is held out. `latent` searches, for each realization from
# starting points of its own, the latents that agree with the wells. That is not easy here: a lobe that has settled in the
# wrong place feels no pull from a well far away. So vague data lead the way to precise ones (`annealing`), and each
# realization has two starts. We stop well before the last digit (`enough`), and a warning says so; we catch it to print it.
# Whether the wells are met is what chi2 tells.

# %%
truth = gg.sample(prior, grid, n=1, seed=77)
columns = [(6, 8), (12, 22), (20, 12), (27, 25), (16, 16)]
cells = np.array([(*column, layer) for column in columns for layer in range(8)])
values = truth.values[0, 0][tuple(cells.T)] + 0.05 * np.random.default_rng(0).standard_normal(len(cells))
names = np.repeat(["L-1", "L-2", "L-3", "L-4", "L-5"], 8)
used, withheld = (
    gg.HardData(cells[part], values[part], 0.05, "coarse_fraction", names[part]) for part in (names != "L-5", names == "L-5")
)
constraints = gg.Constraints(grid, used)
search = gg.get_strategy("latent", optimizer="lbfgs", steps=80, starts=2, enough=0.5, annealing=(30, 5))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", gg.GempyGanWarning)
    ensemble = gg.invert("lobes", constraints, search, n=16, seed=0)
for warning in caught:
    print(warning.message)
gg.plot.plan(ensemble, show="mean", layer=4, data=used)

# %%
gg.plot.log_comparison(ensemble, used)

# %%
found = gg.diagnose(ensemble, constraints, held_out=withheld, baseline=gg.sample(prior, grid, n=50))
for group, key in (
    ("hard: coarse_fraction", "chi2"),
    ("held out: coarse_fraction", "crps"),
    ("spread: coarse_fraction", "diversity_ratio"),
):
    print(f"{group:26s} {key:16s} {found[group, key].value:.3f}   without data {found[group, key].unconditional}")
print(*found.verdicts, sep="\n")

# %% [markdown]
# ## Use it, give it away
#
# On the command line a bare file is given with `--plugin`:

# %%
command = [sys.executable, "-m", "gempy_gan", "--plugin", "lobes.py", "plugins"]
listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
print(*(line for line in listed.splitlines() if "lobes" in line), sep="\n")

# %% [markdown]
# To give it away, put the file into a package with this in its `pyproject.toml`; whoever installs that has the prior, in
# Python, on the command line and in study files:
#
# ```toml
# [project] name = "gempy-gan-lobes" version = "0.1.0" dependencies = ["gempy-gan"]
#
# [project.entry-points.gempy_gan] lobes = "lobes"
# ```
#
# Strategies, readers, grid formats and forward operators are added in the same way: see `plugins/README.md`.
#
# ## What to trust, and what not
#
# - **The contract is tested, the geology is not.** That eight ellipsoids are a fair picture of your lobes is for you to show.
# - **A strategy that suits one prior fails with another.** We first had `esmda` here, the smoother of history matching: lobes
#   are interchangeable, so the mean of many ensembles of lobes is a haze that no update can sharpen, and chi2 stayed above
#   50. The diagnosis said so in its first sentence. Try two strategies, and read it.
# - **Searching latents is no exact sampler** either where the prior is as far from linear as ellipsoids are; compare with
#   `pcn` on a small case.
# - **`recommended` is a promise to your users.** Name the strategy that you have tested.
