"""One inversion of known data, and what it cost."""

from __future__ import annotations

import functools
import time
import warnings
from typing import Any

from gempy_gan import Constraints, Ensemble, GempyGanWarning, Prior, Strategy, invert
from gempy_gan_bench.counting import counted


def inverted(prior: Prior, strategy: Strategy, data: Constraints, n: int, seed: int) -> tuple[Ensemble, dict[str, Any]]:
    """n realizations, and per realization their CPU and wall seconds and network evaluations; what the strategy warned of."""
    _warm_up()
    with warnings.catch_warnings(record=True) as caught, counted() as evaluations:
        warnings.simplefilter("always")
        wall, cpu = time.perf_counter(), time.process_time()
        ensemble = invert(prior, data, strategy, n, seed)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    said = [" ".join(str(w.message).split()) for w in caught if issubclass(w.category, GempyGanWarning)]
    cost = {"cpu_s": cpu / n, "wall_s": wall / n, "forward": evaluations.forward / n, "backward": evaluations.backward / n}
    return ensemble, {"n": n, "cost": cost, "warnings": said, "trace": ensemble.provenance.get("trace", [])}


@functools.cache
def _warm_up() -> None:
    """Let torch import what it imports at the first derivative: a second and a half that is no strategy's cost."""
    import torch

    torch.func.vjp(torch.sin, torch.zeros(1))[1](torch.ones(1))
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
