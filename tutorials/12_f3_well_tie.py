# %% [markdown]
# # The F3 well tie: real seismic, a real well
#
# Tutorial 03 made up a line and a well, and all was well. Here is the same work on real data: well F02-1 on inline 362 of the
# F3 block in the Dutch North Sea. Nothing fits as nicely, and the point of this tutorial is what one can still say.
#
# It needs real files, which are not part of this package: set `GEMPY_GAN_REAL_DATA` to the folder that holds `pilot/f3`.
# Data: F3 Demo, NAM/TNO (NLOG), curated by dGB Earth Sciences, CC BY-SA 3.0.

# %%
import os
from pathlib import Path

import numpy as np
import pandas as pd

import gempy_gan as gg
from gempy_gan.adapters.tables import read_checkshot

folder = Path(os.environ["GEMPY_GAN_REAL_DATA"]) / "pilot" / "f3"
well = gg.read(folder / "las" / "F02-1_logs.las", xy="header", kb=30.0)
line = gg.read(folder / "F3_inline362_derived.sgy", domain="time")
checkshot = read_checkshot(folder / "checkshot" / "F02-1_TD.txt", {"md": 0, "twt": 1}, time_unit="s", twt=True, header=False)
for finding in (*well.health, *line.health):
    print(finding)

# %% [markdown]
# ## Times
#
# The checkshot table pairs horizon picks with markers and departs from the sonic log by up to 39 ms, so it is used for one
# point only, the shallowest; from there on times are integrated from the sonic log.

# %%
top, base = 553.6, 1285.0  # measured depth, metres: the shallowest checkshot and the Mid-Miocene
md = well.md[(well.md >= top) & (well.md <= base)]
slowness = 1e-6 * well.curve("DT")[md].to_numpy()  # s/m
travel = np.diff(md) * (slowness[1:] + slowness[:-1])
times = np.interp(top, checkshot["md"], checkshot["twt"]) + np.concatenate([[0.0], np.cumsum(travel)])
impedance = well.curve("AI")[md].to_numpy()
apart = times - np.interp(md, checkshot["md"], checkshot["twt"])
print(f"sonic times minus checkshot table: {1000 * apart.min():.0f} to {1000 * apart.max():.0f} ms")

# %% [markdown]
# ## The tie
#
# The wavelet is estimated by regularized least squares for each lag and stretch. The correlation that counts is the one on
# stretches of the trace that the estimate has not seen.

# %%
nearest = int(np.linalg.norm(line.xy - well.xyz(md[:1])[0, :2], axis=1).argmin())
tie = gg.forward.well_tie(times, impedance, line.traces[nearest], line.axis, length=0.08, max_lag=0.03, max_stretch=0.05)
print(f"trace at inline, crossline {line.lines[nearest].tolist()}")
print(tie)

# %%
gg.plot.well_tie(tie)

# %%
gg.plot.wavelet(tie.wavelet)

# %% [markdown]
# Is a held-out correlation of this size anything? Two checks. The times of the checkshot table, which we did not believe; and
# the same search on traces kilometres away, where the well does not stand.

# %%
options = {"length": 0.08, "max_lag": 0.03, "lag_step": 0.003}
picked = gg.forward.well_tie(
    np.interp(md, checkshot["md"], checkshot["twt"]), impedance, line.traces[nearest], line.axis, **options
)
print(f"by the checkshot table: fitted {picked.correlation:.2f}, held out {picked.correlation_held_out:.2f}")
for trace in range(250, len(line.traces), 175):
    elsewhere = gg.forward.well_tie(times, impedance, line.traces[trace], line.axis, max_stretch=0.05, **options)
    distance = np.linalg.norm(line.xy[trace] - line.xy[nearest]) / 1000
    print(f"{distance:4.1f} km away: fitted {elsewhere.correlation:.2f}, held out {elsewhere.correlation_held_out:.2f}")

# %% [markdown]
# Fitted correlations are of the same size everywhere: they only show how freely a wavelet bends. The held-out one stands out
# where the well is.
#
# ## What the tie is worth
#
# We invert a short section for impedance without the well, and look at the well afterwards. To be fair, the lower half of the
# log is predicted with the wavelet and noise of the *upper* half. (Lag and stretch are from the whole log: two numbers are
# taken from what is judged.)

