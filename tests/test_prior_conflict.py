"""Data that contradict the prior, or each other, are named by the diagnosis; data that do not are left alone."""

import numpy as np
import pytest
import torch

import gempy_gan as gg
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.diagnostics import diagnose
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.inversion import invert
from gempy_gan.likelihood import Likelihood
from gempy_gan.metrics.prior_check import prior_check
from gempy_gan.priors.exact import gaussian_posterior
from gempy_gan.priors.gaussian import GaussianPrior
from gempy_gan.properties import Property

CELL = (50.0, 50.0, 1.0)
SHAPE = (8, 8, 6)
GRID = Grid((0, 400, 0, 400, 0, 6), SHAPE)
STD = 0.02
COLUMNS = [(1, 1), (6, 2), (2, 6), (5, 5)]
FACIES = Property("facies", codes={0: "mud", 1: "sand", 2: "shell"})


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def the_prior(**options):
    return GaussianPrior(SHAPE, CELL, "sand", 0.5, 0.15, "gaussian", (250, 250, 4), **options)


@pytest.fixture(scope="module")
def baseline():
    return gg.sample(the_prior(), GRID, n=50, seed=3)


def wells(field, columns=COLUMNS, change=lambda v: v, seed=0):
    """Full columns of a field (nx, ny, nz), with their errors."""
    cells = np.array([(i, j, k) for i, j in columns for k in range(field.shape[2])])
    values = field[tuple(cells.T)] + STD * np.random.default_rng(seed).standard_normal(len(cells))
    names = np.repeat([f"W-{k + 1}" for k in range(len(columns))], field.shape[2])
    return HardData(cells, change(values), STD, "sand", names)


def truth(seed=0):
    return the_prior().sample(1, seeded(seed))[0, 0].numpy()


def posterior(hard, n=40):
    prior = the_prior()
    exact = gaussian_posterior(prior, Likelihood.of(Constraints(GRID, hard), prior))
    return Ensemble.from_values(GRID, ["sand"], exact.sample(n, seeded(1)).numpy())


def notes(diagnosis, group="hard: sand"):
    return {f.key: (f.value, f.note) for f in diagnosis.figures if f.group == group}


def said(diagnosis, *parts):
    """Whether one verdict says all of this."""
    return any(all(part in verdict for part in parts) for verdict in diagnosis.verdicts)


# The check itself


def fields(n, kind, rng):
    """Three columns of eight cells: normal, a facies indicator, or with heavy tails."""
    apart = np.abs(np.subtract.outer(np.arange(24), np.arange(24))) / 4
    normal = rng.standard_normal((n, 24)) @ np.linalg.cholesky(np.exp(-apart)).T
    return {"normal": normal, "indicator": (normal > 1).astype(float), "heavy": np.exp(2 * normal)}[kind]


@pytest.mark.parametrize("kind", ["normal", "indicator", "heavy"])
@pytest.mark.parametrize("n", [19, 50, 99])
def test_p_is_calibrated_and_few_data_of_the_prior_are_conspicuous(kind, n):
    rng, trials = np.random.default_rng(n), 300
    found = []
    for _ in range(trials):
        drawn = fields(n + 1, kind, rng)
        found.append(prior_check(drawn[1:], drawn[0] + 0.05 * rng.standard_normal(24), 0.05, seed=int(rng.integers(2**31))))
    p = np.array([check.p for check in found])
    # 4 standard errors of a share of 300
    for level in (0.05, 0.2, 0.5, 0.8):
        exact = np.floor(level * (n + 1)) / (n + 1)
        assert np.mean(p <= level + 1e-9) == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / trials))
    assert np.mean([check.conspicuous for check in found]) <= 0.01 + 4 * np.sqrt(0.01 / trials)


def test_each_discrepancy_finds_its_kind_and_names_the_data():
    rng = np.random.default_rng(0)
    drawn = fields(100, "normal", rng)
    draws, data = drawn[1:], drawn[0]
    assert not prior_check(draws, data, 0.05).conspicuous
    high = data.copy()
    high[5] = 9.0
    assert prior_check(draws, high, 0.05).data[0] == 5
    assert prior_check(draws, 3 * np.sign(data), 0.05).conspicuous
    torn = np.zeros(24)
    torn[[10, 11]] = 2.2, -2.2  # each is nothing special, beside the other it is
    found = prior_check(draws, torn, 0.05)
    assert found.conspicuous
    assert set(found.data) == {10, 11}
    assert found.correlation > 0.5
    flat = prior_check(draws, 0.001 * data, 1e-4)
    assert flat.quiet
    assert flat.conspicuous


