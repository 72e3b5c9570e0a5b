# %% [markdown]
# # A real well tie: F02-1 on inline 362 of the F3 block
#
# `GEMPY_GAN_REAL_DATA=<folder with pilot/> python tutorials/pilot_f3_tie.py` writes `f3_tie.png`.
# Data: F3 Demo, NAM/TNO (NLOG), curated by dGB; CC BY-SA 3.0.

# %%
import os
from pathlib import Path

import numpy as np

import gempy_gan as gg
from gempy_gan.adapters.tables import read_checkshot

folder = Path(os.environ["GEMPY_GAN_REAL_DATA"]) / "pilot" / "f3"
well = gg.read(folder / "las" / "F02-1_logs.las", xy="header", kb=30.0)
line = gg.read(folder / "F3_inline362_derived.sgy", domain="time")
checkshot = read_checkshot(folder / "checkshot" / "F02-1_TD.txt", {"md": 0, "twt": 1}, time_unit="s", twt=True, header=False)

# %% [markdown]
# The checkshot table pairs horizon picks with markers and departs from the sonic log by up to 39 ms, so it is used for one
# point only, the shallowest; from there on times are integrated from the sonic log.

# %%
top, base = 553.6, 1285.0  # measured depth, metres: the shallowest checkshot and the Mid-Miocene
md = well.md[(well.md >= top) & (well.md <= base)]
slowness = 1e-6 * well.curve("DT")[md].to_numpy()  # s/m
travel = np.diff(md) * (slowness[1:] + slowness[:-1])
times = np.interp(top, checkshot["md"], checkshot["twt"]) + np.concatenate([[0.0], np.cumsum(travel)])
impedance = well.curve("AI")[md].to_numpy()

# %% [markdown]
# The wavelet is estimated by regularized least squares for each lag and stretch. The correlation that counts is the one
# on stretches of the trace that the estimate has not seen.

# %%
nearest = int(np.linalg.norm(line.xy - well.xyz(md[:1])[0, :2], axis=1).argmin())
tie = gg.forward.well_tie(times, impedance, line.traces[nearest], line.axis, length=0.08, max_lag=0.03, max_stretch=0.05)
print(f"trace at inline, crossline {line.lines[nearest].tolist()}")
print(tie)
gg.plot.save(gg.plot.well_tie(tie), Path("f3_tie.png"))
