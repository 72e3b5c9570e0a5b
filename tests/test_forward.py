"""The convolutional model against analytic traces, its gradient, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gempy_gan import Grid, forward
from gempy_gan.errors import GempyGanError
from gempy_gan.seismic import SeismicCube

AXIS = 0.004 * np.arange(100)
ROCK = forward.Impedance()
RICKER = forward.ricker(30.0)
MIXTURES = [("exact", "reuss"), ("log", "voigt"), ("exact", "wyllie")]


def column(values, dz=4.0, top=-100.0) -> tuple[Grid, torch.Tensor]:
    """A grid of one column and a realization whose cells, from top to bottom, hold `values`."""
    nz = len(values)
    grid = Grid((0, 10, 0, 10, top - nz * dz, top), (1, 1, nz))
    return grid, torch.tensor(np.asarray(values, dtype=np.float64)[::-1].copy()).reshape(1, 1, 1, 1, nz)


def trace(values, axis=AXIS, dz=4.0, domain="time", **options) -> np.ndarray:
    grid, m = column(values, dz)
    model = forward.Convolution(**({"wavelet": RICKER, "rock": ROCK, "velocity": 2000.0} | options))
    return model.bind(grid, [[0, 0]], axis, domain)(m).numpy()[0]


def layers(*runs: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(count, value) for value, count in runs])


def test_one_interface_leaves_the_wavelet_at_its_time_with_normal_polarity():
    time = 2 * (100 + 20 * 4.0) / 2000.0
    expected = 0.2 * RICKER.at(AXIS - time)
    got = trace(layers((4e6, 20), (6e6, 30)))
    np.testing.assert_allclose(got, expected, atol=1e-12)
    assert AXIS[got.argmax()] == pytest.approx(0.18, abs=0.002)
    assert got.max() == pytest.approx(0.2, rel=1e-3)


def test_the_tie_and_the_velocity_move_it():
    values = layers((4e6, 20), (6e6, 30))
    np.testing.assert_allclose(
        trace(values, velocity=2500.0, tie=(-100.0, 0.11)), 0.2 * RICKER.at(AXIS - (0.11 + 160 / 2500)), atol=1e-12
    )


def test_a_checkshot_is_linear_between_its_points_and_ends_where_it_ends():
    values = layers((4e6, 20), (6e6, 30))
    table = [[0.0, 0.0], [150.0, 0.16], [400.0, 0.4]]
    expected = 0.2 * RICKER.at(AXIS - (0.16 + 30 / 250 * 0.24))
    np.testing.assert_allclose(trace(values, velocity=None, time_depth=table), expected, atol=1e-12)
    with pytest.raises(GempyGanError, match="holds 0 to 200 m"):
        trace(values, velocity=None, time_depth=[[0.0, 0.0], [200.0, 0.2]])


def test_a_thin_bed_tunes_at_half_the_trough_to_trough_time():
    """Widess: opposite reflectors interfere most where the side lobe of one meets the peak of the other."""
    amplitude = []
    counts = np.arange(1, 30)
    fine = 0.0005 * np.arange(800)
    for count in counts:
        got = trace(layers((4e6, 60), (5e6, int(count)), (4e6, 60)), fine, dz=1.0)
        amplitude.append(np.abs(got).max())
    thickness = 2 * counts * 1.0 / 2000.0
    tuning = np.sqrt(1.5) / (np.pi * 30.0)
    assert thickness[int(np.argmax(amplitude))] == pytest.approx(tuning, abs=0.0011)
    thin = np.asarray(amplitude)[:3]
    np.testing.assert_allclose(thin / thin[0], [1, 2, 3], rtol=0.05)


def test_over_and_under_reflect_only_where_given():
    values = layers((5e6, 40))
    assert np.abs(trace(values)).max() < 1e-15
    top, base = 0.1, 0.1 + 0.16
    expected = RICKER.at(AXIS - top) * 1 / 9 - RICKER.at(AXIS - base) * 1 / 9
    np.testing.assert_allclose(trace(values, over=4e6, under=4e6), expected, atol=1e-12)


def test_depth_domain():
    wavelet = forward.ricker(0.02, step=0.5, domain="depth")
    axis = np.arange(0.0, 400.0, 2.0)
    got = trace(layers((4e6, 20), (6e6, 30)), axis, wavelet=wavelet, domain="depth")
    np.testing.assert_allclose(got, 0.2 * wavelet.at(axis - 180.0), atol=1e-12)
    with pytest.raises(GempyGanError, match="wavelet in time"):
        trace(layers((4e6, 20)), domain="depth")


def test_reflectivity_kinds_agree_for_small_contrasts():
    impedance = torch.tensor([4.0e6, 4.4e6, 4.2e6], dtype=torch.float64)
    exact = forward.reflectivity(impedance)
    np.testing.assert_allclose(exact, [0.4 / 8.4, -0.2 / 8.6])
    np.testing.assert_allclose(forward.reflectivity(impedance, "log"), exact, rtol=1e-3)
    np.testing.assert_allclose(forward.reflectivity(impedance, "linear", 4.2e6), exact, rtol=0.03)
    with pytest.raises(GempyGanError, match="needs reference="):
        forward.reflectivity(impedance, "linear")


def small(kind: str = "exact", velocity: float | str = 2200.0, rock: object = None) -> forward.Synthetic:
    grid = Grid((0, 30, 0, 20, -90, -40), (3, 2, 10))
    columns = [[0, 0], [2, 1], [1, 0], [1, 1]]
    options = {"reference": 0.5} if kind == "linear" else {}
    model = forward.Convolution(RICKER, rock or ROCK, velocity, tie=(-40.0, 0.04), reflectivity=kind, **options)
    return model.bind(grid, columns, 0.004 * np.arange(8, 30), "time")


def draw(n: int = 2, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return 0.2 + 0.6 * torch.rand((n, 1, 3, 2, 10), generator=torch.Generator().manual_seed(1), dtype=dtype)


@pytest.mark.parametrize(
    ("kind", "rock"),
    [("exact", ROCK), ("log", ROCK), ("linear", ROCK), *((k, forward.TwoEndMembers(mixing=m)) for k, m in MIXTURES)],
)
def test_the_gradient_is_exact(kind, rock):
    assert torch.autograd.gradcheck(small(kind, rock=rock), draw(1).requires_grad_())


def test_the_gradient_is_exact_through_moving_times():
    rock = forward.TwoEndMembers(coarse=(2100.0, 2000.0), fine=(2600.0, 2300.0))
    assert torch.autograd.gradcheck(small(velocity="rock", rock=rock), draw(1).requires_grad_())


def test_the_linear_option_is_linear_and_its_adjoint_matches():
    operator = small("linear")
    a, b = draw(1), draw(1).flip(-1)
    torch.testing.assert_close(operator(2 * a + b), 2 * operator(a) + operator(b))
    y = torch.rand_like(operator(a))
    m = a.clone().requires_grad_()
    (adjoint,) = torch.autograd.grad((operator(m) * y).sum(), m)
    torch.testing.assert_close((operator(b) * y).sum(), (b * adjoint).sum())


def test_the_log_option_is_linear_in_the_logarithm():
    operator = small("log", rock=forward.Impedance(log=True))
    a, b = draw(1), draw(1).flip(-1)
    torch.testing.assert_close(operator(2 * a + b), 2 * operator(a) + operator(b))


def test_moving_times_equal_fixed_ones_where_the_velocity_is_constant():
    rock = forward.TwoEndMembers(coarse=(2200.0, 2000.0), fine=(2200.0, 2500.0), mixing="wyllie")
    fixed, moving = small(rock=rock)(draw()), small(velocity="rock", rock=rock)(draw())
    torch.testing.assert_close(moving, fixed, rtol=0, atol=1e-9 * float(fixed.abs().max()))


def test_slow_rock_is_late():
    rock = forward.TwoEndMembers(coarse=(2000.0, 2000.0), fine=(2500.0, 2400.0))
    grid = Grid((0, 10, 0, 10, -140, -100), (1, 1, 10))
    operator = forward.Convolution(RICKER, rock, "rock", tie=(-100.0, 0.1)).bind(grid, [[0, 0]], 0.001 * np.arange(300), "time")
    m = torch.ones((1, 1, 1, 1, 10), dtype=torch.float64)
    m[..., :5] = 0.0
    assert operator(m).argmax() == 100 + 20
    with pytest.raises(GempyGanError, match="time at the grid's top"):
        forward.Convolution(RICKER, rock, "rock").bind(grid, [[0, 0]], AXIS, "time")


def test_realizations_and_columns_do_not_mix():
    operator, m = small(), draw(5)
    together = operator(m)
    torch.testing.assert_close(together, torch.cat([operator(one[None]) for one in m]))
    reversed_ = forward.Convolution(RICKER, ROCK, 2200.0, tie=(-40.0, 0.04)).bind(
        operator.grid, operator.columns[::-1], operator.axis, "time"
    )
    torch.testing.assert_close(reversed_(m).unflatten(1, (4, -1)).flip(1).flatten(1), together)
    torch.testing.assert_close(operator(m.float()).double(), together, rtol=1e-4, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(3e6, 7e6), min_size=1, max_size=12), st.integers(1, 4))
def test_splitting_cells_changes_nothing(values, parts):
    np.testing.assert_allclose(trace(values, dz=6.0), trace(np.repeat(values, parts), dz=6.0 / parts), atol=1e-12)


def test_positions_point_at_the_cell_in_which_a_sample_lies():
    grid, _ = column(np.arange(50))
    operator = forward.Convolution(RICKER, ROCK, 2000.0).bind(grid, [[0, 0]], [0.05, 0.1, 0.102, 0.3, 0.4], "time")
    positions = operator.positions()
    assert np.isnan(positions[[0, 4], 2]).all()
    np.testing.assert_allclose(positions[1:4, 2], [49.5, 49.0, -0.5], atol=1e-9)


def test_state_is_plain_and_says_what_changed():
    changes = [
        {},
        {"wavelet": forward.ricker(31.0)},
        {"rock": forward.Impedance(log=True)},
        {"velocity": 2001.0},
        {"tie": (0.0, 0.001)},
        {"velocity": None, "time_depth": [[0.0, 0.0], [400.0, 0.4]]},
        {"reflectivity": "log"},
        {"over": 4e6},
        {"under": 4e6},
        {"property": "ai"},
    ]
    grid, _ = column(np.ones(10))
    base = {"wavelet": RICKER, "rock": ROCK, "velocity": 2000.0}
    states = [json.dumps(forward.Convolution(**(base | c)).bind(grid, [[0, 0]], AXIS, "time").state()) for c in changes]
    states.append(json.dumps(forward.Convolution(**base).bind(grid, [[0, 0]], AXIS + 0.001, "time").state()))
    assert len(set(states)) == len(states)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"velocity": -5.0}, "velocity is -5.0"),
        ({"velocity": 2000.0, "time_depth": [[0, 0], [1, 1]]}, "Expected one of them"),
        ({"time_depth": [[0, 0], [100, 0.1], [90, 0.2]]}, "does not increase"),
        ({"time_depth": [[0, 0, 0]]}, "Expected \\(k, 2\\)"),
        ({"reflectivity": "zoeppritz"}, "Allowed: 'exact'"),
        ({"reflectivity": "linear"}, "needs reference="),
        ({"over": 0.0}, "over is 0.0"),
    ],
)
def test_options_that_cannot_be_right(options, said):
    with pytest.raises(GempyGanError, match=said):
        forward.Convolution(RICKER, ROCK, **options)


def test_requests_that_cannot_be_right():
    grid, m = column(np.ones(10))
    with pytest.raises(GempyGanError, match="time-depth relation"):
        forward.Convolution(RICKER, ROCK).bind(grid, [[0, 0]], AXIS, "time")
    with pytest.raises(GempyGanError, match="Convolution\\(property"):
        forward.Convolution(RICKER, ROCK, 2000.0).bind(grid, [[0, 0]], AXIS, "time")(torch.cat([m, m], dim=1))
    with pytest.raises(GempyGanError, match="tells no velocity"):
        forward.Convolution(RICKER, ROCK, "rock", tie=(-100.0, 0.1)).bind(grid, [[0, 0]], AXIS, "time")(m)


def test_end_members_are_those_of_the_regression_they_cite():
    """Han et al. (1986), v = 5.59 - 6.93 porosity - 2.18 clay, rounded to 10."""
    rock = forward.TwoEndMembers()
    for (porosity, clay), (velocity, density) in (((0.27, 0.0), rock.coarse), ((0.12, 0.5), rock.fine)):
        assert abs(1e3 * (5.59 - 6.93 * porosity - 2.18 * clay) - velocity) <= 5
        assert abs((1 - porosity) * 2650 + porosity * 1030 - density) <= 5


def test_mixing_laws_are_bounded_by_reuss_and_voigt():
    f = torch.linspace(0, 1, 21, dtype=torch.float64)
    rocks = {mixing: forward.TwoEndMembers((2000.0, 2000.0), (3000.0, 2400.0), mixing) for mixing in ("reuss", "wyllie", "voigt")}
    speed = {mixing: rock.velocity(f) for mixing, rock in rocks.items()}
    assert (speed["reuss"][1:-1] < speed["voigt"][1:-1]).all()
    for velocity in speed.values():
        np.testing.assert_allclose(velocity[[0, -1]], [3000.0, 2000.0])
    np.testing.assert_allclose(rocks["wyllie"].velocity(torch.tensor(0.5)), 2400.0, rtol=1e-6)
    np.testing.assert_allclose(rocks["voigt"].density(torch.tensor([-0.1, 1.1])), [2440.0, 1960.0])
    with pytest.raises(GempyGanError, match="coarse end member"):
        forward.TwoEndMembers(coarse=(0.0, 2000.0))


@pytest.mark.parametrize("mixing", ["reuss", "voigt", "wyllie"])
@pytest.mark.parametrize(
    "ends", [((1500.0, 1900.0), (5000.0, 2700.0)), ((5000.0, 2700.0), (1500.0, 1900.0)), ((3e3, 2e3), (3e3, 2e3))]
)
def test_a_mixture_stays_a_rock_at_any_fraction(mixing, ends):
    f = torch.linspace(-20, 20, 401, dtype=torch.float64)
    impedance = forward.TwoEndMembers(*ends, mixing).impedance(f)
    assert impedance.isfinite().all()
    assert (impedance > 0).all()
    inner = (f > -0.05) & (f < 1.05)
    step = impedance[inner].diff()
    assert (step.abs() > 0).all() or ends[0] == ends[1]


def test_a_term_of_a_likelihood_reads_the_property_it_names():
    from gempy_gan import Constraints, Likelihood, Property, SoftData
    from gempy_gan.prior import Prior

    grid, m = column(np.linspace(4e6, 6e6, 10))

    class Two(Prior):
        properties = (Property("porosity"), Property("ai"))
        shape, cell_size = grid.resolution, grid.cell_size

        def sample(self, n, generator=None):
            return torch.zeros((n, 2, *self.shape))

    def likelihood(name):
        operator = forward.Convolution(RICKER, ROCK, 2000.0, property=name).bind(grid, [[0, 0]], AXIS, "time")
        return Likelihood.of(Constraints(grid, SoftData(np.zeros(len(AXIS)), 1.0, operator)), Two())

    alone = forward.Convolution(RICKER, ROCK, 2000.0).bind(grid, [[0, 0]], AXIS, "time")(m)
    torch.testing.assert_close(likelihood("ai").predict(torch.cat([torch.zeros_like(m), m], dim=1)), alone)
    with pytest.raises(GempyGanError, match="porosity, ai"):
        likelihood("vsand")
    with pytest.raises(GempyGanError, match="name the one"):
        likelihood(None)


def test_wavelets():
    for wavelet in (RICKER, forward.ormsby(5, 10, 40, 60)):
        assert wavelet.samples.max() == pytest.approx(1.0)
        assert wavelet.at(0.0) == pytest.approx(1.0)
        np.testing.assert_allclose(wavelet.samples, wavelet.samples[::-1], atol=1e-12)
        np.testing.assert_allclose(wavelet.at(wavelet.axis), wavelet.samples, atol=1e-12)
    spectrum = np.abs(np.fft.rfft(RICKER.samples, 4096))
    assert np.fft.rfftfreq(4096, 0.001)[spectrum.argmax()] == pytest.approx(30, abs=0.5)
    spectrum = np.abs(np.fft.rfft(forward.ormsby(5, 10, 40, 60).samples, 4096))
    frequency = np.fft.rfftfreq(4096, 0.001)
    flat = spectrum[(frequency > 14) & (frequency < 36)]
    assert flat.min() > 0.9 * flat.max()
    assert spectrum[frequency > 70].max() < 0.03 * flat.max()
    t = np.linspace(-0.05, 0.05, 333)
    exact = (1 - 2 * (np.pi * 30 * t) ** 2) * np.exp(-((np.pi * 30 * t) ** 2))
    np.testing.assert_allclose(RICKER.at(t), exact, atol=5e-4)
    np.testing.assert_allclose(RICKER.resampled(0.0005).at(t), RICKER.at(t), atol=5e-4)
    np.testing.assert_allclose(RICKER.rotated(360).samples, RICKER.samples, atol=1e-6)
    np.testing.assert_allclose(RICKER.rotated(180).samples, -RICKER.samples, atol=1e-6)
    assert abs(float(RICKER.rotated(90).samples @ RICKER.samples)) < 1e-6
    assert RICKER.stretched(2.0).at(0.02) == pytest.approx(float(RICKER.at(0.01)))
    assert RICKER.scaled(-2.0).at(0.0) == pytest.approx(-2.0)


@pytest.mark.parametrize(
    "build",
    [
        lambda: forward.Wavelet(np.ones(4), 0.001),
        lambda: forward.Wavelet(np.zeros(5), 0.001),
        lambda: forward.Wavelet(np.ones(5), 0.0),
        lambda: forward.ricker(-1.0),
        lambda: forward.ormsby(5, 4, 40, 60),
        lambda: forward.statistical(np.ones((2, 100))),
        lambda: forward.statistical(np.full((2, 100), np.nan), 0.004),
        lambda: forward.statistical(np.random.default_rng(0).normal(size=(2, 10)), 0.004),
    ],
)
def test_wavelets_that_cannot_be(build):
    with pytest.raises(GempyGanError):
        build()


def noise_traces(wavelet: forward.Wavelet, n: int = 40, samples: int = 400) -> np.ndarray:
    spikes = np.random.default_rng(3).normal(0, 0.05, (n, samples + 200))
    taps = wavelet.resampled(0.002).samples
    return np.stack([np.convolve(row, taps, "same")[100:-100] for row in spikes])


def test_the_statistical_wavelet_recovers_a_zero_phase_one():
    true = forward.ricker(30.0, step=0.002)
    found = forward.statistical(noise_traces(true), 0.002, length=0.1)
    t = np.linspace(-0.04, 0.04, 81)
    assert np.abs(found.at(t) - true.at(t)).max() < 0.1
    n = 40
    cube = SeismicCube(noise_traces(true).astype(np.float32), np.zeros((n, 2)), np.zeros((n, 2), int), 0.1, 0.002, "time")
    np.testing.assert_allclose(forward.statistical(cube, length=0.1).samples, found.samples, atol=1e-5)
    part = forward.statistical(cube, length=0.1, window=(0.3, 0.7))
    assert np.abs(part.at(t) - true.at(t)).max() < 0.15


def well(noise: float, lag: float = 0.006, stretch: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    times = 0.5 + 0.0005 * np.arange(2000)
    impedance = 5e6 * np.exp(np.repeat(rng.normal(0, 0.08, 250), 8))
    wavelet = forward.ricker(28.0).scaled(1000.0).rotated(40.0)
    reflectors = 0.5 * np.diff(np.log(impedance))
    middle = times.mean()
    moved = middle + (1 + stretch) * (0.5 * (times[1:] + times[:-1]) - middle) + lag
    axis = 0.004 * np.arange(420)
    clean = wavelet.at(axis[:, None] - moved) @ reflectors
    return times, impedance, clean + noise * clean.std() * rng.normal(size=len(axis)), axis, wavelet, clean.std()


def test_a_well_tie_finds_wavelet_and_lag():
    times, impedance, trace_, axis, wavelet, spread = well(noise=0.3)
    tie = forward.well_tie(times, impedance, trace_, axis, length=0.1)
    t = np.linspace(-0.04, 0.04, 81)
    got = tie.wavelet.at(t + (0.006 - tie.lag))
    assert np.corrcoef(got, wavelet.at(t))[0, 1] > 0.97
    assert np.abs(got).max() == pytest.approx(np.abs(wavelet.at(t)).max(), rel=0.15)
    assert tie.correlation > tie.correlation_held_out > 0.85
    assert tie.residual_std == pytest.approx(0.3 * spread, rel=0.35)
    np.testing.assert_allclose(tie.shift(times), times + tie.lag)
    assert "held out" in str(tie)


def test_a_known_wavelet_is_scaled_and_rotated():
    times, impedance, trace_, axis, wavelet, _ = well(noise=0.2)
    tie = forward.well_tie(times, impedance, trace_, axis, wavelet=forward.ricker(28.0), lag_step=0.002)
    t = np.linspace(-0.04, 0.04, 81)
    assert abs(tie.lag - 0.006) <= 0.002
    assert np.corrcoef(tie.wavelet.at(t + 0.006 - tie.lag), wavelet.at(t))[0, 1] > 0.98


def test_a_stretch_is_found():
    times, impedance, trace_, axis, _, _ = well(noise=0.2, stretch=0.02)
    shape = forward.ricker(28.0).rotated(40.0)
    tie = forward.well_tie(times, impedance, trace_, axis, wavelet=shape, lag_step=0.002, max_stretch=0.04)
    assert tie.stretch == pytest.approx(0.02)
    assert abs(tie.lag - 0.006) <= 0.002


def test_held_out_correlation_does_not_flatter_noise():
    held_out, fitted = [], []
    for seed in range(6):
        times, impedance, _, axis, _, _ = well(noise=0.0, seed=seed)
        noise = np.convolve(
            np.random.default_rng(100 + seed).normal(size=len(axis) + 6), forward.ricker(28, 0.004).samples, "same"
        )
        tie = forward.well_tie(times, impedance, noise[3:-3], axis, length=0.08, lag_step=0.002)
        held_out.append(tie.correlation_held_out)
        fitted.append(tie.correlation)
    assert np.mean(fitted) > 0.25
    assert abs(np.mean(held_out)) < 0.15


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"axis": np.zeros(420)}, "not evenly"),
        ({"trace": np.full(420, np.nan)}, "NaN"),
        ({"trace": np.zeros(5)}, "do not belong together"),
        ({"times": np.zeros(2000)}, "unusable"),
        ({"length": 1.0}, "share 2"),
    ],
)
def test_ties_that_cannot_be(change, said):
    times, impedance, trace_, axis, _, _ = well(noise=0.1)
    with pytest.raises(GempyGanError, match=said):
        forward.well_tie(**({"times": times, "impedance": impedance, "trace": trace_, "axis": axis} | change))
