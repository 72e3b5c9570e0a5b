# %% [markdown]
# # From well logs to hard data
#
# A log has a sample every few centimetres, along a hole that may be crooked, in a file that may be wrong. An inversion needs
# something else: *this cell holds this value, give or take so much*. This tutorial walks from one to the other, and shows
# what goes wrong on the way.

# %%
from pathlib import Path

import pandas as pd

import gempy_gan as gg
from gempy_gan.demo import make_example

make_example("example", overwrite=True)  # eight made-up wells, one of them deviated, in a reservoir 32 m thick
print(*Path("example/wells/D-1.las").read_text().splitlines()[:24], sep="\n")

# %% [markdown]
# ## Where does the well stand?
#
# Depths in a log are **measured depths** below a reference, mostly the kelly bushing. To place a sample in the model one
# needs the head's map position (`xy`) and the elevation of the reference (`kb`). Many LAS files state neither, some state
# them wrongly, so nothing is assumed. Without a position a well can be looked at, and that is all:

# %%
nowhere = gg.read("example/wells/D-1.las")
try:
    nowhere.xyz([1040.0])
except gg.GempyGanError as error:
    print(error)

# %%
well = gg.read("example/wells/D-1.las", kb="header", xy="header")  # or kb=25.0, xy=(425.0, 525.0)
print(well.xyz([1040.0]))  # easting, northing, height in metres: z points up, as in GemPy
print(well.curves.round(2).iloc[100:104])

# %% [markdown]
# ## A file that lies
#
# The commonest defect: the header says that -999.25 means "no value", and the data say -9999. A reader that believes the
# header hands over a gamma ray of -9999, and one such sample spoils the mean of its cell. Such a file is not read until
# somebody has said what the number means.

# %%
head, mark, samples = Path("example/wells/D-1.las").read_text().partition("~ASCII")
Path("broken.las").write_text(head + mark + samples.replace("-999.25", "-9999"))
try:
    gg.read("broken.las", kb="header", xy="header")
except gg.FormatError as error:
    print(error)

# %%
repaired = gg.read("broken.las", kb="header", xy="header", null=-9999)
for finding in repaired.health:
    print(finding)

# %% [markdown]
# `health` keeps what reading brought to light: notes, warnings, errors that were overruled. `gempy-gan inspect wells/*.las`
# prints it for a whole folder, before any modelling. Make that a habit.
#
# ## A deviated well
#
# LAS holds no path. D-8 kicks off above the reservoir and runs at 75 degrees from the vertical: at its deepest it has only
# just entered the top of the reservoir. Read as a vertical well it would be believed to have crossed all of it, and its
# samples would stand up to 80 m too deep.

# %%
wrong = gg.read("example/wells/D-8.las", kb="header", xy="header")
right = gg.read("example/wells/D-8.las", kb="header", xy="header", survey="example/wells/D-8_survey.csv")
depth = [1030.0, 1060.0, 1090.0]
print(
    pd.DataFrame(
        {"as if vertical": list(wrong.xyz(depth).round(0)), "along its survey": list(right.xyz(depth).round(0))}, index=depth
    )
)

# %% [markdown]
# ## From gamma ray to sand
#
# The demo's logs bring a sand fraction, `VSAND`. Yours will bring gamma ray. `gamma_to_fraction` is the linear index between
# the well's own clean and shale lines, and leaves a note of what it took for them. It is as good as that index is:
# radioactive sands and thin beds fool it.

# %%
estimated = gg.gamma_to_fraction(well, "GR", clean=5, shale=95, mnemonic="VGAMMA")
print(estimated.health[-1])
print(estimated.curves[["VSAND", "VGAMMA"]].corr().round(3).iloc[0, 1], "is its correlation with the sand fraction that we know")

# %% [markdown]
# The correlation hides a flaw: this well has met no clean sand, so its 5th percentile is no clean line, and the index is too
# high throughout.

