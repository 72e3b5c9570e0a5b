"""Diagnosis of an ensemble: whether it honours its data, has the spread it should, and predicts what it was not shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gempy_gan import scores
from gempy_gan.constraints import Constraints, HardData, SoftData
from gempy_gan.diagnosis import (
    CALIBRATION,
    LOOKUP,
    Calibration,
    Diagnosis,
    Figure,
    calibration_sentence,
    matching_calibrations,
    merged_calibrations,
)
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError, GridError
from gempy_gan.grid import Grid
from gempy_gan.metrics import checkerboard, conflict, lookup

Array = NDArray[np.float64]
Values = Mapping[str, float | None]

BATCH_CELLS = 2**22  # cells held in memory at once
DISTANCE_CELLS = 2**18  # cells, evenly picked, on which realizations are compared with each other
COUNTED = ("converged", "unconverged", "proposals", "members", "effective_sample_size", "evaluations")
COLLAPSED = 0.01  # of the reference's spread, below which a cell has none and two realizations are one


def diagnose(
    ensemble: Ensemble,
    constraints: Constraints,
    held_out: HardData | Constraints | None = None,
    baseline: Ensemble | None = None,
    calibrations: Sequence[Calibration] = (),
    training: Ensemble | None = None,
    unseen: Ensemble | None = None,
    flips: Sequence[str] = ("y",),
) -> Diagnosis:
    """Diagnose an ensemble against the constraints it was conditioned to, and against data it never saw.

    `baseline` is an unconditional ensemble of the same prior on the same grid (see `sample`): the match *by luck*, the
    spread before the data, and the first of two baselines for `held_out`. The second is the mean and standard deviation of
    the conditioning data in the same layer (all layers where it has fewer than two data), a normal distribution.

    Figures are weighted means over realizations; each carries its meaning, and `gempy_gan.scores` has the definitions.
    Held-out data are measurements: their std is added to the realizations' spread in CRPS and coverage. Distances between
    realizations are taken on at most 262,144 cells, evenly picked.

    How prior and strategy did on simulated truths is told, where the prior's card held that when the ensemble was made, or it is
    among `calibrations` (see `gempy_gan.diagnosis.Calibration`).

    With the `training` images of its prior, it is told whether the ensemble repeats them (see `gempy_gan.metrics.lookup`), the
    better with `unseen` images that were not learned from; `flips` are the axes along which images are as likely mirrored.

    Raises GridError when the grids differ, GempyGanError when data constrain a property that the ensemble lacks.
    """
    withheld = held_out.terms if isinstance(held_out, Constraints) else () if held_out is None else (held_out,)
    _check_grids(ensemble, constraints.grid, baseline, held_out)
    apart = {p.name: _distances(ensemble, p.name) for p in ensemble.properties}
    usual = {name: _usual_distance(ensemble, name, baseline) for name in apart}
    found = _sampling(ensemble, apart, usual)
    for term in constraints.terms:
        found += _agreement("hard" if isinstance(term, HardData) else "soft", ensemble, term, baseline)
    ranks: dict[str, list[int]] = {}
    for term in withheld:
        if isinstance(term, HardData):
            found += _prediction(ensemble, term, baseline, constraints, ranks)
        else:
            found += _agreement("held out", ensemble, term, baseline)
    for name, distance in apart.items():
        found += _spread(ensemble, name, constraints, baseline, _mean_distance(distance, ensemble.weights), usual[name])
    if training is not None:
        repeated = lookup(ensemble, training, unseen, flips)
        found += [Figure(LOOKUP, key, value, note=note) for key, value, note in repeated.figures()]
    known, remarks = _calibrated(ensemble, constraints, calibrations)
    return Diagnosis((*found, *known), ranks, remarks)


def _calibrated(
    ensemble: Ensemble, constraints: Constraints, given: Sequence[Calibration]
) -> tuple[list[Figure], tuple[str, ...]]:
    """What is known of prior and strategy from simulated truths: figures, and sentences about them."""
    record = ensemble.provenance
    kept: list[Calibration] = []
    for entry in (*record.get(CALIBRATION, ()), *given):
        kept = merged_calibrations(kept, entry)
    entries = matching_calibrations(kept, record, bool(constraints.soft))
    figures = []
    for entry in entries:
        shares = {f"calibrated{level}": share for level, share in entry["coverage"].items()}
        figures += _figures(f"calibration: truths of {entry['data']['truths']}", shares)
    return figures, tuple(calibration_sentence(entry, ensemble.grid.resolution) for entry in entries)


def _check_grids(ensemble: Ensemble, grid: Grid, baseline: Ensemble | None, held_out: HardData | Constraints | None) -> None:
    others = {"constraints": grid} | ({} if baseline is None else {"baseline": baseline.grid})
    if isinstance(held_out, Constraints):
        others["held-out data"] = held_out.grid
    for name, other in others.items():
        near = np.allclose(other.extent, ensemble.grid.extent, rtol=0, atol=1e-3 * min(ensemble.grid.cell_size))
        if other.resolution != ensemble.grid.resolution or not near or abs(other.rotation - ensemble.grid.rotation) > 1e-6:
            raise GridError(
                f"The {name} lie on {other.resolution} cells over {other.extent} and the ensemble on "
                f"{ensemble.grid.resolution} over {ensemble.grid.extent}. Expected the same grid."
            )
    if isinstance(held_out, HardData):
        grid.check_cells(held_out.cells)


def _sampling(ensemble: Ensemble, apart: Mapping[str, Array], usual: Mapping[str, float | None]) -> list[Figure]:
    """How many realizations there are, how many of them differ, and what the strategy says of its own work."""
    relative = np.max([distance / (usual[name] or 1.0) for name, distance in apart.items()], axis=0)
    own: dict[str, float | None] = {
        "realizations": len(ensemble),
        "distinct": scores.distinct(relative, COLLAPSED),
        "effective_number": scores.vendi_score(relative, scores.ALIKE, ensemble.weights),
    }
    trace = _trace(ensemble)
    worth = scores.effective_sample_size(ensemble.weights)
    own["effective_sample_size"] = min(worth, trace.pop("effective_sample_size", worth))
    return _figures("sampling", own | trace)


def _trace(ensemble: Ensemble) -> dict[str, float]:
    """Numbers of the strategy's trace over the batches of a run: added where they count, the worst R-hat, else averaged."""
    batches = ensemble.provenance.get("trace", [])
    found: dict[str, float] = {}
    for key in dict.fromkeys(key for batch in batches for key in batch):
        values = [batch[key] for batch in batches if isinstance(batch.get(key), (int, float))]
        if values and key not in ("realizations", "distinct"):  # found out here, from the realizations themselves
            together = np.sum if key in COUNTED else np.max if key == "rhat" else np.mean
            found[key] = float(together(values))
    return found


