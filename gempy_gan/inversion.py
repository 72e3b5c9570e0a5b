"""invert(): a prior, constraints and a strategy in; an ensemble out."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan import progress
from gempy_gan.constraints import Constraints, SoftData
from gempy_gan.diagnosis import CALIBRATION, matching_calibrations
from gempy_gan.ensemble import Ensemble, plain
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.learning import LearnedPrior
from gempy_gan.plain_torch import plain_torch
from gempy_gan.plugins import get_prior, get_strategy, registry
from gempy_gan.strategy import Draws
from gempy_gan.weights import fingerprint

if TYPE_CHECKING:
    import torch

    from gempy_gan.formats.zarr import EnsembleStore
    from gempy_gan.likelihood import Likelihood
    from gempy_gan.prior import Prior
    from gempy_gan.properties import Property
    from gempy_gan.strategy import Strategy

BATCH_CELLS = 2**23  # cells drawn at once where `batch` does not say it


def invert(
    prior: Prior | str,
    constraints: Constraints,
    strategy: Strategy | str | None = None,
    n: int = 100,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
    batch: int | None = None,
    clamp: bool = False,
) -> Ensemble:
    """Sample n realizations from the posterior of the prior given the constraints.

    A prior given by name is built for the constraints' grid and for the property they constrain; no strategy means the one
    recommended for that kind of prior. With `store`, a path ending in .zarr, every finished batch is kept on disk, whole, and
    `resume=True` continues a store that an earlier, equal call left unfinished, with the same result to the last bit. A call
    that ends before its first batch does leaves no store.

    `batch` is how many realizations are drawn together: the unit of memory, and the most that an interrupt can lose. None
    means as many as make up 8 million cells. Seed and batch decide the result, alone. A strategy whose realizations depend on
    each other draws all of them in one batch.

    `clamp` sets the cells of hard data to their values in the end, whatever their errors. That mends the match, not the
    geology around it; the trace of every batch keeps the match there was before, and `diagnose` tells it.

    Raises GridError, PluginError or GempyGanError, before anything is computed, when prior, constraints, strategy and batch do
    not fit together; GempyGanError when the store belongs to another run.
    """
    prior, chosen, likelihood, sizes = prepare(prior, constraints, strategy, n, batch)
    record = {**provenance(prior, chosen, constraints, n, seed), "batch": sizes[0], **({"clamp": True} if clamp else {})}
    complaints = _Complaints(len(sizes))

    def draw(k: int) -> Draws:
        with complaints.of_batch(k):
            draws = chosen.sample(prior, likelihood, sizes[k], _generator(seed, k))
            return clamped(draws, likelihood) if clamp else draws

    if store is None:
        made = list(_batches(draw, sizes, "realizations"))
        found = _gathered(made, constraints.grid, prior.properties, record)
    else:
        found = _filled(_open(Path(store), resume, constraints.grid, prior.properties, record), draw, sizes, "realizations")
    complaints.sum_up()
    return found


def prepare(
    prior: Prior | str, constraints: Constraints, strategy: Strategy | str | None = None, n: int = 100, batch: int | None = None
) -> tuple[Prior, Strategy, Likelihood, list[int]]:
    """What `invert` works with: prior, strategy, likelihood, and the size of each batch. Raises as it does, before it starts."""
    from gempy_gan.likelihood import Likelihood
    from gempy_gan.matching import Matched, MatchedPrior

    _check_number(n)
    prior = prior_given(prior, constraints) if isinstance(prior, str) else prior
    chosen = get_strategy(strategy or prior.recommended) if strategy is None or isinstance(strategy, str) else strategy
    chosen = Matched(chosen) if isinstance(prior, MatchedPrior) else chosen
    chosen.check(prior)
    with plain_torch():
        likelihood = Likelihood.of(constraints, prior)
    return prior, chosen, likelihood, batches(n, int(np.prod(prior.shape)), chosen.coupled, batch)


def sample(
    prior: Prior | str,
    grid: Grid,
    n: int = 100,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Ensemble:
    """Draw n unconditional realizations of the prior on a grid: the baseline of every conditional ensemble.

    With `store`, a path ending in .zarr, they go there as they are drawn, and never lie in memory all together; the store holds
    whole realizations at every moment, and `resume=True` continues what an equal call left unfinished, as in `invert`.
    """
    from gempy_gan.likelihood import check_grid

    _check_number(n)
    prior = prior_for(prior, grid) if isinstance(prior, str) else prior
    check_grid(prior, grid)
    sizes = batches(n, grid.size, coupled=False)
    record = {"prior": describe_prior(prior), "n": n, "seed": seed, "versions": versions()}

    def draw(k: int) -> Draws:
        return Draws(prior.sample(sizes[k], _generator(seed, k)))

    if store is None:
        made = [_numpy(draws.values) for draws in _batches(draw, sizes, "unconditional realizations")]
        return Ensemble.from_values(grid, prior.properties, np.concatenate(made), record)
    kept = _open(Path(store), resume, grid, prior.properties, dict(plain(record)), _shard(grid, sizes[0]))
    return _filled(kept, draw, sizes, "unconditional realizations", traced=False)


def clamped(draws: Draws, likelihood: Likelihood) -> Draws:
    """Draws with the values of hard data in their cells; the trace keeps the mean absolute error and chi2 there were before."""
    mask, known, std = likelihood.known
    if not likelihood.hard:
        return draws
    error = draws.values[:, mask.to(draws.values.device)] - known[mask].to(draws.values)
    chi2 = (error / std[mask].to(error)).square().mean()
    values = draws.values.clone()
    values[:, mask.to(values.device)] = known[mask].to(values)
    before = {"mae_before_clamp": float(error.abs().mean()), "chi2_before_clamp": float(chi2)}
    return dataclasses.replace(draws, values=values, trace={**draws.trace, **before})


def prior_for(name: str, grid: Grid, **options: Any) -> Prior:
    """The prior registered as `name`, built for a grid: its `shape` and `cell_size` are the grid's where it takes them."""
    taken = inspect.signature(registry().get("priors", name).load()).parameters
    fitted = {"shape": grid.resolution, "cell_size": grid.cell_size}
    return get_prior(name, **{**{key: value for key, value in fitted.items() if key in taken}, **options})


