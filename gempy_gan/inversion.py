"""invert(): a prior, constraints and a strategy in; an ensemble out."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gempy_gan import progress
from gempy_gan.constraints import Constraints, SoftData
from gempy_gan.ensemble import Ensemble
from gempy_gan.errors import GempyGanError
from gempy_gan.grid import Grid
from gempy_gan.plugins import get_prior, get_strategy, registry

if TYPE_CHECKING:
    import torch

    from gempy_gan.likelihood import Likelihood
    from gempy_gan.prior import Prior
    from gempy_gan.strategy import Draws, Strategy

BATCH_CELLS = 2**22  # cells drawn at once: a batch is both the unit of memory and the most an interrupt can lose


def invert(
    prior: Prior | str,
    constraints: Constraints,
    strategy: Strategy | str | None = None,
    n: int = 100,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Ensemble:
    """Sample n realizations from the posterior of the prior given the constraints.

    A prior given by name is built for the constraints' grid; no strategy means the one recommended for that kind of prior.
    With `store`, a path ending in .zarr, every finished batch is kept on disk, and `resume=True` continues a store that an
    earlier, equal call left unfinished, with the same result to the last bit. The seed alone decides the result.

    Raises GridError, PluginError or GempyGanError, before anything is computed, when prior, constraints and strategy do not
    fit together; GempyGanError when the store belongs to another run.
    """
    from gempy_gan.likelihood import Likelihood

    if n < 1:
        raise GempyGanError(f"n = {n} realizations were asked for. Expected at least 1.")
    prior = prior_for(prior, constraints.grid) if isinstance(prior, str) else prior
    chosen = get_strategy(strategy or prior.recommended) if strategy is None or isinstance(strategy, str) else strategy
    chosen.check(prior)
    likelihood = Likelihood.of(constraints, prior)
    record = provenance(prior, chosen, constraints, n, seed)
    sizes = batches(n, int(np.prod(prior.shape)), chosen.coupled)
    if store is None:
        draws = [
            _batch(prior, chosen, likelihood, size, seed, k)
            for k, size in progress.track(enumerate(sizes), "batches", len(sizes))
        ]
        values = np.concatenate([_numpy(d.values) for d in draws])
        record = {**record, "trace": [dict(d.trace) for d in draws]}
        weights = draws[0].log_weights  # only a coupled strategy weights its draws, and that one has a single batch
        return Ensemble.from_values(
            constraints.grid, prior.properties, values, record, None if weights is None else _numpy(weights)
        )
    return _into_store(Path(store), resume, prior, chosen, likelihood, record, constraints.grid, sizes, seed)


def sample(prior: Prior | str, grid: Grid, n: int = 100, seed: int = 0) -> Ensemble:
    """Draw n unconditional realizations of the prior on a grid: the baseline of every conditional ensemble."""
    from gempy_gan.likelihood import check_grid

    prior = prior_for(prior, grid) if isinstance(prior, str) else prior
    check_grid(prior, grid)
    sizes = batches(n, grid.size, coupled=False)
    values = [
        _numpy(prior.sample(size, _generator(seed, k))) for k, size in progress.track(enumerate(sizes), "sampling", len(sizes))
    ]
    record = {"prior": describe_prior(prior), "n": n, "seed": seed, "versions": versions()}
    return Ensemble.from_values(grid, prior.properties, np.concatenate(values), record)


def prior_for(name: str, grid: Grid, **options: Any) -> Prior:
    """The prior registered as `name`, built for a grid: its `shape` and `cell_size` are the grid's where it takes them."""
    taken = inspect.signature(registry().get("priors", name).load()).parameters
    fitted = {"shape": grid.resolution, "cell_size": grid.cell_size}
    return get_prior(name, **{key: value for key, value in fitted.items() if key in taken}, **options)


def batches(n: int, cells: int, coupled: bool) -> list[int]:
    """How many realizations each batch holds; a function of the request alone, so that a resumed run repeats it."""
    size = n if coupled else max(1, min(n, BATCH_CELLS // cells))
    return [min(size, n - start) for start in range(0, n, size)]


def provenance(prior: Prior, strategy: Strategy, constraints: Constraints, n: int, seed: int) -> dict[str, Any]:
    """What makes a run repeatable, as plain JSON values."""
    return {
        "prior": describe_prior(prior),
        "strategy": describe_strategy(strategy),
        "n": n,
        "seed": seed,
        "constraints": digest(constraints),
        "inputs": [dict(term.report) for term in constraints.terms],
        "versions": versions(),
    }


def describe_prior(prior: Prior) -> dict[str, Any]:
    """Class and options of a prior."""
    return {"class": _qualified(prior), "options": dict(prior.state())}


def describe_strategy(strategy: Strategy) -> dict[str, Any]:
    """Class and options of a strategy, and of the strategy it may hold."""
    options = {field.name: getattr(strategy, field.name) for field in dataclasses.fields(strategy)}  # type: ignore[arg-type]
    nested = {key: describe_strategy(value) if dataclasses.is_dataclass(value) else value for key, value in options.items()}  # type: ignore[arg-type]
    return {"class": _qualified(strategy), "options": nested}


def digest(constraints: Constraints) -> str:
    """SHA-256 over every value, position and standard deviation of the constraints."""
    found = hashlib.sha256(repr(constraints.grid.to_dict()).encode())
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


def _into_store(
    path: Path,
    resume: bool,
    prior: Prior,
    strategy: Strategy,
    likelihood: Likelihood,
    record: Mapping[str, Any],
    grid: Grid,
    sizes: list[int],
    seed: int,
) -> Ensemble:
    from gempy_gan.formats.zarr import EnsembleStore

    kept = EnsembleStore.open(path) if resume and path.exists() else EnsembleStore.create(path, grid, prior.properties, record)
    differing = [key for key in record if kept.provenance.get(key) != record[key]]
    if differing:
        raise GempyGanError(
            f"The store {path} belongs to another run: it differs in {', '.join(differing)}. Choose another store."
        )
    done = np.searchsorted(np.cumsum(sizes), len(kept), side="right")
    for k in progress.track(range(len(sizes)), "batches", len(sizes)):
        if k < done:
            continue
        draws = _batch(prior, strategy, likelihood, sizes[k], seed, k)
        start = int(np.sum(sizes[:k]))
        weights = None if draws.log_weights is None else _numpy(draws.log_weights)[len(kept) - start :]
        kept.append(_numpy(draws.values)[len(kept) - start :], trace=dict(draws.trace), log_weights=weights)
    return kept.ensemble()


def _batch(prior: Prior, strategy: Strategy, likelihood: Likelihood, size: int, seed: int, k: int) -> Draws:
    return strategy.sample(prior, likelihood, size, _generator(seed, k))


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
