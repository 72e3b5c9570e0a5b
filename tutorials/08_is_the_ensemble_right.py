# %% [markdown]
# # Is the ensemble right?
#
# An ensemble that honours every well can still be wrong in every cell between them. This tutorial is about the three
# questions to put to any ensemble, ours or another's: *are its intervals as wide as its errors* (coverage), *does it predict
# wells that it has not seen*, and *has its prior merely memorized its examples*. Each is shown on a case where we know the
# answer.

# %%
import numpy as np
import pandas as pd
import torch

import gempy_gan as gg
from gempy_gan import scores
from gempy_gan.metrics import memorization

# %% [markdown]
# ## Coverage
#
# An 80 % interval should hold the truth in 80 % of the cases. One truth cannot tell: it lies inside or not. So we simulate
# many: draw a truth from a prior, measure four wells in it with noise, invert, and look at cells beside the wells, which no
# well saw. The prior is a Gaussian field, for which the strategy `latent` is exact; so if our bookkeeping is right, coverage
# must be right too.
#
# Then the same with one small lie, told daily in practice: we claim the logs are five times better than they are.

# %%
grid = gg.Grid((0, 1200, 0, 1200, 0, 8), (12, 12, 8))
prior = gg.prior_for("gaussian", grid, property="porosity", mean=0.2, std=0.05, ranges=(1800, 1800, 4))
columns = np.array([(2, 3), (4, 9), (8, 2), (9, 8)])
used = np.array([(*column, layer) for column in columns for layer in range(8)])
unseen = np.array([(i, j, layer) for i, j in [(3, 3), (5, 9), (8, 3), (10, 8)] for layer in (1, 5)])
noise = 0.05


def where_the_truth_falls(claimed, cases=30):
    """The quantile of the ensemble at which the truth lies, in unseen cells of simulated cases."""
    quantiles = []
    for case in range(cases):
        truth = prior.sample(1, torch.Generator().manual_seed(case))[0, 0].numpy()
        data = truth[tuple(used.T)] + noise * np.random.default_rng(case).standard_normal(len(used))
        ensemble = gg.invert(prior, gg.Constraints(grid, gg.HardData(used, data, claimed, "porosity")), "latent", n=40, seed=case)
        quantiles.append(scores.pit(ensemble.values[:, 0][:, *unseen.T], truth[tuple(unseen.T)]))
    return np.concatenate(quantiles)


honest, boastful = where_the_truth_falls(noise), where_the_truth_falls(noise / 5)
for name, quantiles in (("honest", honest), ("five times too sure", boastful)):
    print(name, {f"{level:.0%}": f"{share:.0%}" for level, share in scores.covered(quantiles, (0.5, 0.8, 0.95)).items()})

# %%
gg.plot.rank_histogram(scores.rank_histogram(honest, 8), "honest errors")

# %%
gg.plot.rank_histogram(scores.rank_histogram(boastful, 8), "errors claimed to be a fifth")

# %% [markdown]
# Flat means right, a U means too sure: the truth falls outside of everything more often than it should. `gempy-gan-bench
# calibrate` does this for any prior and strategy, with tests that say how sure one can be, and keeps the result on the
# prior's card; `diagnose` then repeats it for every ensemble made with that pair.
#
# ## Held-out wells
#
# With real data there is one truth and you do not have it. What you have is wells: leave one out, invert, predict it, and
# repeat. The figure to watch is **CRPS**, the mean distance between prediction and measurement, small when the ensemble is
# both near and not needlessly wide. It means nothing alone, so `diagnose` prints two baselines: realizations without data,
# and the mean and spread of the wells in the same layer, which takes no software at all.