def recommended_for(name: str) -> str:
    """The strategy that `invert` takes for a registered prior; one that lies in a file is read to find out."""
    factory = registry().get("priors", name).load()
    return str(getattr(factory, "recommended", None) or factory().recommended)


def prior_given(name: str, constraints: Constraints, **options: Any) -> Prior:
    """As `prior_for`, for the constraints' grid; a prior of one property gets the one that hard data are about, if not said."""
    constrained = {term.property for term in constraints.hard}
    takes = inspect.signature(registry().get("priors", name).load()).parameters
    found = {"property": constrained.pop()} if "property" in takes and len(constrained) == 1 else {}
    return prior_for(name, constraints.grid, **{**found, **options})


def batches(n: int, cells: int, coupled: bool, batch: int | None = None) -> list[int]:
    """How many realizations each batch holds; a function of the request alone, so that a resumed run repeats it."""
    if batch is not None and (batch < 1 or (coupled and batch < n)):
        expected = f"at least {n}, because this strategy draws all realizations together" if coupled else "1 or more"
        raise GempyGanError(f"batch = {batch} was asked for. Expected {expected}.")
    size = n if coupled else min(n, batch or max(1, BATCH_CELLS // cells))
    return [min(size, n - start) for start in range(0, n, size)]


def provenance(prior: Prior, strategy: Strategy, constraints: Constraints, n: int, seed: int) -> dict[str, Any]:
    """What makes a run repeatable, as plain JSON values."""
    record = {
        "prior": describe_prior(prior),
        "strategy": describe_strategy(strategy),
        "n": n,
        "seed": seed,
        "constraints": digest(constraints),
        "inputs": [dict(term.report) for term in constraints.terms],
        "versions": versions(),
    }
    entries = prior.card.get(CALIBRATION, []) if isinstance(prior, LearnedPrior) else []
    known = matching_calibrations(entries, dict(plain(record)))
    return dict(plain(record | ({CALIBRATION: known} if known else {})))


def describe_prior(prior: Prior) -> dict[str, Any]:
    """Class and options of a prior; of a learned one also what it is about, and the fingerprint of its weights; of one made of
    another prior also that one."""
    record = {"class": _qualified(prior), "options": dict(prior.state())}
    if isinstance(prior, LearnedPrior):
        record |= {"domain": prior.domain.to_dict(), "weights": fingerprint(prior)}
    # of a prior that is made of another one's boxes, or matched to a histogram
    parts = {name: part for name in ("tile", "prior") if (part := getattr(prior, name, None)) is not None}
    return record | {name: describe_prior(part) for name, part in parts.items()}


def describe_strategy(strategy: Strategy) -> dict[str, Any]:
    """Class and options of a strategy, and of the strategy it may hold."""
    options = {field.name: getattr(strategy, field.name) for field in dataclasses.fields(strategy)}  # type: ignore[arg-type]
    nested = {key: describe_strategy(value) if dataclasses.is_dataclass(value) else value for key, value in options.items()}  # type: ignore[arg-type]
    return {"class": _qualified(strategy), "options": nested}


def digest(constraints: Constraints) -> str:
    """SHA-256 over every value, position and standard deviation of the constraints."""
    found = hashlib.sha256(repr(constraints.grid.to_dict()).encode())
    for name, (_, array) in sorted(constraints.grid.frame.arrays().items()):
        found.update(name.encode() + np.ascontiguousarray(array).tobytes())
    found.update(np.packbits(constraints.grid.active_cells).tobytes())
    for term in constraints.terms:
        found.update(term.values.tobytes() + term.std.tobytes())
        if isinstance(term, SoftData):
            state: Mapping[str, Any] = getattr(term.forward, "state", dict)()
            found.update(repr((term.name, sorted(state.items()))).encode())
        else:
            found.update(term.cells.tobytes() + term.property.encode())
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers."""
    return {name: version(name) for name in ("gempy-gan", "torch", "numpy")}


def _check_number(n: int) -> None:
    if n < 1:
        raise GempyGanError(f"n = {n} realizations were asked for. Expected at least 1.")


class _Complaints:
    """Warnings of a strategy: told when the first batch gives them, not again for each batch, and counted at the end."""

    def __init__(self, batches: int) -> None:
        self.batches = batches
        self.first: dict[tuple[str, int], warnings.WarningMessage] = {}
        self.count: Counter[tuple[str, int]] = Counter()

    @contextmanager
    def of_batch(self, k: int) -> Iterator[None]:
        """Take the warnings of the block."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        found = {(w.filename, w.lineno): w for w in reversed(caught)}
        self.count.update(found.keys())
        for place in found.keys() - self.first.keys():
            self.first[place] = w = found[place]
            batch = f"Batch {k + 1} of {self.batches}: " if self.batches > 1 else ""
            warnings.warn(f"{batch}{w.message}", w.category, stacklevel=6)

    def sum_up(self) -> None:
        """Say how many batches gave a warning that more than one gave."""
        for place, w in self.first.items():
            if self.count[place] > 1:
                line = f"{self.count[place]} of {self.batches} batches warned like the first: {w.message}"
                warnings.warn(line, w.category, stacklevel=3)


def _open(
    path: Path, resume: bool, grid: Grid, properties: Sequence[Property], record: Mapping[str, Any], shard: int = 1
) -> EnsembleStore:
    """The store to extend: a new one, or on resume the one that an equal run left."""
    from gempy_gan.formats.zarr import EnsembleStore

    if not (resume and path.exists()):
        return EnsembleStore.create(path, grid, properties, record, shard=shard)
    kept = EnsembleStore.open(path)
    differing = [key for key in record if kept.provenance.get(key) != record[key] and key != CALIBRATION]
    if differing:
        raise GempyGanError(
            f"The store {path} belongs to another run: it differs in {', '.join(differing)}. "
            "Repeat the call that made it, or choose another store."
        )
    return kept


def _shard(grid: Grid, batch: int) -> int:
    """How many realizations of a batch go into one file, if a batch fills whole files."""
    from gempy_gan.formats.zarr_layout import shard_for

    shard = shard_for(grid)
    return shard if batch % shard == 0 else 1


def _batches(draw: Callable[[int], Draws], sizes: Sequence[int], label: str, finished: int = 0) -> Iterator[Draws]:
    """The batches that are not finished yet, each told to whoever listens."""
    for k in range(len(sizes)):
        progress.report(label, sum(sizes[:k]), sum(sizes))
        if k >= finished:
            with plain_torch():
                draws = draw(k)
            yield draws
    progress.report(label, sum(sizes), sum(sizes))


def _filled(kept: EnsembleStore, draw: Callable[[int], Draws], sizes: Sequence[int], label: str, traced: bool = True) -> Ensemble:
    """The store's ensemble when the store has all batches. It takes whole batches only; one that gets none is removed."""
    with kept.alone():
        try:
            finished = int(np.searchsorted(np.cumsum(sizes), len(kept), side="right"))
            for draws in _batches(draw, sizes, label, finished):
                kept.append(_numpy(draws.values), dict(draws.trace) if traced else None, _weights(draws))
        except BaseException:
            kept.remove_if_empty()
            raise
    return kept.ensemble()


def _gathered(made: list[Draws], grid: Grid, properties: Sequence[Property], record: Mapping[str, Any]) -> Ensemble:
    """The ensemble of all batches. Only a coupled strategy weights its draws, and that one makes a single batch."""
    values = np.concatenate([_numpy(draws.values) for draws in made])
    return Ensemble.from_values(grid, properties, values, {**record, "trace": [dict(d.trace) for d in made]}, _weights(made[0]))


def _weights(draws: Draws) -> np.ndarray[Any, np.dtype[Any]] | None:
    return None if draws.log_weights is None else _numpy(draws.log_weights)


def _generator(seed: int, k: int) -> torch.Generator:
    """An independent stream for batch k of a run."""
    import torch

    state = np.random.SeedSequence([seed, k]).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(state[0]) << 31 | int(state[1]) >> 1)


def _numpy(tensor: torch.Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    array: np.ndarray[Any, np.dtype[Any]] = tensor.detach().cpu().numpy()
    return array


def _qualified(thing: object) -> str:
    return f"{type(thing).__module__}:{type(thing).__qualname__}"
