"""Statements that must hold, whatever Python's optimization level, and the one about randomness that several contracts share."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

Draw = Callable[[torch.Generator], Tensor]


def hold(holds: Any, contract: str) -> None:
    """Raise AssertionError with the contract that is broken."""
    if not bool(holds):
        raise AssertionError(contract)


def seeded(seed: int) -> torch.Generator:
    """A generator in a state of its own."""
    return torch.Generator().manual_seed(seed)


def check_values(values: Any, n: int, shape: tuple[int, ...], what: str) -> None:
    """Values of n realizations are a finite floating-point tensor (n, *shape) that carries no gradient."""
    hold(isinstance(values, Tensor), f"{what} must be a torch tensor, and is a {type(values).__name__}.")
    hold(tuple(values.shape) == (n, *shape), f"{what} must have shape {(n, *shape)}, and has {tuple(values.shape)}.")
    hold(values.is_floating_point(), f"{what} must be floating-point numbers, also for facies, and are {values.dtype}.")
    hold(values.isfinite().all(), f"{what} must be finite, and {int((~values.isfinite()).sum())} values are not.")
    hold(not values.requires_grad, f"{what} must carry no gradient: compute them under torch.no_grad().")


def check_randomness(draw: Draw, what: str, seed: int) -> None:
    """The generator, and nothing else, decides what is drawn; the global random states are neither read nor changed."""
    first = _apart_from_global_states(draw, seeded(seed), 1, what)
    again = _apart_from_global_states(draw, seeded(seed), 2, what)
    hold(torch.equal(first, again), f"{what} must depend on the generator alone: with equal generators it was different.")
    generator = seeded(seed)
    draws = [draw(generator), draw(generator), draw(seeded(seed + 1))]
    hold(not torch.equal(draws[0], draws[2]), f"{what} must follow the generator: with another seed it was the same.")
    hold(not torch.equal(draws[0], draws[1]), f"{what} must advance the generator: drawn twice from one, it was the same.")


def check_json(value: Any, what: str) -> None:
    """The value consists of plain JSON values, so that provenance can record it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{what} must hold plain JSON values (numbers, strings, lists, mappings, None): {error}.") from error


def _apart_from_global_states(draw: Draw, generator: torch.Generator, seed: int, what: str) -> Tensor:
    """Draw while the global random states are at `seed`, look whether they changed, and put them back."""
    kept = _states()
    try:
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # the legacy global state is what must not be touched
        random.seed(seed)
        before = _states()
        drawn = draw(generator)
        for name, old, new in zip(("torch", "numpy", "random"), before, _states(), strict=True):
            hold(repr(old) == repr(new), f"{what} must leave the global random state of {name} alone: use the generator.")
    finally:
        torch.set_rng_state(torch.tensor(kept[0], dtype=torch.uint8))
        np.random.set_state(kept[1])  # noqa: NPY002
        random.setstate(kept[2])
    return drawn


def _states() -> tuple[Any, Any, Any]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return torch.get_rng_state().tolist(), (name, np.asarray(keys).tolist(), *rest), random.getstate()
