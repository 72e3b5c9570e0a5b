import numpy as np
import pytest
from gempy_gan_fluvial import deposition
from gempy_gan_fluvial.deposition import BAR, COARSE, FLOODPLAIN, LAG, LEVEE, MUD, PLUG, THICKNESS, TIME
from hypothesis import given, settings
from hypothesis import strategies as st

RIVER = deposition.River(200.0, 5.0, 0.9, 0.4, 0.4, 800.0, 0.2)
BANK = 12.0


def new(shape=(1, 1), base=4.0, facies=True):
    return deposition.new_columns(shape, (50.0, 50.0, 1.0), 20.0, base, facies)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 3.0)), min_size=1, max_size=60), st.floats(0.3, 2.0))
def test_whatever_comes_and_goes_time_never_decreases_upwards(moves, dz):
    columns = deposition.new_columns((1, 1), (50.0, 50.0, dz), 60.0, 4.0, True)
    for step, (up, by) in enumerate(moves):
        z = float(columns.surface[0, 0])
        if up:
            deposition.deposit(columns, 0, 0, min(z + by, 55.0), 0.1 + 0.013 * step, step / 3, BAR)
        else:
            deposition.erode(columns, 0, 0, max(z - by, 0.0))
        cells = columns.cells[0, 0]
        held = cells[:, THICKNESS] > 0
        assert (np.diff(cells[held, TIME]) >= 0).all()  # exactly
        assert cells[:, THICKNESS].sum() == pytest.approx(columns.surface[0, 0], abs=1e-6)
        np.testing.assert_allclose(columns.facies[0, 0].sum(axis=1), cells[:, THICKNESS], atol=1e-6)
        assert (cells[:, THICKNESS] <= dz + 1e-6).all()


def test_a_mixed_cell_holds_the_mean_by_thickness():
    columns = new()
    deposition.deposit(columns, 0, 0, 4.25, 0.2, 0.4, BAR)
    deposition.deposit(columns, 0, 0, 5.5, 0.6, 0.8, PLUG)
    np.testing.assert_allclose(columns.cells[0, 0, 4], [1.0, 0.25 * 0.2 + 0.75 * 0.6, 0.25 * 0.4 + 0.75 * 0.8])
    np.testing.assert_allclose(columns.cells[0, 0, 5], [0.5, 0.6, 0.8])
    np.testing.assert_allclose(columns.facies[0, 0, 4, [BAR, PLUG]], [0.25, 0.75])
    deposition.erode(columns, 0, 0, 4.5)
    np.testing.assert_allclose(columns.cells[0, 0, 4:6, THICKNESS], [0.5, 0.0])
    np.testing.assert_allclose(columns.facies[0, 0, 4, [BAR, PLUG]], [0.125, 0.375])


def straight(columns, bend=0.0, y=1000.0):
    """A river along the first axis at y, which turns left by `bend` per width, over the columns."""
    near = deposition.new_near(columns.surface.shape)
    x = np.arange(-500.0, 2500.0, 100.0)
    line = x, np.full(x.size, y)
    deposition.locate(*line, np.full(x.size, bend), RIVER.width, columns, near)
    return line, near


def test_columns_know_how_far_and_on_which_side_the_river_is():
    columns = new((40, 40))
    _, near = straight(columns, bend=0.1)
    across = (np.arange(40) + 0.5) * 50 - 1000
    inside = np.abs(across) <= RIVER.width
    np.testing.assert_allclose(near.distance[20, inside], np.abs(across[inside]))
    assert (near.distance[20, np.abs(across) > RIVER.width + 50] == deposition.FAR).all()
    assert (near.side[20, inside] == np.sign(across[inside])).all()
    assert near.listed[0] == (near.distance < deposition.FAR).sum()
    np.testing.assert_allclose(near.bend[:, inside], 0.1)


def test_the_channel_cuts_a_parabola_that_is_deeper_at_the_outer_bank():
    for bend in (0.0, 0.3, -0.3):
        columns = new((40, 40), base=BANK)
        _, near = straight(columns, bend)
        deposition.flow(columns, near, RIVER, BANK, 1.0, 0.5)
        depth = BANK - columns.surface[20]
        left, right = depth[20:22].sum(), depth[18:20].sum()
        assert depth.max() == pytest.approx(RIVER.depth, rel=0.12)
        assert (depth[:18] == 0).all()
        assert np.sign(right - left).round() == np.sign(bend)


