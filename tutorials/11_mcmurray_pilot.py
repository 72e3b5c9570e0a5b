# %% [markdown]
# # The McMurray pilot: real wells
#
# Fourteen real wells through the McMurray Formation of the Athabasca oil sands: tidal and fluvial point bars, 37 to 90 m
# thick, in a box of 12.8 x 12.8 km. No seismic, logs from the seventies on, picks of varying quality. Ten wells condition the
# model, four are held out to judge it. This is what a study looks like when nobody knows the truth.
#
# It needs real files, which are not part of this package: set `GEMPY_GAN_REAL_DATA` to the folder that holds
# `pilot/mcmurray_A`. Data: Alberta Geological Survey, Wynne et al. 1995, Special Report 6 (credit required, no commercial
# reproduction).

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd

import gempy_gan as gg
from gempy_gan.adapters.tables import read_heads, read_table, read_tops

home = Path(os.environ["GEMPY_GAN_REAL_DATA"]) / "pilot" / "mcmurray_A"
heads = read_heads(home / "wells.csv", {"well": "file", "x": "x_utm12", "y": "y_utm12", "kb": "kb"}).set_index("well")
picks = read_tops(home / "wells.csv", {"well": "file"}, tops={"McMurray": "mcmurray_md", "Paleozoic": "paleozoic_md"})
depths = picks.pivot_table(index="well", columns="top", values="md")
print(depths.assign(thickness=depths["Paleozoic"] - depths["McMurray"]).describe().loc[["min", "mean", "max"]].round(1))

# %% [markdown]
# ## Which wells are held out
#
# They must be chosen before any result is seen, or one chooses the flattering ones. The rule here uses positions alone: in
# each quadrant of the box the well nearest to the quadrant's centre.