# %%
log = well.with_curve("LNAI", np.log(well.curve("AI").to_numpy()), "1")
along = (line.xy[-1] - line.xy[0]) / np.linalg.norm(line.xy[-1] - line.xy[0])
across = np.array([-along[1], along[0]])
x, y = line.xy[nearest] - 550 * along - 50 * across
rotation = float(np.degrees(np.arctan2(along[1], along[0])))
grid = gg.Grid((x, x + 1100, y, y + 100, -1210, -560), (11, 1, 130), rotation)
shifted = tie.shift(times)
upper = shifted <= np.median(tie.axis)
half = gg.forward.well_tie(shifted[upper], impedance[upper], line.traces[nearest], line.axis, length=0.064, max_lag=0.0, folds=4)
table = np.column_stack([md - 30.0, half.shift(shifted)])  # its wavelet is centred, and the delay stands in its lag
forward = gg.forward.Convolution(half.wavelet, gg.forward.Impedance(log=True), time_depth=table, reflectivity="log")
soft = gg.resample(line, grid, forward=forward, std=half.residual_std)
constraints = gg.Constraints(grid, soft)

# %% [markdown]
# The prior is what three other wells of the block say: ln impedance around 15.4, hardly a trend with depth, a spread of 0.08
# and ranges of 1 km along and 100 m up. Three wells say little about a fourth one, so the spread is on the wide side.

# %%
others = []
for name, kb in (("F03-2", 30.0), ("F03-4", 30.0), ("F06-1", 28.64)):
    other = gg.read(folder / "las" / f"{name}_logs.las", xy="header", kb=kb)
    height = other.xyz(other.md)[:, 2]
    values = np.log(other.curve("AI").to_numpy())[(height > -1210) & (height < -560)]
    others.append(values[np.isfinite(values)])
    print(f"{name}: mean {others[-1].mean():.2f}, standard deviation {others[-1].std():.3f}")
pooled = np.concatenate(others)
spread = float(pooled.std())
prior = gg.prior_for(
    "gaussian",
    grid,
    property=gg.Property("ln_impedance"),
    mean=float(pooled.mean()),
    std=spread,
    covariance="exponential",
    ranges=(1000, 1000, 100),
)
ensemble = gg.invert(prior, constraints, n=30, seed=0)
gg.plot.seismic(ensemble, constraints)

# %%
logged = gg.block(log, grid, curve="LNAI", property=gg.Property("ln_impedance"), std=0.005)
lower = -grid.axis(2)[logged.cells[:, 2]] > md[upper].max() - 30.0
judged = gg.HardData(logged.cells[lower], logged.values[lower], 0.005, "ln_impedance", logged.wells[lower])
gg.plot.log_comparison(ensemble, judged)

# %%
found = gg.diagnose(ensemble, constraints, held_out=judged, baseline=gg.sample(prior, grid, n=30))
for key in ("crps", "coverage80", "correlation"):
    figure = found["held out: ln_impedance", key]
    print(f"{key:12s} with seismic {figure.value:.3f}   without {figure.unconditional:.3f}")
print(*found.verdicts, sep="\n")
expected = ensemble.mean("ln_impedance").values[tuple(judged.cells.T)]
detail = pd.DataFrame({"log": judged.values, "ensemble": expected})
detail -= detail.rolling(21, center=True, min_periods=1).mean()
print(f"correlation of the detail, after a running mean over 100 m is taken off: {detail.corr().iloc[0, 1]:.2f}")

# %% [markdown]
# ## What to trust, and what not
#
# - **The tie is real and weak.** Where the well stands the held-out correlation is a third, elsewhere next to nothing; most
#   of the trace is not explained by this well's reflections. The residual is the error to give to an inversion, and it is
#   nearly as large as the signal.
# - **Detail within the seismic band is predicted, trends are not.** The detail at the withheld half correlates by about a
#   third, as the tie promised; the slow drift of the log, which no reflection tells, is the prior's guess, and it is wrong by
#   more than the seismic mends. Over all, the prediction is *no better than the prior alone* by CRPS, and the diagnosis says
#   so. This is what one good line does for impedance at a well that it has not seen.
# - **Lag and stretch come from the judged well**; the prior's ranges are an assumption.
# - **One well and one line.** Whether the wavelet holds elsewhere on the line, nobody knows.
