# %% [markdown]
# # Train a GAN prior
#
# A **prior** says what geology looks like before any data. Writing one down as a formula (a mean, a variogram) gives smooth
# fields, not rivers. A **generative adversarial network** learns it from examples instead: a *generator* turns random
# numbers, the **latents**, into a volume; a *discriminator* is shown real and generated volumes and learns to tell them
# apart; each improves by beating the other. What comes out is a function from 32 numbers to a plausible volume, quick,
# differentiable, and therefore easy to search for volumes that fit data (the next tutorial).
#
# Training for real takes hours on a GPU. Here we take half a minute, enough to see every step, and to see what too little
# training looks like.

# %%
from pathlib import Path

import gempy_gan as gg

# %% [markdown]
# ## Examples to learn from
#
# Nobody has thousands of mapped reservoirs. So the examples come from a simulator of meandering rivers, one realization for
# each combination of width, mobility, avulsion rate and so on (`labels`). Seed and number alone decide a realization;
# **another seed is a held-out set**, never learned from.

# %%
simulator = gg.get_prior("fluvial-simulator", shape=(32, 32, 8))
training = gg.make_training_set(simulator, "training.zarr", n=64, seed=0)
held_out = gg.make_training_set(simulator, "held_out.zarr", n=32, seed=900_000)
print(training)
print(training.labels[["width", "mobility", "net_to_gross"]].describe().loc[["min", "mean", "max"]].round(2))

# %% [markdown]
# 64 volumes are ridiculously few (the shipped priors saw hundreds of larger ones, and cut boxes out of them). A network can
# learn 64 volumes by heart, so watch for that below.
#
# ## Training
#
# On the command line this is `gempy-gan train gan --data training.zarr --preset tiny --minutes 60 --out gan`, with a page to
# watch in the browser, checkpoints, and resumption after an interruption. Networks here are a third as wide as in the preset
# `tiny`.

# %%
plan = gg.TrainingPlan(
    "gan",
    "training.zarr",
    Path("gan"),
    preset="tiny",
    labels=(),
    options={"latents": 32, "generator": (48, 32, 16, 8), "discriminator": (8, 16, 32, 64)},
    steps=80,
    batch=12,
    precision="32-true",
    look_minutes=0.0,  # no pictures on the way
)
prior = gg.train(plan)
print(prior.latent_shape, "latents;", Path("gan/prior.safetensors").stat().st_size // 1000, "kB")

# %%
gg.plot.training_curves("gan")

# %% [markdown]
# The curves of a GAN do not go down as those of other trainings do: both sides get better, so the score stays open. What they
# can show is trouble, such as a discriminator that wins everything (its loss at zero, `on_real` and `on_fake` far apart).
# Whether the *volumes* are good is seen on volumes.
#
# ## Look

# %%
grid = gg.Grid((0, 1600, 0, 1600, 0, 8), (32, 32, 8))
drawn = gg.sample(prior, grid, n=32, seed=1)
gg.plot.samples(drawn, held_out)

# %% [markdown]
# After half a minute it makes blobs and streaks, nothing that a geologist would sign. The shipped prior has the same
# architecture, wider, and more training: bodies of sand of several sizes with clearer edges, from nearly none to nearly all
# of the box, but still streaks along the axes and nothing inside the bodies. It is at an early stage, too.

# %%
shipped = gg.get_prior("fluvial-gan")
gg.plot.samples(gg.sample(shipped, grid, n=24, seed=1), held_out)

# %% [markdown]
# ## Measure
#
# `validate` compares generated volumes with held-out real ones, figure by figure, each beside its **floor**: what two halves
# of the real volumes show against each other. A ratio of 1 is perfect.

# %%
found = gg.validate(drawn, held_out, figures=("histogram", "variogram", "connectivity", "patterns", "ms_swd"), splits=50)
for figure in found.figures:
    if figure.ratio is not None:
        print(f"{figure.key:24s}{figure.ratio:6.2f} times the floor")

# %% [markdown]
# This is a warning. The eye sees at once that these are no rivers, and several figures are near 1: amount of sand and
# two-point statistics are learned first, and with 16 volumes on a side the floor is so high that much passes under it. What
# tells are the patterns of neighbouring cells. So: look at pictures *and* at several figures, with hundreds of volumes. (The
# shipped priors were validated against boxes out of larger volumes, which hold less sand than these; their figures stand on
# their cards, `shipped.card`.)
#
# Does the latent space make sense? Walking from one latent to another, geology should change gradually.

# %%
gg.plot.latent_walk(shipped, steps=5, seed=7)

# %% [markdown]
# ## Has it learned by heart?
#
# A prior that repeats its training images looks perfect and is useless: the answer to every inversion is then one of 64
# pictures. So each generated volume is shown beside the training image most like it. A ratio near 0 would be a copy.

# %%
gg.plot.neighbours(drawn, training)

# %% [markdown]
# ## What to trust, and what not
#
# - **This prior: nothing.** It is here to show the steps.
# - **The shipped `fluvial-gan`: proportions and widths of sand bodies**, by the figures of its card (`prior.card`); not their
#   insides, and only boxes of 32 x 32 x 8 cells of 50 x 50 x 1 m.
# - **Any learned prior is as right as its examples.** A simulator of meandering rivers knows no tides, no deltas, no faults
#   that moved meanwhile.
# - **No sign of copying in 32 samples is not proof of none.** Tutorial 08 tests it properly.