# %%
x0, y0, size = read_table(home / "wells.csv")[["box_x0", "box_y0", "box_size_m"]].iloc[0]
held_names = []
for i in (0, 1):
    for j in (0, 1):
        inside = ((heads["x"] - x0) // (size / 2) == i) & ((heads["y"] - y0) // (size / 2) == j)
        away = np.hypot(heads["x"] - x0 - (i + 0.5) * size / 2, heads["y"] - y0 - (j + 0.5) * size / 2)
        held_names.append(away[inside].idxmin())
print(*held_names)

# %% [markdown]
# ## Gamma ray to sand
#
# Baselines differ from well to well (other tools, other decades), so each well gets its own clean and shale lines, within the
# unit. That throws away the difference between a sandy well and a shaly one: every well then has 5 % clean sand and 5 %
# shale, whether it did or not. It is a choice, and the held-out figures below cannot see it, because they make the same one.

# %%
wells = []
for name, head in heads.iterrows():
    interval = (depths.loc[name, "McMurray"], depths.loc[name, "Paleozoic"])
    well = gg.read(home / "las" / name, xy=(head["x"], head["y"]), kb=head["kb"], name=Path(name).stem)
    wells.append(gg.gamma_to_fraction(well, "GR", interval=interval))
held = [well for well in wells if f"{well.name}.LAS" in held_names]
used = [well for well in wells if f"{well.name}.LAS" not in held_names]
print(f"{len(used)} wells condition, {len(held)} are held out")

# %% [markdown]
# ## From tops to a structural model
#
# The picks become the two surfaces of a GemPy model, and the grid follows the unit between them. The grid is turned by 90
# degrees: the rivers of our prior flow along its x axis, and those of the McMurray flowed to the north. The base is an eroded
# landscape that rises and falls by 50 m: a flat box would mix layers.
#
# Picks of all fourteen wells are used: what is held out is what the wells hold *inside* the unit. How much does that give
# away? The same model through the ten wells alone tells.


# %%
def model_through(chosen):
    """A structural model through the tops of some wells."""
    tops = pd.concat([gg.placed_tops(well, depths.loc[f"{well.name}.LAS"].to_dict()) for well in chosen])
    box = (x0 + size, x0 + 2 * size, y0, y0 + size)  # before it is turned about its corner, the south-east one of the map
    return gg.model_from_tops(tops, ["McMurray", "Paleozoic"], extent=box, rotation=90)


grid = gg.from_gempy(model_through(wells), "McMurray", resolution=(64, 64, 16))
print("cells of", *(f"{length:.1f}" for length in grid.cell_size), "m")
print("thickness [5 %, mean, 95 %]:", np.round(grid.frame.quality["thickness"], 1))
blind = gg.from_gempy(model_through(used), "McMurray", resolution=(32, 32, 8))
for well in held:
    place = well.xyz(depths.loc[f"{well.name}.LAS", ["McMurray", "Paleozoic"]])
    for name, frame in (("through its own tops", grid.frame), ("through the others'", blind.frame)):
        t = frame.to_box(place)[:, 2]
        print(f"{well.name}, surfaces {name:20s}: top at t = {t[0]:.2f} (1 is right), base at {t[1]:.2f} (0 is right)")

# %% [markdown]
# Between wells 3 km apart the surfaces are wrong by a good part of the unit's thickness. So the figures below are of a well
# of which the tops are known, as from an old log; a new well would do worse. `gempy_gan.structural_uncertainty` draws
# surfaces within their uncertainty.
#
# ## Condition
#
# Two priors. A Gaussian field, with mean, spread and ranges fitted to the ten wells: the modest one, that claims nothing
# about shapes. And rivers, `fluvial-diffusion`, the bold one. It learned in cells of 50 x 50 x 1 m; stretched to ours its
# channels are 560 to 1200 m wide and some 10 to 30 m deep; that the McMurray's were so is a guess. Simulated rivers leave
# clean sand or mud, while a gamma-ray index reads much in between, so `MatchedPrior` gives them the histogram of the ten
# wells: shapes stay, values change.

# %%
data = gg.block(used, grid, curve="VSAND", property="coarse_fraction", std=0.05)
withheld = gg.block(held, grid, curve="VSAND", property="coarse_fraction", std=0.05)
constraints = gg.Constraints(grid, data)
gaussian = gg.prior_for(
    "gaussian", grid, property="coarse_fraction", mean=0.545, std=0.275, covariance="matern", nu=1.5, ranges=(3000, 3000, 13.7)
)
learned = gg.prior_for("fluvial-diffusion", grid, size="small", rescaled_to=grid.cell_size)
rivers = gg.MatchedPrior(learned, np.quantile(data.values, np.linspace(0, 1, 21)), "coarse_fraction")
ensembles = {
    "Gaussian": gg.invert(gaussian, constraints, n=20, seed=0),
    "rivers": gg.invert(rivers, constraints, gg.get_strategy("guided", steps=32), n=4, seed=0),
}
baselines = {"Gaussian": gg.sample(gaussian, grid, n=20), "rivers": gg.sample(rivers, grid, n=3)}

# %%
gg.plot.plan(ensembles["Gaussian"], "coarse_fraction", show="mean", layer=8, data=data)

# %%
gg.plot.plan(ensembles["rivers"], "coarse_fraction", show=0, layer=8, data=data)

# %%
gg.plot.fence(ensembles["rivers"], data, "coarse_fraction")

# %% [markdown]
# ## Judge
#
# At the four wells that neither prior has seen. The line to beat is `layer mean`: mean and spread of the ten wells in the
# same layer, which takes a pocket calculator.

# %%
rows = {}
for name, ensemble in ensembles.items():
    found = gg.diagnose(ensemble, constraints, held_out=withheld, baseline=baselines[name])
    crps = found["held out: coarse_fraction", "crps"]
    rows[name] = {
        "match at used wells": found["hard: coarse_fraction", "match"].value,
        "held-out CRPS (low)": crps.value,
        "the same without data": crps.unconditional,
        "coverage80 (0.80)": found["held out: coarse_fraction", "coverage80"].value,
        "correlation": found["held out: coarse_fraction", "correlation"].value,
    }
print(f"layer mean: held-out CRPS {crps.layer_mean:.3f}")
pd.DataFrame(rows).T.round(3)

# %%
gg.plot.log_comparison(ensembles["Gaussian"], withheld)

# %%
gg.plot.log_comparison(ensembles["rivers"], withheld, property="coarse_fraction")

# %% [markdown]
# ## As a study file
#
# The same as a file that others can repeat, with more realizations and all pictures: `gempy-gan run
# tutorials/pilot_mcmurray.toml --out mcmurray`. There the river's labels are chosen as well, by cross-validation among the
# ten wells alone: rivers that migrate fast and avulse often. At the four wells it then has a CRPS of 0.170, beside 0.161
# of the wells' histogram, 0.167 of the layer mean and 0.187 of the Gaussian field (`pilot_mcmurray_gaussian.toml`),
# with a standard error of 0.007.
#
# ## What to trust, and what not
#
# - **Wells kilometres apart tell little about each other here.** The Gaussian field predicts the held-out wells worse than
#   the layer mean does, the rivers no better. A model of these data that looks certain is wrong. What the ensembles
#   are good for is a range of *plausible* geologies that agree with the wells.
# - **Do not read a victory of the rivers out of this.** Four wells and four realizations are a small jury: with half the
#   steps earlier weights had 0.19 instead of 0.15, and in both cases the 80 % intervals hold too little. The study file above
#   does it with more of everything, and gains nothing on the wells' histogram: 59 % of the data lie in its 80 % intervals.
# - **The river prior is a hypothesis**: its rivers are not tidal, and it meets the used wells less closely than the Gaussian
#   field, which can bend to anything.
# - **Structure is taken as known**, and it is not: see how far the surfaces miss tops that they do not know.
