# %% [markdown]
# # From SEG-Y to soft data, by way of a well tie
#
# Seismic amplitudes are no rock property: each sample mixes the reflections of tens of metres of rock through a **wavelet**,
# in a time that must be matched to depth, with noise. To use them we need a recipe that turns rock into amplitudes, the
# **forward operator**, and an honest number for how far it misses. Both come from a **well tie**. Here we make a line and a
# well of which we know everything, and see what a tie can find out; tutorial 12 does the same with real data.

# %%
import numpy as np
import pandas as pd

import gempy_gan as gg
from gempy_gan.adapters.las import write_las
from gempy_gan.adapters.segy import write_segy

# %% [markdown]
# ## The made-up truth
#
# A section 2 km long and 500 m high of layered rock. What reflects is acoustic impedance, velocity times density; we work
# with its natural logarithm.

# %%
grid = gg.Grid(extent=(0, 2000, 0, 50, -1700, -1200), resolution=(20, 1, 100))
log_impedance = gg.Property("ln_impedance")
mean = np.linspace(15.75, 15.55, 100).tolist()  # from base to top: rock gets denser downwards
prior = gg.prior_for(
    "gaussian", grid, property=log_impedance, mean=mean, std=0.08, covariance="exponential", ranges=(1500, 1500, 40)
)
truth = gg.sample(prior, grid, n=1, seed=11)
gg.plot.section(truth)

# %% [markdown]
# A well at 1025 m logs sonic and density (Gardner's relation ties the two), and is written as LAS.

# %%
md = np.arange(1230.0, 1725.0, 0.5)
place = gg.WellLog("T-1", pd.DataFrame(index=pd.Index(md, name="md"))).placed(xy=(1025.0, 25.0), kb=20.0)
impedance = np.exp(truth.values[0, 0][tuple(grid.cells(place.xyz(md)).T)].astype(float))
velocity = (impedance / 310) ** 0.8  # density = 310 velocity^0.25, so impedance = 310 velocity^1.25
well = place.with_curve("DT", 1e6 / velocity, "us/m").with_curve("RHOB", impedance / velocity / 1000, "g/cc")
print(write_las(well, "T-1.las"))
# %% [markdown]
# The line is shot in our computer: seismic waves take 2 % longer than the sonic says, everything arrives 8 ms late, the
# wavelet is a band-limited one turned by 40 degrees, and there is noise. None of this is told to the tie below.

# %%
sonic_time = 0.9 + 2 * np.concatenate([[0.0], np.cumsum(0.5 / velocity[:-1])])  # two-way, from 0.9 s at the first sample
true_time = 0.9 + 1.02 * (sonic_time - 0.9) + 0.008
depth = md - 20.0  # below the datum, as the well is vertical
table = np.vstack([[0.0, true_time[0] - 2 * depth[0] / 2600], np.column_stack([depth, true_time]), [5000.0, true_time[-1] + 2.5]])
true_wavelet = gg.forward.ormsby(6, 12, 45, 65).rotated(40).scaled(5000)
earth = gg.forward.Convolution(true_wavelet, gg.forward.Impedance(log=True), time_depth=table)
xy = np.column_stack([np.arange(25.0, 2000.0, 50.0), np.full(40, 25.0)])
lines = np.column_stack([np.full(40, 100), np.arange(40) + 200])
start = 0.868
empty = gg.SeismicCube(np.zeros((40, 120), np.float32), xy, lines, start, 0.004, "time")
clean = gg.synthetic(truth, empty, earth).traces
noise = 0.35 * clean.std() * np.random.default_rng(0).standard_normal(clean.shape)
print(write_segy(gg.SeismicCube((clean + noise).astype(np.float32), xy, lines, start, 0.004, "time"), "line.sgy"))
# %% [markdown]
# ## Reading it
#
# From here on we pretend to know only the two files. A SEG-Y file does not say whether its samples are in time or in depth,
# so we must.

# %%
try:
    gg.read("line.sgy")
except gg.GempyGanError as error:
    print(error)
line = gg.read("line.sgy", domain="time")
print(line.traces.shape, "traces and samples from", line.start, "s, every", line.step, "s")
for finding in line.health:
    print(finding)

