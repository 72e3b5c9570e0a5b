# %% [markdown]
# # GAN inversion and pivotal tuning
#
# The prior of the last tutorial turns latents into volumes. **Inversion** is the way back: find latents whose volume agrees
# with the wells. Find many, from many starting points, and you have an ensemble. This is the road of Rongier & Peeters
# (2025), and this tutorial shows both its charm and its two traps: latents that cannot fit, and a fit that proves nothing.

# %%
import numpy as np
import pandas as pd

import gempy_gan as gg

# %% [markdown]
# ## A truth that the network has never seen
#
# One more run of the river simulator, with a seed that no training used, in the box that `fluvial-gan` was trained for. Seven
# wells run through it; two more are kept back to judge by.

# %%
grid = gg.Grid((0, 1600, 0, 1600, 0, 8), (32, 32, 8))
simulator = gg.get_prior("fluvial-simulator", shape=grid.resolution)
truth = gg.Ensemble.from_values(grid, simulator.properties, simulator.simulate(seed=910_005)[0][None])
columns = [(4, 5), (9, 20), (15, 10), (18, 27), (24, 16), (28, 6), (29, 25), (12, 15), (22, 22)]
names = np.array([f"W-{number + 1}" for number in range(9)])


def wells(chosen):
    """The coarse fraction in whole columns of cells, with the name of each well."""
    cells = np.array([(*columns[k], layer) for k in chosen for layer in range(8)])
    return gg.HardData(cells, truth.values[0, 0][tuple(cells.T)], 0.05, "coarse_fraction", np.repeat(names[chosen], 8))


used, withheld = wells(list(range(7))), wells([7, 8])
constraints = gg.Constraints(grid, used)
gg.plot.plan(truth, "coarse_fraction", layer=4, data=used)

# %% [markdown]
# ## Search the latents
#
# `latent` starts from latents of the prior and goes downhill, for each realization from its own start and with its own random
# error on the data (randomized maximum likelihood: for linear models this gives exact draws of the posterior, here an
# approximation). 64 latents against 56 data is not much freedom, and the landscape has pits; a warning tells of realizations
# that got stuck in one. We catch it here to print it.

# %%
import warnings

prior = gg.get_prior("fluvial-gan")
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", gg.GempyGanWarning)
    searched = gg.invert(prior, constraints, gg.get_strategy("latent", optimizer="lbfgs", steps=60, enough=0.5), n=6, seed=0)
for warning in caught:
    print(warning.message)

# %%
gg.plot.log_comparison(searched, used)

# %% [markdown]
# ## Let the generator give way
#
# **Pivotal tuning** holds the latents that came nearest and adjusts the *generator's weights*, on a copy, by as little as
# makes the data fit. It nearly always reaches them. What it gives up: nobody says any more that the volumes come from the
# prior that was trained.

# %%
tuned = gg.invert(prior, constraints, gg.get_strategy("pivotal", steps=60), n=6, seed=0)
gg.plot.log_comparison(tuned, used)

# %% [markdown]
# ## Compare
#
# Wells that were used, wells that were not, and how much the realizations still differ. Beside them, the prior without any
# data: the yardstick.

# %%
baseline = gg.sample(prior, grid, n=24)
rows = {}
for name, ensemble in {"no data": baseline, "latent": searched, "pivotal": tuned}.items():
    found = gg.diagnose(ensemble, constraints, held_out=withheld, baseline=baseline)
    rows[name] = {
        "chi2 of the wells (1)": found["hard: coarse_fraction", "chi2"].value,
        "match (high)": found["hard: coarse_fraction", "match"].value,
        "held-out CRPS (low)": found["held out: coarse_fraction", "crps"].value,
        "held-out coverage (0.80)": found["held out: coarse_fraction", "coverage80"].value,
        "diversity (<= 1)": found["spread: coarse_fraction", "diversity_ratio"].value,
    }
pd.DataFrame(rows).T.round(2)

# %%
gg.plot.plan(tuned, "coarse_fraction", show=0, layer=4, data=used)

# %%
gg.plot.plan(tuned, "coarse_fraction", show="std", layer=4, data=used)

# %%
gg.plot.log_comparison(tuned, withheld)

# %% [markdown]
# How far did tuning move the generator away from what it had learned? The trace keeps it: the mean change of cells at *other*
# latents, which no data asked for.

# %%
print(tuned.provenance["trace"][0]["drift"])

# %% [markdown]
# ## What to trust, and what not
#
# - **That the used wells fit says nothing**: tuning makes anything fit, also wells of another reservoir. Look at the
#   *held-out* rows, and compare with "no data".
# - **The spread is not a calibrated uncertainty.** Neither strategy samples the exact posterior of this prior;
#   `gempy-gan-bench calibrate` measures by how much they miss on simulated truths. Use them for plausible alternatives, not
#   for percentiles.
# - **Outside the reach of wells you see the prior**, with the streaks of its up-sampling.
# - **If the latents cannot fit** even roughly, do not tune harder: the prior may not contain your geology. That is a finding,
#   not a nuisance.