def test_too_few_draws_or_no_data_say_nothing():
    assert prior_check(np.zeros((18, 3)), np.ones(3), 0.1) is None
    assert prior_check(np.zeros((50, 0)), np.ones(0), 0.1) is None


# In the diagnosis


def test_data_of_the_prior_are_left_alone(baseline):
    for seed in range(4):
        hard = wells(truth(seed), seed=seed)
        found = notes(diagnose(posterior(hard), Constraints(GRID, hard), baseline=baseline))
        assert not {"unreached", "opposed", "outside_prior"} & found.keys()
        assert found["prior_p"][1] == ""


def test_a_value_outside_the_prior_is_named(baseline):
    bounded = np.clip(baseline.values, 0, 1)
    base = Ensemble.from_values(GRID, ["sand"], bounded)
    values = wells(np.clip(truth(), 0, 1)).values
    values[9] = 1.7
    hard = wells(truth(), change=lambda _: values)
    found = diagnose(base, Constraints(GRID, hard), baseline=base)
    cell = tuple(hard.cells[9].tolist())
    assert said(
        found, f"1 datum lies outside everything the prior makes (cell {cell} of W-2: 1.7, prior {bounded.min():.3g} to 1)"
    )
    assert said(found, "no realization comes within 5 standard deviations", f"cell {cell} of W-2: 1.7, realizations ")
    assert said(found, "the well that is missed most is W-2")
    assert said(found, "do not look like the prior's, p = 0.02", f"cell {cell} of W-2: 1.7")


def test_forgotten_units_are_named(baseline):
    hard = wells(truth(), change=lambda v: 100 * v)
    found = diagnose(baseline, Constraints(GRID, hard), baseline=baseline)
    assert said(found, "24 data lie outside everything the prior makes", "a wrong unit or property")


def contradiction():
    """A well, and another one beside it that says the opposite."""
    field = truth(1).copy()
    field[2, 1] = 1.0 - field[1, 1] + np.sign(0.5 - field[1, 1]) * 0.3
    return wells(field, [*COLUMNS, (2, 1)])


def test_wells_that_contradict_each_other_are_named(baseline):
    hard = contradiction()
    found = diagnose(posterior(hard), Constraints(GRID, hard), baseline=baseline)
    assert said(found, "missed by more than its errors allow")
    assert said(found, "do not look like the prior's", "of W-1", "of W-5", "whose correlation is ")


def test_wells_that_no_realization_can_honour_are_named_without_a_baseline():
    """Realizations in between: what is left where a prior cannot change so fast."""
    hard = contradiction()
    between = np.broadcast_to(np.full(SHAPE, 0.5), (12, 1, *SHAPE)) + 0.05 * np.random.default_rng(0).standard_normal(
        (12, 1, *SHAPE)
    )
    found = diagnose(Ensemble.from_values(GRID, ["sand"], between), Constraints(GRID, hard))
    pairs, note = notes(found)["opposed"]
    assert pairs >= 6
    assert "of W-1" in note
    assert "of W-5" in note
    assert said(found, "pairs of neighbouring cells differ over twice as much", "the data contradict each other")
    alone = HardData(hard.cells, hard.values, hard.std, "sand", ["one well"] * len(hard))
    assert "opposed" not in notes(diagnose(Ensemble.from_values(GRID, ["sand"], between), Constraints(GRID, alone)))


def test_opposite_values_in_neighbouring_cells_are_honoured_by_realizations_that_change_as_fast():
    hard = HardData([[1, 1, 1], [1, 2, 1]], [0.1, 0.9], STD, "sand")
    values = np.full((3, 1, *SHAPE), 0.5)
    values[:, 0, 1, 1, 1], values[:, 0, 1, 2, 1] = 0.3, 0.75  # more than half of the change
    found = notes(diagnose(Ensemble.from_values(GRID, ["sand"], values), Constraints(GRID, hard)))
    assert "opposed" not in found
    assert found["unreached"][0] == 2