# %%
truth = prior.sample(1, torch.Generator().manual_seed(1000))[0, 0].numpy()
names = np.array(["A", "B", "C", "D"])
rows = {}
for left_out in range(4):
    part = np.repeat(np.arange(4), 8) == left_out
    measured = truth[tuple(used.T)] + noise * np.random.default_rng(7).standard_normal(len(used))
    data = [gg.HardData(used[where], measured[where], noise, "porosity", np.repeat(names, 8)[where]) for where in (~part, part)]
    ensemble = gg.invert(prior, gg.Constraints(grid, data[0]), "latent", n=40, seed=0)
    found = gg.diagnose(ensemble, gg.Constraints(grid, data[0]), held_out=data[1], baseline=gg.sample(prior, grid, n=40))
    figure = found["held out: porosity", "crps"]
    rows[names[left_out]] = {
        "ensemble": figure.value,
        "no data": figure.unconditional,
        "mean of the layer": figure.layer_mean,
        "coverage80": found["held out: porosity", "coverage80"].value,
    }
table = pd.DataFrame(rows).T
table.loc["all"] = table.mean()
table.round(4)

# %% [markdown]
# Compare along the line: an ensemble that is no better than "no data" at wells that it has not seen has learned nothing that
# reaches from well to well, however well it honours the others. And mind how few four wells are, of eight correlated cells
# each: the coverage of a single well jumps about, and only the mean says something, roughly.
#
# ## Memorization
#
# A learned prior can cheat: instead of rivers it learns its training images. Its samples look perfect, every inversion fits,
# and the answer is always one of the examples (Siahkoohi & Sabeddu, 2026). No check against wells finds that.
#
# What does: measure how close generated volumes are to the training images, and how close **volumes that were never trained
# on** are. Only the comparison counts, for volumes of one river are always somewhat alike. We test three priors: new runs of
# the simulator, which cannot have memorized; one that hands out the training images with a little noise, which has nothing
# else; and the shipped GAN.

# %%
simulator = gg.get_prior("fluvial-simulator", shape=(32, 32, 8))
box = gg.Grid((0, 1600, 0, 1600, 0, 8), (32, 32, 8))
images = gg.make_training_set(simulator, "images.zarr", n=40, seed=0)
others = gg.make_training_set(simulator, "others.zarr", n=40, seed=900_000)
fresh = gg.make_training_set(simulator, "fresh.zarr", n=24, seed=910_000)
copies = images.values[np.random.default_rng(0).integers(40, size=24)]
spoilt = np.clip(copies + 0.05 * np.random.default_rng(1).standard_normal(copies.shape), 0, 1)
parrot = gg.Ensemble.from_values(box, images.properties, spoilt)
gan = gg.sample("fluvial-gan", box, n=24, seed=3)
for name, volumes in {"simulator": fresh, "parrot": parrot, "fluvial-gan": gan}.items():
    found = memorization(volumes, images, others)
    print(f"{name:12s} p = {found.p_value:.3g}; {found.share:.0%} are closer to an image than 95 % of the held-out ones")

# %% [markdown]
# A small p says: these lie closer to the training images than chance allows. The GAN's share of near ones is more than 5 %
# and its p is not small: its volumes are smoother than real ones, and what is smooth is nearer to everything without being a
# copy of anything. (It never saw *these* forty images; to test it in earnest one needs its own training set, with which its
# card was made. `gempy-gan diagnose --memorization` asks the same of an ensemble that was conditioned.) The eye agrees:

# %%
gg.plot.copies(parrot, images, others, k=3)

# %%
gg.plot.copies(fresh, images, others, k=3)

# %% [markdown]
# ## What to trust, and what not
#
# - **Trust an ensemble as far as it has been tested**: on simulated truths for its strategy, on held-out wells for its prior,
#   on its training set for memorization. Each finds what the others cannot.
# - **Right coverage on simulated truths says the strategy is right, given the prior.** If nature is not in the prior, no such
#   test will notice. Held-out wells may.
# - **A good CRPS with a bad coverage** is a good guess that is too sure. For decisions on risk that is worse than a vague
#   one.
# - **No evidence of memorization is not evidence of none** when few volumes were compared: the test grows sharper with more
#   of them.
