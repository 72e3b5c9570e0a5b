# %% [markdown]
# # Quickstart: fill a unit of a GemPy model with rivers
#
# You have a structural model, a handful of wells and a seismic cube. GemPy tells you *where* the reservoir is; this tutorial
# fills it with *what it could look like inside*: several volumes of sand and mud that look deposited by a meandering river,
# and that agree with the wells and the seismic. Each of them is a **realization**, all of them together an **ensemble**.
# Where they agree you know something; where they differ you do not.
#
# Everything here runs on files that we make up first, so that nothing has to be downloaded. With files of your own, start at
# "Read the data".

# %%
from pathlib import Path

import gempy_gan as gg
from gempy_gan.demo import make_example

example = make_example("example", overwrite=True)  # a GemPy model, eight wells (LAS), a cube (SEG-Y)
print(*sorted(path.relative_to("example") for path in Path("example").rglob("*.*")), sep="\n")

# %% [markdown]
# ## The grid
#
# `from_gempy` takes one unit of the model, named by the structural element at its base, and gives back cells that lie in it.

# %%
model = gg.load_gempy("example/model.gempy")  # or your own gempy.data.GeoModel
grid = gg.from_gempy(model, "Reservoir", resolution=(32, 32, 16))
print(grid.resolution, "cells of", *(f"{size:.1f}" for size in grid.cell_size), "m")

# %% [markdown]
# ## Read the data
#
# Well D-8 is deviated and needs its survey (that is the next tutorial); the other seven stand in their LAS files as they are.
# `kb` and `xy` must be given, or we must say that the file's header is to be believed: software that guesses where a well
# stands is worse than software that asks. For seismic, no file tells whether its vertical axis is time or depth, so we say
# that too.

# %%
wells = [gg.read(path, kb="header", xy="header") for path in sorted(Path("example/wells").glob("D-[1-7].las"))]
cube = gg.read("example/seismic.sgy", domain="time")
print(wells[0].curves.describe().loc[["count", "mean", "min", "max"]].round(2))
print(cube.traces.shape, "traces and samples of", 1000 * cube.step, "ms")

# %% [markdown]
# ## From data to constraints
#
# **Hard data**: well samples are averaged into the cells that the well crosses, each with a standard deviation. We hold two
# wells back, D-5 and D-7: nothing that follows sees them, until we ask in the end how well they were predicted.
#
# **Soft data**: the seismic sees all cells at once, through rock physics (sand is slower and lighter than mud here),
# reflections and a wavelet. `std` is how far amplitudes may be off: the noise of this made-up cube is known; for real data it
# comes from a well tie (tutorial 03).

# %%
rock = gg.forward.TwoEndMembers(coarse=(2650, 2150), fine=(2950, 2350), mixing="wyllie")  # (m/s, kg/m3) of sand and of mud
seismic = gg.forward.Convolution(gg.forward.ricker(60), rock, velocity=2800, tie=(-1000, 2000 / 2800), property="coarse_fraction")
held = ("D-5", "D-7")
used = gg.block([w for w in wells if w.name not in held], grid, curve="VSAND", property="coarse_fraction", std=0.05)
withheld = gg.block([w for w in wells if w.name in held], grid, curve="VSAND", property="coarse_fraction", std=0.05)
soft = gg.resample(cube, grid, forward=seismic, std=1.5 * example.noise)
constraints = gg.Constraints(grid, used, soft)
print(f"{len(used)} cells with well data, {len(withheld)} held back, {len(soft)} amplitudes")

# %% [markdown]
# ## The prior, and the answer
#
# What does geology look like before any data? That is the **prior**. `fluvial-diffusion` is a neural network that learned it
# from thousands of simulated rivers. It learned in cells of 50 x 50 x 1 m; ours are larger, so we must say that its rivers
# are to be stretched.
#
# `invert` then draws realizations that agree with the constraints. Six are few (they fit into half a minute); take fifty or a
# hundred for a study.

# %%
prior = gg.prior_for("fluvial-diffusion", grid, rescaled_to=grid.cell_size)
ensemble = gg.invert(prior, constraints, n=6, seed=0)
ensemble

# %%
gg.plot.plan(ensemble, "coarse_fraction", show=0, data=used)

# %%
gg.plot.plan(ensemble, "coarse_fraction", show="std", data=used)

# %%
gg.plot.section(ensemble, "coarse_fraction", show=0, data=used)

# %% [markdown]
# ## Is it right?
#
# `diagnose` compares the ensemble with its data, with realizations that know no data (`baseline`), and with the wells it
# never saw. Read the column *ideal*, and the sentences at the end: they say in words what is wrong.

# %%
baseline = gg.sample(prior, grid, n=6)
print(gg.diagnose(ensemble, constraints, held_out=withheld, baseline=baseline))

# %%
gg.plot.log_comparison(ensemble, withheld, property="coarse_fraction")

# %% [markdown]
# ## Take it with you
#
# The ending of the file name decides the format (tutorial 10 opens these files elsewhere); `to_gempy` gives the realization
# as an array on the model's own regular grid, for `gempy_viewer`. Written as `.nc` or `.zarr`, the ensemble can be turned
# into one page of HTML to send around: `gempy-gan report reservoir.nc`.

# %%
for path in gg.write(ensemble, "out/reservoir.grdecl")[:4]:
    print(path)
print(gg.to_gempy(ensemble, model).shape)

# %% [markdown]
# ## What to trust, and what not
#
# - **The wells are honoured** within their errors, and near them the ensemble is narrow. That alone proves nothing: pasting
#   wells into any picture does that too. The held-out wells are the test that counts.
# - **The geology is that of the prior.** If your river braids, or your unit is a turbidite, this prior cannot know, and no
#   data will tell it. `fluvial-diffusion` is also at an early stage of its training: bodies are too narrow and their insides
#   too busy.
# - **Six realizations give no percentiles.** Spread and probabilities from six are rough.
# - **We knew the wavelet, the rock and the noise.** With real data they are estimated, and wrong by an amount that tutorial
#   12 shows.