def _agreement(kind: str, ensemble: Ensemble, term: HardData | SoftData, baseline: Ensemble | None) -> list[Figure]:
    """How the realizations agree with one term of the data, and how unconditional ones do by luck; and what contradicts what."""
    if isinstance(term, SoftData):
        return _soft_agreement(f"{kind}: {term.name}", ensemble, term, baseline)
    group, facies = f"{kind}: {term.property}", ensemble.property(term.property).is_facies
    luck = None if baseline is None else _hard_misfit(baseline, term)
    figures = _figures(group, _hard_misfit(ensemble, term), luck)
    if not len(term):
        return figures
    if term.wells is not None and not facies:
        worst, value = _worst_well(ensemble, term)
        figures.append(Figure(group, "worst_well", value, note=worst))
    own, draws = conflict.Predicted(term, facies), _at(ensemble, term.property, term.cells)
    own.add(draws)
    figures += [*conflict.unreached(group, own), *conflict.opposed(group, own, draws)]
    if baseline is not None:
        prior = conflict.Predicted(term, facies)
        prior.add(_at(baseline, term.property, term.cells))
        figures += [*conflict.outside(group, own, *_made(baseline, term.property)), *conflict.beside_prior(group, prior)]
    return figures


def _soft_agreement(group: str, ensemble: Ensemble, term: SoftData, baseline: Ensemble | None) -> list[Figure]:
    own, prior = conflict.Predicted(term), conflict.Predicted(term)
    misfit = _soft_misfit(ensemble, term, own)
    figures = _figures(group, misfit, None if baseline is None else _soft_misfit(baseline, term, prior))
    figures += [*conflict.unreached(group, own), *conflict.silent(group, own)]
    if baseline is not None:
        low, high = float(prior.low.min()), float(prior.high.max())
        figures += [*conflict.outside(group, own, low, high), *conflict.beside_prior(group, prior)]
    return figures