# %%
print(estimated.curves[["VSAND", "VGAMMA"]].mean().round(2))

# %% [markdown]
# ## Into cells
#
# `block` gives every sample to the cell that the well's path runs through there, and averages. How uncertain is that mean?
# Two things add up: `std`, the error of the measurement, which no averaging removes, and the scatter of the samples divided
# by the number of *independent* ones (a log blurs over about 0.6 m, so a sample every 0.25 m tells less than it seems to).

# %%
grid = gg.Grid(extent=(0, 2400, 0, 2400, -1040, -1008), resolution=(24, 24, 16))
paths = sorted(Path("example/wells").glob("D-[1-7].las"))
wells = [*(gg.read(path, kb="header", xy="header") for path in paths), right]
hard = gg.block(wells, grid, curve="VSAND", property="coarse_fraction", std=0.02)
table = pd.DataFrame(hard.cells, columns=["ix", "iy", "iz"]).assign(
    well=hard.wells, value=hard.values, std=hard.std, samples=hard.report["samples_per_cell"]
)
print(table[table.well == "D-3"].round(3).to_string(index=False))

# %% [markdown]
# Where the log is steady the error is that of the tool; where a boundary runs through the cell it is several times larger,
# and the inversion will lean on that cell less. One error is in no log: a cell is 100 m wide, and the well is a needle in it.
# If your geology changes within 100 m, raise `std`.
#
# The deviated well has data in the topmost layers only:

# %%
print(table.groupby("well")["iz"].agg(cells="size", lowest="min", highest="max"))

# %% [markdown]
# Facies are counted, not averaged: the commonest code in a cell wins.

# %%
facies = gg.Property("facies", codes={0: "mud", 1: "sand"})
coded = [w.with_curve("FACIES", (w.curves["VSAND"] > 0.5).where(w.curves["VSAND"].notna()).astype(float), "1") for w in wells]
majority = gg.block(coded, grid, curve="FACIES", property=facies, std=0.1)
print(f"{(majority.values == 1).mean():.0%} of the {len(majority)} cells are sand")

# %% [markdown]
# ## What the wells alone say
#
# The simplest prior that one can write down is a Gaussian random field: a mean, a spread, and ranges over which neighbours
# resemble each other. Conditioned to the wells it is what geostatisticians know as simple kriging with conditional
# simulation. Here it shows how far eight wells reach.

# %%
constraints = gg.Constraints(grid, hard)
prior = gg.prior_for("gaussian", grid, property="coarse_fraction", mean=0.3, std=0.3, ranges=(700, 700, 10))
ensemble = gg.invert(prior, constraints, n=20, seed=0)
gg.plot.fence(ensemble, constraints, show="mean")

# %%
gg.plot.plan(ensemble, show="std", data=constraints)

# %%
gg.plot.log_comparison(ensemble, constraints, well="D-3")

# %% [markdown]
# An ensemble can also be asked what it expects along a planned well, and the answer written as LAS:

# %%
planned = gg.WellLog("P-1", pd.DataFrame(index=pd.Index([1030.0, 1065.0], name="md"))).placed(xy=(1700.0, 1500.0), kb=25.0)
expected = gg.log_along(ensemble, planned, step=2.0)
print(expected.curves.round(2).head())
print(gg.write_log(expected, "P-1_expected.las")[0])

# %% [markdown]
# ## What to trust, and what not
#
# - **Positions and units** were given by us or believed on purpose. A wrong `kb` shifts every sample by as much and nothing
#   downstream will notice: check it against a well you know.
# - **The standard deviations** cover tool and averaging. They do not cover a wrong transform (the gamma ray above), nor that
#   a well is thinner than a cell.
# - **The picture between the wells is the Gaussian prior's**: smooth, without channels, with values below 0 and above 1. It
#   is a way to look at the data, not geology. Tutorials 06 and 07 put rivers in its place.
