# %% [markdown]
# # Export to ROFF, GRDECL and RESQML, and open it elsewhere
#
# A realization that only its own software can read is of little use. This tutorial writes an ensemble into the formats of the
# industry and opens each file with somebody else's reader: [xtgeo](https://xtgeo.readthedocs.io),
# [resqpy](https://resqpy.readthedocs.io), [PyVista](https://docs.pyvista.org). If they find the same value at the same place,
# so will Petrel, ResInsight, OPM or ParaView, as far as one can tell without them.

# %%
from pathlib import Path

import numpy as np

import gempy_gan as gg

# %% [markdown]
# ## Something to export
#
# A rotated grid at large map coordinates, with cells that are not in use, is where exports go wrong. So we take one, with a
# facies and a continuous property; `boolean` is the object-based example prior. One cell is marked, to be found again.

# %%
active = np.ones((24, 16, 8), dtype=bool)
active[:4, :3] = False
grid = gg.Grid((464_000, 466_400, 5_932_000, 5_933_600, -1640, -1600), (24, 16, 8), rotation=25, active=active)
prior = gg.prior_for("boolean", grid, width=400, depth=12)
ensemble = gg.sample(prior, grid, n=3, seed=5)
values = ensemble.values.copy()
marked = (20, 2, 6)  # ix, iy, iz: counted from 0, iz from the base
values[0, 1][marked] = 0.4321
ensemble = gg.Ensemble.from_values(grid, ensemble.properties, values, {"made by": "tutorial 10"})
place = grid.xyz(np.array([marked]))[0]
print("the marked cell is at", place.round(2))
gg.plot.plan(ensemble, "coarse_fraction", layer=6)

# %%
gg.plot.probability(ensemble, "facies", layer=6)

# %% [markdown]
# ## ROFF
#
# `reservoir.roff` stands for one grid file and a file per property and realization. With `layout="fmu"` they go into the
# folders in which FMU tools such as webviz look for them. xtgeo counts k from the top, and has depth positive downwards.

# %%
for path in gg.write(ensemble, "out/reservoir.roff")[:3]:
    print(path)

# %%
import xtgeo

geometry = xtgeo.grid_from_file("out/reservoir_grid.roff")
sand = xtgeo.gridproperty_from_file("out/reservoir--coarse_fraction--0.roff")
i, j, k = marked[0], marked[1], 8 - 1 - marked[2]
centre = [float(axis.values[i, j, k]) for axis in geometry.get_xyz(asmasked=False)]
print("value", round(float(sand.values[i, j, k]), 4), "at", np.round(centre, 2))
print(
    "off by",
    np.abs(np.array(centre) * [1, 1, -1] - place).max().round(3),
    "m;",
    geometry.nactive,
    "of",
    geometry.ntotal,
    "cells active",
)

# %% [markdown]
# ## Eclipse: GRDECL and EGRID
#
# Eclipse's numbers have single precision: 5 932 000 m is only known to half a metre. The grid is therefore written around a
# local origin (MAPAXES), and comes back exact to the centimetre. Property names are cut to eight capitals, or are yours.

# %%
gg.write(ensemble, "out/reservoir.egrid", keywords={"coarse_fraction": "VSAND", "facies": "FACIES"})
eclipse = xtgeo.grid_from_file("out/reservoir.egrid")
centre = [float(axis.values[i, j, k]) for axis in eclipse.get_xyz(asmasked=False)]
print("off by", np.abs(np.array(centre) * [1, 1, -1] - place).max().round(3), "m")
print(*Path("out/reservoir--coarse_fraction--0.grdecl").read_text().splitlines()[:4], sep="\n")

# %% [markdown]
# A flow simulator takes it from here: `GRIDFILE` or `INCLUDE` the grid, `INCLUDE` one realization's property file, turn the
# sand fraction into porosity and permeability by a transform of *yours*. None is built in.
#
# ## RESQML
#
# One `.epc` with all realizations of all properties, facies with their names. resqpy is what we write with; that it is read
# back proves less than the others do. (The test suite reads it with fesapi, Energistics' own library, as well.)

# %%
gg.write(ensemble, "out/reservoir.epc", title="Reservoir")

# %%
from resqpy.model import Model

resqml = Model("out/reservoir.epc")
part = resqml.grid()
found = part.property_collection
print("grid of (k, j, i) =", part.extent_kji.tolist(), "cells, with")
for name in found.parts():
    print(" ", found.citation_title_for_part(name), "realization", found.realization_for_part(name))
    if found.citation_title_for_part(name) == "coarse_fraction" and found.realization_for_part(name) == 0:
        print("  the marked value:", found.cached_part_array_ref(name)[k, j, i].round(4))

# %% [markdown]
# ## VTK, for ParaView and PyVista
#
# A `.vts` holds everything: each realization is an array of its own. Cells that are not active are hidden.

# %%
import pyvista

gg.write(ensemble, "out/reservoir.vts")
mesh = pyvista.read("out/reservoir.vts")
at = mesh.find_containing_cell(place)
print(mesh.n_cells, "cells; arrays:", ", ".join(name for name in mesh.cell_data if name != "vtkGhostType"))
print("value at the marked place", mesh.cell_data["coarse_fraction_0"][at].round(4))

# %% [markdown]
# ## Everything at once, for yourself
#
# NetCDF and Zarr hold all realizations with the grid, weights and provenance, and are what `gempy-gan` itself reads on. Any
# xarray user can open them.

# %%
import xarray

gg.write(ensemble, "out/reservoir.nc")
dataset = xarray.open_dataset("out/reservoir.nc")
print(dict(dataset.sizes), list(dataset.data_vars))
again = gg.read("out/reservoir.nc")
print("equal:", np.array_equal(again.values, ensemble.values), "|", again.provenance)

# %% [markdown]
# ## What to trust, and what not
#
# - **Values and places agree** between our writer and three foreign readers, on a rotated grid at map coordinates. Commercial
#   software was not at hand: open one realization there and look at one cell, before you send a hundred.
# - **GRDECL, EGRID and ROFF lose** weights and provenance; they stand beside the grid in a `.json` that only we read. Send
#   NetCDF along.
# - **Units and vertical datum** are metres and yours. No file here names a map projection, except RESQML if you give `epsg=`.