# %% [markdown]
# ## The tie
#
# The log's own times are integrated from its sonic and hung at one known time. `well_tie` then searches lag, stretch and
# wavelet together. Searching so much always finds *something*: the correlation on the samples it was fitted to flatters. So
# the tie also hides parts of the trace from itself, one after the other, and predicts them: **the held-out correlation is the
# one that counts**.

# %%
log = gg.read("T-1.las", kb="header", xy="header")
slowness = 1e-6 * log.curves["DT"].to_numpy()
steps = np.diff(log.md) * (slowness[1:] + slowness[:-1])
times = 0.9 + np.concatenate([[0.0], np.cumsum(steps)])
measured = 1000 * log.curves["RHOB"].to_numpy() / slowness
nearest = int(np.linalg.norm(line.xy - log.xyz(log.md[:1])[0, :2], axis=1).argmin())
tie = gg.forward.well_tie(times, measured, line.traces[nearest], line.axis, length=0.08, max_lag=0.02, max_stretch=0.04)
print(tie)

# %%
gg.plot.well_tie(tie)

# %% [markdown]
# We know what it should have found: a stretch of +2 %, and at the well's middle a delay of 8 ms plus what the stretch adds
# there.

# %%
found, true = tie.shift(sonic_time), true_time
print(f"stretch {tie.stretch:+.3f}, true +0.020")
print(f"times are off by {1000 * np.abs(found - true).mean():.1f} ms on average; a sample is {1000 * line.step:.0f} ms")
fine = np.arange(-0.04, 0.041, 0.001)
print(f"the wavelets correlate by {np.corrcoef(tie.wavelet.at(fine), true_wavelet.at(fine))[0, 1]:.2f}")
print(f"residual {tie.residual_std:.4f}, of which noise {noise.std():.4f}")

# %% [markdown]
# Now the same search on a trace of nothing but noise. This is what "the correlation of the tie is 0.6" can be worth:

# %%
nothing = np.random.default_rng(1).standard_normal(len(line.axis))
print(gg.forward.well_tie(times, measured, nothing, line.axis, length=0.08, max_lag=0.02, max_stretch=0.04))

# %% [markdown]
# ## Soft data
#
# With the wavelet, the time-depth relation and the residual of the tie, the line becomes soft data: whole traces at the
# columns of the grid, and the operator that predicts them. `std` is the held-out residual, so that it covers noise *and* what
# the operator gets wrong.

# %%
relation = np.vstack([[0.0, 0.0], np.column_stack([log.md - 20.0, tie.shift(times)]), [5000.0, tie.shift(times)[-1] + 2.5]])
forward = gg.forward.Convolution(tie.wavelet, gg.forward.Impedance(log=True), time_depth=relation)
soft = gg.resample(line, grid, forward=forward, std=tie.residual_std)
print({key: soft.report[key] for key in ("traces", "traces_used", "columns", "samples_near_edges")})

# %% [markdown]
# ## What the line adds
#
# We invert it without the well, and look at the well afterwards. The prior is the one that the truth was drawn from, a
# kindness that reality does not offer: what is tested here is seismic, not the prior.

# %%
constraints = gg.Constraints(grid, soft)
ensemble = gg.invert(prior, constraints, n=30, seed=0)
gg.plot.misfit(ensemble, constraints)

# %%
logged = gg.block(log.with_curve("LNAI", np.log(measured), "1"), grid, curve="LNAI", property=log_impedance, std=0.005)
gg.plot.log_comparison(ensemble, logged)

# %%
blind = gg.sample(prior, grid, n=30)
print(gg.diagnose(ensemble, constraints, held_out=logged, baseline=blind))

# %% [markdown]
# ## What to trust, and what not
#
# - **Contrasts within the seismic band** are found: the held-out correlation of the diagnosis says how well. **Trends and
#   absolute values are the prior's**: no reflection tells them, which is why the realizations differ by slow drifts.
# - **The held-out correlation of the tie**, not the fitted one. Below about 0.3, do not invert.
# - **The wavelet is assumed to be the same everywhere.** One well cannot say whether it is.
# - **The first and last 40 ms** see reflectors outside of the grid; `window=` leaves them out when they matter
#   (`samples_near_edges` counts them).
# - **No multiples, no angles, no lateral smearing** are modelled: `std` must cover them.