def test_a_bar_that_is_left_behind_fines_upwards_from_lag():
    columns = new((40, 40), base=BANK)
    for y in np.arange(800.0, 1300.0, 20.0):
        _, near = straight(columns, bend=-0.2, y=y)  # migrates to the left, its outer bank
        deposition.flow(columns, near, RIVER, BANK, 1.0, y / 2000)
    column = columns.cells[20, 18]  # y = 925
    bar = slice(int(BANK - RIVER.depth) + 1, int(BANK) - 1)
    assert (np.diff(column[bar, COARSE]) < 0).all()
    assert column[bar, COARSE].max() > 0.75
    assert columns.facies[20, 18, int(BANK - RIVER.depth) :, LAG].sum() > 0.2
    assert columns.surface[20, 18] == pytest.approx(BANK - deposition.BAR_TOP * RIVER.depth)
    assert column[bar, TIME][-1] > column[bar, TIME][0]


def flooded(base):
    columns = new((40, 40), base=base)
    columns.surface[:, 15:25] = base  # banks and channel alike
    line, near = straight(columns)
    before = columns.surface.copy()
    deposition.flood(*line, columns, near, RIVER, BANK, 1.0, 0.5, 0.1, np.zeros((8, 8)), 0.5)
    return columns, columns.surface - before


def test_floods_build_levees_that_thin_and_fine_away_from_the_river():
    columns, added = flooded(BANK - 0.5)
    profile = added[20, 22:]  # from the bank outwards
    assert (np.diff(profile) < 0).all()
    assert profile[-1] > 0
    assert not added[20, 18:22].any()  # the channel itself
    layer = columns.cells[20, :, 11, COARSE]
    assert layer[22] > layer[26] > layer[39] >= MUD - 1e-12
    assert (columns.facies[20, :, :, LEVEE].sum(axis=1) > 0).nonzero()[0].tolist() == [*range(14, 18), *range(22, 26)]


def test_howards_rate_is_that_of_the_paper():
    _, added = flooded(BANK - 0.5)
    d = (np.arange(26, 40) + 0.5) * 50 - 1000 - RIVER.width / 2
    room = 0.5 + RIVER.flood_height * RIVER.depth * np.exp(-d / (deposition.LEVEL_DECAY * RIVER.overbank_lambda))
    rate = 0.5 * (0.1 + np.exp(-d / RIVER.overbank_lambda))
    np.testing.assert_allclose(added[20, 26:], room * rate / (1 + rate), rtol=0.03)


def test_a_hollow_fills_with_a_plug_that_hardens_the_bank():
    columns = new((40, 40), base=BANK)
    old, near = straight(columns, y=800.0)
    deposition.flow(columns, near, RIVER, BANK, 1.0, 0.1)
    line, near = straight(columns, y=1050.0)
    for time in np.linspace(0.2, 0.6, 20):
        deposition.flood(*line, columns, near, RIVER, BANK, 1.0, 0.5, 0.1, np.zeros((8, 8)), time)
    assert columns.facies[20, 15].sum(axis=0).argmax() in {PLUG, FLOODPLAIN}
    assert columns.facies[20, 15, :, PLUG].sum() > 1.0
    assert columns.cells[20, 15, 8:11, COARSE].max() < 0.4
    left, right = deposition.bank_plugs(old[0], old[1] + 125.0, columns, RIVER, BANK)[15]
    assert right > 0.3
    assert left == 0
    deposition.erode(columns, 20, 15, BANK - RIVER.depth)
    assert columns.plug[20, 15] == pytest.approx(0, abs=0.2)


def test_a_splay_thins_away_from_the_breach():
    columns = new((40, 40), base=BANK)
    _, near = straight(columns)
    deposition.breach(1000.0, 1000.0, 0.0, 1.0, 700.0, 250.0, 1.0, columns, near, RIVER, 0.5)
    added = columns.surface[20] - BANK
    assert (np.diff(added[22:33]) < 0).all()
    assert not added[:20].any()
    assert columns.surface[5, 25] == BANK