def _made(baseline: Ensemble, name: str) -> tuple[float, float, Array | None]:
    """Smallest and largest value of a property over all cells of unconditional realizations, and of facies all codes."""
    values = [part[name].values[:, baseline.grid.active_cells] for part in _batches(baseline)]
    codes = np.unique(np.concatenate([np.unique(v) for v in values])) if baseline.property(name).is_facies else None
    return float(min(v.min() for v in values)), float(max(v.max() for v in values)), codes


def _hard_misfit(ensemble: Ensemble, term: HardData) -> Values:
    """Match, chi2 and mean absolute error at the cells of hard data; facies codes have a match only."""
    draws, w = _at(ensemble, term.property, term.cells), ensemble.weights
    if not len(term):
        return {"match": None}
    if ensemble.property(term.property).is_facies:
        return {"match": scores.balanced_match(draws, term.values, weights=w)}
    return {
        "match": scores.balanced_match(draws, term.values, term.std, w),
        "chi2": scores.chi2(draws, term.values, term.std, w),
        "mae": float(w @ np.abs(draws - term.values).mean(axis=1)),
    }


def _worst_well(ensemble: Ensemble, term: HardData) -> tuple[str, float]:
    draws, wells = _at(ensemble, term.property, term.cells), np.asarray(term.wells)
    misfit = {
        str(name): scores.chi2(draws[:, wells == name], term.values[wells == name], term.std[wells == name], ensemble.weights)
        for name in np.unique(wells)
    }
    worst = max(misfit, key=lambda name: misfit[name])
    return worst, misfit[worst]


def _soft_misfit(ensemble: Ensemble, term: SoftData, predicted: conflict.Predicted) -> Values:
    """Chi2 and correlation of predicted and observed data, each a mean over realizations; `predicted` takes in what they are."""
    observed, std = predicted.observed, predicted.std
    misfit, agree = [], []
    for whole in predictions(ensemble, term):
        part = whole[:, predicted.known]
        predicted.add(part)
        misfit += [scores.chi2(row[None], observed, std) for row in part]
        agree += [scores.correlation(row, observed) for row in part]
    w = ensemble.weights
    correlation = None if None in agree else float(w @ np.array(agree, dtype=np.float64))
    return {"chi2": float(w @ np.array(misfit)), "correlation": correlation}


def predictions(ensemble: Ensemble, term: SoftData) -> Iterator[Array]:
    """What the realizations predict of soft data, in batches (k, values.size), without holding them all in memory."""
    import torch

    from gempy_gan.likelihood import seen

    properties = ensemble.properties[seen(term, ensemble.properties)]
    for part in _batches(ensemble):
        m = torch.as_tensor(np.stack([part[p.name].values.astype(np.float32) for p in properties], axis=1))
        with torch.no_grad():
            data = m.flatten(1) if term.forward is None else term.forward(m)
        if tuple(data.shape) != (len(m), term.values.size):
            raise GempyGanError(
                f"The forward operator of the {term.name} data returned shape {tuple(data.shape)}. "
                f"Expected {(len(m), term.values.size)}: one value per realization and datum."
            )
        yield data.double().numpy()


def _prediction(
    ensemble: Ensemble, term: HardData, baseline: Ensemble | None, constraints: Constraints, ranks: dict[str, list[int]]
) -> list[Figure]:
    """How held-out hard data are predicted, beside the two baselines."""
    group, prop = f"held out: {term.property}", ensemble.property(term.property)
    if not len(term):
        raise GempyGanError(f"The held-out data of {prop.name!r} are empty. Expected at least one cell.")
    given = [t for t in constraints.hard if t.property == prop.name and len(t)]
    if prop.is_facies:
        codes = list(prop.facies)
        own, luck = (None if e is None else _facies_scores(e, term, codes) for e in (ensemble, baseline))
        layers = _facies_by_layer(given, term, codes) if given else None
        return _figures(group, own or {}, luck, layers)
    own, luck = (None if e is None else _scores(e, term) for e in (ensemble, baseline))
    layers = _layer_scores(given, term) if given else None
    position = scores.pit(_at(ensemble, prop.name, term.cells), term.values, term.std, ensemble.weights)
    ranks[group] = scores.rank_histogram(position).tolist()
    return _figures(group, own or {}, luck, layers)


