import json
from dataclasses import replace

import numpy as np
import pytest

from gempy_gan import diagnostics, scores
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.diagnosis import Diagnosis, Figure
from gempy_gan.diagnostics import diagnose, predictions, spread
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.grid import Grid
from gempy_gan.properties import Property

GRID = Grid((0, 800, 0, 800, -40, 0), (8, 8, 4))
FACIES = Property("facies", codes={0: "mud", 3: "sand"})
WELLS = np.array([[i, j, k] for i, j in ((1, 1), (6, 2), (3, 6)) for k in range(4)])
STD = 0.1


def toy(seed: int = 0, n: int = 60, std: float = STD):
    """Independent standard normal cells: the posterior at a well is N(gain d, gain std^2), elsewhere the prior."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=GRID.resolution)
    place = tuple(WELLS.T)
    data = truth[place] + std * rng.normal(size=len(WELLS))
    prior = rng.normal(size=(n, 1, *GRID.resolution))
    posterior = rng.normal(size=(n, 1, *GRID.resolution))
    gain = 1 / (1 + std**2)
    posterior[(slice(None), 0, *place)] = gain * data + np.sqrt(gain) * std * rng.normal(size=(n, len(WELLS)))
    names = np.repeat(["A-1", "B-2", "C-3"], 4)
    term = HardData(WELLS, data, std, "phi", names)
    return truth, term, Ensemble.from_values(GRID, ["phi"], posterior), Ensemble.from_values(GRID, ["phi"], prior)


def value(diagnosis, group, key):
    return diagnosis[group, key].value


def test_exact_posterior_passes():
    truth, term, posterior, prior = toy()
    others = np.argwhere(np.ones(GRID.resolution, bool))[::3]
    others = others[~(others[:, None] == WELLS).all(axis=2).any(axis=1)]
    held_out = HardData(others, truth[tuple(others.T)], 1e-3, "phi")
    found = diagnose(posterior, Constraints(GRID, term), held_out, prior)
    assert value(found, "hard: phi", "chi2") == pytest.approx(1.0, abs=0.6)
    assert value(found, "hard: phi", "match") > 0.8
    assert found["hard: phi", "match"].unconditional < 0.3
    assert value(found, "sampling", "distinct") == 60
    assert value(found, "sampling", "effective_sample_size") == pytest.approx(60)
    assert value(found, "held out: phi", "coverage80") == pytest.approx(0.8, abs=0.15)
    assert value(found, "held out: phi", "crps") == pytest.approx(1 / np.sqrt(np.pi), abs=0.12)  # of N(0, 1) for N(0, 1)
    assert sum(found.ranks["held out: phi"]) == len(others)
    assert value(found, "spread: phi", "spread_ratio") == pytest.approx(1.0, abs=0.03)
    assert value(found, "spread: phi", "collapsed_cells") == 0
    assert value(found, "spread: phi", "diversity_ratio") == pytest.approx(1.0, abs=0.05)
    assert value(found, "spread: phi", "distance") == pytest.approx(np.sqrt(2), abs=0.05)


def test_a_missed_well_is_named():
    _, term, posterior, _ = toy()
    values = term.values.copy()
    values[4:8] += 1.0
    found = diagnose(posterior, Constraints(GRID, HardData(term.cells, values, STD, "phi", term.wells)))
    assert "B-2" in found["hard: phi", "worst_well"].meaning
    assert value(found, "hard: phi", "worst_well") > 50
    assert any("missed by more than its errors" in verdict for verdict in found.verdicts)


def test_copies_are_called_a_collapse():
    _, term, posterior, prior = toy(n=40)
    same = np.repeat(posterior.values[:2], 20, axis=0)
    found = diagnose(Ensemble.from_values(GRID, ["phi"], same), Constraints(GRID, term), baseline=prior)
    assert value(found, "sampling", "distinct") == 2
    assert any("only 2 of 40 realizations differ" in verdict for verdict in found.verdicts)
    alone = np.repeat(posterior.values[:1], 40, axis=0) + 1e-5 * np.arange(40).reshape(-1, 1, 1, 1, 1)
    for baseline in (prior, None):
        found = diagnose(Ensemble.from_values(GRID, ["phi"], alone), Constraints(GRID, term), baseline=baseline)
        assert value(found, "sampling", "distinct") == 1
        assert value(found, "spread: phi", "collapsed_cells") == 1.0
        assert any("have no spread left" in verdict for verdict in found.verdicts)


def test_pasted_wells_match_but_do_not_predict():
    truth, term, _, prior = toy()
    pasted = 5.0 + 0.05 * prior.values  # a sure and wrong picture
    pasted[(slice(None), 0, *WELLS.T)] = term.values
    near = WELLS + np.array([1, 0, 0])
    held_out = HardData(near, truth[tuple(near.T)], STD, "phi")
    found = diagnose(Ensemble.from_values(GRID, ["phi"], pasted), Constraints(GRID, term), held_out, prior)
    assert value(found, "hard: phi", "match") == pytest.approx(1.0)
    assert value(found, "held out: phi", "coverage80") == 0.0
    assert sum("predicted no better than by" in verdict for verdict in found.verdicts) == 2
    assert any("too sure of itself" in verdict for verdict in found.verdicts)


def test_baselines_are_scored_like_the_ensemble():
    truth, term, posterior, prior = toy()
    near = WELLS + np.array([1, 0, 0])
    held_out = HardData(near, truth[tuple(near.T)], STD, "phi")
    found = diagnose(posterior, Constraints(GRID, term), held_out, prior)
    as_ensemble = diagnose(prior, Constraints(GRID, term), held_out)
    for key in ("crps", "coverage50", "coverage80", "correlation"):
        assert found["held out: phi", key].unconditional == value(as_ensemble, "held out: phi", key)
    for k in range(4):
        mean, sd = term.values[WELLS[:, 2] == k].mean(), term.values[WELLS[:, 2] == k].std(ddof=1)
        one = HardData([[7, 7, k]], [0.3], STD, "phi")
        crps = diagnose(posterior, Constraints(GRID, term), one)["held out: phi", "crps"].layer_mean
        assert crps == pytest.approx(float(scores.crps_normal(mean, np.hypot(sd, STD), 0.3)))


def test_layers_without_data_take_all_of_them():
    _, term, posterior, _ = toy()
    top = HardData(term.cells[term.cells[:, 2] == 0], term.values[term.cells[:, 2] == 0], STD, "phi")
    found = diagnose(posterior, Constraints(GRID, top), HardData([[7, 7, 3]], [0.3], STD, "phi"))
    sd = np.hypot(top.values.std(ddof=1), STD)
    assert found["held out: phi", "crps"].layer_mean == pytest.approx(float(scores.crps_normal(top.values.mean(), sd, 0.3)))


def test_weights_count():
    _, term, posterior, prior = toy(n=30)
    log_weights = np.full(30, -np.inf)
    log_weights[[4, 9]] = np.log(0.5)
    weighted = Ensemble.from_values(GRID, ["phi"], posterior.values, log_weights=log_weights)
    chosen = Ensemble.from_values(GRID, ["phi"], posterior.values[[4, 9]])
    soft = SoftData(np.random.default_rng(2).normal(size=GRID.resolution), 1.0)
    constraints = Constraints(GRID, term, soft)
    held_out = HardData([[0, 0, 0], [7, 7, 3]], [0.3, 0.1], STD, "phi")
    a, b = (diagnose(e, constraints, held_out, prior) for e in (weighted, chosen))
    assert value(a, "sampling", "effective_sample_size") == pytest.approx(2)
    assert any("The 30 realizations are worth only 2.0 independent ones" in verdict for verdict in a.verdicts)
    for figure in b.figures:
        if figure.group != "sampling":
            assert value(a, figure.group, figure.key) == pytest.approx(figure.value, rel=1e-5), figure.key


def test_seismic_is_predicted_in_batches(monkeypatch):
    truth, term, posterior, prior = toy(n=7)
    rng = np.random.default_rng(1)
    data = truth[:, :, :2] + truth[:, :, 2:] + rng.normal(size=(8, 8, 2))
    data[3, 3] = np.nan
    sizes = []

    def forward(m):
        sizes.append(len(m))
        return (m[:, 0, :, :, :2] + m[:, 0, :, :, 2:]).flatten(1)

    soft = SoftData(data, 1.0, forward)
    monkeypatch.setattr(diagnostics, "BATCH_CELLS", 2 * GRID.size)
    found = diagnose(posterior, Constraints(GRID, term, soft), baseline=prior)
    assert max(sizes) == 2
    m = posterior.values[:, 0]
    predicted = (m[..., :2] + m[..., 2:]).reshape(7, -1)
    known = np.isfinite(data.ravel())
    residual = (predicted - data.ravel())[:, known]
    assert value(found, "soft: seismic", "chi2") == pytest.approx(np.mean(residual**2), rel=1e-5)
    each = [np.corrcoef(row[known], data.ravel()[known])[0, 1] for row in predicted]
    assert value(found, "soft: seismic", "correlation") == pytest.approx(np.mean(each), rel=1e-4)
    assert found["soft: seismic", "chi2"].unconditional is not None
    np.testing.assert_allclose(np.concatenate(list(predictions(posterior, soft))), predicted, rtol=1e-6)


def test_wrong_forward_operators_are_told():
    _, _, posterior, _ = toy(n=3)
    soft = SoftData(np.zeros(5), 1.0, lambda m: m.flatten(1))
    with pytest.raises(GempyGanError, match=r"returned shape \(3, 256\). Expected \(3, 5\)"):
        diagnose(posterior, Constraints(GRID, soft))


def facies_toy(n: int = 50):
    rng = np.random.default_rng(3)
    probability = np.where(np.arange(8) < 4, 0.9, 0.1)[:, None, None] * np.ones(GRID.resolution)
    truth = np.where(rng.random(GRID.resolution) < probability, 3, 0)
    draws = np.where(rng.random((n, 1, *GRID.resolution)) < probability, 3, 0)
    place = tuple(WELLS.T)
    draws[(slice(None), 0, *place)] = truth[place]
    prior = np.where(rng.random((n, 1, *GRID.resolution)) < 0.5, 3, 0)
    term = HardData(WELLS, truth[place], 0.1, "facies")
    return truth, term, Ensemble.from_values(GRID, [FACIES], draws), Ensemble.from_values(GRID, [FACIES], prior)


def test_facies_are_balanced_and_have_no_chi2():
    truth, term, posterior, prior = facies_toy()
    others = np.argwhere(np.ones(GRID.resolution, bool))[::2]
    held_out = Constraints(GRID, HardData(others, truth[tuple(others.T)], 0.1, "facies"))
    found = diagnose(posterior, Constraints(GRID, term), held_out, prior)
    assert value(found, "hard: facies", "match") == pytest.approx(1.0)
    assert found["hard: facies", "match"].unconditional == pytest.approx(0.5, abs=0.07)
    with pytest.raises(KeyError, match="hard: facies/match"):
        found["hard: facies", "chi2"]
    match = found["held out: facies", "match"]
    assert match.value == pytest.approx(0.81 + 0.01, abs=0.06)
    assert match.unconditional == pytest.approx(0.5, abs=0.05)
    brier = found["held out: facies", "brier"]
    sure = np.where(others[:, 0] < 4, 0.9, 0.1) - (truth[tuple(others.T)] == 3)
    assert brier.value == pytest.approx(np.mean(2 * sure**2), abs=0.02)
    assert brier.value < min(brier.unconditional, brier.layer_mean)
    entropy = found["spread: facies", "entropy"]
    assert entropy.value == pytest.approx(-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)), abs=0.02)
    assert entropy.unconditional == pytest.approx(np.log(2), abs=0.02)


def test_facies_layer_shares_are_those_of_the_wells():
    _, term, posterior, _ = facies_toy()
    sand = np.array([(term.values[WELLS[:, 2] == k] == 3).mean() for k in range(4)])
    held_out = HardData([[7, 7, k] for k in range(4)], [3] * 4, 0.1, "facies")
    found = diagnose(posterior, Constraints(GRID, term), held_out)
    assert found["held out: facies", "match"].layer_mean == pytest.approx(sand.mean())
    assert found["held out: facies", "brier"].layer_mean == pytest.approx(np.mean(2 * (1 - sand) ** 2))


def test_spread_is_the_ensembles_own():
    _, _, posterior, _ = toy(n=9)
    weights = np.log(np.random.default_rng(0).dirichlet(np.ones(9)))
    weighted = Ensemble.from_values(GRID, ["phi"], 1000 + posterior.values, log_weights=weights)
    np.testing.assert_allclose(spread(weighted, "phi"), weighted.std("phi").values, rtol=1e-3)
    _, _, facies, _ = facies_toy(n=9)
    np.testing.assert_allclose(spread(facies, "facies"), scores.entropy(facies.probability("facies").values), atol=1e-12)


def test_inactive_cells_do_not_count():
    _, term, posterior, prior = toy()
    active = np.ones(GRID.resolution, bool)
    active[:, 4:] = False
    values = posterior.values
    values[:, :, :, 4:] = 0.0  # constant: it would lower the spread and look collapsed
    grid = GRID.with_active(active)
    inside = WELLS[:, 1] < 4
    hard = HardData(WELLS[inside], term.values[inside], STD, "phi")
    found = diagnose(Ensemble.from_values(grid, ["phi"], values), Constraints(grid, hard), baseline=prior)
    assert value(found, "spread: phi", "spread_ratio") == pytest.approx(1.0, abs=0.05)
    assert value(found, "spread: phi", "collapsed_cells") == 0.0


def test_the_strategys_trace_is_told():
    _, term, posterior, _ = toy(n=4)
    first = {"acceptance": 0.2, "unconverged": 2, "rhat": 1.02, "effective_sample_size": 1.0, "chi2": [3.0, 1.0]}
    second = {"acceptance": 0.4, "unconverged": 1, "rhat": 1.3, "effective_sample_size": 1.5}
    ensemble = Ensemble.from_values(GRID, ["phi"], posterior.values, {"trace": [first, second]})
    found = diagnose(ensemble, Constraints(GRID, term))
    assert value(found, "sampling", "acceptance") == pytest.approx(0.3)
    assert value(found, "sampling", "unconverged") == 3
    assert value(found, "sampling", "rhat") == 1.3
    assert value(found, "sampling", "effective_sample_size") == 2.5  # the weights are equal: they say 4
    assert any("3 optimizations did not converge" in verdict for verdict in found.verdicts)
    assert any("R-hat 1.30" in verdict for verdict in found.verdicts)


def test_every_figure_with_a_verdict_is_marked_and_no_other():
    figures = [
        Figure("sampling", "realizations", 20),
        Figure("sampling", "distinct", 20),
        Figure("sampling", "effective_number", 2.0),
        Figure("sampling", "effective_sample_size", 20),
        Figure("hard: sand", "chi2", 1.0),
        Figure("hard: sand", "match", 0.9),
        Figure("soft: seismic", "chi2", 4.0),
        Figure("held out: sand", "crps", 0.1, unconditional=0.2),
        Figure("held out: sand", "brier", 0.1),
        Figure("held out: sand", "coverage80", 0.2),
    ]
    found = Diagnosis(tuple(figures))
    assert [found.status(f) for f in figures] == ["", "pass", "look", "pass", "pass", "", "look", "pass", "", "look"]
    assert found.to_dict()["groups"]["soft: seismic"]["chi2"]["status"] == "look"
    assert len(found.verdicts) == [found.status(f) for f in figures].count("look")


def test_numbers_that_json_lacks_become_null():
    _, term, posterior, _ = toy(n=4)
    ensemble = Ensemble.from_values(GRID, ["phi"], posterior.values, {"trace": [{"rhat": 1.0}]})
    found = diagnose(ensemble, Constraints(GRID, term))
    endless = Diagnosis(tuple(replace(f, value=np.inf) if f.key == "rhat" else f for f in found.figures))
    assert endless.to_dict()["groups"]["sampling"]["rhat"]["value"] is None
    assert "inf" in str(endless)
    assert any("have not mixed" in verdict for verdict in endless.verdicts)


def test_record_is_json_and_a_table():
    _, term, posterior, prior = toy()
    held_out = HardData([[0, 0, 0], [7, 7, 3]], [0.3, 0.1], STD, "phi")
    found = diagnose(posterior, Constraints(GRID, term), held_out, prior)
    record = json.loads(json.dumps(found.to_dict()))
    crps = record["groups"]["held out: phi"]["crps"]
    assert set(crps) == {"value", "ideal", "meaning", "status", "unconditional", "layer_mean"}
    assert crps["value"] == value(found, "held out: phi", "crps")
    assert record["verdicts"] == list(found.verdicts)
    lines = str(found).splitlines()
    row = next(line for line in lines if line.startswith("  crps"))
    assert f"{crps['value']:.3g}" in row
    assert f"{crps['layer_mean']:.3g}" in row
    ends = {line.index(line.split("  ")[-1].strip()) for line in lines if line.startswith("  ")}
    assert len(ends) == 1  # the meanings stand under each other


def test_other_grids_and_properties_are_refused():
    _, term, posterior, _ = toy(n=3)
    other = Grid((0, 800, 0, 800, -40, 0), (4, 8, 4))
    with pytest.raises(GridError, match=r"constraints lie on .* Expected the same grid"):
        diagnose(posterior, Constraints(other))
    shifted = Grid((10, 810, 0, 800, -40, 0), (8, 8, 4))
    with pytest.raises(GridError, match="held-out data lie on"):
        diagnose(posterior, Constraints(GRID, term), Constraints(shifted))
    with pytest.raises(GridError, match="outside the grid"):
        diagnose(posterior, Constraints(GRID, term), HardData([[9, 0, 0]], [1.0], 1.0, "phi"))
    with pytest.raises(GempyGanError, match="no property 'sw'"):
        diagnose(posterior, Constraints(GRID, HardData([[0, 0, 0]], [1.0], 1.0, "sw")))
    with pytest.raises(GempyGanError, match="held-out data of 'phi' are empty"):
        diagnose(posterior, Constraints(GRID, term), HardData([], [], 1.0, "phi"))


def test_a_forward_operator_sees_the_property_it_names():
    grid = Grid((0, 40, 0, 40, 0, 2), (4, 4, 2))

    class Means:
        property = "coarse_fraction"

        def __call__(self, m):
            assert m.shape[1] == 1
            return m.mean(dim=(1, 2, 3, 4))[:, None]

    values = np.stack([np.full((3, 4, 4, 2), 0.9), np.full((3, 4, 4, 2), 0.4)], axis=1)
    ensemble = Ensemble.from_values(grid, ["deposition_time", "coarse_fraction"], values)
    term = SoftData([0.4], 0.1, Means())
    np.testing.assert_allclose(np.concatenate(list(predictions(ensemble, term))), 0.4, rtol=1e-6)
