"""Ensembles for the tests: an asymmetric block whose every cell can be told apart, and hypothesis strategies."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gempy_gan.ensemble import Ensemble
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

UTM = (463527.8, 463577.8, 6369864.9, 6370044.9, -1240.0, -1200.0)
LOCAL = (0.0, 50.0, 0.0, 180.0, -40.0, 0.0)
FACIES = Property("facies", codes={0: "mud", 1: "fine sand", 7: "Übergang"})
POROSITY = Property("porosity", "1")
CELLS = [(i, j, k) for i in range(2) for j in range(3) for k in range(4)]


def block(extent=UTM, rotation=0.0, active=True, n=2):
    """n realizations of porosity and facies on 2 x 3 x 4 cells; the porosity of realization r, cell (i, j, k) is rijk / 7."""
    mask = np.ones((2, 3, 4), dtype=bool)
    if active:
        mask[0, 0, 0] = mask[1, 2, 1] = False
    r, i, j, k = np.indices((n, 2, 3, 4))
    porosity = (1000 * r + 100 * i + 10 * j + k) / 7
    facies = np.array([0, 1, 7])[(r + i + 2 * j + k) % 3]
    grid = Grid(extent, (2, 3, 4), rotation, mask if active else None)
    provenance = {"prior": {"class": "toy", "options": {"range": [3.5, 2]}}, "seed": 3, "note": "Größe"}
    return Ensemble.from_values(grid, [POROSITY, FACIES], np.stack([porosity, facies], axis=1), provenance)


def floats(limit=2.0**100):
    """Single-precision numbers up to a limit, but not ROFF's -999, which it cannot tell from an undefined value."""
    return st.floats(-limit, limit, width=32).filter(lambda value: abs(value + 999) > 1)


@st.composite
def grids(draw, rotated=True):
    """Grids of 1 to 4 cells an axis, at local or UTM coordinates, of any cell size from centimetres to kilometres."""
    resolution = tuple(draw(st.integers(1, 4)) for _ in range(3))
    size = [draw(st.floats(0.1, 2000)), draw(st.floats(0.1, 2000)), draw(st.floats(0.1, 100))]
    corner = [draw(st.floats(0, 9e5)), draw(st.floats(-1e5, 9e6)), draw(st.floats(-5000, 500))]
    extent = [value for k in range(3) for value in (corner[k], corner[k] + size[k] * resolution[k])]
    rotation = draw(st.one_of(st.just(0.0), st.floats(-360, 360))) if rotated else 0.0
    active = draw(st.one_of(st.none(), hnp.arrays(bool, resolution).filter(np.any)))
    return Grid(tuple(extent), resolution, rotation, active)


def properties():
    """One to three properties of different names, continuous or facies."""
    names = st.from_regex(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,11}", fullmatch=True).filter(lambda name: name not in "xyz")
    code = st.integers(-(2**15), 2**15 - 1).filter(lambda c: c != -999)
    codes = st.dictionaries(code, st.text(max_size=8), min_size=1, max_size=4)
    continuous = st.builds(Property, names, st.sampled_from(["1", "m", "kg m-3"]))
    facies = st.builds(lambda name, table: Property(name, "1", table), names, codes)
    return st.lists(st.one_of(continuous, facies), min_size=1, max_size=3, unique_by=lambda prop: prop.name.lower())


@st.composite
def ensembles(draw, rotated=True, numbers=None):
    """Ensembles of one to three realizations, with or without weights; `numbers` are the continuous values."""
    numbers = floats() if numbers is None else numbers
    grid, props, n = draw(grids(rotated)), draw(properties()), draw(st.integers(1, 3))
    columns = []
    for prop in props:
        elements = st.sampled_from(sorted(prop.facies)) if prop.is_facies else numbers
        columns.append(draw(hnp.arrays(np.float32, (n, *grid.resolution), elements=elements)))
    weights = draw(st.one_of(st.none(), st.just(np.log(np.full(n, 1 / n)))))
    plain = st.one_of(st.integers(), st.text(), st.lists(st.booleans()))
    provenance = draw(st.dictionaries(st.text(max_size=5), plain, max_size=3))
    taken = [prop.name for prop in props]
    names = st.from_regex(r"[a-z0-9_-]*[a-z0-9]", fullmatch=True).filter(lambda name: f"label_{name}" not in taken)
    label = hnp.arrays(np.float64, n, elements=st.one_of(st.floats(allow_infinity=False), st.just(np.nan)))
    labels = draw(st.dictionaries(names, label, max_size=2))
    made = Ensemble.from_values(grid, props, np.stack(columns, axis=1), provenance, weights, labels)
    return made.select(draw(st.permutations(range(n))))


def assert_same(found, expected):
    """Grid, properties, values, provenance, numbers, weights and labels agree exactly."""
    assert found.grid == expected.grid
    assert found.properties == expected.properties
    assert found.provenance == expected.provenance
    assert found.numbers == expected.numbers
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_array_equal(found.values, expected.values)
    pd.testing.assert_frame_equal(found.labels, expected.labels, check_exact=True, check_like=True)