def _scores(ensemble: Ensemble, term: HardData) -> Values:
    draws, w = _at(ensemble, term.property, term.cells), ensemble.weights
    crps = scores.crps(draws, term.values, term.std, w)
    return _continuous_scores(crps, scores.pit(draws, term.values, term.std, w), w @ draws, term)


def _layer_scores(given: Sequence[HardData], term: HardData) -> Values:
    mean, sd = _by_layer(given, term)
    total = np.hypot(sd, term.std)
    position = scores.pit(mean[None], term.values, total)
    return _continuous_scores(scores.crps_normal(mean, total, term.values), position, mean, term)


def _continuous_scores(crps: Array, position: Array, centre: Array, term: HardData) -> Values:
    inside = {f"coverage{100 * level:.0f}": share for level, share in scores.covered(position).items()}
    return {"crps": float(crps.mean()), **inside, "correlation": scores.correlation(centre, term.values)}


def _by_layer(given: Sequence[HardData], term: HardData) -> tuple[Array, Array]:
    """Mean and standard deviation (d,) of the conditioning data in the layer of each held-out datum."""
    layer, values = np.concatenate([t.cells[:, 2] for t in given]), np.concatenate([t.values for t in given])
    mean, sd = np.empty(len(term)), np.empty(len(term))
    for k in np.unique(term.cells[:, 2]):
        here = values[layer == k] if (layer == k).sum() > 1 else values
        mean[term.cells[:, 2] == k] = here.mean()
        sd[term.cells[:, 2] == k] = here.std(ddof=1) if len(here) > 1 else 0.0
    return mean, sd


def _facies_scores(ensemble: Ensemble, term: HardData, codes: Sequence[int]) -> Values:
    draws, w = _at(ensemble, term.property, term.cells), ensemble.weights
    share = np.stack([w @ (draws == code) for code in codes])
    worth = round(scores.effective_sample_size(w))
    match = scores.balanced_match(draws, term.values, weights=w)
    return {"match": match, "brier": scores.brier(share, term.values, codes, worth)}


def _facies_by_layer(given: Sequence[HardData], term: HardData, codes: Sequence[int]) -> Values:
    one_hot = [[HardData(t.cells, t.values == code, 1.0, t.property) for t in given] for code in codes]
    share = np.stack([_by_layer(indicator, term)[0] for indicator in one_hot])
    right = np.choose(np.searchsorted(codes, term.values), share)
    match = float(np.mean([right[term.values == code].mean() for code in np.unique(term.values)]))
    return {"match": match, "brier": scores.brier(share, term.values, codes)}


def _spread(
    ensemble: Ensemble,
    name: str,
    constraints: Constraints,
    baseline: Ensemble | None,
    distance: float | None,
    usual: float | None,
) -> list[Figure]:
    """How much the realizations differ, in cells and as wholes."""
    kind = "entropy" if ensemble.property(name).is_facies else "sd"
    free = _cells_without_data(constraints, name)
    width = spread(ensemble, name)[free]
    if baseline is None:
        collapsed = float(np.mean(width <= COLLAPSED * _total_spread(ensemble, name)))
        own = {kind: float(width.mean()), "collapsed_cells": collapsed, "distance": distance}
        return _figures(f"spread: {name}", own)
    before = spread(baseline, name)[free]
    varies = before > 0  # a cell that never varied cannot collapse
    own = {
        kind: float(width.mean()),
        "spread_ratio": _ratio(float(width.mean()), float(before.mean())),
        "collapsed_cells": float(np.mean(width[varies] <= COLLAPSED * before[varies])) if varies.any() else None,
        "distance": distance,
        "diversity_ratio": _ratio(distance, usual),
    }
    pattern = _checkerboard(ensemble, baseline, name)
    if pattern is not None:
        own["checkerboard"] = pattern
    return _figures(f"spread: {name}", own, {kind: float(before.mean()), "distance": usual})


def _checkerboard(ensemble: Ensemble, baseline: Ensemble, name: str) -> float | None:
    """The strongest grid pattern along x and y; None where there can be none to see."""
    whole = ensemble.grid.active_cells.all() and min(ensemble.grid.resolution[:2]) >= checkerboard.LEAST
    if ensemble.property(name).is_facies or not whole:
        return None
    own, usual = (
        np.average(np.concatenate([checkerboard.power(part[name].values) for part in _batches(e)]), axis=0, weights=e.weights)
        for e in (ensemble, baseline)
    )
    span = float(np.ptp(_sampled(baseline, name)))
    return float(checkerboard.excess(own / span**2, usual / span**2).max()) if span > 0 else None