def test_facies_that_contradict_the_prior(baseline):
    codes = (baseline.values > 0.5).astype(np.int16)
    base = Ensemble.from_values(GRID, [FACIES], codes)
    hard = HardData([[1, 1, 1], [1, 2, 1], [4, 4, 4]], [0, 1, 2], 0.1, "facies")
    ensemble = codes[:10].copy()
    ensemble[:, 0, 1, 1:3, 1] = np.array([[0, 0], [1, 1]] * 5)
    found = diagnose(Ensemble.from_values(GRID, [FACIES], ensemble), Constraints(GRID, hard), baseline=base)
    assert said(found, "hard: facies: 1 datum lies outside everything the prior makes (cell (4, 4, 4): 2, prior 0, 1)")
    assert notes(found, "hard: facies")["unreached"] == (1.0, "cell (4, 4, 4): 2, realizations 0 to 1")
    assert notes(found, "hard: facies")["opposed"] == (1.0, "cell (1, 1, 1): 0 and cell (1, 2, 1): 1")


# Seismic


def derivative(m):
    return m[:, 0].diff(dim=-1).flatten(1)


def image(change=lambda v: v):
    values = np.diff(truth(), axis=-1) + 0.02 * np.random.default_rng(2).standard_normal((8, 8, 5))
    return SoftData(change(values), 0.02, derivative, np.indices((8, 8, 5)).reshape(3, -1).T + np.array([0, 0, 0.5]))


def test_seismic_of_the_prior_is_left_alone(baseline):
    found = diagnose(baseline, Constraints(GRID, image()), baseline=baseline)
    assert notes(found, "soft: seismic")["prior_p"][1] == ""
    assert not {"outside_prior", "silent_traces"} & notes(found, "soft: seismic").keys()


def test_seismic_in_another_unit_is_named(baseline):
    found = diagnose(baseline, Constraints(GRID, image(lambda v: 1000 * v)), baseline=baseline)
    assert said(found, "soft: seismic", "data lie outside everything the prior makes (cell (", ".5): ")


def test_traces_that_are_all_zero_are_named(baseline):
    found = diagnose(baseline, Constraints(GRID, image(np.zeros_like)), baseline=baseline)
    assert said(found, "soft: seismic: 64 traces are zero throughout (of 64): set dead traces to NaN")
    assert said(found, "soft: seismic: the data do not look like the prior's", "they vary less than the prior's")

    def some(v):
        v[3, :4] = 0.0
        return v

    assert notes(diagnose(baseline, Constraints(GRID, image(some))), "soft: seismic")["silent_traces"] == (4.0, "of 64")
    flat = image(some)
    listed = SoftData(flat.values.ravel(), flat.std.ravel(), derivative, flat.cells)
    assert notes(diagnose(baseline, Constraints(GRID, listed)), "soft: seismic")["silent_traces"] == (4.0, "of 64")


def test_zeros_of_what_is_never_negative_are_data(baseline):
    positive = Ensemble.from_values(GRID, ["sand"], np.abs(baseline.values))
    share = SoftData(np.zeros((8, 8)), 0.02, lambda m: m.mean(dim=-1).flatten(1))
    assert "silent_traces" not in notes(diagnose(positive, Constraints(GRID, share)), "soft: seismic")


def test_traces_that_are_all_nan_are_refused():
    with pytest.raises(
        GempyGanError, match=r"hold infinite or no values\. Expected numbers, with NaN where nothing was observed"
    ):
        image(lambda v: np.full_like(v, np.nan))


# What is refused before anything is computed


def test_another_property_is_refused():
    hard = HardData([[0, 0, 0]], [0.5], 0.1, "clay")
    with pytest.raises(GempyGanError, match=r"The data constrain 'clay', and the prior has only: sand\. Rename one of them"):
        invert(the_prior(), Constraints(GRID, hard), n=1)


def test_two_values_for_one_cell_are_refused():
    a, b = (HardData([[1, 2, 3]], [value], 0.1, "sand") for value in (0.2, 0.9))
    with pytest.raises(GempyGanError, match=r"claim 1 cells more than once, first \(1, 2, 3\).*block\(\) merges them"):
        Constraints(GRID, a, b)