def _ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None


def _cells_without_data(constraints: Constraints, name: str) -> NDArray[np.bool_]:
    """Active cells (nx, ny, nz) that hold no hard datum of the property; all active cells when each holds one."""
    free = constraints.grid.active_cells.copy()
    for term in constraints.hard:
        if term.property == name:
            free[tuple(term.cells.T)] = False
    return free if free.any() else constraints.grid.active_cells


def spread(ensemble: Ensemble, name: str) -> Array:
    """Standard deviation across realizations per cell (nx, ny, nz), or for facies their entropy in nats."""
    prop, w = ensemble.property(name), ensemble.weights
    shape, start = ensemble.grid.resolution, 0
    if prop.is_facies:
        share = np.zeros((len(prop.facies), *shape))
        for part in _batches(ensemble):
            values, weight = part[name].values, w[start : start + part.sizes["realization"]]
            share += np.stack([np.tensordot(weight, values == code, 1) for code in prop.facies])
            start += len(values)
        return scores.entropy(share)
    origin = ensemble.dataset[name].isel(realization=0).values.astype(np.float64)
    first, second = np.zeros(shape), np.zeros(shape)
    for part in _batches(ensemble):
        offset = part[name].values - origin
        weight = w[start : start + len(offset)]
        first += np.tensordot(weight, offset, 1)
        second += np.tensordot(weight, np.square(offset), 1)
        start += len(offset)
    return np.sqrt(np.maximum(second - np.square(first), 0.0))


def _total_spread(ensemble: Ensemble, name: str) -> float:
    """Spread of a property over cells and realizations together: the yardstick where there is no baseline."""
    values = _sampled(ensemble, name)
    if not ensemble.property(name).is_facies:
        return float(values.std())
    return float(scores.entropy([np.mean(values == code) for code in ensemble.property(name).facies]))


def _distances(ensemble: Ensemble, name: str) -> Array:
    return scores.pairwise_distance(_sampled(ensemble, name), ensemble.property(name).is_facies)


def _usual_distance(ensemble: Ensemble, name: str, baseline: Ensemble | None) -> float | None:
    """Mean distance of unconditional realizations; without them, of unrelated pictures with the ensemble's own histogram."""
    if baseline is not None:
        return _mean_distance(_distances(baseline, name), baseline.weights)
    values, facies = _sampled(ensemble, name), ensemble.property(name).facies
    return float(1 - sum(np.mean(values == code) ** 2 for code in facies)) if facies else float(np.sqrt(2) * values.std())


def _mean_distance(apart: Array, weights: Array) -> float | None:
    """Weighted mean of the distances (n, n) between two different realizations; None for a single one."""
    pairs = np.outer(weights, weights)
    np.fill_diagonal(pairs, 0.0)
    return float((pairs * apart).sum() / pairs.sum()) if pairs.sum() > 0 else None


def _sampled(ensemble: Ensemble, name: str) -> Array:
    """Values (n, k) at evenly picked active cells."""
    active = np.argwhere(ensemble.grid.active_cells)
    return _at(ensemble, name, active[:: math.ceil(len(active) / DISTANCE_CELLS)])


def _at(ensemble: Ensemble, name: str, cells: NDArray[np.int64]) -> Array:
    """Values (n, len(cells)) of a property at cells (N, 3)."""
    ensemble.property(name)
    place = tuple(cells.T)
    return np.concatenate([part[name].values[:, place[0], place[1], place[2]] for part in _batches(ensemble)]).astype(np.float64)


def _batches(ensemble: Ensemble) -> Iterator[Any]:
    """The dataset in parts along the realizations, each small enough to be held in memory."""
    step = max(1, BATCH_CELLS // (ensemble.grid.size * len(ensemble.properties)))
    for start in range(0, len(ensemble), step):
        yield ensemble.dataset.isel(realization=slice(start, start + step))


def _figures(group: str, own: Values, unconditional: Values | None = None, layer_mean: Values | None = None) -> list[Figure]:
    return [Figure(group, key, own[key], (unconditional or {}).get(key), (layer_mean or {}).get(key)) for key in own]
